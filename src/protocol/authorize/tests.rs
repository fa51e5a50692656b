use super::super::client::tests::client;
use super::super::config::tests::with;
use super::super::ids::tests::Counted;
use super::super::ids::{OwnedId, UserId};
use super::*;

const WEB: &str = r#"{"client_name":"Web","grant_types":["authorization_code","refresh_token"],
    "token_endpoint_auth_method":"client_secret_basic","redirect_uris":["https://a.example/cb?x=1"],"require_pkce":false,
    "scope":"openid profile email offline_access records:read"}"#;

const CHALLENGE: &str = "code_challenge=E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM&code_challenge_method=S256";

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_millis(seconds * 1000)
}

fn parse_for(client: &Client, query: &str) -> Result<AuthorizationRequest, Code> {
    let form = Form::parse(format!("redirect_uri=https%3A%2F%2Fa.example%2Fcb%3Fx%3D1&{query}").as_bytes()).unwrap();
    let to = ReturnTo::parse(&form, client).map_err(|error| error.code)?;
    AuthorizationRequest::parse(&form, client, to, false, &with(&[]).unwrap(), at(1000)).map_err(|error| error.code)
}

fn parse(query: &str) -> Result<AuthorizationRequest, Code> {
    parse_for(&client(WEB), query)
}

#[test]
fn where_the_answer_may_go() {
    let to = |json: &str, query: &str| ReturnTo::parse(&Form::parse(query.as_bytes()).unwrap(), &client(json)).ok();
    let named = to(WEB, "redirect_uri=https%3A%2F%2Fa.example%2Fcb%3Fx%3D1&state=s").unwrap();
    assert!(named.is_named && named.state.as_deref() == Some("s"));
    assert!(to(WEB, "redirect_uri=https%3A%2F%2Fa.example%2Fcb").is_none());
    assert!(to(WEB, "scope=openid").is_none(), "OpenID Connect always wants it");
    assert!(!to(WEB, "scope=records:read").unwrap().is_named);
    let two = WEB.replace("\"https://a.example/cb?x=1\"", "\"https://a.example/cb\",\"https://a.example/2\"");
    assert!(to(&two, "scope=records:read").is_none(), "several are registered");
}

#[test]
fn answers_keep_query_state_and_issuer() {
    let to = parse("response_type=code&scope=openid&state=a%26b").unwrap().to;
    let parameters = to.parameters(&[("code", "c".to_owned())], "https://id.example");
    assert_eq!(
        with_query(&to.redirect_uri, &parameters),
        "https://a.example/cb?x=1&code=c&state=a%26b&iss=https%3A%2F%2Fid.example"
    );
    assert_eq!(with_query("https://a.example/cb", &[("code", "c".to_owned())]), "https://a.example/cb?code=c");
    assert_eq!(with_query("https://a.example/cb?", &[("code", "c".to_owned())]), "https://a.example/cb?code=c");
}

#[test]
fn faults_have_their_codes() {
    for (query, code) in [
        ("scope=openid", Code::InvalidRequest),
        ("response_type=token&scope=openid", Code::UnsupportedResponseType),
        ("response_type=code+id_token&scope=openid", Code::UnsupportedResponseType),
        ("response_type=code&scope=openid&response_mode=fragment", Code::InvalidRequest),
        ("response_type=code", Code::InvalidScope),
        ("response_type=code&scope=unknown", Code::InvalidScope),
        ("response_type=code&scope=openid&prompt=none+login", Code::InvalidRequest),
        ("response_type=code&scope=openid&prompt=create", Code::InvalidRequest),
        ("response_type=code&scope=openid&max_age=-1", Code::InvalidRequest),
        ("response_type=code&scope=openid&registration=%7B%7D", Code::RegistrationNotSupported),
        ("response_type=code&scope=openid&resource=https%3A%2F%2Fother.example", Code::InvalidTarget),
        ("response_type=code&scope=openid&claims=x", Code::InvalidRequest),
        ("response_type=code&scope=openid&code_challenge=x&code_challenge_method=plain", Code::InvalidRequest),
    ] {
        assert_eq!(parse(query).unwrap_err(), code, "{query}");
    }
    let essential = "response_type=code&scope=openid&claims=%7B%22id_token%22%3A%7B%22acr%22%3A%7B%22essential%22%3Atrue%2C%22value%22%3A%22x%22%7D%7D%7D";
    assert_eq!(parse(essential).unwrap_err(), Code::UnmetAuthenticationRequirements);
    let device = WEB.replace("[\"authorization_code\",\"refresh_token\"]", "[\"refresh_token\"]");
    assert_eq!(parse_for(&client(&device), "response_type=code&scope=openid").unwrap_err(), Code::UnauthorizedClient);
}

#[test]
fn long_texts_are_refused() {
    let long = |state: usize, nonce: usize| {
        parse(&format!("response_type=code&scope=openid&state={}&nonce={}", "s".repeat(state), "n".repeat(nonce)))
    };
    assert!(long(1024, 256).is_ok());
    assert_eq!(long(MOST_TEXT + 1, 0).unwrap_err(), Code::InvalidRequest);
    assert_eq!(long(0, MOST_IN_CODE + 1).unwrap_err(), Code::InvalidRequest);
}

