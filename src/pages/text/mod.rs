//! All words that a person reads, one constant per language.
//!
//! Whole sentences, so that each language orders its own; numbers come in through functions, which
//! know the plural. Where a name follows, it stands at the end ("Signed in as") or at the start of a
//! sentence, which is possible in every language.

mod account;
mod choose;
mod de;
mod en;
mod fr;
mod mail;

use crate::protocol::admin::scopes;

pub(super) use account::AccountTexts;
pub use choose::choose;
pub use de::DE;
pub use en::EN;
pub use fr::FR;
pub(super) use mail::{LetterTexts, ResetTexts};

/// Every language, the default first.
pub const ALL: [&Texts; 3] = [&EN, &DE, &FR];

/// The words of all pages in one language.
#[derive(Clone, Copy, Debug)]
pub struct Texts {
    pub(super) lang: &'static str,
    /// Said first in the title of a page that tells of a mistake.
    pub(super) mistake: &'static str,
    pub(super) footer: &'static str,
    /// The sealed form was too old.
    pub(super) expired: &'static str,
    /// Too many attempts: minutes to wait, at least 1.
    pub(super) throttled: fn(u64) -> String,
    pub(super) signed_in_as: &'static str,
    pub(super) not_you: &'static str,
    pub(super) sign_out: &'static str,
    pub(super) other_account: &'static str,
    pub(super) cancel: &'static str,
    pub(super) to_start: &'static str,
    pub(super) new_tab: &'static str,
    pub(super) home: HomeTexts,
    pub(super) client: ClientTexts,
    pub(super) login: LoginTexts,
    pub(super) reset: &'static ResetTexts,
    pub(super) letters: &'static LetterTexts,
    pub(super) account: &'static AccountTexts,
    pub(super) accounts: AccountsTexts,
    pub(super) code: CodeTexts,
    pub(super) permission: PermissionTexts,
    pub(super) approval: ApprovalTexts,
    pub(super) consent: ConsentTexts,
    pub(super) form_post: FormPostTexts,
    pub(super) allowed: AllowedTexts,
    pub(super) denied: DeniedTexts,
    pub(super) undone: UndoneTexts,
    pub(super) logout: LogoutTexts,
    pub(super) signed_out: SignedOutTexts,
    pub(super) error: ErrorTexts,
    pub(super) scopes: ScopeTexts,
    pub(super) claims: ClaimTexts,
}

impl Texts {
    /// The language, as a BCP 47 tag: "en".
    pub fn lang(&self) -> &'static str {
        self.lang
    }
}

#[derive(Clone, Copy, Debug)]
pub(super) struct HomeTexts {
    pub(super) signed_in: &'static str,
    pub(super) welcome: &'static str,
    pub(super) lede: &'static str,
    pub(super) connect: &'static str,
    pub(super) account: &'static str,
    pub(super) sign_in: &'static str,
    pub(super) devices: &'static str,
    pub(super) allowed_on: &'static str,
    pub(super) used_on: &'static str,
    pub(super) end: &'static str,
    pub(super) apps: &'static str,
    pub(super) end_app: &'static str,
}

/// What is said of a client on several pages.
#[derive(Clone, Copy, Debug)]
pub(super) struct ClientTexts {
    /// Under a heading, before the client's name.
    pub(super) continue_to: &'static str,
    pub(super) publisher: &'static str,
    pub(super) policy: &'static str,
    pub(super) tos: &'static str,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct LoginTexts {
    pub(super) heading: &'static str,
    pub(super) for_account: &'static str,
    pub(super) for_device: &'static str,
    pub(super) again: &'static str,
    pub(super) name: &'static str,
    pub(super) password: &'static str,
    pub(super) submit: &'static str,
    pub(super) wrong: &'static str,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct AccountsTexts {
    pub(super) heading: &'static str,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct CodeTexts {
    pub(super) heading: &'static str,
    pub(super) lede: &'static str,
    pub(super) label: &'static str,
    pub(super) hint: &'static str,
    pub(super) caution: &'static str,
    pub(super) lede_prefilled: &'static str,
    pub(super) caution_prefilled: &'static str,
    pub(super) submit: &'static str,
    pub(super) not_found: &'static str,
}

