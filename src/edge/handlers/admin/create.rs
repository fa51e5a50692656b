//! Creating things once, however often it is asked.
//!
//! Each create leaves a row in `idempotency` in its own batch, under a keyed hash of who asked and their key, or under a
//! random key where there is none: the row says that it happened, also to our own second run after a lost answer.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::edge::ctx::{Ctx, Platform};
use crate::edge::failure::Fault;
use crate::edge::handlers::admin::{Actor, Outcome};
use crate::edge::store::Statement;
use crate::edge::store::idempotency::{self, Kept, Pending};
use crate::protocol::admin::problem::{Problem, Word};
use crate::protocol::audit::Event;
use crate::protocol::ids::random;
use crate::protocol::seal::{MAX_TEXT, sealed_json};
use crate::protocol::secret::{base64url, hmac_sha256};

/// What names a request among its repetitions.
#[derive(Clone, Debug)]
pub struct Key {
    /// The row's key.
    row: String,
    /// A hash of what was asked.
    request: String,
    /// Whether somebody could ask again.
    is_named: bool,
}

impl Key {
    /// Of a request that nobody can repeat.
    pub fn once() -> Self {
        Self { row: base64url(&random::<24>(&mut Platform)), request: String::new(), is_named: false }
    }

    /// Of an `Idempotency-Key`: each actor has their own. `what`: method, path and body.
    pub fn of(ctx: &Ctx, actor: &Actor, key: &str, what: &[&[u8]]) -> Self {
        // Under the lowest number of the ring that is left: it stays while a new one is made active.
        let number = ctx.config.ring.numbers().min().unwrap_or_else(|| ctx.config.ring.active());
        let mac = ctx.config.wrapper().mac(number, "idempotency key", &[actor.id.as_bytes(), key.as_bytes()]);
        let request = hmac_sha256(b"latchkey idempotency request", what);
        Self { row: base64url(&mac), request: base64url(&request), is_named: true }
    }

    /// The row's key: what `unanswered!` asks for.
    pub fn row(&self) -> &str {
        &self.row
    }
}

/// What is answered to a create.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Created {
    /// Where it is, below `/admin/v1/`.
    pub path: String,
    /// Its version.
    pub version: i64,
    /// What is told of it; a secret is told here and never again.
    pub body: Value,
}
sealed_json!(Created, "answer of a create");

/// Runs the statements of a create, writes its event, and answers `created`; or what was answered before.
///
/// The first statement has `unanswered!` with [`Key::row`] as its predicate, each further one `changes() > 0` or a
/// predicate that says the same, and the last one changes a row if and only if the thing was created.
pub async fn commit(ctx: &Ctx, key: &Key, statements: Vec<Statement>, created: Created, event: &Event) -> Outcome<Created> {
    let answer = if key.is_named { ctx.config.wrapper().seal(&created, &mut Platform) } else { String::new() };
    if answer.len() > MAX_TEXT {
        return Err(Problem::new(Word::Invalid, "this is too large for an Idempotency-Key: send it without").into());
    }
    let pending = Pending { key: &key.row, request: &key.request, answer: &answer };
    match idempotency::commit(ctx, statements, &pending, event).await? {
        Kept::Now => Ok(created),
        Kept::Nothing => Err(Problem::new(Word::Conflict, "there is one already").into()),
        Kept::Before { request, .. } if request != key.request => {
            Err(Problem::new(Word::IdempotencyConflict, "the key came with another request before").into())
        }
        Kept::Before { answer, .. } if answer.is_empty() => Ok(created),
        Kept::Before { answer, .. } => {
            let before = ctx.config.wrapper().open(&answer);
            Ok(before.map_err(|error| Fault::Unavailable(format!("kept answer: {error:?}")))?)
        }
    }
}
