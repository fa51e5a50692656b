//! Somebody else's server, on a loopback port: what a client serves (its keys, its metadata document,
//! the receiver of its logout tokens), as the test says, and a record of everything it was asked.
//!
//! It runs on threads of its own, so one that several tests share outlives the runtime of each.
#![expect(clippy::expect_used, clippy::panic, reason = "a broken server fails the test by panicking")]

use std::collections::HashMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread;
use std::time::Duration;

use serde_json::Value;

/// Longest that [`Judge::wait_for`] waits.
const PATIENCE: Duration = Duration::from_secs(20);

/// An answer of the server.
#[derive(Clone, Debug)]
pub struct Reply {
    status: u16,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
    delay: Duration,
    announced: bool,
}

impl Reply {
    /// A status and a body without content type.
    pub fn new(status: u16, body: impl Into<Vec<u8>>) -> Self {
        Self { status, headers: Vec::new(), body: body.into(), delay: Duration::ZERO, announced: true }
    }

    /// 200 with JSON.
    pub fn json(body: &Value) -> Self {
        Self::new(200, body.to_string()).header("content-type", "application/json")
    }

    /// 302 to another place.
    pub fn redirect(location: &str) -> Self {
        Self::new(302, "").header("location", location)
    }

    /// Nothing: the connection is closed.
    pub fn hang_up() -> Self {
        Self::new(0, "")
    }

    /// With one more header.
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// So many milliseconds late.
    pub fn after(self, millis: u64) -> Self {
        Self { delay: Duration::from_millis(millis), ..self }
    }

    /// Without `Content-Length`: the body ends where the connection does.
    pub fn unannounced(self) -> Self {
        Self { announced: false, ..self }
    }

    fn write(&self, stream: &mut TcpStream) -> std::io::Result<()> {
        thread::sleep(self.delay);
        if self.status == 0 {
            return Ok(());
        }
        write!(stream, "HTTP/1.1 {} Said\r\nconnection: close\r\n", self.status)?;
        for (name, value) in &self.headers {
            write!(stream, "{name}: {value}\r\n")?;
        }
        if self.announced {
            write!(stream, "content-length: {}\r\n", self.body.len())?;
        }
        stream.write_all(b"\r\n")?;
        stream.write_all(&self.body)?;
        stream.flush()
    }
}

/// A request that the server got.
#[derive(Clone, Debug)]
pub struct Heard {
    /// Method.
    pub method: String,
    /// Path without query.
    pub path: String,
    /// Query without `?`.
    pub query: String,
    /// Headers, names in lower case.
    pub headers: Vec<(String, String)>,
    /// Body.
    pub body: String,
}

impl Heard {
    /// A header's value; empty when it is not there.
    pub fn header(&self, name: &str) -> &str {
        self.headers.iter().find(|(n, _)| n == name).map_or("", |(_, value)| value)
    }

    fn read(stream: &TcpStream) -> Option<Self> {
        let mut reader = BufReader::new(stream);
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let mut words = line.split_whitespace();
        let (method, target) = (words.next()?.to_owned(), words.next()?.to_owned());
        let (path, query) = target.split_once('?').unwrap_or((&target, ""));
        let mut heard = Self { method, path: path.to_owned(), query: query.to_owned(), headers: Vec::new(), body: String::new() };
        loop {
            line.clear();
            reader.read_line(&mut line).ok()?;
            let Some((name, value)) = line.trim_end().split_once(':') else { break };
            heard.headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
        }
        let mut body = Vec::new();
        if heard.header("transfer-encoding").eq_ignore_ascii_case("chunked") {
            loop {
                line.clear();
                reader.read_line(&mut line).ok()?;
                let length = u64::from_str_radix(line.trim(), 16).ok()?;
                reader.by_ref().take(length).read_to_end(&mut body).ok()?;
                reader.read_line(&mut line).ok()?;
                if length == 0 {
                    break;
                }
            }
        } else {
            let length = heard.header("content-length").parse().unwrap_or(0);
            reader.take(length).read_to_end(&mut body).ok()?;
        }
        heard.body = String::from_utf8_lossy(&body).into_owned();
        Some(heard)
    }
}

#[derive(Debug, Default)]
struct Desk {
    replies: HashMap<String, Reply>,
    heard: Vec<Heard>,
}

/// The running server. It lives as long as the process.
#[derive(Clone, Debug)]
pub struct Judge {
    host_port: String,
    desk: Arc<Mutex<Desk>>,
}

