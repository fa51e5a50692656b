//! `POST bootstrap`: the first administrator of a realm, and the client to administer it with.

use serde::Deserialize;
use serde_json::json;

use crate::edge::ctx::{Ctx, Platform};
use crate::edge::failure::Fault;
use crate::edge::handlers::admin::users::password_fault;
use crate::edge::handlers::admin::{Actor, Call, Outcome};
use crate::edge::http::WireResponse;
use crate::edge::log;
use crate::edge::published;
use crate::edge::store::bootstrap::{self as store, First};
use crate::protocol::admin::cli;
use crate::protocol::admin::problem::{Problem, Word, Wrong};
use crate::protocol::ids::{UserId, random};
use crate::protocol::password::PasswordHash;
use crate::protocol::secret::{Secret, SecretHash, base64url};
use crate::protocol::session::login_name;

#[derive(Deserialize)]
struct Request {
    secret: String,
    login: String,
    password: String,
}

/// Makes the first administrator, once in the life of a realm.
///
/// 1. Without the setting there is nothing here.
/// 2. The secret, in constant time.
/// 3. Closed for ever by the row, by the mark in KV (which outlives a restored backup), or by any administrator.
/// 4. User, login, client and row: one batch. Of many at once one has its attempt in the row.
/// 5. The mark.
pub async fn answer(call: &mut Call<'_>) -> Outcome<WireResponse> {
    let ctx = call.ctx;
    // 1
    let Some(expected) = &ctx.config.bootstrap else {
        return Err(Problem::not_found().into());
    };
    let request: Request = call.body(&["secret", "login", "password"]).await?;
    // 2
    if !SecretHash::of(request.secret.as_bytes()).matches(expected) {
        return Err(Problem::new(Word::Unauthorized, "the secret is not LATCHKEY_BOOTSTRAP").into());
    }
    let login = login_name(&request.login);
    let mut wrong = Vec::new();
    if login.is_none() {
        wrong.push(Wrong::at("login", "1 to 254 characters without control characters"));
    }
    wrong.extend(password_fault(&Secret::new(request.password.clone())));
    let (Some(login), true) = (login, wrong.is_empty()) else {
        return Err(Problem::invalid(wrong).into());
    };
    // 3
    let closed = || Problem::new(Word::Conflict, "the realm has, or had, an administrator, or the login name is taken");
    if published::is_bootstrapped(ctx).await? || store::is_closed(ctx, &login).await? {
        return Err(closed().into());
    }
    // 4
    let password = PasswordHash::create(&Secret::new(request.password), &mut Platform);
    let password = password.ok_or_else(|| Fault::Broken("argon2".to_owned()))?;
    let metadata = cli::metadata().ok_or_else(|| Fault::Broken("the metadata of latchkey-cli".to_owned()))?;
    let (user, attempt) = (UserId::generate(&mut Platform), base64url(&random::<16>(&mut Platform)));
    let first = First {
        user: &user,
        login: &login,
        password: &password.to_text(),
        client: cli::CLIENT_ID,
        metadata: &metadata,
        attempt: &attempt,
    };
    let actor = Actor { id: "bootstrap".to_owned(), ..call.actor.clone() };
    let event = actor.changed("bootstrap", user.as_str(), &[]).about(user.as_str());
    if !store::run(ctx, &first, &event).await? {
        return Err(closed().into());
    }
    // 5
    if let Err(Fault::Unavailable(detail) | Fault::Broken(detail)) = published::put_bootstrapped(ctx).await {
        // The cron puts it there.
        log::event("error", "bootstrap", &detail, &ctx.meter);
    }
    let told = json!({ "user_id": user.as_str(), "login": login, "client_id": cli::CLIENT_ID });
    Ok(WireResponse::json(201, &told).header("location", format!("/admin/v1/users/{}", user.as_str())))
}

/// Marks in KV what is done, where that is missing.
pub async fn maintain(ctx: &Ctx) -> Result<(), Fault> {
    if store::is_done(ctx).await? && !published::is_bootstrapped(ctx).await? {
        published::put_bootstrapped(ctx).await?;
    }
    Ok(())
}
