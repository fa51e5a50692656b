//! The scopes of administration, which every realm has. Each is the name of a role too: a user's token is good for
//! it only while the user has that role, or the one of administrators.

use super::super::client::{AUTHORIZATION_CODE, CLIENT_CREDENTIALS, REFRESH_TOKEN};
use super::super::scope::Scope;

/// Everything.
pub const ADMIN: &str = "latchkey:admin";
/// Everything, to look at.
pub const ADMIN_READ: &str = "latchkey:admin.read";
/// Clients and their secrets.
pub const CLIENTS: &str = "latchkey:clients";
/// Users and roles.
pub const USERS: &str = "latchkey:users";
/// Grants and sessions.
pub const GRANTS: &str = "latchkey:grants";
/// Signing keys.
pub const KEYS: &str = "latchkey:keys";
/// Trusted issuers and initial access tokens.
pub const TRUST: &str = "latchkey:trust";
/// The audit log, summaries and webhooks.
pub const AUDIT: &str = "latchkey:audit";

/// All of them.
pub const ALL: [&str; 8] = [ADMIN, ADMIN_READ, CLIENTS, USERS, GRANTS, KEYS, TRUST, AUDIT];

/// The grant types that yield them, whatever the realm's setting says. By the device grant somebody could be talked
/// into allowing a stranger's device, so the operator has to want it.
pub const GRANT_TYPES: [&str; 3] = [AUTHORIZATION_CODE, REFRESH_TOKEN, CLIENT_CREDENTIALS];

/// Whether a scope, or a role, is about administration. No other may begin like these.
pub fn is_administrative(scope: &str) -> bool {
    scope.starts_with("latchkey:")
}

/// Whether somebody with these roles may have a scope.
pub fn may_have(scope: &str, roles: &[String]) -> bool {
    !is_administrative(scope) || roles.iter().any(|role| role == scope || role == ADMIN)
}

/// A scope without what somebody with these roles may not have of it.
#[must_use]
pub fn of_user(scope: &Scope, roles: &[String]) -> Scope {
    scope.filter(|scope| may_have(scope, roles))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_role_gives_its_scope_and_the_administrators_gives_all() {
        let scope = Scope::parse(&format!("openid {} records:read", ALL.join(" "))).unwrap();
        let of = |roles: &[&str]| {
            let roles: Vec<String> = roles.iter().map(|role| (*role).to_owned()).collect();
            of_user(&scope, &roles).to_string()
        };
        assert_eq!(of(&[]), "openid records:read");
        assert_eq!(of(&["admin", "latchkey:", "latchkey:adm"]), "openid records:read");
        assert_eq!(of(&[KEYS]), "openid latchkey:keys records:read");
        assert_eq!(of(&[ADMIN_READ]), "openid latchkey:admin.read records:read");
        assert_eq!(of(&[ADMIN]), scope.to_string());
    }
}
