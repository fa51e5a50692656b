//! Signs a device in at any OAuth issuer and keeps it signed in (RFC 8628, 8414, 6749, 7009).
//!
//! ```text
//! cargo run --example device -- --issuer http://localhost:8787 --client-id demo-device --watch
//! cargo run --example device -- --issuer http://localhost:8787 --client-id demo-device --json
//! cargo run --example device -- --issuer http://localhost:8787 --client-id demo-device --logout
//! ```
//!
//! An independent client: it shares no code with Latchkey. It may be interrupted at any instant:
//! the store is replaced whole or not at all, the lock dies with the process, and a rotation whose
//! answer was lost is asked for again with the old token.

use std::env;
use std::error::Error;
use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::hash::{BuildHasher, RandomState};
use std::io::{self, ErrorKind, IsTerminal, Read, Write};
use std::net::IpAddr;
#[cfg(unix)]
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::thread::sleep;
use std::time::{Duration, Instant, UNIX_EPOCH};

use clap::Parser;
use qrcodegen::{QrCode, QrCodeEcc};
use reqwest::blocking::{Client, RequestBuilder};
use reqwest::{Url, redirect::Policy};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::{Value, json};

const BODY_LIMIT: u64 = 64 * 1024;
/// Without `--watch`: how often an undecided request is sent, and the longest wait between two.
const ATTEMPTS: u32 = 5;
const PATIENCE: Duration = Duration::from_mins(2);
/// Bounds a server's numbers, so that no sum of times overflows.
const DAY: Duration = Duration::from_hours(24);
const SECOND: Duration = Duration::from_secs(1);

/// Sign this device in with a code that a person approves in a browser, and stay signed in.
///
/// A stored sign-in is refreshed; without one a new sign-in starts. Only the refresh token is kept.
#[derive(Parser)]
#[command(after_help = "Exit codes:
  0  done
  1  failed
  2  wrong usage
  3  the person said no
  4  the code expired
  5  the code is not valid (any more)
  6  the server cannot be reached or is overloaded; a stored sign-in is kept
  7  the server refused (wrong client, scope, ...)
  8  not signed in (--status, or --watch after another process signed out)")]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag")]
struct Args {
    /// Issuer, exactly as it names itself; https, or http on this machine
    #[arg(long, value_name = "URL")]
    issuer: String,
    /// Client id, as registered at the issuer
    #[arg(long, value_name = "ID")]
    client_id: String,
    /// File with the client's secret, or set `LATCHKEY_CLIENT_SECRET` [default: a public client]
    #[arg(long, value_name = "FILE")]
    client_secret_file: Option<PathBuf>,
    /// What a new sign-in asks for, space separated; "" leaves it to the server
    #[arg(long, default_value = "openid profile offline_access")]
    scope: String,
    /// API that the access token is for (RFC 8707); may be repeated
    #[arg(long, value_name = "URI")]
    resource: Vec<String>,
    /// Folder of the refresh tokens, one file per issuer and client [default: in the user's data]
    #[arg(long, value_name = "PATH")]
    store: Option<PathBuf>,
    /// Start a new sign-in even if one is stored, which is then revoked
    #[arg(long, group = "mode")]
    login: bool,
    /// Revoke the stored sign-in and forget it
    #[arg(long, group = "mode", conflicts_with = "watch")]
    logout: bool,
    /// Say what is stored, without asking the server
    #[arg(long, group = "mode", conflicts_with = "watch")]
    status: bool,
    /// Stay signed in: refresh before each expiry until interrupted
    #[arg(long)]
    watch: bool,
    /// Print the access token too
    #[arg(long)]
    show_token: bool,
    /// Print one JSON object a line instead of text, access token included
    #[arg(long)]
    json: bool,
    /// Print no QR code
    #[arg(long)]
    no_qr: bool,
}

/// RFC 8628 3.2
#[derive(Deserialize, Serialize)]
struct DeviceAuthorization {
    #[serde(skip_serializing)]
    device_code: String,
    user_code: String,
    verification_uri: String,
    verification_uri_complete: Option<String>,
    expires_in: u64,
    interval: Option<u64>,
}

/// RFC 6749 5.1, and who signed in.
#[derive(Deserialize, Serialize)]
struct Tokens {
    access_token: String,
    token_type: String,
    expires_in: Option<u64>,
    #[serde(skip_serializing)]
    refresh_token: Option<String>,
    id_token: Option<String>,
    #[serde(default)]
    scope: String,
    #[serde(skip_deserializing)]
    claims: Value,
}

