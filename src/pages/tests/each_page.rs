//! The texts, ids and field names of each page, which automation relies on.

use std::collections::HashSet;

use super::*;

#[test]
fn every_name_is_used_where_the_model_has_it() {
    let scopes = scopes("x");
    let html = approval(
        &realm("House"),
        &Approval {
            name: "Grace",
            client: Client {
                name: "Ward terminal",
                publisher: Some("Example Medical"),
                logo: Some("https://logo.example/a.svg"),
                policy: Some("https://example.com/policy"),
                tos: Some("https://example.com/tos"),
            },
            device_place: Some("Basel"),
            browser_place: Some("Bern"),
            ..request("x", &scopes)
        },
    );
    for word in [
        ">House<",
        ">Grace<",
        ">Ward terminal<",
        ">Example Medical<",
        "src=\"https://logo.example/a.svg\"",
        "href=\"https://example.com/policy\"",
        "href=\"https://example.com/tos\"",
        ">Basel<",
        ">Bern<",
        ">BCDF-GHJK<",
        "3 minutes ago",
        ">11:42 UTC<",
        "datetime=\"2026-11-22T11:42:07Z\"",
    ] {
        assert!(html.as_str().contains(word), "{word}");
    }
}

#[test]
fn sign_in_has_its_hooks() {
    let html = page("login");
    assert!(html.contains("<h1>Sign in</h1>"));
    assert!(hook(&html, "login-submit").starts_with("button"));
    let name = input(&html, "login").unwrap();
    for attribute in ["autocomplete=\"username\"", "autocapitalize=\"none\"", "spellcheck=\"false\"", "required"] {
        assert!(name.contains(attribute), "{attribute}");
    }
    assert!(name.contains("autofocus") && !name.contains("aria-describedby"));
    let password = input(&html, "password").unwrap();
    assert!(password.contains("type=\"password\""));
    assert!(password.contains("autocomplete=\"current-password\""));
    assert!(!password.contains(" value="));
}

#[test]
fn sign_in_says_what_for_and_can_be_cancelled() {
    let html = page("login, device");
    assert!(html.contains("Sign in to connect a device."));
    let cancel = hook(&html, "login-cancel");
    assert!(cancel.contains("name=\"action\" value=\"cancel\" formnovalidate"));
    // Enter in a field presses the first button.
    assert!(html.find("login-submit") < html.find("login-cancel"));
    let html = page("login, again");
    assert!(html.contains("Please sign in again to continue."));
    assert!(input(&html, "login").unwrap().contains("value=\"Ada\""));
    assert!(input(&html, "password").unwrap().contains("autofocus"));
}

#[test]
fn a_failed_sign_in_is_announced_at_both_fields() {
    for (name, text) in [
        ("login, wrong", "The name or the password is not right."),
        ("login, throttled", "Please wait 3 minutes, then try again."),
        ("login, expired", "This page was open too long. Please try again."),
    ] {
        let html = page(name);
        assert!(html.contains(text), "{name}");
        assert!(hook(&html, "error").contains("role=\"alert\""));
        assert!(html.contains("<title>Error: Sign in – "), "{name}");
        for field in ["login", "password"] {
            let field = input(&html, field).unwrap();
            assert_eq!(attribute(&field, "aria-describedby"), Some("error"));
            assert_eq!(field.contains("aria-invalid"), name == "login, wrong");
        }
    }
}

#[test]
fn a_wait_is_at_least_a_minute() {
    let error = Some(LoginError::Throttled { minutes: 0 });
    let html = login(&realm("Ada"), &Login { error, ..Login::default() });
    assert!(html.as_str().contains("Please wait 1 minute, then try again."));
}

#[test]
fn the_code_field_takes_any_spelling() {
    let html = page("code");
    assert!(hook(&html, "device-continue").starts_with("button"));
    let field = input(&html, "user_code").unwrap();
    for attribute in ["autocomplete=\"off\"", "autocapitalize=\"characters\"", "maxlength=\"20\""] {
        assert!(field.contains(attribute), "{attribute}");
    }
    assert!(!field.contains("pattern"));
}

