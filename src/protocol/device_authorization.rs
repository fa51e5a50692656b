//! `POST /device_authorization`: RFC 8628 3.1 and 3.2.

use serde::Serialize;

use super::client::{Client, DEVICE_CODE};
use super::config::Config;
use super::error::{Code, OAuthError};
use super::form::{Form, encode};
use super::scope::Scope;
use super::uri;
use super::user_code::UserCode;

/// A request, parsed.
#[derive(Debug, PartialEq, Eq)]
pub struct DeviceAuthorizationRequest {
    /// What is asked for; absent: everything the client may have.
    pub scope: Option<Scope>,
    /// Resources (RFC 8707).
    pub resources: Vec<String>,
}

impl DeviceAuthorizationRequest {
    /// Parses the parameters beside the client's credentials.
    pub fn parse(form: &Form) -> Result<Self, OAuthError> {
        Ok(Self { scope: scope(form)?, resources: resources(form)? })
    }

    /// What the flow will ask the user for: all of it known, allowed for this client and to be had
    /// by the device grant.
    pub fn scope_for(&self, client: &Client, config: &Config) -> Result<Scope, OAuthError> {
        let allowed = client.allowed_scope(config, DEVICE_CODE);
        let asked = self.scope.as_ref().unwrap_or(&allowed);
        if asked.is_empty() || !asked.is_subset_of(&allowed) {
            return Err(OAuthError::new(Code::InvalidScope, "a scope is unknown or not for this client and grant type"));
        }
        Ok(asked.clone())
    }
}

/// Most resources in one request.
const MOST_RESOURCES: usize = 10;

/// The `scope` parameter.
pub fn scope(form: &Form) -> Result<Option<Scope>, OAuthError> {
    let malformed = OAuthError::new(Code::InvalidScope, "scope is malformed");
    form.get("scope").map(|text| Scope::parse(text).ok_or(malformed)).transpose()
}

/// The `resource` parameters (RFC 8707 2).
pub fn resources(form: &Form) -> Result<Vec<String>, OAuthError> {
    let mut resources: Vec<String> = Vec::new();
    for resource in form.all("resource") {
        if !uri::is_resource(resource) {
            return Err(OAuthError::new(Code::InvalidTarget, "resource must be an absolute URI without a fragment"));
        }
        if !resources.iter().any(|r| r == resource) {
            resources.push(resource.to_owned());
        }
        // They end up in tokens.
        if resources.len() > MOST_RESOURCES {
            return Err(OAuthError::new(Code::InvalidTarget, "too many resources"));
        }
    }
    Ok(resources)
}

/// Checks resources against what the client may reach.
pub fn check_resources(asked: &[String], client: &Client, config: &Config) -> Result<(), OAuthError> {
    let may_reach =
        |resource: &String| client.metadata.resources.contains(resource) || resource == client.default_audience(config);
    if asked.iter().all(may_reach) {
        Ok(())
    } else {
        Err(OAuthError::new(Code::InvalidTarget, "a resource is unknown or not for this client"))
    }
}

/// The answer (RFC 8628 3.2). `interval` and `expires_in` are always there.
#[derive(Debug, Serialize)]
pub struct DeviceAuthorizationResponse {
    device_code: String,
    user_code: String,
    verification_uri: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    verification_uri_complete: Option<String>,
    expires_in: u32,
    interval: u32,
}

impl DeviceAuthorizationResponse {
    /// Shapes it.
    pub fn new(device_code: String, user_code: &UserCode, client: &Client, config: &Config) -> Self {
        Self {
            device_code,
            user_code: user_code.display(),
            verification_uri: verification_uri(config),
            verification_uri_complete: client
                .metadata
                .verification_uri_complete
                .then(|| verification_uri_complete(config, user_code)),
            expires_in: config.settings.device_code_lifetime,
            interval: config.settings.device_interval,
        }
    }
}

/// Where a person goes.
pub fn verification_uri(config: &Config) -> String {
    format!("{}/device", config.issuer)
}

/// The same with the code filled in; also what a QR code holds.
pub fn verification_uri_complete(config: &Config, user_code: &UserCode) -> String {
    format!("{}?user_code={}", verification_uri(config), encode(&user_code.display()))
}

#[cfg(test)]
mod tests {
    use super::super::client::tests::{DEVICE, client};
    use super::super::config::tests::with;
    use super::*;

    fn parse(body: &str) -> Result<DeviceAuthorizationRequest, OAuthError> {
        DeviceAuthorizationRequest::parse(&Form::parse(body.as_bytes()).unwrap())
    }

    #[test]
    fn scopes() {
        let (config, client) = (with(&[]).unwrap(), client(DEVICE));
        let scope_for = |body| parse(body).unwrap().scope_for(&client, &config);
        assert_eq!(scope_for("").unwrap().to_string(), "openid profile records:read");
        assert_eq!(scope_for("scope=records:read").unwrap().to_string(), "records:read");
        assert_eq!(scope_for("scope=email").unwrap_err().code, Code::InvalidScope);
        assert_eq!(scope_for("scope=latchkey:admin").unwrap_err().code, Code::InvalidScope);
        assert_eq!(parse("scope=a++b").unwrap_err().code, Code::InvalidScope);
    }

    #[test]
    fn resources_must_be_the_clients() {
        let (config, mut client) = (with(&[]).unwrap(), client(DEVICE));
        client.metadata.resources = vec!["https://api.example".into()];
        let check = |resource: &str| check_resources(&[resource.to_owned()], &client, &config).map_err(|e| e.code);
        assert_eq!(check("https://api.example"), Ok(()));
        assert_eq!(check("https://other.example"), Err(Code::InvalidTarget));
        assert_eq!(parse("resource=x%23y").unwrap_err().code, Code::InvalidTarget);
    }

    #[test]
    fn rfc_8628_shape() {
        let (config, client) = (with(&[]).unwrap(), client(DEVICE));
        let code = UserCode::parse("wdjbmjht").unwrap();
        let response = DeviceAuthorizationResponse::new("d".into(), &code, &client, &config);
        assert_eq!(
            serde_json::to_string(&response).unwrap(),
            "{\"device_code\":\"d\",\"user_code\":\"WDJB-MJHT\",\"verification_uri\":\"https://id.example/device\",\
             \"verification_uri_complete\":\"https://id.example/device?user_code=WDJB-MJHT\",\"expires_in\":600,\"interval\":5}"
        );
    }
}
