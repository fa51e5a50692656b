//! Opaque access tokens: what a JWT would say, sealed. By the client's choice or the resource's, from every grant,
//! without a row; good wherever an access token is, and nowhere else.

use openidconnect::JsonWebKey as _;
use serde_json::json;

use super::{
    API, PHANTOM, PHANTOM_RSA, PLAIN, RSA, api, ask, assert_error, assert_inactive, cost, ended, exchange, fixture, introspect,
    introspect_as, is_active, names, offline, own, person, resealed, told, unsealed,
};
use crate::code::{alg_of, assert_refused, jwks, key_of, verified};
use crate::support::{Api, DEVICE_CODE, claims, header};
use crate::web::{App, pairs};
use latchkey::protocol::secret::base64url;

/// Whether nobody can read anything in a token.
fn is_opaque(token: &str) -> bool {
    let bytes = latchkey::protocol::secret::from_base64url(token);
    !token.contains('.') && bytes.is_some_and(|bytes| !bytes.windows(4).any(|window| window == b"http" || window == b"\"sub"))
}

#[tokio::test]
async fn a_token_is_opaque_where_its_client_or_its_resource_wants_that() {
    let fixture = fixture();
    // Client, resources, whether it is opaque, the algorithm of the JWT that it is or is swapped for.
    let table: [(&str, &[&str], bool, &str); 9] = [
        ("worker", &[API], false, "ES256"),
        ("worker", &[PHANTOM], true, "ES256"),
        ("worker", &[API, PHANTOM], true, "ES256"),
        ("worker", &[PHANTOM_RSA], true, "RS256"),
        ("worker", &[RSA, PHANTOM_RSA], true, "RS256"),
        ("dark", &[], true, "ES256"),
        ("dark", &[API], true, "ES256"),
        ("dark", &[PLAIN], false, "ES256"),
        ("dark", &[RSA], true, "RS256"),
    ];
    for base in [&fixture.a, &fixture.b] {
        for (id, resources, opaque, alg) in table {
            let asked: Vec<(&str, &str)> = resources.iter().map(|resource| ("resource", *resource)).collect();
            let token = own(base, id, &asked).await;
            assert_eq!(is_opaque(&token), opaque, "{id} {resources:?}: {token}");
            assert_eq!(token.contains('.'), !opaque, "{id} {resources:?}");
            let swapped = introspect_as(base, "gateway", &token, "application/jwt").await;
            for jwt in [Some(&swapped.body), (!opaque).then_some(&token)].into_iter().flatten() {
                assert_eq!((&header(jwt)["alg"], &header(jwt)["typ"]), (&json!(alg), &json!("at+jwt")), "{id} {resources:?}");
                verified(&jwks(base).await, jwt);
            }
        }
    }
    let two = [("resource", PHANTOM), ("resource", PHANTOM_RSA)];
    assert_error("two algorithms", &ask(&api(&fixture.a, "worker"), &two).await, 400, "invalid_target");
}

/// The same answer but for the token, which is never the same; and inside it the same claims.
#[tokio::test]
async fn an_opaque_token_holds_what_the_jwt_would_say() {
    let fixture = fixture();
    let answer = ask(&api(&fixture.a, "claiming-dark"), &[("scope", "records:read")]).await;
    assert_eq!(names(&answer.json()), ["access_token", "token_type", "expires_in", "scope"].into());
    let token = answer.member("access_token");
    assert_ne!(own(&fixture.a, "claiming-dark", &[]).await, token);
    let inside = unsealed(fixture, &token).await;
    let said = serde_json::to_value(&inside.claims).unwrap();
    assert_eq!(names(&said), ["iss", "sub", "aud", "client_id", "scope", "jti", "tenant"].into());
    assert_eq!((&said["sub"], &said["aud"], &said["tenant"]), (&json!("claiming-dark"), &json!(API), &json!(7)));
    assert_eq!(answer.json()["expires_in"], inside.exp.seconds() - inside.iat.seconds());
    super::assert_never_logged(fixture, &[&token]).await;
}

