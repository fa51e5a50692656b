//! Commands about clients, users, roles, grants, sessions, keys, tokens, issuers and webhooks.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use crate::api::Api;
use crate::args::{Clients, Grants, Items, Keys, Members, Most, NewSecret, OneOrAll, Sessions, Tokens, Users, Webhooks};
use crate::failure::{Failure, Outcome};
use crate::input::members;
use crate::prompt::new_password;
use crate::show::Form;

/// A collection of the admin API.
#[derive(Clone, Copy, Debug)]
pub struct Kind {
    path: &'static str,
    columns: &'static [&'static str],
    /// How an id is written in a path.
    id: fn(&str) -> String,
}

/// Roles.
pub const ROLES: Kind = Kind { path: "roles", columns: &["name", "description"], id: str::to_owned };
/// Trusted issuers: named in a path by the base64url of their URL.
pub const ISSUERS: Kind =
    Kind { path: "trusted-issuers", columns: &["issuer", "enabled", "version"], id: |issuer| URL_SAFE_NO_PAD.encode(issuer) };
const CLIENTS: Kind = Kind {
    path: "clients",
    columns: &["client_id", "client_name", "enabled", "token_endpoint_auth_method", "grant_types", "scope"],
    id: str::to_owned,
};
const WEBHOOKS: Kind = Kind { path: "webhooks", columns: &["id", "url", "kinds", "enabled"], id: str::to_owned };
const USER: &[&str] = &["id", "login", "enabled", "roles", "created_at"];
const GRANT: &[&str] = &["handle", "kind", "name", "client_id", "place", "approved_at", "used_at", "scope"];
const SESSION: &[&str] = &["handle", "place", "signed_in_at", "seen_at"];
const KEY: &[&str] = &["kid", "alg", "state", "sign_from_at", "sign_until_at", "remove_at"];

/// What a command needs: who is signed in is asked for by it, after it looked at its own arguments.
#[derive(Clone, Copy)]
pub struct With<'a> {
    /// The realm that was named.
    pub issuer: Option<&'a str>,
    /// How to print.
    pub form: Form,
}

impl With<'_> {
    /// Whoever is signed in.
    pub fn api(self) -> Outcome<Api> {
        Api::open(self.issuer)
    }

    /// Prints a collection.
    fn list(self, path: &[&str], query: &[(&str, &str)], most: usize, columns: &[&str]) -> Outcome<()> {
        let (items, has_more) = self.api()?.list(path, query, most)?;
        self.form.show(&items.into(), columns)?;
        if has_more {
            eprintln!("There are more: --limit");
        }
        Ok(())
    }

    /// Says that something was done, to people.
    fn done(self, words: &str) {
        if self.form == Form::Table {
            eprintln!("{words}");
        }
    }
}

/// Prints what was created, and warns of what is shown once.
fn created(with: With<'_>, told: &Value) -> Outcome<()> {
    with.form.show(told, &[])?;
    if ["client_secret", "secret", "token"].iter().any(|name| told.get(name).is_some()) {
        with.done("The secret is shown this once: keep it now.");
    }
    Ok(())
}

fn body(said: &Members) -> Outcome<Value> {
    members(said.file.as_deref(), &said.members)
}

/// A command about a collection.
pub fn items(with: With<'_>, kind: Kind, what: &Items) -> Outcome<()> {
    let at = |id: &str| (kind.id)(id);
    match what {
        Items::List(Most { limit }) => with.list(&[kind.path], &[], *limit, kind.columns),
        Items::Get { id } => with.form.show(&with.api()?.get(&[kind.path, &at(id)], &[])?.body, &[]),
        Items::Create(said) => {
            let body = body(said)?;
            created(with, &with.api()?.create(&[kind.path], &body)?.body)
        }
        Items::Update { id, changes } => {
            let changes = body(changes)?;
            with.form.show(&with.api()?.patch(&[kind.path, &at(id)], &changes)?.body, &[])
        }
        Items::Delete { id } => {
            with.api()?.delete(&[kind.path, &at(id)])?;
            with.done("Deleted.");
            Ok(())
        }
    }
}

fn new_secret(with: With<'_>, kind: Kind, NewSecret { id, overlap }: &NewSecret) -> Outcome<()> {
    let answer = with.api()?.create(&[kind.path, id, "secrets"], &json!({ "overlap_seconds": overlap }))?;
    created(with, &answer.body)
}

/// A command about clients.
pub fn clients(with: With<'_>, what: &Clients) -> Outcome<()> {
    match what {
        Clients::Items(what) => items(with, CLIENTS, what),
        Clients::Secret(new) => new_secret(with, CLIENTS, new),
    }
}

/// A command about webhooks.
pub fn webhooks(with: With<'_>, what: &Webhooks) -> Outcome<()> {
    match what {
        Webhooks::Items(what) => items(with, WEBHOOKS, what),
        Webhooks::Secret(new) => new_secret(with, WEBHOOKS, new),
        Webhooks::Test { id } => with.form.show(&with.api()?.post(&["webhooks", id, "test"], &json!({}))?.body, &[]),
    }
}

/// Whether this has the form of a user id: then it is one, and never a login name.
fn is_user_id(who: &str) -> bool {
    URL_SAFE_NO_PAD.decode(who).is_ok_and(|bytes| bytes.len() == 16)
}

