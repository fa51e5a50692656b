//! Every operation of the admin API, in one table: the router, the documentation and the tests read it.

use super::scopes::{ADMIN, ADMIN_READ, AUDIT, CLIENTS, GRANTS, KEYS, TRUST, USERS};

/// Who may use an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Everybody: nothing about the realm is told, or the request proves itself.
    Public,
    /// Whoever may look at what this scope is about.
    Read(&'static str),
    /// Whoever may change what this scope is about.
    Write(&'static str),
}

impl Access {
    /// The scopes of which one is needed; none: no token is.
    pub fn scopes(self) -> Vec<&'static str> {
        let mut scopes = match self {
            Self::Public => Vec::new(),
            Self::Read(scope) => vec![ADMIN, ADMIN_READ, scope],
            Self::Write(scope) => vec![ADMIN, scope],
        };
        // Everything about the whole realm is for administrators of everything.
        if let [ADMIN, .., ADMIN] = scopes.as_slice() {
            scopes.pop();
        }
        scopes
    }
}

/// What an operation is about: one module answers each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Group {
    /// The first administrator.
    Bootstrap,
    /// The document of this API.
    Document,
    /// Clients.
    Clients,
    /// Grants of users.
    Grants,
    /// Initial access tokens.
    InitialAccessTokens,
    /// Signing keys.
    Keys,
    /// The realm as a whole.
    Realm,
    /// Roles.
    Roles,
    /// Browser sessions of users.
    Sessions,
    /// The audit log.
    Audit,
    /// Issuers whose tokens are traded.
    TrustedIssuers,
    /// Users.
    Users,
    /// Webhooks.
    Webhooks,
}

/// One operation.
#[derive(Clone, Copy, Debug)]
pub struct Operation {
    /// Which.
    pub name: Name,
    /// HTTP method.
    pub method: &'static str,
    /// Path below `/admin/v1/`; `{..}` stands for one segment.
    pub path: &'static str,
    /// Whose.
    pub group: Group,
    /// For whom.
    pub access: Access,
}

/// Declares the operations once.
macro_rules! operations {
    ($($name:ident $method:literal $path:literal $group:ident $access:expr;)*) => {
        /// The name of an operation.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[expect(missing_docs, reason = "method and path stand beside each")]
        pub enum Name { $($name,)* }

        /// All operations. Where two match a path, the one without `{..}` stands before.
        pub const OPERATIONS: &[Operation] = &[$(Operation {
            name: Name::$name, method: $method, path: $path, group: Group::$group, access: $access,
        },)*];
    };
}

operations! {
    GetDocument "GET" "openapi.json" Document Access::Public;
    Bootstrap "POST" "bootstrap" Bootstrap Access::Public;

    ListClients "GET" "clients" Clients Access::Read(CLIENTS);
    CreateClient "POST" "clients" Clients Access::Write(CLIENTS);
    GetClient "GET" "clients/{client_id}" Clients Access::Read(CLIENTS);
    PatchClient "PATCH" "clients/{client_id}" Clients Access::Write(CLIENTS);
    DeleteClient "DELETE" "clients/{client_id}" Clients Access::Write(CLIENTS);
    CreateClientSecret "POST" "clients/{client_id}/secrets" Clients Access::Write(CLIENTS);

    ListUsers "GET" "users" Users Access::Read(USERS);
    CreateUser "POST" "users" Users Access::Write(USERS);
    GetUser "GET" "users/{user_id}" Users Access::Read(USERS);
    PatchUser "PATCH" "users/{user_id}" Users Access::Write(USERS);
    DeleteUser "DELETE" "users/{user_id}" Users Access::Write(USERS);
    SetPassword "POST" "users/{user_id}/password" Users Access::Write(USERS);
    MailUser "POST" "users/{user_id}/mail" Users Access::Write(USERS);
    SignOutUser "POST" "users/{user_id}/sign-out" Users Access::Write(USERS);

    ListGrants "GET" "users/{user_id}/grants" Grants Access::Read(GRANTS);
    DeleteGrants "DELETE" "users/{user_id}/grants" Grants Access::Write(GRANTS);
    PatchGrant "PATCH" "users/{user_id}/grants/{handle}" Grants Access::Write(GRANTS);
    DeleteGrant "DELETE" "users/{user_id}/grants/{handle}" Grants Access::Write(GRANTS);
    ListSessions "GET" "users/{user_id}/sessions" Sessions Access::Read(GRANTS);
    DeleteSessions "DELETE" "users/{user_id}/sessions" Sessions Access::Write(GRANTS);
    DeleteSession "DELETE" "users/{user_id}/sessions/{handle}" Sessions Access::Write(GRANTS);

    ListRoles "GET" "roles" Roles Access::Read(USERS);
    CreateRole "POST" "roles" Roles Access::Write(USERS);
    GetRole "GET" "roles/{name}" Roles Access::Read(USERS);
    PatchRole "PATCH" "roles/{name}" Roles Access::Write(USERS);
    DeleteRole "DELETE" "roles/{name}" Roles Access::Write(USERS);

    ListKeys "GET" "keys" Keys Access::Read(KEYS);
    RotateKeys "POST" "keys/rotate" Keys Access::Write(KEYS);
    DeleteKey "DELETE" "keys/{kid}" Keys Access::Write(KEYS);

    ListInitialAccessTokens "GET" "initial-access-tokens" InitialAccessTokens Access::Read(TRUST);
    CreateInitialAccessToken "POST" "initial-access-tokens" InitialAccessTokens Access::Write(TRUST);
    DeleteInitialAccessToken "DELETE" "initial-access-tokens/{id}" InitialAccessTokens Access::Write(TRUST);

    ListTrustedIssuers "GET" "trusted-issuers" TrustedIssuers Access::Read(TRUST);
    CreateTrustedIssuer "POST" "trusted-issuers" TrustedIssuers Access::Write(TRUST);
    GetTrustedIssuer "GET" "trusted-issuers/{id}" TrustedIssuers Access::Read(TRUST);
    PatchTrustedIssuer "PATCH" "trusted-issuers/{id}" TrustedIssuers Access::Write(TRUST);
    DeleteTrustedIssuer "DELETE" "trusted-issuers/{id}" TrustedIssuers Access::Write(TRUST);
    ExplainTrust "POST" "trust/explain" TrustedIssuers Access::Read(TRUST);

    ListAuditEvents "GET" "audit" Audit Access::Read(AUDIT);
    ListAuditSeals "GET" "audit/seals" Audit Access::Read(AUDIT);
    VerifyAudit "GET" "audit/verify" Audit Access::Read(AUDIT);

    ListSummaries "GET" "summaries" Audit Access::Read(AUDIT);

    ExportRealm "GET" "export" Realm Access::Read(ADMIN);
    ExportRealmWithKeys "POST" "export" Realm Access::Write(ADMIN);
    PlanImport "POST" "plan" Realm Access::Read(ADMIN);
    ImportRealm "POST" "import" Realm Access::Write(ADMIN);

    ListWebhooks "GET" "webhooks" Webhooks Access::Read(AUDIT);
    CreateWebhook "POST" "webhooks" Webhooks Access::Write(AUDIT);
    GetWebhook "GET" "webhooks/{id}" Webhooks Access::Read(AUDIT);
    PatchWebhook "PATCH" "webhooks/{id}" Webhooks Access::Write(AUDIT);
    DeleteWebhook "DELETE" "webhooks/{id}" Webhooks Access::Write(AUDIT);
    CreateWebhookSecret "POST" "webhooks/{id}/secrets" Webhooks Access::Write(AUDIT);
    TestWebhook "POST" "webhooks/{id}/test" Webhooks Access::Write(AUDIT);
}

