//! Resource indicators: RFC 8707.

use serde_json::{Value, json};

use super::{assert_refused, fixture};
use crate::support::{Person, claims};
use crate::web::App;

const API: &str = "https://api.example/v1";
const FILES: &str = "urn:example:files";

/// A request for several resources: `path` takes a name once.
fn path(app: &App, resources: &[&str]) -> String {
    let resources = resources.iter().map(|resource| ("resource".to_owned(), (*resource).to_owned()));
    let parameters: Vec<_> = app.parameters(&[("scope", "openid offline_access")]).into_iter().chain(resources).collect();
    format!("/authorize?{}", crate::web::query(&parameters))
}

#[tokio::test]
async fn the_audience_is_what_was_asked_for_and_never_more() {
    let fixture = fixture();
    let (person, app) = (Person::ada(&fixture.a).await, App::web(&fixture.a, "reaching"));
    let code = async |resources: &[&str]| app.returned(&person.get(&path(&app, resources)).await);
    let audience = |tokens: &crate::support::Answer| claims(&tokens.member("access_token"))["aud"].clone();
    let table: [(&[&str], Value); 4] =
        [(&[], json!(API)), (&[FILES], json!(FILES)), (&[FILES, API], json!([FILES, API])), (&[FILES, FILES], json!(FILES))];
    for (asked, expected) in table {
        let tokens = app.redeem(&code(asked).await["code"]).await;
        assert_eq!(audience(&tokens), expected, "{asked:?}: {}", tokens.body);
        assert_eq!(claims(&tokens.member("id_token"))["aud"], "reaching");
        assert_eq!(app.api.userinfo(&tokens.member("access_token")).await.status, 200, "userinfo takes any of its tokens");
        assert_eq!(audience(&app.api.refresh(&tokens.member("refresh_token")).await), expected, "and so it stays");
    }
    for bad in ["https://elsewhere.example", "https://api.example/v1/", "https://api.example/v1#f", "relative", "", " "] {
        if !bad.is_empty() {
            let back = code(&[API, bad]).await;
            assert_eq!((back["error"].as_str(), back.contains_key("code")), ("invalid_target", false), "{bad}");
            assert_eq!((back["state"].as_str(), &back["iss"]), ("a state & more", &fixture.a));
        }
    }

    // At the token endpoint it narrows what was approved (2.2); more is refused and costs nothing.
    let approved = code(&[API, FILES]).await;
    assert_refused(&app.redeem_with(&approved["code"], &[("resource", "https://c.example")]).await, "invalid_target");
    let tokens = app.redeem_with(&approved["code"], &[("resource", FILES)]).await;
    assert_eq!(audience(&tokens), FILES);
    let refresh = async |token: &str, resource: &str| {
        app.api.post("/token", &[("grant_type", "refresh_token"), ("refresh_token", token), ("resource", resource)]).await
    };
    let token = tokens.member("refresh_token");
    assert_refused(&refresh(&token, "https://c.example").await, "invalid_target");
    let other = refresh(&token, API).await;
    assert_eq!(audience(&other), API, "the other one that was approved");
    assert_eq!(audience(&app.api.refresh(&other.member("refresh_token")).await), json!([API, FILES]));
    // Without any, the default one alone was approved.
    let tokens = app.redeem(&code(&[]).await["code"]).await;
    assert_refused(&refresh(&tokens.member("refresh_token"), FILES).await, "invalid_target");
    // A client without resources reaches this server alone.
    let bare = App::web(&fixture.a, "first-party");
    let tokens = bare.tokens(&person, &[]).await;
    assert_eq!(audience(&tokens), json!(fixture.a));
    assert_eq!(bare.returned(&person.get(&path(&bare, &[API])).await)["error"], "invalid_target");
}
