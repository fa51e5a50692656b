//! Signed request objects, by value and by reference: RFC 9101, OpenID Connect Core 6, RFC 8725.

use serde_json::{Value, json};

use super::{
    PATIENCE, PRIVATE, STATE, ada, app, assert_error_page, back, fixture, hashed, judge, known, message, now, opening, post_raw,
    posting, public, signed, told,
};
use crate::judge::Reply;
use crate::support::{Answer, Person, claims};
use crate::web::{App, secret};

/// The claims of a request object: everything that the app would ask outside, with changes; null removes.
fn asking(app: &App, changes: &Value) -> Value {
    let mut claims = json!({ "iss": app.api.client, "aud": fixture().a, "exp": now() + 60 });
    for (name, value) in app.parameters(&[]) {
        claims[name] = value.into();
    }
    for (name, value) in changes.as_object().unwrap() {
        claims[name] = value.clone();
    }
    claims.as_object_mut().unwrap().retain(|_, value| !value.is_null());
    claims
}

/// Such an object, signed by the key `one`.
fn object(app: &App, changes: &Value) -> String {
    signed(&json!({ "alg": "ES256", "kid": "one", "typ": "oauth-authz-req+jwt" }), &asking(app, changes), "one")
}

/// `/authorize` with nothing but the client and an object.
async fn open(person: &Person, app: &App, object: &str) -> Answer {
    person.get(&format!("/authorize?client_id={}&request={object}", app.api.client)).await
}

/// `/authorize` with good parameters and an object beside them.
async fn beside(app: &App, object: &str) -> Answer {
    ada().await.get(&app.path(&[("request", object), ("prompt", "none")])).await
}

/// RFC 9101 4 and 6.3: what is inside counts, and nothing outside but `client_id`.
#[tokio::test]
async fn parameters_come_from_the_object_alone() {
    let (person, signer) = (ada().await, app("signer"));
    let inside = object(&signer, &json!({ "state": "inside", "nonce": "n1", "scope": "openid profile" }));
    for outside in [
        "",
        "&redirect_uri=https://evil.example/&state=evil&scope=openid&response_type=token&nonce=evil",
        "&prompt=login&max_age=0&response_mode=form_post&code_challenge=evil&claims=x&display=x&resource=x",
        "&redirect_uri=https://signer.example/cb&response_type=code&scope=openid&state=outside",
    ] {
        let path = format!("/authorize?client_id=signer&request={inside}{outside}");
        let posted = post_raw("/authorize", path.split_once('?').unwrap().1).await;
        for answer in [person.get(&path).await, person.get(posted.header("location")).await] {
            let code = back(&signer, &answer, Some("inside")).remove("code").unwrap();
            let tokens = signer.redeem(&code).await;
            assert_eq!(tokens.member("scope").split(' ').count(), 2, "{outside}");
            assert_eq!(claims(&tokens.member("id_token"))["nonce"], "n1", "{outside}");
        }
    }
    // What is only outside is not there (RFC 9101 5).
    let lacking = object(&signer, &json!({ "code_challenge": null, "code_challenge_method": null }));
    let answer = person.get(&signer.path(&[("request", &lacking)])).await;
    assert_eq!(told(&signer, &answer, STATE), "invalid_request");
    let nowhere = object(&signer, &json!({ "redirect_uri": null }));
    assert_error_page(&person.get(&signer.path(&[("request", &nowhere)])).await, "redirect_uri is only outside");
    // Nor is the object a way to where nobody may be sent.
    for evil in ["https://evil.example/cb", "https://signer.example/cb?x=1", "https://strict.example/cb"] {
        let object = object(&signer, &json!({ "redirect_uri": evil }));
        assert_error_page(&person.get(&signer.path(&[("request", &object)])).await, evil);
    }
    // Core 6.1: JSON types as they are outside.
    let typed = object(&signer, &json!({ "max_age": 10_000, "prompt": "none", "claims": { "id_token": { "name": null } } }));
    let code = back(&signer, &open(&person, &signer, &typed).await, STATE).remove("code").unwrap();
    assert_eq!(claims(&signer.redeem(&code).await.member("id_token"))["name"], "Ada Lovelace");
    // The faults of the request inside are told where it says, as it says.
    let faulty = object(&signer, &json!({ "prompt": "none login", "response_mode": "form_post", "state": "in" }));
    let (action, fields) = posting(&open(&person, &signer, &faulty).await);
    assert_eq!((action, &*known(fields, Some("in"))["error"]), (signer.redirect_uri.clone(), "invalid_request"));
    // An object outside of a form twice.
    let twice = format!("/authorize?client_id=signer&request={inside}&request={inside}");
    assert_error_page(&person.get(&twice).await, "two objects");
}

