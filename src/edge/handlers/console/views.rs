//! Users, clients and signing keys.

use serde_json::Value;

use crate::edge::handlers::admin::{Outcome, clients, grants, sessions, users};
use crate::edge::store::client_registry::Listed;
use crate::edge::webhooks::rfc3339;
use crate::edge::{crypto, letters};
use crate::pages::console::{Cell, ConsolePage, Field, FieldKind, Form as PageForm, Place, Section, Table};
use crate::protocol::acts::ConsoleAct as Act;
use crate::protocol::admin::client::has_secret;
use crate::protocol::admin::page::Page;
use crate::protocol::admin::scopes::{CLIENTS, GRANTS, KEYS, USERS};
use crate::protocol::client::{AUTHORIZATION_CODE, CLIENT_CREDENTIALS, DEVICE_CODE, Origin, REFRESH_TOKEN};
use crate::protocol::form::{Form, encode};
use crate::protocol::time::Timestamp;

use super::Desk;

/// Grant types that the editor offers; others stay as they are.
pub const GRANT_TYPES: [(&str, &str, &str); 4] = [
    ("grant_code", "Authorization code", AUTHORIZATION_CODE),
    ("grant_refresh", "Refresh tokens", REFRESH_TOKEN),
    ("grant_device", "Device sign-in", DEVICE_CODE),
    ("grant_service", "Client credentials", CLIENT_CREDENTIALS),
];

/// An instant, to the minute.
pub fn at(instant: Timestamp) -> String {
    rfc3339(instant).get(..16).unwrap_or_default().replace('T', " ")
}

/// A field of one line.
pub fn line(name: &'static str, label: &'static str, value: impl Into<String>) -> Field {
    Field { name, label, value: value.into(), kind: FieldKind::Line }
}

/// An empty section.
pub fn section(heading: &str) -> Section {
    Section { heading: heading.to_owned(), ..Section::default() }
}

const fn yes(is_so: bool) -> &'static str {
    if is_so { "yes" } else { "no" }
}

/// A link to the next page, if there is one.
pub fn next(path: &str, more: &str, after: Option<&Value>) -> Vec<(String, String)> {
    let after = after.and_then(Value::as_str);
    after.map(|after| (format!("{path}?{more}after={after}"), "More".to_owned())).into_iter().collect()
}

/// `/console/users`: by the beginning of their login.
pub async fn users(desk: &Desk<'_>, query: &Form) -> Outcome<ConsolePage> {
    desk.may_read(USERS)?;
    let (q, page) = (query.get("q").unwrap_or_default(), Page::of(query)?);
    let found = users::list(desk.ctx, q, &page).await?;
    let told = page.answer(found.clone(), |user| user.login.clone(), |_| Value::Null);
    let row = |user: &crate::edge::store::users::User| {
        vec![
            Cell::link(user.login.clone(), format!("/console/users/{}", user.id.as_str())),
            Cell::text(crate::edge::store::users::text_claim(&user.claims, "name").unwrap_or_default()),
            Cell::text(yes(user.enabled)),
            Cell::text(user.roles.join(" ")),
        ]
    };
    let limit = usize::try_from(page.limit).unwrap_or(usize::MAX);
    let table = Table {
        columns: vec!["Login", "Name", "Enabled", "Roles"],
        rows: found.iter().take(limit).map(row).collect(),
        empty: "Nobody's login begins so.",
    };
    let search = PageForm {
        action: "/console/users",
        fields: vec![line("q", "Login begins with", q)],
        submit: "Search",
        ..PageForm::default()
    };
    let sections = vec![
        Section { form: Some(search), ..section("Search") },
        Section {
            table: Some(table),
            links: next("/console/users", &format!("q={}&", encode(q)), told.get("next")),
            ..section("Users")
        },
    ];
    Ok(desk.page(Place::Users, "Users", sections))
}