#[test]
fn pkce_is_per_client_and_always_for_public_ones() {
    let strict = client(&WEB.replace("\"require_pkce\":false,", ""));
    assert_eq!(parse_for(&strict, "response_type=code&scope=openid").unwrap_err(), Code::InvalidRequest);
    assert!(parse_for(&strict, &format!("response_type=code&scope=openid&{CHALLENGE}")).is_ok());
    let mut public = client(WEB);
    public.metadata.token_endpoint_auth_method = super::super::client::AuthMethod::None;
    assert_eq!(parse_for(&public, "response_type=code&scope=openid").unwrap_err(), Code::InvalidRequest);
}

#[test]
fn offline_access_has_conditions() {
    let scope = |client: &Client, query: &str| {
        parse_for(client, &format!("response_type=code&scope=openid+offline_access&{query}")).unwrap().scope.to_string()
    };
    let web = client(WEB);
    assert_eq!(scope(&web, ""), "openid");
    assert_eq!(scope(&web, "prompt=consent"), "openid offline_access");
    let mut first_party = client(WEB);
    first_party.metadata.skip_consent = true;
    assert_eq!(scope(&first_party, ""), "openid offline_access");
    let without = client(&WEB.replace(",\"refresh_token\"", ""));
    assert_eq!(scope(&without, "prompt=consent"), "openid");
}

fn session(auth_time: i64) -> Session {
    let user = UserId::generate(&mut Counted(0));
    Session {
        id: OwnedId::generate(&user, &mut Counted(0)),
        user,
        sid: "sid".into(),
        auth_time: at(auth_time),
        seen_at: at(auth_time),
        acr: ACR_PASSWORD.into(),
        amr: vec!["pwd".into()],
    }
}

fn code_of(next: Next) -> Option<Code> {
    if let Next::Refuse(error) = next { Some(error.code) } else { None }
}

fn decided(query: &str, signed_in_at: Option<i64>, choice: Option<&Choice>, is_chosen: bool) -> Next {
    let session = signed_in_at.map(session);
    let account = session.as_ref().map(|session| Account { session, subject: "me", choice });
    decide(&parse(&format!("response_type=code&{query}")).unwrap(), &client(WEB), account, is_chosen)
}

fn yes_to(scope: &str) -> Choice {
    Choice { allowed: Scope::parse(scope).unwrap(), ..Choice::default() }
}

#[test]
fn sign_in_then_consent_then_code() {
    let choice = yes_to("openid email");
    assert_eq!(decided("scope=openid", None, None, false), Next::Login);
    assert_eq!(decided("scope=openid", Some(900), None, false), Next::Consent);
    assert!(matches!(decided("scope=openid", Some(900), Some(&choice), false), Next::Grant { .. }));
    assert_eq!(decided("scope=openid+profile", Some(900), Some(&choice), false), Next::Consent, "more than was allowed");
    assert_eq!(decided("scope=openid&prompt=consent", Some(900), Some(&choice), false), Next::Consent);
}

#[test]
fn prompt_none_shows_no_page() {
    let choice = yes_to("openid");
    assert_eq!(code_of(decided("scope=openid&prompt=none", None, None, false)), Some(Code::LoginRequired));
    assert_eq!(code_of(decided("scope=openid&prompt=none", Some(900), None, false)), Some(Code::ConsentRequired));
    assert_eq!(
        code_of(decided("scope=openid&prompt=none&max_age=50", Some(900), Some(&choice), false)),
        Some(Code::LoginRequired)
    );
    assert!(matches!(decided("scope=openid&prompt=none", Some(900), Some(&choice), false), Next::Grant { .. }));
}

#[test]
fn prompt_login_and_max_age_want_a_later_sign_in() {
    let choice = yes_to("openid");
    let next = |query: &str, signed_in_at| decided(query, Some(signed_in_at), Some(&choice), true);
    assert_eq!(next("scope=openid&prompt=login", 1000), Next::Login);
    assert!(matches!(next("scope=openid&prompt=login", 1001), Next::Grant { .. }));
    assert_eq!(next("scope=openid&max_age=100", 900), Next::Login);
    assert!(matches!(next("scope=openid&max_age=100", 901), Next::Grant { .. }));
    assert_eq!(next("scope=openid&max_age=0", 1000), Next::Login);
    assert!(matches!(next("scope=openid&max_age=0", 1001), Next::Grant { .. }));
}

#[test]
fn the_wanted_subject_or_nobody() {
    let choice = yes_to("openid");
    let mut request = parse("response_type=code&scope=openid").unwrap();
    request.subject = Some("somebody else".into());
    let next = |request: &AuthorizationRequest, signed_in_at, is_chosen| {
        let session = session(signed_in_at);
        decide(request, &client(WEB), Some(Account { session: &session, subject: "me", choice: Some(&choice) }), is_chosen)
    };
    assert_eq!(next(&request, 900, false), Next::Login);
    assert_eq!(code_of(next(&request, 1001, true)), Some(Code::LoginRequired), "signed in as somebody else");
    request.prompt.none = true;
    assert_eq!(code_of(next(&request, 900, false)), Some(Code::LoginRequired));
    request.subject = Some("me".into());
    assert!(matches!(next(&request, 900, false), Next::Grant { .. }));
}

#[test]
fn the_account_is_chosen_once() {
    let choice = yes_to("openid");
    assert_eq!(decided("scope=openid&prompt=select_account", Some(900), Some(&choice), false), Next::Choose);
    assert!(matches!(decided("scope=openid&prompt=select_account", Some(900), Some(&choice), true), Next::Grant { .. }));
}
