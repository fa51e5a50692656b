//! Every page in every state, and the tools to look into them.

mod console;
mod each_page;
mod every_page;
mod texts;

use super::{
    text::{ALL, EN, Texts},
    *,
};

const SEALED: &str = "sealed-form";

/// What an attacker would put wherever a name is shown.
const HOSTILE: &str = "\"'><script>alert(1)</script><b onclick=x style=y id=evil>&amp;";

fn realm(word: &str) -> Realm<'_> {
    realm_in(&EN, word)
}

fn realm_in<'a>(texts: &'static Texts, word: &'a str) -> Realm<'a> {
    Realm { name: word, logo: Some(word), color: [0x1f, 0x5f, 0x8b], texts }
}

fn client(word: &str) -> Client<'_> {
    Client { name: word, publisher: Some(word), logo: Some(word), policy: Some(word), tos: Some(word) }
}

fn scopes(word: &str) -> [RequestedScope<'_>; 5] {
    let scope = |name| RequestedScope { name, title: None, description: None, required: false, checked: true };
    [
        RequestedScope { required: true, ..scope("openid") },
        scope("email"),
        RequestedScope { title: Some(word), description: Some(word), ..scope("records:read") },
        RequestedScope { checked: false, ..scope("records:write") },
        scope(word),
    ]
}

fn request<'a>(word: &'a str, scopes: &'a [RequestedScope<'a>]) -> Approval<'a> {
    Approval {
        form: SEALED,
        name: word,
        client: client(word),
        user_code: "BCDF-GHJK",
        scopes,
        requested_at: 1_795_347_727,
        now: 1_795_347_727 + 185,
        device_place: Some(word),
        browser_place: Some(word),
        places_differ: true,
        error: None,
    }
}

fn question<'a>(word: &'a str, scopes: &'a [RequestedScope<'a>], claims: &'a [&'a str]) -> Consent<'a> {
    Consent {
        form: SEALED,
        name: word,
        client: client(word),
        scopes,
        claims,
        destination: word,
        switch: "/login?step=x",
        error: None,
    }
}

/// Each page in each state in each language, with `word` wherever a word comes from outside.
fn all_pages(word: &str) -> Vec<(String, String)> {
    let named = |texts: &'static Texts| {
        pages_in(texts, word).into_iter().map(|(name, html)| (format!("{name} ({})", texts.lang()), html))
    };
    ALL.into_iter().flat_map(named).collect()
}

/// Each page in each state in one language.
fn pages_in(texts: &'static Texts, word: &str) -> Vec<(&'static str, String)> {
    let realm = &realm_in(texts, word);
    let pages = [
        sign_in_pages(realm, word),
        mail_pages(realm, word),
        account_pages(realm, word),
        device_pages(realm, word),
        app_pages(realm, word),
        other_pages(realm, word),
    ];
    pages.concat().into_iter().map(|(name, html)| (name, html.into_string())).collect()
}

fn sign_in_pages(realm: &Realm<'_>, word: &str) -> Vec<(&'static str, Html)> {
    let page = |model| login(realm, &model);
    let usual = Login { form: SEALED, login: word, can_reset: true, ..Login::default() };
    let failed = |error| page(Login { error: Some(error), ..usual });
    vec![
        ("login", page(Login { form: SEALED, ..Login::default() })),
        ("login, device", page(Login { purpose: Purpose::Device, ..usual })),
        ("login, again", page(Login { again: true, ..usual })),
        ("login, client", page(Login { purpose: Purpose::Client, client: Some(client(word)), ..usual })),
        ("login, client, again", page(Login { purpose: Purpose::Client, client: Some(client(word)), again: true, ..usual })),
        ("login, wrong", failed(LoginError::Wrong)),
        ("login, throttled", failed(LoginError::Throttled { minutes: 3 })),
        ("login, expired", failed(LoginError::Expired)),
    ]
}

