//! The log: one structured line per request, and never a secret.

use serde_json::{Value, json};

use super::{ADA, Alone, BASIC_SECRET};
use crate::support::{Api, DEVICE_CODE, Person, claims};

/// Route, method, status, client and error.
type Expected = (&'static str, &'static str, u64, Option<&'static str>, Option<&'static str>);

/// Every request is one line that says what it was and what it cost; no line holds a
/// query string, token, code, password or cookie.
#[tokio::test]
async fn every_request_is_one_line_without_secrets() {
    let alone = Alone::start().await;
    let fixture = alone.fixture;
    let before = fixture.logs().await.len();
    let api = Api::demo_secret(&fixture.a);
    let person = Person::new(&fixture.a);
    let mut secrets: Vec<String> = [ADA.1, BASIC_SECRET, "wrong-password-1", "wrong-secret-1"].map(str::to_owned).to_vec();
    let mut expected: Vec<Expected> = Vec::new();
    let client = Some("demo-device-secret");

    let started = api.start().await;
    secrets.extend([started.device_code.clone(), started.user_code.clone(), started.user_code.replace('-', "")]);
    expected.push(("device_authorization", "POST", 200, client, None));
    let device = person.get(&format!("/device?user_code={}", started.user_code)).await;
    secrets.push(person.cookie("user_code").unwrap());
    secrets.push(person.cookie("browser").unwrap());
    expected.push(("device", "GET", 303, None, None));
    assert_eq!(device.header("location"), "/device");
    let step = person.get("/device").await;
    expected.push(("device", "GET", 303, None, None));
    secrets.push(step.header("location").split_once("step=").unwrap().1.to_owned());
    let page = person.get(step.header("location")).await;
    expected.push(("login", "GET", 200, None, None));
    secrets.push(page.form());
    for (password, status) in [("wrong-password-1", 400), (ADA.1, 303)] {
        let answer = person.post("/login", &[("form", &page.form()), ("login", ADA.0), ("password", password)]).await;
        assert_eq!(answer.status, status, "{}", answer.body);
        expected.push(("login", "POST", u64::from(status), None, None));
    }
    secrets.extend(["session", "browser", "known", "user_code"].map(|name| person.cookie(name).unwrap()));
    let page = person.get("/device").await;
    expected.push(("device", "GET", 200, None, None));
    secrets.push(page.form());
    let page = person.post("/device", &[("form", &page.form()), ("user_code", &started.user_code)]).await;
    expected.push(("device", "POST", 200, client, None));
    secrets.push(page.form());
    let page = person.allow(&page).await;
    expected.push(("device/approve", "POST", 200, client, None));
    secrets.push(page.form());
    let tokens = api.poll(&started).await;
    expected.push(("token", "POST", 200, client, None));
    secrets.extend(["access_token", "refresh_token", "id_token"].map(|name| tokens.member(name)));
    secrets.push(claims(&tokens.member("access_token"))["jti"].as_str().unwrap().to_owned());
    let wrong = Api::basic(&fixture.a, "demo-device-secret", "wrong-secret-1");
    wrong.post("/token", &[("grant_type", DEVICE_CODE), ("device_code", &started.device_code)]).await;
    expected.push(("token", "POST", 401, client, Some("invalid_client")));
    let refreshed = api.refresh(&tokens.member("refresh_token")).await;
    secrets.push(refreshed.member("refresh_token"));
    expected.push(("token", "POST", 200, client, None));
    api.userinfo(&tokens.member("access_token")).await;
    expected.push(("userinfo", "GET", 200, client, None));
    api.get(&format!("/userinfo?access_token={}", tokens.member("access_token"))).await;
    expected.push(("userinfo", "GET", 401, None, None));
    api.userinfo("garbage-token-1").await;
    secrets.push("garbage-token-1".to_owned());
    expected.push(("userinfo", "GET", 401, None, Some("invalid_token")));
    api.get(&format!("/device/qr?user_code={}", started.user_code)).await;
    expected.push(("device/qr", "GET", 200, None, None));
    api.get(&format!("/secret-path-1/{}?secret-query-1", started.user_code)).await;
    secrets.extend(["secret-path-1", "secret-query-1"].map(str::to_owned));
    expected.push(("unknown", "GET", 404, None, Some("invalid_request")));
    Api::send(api.request("PROPFIND", "/token?secret-query-1")).await;
    expected.push(("token", "other", 405, None, Some("invalid_request")));
    api.post("/revoke", &[("token", &refreshed.member("refresh_token"))]).await;
    expected.push(("revoke", "POST", 200, client, None));
    let page = person.get("/logout").await;
    expected.push(("logout", "GET", 200, None, None));
    person.post("/logout", &[("form", &page.form())]).await;
    expected.push(("logout", "POST", 200, None, None));

    let entries = fixture.logs().await.split_off(before);
    let lines: Vec<&Value> = entries.iter().map(|entry| &entry["line"]).collect();
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let seen: Vec<_> = lines
        .iter()
        .map(|line| {
            (text(&line["route"]), text(&line["method"]), line["status"].as_u64(), text(&line["client"]), text(&line["error"]))
        })
        .collect();
    let own = |word: Option<&str>| word.map(str::to_owned);
    let expected: Vec<_> = expected
        .iter()
        .map(|(route, method, status, client, error)| {
            (own(Some(route)), own(Some(method)), Some(*status), own(*client), own(*error))
        })
        .collect();
    assert_eq!(seen, expected);
    are_well_formed(&lines);
    for secret in &secrets {
        for entry in &entries {
            assert!(!entry.to_string().contains(secret.as_str()), "{secret} is in {entry}");
        }
    }
}

fn are_well_formed(lines: &[&Value]) {
    let mut ids: Vec<&str> = Vec::new();
    for line in lines {
        let members = line.as_object().unwrap();
        for name in ["level", "request", "route", "method", "status", "ms", "cost"] {
            assert!(members.contains_key(name), "no {name}: {line}");
        }
        let known = ["level", "request", "route", "method", "status", "ms", "cost", "client", "error", "detail"];
        assert!(members.keys().all(|name| known.contains(&name.as_str())), "{line}");
        let cost = line["cost"].as_object().unwrap();
        let counts = ["d1_trips", "d1_statements", "rows", "objects", "kv", "outbound"];
        assert!(cost.len() == counts.len() && counts.iter().all(|name| cost[*name].is_u64()), "{line}");
        assert_eq!(line["level"], json!(if line["status"].as_u64().unwrap() >= 500 { "error" } else { "info" }));
        ids.push(line["request"].as_str().unwrap());
    }
    let count = ids.len();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), count, "request ids are unique");
}
