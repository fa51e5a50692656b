//! What the forms of the console do: the core functions of the admin API, by whoever is at the console.

use serde_json::{Map, Value, json};

use crate::edge::handlers::admin::create::Key;
use crate::edge::handlers::admin::{Outcome, clients, grants, keys, sessions, users};
use crate::pages::console::{ConsolePage, Place, Section};
use crate::protocol::acts::ConsoleAct as Act;
use crate::protocol::admin::scopes::{CLIENTS, GRANTS, KEYS, USERS};
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

/// Does it. The version in the sealed form is the one that was looked at: what was changed meanwhile is not overwritten.
pub async fn done(desk: &Desk<'_>, act: &Act, form: &Form) -> Outcome<Done> {
    let (ctx, actor) = (desk.ctx, &desk.actor);
    let of_user = |id: &str| Done::At(format!("/console/users/{id}"));
    match act {
        Act::User { id, version } => {
            desk.may_write(USERS)?;
            let roles: Vec<&str> = form.get("roles").unwrap_or_default().split_whitespace().collect();
            let members = json!({ "enabled": form.get("enabled") == Some("1"), "roles": roles });
            users::patch(ctx, actor, id, *version, members.as_object().cloned().unwrap_or_default()).await?;
            Ok(of_user(id))
        }
        Act::Password { id } => {
            desk.may_write(USERS)?;
            let password = Secret::new(form.get("password").unwrap_or_default().to_owned());
            users::set_password(ctx, actor, id, &password, true).await?;
            Ok(of_user(id))
        }
        Act::Mail { id, reset } => {
            desk.may_write(USERS)?;
            users::mail(ctx, actor, id, if *reset { "reset" } else { "verify" }).await?;
            Ok(of_user(id))
        }
        Act::SignOut { id } => {
            desk.may_write(USERS)?;
            users::sign_out(ctx, actor, id).await?;
            Ok(of_user(id))
        }
        Act::EndGrant { user, handle } => {
            desk.may_write(GRANTS)?;
            grants::end(ctx, actor, user, handle).await?;
            Ok(of_user(user))
        }
        Act::EndSession { user, handle } => {
            desk.may_write(GRANTS)?;
            sessions::end(ctx, actor, user, Some(handle)).await?;
            Ok(of_user(user))
        }
        Act::Client { id, version } => {
            desk.may_write(CLIENTS)?;
            let members = client_members(desk, form, Some(id)).await?;
            clients::patch(ctx, actor, id, *version, members).await?;
            Ok(Done::At(format!("/console/clients/{}", encode(id))))
        }
        Act::NewClient => {
            desk.may_write(CLIENTS)?;
            let mut members = client_members(desk, form, None).await?;
            members.remove("enabled");
            members.retain(|_, value| !value.is_null());
            for name in ["client_id", "token_endpoint_auth_method"] {
                if let Some(text) = form.get(name).map(str::trim).filter(|text| !text.is_empty()) {
                    members.insert(name.to_owned(), text.into());
                }
            }
            let created = clients::create(ctx, actor, members, &Key::once()).await?;
            Ok(told(desk, &created.body))
        }
        Act::NewSecret { id } => {
            desk.may_write(CLIENTS)?;
            let asked = clients::NewSecret { overlap_seconds: 86_400 };
            let created = clients::new_secret(ctx, actor, id, &asked, &Key::once()).await?;
            Ok(told(desk, &created.body))
        }
        Act::RotateKeys => {
            desk.may_write(KEYS)?;
            keys::rotate(ctx, actor).await?;
            Ok(Done::At("/console/keys".to_owned()))
        }
    }
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
