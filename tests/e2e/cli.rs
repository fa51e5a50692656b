//! The command line at the real Worker: the built program, with a home of its own for each test.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a broken step fails the test by panicking"
)]

mod commands;
mod login;
mod realm;
mod tokens;

use std::path::PathBuf;
use std::process::Stdio;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStderr, Command};
use tokio::time::timeout;

use crate::harness::built;
use crate::support::{Answer, Person};
use crate::web::{consent, follow, post};

/// Longest that one command may take.
const PATIENCE: Duration = Duration::from_mins(1);

/// A person at a terminal. Dropping it removes their home.
pub struct Terminal {
    base: String,
    home: PathBuf,
}

impl Drop for Terminal {
    fn drop(&mut self) {
        std::fs::remove_dir_all(&self.home).ok();
    }
}

/// What a command came to.
#[derive(Debug)]
pub struct Done {
    /// Exit code.
    pub code: i32,
    /// Standard output.
    pub out: String,
    /// Standard error.
    pub err: String,
}

impl Done {
    /// Standard output, which has to be JSON.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

impl Terminal {
    /// Somebody who never signed in, at this realm.
    pub fn new(base: &str) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("cli-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let home = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
        std::fs::create_dir_all(&home).unwrap();
        Self { base: base.to_owned(), home }
    }

    /// Ada, who administers the demo, signed in.
    pub async fn ada(base: &str) -> Self {
        let (terminal, person) = (Self::new(base), Person::ada(base).await);
        let done = terminal.sign_in(&person, &[]).await;
        assert_eq!(done.code, 0, "{done:?}");
        terminal
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let program = built("latchkey");
        assert!(program.exists(), "{} is not built: cargo build --package latchkey-cli", program.display());
        let mut command = Command::new(program);
        command
            .args(arguments)
            .env_remove("LATCHKEY_ISSUER")
            .env_remove("LATCHKEY_BOOTSTRAP")
            .env_remove("LATCHKEY_PASSPHRASE")
            .env_remove("LATCHKEY_TOKEN");
        command.env("HOME", &self.home).env("XDG_CONFIG_HOME", self.home.join("config")).current_dir(&self.home);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        command
    }

    /// Runs a command with nothing on standard input.
    pub async fn run(&self, arguments: &[&str]) -> Done {
        self.run_with(arguments, &[], "").await
    }

    /// Runs a command that has to succeed.
    pub async fn ok(&self, arguments: &[&str]) -> Done {
        let done = self.run(arguments).await;
        assert_eq!(done.code, 0, "{arguments:?}: {done:?}");
        done
    }

    /// Runs a command that has to succeed, for JSON.
    pub async fn json(&self, arguments: &[&str]) -> Value {
        self.ok(&[&["--json"], arguments].concat()).await.json()
    }

    /// Runs a command with these variables and this standard input.
    pub async fn run_with(&self, arguments: &[&str], variables: &[(&str, &str)], input: &str) -> Done {
        let mut command = self.command(arguments);
        let mut child = command.envs(variables.iter().copied()).spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        // A command that fails before it reads closes it.
        stdin.write_all(input.as_bytes()).await.ok();
        drop(stdin);
        let output = timeout(PATIENCE, child.wait_with_output()).await.expect("it ends").unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        Done { code: output.status.code().unwrap_or(-1), out: text(output.stdout), err: text(output.stderr) }
    }

    /// Starts a command that waits for a browser.
    pub fn start(&self, arguments: &[&str]) -> Waiting {
        let mut child = self.command(arguments).spawn().unwrap();
        let lines = BufReader::new(child.stderr.take().unwrap()).lines();
        Waiting { child, lines, said: String::new() }
    }

    /// Starts `login --no-browser`.
    pub fn login(&self, more: &[&str]) -> Waiting {
        self.start(&[&["login", "--no-browser", "--issuer", &self.base], more].concat())
    }

    /// `login`, with this person at the browser, who says yes to everything.
    pub async fn sign_in(&self, person: &Person, more: &[&str]) -> Done {
        let mut waiting = self.login(more);
        let url = waiting.address().await;
        let answer = authorized(person, &url).await;
        assert_eq!(visit(answer.header("location")).await.status, 200);
        waiting.done().await
    }

