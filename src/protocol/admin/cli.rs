//! The client that a realm is administered with from a terminal.

use serde_json::json;

use super::super::client_metadata::Metadata;
use super::super::json;
use super::scopes;

/// Its id.
pub const CLIENT_ID: &str = "latchkey-cli";

/// What it is registered with: a public native client whose answers go to its own computer alone (RFC 8252 7.3).
pub fn metadata() -> Option<Metadata> {
    let members = json!({
        "client_name": "Latchkey CLI",
        "application_type": "native",
        "token_endpoint_auth_method": "none",
        "grant_types": ["authorization_code", "refresh_token"],
        "redirect_uris": ["http://127.0.0.1/callback", "http://[::1]/callback"],
        "scope": format!("openid profile offline_access {}", scopes::ALL.join(" ")),
    });
    json::from_value(members).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_a_good_client_and_the_demos() {
        let metadata = metadata().unwrap();
        assert_eq!(metadata.faults(), [""; 0]);
        let demo: serde_json::Value = serde_json::from_str(include_str!("../../../tools/demo.json")).unwrap();
        let clients = demo["clients"].as_array().unwrap();
        let mut demo = clients.iter().find(|client| client["client_id"] == CLIENT_ID).unwrap().clone();
        demo.as_object_mut().unwrap().remove("client_id");
        assert_eq!(serde_json::from_value::<Metadata>(demo).unwrap(), metadata);
    }
}
