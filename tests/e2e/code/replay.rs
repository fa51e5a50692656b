//! A code is good for one use (RFC 6749 4.1.2, 10.5): the second ends what the first one yielded.

use latchkey::protocol::code::AuthorizationCode;
use latchkey::protocol::time::Seconds;
use serde_json::Value;
use tokio::task::JoinSet;

use super::{OFFLINE, Random, assert_alive, assert_dead, assert_refused, fixture, rows, unsealed, with_sealer};
use crate::support::Person;
use crate::web::App;

/// The kinds of sign-in: one that ends with its browser session, and one with a refresh token.
const KINDS: [&[(&str, &str)]; 2] = [&[], &OFFLINE];

/// The same code as it would be if it had been made `millis` earlier.
async fn aged(code: &str, millis: u32) -> String {
    let fixture = fixture();
    let mut opened: AuthorizationCode = unsealed(fixture, code).await;
    opened.expires_at = opened.expires_at.minus(Seconds(millis / 1000));
    with_sealer(fixture, |sealer| sealer.seal(&opened, &mut Random)).await
}

#[tokio::test]
async fn the_second_redemption_ends_what_the_first_yielded() {
    let fixture = fixture();
    let (person, app) = (Person::ada(&fixture.a).await, App::web(&fixture.a, "first-party"));
    for request in KINDS {
        let others = app.tokens(&person, request).await;
        let code = app.code(&person, request).await;
        let tokens = app.redeem(&code).await;
        assert!(tokens.is_granted(), "{}", tokens.body);
        assert_eq!(tokens.json().get("refresh_token").is_some(), !request.is_empty());
        assert_alive(fixture, &app, &tokens).await;
        // What was refreshed since is of the same grant.
        let later = match tokens.json()["refresh_token"].as_str() {
            Some(token) => app.api.refresh(token).await,
            None => tokens.clone(),
        };
        assert!(later.is_granted(), "{}", later.body);
        assert_refused(&app.at(&fixture.b).redeem(&code).await, "invalid_grant");
        assert_dead(fixture, &app, &tokens).await;
        assert_dead(fixture, &app, &later).await;
        assert_refused(&app.redeem(&code).await, "invalid_grant");
        assert_alive(fixture, &app, &others).await;
    }
}

/// The judge waits for 30 s; a thief may wait for longer than the code lives.
#[tokio::test]
async fn a_replay_after_the_codes_time_is_one_too() {
    let fixture = fixture();
    let (person, app) = (Person::ada(&fixture.a).await, App::web(&fixture.a, "first-party"));
    for request in KINDS {
        let code = app.code(&person, request).await;
        let tokens = app.redeem(&code).await;
        assert!(tokens.is_granted(), "{}", tokens.body);
        let late = aged(&code, 61_000).await;
        assert_refused(&app.redeem_with(&late, &[("code_verifier", "")]).await, "invalid_grant");
        assert_alive(fixture, &app, &tokens).await;
        assert_refused(&app.redeem(&late).await, "invalid_grant");
        assert_dead(fixture, &app, &tokens).await;
    }
}

#[tokio::test]
async fn an_expired_code_yields_nothing_and_writes_nothing() {
    let fixture = fixture();
    let (person, app) = (Person::ada(&fixture.a).await, App::web(&fixture.a, "stranger"));
    for request in KINDS {
        let code = app.code(&person, request).await;
        assert_refused(&app.redeem(&aged(&code, 60_000).await).await, "invalid_grant");
        assert_eq!(rows(fixture, "stranger").await, Vec::<Value>::new());
    }
    // Its lifetime is the code's own: the one that was not aged is still good.
    let code = app.code(&person, &[]).await;
    assert!(app.redeem(&aged(&code, 30_000).await).await.is_granted(), "half a minute later");
}

/// 40 at once over both Workers: one wins, and loses its tokens to the others.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_40_parallel_redemptions_one_wins_and_loses_its_tokens() {
    let fixture = fixture();
    let (person, app) = (Person::ada(&fixture.a).await, App::web(&fixture.a, "raced"));
    let offline = App::web(&fixture.a, "raced-posting");
    let secret = crate::web::secret("raced-posting");
    for (app, request, more) in [
        (&app, KINDS[0], Vec::new()),
        (&offline, KINDS[1], vec![("client_id", "raced-posting"), ("client_secret", secret.as_str())]),
    ] {
        let code = app.code(&person, request).await;
        let mut redemptions = JoinSet::new();
        for number in 0..40 {
            let app = app.at(if number % 2 == 0 { &fixture.a } else { &fixture.b });
            let (code, more) = (code.clone(), more.iter().map(|(n, v)| ((*n), (*v).to_owned())).collect::<Vec<_>>());
            redemptions.spawn(async move {
                if more.is_empty() {
                    return app.redeem(&code).await;
                }
                let mut parameters = vec![
                    ("grant_type", "authorization_code"),
                    ("code", code.as_str()),
                    ("redirect_uri", &app.redirect_uri),
                    ("code_verifier", &app.pkce.verifier),
                ];
                parameters.extend(more.iter().map(|(name, value)| (*name, value.as_str())));
                crate::support::Api::send(app.api.request("POST", "/token").form(&parameters)).await
            });
        }
        let answers = redemptions.join_all().await;
        let (won, lost): (Vec<_>, Vec<_>) = answers.into_iter().partition(|answer| answer.status == 200);
        assert_eq!((won.len(), lost.len()), (1, 39), "{:?}", lost.first().map(|answer| &answer.body));
        for answer in &lost {
            assert_refused(answer, "invalid_grant");
        }
        assert_eq!(won[0].json().get("refresh_token").is_some(), !more.is_empty());
        let rows = rows(fixture, &app.api.client).await;
        assert!(rows.len() == 1 && !rows[0]["revoked_at"].is_null(), "{rows:?}");
        let access_token = won[0].member("access_token");
        for base in [&fixture.a, &fixture.b] {
            assert_eq!(app.at(base).api.userinfo(&access_token).await.status, 401);
        }
    }
}
