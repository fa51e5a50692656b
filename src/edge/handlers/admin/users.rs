//! `users`: who can sign in.

use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::edge::ctx::{Ctx, Platform};
use crate::edge::handlers::admin::create::{self, Created, Key};
use crate::edge::handlers::admin::{Actor, Call, Outcome};
use crate::edge::handlers::session_end;
use crate::edge::http::WireResponse;
use crate::edge::letters;
use crate::edge::store::audit;
use crate::edge::store::users::{self as store, NewPassword, User};
use crate::pages::text::choose;
use crate::protocol::admin::body::{self, merge};
use crate::protocol::admin::operations::Name;
use crate::protocol::admin::page::Page;
use crate::protocol::admin::problem::{Problem, Word, Wrong};
use crate::protocol::claims::{claim_faults, is_role};
use crate::protocol::ids::UserId;
use crate::protocol::letter::About;
use crate::protocol::password::{PasswordHash, WEAK, is_settable};
use crate::protocol::secret::Secret;
use crate::protocol::session::login_name;
use crate::protocol::time::Timestamp;

/// Most roles of a user.
const MOST_ROLES: usize = 50;
/// What can be patched.
const MEMBERS: [&str; 4] = ["login", "claims", "roles", "enabled"];

/// A user to be. Without a password nobody signs in until one is set.
#[derive(Deserialize)]
pub struct NewUser {
    login: String,
    #[serde(default)]
    password: Option<String>,
    #[serde(default)]
    claims: Map<String, Value>,
    #[serde(default)]
    roles: Vec<String>,
    #[serde(default = "enabled")]
    enabled: bool,
}

const fn enabled() -> bool {
    true
}

/// What can change of a user, whole.
#[derive(Deserialize)]
struct Changed {
    login: String,
    claims: Map<String, Value>,
    roles: Vec<String>,
    enabled: bool,
}

#[derive(Deserialize)]
struct PasswordSaid {
    password: String,
    /// Whether everything that is signed in ends.
    #[serde(default = "enabled")]
    sign_out: bool,
}

/// Answers an operation on users.
pub async fn answer(call: &mut Call<'_>, name: Name) -> Outcome<WireResponse> {
    let ctx = call.ctx;
    match name {
        Name::ListUsers => {
            let (page, query) = (call.page()?, call.request.query()?);
            let users = match query.get("login") {
                Some(login) => by_login(ctx, login).await?.into_iter().collect(),
                None => list(ctx, query.get("q").unwrap_or_default(), &page).await?,
            };
            Ok(WireResponse::json(200, &page.answer(users, |user| user.login.clone(), told)))
        }
        Name::CreateUser => {
            let new: NewUser = call.body(&["login", "password", "claims", "roles", "enabled"]).await?;
            Ok(Call::created(&create(ctx, &call.actor, new, &call.key()?).await?))
        }
        Name::PatchUser => {
            let version = call.if_match()?;
            let members = call.members(&MEMBERS).await?;
            let user = patch(ctx, &call.actor, call.id(), version, members).await?;
            Ok(Call::item(user.version, &told(&user)))
        }
        Name::DeleteUser => {
            delete(ctx, &call.actor, call.id()).await?;
            Ok(Call::no_content())
        }
        Name::SetPassword => {
            let new: PasswordSaid = call.body(&["password", "sign_out"]).await?;
            set_password(ctx, &call.actor, call.id(), &Secret::new(new.password), new.sign_out).await?;
            Ok(Call::no_content())
        }
        Name::MailUser => {
            let said: MailSaid = call.body(&["about"]).await?;
            mail(ctx, &call.actor, call.id(), &said.about).await?;
            Ok(Call::no_content())
        }
        Name::SignOutUser => {
            call.members(&[]).await?;
            sign_out(ctx, &call.actor, call.id()).await?;
            Ok(Call::no_content())
        }
        _ => {
            let user = get(ctx, call.id()).await?;
            Ok(Call::item(user.version, &told(&user)))
        }
    }
}

/// What is told of a user.
pub fn told(user: &User) -> Value {
    let signed_out_at = Some(user.not_before).filter(|at| *at > Timestamp::EPOCH);
    json!({ "id": user.id, "login": user.login, "claims": user.claims, "roles": user.roles, "enabled": user.enabled,
        "version": user.version, "created_at": user.created_at, "updated_at": user.updated_at, "signed_out_at": signed_out_at })
}