/// Every grant: the rows are those of a JWT, and what hangs on the token (`at_hash`, userinfo, revocation) is as ever.
#[tokio::test]
async fn every_grant_issues_them_at_the_price_of_a_jwt() {
    let fixture = fixture();
    let mary = person(&fixture.a, "mary").await;
    let mut prices: Vec<Vec<[i64; 5]>> = Vec::new();
    for (app, lamp) in [("clinic", "lamp"), ("clinic-dark", "lamp-dark")] {
        let (app, lamp) = (App::web(&fixture.a, app), Api::public(&fixture.a, lamp));
        // Both clients are in memory from here on.
        app.tokens(&mary, &[]).await;
        let by_code = app.tokens(&mary, &[]).await;
        let by_code_offline = offline(&app, &mary, &[]).await;
        let by_refresh = app.api.refresh(&by_code_offline.member("refresh_token")).await;
        let by_device = lamp.signed_in(&mary).await;
        let by_device_refresh = lamp.refresh(&by_device.member("refresh_token")).await;
        let all = [by_code, by_code_offline, by_refresh, by_device, by_device_refresh];
        let mut prices_here = Vec::new();
        for tokens in &all {
            let token = tokens.member("access_token");
            assert_eq!(is_opaque(&token), app.api.client == "clinic-dark", "{token}");
            prices_here.push(cost(fixture, tokens).await);
            for base in [&fixture.a, &fixture.b] {
                let info = Api::demo(base).userinfo(&token).await;
                assert_eq!(info.status, 200, "{}", info.body);
                assert_eq!(info.member("sub"), told(&introspect(base, "gateway", &token).await)["sub"]);
            }
            // OpenID Connect Core 3.1.3.6: of the text of the token, whatever that is.
            let id_token = tokens.member("id_token");
            let hash = key_of(&jwks(&fixture.a).await, &id_token).hash_bytes(token.as_bytes(), &alg_of(&id_token)).unwrap();
            assert_eq!(claims(&id_token)["at_hash"], base64url(&hash[..hash.len() / 2]));
        }
        prices.push(prices_here);
        // RFC 7009 2.1: by the access token alone its grant ends.
        let [_, _, by_refresh, by_device, _] = &all;
        let stranger = api(&fixture.a, "worker");
        let stolen = by_refresh.member("access_token");
        assert_refused(&stranger.post("/revoke", &[("token", &stolen)]).await, "invalid_grant");
        assert!(is_active(fixture, &stolen).await);
        for (api, tokens) in [(&app.api, by_refresh), (&lamp, by_device)] {
            let token = tokens.member("access_token");
            assert_eq!(api.post("/revoke", &[("token", &token)]).await.status, 200);
            assert!(!is_active(fixture, &token).await);
            assert_eq!(api.userinfo(&token).await.status, 401);
        }
    }
    assert_eq!(prices[0], prices[1], "D1, rows, objects, KV, outbound of each grant");
}

/// A refresh and an exchange give what the resource that they ask for wants.
#[tokio::test]
async fn a_refresh_follows_the_resource_that_it_asks_for() {
    let fixture = fixture();
    let mary = person(&fixture.a, "mary").await;
    let app = App::web(&fixture.a, "clinic-mixed");
    let mut parameters = app.parameters(&[("scope", "openid offline_access"), ("prompt", "consent")]);
    parameters.extend([API, PHANTOM, RSA].map(|resource| ("resource".to_owned(), resource.to_owned())));
    let back = crate::web::follow(&mary, mary.get(&format!("/authorize?{}", crate::web::query(&parameters))).await).await;
    let back = if back.status == 303 { back } else { crate::web::consent(&mary, &back).await };
    let code = pairs(back.header("location").split_once('?').unwrap().1)["code"].clone();
    // For all at once there is no signature; which costs nobody anything.
    assert_refused(&app.redeem(&code).await, "invalid_target");
    let tokens = app.redeem_with(&code, &[("resource", PHANTOM)]).await;
    assert!(is_opaque(&tokens.member("access_token")), "{}", tokens.body);
    let mut refresh_token = tokens.member("refresh_token");
    let asked = async |refresh_token: &str, resource: &[(&str, &str)]| {
        let fields = [&[("grant_type", "refresh_token"), ("refresh_token", refresh_token)], resource].concat();
        app.api.post("/token", &fields).await
    };
    let rows = async || fixture.d1("SELECT * FROM grants WHERE client_id = 'clinic-mixed' ORDER BY id", &[]).await;
    for (resource, opaque, alg) in [(API, false, "ES256"), (RSA, false, "RS256"), (PHANTOM, true, "")] {
        let before = rows().await;
        assert_refused(&asked(&refresh_token, &[]).await, "invalid_target");
        assert_refused(&asked(&refresh_token, &[("resource", API), ("resource", RSA)]).await, "invalid_target");
        assert_eq!(rows().await, before, "a refused refresh has rotated nothing (RFC 6749 6)");
        let answer = asked(&refresh_token, &[("resource", resource)]).await;
        assert!(answer.is_granted(), "{resource}: {}", answer.body);
        let token = answer.member("access_token");
        assert_eq!(is_opaque(&token), opaque, "{resource}");
        if !opaque {
            assert_eq!((&header(&token)["alg"], &claims(&token)["aud"]), (&json!(alg), &json!(resource)));
        }
        refresh_token = answer.member("refresh_token");
    }
}

