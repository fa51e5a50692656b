//! Who is asked what: OpenID Connect Core 3.1.2.1 to 3.1.2.4, RFC 8707.

use serde_json::json;

use super::{BOB, STATE, ada, app, back, fixture, pushed, told};
use crate::support::{Answer, Person, claims};
use crate::web::{App, consent, consent_to, follow, post};

/// Where somebody gets with a request, before they answer anything.
async fn reached(person: &Person, app: &App, changes: &[(&str, &str)]) -> Answer {
    follow(person, person.get(&app.path(changes)).await).await
}

fn is_login(page: &Answer) -> bool {
    page.status == 200 && page.body.contains("id=\"login-submit\"")
}

fn is_consent(page: &Answer) -> bool {
    page.status == 200 && page.body.contains("id=\"consent-allow\"")
}

async fn sign_in(person: &Person, page: &Answer, (login, password): (&str, &str)) -> Answer {
    let fields = [("form", page.form()), ("login", login.to_owned()), ("password", password.to_owned())];
    follow(person, post(person, "/login", &fields).await).await
}

/// The claims of the ID token of an answer.
async fn id_token(app: &App, answer: &Answer) -> serde_json::Value {
    let code = back(app, answer, STATE).remove("code").unwrap_or_else(|| panic!("no code: {}", answer.header("location")));
    let tokens = app.redeem(&code).await;
    assert!(tokens.is_granted(), "{}", tokens.body);
    claims(&tokens.member("id_token"))
}

/// `prompt=none`: no page at all; an error that says what is missing, or silent success.
#[tokio::test]
async fn prompt_none() {
    let base = &fixture().a;
    let (nobody, person, trusted) = (Person::new(base), Person::new(base), app("trusted"));
    person.sign_in("carol", BOB.1).await;
    let several = App { redirect_uri: "https://several.example/cb".to_owned(), ..app("several") };
    let none = ("prompt", "none");
    assert_eq!(told(&several, &nobody.get(&several.path(&[none])).await, STATE), "login_required");
    assert_eq!(told(&several, &person.get(&several.path(&[none])).await, STATE), "consent_required");
    assert!(back(&trusted, &person.get(&trusted.path(&[none])).await, STATE).contains_key("code"), "the operator said yes");
    // With the remembered yes of the user: silent, for what it covers.
    let profile = ("scope", "openid profile email");
    let page = reached(&person, &several, &[profile]).await;
    assert!(back(&several, &consent_to(&person, &page, |name| name == "scope.profile").await, STATE).contains_key("code"));
    assert!(back(&several, &person.get(&several.path(&[none, profile])).await, STATE).contains_key("code"));
    assert!(back(&several, &person.get(&several.path(&[none])).await, STATE).contains_key("code"));
    let more = ("scope", "openid profile address");
    assert_eq!(told(&several, &person.get(&several.path(&[none, more])).await, STATE), "consent_required");
    // What was left out stays out, without being asked again.
    let code = back(&several, &person.get(&several.path(&[none, profile])).await, STATE).remove("code").unwrap();
    assert_eq!(several.redeem(&code).await.member("scope"), "openid profile");
    // A sign-in that is too old, or somebody else's.
    assert_eq!(told(&trusted, &person.get(&trusted.path(&[none, ("max_age", "0")])).await, STATE), "login_required");
    person.sign_out_everywhere().await;
    assert_eq!(told(&trusted, &person.get(&trusted.path(&[none])).await, STATE), "login_required");
}

/// The four words, and which go together.
#[tokio::test]
async fn prompt_words() {
    let (person, trusted) = (ada().await, app("trusted"));
    for bad in ["none login", "login none", "none consent", "none select_account", "create", "NONE", "none,login", "login foo"] {
        let answer = person.get(&trusted.path(&[("prompt", bad)])).await;
        assert_eq!(told(&trusted, &answer, STATE), "invalid_request", "{bad}");
    }
    assert!(back(&trusted, &person.get(&trusted.path(&[("prompt", "none")])).await, STATE).contains_key("code"));
    assert!(is_login(&reached(&person, &trusted, &[("prompt", "login")]).await));
    assert!(is_login(&reached(&person, &trusted, &[("prompt", "consent login")]).await), "first who, then what");
    assert!(is_consent(&reached(&person, &trusted, &[("prompt", "consent")]).await), "even what the operator allowed");
    let choose = reached(&person, &trusted, &[("prompt", "select_account consent")]).await;
    assert!(choose.body.contains("name=\"account\"") && !is_consent(&choose), "{}", choose.body);
    assert!(is_login(&reached(&Person::new(&fixture().a), &trusted, &[("prompt", "select_account")]).await));
}