impl Judge {
    /// Starts it; every path answers 404.
    pub fn start() -> Self {
        Self::start_at("127.0.0.1:0")
    }

    /// Starts it at an address of this machine.
    pub fn start_at(address: &str) -> Self {
        let listener = TcpListener::bind(address).unwrap_or_else(|error| panic!("{address}: {error}"));
        let host_port = listener.local_addr().expect("the address is known").to_string();
        let judge = Self { host_port, desk: Arc::default() };
        let at_desk = judge.clone();
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let at_desk = at_desk.clone();
                thread::spawn(move || at_desk.serve(stream));
            }
        });
        judge
    }

    /// `http://host:port`, without a slash at the end.
    pub fn url(&self) -> String {
        format!("http://{}", self.host_port())
    }

    /// `host:port`, as `OUTBOUND_ALLOW` wants it.
    pub fn host_port(&self) -> String {
        self.host_port.clone()
    }

    /// The whole URL of a path.
    pub fn at(&self, path: &str) -> String {
        format!("{}{path}", self.url())
    }

    /// From now on this path answers so, whatever the method and query.
    pub fn answer(&self, path: &str, reply: Reply) {
        self.desk().replies.insert(path.to_owned(), reply);
    }

    /// What this path was asked so far.
    pub fn heard(&self, path: &str) -> Vec<Heard> {
        self.desk().heard.iter().filter(|heard| heard.path == path).cloned().collect()
    }

    /// Waits until this path was asked `n` times; everything that it was asked.
    pub async fn wait_for(&self, path: &str, n: usize) -> Vec<Heard> {
        let enough = async {
            loop {
                let heard = self.heard(path);
                if heard.len() >= n {
                    return heard;
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        let heard = tokio::time::timeout(PATIENCE, enough).await;
        heard.unwrap_or_else(|_| panic!("{path} was not asked {n} times: {:?}", self.heard(path)))
    }

    fn serve(&self, mut stream: TcpStream) {
        stream.set_read_timeout(Some(PATIENCE)).ok();
        let Some(heard) = Heard::read(&stream) else { return };
        let reply = {
            let mut desk = self.desk();
            let reply = desk.replies.get(&heard.path).cloned();
            desk.heard.push(heard);
            reply
        };
        // Whoever asked may have hung up: its limits are what is tested.
        reply.unwrap_or_else(|| Reply::new(404, "")).write(&mut stream).ok();
    }

    fn desk(&self) -> MutexGuard<'_, Desk> {
        self.desk.lock().unwrap_or_else(|_| panic!("a thread of the server panicked"))
    }
}

/// The server does what the tests rely on.
#[tokio::test]
async fn the_judge_answers_and_records() {
    let judge = Judge::start();
    judge.answer("/jwks", Reply::json(&serde_json::json!({ "keys": [] })).header("cache-control", "max-age=5"));
    judge.answer("/away", Reply::redirect("https://elsewhere.example/"));
    judge.answer("/open", Reply::new(200, "x".repeat(100_000)).unannounced());
    judge.answer("/dead", Reply::hang_up().after(20));
    let http = reqwest::Client::builder()
        .tls_built_in_root_certs(false)
        .redirect(reqwest::redirect::Policy::none())
        .build()
        .expect("a client");
    let jwks = http.get(judge.at("/jwks?x=1")).send().await.expect("an answer");
    assert_eq!((jwks.status().as_u16(), jwks.headers()["cache-control"].as_bytes()), (200, b"max-age=5".as_slice()));
    assert_eq!(jwks.text().await.expect("a body"), "{\"keys\":[]}");
    assert_eq!(http.get(judge.at("/away")).send().await.expect("an answer").status().as_u16(), 302);
    let open = http.get(judge.at("/open")).send().await.expect("an answer");
    assert_eq!((open.content_length(), open.text().await.expect("a body").len()), (None, 100_000));
    assert!(http.get(judge.at("/dead")).send().await.is_err());
    assert_eq!(http.post(judge.at("/else")).body("a=b").send().await.expect("an answer").status().as_u16(), 404);
    assert_eq!(judge.wait_for("/jwks", 1).await.first().map(|heard| heard.query.clone()), Some("x=1".to_owned()));
    let posted = judge.heard("/else");
    assert_eq!(posted.iter().map(|heard| (heard.method.as_str(), heard.body.as_str())).collect::<Vec<_>>(), [("POST", "a=b")]);
}