/// `/console/users/{id}`: one user, their devices, apps and sessions.
pub async fn user(desk: &Desk<'_>, id: &str) -> Outcome<ConsolePage> {
    desk.may_read(USERS)?;
    let user = users::get(desk.ctx, id).await?;
    let fact = |what: &str, fact: String| (what.to_owned(), fact);
    let mut facts = vec![
        fact("Id", user.id.as_str().to_owned()),
        fact("Made", at(user.created_at)),
        fact("Changed", at(user.updated_at)),
        fact("Enabled", yes(user.enabled).to_owned()),
        fact("Roles", user.roles.join(" ")),
    ];
    let words = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    facts.extend(user.claims.iter().map(|(name, value)| (name.clone(), words(value))));
    if user.not_before > Timestamp::EPOCH {
        facts.push(fact("Signed out everywhere", at(user.not_before)));
    }
    let edit = PageForm {
        sealed: desk.form(Act::User { id: id.to_owned(), version: user.version }),
        fields: vec![
            Field { name: "enabled", label: "Enabled", kind: FieldKind::Tick(user.enabled), ..Field::default() },
            line("roles", "Roles, separated by spaces", user.roles.join(" ")),
        ],
        submit: "Save",
        ..PageForm::default()
    };
    let end = PageForm {
        sealed: desk.form(Act::SignOut { id: id.to_owned() }),
        submit: "Sign out everywhere",
        hint: "Every browser, device and app of this user. Each has to sign in again.",
        ..PageForm::default()
    };
    let password = PageForm {
        sealed: desk.form(Act::Password { id: id.to_owned() }),
        fields: vec![
            Field { name: "", label: "Of", value: user.login.clone(), kind: FieldKind::Owner },
            Field { name: "password", label: "New password", kind: FieldKind::Password, ..Field::default() },
        ],
        submit: "Set and sign out everywhere",
        hint: "12 characters at least. Tell it to the user by a safe way.",
        ..PageForm::default()
    };
    let mut sections = vec![
        Section { facts, ..section("What is known") },
        Section { form: Some(edit), ..section("Change") },
        Section { form: Some(password), ..section("Password") },
    ];
    if desk.ctx.config.mail.is_on() && letters::address(&user).is_some() {
        let is_confirmed = letters::is_confirmed(&user);
        let mail = PageForm {
            sealed: desk.form(Act::Mail { id: id.to_owned(), reset: is_confirmed }),
            submit: if is_confirmed { "Send a link to a new password" } else { "Send a link that confirms the address" },
            ..PageForm::default()
        };
        sections.push(Section { form: Some(mail), ..section("Mail") });
    }
    if desk.may_read(GRANTS).is_ok() {
        sections.extend(signed_in(desk, id).await?);
    }
    sections.push(Section { form: Some(end), ..section("Everything of this user") });
    Ok(desk.page(Place::Users, user.login.clone(), sections))
}

/// Where a user is signed in.
async fn signed_in(desk: &Desk<'_>, id: &str) -> Outcome<Vec<Section>> {
    let button = |text: &str, act| Cell::button(text, desk.form(act), "End");
    let known = |place: &str| if place.is_empty() { "not known".to_owned() } else { place.to_owned() };
    let (mut devices, mut apps) = (Vec::new(), Vec::new());
    for grant in grants::list(desk.ctx, id).await? {
        let end = Act::EndGrant { user: id.to_owned(), handle: grant.id.sid() };
        let client = Cell::link(grant.client_id.clone(), format!("/console/clients/{}", encode(&grant.client_id)));
        let row = vec![
            Cell::text(grant.name.clone()),
            client,
            Cell::text(known(&grant.place)),
            Cell::text(at(grant.approved_at)),
            Cell::text(at(grant.rotated_at)),
            button(&grant.name, end),
        ];
        if grant.grant_type == DEVICE_CODE { devices.push(row) } else { apps.push(row) }
    }
    let mut browsers = Vec::new();
    for session in sessions::list(desk.ctx, id).await? {
        let end = Act::EndSession { user: id.to_owned(), handle: session.id.sid() };
        let place = known(&session.place);
        browsers.push(vec![
            Cell::text(place.clone()),
            Cell::text(at(session.auth_time)),
            Cell::text(at(session.seen_at)),
            button(&place, end),
        ]);
    }
    let columns = || vec!["Name", "Client", "Site", "Approved", "Last used", ""];
    let of = |heading: &str, columns, rows, empty| Section { table: Some(Table { columns, rows, empty }), ..section(heading) };
    Ok(vec![
        of("Devices", columns(), devices, "No device is signed in."),
        of("Apps that stay signed in", columns(), apps, "No app stays signed in."),
        of("Browsers", vec!["Place", "Signed in", "Last used", ""], browsers, "No browser is signed in."),
    ])
}

