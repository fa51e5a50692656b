//! What a sign-in is worth: for whom, for what, and for how long.

use std::process::Stdio;

use serde_json::json;

use super::{Terminal, authorized_as, visit};
use crate::harness::{Fixture, Setup};
use crate::support::{ADA, Api, Person};

const GRACE: (&str, &str) = ("grace", "compiler-no-1952");
const JEAN: (&str, &str) = ("jean", "eniac-no-1946-programs");

/// Signs somebody in at a terminal.
async fn sign_in(terminal: &Terminal, base: &str, who: (&str, &str), more: &[&str]) -> super::Done {
    let (person, mut waiting) = (Person::new(base), terminal.login(more));
    let url = waiting.address().await;
    let answer = authorized_as(&person, &url, who).await;
    visit(answer.header("location")).await;
    waiting.done().await
}

/// Whoever has no role of administration gets nothing by signing in, and keeps nothing; whoever has one gets that one.
#[tokio::test]
async fn who_may_what() {
    let people = json!({ "users": [
        { "login": GRACE.0, "password": GRACE.1, "claims": { "name": "Grace" } },
        { "login": JEAN.0, "password": JEAN.1, "claims": { "name": "Jean" }, "roles": ["latchkey:clients"] },
    ] });
    let fixture = Setup::default().seed(&people).start().await;
    let base = &fixture.a;
    let grace = Terminal::new(base);
    let done = sign_in(&grace, base, GRACE, &[]).await;
    assert!(done.code == 1 && done.err.contains("may not administer") && done.err.contains("latchkey:admin"), "{done:?}");
    assert_eq!(grace.run(&["clients", "list"]).await.code, 3);
    let grants =
        fixture.d1("SELECT COUNT(*) AS n FROM grants WHERE client_id = 'latchkey-cli' AND revoked_at IS NULL", &[]).await;
    assert_eq!(grants, [json!({ "n": 0 })], "what is of no use is not left open");

    // A part of what was asked for.
    let jean = Terminal::new(base);
    let done = sign_in(&jean, base, JEAN, &["--scope", "latchkey:clients", "--scope", "latchkey:keys"]).await;
    assert!(done.code == 0 && done.err.contains("Not granted: latchkey:keys"), "{done:?}");
    jean.ok(&["clients", "list"]).await;
    let refused = jean.run(&["keys", "list"]).await;
    assert!(refused.code == 1 && refused.err.contains("latchkey login --scope latchkey:keys"), "{refused:?}");

    // Who loses the role cannot use the token that they have.
    fixture.d1("UPDATE users SET roles = '[]' WHERE id IN (SELECT user_id FROM logins WHERE login = 'jean')", &[]).await;
    let refused = jean.run(&["clients", "list"]).await;
    assert!(refused.code == 1 && refused.err.contains("may not do this"), "{refused:?}");
}

/// A token that is old is renewed, once among processes that all want to; an end of the sign-in is told.
#[tokio::test]
async fn an_old_token_is_renewed_once() {
    let fixture = Setup::default().start().await;
    let terminal = Terminal::ada(&fixture.a).await;
    let before = terminal.saved();
    terminal.change_saved("expires_at", json!(0));
    let clients = ["clients", "list"];
    let all = at_once(&terminal, &clients).await;
    assert!(all.iter().all(|code| *code == Some(0)), "{all:?}");
    let after = terminal.saved();
    assert_ne!(after["refresh_token"], before["refresh_token"]);
    assert!(after["expires_at"].as_u64() > before["expires_at"].as_u64().map(|at| at - 60));
    let rotations = fixture.d1("SELECT generation FROM grants WHERE client_id = 'latchkey-cli'", &[]).await;
    assert_eq!(rotations, [json!({ "generation": 1 })], "it was used up once");

    // The realm ends it: that is told, and what to do.
    terminal.ok(&["grants", "delete", "ada", "--all"]).await;
    let done = terminal.run(&["clients", "list"]).await;
    assert!(done.code == 3 && done.err.contains("latchkey login"), "{done:?}");
    terminal.change_saved("expires_at", json!(0));
    let done = terminal.run(&["clients", "list"]).await;
    assert!(done.code == 3 && done.err.contains("sign in again: latchkey login"), "{done:?}");
}

/// Exit codes of eight processes at once.
async fn at_once(terminal: &Terminal, arguments: &[&str]) -> Vec<Option<i32>> {
    let started: Vec<_> = (0..8).map(|_| terminal.command(arguments).stdin(Stdio::null()).spawn().unwrap()).collect();
    let mut codes = Vec::new();
    for child in started {
        codes.push(child.wait_with_output().await.unwrap().status.code());
    }
    codes
}

/// A file that others can read is not trusted with anything.
#[cfg(unix)]
#[tokio::test]
async fn a_file_that_others_can_read_is_not_used() {
    use std::os::unix::fs::PermissionsExt as _;
    let fixture = Fixture::shared();
    let terminal = Terminal::ada(&fixture.a).await;
    std::fs::set_permissions(terminal.file(), std::fs::Permissions::from_mode(0o644)).unwrap();
    let done = terminal.run(&["whoami"]).await;
    assert!(done.code == 3 && done.err.contains("can be read by others"), "{done:?}");
    // What may be known to others is ended by the next login.
    let refresh = terminal.saved()["refresh_token"].as_str().unwrap().to_owned();
    assert_eq!(terminal.sign_in(&Person::ada(&fixture.a).await, &[]).await.code, 0);
    assert_eq!(Api::public(&fixture.a, "latchkey-cli").refresh(&refresh).await.error(), "invalid_grant");
    terminal.ok(&["whoami"]).await;
    std::fs::write(terminal.file(), "garbage").unwrap();
    std::fs::set_permissions(terminal.file(), std::fs::Permissions::from_mode(0o600)).unwrap();
    assert_eq!(terminal.run(&["whoami"]).await.code, 3);
}

/// Whoever signed in too long ago signs in again, with the password, although the browser knows them.
#[tokio::test]
async fn administration_wants_a_fresh_sign_in() {
    let fixture = Setup::default().var("ADMIN_MAX_AUTH_AGE", "60").start().await;
    let (terminal, ada) = (Terminal::new(&fixture.a), Person::ada(&fixture.a).await);
    assert_eq!(terminal.sign_in(&ada, &[]).await.code, 0);
    terminal.ok(&["clients", "list"]).await;
    // As if time had passed since.
    for sql in ["UPDATE sessions SET auth_time = auth_time - 120000", "UPDATE grants SET auth_time = auth_time - 120000"] {
        fixture.d1(sql, &[]).await;
    }
    terminal.change_saved("expires_at", json!(0));
    let done = terminal.run(&["clients", "list"]).await;
    assert!(done.code == 3 && done.err.contains("sign in again: latchkey login"), "{done:?}");
    let mut waiting = terminal.login(&[]);
    let url = waiting.address().await;
    assert!(url.contains("max_age=60"), "{url}");
    let page = crate::web::follow(&ada, ada.get(url.strip_prefix(&fixture.a).unwrap()).await).await;
    assert!(page.body.contains("id=\"login-submit\""), "{}", page.body);
    let answer = authorized_as(&ada, &url, ADA).await;
    visit(answer.header("location")).await;
    assert_eq!(waiting.done().await.code, 0);
    terminal.ok(&["clients", "list"]).await;
}