/// RFC 9101 10.2, RFC 8725 2.1 and 3.1: signed by an asymmetric algorithm of ours and a key of this client's, or
/// `invalid_request_object`; told by redirect where the parameters outside say where to, else on a page, for the
/// client has two redirect URIs.
#[tokio::test]
async fn only_what_the_client_signed_counts() {
    let (person, signer) = (ada().await, app("signer"));
    let claims = asking(&signer, &json!({}));
    let es256 = |more: Value| {
        let mut header = json!({ "alg": "ES256" });
        header.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        header
    };
    let good = signed(&es256(json!({ "kid": "one" })), &claims, "one");
    let (head, signature) = good.rsplit_once('.').unwrap();
    let other = message(&es256(json!({ "kid": "one" })), &asking(&signer, &json!({ "scope": "openid email" })));
    let key_text = public("one").to_string();
    let client_secret = secret("signer");
    let symmetric = |secret: &[u8]| hashed(&json!({ "alg": "HS256", "kid": "one" }), &claims, secret);
    let point = latchkey::protocol::secret::from_base64url(public("one")["x"].as_str().unwrap()).unwrap();
    for (bad, what) in [
        (message(&json!({ "alg": "none" }), &claims) + ".", "alg none"),
        (message(&json!({ "alg": "None" }), &claims) + ".", "alg None"),
        (format!("{}.{signature}", message(&json!({ "alg": "none" }), &claims)), "alg none with a signature"),
        (message(&es256(json!({ "kid": "one" })), &claims) + ".", "no signature"),
        (symmetric(client_secret.as_bytes()), "HS256 with the client's secret"),
        (symmetric(key_text.as_bytes()), "HS256 with a public key"),
        (symmetric(&point), "HS256 with a coordinate of a public key"),
        (symmetric(b""), "HS256 with nothing"),
        (signed(&es256(json!({ "kid": "one" })), &claims, "stranger"), "another key"),
        (signed(&es256(json!({ "kid": "two" })), &claims, "one"), "the wrong one of its keys"),
        (signed(&es256(json!({ "kid": "unknown" })), &claims, "one"), "an unknown kid"),
        (signed(&es256(json!({})), &claims, "stranger"), "another key without kid"),
        (signed(&es256(json!({ "jwk": public("stranger") })), &claims, "stranger"), "its own key in the header"),
        (signed(&es256(json!({ "jku": judge().at("/jku") })), &claims, "stranger"), "a place of its own in the header"),
        (signed(&json!({ "alg": "ES384", "kid": "one" }), &claims, "one"), "another algorithm"),
        (signed(&json!({ "alg": "RS256", "kid": "one" }), &claims, "one"), "an algorithm of another kind of key"),
        (signed(&json!({ "kid": "one" }), &claims, "one"), "no algorithm"),
        (signed(&es256(json!({ "crit": ["exp"], "kid": "one" })), &claims, "one"), "something critical"),
        (signed(&es256(json!({ "b64": false, "kid": "one" })), &claims, "one"), "a payload as it is"),
        (signed(&es256(json!({ "typ": "at+jwt", "kid": "one" })), &claims, "one"), "a token"),
        (signed(&es256(json!({ "typ": "logout+jwt", "kid": "one" })), &claims, "one"), "a logout token"),
        (format!("{other}.{signature}"), "another's signature"),
        (format!("{head}.{}", "A".repeat(86)), "a signature of zeros"),
        (format!("{good}.x"), "four parts"),
        (format!("{good}="), "padded"),
        (head.to_owned(), "two parts"),
        ("x".to_owned(), "no JWT"),
        (signed(&es256(json!({ "kid": "one" })), &json!(["x"]), "one"), "no object"),
    ] {
        assert_eq!(told(&signer, &beside(&signer, &bad).await, STATE), "invalid_request_object", "{what}");
        assert_error_page(&open(&person, &signer, &bad).await, what);
        let pushed = signer.api.post("/par", &[("request", &bad)]).await;
        assert_eq!((pushed.status, pushed.error().as_str()), (400, "invalid_request_object"), "{what}");
    }
    assert_eq!(judge().heard("/jku").len(), 0, "what a header names is never asked for");
    for (fine, what) in [
        (good.clone(), "with kid"),
        (signed(&es256(json!({ "kid": "two" })), &claims, "two"), "by the other key"),
        (signed(&es256(json!({})), &claims, "two"), "without kid: whichever fits"),
        (signed(&es256(json!({ "typ": "JWT" })), &claims, "one"), "as JWT"),
        (signed(&es256(json!({ "typ": "oauth-authz-req+jwt" })), &claims, "one"), "by its type"),
        (signed(&es256(json!({ "typ": "application/oauth-authz-req+jwt" })), &claims, "one"), "by its media type"),
    ] {
        assert!(back(&signer, &open(&person, &signer, &fine).await, STATE).contains_key("code"), "{what}");
    }
    // Another client's, whose keys these are not, or who has none.
    for id in ["strict", "keyless"] {
        let app = app(id);
        let object = object(&app, &json!({}));
        let answer = person.get(&app.path(&[("request", &object)])).await;
        assert_eq!(told(&app, &answer, STATE), "invalid_request_object", "{id}");
    }
    // The algorithm that is registered is the only one.
    let by = app("by-rs256");
    let answer = person.get(&by.path(&[("request", &object(&by, &json!({})))])).await;
    assert_eq!(told(&by, &answer, STATE), "invalid_request_object");
}