#[derive(Serialize)]
struct Failure {
    exit_code: u8,
    /// The code of RFC 6749 5.2 or RFC 8628 3.5, else empty.
    error: String,
    text: String,
    #[serde(skip)]
    retry_after: Option<Duration>,
}

impl Failure {
    /// Nothing was decided (no answer, 408, 429, 5xx): the request may be sent again.
    const UNDECIDED: u8 = 6;
    const SIGNED_OUT: u8 = 8;

    fn new(exit_code: u8, error: &str, text: &str) -> Self {
        let (error, text) = (clean(error), clean(text));
        Self { exit_code, error, text, retry_after: None }
    }

    fn is_undecided(&self) -> bool {
        self.exit_code == Self::UNDECIDED
    }
}

fn fatal(text: impl AsRef<str>) -> Failure {
    Failure::new(1, "", text.as_ref())
}

fn refused(error: &str, detail: &str) -> Failure {
    let (exit_code, sentence) = match error {
        "access_denied" => (3, "The person who was asked said no."),
        "expired_token" => (4, "The code expired; please start again."),
        "invalid_grant" => (5, "The code is not valid (any more)."),
        _ => (7, "The server refused."),
    };
    Failure::new(exit_code, error, &format!("{sentence} [{detail}]"))
}

fn main() -> ExitCode {
    let args = Args::parse();
    let Err(failure) = run(&args) else {
        return ExitCode::SUCCESS;
    };
    if !args.json || say(&args, "error", &failure, "").is_err() {
        notice(&failure.text);
    }
    ExitCode::from(failure.exit_code)
}

fn run(args: &Args) -> Result<(), Failure> {
    let store = Store::of(args)?;
    if args.status {
        let held = store.load()?;
        let held = held.ok_or_else(|| Failure::new(Failure::SIGNED_OUT, "", "Not signed in."))?;
        let age = unix_time().saturating_sub(held.saved_at);
        let text = format!("Signed in, renewed {age} s ago, scope: {}", held.scope);
        let body = json!({"scope": held.scope, "age": age});
        return say(args, "status", &body, &clean(&text));
    }
    let device = Device::discovered(args, store)?;
    if args.logout {
        return device.sign_out();
    }
    let tokens = device.session(true)?;
    if args.watch { device.watch(tokens) } else { Ok(()) }
}

struct Device<'a> {
    args: &'a Args,
    http: Client,
    secret: Option<String>,
    /// RFC 8414
    metadata: Value,
    store: Store,
}

impl<'a> Device<'a> {
    fn discovered(args: &'a Args, store: Store) -> Result<Self, Failure> {
        let secret = match &args.client_secret_file {
            Some(file) => fs::read_to_string(file).map_err(at(file))?,
            None => env::var("LATCHKEY_CLIENT_SECRET").unwrap_or_default(),
        };
        let secret = Some(secret.trim_end().to_owned()).filter(|secret| !secret.is_empty());
        let issuer = Url::parse(&args.issuer).ok().filter(is_safe);
        let issuer = issuer.filter(|url| url.query().is_none());
        let issuer = issuer.ok_or_else(|| fatal("The issuer must be a plain https URL."))?;
        // Polls are seconds apart: a connection kept open would be closed by the server in between.
        let mut http = Client::builder()
            .pool_max_idle_per_host(0)
            .redirect(Policy::none())
            .connect_timeout(SECOND * 10)
            .timeout(SECOND * 30);
        if issuer.scheme() == "http" {
            // Plain http is for this machine only, so never through a proxy.
            http = http.no_proxy();
        }
        let http = http.build().map_err(|error| fatal(reasons(&error)))?;
        let [oauth, openid] = well_known_urls(&issuer);
        let document = |url: &Url| patiently(args, || call(http.get(url.clone())));
        let metadata = match document(&oauth) {
            Ok(metadata) if metadata.is_object() => metadata,
            Err(failure) if failure.is_undecided() => return Err(failure),
            _ => document(&openid)?,
        };
        // RFC 8414 3.3: a document that names another issuer must not be used.
        match member(&metadata, "issuer") {
            Some(named) if named == args.issuer => {}
            Some(named) => return Err(fatal(format!("That server's issuer is {named}."))),
            None => return Err(fatal(format!("No server metadata at {oauth} or {openid}."))),
        }
        Ok(Self { args, http, secret, metadata, store })
    }