/// What is said of permissions, whoever asks.
#[derive(Clone, Copy, Debug)]
pub(super) struct PermissionTexts {
    pub(super) asks: &'static str,
    pub(super) always: &'static str,
    pub(super) nothing_chosen: &'static str,
    pub(super) allow: &'static str,
    pub(super) deny: &'static str,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct ApprovalTexts {
    pub(super) heading: &'static str,
    pub(super) lede: &'static str,
    pub(super) compare: &'static str,
    pub(super) device: &'static str,
    pub(super) you: &'static str,
    pub(super) place: &'static str,
    pub(super) unknown_place: &'static str,
    pub(super) started: &'static str,
    /// Minutes since the device asked.
    pub(super) ago: fn(u64) -> String,
    pub(super) account: &'static str,
    pub(super) estimated: &'static str,
    pub(super) differ: &'static str,
    pub(super) caution: &'static str,
    pub(super) confirm: &'static str,
    pub(super) unconfirmed: &'static str,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct ConsentTexts {
    pub(super) heading: &'static str,
    pub(super) lede: &'static str,
    /// Before the host or app that the browser goes to.
    pub(super) destination: &'static str,
    pub(super) caution: &'static str,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct FormPostTexts {
    pub(super) heading: &'static str,
    /// Before the client's name.
    pub(super) on_the_way: &'static str,
    pub(super) without_script: &'static str,
    pub(super) submit: &'static str,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct AllowedTexts {
    pub(super) heading: &'static str,
    pub(super) connected: &'static str,
    pub(super) next: &'static str,
    pub(super) later: &'static str,
    pub(super) undo_lede: &'static str,
    pub(super) undo: &'static str,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct DeniedTexts {
    pub(super) heading: &'static str,
    pub(super) next: &'static str,
    pub(super) stranger: &'static str,
    pub(super) again: &'static str,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct UndoneTexts {
    pub(super) heading: &'static str,
    pub(super) next: &'static str,
    pub(super) stranger: &'static str,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct LogoutTexts {
    pub(super) heading: &'static str,
    /// After the client's name.
    pub(super) asked: &'static str,
    pub(super) here: &'static str,
    pub(super) confirm: &'static str,
    pub(super) stay: &'static str,
    pub(super) everywhere_heading: &'static str,
    pub(super) everywhere: &'static str,
    pub(super) everywhere_submit: &'static str,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct SignedOutTexts {
    pub(super) heading: &'static str,
    pub(super) here: &'static str,
    pub(super) everywhere: &'static str,
    pub(super) again: &'static str,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct ErrorTexts {
    pub(super) heading: &'static str,
    pub(super) bad_request: &'static str,
    pub(super) not_found: &'static str,
    pub(super) wrong_method: &'static str,
    pub(super) too_large: &'static str,
    pub(super) too_many: &'static str,
    pub(super) unavailable: &'static str,
    pub(super) request_id: &'static str,
    /// Before what a developer wants to know.
    pub(super) details: &'static str,
}

/// The standard scopes (`OpenID` Connect Core 1.0, sections 3.1.2.1, 5.4 and 11).
#[derive(Clone, Copy, Debug)]
pub(super) struct ScopeTexts {
    openid: Scope,
    profile: Scope,
    email: Scope,
    address: Scope,
    phone: Scope,
    offline_access: Scope,
    /// Of administration, in the order of `scopes::ALL`.
    admin: [Scope; 8],
}

/// A scope in words.
#[derive(Clone, Copy, Debug)]
pub(super) struct Scope {
    pub(super) title: &'static str,
    pub(super) description: Option<&'static str>,
}

impl ScopeTexts {
    /// The words for a standard scope, or one of administration.
    pub(super) fn of(&self, name: &str) -> Option<Scope> {
        match name {
            "openid" => Some(self.openid),
            "profile" => Some(self.profile),
            "email" => Some(self.email),
            "address" => Some(self.address),
            "phone" => Some(self.phone),
            "offline_access" => Some(self.offline_access),
            _ => scopes::ALL.iter().position(|scope| *scope == name).and_then(|place| self.admin.get(place).copied()),
        }
    }
}

/// The standard claims (OpenID Connect Core 1.0, section 5.1).
#[derive(Clone, Copy, Debug)]
pub(super) struct ClaimTexts {
    sub: &'static str,
    name: &'static str,
    given_name: &'static str,
    family_name: &'static str,
    middle_name: &'static str,
    nickname: &'static str,
    preferred_username: &'static str,
    profile: &'static str,
    picture: &'static str,
    website: &'static str,
    email: &'static str,
    email_verified: &'static str,
    gender: &'static str,
    birthdate: &'static str,
    zoneinfo: &'static str,
    locale: &'static str,
    phone_number: &'static str,
    phone_number_verified: &'static str,
    address: &'static str,
    updated_at: &'static str,
}

impl ClaimTexts {
    /// The words for a standard claim, in whatever language and script its value is asked for
    /// (`name#ja-Kana-JP`: section 5.2).
    pub(super) fn of(&self, name: &str) -> Option<&'static str> {
        let name = name.split_once('#').map_or(name, |(name, _)| name);
        match name {
            "sub" => Some(self.sub),
            "name" => Some(self.name),
            "given_name" => Some(self.given_name),
            "family_name" => Some(self.family_name),
            "middle_name" => Some(self.middle_name),
            "nickname" => Some(self.nickname),
            "preferred_username" => Some(self.preferred_username),
            "profile" => Some(self.profile),
            "picture" => Some(self.picture),
            "website" => Some(self.website),
            "email" => Some(self.email),
            "email_verified" => Some(self.email_verified),
            "gender" => Some(self.gender),
            "birthdate" => Some(self.birthdate),
            "zoneinfo" => Some(self.zoneinfo),
            "locale" => Some(self.locale),
            "phone_number" => Some(self.phone_number),
            "phone_number_verified" => Some(self.phone_number_verified),
            "address" => Some(self.address),
            "updated_at" => Some(self.updated_at),
            _ => None,
        }
    }
}