fn mail_pages(realm: &Realm<'_>, word: &str) -> Vec<(&'static str, Html)> {
    let usual = Reset { form: SEALED, login: word, stale: false };
    let chosen = NewPassword { form: SEALED, login: word, weak: false };
    let text = || word.to_owned();
    let mail = KeptMail { to: text(), at: text(), subject: text(), body: format!("{word}\n\nhttp://localhost/{word}\n") };
    vec![
        ("reset", reset(realm, &usual)),
        ("reset, stale", reset(realm, &Reset { stale: true, ..usual })),
        ("new password", new_password(realm, &chosen)),
        ("new password, weak", new_password(realm, &NewPassword { weak: true, ..chosen })),
        ("verify", verify(realm, &Verify { form: SEALED, address: word })),
        ("told, sent", told(realm, Told::Sent)),
        ("told, password set", told(realm, Told::PasswordSet)),
        ("told, verified", told(realm, Told::Verified)),
        ("told, stale", told(realm, Told::Stale)),
        ("outbox", dev_outbox(realm, &[mail])),
    ]
}

fn account_pages(realm: &Realm<'_>, word: &str) -> Vec<(&'static str, Html)> {
    let this = OwnBrowser { this: true, place: word, since: 86_400, used: 1_795_347_727, form: SEALED };
    let device = OwnDevice { name: word, client: "x", place: word, since: 86_400, used: 86_400, rename: SEALED, end: SEALED };
    let scopes = [("openid", None), (word, Some(word)), (word, None)];
    let app = OwnApp { name: word, since: 86_400, used: Some(86_400), scopes: &scopes, form: SEALED };
    let event = |what| OwnEvent { what, at: 86_400, place: word };
    let events = [
        Happened::SignedIn,
        Happened::Connected(word),
        Happened::PasswordChanged,
        Happened::PasswordReset,
        Happened::PasswordSet,
    ];
    let bare = AccountPage { name: word, login: word, password: SEALED, browsers: &[this], ..AccountPage::default() };
    let full = AccountPage {
        email: Some((word, false)),
        verify: Some(SEALED),
        notice: Some(AccountNotice::Done),
        browsers: &[this, OwnBrowser { this: false, place: "", ..this }],
        end_browsers: Some(SEALED),
        devices: &[device],
        end_devices: Some(SEALED),
        pages: (Some(0), Some(2)),
        apps: &[app],
        events: &events.map(event),
        ..bare
    };
    let told = |notice| account(realm, &AccountPage { notice: Some(notice), ..bare });
    vec![
        ("account", account(realm, &full)),
        ("account, bare", account(realm, &bare)),
        ("account, password", told(AccountNotice::Password)),
        ("account, sent", told(AccountNotice::Sent)),
        ("account, wrong", told(AccountNotice::Wrong)),
        ("account, weak", told(AccountNotice::Weak)),
        ("account, throttled", told(AccountNotice::Throttled(0))),
        ("account, expired", told(AccountNotice::Expired)),
        ("account, name", told(AccountNotice::Name)),
    ]
}

fn device_pages(realm: &Realm<'_>, word: &str) -> Vec<(&'static str, Html)> {
    let entry = |model| code_entry(realm, &model);
    let usual = CodeEntry { form: SEALED, name: word, code: word, ..CodeEntry::default() };
    let failed = |error| entry(CodeEntry { error: Some(error), ..usual });
    let asked = |model| approval(realm, &model);
    let scopes = scopes(word);
    let request = request(word, &scopes);
    let little = Approval {
        client: Client { name: word, ..Client::default() },
        scopes: &[],
        device_place: None,
        browser_place: None,
        places_differ: false,
        ..request
    };
    vec![
        ("code", entry(usual)),
        ("code, prefilled", entry(CodeEntry { prefilled: true, ..usual })),
        ("code, not found", failed(CodeError::NotFound)),
        ("code, throttled", failed(CodeError::Throttled { minutes: 1 })),
        ("code, expired", failed(CodeError::Expired)),
        ("approval", asked(request)),
        ("approval, unconfirmed", asked(Approval { error: Some(ApprovalError::Unconfirmed), ..request })),
        ("approval, nothing chosen", asked(Approval { error: Some(ApprovalError::NothingChosen), ..request })),
        ("approval, little known", asked(little)),
        ("allowed", allowed(realm, &Allowed { form: SEALED, client_name: word })),
        ("denied", denied(realm)),
        ("undone", undone(realm)),
    ]
}