    /// The file of the sign-in at the realm.
    pub fn file(&self) -> PathBuf {
        let mut files: Vec<PathBuf> =
            self.files().into_iter().filter(|path| path.extension().is_some_and(|end| end == "json")).collect();
        assert_eq!(files.len(), 1, "{files:?}");
        files.remove(0)
    }

    /// All files that are kept.
    pub fn files(&self) -> Vec<PathBuf> {
        let entries = std::fs::read_dir(self.folder()).map(|entries| entries.map(|entry| entry.unwrap().path()).collect());
        entries.unwrap_or_default()
    }

    /// Where they are.
    pub fn folder(&self) -> PathBuf {
        self.home.join("config/latchkey")
    }

    /// The sign-in as it is kept.
    pub fn saved(&self) -> Value {
        serde_json::from_slice(&std::fs::read(self.file()).unwrap()).unwrap()
    }

    /// Changes members of it.
    pub fn change_saved(&self, name: &str, value: Value) {
        let mut saved = self.saved();
        saved[name] = value;
        std::fs::write(self.file(), saved.to_string()).unwrap();
    }

    /// Writes a file that commands can name.
    pub fn write(&self, name: &str, text: &str) {
        std::fs::write(self.home.join(name), text).unwrap();
    }

    /// A file that a command wrote.
    pub fn path(&self, name: &str) -> PathBuf {
        self.home.join(name)
    }
}

/// A command that waits for a browser.
pub struct Waiting {
    child: Child,
    lines: Lines<BufReader<ChildStderr>>,
    said: String,
}

impl Waiting {
    /// The next indented line that it says.
    pub async fn indented(&mut self) -> String {
        loop {
            let line = timeout(PATIENCE, self.lines.next_line()).await.expect("it says something").unwrap();
            let line = line.unwrap_or_else(|| panic!("it ended: {}", self.said));
            self.said = format!("{}{line}\n", self.said);
            if let Some(text) = line.strip_prefix("  ") {
                return text.to_owned();
            }
        }
    }

    /// The address that it wants to be opened.
    pub async fn address(&mut self) -> String {
        let address = self.indented().await;
        assert!(address.starts_with("http"), "{address}");
        address
    }

    /// What it comes to.
    pub async fn done(mut self) -> Done {
        let (mut out, mut err) = (String::new(), self.said.clone());
        let mut stdout = self.child.stdout.take().unwrap();
        let read = async {
            while let Some(line) = self.lines.next_line().await.unwrap() {
                err = format!("{err}{line}\n");
            }
            stdout.read_to_string(&mut out).await.unwrap();
            self.child.wait().await.unwrap()
        };
        let status = timeout(PATIENCE, read).await.expect("it ends");
        Done { code: status.code().unwrap_or(-1), out, err }
    }
}

/// What the realm answers a person's browser in the end, who signs in as Ada where they are asked, and says yes.
pub async fn authorized(person: &Person, url: &str) -> Answer {
    authorized_as(person, url, crate::support::ADA).await
}

/// The same as somebody else.
pub async fn authorized_as(person: &Person, url: &str, (login, password): (&str, &str)) -> Answer {
    let path = url.strip_prefix(&person.base).unwrap_or_else(|| panic!("{url} is not of {}", person.base));
    let mut answer = follow(person, person.get(path).await).await;
    for _ in 0..4 {
        if answer.status == 303 {
            return answer;
        }
        answer = if answer.body.contains("id=\"login-submit\"") {
            let fields = [("form", answer.form()), ("login", login.to_owned()), ("password", password.to_owned())];
            follow(person, post(person, "/login", &fields).await).await
        } else {
            consent(person, &answer).await
        };
    }
    panic!("neither signed in nor sent back: {} {}", answer.status, answer.body);
}

/// What a browser gets that is sent to an address: the loopback port's answer.
pub async fn visit(url: &str) -> Answer {
    let http =
        reqwest::Client::builder().tls_built_in_root_certs(false).redirect(reqwest::redirect::Policy::none()).build().unwrap();
    crate::support::Api::send(http.get(url)).await
}
