//! A real Chromium, driven through chromedriver, and what a test may ask of a page in it.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a broken step fails the test by panicking"
)]

use std::future::Future;
use std::io::{BufRead as _, BufReader, Lines};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use fantoccini::actions::{InputSource as _, KeyAction, KeyActions};
use fantoccini::elements::Element;
use fantoccini::key::Key;
use fantoccini::wd::WebDriverCompatibleCommand;
use fantoccini::{Client, ClientBuilder, Locator};
use hyper_util::client::legacy::connect::HttpConnector;
use oauth2::url::ParseError;
use reqwest::{Method, Url};
use serde_json::{Value, json};

use crate::support::sleep;

/// Tells where the profile is, then what chromedriver says; ends all of it when standard input closes,
/// so that a test that dies in whatever way leaves no browser. Chromium holds a pipe to chromedriver
/// and leaves with it.
const KEEPER: &str = r#"
exec 2>/dev/null
profile=$(mktemp -d "${TMPDIR:-/tmp}/latchkey-browser-XXXXXX")
echo "$profile"
chromedriver --port=0 &
driver=$!
read -r _
kill "$driver"
wait "$driver"
for _ in 1 2 3 4 5; do rm -rf "$profile" && sleep 0.1 && [ ! -e "$profile" ] && break; done
"#;

/// Whether pages may run scripts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scripts {
    /// As most people have it.
    On,
    /// As careful people have it.
    Off,
}

/// The browser. Dropping it ends it.
#[derive(Debug)]
pub struct Chromium {
    client: Client,
    keeper: Keeper,
}

#[derive(Debug)]
struct Keeper {
    child: Child,
    /// Kept open: chromedriver must be able to write to it.
    _says: Lines<BufReader<ChildStdout>>,
}

impl Drop for Keeper {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        self.child.wait().ok();
    }
}

/// A command of Chromium's own.
#[derive(Debug)]
struct Special {
    path: &'static str,
    body: Value,
}

impl WebDriverCompatibleCommand for Special {
    fn endpoint(&self, base: &Url, session: Option<&str>) -> Result<Url, ParseError> {
        base.join(&format!("session/{}/{}", session.unwrap_or_default(), self.path))
    }

    fn method_and_body(&self, _: &Url) -> (Method, Option<String>) {
        (Method::POST, Some(self.body.to_string()))
    }
}

impl Chromium {
    /// Starts one with an empty profile.
    pub async fn start(scripts: Scripts) -> Self {
        Self::start_logging(scripts, json!({ "browser": "ALL" })).await
    }

    /// Starts one that tells where servers redirect to ([`Chromium::redirects`]).
    pub async fn start_traced() -> Self {
        Self::start_logging(Scripts::On, json!({ "browser": "ALL", "performance": "ALL" })).await
    }

