//! `roles`: names that users can have. Those of administration are there always and never change.

use serde::Deserialize;
use serde_json::{Value, json};

use crate::edge::ctx::Ctx;
use crate::edge::handlers::admin::create::{self, Created, Key};
use crate::edge::handlers::admin::{Actor, Call, Outcome};
use crate::edge::http::WireResponse;
use crate::edge::store::roles::{self as store, Role};
use crate::protocol::admin::operations::Name;
use crate::protocol::admin::page::Page;
use crate::protocol::admin::problem::{Problem, Word, Wrong};
use crate::protocol::admin::scopes::{self, is_administrative};
use crate::protocol::claims::is_role;
use crate::protocol::form::encode;
use crate::protocol::time::Timestamp;

/// Most characters of a description.
const MOST: usize = 500;

/// A role to be.
#[derive(Debug, Deserialize)]
pub struct NewRole {
    name: String,
    #[serde(default)]
    description: String,
}

/// What changes of a role; null empties the description.
#[derive(Debug, Deserialize)]
pub struct Patch {
    #[serde(default)]
    description: Option<String>,
}

/// Answers an operation on roles.
pub async fn answer(call: &mut Call<'_>, name: Name) -> Outcome<WireResponse> {
    let ctx = call.ctx;
    match name {
        Name::ListRoles => {
            let page = call.page()?;
            let roles = list(ctx, &page).await?;
            Ok(WireResponse::json(200, &page.answer(roles, |role| role.name.clone(), told)))
        }
        Name::CreateRole => {
            let new: NewRole = call.body(&["name", "description"]).await?;
            Ok(Call::created(&create(ctx, &call.actor, new, &call.key()?).await?))
        }
        Name::PatchRole => {
            let version = call.if_match()?;
            let members = call.members(&["description"]).await?;
            if members.is_empty() {
                let role = get(ctx, call.id()).await?;
                return Ok(Call::item(role.version, &told(&role)));
            }
            let patch = crate::protocol::admin::body::read(members)?;
            let role = self::patch(ctx, &call.actor, call.id(), version, patch).await?;
            Ok(Call::item(role.version, &told(&role)))
        }
        Name::DeleteRole => {
            delete(ctx, &call.actor, call.id()).await?;
            Ok(Call::no_content())
        }
        _ => {
            let role = get(ctx, call.id()).await?;
            Ok(Call::item(role.version, &told(&role)))
        }
    }
}

/// What is told of a role.
pub fn told(role: &Role) -> Value {
    json!({ "name": role.name, "description": role.description, "built_in": is_administrative(&role.name),
        "version": role.version, "created_at": role.created_at })
}

/// The roles of a page by name, one more than wanted if there are more.
pub async fn list(ctx: &Ctx, page: &Page) -> Outcome<Vec<Role>> {
    let mut roles = store::list(ctx, page).await?;
    roles.extend(scopes::ALL.into_iter().filter(|name| *name > page.after.as_str()).map(built_in));
    roles.sort_by(|a, b| a.name.cmp(&b.name));
    roles.truncate(usize::try_from(page.rows()).unwrap_or(usize::MAX));
    Ok(roles)
}

/// A role.
pub async fn get(ctx: &Ctx, name: &str) -> Outcome<Role> {
    if scopes::ALL.contains(&name) {
        return Ok(built_in(name));
    }
    Ok(store::by_name(ctx, name).await?.ok_or_else(Problem::not_found)?)
}

/// Makes a role.
pub async fn create(ctx: &Ctx, actor: &Actor, new: NewRole, key: &Key) -> Outcome<Created> {
    let mut wrong = described(&new.description);
    if !is_role(&new.name) {
        wrong.push(Wrong::at("name", "1 to 64 printable ASCII characters without spaces"));
    }
    if !wrong.is_empty() {
        return Err(Problem::invalid(wrong).into());
    }
    changeable(&new.name)?;
    let role = Role { name: new.name, description: new.description, version: 1, created_at: ctx.now };
    let created = Created { path: format!("roles/{}", encode(&role.name)), version: 1, body: told(&role) };
    let event = actor.changed("role.create", &role.name, &[]);
    create::commit(ctx, key, vec![store::insert(&role, key.row())], created, &event).await
}

/// Changes a role of this version.
pub async fn patch(ctx: &Ctx, actor: &Actor, name: &str, version: i64, patch: Patch) -> Outcome<Role> {
    changeable(name)?;
    let read = get(ctx, name).await?;
    if read.version != version {
        return Err(Problem::stale().into());
    }
    let changed = Role { description: patch.description.unwrap_or_default(), ..read };
    let wrong = described(&changed.description);
    if !wrong.is_empty() {
        return Err(Problem::invalid(wrong).into());
    }
    let event = actor.changed("role.patch", name, &["description"]);
    let is_done = store::update(ctx, &changed, &event).await?;
    let now = get(ctx, name).await?;
    // Told by what stands there too: when the batch was run twice, the second run changed nothing.
    if is_done || (now.version == version + 1 && now.description == changed.description) {
        return Ok(now);
    }
    Err(Problem::stale().into())
}

/// Deletes a role that nobody has.
pub async fn delete(ctx: &Ctx, actor: &Actor, name: &str) -> Outcome<()> {
    changeable(name)?;
    get(ctx, name).await?;
    store::delete(ctx, name, &actor.changed("role.delete", name, &[])).await?;
    if store::by_name(ctx, name).await?.is_some() && store::is_had(ctx, name).await? {
        return Err(Problem::new(Word::Conflict, "somebody has this role").into());
    }
    Ok(())
}

fn built_in(name: &str) -> Role {
    let description = "Administration: a token with the scope of this name is good while its user has this role";
    Role { name: name.to_owned(), description: description.to_owned(), version: 1, created_at: Timestamp::EPOCH }
}

/// Refuses to touch what is built in.
fn changeable(name: &str) -> Result<(), Problem> {
    if is_administrative(name) {
        return Err(Problem::new(Word::Conflict, "roles that begin with latchkey: are built in and do not change"));
    }
    Ok(())
}

fn described(description: &str) -> Vec<Wrong> {
    if description.chars().count() <= MOST && !description.chars().any(char::is_control) {
        return Vec::new();
    }
    vec![Wrong::at("description", "at most 500 characters, none of them control characters")]
}