#[test]
fn a_prefilled_code_is_to_be_compared() {
    let html = page("code, prefilled");
    assert!(html.contains("Compare this code with the one on your device."));
    let field = input(&html, "user_code").unwrap();
    assert!(field.contains("value=\"Ada\"") && !field.contains("autofocus"));
    assert_eq!(attribute(&field, "aria-describedby"), Some("hint caution"));
}

#[test]
fn allow_needs_the_tick_and_deny_does_not() {
    let html = page("approval");
    assert!(input(&html, "confirm_device").unwrap().contains("value=\"1\" required"));
    let (allow, deny) = (hook(&html, "device-allow"), hook(&html, "device-deny"));
    assert!(allow.contains("name=\"action\" value=\"allow\"") && !allow.contains("formnovalidate"));
    assert!(deny.contains("name=\"action\" value=\"deny\" formnovalidate"));
    assert_eq!(attribute(&allow, "class"), attribute(&deny, "class"), "equal prominence");
    assert!(html.find("device-deny") < html.find("device-allow"), "Enter does no harm");
    assert!(!input(&html, "confirm_device").unwrap().contains("checked"));
}

#[test]
fn a_missing_tick_is_announced_at_the_box() {
    let html = page("approval, unconfirmed");
    assert!(hook(&html, "error").contains("role=\"alert\""));
    let tick = input(&html, "confirm_device").unwrap();
    assert_eq!(attribute(&tick, "aria-describedby"), Some("error caution"));
    assert!(tick.contains("aria-invalid=\"true\" autofocus"));
}

#[test]
fn required_scopes_are_no_control_and_optional_ones_can_be_unticked() {
    let html = page("approval");
    assert!(input(&html, "scope.openid").is_none());
    assert!(html.contains("Recognise you"));
    assert!(input(&html, "scope.email").unwrap().contains(" checked"));
    assert!(html.contains("See your e-mail address"));
    assert!(input(&html, "scope.records:read").unwrap().contains(" checked"));
    assert!(!input(&html, "scope.records:write").unwrap().contains(" checked"));
    assert!(html.contains(">records:write<"), "without a title the name is shown");
}

#[test]
fn the_approval_warns() {
    let html = page("approval");
    assert!(html.contains("Nobody from support will ever ask you to do this"));
    assert!(ids(&html).contains(&"places-differ"));
    let html = page("approval, little known");
    assert!(html.contains("Nobody from support will ever ask you to do this"));
    assert!(!ids(&html).contains(&"places-differ"));
    assert_eq!(html.matches("Not known").count(), 2);
}

#[test]
fn after_the_answer_there_is_a_way_on() {
    let html = page("allowed");
    assert!(html.contains("<h1>You can go back to your device</h1>"));
    assert!(html.contains("action=\"/device/undo\""));
    assert!(hook(&html, "device-undo").starts_with("button"));
    assert!(page("denied").contains("href=\"/\""));
    assert!(page("undone").contains("href=\"/\""));
}

#[test]
fn signing_out_asks_and_then_says_so() {
    let html = page("logout");
    assert!(hook(&html, "logout-confirm").contains("value=\"here\""));
    assert!(hook(&html, "logout-everywhere").contains("name=\"action\" value=\"everywhere\""));
    assert!(page("signed out").contains("<h1>You are signed out</h1>"));
    assert!(page("signed out, everywhere").contains("<h1>You are signed out</h1>"));
}

#[test]
fn an_error_has_one_sentence_by_status_and_the_request_id() {
    let html =
        |status| error(&realm("Ada"), &ErrorPage { status, request_id: "7f3a", code: None, description: None }).into_string();
    let mut sentences = HashSet::new();
    for status in [400, 404, 405, 413, 429, 503] {
        let html = html(status);
        assert!(html.contains("<h1>Something went wrong</h1>"));
        assert!(html.contains("<code>7f3a</code>"));
        let lede = html.split("<p class=\"lede\">").nth(1).unwrap();
        sentences.insert(lede.split('<').next().unwrap().to_owned());
    }
    assert_eq!(sentences.len(), 6);
    assert_eq!(html(415), html(400));
    assert_eq!(html(500), html(503));
}

