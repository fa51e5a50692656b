//! Several accounts side by side at one browser: OpenID Connect Core 3.1.2.1 (`select_account`, `id_token_hint`).

use latchkey::protocol::ids::UserId;

use super::{
    At, asked, at, choose, fixture, id, name_of, offered, sessions_of, sign_in_beside, sign_in_on, signed_in, tokens_of, user_id,
    userinfo,
};
use crate::support::{Api, Person};
use crate::web::{App, pairs, post};

/// The chooser lists who is signed in here; another account comes beside them, and each has a session of its own.
#[tokio::test]
async fn accounts_live_side_by_side() {
    let fixture = fixture();
    let one = App::web(&fixture.a, "one");
    let person = signed_in(&fixture.a, "hedy").await;
    let (hedy, ida) = (user_id(fixture, "hedy").await, user_id(fixture, "ida").await);
    let hers = tokens_of(&person, &one, asked(&person, &one, &[]).await).await;

    let chooser = asked(&person, &one, &[("prompt", "select_account")]).await;
    assert_eq!(offered(&chooser), std::slice::from_ref(&hedy));
    let login = choose(&person, &chooser, "other").await;
    assert_eq!(at(&login), At::Login, "although somebody is signed in");
    let page = sign_in_on(&person, &login, "ida").await;
    let idas = tokens_of(&person, &one, page).await;
    assert_eq!((id(&hers, "sub"), id(&idas, "sub")), (hedy.as_str().into(), ida.as_str().into()));
    assert_ne!(id(&hers, "sid"), id(&idas, "sid"));
    assert_eq!((sessions_of(fixture, "hedy").await.len(), sessions_of(fixture, "ida").await.len()), (1, 1));
    assert_eq!((userinfo(&one, &hers).await, userinfo(&one, &idas).await), (200, 200));

    // The last one is in use; the first can be chosen again, without a password, and then is in use.
    let again = tokens_of(&person, &one, asked(&person, &one, &[("prompt", "none")]).await).await;
    assert_eq!((id(&again, "sub"), name_of(&person).await.as_deref()), (id(&idas, "sub"), Some("ida")));
    let chooser = asked(&person, &one, &[("prompt", "select_account")]).await;
    assert_eq!(offered(&chooser), [ida.clone(), hedy.clone()], "the one in use first");
    let again = tokens_of(&person, &one, choose(&person, &chooser, &hedy).await).await;
    assert_eq!((id(&again, "sub"), id(&again, "sid")), (id(&hers, "sub"), id(&hers, "sid")));
    assert_eq!(name_of(&person).await.as_deref(), Some("hedy"));

    // Who is not signed in here cannot be chosen, whoever it is.
    let john = user_id(fixture, "john").await;
    let elsewhere = signed_in(&fixture.a, "john").await;
    for stranger in [john.as_str(), "x", UserId::from_bytes([7; 16]).as_str()] {
        let chooser = asked(&person, &one, &[("prompt", "select_account")]).await;
        assert_eq!(at(&choose(&person, &chooser, stranger).await), At::Login, "{stranger}");
        assert_eq!(name_of(&person).await.as_deref(), Some("hedy"));
    }
    // Cancel goes back to the app and signs nobody out.
    let chooser = asked(&person, &one, &[("prompt", "select_account")]).await;
    let answer = post(&person, "/accounts", &[("form", chooser.form()), ("action", "cancel".to_owned())]).await;
    assert_eq!(one.returned(&answer)["error"], "access_denied");

    // An account whose session ended elsewhere is not offered any more.
    let ida_elsewhere = signed_in(&fixture.b, "ida").await;
    ida_elsewhere.sign_out_everywhere().await;
    assert_eq!(offered(&asked(&person, &one, &[("prompt", "select_account")]).await), [hedy]);
    assert_eq!(name_of(&elsewhere).await.as_deref(), Some("john"));
}