/// Two algorithms in one sign-in of a device: nothing is spent until it asks for one of them.
#[tokio::test]
async fn a_device_that_asked_for_two_algorithms_polls_for_one() {
    let fixture = fixture();
    let app = Api::public(&fixture.a, "lamp-two");
    let sign_in = app.start_with(&[("resource", API), ("resource", RSA)]).await;
    person(&fixture.a, "mary").await.approve(&sign_in.user_code).await;
    assert_refused(&app.poll(&sign_in).await, "invalid_target");
    assert_eq!(super::rows_of(fixture, "lamp-two").await, 0);
    let poll = [("grant_type", DEVICE_CODE), ("device_code", sign_in.device_code.as_str()), ("resource", RSA)];
    let tokens = app.post("/token", &poll).await;
    assert_eq!(header(&tokens.member("access_token"))["alg"], "RS256", "{}", tokens.body);
}

/// The end is inside, and nobody's copy of the client or of a row matters.
#[tokio::test]
async fn an_opaque_token_ends_at_its_end() {
    let fixture = fixture();
    let mary = person(&fixture.a, "mary").await;
    let user = App::web(&fixture.a, "clinic-dark").tokens(&mary, &[]).await.member("access_token");
    let service = own(&fixture.a, "dark", &[]).await;
    for (token, userinfo) in [(user, 200), (service, 403)] {
        let inside = unsealed(fixture, &token).await;
        let (same, over) = (resealed(fixture, &inside).await, resealed(fixture, &ended(&inside)).await);
        let gateway = api(&fixture.a, "gateway");
        assert!(is_active(fixture, &same).await, "resealed as it was it is good, so the end is what counts");
        assert_eq!(gateway.userinfo(&same).await.status, userinfo);
        for base in [&fixture.a, &fixture.b] {
            for accept in ["application/json", "application/jwt"] {
                assert_inactive("expired", &introspect_as(base, "gateway", &over, accept).await);
            }
        }
        let info = gateway.userinfo(&over).await;
        assert_error("expired", &info, 401, "invalid_token");
        assert!(info.header("www-authenticate").contains("error=\"invalid_token\""));
        assert_error("expired", &exchange(&gateway, &over, "access_token").await, 400, "invalid_request");
        // RFC 7009 2.2: what is over is revoked.
        assert_eq!(api(&fixture.a, "dark").post("/revoke", &[("token", &over)]).await.status, 200);
    }
}

/// As a subject token it is an access token, and no JWT (RFC 8693 3).
#[tokio::test]
async fn an_opaque_token_is_a_subject_token() {
    let fixture = fixture();
    let trader = api(&fixture.a, "trader");
    let subject = own(&fixture.a, "trader", &[("resource", PHANTOM)]).await;
    assert!(is_opaque(&subject));
    let answer = exchange(&trader, &subject, "access_token").await;
    assert!(answer.is_granted(), "{}", answer.body);
    for kind in ["jwt", "id_token", "refresh_token"] {
        assert_error(kind, &exchange(&trader, &subject, kind).await, 400, "invalid_request");
    }
}

/// Changed by a single character, cut, padded or of another place: nothing (and never a fault of ours).
#[tokio::test]
async fn an_opaque_token_that_was_touched_is_none() {
    let fixture = fixture();
    let token = own(&fixture.a, "dark", &[]).await;
    let flip = |at: usize| {
        let mut text = token.clone();
        let other = if &token[at..=at] == "A" { "B" } else { "A" };
        text.replace_range(at..=at, other);
        text
    };
    let middle = token.len() / 2;
    let mut bad: Vec<String> = [0, 10, 40, middle, token.len() - 2].into_iter().map(flip).collect();
    bad.extend([
        token[..token.len() - 1].to_owned(),
        token[1..].to_owned(),
        format!("{token}A"),
        format!("{token}="),
        format!(" {token}"),
        format!("{token}\n"),
        format!("{token}.."),
        format!("e30.{token}.AA"),
        token.to_ascii_uppercase(),
    ]);
    for text in &bad {
        let answer = introspect(&fixture.a, "gateway", text).await;
        if answer.status == 503 {
            // Its key number is a later one than we know: another Worker may know better.
            assert_eq!(answer.error(), "temporarily_unavailable", "{text}");
            assert!(text[..4] != token[..4], "{text}");
        } else {
            assert_inactive(text, &answer);
        }
    }
    assert!(is_active(fixture, &token).await);
}
