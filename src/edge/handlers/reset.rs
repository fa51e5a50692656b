//! `/reset` and `/verify`: what the links in mails lead to, and where one to a new password is asked for. A link is looked at
//! by GET and acts by POST alone: programs that read mails open links too.

use serde_json::json;

use crate::edge::ctx::{Ctx, Platform};
use crate::edge::failure::Failure;
use crate::edge::handlers::api::limit;
use crate::edge::handlers::browser::{Browser, is_fresh, opened, posted, sealed_form};
use crate::edge::handlers::guess::Guess;
use crate::edge::handlers::session_end;
use crate::edge::http::{WireRequest, WireResponse};
use crate::edge::letters::{self, address};
use crate::edge::log::Line;
use crate::edge::store::users::{self, NewPassword, User};
use crate::edge::store::{audit, dev_outbox};
use crate::pages::{self, KeptMail, Told};
use crate::protocol::audit::Kind;
use crate::protocol::error::{Code, OAuthError};
use crate::protocol::form::Form;
use crate::protocol::letter::{About, Mail, ResetLink, VerifyLink};
use crate::protocol::password::{PasswordHash, is_settable};
use crate::protocol::secret::Secret;
use crate::protocol::session::{ResetForm, login_name};

/// `GET /reset`: whose password; with a link, the new one.
pub async fn show(ctx: &Ctx, request: &WireRequest) -> Result<WireResponse, Failure> {
    sends_mail(ctx)?;
    let (browser, query) = (Browser::of(ctx, request), request.query()?);
    let Some(link) = query.get("link") else { return Ok(ask_page(ctx, &browser, 200, "", false)) };
    match resettable(ctx, opened(ctx, link)?).await? {
        Some(user) => Ok(password_page(ctx, &browser, 200, link, &user, false)),
        None => Ok(ask_page(ctx, &browser, 400, "", true)),
    }
}

/// `POST /reset`: sends a link, or sets the password.
pub async fn submit(ctx: &Ctx, request: &mut WireRequest, line: &mut Line) -> Result<WireResponse, Failure> {
    sends_mail(ctx)?;
    let form = posted(request).await?;
    let browser = Browser::of(ctx, request);
    if form.get("password").is_some() {
        return set(ctx, &browser, &form, line).await;
    }
    ask(ctx, request, &browser, &form, line).await
}

/// Sends a link.
///
/// 1. The form must be this browser's: nobody has another's browser ask.
/// 2. The cheap filter per network, then the budgets of the account and the realm: mails cost money and patience.
/// 3. The same answer and the same work whether there is such an account or not: who has none is written to as well, and
///    the `Outbox` drops it.
async fn ask(ctx: &Ctx, request: &WireRequest, browser: &Browser, form: &Form, line: &mut Line) -> Result<WireResponse, Failure> {
    // 1
    let sealed: Option<ResetForm> = sealed_form(ctx, form)?;
    let typed = form.get("login").unwrap_or_default();
    if !sealed.is_some_and(|sealed| sealed.browser == browser.hash && is_fresh(ctx, sealed.made_at)) {
        "form expired, or of another browser".clone_into(&mut line.detail);
        return Ok(ask_page(ctx, browser, 400, typed, true));
    }
    // 2
    limit(ctx, "LIMIT_LOGIN", request.network()).await?;
    let told = || Ok(browser.page(ctx, 200, pages::told(&browser.realm(ctx), Told::Sent)));
    let Some(login) = login_name(typed) else { return told() };
    if !may_mail(ctx, &format!("login {login}"), &login).await? {
        "too many mails".clone_into(&mut line.detail);
        return told();
    }
    // 3
    let user = users::by_login(ctx, &login).await?.map(|user| user.id);
    letters::post(ctx, user, About::Reset, browser.texts).await?;
    told()
}

/// Sets the password that a link was for.
async fn set(ctx: &Ctx, browser: &Browser, form: &Form, line: &mut Line) -> Result<WireResponse, Failure> {
    let stale = |line: &mut Line| {
        "the link is not good any more".clone_into(&mut line.detail);
        Ok(ask_page(ctx, browser, 400, "", true))
    };
    let Some(user) = resettable(ctx, sealed_form(ctx, form)?).await? else { return stale(line) };
    let password = Secret::new(form.get("password").unwrap_or_default().to_owned());
    if !is_settable(&password) {
        return Ok(password_page(ctx, browser, 400, form.get("form").unwrap_or_default(), &user, true));
    }
    let everywhere = form.get("everywhere") == Some("1");
    if everywhere {
        // Before the password, with which it ends too: who is void by then is told nothing.
        let event = audit::by_user(ctx, Kind::Revocation, &user.id).with(&json!({ "what": "everything" }));
        session_end::end_of(ctx, &user.id, Vec::new(), true, event).await?;
    }
    let event = audit::by_user(ctx, Kind::AccountChange, &user.id).with(&json!({ "what": "password reset" }));
    let hash = PasswordHash::create(&password, &mut Platform).map(|hash| hash.to_text()).unwrap_or_default();
    let new = NewPassword { hash: &hash, sign_out: everywhere, keep: None, what: "password_reset" };
    if !users::set_password(ctx, &user, &new, &event).await? {
        return stale(line);
    }
    Ok(browser.page(ctx, 200, pages::told(&browser.realm(ctx), Told::PasswordSet)))
}

