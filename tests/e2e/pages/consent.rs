//! The yes and the no: RFC 8628 3.3 and 5.4, RFC 10027.

use serde_json::json;
use tokio::task::JoinSet;

use super::{fixture, signed_in};
use crate::support::{Answer, Api, DeviceSignIn, Person, claims};

async fn is_pending(api: &Api, started: &DeviceSignIn) {
    let error = api.poll(started).await.error();
    assert!(error == "authorization_pending" || error == "slow_down", "{error}");
}

/// Answers an approval page with just these fields beside its form.
async fn answer(person: &Person, page: &Answer, fields: &[(&str, &str)]) -> Answer {
    let form = page.form();
    person.post("/device/approve", &[&[("form", form.as_str())], fields].concat()).await
}

const YES: [(&str, &str); 2] = [("action", "allow"), ("confirm_device", "1")];

/// The tick "this is my device" is checked here, not only in the browser.
#[tokio::test]
async fn a_yes_without_the_tick_is_none() {
    let fixture = fixture();
    let (api, ada) = (Api::demo(&fixture.a), signed_in(&fixture.a, "ada").await);
    let started = api.start().await;
    let mut page = ada.enter(&started.user_code).await;
    assert!(!page.body.contains("name=\"confirm_device\" value=\"1\" checked"), "never ticked beforehand");
    for fields in [
        &[("action", "allow")][..],
        &[("action", "allow"), ("confirm_device", "0")],
        &[("action", "allow"), ("confirm_device", "on")],
    ] {
        page = answer(&ada, &page, &[fields, &[("scope.profile", "1")]].concat()).await;
        assert_eq!(page.status, 400);
        assert!(page.body.contains("first tick the box") && page.body.contains("id=\"error\""), "{}", page.body);
        is_pending(&api, &started).await;
        // What was chosen is still chosen.
        assert!(page.body.contains("name=\"scope.profile\" value=\"1\" checked"), "{}", page.body);
        assert!(
            page.body.contains("name=\"scope.email\" value=\"1\"")
                && !page.body.contains("name=\"scope.email\" value=\"1\" checked")
        );
    }
    // The page that comes back is good for the yes.
    assert_eq!(answer(&ada, &page, &YES).await.status, 200);
    assert!(api.poll(&started).await.is_granted());
}

/// Anything but a yes is a no: Deny is what Enter does.
#[tokio::test]
async fn anything_but_a_yes_is_a_no() {
    let fixture = fixture();
    let (api, ada) = (Api::demo(&fixture.a), signed_in(&fixture.a, "ada").await);
    for fields in [&[("action", "deny")][..], &[("action", "Allow"), ("confirm_device", "1")], &[("confirm_device", "1")]] {
        let started = api.start().await;
        let page = ada.enter(&started.user_code).await;
        let deny = page.body.find("value=\"deny\"").unwrap();
        assert!(deny < page.body.find("value=\"allow\"").unwrap(), "Deny stands first");
        let denied = answer(&ada, &page, fields).await;
        assert!(denied.status == 200 && denied.body.contains("The device was not connected"), "{}", denied.body);
        let told = api.poll(&started).await;
        assert_eq!((told.status, told.error().as_str()), (400, "access_denied"));
        // A no is not taken back by the same page.
        assert_eq!(answer(&ada, &page, &YES).await.status, 400);
        assert_eq!(answer(&ada, &page, fields).await.status, 200, "said twice");
        assert_eq!(api.poll(&started).await.error(), "access_denied");
    }
}

