//! The commands, as an administrator uses them.

use serde_json::json;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::time::timeout;

use super::{PATIENCE, Terminal};
use crate::harness::{Fault, Fixture, Mode, Setup, Worker};
use crate::support::{Api, Person};

#[tokio::test]
async fn clients_are_made_changed_and_deleted() {
    let fixture = Fixture::shared();
    let terminal = Terminal::ada(&fixture.a).await;
    let device = "grant_types=[\"urn:ietf:params:oauth:grant-type:device_code\",\"refresh_token\"]";
    let made = terminal
        .json(&[
            "clients",
            "create",
            "client_id=cli-lamp",
            "client_name=Lamp",
            "token_endpoint_auth_method=none",
            device,
            "scope=openid",
        ])
        .await;
    assert_eq!(made["client_name"], "Lamp");
    let lamp = Api::public(&fixture.a, "cli-lamp");
    assert_eq!(lamp.post("/device_authorization", &[]).await.status, 200);
    let again = terminal.run(&["clients", "create", "client_id=cli-lamp", "token_endpoint_auth_method=none", device]).await;
    assert!(again.code == 1 && again.err.contains("there is one already"), "{again:?}");
    let changed = terminal.json(&["clients", "update", "cli-lamp", "client_name=Other lamp", "enabled=false"]).await;
    assert_eq!((&changed["client_name"], &changed["enabled"]), (&json!("Other lamp"), &json!(false)));
    let table = terminal.ok(&["clients", "get", "cli-lamp"]).await;
    assert!(
        table.out.contains("Other lamp") && table.out.lines().any(|line| line.starts_with("created_at") && line.ends_with('Z')),
        "{table:?}"
    );
    terminal.ok(&["clients", "delete", "cli-lamp"]).await;
    let gone = terminal.run(&["clients", "get", "cli-lamp"]).await;
    assert!(gone.code == 1 && gone.err.contains("no such thing"), "{gone:?}");

    // Secrets: told once, replaced, and never said on the command line.
    terminal.write("job.toml", "client_id = 'cli-job'\ngrant_types = ['client_credentials']\ntoken_endpoint_auth_method = 'client_secret_basic'\nscope = 'records:read'\n");
    let made = terminal.ok(&["clients", "create", "-f", "job.toml"]).await;
    assert!(made.err.contains("shown this once"), "{made:?}");
    let secret =
        terminal.json(&["clients", "secret", "cli-job", "--overlap", "0"]).await["client_secret"].as_str().unwrap().to_owned();
    let token = Api::basic(&fixture.a, "cli-job", &secret).post("/token", &[("grant_type", "client_credentials")]).await;
    assert!(token.is_granted(), "{}", token.body);
    let typed = terminal.run(&["clients", "update", "cli-job", "client_secret=0123456789"]).await;
    assert!(typed.code == 2 && typed.err.contains("must not stand here") && !typed.err.contains("0123456789"), "{typed:?}");
    // All faults are told, and nothing was made.
    let wrong = terminal.run(&["clients", "create", "client_id=a b", "client_naem=x", "redirect_uris=[\"ftp://x\"]"]).await;
    assert!(wrong.code == 1 && wrong.err.contains("client_naem"), "{wrong:?}");
    terminal.ok(&["clients", "delete", "cli-job"]).await;
}

