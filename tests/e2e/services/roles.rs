//! What users are here: `roles` in access tokens of the operator's clients (RFC 9068 2.2.3.1), as of the sign-in, code
//! or refresh that made them.

use serde_json::{Value, json};

use super::{fixture, introspect, introspect_as, offline, own, person, told};
use crate::support::{Api, Person, claims};
use crate::web::{App, Pkce};

/// What a token says about roles.
async fn roles(base: &str, token: &str) -> Value {
    told(&introspect(base, "gateway", token).await)["roles"].clone()
}

#[tokio::test]
async fn the_operators_clients_learn_what_a_user_is() {
    let fixture = fixture();
    let mary = person(&fixture.a, "mary").await;
    let both = json!(["nurse", "keyholder"]);
    for id in ["clinic", "clinic-dark"] {
        let app = App::web(&fixture.a, id);
        let tokens = offline(&app, &mary, &[]).await;
        let token = tokens.member("access_token");
        assert_eq!(roles(&fixture.b, &token).await, both, "{id}");
        let swapped = introspect_as(&fixture.a, "gateway", &token, "application/jwt").await;
        assert_eq!(claims(&swapped.body)["roles"], both, "{id}");
        // They are for resource servers: who signed in is told without them.
        assert_eq!(claims(&tokens.member("id_token")).get("roles"), None);
        assert_eq!(app.api.userinfo(&token).await.json().get("roles"), None);
    }
    for id in ["lamp", "lamp-dark"] {
        let tokens = Api::public(&fixture.a, id).signed_in(&mary).await;
        assert_eq!(roles(&fixture.a, &tokens.member("access_token")).await, both, "{id}");
    }
    // Ada is an administrator and nothing else; a service has no such member.
    let ada = App::web(&fixture.a, "clinic").tokens(&Person::ada(&fixture.a).await, &[]).await;
    assert_eq!(claims(&ada.member("access_token"))["roles"], json!(["latchkey:admin"]));
    assert_eq!(claims(&own(&fixture.a, "worker", &[]).await).get("roles"), None);
}

/// A token says what was true when it was made; the next one what is true now.
#[tokio::test]
async fn roles_that_change_show_at_the_next_refresh() {
    let fixture = fixture();
    let katherine = person(&fixture.a, "katherine").await;
    let set = async |roles: &str| {
        let sql = "UPDATE users SET roles = ?1 WHERE id = (SELECT user_id FROM logins WHERE login = 'katherine')";
        fixture.d1(sql, &[roles.into()]).await;
    };
    let (web, lamp) = (App::web(&fixture.a, "clinic"), Api::public(&fixture.a, "lamp-dark"));
    let mut tokens =
        vec![(web.api.clone(), offline(&web, &katherine, &[]).await), (lamp.clone(), lamp.signed_in(&katherine).await)];
    for (stored, next) in
        [("[\"nurse\"]", json!(["nurse"])), ("[]", Value::Null), ("[\"head\",\"nurse\"]", json!(["head", "nurse"]))]
    {
        let mut before = Vec::new();
        for (_, tokens) in &tokens {
            before.push(roles(&fixture.a, &tokens.member("access_token")).await);
        }
        set(stored).await;
        for ((client, tokens), before) in tokens.iter_mut().zip(before) {
            let old = tokens.member("access_token");
            // Introspection tells of what the token says what is still so.
            let still: Vec<&Value> =
                before.as_array().into_iter().flatten().filter(|role| stored.contains(role.as_str().unwrap())).collect();
            let still = if still.is_empty() { Value::Null } else { json!(still) };
            assert_eq!(roles(&fixture.b, &old).await, still);
            *tokens = client.at(&fixture.b).refresh(&tokens.member("refresh_token")).await;
            assert!(tokens.is_granted(), "{}", tokens.body);
            assert_eq!(roles(&fixture.a, &tokens.member("access_token")).await, next);
        }
    }
}

/// Who registered itself need not know what its users are to others.
#[tokio::test]
async fn a_client_that_registered_itself_learns_no_roles() {
    let fixture = fixture();
    let redirect_uri = "https://curious.example/cb".to_owned();
    let body = json!({ "redirect_uris": [redirect_uri], "scope": "openid profile roles records:read offline_access", "grant_types": ["authorization_code", "refresh_token"] });
    let made = Api::send(Api::public(&fixture.a, "").request("POST", "/register").json(&body)).await;
    assert_eq!(made.status, 201, "{}", made.body);
    let api = Api::basic(&fixture.a, &made.member("client_id"), &made.member("client_secret"));
    let app = App { api, redirect_uri, pkce: Pkce::of("curious") };
    let tokens = offline(&app, &person(&fixture.a, "mary").await, &[]).await;
    let renewed = app.api.refresh(&tokens.member("refresh_token")).await;
    for tokens in [tokens, renewed] {
        let token = tokens.member("access_token");
        assert_eq!(claims(&token).get("roles"), None);
        // Its tokens are the issuer's own, whose gateway hears no more than that.
        assert_eq!(told(&introspect(&fixture.a, "home-gateway", &token).await).get("roles"), None);
    }
}