    async fn start_logging(scripts: Scripts, logs: Value) -> Self {
        let launch = || {
            let mut child =
                Command::new("sh").args(["-c", KEEPER]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("sh starts");
            let mut says = BufReader::new(child.stdout.take().unwrap()).lines();
            let profile = says.next().expect("the keeper names the profile").unwrap();
            let port = says.by_ref().map_while(Result::ok).find_map(|line| {
                let port = line.split_once("started successfully on port ")?.1;
                port.trim_end_matches('.').parse::<u16>().ok()
            });
            let port = port.expect("chromedriver starts (`make test` says what is missing)");
            (Keeper { child, _says: says }, profile, port)
        };
        let (keeper, profile, port) = tokio::task::spawn_blocking(launch).await.unwrap();

        let mut options = json!({ "args": [
            "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
            "--disable-component-update", "--disable-sync", "--remote-debugging-pipe", "--window-size=1280,900",
            format!("--user-data-dir={profile}"),
        ] });
        if scripts == Scripts::Off {
            options["prefs"] = json!({ "profile.managed_default_content_settings.javascript": 2 });
        }
        if let Ok(binary) = std::env::var("LATCHKEY_CHROMIUM") {
            options["binary"] = binary.into();
        }
        let capabilities = json!({ "goog:chromeOptions": options, "goog:loggingPrefs": logs });
        let Value::Object(capabilities) = capabilities else { unreachable!() };
        let client = ClientBuilder::new(HttpConnector::new())
            .capabilities(capabilities)
            .connect(&format!("http://127.0.0.1:{port}"))
            .await
            .expect("Chromium starts");
        Self { client, keeper }
    }

    /// Closes it in good order; whatever it answers to that, its keeper ends it.
    pub async fn close(self) {
        self.client.close().await.ok();
        drop(self.keeper);
    }

    /// Opens a page.
    pub async fn open(&self, url: &str) {
        self.client.goto(url).await.unwrap();
    }

    /// Goes back.
    pub async fn back(&self) {
        self.client.back().await.unwrap();
    }

    /// Path and query of the page.
    pub async fn location(&self) -> String {
        let url = self.client.current_url().await.unwrap();
        url.as_str().strip_prefix(&url.origin().ascii_serialization()).unwrap_or_default().to_owned()
    }

    /// The whole address of the page.
    pub async fn address(&self) -> String {
        self.client.current_url().await.unwrap().into()
    }

    /// From now on it says that its user reads these languages (`Accept-Language`).
    pub async fn reads(&self, languages: &str) {
        self.devtools("Network.enable", json!({})).await;
        self.devtools("Network.setExtraHTTPHeaders", json!({ "headers": { "Accept-Language": languages } })).await;
    }

    /// The title of the page.
    pub async fn title(&self) -> String {
        self.client.title().await.unwrap()
    }

    /// What a script answers. WebDriver's scripts run whatever the page's policy says.
    pub async fn script(&self, script: &str) -> Value {
        self.client.execute(script, Vec::new()).await.unwrap_or_else(|error| panic!("{script}: {error}"))
    }

    /// What a promise of the page comes to: its value, or the text of what it was rejected with after "rejected: ".
    pub async fn promise(&self, expression: &str) -> Value {
        let script = format!(
            "const done = arguments[arguments.length - 1];
             Promise.resolve().then(() => {expression}).then(done, (error) => done(`rejected: ${{error}}`));"
        );
        self.client.execute_async(&script, Vec::new()).await.unwrap_or_else(|error| panic!("{expression}: {error}"))
    }

    /// What a script answers in the first frame of the page.
    pub async fn script_in_frame(&self, script: &str) -> Value {
        self.client.enter_frame(0).await.unwrap();
        let answer = self.script(script).await;
        self.client.enter_parent_frame().await.unwrap();
        answer
    }

    /// An element that must be there.
    pub async fn find(&self, css: &str) -> Element {
        let Ok(element) = self.client.find(Locator::Css(css)).await else {
            panic!("no {css} on {} ({})", self.location().await, self.title().await)
        };
        element
    }

    /// Whether there is such an element.
    pub async fn has(&self, css: &str) -> bool {
        !self.client.find_all(Locator::Css(css)).await.unwrap().is_empty()
    }

    /// The visible words of an element.
    pub async fn text(&self, css: &str) -> String {
        self.find(css).await.text().await.unwrap()
    }

    /// A property of an element, as text.
    pub async fn property(&self, css: &str, name: &str) -> String {
        self.find(css).await.prop(name).await.unwrap().unwrap_or_default()
    }

    /// Replaces what is in a field.
    pub async fn fill(&self, css: &str, text: &str) {
        let field = self.find(css).await;
        field.clear().await.unwrap();
        field.send_keys(text).await.unwrap();
    }

    /// Clicks on what does not lead away.
    pub async fn click(&self, css: &str) {
        self.find(css).await.click().await.unwrap();
    }

    /// Clicks on what leads to another page, and waits for that.
    pub async fn follow(&self, css: &str) {
        self.leave(self.click(css)).await;
    }

    /// Does something that leads to another page, and waits until that one is whole.
    pub async fn leave(&self, act: impl Future<Output = ()>) {
        self.script("window.latchkeyOldPage = true").await;
        act.await;
        for _ in 0..200 {
            // While the pages change, scripts may fail.
            let arrived = "return !window.latchkeyOldPage && document.readyState === 'complete'";
            if self.client.execute(arrived, Vec::new()).await.is_ok_and(|arrived| arrived == true) {
                return;
            }
            sleep(25).await;
        }
        panic!("still on {} ({}): {:?}", self.location().await, self.title().await, self.complaints().await);
    }

    /// Presses and releases a key.
    pub async fn key(&self, key: Key) {
        self.keys(&char::from(key).to_string()).await;
    }

    /// Types with the keyboard, into whatever has the focus.
    pub async fn keys(&self, text: &str) {
        let mut actions = KeyActions::new("keyboard".to_owned());
        for value in text.chars() {
            actions = actions.then(KeyAction::Down { value }).then(KeyAction::Up { value });
        }
        self.client.perform_actions(actions).await.unwrap();
    }

    /// Presses Tab until the focus is on this element; every stop on the way must show that it has it.
    pub async fn tab_to(&self, css: &str) {
        for _ in 0..30 {
            self.key(Key::Tab).await;
            let stop = self.script(FOCUS).await;
            assert_eq!(stop["fault"], "", "focus on {stop} in {}", self.location().await);
            if self.has_focus(css).await {
                return;
            }
        }
        panic!("Tab never reaches {css} on {}", self.location().await);
    }

    /// Whether the focus is on this element.
    pub async fn has_focus(&self, css: &str) -> bool {
        self.script(&format!("return document.activeElement.matches({})", json!(css))).await == true
    }

    /// What a screen reader is told: role, name and description of each node of the page.
    pub async fn heard(&self) -> Vec<(String, String, String)> {
        let tree = self.devtools("Accessibility.getFullAXTree", json!({})).await;
        let text = |node: &Value, member: &str| node[member]["value"].as_str().unwrap_or_default().to_owned();
        let nodes = tree["nodes"].as_array().unwrap();
        let heard = nodes.iter().filter(|node| node["ignored"] != true);
        heard.map(|node| (text(node, "role"), text(node, "name"), text(node, "description"))).collect()
    }

    /// A command of the DevTools protocol.
    pub async fn devtools(&self, command: &str, parameters: Value) -> Value {
        let body = json!({ "cmd": command, "params": parameters });
        self.client
            .issue_cmd(Special { path: "goog/cdp/execute", body })
            .await
            .unwrap_or_else(|error| panic!("{command}: {error}"))
    }

    /// Shows the page at another size and in another colour scheme.
    pub async fn show_as(&self, look: Look) {
        let metrics = json!({
            "width": look.width,
            "height": look.height,
            "deviceScaleFactor": if look.is_phone() { 2 } else { 1 },
            "mobile": look.is_phone(),
        });
        self.devtools("Emulation.setDeviceMetricsOverride", metrics).await;
        let scheme = json!({ "features": [{ "name": "prefers-color-scheme", "value": look.scheme }] });
        self.devtools("Emulation.setEmulatedMedia", scheme).await;
    }

    /// What is wider than it may be: the page than its window, or something than the card around it.
    pub async fn too_wide(&self, look: Look) -> Vec<String> {
        let wide = self.script(WIDTHS).await;
        let mut faults: Vec<String> =
            wide["outside"].as_array().unwrap().iter().map(|what| format!("{what} sticks out")).collect();
        if wide["page"].as_u64() > Some(look.width) {
            faults.push(format!("{} pixels wide in a window of {}", wide["page"], look.width));
        }
        faults
    }

    /// What axe finds wrong with the page, and whether it is wider than its window.
    pub async fn faults(&self, look: Look) -> Vec<String> {
        let mut faults = self.too_wide(look).await;
        let found = self.client.execute_async(AXE, Vec::new()).await.unwrap();
        let found = found.as_array().unwrap_or_else(|| panic!("axe does not run: {found}"));
        faults.extend(found.iter().map(Value::to_string));
        faults
    }

    /// Makes axe-core known to every page from now on.
    pub async fn load_axe(&self) {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("node_modules/axe-core/axe.min.js");
        let axe = std::fs::read_to_string(file).expect("axe-core is there (run `make setup`)");
        self.devtools("Page.addScriptToEvaluateOnNewDocument", json!({ "source": axe })).await;
    }

    /// Keeps a picture of the whole page under `target/screenshots`.
    pub async fn picture(&self, name: &str) {
        let how = json!({ "captureBeyondViewport": true, "optimizeForSpeed": true });
        let picture = self.devtools("Page.captureScreenshot", how).await;
        let png = STANDARD.decode(picture["data"].as_str().unwrap()).unwrap();
        let file = screenshots().join(format!("{name}.png"));
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(file, png).unwrap();
    }

    /// Where servers redirected to since it was last asked.
    pub async fn redirects(&self) -> Vec<String> {
        let log = self.client.issue_cmd(Special { path: "se/log", body: json!({ "type": "performance" }) }).await.unwrap();
        let events =
            log.as_array().unwrap().iter().filter_map(|entry| serde_json::from_str::<Value>(entry["message"].as_str()?).ok());
        let headers = events.filter(|event| event["message"]["method"] == "Network.responseReceivedExtraInfo");
        headers
            .filter_map(|event| {
                let headers = event["message"]["params"]["headers"].as_object()?.clone();
                headers.into_iter().find(|(name, _)| name.eq_ignore_ascii_case("location"))?.1.as_str().map(str::to_owned)
            })
            .collect()
    }

    /// What the console has said since it was last asked, without the statuses of pages that tell
    /// of a mistake: those are meant.
    pub async fn complaints(&self) -> Vec<String> {
        let log = self.client.issue_cmd(Special { path: "se/log", body: json!({ "type": "browser" }) }).await.unwrap();
        let said = log.as_array().unwrap().iter();
        let complaints = said.filter(|entry| entry["source"] != "network" || !entry.to_string().contains("status of 4"));
        complaints.map(Value::to_string).collect()
    }
}

/// How a page is looked at.
#[derive(Clone, Copy, Debug)]
pub struct Look {
    /// Width of the window in CSS pixels.
    pub width: u64,
    height: u64,
    /// `light` or `dark`.
    pub scheme: &'static str,
}

impl Look {
    /// All that a page must bear.
    pub const ALL: [Self; 4] =
        [Self::DESKTOP, Self::of(1280, 900, "dark"), Self::of(390, 844, "dark"), Self::of(390, 844, "light")];
    /// A small phone.
    pub const PHONE: Self = Self::of(375, 812, "light");
    /// A desk in daylight.
    pub const DESKTOP: Self = Self::of(1280, 900, "light");
    /// The narrowest that WCAG 2.2 (1.4.10) asks for.
    pub const NARROW: Self = Self::of(320, 640, "light");