    fn watch(&self, mut tokens: Tokens) -> Result<(), Failure> {
        loop {
            if tokens.refresh_token.is_none() && self.store.load()?.is_none() {
                return Err(fatal("No refresh token to watch with; is offline_access needed?"));
            }
            // 75 to 85 % of the lifetime: devices that started together do not come back together.
            let lifetime = Duration::from_secs(tokens.expires_in.unwrap_or(300)).min(DAY);
            sleep((lifetime * 3 / 4 + jitter(lifetime / 10)).max(SECOND));
            tokens = self.session(false)?;
        }
    }

    /// Refreshes or signs in, under the lock: of two processes that rotate one token at once, the
    /// server would have to take the later one for a thief.
    fn session(&self, is_first: bool) -> Result<Tokens, Failure> {
        let _lock = self.store.lock()?;
        if is_first && self.args.login {
            let before = self.store.load().ok().flatten();
            let tokens = self.sign_in()?;
            if let Some(Err(failure)) = before.map(|held| self.revoke(&held.refresh_token)) {
                notice(&format!("The earlier sign-in was not revoked: {}", failure.text));
            }
            return Ok(tokens);
        }
        let Some(held) = self.store.load()? else {
            let text = "Another process signed this device out.";
            let signed_out = Failure::new(Failure::SIGNED_OUT, "", text);
            return if is_first { self.sign_in() } else { Err(signed_out) };
        };
        let grant = ("grant_type", "refresh_token");
        let form = [grant, ("refresh_token", &held.refresh_token)];
        match patiently(self.args, || self.post("token_endpoint", &form)) {
            Err(failure) if failure.error == "invalid_grant" => {
                self.store.remove()?;
                notice("The stored sign-in has ended; a new one is needed.");
                self.sign_in()
            }
            Err(failure) if failure.is_undecided() => {
                notice("The stored sign-in is kept.");
                Err(failure)
            }
            answer => self.granted(answer?, Some(&held)),
        }
    }

    fn sign_in(&self) -> Result<Tokens, Failure> {
        let mut form = vec![("scope", self.args.scope.as_str())];
        form.retain(|(_, scope)| !scope.is_empty());
        let start = || self.post("device_authorization_endpoint", &form);
        let flow: DeviceAuthorization = parsed(patiently(self.args, start)?)?;
        #[expect(clippy::disallowed_methods, reason = "a native program has a clock of its own")]
        let issued = Instant::now();
        let mut pace = Pace::new(flow.interval, flow.expires_in);
        self.prompt(&flow)?;
        let grant = ("grant_type", "urn:ietf:params:oauth:grant-type:device_code");
        let form = [grant, ("device_code", &flow.device_code)];
        while let Some(wait) = pace.wait(issued.elapsed()) {
            sleep(wait);
            let outcome = self.post("token_endpoint", &form);
            let now = issued.elapsed();
            match outcome {
                Ok(answer) => return self.granted(answer, None),
                Err(failure) if failure.error == "authorization_pending" => pace.pending(now),
                Err(failure) if failure.error == "slow_down" => pace.slow_down(now),
                Err(failure) if failure.is_undecided() => {
                    notice(&format!("{} Polling more slowly.", failure.text));
                    pace.failed(now, failure.retry_after);
                }
                Err(failure) => return Err(failure),
            }
        }
        Err(refused("expired_token", "no further poll is due in its lifetime"))
    }

    /// The refresh token is on disk before anything else is done with the answer.
    fn granted(&self, answer: Value, before: Option<&Stored>) -> Result<Tokens, Failure> {
        let asked = before.map_or(&self.args.scope, |held| &held.scope);
        let scope = member(&answer, "scope").unwrap_or(asked).to_owned();
        if let Some(token) = member(&answer, "refresh_token") {
            self.store.save(&Stored {
                issuer: self.args.issuer.clone(),
                client_id: self.args.client_id.clone(),
                refresh_token: token.to_owned(),
                scope: scope.clone(),
                saved_at: unix_time(),
            })?;
        }
        let tokens: Tokens = parsed(answer)?;
        // After a refresh the old one goes on (RFC 6749 6); a new sign-in has no old one.
        if tokens.refresh_token.is_none() && before.is_none() {
            self.store.remove()?;
        }
        if !tokens.token_type.eq_ignore_ascii_case("bearer") {
            return Err(fatal(format!("Unknown token type {}.", tokens.token_type)));
        }
        let is_known = self.args.watch && before.is_some();
        let is_openid = !is_known && scope.split(' ').any(|scope| scope == "openid");
        let claims = if is_openid { self.claims(&tokens.access_token) } else { Value::Null };
        let tokens = Tokens { scope, claims, ..tokens };
        self.report(&tokens, before.is_some())?;
        Ok(tokens)
    }

