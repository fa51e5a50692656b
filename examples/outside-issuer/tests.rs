use std::sync::Arc;

use reqwest::{Client, RequestBuilder};
use serde_json::{Map, Value, json};

use crate::claims::Issue;
use crate::keys::{Alg, Key};
use crate::provider::{self, Provider, Rules, Verified, unix_time};
use crate::{Issuer, router};

struct Running {
    url: String,
    http: Client,
}

impl Running {
    async fn start(alg: Alg, is_bare: bool) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let issuer = Issuer { name: url.clone(), key: Key::generate(alg).unwrap(), is_bare };
        tokio::spawn(async { axum::serve(listener, router(Arc::new(issuer))).await });
        Self { url, http: Client::builder().no_proxy().build().unwrap() }
    }

    fn post(&self) -> RequestBuilder {
        self.http.post(format!("{}/token", self.url))
    }

    /// As whoever trusts it sees a token.
    async fn verified(&self, token: &str, alg: &str, audience: &str) -> Result<Verified, provider::Refusal> {
        let algs = [provider::Alg::named(alg).unwrap()];
        let rules = Rules { algs: &algs, types: &["jwt"], audience };
        Provider::new(&self.url).unwrap().verified(token, &rules, unix_time()).await
    }
}

async fn value(request: RequestBuilder) -> String {
    let answer = request.send().await.unwrap();
    assert_eq!((answer.status().as_u16(), &answer.headers()["cache-control"]), (200, &"no-store".parse().unwrap()));
    answer.json::<Value>().await.unwrap()["value"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_verifier_finds_the_keys_and_takes_the_tokens() {
    for (alg, name) in [(Alg::RS256, "RS256"), (Alg::ES256, "ES256")] {
        let issuer = Running::start(alg, false).await;
        let token = value(issuer.post().form(&[("audience", "https://id.example")])).await;
        let verified = issuer.verified(&token, name, "https://id.example").await.unwrap();
        assert_eq!(verified.text("sub"), Some("repo:acme/app:ref:refs/heads/main"));
        assert_eq!(verified.text("repository_owner"), Some("acme"));
        assert!(issuer.verified(&token, name, "https://other.example").await.is_err());
        let other = Running::start(alg, false).await;
        assert!(other.verified(&token, name, "https://id.example").await.is_err(), "keys are of one run");
    }
}

#[tokio::test]
async fn jobs_ask_as_they_ask_github() {
    let issuer = Running::start(Alg::ES256, false).await;
    let url = format!("{}/job?repository=acme%2Fother&ref=refs/tags/v1&audience=https://id.example", issuer.url);
    let token = value(issuer.http.get(&url).bearer_auth("of-the-job")).await;
    let verified = issuer.verified(&token, "ES256", "https://id.example").await.unwrap();
    assert_eq!(
        ["sub", "ref_type", "repository"].map(|name| verified.text(name).unwrap()),
        ["repo:acme/other:ref:refs/tags/v1", "tag", "acme/other"]
    );
    for request in
        [issuer.http.get(&url), issuer.http.get(&url).bearer_auth(""), issuer.http.get(&url).basic_auth("a", Some("b"))]
    {
        assert_eq!(request.send().await.unwrap().status(), 401);
    }
    let again = value(issuer.http.get(&url).bearer_auth("of-the-job")).await;
    let again = issuer.verified(&again, "ES256", "https://id.example").await.unwrap();
    assert_ne!(verified.text("jti"), again.text("jti"));
}

#[tokio::test]
async fn claims_are_as_asked_and_bad_requests_are_refused() {
    let issuer = Running::start(Alg::ES256, true).await;
    let wanted =
        json!({"sub": "system:serviceaccount:shop:api", "audience": ["https://id.example"], "lifetime": 60, "n": {"a": [1]}});
    let token = value(issuer.post().json(&wanted)).await;
    let claims = issuer.verified(&token, "ES256", "https://id.example").await.unwrap().claims;
    assert_eq!((&claims["sub"], &claims["n"]), (&wanted["sub"], &wanted["n"]));
    assert_eq!(claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap(), 60);
    let names: Vec<&str> = claims.keys().map(String::as_str).collect();
    assert_eq!(names, ["aud", "exp", "iat", "iss", "jti", "n", "sub"]);
    for bad in [
        issuer.post().json(&json!(["sub"])),
        issuer.post().header("content-type", "application/json").body("{"),
        issuer.post().json(&json!({"lifetime": "soon"})),
        issuer.post().form(&[("sub", "a"), ("sub", "b")]),
    ] {
        assert_eq!(bad.send().await.unwrap().status(), 400);
    }
}

#[test]
fn subjects_are_put_together_as_github_does_it() {
    let claims = |wanted: Value| {
        let issue = Issue { issuer: "https://i.example", now: 1000, id: "1", is_bare: false };
        issue.claims(wanted.as_object().unwrap().clone()).unwrap()
    };
    let sub = |wanted| claims(wanted)["sub"].as_str().unwrap().to_owned();
    assert_eq!(sub(json!({"environment": "prod"})), "repo:acme/app:environment:prod");
    assert_eq!(sub(json!({"event_name": "pull_request"})), "repo:acme/app:pull_request");
    assert_eq!(sub(json!({"repository": "a/b", "ref": "refs/heads/x"})), "repo:a/b:ref:refs/heads/x");
    assert_eq!(sub(json!({"repository": "a/b", "sub": "as told"})), "as told");

    let default = claims(json!({}));
    assert_eq!(["iss", "aud"].map(|name| &default[name]), ["https://i.example", "https://github.com/acme"]);
    assert_eq!(["iat", "nbf", "exp"].map(|name| &default[name]), [1000, 1000, 1300]);
    assert_ne!(default["repository_id"], claims(json!({"repository": "acme/other"}))["repository_id"]);
    let without: Map<_, _> = claims(json!({"jti": null, "nbf": null, "exp": 5, "iss": "https://other.example"}));
    assert!(!without.contains_key("jti") && !without.contains_key("nbf"));
    assert_eq!((&without["exp"], &without["iss"]), (&json!(5), &json!("https://other.example")));
}
