//! The fixture: two Workers, `a` and `b`, of the built Wasm on one store, run by `tools/harness.mjs`,
//! and everything that a test may do to them from outside.
//!
//! Starting costs about a second and a restart a fifth of one, so tests that only need the default
//! settings share one fixture ([`Fixture::shared`]) and keep apart by their own users, clients and
//! codes; a test that arms faults or changes settings starts its own.
#![expect(clippy::expect_used, clippy::panic, reason = "a broken fixture fails the test by panicking")]

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, UNIX_EPOCH};

use serde_json::{Value, json};

/// One of the two Workers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Worker {
    /// The first; its URL is the issuer, and the Durable Objects are its own.
    A,
    /// The second, on the same store.
    B,
}

impl Worker {
    fn name(self) -> &'static str {
        match self {
            Self::A => "a",
            Self::B => "b",
        }
    }
}

/// What goes wrong, and how.
#[derive(Clone, Copy, Debug)]
pub enum Mode {
    /// The operation fails and does nothing.
    Before,
    /// The operation succeeds and then seems to have failed.
    After,
    /// The request ends before the operation.
    KillBefore,
    /// The request ends after the operation.
    KillAfter,
    /// The operation starts this many milliseconds late.
    Slow(u64),
    /// For this many milliseconds reads of a KV namespace answer what is in it now.
    Stale(u64),
}

/// A fault in one Worker: an operation of `binding` whose description contains `matching` (SQL for D1,
/// `put KEY` for KV, `METHOD URL BODY` for a Durable Object) fails as `mode` says, once.
#[derive(Clone, Debug)]
pub struct Fault {
    /// Name of the binding, such as `DB`.
    pub binding: &'static str,
    /// How it fails.
    pub mode: Mode,
    /// Part of the operation's description; empty for any.
    pub matching: &'static str,
    /// How many matching operations pass before it.
    pub skip: u32,
    /// How many operations fail.
    pub times: u32,
}

impl Fault {
    /// A fault of the first operation that matches.
    pub fn new(binding: &'static str, mode: Mode, matching: &'static str) -> Self {
        Self { binding, mode, matching, skip: 0, times: 1 }
    }
}

/// How a fixture differs from the default one.
#[derive(Clone, Debug, Default)]
pub struct Setup(serde_json::Map<String, Value>);

impl Setup {
    fn put(mut self, path: &[&str], value: Value) -> Self {
        let (last, folders) = path.split_last().expect("a path");
        let mut at = &mut self.0;
        for folder in folders {
            at = at.entry(*folder).or_insert_with(|| json!({})).as_object_mut().expect("an object");
        }
        at.insert((*last).to_owned(), value);
        self
    }

    /// A setting of both Workers.
    pub fn var(self, name: &str, value: &str) -> Self {
        self.put(&["vars", name], value.into())
    }

    /// A setting of `b` only.
    pub fn var_of_b(self, name: &str, value: &str) -> Self {
        self.put(&["b", "vars", name], value.into())
    }

    /// Another limit for a rate-limit binding.
    pub fn rate_limit(self, binding: &str, limit: u32) -> Self {
        self.put(&["ratelimits", binding], limit.into())
    }

    /// A database of its own for the audit log, bound as `AUDIT`.
    pub fn audit_database(self) -> Self {
        self.put(&["audit"], true.into())
    }

    /// Users and clients on top of the demo's, in the form of a seed file.
    pub fn seed(self, seed: &Value) -> Self {
        let text = seed.to_string();
        let name = format!("seed-{:016x}.json", fnv(text.as_bytes()));
        let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        std::fs::write(&file, text).expect("the seed file is written");
        self.put(&["seed"], json!([file]))
    }

    /// Starts it for a `static` that several tests share; blocks until both Workers answer.
    pub fn start_now(self) -> Fixture {
        Fixture::launch(self)
    }

    /// Starts it and waits until both Workers answer.
    pub async fn start(self) -> Fixture {
        tokio::task::spawn_blocking(|| Fixture::launch(self)).await.expect("the fixture starts")
    }
}

/// Names a seed file by its content, so that parallel tests do not overwrite each other's.
fn fnv(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}

/// The two running Workers. Dropping it ends them.
#[derive(Debug)]
pub struct Fixture {
    /// URL of `a`, and the issuer.
    pub a: String,
    /// URL of `b`.
    pub b: String,
    control: String,
    harness: Child,
}

