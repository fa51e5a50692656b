//! Signing and verifying through `WebCrypto`, with the keys of `signing_keys`.

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};
use std::rc::Rc;

use js_sys::{Reflect, Uint8Array};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use wasm_bindgen::{JsCast as _, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::{Crypto, CryptoKey, SubtleCrypto};

use super::ctx::{Ctx, Platform};
use super::failure::Fault;
use super::js;
use super::published;
use super::store::signing_keys::{self, StoredKey};
use crate::protocol::admin::sealed_keys::SigningKey;
use crate::protocol::audit::Event;
use crate::protocol::jose::{self, Alg, SignatureWitness, Typ, UntrustedJwt};
use crate::protocol::json;
use crate::protocol::keys::{
    Chore, KeyRecord, Schedule, WrappedKey, chores, jwks, public_members, replacement, signer, successors, thumbprint,
};
use crate::protocol::seal::{OpenError, Sealer};
use crate::protocol::time::{Seconds, Timestamp};

thread_local! {
    /// The rows as this isolate last read them. Plain data; imported keys are kept beside by `kid`.
    static ROWS: RefCell<Option<(Timestamp, Rc<[StoredKey]>)>> = const { RefCell::new(None) };
    static IMPORTED: RefCell<HashMap<(String, Use), CryptoKey>> = RefCell::new(HashMap::new());
    static PARAMETERS: RefCell<BTreeMap<Alg, js_sys::Object>> = const { RefCell::new(BTreeMap::new()) };
    static SUBTLE: RefCell<Option<SubtleCrypto>> = const { RefCell::new(None) };
}

/// What an imported key is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Use {
    Sign,
    Verify,
}

/// One key, ready to sign.
pub struct Signer {
    alg: Alg,
    kid: String,
    key: CryptoKey,
}

impl Signer {
    /// The key that signs for an algorithm now. The first of one that is not always there is made here.
    pub async fn of(ctx: &Ctx, alg: Alg) -> Result<Self, Fault> {
        let known = rows(ctx).await?;
        if known.iter().any(|row| row.record.alg == alg) {
            return Self::ready(ctx, &known, alg).await;
        }
        let key = generate(ctx, alg, 1, Schedule::first(ctx.now, &ctx.config.settings)).await?;
        // Whoever gets the first token of it must find the key, so it is published before it is there to sign.
        let with_it = jwks(records(&known).chain([&key.record]), ctx.now).to_string();
        published::put_jwks(ctx, &with_it).await?;
        let known = remember(ctx, signing_keys::insert(ctx, &[key]).await?);
        let as_kept = jwks(records(&known), ctx.now).to_string();
        if as_kept != with_it {
            // Another Worker was first, and its key is the one.
            published::put_jwks(ctx, &as_kept).await?;
        }
        Self::ready(ctx, &known, alg).await
    }

    /// Its algorithm.
    pub const fn alg(&self) -> Alg {
        self.alg
    }

    async fn ready(ctx: &Ctx, rows: &[StoredKey], alg: Alg) -> Result<Self, Fault> {
        let nobody = || Fault::Broken(format!("no {} key may sign now", alg.name()));
        let kid = signer(records(rows), alg, ctx.now).map(|record| record.kid.clone()).ok_or_else(nobody)?;
        let row = rows.iter().find(|row| row.record.kid == kid).ok_or_else(nobody)?;
        Ok(Self { alg, key: private_key(ctx, row).await?, kid })
    }

    /// Signs a token that lives from now for `lifetime`.
    pub async fn sign<T: Serialize>(&self, ctx: &Ctx, typ: Typ, lifetime: Seconds, claims: T) -> Result<String, Fault> {
        self.sign_dated(typ, ctx.now, Some(ctx.now.plus(lifetime)), claims).await
    }

    /// Signs what was made at an instant and ends at another, or has no end of its own.
    pub async fn sign_dated<T: Serialize>(
        &self,
        typ: Typ,
        iat: Timestamp,
        exp: Option<Timestamp>,
        claims: T,
    ) -> Result<String, Fault> {
        let claims = serde_json::to_value(claims).map_err(|error| Fault::broken("claims", error))?;
        self.sign_json(typ, iat, exp, claims).await
    }

