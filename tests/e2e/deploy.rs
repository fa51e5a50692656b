//! `make deploy`, with a wrangler that writes down what it is asked and remembers what it made.
#![expect(clippy::unwrap_used, reason = "a broken step fails the test by panicking")]

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};

/// Answers as wrangler does; `fail` names the command that fails.
const WRANGLER: &str = r#"#!/bin/sh
cd "$FAKE" || exit 9
echo "$*" >> calls
[ "$CI" = 1 ] || exit 8
case "$*" in "$(cat fail 2>/dev/null || echo none)"*) echo "it does not work" >&2; exit 1;; esac
made() { sed 's/^\[\]$//; s/^\[\(.*\)\]$/\1,/' "$1" | tr -d '\n'; }
case "$1 $2" in
  "d1 list") cat d1 ;;
  "d1 create") printf '[%s{"name":"%s","uuid":"uuid-of-%s"}]' "$(made d1)" "$3" "$3" > d1.new; mv d1.new d1 ;;
  "kv namespace") case $3 in
    list) cat kv ;;
    create) printf '[%s{"title":"%s","id":"id-of-%s"}]' "$(made kv)" "$4" "$4" > kv.new; mv kv.new kv ;;
  esac ;;
  "secret list") cat secrets || exit 1 ;;
  "deploy --config")
    cp "$3" deployed
    if [ "$4" = --secrets-file ]; then
      cp "$5" given
      echo '[{"name":"LATCHKEY_KEYS"},{"name":"LATCHKEY_KEY_ACTIVE"}]' > secrets
    fi ;;
esac
exit 0
"#;

struct Place(PathBuf);

impl Place {
    /// With a realm file of this text.
    fn new(name: &str, realm: &str) -> Self {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("deploy-{name}"));
        let _ = fs::remove_dir_all(&folder);
        for sub in ["bin", "realms", "fake"] {
            fs::create_dir_all(folder.join(sub)).unwrap();
        }
        let wrangler = folder.join("bin/wrangler");
        fs::write(&wrangler, WRANGLER).unwrap();
        fs::set_permissions(&wrangler, fs::Permissions::from_mode(0o755)).unwrap();
        fs::write(folder.join("realms/ward.toml"), realm).unwrap();
        for list in ["d1", "kv"] {
            fs::write(folder.join("fake").join(list), "[]").unwrap();
        }
        Self(folder)
    }

    fn command(&self) -> Command {
        let top = Path::new(env!("CARGO_MANIFEST_DIR"));
        let path = std::env::var("PATH").unwrap();
        let mut command = Command::new(top.join("node_modules/.bin/node"));
        command.arg(top.join("tools/deploy.mjs")).env("PATH", format!("{}:{path}", self.0.join("bin").display()));
        command.env("FAKE", self.0.join("fake")).env("REALMS", self.0.join("realms")).env("DEPLOY_STATE", self.0.join("state"));
        command.env("REALM", "ward").env("CLOUDFLARE_API_TOKEN", "a-token-that-nobody-prints").env_remove("DRY_RUN");
        command
    }

    /// Runs it; whether it succeeded, and what it said.
    fn run(&self, mut command: Command) -> (bool, String) {
        let output = command.output().unwrap();
        let said = [output.stdout, output.stderr].concat();
        let said = String::from_utf8(said).unwrap();
        assert!(!said.contains("a-token-that-nobody-prints"), "{said}");
        for secret in self.secrets().as_object().into_iter().flatten().filter(|(name, _)| *name != "LATCHKEY_KEY_ACTIVE") {
            assert!(!said.contains(secret.1.as_str().unwrap()), "a secret is printed: {said}");
        }
        (output.status.success(), said)
    }

    fn json(&self, file: &str) -> Value {
        fs::read(self.0.join(file)).map_or(Value::Null, |bytes| serde_json::from_slice(&bytes).unwrap())
    }

    fn secrets(&self) -> Value {
        self.json("state/ward/secrets.json")
    }

    /// The calls since this was asked last.
    fn calls(&self) -> Vec<String> {
        let file = self.0.join("fake/calls");
        let calls = fs::read_to_string(&file).unwrap_or_default();
        let _ = fs::remove_file(file);
        calls.lines().map(str::to_owned).collect()
    }
}

const REALM: &str =
    "domain = \"id.ward.test\"\naudit = true\nmail = true\n[vars]\nMAIL_FROM = \"id@ward.test\"\nREALM_NAME = \"Ward\"\n";

