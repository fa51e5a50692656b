//! `/accounts`: which of the accounts at this browser (`prompt=select_account`, OpenID Connect Core 3.1.2.1).

use crate::edge::ctx::{Ctx, Platform};
use crate::edge::failure::Failure;
use crate::edge::handlers::answer;
use crate::edge::handlers::authorize::{client_for, request_of, step_of};
use crate::edge::handlers::browser::{Browser, client_on_page, is_fresh, posted, sealed_form};
use crate::edge::http::{WireRequest, WireResponse};
use crate::edge::log::Line;
use crate::pages;
use crate::protocol::error::{Code, OAuthError};
use crate::protocol::ids::UserId;
use crate::protocol::session::Next;
use crate::protocol::steps::{AccountsForm, Asked};

/// `GET /accounts?step=`: the accounts that are signed in here. Without any, the login page.
pub async fn show(ctx: &Ctx, request: &WireRequest, line: &mut Line) -> Result<WireResponse, Failure> {
    let browser = Browser::of(ctx, request);
    let asked = step_of(ctx, &browser, request.query()?.require("step")?)?;
    let authorization = request_of(ctx, &asked).await?;
    line.client = Some(authorization.client.clone());
    let browser = browser.reading(authorization.ui_locales.as_deref());
    let redirect_uri = authorization.to.redirect_uri.clone();
    let (client, _) = client_for(ctx, authorization).await?;
    let signed_in = browser.all_signed_in(ctx).await?;
    if signed_in.is_empty() {
        return Ok(browser.to_login(ctx, Next::Authorize { asked: Box::new(asked), beside: true }));
    }
    let form = AccountsForm { browser: browser.hash.clone(), asked, made_at: ctx.now };
    let form = ctx.config.sealer().seal(&form, &mut Platform);
    let accounts: Vec<pages::Account<'_>> = signed_in
        .iter()
        .map(|account| pages::Account {
            id: account.session.user.as_str(),
            name: &account.name,
            detail: account.detail.as_deref(),
        })
        .collect();
    let model = pages::Accounts { form: &form, client: client_on_page(&client), accounts: &accounts };
    let html = pages::accounts(&browser.realm(ctx), &model);
    Ok(answer::page(ctx, &browser, 200, html, &client, &redirect_uri))
}

/// `POST /accounts`: one of them, another one, or none.
///
/// The form says what was asked and nothing about who is signed in: that is looked at again at `/authorize`.
pub async fn submit(ctx: &Ctx, request: &mut WireRequest, line: &mut Line) -> Result<WireResponse, Failure> {
    let form = posted(request).await?;
    let browser = Browser::of(ctx, request);
    let Some(AccountsForm { browser: hash, asked, made_at }) = sealed_form(ctx, &form)? else {
        return Err(OAuthError::new(Code::InvalidRequest, "the form is not valid").into());
    };
    if hash != browser.hash || !is_fresh(ctx, made_at) {
        "form expired, or of another browser".clone_into(&mut line.detail);
        return Ok(browser.to_step(ctx, "/authorize", asked.anew(ctx.now)));
    }
    if form.get("action") == Some("cancel") {
        return answer::cancelled(ctx, &browser, &asked, line).await;
    }
    let chosen = form.get("account").and_then(UserId::parse);
    let before = browser.sessions(ctx)?;
    match chosen.and_then(|user| before.as_ref()?.switched_to(&user)) {
        Some(cookie) => {
            let asked = Asked { chosen: Some(cookie.current.user.clone()), ..asked };
            // Forms that another account has open answer nothing any more.
            let is_in_use = before.is_some_and(|before| before.current == cookie.current);
            let browser = if is_in_use { browser } else { browser.renamed() };
            Ok(Browser::with_sessions(ctx, browser.to_step(ctx, "/authorize", asked), &cookie))
        }
        // Another account, or one that is not signed in here any more.
        None => Ok(browser.to_login(ctx, Next::Authorize { asked: Box::new(asked), beside: true })),
    }
}