/// Required scopes have no box and stay; optional ones are as ticked; what was not asked for is not had.
#[tokio::test]
async fn the_user_chooses_among_what_was_asked_for() {
    let fixture = fixture();
    let ada = signed_in(&fixture.a, "ada").await;
    let all = "openid profile offline_access records:read records:write";
    let always = &["openid", "offline_access", "records:read"][..];
    for (client, asked, ticked, required, granted) in [
        ("demo-device", "openid profile email", &[][..], &["openid"][..], "openid"),
        ("demo-device", "openid profile email", &["email"], &["openid"], "openid email"),
        (
            "demo-device",
            "openid email",
            &["email", "profile", "records:write", "latchkey:admin", "address", "*"],
            &["openid"],
            "openid email",
        ),
        ("strict", all, &[], always, "openid offline_access records:read"),
        ("strict", all, &["records:write", "openid"], always, "openid offline_access records:read records:write"),
        ("strict", "records:write records:read", &["records:write"], &["records:read"], "records:write records:read"),
        ("free", "openid records:read", &["records:read"], &[], "records:read"),
    ] {
        let api = Api::public(&fixture.a, client);
        let started = api.start_with(&[("scope", asked)]).await;
        let page = ada.enter(&started.user_code).await;
        for scope in asked.split(' ') {
            let has_box = page.body.contains(&format!("name=\"scope.{scope}\" value=\"1\" checked"));
            assert_eq!(has_box, !required.contains(&scope), "{client}: {scope} of {asked}");
        }
        let names: Vec<String> = ticked.iter().map(|scope| format!("scope.{scope}")).collect();
        let mut fields = YES.to_vec();
        fields.extend(names.iter().map(|name| (name.as_str(), "1")));
        fields.extend([("scope", "openid profile email records:write"), ("scopes", "records:write")]);
        let allowed = answer(&ada, &page, &fields).await;
        assert_eq!(allowed.status, 200, "{client} {asked}: {}", allowed.body);
        let tokens = api.poll(&started).await;
        assert_eq!(tokens.member("scope"), granted, "{client} {asked}");
        assert_eq!(claims(&tokens.member("access_token"))["scope"], granted, "{client} {asked}");
        assert_eq!(tokens.json().get("id_token").is_some(), granted.contains("openid"));
        // And a refresh cannot get it either.
        let refresh = [("grant_type", "refresh_token"), ("refresh_token", &tokens.member("refresh_token")), ("scope", all)];
        assert_eq!(api.post("/token", &refresh).await.error() == "invalid_scope", granted != all, "{client} {asked}");
    }
}

/// Nothing left to allow is no yes.
#[tokio::test]
async fn a_yes_to_nothing_is_asked_again() {
    let fixture = fixture();
    let (api, ada) = (Api::public(&fixture.a, "free"), signed_in(&fixture.a, "ada").await);
    let started = api.start().await;
    let page = ada.enter(&started.user_code).await;
    let again = answer(&ada, &page, &[YES.as_slice(), &[("scope.openid", "on"), ("scope.records:read", "0")]].concat()).await;
    assert!(again.status == 400 && again.body.contains("Nothing is left to allow."), "{}", again.body);
    is_pending(&api, &started).await;
    assert_eq!(answer(&ada, &again, &[YES.as_slice(), &[("scope.openid", "1")]].concat()).await.status, 200);
    assert_eq!(api.poll(&started).await.member("scope"), "openid");
}

/// The first answer stands: a yes posted twice, also at once, is one yes; and nobody else's page changes it.
#[tokio::test(flavor = "multi_thread")]
async fn the_first_answer_stands() {
    let fixture = fixture();
    let (ada, bob) = (signed_in(&fixture.a, "ada").await, signed_in(&fixture.b, "bob").await);
    let api = Api::public(&fixture.a, "strict");
    let started = api.start().await;
    let (page, bobs) = (ada.enter(&started.user_code).await, bob.enter(&started.user_code).await);
    assert_eq!((page.status, bobs.status), (200, 200));
    let mut posts = JoinSet::new();
    for number in 0..8 {
        let (mut ada, page) = (ada.clone(), page.clone());
        if number % 2 == 1 {
            ada.base.clone_from(&fixture.b);
        }
        posts.spawn(async move { ada.allow(&page).await.status });
    }
    assert_eq!(posts.join_all().await, [200; 8]);
    for fields in [&YES[..], &[("action", "deny")]] {
        let late = answer(&bob, &bobs, fields).await;
        assert!(late.status == 400 && late.body.contains("This code does not work."), "{}", late.body);
    }
    let tokens = api.poll(&started).await;
    assert!(tokens.is_granted(), "{}", tokens.body);
    let sub = claims(&tokens.member("access_token"))["sub"].clone();
    assert_eq!(sub, super::user_id(fixture, "ada").await);
    let rows = fixture.d1("SELECT COUNT(*) AS n FROM grants WHERE client_id = 'strict' AND user_id <> ?1", &[sub]).await;
    assert_eq!(rows[0]["n"], 0);
    // And once more after it was collected: still the same yes, no second grant.
    let count = async || fixture.d1("SELECT COUNT(*) AS n FROM grants WHERE client_id = 'strict'", &[]).await[0]["n"].clone();
    let before = count().await;
    ada.allow(&page).await;
    assert!(api.refresh(&tokens.member("refresh_token")).await.is_granted());
    assert_eq!(count().await, before);
}