    async fn sign_json(&self, typ: Typ, iat: Timestamp, exp: Option<Timestamp>, claims: Value) -> Result<String, Fault> {
        let input = jose::signing_input(typ, self.alg, &self.kid, iat, exp, claims)
            .ok_or_else(|| Fault::Broken("claims do not serialize".to_owned()))?;
        let promise = subtle()?
            .sign_with_object_and_u8_array(&parameters(self.alg), &self.key, input.as_bytes())
            .map_err(|error| fault(&error))?;
        let signature = bytes(&JsFuture::from(promise).await.map_err(|error| fault(&error))?);
        Ok(jose::signed(&input, &signature))
    }
}

/// The claims of a token of ours of this type that a published key signed, and when it was made and ends, or
/// ended.
pub async fn verified_dated<T: DeserializeOwned>(ctx: &Ctx, text: &str, typ: Typ) -> Result<Option<(T, [Timestamp; 2])>, Fault> {
    let attested = attested(ctx, text, typ, |record| record.schedule.is_published(ctx.now)).await?;
    Ok(attested.and_then(|(token, witness)| token.dated_claims(&witness)))
}

/// The claims of a token of ours of this type and when it ends or ended, by any key that is still known: for
/// an ID token that comes back as a hint.
pub async fn verified_at_any_time<T: DeserializeOwned>(ctx: &Ctx, text: &str, typ: Typ) -> Result<Option<(T, Timestamp)>, Fault> {
    let attested = attested(ctx, text, typ, |_| true).await?;
    Ok(attested.and_then(|(token, witness)| token.dated_claims(&witness)).map(|(claims, [_, ended])| (claims, ended)))
}

/// A token that one of our keys signed, of those that `may` have.
async fn attested<'a>(
    ctx: &Ctx,
    text: &'a str,
    typ: Typ,
    may: impl Fn(&KeyRecord) -> bool,
) -> Result<Option<(UntrustedJwt<'a>, SignatureWitness)>, Fault> {
    let Some(token) = UntrustedJwt::parse(text, typ) else {
        return Ok(None);
    };
    let rows = rows(ctx).await?;
    let row = rows.iter().find(|row| row.record.kid == token.kid && row.record.alg == token.alg && may(&row.record));
    let Some(row) = row else {
        return Ok(None);
    };
    let key = imported(&row.record, Use::Verify, &row.record.public_jwk).await?;
    let is_verified = verify(token.alg, &key, token.message(), &token.signature()).await?;
    Ok(token.attest(is_verified).map(|witness| (token, witness)))
}

/// Whether the holder of a public key of somebody else signed this. A key that cannot be imported signed nothing.
pub async fn is_signed_by(jwk: &Value, alg: Alg, message: &[u8], signature: &[u8]) -> Result<bool, Fault> {
    match import(jwk, alg, "verify").await {
        Ok(key) => verify(alg, &key, message, signature).await,
        Err(_) => Ok(false),
    }
}

async fn verify(alg: Alg, key: &CryptoKey, message: &[u8], signature: &[u8]) -> Result<bool, Fault> {
    // Of a length that cannot be: some algorithms throw then, and that is not our fault.
    if !alg.takes_signature_of(signature.len()) {
        return Ok(false);
    }
    let (message, signature) = (Uint8Array::from(message), Uint8Array::from(signature));
    let promise = subtle()?
        .verify_with_object_and_buffer_source_and_buffer_source(&parameters(alg), key, &signature, &message)
        .map_err(|error| fault(&error))?;
    Ok(JsFuture::from(promise).await.map_err(|error| fault(&error))?.is_truthy())
}

/// Makes sure that there are keys, read within `KEY_CACHE`; the first are made here.
pub async fn have_keys(ctx: &Ctx) -> Result<(), Fault> {
    rows(ctx).await.map(drop)
}

/// The JWK Set as it stands in the database now; the first keys are made here.
pub async fn current_jwks(ctx: &Ctx) -> Result<String, Fault> {
    ROWS.set(None);
    Ok(jwks(records(&rows(ctx).await?), ctx.now).to_string())
}

/// Whether this isolate knows of a published key that is not in a JWK Set: what it signs with must be in the
/// set that it shows.
pub fn lacks_a_key(ctx: &Ctx, jwks: &str) -> bool {
    let is_lacking = |row: &StoredKey| row.record.schedule.is_published(ctx.now) && !jwks.contains(&row.record.kid);
    ROWS.with_borrow(|rows| rows.as_ref().is_some_and(|(_, rows)| rows.iter().any(is_lacking)))
}

