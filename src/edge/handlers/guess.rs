//! A guess at a password or user code, and the budgets that it comes out of.

use crate::edge::ctx::Ctx;
use crate::edge::failure::Failure;
use crate::edge::objects::throttle;
use crate::protocol::throttle::{Budget, Claim, Kept};

/// One guess: *reserved* before it is checked, then given back or written down. Each part lies in one
/// `Throttle` object, picked by its owner.
pub struct Guess {
    parts: Vec<(String, Vec<Claim>)>,
}

impl Guess {
    /// A guess that comes out of no budget yet.
    pub const fn new() -> Self {
        Self { parts: Vec::new() }
    }

    /// Comes out of these budgets too: `(kind, of whom, failures per window)`.
    #[must_use]
    pub fn out_of(mut self, ctx: &Ctx, owner: String, budgets: &[(&str, &str, u32)]) -> Self {
        let claim = |(kind, of, limit): &(&str, &str, u32)| {
            let budget: Budget = ctx.config.budget(*limit);
            Claim { key: throttle::key(ctx, kind, of), budget, kept: Kept::Exactly }
        };
        self.parts.push((owner, budgets.iter().map(claim).collect()));
        self
    }

    /// Takes one from each budget, or from none: then the answer is the milliseconds until there is one.
    pub async fn reserve(&self, ctx: &Ctx) -> Result<Option<i64>, Failure> {
        for (place, (owner, claims)) in self.parts.iter().enumerate() {
            let refusal = throttle::reserve(ctx, owner, claims).await;
            if !matches!(refusal, Ok(None)) {
                release(ctx, self.parts.iter().take(place)).await;
                return Ok(refusal?);
            }
        }
        Ok(None)
    }

    /// It was wrong: writes it down. Whether that used up a budget.
    pub async fn spend(&self, ctx: &Ctx) -> Result<bool, Failure> {
        let mut is_used_up = false;
        for (owner, claims) in &self.parts {
            is_used_up |= throttle::spend(ctx, owner, claims).await?;
        }
        Ok(is_used_up)
    }

    /// It was right, or could not be checked: gives it back.
    pub async fn release(&self, ctx: &Ctx) {
        release(ctx, self.parts.iter()).await;
    }
}

/// If giving back fails, a budget is one short for a while, which is no reason to refuse who was right.
async fn release(ctx: &Ctx, parts: impl Iterator<Item = &(String, Vec<Claim>)>) {
    for (owner, claims) in parts {
        let _ = throttle::release(ctx, owner, claims).await;
    }
}