#[tokio::test]
async fn users_are_made_signed_out_and_deleted() {
    let fixture = Setup::default().start().await;
    let terminal = Terminal::ada(&fixture.a).await;
    let made = terminal
        .run_with(&["users", "create", "login=Grace", "claims={\"name\":\"Grace\"}", "--password"], &[], "compiler no. 1952\n")
        .await;
    assert_eq!(made.code, 0, "{made:?}");
    assert!(!made.out.contains("compiler"));
    let grace = Person::new(&fixture.a);
    grace.sign_in("grace", "compiler no. 1952").await;
    let device = Api::demo(&fixture.a);
    let tokens = device.signed_in(&grace).await;

    let grants = terminal.json(&["grants", "list", "grace"]).await;
    let handle = grants[0]["handle"].as_str().unwrap().to_owned();
    assert_eq!(terminal.json(&["grants", "update", "grace", &handle, "Ward lamp"]).await["name"], "Ward lamp");
    assert!(terminal.ok(&["grants", "list", "grace"]).await.out.contains("Ward lamp"));
    assert_eq!(terminal.run(&["grants", "delete", "grace"]).await.code, 2, "one, or --all");
    terminal.ok(&["grants", "delete", "grace", &handle]).await;
    assert_eq!(device.refresh(&tokens.member("refresh_token")).await.error(), "invalid_grant");
    assert_eq!(terminal.run(&["grants", "delete", "grace", &handle]).await.code, 1);
    assert!(terminal.ok(&["grants", "list", "grace"]).await.out.contains("Nothing."));

    assert_eq!(terminal.json(&["sessions", "list", "grace"]).await.as_array().unwrap().len(), 1);
    terminal.ok(&["sessions", "delete", "grace", "--all"]).await;
    assert_eq!(terminal.json(&["sessions", "list", "grace"]).await, json!([]));

    terminal.ok(&["roles", "create", "name=nurse", "description=Looks after people"]).await;
    let id = terminal.json(&["users", "get", "grace"]).await["id"].as_str().unwrap().to_owned();
    let changed = terminal.json(&["users", "update", &id, "roles=[\"nurse\"]"]).await;
    assert_eq!(changed["roles"], json!(["nurse"]));
    let in_use = terminal.run(&["roles", "delete", "nurse"]).await;
    assert!(in_use.code == 1 && in_use.err.contains("in use"), "{in_use:?}");

    let weak = terminal.run_with(&["users", "password", "grace"], &[], "short\n").await;
    assert!(weak.code == 1 && weak.err.contains("/password"), "{weak:?}");
    assert_eq!(terminal.run_with(&["users", "password", "grace"], &[], "").await.code, 2);
    assert_eq!(terminal.run_with(&["users", "password", "grace"], &[], "cobol no. 1959\n").await.code, 0);
    Person::new(&fixture.a).sign_in("grace", "cobol no. 1959").await;
    terminal.ok(&["users", "sign-out", "grace"]).await;
    assert_eq!(terminal.json(&["users", "list", "--query", "gra"]).await.as_array().unwrap().len(), 1);
    terminal.ok(&["users", "delete", "grace"]).await;
    let nobody = terminal.run(&["users", "get", "grace"]).await;
    assert!(nobody.code == 1 && nobody.err.contains("nobody signs in as"), "{nobody:?}");
    let last = terminal.run(&["users", "delete", "ada"]).await;
    assert!(last.code == 1 && last.err.contains("without an administrator"), "{last:?}");
}

#[tokio::test]
async fn keys_tokens_and_webhooks() {
    let fixture = Setup::default().start().await;
    let terminal = Terminal::ada(&fixture.a).await;
    let before = terminal.json(&["keys", "list"]).await.as_array().unwrap().len();
    let rotated = terminal.json(&["keys", "rotate"]).await;
    assert!(rotated.as_array().unwrap().len() > before, "{rotated}");
    let kid =
        rotated.as_array().unwrap().iter().find(|key| key["state"] == "waiting").unwrap()["kid"].as_str().unwrap().to_owned();
    terminal.ok(&["keys", "delete", &kid]).await;
    assert_eq!(terminal.run(&["keys", "delete", &kid]).await.code, 1);

    let made = terminal.ok(&["--json", "tokens", "create", "--uses", "2"]).await;
    assert!(made.json()["token"].is_string() && made.err.is_empty(), "{made:?}");
    let listed = terminal.json(&["tokens", "list"]).await;
    assert_eq!(listed[0]["uses"], 2);
    terminal.ok(&["tokens", "delete", listed[0]["id"].as_str().unwrap()]).await;
    assert_eq!(terminal.json(&["tokens", "list"]).await, json!([]));

    let hook = terminal.json(&["webhooks", "create", "url=https://hooks.example/a", "kinds=[\"sign_in\"]"]).await;
    let id = hook["id"].as_str().unwrap();
    assert!(hook["secret"].as_str().unwrap().starts_with("whsec_"), "{hook}");
    assert_eq!(terminal.json(&["webhooks", "update", id, "enabled=false"]).await["enabled"], false);
    assert!(terminal.json(&["webhooks", "secret", id]).await["secret"].as_str().unwrap().starts_with("whsec_"));
    terminal.ok(&["webhooks", "delete", id]).await;
    let private = terminal.run(&["webhooks", "create", "url=https://10.0.0.1/"]).await;
    assert!(private.code == 1 && private.err.contains("/url"), "{private:?}");
}

