//! The realm's configuration: the one typed place, parsed and checked once.
//!
//! Every setting is a string variable or secret of the Worker. An unknown name or a bad value is
//! refused, and all faults are listed at once. README.md documents each; a test holds it to that.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::admin::scopes::{self, is_administrative};
use super::client::{CLIENT_CREDENTIALS, JWT_BEARER};
use super::json;
use super::keyring::KeyRing;
use super::letter::Mail;
use super::resource::ResourceRegistry;
use super::scope::Scope;
use super::seal::Sealer;
use super::secret::{SecretHash, base64url, sha256};
use super::throttle::Budget;
use super::time::{Seconds, Timestamp};
use super::uri;

/// Everything that an operator can set.
#[derive(Clone, Debug)]
pub struct Config {
    /// `ISSUER`: https URL of this deployment without path; plain http on loopback only.
    pub issuer: String,
    /// `REALM_NAME`, `REALM_LOGO`, `REALM_COLOR`: what the pages show.
    pub realm: Realm,
    /// `REALM_EPOCH`: part of every seal; raising it signs everybody out.
    pub epoch: u32,
    /// `LATCHKEY_KEYS`, `LATCHKEY_KEY_ACTIVE`: the root secrets.
    pub ring: KeyRing,
    /// `SCOPES`: the realm's own scopes beside those of OpenID Connect.
    pub scopes: ScopeRegistry,
    /// `RESOURCES`: what resources want of their access tokens.
    pub resources: ResourceRegistry,
    /// `REGISTRATION`: `closed` (an initial access token is needed) or `open`.
    pub open_registration: bool,
    /// `CLIENT_ID_DOCUMENTS`: whether a client may be the URL of its metadata document.
    pub client_id_documents: bool,
    /// `REQUIRE_PUSHED_AUTHORIZATION_REQUESTS`: of every client (RFC 9126 5).
    pub require_pushed_requests: bool,
    /// `OUTBOUND_ALLOW`: `host:port`s that may be reached although they are local or plain http.
    pub outbound_allow: Vec<String>,
    /// `MAIL_FROM`, `DEV_OUTBOX`: where mails go.
    pub mail: Mail,
    /// `LATCHKEY_BOOTSTRAP`: what lets the first administrator be made, hashed; absent: nobody is.
    pub bootstrap: Option<SecretHash>,
    /// `TRUST_AHEAD_UNTIL`: refresh tokens ahead of the database, which was restored, are taken until then.
    pub trust_ahead_until: Option<Timestamp>,
    /// All the numbers.
    pub settings: Settings,
}

/// How the realm presents itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Realm {
    /// Shown on every page.
    pub name: String,
    /// https URL of a picture.
    pub logo: Option<String>,
    /// Accent colour, RGB.
    pub color: [u8; 3],
}

/// A scope of the realm, in words.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ScopeWords {
    /// A few words: "Read records".
    pub title: String,
    /// A sentence more.
    #[serde(default)]
    pub description: String,
    /// The grant types that may yield it; absent: all. `latchkey:` scopes need to be listed for
    /// the device grant here, or it never yields them.
    #[serde(default)]
    pub grant_types: Option<Vec<String>>,
}

/// All scopes that exist.
#[derive(Clone, Debug, Default)]
pub struct ScopeRegistry {
    words: BTreeMap<String, ScopeWords>,
    digest: String,
}

/// The scopes of OpenID Connect Core 5.4 and 11, which every realm has. Their words are the pages'.
pub const STANDARD_SCOPES: [&str; 6] = ["openid", "profile", "email", "address", "phone", "offline_access"];

/// Whether every realm has a scope of administration by this grant type.
fn is_built_in(scope: &str, grant_type: &str) -> bool {
    scopes::ALL.contains(&scope) && scopes::GRANT_TYPES.contains(&grant_type)
}

impl ScopeRegistry {
    /// Whether the scope exists and this grant type may yield it.
    pub fn allows(&self, scope: &str, grant_type: &str) -> bool {
        match self.words.get(scope).map(|words| &words.grant_types) {
            _ if is_built_in(scope, grant_type) => true,
            Some(Some(types)) => types.iter().any(|t| t == grant_type),
            Some(None) => !is_administrative(scope),
            // They are about a user, and these grants have none.
            None => STANDARD_SCOPES.contains(&scope) && ![CLIENT_CREDENTIALS, JWT_BEARER].contains(&grant_type),
        }
    }

    /// A realm scope's words; those of administration are the pages'.
    pub fn words(&self, scope: &str) -> Option<&ScopeWords> {
        self.words.get(scope)
    }

