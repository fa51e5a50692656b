//! Every page in every state, and the tools to look into them.

mod each_page;
mod every_page;

use super::{text::EN, *};

const SEALED: &str = "sealed-form";

/// What an attacker would put wherever a name is shown.
const HOSTILE: &str = "\"'><script>alert(1)</script><b onclick=x style=y id=evil>&amp;";

fn realm(word: &str) -> Realm<'_> {
    Realm { name: word, logo: Some(word), color: [0x1f, 0x5f, 0x8b], texts: &EN }
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
        client: Client { name: word, publisher: Some(word), logo: Some(word), policy: Some(word), tos: Some(word) },
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

/// Each page in each state, with `word` wherever a word comes from outside.
fn pages(word: &str) -> Vec<(&'static str, String)> {
    let pages = [sign_in_pages(word), device_pages(word), other_pages(word)].concat();
    pages.into_iter().map(|(name, html)| (name, html.into_string())).collect()
}

fn sign_in_pages(word: &str) -> Vec<(&'static str, Html)> {
    let page = |model| login(&realm(word), &model);
    let usual = Login { form: SEALED, login: word, cancel: true, ..Login::default() };
    let failed = |error| page(Login { error: Some(error), ..usual });
    vec![
        ("login", page(Login { form: SEALED, ..Login::default() })),
        ("login, device", page(Login { purpose: Purpose::Device, ..usual })),
        ("login, again", page(Login { again: true, ..usual })),
        ("login, wrong", failed(LoginError::Wrong)),
        ("login, throttled", failed(LoginError::Throttled { minutes: 3 })),
        ("login, expired", failed(LoginError::Expired)),
    ]
}

fn device_pages(word: &str) -> Vec<(&'static str, Html)> {
    let entry = |model| code_entry(&realm(word), &model);
    let usual = CodeEntry { form: SEALED, name: word, code: word, ..CodeEntry::default() };
    let failed = |error| entry(CodeEntry { error: Some(error), ..usual });
    let question = |model| approval(&realm(word), &model);
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
        ("approval", question(request)),
        ("approval, unconfirmed", question(Approval { error: Some(ApprovalError::Unconfirmed), ..request })),
        ("approval, nothing chosen", question(Approval { error: Some(ApprovalError::NothingChosen), ..request })),
        ("approval, little known", question(little)),
        ("allowed", allowed(&realm(word), &Allowed { form: SEALED, client_name: word })),
        ("denied", denied(&realm(word))),
        ("undone", undone(&realm(word))),
    ]
}

fn other_pages(word: &str) -> Vec<(&'static str, Html)> {
    let realm = &realm(word);
    let leave = Logout { form: SEALED, name: word, expired: false, client: None };
    vec![
        ("home", home(realm, &Home { name: Some(word), ..Home::default() })),
        (
            "home, with a device",
            home(
                realm,
                &Home {
                    name: Some(word),
                    devices: &[Device { name: word, form: SEALED, ..Device::default() }],
                    ..Home::default()
                },
            ),
        ),
        ("home, signed out", home(realm, &Home::default())),
        ("logout", logout(realm, &leave)),
        ("logout, expired", logout(realm, &Logout { expired: true, ..leave })),
        ("signed out", signed_out(realm, &SignedOut { everywhere: false })),
        ("signed out, everywhere", signed_out(realm, &SignedOut { everywhere: true })),
        ("error", error(realm, &ErrorPage { status: 400, request_id: word, code: None, description: None })),
    ]
}

fn page(name: &str) -> String {
    let (_, html) = pages("Ada").into_iter().find(|(page, _)| *page == name).unwrap();
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
