//! Refresh tokens: one family per grant, a generation counter, and what each presented token means.
//!
//! The token is sealed deterministically from (owner, grant, generation), so the successor is the
//! same text whenever it is asked for, and nothing but the grant's row is stored.

use super::ids::{OwnedId, UserId};
use super::seal::Sealable;
use super::time::{Seconds, Timestamp};

/// What a refresh token says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefreshToken {
    /// Owner of the grant.
    pub user: UserId,
    /// The grant.
    pub grant: OwnedId,
    /// Counts rotations.
    pub generation: u32,
}

impl Sealable for RefreshToken {
    const PURPOSE: &'static str = "refresh token";

    /// Fixed width, so that the token's length tells nothing.
    fn to_bytes(&self) -> Vec<u8> {
        [self.user.bytes().as_slice(), self.grant.bytes(), &self.generation.to_be_bytes()].concat()
    }

    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (user, rest) = bytes.split_first_chunk::<16>()?;
        let (grant, generation) = rest.split_first_chunk::<19>()?;
        Some(Self {
            user: UserId::from_bytes(*user),
            grant: OwnedId::from_bytes(*grant)?,
            generation: u32::from_be_bytes(generation.try_into().ok()?),
        })
    }
}

/// What a grant's row says about its family.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Family {
    /// `client_id` it is bound to.
    pub client: String,
    /// The generation whose token is current.
    pub generation: u32,
    /// When that generation was reached.
    pub rotated_at: Timestamp,
    /// When the grant began.
    pub created_at: Timestamp,
    /// When it was revoked.
    pub revoked_at: Option<Timestamp>,
}

/// The one gate, asked at every redemption and refresh. It knows the administrator's and the user's
/// decisions and never a throttle's state: a stranger's wrong guesses must not sign a clinic out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "four independent decisions, each somebody else's")]
pub struct Gate {
    /// The user is active by the administrator's state.
    pub user_enabled: bool,
    /// The client is enabled.
    pub client_enabled: bool,
    /// Approval and sign-in lie after "sign out everywhere" and the like.
    pub after_not_before: bool,
    /// The consent was not withdrawn since.
    pub consented: bool,
}

impl Gate {
    /// Why it is shut, if it is.
    pub const fn refusal(&self) -> Option<Why> {
        if !self.user_enabled {
            Some(Why::UserDisabled)
        } else if !self.client_enabled {
            Some(Why::ClientDisabled)
        } else if !self.after_not_before {
            Some(Why::SignedOutEverywhere)
        } else if !self.consented {
            Some(Why::ConsentWithdrawn)
        } else {
            None
        }
    }
}

/// Lifetimes in force, from the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policy {
    /// So long the previous token is answered again.
    pub grace: Seconds,
    /// A family unused for so long is over.
    pub idle: Seconds,
    /// A family this old is over.
    pub absolute: Seconds,
    /// Whether a generation that was never reached is taken: `TRUST_AHEAD_UNTIL`, after a backup was restored.
    pub trusts_ahead: bool,
}

/// What a presented token means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Current: advance the generation by one and answer the next token.
    Rotate,
    /// The one before, within the grace window: answer the current token again, write nothing.
    Repeat,
    /// An older one: somebody else has it too. Revoke the grant.
    Theft,
    /// Ahead of the row, which is of a restored backup, and the operator trusts that: write the generation down, and ask
    /// again.
    Adopt,
    /// Nothing for it, and nothing changes.
    Refuse(Why),
}

/// Why a token is refused, for the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// Another client's token.
    ForeignClient,
    /// The grant was revoked.
    Revoked,
    /// A generation that was never reached: the database was restored to before it.
    Ahead,
    /// A device code whose tokens were collected, and refreshed since or too long ago to be repeated.
    Collected,
    /// Unused for too long.
    Idle,
    /// Too old.
    TooOld,
    /// The administrator disabled the user.
    UserDisabled,
    /// The administrator disabled the client.
    ClientDisabled,
    /// The user signed out everywhere, or changed the password.
    SignedOutEverywhere,
    /// The user withdrew the consent.
    ConsentWithdrawn,
    /// The browser session that it ends with has ended.
    SessionEnded,
}

impl Why {
    /// A word for the log.
    pub const fn word(self) -> &'static str {
        match self {
            Self::ForeignClient => "foreign client",
            Self::Revoked => "revoked",
            Self::Ahead => "generation ahead of the database",
            Self::Collected => "collected before",
            Self::Idle => "idle for too long",
            Self::TooOld => "absolute lifetime over",
            Self::UserDisabled => "user disabled",
            Self::ClientDisabled => "client disabled",
            Self::SignedOutEverywhere => "signed out everywhere",
            Self::ConsentWithdrawn => "consent withdrawn",
            Self::SessionEnded => "session ended",
        }
    }
}

/// The verdict on generation `presented`, shown by an authenticated `client`.
///
/// Theft is found before the gate is asked: a stolen family must not wake up again when a disabled
/// user is enabled.
pub fn verdict(family: &Family, gate: &Gate, client: &str, presented: u32, policy: Policy, now: Timestamp) -> Verdict {
    if family.client != client {
        return Verdict::Refuse(Why::ForeignClient);
    }
    if family.revoked_at.is_some() {
        return Verdict::Refuse(Why::Revoked);
    }
    let is_ahead = presented > family.generation;
    // The last of all could not be rotated.
    if is_ahead && !(policy.trusts_ahead && presented < u32::MAX) {
        return Verdict::Refuse(Why::Ahead);
    }
    let is_current = presented == family.generation;
    let in_grace = presented.checked_add(1) == Some(family.generation) && now.since(family.rotated_at) <= policy.grace.millis();
    if !is_ahead && !is_current && !in_grace {
        return Verdict::Theft;
    }
    if let Some(why) = gate.refusal() {
        return Verdict::Refuse(why);
    }
    if now >= family.created_at.plus(policy.absolute) {
        return Verdict::Refuse(Why::TooOld);
    }
    if now >= family.rotated_at.plus(policy.idle) {
        return Verdict::Refuse(Why::Idle);
    }
    match (is_ahead, is_current) {
        (true, _) => Verdict::Adopt,
        (false, true) => Verdict::Rotate,
        (false, false) => Verdict::Repeat,
    }
}

#[cfg(test)]
mod tests {
    use super::super::ids::tests::Counted;
    use super::super::keyring::tests::ring;
    use super::super::seal::Sealer;
    use super::*;

    #[test]
    fn the_token_is_fixed_width_and_pinned() {
        let ring = ring();
        let sealer = Sealer { ring: &ring, issuer: "https://id.example", epoch: 1 };
        let user = UserId::generate(&mut Counted(0));
        let grant = OwnedId::generate(&user, &mut Counted(0));
        let token = |generation| RefreshToken { user: user.clone(), grant: grant.clone(), generation };
        let (first, last) = (sealer.seal_deterministic(&token(0)), sealer.seal_deterministic(&token(u32::MAX)));
        assert_eq!(first.len(), last.len());
        assert_eq!(sealer.open::<RefreshToken>(&first), Ok(token(0)));
        // It lives for months: this text must open for ever.
        assert_eq!(
            first,
            "AQACbxfJfR1v3PEKSvhyALxUcu7JMDlVTNjrXM90tDoJvcZ5IlZDPGsXB1pR843VRtjI0A17VmDhhzyDrxIHbhNHqe8NdnjayTskWIpd-PO-FQ"
        );
    }
}