    /// Changes with every change of the registry.
    pub fn digest(&self) -> &str {
        &self.digest
    }

    /// All names: the standard ones, then the realm's.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        STANDARD_SCOPES.into_iter().chain(self.words.keys().map(String::as_str))
    }
}

/// Declares the numeric settings once: field, variable, default, least, most, meaning.
macro_rules! settings {
    ($($field:ident $name:literal $default:literal $least:literal $most:literal $doc:literal;)*) => {
        /// The numbers that an operator can set; durations in seconds.
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub struct Settings { $(#[doc = $doc] pub $field: u32,)* }

        /// Name, default, least and most of every numeric setting.
        pub const SETTINGS: &[(&str, u32, u32, u32, &str)] = &[$(($name, $default, $least, $most, $doc),)*];

        impl Settings {
            fn parse(vars: &BTreeMap<String, String>, faults: &mut Vec<String>) -> Self {
                Self { $($field: number(vars, $name, $default, $least..=$most, faults),)* }
            }
        }
    };
}

settings! {
    access_token_lifetime "ACCESS_TOKEN_LIFETIME" 600 5 3600 "Life of an access token where the client says nothing else.";
    code_lifetime "CODE_LIFETIME" 60 2 60 "Life of an authorization code.";
    par_lifetime "PAR_LIFETIME" 90 5 600 "A pushed request may be opened for so long.";
    assertion_lifetime "ASSERTION_LIFETIME" 600 10 3600 "Most remaining life of a client assertion or request object.";
    client_keys_cache "CLIENT_KEYS_CACHE" 600 1 86_400 "Age up to which keys fetched from a client's `jwks_uri` are used.";
    client_keys_refetch "CLIENT_KEYS_REFETCH" 60 1 3600 "An unknown `kid` has them fetched again at most this often.";
    outbound_timeout "OUTBOUND_TIMEOUT" 5 1 30 "Longest wait for somebody else's server.";
    logout_retry "LOGOUT_RETRY" 10 1 3600 "First wait before a back-channel logout or a webhook is sent again; it doubles from there.";
    logout_give_up "LOGOUT_GIVE_UP" 86_400 1 604_800 "A back-channel logout or a webhook is tried for so long.";
    document_cache "DOCUMENT_CACHE" 300 1 86_400 "Age up to which a client ID metadata document is used.";
    device_code_lifetime "DEVICE_CODE_LIFETIME" 600 5 1800 "Life of a device code and its user code.";
    device_interval "DEVICE_INTERVAL" 5 1 60 "Seconds between two polls of a device, at first.";
    device_approval_margin "DEVICE_APPROVAL_MARGIN" 30 0 300 "Approval closes so long before the code expires.";
    device_repeat "DEVICE_REPEAT" 120 1 600 "So long after collection the same device may collect the same tokens again.";
    form_lifetime "FORM_LIFETIME" 1800 5 1800 "Life of a form that a browser holds.";
    session_idle "SESSION_IDLE" 28_800 5 2_592_000 "A browser session ends after so long without use.";
    session_absolute "SESSION_ABSOLUTE" 604_800 5 7_776_000 "A browser session ends so long after sign-in.";
    session_touch "SESSION_TOUCH" 300 1 3600 "A session's last use is written down at most this often.";
    known_browser_lifetime "KNOWN_BROWSER_LIFETIME" 31_536_000 60 34_560_000 "So long a browser counts as known after a sign-in.";
    client_cache "CLIENT_CACHE" 30 0 300 "Age up to which a client is answered from an isolate's memory.";
    key_cache "KEY_CACHE" 60 1 60 "Age up to which an isolate uses signing keys without reading them again.";
    key_publish_lead "KEY_PUBLISH_LEAD" 3600 1 604_800 "A new signing key is published so long before it signs.";
    key_sign_for "KEY_SIGN_FOR" 2_592_000 60 31_536_000 "A signing key signs for so long.";
    jwks_max_age "JWKS_MAX_AGE" 300 0 86_400 "`Cache-Control: max-age` of the JWKS and the metadata.";
    password_budget "PASSWORD_BUDGET" 5 1 1000 "Wrong passwords per account and window, from browsers that never signed in to it.";
    known_browser_budget "KNOWN_BROWSER_BUDGET" 10 1 1000 "Wrong passwords per known browser and window.";
    realm_password_budget "REALM_PASSWORD_BUDGET" 10_000 1 1_000_000 "Wrong passwords in the whole realm and window, from browsers that are not known.";
    code_budget_session "CODE_BUDGET_SESSION" 5 1 1000 "Wrong user codes per session and window.";
    code_budget_account "CODE_BUDGET_ACCOUNT" 10 1 1000 "Wrong user codes per account and window.";
    code_budget_realm "CODE_BUDGET_REALM" 1000 1 1_000_000 "Wrong user codes in the whole realm and window.";
    mail_budget "MAIL_BUDGET" 3 1 1000 "Mails that can be asked for per account and window.";
    realm_mail_budget "REALM_MAIL_BUDGET" 300 1 1_000_000 "Mails that can be asked for in the whole realm and window.";
    audit_retention_days "AUDIT_RETENTION_DAYS" 400 1 3650 "Whole days that the events of the audit log are kept.";
    admin_max_auth_age "ADMIN_MAX_AUTH_AGE" 43_200 1 31_536_000 "An administrator must have signed in within so long.";
    budget_window "BUDGET_WINDOW" 600 1 86_400 "The window of all budgets.";
}

/// Names that are not numbers.
pub const TEXT_SETTINGS: &[&str] = &[
    "ISSUER",
    "REALM_NAME",
    "REALM_LOGO",
    "REALM_COLOR",
    "REALM_EPOCH",
    "SCOPES",
    "RESOURCES",
    "REGISTRATION",
    "CLIENT_ID_DOCUMENTS",
    "REQUIRE_PUSHED_AUTHORIZATION_REQUESTS",
    "OUTBOUND_ALLOW",
    "MAIL_FROM",
    "DEV_OUTBOX",
    "LATCHKEY_KEYS",
    "LATCHKEY_KEY_ACTIVE",
    "LATCHKEY_BOOTSTRAP",
    "TRUST_AHEAD_UNTIL",
];

impl Config {
    /// Parses all variables and secrets of the Worker, or says everything that is wrong with them.
    pub fn parse(vars: &BTreeMap<String, String>) -> Result<Self, Vec<String>> {
        let mut faults = Vec::new();
        for name in vars.keys() {
            if !TEXT_SETTINGS.contains(&name.as_str()) && !SETTINGS.iter().any(|(n, ..)| n == name) {
                faults.push(format!("{name}: no such setting"));
            }
        }
        let text = |name: &str| vars.get(name).map(String::as_str).unwrap_or_default();

        let issuer = text("ISSUER").to_owned();
        if !uri::is_issuer(&issuer) {
            faults.push("ISSUER: must be https://host[:port] in lower case without path (http only for localhost)".to_owned());
        }
        let realm = realm(vars, &mut faults);
        let epoch = match vars.get("REALM_EPOCH").map_or(Ok(1), |epoch| epoch.parse()) {
            Ok(epoch) => epoch,
            Err(_) => {
                faults.push("REALM_EPOCH: must be a whole number".to_owned());
                0
            }
        };
        let scopes = scopes(vars, &mut faults);
        let resources = ResourceRegistry::parse(vars.get("RESOURCES").map_or("{}", String::as_str));
        let resources = resources.map_err(|more| faults.extend(more)).unwrap_or_default();
        let settings = Settings::parse(vars, &mut faults);
        let open_registration = one_of(vars, "REGISTRATION", "closed", "open", &mut faults);
        let client_id_documents = one_of(vars, "CLIENT_ID_DOCUMENTS", "off", "on", &mut faults);
        let require_pushed_requests = one_of(vars, "REQUIRE_PUSHED_AUTHORIZATION_REQUESTS", "off", "on", &mut faults);
        let outbound_allow = outbound_allow(text("OUTBOUND_ALLOW"), &mut faults);
        if settings.device_approval_margin >= settings.device_code_lifetime {
            faults.push("DEVICE_APPROVAL_MARGIN: must be less than DEVICE_CODE_LIFETIME".to_owned());
        }
        let mail = Mail::parse(vars, &mut faults);
        let bootstrap = vars.get("LATCHKEY_BOOTSTRAP").filter(|secret| !secret.is_empty());
        if bootstrap.is_some_and(|secret| secret.len() < 32) {
            faults.push("LATCHKEY_BOOTSTRAP: must have at least 32 characters".to_owned());
        }
        let trust_ahead_until = vars.get("TRUST_AHEAD_UNTIL").map(|text| text.parse().map(Timestamp::from_millis));
        if matches!(trust_ahead_until, Some(Err(_))) {
            faults.push("TRUST_AHEAD_UNTIL: must be an instant in milliseconds since 1970".to_owned());
        }
        let ring = if vars.contains_key("LATCHKEY_KEYS") && vars.contains_key("LATCHKEY_KEY_ACTIVE") {
            KeyRing::parse(text("LATCHKEY_KEYS"), text("LATCHKEY_KEY_ACTIVE")).map_err(|more| faults.extend(more)).ok()
        } else {
            faults.push("LATCHKEY_KEYS and LATCHKEY_KEY_ACTIVE: both secrets are needed".to_owned());
            None
        };
        match ring {
            Some(ring) if faults.is_empty() => Ok(Self {
                issuer,
                realm,
                epoch,
                ring,
                scopes,
                resources,
                open_registration,
                client_id_documents,
                require_pushed_requests,
                outbound_allow,
                mail,
                bootstrap: bootstrap.map(|secret| SecretHash::of(secret.as_bytes())),
                trust_ahead_until: trust_ahead_until.and_then(Result::ok),
                settings,
            }),
            _ => Err(faults),
        }
    }

    /// The sealer of this realm and epoch.
    pub fn sealer(&self) -> Sealer<'_> {
        Sealer { ring: &self.ring, issuer: &self.issuer, epoch: self.epoch }
    }

    /// The sealer of what lies in the database: without issuer and epoch, for the realm's own keys
    /// must still open after either was changed.
    pub const fn wrapper(&self) -> Sealer<'_> {
        Sealer { ring: &self.ring, issuer: "", epoch: 0 }
    }

    /// Whether the issuer is https, so that cookies carry `Secure` and the `__Host-` prefix.
    pub fn is_secure(&self) -> bool {
        self.issuer.starts_with("https://")
    }

    /// A budget of `limit` failures in the common window.
    pub const fn budget(&self, limit: u32) -> Budget {
        Budget { limit, window: Seconds(self.settings.budget_window) }
    }
}

