//! `/console`: the admin API's core functions as pages, for whoever has a role of administration and signed in lately.
//! Nobody else is told that it is there, but for the sign-in page.

mod acts;
mod log;
mod overview;
mod views;

use crate::edge::ctx::{Ctx, Platform};
use crate::edge::failure::Failure;
use crate::edge::handlers::admin::{Actor, Outcome, Refusal};
use crate::edge::handlers::browser::{Browser, from_our_own_page, sealed_form};
use crate::edge::http::{WireRequest, WireResponse};
use crate::edge::log::Line;
use crate::edge::store::sessions::SignedIn;
use crate::pages;
use crate::pages::console::{ConsolePage, Place, Section};
use crate::protocol::acts::{ConsoleAct, ConsoleForm};
use crate::protocol::admin::problem::{Problem, Word};
use crate::protocol::admin::scopes::{self, ADMIN, ADMIN_READ, AUDIT, CLIENTS, KEYS, USERS};
use crate::protocol::error::{Code, OAuthError};
use crate::protocol::form::decode;
use crate::protocol::scope::Scope;
use crate::protocol::session::Next;
use crate::protocol::time::Seconds;

/// The heading where an act was refused.
const NOTHING_DONE: &str = "Nothing was done";

/// Somebody at the console.
pub struct Desk<'a> {
    ctx: &'a Ctx,
    browser: Browser,
    signed_in: SignedIn,
    actor: Actor,
}

impl Desk<'_> {
    /// Whether they may look at what this scope is about.
    fn may_read(&self, scope: &str) -> Result<(), Problem> {
        let has = |scope: &str| self.actor.scopes.contains(scope);
        if has(ADMIN) || has(ADMIN_READ) || has(scope) { Ok(()) } else { Err(lacks(scope)) }
    }

    /// Whether they may change it.
    fn may_write(&self, scope: &str) -> Result<(), Problem> {
        if self.actor.scopes.contains(ADMIN) || self.actor.scopes.contains(scope) { Ok(()) } else { Err(lacks(scope)) }
    }

    /// A sealed form that does this; none: they may not.
    fn form(&self, act: ConsoleAct) -> Option<String> {
        self.may_write(act.scope()).ok()?;
        let form = ConsoleForm { holder: self.browser.holder(self.ctx, &self.signed_in), act };
        Some(self.ctx.config.sealer().seal(&form, &mut Platform))
    }

    /// A page. What they may not look at is not in its menu, and what they may not do is not offered.
    fn page(&self, place: Place, title: impl Into<String>, mut sections: Vec<Section>) -> ConsolePage {
        for section in &mut sections {
            section.form.take_if(|form| form.sealed.is_none() && form.action.is_empty());
        }
        sections.retain(Section::has_anything);
        let places = Place::ALL.into_iter().filter(|place| scope_of(*place).is_none_or(|scope| self.may_read(scope).is_ok()));
        let name = self.signed_in.name.clone();
        ConsolePage { place, places: places.collect(), title: title.into(), name, notice: None, secret: None, sections }
    }
}

/// The role that a place needs, if it is not one for everything.
const fn scope_of(place: Place) -> Option<&'static str> {
    match place {
        Place::Overview => None,
        Place::Users => Some(USERS),
        Place::Sites | Place::Audit => Some(AUDIT),
        Place::Clients => Some(CLIENTS),
        Place::Keys => Some(KEYS),
    }
}

fn lacks(scope: &str) -> Problem {
    Problem::new(Word::InsufficientScope, format!("the role {scope}, or latchkey:admin, is needed for this"))
}

/// `GET /console..`.
pub async fn show(ctx: &Ctx, request: &WireRequest) -> Result<WireResponse, Failure> {
    let desk = match gate(ctx, request).await? {
        Ok(desk) => desk,
        Err(response) => return Ok(*response),
    };
    let query = request.query()?;
    let path = request.path.strip_prefix("/console").unwrap_or_default().trim_matches('/').to_owned();
    let page = match path.split_once('/') {
        None => match path.as_str() {
            "" => overview::overview(&desk, &query).await,
            "users" => views::users(&desk, &query).await,
            "sites" => overview::sites(&desk, &query).await,
            "clients" => views::clients(&desk, &query).await,
            "keys" => views::keys(&desk).await,
            "audit" => log::audit(&desk, &query).await,
            _ => return Err(nothing_here()),
        },
        Some(("users", id)) => views::user(&desk, id).await,
        Some(("clients", "new")) => views::new_client(&desk),
        Some(("clients", id)) => {
            let id = decode(id.replace('+', "%2B").as_bytes()).ok_or_else(nothing_here)?;
            views::client(&desk, &id).await
        }
        Some(_) => return Err(nothing_here()),
    };
    let mut page = or_problem(&desk, page, "That cannot be shown")?;
    if page.notice.is_none() && query.get("done").is_some() {
        page.notice = Some(("It is done.".to_owned(), false));
    }
    Ok(answered(&desk, &page))
}

