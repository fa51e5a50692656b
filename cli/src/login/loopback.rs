//! The loopback port that a browser brings the answer to. Everything on this machine can reach it, and every page that
//! the browser shows can have it ask there: only the answer to our own request counts, and everything else changes nothing.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread::{sleep, spawn};
use std::time::{Duration, Instant};

use reqwest::Url;

use crate::failure::{Failure, Outcome};
use crate::http::clean;

/// Longest head of a request, in bytes.
const MOST_HEAD: u64 = 16_384;

/// What the answer has to bring.
#[derive(Clone, Debug)]
pub struct Expected {
    /// Our own.
    pub state: String,
    /// Who must have answered (RFC 9207).
    pub issuer: String,
}

/// What a request is.
#[derive(Debug, PartialEq, Eq)]
enum Request {
    /// The answer: a code, or why there is none.
    Answer(Result<String, String>),
    /// Something else: status and words.
    Other(u16, &'static str),
}

/// A port of 127.0.0.1 that nobody had.
pub struct Loopback {
    listener: TcpListener,
    /// Which.
    pub port: u16,
}

impl Loopback {
    /// Takes one.
    pub fn bind() -> Outcome<Self> {
        let failed = |error: std::io::Error| Failure::failed(format!("no port on 127.0.0.1: {error}"));
        let listener = TcpListener::bind(("127.0.0.1", 0)).map_err(failed)?;
        listener.set_nonblocking(true).map_err(failed)?;
        let port = listener.local_addr().map_err(failed)?.port();
        Ok(Self { listener, port })
    }

