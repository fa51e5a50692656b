//! All words that a person reads, one constant per language.
//!
//! Whole sentences, so that each language orders its own; numbers come in through functions, which
//! know the plural. Where a name follows, it stands at the end ("Signed in as").

/// The words of all pages in one language.
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
    pub(super) to_start: &'static str,
    pub(super) new_tab: &'static str,
    pub(super) home: HomeTexts,
    pub(super) login: LoginTexts,
    pub(super) code: CodeTexts,
    pub(super) approval: ApprovalTexts,
    pub(super) allowed: AllowedTexts,
    pub(super) denied: DeniedTexts,
    pub(super) undone: UndoneTexts,
    pub(super) logout: LogoutTexts,
    pub(super) signed_out: SignedOutTexts,
    pub(super) error: ErrorTexts,
    pub(super) scopes: ScopeTexts,
}

pub(super) struct HomeTexts {
    pub(super) signed_in: &'static str,
    pub(super) welcome: &'static str,
    pub(super) lede: &'static str,
    pub(super) connect: &'static str,
    pub(super) sign_in: &'static str,
    pub(super) devices: &'static str,
    pub(super) allowed_on: &'static str,
    pub(super) used_on: &'static str,
    pub(super) end: &'static str,
}

pub(super) struct LoginTexts {
    pub(super) heading: &'static str,
    pub(super) for_account: &'static str,
    pub(super) for_device: &'static str,
    pub(super) again: &'static str,
    pub(super) name: &'static str,
    pub(super) password: &'static str,
    pub(super) submit: &'static str,
    pub(super) cancel: &'static str,
    pub(super) wrong: &'static str,
}

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

pub(super) struct ApprovalTexts {
    pub(super) heading: &'static str,
    pub(super) lede: &'static str,
    pub(super) publisher: &'static str,
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
    pub(super) asks: &'static str,
    pub(super) always: &'static str,
    pub(super) caution: &'static str,
    pub(super) confirm: &'static str,
    pub(super) unconfirmed: &'static str,
    pub(super) nothing_chosen: &'static str,
    pub(super) allow: &'static str,
    pub(super) deny: &'static str,
    pub(super) policy: &'static str,
    pub(super) tos: &'static str,
}

pub(super) struct AllowedTexts {
    pub(super) heading: &'static str,
    pub(super) connected: &'static str,
    pub(super) next: &'static str,
    pub(super) later: &'static str,
    pub(super) undo_lede: &'static str,
    pub(super) undo: &'static str,
}

pub(super) struct DeniedTexts {
    pub(super) heading: &'static str,
    pub(super) next: &'static str,
    pub(super) stranger: &'static str,
    pub(super) again: &'static str,
}

pub(super) struct UndoneTexts {
    pub(super) heading: &'static str,
    pub(super) next: &'static str,
    pub(super) stranger: &'static str,
}

pub(super) struct LogoutTexts {
    pub(super) heading: &'static str,
    pub(super) here: &'static str,
    pub(super) confirm: &'static str,
    pub(super) stay: &'static str,
    pub(super) everywhere_heading: &'static str,
    pub(super) everywhere: &'static str,
    pub(super) everywhere_submit: &'static str,
}

pub(super) struct SignedOutTexts {
    pub(super) heading: &'static str,
    pub(super) here: &'static str,
    pub(super) everywhere: &'static str,
    pub(super) again: &'static str,
}

pub(super) struct ErrorTexts {
    pub(super) heading: &'static str,
    pub(super) bad_request: &'static str,
    pub(super) not_found: &'static str,
    pub(super) wrong_method: &'static str,
    pub(super) too_large: &'static str,
    pub(super) too_many: &'static str,
    pub(super) unavailable: &'static str,
    pub(super) request_id: &'static str,
}

/// The standard scopes (`OpenID` Connect Core 1.0, sections 3.1.2.1, 5.4 and 11).
pub(super) struct ScopeTexts {
    openid: Scope,
    profile: Scope,
    email: Scope,
    address: Scope,
    phone: Scope,
    offline_access: Scope,
}

/// A scope in words.
#[derive(Clone, Copy)]
pub(super) struct Scope {
    pub(super) title: &'static str,
    pub(super) description: Option<&'static str>,
}

impl ScopeTexts {
    /// The words for a standard scope.
    pub(super) fn of(&self, name: &str) -> Option<Scope> {
        match name {
            "openid" => Some(self.openid),
            "profile" => Some(self.profile),
            "email" => Some(self.email),
            "address" => Some(self.address),
            "phone" => Some(self.phone),
            "offline_access" => Some(self.offline_access),
            _ => None,
        }
    }
}