/// A setting with two words: whether it is the second.
fn one_of(vars: &BTreeMap<String, String>, name: &str, no: &str, yes: &str, faults: &mut Vec<String>) -> bool {
    match vars.get(name) {
        None => false,
        Some(word) if word == no => false,
        Some(word) if word == yes => true,
        Some(_) => {
            faults.push(format!("{name}: must be {no} or {yes}"));
            false
        }
    }
}

fn outbound_allow(text: &str, faults: &mut Vec<String>) -> Vec<String> {
    let places: Vec<String> = text.split(',').map(|place| place.trim().to_owned()).filter(|place| !place.is_empty()).collect();
    for place in &places {
        if !uri::is_authority(place) || uri::host(place).len() == place.len() {
            faults.push(format!("OUTBOUND_ALLOW: {place} is not host:port"));
        }
    }
    places
}

fn realm(vars: &BTreeMap<String, String>, faults: &mut Vec<String>) -> Realm {
    let name = vars.get("REALM_NAME").map_or("Latchkey", String::as_str).trim().to_owned();
    if name.is_empty() || name.chars().count() > 60 || name.chars().any(char::is_control) {
        faults.push("REALM_NAME: must have 1 to 60 characters".to_owned());
    }
    let logo = vars.get("REALM_LOGO").filter(|logo| !logo.is_empty()).cloned();
    if logo.as_deref().is_some_and(|logo| !uri::is_https(logo)) {
        faults.push("REALM_LOGO: must be an https URL".to_owned());
    }
    let color = match vars.get("REALM_COLOR").map_or(Some([0x1f, 0x5f, 0x8b]), |color| rgb(color)) {
        Some(color) => color,
        None => {
            faults.push("REALM_COLOR: must be #rrggbb".to_owned());
            [0; 3]
        }
    };
    Realm { name, logo, color }
}

