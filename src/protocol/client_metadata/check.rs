//! What can be wrong with client metadata.

use serde_json::Value;

use super::super::claims::RESERVED;
use super::super::client::{AUTHORIZATION_CODE, CLIENT_CREDENTIALS, Client, GRANT_TYPES, TOKEN_EXCHANGE};
use super::super::redirect;
use super::super::time::Seconds;
use super::super::uri;
use super::{AuthMethod, ExchangePolicy, Metadata, SubjectType};

/// What `check` says about one member.
#[derive(Debug)]
pub struct Fault {
    /// The member.
    pub member: &'static str,
    /// What it should be.
    pub rule: &'static str,
    /// The one of its values that is not; empty where it is the whole.
    pub value: String,
}

/// Collects faults.
struct Check(Vec<Fault>);

impl Check {
    fn that(&mut self, good: bool, member: &'static str, rule: &'static str) {
        if !good {
            self.0.push(Fault { member, rule, value: String::new() });
        }
    }

    fn each(&mut self, values: &[String], is_good: impl Fn(&str) -> bool, member: &'static str, rule: &'static str) {
        let bad = values.iter().filter(|value| !is_good(value));
        self.0.extend(bad.map(|value| Fault { member, rule, value: value.clone() }));
    }
}

impl Metadata {
    /// Everything that is wrong with it, in words.
    pub fn faults(&self) -> Vec<String> {
        let words = |fault: Fault| match fault.value.as_str() {
            "" => format!("{}: {}", fault.member, fault.rule),
            value => format!("{}: {value}: {}", fault.member, fault.rule),
        };
        self.check().into_iter().map(words).collect()
    }

    /// Everything that is wrong with it, by member.
    pub fn check(&self) -> Vec<Fault> {
        let mut check = Check(Vec::new());
        self.check_display(&mut check);
        self.check_web(&mut check);
        self.check_keys(&mut check);
        self.check_policy(&mut check);
        check.0
    }

    fn check_display(&self, check: &mut Check) {
        let name = self.client_name.trim();
        check.that(!name.is_empty() && name.chars().count() <= 100, "client_name", "1 to 100 characters");
        let is_hidden = |c: char| c.is_control() || is_invisible(c);
        check.that(!self.client_name.chars().any(is_hidden), "client_name", "no control characters or invisible ones");
        for (member, uri) in [
            ("logo_uri", &self.logo_uri),
            ("client_uri", &self.client_uri),
            ("policy_uri", &self.policy_uri),
            ("tos_uri", &self.tos_uri),
            ("initiate_login_uri", &self.initiate_login_uri),
        ] {
            check.that(uri.as_deref().is_none_or(uri::is_https), member, "must be an https URL");
        }
        check.that(
            self.contacts.len() <= 10 && self.contacts.iter().all(|c| is_short_text(c)),
            "contacts",
            "at most 10 short texts",
        );
        for (member, text) in [("software_id", &self.software_id), ("software_version", &self.software_version)] {
            check.that(text.as_deref().is_none_or(is_short_text), member, "1 to 254 characters");
        }
    }

    fn check_web(&self, check: &mut Check) {
        let uses_code = self.grant_types.iter().any(|grant_type| grant_type == AUTHORIZATION_CODE);
        let is_known = |grant_type: &str| GRANT_TYPES.contains(&grant_type);
        check.each(&self.grant_types, is_known, "grant_types", "not a grant type that is supported");
        check.that(!self.grant_types.is_empty(), "grant_types", "at least one");
        check.that(self.response_types.iter().all(|r| r == "code"), "response_types", "only code is supported");
        check.that(uses_code || self.response_types.is_empty(), "response_types", "code needs the grant type authorization_code");
        check.that(!uses_code || !self.redirect_uris.is_empty(), "redirect_uris", "the grant type authorization_code needs one");
        let is_registrable = |uri: &str| redirect::is_registrable(uri, self.application_type);
        for (member, uris) in
            [("redirect_uris", &self.redirect_uris), ("post_logout_redirect_uris", &self.post_logout_redirect_uris)]
        {
            check.that(uris.len() <= 50, member, "at most 50");
            check.each(uris, is_registrable, member, "https, http on a loopback host or a native app's own scheme; no fragment");
        }
        let is_request_uri = |uri: &str| uri.len() <= 512 && uri::is_outbound(uri.split('#').next().unwrap_or_default());
        check.that(self.request_uris.len() <= 50, "request_uris", "at most 50");
        check.each(&self.request_uris, is_request_uri, "request_uris", "must be https URLs");
        for (member, uri) in
            [("backchannel_logout_uri", &self.backchannel_logout_uri), ("sector_identifier_uri", &self.sector_identifier_uri)]
        {
            check.that(uri.as_deref().is_none_or(uri::is_outbound), member, "must be an https URL");
        }
        let needs_sector = self.subject_type == SubjectType::Pairwise && self.sector_identifier_uri.is_none();
        let hosts: Vec<&str> = self.redirect_uris.iter().filter_map(|uri| uri::host_of(uri)).collect();
        let is_one_sector = hosts.len() == self.redirect_uris.len() && hosts.windows(2).all(|pair| pair.first() == pair.last());
        check.that(
            !needs_sector || is_one_sector,
            "sector_identifier_uri",
            "needed, for the redirect URIs have several hosts or none",
        );
    }

