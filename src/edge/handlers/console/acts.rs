//! What the forms of the console do: the core functions of the admin API, by whoever is at the console.

use serde_json::{Map, Value, json};

use crate::edge::handlers::admin::create::Key;
use crate::edge::handlers::admin::{Outcome, clients, grants, keys, sessions, users};
use crate::pages::console::{ConsolePage, Place, Section};
use crate::protocol::acts::ConsoleAct as Act;
use crate::protocol::form::{Form, encode};
use crate::protocol::secret::Secret;

use super::Desk;
use super::views::GRANT_TYPES;

/// What came of an act.
pub enum Done {
    /// It was done; on to this page.
    At(String),
    /// It was done, and this page tells what is told once.
    Page(Box<ConsolePage>),
}

/// The page of what it is done to.
pub fn page_of(act: &Act) -> String {
    match act {
        Act::User { id, .. } | Act::Password { id } | Act::Mail { id, .. } | Act::SignOut { id } => {
            format!("/console/users/{id}")
        }
        Act::EndGrant { user, .. } | Act::EndSession { user, .. } => format!("/console/users/{user}"),
        Act::Client { id, .. } | Act::NewSecret { id } => format!("/console/clients/{}", encode(id)),
        Act::NewClient => "/console/clients/new".to_owned(),
        Act::RotateKeys => "/console/keys".to_owned(),
    }
}

/// Does it. The version in the sealed form is the one that was looked at: what was changed meanwhile is not overwritten.
pub async fn done(desk: &Desk<'_>, act: &Act, form: &Form) -> Outcome<Done> {
    let (ctx, actor) = (desk.ctx, &desk.actor);
    // Again: a role may be gone since the form was made.
    desk.may_write(act.scope())?;
    match act {
        Act::User { id, version } => {
            let roles: Vec<&str> = form.get("roles").unwrap_or_default().split_whitespace().collect();
            let members = json!({ "enabled": form.get("enabled") == Some("1"), "roles": roles });
            users::patch(ctx, actor, id, *version, members.as_object().cloned().unwrap_or_default()).await?;
        }
        Act::Password { id } => {
            let password = Secret::new(form.get("password").unwrap_or_default().to_owned());
            users::set_password(ctx, actor, id, &password, true).await?;
        }
        Act::Mail { id, reset } => users::mail(ctx, actor, id, if *reset { "reset" } else { "verify" }).await?,
        Act::SignOut { id } => users::sign_out(ctx, actor, id).await?,
        Act::EndGrant { user, handle } => grants::end(ctx, actor, user, handle).await?,
        Act::EndSession { user, handle } => sessions::end(ctx, actor, user, Some(handle)).await?,
        Act::Client { id, version } => {
            let members = client_members(desk, form, Some(id)).await?;
            clients::patch(ctx, actor, id, *version, members).await?;
        }
        Act::NewClient => {
            let mut members = client_members(desk, form, None).await?;
            members.remove("enabled");
            members.retain(|_, value| !value.is_null());
            for name in ["client_id", "token_endpoint_auth_method"] {
                if let Some(text) = form.get(name).map(str::trim).filter(|text| !text.is_empty()) {
                    members.insert(name.to_owned(), text.into());
                }
            }
            let created = clients::create(ctx, actor, members, &Key::once()).await?;
            return Ok(told(desk, &created.body));
        }
        Act::NewSecret { id } => {
            let asked = clients::NewSecret { overlap_seconds: 86_400 };
            let created = clients::new_secret(ctx, actor, id, &asked, &Key::once()).await?;
            return Ok(told(desk, &created.body));
        }
        Act::RotateKeys => drop(keys::rotate(ctx, actor).await?),
    }
    Ok(Done::At(page_of(act)))
}

/// The members that the editor has. Grant types that it does not offer stay.
async fn client_members(desk: &Desk<'_>, form: &Form, id: Option<&str>) -> Outcome<Map<String, Value>> {
    let mut members = Map::new();
    members.insert("enabled".to_owned(), (form.get("enabled") == Some("1")).into());
    let Some(name) = form.get("client_name") else { return Ok(members) };
    let mut grants: Vec<String> = match id {
        Some(id) => clients::get(desk.ctx, id).await?.client.metadata.grant_types.clone(),
        None => Vec::new(),
    };
    grants.retain(|grant| !GRANT_TYPES.iter().any(|(_, _, offered)| offered == grant));
    grants.extend(GRANT_TYPES.iter().filter(|(name, ..)| form.get(name) == Some("1")).map(|(_, _, grant)| (*grant).to_owned()));
    let uris: Vec<&str> =
        form.get("redirect_uris").unwrap_or_default().lines().map(str::trim).filter(|uri| !uri.is_empty()).collect();
    let uris = if uris.is_empty() { Value::Null } else { json!(uris) };
    let scope: Vec<&str> = form.get("scope").unwrap_or_default().split_whitespace().collect();
    let named = Some(name.trim()).filter(|name| !name.is_empty()).map_or(Value::Null, Value::from);
    for (name, value) in
        [("client_name", named), ("scope", scope.join(" ").into()), ("redirect_uris", uris), ("grant_types", json!(grants))]
    {
        members.insert(name.to_owned(), value);
    }
    Ok(members)
}

/// A page with the secret, if there is one, and the way to the client.
fn told(desk: &Desk<'_>, body: &Value) -> Done {
    let text = |name: &str| body.get(name).and_then(Value::as_str).map(str::to_owned);
    let id = text("client_id").unwrap_or_default();
    let path = format!("/console/clients/{}", encode(&id));
    let Some(secret) = text("client_secret") else { return Done::At(path) };
    let links = vec![(path, "To the client".to_owned())];
    let mut page = desk.page(Place::Clients, id, vec![Section { links, ..Section::default() }]);
    page.notice = Some(("It is done.".to_owned(), false));
    page.secret = Some(secret);
    Done::Page(Box::new(page))
}