fn rgb(color: &str) -> Option<[u8; 3]> {
    let digits = color.strip_prefix('#').filter(|digits| digits.len() == 6 && digits.bytes().all(|b| b.is_ascii_hexdigit()))?;
    let [_, red, green, blue] = u32::from_str_radix(digits, 16).ok()?.to_be_bytes();
    Some([red, green, blue])
}

fn scopes(vars: &BTreeMap<String, String>, faults: &mut Vec<String>) -> ScopeRegistry {
    let text = vars.get("SCOPES").map_or("{}", String::as_str);
    let scopes: BTreeMap<String, ScopeWords> = match json::read(text.as_bytes()) {
        Ok(scopes) => scopes,
        Err(error) => {
            faults.push(format!("SCOPES: {error}"));
            return ScopeRegistry::default();
        }
    };
    for (name, words) in &scopes {
        if Scope::parse(name).is_none_or(|scope| scope.iter().count() != 1) {
            faults.push(format!("SCOPES: {name:?} is not a scope (RFC 6749 3.3)"));
        }
        if STANDARD_SCOPES.contains(&name.as_str()) {
            faults.push(format!("SCOPES: {name} is a standard scope and has its words already"));
        }
        if words.title.trim().is_empty() {
            faults.push(format!("SCOPES: {name} needs a title"));
        }
    }
    let digest = base64url(sha256(text.as_bytes()).first_chunk::<6>().unwrap_or(&[0; 6]));
    ScopeRegistry { words: scopes, digest }
}