    fn claims(&self, access_token: &str) -> Value {
        let url = self.endpoint("userinfo_endpoint");
        let claims = url.and_then(|url| call(self.http.get(url).bearer_auth(access_token)));
        claims.unwrap_or_else(|failure| {
            notice(&format!("Who signed in is not known: {}", failure.text));
            Value::Null
        })
    }

    fn sign_out(&self) -> Result<(), Failure> {
        let _lock = self.store.lock()?;
        let Some(held) = self.store.load()? else {
            return say(self.args, "signed_out", &(), "Nothing to do: not signed in.");
        };
        // An error keeps the file: the token still works, and --logout can be tried again.
        patiently(self.args, || self.revoke(&held.refresh_token))?;
        self.store.remove()?;
        say(self.args, "signed_out", &(), "Signed out.")
    }

    fn revoke(&self, token: &str) -> Result<(), Failure> {
        if member(&self.metadata, "revocation_endpoint").is_none() {
            notice("This server cannot revoke: the sign-in is only forgotten here.");
            return Ok(());
        }
        let form = [("token", token), ("token_type_hint", "refresh_token")];
        self.post("revocation_endpoint", &form).map(drop)
    }

    /// An endpoint is https, or as local as the issuer.
    fn endpoint(&self, name: &str) -> Result<Url, Failure> {
        let url = member(&self.metadata, name).and_then(|url| Url::parse(url).ok());
        let fits = |url: &Url| url.scheme() == "https" || self.args.issuer.starts_with("http:");
        let url = url.filter(is_safe).filter(fits);
        url.ok_or_else(|| fatal(format!("This server has no (safe) {name}.")))
    }

    /// Public clients name themselves (RFC 6749 3.2.1); others use HTTP Basic (2.3.1).
    fn post(&self, endpoint: &str, form: &[(&str, &str)]) -> Result<Value, Failure> {
        let id = self.args.client_id.as_str();
        let mut form = form.to_vec();
        if endpoint != "revocation_endpoint" {
            let resources = self.args.resource.iter();
            form.extend(resources.map(|uri| ("resource", uri.as_str())));
        }
        let mut request = self.http.post(self.endpoint(endpoint)?);
        match &self.secret {
            None => form.push(("client_id", id)),
            Some(key) => request = request.basic_auth(form_encoded(id), Some(form_encoded(key))),
        }
        call(request.form(&form))
    }

    fn prompt(&self, flow: &DeviceAuthorization) -> Result<(), Failure> {
        let (url, code) = (clean(&flow.verification_uri), clean(&flow.user_code));
        let complete = flow.verification_uri_complete.as_ref();
        let target = complete.unwrap_or(&flow.verification_uri);
        let qr = qr(target, io::stdout().is_terminal()).filter(|_| !self.args.no_qr);
        let qr = qr.map_or_else(String::new, |qr| format!("or scan\n\n{qr}\n"));
        let (minutes, seconds) = (flow.expires_in / 60, flow.expires_in % 60);
        let text = format!(
            "To sign this device in, open\n\n    {url}\n\nand enter the code\n\n    {code}\n\n{qr}\
             The code is valid for {minutes} min {seconds} s. Waiting ..."
        );
        say(self.args, "verification", flow, &text)
    }

    fn report(&self, tokens: &Tokens, is_refresh: bool) -> Result<(), Failure> {
        let event = if is_refresh { "refreshed" } else { "signed_in" };
        let verb = if is_refresh { "Refreshed" } else { "Signed in" };
        let names = ["name", "preferred_username", "email", "sub"];
        let name = names.iter().find_map(|name| member(&tokens.claims, name));
        let claims = Some(&tokens.claims).filter(|claims| !claims.is_null());
        let token = Some(&tokens.access_token).filter(|_| self.args.show_token);
        let parts = [
            Some(name.map_or(verb.to_owned(), |name| format!("{verb} as {name}"))),
            Some(format!("scope: {}", tokens.scope)),
            tokens.expires_in.map(|time| format!("valid for {time} s")),
            claims.map(|claims| format!("claims: {claims}")),
            token.map(|token| format!("access token: {token}")),
        ];
        let parts: Vec<_> = parts.iter().flatten().map(|part| clean(part)).collect();
        let separator = if is_refresh && self.args.watch { ", " } else { "\n  " };
        say(self.args, event, tokens, &parts.join(separator))
    }
}