/// The users of a page whose login begins so.
pub async fn list(ctx: &Ctx, prefix: &str, page: &Page) -> Outcome<Vec<User>> {
    Ok(store::list(ctx, &prefix.trim().to_lowercase(), page).await?)
}

/// The user who signs in so.
pub async fn by_login(ctx: &Ctx, login: &str) -> Outcome<Option<User>> {
    let Some(login) = login_name(login) else { return Ok(None) };
    let page = Page { limit: 1, after: String::new() };
    Ok(store::list(ctx, &login, &page).await?.into_iter().find(|user| user.login == login))
}

/// A user.
pub async fn get(ctx: &Ctx, id: &str) -> Outcome<User> {
    let id = UserId::parse(id).ok_or_else(Problem::not_found)?;
    Ok(store::by_id(ctx, &id).await?.ok_or_else(Problem::not_found)?)
}

/// Makes a user.
pub async fn create(ctx: &Ctx, actor: &Actor, new: NewUser, key: &Key) -> Outcome<Created> {
    let mut wrong = faults(&new.login, &new.claims, &new.roles);
    let password = new.password.map(Secret::new);
    wrong.extend(password.as_ref().and_then(password_fault));
    let login = login_name(&new.login).unwrap_or_default();
    if !wrong.is_empty() {
        return Err(Problem::invalid(wrong).into());
    }
    actor.check_may_give(new.roles.iter().map(String::as_str))?;
    let user = User {
        id: UserId::generate(&mut Platform),
        login,
        claims: new.claims,
        roles: new.roles,
        enabled: new.enabled,
        not_before: Timestamp::EPOCH,
        version: 1,
        created_at: ctx.now,
        updated_at: ctx.now,
    };
    // No password hashes to nothing, so the empty one is of nobody.
    let hash = password.and_then(|password| PasswordHash::create(&password, &mut Platform));
    let hash = hash.map(|hash| hash.to_text()).unwrap_or_default();
    let created = Created { path: format!("users/{}", user.id.as_str()), version: 1, body: told(&user) };
    let event = actor.changed("user.create", user.id.as_str(), &[]).about(user.id.as_str());
    create::commit(ctx, key, store::insert(&user, &hash, key.row()), created, &event).await
}

/// Changes a user of this version by a merge patch (RFC 7396).
pub async fn patch(ctx: &Ctx, actor: &Actor, id: &str, version: i64, members: Map<String, Value>) -> Outcome<User> {
    let before = get(ctx, id).await?;
    if before.version != version {
        return Err(Problem::stale().into());
    }
    let fields: Vec<String> = members.keys().cloned().collect();
    let mut whole = json!({ "login": before.login, "claims": before.claims, "roles": before.roles, "enabled": before.enabled });
    merge(&mut whole, &Value::Object(members));
    let Value::Object(whole) = whole else { return Err(Problem::stale().into()) };
    let changed: Changed = body::read(whole)?;
    let wrong = faults(&changed.login, &changed.claims, &changed.roles);
    if !wrong.is_empty() {
        return Err(Problem::invalid(wrong).into());
    }
    // Neither what they are nor what they become: an administrator's address or name is a way into the account.
    actor.check_may_give(before.roles.iter().chain(&changed.roles).map(String::as_str))?;
    let login = login_name(&changed.login).unwrap_or_default();
    let after = User { login, claims: changed.claims, roles: changed.roles, enabled: changed.enabled, ..before.clone() };
    if after == before {
        return Ok(before);
    }
    let fields: Vec<&str> = fields.iter().map(String::as_str).collect();
    let event = actor.changed("user.patch", id, &fields).about(id);
    let is_done = store::update(ctx, &after, &before.login, &event).await?;
    let now = get(ctx, id).await?;
    // When the batch was run twice, the second run changed nothing: what stands there tells.
    let is_it = |now: &User| now.version == version + 1 && User { version, updated_at: after.updated_at, ..now.clone() } == after;
    match now {
        now if is_done || is_it(&now) => Ok(now),
        now if now.version != version => Err(Problem::stale().into()),
        _ if after.login != before.login && by_login(ctx, &after.login).await?.is_some() => {
            Err(Problem::new(Word::Conflict, "somebody has this login").into())
        }
        _ => Err(last_administrator()),
    }
}