/// What a path below `/admin/v1/` means.
#[derive(Debug)]
pub enum Found {
    /// An operation, and the segments that stood for `{..}`, still percent-encoded.
    Operation(&'static Operation, Vec<String>),
    /// The path is known, and takes these methods.
    Methods(Vec<&'static str>),
    /// There is no such path.
    Nothing,
}

/// The operation of a method and a path below `/admin/v1/`.
pub fn find(method: &str, path: &str) -> Found {
    let mut methods = Vec::new();
    for operation in OPERATIONS {
        let Some(parameters) = matched(operation.path, path) else { continue };
        if operation.method == method {
            return Found::Operation(operation, parameters);
        }
        methods.push(operation.method);
    }
    if methods.is_empty() { Found::Nothing } else { Found::Methods(methods) }
}

/// The segments of a path that stand for the `{..}` of a pattern, if it matches.
fn matched(pattern: &str, path: &str) -> Option<Vec<String>> {
    let (mut patterns, mut segments) = (pattern.split('/'), path.split('/'));
    let mut parameters = Vec::new();
    loop {
        match (patterns.next(), segments.next()) {
            (None, None) => return Some(parameters),
            (Some(pattern), Some(segment)) if pattern.starts_with('{') && !segment.is_empty() => {
                parameters.push(segment.to_owned());
            }
            (Some(pattern), Some(segment)) if pattern == segment => {}
            _ => return None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::scopes::ALL;
    use super::*;

    #[test]
    fn every_operation_is_found_by_its_own_method_and_path() {
        for operation in OPERATIONS {
            let path = operation.path.replace(['{', '}'], "");
            let Found::Operation(found, parameters) = find(operation.method, &path) else { panic!("{path}") };
            assert_eq!(found.name, operation.name);
            assert_eq!(parameters.len(), operation.path.matches('{').count());
        }
    }

    #[test]
    fn what_is_no_path_is_not_found_and_other_methods_are_told() {
        for path in ["", "clients/", "clients/a/b", "/clients", "clients//secrets", "Clients"] {
            assert!(matches!(find("GET", path), Found::Nothing), "{path}");
        }
        let Found::Methods(methods) = find("PUT", "clients/a") else { panic!("found") };
        assert_eq!(methods, ["GET", "PATCH", "DELETE"]);
        let Found::Operation(_, parameters) = find("GET", "clients/https%3A%2F%2Fa.example%2Fc") else { panic!("not found") };
        assert_eq!(parameters, ["https%3A%2F%2Fa.example%2Fc"]);
    }

    #[test]
    fn reading_never_lets_write_and_every_scope_is_one_of_ours() {
        for operation in OPERATIONS {
            let scopes = operation.access.scopes();
            assert!(scopes.iter().all(|scope| ALL.contains(scope)), "{}", operation.path);
            let is_read = matches!(operation.access, Access::Read(_));
            assert_eq!(scopes.contains(&ADMIN_READ), is_read, "{} {}", operation.method, operation.path);
            // Asking about what would be is a POST that changes nothing.
            let asks = ["plan", "trust/explain"].contains(&operation.path);
            assert!(operation.access == Access::Public || is_read == (operation.method == "GET" || asks), "{}", operation.path);
        }
        assert_eq!(Access::Write(ADMIN).scopes(), [ADMIN]);
    }
}