/// `id_token_hint` picks the account that it names, in use or not, and no other in its place.
#[tokio::test]
async fn an_id_token_hint_picks_its_account() {
    let fixture = fixture();
    let (one, two) = (App::web(&fixture.a, "one"), App::web(&fixture.a, "two"));
    let person = signed_in(&fixture.a, "jean").await;
    let jeans = tokens_of(&person, &one, asked(&person, &one, &[]).await).await;
    sign_in_beside(&person, "kathleen").await;
    let kathleens = tokens_of(&person, &one, asked(&person, &one, &[]).await).await;
    for (tokens, prompt) in [(&jeans, "none"), (&kathleens, "none"), (&jeans, "")] {
        let hint = tokens.member("id_token");
        let answer = asked(&person, &one, &[("prompt", prompt), ("id_token_hint", &hint)]).await;
        assert_eq!(at(&answer), At::Back, "{}", answer.body);
        let again = tokens_of(&person, &one, answer).await;
        assert_eq!((id(&again, "sub"), id(&again, "sid")), (id(tokens, "sub"), id(tokens, "sid")));
        assert_eq!(name_of(&person).await.as_deref(), Some("kathleen"), "the account in use stays");
    }
    // Where consent is needed it is asked of the account that is named.
    let hint = jeans.member("id_token");
    let page = asked(&person, &two, &[("id_token_hint", &hint)]).await;
    assert!(at(&page) == At::Consent && page.body.contains("<bdi>jean</bdi>"), "{}", page.body);
    assert_eq!(id(&tokens_of(&person, &two, page).await, "sub"), id(&jeans, "sub"));
    // Somebody who is not here: nobody stands in.
    let other = signed_in(&fixture.a, "kay").await;
    let kays = tokens_of(&other, &one, asked(&other, &one, &[]).await).await;
    let hint = kays.member("id_token");
    let answer = asked(&person, &one, &[("prompt", "none"), ("id_token_hint", &hint)]).await;
    assert_eq!(one.returned(&answer)["error"], "login_required");
    let login = asked(&person, &one, &[("id_token_hint", &hint)]).await;
    let answer = sign_in_on(&person, &login, "kathleen").await;
    assert_eq!(one.returned(&answer)["error"], "login_required", "somebody else signed in");
}

/// At most five: the one that was used longest ago ends, and its tokens with it.
#[tokio::test]
async fn five_accounts_at_most() {
    let fixture = fixture();
    let one = App::web(&fixture.a, "one");
    let names = ["ken", "lotfi", "mary", "niklaus", "noether", "radia"];
    let person = signed_in(&fixture.a, names[0]).await;
    let first = tokens_of(&person, &one, asked(&person, &one, &[]).await).await;
    for name in &names[1..5] {
        sign_in_beside(&person, name).await;
    }
    assert_eq!(offered(&asked(&person, &one, &[("prompt", "select_account")]).await).len(), 5);
    assert_eq!(userinfo(&one, &first).await, 200);
    sign_in_beside(&person, names[5]).await;
    let mut expected = Vec::new();
    for name in names[1..].iter().rev() {
        expected.push(user_id(fixture, name).await);
    }
    assert_eq!(offered(&asked(&person, &one, &[("prompt", "select_account")]).await), expected);
    assert_eq!((sessions_of(fixture, names[0]).await.len(), userinfo(&one, &first).await), (0, 401));
    assert!(person.cookie("session").unwrap().len() < 2000, "five fit into a cookie");
    // Signing out here is for all of them.
    let form = person.get("/logout").await.form();
    assert_eq!(person.post("/logout", &[("form", &form), ("action", "here")]).await.status, 200);
    for name in names {
        assert_eq!(sessions_of(fixture, name).await.len(), 0, "{name}");
    }
}

