//! What the README starts with one command: a CI job's token traded, two realms federated; and the example service.
#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a broken step fails the test by panicking")]

use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::sync::Mutex;
use std::time::Duration;

use serde_json::json;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, BufReader};
use tokio::process::{Child, Command};
use tokio::time::timeout;

use crate::harness::{Setup, built};
use crate::support::{Api, Person};
use crate::web::secret;

/// Longest that any of these may take.
const PATIENCE: Duration = Duration::from_mins(3);

/// Ports below those that the system gives to everybody's connections, each to one test alone.
fn free_ports<const N: usize>() -> [u16; N] {
    static NEXT: Mutex<u16> = Mutex::new(0);
    let mut next = NEXT.lock().unwrap();
    if *next == 0 {
        *next = 30_100 + u16::try_from(std::process::id() % 2_000).unwrap();
    }
    [(); N].map(|()| {
        while TcpListener::bind(("127.0.0.1", *next)).is_err() {
            *next += 1;
        }
        *next += 1;
        *next - 1
    })
}

/// A script of `tools/`, with its settings, all ports, and with the programs that are built already.
fn script(name: &str, settings: &[(&str, u16)]) -> Command {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut command = Command::new("bash");
    command.arg(root.join("tools").join(name)).envs(settings.iter().map(|(name, port)| (name, port.to_string())));
    let folder = folder(settings);
    std::fs::create_dir_all(&folder).unwrap();
    command.env("LATCHKEY_PROGRAMS", built("")).env("TMPDIR", folder);
    command
}

/// Where a script with these settings may put what it needs while it runs.
fn folder(settings: &[(&str, u16)]) -> PathBuf {
    let ports: Vec<String> = settings.iter().map(|(_, port)| port.to_string()).collect();
    Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("walkthrough-{}-{}", std::process::id(), ports.join("-")))
}

/// A running program, until it is dropped.
struct Running(Child);

impl Running {
    fn start(mut command: Command) -> Self {
        Self(command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap())
    }

    /// As Ctrl-C does it, so that it ends what it started.
    fn interrupt(&self) {
        if let Some(id) = self.0.id() {
            std::process::Command::new("kill").args(["-INT", &id.to_string()]).status().ok();
        }
    }

    async fn ended(&mut self) -> ExitStatus {
        timeout(PATIENCE, self.0.wait()).await.expect("it ends").unwrap()
    }

    /// What it says up to a line that holds these words, with single spaces.
    async fn up_to(&mut self, words: &str) -> String {
        let mut lines = BufReader::new(self.0.stdout.take().unwrap()).lines();
        let mut said = String::new();
        let read = async {
            while let Some(line) = lines.next_line().await.unwrap() {
                said.extend(line.split_whitespace().flat_map(|word| [word, " "]));
                if line.contains(words) {
                    return true;
                }
            }
            false
        };
        if !timeout(PATIENCE, read).await.expect("it gets that far") {
            let mut complaints = String::new();
            self.0.stderr.take().unwrap().read_to_string(&mut complaints).await.unwrap();
            panic!("{said}\n{complaints}");
        }
        // Somebody has to read what it says.
        tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        said
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.interrupt();
    }
}

/// How it ended, and what it said.
async fn outcome(command: Command) -> (ExitStatus, String, String) {
    let mut running = Running::start(command);
    let (mut out, mut err) = (running.0.stdout.take().unwrap(), running.0.stderr.take().unwrap());
    let (mut said, mut complaints) = (String::new(), String::new());
    let read = async { tokio::join!(out.read_to_string(&mut said), err.read_to_string(&mut complaints)) };
    let (out, err) = timeout(PATIENCE, read).await.expect("it ends");
    assert!(out.is_ok() && err.is_ok());
    (running.ended().await, said, complaints)
}

/// Nothing of a script is there after it: no program, no file.
fn assert_nothing_is_left(settings: &[(&str, u16)]) {
    for (name, port) in settings {
        assert!(TcpStream::connect(("localhost", *port)).is_err(), "somebody still listens on {name}, {port}");
    }
    std::fs::remove_dir(folder(settings)).expect("the folder is empty");
}

#[tokio::test]
async fn a_ci_job_trades_its_token() {
    let [latchkey, github, api] = free_ports();
    let settings = [("PORT", latchkey), ("GITHUB_PORT", github), ("API_PORT", api)];
    let (status, said, complaints) = outcome(script("ci-walkthrough.sh", &settings)).await;
    assert!(status.success(), "{said}\n{complaints}");
    let steps: Vec<&str> = said.split("\n== ").skip(1).collect();
    let [job, trade, calls, again, others, why, end] = steps[..] else { panic!("{said}") };
    // It says what the document says that it does.
    assert!(
        job.contains("\"sub\": \"repo:acme/app:ref:refs/heads/main\"") && job.contains(&format!("localhost:{latchkey}")),
        "{job}"
    );
    assert!(
        trade.contains("\"sub\": \"acme-deploy\"") && trade.contains(&format!("\"aud\": \"http://localhost:{api}\"")),
        "{trade}"
    );
    assert!(calls.contains("\"text\": \"acme/app was deployed\"") && calls.contains("\"service\": true"), "{calls}");
    for refused in [again, others] {
        assert!(refused.contains("\"error\": \"invalid_request\"") && !refused.contains("access_token\""), "{refused}");
    }
    assert!(why.contains("\"found\": \"acme/other\"") && why.contains("\"known\": true"), "{why}");
    assert_eq!(end, "All as it should be\n");
    let tokens = said.split('"').filter(|word| word.starts_with("eyJ")).count();
    assert_eq!(tokens, 0, "no token is shown");
    assert_nothing_is_left(&settings);
}