/// English.
pub const EN: Texts = Texts {
    lang: "en",
    mistake: "Error",
    footer: "Sign-in service of",
    expired: "This page was open too long. Please try again.",
    throttled: |minutes| match minutes {
        1 => "Too many attempts. Please wait 1 minute, then try again.".to_owned(),
        _ => format!("Too many attempts. Please wait {minutes} minutes, then try again."),
    },
    signed_in_as: "Signed in as",
    not_you: "Not you?",
    sign_out: "Sign out",
    to_start: "Go to the start page",
    new_tab: "opens in a new tab",
    home: HomeTexts {
        signed_in: "You are signed in",
        welcome: "Welcome",
        lede: "Sign in to connect a device.",
        connect: "Connect a device",
        sign_in: "Sign in",
        devices: "Your devices",
        allowed_on: "Connected on",
        used_on: "last used on",
        end: "Sign out this device",
    },
    login: LoginTexts {
        heading: "Sign in",
        for_account: "Use the account that you were given.",
        for_device: "Sign in to connect a device.",
        again: "Please sign in again to continue.",
        name: "User name",
        password: "Password",
        submit: "Sign in",
        cancel: "Cancel",
        wrong: "The name or the password is not right.",
    },
    code: CodeTexts {
        heading: "Connect a device",
        lede: "Your device shows a code. Enter it here.",
        label: "Code",
        hint: "8 letters, for example BCDF-GHJK. Small letters and spaces are fine.",
        caution: "Only enter a code from a device that you are signing in yourself. Nobody from \
                  support will ever send you a code.",
        lede_prefilled: "We have filled in the code for you.",
        caution_prefilled: "Compare this code with the one on your device. Only continue if they \
                            are the same and you started this yourself.",
        submit: "Continue",
        not_found: "This code does not work. Check it against your device, or start again on the \
                    device to get a new one.",
    },
    approval: ApprovalTexts {
        heading: "Connect this device?",
        lede: "This device asks to use your account:",
        publisher: "by",
        compare: "Your device must show this code",
        device: "The device",
        you: "You",
        place: "Place",
        unknown_place: "Not known",
        started: "Started",
        ago: |minutes| match minutes {
            0 => "Just now".to_owned(),
            1 => "1 minute ago".to_owned(),
            _ => format!("{minutes} minutes ago"),
        },
        account: "Account",
        estimated: "Places are estimated from the internet connection.",
        differ: "The device and you seem to be in different places. If the device is not in front \
                 of you, choose Deny.",
        asks: "What it asks for",
        always: "always",
        caution: "Nobody from support will ever ask you to do this, or to enter a code that they \
                  send you. If somebody did, choose Deny.",
        confirm: "This is my device and I started this sign-in myself.",
        unconfirmed: "To allow, first tick the box to confirm that this is your device. If it is \
                      not, choose Deny.",
        nothing_chosen: "Nothing is left to allow. Choose at least one, or choose Deny.",
        allow: "Allow",
        deny: "Deny",
        policy: "Privacy policy",
        tos: "Terms of use",
    },
    allowed: AllowedTexts {
        heading: "You can go back to your device",
        connected: "You allowed",
        next: "The device will be signed in within a few seconds. There is nothing more to do here, \
               and you can close this page.",
        later: "To end it later, sign out on the device itself, or find it under “Your devices” on \
                the start page.",
        undo_lede: "Did you not mean to do this?",
        undo: "Undo",
    },
    denied: DeniedTexts {
        heading: "The device was not connected",
        next: "We are telling the device that you said no. It gets nothing from your account.",
        stranger: "If you did not start this yourself, somebody may have tried to get into your \
                   account. They did not get in. Please tell the people who look after your \
                   account.",
        again: "If it was your device after all, start again on the device to get a new code.",
    },
    undone: UndoneTexts {
        heading: "The device is no longer connected",
        next: "We have taken your permission back. If the device was signed in already, it will be \
               signed out soon, within an hour at most.",
        stranger: "If somebody asked you to do this, please tell the people who look after your \
                   account.",
    },
    logout: LogoutTexts {
        heading: "Sign out?",
        here: "You will be signed out in this browser. Your devices stay connected.",
        confirm: "Sign out",
        stay: "Stay signed in",
        everywhere_heading: "Lost a device, or not sure?",
        everywhere: "You can sign out everywhere: in all browsers and on all devices that you have \
                     connected. Each will need you to sign in again.",
        everywhere_submit: "Sign out everywhere",
    },
    signed_out: SignedOutTexts {
        heading: "You are signed out",
        here: "You can close this page now.",
        everywhere: "All your browsers and devices are signed out too. It can take up to an hour \
                     until a device notices.",
        again: "Sign in again",
    },
    error: ErrorTexts {
        heading: "Something went wrong",
        bad_request: "This page could not understand the request. Please go back and try again.",
        not_found: "There is no page at this address. Please check that it is spelled correctly.",
        wrong_method: "This page cannot be opened in this way. Please go to the start page.",
        too_large: "More was sent than this page accepts. Please go back and try again.",
        too_many: "There are too many requests right now. Please wait a minute, then try again.",
        unavailable: "This is our fault, not yours. Please try again in a moment.",
        request_id: "If you ask for help, please mention this reference:",
    },
    scopes: ScopeTexts {
        openid: Scope { title: "Recognise you", description: Some("Know your account when you come back.") },
        profile: Scope { title: "See your profile", description: Some("Your name, picture, language and similar details.") },
        email: Scope { title: "See your e-mail address", description: None },
        address: Scope { title: "See your postal address", description: Some("Street, town and country.") },
        phone: Scope { title: "See your phone number", description: None },
        offline_access: Scope {
            title: "Stay signed in",
            description: Some("Keep working without asking you again, until you sign it out."),
        },
    },
};