/// `POST /console`: what the sealed form says.
pub async fn submit(ctx: &Ctx, request: &mut WireRequest, line: &mut Line) -> Result<WireResponse, Failure> {
    // From another site it comes without cookies: nothing here, and no new name for the browser.
    from_our_own_page(request).map_err(|_| nothing_here())?;
    let desk = match gate(ctx, request).await? {
        Ok(desk) => desk,
        Err(response) => return Ok(*response),
    };
    let form = request.form().await?;
    let sealed: Option<ConsoleForm> = sealed_form(ctx, &form)?;
    let Some(asked) = sealed.filter(|sealed| desk.browser.holds(ctx, &sealed.holder, &desk.signed_in)) else {
        "form expired, or of another session".clone_into(&mut line.detail);
        let mut page = desk.page(Place::Overview, NOTHING_DONE, Vec::new());
        page.notice = Some(("This page was open too long. Please try again.".to_owned(), true));
        return Ok(answered(&desk, &page));
    };
    match acts::done(&desk, &asked.act, &form).await {
        Ok(acts::Done::At(path)) => {
            let mark = if path.contains('?') { '&' } else { '?' };
            Ok(desk.browser.name_on(ctx, WireResponse::see_other(&format!("{path}{mark}done=1"))))
        }
        Ok(acts::Done::Page(page)) => Ok(answered(&desk, &page)),
        Err(refusal) => {
            let mut page = or_problem(&desk, Err(refusal), NOTHING_DONE)?;
            page.sections =
                vec![Section { links: vec![(acts::page_of(&asked.act), "Look at it again".to_owned())], ..Section::default() }];
            line.detail = page.notice.as_ref().map(|(text, _)| text.clone()).unwrap_or_default();
            Ok(answered(&desk, &page))
        }
    }
}

/// Who is there, if they may be: alive and with a role of administration right now, and signed in lately.
async fn gate<'a>(ctx: &'a Ctx, request: &WireRequest) -> Result<Result<Desk<'a>, Box<WireResponse>>, Failure> {
    let browser = Browser::of(ctx, request);
    let Some(signed_in) = browser.signed_in(ctx).await? else {
        return Ok(Err(Box::new(browser.to_login(ctx, Next::Console { after: None }))));
    };
    let all = Scope::parse(&scopes::ALL.join(" ")).unwrap_or_default();
    let scopes = scopes::of_user(&all, &signed_in.roles);
    if scopes.is_empty() {
        return Err(nothing_here());
    }
    let oldest = ctx.now.minus(Seconds(ctx.config.settings.admin_max_auth_age));
    if signed_in.session.auth_time <= oldest {
        return Ok(Err(Box::new(browser.to_login(ctx, Next::Console { after: Some(oldest) }))));
    }
    let actor = Actor { id: signed_in.session.user.as_str().to_owned(), place: ctx.place.clone(), scopes };
    Ok(Ok(Desk { ctx, browser, signed_in, actor }))
}

/// As at a path that is not there.
fn nothing_here() -> Failure {
    OAuthError::new(Code::NotFound, "nothing here").into()
}

/// The page, or one that says why there is none.
fn or_problem(desk: &Desk<'_>, page: Outcome<ConsolePage>, title: &str) -> Result<ConsolePage, Failure> {
    let problem = match page {
        Ok(page) => return Ok(page),
        Err(Refusal::Failure(failure)) => return Err(failure),
        Err(Refusal::Problem(problem)) => problem,
    };
    let wrong: Vec<String> =
        problem.wrong.iter().map(|wrong| format!("{}: {}", wrong.pointer.trim_start_matches('/'), wrong.detail)).collect();
    let text = match problem.word {
        Word::Stale => "It was changed since the page was made, and was left as it is now.".to_owned(),
        _ if wrong.is_empty() => problem.detail,
        _ => wrong.join("; "),
    };
    let mut page = desk.page(Place::Overview, title, Vec::new());
    page.notice = Some((text, true));
    Ok(page)
}

fn answered(desk: &Desk<'_>, page: &ConsolePage) -> WireResponse {
    let status = if page.notice.as_ref().is_some_and(|(_, is_mistake)| *is_mistake) { 400 } else { 200 };
    desk.browser.page(desk.ctx, status, pages::console::console(&desk.browser.realm(desk.ctx), page))
}