#[tokio::test]
async fn the_first_administrator() {
    const SECRET: &str = "first-of-all-0123456789abcdef0123456789";
    let fixture = Setup::default().var("LATCHKEY_BOOTSTRAP", SECRET).start().await;
    fixture.d1("UPDATE users SET roles = '[]'", &[]).await;
    fixture.d1("DELETE FROM clients WHERE id = 'latchkey-cli'", &[]).await;
    let terminal = Terminal::new(&fixture.a);
    let arguments = ["bootstrap", "root", "--issuer", &fixture.a];
    assert_eq!(terminal.run(&arguments).await.code, 2, "without the secret");
    let wrong = terminal.run_with(&arguments, &[("LATCHKEY_BOOTSTRAP", "wrong")], "correct horse battery\n").await;
    assert!(wrong.code == 1 && wrong.err.contains("the secret is not"), "{wrong:?}");
    let secret = [("LATCHKEY_BOOTSTRAP", SECRET)];
    let made = terminal.run_with(&arguments, &secret, "correct horse battery\n").await;
    assert!(made.code == 0 && !made.out.contains(SECRET) && !made.out.contains("horse"), "{made:?}");
    assert_eq!(terminal.run_with(&arguments, &secret, "correct horse battery\n").await.code, 1, "twice");
    let person = Person::new(&fixture.a);
    person.sign_in("root", "correct horse battery").await;
    assert_eq!(terminal.sign_in(&person, &[]).await.code, 0);
    terminal.ok(&["users", "get", "root"]).await;
}

#[tokio::test]
async fn the_audit_log_is_followed_and_verified() {
    let fixture = Setup::default().start().await;
    let terminal = Terminal::ada(&fixture.a).await;
    let tail = terminal.ok(&["audit", "tail"]).await;
    assert!(tail.out.contains("sign_in"), "{tail:?}");
    assert_eq!(terminal.run(&["audit", "tail", "--kind", "no such"]).await.code, 1);
    assert_eq!(terminal.ok(&["audit", "tail", "--kind", "denial"]).await.out, "");

    // What happens meanwhile is shown, and shown once: the next line is always the next event.
    let mut command = terminal.command(&["--json", "audit", "tail", "--follow", "-n", "1", "--kind", "admin_change"]);
    terminal.ok(&["roles", "create", "name=zero"]).await;
    let mut following = command.spawn().unwrap();
    let mut lines = BufReader::new(following.stdout.take().unwrap()).lines();
    for (name, next) in [("zero", Some("one")), ("one", Some("two")), ("two", None)] {
        let line = timeout(PATIENCE, lines.next_line()).await.expect("it is shown").unwrap().unwrap();
        let event: serde_json::Value = serde_json::from_str(&line).unwrap();
        assert_eq!(event["detail"]["id"], name, "{line}");
        if let Some(next) = next {
            terminal.ok(&["roles", "create", &format!("name={next}")]).await;
        }
    }
    following.start_kill().unwrap();

    // As if time had passed; sealed, it is whole; with an event edited, it is not.
    let past = "UPDATE audit_events SET minute = minute - 10, at = at - 600000";
    fixture.d1(past, &[]).await;
    fixture.cron(Worker::A).await;
    let whole = terminal.ok(&["audit", "verify"]).await;
    assert!(whole.out.contains("the log is whole"), "{whole:?}");
    fixture.d1("UPDATE audit_events SET actor = 'nobody' WHERE kind = 'admin_change'", &[]).await;
    let touched = terminal.run(&["audit", "verify"]).await;
    assert!(touched.code == 1 && touched.err.contains("the log was touched"), "{touched:?}");
    // One for each minute that was touched.
    assert!(!terminal.run(&["--json", "audit", "verify"]).await.json()["findings"].as_array().unwrap().is_empty());
}

