//! `/logout`.

use crate::edge::ctx::{Ctx, Platform};
use crate::edge::failure::Failure;
use crate::edge::handlers::browser::{Browser, posted, sealed_form};
use crate::edge::http::{WireRequest, WireResponse};
use crate::edge::store::sessions::SignedIn;
use crate::edge::store::{Db, Shards, sessions, users};
use crate::pages;
use crate::protocol::cookie::Cookie;
use crate::protocol::session::{LogoutForm, SessionKey};

/// `GET /logout`: asks, for a link must not sign anybody out.
pub async fn show(ctx: &Ctx, request: &WireRequest) -> Result<WireResponse, Failure> {
    let browser = Browser::of(ctx, request);
    Ok(match browser.signed_in(ctx).await? {
        Some(signed_in) => confirmation(ctx, &browser, &signed_in, false),
        None => browser.page(ctx, 200, pages::signed_out(&browser.realm(ctx), &pages::SignedOut { everywhere: false })),
    })
}

/// `POST /logout`: here, or everywhere. "Everywhere" voids every approval and sign-in up to now,
/// devices included, by one row.
pub async fn submit(ctx: &Ctx, request: &mut WireRequest) -> Result<WireResponse, Failure> {
    let form = posted(request).await?;
    let browser = Browser::of(ctx, request);
    let Some(signed_in) = browser.signed_in(ctx).await? else {
        return Ok(browser.page(ctx, 200, pages::signed_out(&browser.realm(ctx), &pages::SignedOut { everywhere: false })));
    };
    let sealed: Option<LogoutForm> = sealed_form(ctx, &form)?;
    if !sealed.is_some_and(|sealed| browser.holds(ctx, &sealed.holder, &signed_in)) {
        return Ok(confirmation(ctx, &browser, &signed_in, true));
    }
    let everywhere = form.get("action") == Some("everywhere");
    let session = signed_in.session;
    let db = Db::new(ctx, Shards::of(&session.id));
    if everywhere {
        db.batch([users::sign_out_everywhere(&session.user, ctx.now), sessions::delete_all(&session.user)]).await?;
    } else {
        db.run(sessions::delete(&SessionKey { user: session.user, session: session.id })).await?;
    }
    // Who signed out leaves nothing usable behind: the browser's id changes too.
    let renamed = browser.renamed();
    let mut response = renamed.page(ctx, 200, pages::signed_out(&browser.realm(ctx), &pages::SignedOut { everywhere }));
    for cookie in [Cookie::Session, Cookie::UserCode] {
        response.set_cookie(cookie.clear(ctx.config.is_secure()));
    }
    Ok(response)
}

fn confirmation(ctx: &Ctx, browser: &Browser, signed_in: &SignedIn, expired: bool) -> WireResponse {
    let form = LogoutForm { holder: browser.holder(ctx, signed_in) };
    let form = ctx.config.sealer().seal(&form, &mut Platform);
    let model = pages::Logout { form: &form, name: &signed_in.name, expired, client: None };
    browser.page(ctx, if expired { 400 } else { 200 }, pages::logout(&browser.realm(ctx), &model))
}