/// Deletes a user and all that is theirs.
pub async fn delete(ctx: &Ctx, actor: &Actor, id: &str) -> Outcome<()> {
    let user = get(ctx, id).await?;
    actor.check_may_give(user.roles.iter().map(String::as_str))?;
    store::delete(ctx, &user, &actor.changed("user.delete", id, &[]).about(id)).await?;
    match store::by_id(ctx, &user.id).await? {
        None => Ok(()),
        Some(now) if now.version != user.version => Err(Problem::new(Word::Conflict, "it was changed meanwhile").into()),
        Some(_) => Err(last_administrator()),
    }
}

/// Sets a password; with `sign_out` everything that is signed in ends.
pub async fn set_password(ctx: &Ctx, actor: &Actor, id: &str, password: &Secret, sign_out: bool) -> Outcome<()> {
    if let Some(wrong) = password_fault(password) {
        return Err(Problem::invalid(vec![wrong]).into());
    }
    let user = get(ctx, id).await?;
    actor.check_may_give(user.roles.iter().map(String::as_str))?;
    let hash = PasswordHash::create(password, &mut Platform).map(|hash| hash.to_text()).unwrap_or_default();
    let event = actor.changed("user.password", id, &["password"]).about(id);
    if sign_out {
        // Clients hear of it too.
        let event = actor.changed("user.sign_out", id, &[]).about(id);
        session_end::end_of(ctx, &user.id, Vec::new(), true, event).await?;
    }
    let new = NewPassword { hash: &hash, sign_out, keep: None, what: "password_set" };
    if store::set_password(ctx, &user, &new, &event).await? {
        return Ok(());
    }
    Err(Problem::new(Word::Conflict, "it was changed meanwhile").into())
}

/// A mail to be.
#[derive(Debug, Deserialize)]
struct MailSaid {
    about: String,
}

/// Sends the user a link: "reset" to choose a password, "verify" to confirm their address.
pub async fn mail(ctx: &Ctx, actor: &Actor, id: &str, about: &str) -> Outcome<()> {
    if !ctx.config.mail.is_on() {
        return Err(Problem::new(Word::Conflict, "this realm sends no mails: see MAIL_FROM").into());
    }
    let (about, wants_confirmed, lacks) = match about {
        "reset" => (About::Reset, true, "their address is not confirmed"),
        "verify" => (About::Verify, false, "their address is confirmed already"),
        _ => return Err(Problem::invalid(vec![Wrong::at("about", "must be reset or verify")]).into()),
    };
    let user = get(ctx, id).await?;
    if letters::address(&user).is_none() {
        return Err(Problem::new(Word::Conflict, "they have no e-mail address").into());
    }
    if letters::is_confirmed(&user) != wants_confirmed {
        return Err(Problem::new(Word::Conflict, lacks).into());
    }
    let event = actor.changed(if wants_confirmed { "user.mail_reset" } else { "user.mail_verify" }, id, &[]).about(id);
    let texts = choose(user.claims.get("locale").and_then(Value::as_str), None);
    letters::post(ctx, Some(user.id), about, texts).await?;
    audit::note_or_log(ctx, &event).await;
    Ok(())
}

/// Ends every session and voids all that was approved up to now, devices included. Clients that want to hear of it do.
pub async fn sign_out(ctx: &Ctx, actor: &Actor, id: &str) -> Outcome<()> {
    let user = get(ctx, id).await?;
    let event = actor.changed("user.sign_out", id, &[]).about(id);
    Ok(session_end::end_of(ctx, &user.id, Vec::new(), true, event).await?)
}

fn last_administrator() -> crate::edge::handlers::admin::Refusal {
    Problem::new(Word::LastAdministrator, "make somebody else latchkey:admin first").into()
}

fn faults(login: &str, claims: &Map<String, Value>, roles: &[String]) -> Vec<Wrong> {
    let mut wrong: Vec<Wrong> = claim_faults(claims).into_iter().map(|fault| Wrong::at("claims", fault)).collect();
    if login_name(login).is_none() {
        wrong.push(Wrong::at("login", "1 to 254 characters without control characters"));
    }
    if roles.len() > MOST_ROLES || !roles.iter().all(|role| is_role(role)) {
        wrong.push(Wrong::at("roles", "at most 50 of 1 to 64 printable ASCII characters"));
    }
    wrong
}

/// What is wrong with a new password.
pub fn password_fault(password: &Secret) -> Option<Wrong> {
    (!is_settable(password)).then(|| Wrong::at("password", WEAK))
}
