//! The core under tokio's paused time, which jumps to the next timer when nobody has anything to do; and the whole
//! against a provider and an API on this machine.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use clap::Parser as _;
use serde_json::json;
use tokio::time::{Instant, advance, sleep};

use crate::tokens::{Failure, Issued, Pace, Source, Tokens, Trouble};
use crate::{Args, Stop, run, set_up};

const fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// Answers as told, then with tokens `t1`, `t2` and so on that live for `lifetime`; each answer takes a second.
struct Script {
    lifetime: u64,
    answers: Mutex<VecDeque<Trouble>>,
    asked: Mutex<Vec<Instant>>,
}

impl Script {
    fn new(lifetime: u64, answers: impl IntoIterator<Item = Trouble>) -> Self {
        Self { lifetime, answers: Mutex::new(answers.into_iter().collect()), asked: Mutex::default() }
    }

    fn asked(&self) -> usize {
        self.asked.lock().unwrap().len()
    }
}

impl Source for Script {
    async fn fetch(&self) -> Result<Issued, Trouble> {
        self.asked.lock().unwrap().push(Instant::now());
        sleep(secs(1)).await;
        match self.answers.lock().unwrap().pop_front() {
            Some(trouble) => Err(trouble),
            None => Ok(Issued { access_token: format!("t{}", self.asked()), lifetime: secs(self.lifetime) }),
        }
    }
}

fn busy(told: Option<u64>) -> Trouble {
    Trouble::Busy("503".to_owned(), told.map(secs))
}

fn low() -> f64 {
    0.0
}

fn high() -> f64 {
    1.0
}

async fn text(tokens: &Arc<Tokens<Script>>) -> String {
    tokens.get().await.unwrap().text.clone()
}

