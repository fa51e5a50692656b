//! The people and devices of the tests: a client that speaks OAuth, and a person whose browser runs
//! no script. Both go over plain HTTP and see every answer as it is.
#![expect(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a broken step fails the test by panicking")]

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::Duration;

use reqwest::cookie::{CookieStore as _, Jar};
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use reqwest::redirect::Policy;
use serde_json::Value;

/// The demo user.
pub const ADA: (&str, &str) = ("ada", "engine-no-1843");
/// The device grant's type.
pub const DEVICE_CODE: &str = "urn:ietf:params:oauth:grant-type:device_code";

/// A public client for the device grant, in the form of a seed file, with changes.
pub fn client(id: &str, changes: &[Value]) -> Value {
    let mut client = serde_json::json!({
        "client_id": id,
        "client_name": format!("Client {id}"),
        "token_endpoint_auth_method": "none",
        "grant_types": [DEVICE_CODE, "refresh_token"],
    });
    for change in changes {
        client.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
    }
    client
}

/// An answer, whole.
#[derive(Clone, Debug)]
pub struct Answer {
    /// Status.
    pub status: u16,
    /// Headers.
    pub headers: HeaderMap,
    /// Body.
    pub body: String,
}

impl Answer {
    async fn of(response: reqwest::Response) -> Self {
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        Self { status, headers, body: response.text().await.unwrap() }
    }

    /// The body as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|_| panic!("not JSON: {} {}", self.status, self.body))
    }

    /// A string member of the JSON body.
    pub fn member(&self, name: &str) -> String {
        self.json()[name].as_str().unwrap_or_else(|| panic!("no {name} in {}", self.body)).to_owned()
    }

    /// `error` of the JSON body; empty when there is none.
    pub fn error(&self) -> String {
        self.json()["error"].as_str().unwrap_or_default().to_owned()
    }

    /// A header's value; empty when it is not there.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// All `Set-Cookie` headers.
    pub fn cookies(&self) -> Vec<String> {
        self.headers.get_all("set-cookie").iter().map(|value| value.to_str().unwrap().to_owned()).collect()
    }

    /// The sealed form on a page.
    pub fn form(&self) -> String {
        self.attribute("name=\"form\" value=\"").unwrap_or_else(|| panic!("no form on the page: {} {}", self.status, self.body))
    }

    fn attribute(&self, before: &str) -> Option<String> {
        let rest = self.body.split_once(before)?.1;
        Some(rest.split_once('"')?.0.to_owned())
    }

    /// Whether it is a success with tokens.
    pub fn is_granted(&self) -> bool {
        self.status == 200 && self.json().get("access_token").is_some()
    }
}

/// A client of the API.
#[derive(Clone, Debug)]
pub struct Api {
    /// The Worker that it talks to.
    pub base: String,
    http: reqwest::Client,
    /// `client_id`.
    pub client: String,
    secret: Option<String>,
}

impl Api {
    /// A public client.
    pub fn public(base: &str, client: &str) -> Self {
        let http = http().redirect(Policy::none()).timeout(Duration::from_secs(30)).build().unwrap();
        Self { base: base.to_owned(), http, client: client.to_owned(), secret: None }
    }

    /// A client that authenticates by Basic.
    pub fn basic(base: &str, client: &str, secret: &str) -> Self {
        Self { secret: Some(secret.to_owned()), ..Self::public(base, client) }
    }

    /// `demo-device`.
    pub fn demo(base: &str) -> Self {
        Self::public(base, "demo-device")
    }

    /// `demo-device-secret`.
    pub fn demo_secret(base: &str) -> Self {
        Self::basic(base, "demo-device-secret", "demo-device-secret-0123456789abcdef")
    }

    /// The same client at another Worker.
    pub fn at(&self, base: &str) -> Self {
        Self { base: base.to_owned(), ..self.clone() }
    }

    /// A raw request builder, for what is bad input.
    pub fn request(&self, method: &str, path: &str) -> reqwest::RequestBuilder {
        self.http.request(method.parse().unwrap(), format!("{}{path}", self.base))
    }

    /// Sends a raw request.
    pub async fn send(request: reqwest::RequestBuilder) -> Answer {
        Answer::of(request.send().await.unwrap()).await
    }

    /// `GET path`.
    pub async fn get(&self, path: &str) -> Answer {
        Self::send(self.request("GET", path)).await
    }

    /// Posts parameters as this client.
    pub async fn post(&self, path: &str, parameters: &[(&str, &str)]) -> Answer {
        let mut parameters = parameters.to_vec();
        let mut request = self.request("POST", path);
        match &self.secret {
            Some(secret) => request = request.basic_auth(&self.client, Some(secret)),
            None => parameters.push(("client_id", &self.client)),
        }
        Self::send(request.form(&parameters)).await
    }