/// The id of a user.
fn user(api: &Api, who: &str) -> Outcome<String> {
    if is_user_id(who) {
        return Ok(who.to_owned());
    }
    let (found, _) = api.list(&["users"], &[("login", who)], 1)?;
    let id = found.first().and_then(|user| user.get("id")).and_then(Value::as_str);
    id.map(str::to_owned).ok_or_else(|| Failure::Failed(format!("nobody signs in as {who:?}\nlook: latchkey users list")))
}

/// A command about users.
pub fn users(with: With<'_>, what: &Users) -> Outcome<()> {
    let ask = |who: &str, more: &[&str], body: &Value, done: &str| {
        let api = with.api()?;
        let id = user(&api, who)?;
        let told = api.post(&[&["users", &id], more].concat(), body)?;
        with.form.show(&told.body, &[])?;
        with.done(done);
        Ok(())
    };
    match what {
        Users::List { query, most } => {
            let query: Vec<(&str, &str)> = query.iter().map(|query| ("q", query.as_str())).collect();
            with.list(&["users"], &query, most.limit, USER)
        }
        Users::Get { who } => {
            let api = with.api()?;
            with.form.show(&api.get(&["users", &user(&api, who)?], &[])?.body, &[])
        }
        Users::Create { members, password } => {
            let mut body = body(members)?;
            let api = with.api()?;
            if let (true, Some(members)) = (*password, body.as_object_mut()) {
                members.insert("password".to_owned(), new_password()?.into());
            }
            with.form.show(&api.create(&["users"], &body)?.body, &[])
        }
        Users::Update { who, changes } => {
            let changes = body(changes)?;
            let api = with.api()?;
            with.form.show(&api.patch(&["users", &user(&api, who)?], &changes)?.body, &[])
        }
        Users::Delete { who } => {
            let api = with.api()?;
            api.delete(&["users", &user(&api, who)?])?;
            with.done("Deleted.");
            Ok(())
        }
        Users::Password { who, keep_signed_in } => {
            let password = new_password()?;
            ask(who, &["password"], &json!({ "password": password, "sign_out": !keep_signed_in }), "The password is set.")
        }
        Users::SignOut { who } => ask(who, &["sign-out"], &json!({}), "Signed out everywhere."),
        Users::Mail { who, about } => ask(who, &["mail"], &json!({ "about": about }), "The mail is on its way."),
    }
}

/// Deletes one or all of what a user has.
fn delete_of(with: With<'_>, who: &str, what: &str, which: &OneOrAll) -> Outcome<()> {
    let api = with.api()?;
    let id = user(&api, who)?;
    match &which.handle {
        Some(handle) => api.delete(&["users", &id, what, handle])?,
        None => api.delete(&["users", &id, what])?,
    };
    with.done("Signed out.");
    Ok(())
}

fn list_of(with: With<'_>, who: &str, what: &str, columns: &[&str]) -> Outcome<()> {
    let api = with.api()?;
    let (items, _) = api.list(&["users", &user(&api, who)?, what], &[], usize::MAX)?;
    with.form.show(&items.into(), columns)
}

/// A command about grants.
pub fn grants(with: With<'_>, what: &Grants) -> Outcome<()> {
    match what {
        Grants::List { who } => list_of(with, who, "grants", GRANT),
        Grants::Update { who, handle, name } => {
            let api = with.api()?;
            with.form.show(&api.rename(&["users", &user(&api, who)?, "grants", handle], name)?.body, &[])
        }
        Grants::Delete { who, which } => delete_of(with, who, "grants", which),
    }
}

/// A command about sessions.
pub fn sessions(with: With<'_>, what: &Sessions) -> Outcome<()> {
    match what {
        Sessions::List { who } => list_of(with, who, "sessions", SESSION),
        Sessions::Delete { who, which } => delete_of(with, who, "sessions", which),
    }
}

/// A command about keys.
pub fn keys(with: With<'_>, what: &Keys) -> Outcome<()> {
    let show = |told: &Value| with.form.show(told.get("items").unwrap_or(&Value::Null), KEY);
    match what {
        Keys::List => show(&with.api()?.get(&["keys"], &[])?.body),
        Keys::Rotate => show(&with.api()?.post(&["keys", "rotate"], &json!({}))?.body),
        Keys::Delete { kid } => {
            with.api()?.delete(&["keys", kid])?;
            with.done("Removed, with all that it signed.");
            Ok(())
        }
    }
}

/// A command about initial access tokens.
pub fn tokens(with: With<'_>, what: &Tokens) -> Outcome<()> {
    const PATH: &str = "initial-access-tokens";
    match what {
        Tokens::List(Most { limit }) => with.list(&[PATH], &[], *limit, &["id", "uses", "expires_at"]),
        Tokens::Create { uses, expires_in } => {
            created(with, &with.api()?.create(&[PATH], &json!({ "uses": uses, "expires_in": expires_in }))?.body)
        }
        Tokens::Delete { id } => {
            with.api()?.delete(&[PATH, id])?;
            with.done("Deleted.");
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_the_form_of_an_id_is_one() {
        assert!(is_user_id("AZxsAQIDBAUGBwgJCgsMDQ"));
        for login in ["ada", "ada@ada.example", "AZxsAQIDBAUGBwgJCgsMDQ4P", ""] {
            assert!(!is_user_id(login), "{login}");
        }
        assert_eq!((ISSUERS.id)("https://id.example"), "aHR0cHM6Ly9pZC5leGFtcGxl");
    }
}