#[derive(Serialize, Deserialize)]
struct Stored {
    issuer: String,
    client_id: String,
    refresh_token: String,
    scope: String,
    /// Seconds since 1970.
    saved_at: u64,
}

/// One file of mode 0600. The lock file beside it stays: deleting a lock file is a race.
struct Store {
    folder: PathBuf,
    file: PathBuf,
    owner: [String; 2],
}

impl Store {
    fn of(args: &Args) -> Result<Self, Failure> {
        let data = env::var_os("XDG_DATA_HOME").or_else(|| env::var_os("LOCALAPPDATA"));
        let data = data.map(PathBuf::from).filter(|path| path.is_absolute());
        let data = data.or_else(|| Some(env::home_dir()?.join(".local/share")));
        let folder = args.store.clone();
        let folder = folder.or_else(|| Some(data?.join("latchkey-device")));
        let folder = folder.ok_or_else(|| fatal("No home folder: name a --store."))?;
        let owner = [args.issuer.clone(), args.client_id.clone()];
        let file = folder.join(form_encoded(&owner.join(" ")) + ".json");
        Ok(Self { folder, file, owner })
    }

    fn lock(&self) -> Result<File, Failure> {
        let path = self.file.with_extension("lock");
        let open = || {
            let mut folder = DirBuilder::new();
            #[cfg(unix)]
            folder.mode(0o700);
            folder.recursive(true).create(&self.folder)?;
            let file = private_file().create(true).truncate(false).open(&path)?;
            match file.try_lock() {
                Err(TryLockError::WouldBlock) => {
                    notice("Another process is busy with this sign-in; waiting for it.");
                    file.lock()?;
                }
                outcome => outcome?,
            }
            Ok(file)
        };
        open().map_err(at(&path))
    }

    fn load(&self) -> Result<Option<Stored>, Failure> {
        let text = match fs::read(&self.file) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            text => text.map_err(at(&self.file))?,
        };
        let stored = serde_json::from_slice(&text).ok();
        // A file system that takes A for a must not send one issuer's token to another.
        let stored = stored.filter(|it: &Stored| [&it.issuer, &it.client_id] == self.owner.each_ref());
        let damaged = || fatal(format!("{} is damaged: use --login.", self.file.display()));
        stored.map(Some).ok_or_else(damaged)
    }

    fn save(&self, stored: &Stored) -> Result<(), Failure> {
        let temporary = self.file.with_extension("tmp");
        // What an interrupted process left.
        let _ = fs::remove_file(&temporary);
        let write = || {
            let mut file = private_file().create_new(true).open(&temporary)?;
            file.write_all(&serde_json::to_vec(stored)?)?;
            file.sync_all()?;
            fs::rename(&temporary, &self.file)?;
            self.sync_folder()
        };
        write().map_err(at(&self.file))
    }

    fn remove(&self) -> Result<(), Failure> {
        match fs::remove_file(&self.file).and_then(|()| self.sync_folder()) {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
            outcome => outcome.map_err(at(&self.file)),
        }
    }

    /// Renames and removals live in the folder, which only Unix lets us flush.
    fn sync_folder(&self) -> io::Result<()> {
        if cfg!(unix) {
            File::open(&self.folder)?.sync_all()?;
        }
        Ok(())
    }
}

fn private_file() -> OpenOptions {
    let mut options = OpenOptions::new();
    #[cfg(unix)]
    options.mode(0o600);
    options.write(true);
    options
}

/// When the next poll may be sent (RFC 8628 3.5). Times count from the issue of the code.
struct Pace {
    interval: Duration,
    failures: u32,
    next: Duration,
    deadline: Duration,
}

impl Pace {
    fn new(interval: Option<u64>, expires_in: u64) -> Self {
        let interval = Duration::from_secs(interval.unwrap_or(5)).clamp(SECOND, DAY);
        let deadline = Duration::from_secs(expires_in).min(DAY);
        Self { interval, failures: 0, next: interval, deadline }
    }

