//! The realm as a document: shown, compared, applied, taken to another realm.

use std::path::Path;

use serde_json::json;

use super::Terminal;
use crate::harness::Setup;
use crate::support::{Api, Person};

const PASSPHRASE: &str = "correct horse battery staple";

/// The example of the README: planned, applied, and then nothing is left to do; a device signs in as it.
#[tokio::test]
async fn what_a_file_says_is_planned_and_applied() {
    let fixture = Setup::default().start().await;
    let terminal = Terminal::ada(&fixture.a).await;
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/realm.toml");
    let text = std::fs::read_to_string(example).unwrap();
    terminal.write("realm.toml", &text);

    let plan = terminal.run(&["plan", "-f", "realm.toml"]).await;
    assert_eq!(plan.code, 4, "{plan:?}");
    for line in ["create  client  ward-display", "create  user    grace", "create  role    nurse"] {
        assert!(plan.out.contains(line), "{plan:?}");
    }
    assert!(!plan.out.contains("compiler"), "{plan:?}");
    let asked = terminal.run(&["apply", "-f", "realm.toml"]).await;
    assert!(asked.code == 2 && asked.err.contains("--yes"), "{asked:?}");
    assert_eq!(terminal.run(&["clients", "get", "ward-display"]).await.code, 1, "nothing was done");
    terminal.ok(&["apply", "-f", "realm.toml", "--yes"]).await;
    assert!(terminal.ok(&["plan", "-f", "realm.toml"]).await.out.contains("Nothing to change."));
    assert_eq!(terminal.json(&["apply", "-f", "realm.toml"]).await, json!({ "changes": [] }));

    let grace = Person::new(&fixture.a);
    grace.sign_in("grace", "compiler no. 1952").await;
    let tokens = Api::public(&fixture.a, "ward-display").signed_in(&grace).await;
    assert!(tokens.is_granted());

    // Somebody changes it by hand: that is drift; what the document has no more goes with --prune alone.
    terminal.ok(&["clients", "update", "ward-display", "client_name=By hand"]).await;
    let drift = terminal.run(&["--json", "plan", "-f", "realm.toml"]).await;
    let changes =
        json!({ "changes": [{ "action": "update", "kind": "client", "id": "ward-display", "fields": ["client_name"] }] });
    assert_eq!((drift.code, drift.json()), (4, changes));
    // Grace has the role, so it has to stay.
    let role = json!({ "name": "nurse", "description": "Looks after people in a ward" });
    terminal.write("less.json", &json!({ "format": 1, "clients": [], "roles": [role] }).to_string());
    terminal.ok(&["plan", "-f", "less.json"]).await;
    let pruned = terminal.run(&["plan", "-f", "less.json", "--prune"]).await;
    assert!(
        pruned.code == 4 && pruned.out.contains("delete  client  ward-display") && !pruned.out.contains("latchkey-cli"),
        "{pruned:?}"
    );
}

/// Every fault is told with its place, and nothing is done; what TOML has and JSON has not is refused here.
#[tokio::test]
async fn faults_are_all_told_and_nothing_is_done() {
    let fixture = crate::harness::Fixture::shared();
    let terminal = Terminal::ada(&fixture.a).await;
    terminal.write("bad.toml", "format = 1\n[[roles]]\nname = 'cli-bad'\ncolour = 'red'\n[[users]]\nlogin = 'cli-bad'\npassword = 'short'\nadmin = true\n");
    for command in [&["plan", "-f", "bad.toml"][..], &["apply", "-f", "bad.toml", "--yes"], &["import", "bad.toml"]] {
        let done = terminal.run(command).await;
        assert_eq!(done.code, 1, "{done:?}");
        for place in ["/roles/0/colour", "/users/0/password", "/users/0/admin"] {
            assert!(done.err.contains(place), "{place}: {done:?}");
        }
    }
    assert_eq!(terminal.run(&["roles", "get", "cli-bad"]).await.code, 1);
    terminal.write("date.toml", "format = 1\n[[users]]\nlogin = 'x'\nclaims = { birthdate = 1906-12-09 }\n");
    let date = terminal.run(&["plan", "-f", "date.toml"]).await;
    assert!(date.code == 1 && date.err.contains("/users/0/claims/birthdate") && date.err.contains("in quotes"), "{date:?}");
    terminal.write("broken.toml", "format = \n");
    let broken = terminal.run(&["plan", "-f", "broken.toml"]).await;
    assert!(broken.code == 1 && broken.err.contains("line 1"), "{broken:?}");
}