#[test]
fn sign_in_names_the_client_that_it_leads_to() {
    let html = page("login, client");
    for part in ["to continue to", "class=\"client-name\"", "class=\"client-logo\"", "Privacy policy", "Terms of use"] {
        assert!(html.contains(part), "{part}");
    }
    assert!(!html.contains("connect a device") && !html.contains("again to continue"));
    assert!(page("login, client, again").contains("Please sign in again to continue."));
    assert!(!page("login").contains("client-name"));
}

#[test]
fn an_account_is_one_button_and_there_are_two_ways_out() {
    let known =
        [Account { id: "a1", name: "Ada", detail: Some("ada@example.com") }, Account { id: "b2", name: "Ada", detail: None }];
    let model = Accounts { form: SEALED, client: client("Ward terminal"), accounts: &known };
    let html = accounts(&realm("House"), &model).into_string();
    let buttons: Vec<_> = tags(&html).into_iter().filter(|tag| attribute(tag, "name") == Some("account")).collect();
    let ids: Vec<_> = buttons.iter().filter_map(|tag| attribute(tag, "value")).collect();
    assert_eq!(ids, ["a1", "b2"]);
    assert!(buttons.iter().all(|tag| tag.starts_with("button ") && tag.contains("type=\"submit\"")));
    assert!(html.contains(">ada@example.com<") && html.contains(">Ward terminal<"));
    assert_eq!(html.matches("account-detail").count(), 1, "nothing stands for what is not there");
    assert!(hook(&html, "accounts-other").contains("name=\"action\" value=\"other\""));
    assert!(hook(&html, "accounts-cancel").contains("name=\"action\" value=\"cancel\""));
    assert!(html.contains("action=\"/accounts\""));
}

#[test]
fn consent_shows_who_asks_for_what_and_where_it_leads() {
    let scopes = scopes("x");
    let model = Consent {
        name: "Grace",
        client: client("Ward terminal"),
        destination: "app.example",
        switch: "/accounts?step=y",
        ..question("x", &scopes, &["email", "birthdate", "insurance_number"])
    };
    let html = consent(&realm("House"), &model).into_string();
    for part in [
        ">Grace<",
        ">Ward terminal<",
        "You will be sent to",
        ">app.example<",
        "See your date of birth",
        ">insurance_number<",
        "action=\"/consent\"",
    ] {
        assert!(html.contains(part), "{part}");
    }
    assert_eq!(attribute(&hook(&html, "consent-switch"), "href"), Some("/accounts?step=y"));
    assert!(input(&html, "scope.openid").is_none(), "a required scope is no control");
    assert!(input(&html, "scope.email").unwrap().contains(" checked"));
    assert!(!input(&html, "scope.records:write").unwrap().contains(" checked"));
    for claim in ["claim.email", "claim.birthdate", "claim.insurance_number"] {
        assert!(input(&html, claim).unwrap().contains("value=\"1\" checked"), "{claim}");
    }
    let (allow, deny) = (hook(&html, "consent-allow"), hook(&html, "consent-deny"));
    assert!(allow.contains("name=\"action\" value=\"allow\"") && deny.contains("name=\"action\" value=\"deny\""));
    assert_eq!(attribute(&allow, "class"), attribute(&deny, "class"), "equal prominence");
    assert!(html.find("consent-deny") < html.find("consent-allow"), "Enter does no harm");
}