#[tokio::test]
async fn a_walkthrough_that_cannot_start_says_so_and_leaves_nothing() {
    let [latchkey, github, api] = free_ports();
    let taken = TcpListener::bind(("localhost", github)).unwrap();
    let settings = [("PORT", latchkey), ("GITHUB_PORT", github), ("API_PORT", api)];
    let (status, said, complaints) = outcome(script("ci-walkthrough.sh", &settings)).await;
    assert_eq!((status.code(), said.as_str()), (Some(1), ""), "{complaints}");
    assert!(complaints.contains("github ended by itself"), "{complaints}");
    drop(taken);
    assert_nothing_is_left(&settings);
}

#[tokio::test]
async fn people_of_two_realms_have_roles_at_the_other() {
    let [mdhlabs, providerx, mdhlabs_api, providerx_api] = free_ports();
    let settings = [
        ("MDHLABS_PORT", mdhlabs),
        ("PROVIDERX_PORT", providerx),
        ("MDHLABS_API_PORT", mdhlabs_api),
        ("PROVIDERX_API_PORT", providerx_api),
    ];
    let mut running = Running::start(script("federation.sh", &settings));
    let said = running.up_to("The realms run on").await;
    for line in [
        "mia mdhlabsuser -> customer own records: 1, everybody's: refused",
        "max mdhlabsfull -> engineer own records: 1, everybody's: 2",
        "pia providerxbasic -> customer own records: 1, everybody's: refused",
        "ivo providerxadvanced -> engineer own records: 1, everybody's: 2",
    ] {
        assert!(said.contains(line), "{line}: {said}");
    }
    for nobody in ["uma no role -> refused, invalid_request", "lea no role -> refused, invalid_request"] {
        assert!(said.contains(nobody), "{nobody}: {said}");
    }
    // They run on, each with its own people.
    let [home, there] = [mdhlabs, providerx].map(|port| format!("http://localhost:{port}"));
    for issuer in [&home, &there] {
        assert_eq!(Api::demo(issuer).get("/.well-known/openid-configuration").await.json()["issuer"], issuer.as_str());
    }
    assert_eq!(Person::new(&home).try_sign_in("max", "centrifuge-no-1864").await.status, 303);
    assert_eq!(Person::new(&there).try_sign_in("max", "centrifuge-no-1864").await.status, 400, "nobody there");

    // A Ctrl-C comes twice where `make` passes it on.
    running.interrupt();
    running.interrupt();
    let status = running.ended().await;
    assert_eq!(status.code(), Some(0));
    assert_nothing_is_left(&settings);
}

/// The example service beside its API and the Worker: one token for all callers, renewed before it is over.
#[tokio::test]
async fn a_service_has_one_token_at_a_time() {
    let [port] = free_ports();
    let api = format!("http://localhost:{port}");
    let caller = json!({
        "client_id": "caller", "client_secret": secret("caller"), "grant_types": ["client_credentials"],
        "resources": [api], "scope": "records:read records:write", "access_token_lifetime": 5,
    });
    let fixture = Setup::default().seed(&json!({ "clients": [caller] })).start().await;
    let mut server = Command::new(built("examples/resource-server"));
    server.args(["--issuer", &fixture.a, "--audience", &api, "--listen", &format!("localhost:{port}")]);
    let mut server = Running::start(server);
    server.up_to("listening on").await;
    let service = async |secret: &str, more: &[&str]| {
        let mut command = Command::new(built("examples/service-client"));
        command.args(["--issuer", &fixture.a, "--client-id", "caller", "--api", &api, "--scope", "records:read"]).args(more);
        command.env("LATCHKEY_CLIENT_SECRET", secret);
        outcome(command).await
    };
    let requests = async || {
        let logs = fixture.logs().await;
        logs.iter().filter(|log| log["line"]["route"] == "token" && log["line"]["client"] == "caller").count()
    };

    // Eight seconds with tokens of five: the first is not enough, and one per call would be 36.
    let (status, said, complaints) = service(&secret("caller"), &["--callers", "4", "--calls", "9"]).await;
    assert!(status.success(), "{said}\n{complaints}");
    assert_eq!(said.matches("200 OK {\"records\":[]}").count(), 36, "{said}");
    let asked = requests().await;
    assert!((2..18).contains(&asked), "{asked} token requests");
    assert!(said.ends_with(&format!("calls: 36, token requests: {asked}\n")), "{said}");

    // The token is the service's own, and for this API.
    let (_, said, _) = service(&secret("caller"), &["--path", "/caller"]).await;
    assert!(said.contains("\"service\":true,\"subject\":\"caller\"") && said.contains("\"scope\":\"records:read\""), "{said}");

    // A wrong secret is tried once, for all callers.
    let before = requests().await;
    let (status, said, complaints) = service(&secret("other"), &["--callers", "8"]).await;
    assert_eq!((status.code(), said.as_str(), requests().await - before), (Some(3), "", 1), "{complaints}");
    assert!(complaints.contains("invalid_client"), "{complaints}");
}