/// The cron's work on keys: successors and postponements, the whole JWKS to KV every time, and
/// wrappings by the active key. What is published does not wait for a row that cannot be unwrapped.
pub async fn maintain(ctx: &Ctx) -> Result<(), Fault> {
    let before: Vec<KeyRecord> = records(&signing_keys::all(ctx).await?).cloned().collect();
    let seen = kids(published::jwks(ctx).await?.as_deref().unwrap_or_default());
    for chore in chores(&before, &seen, &ctx.config.settings, ctx.now) {
        match chore {
            Chore::Create { alg, number, schedule } => {
                let key = generate(ctx, alg, number, schedule).await?;
                signing_keys::insert(ctx, &[key]).await?;
            }
            Chore::Postpone { alg, number, schedule } => {
                signing_keys::run(ctx, signing_keys::postpone(alg, number, &schedule)).await?;
            }
            Chore::Extend { alg, number, sign_until, remove_at } => {
                signing_keys::run(ctx, signing_keys::extend(alg, number, sign_until, remove_at)).await?;
            }
        }
    }
    let rows = remember(ctx, signing_keys::all(ctx).await?);
    published::put_jwks(ctx, &jwks(records(&rows), ctx.now).to_string()).await?;
    let mut outcome = Ok(());
    for row in rows.iter().filter(|row| Sealer::key_number(&row.wrapped) != Some(ctx.config.ring.active())) {
        outcome = rewrap(ctx, row).await.and(outcome);
    }
    outcome
}

/// All keys that there are, as they stand in the database now.
pub async fn all_keys(ctx: &Ctx) -> Result<Vec<KeyRecord>, Fault> {
    Ok(records(&signing_keys::all(ctx).await?).cloned().collect())
}

/// Makes successors of all keys that have none waiting, and publishes them: they sign after `KEY_PUBLISH_LEAD`.
pub async fn rotate(ctx: &Ctx, event: &Event) -> Result<(), Fault> {
    let before: Vec<KeyRecord> = records(&rows(ctx).await?).cloned().collect();
    let mut keys = Vec::new();
    for (alg, number) in successors(&before, ctx.now) {
        keys.push(generate(ctx, alg, number, Schedule::successor(ctx.now, &ctx.config.settings)).await?);
    }
    if !keys.is_empty() {
        signing_keys::replace(ctx, "", &keys, event).await?;
    }
    publish(ctx).await
}

/// Removes a key at once, its public half too: nothing that it signed is good any more. If nothing else may sign for
/// its algorithm, another key does from now on. Other isolates know within `KEY_CACHE`.
pub async fn remove(ctx: &Ctx, kid: &str, event: &Event) -> Result<bool, Fault> {
    let before = all_keys(ctx).await?;
    let Some(removed) = before.iter().find(|key| key.kid == kid) else { return Ok(false) };
    let mut keys = Vec::new();
    if let Some(number) = replacement(&before, removed, ctx.now) {
        keys.push(generate(ctx, removed.alg, number, Schedule::first(ctx.now, &ctx.config.settings)).await?);
    }
    signing_keys::replace(ctx, kid, &keys, event).await?;
    publish(ctx).await?;
    if all_keys(ctx).await?.iter().any(|key| key.kid == kid) {
        return Err(Fault::Unavailable("the signing keys changed meanwhile".to_owned()));
    }
    Ok(true)
}

/// Publishes what stands in the database now.
pub async fn publish(ctx: &Ctx) -> Result<(), Fault> {
    published::put_jwks(ctx, &current_jwks(ctx).await?).await
}

/// Lets go of the copy in memory: the keys were replaced.
pub fn forget() {
    ROWS.set(None);
}

/// All keys with their private halves: for an export under a passphrase.
pub async fn exported(ctx: &Ctx) -> Result<Vec<SigningKey>, Fault> {
    let rows = signing_keys::all(ctx).await?;
    let exported = |row: &StoredKey| {
        let KeyRecord { alg, number, schedule, .. } = &row.record;
        let instants = [schedule.publish, schedule.sign_from, schedule.sign_until, schedule.remove_at];
        let (alg, jwk) = (alg.name().to_owned(), unwrap(ctx, row)?.jwk);
        Ok(SigningKey { alg, number: *number, jwk, schedule: instants.map(Timestamp::millis) })
    };
    rows.iter().map(exported).collect()
}