#[tokio::test]
async fn completions_and_mistakes() {
    let fixture = Fixture::shared();
    let terminal = Terminal::new(&fixture.a);
    for shell in ["bash", "zsh", "fish"] {
        assert!(terminal.ok(&["completions", shell]).await.out.contains("latchkey"), "{shell}");
    }
    for mistake in [&["nothing"][..], &["clients"], &["clients", "create"], &["users", "mail", "ada", "x"], &[]] {
        assert_eq!(terminal.run(mistake).await.code, 2, "{mistake:?}");
    }
    let missing = terminal.run(&["plan", "-f", "nowhere.toml"]).await;
    assert!(missing.code == 1 && missing.err.contains("nowhere.toml"), "{missing:?}");
}

/// An answer that gets lost is asked for again under the same key: it happened once.
#[tokio::test]
async fn what_is_created_is_created_once() {
    let fixture = Setup::default().start().await;
    let terminal = Terminal::ada(&fixture.a).await;
    for (name, mode) in [("before", Mode::KillBefore), ("after", Mode::KillAfter), ("failed", Mode::After)] {
        fixture.fault(Worker::A, &Fault::new("DB", mode, "INSERT INTO roles")).await;
        let made = terminal.run(&["roles", "create", &format!("name={name}")]).await;
        assert_eq!((made.code, fixture.disarm(Worker::A).await), (0, 0), "{name}: {made:?}");
        assert!(made.out.contains(name), "{made:?}");
    }
    // What is no create is not sent twice, and that is said.
    fixture.fault(Worker::A, &Fault::new("DB", Mode::KillAfter, "DELETE FROM roles")).await;
    let deleted = terminal.run(&["roles", "delete", "after"]).await;
    assert_eq!((deleted.code, fixture.disarm(Worker::A).await), (1, 0), "{deleted:?}");
    assert_eq!(terminal.run(&["roles", "get", "after"]).await.code, 1);
}

#[tokio::test]
async fn an_outside_token_is_explained() {
    let fixture = Fixture::shared();
    let terminal = Terminal::ada(&fixture.a).await;
    terminal.write("token", "e30.eyJpc3MiOiJodHRwczovL2NpLmV4YW1wbGUifQ.e30\n");
    let explained = terminal.run(&["--json", "trust", "explain", "token"]).await;
    assert_eq!((explained.code, &explained.json()["issuer"]), (1, &json!("https://ci.example")), "{explained:?}");
    assert!(explained.err.contains("would not be accepted"), "{explained:?}");
    let piped = terminal.run_with(&["trust", "explain", "-"], &[], "garbage").await;
    assert!(piped.code == 1 && piped.out.contains("accepted"), "{piped:?}");
}

/// A job has a token and no home.
#[tokio::test]
async fn a_job_brings_its_own_token() {
    let fixture = Fixture::shared();
    let job = Api::basic(&fixture.a, "demo-operator", "demo-operator-secret-0123456789abcdef");
    let token = job.post("/token", &[("grant_type", "client_credentials")]).await.member("access_token");
    let terminal = Terminal::new(&fixture.a);
    let with = [("LATCHKEY_TOKEN", token.as_str()), ("LATCHKEY_ISSUER", fixture.a.as_str())];
    let listed = terminal.run_with(&["users", "list"], &with, "").await;
    assert!(listed.code == 0 && listed.out.contains("ada"), "{listed:?}");
    assert!(!terminal.folder().exists(), "something was kept");
    let nowhere = terminal.run_with(&["users", "list"], &with[..1], "").await;
    assert!(nowhere.code == 2 && !nowhere.err.contains(&token), "{nowhere:?}");
    let bad = terminal.run_with(&["users", "list"], &[("LATCHKEY_TOKEN", "x"), with[1]], "").await;
    assert_eq!(bad.code, 3, "{bad:?}");
}
