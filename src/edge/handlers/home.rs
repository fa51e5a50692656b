//! `GET /` and `POST /device/end`: a person's devices.

use serde_json::json;

use crate::edge::ctx::{Ctx, Platform};
use crate::edge::failure::Failure;
use crate::edge::handlers::browser::{Browser, posted, sealed_form};
use crate::edge::http::{WireRequest, WireResponse};
use crate::edge::log::Line;
use crate::edge::store::{apps, audit, grants};
use crate::pages;
use crate::protocol::audit::Kind;
use crate::protocol::session::EndForm;
use crate::protocol::steps::EndAppForm;
use crate::protocol::time::Timestamp;
use crate::protocol::uri::origin;

/// Who is signed in, the devices that are, and where to go from here.
pub async fn home(ctx: &Ctx, request: &WireRequest) -> Result<WireResponse, Failure> {
    let browser = Browser::of(ctx, request);
    let Some(signed_in) = browser.signed_in(ctx).await? else {
        return Ok(browser.page(ctx, 200, pages::home(&browser.realm(ctx), &pages::Home::default())));
    };
    let grants = grants::of_user(ctx, &signed_in.session.id, &signed_in.session.user).await?;
    let sealer = ctx.config.sealer();
    let form = |grant: &grants::Listed| EndForm { holder: browser.holder(ctx, &signed_in), grant: grant.id.clone() };
    let forms: Vec<String> = grants.iter().map(|grant| sealer.seal(&form(grant), &mut Platform)).collect();
    let seconds = |instant: Timestamp| instant.seconds().max(0).unsigned_abs();
    let devices: Vec<pages::Device<'_>> = grants
        .iter()
        .zip(&forms)
        .map(|(grant, form)| pages::Device {
            name: &grant.name,
            approved_at: seconds(grant.approved_at),
            used_at: seconds(grant.rotated_at),
            form,
        })
        .collect();
    let apps = apps::of_user(ctx, &signed_in.session.id, &signed_in.session.user).await?;
    let form = |app: &apps::App| EndAppForm { holder: browser.holder(ctx, &signed_in), client: app.client_id.clone() };
    let forms: Vec<String> = apps.iter().map(|app| sealer.seal(&form(app), &mut Platform)).collect();
    let apps_shown: Vec<pages::App<'_>> = apps
        .iter()
        .zip(&forms)
        .map(|(app, form)| pages::App {
            name: &app.name,
            logo: app.logo.as_deref(),
            since: seconds(app.since),
            used_at: app.used_at.map(seconds),
            form,
        })
        .collect();
    let images: Vec<&str> = apps.iter().filter_map(|app| app.logo.as_deref().and_then(origin)).collect();
    let model = pages::Home { name: Some(&signed_in.name), devices: &devices, apps: &apps_shown };
    Ok(browser.page_with_images(ctx, 200, pages::home(&browser.realm(ctx), &model), &images))
}

/// `POST /apps/end`: disconnects an app. The consent is taken back and what it had ends.
pub async fn end_app(ctx: &Ctx, request: &mut WireRequest, line: &mut Line) -> Result<WireResponse, Failure> {
    let form = posted(request).await?;
    let browser = Browser::of(ctx, request);
    if let Some(signed_in) = browser.signed_in(ctx).await? {
        let sealed: Option<EndAppForm> = sealed_form(ctx, &form)?;
        match sealed.filter(|sealed| browser.holds(ctx, &sealed.holder, &signed_in)) {
            Some(end) => {
                let user = &signed_in.session.user;
                let event = audit::by_user(ctx, Kind::Revocation, user).of_client(&end.client).with(&json!({ "what": "app" }));
                apps::end(ctx, &signed_in.session.id, user, &end.client, &event).await?;
            }
            None => "form expired, or of another session".clone_into(&mut line.detail),
        }
    }
    Ok(browser.name_on(ctx, WireResponse::see_other("/")))
}

/// Signs one device out: its grant is revoked, and no other.
pub async fn end_device(ctx: &Ctx, request: &mut WireRequest, line: &mut Line) -> Result<WireResponse, Failure> {
    let form = posted(request).await?;
    let browser = Browser::of(ctx, request);
    if let Some(signed_in) = browser.signed_in(ctx).await? {
        let sealed: Option<EndForm> = sealed_form(ctx, &form)?;
        match sealed.filter(|sealed| browser.holds(ctx, &sealed.holder, &signed_in)) {
            Some(end) => {
                let user = &signed_in.session.user;
                let event = audit::by_user(ctx, Kind::Revocation, user).with(&json!({ "what": "device" }));
                grants::revoke(ctx, user, &end.grant, "ended by its owner", &event).await?;
            }
            None => "form expired, or of another session".clone_into(&mut line.detail),
        }
    }
    Ok(browser.name_on(ctx, WireResponse::see_other("/")))
}