    const fn of(width: u64, height: u64, scheme: &'static str) -> Self {
        Self { width, height, scheme }
    }

    /// Whether it is a phone.
    pub const fn is_phone(self) -> bool {
        self.width < 600
    }
}

/// Where pictures are kept.
fn screenshots() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("target/screenshots")
}

/// The element with the focus, and what is wrong with how it shows that: WCAG 2.2, 2.4.7 and 2.4.11.
const FOCUS: &str = "
const at = document.activeElement, style = getComputedStyle(at), box = at.getBoundingClientRect();
const faults = [];
if (at === document.body) return { tag: 'BODY', fault: '' };
if (!at.matches(':focus-visible')) faults.push('not :focus-visible');
if (style.outlineStyle === 'none' || parseFloat(style.outlineWidth) < 2) faults.push('no outline');
if (style.outlineColor === getComputedStyle(document.querySelector('main')).backgroundColor) faults.push('unseen outline');
if (box.bottom > innerHeight + 1 || box.top < -1) faults.push(`out of sight: ${box.top} to ${box.bottom} of ${innerHeight}`);
return { tag: at.tagName, name: at.name, id: at.id, href: at.href, fault: faults.join(', ') };
";

/// Width of the page, and what sticks out of the padding of the card on the right.
const WIDTHS: &str = "
const card = document.querySelector('main');
const edge = card ? card.getBoundingClientRect().right - parseFloat(getComputedStyle(card).paddingRight) : innerWidth;
const outside = [...document.querySelectorAll('main *:not(.unseen)')].filter((it) => it.getBoundingClientRect().right > edge + 0.5);
return { page: document.scrollingElement.scrollWidth, outside: outside.map((it) => it.id || it.className || it.tagName) };
";

/// Every rule of axe that is on by default, and the size of targets (WCAG 2.2, 2.5.8).
const AXE: &str = "
const done = arguments[arguments.length - 1];
axe.run(document, { rules: { 'target-size': { enabled: true } }, resultTypes: ['violations', 'incomplete'] }).then(
  (result) => done([...result.violations, ...result.incomplete].map((fault) => ({
    rule: fault.id,
    help: fault.help,
    where: fault.nodes.map((node) => `${node.target}: ${node.any.concat(node.all, node.none).map((check) => check.message)}`),
  }))),
  (error) => done(String(error)),
);
";