/// An exported key as the members of its row, wrapped anew; nothing if it is none.
pub fn to_import(ctx: &Ctx, key: &SigningKey) -> Option<Value> {
    let alg: Alg = json::from_value(key.alg.clone().into()).ok()?;
    let public_jwk = public_members(&key.jwk);
    let wrapped = ctx.config.wrapper().seal(&WrappedKey { jwk: key.jwk.clone() }, &mut Platform);
    let [publish, sign_from, sign_until, remove_at] = key.schedule;
    Some(
        serde_json::json!({ "alg": alg.name(), "number": key.number, "kid": thumbprint(&key.jwk), "public_jwk": public_jwk.to_string(),
        "wrapped": wrapped, "publish": publish, "sign_from": sign_from, "sign_until": sign_until, "remove_at": remove_at }),
    )
}

async fn rewrap(ctx: &Ctx, row: &StoredKey) -> Result<(), Fault> {
    let after = ctx.config.wrapper().seal(&unwrap(ctx, row)?, &mut Platform);
    signing_keys::run(ctx, signing_keys::rewrap(row.record.alg, row.record.number, &row.wrapped, &after)).await
}

fn records(rows: &[StoredKey]) -> impl Iterator<Item = &KeyRecord> {
    rows.iter().map(|row| &row.record)
}

/// The rows, read again when this isolate's copy is too old; the first set is made here.
async fn rows(ctx: &Ctx) -> Result<Rc<[StoredKey]>, Fault> {
    let age = Seconds(ctx.config.settings.key_cache).millis();
    let young = ROWS.with_borrow(|rows| {
        rows.as_ref().filter(|(at, _)| (0..age).contains(&ctx.now.since(*at))).map(|(_, rows)| Rc::clone(rows))
    });
    if let Some(rows) = young {
        return Ok(rows);
    }
    let mut rows = signing_keys::all(ctx).await?;
    if Alg::ALWAYS.iter().any(|alg| !rows.iter().any(|row| row.record.alg == *alg)) {
        let records: Vec<KeyRecord> = records(&rows).cloned().collect();
        let mut keys = Vec::new();
        for chore in chores(&records, &[], &ctx.config.settings, ctx.now) {
            if let Chore::Create { alg, number: number @ 1, schedule } = chore {
                keys.push(generate(ctx, alg, number, schedule).await?);
            }
        }
        rows = signing_keys::insert(ctx, &keys).await?;
    }
    Ok(remember(ctx, rows))
}

fn remember(ctx: &Ctx, rows: Vec<StoredKey>) -> Rc<[StoredKey]> {
    let rows: Rc<[StoredKey]> = rows.into();
    ROWS.set(Some((ctx.now, Rc::clone(&rows))));
    IMPORTED.with_borrow_mut(|imported| imported.retain(|(kid, _), _| rows.iter().any(|row| row.record.kid == *kid)));
    rows
}

async fn generate(ctx: &Ctx, alg: Alg, number: u32, schedule: Schedule) -> Result<StoredKey, Fault> {
    let usages = js::strings(&["sign", "verify"]);
    let subtle = subtle()?;
    let promise = subtle.generate_key_with_object(&parameters(alg), true, &usages).map_err(|error| fault(&error))?;
    let pair = JsFuture::from(promise).await.map_err(|error| fault(&error))?;
    let private: CryptoKey = Reflect::get(&pair, &"privateKey".into()).map_err(|error| fault(&error))?.unchecked_into();
    let promise = subtle.export_key("jwk", &private).map_err(|error| fault(&error))?;
    let exported = JsFuture::from(promise).await.map_err(|error| fault(&error))?;
    let text = js_sys::JSON::stringify(&exported).map_err(|error| fault(&error))?;
    let jwk: Value = json::parse(String::from(text).as_bytes()).map_err(|error| Fault::broken("exported key", error))?;
    let public_jwk = public_members(&jwk);
    let record = KeyRecord { alg, number, kid: thumbprint(&jwk), public_jwk, schedule };
    let wrapped = ctx.config.wrapper().seal(&WrappedKey { jwk }, &mut Platform);
    Ok(StoredKey { record, wrapped })
}

async fn private_key(ctx: &Ctx, row: &StoredKey) -> Result<CryptoKey, Fault> {
    if let Some(key) = remembered(&row.record.kid, Use::Sign) {
        return Ok(key);
    }
    imported(&row.record, Use::Sign, &unwrap(ctx, row)?.jwk).await
}

/// Opens a wrapped key. One that does not open is a fault and never leads to new keys.
fn unwrap(ctx: &Ctx, row: &StoredKey) -> Result<WrappedKey, Fault> {
    ctx.config.wrapper().open(&row.wrapped).map_err(|error| match error {
        OpenError::NewerKey => Fault::Unavailable("signing key is wrapped by a newer root secret".to_owned()),
        OpenError::Bogus => Fault::Broken(format!("signing key {} does not unwrap", row.record.kid)),
    })
}