#[test]
fn a_realm_is_made_once_and_deployed_again() {
    let place = Place::new("again", REALM);
    let (done, said) = place.run(place.command());
    assert!(done, "{said}");
    let calls = place.calls();
    for call in [
        "d1 create latchkey-ward",
        "d1 create latchkey-ward-audit",
        "kv namespace create latchkey-ward-published",
        "d1 migrations apply latchkey-ward --remote",
        "d1 migrations apply latchkey-ward-audit --remote",
    ] {
        assert_eq!(calls.iter().filter(|made| made.split(" --config").next() == Some(call)).count(), 1, "{call}: {calls:?}");
    }
    assert!(calls.last().unwrap().contains("--secrets-file"), "{calls:?}");
    // What was deployed.
    let config = place.json("fake/deployed");
    assert_eq!(config["name"], "latchkey-ward");
    assert_eq!(config["vars"], json!({ "ISSUER": "https://id.ward.test", "REALM_NAME": "Ward", "MAIL_FROM": "id@ward.test" }));
    assert_eq!(config["routes"], json!([{ "pattern": "id.ward.test", "custom_domain": true }]));
    let databases: Vec<&Value> = config["d1_databases"].as_array().unwrap().iter().map(|one| &one["database_id"]).collect();
    assert_eq!(databases, [&json!("uuid-of-latchkey-ward"), &json!("uuid-of-latchkey-ward-audit")]);
    assert_eq!(config["kv_namespaces"], json!([{ "binding": "PUBLISHED", "id": "id-of-latchkey-ward-published" }]));
    assert_eq!(config["send_email"], json!([{ "name": "EMAIL" }]));
    assert_eq!((&config["workers_dev"], config.get("build")), (&json!(false), None));
    // Its secrets are real ones, and for their owner alone.
    let secrets = place.secrets();
    assert_eq!(place.json("fake/given"), secrets);
    let keys = secrets["LATCHKEY_KEYS"].as_str().unwrap();
    assert!(latchkey::protocol::keyring::KeyRing::parse(keys, secrets["LATCHKEY_KEY_ACTIVE"].as_str().unwrap()).is_ok());
    assert!(secrets["LATCHKEY_BOOTSTRAP"].as_str().unwrap().len() >= 32);
    let mode = fs::metadata(place.0.join("state/ward/secrets.json")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);

    let (done, said) = place.run(place.command());
    assert!(done, "{said}");
    let calls = place.calls();
    assert!(!calls.iter().any(|call| call.contains("create") || call.contains("--secrets-file")), "{calls:?}");
    assert!(calls.iter().any(|call| call.starts_with("d1 migrations apply")) && calls.last().unwrap().starts_with("deploy "));
    assert_eq!((place.secrets(), place.json("fake/deployed")), (secrets, config));
}

/// Whatever step fails, the next run goes on from there, with the same secrets.
#[test]
fn a_run_that_failed_is_taken_up() {
    let place = Place::new("failed", REALM);
    let mut secrets = Value::Null;
    for step in ["d1 create latchkey-ward", "kv namespace create", "d1 migrations apply", "deploy --config"] {
        fs::write(place.0.join("fake/fail"), step).unwrap();
        let (done, said) = place.run(place.command());
        assert!(!done && said.contains("failed"), "{step}: {said}");
        assert!(secrets.is_null() || secrets == place.secrets(), "{step}");
        secrets = place.secrets();
    }
    fs::remove_file(place.0.join("fake/fail")).unwrap();
    place.calls();
    assert!(place.run(place.command()).0);
    assert_eq!(place.json("fake/given"), secrets);
    let creates = place.calls().into_iter().filter(|call| call.contains("create")).collect::<Vec<_>>();
    assert_eq!(creates, Vec::<String>::new(), "all was there by then");
}

/// A new root secret beside old data would be the end of it.
#[test]
fn data_without_their_secret_stop_it() {
    let place = Place::new("orphans", REALM);
    fs::write(place.0.join("fake/d1"), r#"[{"name":"latchkey-ward","uuid":"u"}]"#).unwrap();
    let (done, said) = place.run(place.command());
    assert!(!done && said.contains("no root secret") && place.secrets().is_null(), "{said}");
    assert!(!place.calls().iter().any(|call| call.contains("create") || call.starts_with("deploy")));
}

#[test]
fn what_is_missing_is_said_before_anything_is_done() {
    let place = Place::new(
        "missing",
        "domain = \"Nowhere\"\nmail = true\ncolour = 1\n[vars]\nISSUER = \"x\"\nLATCHKEY_KEYS = \"1:secret\"\nSCOPES = {}\n",
    );
    let (done, said) = place.run(place.command());
    assert!(!done);
    for fault in
        ["domain:", "mail and vars.MAIL_FROM", "colour: no such member", "vars.ISSUER", "vars.LATCHKEY_KEYS", "vars.SCOPES"]
    {
        assert!(said.contains(fault), "{fault}: {said}");
    }
    assert!(!said.contains("1:secret"), "{said}");
    let with = |name: &str, value: &str| {
        let mut command = place.command();
        command.env(name, value);
        place.run(command)
    };
    for (name, value, why) in
        [("REALM", "", "say which realm"), ("REALM", "../etc", "say which realm"), ("REALM", "none", "there is no")]
    {
        let (done, said) = with(name, value);
        assert!(!done && said.contains(why), "{value}: {said}");
    }
    fs::write(place.0.join("realms/ward.toml"), REALM).unwrap();
    let (done, said) = with("CLOUDFLARE_API_TOKEN", "");
    assert!(!done && said.contains("CLOUDFLARE_API_TOKEN is missing"), "{said}");
    assert_eq!(place.calls(), Vec::<String>::new(), "wrangler was not asked");
    fs::write(place.0.join("fake/fail"), "whoami").unwrap();
    let (done, said) = place.run(place.command());
    assert!(!done && said.contains("not taken"), "{said}");
    fs::write(place.0.join("realms/ward.toml"), REALM.replace("id.ward.test", "id.example.com")).unwrap();
    let (done, said) = place.run(place.command());
    assert!(!done && said.contains("still the one of the example"), "{said}");
}