/// `GET /verify?link=`: whether this is their address.
pub async fn show_verify(ctx: &Ctx, request: &WireRequest) -> Result<WireResponse, Failure> {
    sends_mail(ctx)?;
    let (browser, query) = (Browser::of(ctx, request), request.query()?);
    let link = query.get("link").unwrap_or_default();
    let user = verifiable(ctx, opened(ctx, link)?).await?;
    let Some(address) = user.as_ref().and_then(address) else {
        return Ok(browser.page(ctx, 400, pages::told(&browser.realm(ctx), Told::Stale)));
    };
    Ok(browser.page(ctx, 200, pages::verify(&browser.realm(ctx), &pages::Verify { form: link, address })))
}

/// `POST /verify`: the address is theirs.
pub async fn submit_verify(ctx: &Ctx, request: &mut WireRequest, line: &mut Line) -> Result<WireResponse, Failure> {
    sends_mail(ctx)?;
    let form = posted(request).await?;
    let browser = Browser::of(ctx, request);
    let told = |status, told| Ok(browser.page(ctx, status, pages::told(&browser.realm(ctx), told)));
    if let Some(mut user) = verifiable(ctx, sealed_form(ctx, &form)?).await? {
        user.claims.insert("email_verified".to_owned(), true.into());
        let event = audit::by_user(ctx, Kind::AccountChange, &user.id).with(&json!({ "what": "address confirmed" }));
        let login = user.login.clone();
        let is_done = users::update(ctx, &user, &login, &event).await?;
        // A batch whose answer got lost was run twice, and the second run changed nothing.
        let is_ours = is_done
            || users::by_id(ctx, &user.id)
                .await?
                .is_some_and(|now| now.version == user.version + 1 && letters::is_confirmed(&now));
        if is_ours {
            return told(200, Told::Verified);
        }
    }
    "the link is not good any more".clone_into(&mut line.detail);
    told(400, Told::Stale)
}

/// `GET /dev/outbox`: the mails of a developer's machine.
pub async fn outbox(ctx: &Ctx, request: &WireRequest) -> Result<WireResponse, Failure> {
    if ctx.config.mail != Mail::DevOutbox {
        return Err(nothing_here());
    }
    let browser = Browser::of(ctx, request);
    let kept = dev_outbox::newest(ctx).await?;
    let mails: Vec<KeptMail> = kept
        .into_iter()
        .map(|kept| KeptMail {
            to: kept.to_address,
            at: crate::edge::webhooks::rfc3339(kept.at),
            subject: kept.subject,
            body: kept.body,
        })
        .collect();
    Ok(browser.page(ctx, 200, pages::dev_outbox(&browser.realm(ctx), &mails)))
}

/// Whether one more mail may be asked for; takes it from the budgets.
pub async fn may_mail(ctx: &Ctx, owner: &str, of: &str) -> Result<bool, Failure> {
    let settings = &ctx.config.settings;
    let guess = Guess::new().out_of(ctx, owner.to_owned(), &[("mail", of, settings.mail_budget)]).out_of(
        ctx,
        "realm mails".to_owned(),
        &[("mail", "realm", settings.realm_mail_budget)],
    );
    if guess.reserve(ctx).await?.is_some() {
        return Ok(false);
    }
    guess.spend(ctx).await?;
    Ok(true)
}

/// Where no mails are sent, there is nothing here.
fn sends_mail(ctx: &Ctx) -> Result<(), Failure> {
    if ctx.config.mail.is_on() { Ok(()) } else { Err(nothing_here()) }
}

fn nothing_here() -> Failure {
    OAuthError::new(Code::NotFound, "nothing here").into()
}

/// Whose password a link is for, if it is still good. A link that was sent to an address proves only whoever reads that
/// address, so it must be confirmed.
async fn resettable(ctx: &Ctx, link: Option<ResetLink>) -> Result<Option<User>, Failure> {
    let Some(link) = link else { return Ok(None) };
    let user = users::by_id(ctx, &link.user).await?;
    Ok(user.filter(|user| link.is_for(user.version, ctx.now) && user.enabled && letters::is_confirmed(user)))
}

/// Whose address a link is for, if it is still good.
async fn verifiable(ctx: &Ctx, link: Option<VerifyLink>) -> Result<Option<User>, Failure> {
    let Some(link) = link else { return Ok(None) };
    let user = users::by_id(ctx, &link.user).await?;
    Ok(user.filter(|user| link.is_for(user.version, ctx.now) && user.enabled))
}

fn ask_page(ctx: &Ctx, browser: &Browser, status: u16, login: &str, stale: bool) -> WireResponse {
    let form = ResetForm { browser: browser.hash.clone(), made_at: ctx.now };
    let form = ctx.config.sealer().seal(&form, &mut Platform);
    browser.page(ctx, status, pages::reset(&browser.realm(ctx), &pages::Reset { form: &form, login, stale }))
}

fn password_page(ctx: &Ctx, browser: &Browser, status: u16, link: &str, user: &User, weak: bool) -> WireResponse {
    let model = pages::NewPassword { form: link, login: &user.login, weak };
    browser.page(ctx, status, pages::new_password(&browser.realm(ctx), &model))
}