/// `/console/clients`.
pub async fn clients(desk: &Desk<'_>, query: &Form) -> Outcome<ConsolePage> {
    desk.may_read(CLIENTS)?;
    let page = Page::of(query)?;
    let found = clients::list(desk.ctx, &page).await?;
    let row = |listed: &Listed| {
        let client = &listed.client;
        vec![
            Cell::link(client.id.clone(), format!("/console/clients/{}", encode(&client.id))),
            Cell::text(client.metadata.client_name.clone()),
            Cell::text(origin(client.origin)),
            Cell::text(yes(client.enabled)),
        ]
    };
    let limit = usize::try_from(page.limit).unwrap_or(usize::MAX);
    let rows = found.iter().take(limit).map(row).collect();
    let told = page.answer(found, |listed| listed.client.id.clone(), |_| Value::Null);
    let table = Table { columns: vec!["Id", "Name", "Made by", "Enabled"], rows, empty: "There are no clients." };
    let mut links = next("/console/clients", "", told.get("next"));
    if desk.may_write(CLIENTS).is_ok() {
        links.push(("/console/clients/new".to_owned(), "Make a client".to_owned()));
    }
    Ok(desk.page(Place::Clients, "Clients", vec![Section { table: Some(table), links, ..section("Clients") }]))
}

const fn origin(origin: Origin) -> &'static str {
    match origin {
        Origin::Operator => "the operator",
        Origin::Registration => "itself, by registration",
        Origin::Document => "itself, by its document",
    }
}

fn fields(name: &str, scope: &str, redirect_uris: &[String], has: impl Fn(&str) -> bool) -> Vec<Field> {
    let mut fields = vec![
        line("client_name", "Name", name),
        line("scope", "Scope, separated by spaces", scope),
        Field {
            name: "redirect_uris",
            label: "Redirect URIs, one a line",
            value: redirect_uris.join("\n"),
            kind: FieldKind::Lines,
        },
    ];
    fields.extend(GRANT_TYPES.map(|(name, label, grant)| Field {
        name,
        label,
        kind: FieldKind::Tick(has(grant)),
        ..Field::default()
    }));
    fields
}

/// `/console/clients/new`.
pub fn new_client(desk: &Desk<'_>) -> Outcome<ConsolePage> {
    desk.may_write(CLIENTS)?;
    let mut all = vec![line("client_id", "Id (empty: a random one)", "")];
    let methods = ["client_secret_basic", "none", "private_key_jwt"].map(str::to_owned).to_vec();
    all.push(Field {
        name: "token_endpoint_auth_method",
        label: "How it authenticates",
        value: methods.first().cloned().unwrap_or_default(),
        kind: FieldKind::Choice(methods),
    });
    all.extend(fields("", "openid profile offline_access", &[], |grant| grant == AUTHORIZATION_CODE));
    let form = PageForm {
        sealed: desk.form(Act::NewClient),
        fields: all,
        submit: "Make it",
        hint: "One that authenticates with a secret gets one, which is shown once. Everything else about a client is set by the admin API or latchkey apply.",
        ..PageForm::default()
    };
    Ok(desk.page(Place::Clients, "A new client", vec![Section { form: Some(form), ..section("Client") }]))
}