/// RFC 9101 4, 5, 10.2 and 10.8: for us, of this client, in time, and no other kind of JWT.
#[tokio::test]
async fn what_an_object_says_of_itself() {
    let (person, signer, must) = (ada().await, app("signer"), app("must-sign"));
    let issuer = &fixture().a;
    let now = now();
    for bad in [
        json!({ "iss": "other" }),
        json!({ "iss": ["signer"] }),
        json!({ "client_id": "other" }),
        json!({ "client_id": ["signer"] }),
        json!({ "sub": "signer" }),
        json!({ "aud": "https://other.example" }),
        json!({ "aud": format!("{issuer}/") }),
        json!({ "aud": format!("{issuer}/token") }),
        json!({ "aud": [] }),
        json!({ "aud": ["https://other.example"] }),
        json!({ "aud": 1 }),
        json!({ "exp": now - 1 }),
        json!({ "exp": now + 3600 }),
        json!({ "exp": "tomorrow" }),
        json!({ "exp": -1 }),
        json!({ "nbf": now + 70 }),
        json!({ "iat": now + 70 }),
        json!({ "request": "x.y.z" }),
        json!({ "request_uri": "urn:ietf:params:oauth:request_uri:x" }),
        json!({ "max_age": 1.5 }),
        json!({ "scope": ["openid"] }),
        json!({ "state": { "a": 1 } }),
        json!({ "state": true }),
    ] {
        let object = object(&signer, &bad);
        assert_eq!(told(&signer, &beside(&signer, &object).await, STATE), "invalid_request_object", "{bad}");
        let pushed = signer.api.post("/par", &[("request", &object)]).await;
        assert_eq!((pushed.status, pushed.error().as_str()), (400, "invalid_request_object"), "{bad}");
    }
    for good in [
        json!({ "aud": ["https://other.example", issuer] }),
        json!({ "aud": null, "exp": null, "iss": null }),
        json!({ "iat": now, "nbf": now, "jti": "x" }),
        json!({ "iat": now + 5, "nbf": now + 5 }),
        serde_json::from_str(&format!("{{\"exp\":{}.5}}", now + 60)).unwrap(),
        json!({ "client_id": null }),
    ] {
        let answer = open(&person, &signer, &object(&signer, &good)).await;
        assert!(back(&signer, &answer, STATE).contains_key("code"), "{good}");
    }
    // Who must sign must say for whom and how long (10.2), and must do it.
    assert!(back(&must, &open(&person, &must, &object(&must, &json!({}))).await, STATE).contains_key("code"));
    for lacking in [json!({ "aud": null }), json!({ "exp": null })] {
        let answer = person.get(&must.path(&[("request", &object(&must, &lacking))])).await;
        assert_eq!(told(&must, &answer, STATE), "invalid_request_object", "{lacking}");
    }
    assert_eq!(told(&must, &person.get(&must.path(&[])).await, STATE), "invalid_request");
    assert_eq!(super::push(&must, &[]).await.error(), "invalid_request");
}

