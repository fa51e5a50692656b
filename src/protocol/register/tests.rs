use super::super::config::tests::with;
use super::super::jose::Alg;
use super::super::scope::Scope;
use super::*;

const ID: &str = "AQIDBAUGBwgJCgsMDQ4PEA";
const WEB: &str = r#""redirect_uris":["https://app.example/cb"]"#;
const URL: &str = "https://app.example/client.json";

fn config() -> Config {
    with(&[("OUTBOUND_ALLOW", "localhost:9999")]).unwrap()
}

fn described(json: &str) -> Result<Metadata, OAuthError> {
    Description::parse(json.as_bytes())?.metadata(Origin::Registration, ID, &config())
}

/// A web client with these members more.
fn web(more: &str) -> Result<Metadata, OAuthError> {
    described(&format!("{{{WEB}{}{more}}}", if more.is_empty() { "" } else { "," }))
}

fn document(json: &str) -> Result<Metadata, OAuthError> {
    Description::parse(json.as_bytes())?.document(URL, &config())
}

#[test]
fn defaults() {
    let metadata = web("").unwrap();
    assert_eq!(metadata.grant_types, ["authorization_code"]);
    assert_eq!(metadata.response_types, ["code"]);
    assert_eq!(metadata.token_endpoint_auth_method, AuthMethod::ClientSecretBasic);
    assert_eq!(metadata.client_name, "app.example");
    assert_eq!(metadata.scope.to_string(), "openid profile email address phone offline_access");
    assert!(!metadata.require_pkce && !metadata.skip_consent && metadata.resources.is_empty());
    assert_eq!(metadata.id_token_alg(), Alg::RS256);
    // Null and an empty list of response types are as if they were not there; unknown members are ignored.
    let same = web(r#""client_name":null,"response_types":[],"scope":null,"jwks":null,"x_unknown":[{"a":1}]"#).unwrap();
    assert_eq!(same, metadata);
}

#[test]
fn default_names() {
    let named = |json: &str| described(json).unwrap().client_name;
    assert_eq!(named(r#"{"redirect_uris":["http://localhost:9999/cb","https://b.example/"]}"#), "localhost");
    let app = r#"{"application_type":"native","redirect_uris":["com.example.app:/cb"],"token_endpoint_auth_method":"none"}"#;
    assert_eq!(named(app), "com.example.app");
    assert_eq!(named(r#"{"grant_types":["urn:ietf:params:oauth:grant-type:device_code"]}"#), ID);
    let long = format!(r#"{{"redirect_uris":["https://{}.example/"]}}"#, "a".repeat(200));
    assert_eq!(named(&long), "a".repeat(100));
}

#[test]
fn response_types_follow_the_grant_types() {
    let device = r#""grant_types":["urn:ietf:params:oauth:grant-type:device_code","refresh_token"]"#;
    assert_eq!(described(&format!("{{{device}}}")).unwrap().response_types, [""; 0]);
    let error = described(&format!(r#"{{{device},"response_types":["code"]}}"#)).unwrap_err();
    assert_eq!((error.code, error.member), (Code::InvalidClientMetadata, "response_types"));
    for types in ["id_token", "code id_token", "token", "none"] {
        assert_eq!(web(&format!(r#""response_types":["{types}"]"#)).unwrap_err().member, "response_types", "{types}");
    }
}

#[test]
fn code_challenges() {
    assert!(web(r#""require_pkce":true"#).unwrap().require_pkce);
    let public = r#""token_endpoint_auth_method":"none""#;
    assert!(web(public).unwrap().require_pkce);
    assert!(web(&format!(r#"{public},"require_pkce":false"#)).unwrap().require_pkce, "a public client cannot do without");
}

#[test]
fn scopes() {
    let scope = |asked: &str| web(&format!(r#""scope":"{asked}""#)).map(|metadata| metadata.scope.to_string());
    assert_eq!(scope("openid records:read").unwrap(), "openid records:read");
    // Unknown, of another grant type, and administration.
    assert_eq!(scope("openid nonsense ci latchkey:admin").unwrap(), "openid");
    for bad in ["", "nonsense", "latchkey:admin", "a  b"] {
        assert_eq!(scope(bad).unwrap_err().member, "scope", "{bad}");
    }
    // Not even where the realm names the grant type.
    let scopes = r#"{"latchkey:admin":{"title":"A","grant_types":["authorization_code"]}}"#;
    let config = with(&[("SCOPES", scopes)]).unwrap();
    let asked = format!(r#"{{{WEB},"scope":"openid latchkey:admin"}}"#);
    let metadata = Description::parse(asked.as_bytes()).unwrap().metadata(Origin::Registration, ID, &config).unwrap();
    assert_eq!(metadata.scope, Scope::parse("openid").unwrap());
}

#[test]
fn what_is_the_operators_is_not_taken_from_a_stranger() {
    let plain = web("").unwrap();
    let asked =
        web(r#""publisher":"The bank","required_scope":"records:read","skip_consent":true,"resources":["https://api.example"],
        "access_token_lifetime":3600,"refresh_idle_lifetime":157680000,"refresh_absolute_lifetime":157680000,
        "refresh_grace":86400,"device_live_flows":100000"#);
    assert_eq!(asked.unwrap(), plain);
    // Whatever its type.
    assert_eq!(web(r#""skip_consent":"yes","resources":7"#).unwrap(), plain);
    let told = told(&plain);
    for member in OPERATORS {
        assert!(Metadata::MEMBERS.contains(&member) && !told.contains_key(member), "{member}");
    }
}

#[test]
fn every_fault_names_its_member() {
    let rows: &[(&str, &str)] = &[
        ("redirect_uris", "{}"),
        ("redirect_uris", r#"{"redirect_uris":[]}"#),
        ("redirect_uris", r#"{"redirect_uris":"https://app.example/cb"}"#),
        ("redirect_uris", r#"{"redirect_uris":[1]}"#),
        ("redirect_uris", r#"{"redirect_uris":["https://app.example/cb#f"]}"#),
        ("redirect_uris", r#"{"redirect_uris":["https://app.example/cb","http://app.example/cb"]}"#),
        ("redirect_uris", r#"{"redirect_uris":["com.example.app:/cb"]}"#),
        ("client_name", r#"{"client_name":""}"#),
        ("client_name", r#"{"client_name":7}"#),
        ("client_name", r#"{"client_name":"a\u0007"}"#),
        ("client_name", "{\"client_name\":\"knab\u{202e}\"}"),
        ("logo_uri", r#"{"logo_uri":"http://app.example/logo"}"#),
        ("client_uri", r#"{"client_uri":"javascript:alert(1)"}"#),
        ("policy_uri", r#"{"policy_uri":"data:text/html,x"}"#),
        ("tos_uri", r#"{"tos_uri":"//app.example"}"#),
        ("initiate_login_uri", r#"{"initiate_login_uri":"http://app.example/"}"#),
        ("contacts", r#"{"contacts":"ada@app.example"}"#),
        ("contacts", r#"{"contacts":["1","2","3","4","5","6","7","8","9","10","11"]}"#),
        ("grant_types", r#"{"grant_types":["implicit"]}"#),
        ("grant_types", r#"{"grant_types":["password","authorization_code"]}"#),
        ("grant_types", r#"{"grant_types":"authorization_code"}"#),
        ("grant_types", r#"{"grant_types":[]}"#),
        ("response_types", r#"{"grant_types":["refresh_token"],"response_types":["code"]}"#),
        ("response_types", r#"{"response_types":["id_token token"]}"#),
        ("response_types", r#"{"response_types":"code"}"#),
        ("application_type", r#"{"application_type":"service"}"#),
        ("post_logout_redirect_uris", r#"{"post_logout_redirect_uris":["https://app.example/#f"]}"#),
        ("token_endpoint_auth_method", r#"{"token_endpoint_auth_method":"client_secret_jwt"}"#),
        ("token_endpoint_auth_signing_alg", r#"{"token_endpoint_auth_signing_alg":"HS256"}"#),
        ("jwks", r#"{"token_endpoint_auth_method":"private_key_jwt"}"#),
        ("jwks", r#"{"jwks":{"keys":[{"kty":"EC"}]},"jwks_uri":"https://app.example/jwks"}"#),
        ("jwks", r#"{"jwks":{"keys":[{"kty":"oct","k":"x"}]}}"#),
        ("jwks", r#"{"jwks":"{}"}"#),
        ("jwks_uri", r#"{"jwks_uri":"http://app.example/jwks"}"#),
        ("jwks_uri", r#"{"jwks_uri":"https://127.0.0.1/jwks"}"#),
        ("jwks_uri", r#"{"jwks_uri":"http://localhost:1/jwks"}"#),
        ("jwks_uri", r#"{"jwks_uri":"https://192.168.0.1/jwks"}"#),
        ("jwks_uri", r#"{"jwks_uri":"https://intranet/jwks"}"#),
        ("jwks_uri", r#"{"jwks_uri":"https://id.example/jwks.json"}"#),
        ("backchannel_logout_uri", r#"{"backchannel_logout_uri":"https://10.0.0.1/out"}"#),
        ("backchannel_logout_uri", r#"{"backchannel_logout_uri":"https://app.example/#f"}"#),
        ("sector_identifier_uri", r#"{"sector_identifier_uri":"https://localhost/s"}"#),
        ("request_uris", r#"{"request_uris":["https://app.example/r#x","https://[::1]/r"]}"#),
        ("subject_type", r#"{"subject_type":"secret"}"#),
        ("id_token_signed_response_alg", r#"{"id_token_signed_response_alg":"none"}"#),
        ("userinfo_signed_response_alg", r#"{"userinfo_signed_response_alg":"HS256"}"#),
        ("request_object_signing_alg", r#"{"request_object_signing_alg":"none"}"#),
        ("default_max_age", r#"{"default_max_age":-1}"#),
        ("default_max_age", r#"{"default_max_age":"60"}"#),
        ("require_auth_time", r#"{"require_auth_time":"true"}"#),
        ("scope", r#"{"scope":["openid"]}"#),
        ("scope", r#"{"scope":"latchkey:admin"}"#),
    ];
    for (member, json) in rows {
        // A good redirect URI, where it is not what the row is about.
        let json = if *member == "redirect_uris" { (*json).to_owned() } else { json.replacen('{', &format!("{{{WEB},"), 1) };
        let error = described(&json).unwrap_err();
        let code = if *member == "redirect_uris" { Code::InvalidRedirectUri } else { Code::InvalidClientMetadata };
        assert_eq!((error.code, error.member), (code, *member), "{json}");
        let told = error.told();
        assert!(told.starts_with(&format!("{member}: ")) && told.len() > member.len() + 2, "{told}");
        // RFC 6749 5.2.
        assert!(told.bytes().all(|byte| (0x20..0x7f).contains(&byte) && byte != b'"' && byte != b'\\'), "{told}");
        assert!(!error.detail.is_empty(), "the log says no less: {json}");
    }
}

#[test]
fn what_is_no_object() {
    for bad in ["", "{", "[]", "null", "\"x\"", "{}{}", "{\"a\":}", "\u{feff}{}"] {
        assert_eq!(Description::parse(bad.as_bytes()).unwrap_err().code, Code::InvalidClientMetadata, "{bad}");
    }
    assert!(Description::parse(b"{\"client_name\":\"\xff\"}").is_err());
    assert!(Description::parse("[".repeat(60_000).as_bytes()).is_err());
}

#[test]
fn software_statements() {
    for statement in [r#""eyJhbGciOiJub25lIn0.e30.""#, "7", "{}"] {
        let error = web(&format!(r#""software_statement":{statement}"#)).unwrap_err();
        assert_eq!(error.code, Code::UnapprovedSoftwareStatement);
    }
    assert!(web(r#""software_statement":null"#).is_ok());
}

#[test]
fn outbound_addresses_that_the_operator_allows() {
    let metadata = web(r#""jwks_uri":"http://localhost:9999/jwks","request_uris":["http://localhost:9999/r#1"]"#).unwrap();
    assert_eq!(metadata.jwks_uri.as_deref(), Some("http://localhost:9999/jwks"));
    assert!(web(r#""jwks_uri":"https://app.example/jwks","backchannel_logout_uri":"https://app.example/out""#).is_ok());
}

#[test]
fn everything_registered_is_told() {
    let sent = r#"{"redirect_uris":["https://app.example/cb"],"post_logout_redirect_uris":["https://app.example/bye"],
        "client_name":"App","logo_uri":"https://app.example/l.svg","client_uri":"https://app.example","policy_uri":"https://app.example/p",
        "tos_uri":"https://app.example/t","contacts":["ada@app.example"],"grant_types":["authorization_code","refresh_token"],
        "response_types":["code"],"application_type":"native","token_endpoint_auth_method":"private_key_jwt",
        "token_endpoint_auth_signing_alg":"PS256","endpoint_audience":true,"jwks_uri":"https://app.example/jwks","scope":"openid email",
        "require_pkce":false,"require_pushed_authorization_requests":true,"require_signed_request_object":true,
        "request_object_signing_alg":"EdDSA","request_uris":["https://app.example/r"],"subject_type":"pairwise",
        "sector_identifier_uri":"https://app.example/s","id_token_signed_response_alg":"ES256","userinfo_signed_response_alg":"RS256",
        "default_max_age":0,"require_auth_time":true,"default_acr_values":["x"],"initiate_login_uri":"https://app.example/go",
        "backchannel_logout_uri":"https://app.example/out","backchannel_logout_session_required":true,
        "software_id":"s","software_version":"1"}"#;
    let sent: Map<String, Value> = serde_json::from_str(sent).unwrap();
    let told = told(&described(&Value::Object(sent.clone()).to_string()).unwrap());
    assert_eq!(told, sent);
}

#[test]
fn defaults_are_told() {
    let told = Value::Object(told(&web("").unwrap()));
    assert_eq!(
        told,
        json!({
            "client_name": "app.example",
            "redirect_uris": ["https://app.example/cb"],
            "grant_types": ["authorization_code"],
            "response_types": ["code"],
            "application_type": "web",
            "token_endpoint_auth_method": "client_secret_basic",
            "scope": "openid profile email address phone offline_access",
            "subject_type": "public",
            "require_pkce": false,
            "id_token_signed_response_alg": "RS256",
        })
    );
}

#[test]
fn replacements() {
    let of = |json: &str| Description::parse(json.as_bytes()).unwrap().replacement_of(ID);
    assert!(of(&format!(r#"{{"client_id":"{ID}"}}"#)).unwrap().is_none());
    let with_secret = of(&format!(r#"{{"client_id":"{ID}","client_secret":"s"}}"#)).unwrap().unwrap();
    assert_eq!(with_secret.expose(), "s");
    assert_eq!(of("{}").unwrap_err().member, "client_id");
    assert_eq!(of(r#"{"client_id":"other"}"#).unwrap_err().member, "client_id");
    assert_eq!(of(&format!(r#"{{"client_id":"{ID}","client_secret":7}}"#)).unwrap_err().member, "client_secret");
    for member in SERVERS {
        let error = of(&format!(r#"{{"client_id":"{ID}","{member}":0}}"#)).unwrap_err();
        assert_eq!((error.code, error.member), (Code::InvalidClientMetadata, member));
    }
}

#[test]
fn documents() {
    let good = format!(r#"{{"client_id":"{URL}",{WEB}}}"#);
    let metadata = document(&good).unwrap();
    assert_eq!(metadata.token_endpoint_auth_method, AuthMethod::None, "no secret could be kept");
    assert!(metadata.require_pkce);
    assert_eq!(metadata.client_name, "app.example");
    let by_key = r#""token_endpoint_auth_method":"private_key_jwt","jwks_uri":"https://app.example/jwks""#;
    let by_key = document(&good.replace('}', &format!(",{by_key}}}"))).unwrap();
    assert!(by_key.token_endpoint_auth_method == AuthMethod::PrivateKeyJwt && by_key.require_pkce);
    for (member, more) in [
        ("client_secret", r#""client_secret":"x""#),
        ("client_secret_expires_at", r#""client_secret_expires_at":0"#),
        ("token_endpoint_auth_method", r#""token_endpoint_auth_method":"client_secret_basic""#),
        ("token_endpoint_auth_method", r#""token_endpoint_auth_method":"client_secret_post""#),
    ] {
        assert_eq!(document(&good.replace('}', &format!(",{more}}}"))).unwrap_err().member, member);
    }
    for other in ["https://app.example/client.json/", "https://APP.example/client.json", "https://app.example/client.json?x"] {
        assert_eq!(document(&good.replace(URL, other)).unwrap_err().member, "client_id", "{other}");
    }
    assert_eq!(document(&format!("{{{WEB}}}")).unwrap_err().member, "client_id");
    let device = format!(r#"{{"client_id":"{URL}","grant_types":["urn:ietf:params:oauth:grant-type:device_code"]}}"#);
    assert_eq!(document(&device).unwrap().client_name, "app.example");
}

#[test]
fn sectors() {
    let metadata = described(r#"{"redirect_uris":["https://a.example/cb","https://b.example/cb"]}"#).unwrap();
    assert!(check_sector(br#"["https://b.example/cb","https://a.example/cb","https://c.example/cb"]"#, &metadata).is_ok());
    for bad in [r#"["https://a.example/cb"]"#, "[]", "{}", "", r#"["https://a.example/cb","https://b.example/cb/"]"#, "[1]"] {
        let error = check_sector(bad.as_bytes(), &metadata).unwrap_err();
        assert_eq!((error.code, error.member), (Code::InvalidClientMetadata, "sector_identifier_uri"), "{bad}");
    }
}

#[test]
fn media_types_and_ages() {
    for good in ["application/json", "Application/JSON; charset=utf-8", "application/oauth-client+json"] {
        assert!(is_json(good), "{good}");
    }
    for bad in ["", "text/html", "text/json", "application/json5", "application/+json", "application/jsonx"] {
        assert!(!is_json(bad), "{bad}");
    }
    let most = Seconds(300);
    for (header, age) in [
        ("", 300),
        ("public", 300),
        ("max-age=60", 60),
        ("public, Max-Age=60, s-maxage=5", 60),
        ("max-age=\"60\"", 60),
        ("max-age=86400", 300),
        ("max-age=10, max-age=20", 10),
        ("max-age=-1", 0),
        ("max-age=60, no-store", 0),
        ("no-cache", 0),
    ] {
        assert_eq!(keep_for(header, most), Seconds(age), "{header}");
    }
}
