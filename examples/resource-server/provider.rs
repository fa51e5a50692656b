//! An OpenID provider as its verifiers see it: metadata, keys, signed tokens.
//!
//! Works with any issuer that has OpenID Connect Discovery. The portal beside this example uses the same file.

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, UNIX_EPOCH};

use jwt_compact::alg::{Es256, Rsa, RsaPublicKey, StrongKey};
use jwt_compact::jwk::JsonWebKey;
use jwt_compact::{Algorithm, AlgorithmExt, Claims, UntrustedToken};
use reqwest::{Client, Response, Url, redirect::Policy};
use serde::Deserialize;
use serde_json::{Map, Value};
use tokio::sync::{Mutex, OnceCell};
use tokio::time::Instant;

/// Longest document that is read, in bytes.
const BODY_LIMIT: usize = 256 * 1024;
/// Default of [`Provider::fetch_pause`].
const FETCH_PAUSE: Duration = Duration::from_secs(5);
/// Keys older than this are fetched again, so that a key that was taken back stops counting.
const KEYS_MAX_AGE: Duration = Duration::from_mins(10);
/// How far clocks may differ, in seconds.
pub const LEEWAY: i64 = 10;

/// Why a token is not taken.
#[derive(Debug)]
pub enum Refusal {
    /// The token is at fault; the text says how and never holds a part of it.
    Invalid(&'static str),
    /// It cannot be decided now: the provider's keys cannot be had.
    Unavailable(String),
}

impl fmt::Display for Refusal {
    fn fmt(&self, text: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Invalid(reason) => text.write_str(reason),
            Self::Unavailable(reason) => text.write_str(reason),
        }
    }
}

/// A signature algorithm (RFC 7518 3.1). There are only asymmetric ones: a public key can never become
/// the secret of an HMAC, and `none` has no name here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Alg {
    /// ECDSA on P-256 with SHA-256
    ES256,
    /// RSASSA-PKCS1-v1_5 with SHA-256
    RS256,
    /// RSASSA-PSS with SHA-256
    PS256,
}

impl Alg {
    /// The algorithm of this exact name.
    pub fn named(name: &str) -> Option<Self> {
        [Self::ES256, Self::RS256, Self::PS256].into_iter().find(|alg| alg.name() == name)
    }

    fn name(self) -> &'static str {
        match self {
            Self::ES256 => "ES256",
            Self::RS256 => "RS256",
            Self::PS256 => "PS256",
        }
    }
}

/// What a token must be.
pub struct Rules<'a> {
    /// Signature algorithms that are taken
    pub algs: &'a [Alg],
    /// Values of `typ` that are taken, in lower case without `application/`; "" for none (RFC 7515 4.1.9)
    pub types: &'a [&'a str],
    /// Who must be among the audience
    pub audience: &'a str,
}

/// The claims of a token whose signature, issuer, audience and times are right.
#[derive(Debug)]
pub struct Verified {
    /// All of them; `exp` and `iat` are whole seconds
    pub claims: Map<String, Value>,
}

impl Verified {
    /// The claim, if it is a text that is not empty.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.claims.get(name)?.as_str().filter(|text| !text.is_empty())
    }
}

/// An issuer whose metadata and keys are fetched when they are first needed.
pub struct Provider {
    /// Least time between two fetches of the keys: tokens with invented key ids cost the provider little.
    pub fetch_pause: Duration,
    issuer: String,
    http: Client,
    metadata: OnceCell<Map<String, Value>>,
    keys: RwLock<Arc<Keys>>,
    /// Held while keys are fetched, so that there is one fetch at a time; how the last one went.
    last_fetch: Mutex<Option<(Instant, Result<(), String>)>>,
}