fn number(
    vars: &BTreeMap<String, String>,
    name: &str,
    default: u32,
    range: std::ops::RangeInclusive<u32>,
    faults: &mut Vec<String>,
) -> u32 {
    let Some(text) = vars.get(name) else {
        return default;
    };
    match text.parse() {
        Ok(number) if range.contains(&number) => number,
        _ => {
            faults.push(format!("{name}: must be a whole number from {} to {}", range.start(), range.end()));
            default
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A good configuration with these changes (an empty value removes).
    pub fn with(changes: &[(&str, &str)]) -> Result<Config, Vec<String>> {
        let mut vars: BTreeMap<String, String> = [
            ("ISSUER", "https://id.example"),
            ("LATCHKEY_KEYS", "1:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"),
            ("LATCHKEY_KEY_ACTIVE", "1"),
            ("SCOPES", r#"{"records:read":{"title":"Read records"},"latchkey:admin":{"title":"Administer"},"ci":{"title":"CI","grant_types":["client_credentials"]}}"#),
        ]
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
        for (name, value) in changes {
            vars.insert((*name).to_owned(), (*value).to_owned());
        }
        vars.retain(|_, value| !value.is_empty());
        Config::parse(&vars)
    }

    #[test]
    fn defaults_are_in_range_and_documented() {
        let config = with(&[]).unwrap();
        assert_eq!(config.settings.device_interval, 5);
        for (name, default, least, most, doc) in SETTINGS {
            assert!(least <= default && default <= most, "{name}");
            assert!(doc.ends_with('.'), "{name}");
        }
    }

    #[test]
    fn readme_documents_every_setting() {
        let readme = include_str!("../../README.md");
        for name in SETTINGS.iter().map(|(name, ..)| name).chain(TEXT_SETTINGS) {
            assert!(readme.contains(&format!("`{name}`")), "README.md does not document {name}");
        }
        for (name, default, ..) in SETTINGS {
            assert!(readme.contains(&format!("| `{name}` | {default} |")), "README.md has another default for {name}");
        }
    }

    #[test]
    fn all_faults_at_once() {
        let faults = with(&[
            ("ISSUER", "http://id.example"),
            ("REALM_NAEM", "x"),
            ("REALM_COLOR", "blue"),
            ("REALM_LOGO", "http://x/"),
            ("REALM_EPOCH", "-1"),
            ("DEVICE_INTERVAL", "0"),
            ("SCOPES", "[]"),
            ("REGISTRATION", "yes"),
            ("OUTBOUND_ALLOW", "localhost"),
            ("TRUST_AHEAD_UNTIL", "tomorrow"),
            ("LATCHKEY_KEYS", ""),
        ])
        .unwrap_err();
        for name in [
            "ISSUER",
            "REALM_NAEM",
            "REALM_COLOR",
            "REALM_LOGO",
            "REALM_EPOCH",
            "DEVICE_INTERVAL",
            "SCOPES",
            "REGISTRATION",
            "OUTBOUND_ALLOW",
            "TRUST_AHEAD_UNTIL",
            "LATCHKEY_KEYS",
        ] {
            assert!(faults.iter().any(|fault| fault.starts_with(name)), "{name}: {faults:?}");
        }
        assert_eq!(faults.len(), 11, "{faults:?}");
    }

    #[test]
    fn no_secret_no_service() {
        assert!(with(&[("LATCHKEY_KEYS", "")]).is_err());
        assert!(with(&[("LATCHKEY_KEY_ACTIVE", "")]).is_err());
        assert!(with(&[("LATCHKEY_KEY_ACTIVE", "2")]).is_err());
    }

    #[test]
    fn administration_is_never_had_by_the_device_grant() {
        let scopes = with(&[]).unwrap().scopes;
        let device = "urn:ietf:params:oauth:grant-type:device_code";
        assert!(scopes.allows("records:read", device) && scopes.allows("openid", device));
        assert!(!scopes.allows("latchkey:admin", device) && !scopes.allows("ci", device) && !scopes.allows("unknown", device));
        assert!(scopes.allows("ci", "client_credentials"));
    }
}