    /// How long to wait before the next poll; none when that is not before the code's expiry.
    fn wait(&self, now: Duration) -> Option<Duration> {
        (self.next.max(now) < self.deadline).then(|| self.next.saturating_sub(now))
    }

    fn pending(&mut self, now: Duration) {
        self.failures = 0;
        self.next = now + self.interval;
    }

    fn slow_down(&mut self, now: Duration) {
        self.interval += SECOND * 5;
        self.pending(now);
    }

    /// No answer: twice the wait each time, up to a minute, and never less than the server says.
    fn failed(&mut self, now: Duration, retry_after: Option<Duration>) {
        self.failures = (self.failures + 1).min(6);
        let doubled = (self.interval * 2_u32.pow(self.failures)).min(SECOND * 60);
        self.next = now + self.interval.max(retry_after.unwrap_or(doubled));
    }
}

/// Sends until something is decided, as often as the mode allows.
fn patiently<T>(args: &Args, send: impl Fn() -> Result<T, Failure>) -> Result<T, Failure> {
    let mut attempt = 0;
    loop {
        let failure = match send() {
            Err(failure) if failure.is_undecided() => failure,
            decided => return decided,
        };
        let wait = failure.retry_after.unwrap_or(SECOND * (1 << attempt.min(6)));
        attempt += 1;
        if !args.watch && (attempt == ATTEMPTS || wait > PATIENCE) {
            return Err(failure);
        }
        let wait = wait.max(SECOND) + jitter(wait / 2);
        notice(&format!("{} Trying again in {} s.", failure.text, wait.as_secs()));
        sleep(wait);
    }
}

fn call(request: RequestBuilder) -> Result<Value, Failure> {
    let undecided = |text: &str| Failure::new(Failure::UNDECIDED, "", text);
    let response = request.header("accept", "application/json").send();
    let response = response.map_err(|error| undecided(&format!("{}.", reasons(&error))))?;
    let (status, url) = (response.status(), response.url().clone());
    let header = |name| Some(response.headers().get(name)?.to_str().ok()?.to_owned());
    // No server may put us to sleep for longer than an hour.
    let retry_after =
        header("retry-after").and_then(|value| retry_after(&value, unix_time())).map(|wait| wait.min(SECOND * 3600));
    let request_id = header("x-request-id");
    let mut body = Vec::new();
    let read = response.take(BODY_LIMIT + 1).read_to_end(&mut body);
    read.map_err(|error| undecided(&format!("{}.", reasons(&error))))?;
    if body.len() as u64 > BODY_LIMIT {
        return Err(fatal(format!("{url} answered more than {BODY_LIMIT} bytes.")));
    }
    let body: Value = serde_json::from_slice(&body).unwrap_or_default();
    if status.is_success() {
        return Ok(body);
    }
    let error = member(&body, "error").unwrap_or_default();
    let description = member(&body, "error_description").unwrap_or_default();
    let id = request_id.as_deref().or(member(&body, "request_id"));
    let id = id.map(|id| format!("request id {id}")).unwrap_or_default();
    let mut details = vec![status.to_string(), error.into(), description.into(), id];
    details.retain(|detail| !detail.is_empty());
    let detail = details.join(", ");
    let text = format!("{url} answered {detail}.");
    let is_transient = status.is_server_error() || matches!(status.as_u16(), 408 | 429);
    match error {
        "authorization_pending" | "slow_down" => Err(refused(error, &detail)),
        _ if is_transient => Err(Failure { retry_after, ..undecided(&text) }),
        "" => Err(fatal(text)),
        _ => Err(refused(error, &detail)),
    }
}

/// RFC 9110 10.2.3: seconds, or a date in the one form that may still be sent.
fn retry_after(value: &str, now: u64) -> Option<Duration> {
    if let Ok(seconds) = value.parse::<u32>() {
        return Some(Duration::from_secs(seconds.into()));
    }
    let fields: Vec<&str> = value.split([' ', ':']).collect();
    let [_, day, month, year, hour, minute, second, "GMT"] = *fields.as_slice() else {
        return None;
    };
    let number = |digits: &str| digits.parse::<u32>().ok().map(u64::from);
    // March is month 0: the leap day then ends the year, and 719,468 days precede 1970.
    let months = "MarAprMayJunJulAugSepOctNovDecJanFeb";
    let month = months.find(month)? as u64 / 3;
    let year = number(year)?.checked_sub(u64::from(month > 9))?;
    let days = 365 * year + year / 4 - year / 100 + year / 400 + (153 * month + 2) / 5;
    let days = (days + number(day)?).checked_sub(719_469)?;
    let hours = days * 24 + number(hour)?;
    let then = (hours * 60 + number(minute)?) * 60 + number(second)?;
    Some(Duration::from_secs(then.saturating_sub(now)))
}

