//! The realm's salts: keyed hashes that must stay the same while root secrets come and go. Each is made on
//! first use and read once by every isolate.

use std::cell::RefCell;
use std::collections::HashMap;

use super::ctx::{Ctx, Platform};
use super::failure::Fault;
use super::store::secrets;
use crate::protocol::salt::Salt;
use crate::protocol::seal::{OpenError, Sealable as _, Sealer};
use crate::protocol::secret::{base64url, from_base64url};

/// What a salt is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Purpose {
    /// Subjects of clients that each see another.
    Pairwise,
    /// Names of what may be used once: under a key of the ring they would change when it does, and what
    /// was used before could be used again.
    Replay,
    /// Names for subjects of outside issuers.
    OutsideSubject,
}

impl Purpose {
    /// The row's name.
    const fn name(self) -> &'static str {
        match self {
            Self::Pairwise => "pairwise salt",
            Self::Replay => "replay salt",
            Self::OutsideSubject => "outside subject salt",
        }
    }
}

thread_local! {
    /// They never change.
    static SALTS: RefCell<HashMap<Purpose, Salt>> = RefCell::new(HashMap::new());
}

/// The salt for a purpose.
pub async fn salt(ctx: &Ctx, purpose: Purpose) -> Result<Salt, Fault> {
    if let Some(salt) = SALTS.with_borrow(|salts| salts.get(&purpose).cloned()) {
        return Ok(salt);
    }
    let wrapped = match secrets::read(ctx, purpose.name()).await? {
        Some(wrapped) => wrapped,
        None => {
            let new = ctx.config.wrapper().seal(&Salt::generate(&mut Platform), &mut Platform);
            let kept = secrets::insert(ctx, purpose.name(), &new).await?;
            kept.ok_or_else(|| Fault::Broken(format!("{} is not there after it was written", purpose.name())))?
        }
    };
    let salt = open(ctx, purpose.name(), &wrapped)?;
    SALTS.with_borrow_mut(|salts| salts.insert(purpose, salt.clone()));
    Ok(salt)
}

/// The cron's work: wrappings by the active key. One that does not open does not stop the others.
pub async fn maintain(ctx: &Ctx) -> Result<(), Fault> {
    let mut outcome = Ok(());
    for row in secrets::all(ctx).await? {
        if Sealer::key_number(&row.wrapped) != Some(ctx.config.ring.active()) {
            outcome = rewrap(ctx, &row).await.and(outcome);
        }
    }
    outcome
}

/// All salts by name: for an export under a passphrase.
pub async fn exported(ctx: &Ctx) -> Result<Vec<(String, String)>, Fault> {
    let rows = secrets::all(ctx).await?;
    rows.iter().map(|row| Ok((row.name.clone(), base64url(&open(ctx, &row.name, &row.wrapped)?.to_bytes())))).collect()
}

/// An exported salt by name, wrapped anew; nothing if it is none.
pub fn to_import(ctx: &Ctx, name: &str, salt: &str) -> Option<(String, String)> {
    let salt = Salt::from_bytes(&from_base64url(salt)?)?;
    Some((name.to_owned(), ctx.config.wrapper().seal(&salt, &mut Platform)))
}

async fn rewrap(ctx: &Ctx, row: &secrets::StoredSecret) -> Result<(), Fault> {
    let after = ctx.config.wrapper().seal(&open(ctx, &row.name, &row.wrapped)?, &mut Platform);
    secrets::rewrap(ctx, row, &after).await
}

/// Opens a wrapped salt. One that does not open is a fault and never leads to a new one.
fn open(ctx: &Ctx, name: &str, wrapped: &str) -> Result<Salt, Fault> {
    ctx.config.wrapper().open(wrapped).map_err(|error| match error {
        OpenError::NewerKey => Fault::Unavailable(format!("{name} is wrapped by a newer root secret")),
        OpenError::Bogus => Fault::Broken(format!("{name} does not unwrap")),
    })
}