/// `/console/clients/{id}`: its editor.
pub async fn client(desk: &Desk<'_>, id: &str) -> Outcome<ConsolePage> {
    desk.may_read(CLIENTS)?;
    let Listed { client, created_at } = clients::get(desk.ctx, id).await?;
    let metadata = &client.metadata;
    let secrets: Vec<String> = client
        .secrets
        .iter()
        .map(|secret| secret.expires_at.map_or("one without end".to_owned(), |until| format!("one until {}", at(until))))
        .collect();
    let fact = |what: &str, fact: String| (what.to_owned(), fact);
    let mut facts = vec![
        fact("Id", client.id.clone()),
        fact("Made by", origin(client.origin).to_owned()),
        fact("Made", at(created_at)),
        fact("Enabled", yes(client.enabled).to_owned()),
        fact("Scope", metadata.scope.to_string()),
        fact("Redirect URIs", metadata.redirect_uris.join(" ")),
        fact("Grant types", metadata.grant_types.join(" ")),
        fact(
            "Authenticates",
            serde_json::to_value(metadata.token_endpoint_auth_method)
                .ok()
                .and_then(|text| text.as_str().map(str::to_owned))
                .unwrap_or_default(),
        ),
    ];
    if has_secret(metadata.token_endpoint_auth_method) {
        facts.push(fact("Secrets", secrets.join(", ")));
    }
    let mut all = vec![Field { name: "enabled", label: "Enabled", kind: FieldKind::Tick(client.enabled), ..Field::default() }];
    if client.origin != Origin::Document {
        all.extend(fields(&metadata.client_name, &metadata.scope.to_string(), &metadata.redirect_uris, |grant| {
            metadata.grant_types.iter().any(|has| has == grant)
        }));
    }
    let edit = PageForm {
        sealed: desk.form(Act::Client { id: client.id.clone(), version: client.version }),
        fields: all,
        submit: "Save",
        hint: "Other members, such as lifetimes and keys, stay as they are: the admin API and latchkey apply change those.",
        ..PageForm::default()
    };
    let mut sections = vec![Section { facts, ..section("What is known") }, Section { form: Some(edit), ..section("Change") }];
    if has_secret(metadata.token_endpoint_auth_method) {
        let secret = PageForm {
            sealed: desk.form(Act::NewSecret { id: client.id.clone() }),
            submit: "Make a new secret",
            hint: "The one before is good beside it for a day.",
            ..PageForm::default()
        };
        sections.push(Section { form: Some(secret), ..section("Secret") });
    }
    Ok(desk.page(Place::Clients, metadata.client_name.clone(), sections))
}

/// `/console/keys`.
pub async fn keys(desk: &Desk<'_>) -> Outcome<ConsolePage> {
    desk.may_read(KEYS)?;
    crypto::have_keys(desk.ctx).await?;
    let keys = crypto::all_keys(desk.ctx).await?;
    let rows = keys.iter().map(|key| {
        let told = crate::edge::handlers::admin::keys::told(key, desk.ctx.now);
        let state = told.get("state").and_then(Value::as_str).unwrap_or_default().to_owned();
        vec![
            Cell::text(key.alg.name()),
            Cell::text(key.kid.clone()),
            Cell::text(state),
            Cell::text(at(key.schedule.sign_from)),
            Cell::text(at(key.schedule.sign_until)),
        ]
    });
    let table = Table {
        columns: vec!["Algorithm", "Id", "State", "Signs from", "Signs until"],
        rows: rows.collect(),
        empty: "There are no keys.",
    };
    let rotate = PageForm {
        sealed: desk.form(Act::RotateKeys),
        submit: "Make successors now",
        hint: "They are published at once and sign after KEY_PUBLISH_LEAD. A key that is no secret any more is removed by latchkey keys delete.",
        ..PageForm::default()
    };
    let sections =
        vec![Section { table: Some(table), ..section("Signing keys") }, Section { form: Some(rotate), ..section("Rotate") }];
    Ok(desk.page(Place::Keys, "Keys", sections))
}