impl Provider {
    /// The provider that names itself `issuer`: https, or http on this machine.
    pub fn new(issuer: &str) -> Result<Self, String> {
        let url = Url::parse(issuer).map_err(|error| format!("the issuer is no URL: {error}"))?;
        if !is_safe(&url) || url.query().is_some() {
            return Err("the issuer must be a plain https URL, or http on this machine".to_owned());
        }
        let http = http_client(&url)?;
        Ok(Self {
            fetch_pause: FETCH_PAUSE,
            issuer: issuer.to_owned(),
            http,
            metadata: OnceCell::new(),
            keys: RwLock::default(),
            last_fetch: Mutex::new(None),
        })
    }

    /// Its document of OpenID Connect Discovery 1.0 section 4, fetched once.
    pub async fn metadata(&self) -> Result<&Map<String, Value>, String> {
        let fetched = async || {
            let url = format!("{}/.well-known/openid-configuration", self.issuer.trim_end_matches('/'));
            let document = fetch(&self.http, &url).await?;
            // Section 4.3: a document that names another issuer must not be used.
            match document.get("issuer").and_then(Value::as_str) {
                Some(named) if named == self.issuer => Ok(document),
                _ => Err(format!("{url} does not name the issuer {}", self.issuer)),
            }
        };
        self.metadata.get_or_try_init(fetched).await
    }

    /// A URL of the metadata, if it has that member.
    pub async fn endpoint(&self, name: &str) -> Result<Option<Url>, String> {
        let Some(value) = self.metadata().await?.get(name) else {
            return Ok(None);
        };
        let url = value.as_str().and_then(|text| Url::parse(text).ok()).filter(is_safe);
        // Only who is itself on this machine may send us to plain http.
        let url = url.filter(|url| url.scheme() == "https" || self.issuer.starts_with("http:"));
        url.map(Some).ok_or_else(|| format!("the provider's {name} is no usable URL"))
    }

    /// The claims of a signed token that follows `rules` at `now` (Unix seconds): RFC 7515, RFC 7519, RFC 8725.
    pub async fn verified(&self, token: &str, rules: &Rules<'_>, now: i64) -> Result<Verified, Refusal> {
        #[derive(Clone, Deserialize)]
        struct More {
            crit: Option<Value>,
        }
        let token = UntrustedToken::<More>::try_from(token).map_err(|_| Refusal::Invalid("not a signed token"))?;
        let alg = Alg::named(token.algorithm()).filter(|alg| rules.algs.contains(alg));
        let alg = alg.ok_or(Refusal::Invalid("wrong signature algorithm"))?;
        let header = token.header();
        let typ = header.token_type.as_deref().unwrap_or_default().to_ascii_lowercase();
        if !rules.types.contains(&typ.strip_prefix("application/").unwrap_or(&typ)) {
            return Err(Refusal::Invalid("wrong type of token"));
        }
        if header.other_fields.crit.is_some() {
            return Err(Refusal::Invalid("unknown critical header"));
        }
        let key = self.key(alg, header.key_id.as_deref()).await?;
        let claims = key.verified(alg, &token).ok_or(Refusal::Invalid("wrong signature"))?;
        check(claims, &self.issuer, rules.audience, now).map_err(Refusal::Invalid)
    }

    async fn key(&self, alg: Alg, kid: Option<&str>) -> Result<Key, Refusal> {
        let held = self.keys();
        let found = held.find(alg, kid);
        if found.is_some() {
            // One request fetches what has grown old; the others go on with what there is.
            if held.is_old()
                && let Ok(mut last) = self.last_fetch.try_lock()
                && let Err(reason) = self.fetch_keys(&mut last).await
            {
                eprintln!("the provider's keys are old and cannot be fetched: {reason}");
            }
            return self.keys().find(alg, kid).ok_or(Refusal::Invalid("unknown key"));
        }
        let mut last = self.last_fetch.lock().await;
        // Whoever held the lock may have brought the key.
        if let Some(key) = self.keys().find(alg, kid) {
            return Ok(key);
        }
        let outcome = self.fetch_keys(&mut last).await;
        match (self.keys().find(alg, kid), outcome) {
            (Some(key), _) => Ok(key),
            (None, Ok(())) => Err(Refusal::Invalid("unknown key")),
            (None, Err(reason)) => Err(Refusal::Unavailable(reason)),
        }
    }