/// What was on the screen for one account is no answer of another: switching voids the forms from before.
#[tokio::test]
async fn switching_accounts_voids_the_forms_from_before() {
    let fixture = fixture();
    let (one, two) = (App::web(&fixture.a, "one"), App::web(&fixture.a, "two"));
    let person = signed_in(&fixture.a, "robin").await;
    sign_in_beside(&person, "ruth").await;
    let (robin, ruth) = (user_id(fixture, "robin").await, user_id(fixture, "ruth").await);
    let ruths = asked(&person, &two, &[("scope", "openid email")]).await;
    assert!(at(&ruths) == At::Consent && ruths.body.contains("<bdi>ruth</bdi>"));
    let (started, logout, device) =
        (Api::demo(&fixture.a).start().await, person.get("/logout").await.form(), person.get("/device").await.form());
    let approval = person.enter(&started.user_code).await;
    let browser = person.cookie("browser");

    let chooser = asked(&person, &one, &[("prompt", "select_account")]).await;
    let page = choose(&person, &chooser, &robin).await;
    assert_eq!(name_of(&person).await.as_deref(), Some("robin"));
    assert_ne!(person.cookie("browser"), browser, "the browser's id changes with the account");
    tokens_of(&person, &one, page).await;

    let answer = crate::web::consent(&person, &ruths).await;
    assert!(answer.header("location").starts_with("/authorize?step="), "{} {}", answer.status, answer.header("location"));
    let page = crate::web::follow(&person, answer).await;
    assert!(at(&page) == At::Consent && page.body.contains("<bdi>robin</bdi>"), "asked again, of robin: {}", page.body);
    for login in ["robin", "ruth"] {
        assert_eq!(super::consent_of(fixture, login, "two").await, None, "{login}");
    }
    let answer = person.post("/logout", &[("form", &logout), ("action", "here")]).await;
    assert!(answer.status == 400 && answer.body.contains("This page was open too long."), "{}", answer.body);
    let answer = person.post("/device", &[("form", &device), ("user_code", &started.user_code)]).await;
    assert_eq!(answer.status, 400);
    assert_eq!(person.allow(&approval).await.status, 400);
    assert_eq!(Api::demo(&fixture.a).poll(&started).await.error(), "authorization_pending");
    // Choosing the account that is in use already changes nothing: no form of it dies.
    let page = asked(&person, &two, &[]).await;
    let chooser = asked(&person, &one, &[("prompt", "select_account")]).await;
    choose(&person, &chooser, &robin).await;
    assert_eq!(two.returned(&crate::web::consent(&person, &page).await)["iss"], fixture.a);
    // And back: the session of ruth was there all the time.
    let chooser = asked(&person, &one, &[("prompt", "select_account")]).await;
    assert_eq!(offered(&chooser), [robin, ruth.clone()]);
    assert_eq!(at(&choose(&person, &chooser, &ruth).await), At::Consent);
    assert_eq!(name_of(&person).await.as_deref(), Some("ruth"));
}

/// The link to another account on the consent page leads to the chooser, and back to the same request.
#[tokio::test]
async fn the_consent_page_leads_to_another_account() {
    let fixture = fixture();
    let two = App::web(&fixture.a, "two");
    let person = signed_in(&fixture.a, "sophie").await;
    let page = asked(&person, &two, &[("scope", "openid email"), ("state", "kept")]).await;
    let switch = page.body.split_once("id=\"consent-switch\" href=\"").unwrap().1.split_once('"').unwrap().0.to_owned();
    let chooser = person.get(&switch).await;
    assert!(at(&chooser) == At::Accounts && chooser.body.contains("<bdi>sophie</bdi>"));
    let login = choose(&person, &chooser, "other").await;
    let page = sign_in_on(&person, &login, "tony").await;
    assert!(at(&page) == At::Consent && page.body.contains("<bdi>tony</bdi>"), "{}", page.body);
    let answer = crate::web::consent(&person, &page).await;
    assert_eq!(two.returned(&answer)["state"], "kept");
    assert_eq!(super::consent_of(fixture, "sophie", "two").await, None, "who was not asked said nothing");
    // Where nobody is signed in the chooser is the login page.
    let nobody = Person::new(&fixture.a);
    assert_eq!(at(&crate::web::follow(&nobody, nobody.get(&switch).await).await), At::Login);
    let error = asked(&nobody, &two, &[("prompt", "none")]).await;
    assert_eq!(pairs(error.header("location").split_once('?').unwrap().1)["error"], "login_required");
}
