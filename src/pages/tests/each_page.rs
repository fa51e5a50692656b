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
    assert!(!html.contains("login-cancel"));
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