/// `prompt=login` and `max_age`: the login page again, and then a truly later `auth_time`; not a third time.
#[tokio::test]
async fn a_new_sign_in_is_a_later_one() {
    let base = &fixture().a;
    let trusted = app("trusted");
    let person = Person::ada(base).await;
    let first = id_token(&trusted, &person.get(&trusted.path(&[("max_age", "10000")])).await).await;
    let same = id_token(&trusted, &person.get(&trusted.path(&[("max_age", "9000"), ("prompt", "none")])).await).await;
    assert_eq!((&same["auth_time"], &same["sub"]), (&first["auth_time"], &first["sub"]));
    tokio::time::sleep(std::time::Duration::from_millis(1100)).await;
    let mut last = first["auth_time"].as_i64().unwrap();
    for (app, changes) in [
        (&trusted, &[("prompt", "login")][..]),
        (&trusted, &[("max_age", "0")]),
        // The client's own `default_max_age`.
        (&app("aged"), &[]),
    ] {
        let page = reached(&person, app, changes).await;
        assert!(is_login(&page), "{changes:?}: {} {}", page.status, page.body);
        // Reloading, or going around the page, is no sign-in.
        assert!(is_login(&reached(&person, app, changes).await), "{changes:?}");
        let token = id_token(app, &sign_in(&person, &page, crate::support::ADA).await).await;
        let auth_time = token["auth_time"].as_i64().unwrap();
        assert!(auth_time > last || changes.is_empty() || changes[0].0 == "max_age", "{changes:?}: {last} {token}");
        assert!(auth_time >= last, "{token}");
        last = auth_time;
    }
    assert!(back(&trusted, &person.get(&trusted.path(&[("max_age", "60")])).await, STATE).contains_key("code"));
    let shorter = app("aged").path(&[("max_age", "60"), ("prompt", "none")]);
    assert!(back(&app("aged"), &person.get(&shorter).await, STATE).contains_key("code"), "the request's goes before");
    for bad in ["-1", "1.5", "x", "1e3", "0x10", " 1", "99999999999999999999"] {
        let answer = person.get(&trusted.path(&[("max_age", bad)])).await;
        assert_eq!(told(&trusted, &answer, STATE), "invalid_request", "{bad}");
    }
}

/// A login page that was asked for cannot be gone around: not through `/consent`, and not with an old consent form.
#[tokio::test]
async fn a_sign_in_that_is_wanted_cannot_be_gone_around() {
    let (person, strict) = (ada().await, app("strict"));
    let location = person.get(&strict.path(&[("prompt", "login consent")])).await.header("location").to_owned();
    let step = location.strip_prefix("/login?step=").unwrap();
    for path in ["/authorize", "/consent", "/accounts"] {
        let answer = person.get(&format!("{path}?step={step}")).await;
        assert!(answer.status == 400, "a login step is no step of {path}: {}", answer.status);
    }
    // Whoever is sent by a link that ends in a login page gets the page, signed in or not.
    assert!(is_login(&person.get(&location).await));
}