/// Out of one realm and into another one: the same people with the same passwords, and the same keys where that is wanted.
#[tokio::test]
async fn a_realm_goes_to_another_one() {
    let (old, new) = (Setup::default().start().await, Setup::default().start().await);
    let (from, to) = (Terminal::ada(&old.a).await, Terminal::ada(&new.a).await);
    from.write("realm.toml", include_str!("../../../examples/realm.toml"));
    from.ok(&["apply", "-f", "realm.toml", "--yes"]).await;
    from.ok(&["export", "-o", "out.toml"]).await;
    let out = std::fs::read_to_string(from.path("out.toml")).unwrap();
    assert!(out.contains("password_hash") && !out.contains("compiler no. 1952") && !out.contains("[keys"), "{out}");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        assert_eq!(std::fs::metadata(from.path("out.toml")).unwrap().permissions().mode() & 0o777, 0o600);
    }
    assert_eq!(from.ok(&["plan", "-f", "out.toml"]).await.out, "Nothing to change.\n", "it is what it says");
    assert_eq!(from.ok(&["export"]).await.json()["format"], 1);

    // The demo's Ada has another id there: her part stays behind.
    let mut document = from.ok(&["export"]).await.json();
    document["users"].as_array_mut().unwrap().retain(|user| user["login"] == "grace");
    document["clients"].as_array_mut().unwrap().retain(|client| client["client_id"] == "ward-display");
    to.write("in.json", &document.to_string());
    to.ok(&["import", "in.json"]).await;
    let grace = Person::new(&new.a);
    grace.sign_in("grace", "compiler no. 1952").await;
    assert!(Api::public(&new.a, "ward-display").signed_in(&grace).await.is_granted());

    let weak = from.run_with(&["export", "--with-keys"], &[("LATCHKEY_PASSPHRASE", "short")], "").await;
    assert_eq!(weak.code, 2, "{weak:?}");
    let keys = from.run_with(&["export", "--with-keys"], &[("LATCHKEY_PASSPHRASE", PASSPHRASE)], "").await;
    assert!(keys.code == 0 && keys.json()["keys"].is_object(), "{}", keys.err);
    let document = json!({ "format": 1, "keys": keys.json()["keys"] }).to_string();
    let with = [("LATCHKEY_PASSPHRASE", PASSPHRASE)];
    // A realm that nobody used yet takes them; whoever did that signs in again, for their token was of another key.
    let fresh = Setup::default().start().await;
    let third = Terminal::ada(&fresh.a).await;
    third.write("keys.json", &document);
    let planned = third.run_with(&["plan", "-f", "keys.json"], &with, "").await;
    assert!(planned.code == 4 && planned.out.contains("keys"), "{planned:?}");
    let taken = third.run_with(&["import", "keys.json"], &with, "").await;
    assert_eq!(taken.code, 0, "{taken:?}");
    assert_eq!(Api::demo(&fresh.a).get("/jwks.json").await.json(), Api::demo(&old.a).get("/jwks.json").await.json());
    assert_eq!(third.run(&["clients", "list"]).await.code, 3);
    to.write("keys.json", &document);
    let used = to.run_with(&["import", "keys.json"], &with, "").await;
    assert!(used.code == 1 && used.err.contains("/keys"), "{used:?}");
    let wrong = to.run_with(&["import", "keys.json"], &[("LATCHKEY_PASSPHRASE", "another passphrase")], "").await;
    assert!(wrong.code == 1 && wrong.err.contains("/keys"), "{wrong:?}");
}