    /// Starts a device sign-in with everything that the client may have.
    pub async fn start(&self) -> DeviceSignIn {
        self.start_with(&[]).await
    }

    /// Starts a device sign-in with more parameters.
    pub async fn start_with(&self, parameters: &[(&str, &str)]) -> DeviceSignIn {
        let answer = self.post("/device_authorization", parameters).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        DeviceSignIn { device_code: answer.member("device_code"), user_code: answer.member("user_code"), answer }
    }

    /// Polls.
    pub async fn poll(&self, sign_in: &DeviceSignIn) -> Answer {
        self.post("/token", &[("grant_type", DEVICE_CODE), ("device_code", &sign_in.device_code)]).await
    }

    /// Refreshes.
    pub async fn refresh(&self, refresh_token: &str) -> Answer {
        self.post("/token", &[("grant_type", "refresh_token"), ("refresh_token", refresh_token)]).await
    }

    /// Asks userinfo.
    pub async fn userinfo(&self, access_token: &str) -> Answer {
        Self::send(self.request("GET", "/userinfo").bearer_auth(access_token)).await
    }

    /// A whole sign-in of a device by a person: the tokens.
    pub async fn signed_in(&self, person: &Person) -> Answer {
        let sign_in = self.start().await;
        person.approve(&sign_in.user_code).await;
        let tokens = self.poll(&sign_in).await;
        assert!(tokens.is_granted(), "{}", tokens.body);
        tokens
    }
}

/// A device sign-in under way.
#[derive(Clone, Debug)]
pub struct DeviceSignIn {
    /// `device_code`.
    pub device_code: String,
    /// `user_code`, as shown.
    pub user_code: String,
    /// The whole answer.
    pub answer: Answer,
}

/// A person with a browser without scripts: it keeps cookies and follows nothing by itself.
#[derive(Clone, Debug)]
pub struct Person {
    /// The Worker that it looks at.
    pub base: String,
    http: reqwest::Client,
    jar: Arc<Jar>,
}

impl Person {
    /// A browser that was never here.
    pub fn new(base: &str) -> Self {
        let jar = Arc::new(Jar::default());
        let http =
            http().redirect(Policy::none()).cookie_provider(Arc::clone(&jar)).timeout(Duration::from_mins(1)).build().unwrap();
        Self { base: base.to_owned(), http, jar }
    }

    /// Ada, signed in.
    pub async fn ada(base: &str) -> Self {
        let person = Self::new(base);
        person.sign_in(ADA.0, ADA.1).await;
        person
    }

    /// A raw request builder with this browser's cookies.
    pub fn request(&self, method: &str, path: &str) -> reqwest::RequestBuilder {
        self.http.request(method.parse().unwrap(), format!("{}{path}", self.base))
    }

    /// `GET path`, without following.
    pub async fn get(&self, path: &str) -> Answer {
        Answer::of(self.request("GET", path).send().await.unwrap()).await
    }

    /// `GET path`, following redirects within the site.
    pub async fn visit(&self, path: &str) -> Answer {
        let mut answer = self.get(path).await;
        for _ in 0..5 {
            if answer.status != 303 {
                break;
            }
            let location = answer.header("location").to_owned();
            assert!(location.starts_with('/') && !location.starts_with("//"), "a redirect leaves the site: {location}");
            answer = self.get(&location).await;
        }
        answer
    }

    /// Posts a form, without following.
    pub async fn post(&self, path: &str, fields: &[(&str, &str)]) -> Answer {
        Answer::of(self.request("POST", path).form(fields).send().await.unwrap()).await
    }

    /// This browser's cookies, as it sends them.
    pub fn cookies(&self) -> String {
        let url = self.base.parse().unwrap();
        self.jar.cookies(&url).map(|value| value.to_str().unwrap().to_owned()).unwrap_or_default()
    }

    /// The value of a cookie.
    pub fn cookie(&self, name: &str) -> Option<String> {
        let prefix = format!("{name}=");
        self.cookies().split("; ").find_map(|pair| pair.strip_prefix(&prefix).map(str::to_owned))
    }

    /// Puts a cookie into the jar.
    pub fn set_cookie(&self, cookie: &str) {
        let url = self.base.parse().unwrap();
        self.jar.set_cookies(&mut std::iter::once(&HeaderValue::from_str(cookie).unwrap()), &url);
    }

    /// Submits the login form with these; the answer as it comes.
    pub async fn try_sign_in(&self, login: &str, password: &str) -> Answer {
        let page = self.visit("/login").await;
        self.post("/login", &[("form", &page.form()), ("login", login), ("password", password)]).await
    }

