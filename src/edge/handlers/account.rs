//! `/account`: what is a person's own, and how they end it.
//!
//! Each button is a form of its own, sealed for this browser, session and user, that says what it does; nothing else in a
//! request decides that.

use std::collections::BTreeMap;

use serde_json::json;

use crate::edge::ctx::{Ctx, Platform};
use crate::edge::failure::Failure;
use crate::edge::handlers::browser::{Browser, minutes, posted, sealed_form};
use crate::edge::handlers::guess::Guess;
use crate::edge::handlers::reset::may_mail;
use crate::edge::handlers::session_end;
use crate::edge::http::{WireRequest, WireResponse};
use crate::edge::letters;
use crate::edge::log::Line;
use crate::edge::store::grants::Alive;
use crate::edge::store::sessions::SignedIn;
use crate::edge::store::users::{self, NewPassword, SecurityEvent};
use crate::edge::store::{apps, audit, grants, sessions};
use crate::pages::{self, AccountNotice, AccountPage, Happened, OwnApp, OwnBrowser, OwnDevice, OwnEvent};
use crate::protocol::acts::{AccountForm, Act};
use crate::protocol::audit::{Event, Kind};
use crate::protocol::client::DEVICE_CODE;
use crate::protocol::form::Form;
use crate::protocol::ids::OwnedId;
use crate::protocol::letter::About;
use crate::protocol::password::{PasswordHash, is_settable};
use crate::protocol::secret::Secret;
use crate::protocol::session::{Next, SessionCookie, SessionKey};
use crate::protocol::time::Timestamp;

/// Devices on one page.
const PAGE: usize = 50;
/// What happened lately, at most.
const MOST_EVENTS: usize = 10;

/// `GET /account`.
pub async fn show(ctx: &Ctx, request: &WireRequest) -> Result<WireResponse, Failure> {
    let browser = Browser::of(ctx, request);
    let Some(signed_in) = browser.signed_in(ctx).await? else {
        return Ok(browser.to_login(ctx, Next::Account));
    };
    let query = request.query()?;
    let notice = match query.get("done") {
        Some("password") => Some(AccountNotice::Password),
        Some("sent") => Some(AccountNotice::Sent),
        Some(_) => Some(AccountNotice::Done),
        None => None,
    };
    let page = query.get("page").and_then(|page| page.parse().ok()).unwrap_or(0);
    own_page(ctx, &browser, &signed_in, 200, page, notice).await
}

/// `POST /account`: what the sealed form says.
pub async fn submit(ctx: &Ctx, request: &mut WireRequest, line: &mut Line) -> Result<WireResponse, Failure> {
    let form = posted(request).await?;
    let browser = Browser::of(ctx, request);
    let Some(signed_in) = browser.signed_in(ctx).await? else {
        return Ok(browser.to_login(ctx, Next::Account));
    };
    let sealed: Option<AccountForm> = sealed_form(ctx, &form)?;
    let Some(asked) = sealed.filter(|sealed| browser.holds(ctx, &sealed.holder, &signed_in)) else {
        "form expired, or of another session".clone_into(&mut line.detail);
        return own_page(ctx, &browser, &signed_in, 400, 0, Some(AccountNotice::Expired)).await;
    };
    match done(ctx, &browser, &signed_in, asked.act, &form, line).await? {
        Done::Told(word) => Ok(told(ctx, &browser, word)),
        Done::Renewed(word, session) => {
            let others = browser.sessions(ctx)?.map(|cookie| cookie.others).unwrap_or_default();
            let cookie = SessionCookie { current: session, others };
            Ok(Browser::with_sessions(ctx, told(ctx, &browser, word), &cookie))
        }
        Done::Not(status, notice) => own_page(ctx, &browser, &signed_in, status, 0, Some(notice)).await,
    }
}

fn told(ctx: &Ctx, browser: &Browser, word: &str) -> WireResponse {
    browser.name_on(ctx, WireResponse::see_other(&format!("/account?done={word}")))
}