/// Imports a key, unless this isolate has it already.
async fn imported(record: &KeyRecord, usage: Use, jwk: &Value) -> Result<CryptoKey, Fault> {
    if let Some(key) = remembered(&record.kid, usage) {
        return Ok(key);
    }
    let key = import(jwk, record.alg, if usage == Use::Sign { "sign" } else { "verify" }).await?;
    IMPORTED.with_borrow_mut(|imported| imported.insert((record.kid.clone(), usage), key.clone()));
    Ok(key)
}

async fn import(jwk: &Value, alg: Alg, usage: &str) -> Result<CryptoKey, Fault> {
    let jwk = js_sys::JSON::parse(&without_usage(jwk).to_string()).map_err(|error| fault(&error))?;
    let promise = subtle()?
        .import_key_with_object("jwk", jwk.unchecked_ref(), &parameters(alg), false, &js::strings(&[usage]))
        .map_err(|error| fault(&error))?;
    Ok(JsFuture::from(promise).await.map_err(|error| fault(&error))?.unchecked_into())
}

/// A JWK without members that would restrict what it may be imported for.
fn without_usage(jwk: &Value) -> Value {
    let mut jwk = jwk.clone();
    if let Some(members) = jwk.as_object_mut() {
        members.retain(|name, _| !["key_ops", "ext", "alg", "use", "kid"].contains(&name.as_str()));
    }
    jwk
}

fn remembered(kid: &str, usage: Use) -> Option<CryptoKey> {
    IMPORTED.with_borrow(|imported| imported.get(&(kid.to_owned(), usage)).cloned())
}

/// The `kid`s of a JWK Set.
fn kids(jwks: &str) -> Vec<String> {
    let set: Value = json::parse(jwks.as_bytes()).unwrap_or_default();
    let keys = set.get("keys").and_then(Value::as_array);
    keys.into_iter().flatten().filter_map(|key| key.get("kid")?.as_str().map(str::to_owned)).collect()
}

/// What `WebCrypto` wants to know about an algorithm: one object for all that this isolate does.
fn parameters(alg: Alg) -> js_sys::Object {
    if let Some(known) = PARAMETERS.with_borrow(|all| all.get(&alg).cloned()) {
        return known;
    }
    let parameters = new_parameters(alg);
    PARAMETERS.with_borrow_mut(|all| all.insert(alg, parameters.clone()));
    parameters
}

/// Parameters that fit generating, importing, signing and verifying alike.
fn new_parameters(alg: Alg) -> js_sys::Object {
    match alg {
        Alg::ES256 => js::object(&[("name", "ECDSA".into()), ("namedCurve", "P-256".into()), ("hash", "SHA-256".into())]),
        Alg::RS256 => js::object(&[
            ("name", "RSASSA-PKCS1-v1_5".into()),
            ("modulusLength", 2048.into()),
            ("publicExponent", Uint8Array::from([1, 0, 1].as_slice()).into()),
            ("hash", "SHA-256".into()),
        ]),
        Alg::PS256 => js::object(&[
            ("name", "RSA-PSS".into()),
            ("modulusLength", 2048.into()),
            ("publicExponent", Uint8Array::from([1, 0, 1].as_slice()).into()),
            ("hash", "SHA-256".into()),
            // As long as the hash (RFC 7518 3.5).
            ("saltLength", 32.into()),
        ]),
        Alg::EdDSA => js::object(&[("name", "Ed25519".into())]),
    }
}

/// `crypto.subtle`.
pub fn subtle() -> Result<SubtleCrypto, Fault> {
    if let Some(subtle) = SUBTLE.with_borrow(Clone::clone) {
        return Ok(subtle);
    }
    let crypto = Reflect::get(&js_sys::global(), &"crypto".into()).map_err(|error| fault(&error))?;
    let subtle = crypto.unchecked_into::<Crypto>().subtle();
    SUBTLE.set(Some(subtle.clone()));
    Ok(subtle)
}

/// The bytes of an `ArrayBuffer`.
pub fn bytes(buffer: &JsValue) -> Vec<u8> {
    Uint8Array::new(buffer).to_vec()
}

/// What `WebCrypto` threw.
pub fn fault(error: &JsValue) -> Fault {
    Fault::broken("WebCrypto", js::message(error))
}