/// RFC 8414 3.1 (between host and path), then `OpenID` Discovery 4.1 (after the path).
fn well_known_urls(issuer: &Url) -> [Url; 2] {
    let path = issuer.path().trim_end_matches('/');
    let oauth = format!("/.well-known/oauth-authorization-server{path}");
    let openid = format!("{path}/.well-known/openid-configuration");
    [oauth, openid].map(|path| {
        let mut url = issuer.clone();
        url.set_path(&path);
        url
    })
}

/// Over TLS or to this machine, and without user or fragment.
fn is_safe(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
    let is_loopback = host.parse().is_ok_and(|address: IpAddr| address.is_loopback());
    let is_local = url.scheme() == "http" && (is_loopback || host == "localhost");
    let is_plain = url.username().is_empty() && url.fragment().is_none();
    is_plain && (is_local || url.scheme() == "https")
}

/// `application/x-www-form-urlencoded`, as RFC 6749 appendix B says.
fn form_encoded(text: &str) -> String {
    let url = Url::parse_with_params("x:", [(text, "")]);
    let query = url.as_ref().ok().and_then(Url::query).unwrap_or_default();
    query.trim_end_matches('=').to_owned()
}

fn parsed<T: DeserializeOwned>(answer: Value) -> Result<T, Failure> {
    let unlike = |error| fatal(format!("The server's answer is not what the RFC says: {error}."));
    serde_json::from_value(answer).map_err(unlike)
}

fn member<'a>(object: &'a Value, name: &str) -> Option<&'a str> {
    object.get(name)?.as_str()
}

/// In half blocks. On a terminal in black on white, whatever its colours; else for a dark page.
fn qr(text: &str, is_terminal: bool) -> Option<String> {
    let qr = QrCode::encode_text(text, QrCodeEcc::Low).ok()?;
    let (start, end) = if is_terminal { ("\x1b[30;107m", "\x1b[0m\n") } else { ("", "\n") };
    let is_ink = |x, y| qr.get_module(x, y) == is_terminal;
    let with_margin = || -4..qr.size() + 4;
    let line = |y| {
        let halves = with_margin().map(move |x| (is_ink(x, y), is_ink(x, y + 1)));
        let blocks = halves.map(|halves| match halves {
            (true, true) => '█',
            (true, false) => '▀',
            (false, true) => '▄',
            (false, false) => ' ',
        });
        format!("{start}{}{end}", blocks.collect::<String>())
    };
    Some(with_margin().step_by(2).map(line).collect())
}

fn say(args: &Args, event: &str, body: &impl Serialize, text: &str) -> Result<(), Failure> {
    #[derive(Serialize)]
    struct Event<'a, T> {
        event: &'a str,
        #[serde(flatten)]
        body: &'a T,
    }
    let line = || Ok(serde_json::to_string(&Event { event, body })?);
    let line = if args.json { line() } else { Ok(text.to_owned()) };
    let written = line.and_then(|line| writeln!(io::stdout(), "{line}"));
    written.map_err(at(Path::new("standard output")))
}

fn notice(text: &str) {
    // If nobody reads, there is nobody to tell.
    let _ = writeln!(io::stderr(), "{}", clean(text));
}

/// A server's text, without what could steer the terminal.
fn clean(text: &str) -> String {
    text.chars().filter(|character| !character.is_control()).collect()
}

fn at(path: &Path) -> impl Fn(io::Error) -> Failure {
    move |error| fatal(format!("{}: {error}", path.display()))
}

fn reasons(error: &dyn Error) -> String {
    let cause = error.source().map(|cause| format!(": {}", reasons(cause)));
    format!("{error}{}", cause.unwrap_or_default())
}

fn unix_time() -> u64 {
    UNIX_EPOCH.elapsed().map_or(0, |age| age.as_secs())
}