/// RFC 9126 3: pushed, an object is its request, and nothing beside it counts.
#[tokio::test]
async fn an_object_may_be_pushed() {
    let (person, signer) = (ada().await, app("signer"));
    let inside = object(&signer, &json!({ "state": "inside" }));
    let evil = ("redirect_uri", "https://evil.example/");
    for more in [&[][..], &[evil, ("state", "evil"), ("scope", "x"), ("response_type", "token")]] {
        let fields = [&[("request", inside.as_str())], more].concat();
        let answer = signer.api.post("/par", &fields).await;
        assert_eq!(answer.status, 201, "{}", answer.body);
        let done = person.get(&opening("signer", &answer.member("request_uri"))).await;
        assert!(back(&signer, &done, Some("inside")).contains_key("code"));
    }
    let bad = object(&signer, &json!({ "redirect_uri": evil.1 }));
    let answer = signer.api.post("/par", &[("request", bad.as_str()), ("redirect_uri", &signer.redirect_uri)]).await;
    assert_eq!((answer.status, answer.error().as_str()), (400, "invalid_request"));
}

/// Core 6.2 and RFC 9101 5.2: a registered `request_uri` is fetched, once, without anything of ours.
#[tokio::test]
async fn an_object_may_be_fetched_from_where_the_client_registered() {
    let (person, signer) = (ada().await, app("signer"));
    judge().answer(
        "/ro",
        Reply::new(200, object(&signer, &json!({ "state": "fetched" }))).header("content-type", "application/jwt"),
    );
    // As the conformance suite does it: a fragment that is no hash of it, a type of old, dates of no kind, no kid.
    let bare = asking(&signer, &json!({ "exp": null, "state": "fetched" }));
    let text = signed(&json!({ "alg": "ES256" }), &bare, "one") + "\n";
    judge().answer("/fragment", Reply::new(200, text).header("content-type", "application/jose"));
    for (uri, path) in [(judge().at("/ro"), "/ro"), (judge().at("/fragment#bm90IGEgaGFzaA"), "/fragment")] {
        let before = judge().heard(path).len();
        let outside = [("request_uri", uri.as_str()), ("state", "outside"), ("nonce", ""), ("prompt", "login")];
        let answer = person.get(&signer.path(&outside)).await;
        assert!(back(&signer, &answer, Some("fetched")).contains_key("code"), "{uri}");
        let heard = judge().heard(path);
        let [asked] = &heard[before..] else { panic!("asked {} times", heard.len() - before) };
        assert_eq!((asked.method.as_str(), asked.query.as_str(), asked.body.as_str()), ("GET", "", ""));
        for name in ["cookie", "authorization", "referer", "origin"] {
            assert_eq!(asked.header(name), "", "{name}");
        }
        assert!(asked.header("accept").contains("application/oauth-authz-req+jwt"));
        // By POST: fetched once, sealed, and not again.
        let body = signer.path(&outside).split_once('?').unwrap().1.to_owned();
        let location = post_raw("/authorize", &body).await.header("location").to_owned();
        assert!(back(&signer, &person.get(&location).await, Some("fetched")).contains_key("code"));
        assert_eq!(judge().heard(path).len(), before + 2);
    }
}

