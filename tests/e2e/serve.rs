//! `make serve`: what it promises whoever runs it.
#![expect(clippy::unwrap_used, reason = "a broken step fails the test by panicking")]

use std::io::{BufRead as _, BufReader};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};

use crate::harness::built;
use crate::support::{Api, Person, header};
use crate::web::App;

/// The server, until it is dropped.
struct Server {
    process: Child,
    url: String,
}

impl Server {
    /// Starts it and reads up to its `ready` line; nothing if it leaves before.
    fn start(port: u16, state: &Path, more: &[(&str, &str)]) -> Option<Self> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let mut process = Command::new(root.join("node_modules/.bin/node"))
            .arg(root.join("tools/serve.mjs"))
            .env("PORT", port.to_string())
            .env("STATE", state)
            .env("LATCHKEY_SEED", built("latchkey-seed"))
            .envs(more.iter().copied())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let ready = format!("ready http://localhost:{port}");
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines().map_while(Result::ok);
        let is_ready = lines.any(|line| line == ready);
        // Somebody has to read what it logs.
        std::thread::spawn(move || lines.count());
        if !is_ready {
            assert!(!process.wait().unwrap().success());
            return None;
        }
        Some(Self { process, url: format!("http://localhost:{port}") })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // As Ctrl-C does it, so that the runtime ends with it and finishes what it writes.
        let _ = Command::new("kill").args(["-INT", &self.process.id().to_string()]).status();
        let _ = self.process.wait();
    }
}

/// A free port below those that the system gives to everybody's connections.
fn free_port() -> u16 {
    let first = 20_000 + u16::try_from(std::process::id() % 10_000).unwrap();
    (first..first + 100).step_by(2).find(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok()).unwrap()
}

fn fresh(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}-{}", std::process::id()));
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

#[tokio::test(flavor = "multi_thread")]
async fn the_server_keeps_its_state_and_takes_users_clients_and_settings() {
    let (state, seed) = (fresh("serve"), fresh("seed").join("seed.json"));
    let port = free_port();
    let own = json!({
        "users": [{ "login": "grace", "password": "compiler-no-1952", "claims": { "name": "Grace Hopper" } }],
        "clients": [{
            "client_id": "own", "client_name": "Own", "token_endpoint_auth_method": "none", "scope": "openid",
            "grant_types": [crate::support::DEVICE_CODE, "refresh_token"],
        }],
    });
    std::fs::write(&seed, own.to_string()).unwrap();

    let server = Server::start(port, &state, &[]).unwrap();
    let demo = Api::demo(&server.url);
    let metadata = demo.get("/.well-known/openid-configuration").await.json();
    assert_eq!(metadata["issuer"], server.url.as_str());
    let kids = |jwks: Value| -> Vec<Value> { jwks["keys"].as_array().unwrap().iter().map(|key| key["kid"].clone()).collect() };
    let before = kids(demo.get("/jwks.json").await.json());
    let tokens = demo.signed_in(&Person::ada(&server.url).await).await;
    assert_eq!(Api::public(&server.url, "own").post("/device_authorization", &[]).await.error(), "invalid_client");
    assert!(Server::start(port + 1, &state, &[]).is_none(), "one server per state");
    drop(server);

    let seed = seed.display().to_string();
    let server = Server::start(port, &state, &[("SEED", &seed), ("DEVICE_INTERVAL", "7")]).unwrap();
    // New connections: the old ones died with the server.
    let demo = Api::demo(&server.url);
    assert_eq!(kids(demo.get("/jwks.json").await.json()), before, "the keys are kept");
    assert!(demo.refresh(&tokens.member("refresh_token")).await.is_granted(), "so is the sign-in");
    let own = Api::public(&server.url, "own");
    assert_eq!(own.start().await.answer.json()["interval"], 7);
    let grace = Person::new(&server.url);
    grace.sign_in("grace", "compiler-no-1952").await;
    assert!(own.signed_in(&grace).await.is_granted());
    drop(server);

    let server = Server::start(port, &state, &[("ISSUER", "https://id.example")]).unwrap();
    let metadata = Api::demo(&server.url).get("/.well-known/openid-configuration").await.json();
    assert_eq!(
        (&metadata["issuer"], &metadata["token_endpoint"]),
        (&"https://id.example".into(), &"https://id.example/token".into())
    );
}

/// `make rotate-keys` in the middle of a sign-in: new keys are there at once, and what was begun goes on.
#[tokio::test(flavor = "multi_thread")]
async fn signing_keys_change_in_the_middle_of_a_sign_in() {
    let state = fresh("rotate");
    let server = Server::start(free_port() + 1, &state, &[]).unwrap();
    let rotate = || {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let node = root.join("node_modules/.bin/node");
        Command::new(node).arg(root.join("tools/rotate-keys.mjs")).env("STATE", &state).output().unwrap()
    };
    let kids = |jwks: &Value| -> Vec<Value> { jwks["keys"].as_array().unwrap().iter().map(|key| key["kid"].clone()).collect() };
    let demo = App::demo(&server.url);
    let before = kids(&demo.api.get("/jwks.json").await.json());
    let person = Person::ada(&server.url).await;
    let code = demo.code(&person, &[]).await;
    let rotated = rotate();
    assert!(rotated.status.success(), "{}", String::from_utf8_lossy(&rotated.stderr));
    let tokens = demo.redeem(&code).await;
    assert!(tokens.is_granted(), "{}", tokens.body);
    // The isolate's own copy of the set may be half a minute old; what it read from is not.
    let after = loop {
        let after = kids(&demo.api.get("/jwks.json").await.json());
        if after != before {
            break after;
        }
        crate::support::sleep(500).await;
    };
    assert!(before.iter().all(|kid| after.contains(kid)), "the old ones stay");
    assert_eq!(after.len(), 2 * before.len());
    assert!(after.contains(&header(&tokens.member("id_token"))["kid"]));
    assert_eq!(rotate().status.code(), Some(1), "new ones are on their way already");
}
