//! The English words.

use super::{
    AccountsTexts, AllowedTexts, ApprovalTexts, ClaimTexts, ClientTexts, CodeTexts, ConsentTexts, DeniedTexts, ErrorTexts,
    FormPostTexts, HomeTexts, LoginTexts, LogoutTexts, PermissionTexts, Scope, ScopeTexts, SignedOutTexts, Texts, UndoneTexts,
};

/// English.
pub const EN: Texts = Texts {
    lang: "en",
    mistake: "Error:",
    footer: "Sign-in service of",
    expired: "This page was open too long. Please try again.",
    throttled: |minutes| match minutes {
        1 => "Too many attempts. Please wait 1 minute, then try again.".to_owned(),
        _ => format!("Too many attempts. Please wait {minutes} minutes, then try again."),
    },
    signed_in_as: "Signed in as",
    not_you: "Not you?",
    sign_out: "Sign out",
    other_account: "Use another account",
    cancel: "Cancel",
    to_start: "Go to the start page",
    new_tab: "opens in a new tab",
    home: HomeTexts {
        signed_in: "You are signed in",
        welcome: "Welcome",
        lede: "Sign in to connect a device.",
        connect: "Connect a device",
        account: "Your account",
        sign_in: "Sign in",
        devices: "Your devices",
        allowed_on: "Connected on",
        used_on: "last used on",
        end: "Sign out this device",
        apps: "Your apps",
        end_app: "Disconnect",
    },
    client: ClientTexts { continue_to: "to continue to", publisher: "by", policy: "Privacy policy", tos: "Terms of use" },
    login: LoginTexts {
        heading: "Sign in",
        for_account: "Use the account that you were given.",
        for_device: "Sign in to connect a device.",
        again: "Please sign in again to continue.",
        name: "User name",
        password: "Password",
        submit: "Sign in",
        wrong: "The name or the password is not right.",
    },
    reset: &super::mail::RESET_EN,
    letters: &super::mail::LETTERS_EN,
    account: &super::account::EN,
    accounts: AccountsTexts { heading: "Choose an account" },
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
    permission: PermissionTexts {
        asks: "What it asks for",
        always: "always",
        nothing_chosen: "Nothing is left to allow. Choose at least one, or choose Deny.",
        allow: "Allow",
        deny: "Deny",
    },
    approval: ApprovalTexts {
        heading: "Connect this device?",
        lede: "This device asks to use your account:",
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
        caution: "Nobody from support will ever ask you to do this, or to enter a code that they \
                  send you. If somebody did, choose Deny.",
        confirm: "This is my device and I started this sign-in myself.",
        unconfirmed: "To allow, first tick the box to confirm that this is your device. If it is \
                      not, choose Deny.",
    },
    consent: ConsentTexts {
        heading: "Allow access?",
        lede: "This app asks to use your account:",
        destination: "You will be sent to",
        caution: "Only allow this if you know the app and started this yourself.",
    },
    form_post: FormPostTexts {
        heading: "One moment, please",
        on_the_way: "You are on your way to",
        without_script: "If nothing happens, choose Continue.",
        submit: "Continue",
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
        asked: "asks you to sign out.",
        here: "All accounts in this browser will be signed out. Your devices stay connected.",
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
        details: "Details:",
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
        admin: [
            Scope {
                title: "Administer this realm",
                description: Some(
                    "See and change everything: every user, app and signing key. Allow this only if you started it yourself just now.",
                ),
            },
            Scope {
                title: "See all of this realm",
                description: Some(
                    "All users, apps, devices and the audit log, without changing anything. Allow this only if you started it yourself just now.",
                ),
            },
            Scope {
                title: "Administer apps",
                description: Some("See and change which apps there are, what they may do, and their secrets."),
            },
            Scope { title: "Administer users", description: Some("See and change all users, their passwords and their roles.") },
            Scope {
                title: "Administer sign-ins",
                description: Some("See who is signed in and on which devices, and sign them out."),
            },
            Scope { title: "Signing keys", description: Some("See and replace the keys that all tokens are signed with.") },
            Scope {
                title: "Administer trust",
                description: Some("Change whose tokens are accepted here, and who may register apps."),
            },
            Scope { title: "See the audit log", description: Some("See who did what, and change where it is reported to.") },
        ],
    },
    claims: ClaimTexts {
        sub: "See your account number",
        name: "See your full name",
        given_name: "See your first name",
        family_name: "See your last name",
        middle_name: "See your middle name",
        nickname: "See your nickname",
        preferred_username: "See your user name",
        profile: "See the address of your profile page",
        picture: "See your picture",
        website: "See the address of your website",
        email: "See your e-mail address",
        email_verified: "See whether your e-mail address was checked",
        gender: "See your gender",
        birthdate: "See your date of birth",
        zoneinfo: "See your time zone",
        locale: "See your language and region",
        phone_number: "See your phone number",
        phone_number_verified: "See whether your phone number was checked",
        address: "See your postal address",
        updated_at: "See when your profile was last changed",
    },
};