/// `id_token_hint`: the same subject, or `login_required`; and it must be ours.
#[tokio::test]
async fn id_token_hint() {
    let base = &fixture().a;
    let (person, trusted) = (ada().await, app("trusted"));
    let bob = Person::new(base);
    bob.sign_in(BOB.0, BOB.1).await;
    let hint = |tokens: Answer| tokens.member("id_token");
    let (hers, his) = (hint(trusted.tokens(&person, &[]).await), hint(trusted.tokens(&bob, &[]).await));
    let none = ("prompt", "none");
    let answer = person.get(&trusted.path(&[none, ("id_token_hint", &hers)])).await;
    assert_eq!(id_token(&trusted, &answer).await["sub"], claims(&hers)["sub"]);
    assert_eq!(told(&trusted, &person.get(&trusted.path(&[none, ("id_token_hint", &his)])).await, STATE), "login_required");
    let nobody = Person::new(base);
    assert_eq!(told(&trusted, &nobody.get(&trusted.path(&[none, ("id_token_hint", &hers)])).await, STATE), "login_required");
    // Without `none`: the person may sign in, but as nobody else.
    let page = reached(&bob, &trusted, &[("id_token_hint", &hers)]).await;
    assert!(is_login(&page));
    assert_eq!(told(&trusted, &sign_in(&bob, &page, BOB).await, STATE), "login_required");
    let page = reached(&bob, &trusted, &[("id_token_hint", &hers)]).await;
    assert_eq!(id_token(&trusted, &sign_in(&bob, &page, crate::support::ADA).await).await["sub"], claims(&hers)["sub"]);
    // Bogus ones.
    let (head, body, signature) = {
        let parts: Vec<&str> = hers.split('.').collect();
        (parts[0].to_owned(), parts[1].to_owned(), parts[2].to_owned())
    };
    let forged = super::message(&json!({ "alg": "none" }), &claims(&hers)) + ".";
    let own = super::signed(&json!({ "alg": "ES256", "kid": "one" }), &claims(&hers), "one");
    let access = trusted.tokens(&person, &[]).await.member("access_token");
    for bogus in [
        "x".to_owned(),
        forged,
        own,
        access,
        super::hashed(&json!({ "alg": "HS256" }), &claims(&hers), crate::web::secret("trusted").as_bytes()),
        format!("{head}.{body}."),
        format!("{head}.{}.{signature}", his.split('.').nth(1).unwrap()),
    ] {
        let answer = person.get(&trusted.path(&[none, ("id_token_hint", &bogus)])).await;
        assert_eq!(told(&trusted, &answer, STATE), "invalid_request", "{bogus}");
    }
}

/// Core 5.5.1: `sub` with a value is a wish that must be met or refused; also beside a hint about somebody else.
#[tokio::test]
async fn a_subject_that_is_asked_for_is_the_one_or_none() {
    let base = &fixture().a;
    let (person, trusted) = (ada().await, app("trusted"));
    let bob = Person::new(base);
    bob.sign_in(BOB.0, BOB.1).await;
    let (hers, his) = (trusted.tokens(&person, &[]).await.member("id_token"), trusted.tokens(&bob, &[]).await.member("id_token"));
    let asked = |token: &str| json!({ "id_token": { "sub": { "value": claims(token)["sub"] } } }).to_string();
    let none = ("prompt", "none");
    assert!(back(&trusted, &person.get(&trusted.path(&[none, ("claims", &asked(&hers))])).await, STATE).contains_key("code"));
    let other = person.get(&trusted.path(&[none, ("claims", &asked(&his))])).await;
    assert_eq!(told(&trusted, &other, STATE), "login_required");
    let both = [none, ("claims", &*asked(&his)), ("id_token_hint", &*hers)];
    assert!(back(&trusted, &person.get(&trusted.path(&both)).await, STATE).contains_key("error"), "two subjects");
    let agreed = [none, ("claims", &*asked(&hers)), ("id_token_hint", &*hers)];
    assert!(back(&trusted, &person.get(&trusted.path(&agreed)).await, STATE).contains_key("code"));
}