impl Fixture {
    /// The fixture with default settings that all tests share.
    pub fn shared() -> &'static Self {
        static SHARED: OnceLock<Fixture> = OnceLock::new();
        // Never dropped, but the harness leaves when this process does: its standard input closes.
        SHARED.get_or_init(|| Self::launch(Setup::default()))
    }

    fn launch(setup: Setup) -> Self {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let mut command = Command::new(node());
        command.arg(root.join("tools/harness.mjs")).stdin(Stdio::piped()).stdout(Stdio::piped());
        let seed = built("latchkey-seed");
        if seed.exists() {
            command.env("LATCHKEY_SEED", seed);
        }
        let mut harness = command.spawn().expect("node starts (run `make setup`)");

        let config = Value::Object(setup.put(&["cache"], env!("CARGO_TARGET_TMPDIR").into()).0);
        let stdin = harness.stdin.as_mut().expect("standard input is piped");
        writeln!(stdin, "{config}").expect("the harness reads its configuration");
        let stdout = harness.stdout.take().expect("standard output is piped");
        let mut line = String::new();
        let read = BufReader::new(stdout).read_line(&mut line);
        let Ok(Value::Object(urls)) = serde_json::from_str(&line) else {
            panic!("the harness did not start: {read:?} {line}");
        };
        let url = |name: &str| {
            let url = urls.get(name).and_then(Value::as_str);
            url.expect("the harness names its URLs").to_owned()
        };
        Self { a: url("a"), b: url("b"), control: url("control"), harness }
    }

    async fn call(&self, name: &str, arguments: Value) -> Value {
        // One client per call: tests have runtimes of their own, and a pooled connection dies with its runtime.
        // Nothing here is https, and reading the system's certificates takes longer than most calls.
        let client = reqwest::Client::builder().tls_built_in_root_certs(false).build().expect("a client");
        let answer = client
            .post(format!("{}/{name}", self.control))
            .json(&arguments)
            .timeout(Duration::from_secs(30))
            .send()
            .await
            .unwrap_or_else(|error| panic!("{name} {arguments}: {error}"));
        let status = answer.status();
        let body: Value = answer.json().await.expect("the harness answers JSON");
        assert!(status.is_success(), "{name} {arguments}: {body}");
        body
    }

    /// The rows of an SQL statement on D1.
    pub async fn d1(&self, sql: &str, params: &[Value]) -> Vec<Value> {
        rows(self.call("d1", json!({ "sql": sql, "params": params })).await)
    }

    /// The same on the database `AUDIT`.
    pub async fn audit_d1(&self, sql: &str) -> Vec<Value> {
        rows(self.call("d1", json!({ "sql": sql, "binding": "AUDIT" })).await)
    }

    /// The text under a key in KV.
    pub async fn kv(&self, key: &str) -> Option<String> {
        let value = self.call("kv", json!({ "key": key })).await;
        value.as_str().map(str::to_owned)
    }

    /// Sets a key in KV, or removes it.
    pub async fn set_kv(&self, key: &str, value: Option<&str>) {
        let change = match value {
            Some(value) => json!({ "key": key, "value": value }),
            None => json!({ "key": key, "delete": true }),
        };
        self.call("kv", change).await;
    }

    /// The ids of all objects of a class that were ever asked anything.
    pub async fn objects(&self, class: &str) -> Vec<String> {
        let ids = rows(self.call("objects", json!({ "class": class })).await);
        ids.iter().filter_map(Value::as_str).map(str::to_owned).collect()
    }

    /// Everything in D1 and in the objects: to show that nothing was written.
    pub async fn stored(&self) -> Vec<Value> {
        let mut stored = Vec::new();
        let tables = [
            "users",
            "logins",
            "clients",
            "initial_access_tokens",
            "sessions",
            "grants",
            "redemptions",
            "consents",
            "pushed_requests",
            "roles",
            "bootstrap",
            "idempotency",
            "signing_keys",
            "secrets",
        ];
        for table in tables {
            stored.extend(self.d1(&format!("SELECT * FROM {table} ORDER BY 1, 2"), &[]).await);
        }
        for class in ["DeviceFlow", "Throttle", "Replay", "Outbox"] {
            let mut ids = self.objects(class).await;
            ids.sort();
            for id in ids {
                stored.push(json!({ class: id, "holds": self.object(class, &id).await }));
            }
        }
        stored
    }

    /// Asserts that all is stored as it was, but for what time alone takes away.
    pub async fn assert_unchanged(&self, before: Vec<Value>) {
        let after = self.stored().await;
        let now = UNIX_EPOCH.elapsed().expect("a clock after 1970").as_millis();
        assert_eq!(lasting(after, now), lasting(before, now), "something was written");
    }

    /// What the object with this id has stored and when its alarm is due: `{"alarm": ms, "stored": {key: value}}`.
    pub async fn object(&self, class: &str, id: &str) -> Value {
        self.call("object", json!({ "class": class, "id": id })).await
    }

    /// Runs the alarm of the object with this id now, whatever it is set to.
    pub async fn alarm(&self, class: &str, id: &str) {
        self.call("object", json!({ "class": class, "id": id, "alarm": true })).await;
    }

    /// Ends all running objects of a class, as the platform does when it moves them.
    pub async fn evict(&self, class: &str) {
        self.call("evict", json!({ "class": class })).await;
    }

    /// Fires the cron trigger of a Worker and waits for it.
    pub async fn cron(&self, worker: Worker) {
        self.call("cron", json!({ "worker": worker.name() })).await;
    }

    /// Arms a fault in a Worker.
    pub async fn fault(&self, worker: Worker, fault: &Fault) {
        let (mode, ms) = match fault.mode {
            Mode::Before => ("before", 0),
            Mode::After => ("after", 0),
            Mode::KillBefore => ("kill-before", 0),
            Mode::KillAfter => ("kill-after", 0),
            Mode::Slow(ms) => ("slow", ms),
            Mode::Stale(ms) => ("stale", ms),
        };
        let order = json!({
            "worker": worker.name(),
            "binding": fault.binding,
            "mode": mode,
            "ms": ms,
            "match": fault.matching,
            "skip": fault.skip,
            "times": fault.times,
        });
        self.call("fault", order).await;
    }

    /// Disarms all faults of a Worker; answers those that never struck.
    pub async fn disarm(&self, worker: Worker) -> u64 {
        let order = json!({ "worker": worker.name(), "mode": "none" });
        self.call("fault", order).await.as_u64().unwrap_or_default()
    }

    /// What both Workers have logged so far: `{"worker": "a", "level": "log", "line": JSON or text}`.
    pub async fn logs(&self) -> Vec<Value> {
        let logs = self.call("logs", json!({})).await;
        rows(logs.get("entries").cloned().unwrap_or_default())
    }

    /// Restarts both Workers on the same store and ports, with changed settings and secrets:
    /// `{"a": {"vars": {..}, "secrets": {..}}, "b": {..}}`, null removes one.
    pub async fn restart(&self, changes: Value) {
        self.call("restart", changes).await;
    }

    /// `LATCHKEY_KEYS` and `LATCHKEY_KEY_ACTIVE` of a Worker.
    pub async fn secrets(&self, worker: Worker) -> Value {
        let both = self.call("secrets", json!({})).await;
        both.get(worker.name()).cloned().unwrap_or_default()
    }
}