    /// Signs in.
    pub async fn sign_in(&self, login: &str, password: &str) {
        let answer = self.try_sign_in(login, password).await;
        assert_eq!(answer.status, 303, "{}", answer.body);
    }

    /// Enters a code; the page that comes.
    pub async fn enter(&self, user_code: &str) -> Answer {
        let page = self.visit("/device").await;
        self.post("/device", &[("form", &page.form()), ("user_code", user_code)]).await
    }

    /// Enters a code and allows everything that it asks for; the page after.
    pub async fn approve(&self, user_code: &str) -> Answer {
        let page = self.enter(user_code).await;
        let answer = self.allow(&page).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        answer
    }

    /// Allows everything on an approval page; the answer as it comes.
    pub async fn allow(&self, page: &Answer) -> Answer {
        let form = page.form();
        let mut fields = vec![("form", form.as_str()), ("action", "allow"), ("confirm_device", "1")];
        let names: Vec<&str> = page.body.split("name=\"scope.").skip(1).filter_map(|rest| rest.split('"').next()).collect();
        let scopes: Vec<String> = names.into_iter().map(|name| format!("scope.{name}")).collect();
        fields.extend(scopes.iter().map(|name| (name.as_str(), "1")));
        self.post("/device/approve", &fields).await
    }

    /// Enters a code and says no.
    pub async fn deny(&self, user_code: &str) -> Answer {
        let page = self.enter(user_code).await;
        self.post("/device/approve", &[("form", &page.form()), ("action", "deny")]).await
    }

    /// Signs out everywhere.
    pub async fn sign_out_everywhere(&self) {
        let page = self.get("/logout").await;
        let answer = self.post("/logout", &[("form", &page.form()), ("action", "everywhere")]).await;
        assert!(answer.body.contains("You are signed out"), "{}", answer.body);
    }
}

/// The claims of a JWT, unverified.
pub fn claims(jwt: &str) -> Value {
    part(jwt, 1)
}

/// The header of a JWT.
pub fn header(jwt: &str) -> Value {
    part(jwt, 0)
}

fn part(jwt: &str, number: usize) -> Value {
    let text = jwt.split('.').nth(number).unwrap();
    serde_json::from_slice(&latchkey::protocol::secret::from_base64url(text).unwrap()).unwrap()
}

/// Everything here is plain http, and reading the system's certificates takes longer than most requests.
/// The server hangs up on connections that are idle for five seconds, so none is used that may be so old.
fn http() -> reqwest::ClientBuilder {
    reqwest::Client::builder().tls_built_in_root_certs(false).pool_idle_timeout(Duration::from_secs(2))
}

/// Waits.
pub async fn sleep(millis: u64) {
    tokio::time::sleep(Duration::from_millis(millis)).await;
}

/// Sends bytes as they are and reads one answer: for requests that no HTTP library makes.
pub async fn raw(base: &str, request: impl Into<Vec<u8>>) -> Answer {
    let (authority, request) = (base.trim_start_matches("http://").replace("localhost", "127.0.0.1"), request.into());
    tokio::task::spawn_blocking(move || {
        let mut stream = TcpStream::connect(authority).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        // The Worker may answer and hang up before it has read everything.
        stream.write_all(&request).ok();
        let mut reader = BufReader::new(stream);
        let mut line = String::new();
        reader.read_line(&mut line).unwrap();
        let status = line.split(' ').nth(1).and_then(|status| status.parse().ok());
        let mut headers = HeaderMap::new();
        loop {
            line.clear();
            reader.read_line(&mut line).unwrap();
            let Some((name, value)) = line.trim_end().split_once(": ") else { break };
            headers.append(name.parse::<HeaderName>().unwrap(), value.parse().unwrap());
        }
        let mut answer = Answer { status: status.unwrap_or_else(|| panic!("no answer: {line}")), headers, body: String::new() };
        let mut body = Vec::new();
        if answer.header("transfer-encoding") == "chunked" {
            loop {
                line.clear();
                reader.read_line(&mut line).unwrap();
                let length = u64::from_str_radix(line.trim_end(), 16).unwrap();
                reader.by_ref().take(length).read_to_end(&mut body).unwrap();
                reader.read_line(&mut line).unwrap();
                if length == 0 {
                    break;
                }
            }
        } else if let Ok(length) = answer.header("content-length").parse() {
            reader.take(length).read_to_end(&mut body).unwrap();
        }
        answer.body = String::from_utf8(body).unwrap();
        answer
    })
    .await
    .unwrap()
}