    /// Waits for the answer: a code, or why there is none. The port closes with it.
    pub fn wait(self, expected: &Expected, patience: Duration) -> Outcome<Result<String, String>> {
        let (sender, receiver) = channel();
        // Taken by the first answer; a second one gets nothing.
        let first = Arc::new(Mutex::new(Some(sender)));
        let until = Instant::now() + patience;
        while Instant::now() < until {
            match self.listener.accept() {
                Ok((stream, _)) => {
                    // In a thread of its own: who sends nothing must not hold up the answer.
                    let (expected, first, host) = (expected.clone(), Arc::clone(&first), format!("127.0.0.1:{}", self.port));
                    spawn(move || serve(&stream, &expected, &host, &first));
                }
                Err(_) => sleep(Duration::from_millis(20)),
            }
            match receiver.try_recv() {
                Ok(answer) => return Ok(answer),
                Err(std::sync::mpsc::TryRecvError::Empty) => {}
                // The sender went away with its answer sent, or not at all.
                Err(std::sync::mpsc::TryRecvError::Disconnected) => break,
            }
        }
        match receiver.recv_timeout(Duration::from_millis(1)) {
            Ok(answer) => Ok(answer),
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {
                Err(Failure::failed("nobody signed in in time\nrun `latchkey login` again"))
            }
        }
    }
}

/// Answers one request, and hands on what it brings.
fn serve(stream: &TcpStream, expected: &Expected, host: &str, first: &Mutex<Option<Sender<Result<String, String>>>>) {
    stream.set_nonblocking(false).ok();
    stream.set_read_timeout(Some(Duration::from_secs(5))).ok();
    stream.set_write_timeout(Some(Duration::from_secs(5))).ok();
    let head = head(stream);
    let (status, words, answer) = match read(&head, expected, host) {
        Request::Other(status, words) => (status, words, None),
        Request::Answer(answer) => match first.lock().ok().and_then(|mut first| first.take()) {
            Some(sender) => (
                200,
                "Go back to the terminal: it says whether you are signed in. You can close this page.",
                Some((sender, answer)),
            ),
            None => (409, "This sign-in was answered already.", None),
        },
    };
    let length = words.len();
    let headers = "content-type: text/plain; charset=utf-8\r\ncache-control: no-store\r\nreferrer-policy: no-referrer\r\n\
                   x-content-type-options: nosniff\r\nconnection: close";
    let mut stream = stream;
    // Whether the browser still listens changes nothing.
    write!(stream, "HTTP/1.1 {status} -\r\n{headers}\r\ncontent-length: {length}\r\n\r\n{words}").ok();
    stream.flush().ok();
    // After the page went out: the process may end with the answer.
    if let Some((sender, answer)) = answer {
        sender.send(answer).ok();
    }
}

/// The lines of a request's head.
fn head(stream: &TcpStream) -> Vec<String> {
    let lines = BufReader::new(stream.take(MOST_HEAD)).lines().map_while(Result::ok);
    lines.take_while(|line| !line.is_empty()).collect()
}

/// What a request with this head is.
fn read(head: &[String], expected: &Expected, host: &str) -> Request {
    let mut lines = head.iter();
    let words: Vec<&str> = lines.next().map(|line| line.split(' ').collect()).unwrap_or_default();
    let [method, target, _] = words.as_slice() else { return Request::Other(400, "This is no request.") };
    // A page of another name that resolves to this machine has no business here.
    let hosts: Vec<&str> = lines
        .filter_map(|line| line.split_once(':'))
        .filter(|(name, _)| name.eq_ignore_ascii_case("host"))
        .map(|(_, value)| value.trim())
        .collect();
    if hosts != [host] {
        return Request::Other(421, "Nothing here.");
    }
    let base = Url::parse("http://127.0.0.1").ok();
    let Some(url) = base.and_then(|base| base.join(target).ok()).filter(|_| target.starts_with('/') && !target.starts_with("//"))
    else {
        return Request::Other(400, "This is no request.");
    };
    if url.path() != "/callback" {
        return Request::Other(404, "Nothing here.");
    }
    if *method != "GET" {
        return Request::Other(405, "Nothing here.");
    }
    let all =
        |name: &str| url.query_pairs().filter(|(key, _)| key == name).map(|(_, value)| value.into_owned()).collect::<Vec<_>>();
    // RFC 6749 3.1: no parameter twice.
    let one = |name: &str| match all(name).as_slice() {
        [value] => Some(value.clone()),
        _ => None,
    };
    let no_answer = Request::Other(400, "This is not the answer to the sign-in that the terminal waits for.");
    if one("state").as_deref() != Some(&expected.state) || all("code").len() > 1 || all("error").len() > 1 {
        return no_answer;
    }
    // RFC 9207 2.4: with our state, so it is the answer; but of somebody else, who must not get what we would send there.
    if one("iss").is_none_or(|issuer| issuer.trim_end_matches('/') != expected.issuer) {
        return Request::Answer(Err(format!("the answer was not by {}: nothing was sent to anybody", expected.issuer)));
    }
    match (one("code"), one("error")) {
        (Some(code), None) if !code.is_empty() => Request::Answer(Ok(code)),
        (None, Some(error)) if error == "access_denied" => {
            Request::Answer(Err("refused in the browser (access_denied)".to_owned()))
        }
        (None, Some(error)) => {
            let why = one("error_description").map(|why| format!(": {}", clean(&why))).unwrap_or_default();
            Request::Answer(Err(format!("{}{why}", clean(&error))))
        }
        _ => no_answer,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ISS: &str = "iss=https%3A%2F%2Fid.example";

    fn expected() -> Expected {
        Expected { state: "s".to_owned(), issuer: "https://id.example".to_owned() }
    }

    fn of(head: &[&str]) -> Request {
        read(&head.iter().map(|line| (*line).to_owned()).collect::<Vec<_>>(), &expected(), "127.0.0.1:7")
    }

    fn at(target: &str) -> Request {
        of(&[&format!("GET {target} HTTP/1.1"), "Host: 127.0.0.1:7"])
    }

    fn status(request: &Request) -> u16 {
        if let Request::Other(status, _) = request { *status } else { 200 }
    }

    #[test]
    fn only_the_answer_to_our_request_is_taken() {
        assert_eq!(at(&format!("/callback?code=c&state=s&{ISS}")), Request::Answer(Ok("c".to_owned())));
        for other in [
            format!("/callback?code=c&state=other&{ISS}"),
            format!("/callback?code=c&{ISS}"),
            format!("/callback?code=c&state=s&state=s&{ISS}"),
            format!("/callback?code=c&code=d&state=s&{ISS}"),
            format!("/callback?code=c&error=e&state=s&{ISS}"),
            format!("/callback?state=s&{ISS}"),
            "/callback".to_owned(),
            "//evil.example/callback".to_owned(),
            "http://127.0.0.1:7/callback".to_owned(),
        ] {
            assert_eq!(status(&at(&other)), 400, "{other}");
        }
        for other in ["/", "/favicon.ico", "/callback/", "/Callback", "/x/../y"] {
            assert_eq!(status(&at(&format!("{other}?code=c&state=s&{ISS}"))), 404, "{other}");
        }
    }

    #[test]
    fn an_answer_of_somebody_else_ends_it_and_yields_no_code() {
        for iss in ["&iss=https%3A%2F%2Fevil.example", "", "&iss=https%3A%2F%2Fid.example&iss=https%3A%2F%2Fid.example"] {
            let Request::Answer(Err(why)) = at(&format!("/callback?code=c&state=s{iss}")) else { panic!("{iss}") };
            assert!(why.contains("not by https://id.example"), "{why}");
        }
        let denied = at(&format!("/callback?error=invalid_scope&error_description=no%1B%5B2J&state=s&{ISS}"));
        assert_eq!(denied, Request::Answer(Err("invalid_scope: no [2J".to_owned())));
    }

    #[test]
    fn other_methods_and_other_hosts_get_nothing() {
        let line = format!("/callback?code=c&state=s&{ISS} HTTP/1.1");
        assert_eq!(status(&of(&[&format!("POST {line}"), "Host: 127.0.0.1:7"])), 405);
        for hosts in
            [vec![], vec!["Host: evil.example"], vec!["Host: localhost:7"], vec!["Host: 127.0.0.1:7", "host: evil.example"]]
        {
            let get = format!("GET {line}");
            let head: Vec<&str> = [&[get.as_str()], hosts.as_slice()].concat();
            assert_eq!(status(&of(&head)), 421, "{hosts:?}");
        }
        assert_eq!(status(&of(&[])), 400);
    }

    fn ask(port: u16, target: &str) -> String {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
        write!(stream, "GET {target} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }

    #[test]
    fn who_sends_nothing_holds_up_nobody_and_the_port_closes_after_the_answer() {
        let loopback = Loopback::bind().unwrap();
        let port = loopback.port;
        let browser = spawn(move || {
            let silent = TcpStream::connect(("127.0.0.1", port)).unwrap();
            assert!(ask(port, "/callback?code=stolen&state=x").starts_with("HTTP/1.1 400"));
            let answer = ask(port, &format!("/callback?code=c&state=s&{ISS}"));
            assert!(answer.starts_with("HTTP/1.1 200") && answer.contains("no-store"), "{answer}");
            drop(silent);
        });
        assert_eq!(loopback.wait(&expected(), Duration::from_secs(20)).unwrap(), Ok("c".to_owned()));
        browser.join().unwrap();
        assert!(TcpStream::connect(("127.0.0.1", port)).is_err());
    }

    #[test]
    fn nobody_waits_for_ever() {
        let answer = Loopback::bind().unwrap().wait(&expected(), Duration::from_millis(50));
        assert!(answer.is_err_and(|failure| failure.parts().1.contains("in time")));
    }
}