/// What came of an act.
enum Done {
    /// It was done; the page says so by this word.
    Told(&'static str),
    /// The same, and this browser's session has another id now.
    Renewed(&'static str, SessionKey),
    /// It was not; why.
    Not(u16, AccountNotice),
}

async fn done(
    ctx: &Ctx,
    browser: &Browser,
    signed_in: &SignedIn,
    act: Act,
    form: &Form,
    line: &mut Line,
) -> Result<Done, Failure> {
    let (user, own) = (&signed_in.session.user, &signed_in.session.id);
    let ended = |what: &str| audit::by_user(ctx, Kind::Revocation, user).with(&json!({ "what": what }));
    match act {
        Act::EndBrowser(session) => {
            session_end::end_of(ctx, user, vec![session], false, ended("session")).await?;
        }
        Act::EndOtherBrowsers => end_others(ctx, signed_in, ended("other sessions")).await?,
        Act::Rename(grant) => {
            let name = form.get("name").unwrap_or_default().trim();
            if !(1..=100).contains(&name.chars().count()) || name.chars().any(char::is_control) {
                return Ok(Done::Not(400, AccountNotice::Name));
            }
            let event = audit::by_user(ctx, Kind::AccountChange, user).with(&json!({ "what": "device renamed" }));
            grants::rename(ctx, user, &grant, name, &event).await?;
        }
        Act::EndDevice { grant, client } => {
            grants::revoke(ctx, user, &grant, "ended by its owner", &ended("device").of_client(&client)).await?;
        }
        Act::EndDevices => grants::revoke_devices(ctx, user, "ended by its owner", &ended("all devices")).await?,
        Act::EndApp(client) => apps::end(ctx, own, user, &client, &ended("app").of_client(&client)).await?,
        Act::Verify => {
            if may_mail(ctx, &format!("account {}", user.as_str()), user.as_str()).await? {
                letters::post(ctx, Some(user.clone()), About::Verify, browser.texts).await?;
            } else {
                "too many mails".clone_into(&mut line.detail);
            }
            return Ok(Done::Told("sent"));
        }
        Act::Password => return password(ctx, signed_in, form, line).await,
    }
    Ok(Done::Told("yes"))
}

/// Ends all sessions but this one; clients that want to hear of it do.
async fn end_others(ctx: &Ctx, signed_in: &SignedIn, event: Event) -> Result<(), Failure> {
    let user = &signed_in.session.user;
    let others = sessions::of_user(ctx, user).await?.into_iter().map(|session| session.id);
    let others: Vec<OwnedId> = others.filter(|id| *id != signed_in.session.id).collect();
    if others.is_empty() { Ok(()) } else { session_end::end_of(ctx, user, others, false, event).await }
}

/// Changes the password.
///
/// 1. The old one, out of a budget of the account's: whoever found an open browser does not get to guess.
/// 2. Everywhere else: clients hear of it, those of devices and of this browser too, then everything up to now is void but
///    this session, whose user has just proved who they are. It gets another id either way: a copy of its cookie is void.
async fn password(ctx: &Ctx, signed_in: &SignedIn, form: &Form, line: &mut Line) -> Result<Done, Failure> {
    let id = &signed_in.session.user;
    let new = Secret::new(form.get("password").unwrap_or_default().to_owned());
    if !is_settable(&new) {
        return Ok(Done::Not(400, AccountNotice::Weak));
    }
    // 1
    let budget = ctx.config.settings.known_browser_budget;
    let guess = Guess::new().out_of(ctx, format!("account {}", id.as_str()), &[("own password", id.as_str(), budget)]);
    if let Some(wait) = guess.reserve(ctx).await? {
        "too many wrong passwords".clone_into(&mut line.detail);
        return Ok(Done::Not(429, AccountNotice::Throttled(minutes(wait))));
    }
    let Some((user, stored)) = users::with_password(ctx, id).await? else {
        guess.release(ctx).await;
        return Ok(Done::Not(400, AccountNotice::Expired));
    };
    let old = Secret::new(form.get("old").unwrap_or_default().to_owned());
    if !PasswordHash::parse(&stored).is_some_and(|stored| stored.verify(&old)) {
        if guess.spend(ctx).await? {
            let burst =
                audit::event(ctx, Kind::FailureBurst, id.as_str()).about(id.as_str()).with(&json!({ "of": "own password" }));
            audit::note_or_log(ctx, &burst).await;
        }
        "wrong password".clone_into(&mut line.detail);
        return Ok(Done::Not(400, AccountNotice::Wrong));
    }
    guess.release(ctx).await;
    // 2
    let everywhere = form.get("everywhere") == Some("1");
    if everywhere {
        session_end::tell_all(ctx, id).await?;
    }
    let hash = PasswordHash::create(&new, &mut Platform).map(|hash| hash.to_text()).unwrap_or_default();
    let event = audit::by_user(ctx, Kind::AccountChange, id).with(&json!({ "what": "password" }));
    let renewed = OwnedId::generate(id, &mut Platform);
    let keep = Some((&signed_in.session.id, &renewed));
    let password = NewPassword { hash: &hash, sign_out: everywhere, keep, what: "password_changed" };
    if users::set_password(ctx, &user, &password, &event).await? {
        if everywhere {
            let ended = audit::by_user(ctx, Kind::Revocation, id).with(&json!({ "what": "everything else" }));
            audit::note_or_log(ctx, &ended).await;
        }
        return Ok(Done::Renewed("password", SessionKey { user: id.clone(), session: renewed }));
    }
    "the account was changed meanwhile".clone_into(&mut line.detail);
    Ok(Done::Not(400, AccountNotice::Expired))
}

/// The page.
async fn own_page(
    ctx: &Ctx,
    browser: &Browser,
    signed_in: &SignedIn,
    status: u16,
    page: usize,
    notice: Option<AccountNotice>,
) -> Result<WireResponse, Failure> {
    let id = &signed_in.session.user;
    let Some(user) = users::by_id(ctx, id).await? else {
        return Ok(browser.to_login(ctx, Next::Account));
    };
    let form = |act: Act| {
        let form = AccountForm { holder: browser.holder(ctx, signed_in), act };
        ctx.config.sealer().seal(&form, &mut Platform)
    };
    let seconds = |instant: Timestamp| instant.seconds().max(0).unsigned_abs();
    let is_this = |open: &sessions::Listed| open.id == signed_in.session.id;
    let mut open = sessions::of_user(ctx, id).await?;
    let has_others = open.iter().any(|open| !is_this(open));
    // This one is among those that are shown, whichever was used last.
    open.sort_by_key(|open| !is_this(open));
    open.truncate(PAGE);
    let forms: Vec<String> = open.iter().map(|open| form(Act::EndBrowser(open.id.clone()))).collect();
    let browsers = open.iter().zip(&forms).map(|(open, form)| OwnBrowser {
        this: is_this(open),
        place: &open.place,
        since: seconds(open.auth_time),
        used: seconds(open.seen_at),
        form,
    });
    let browsers: Vec<OwnBrowser<'_>> = browsers.collect();

    let alive = grants::alive(ctx, id).await?;
    let (all, others): (Vec<&Alive>, Vec<&Alive>) = alive.iter().partition(|grant| grant.grant_type == DEVICE_CODE);
    let start = page.saturating_mul(PAGE);
    let shown: Vec<&Alive> = all.iter().skip(start).take(PAGE).copied().collect();
    let names = apps::names(ctx, shown.iter().map(|grant| grant.client_id.as_str())).await?;
    let forms: Vec<(String, String)> = shown
        .iter()
        .map(|grant| {
            let end = Act::EndDevice { grant: grant.id.clone(), client: grant.client_id.clone() };
            (form(Act::Rename(grant.id.clone())), form(end))
        })
        .collect();
    let devices = shown.iter().zip(&forms).map(|(grant, (rename, end))| OwnDevice {
        name: &grant.name,
        client: names.get(&grant.client_id).map_or(grant.client_id.as_str(), String::as_str),
        place: &grant.place,
        since: seconds(grant.approved_at),
        used: seconds(grant.rotated_at),
        rename,
        end,
    });
    let devices: Vec<OwnDevice<'_>> = devices.collect();

    let apps = apps::of_user(ctx, &signed_in.session.id, id).await?;
    let mut allowed: BTreeMap<String, Vec<String>> = apps::allowed(ctx, id).await?;
    for grant in others {
        allowed.entry(grant.client_id.clone()).or_default().extend(grant.approved_scope.iter().map(str::to_owned));
    }
    for scopes in allowed.values_mut() {
        scopes.sort();
        scopes.dedup();
    }
    let none = Vec::new();
    let words = |name: &String| -> Option<&str> { ctx.config.scopes.words(name).map(|words| words.title.as_str()) };
    let scopes: Vec<Vec<(&str, Option<&str>)>> = apps
        .iter()
        .map(|app| allowed.get(&app.client_id).unwrap_or(&none).iter().map(|name| (name.as_str(), words(name))).collect())
        .collect();
    let forms: Vec<String> = apps.iter().map(|app| form(Act::EndApp(app.client_id.clone()))).collect();
    let own_apps = apps.iter().zip(&scopes).zip(&forms).map(|((app, scopes), form)| OwnApp {
        name: &app.name,
        since: seconds(app.since),
        used: app.used_at.map(seconds),
        scopes,
        form,
    });
    let own_apps: Vec<OwnApp<'_>> = own_apps.collect();

    let noted = users::security_events(ctx, id).await?;
    let events = happened(&noted, &open, &all);
    let (change, verify) = (form(Act::Password), form(Act::Verify));
    let (end_browsers, end_devices) = (form(Act::EndOtherBrowsers), form(Act::EndDevices));
    let email = letters::address(&user).map(|address| (address, letters::is_confirmed(&user)));
    let is_to_confirm = ctx.config.mail.is_on() && email.is_some_and(|(_, is_confirmed)| !is_confirmed);
    let model = AccountPage {
        name: &signed_in.name,
        login: &user.login,
        email,
        verify: is_to_confirm.then_some(&verify),
        password: &change,
        notice,
        browsers: &browsers,
        end_browsers: has_others.then_some(&end_browsers),
        devices: &devices,
        end_devices: (!all.is_empty()).then_some(&end_devices),
        pages: (page.checked_sub(1), (all.len() > start.saturating_add(PAGE)).then(|| page.saturating_add(1))),
        apps: &own_apps,
        events: &events,
    };
    let response = browser.page(ctx, status, pages::account(&browser.realm(ctx), &model));
    Ok(match notice {
        Some(AccountNotice::Throttled(minutes)) => response.header("retry-after", minutes.saturating_mul(60).to_string()),
        _ => response,
    })
}

/// What happened lately, newest first: changes of credentials as they were noted with the user, sign-ins and devices as far
/// as they are still there. Nothing of it costs a row of its own.
fn happened<'a>(noted: &'a [SecurityEvent], open: &'a [sessions::Listed], devices: &[&'a Alive]) -> Vec<OwnEvent<'a>> {
    let seconds = |instant: Timestamp| instant.seconds().max(0).unsigned_abs();
    let noted = noted.iter().filter_map(|event| {
        let what = match event.what.as_str() {
            "password_changed" => Happened::PasswordChanged,
            "password_reset" => Happened::PasswordReset,
            "password_set" => Happened::PasswordSet,
            _ => return None,
        };
        Some(OwnEvent { what, at: seconds(event.at), place: &event.place })
    });
    let open = open.iter().map(|open| OwnEvent { what: Happened::SignedIn, at: seconds(open.auth_time), place: &open.place });
    let devices = devices.iter().map(|grant| OwnEvent {
        what: Happened::Connected(&grant.name),
        at: seconds(grant.approved_at),
        place: &grant.place,
    });
    let mut all: Vec<OwnEvent<'a>> = noted.chain(open).chain(devices).collect();
    all.sort_by_key(|event| std::cmp::Reverse(event.at));
    all.truncate(MOST_EVENTS);
    all
}