    fn check_keys(&self, check: &mut Check) {
        check.that(self.jwks.is_none() || self.jwks_uri.is_none(), "jwks", "jwks and jwks_uri exclude each other");
        check.that(self.jwks_uri.as_deref().is_none_or(uri::is_outbound), "jwks_uri", "must be an https URL");
        let has_keys = self.jwks.is_some() || self.jwks_uri.is_some();
        let by_key = self.token_endpoint_auth_method == AuthMethod::PrivateKeyJwt;
        check.that(!by_key || has_keys, "jwks", "private_key_jwt needs jwks or jwks_uri");
        for (alg, enc, [alg_member, enc_member]) in [
            (
                self.id_token_encrypted_response_alg,
                self.id_token_encrypted_response_enc,
                ["id_token_encrypted_response_alg", "id_token_encrypted_response_enc"],
            ),
            (
                self.introspection_encrypted_response_alg,
                self.introspection_encrypted_response_enc,
                ["introspection_encrypted_response_alg", "introspection_encrypted_response_enc"],
            ),
        ] {
            // The default of OpenID Connect Registration 2 and RFC 9701 6, A128CBC-HS256, is not supported.
            check.that(alg.is_none() || enc.is_some(), enc_member, "must be A256GCM: its default is not supported");
            check.that(alg.is_some() || enc.is_none(), alg_member, "needed beside the enc");
            check.that(alg.is_none() || has_keys, "jwks", "encryption needs jwks or jwks_uri");
        }
        check.that(!self.require_signed_request_object || has_keys, "jwks", "signed request objects need jwks or jwks_uri");
        if let Some(jwks) = &self.jwks {
            let keys = jwks.get("keys").and_then(Value::as_array);
            check.that(keys.is_some_and(|keys| (1..=20).contains(&keys.len())), "jwks", "a JWK Set of 1 to 20 keys");
            let members = ["d", "p", "q", "dp", "dq", "qi", "oth", "k"];
            let is_private = |key: &Value| members.iter().any(|member| key.get(member).is_some());
            check.that(!keys.into_iter().flatten().any(is_private), "jwks", "public keys only");
        }
    }

    fn check_policy(&self, check: &mut Check) {
        let public = self.token_endpoint_auth_method == AuthMethod::None;
        check.that((1..=100).contains(&self.scope.iter().count()), "scope", "1 to 100");
        check.each(&self.resources, uri::is_resource, "resources", "must be absolute URIs without fragment");
        let is_protected = |resource: &str| resource == "/" || uri::is_resource(resource);
        check.each(&self.protected_resources, is_protected, "protected_resources", "must be / or absolute URIs without fragment");
        check.that(!public || self.protected_resources.is_empty(), "protected_resources", "a public client cannot introspect");
        // RFC 6749 4.4: only a client that authenticates is somebody.
        let for_itself = self.grant_types.iter().any(|grant_type| grant_type == CLIENT_CREDENTIALS);
        check.that(!public || !for_itself, "grant_types", "client_credentials needs a client that authenticates");
        let taken = self.access_token_claims.keys().find(|name| RESERVED.contains(&name.as_str()));
        check.that(taken.is_none(), "access_token_claims", "none that an access token has anyway");
        let bytes = serde_json::to_string(&self.access_token_claims).map_or(0, |text| text.len());
        check.that(bytes <= 2000, "access_token_claims", "at most 2000 bytes of JSON");
        check.that(self.may_act.as_deref().is_none_or(Client::is_id), "may_act", "must be a client_id");
        let exchanges = self.grant_types.iter().any(|grant_type| grant_type == TOKEN_EXCHANGE);
        // Whoever finds an access token of such a client can name it.
        let is_more = self.token_exchange != ExchangePolicy::default();
        check.that(!public || !is_more, "token_exchange", "needs a client that authenticates");
        check.that(
            exchanges || self.token_exchange == ExchangePolicy::default(),
            "token_exchange",
            "needs the grant type token-exchange",
        );
        let in_range = |value: Seconds, least: u32, most: u32| (least..=most).contains(&value.0);
        let years = 5 * 365 * 86_400;
        let life = self.access_token_lifetime;
        check.that(life.is_none_or(|life| in_range(life, 5, 3600)), "access_token_lifetime", "5 to 3600 seconds");
        check.that(in_range(self.refresh_idle_lifetime, 1, years), "refresh_idle_lifetime", "1 second to 5 years");
        check.that(in_range(self.refresh_absolute_lifetime, 1, years), "refresh_absolute_lifetime", "1 second to 5 years");
        check.that(
            self.refresh_grace.0 <= if public { 60 } else { 86_400 },
            "refresh_grace",
            "at most 60 seconds for a public client, 86400 for one that authenticates",
        );
        check.that(self.device_max_auth_age.is_none_or(|age| age.0 > 0), "device_max_auth_age", "at least 1 second");
        check.that((2..=100_000).contains(&self.device_live_flows), "device_live_flows", "2 to 100000");
        check.that(!public || self.require_pkce, "require_pkce", "a public client cannot do without");
        let acrs = &self.default_acr_values;
        check.that(acrs.len() <= 10 && acrs.iter().all(|acr| is_short_text(acr)), "default_acr_values", "at most 10 short texts");
    }
}

/// Whether a character shows nothing itself, such as those that change the direction of others: a name would not
/// read as it is written, or like another's.
const fn is_invisible(c: char) -> bool {
    matches!(
        c,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}' | '\u{e0000}'..='\u{e0fff}'
    )
}

fn is_short_text(text: &str) -> bool {
    (1..=254).contains(&text.len()) && !text.chars().any(char::is_control)
}