fn app_pages(realm: &Realm<'_>, word: &str) -> Vec<(&'static str, Html)> {
    let account = Account { id: word, name: word, detail: Some(word) };
    let known = [account, Account { detail: None, ..account }];
    let choice = Accounts { form: SEALED, client: client(word), accounts: &known };
    let (scopes, claims) = (scopes(word), ["email", "birthdate", word]);
    let usual = question(word, &scopes, &claims);
    let little = Consent { client: Client { name: word, ..Client::default() }, scopes: &[], claims: &[], ..usual };
    let failed = |error| consent(realm, &Consent { error: Some(error), ..usual });
    vec![
        ("accounts", accounts(realm, &choice)),
        (
            "accounts, little known",
            accounts(realm, &Accounts { client: Client { name: word, ..Client::default() }, accounts: &[account], ..choice }),
        ),
        ("consent", consent(realm, &usual)),
        ("consent, little known", consent(realm, &little)),
        ("consent, nothing chosen", failed(ConsentError::NothingChosen)),
        ("consent, expired", failed(ConsentError::Expired)),
        ("form post", form_post(realm, &FormPost { action: word, fields: &[("code", word), (word, "x")], client_name: word })),
    ]
}

fn other_pages(realm: &Realm<'_>, word: &str) -> Vec<(&'static str, Html)> {
    let device = Device { name: word, form: SEALED, ..Device::default() };
    let used_app = App { name: word, logo: Some(word), since: 86_400, used_at: Some(1_795_347_727), form: SEALED };
    let new_app = App { logo: None, used_at: None, ..used_app };
    let wrong = ErrorPage { status: 400, request_id: word, code: None, description: None };
    let leave = Logout { form: SEALED, name: word, expired: false, client: None };
    vec![
        ("home", home(realm, &Home { name: Some(word), ..Home::default() })),
        ("home, with a device", home(realm, &Home { name: Some(word), devices: &[device], ..Home::default() })),
        ("home, with apps", home(realm, &Home { name: Some(word), apps: &[used_app, new_app], ..Home::default() })),
        ("home, with a device and apps", home(realm, &Home { name: Some(word), devices: &[device], apps: &[used_app, new_app] })),
        ("home, signed out", home(realm, &Home::default())),
        ("logout", logout(realm, &leave)),
        ("logout, client", logout(realm, &Logout { client: Some(client(word)), ..leave })),
        ("logout, expired", logout(realm, &Logout { expired: true, ..leave })),
        ("signed out", signed_out(realm, &SignedOut { everywhere: false })),
        ("signed out, everywhere", signed_out(realm, &SignedOut { everywhere: true })),
        ("error", error(realm, &wrong)),
        ("error, in detail", error(realm, &ErrorPage { code: Some(word), description: Some(word), ..wrong })),
    ]
}

fn page(name: &str) -> String {
    let (_, html) = pages_in(&EN, "Ada").into_iter().find(|(page, _)| *page == name).unwrap();
    html
}

/// Every tag, without its angle brackets. Values are escaped, so no `>` stands within one.
fn tags(html: &str) -> Vec<&str> {
    html.split('<').skip(1).filter_map(|rest| rest.split_once('>')).map(|(tag, _)| tag).collect()
}

fn is_a(tag: &str, names: &[&str]) -> bool {
    names.contains(&tag.split_whitespace().next().unwrap_or_default())
}

/// The value of an attribute, which must stand in double quotes.
fn attribute<'a>(tag: &'a str, name: &str) -> Option<&'a str> {
    tag.split(&format!(" {name}=\"")).nth(1)?.split('"').next()
}

fn ids(html: &str) -> Vec<&str> {
    tags(html).into_iter().filter_map(|tag| attribute(tag, "id")).collect()
}

/// The tag that has this id.
fn hook(html: &str, id: &str) -> String {
    let found = tags(html).into_iter().find(|tag| attribute(tag, "id") == Some(id));
    found.unwrap_or_else(|| panic!("no #{id}")).to_owned()
}

/// The input that has this name.
fn input(html: &str, name: &str) -> Option<String> {
    let mut inputs = tags(html).into_iter().filter(|tag| is_a(tag, &["input"]));
    inputs.find(|tag| attribute(tag, "name") == Some(name)).map(str::to_owned)
}