#[test]
fn a_failed_consent_is_announced_and_ticks_no_claim_again() {
    for (name, text) in [
        ("consent, nothing chosen", "Nothing is left to allow."),
        ("consent, expired", "This page was open too long. Please try again."),
    ] {
        let html = page(name);
        assert!(html.contains(text), "{name}");
        assert!(hook(&html, "error").contains("role=\"alert\""), "{name}");
        assert!(html.contains("<title>Error: Allow access? – "), "{name}");
        assert!(!input(&html, "claim.birthdate").unwrap().contains("checked"), "{name}");
    }
}

#[test]
fn consent_never_speaks_of_devices() {
    for (name, html) in all_pages("Ada").into_iter().filter(|(name, _)| name.starts_with("consent")) {
        let (_, body) = html.split_once("<body>").unwrap();
        for word in ["device", "gerät", "appareil"] {
            assert!(!body.to_lowercase().contains(word), "{name}: {word}");
        }
    }
}

#[test]
fn a_form_post_carries_the_fields_and_sends_itself() {
    let fields = [("code", "a&b\"<c>"), ("state", ""), ("iss", "https://id.example")];
    let model = FormPost { action: "https://app.example/callback?a=1&b=2", fields: &fields, client_name: "Ward terminal" };
    let html = form_post(&realm("House"), &model).into_string();
    let form = hook(&html, "form-post");
    assert!(form.starts_with("form ") && form.contains("method=\"post\""));
    assert_eq!(attribute(&form, "action"), Some("https://app.example/callback?a=1&#38;b=2"));
    for (name, value) in [("code", "a&#38;b&#34;&#60;c&#62;"), ("state", ""), ("iss", "https://id.example")] {
        let field = input(&html, name).unwrap();
        assert_eq!(attribute(&field, "value"), Some(value));
        assert!(field.contains("type=\"hidden\""));
    }
    assert_eq!(html.matches("<input").count(), 3, "nothing else is sent");
    let button = hook(&html, "form-post-continue");
    assert!(button.contains("type=\"submit\"") && attribute(&button, "name").is_none());
    assert!(html.contains(">Ward terminal<"));
    // The script runs where it stands, so it must come after the form.
    assert!(html.find("</form>") < html.find("<script src=\"/form_post.js\"></script>"));
    assert!(form_post_script().contains("\"form-post\""));
}

#[test]
fn an_error_tells_the_developer_what_is_known() {
    let of =
        |code, description| error(&realm("Ada"), &ErrorPage { status: 400, request_id: "7f3a", code, description }).into_string();
    let full = of(Some("invalid_request"), Some("state is sent twice"));
    assert!(full.contains("Details: <code>invalid_request</code> <span lang=\"en\">state is sent twice</span>"));
    assert!(of(Some("invalid_request"), None).contains("Details: <code>invalid_request</code></p>"));
    assert!(of(None, Some("state is sent twice")).contains("Details: <span lang=\"en\">state is sent twice</span></p>"));
    assert!(!of(None, None).contains("Details"));
}

#[test]
fn signing_out_says_who_asks_and_that_it_is_all_accounts() {
    let html = page("logout, client");
    assert!(html.contains("<bdi>Ada</bdi></strong> asks you to sign out."));
    assert!(html.contains("client-logo") && html.contains("Privacy policy"));
    assert!(html.contains("All accounts in this browser will be signed out."));
    assert!(!page("logout").contains("asks you to sign out."));
}

#[test]
fn the_start_page_lists_devices_and_apps_apart() {
    let html = page("home, with a device and apps");
    assert_eq!(html.matches("action=\"/device/end\"").count(), 1);
    assert_eq!(html.matches("action=\"/apps/end\"").count(), 2);
    assert!(html.contains("Your devices") && html.contains("Your apps"));
    assert!(html.contains("aria-label=\"Disconnect: Ada\">Disconnect<"));
    assert!(html.contains("<time>1970-01-02</time>, last used on <time>2026-11-22</time>"));
    assert!(html.contains("<time>1970-01-02</time></span>"), "when it was used need not be known");
    assert!(!page("home, with a device").contains("id=\"apps\"") && !page("home, with apps").contains("id=\"devices\""));
    assert!(!page("home").contains("<section"));
}