/// Undo, before the device has collected and after.
#[tokio::test]
async fn a_yes_can_be_taken_back() {
    let fixture = fixture();
    let (api, ada) = (Api::demo(&fixture.a), signed_in(&fixture.a, "ada").await);
    for is_collected in [false, true] {
        let started = api.start().await;
        let page = ada.enter(&started.user_code).await;
        let allowed = ada.allow(&page).await;
        assert!(allowed.body.contains("You can go back to your device"), "{}", allowed.body);
        let tokens = if is_collected { Some(api.poll(&started).await) } else { None };
        for _ in 0..2 {
            let undone = ada.post("/device/undo", &[("form", &allowed.form())]).await;
            assert!(undone.status == 200 && undone.body.contains("The device is no longer connected"), "{}", undone.body);
        }
        assert_eq!(api.poll(&started).await.error(), "access_denied");
        assert_eq!(ada.allow(&page).await.status, 400, "the page of before gives no second yes");
        assert_eq!(api.poll(&started).await.error(), "access_denied");
        if let Some(tokens) = tokens {
            assert_eq!(api.refresh(&tokens.member("refresh_token")).await.error(), "invalid_grant");
            assert_eq!(api.userinfo(&tokens.member("access_token")).await.status, 401);
        }
    }
}

/// The page shows where the device's request came from beside where the person is, and warns when the
/// two differ; places are the platform's guess and go into the page as text.
#[tokio::test]
async fn the_page_compares_the_places_of_device_and_person() {
    let fixture = fixture();
    let (api, ada) = (Api::demo(&fixture.a), signed_in(&fixture.a, "ada").await);
    let at = |city: &str, country: &str| json!({ "city": city, "country": country }).to_string();
    let shown = async |device: Option<String>, person: Option<String>| {
        let mut request = api.request("POST", "/device_authorization").form(&[("client_id", "demo-device")]);
        if let Some(place) = device {
            request = request.header("MF-CF-Blob", place);
        }
        let code = Api::send(request).await.member("user_code");
        let form = ada.get("/device").await.form();
        let mut request = ada.request("POST", "/device").form(&[("form", form.as_str()), ("user_code", &code)]);
        if let Some(place) = person {
            request = request.header("MF-CF-Blob", place);
        }
        let page = Api::send(request).await;
        assert_eq!(page.status, 200, "{}", page.body);
        let side = |id: &str| {
            let rest = page.body.split_once(&format!("<h2 id=\"{id}\">")).unwrap().1;
            let place = rest.split_once("<dt>Place</dt><dd>").unwrap().1;
            place.split_once("</dd>").unwrap().0.to_owned()
        };
        (side("side-device"), side("side-you"), page.body.contains("id=\"places-differ\""))
    };
    let (basel, lagos) = (at("Basel", "CH"), at("Lagos", "NG"));
    let own = |text: &str| text.to_owned();
    let seen = shown(Some(lagos.clone()), Some(basel.clone())).await;
    assert_eq!(seen, (own("<bdi>Lagos, NG</bdi>"), own("<bdi>Basel, CH</bdi>"), true));
    let seen = shown(Some(basel.clone()), Some(basel.clone())).await;
    assert_eq!(seen, (own("<bdi>Basel, CH</bdi>"), own("<bdi>Basel, CH</bdi>"), false));
    let seen = shown(None, Some(basel)).await;
    assert_eq!(seen, (own("Not known"), own("<bdi>Basel, CH</bdi>"), false));
    let seen = shown(Some(lagos), None).await;
    assert_eq!(seen, (own("<bdi>Lagos, NG</bdi>"), own("Not known"), false));
    let seen = shown(Some(own(r#"{"country":"CH"}"#)), Some(own(r#"{"city":"<script>","country":7}"#))).await;
    assert_eq!(seen.0, "<bdi>CH</bdi>");
    assert!(!seen.1.contains("<script"), "{}", seen.1);
}
