//! Signing in and out.

mod browser;
mod device;
mod loopback;

use crate::api::{chosen, signed_in};
use crate::failure::{Failure, Outcome};
use crate::http::{Realm, clean};
use crate::saved::{Folder, Saved};

/// Where `make dev` serves: what is meant when nobody says anything.
const HERE: &str = "http://localhost:8787";
/// What is asked for besides what administers.
const BASE_SCOPE: &str = "openid profile offline_access";
/// Seconds that a sign-in at the browser may be old: administration wants a fresh one.
const MAX_AGE: u64 = 3_600;

/// How to sign in.
#[derive(Clone, Debug)]
pub struct How<'a> {
    /// Where; nothing: where one signed in at last.
    pub issuer: Option<&'a str>,
    /// As a device.
    pub device: bool,
    /// Whether a browser is opened.
    pub open_browser: bool,
    /// As which client.
    pub client: &'a str,
    /// Scopes of administration that are wanted.
    pub scope: &'a [String],
}

/// Signs in, keeps that, and ends what was kept before; what to tell.
pub fn login(how: &How<'_>) -> Outcome<String> {
    let folder = Folder::of_user()?;
    let issuer = chosen(&folder, how.issuer)?.unwrap_or_else(|| HERE.to_owned());
    let realm = Realm::discover(&issuer)?;
    // Before anybody signs in: they would do it for nothing.
    folder.make()?;
    let before = folder.load_to_end(&issuer)?;
    let wanted: Vec<&str> = how.scope.iter().flat_map(|scope| scope.split_whitespace()).collect();
    let scope = [&[BASE_SCOPE], wanted.as_slice()].concat().join(" ");
    let answer = if how.device {
        device::sign_in(&realm, how.client, &scope)?
    } else {
        let max_age = before.as_ref().and_then(|before| before.max_age).map_or(MAX_AGE, |least| least.min(MAX_AGE));
        browser::sign_in(&realm, how.client, &scope, max_age, how.open_browser)?
    };
    let saved = signed_in(&issuer, how.client, &scope, &answer)?;
    let name = name(&realm, &saved);
    let granted: Vec<&str> = saved.scope.split_whitespace().collect();
    let missing: Vec<&str> = wanted.iter().copied().filter(|scope| !granted.contains(scope)).collect();
    if !wanted.is_empty() && missing.len() == wanted.len() {
        // Of no use here, so it does not stay open there either.
        end(&realm, &saved).ok();
        let missing = missing.join(" ");
        return Err(Failure::Failed(format!(
            "{name} may not administer {issuer}: {missing} was not granted\nwho administers gives the role of that name, or you left it out when you were asked"
        )));
    }
    let lock = folder.lock(&issuer)?;
    let before = folder.load_to_end(&issuer)?;
    folder.keep(&saved, &lock)?;
    folder.set_current(&issuer)?;
    drop(lock);
    if let Some(before) = before {
        // The one before would be good until it ends by itself. Where that fails, it still does that.
        end(&realm, &before).ok();
    }
    let lacks = if missing.is_empty() { String::new() } else { format!("\nNot granted: {}", missing.join(" ")) };
    Ok(format!("Signed in at {issuer} as {name}.{lacks}"))
}

/// Who signed in, in the realm's words.
fn name(realm: &Realm, saved: &Saved) -> String {
    let claims = realm.userinfo(&saved.access_token).unwrap_or_default();
    let claim = |name| claims.get(name).and_then(serde_json::Value::as_str).map(clean);
    claim("preferred_username").or_else(|| claim("name")).or_else(|| claim("sub")).unwrap_or_else(|| "you".to_owned())
}

/// Ends a sign-in at the realm.
fn end(realm: &Realm, saved: &Saved) -> Outcome<()> {
    realm.revoke(saved.refresh_token.as_deref().unwrap_or(&saved.access_token), &saved.client_id)
}

/// Signs out: at the realm, then here; here too where the realm does not answer. What to tell.
pub fn logout(said: Option<&str>) -> Outcome<String> {
    let folder = Folder::of_user()?;
    let nobody = || Failure::SignIn("nobody is signed in".to_owned());
    let issuer = chosen(&folder, said)?.ok_or_else(nobody)?;
    let lock = folder.lock(&issuer)?;
    let saved = folder.load_to_end(&issuer)?.ok_or_else(nobody)?;
    let ended = Realm::discover(&issuer).and_then(|realm| end(&realm, &saved));
    folder.forget(&issuer, &lock)?;
    match ended {
        Ok(()) => Ok(format!("Signed out at {issuer}.")),
        Err(failure) => Err(Failure::Failed(format!(
            "signed out here, but the realm was not told: {}\nend it there: sign in at {issuer} with a browser and sign out the app",
            failure.parts().1
        ))),
    }
}