/// What is not registered, or elsewhere than in public, is never asked for; what answers badly is not believed.
#[tokio::test]
async fn a_request_uri_that_cannot_be_used_is_told_as_such() {
    let signer = app("signer");
    let good = object(&signer, &json!({}));
    judge().answer("/unregistered", Reply::new(200, good.clone()));
    judge().answer("/away", Reply::redirect(&judge().at("/ro-elsewhere")));
    judge().answer("/ro-elsewhere", Reply::new(200, good.clone()));
    judge().answer("/huge", Reply::new(200, format!("{good}{}", " ".repeat(70_000))));
    judge().answer("/endless", Reply::new(200, format!("{good}{}", " ".repeat(70_000))).unannounced());
    judge().answer("/slow", Reply::new(200, good.clone()).after(2 * PATIENCE));
    judge().answer("/bogus", Reply::new(200, [0xff, 0xfe, 0x00]));
    judge().answer("/none", Reply::new(200, message(&json!({ "alg": "none" }), &asking(&signer, &json!({}))) + "."));
    let at = |path: &str| judge().at(path);
    let mut cases = vec![
        (at("/unregistered"), "invalid_request_uri"),
        (at("/ro?x=1"), "invalid_request_uri"),
        (at("/ro#other"), "invalid_request_uri"),
        (at("/RO"), "invalid_request_uri"),
        (at("/ro/../unregistered"), "invalid_request_uri"),
        ("https://evil.example/ro".to_owned(), "invalid_request_uri"),
        ("urn:example:x".to_owned(), "invalid_request_uri"),
        ("data:,x".to_owned(), "invalid_request_uri"),
        ("x".to_owned(), "invalid_request_uri"),
        (at("/away"), "invalid_request_uri"),
        (at("/huge"), "invalid_request_uri"),
        (at("/endless"), "invalid_request_uri"),
        (at("/slow"), "invalid_request_uri"),
        (at("/absent"), "invalid_request_uri"),
        (at("/bogus"), "invalid_request_uri"),
        (at("/none"), "invalid_request_object"),
    ];
    cases.extend(PRIVATE.map(|uri| (uri.to_owned(), "invalid_request_uri")));
    for (uri, error) in cases {
        let answer = ada().await.get(&signer.path(&[("request_uri", &uri), ("prompt", "none")])).await;
        assert_eq!(told(&signer, &answer, STATE), error, "{uri}");
    }
    for path in ["/unregistered", "/ro-elsewhere", "/RO"] {
        assert_eq!(judge().heard(path).len(), 0, "{path}");
    }
    // One request of somebody has us ask somebody else once, well or not.
    for path in ["/absent", "/slow", "/none"] {
        assert_eq!(judge().heard(path).len(), 1, "{path}");
    }
    // Alone, it is an error page; both kinds at once are one too many; in a push it is refused.
    let alone = format!("/authorize?client_id=signer&request_uri={}", at("/unregistered"));
    assert_error_page(&ada().await.get(&alone).await, "alone");
    let both = ada().await.get(&signer.path(&[("request_uri", &at("/none")), ("request", &good)])).await;
    assert_eq!(told(&signer, &both, STATE), "invalid_request");
    let pushed = signer.api.post("/par", &[("request_uri", &at("/none"))]).await;
    assert_eq!((pushed.status, pushed.error().as_str()), (400, "invalid_request"));
}

/// Keys from a `jwks_uri`: a kid that is not known has them fetched again, and no oftener than allowed.
#[tokio::test]
async fn keys_are_fetched_again_for_an_unknown_kid() {
    let (person, keyed) = (ada().await, app("keyed"));
    let by = |word: &str| signed(&json!({ "alg": "ES256", "kid": word }), &asking(&keyed, &json!({})), word);
    judge().answer("/keys", Reply::json(&json!({ "keys": [public("first")] })));
    assert!(back(&keyed, &open(&person, &keyed, &by("first")).await, STATE).contains_key("code"));
    let asked = judge().heard("/keys").len();
    assert!(back(&keyed, &open(&person, &keyed, &by("first")).await, STATE).contains_key("code"));
    assert_eq!(judge().heard("/keys").len(), asked, "kept");
    for _ in 0..3 {
        // There is one place that it can mean, so the client is told there; what the state is, nobody knows.
        let answer = open(&person, &keyed, &by("stranger")).await;
        assert_eq!(told(&keyed, &answer, None), "invalid_request_object");
    }
    assert!(judge().heard("/keys").len() <= asked + 1, "asked {} times", judge().heard("/keys").len());
}