    /// Fetches the keys, or says how that went when it was only just done. Keys that are there stay when it fails.
    async fn fetch_keys(&self, last: &mut Option<(Instant, Result<(), String>)>) -> Result<(), String> {
        if let Some((at, outcome)) = last
            && at.elapsed() < self.fetch_pause
        {
            return outcome.clone();
        }
        let fetched = async {
            let url = self.endpoint("jwks_uri").await?.ok_or("the provider names no jwks_uri")?;
            Keys::of(&fetch(&self.http, url.as_str()).await?).ok_or_else(|| format!("{url} has no usable keys"))
        };
        let outcome = fetched.await.map(|keys| {
            *self.keys.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(keys);
        });
        *last = Some((Instant::now(), outcome.clone()));
        outcome
    }

    fn keys(&self) -> Arc<Keys> {
        Arc::clone(&self.keys.read().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Seconds since 1970.
pub fn unix_time() -> i64 {
    #[expect(clippy::disallowed_methods, reason = "a native program has a clock of its own")]
    let now = std::time::SystemTime::now();
    now.duration_since(UNIX_EPOCH).ok().and_then(|age| i64::try_from(age.as_secs()).ok()).unwrap_or_default()
}

/// A client for one server. Plain http is for this machine only, so never through a proxy. A connection kept open would be
/// closed by the server in between.
pub fn http_client(server: &Url) -> Result<Client, String> {
    let mut http = Client::builder().redirect(Policy::none()).timeout(Duration::from_secs(10)).pool_max_idle_per_host(0);
    if server.scheme() == "http" {
        http = http.no_proxy();
    }
    http.build().map_err(|error| error.to_string())
}

/// The JSON object of a 200 answer.
async fn fetch(http: &Client, url: &str) -> Result<Map<String, Value>, String> {
    let response = http.get(url).header("Accept", "application/json").send().await;
    let response = response.map_err(|error| format!("{url} cannot be reached: {}", root_cause(&error)))?;
    let status = response.status();
    if status != 200 {
        return Err(format!("{url} answered {status}"));
    }
    let body = body(response).await.ok_or_else(|| format!("the answer of {url} broke off or is too long"))?;
    serde_json::from_slice(&body).map_err(|_| format!("{url} is no JSON object"))
}

/// A whole body, if it came and is not too long.
pub async fn body(mut response: Response) -> Option<Vec<u8>> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.ok()? {
        body.extend_from_slice(&chunk);
        if body.len() > BODY_LIMIT {
            return None;
        }
    }
    Some(body)
}

/// What really went wrong: the outer texts repeat the URL, queries and all.
pub fn root_cause(error: &reqwest::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    cause.to_string()
}

/// https, or http that stays on this machine.
pub fn is_safe(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
    let is_loopback = host.parse().is_ok_and(|address: IpAddr| address.is_loopback());
    let is_local = url.scheme() == "http" && (is_loopback || host == "localhost");
    let is_plain = url.username().is_empty() && url.password().is_none() && url.fragment().is_none();
    is_plain && (is_local || url.scheme() == "https")
}

/// The registered claims that all our tokens have (RFC 7519 4.1).
fn check(token: Claims<Map<String, Value>>, issuer: &str, audience: &str, now: i64) -> Result<Verified, &'static str> {
    let mut claims = token.custom;
    if claims.get("iss").and_then(Value::as_str) != Some(issuer) {
        return Err("wrong issuer");
    }
    let is_meant = match claims.get("aud") {
        Some(Value::String(one)) => one == audience,
        Some(Value::Array(many)) => many.iter().any(|one| one.as_str() == Some(audience)),
        _ => false,
    };
    if !is_meant {
        return Err("meant for another audience");
    }
    let expires_at = token.expiration.ok_or("no expiry")?.timestamp();
    let issued_at = token.issued_at.ok_or("no time of issue")?.timestamp();
    if expires_at.saturating_add(LEEWAY) <= now {
        return Err("expired");
    }
    if token.not_before.is_some_and(|not_before| now.saturating_add(LEEWAY) < not_before.timestamp()) {
        return Err("not valid yet");
    }
    if now.saturating_add(LEEWAY) < issued_at {
        return Err("issued in the future");
    }
    claims.extend([("exp".to_owned(), expires_at.into()), ("iat".to_owned(), issued_at.into())]);
    Ok(Verified { claims })
}

/// The usable keys of a JWKS (RFC 7517 5).
#[derive(Default)]
struct Keys {
    fetched_at: Option<Instant>,
    by_kid: BTreeMap<String, (Option<Alg>, Key)>,
}

#[derive(Clone)]
enum Key {
    P256(<Es256 as Algorithm>::VerifyingKey),
    Rsa(RsaPublicKey),
}

impl Keys {
    fn of(document: &Map<String, Value>) -> Option<Self> {
        let keys = document.get("keys")?.as_array()?;
        let usable = |jwk: &Value| {
            let member = |name| jwk.get(name).and_then(Value::as_str);
            let key = Key::of(jwk).filter(|_| member("use").is_none_or(|purpose| purpose == "sig"))?;
            let alg = match member("alg") {
                Some(name) => Some(Alg::named(name)?),
                None => None,
            };
            Some((member("kid").unwrap_or_default().to_owned(), (alg, key)))
        };
        let by_kid: BTreeMap<_, _> = keys.iter().filter_map(usable).collect();
        (!by_kid.is_empty()).then_some(Self { fetched_at: Some(Instant::now()), by_kid })
    }