/// `claims`: JSON of the shape that Core 5.5 says; an essential `acr` that cannot be met is refused (5.5.1.1), a
/// voluntary one is not.
#[tokio::test]
async fn claims_and_acr_values() {
    let (person, trusted) = (ada().await, app("trusted"));
    let none = ("prompt", "none");
    for bad in ["x", "[]", "\"a\"", "{\"userinfo\":1}", "{\"id_token\":[]}", "{\"userinfo\":{\"name\":true}}", "{", "{}x"] {
        let answer = person.get(&trusted.path(&[none, ("claims", bad)])).await;
        assert_eq!(told(&trusted, &answer, STATE), "invalid_request", "{bad}");
    }
    let essential = r#"{"id_token":{"acr":{"essential":true,"values":["urn:gold"]}}}"#;
    let answer = person.get(&trusted.path(&[none, ("claims", essential)])).await;
    assert_eq!(told(&trusted, &answer, STATE), "unmet_authentication_requirements");
    let acr = app("trusted").api.get("/.well-known/openid-configuration").await.json()["acr_values_supported"][0].clone();
    let met = json!({ "id_token": { "acr": { "essential": true, "values": ["urn:gold", acr] } } }).to_string();
    for good in [&*met, r#"{"id_token":{"acr":{"values":["urn:gold"]}}}"#, r#"{"x":1}"#, "{}", r#"{"userinfo":{"unknown":null}}"#]
    {
        let token = id_token(&trusted, &person.get(&trusted.path(&[none, ("claims", good)])).await).await;
        assert_eq!(token["acr"], acr, "{good}");
        assert_eq!(token.get("name"), None, "{good}");
    }
    let values = format!("urn:gold {}", acr.as_str().unwrap());
    let token = id_token(&trusted, &person.get(&trusted.path(&[none, ("acr_values", &values)])).await).await;
    assert_eq!(token["acr"], acr);
    let named = r#"{"id_token":{"name":{"essential":true}},"userinfo":{"nickname":null}}"#;
    let token = id_token(&trusted, &person.get(&trusted.path(&[none, ("claims", named)])).await).await;
    assert_eq!((token["name"].as_str(), token.get("nickname")), (Some("Ada Lovelace"), None));
}

/// `login_hint` fills in the name, whichever way it came, and is escaped; it signs nobody in.
#[tokio::test]
async fn login_hint() {
    let strict = app("strict");
    let nobody = Person::new(&fixture().a);
    for (hint, shown) in [
        ("ada", "ada"),
        ("buffy@id.example", "buffy@id.example"),
        ("\"><script>x</script>", "&#34;&#62;&#60;script&#62;x&#60;/script&#62;"),
        // Too long to be a name: no hint.
        (&"h".repeat(255), ""),
    ] {
        let field = format!("name=\"login\" type=\"text\" value=\"{shown}\"");
        let page = reached(&nobody, &strict, &[("login_hint", hint)]).await;
        assert!(is_login(&page) && page.body.contains(&field), "{hint}: {}", page.body);
        let path = pushed(&strict, &[("login_hint", hint)]).await;
        let page = follow(&nobody, nobody.get(&path).await).await;
        assert!(is_login(&page) && page.body.contains(&field), "pushed {hint}: {}", page.body);
    }
}

/// `ui_locales` chooses the language of all pages of the flow; what is not spoken here is passed over.
#[tokio::test]
async fn ui_locales() {
    let (person, strict) = (ada().await, app("strict"));
    let nobody = Person::new(&fixture().a);
    for (asked, lang) in [("de", "de"), ("fr-CA en", "fr"), ("se de-CH", "de"), ("se", "en"), ("tlh x-y *", "en")] {
        let html = format!("<html lang=\"{lang}\">");
        let login = reached(&nobody, &strict, &[("ui_locales", asked)]).await;
        assert!(is_login(&login) && login.body.contains(&html), "{asked}: {}", login.body);
        let consent = reached(&person, &strict, &[("ui_locales", asked), ("prompt", "consent")]).await;
        assert!(is_consent(&consent) && consent.body.contains(&html), "{asked}: {}", consent.body);
        let path = pushed(&strict, &[("ui_locales", asked)]).await;
        let login = follow(&nobody, nobody.get(&path).await).await;
        assert!(login.body.contains(&html), "pushed {asked}");
        let form = [("response_mode", "form_post"), ("prompt", "none"), ("ui_locales", asked)];
        assert!(nobody.get(&strict.path(&form)).await.status == 200, "{asked}");
    }
}

/// What is taken and has no consequence, and what nobody knows.
#[tokio::test]
async fn other_parameters_are_accepted() {
    let (person, trusted) = (ada().await, app("trusted"));
    for (name, value) in [
        ("display", "page"),
        ("display", "popup"),
        ("display", "touch"),
        ("display", "wap"),
        ("display", "hologram"),
        ("claims_locales", "se"),
        ("acr_values", "1 2"),
        ("login_hint", "somebody else"),
        ("extra", "foobar"),
        ("audience", "https://x.example"),
        ("iss", "https://evil.example"),
        ("code", "x"),
        ("error", "x"),
        ("authorization_details", "[]"),
    ] {
        let answer = person.get(&trusted.path(&[("prompt", "none"), (name, value)])).await;
        assert!(back(&trusted, &answer, STATE).contains_key("code"), "{name}={value}");
    }
    let answer = person.get(&trusted.path(&[("prompt", "none"), ("registration", "{}")])).await;
    assert_eq!(told(&trusted, &answer, STATE), "registration_not_supported");
}

/// RFC 8707 2: an absolute URI without fragment, and one that the client may reach.
#[tokio::test]
async fn resource() {
    let (person, api) = (ada().await, app("api"));
    for bad in
        ["https://other.example/", "https://api.example/v1/", "https://api.example/v1#x", "/v1", "x", "https://api.example"]
    {
        let answer = person.get(&api.path(&[("resource", bad)])).await;
        assert_eq!(told(&api, &answer, STATE), "invalid_target", "{bad}");
        let refused = super::push(&api, &[("resource", bad)]).await;
        assert_eq!((refused.status, refused.error().as_str()), (400, "invalid_target"), "{bad}");
    }
    for (asked, aud) in [("", json!("https://api.example/v1")), ("urn:example:files", json!("urn:example:files"))] {
        let tokens = api.tokens(&person, &[("resource", asked)]).await;
        assert_eq!(claims(&tokens.member("access_token"))["aud"], aud, "{asked}");
    }
}

/// Scope: at least one word that is known and this client's; others are ignored (Core 3.1.2.1), and malformed
/// ones refused.
#[tokio::test]
async fn scope() {
    let (person, trusted) = (ada().await, app("trusted"));
    for bad in ["", "unknown", "records:write", "openid  profile", " openid", "op\"enid", "open\\id", "latchkey:admin", "\u{e4}"]
    {
        let answer = person.get(&trusted.path(&[("scope", bad)])).await;
        assert_eq!(told(&trusted, &answer, STATE), "invalid_scope", "{bad}");
    }
    for (asked, granted) in [("email openid", "openid email"), ("openid unknown records:write", "openid"), ("profile", "profile")]
    {
        let tokens = trusted.tokens(&person, &[("scope", asked)]).await;
        let mut scope: Vec<String> = tokens.member("scope").split(' ').map(str::to_owned).collect();
        let mut expected: Vec<String> = granted.split(' ').map(str::to_owned).collect();
        scope.sort();
        expected.sort();
        assert_eq!(scope, expected, "{asked}");
    }
}

/// Consent is for what is asked: a page posted twice, or for an app that was changed meanwhile, gives no more.
#[tokio::test]
async fn a_consent_page_gives_what_it_showed() {
    let person = Person::new(&fixture().a);
    person.sign_in("dora", BOB.1).await;
    let other = app("other");
    let page = reached(&person, &other, &[("scope", "openid email")]).await;
    let fields = [
        ("form", page.form()),
        ("action", "allow".to_owned()),
        ("scope.email", "1".to_owned()),
        ("scope.address", "1".to_owned()),
    ];
    let code = back(&other, &post(&person, "/consent", &fields).await, STATE).remove("code").unwrap();
    let tokens = other.redeem(&code).await;
    let mut scope: Vec<String> = tokens.member("scope").split(' ').map(str::to_owned).collect();
    scope.sort();
    assert_eq!(scope, ["email", "openid"]);
    // Signed out meanwhile: the page is good for nothing.
    person.sign_out_everywhere().await;
    let late = consent(&person, &page).await;
    assert!(is_login(&follow(&person, late).await));
}