#[tokio::test(start_paused = true)]
async fn many_callers_make_one_request() {
    let tokens = Tokens::new(Script::new(600, []), Pace::default(), low);
    let all: Vec<_> = (0..100)
        .map(|caller| {
            let tokens = Arc::clone(&tokens);
            tokio::spawn(async move {
                // They come while it is under way, and after.
                sleep(Duration::from_millis(caller * 20)).await;
                text(&tokens).await
            })
        })
        .collect();
    for caller in all {
        assert_eq!(caller.await.unwrap(), "t1");
    }
    assert_eq!(tokens.source().asked(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_caller_who_leaves_takes_nothing_away() {
    let tokens = Tokens::new(Script::new(600, []), Pace::default(), low);
    let first = tokio::spawn({
        let tokens = Arc::clone(&tokens);
        async move { text(&tokens).await }
    });
    sleep(Duration::from_millis(500)).await;
    first.abort();
    let began = Instant::now();
    assert_eq!(text(&tokens).await, "t1");
    assert_eq!((began.elapsed(), tokens.source().asked()), (Duration::from_millis(500), 1));
}

#[tokio::test(start_paused = true)]
async fn a_token_is_renewed_before_its_end_and_nobody_waits_for_that() {
    // One to two margins of a minute before the end at 600 s.
    for (random, renewed) in [(low as fn() -> f64, 540), (high, 480)] {
        let tokens = Tokens::new(Script::new(600, []), Pace::default(), random);
        assert_eq!(text(&tokens).await, "t1");
        advance(secs(renewed - 2)).await;
        assert_eq!((text(&tokens).await.as_str(), tokens.source().asked()), ("t1", 1), "a second before");
        advance(secs(1)).await;
        let now = Instant::now();
        for _ in 0..10 {
            assert_eq!(text(&tokens).await, "t1");
        }
        assert_eq!(now.elapsed(), Duration::ZERO);
        sleep(secs(2)).await;
        assert_eq!((text(&tokens).await.as_str(), tokens.source().asked()), ("t2", 2));
    }
}

#[tokio::test(start_paused = true)]
async fn many_instances_do_not_renew_at_the_same_time() {
    fn any() -> f64 {
        // Each instance below takes two, the second for its second token.
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        f64::from(u32::try_from(NEXT.fetch_add(1, Ordering::SeqCst)).unwrap()) / 20.0
    }
    let mut renewals = Vec::new();
    for _ in 0..10 {
        let tokens = Tokens::new(Script::new(600, []), Pace::default(), any);
        let start = Instant::now();
        while tokens.source().asked() < 2 {
            text(&tokens).await;
            sleep(secs(1)).await;
        }
        renewals.push(start.elapsed().as_secs());
    }
    renewals.sort_unstable();
    renewals.dedup();
    assert!(renewals.len() == 10 && renewals.iter().all(|at| (480..=542).contains(at)), "{renewals:?}");
}

#[tokio::test(start_paused = true)]
async fn a_short_life_is_not_all_margin() {
    let tokens = Tokens::new(Script::new(8, []), Pace::default(), high);
    for _ in 0..60 {
        text(&tokens).await;
        sleep(secs(1)).await;
    }
    let asked = tokens.source().asked();
    // A margin is a quarter of the life: every 4 s, and once more for the second that an answer takes.
    assert!((8..=16).contains(&asked), "{asked} requests in a minute");
}

#[tokio::test(start_paused = true)]
async fn an_outage_before_the_end_hurts_nobody_until_the_end() {
    let pace = Pace { patience: secs(10), ..Pace::default() };
    let tokens = Tokens::new(Script::new(600, []), pace, low);
    assert_eq!(text(&tokens).await, "t1");
    tokens.source().answers.lock().unwrap().extend((0..1000).map(|_| busy(None)));
    advance(secs(540)).await;
    // To the end but a quarter of the margin: the API's clock may be ahead. The answer took one of these seconds.
    for second in 541..585 {
        assert_eq!(text(&tokens).await, "t1", "{second}");
        sleep(secs(1)).await;
    }
    let failure = tokens.get().await.unwrap_err();
    assert!(matches!(failure, Failure::Unavailable(..)), "{failure:?}");
    // It ends, and the next caller who is not put off gets a token.
    tokens.source().answers.lock().unwrap().clear();
    sleep(secs(30)).await;
    assert!(tokens.get().await.is_ok());
}

#[test]
fn pauses_double_up_to_a_ceiling_and_are_spread() {
    let pace = Pace::default();
    for (failures, ceiling) in [(0, 1), (1, 2), (2, 4), (3, 8), (4, 16), (5, 30), (6, 30), (31, 30), (32, 30), (u32::MAX, 30)] {
        let half = secs(ceiling) / 2;
        assert_eq!(pace.pause(failures, None, 0.0), half, "{failures}");
        assert_eq!(pace.pause(failures, None, 1.0), secs(ceiling), "{failures}");
        let middle = pace.pause(failures, None, 0.5);
        assert!(half < middle && middle < secs(ceiling), "{failures}");
        // What the provider says is the least; a 0 does not make us hammer it.
        for told in [0, 1, 20, 3600] {
            let floor = secs(told).max(half);
            assert_eq!(pace.pause(failures, Some(secs(told)), 0.0), floor);
            assert_eq!(pace.pause(failures, Some(secs(told)), 1.0), floor + half);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_provider_in_trouble_is_asked_again_and_never_earlier_than_it_says() {
    let tokens = Tokens::new(Script::new(600, [busy(None), busy(Some(20)), busy(None)]), Pace::default(), high);
    assert_eq!(text(&tokens).await, "t4");
    let asked = tokens.source().asked.lock().unwrap().clone();
    let gaps: Vec<_> = asked.windows(2).map(|pair| (pair[1] - pair[0]).as_secs()).collect();
    // A second for the answer; then 1, 20 + 1 and 4 at most.
    assert_eq!(gaps, [2, 22, 5]);
}

#[tokio::test(start_paused = true)]
async fn patience_ends_and_then_the_provider_is_left_alone() {
    let tokens = Tokens::new(Script::new(600, (0..6).map(|_| busy(None))), Pace::default(), low);
    let began = Instant::now();
    // Answers after 1, 2.5, 4.5, 7.5, 12.5 and 21.5 s.
    assert_eq!(text(&tokens).await, "t7");
    assert_eq!((began.elapsed(), tokens.source().asked()), (Duration::from_millis(37_500), 7));

    let tokens = Tokens::new(Script::new(600, [busy(Some(300))]), Pace::default(), low);
    let began = Instant::now();
    assert_eq!(tokens.get().await.unwrap_err(), Failure::Unavailable("503".to_owned(), secs(300)));
    assert_eq!(began.elapsed(), secs(1), "nobody waits for what will not come in time");
    advance(secs(100)).await;
    for _ in 0..10 {
        assert_eq!(tokens.get().await.unwrap_err(), Failure::Unavailable("503".to_owned(), secs(200)));
    }
    assert_eq!(tokens.source().asked(), 1);
    advance(secs(200)).await;
    assert_eq!((text(&tokens).await.as_str(), tokens.source().asked()), ("t2", 2));
}

#[tokio::test(start_paused = true)]
async fn a_refused_client_gives_up() {
    let refused = || Trouble::Refused("invalid_client".to_owned());
    let tokens = Tokens::new(Script::new(600, [refused()]), Pace::default(), low);
    let all: Vec<_> = (0..10)
        .map(|_| {
            let tokens = Arc::clone(&tokens);
            tokio::spawn(async move { tokens.get().await })
        })
        .collect();
    let refused_for_good = || Failure::Refused("invalid_client".to_owned());
    for caller in all {
        assert_eq!(caller.await.unwrap().unwrap_err(), refused_for_good());
    }
    advance(secs(86_400)).await;
    assert_eq!((tokens.get().await.unwrap_err(), tokens.source().asked()), (refused_for_good(), 1));

    // Who is refused a renewal uses up what there is.
    let tokens = Tokens::new(Script::new(600, []), Pace::default(), low);
    text(&tokens).await;
    tokens.source().answers.lock().unwrap().push_back(refused());
    advance(secs(550)).await;
    assert_eq!(text(&tokens).await, "t1");
    sleep(secs(10)).await;
    assert_eq!((text(&tokens).await.as_str(), tokens.source().asked()), ("t1", 2));
    advance(secs(30)).await;
    assert_eq!((tokens.get().await.unwrap_err(), tokens.source().asked()), (refused_for_good(), 2));
}

#[tokio::test(start_paused = true)]
async fn a_token_that_an_api_refuses_is_replaced_once() {
    let tokens = Tokens::new(Script::new(600, []), Pace::default(), low);
    let first = tokens.get().await.unwrap();
    // All callers had it when it was revoked.
    assert!((0..10).all(|_| tokens.reject(&first)));
    let second = tokens.get().await.unwrap();
    assert_eq!((second.text.as_str(), tokens.source().asked()), ("t2", 2));
    assert!(tokens.reject(&first), "an old one is no news");
    assert!(!tokens.reject(&second), "this API refuses everything");
    assert_eq!(text(&tokens).await, "t2");
    sleep(secs(30)).await;
    assert!(tokens.reject(&second));
    assert_eq!((text(&tokens).await.as_str(), tokens.source().asked()), ("t3", 3));
}

/// As in RFC 6749 2.3.1.
fn secret() -> String {
    "7Fjfp0ZBr1KtDRbnfVdmIw".to_owned()
}

/// A provider and an API in one, and what they were asked.
#[derive(Default)]
struct Fake {
    issuer: String,
    /// Status of the next answers of the token endpoint; then 200.
    token_answers: Mutex<VecDeque<(u16, &'static str)>>,
    token_requests: AtomicUsize,
    /// So many answers of the API are 401.
    refusals: AtomicUsize,
    calls: AtomicUsize,
}

impl Fake {
    async fn start(token_answers: impl IntoIterator<Item = (u16, &'static str)>, refusals: usize) -> Arc<Self> {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let issuer = format!("http://{}", listener.local_addr().unwrap());
        let token_answers = Mutex::new(token_answers.into_iter().collect());
        let fake = Arc::new(Self { issuer, token_answers, refusals: refusals.into(), ..Self::default() });
        let app = Router::new()
            .route("/.well-known/oauth-authorization-server", get(metadata))
            .route("/token", post(token))
            .route("/records", get(records))
            .with_state(Arc::clone(&fake));
        tokio::spawn(async { axum::serve(listener, app).await });
        fake
    }

    fn args(&self, more: &[&str]) -> Args {
        let fixed = ["", "--issuer", &self.issuer, "--client-id", "s6Bh:dRkqt3", "--api", &self.issuer, "--pause", "0"];
        Args::parse_from(fixed.iter().chain(more))
    }
}

async fn metadata(State(fake): State<Arc<Fake>>) -> impl IntoResponse {
    axum::Json(json!({"issuer": fake.issuer, "token_endpoint": format!("{}/token", fake.issuer)}))
}

async fn token(State(fake): State<Arc<Fake>>, headers: HeaderMap, body: String) -> Response {
    let number = fake.token_requests.fetch_add(1, Ordering::SeqCst) + 1;
    // `s6Bh%3AdRkqt3:7Fjfp0ZBr1KtDRbnfVdmIw`
    assert_eq!(headers["authorization"], "Basic czZCaCUzQWRSa3F0Mzo3RmpmcDBaQnIxS3REUmJuZlZkbUl3");
    let resource = fake.issuer.replace(':', "%3A").replace('/', "%2F");
    assert_eq!(body, format!("grant_type=client_credentials&scope=records%3Aread&resource={resource}"));
    let next = fake.token_answers.lock().unwrap().pop_front();
    let (status, error) = next.unwrap_or((200, ""));
    if status == 200 {
        return axum::Json(json!({"access_token": format!("t{number}"), "token_type": "Bearer", "expires_in": 600}))
            .into_response();
    }
    let status = StatusCode::from_u16(status).unwrap();
    (status, [("retry-after", "1")], axum::Json(json!({"error": error, "error_description": "Said so."}))).into_response()
}

async fn records(State(fake): State<Arc<Fake>>, headers: HeaderMap) -> Response {
    fake.calls.fetch_add(1, Ordering::SeqCst);
    let refused = fake.refusals.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok();
    let status = if refused { StatusCode::UNAUTHORIZED } else { StatusCode::OK };
    (status, headers["authorization"].to_str().unwrap().to_owned()).into_response()
}

#[tokio::test]
async fn callers_share_a_token_over_http() {
    let fake = Fake::start([(429, "slow_down"), (503, "")], 0).await;
    let began = Instant::now();
    run(&fake.args(&["--scope", "records:read", "--callers", "8", "--calls", "5"]), secret()).await.unwrap();
    assert!(began.elapsed() >= secs(2), "Retry-After is kept");
    assert_eq!((fake.token_requests.load(Ordering::SeqCst), fake.calls.load(Ordering::SeqCst)), (3, 40));
}

#[tokio::test]
async fn a_wrong_secret_ends_the_program() {
    let fake = Fake::start([(401, "invalid_client")], 0).await;
    let stop = run(&fake.args(&["--scope", "records:read", "--callers", "8"]), secret()).await.unwrap_err();
    let Stop::Refused(reason) = stop else { panic!("{stop:?}") };
    assert_eq!(reason, "invalid_client: Said so.");
    assert_eq!((fake.token_requests.load(Ordering::SeqCst), fake.calls.load(Ordering::SeqCst)), (1, 0));
}

#[tokio::test]
async fn an_api_that_refuses_a_token_sees_one_other() {
    let fake = Fake::start([], 1).await;
    let (_, api) = set_up(&fake.args(&["--scope", "records:read"]), secret()).unwrap();
    assert_eq!(api.call().await.unwrap(), (StatusCode::OK, "Bearer t2".to_owned()));
    assert_eq!((fake.token_requests.load(Ordering::SeqCst), fake.calls.load(Ordering::SeqCst)), (2, 2));

    let fake = Fake::start([], usize::MAX).await;
    let (_, api) = set_up(&fake.args(&["--scope", "records:read"]), secret()).unwrap();
    for _ in 0..5 {
        assert_eq!(api.call().await.unwrap().0, StatusCode::UNAUTHORIZED);
    }
    assert_eq!((fake.token_requests.load(Ordering::SeqCst), fake.calls.load(Ordering::SeqCst)), (2, 6));
}

#[tokio::test]
async fn an_outage_is_told_with_when_to_come_back() {
    let fake = Fake::start((0..100).map(|_| (503, "temporarily_unavailable")), 0).await;
    let stop = run(&fake.args(&["--scope", "records:read", "--patience", "1"]), secret()).await.unwrap_err();
    let Stop::Failed(reason) = stop else { panic!("{stop:?}") };
    assert!(reason.starts_with("no token: temporarily_unavailable: Said so.; worth trying again in "), "{reason}");
    assert_eq!(fake.token_requests.load(Ordering::SeqCst), 1);
}

#[test]
fn secrets_go_to_https_or_stay_on_this_machine() {
    let args = |issuer: &str, api: &str| {
        let fake = Fake { issuer: "http://localhost:1".to_owned(), ..Fake::default() };
        Args { issuer: issuer.to_owned(), api: api.to_owned(), ..fake.args(&[]) }
    };
    let here = "http://127.0.0.1:1";
    assert!(set_up(&args("https://id.example/tenant", "https://api.example"), secret()).is_ok());
    assert!(set_up(&args(here, here), secret()).is_ok());
    for bad in ["http://id.example", "https://u:p@id.example", "ftp://localhost", "id.example"] {
        assert!(set_up(&args(bad, here), secret()).is_err() && set_up(&args(here, bad), secret()).is_err(), "{bad}");
    }
}