    /// The key of that id; without an id, the only key that could have signed.
    fn find(&self, alg: Alg, kid: Option<&str>) -> Option<Key> {
        let suits = |(only, key): &&(Option<Alg>, Key)| only.is_none_or(|only| only == alg) && key.suits(alg);
        let key = if let Some(kid) = kid {
            self.by_kid.get(kid).filter(suits)
        } else {
            let mut suitable = self.by_kid.values().filter(suits);
            suitable.next().filter(|_| suitable.next().is_none())
        };
        key.map(|(_, key)| key.clone())
    }

    fn is_old(&self) -> bool {
        self.fetched_at.is_none_or(|at| at.elapsed() > KEYS_MAX_AGE)
    }
}

impl Key {
    fn of(jwk: &Value) -> Option<Self> {
        let jwk: JsonWebKey<'_> = JsonWebKey::deserialize(jwk).ok()?;
        match &jwk {
            JsonWebKey::EllipticCurve { .. } => (&jwk).try_into().ok().map(Self::P256),
            JsonWebKey::Rsa { .. } => {
                // 2048 bits or more (RFC 7518 3.3).
                let strong = StrongKey::try_from(RsaPublicKey::try_from(&jwk).ok()?).ok()?;
                Some(Self::Rsa(strong.into_inner()))
            }
            _ => None,
        }
    }

    fn suits(&self, alg: Alg) -> bool {
        match self {
            Self::P256(_) => alg == Alg::ES256,
            Self::Rsa(_) => matches!(alg, Alg::RS256 | Alg::PS256),
        }
    }

    fn verified<H: Clone>(&self, alg: Alg, token: &UntrustedToken<'_, H>) -> Option<Claims<Map<String, Value>>> {
        let token = match (self, alg) {
            (Self::P256(key), Alg::ES256) => Es256.validator(key).validate(token),
            (Self::Rsa(key), Alg::RS256) => Rsa::rs256().validator(key).validate(token),
            (Self::Rsa(key), Alg::PS256) => Rsa::ps256().validator(key).validate(token),
            _ => return None,
        };
        token.ok().map(|token| token.claims().clone())
    }
}