/// A random part of `most`. The standard library's hash keys are random enough to spread devices.
fn jitter(most: Duration) -> Duration {
    let millis = u64::try_from(most.as_millis()).unwrap_or(u64::MAX - 1) + 1;
    Duration::from_millis(RandomState::new().hash_one(0) % millis)
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn secs(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn the_first_poll_waits_and_no_poll_is_early() {
        let mut pace = Pace::new(None, 600);
        assert_eq!(pace.wait(secs(0)), Some(secs(5)));
        pace.pending(secs(6));
        assert_eq!(pace.wait(secs(7)), Some(secs(4)));
        assert_eq!(pace.wait(secs(30)), Some(secs(0)));
        assert_eq!(Pace::new(Some(0), 600).wait(secs(0)), Some(secs(1)));
    }

    #[test]
    fn slow_down_adds_five_seconds_for_good() {
        let mut pace = Pace::new(Some(5), 600);
        pace.slow_down(secs(10));
        pace.slow_down(secs(20));
        assert_eq!(pace.wait(secs(20)), Some(secs(15)));
        pace.pending(secs(40));
        assert_eq!(pace.wait(secs(40)), Some(secs(15)));
    }

    #[test]
    fn failures_double_the_wait_until_an_answer() {
        let mut pace = Pace::new(Some(5), 600);
        for wait in [10, 20, 40, 60, 60] {
            pace.failed(secs(0), None);
            assert_eq!(pace.wait(secs(0)), Some(secs(wait)));
        }
        pace.failed(secs(0), Some(secs(90)));
        assert_eq!(pace.wait(secs(0)), Some(secs(90)));
        pace.failed(secs(0), Some(secs(0)));
        assert_eq!(pace.wait(secs(0)), Some(secs(5)));
        pace.pending(secs(0));
        assert_eq!(pace.wait(secs(0)), Some(secs(5)));
        pace.failed(secs(0), None);
        assert_eq!(pace.wait(secs(0)), Some(secs(10)));
    }

    #[test]
    fn polling_ends_with_the_code() {
        let mut pace = Pace::new(Some(5), 12);
        pace.pending(secs(6));
        assert_eq!(pace.wait(secs(6)), Some(secs(5)));
        assert_eq!(pace.wait(secs(12)), None);
        pace.pending(secs(7));
        assert_eq!(pace.wait(secs(7)), None);
        assert_eq!(Pace::new(Some(u64::MAX), u64::MAX).wait(secs(0)), None);
    }

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        assert_eq!(retry_after("120", 0), Some(secs(120)));
        let date = "Sun, 06 Nov 1994 08:49:37 GMT";
        assert_eq!(retry_after(date, 784_111_700), Some(secs(77)));
        assert_eq!(retry_after(date, 999_999_999), Some(secs(0)));
        assert_eq!(retry_after("Thu, 29 Feb 2024 00:00:00 GMT", 0), Some(secs(1_709_164_800)));
        for bad in ["", "-1", "soon", "Sun, 06 Nov 1994 08:49:37 CET", "a b c d e f g GMT"] {
            assert_eq!(retry_after(bad, 0), None, "{bad}");
        }
    }

    #[test]
    fn well_known_urls_keep_the_path_of_the_issuer() {
        let urls = |issuer| Url::parse(issuer).map(|url| well_known_urls(&url).map(String::from));
        let [oauth, openid] = [".well-known/oauth-authorization-server", ".well-known/openid-configuration"];
        for issuer in ["https://a.example", "https://a.example/"] {
            let expected = [oauth, openid].map(|name| format!("https://a.example/{name}"));
            assert_eq!(urls(issuer), Ok(expected));
        }
        let expected = [format!("https://a.example/{oauth}/t/1"), format!("https://a.example/t/1/{openid}")];
        assert_eq!(urls("https://a.example/t/1/"), Ok(expected));
    }

    #[test]
    fn only_https_or_this_machine_is_safe() {
        let safe = |url| Url::parse(url).is_ok_and(|url| is_safe(&url));
        for url in ["https://a.example", "http://localhost:1", "http://127.0.0.2", "http://[::1]:80/"] {
            assert!(safe(url), "{url}");
        }
        for url in ["http://a.example", "http://localhost.example", "ftp://localhost", "https://u@a.example"] {
            assert!(!safe(url), "{url}");
        }
    }

    #[test]
    fn texts_are_encoded_for_forms_and_cleaned_for_terminals() {
        assert_eq!(form_encoded("a b:ü=/+"), "a+b%3A%C3%BC%3D%2F%2B");
        assert_eq!(clean("a\u{1b}[2J\r\nb\u{9b}"), "a[2Jb");
    }
}