impl Drop for Fixture {
    fn drop(&mut self) {
        // Closing its standard input lets it remove its data.
        drop(self.harness.stdin.take());
        self.harness.wait().ok();
    }
}

/// What is stored without what time alone takes away: budgets that are full again by now, and alarms.
fn lasting(mut stored: Vec<Value>, now: u128) -> Vec<Value> {
    for entry in stored.iter_mut().filter(|entry| entry.get("Throttle").is_some()) {
        let Some(held) = entry.get_mut("holds").and_then(Value::as_object_mut) else { continue };
        held.remove("alarm");
        if let Some(usages) = held.get_mut("stored").and_then(Value::as_object_mut) {
            usages.retain(|_, full_at| full_at.as_u64().is_some_and(|full_at| u128::from(full_at) > now));
        }
    }
    stored
}

fn rows(value: Value) -> Vec<Value> {
    match value {
        Value::Array(rows) => rows,
        other => panic!("not a list: {other}"),
    }
}

/// The Node that comes with the npm packages, or the machine's.
pub fn node() -> PathBuf {
    let pinned = Path::new(env!("CARGO_MANIFEST_DIR")).join("node_modules/.bin/node");
    if pinned.exists() { pinned } else { "node".into() }
}

/// A program of this package, built by `make test` beside the tests: `latchkey-seed`, `examples/device`.
pub fn built(program: &str) -> PathBuf {
    let test = std::env::current_exe().expect("the test knows its own path");
    let folder = test.parent().and_then(Path::parent);
    folder.expect("tests are built in target/*/deps").join(program)
}
