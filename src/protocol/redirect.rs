//! Redirect URIs: which may be registered, and which request matches which registration
//! (RFC 6749 3.1.2, RFC 8252 7 and 8.4, RFC 9700 4.1).

use super::client_metadata::ApplicationType;
use super::uri;

/// Whether a redirect URI may be registered: an https URL, http on a loopback host, or for a native app a
/// scheme of its own that is a reversed domain name. Never a fragment, user information, or anything that
/// parsers read in more than one way.
pub fn is_registrable(text: &str, kind: ApplicationType) -> bool {
    if text.len() > 1024
        || !text.bytes().all(|byte| byte.is_ascii_graphic())
        || text.contains(['#', '\\', '"', '<', '>', '\'', ';', ','])
    {
        return false;
    }
    let Some((scheme, rest)) = text.split_once(':') else {
        return false;
    };
    match scheme {
        "https" | "http" => {
            let authority = rest.strip_prefix("//").map(|rest| rest.split(['/', '?']).next().unwrap_or_default());
            authority.is_some_and(|authority| {
                uri::is_authority(authority) && (scheme == "https" || uri::is_loopback(uri::host(authority)))
            })
        }
        _ => kind == ApplicationType::Native && is_private_use(scheme) && !rest.is_empty(),
    }
}

/// Whether a URI has a scheme of an app's own (RFC 8252 7.1): lower case, with a dot.
fn is_private_use(scheme: &str) -> bool {
    scheme.contains('.')
        && !scheme.ends_with('.')
        && scheme.starts_with(|c: char| c.is_ascii_lowercase())
        && scheme.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b".-+".contains(&byte))
}

/// Whether a request's redirect URI is this registered one: the same text, but for the port of a
/// native app's loopback address (RFC 8252 7.3).
pub fn matches(registered: &str, asked: &str, kind: ApplicationType) -> bool {
    registered == asked || (kind == ApplicationType::Native && matches_on_any_port(registered, asked))
}

fn matches_on_any_port(registered: &str, asked: &str) -> bool {
    let parts = |text: &'_ str| -> Option<(String, String)> {
        let rest = text.strip_prefix("http://")?;
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let (authority, path) = rest.split_at(end);
        let host = uri::host(authority);
        (uri::is_authority(authority) && uri::is_loopback(host)).then(|| (host.to_owned(), path.to_owned()))
    };
    matches!((parts(registered), parts(asked)), (Some(registered), Some(asked)) if registered == asked)
}

/// Whether whoever receives an answer there is known by the address: https is, an app's own scheme and a
/// loopback port are not (RFC 8252 8.6).
pub fn proves_receiver(redirect_uri: &str) -> bool {
    redirect_uri.starts_with("https://")
}

/// What a Content-Security-Policy has to name so that a form may lead there. It cannot name an IPv6 address
/// (CSP3 2.3.1, `host-part`), and browsers ignore a source that does: there it is the whole scheme.
pub fn form_action(redirect_uri: &str) -> Option<String> {
    match redirect_uri.split_once(':')? {
        (scheme, rest) if rest.starts_with("//[") => Some(format!("{scheme}:")),
        ("https" | "http", _) => uri::origin(redirect_uri).map(str::to_owned),
        (scheme, _) => Some(format!("{scheme}:")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_be_registered() {
        let web = |uri| is_registrable(uri, ApplicationType::Web);
        let native = |uri| is_registrable(uri, ApplicationType::Native);
        for good in
            ["https://app.example/cb", "https://app.example:8443/cb?x=1", "http://localhost:9999/callback", "http://[::1]/cb"]
        {
            assert!(web(good) && native(good), "{good}");
        }
        assert!(native("com.example.app:/cb") && !web("com.example.app:/cb"));
        for bad in [
            "",
            "/cb",
            "https:",
            "https://",
            "http://app.example/cb",
            "https://app.example/cb#f",
            "https://app.example/cb#",
            "https://user@app.example/cb",
            "https://app.example\\@evil.example/cb",
            "https://APP.example/cb",
            "https://app.example./cb",
            "https://\u{e4}pp.example/cb",
            "https://app.example/cb with space",
            "javascript:alert(1)",
            "data:text/html,x",
            "myapp:/cb",
            "com.example.:/cb",
            "http://localhost.evil.example/cb",
            "http://127.0.0.1.evil.example/cb",
        ] {
            assert!(!web(bad) && !native(bad), "{bad}");
        }
    }

    #[test]
    fn matching_is_exact_but_for_a_native_loopback_port() {
        let web = |registered, asked| matches(registered, asked, ApplicationType::Web);
        let native = |registered, asked| matches(registered, asked, ApplicationType::Native);
        assert!(web("https://a.example/cb?x=1", "https://a.example/cb?x=1"));
        for asked in [
            "https://a.example/cb?x=1&y=2",
            "https://a.example/cb",
            "https://A.example/cb?x=1",
            "https://a.example./cb?x=1",
            "https://a.example@evil.example/cb?x=1",
            "https://a.example/cb?x=1#f",
            "https://a.example/CB?x=1",
        ] {
            assert!(!web("https://a.example/cb?x=1", asked), "{asked}");
        }
        assert!(native("http://127.0.0.1/cb", "http://127.0.0.1:51004/cb"));
        assert!(native("http://[::1]:1/cb", "http://[::1]:51004/cb"));
        assert!(!web("http://127.0.0.1/cb", "http://127.0.0.1:51004/cb"), "a web client's port is its own");
        for asked in [
            "http://127.0.0.1:51004/other",
            "http://127.0.0.1:51004/cb?x=1",
            "http://localhost:51004/cb",
            "https://127.0.0.1:51004/cb",
            "http://127.0.0.1:51004@evil.example/cb",
            "http://127.0.0.1:x/cb",
        ] {
            assert!(!native("http://127.0.0.1/cb", asked), "{asked}");
        }
    }

    #[test]
    fn form_actions() {
        assert_eq!(form_action("https://a.example:8443/cb?x").as_deref(), Some("https://a.example:8443"));
        assert_eq!(form_action("http://127.0.0.1:51004/cb").as_deref(), Some("http://127.0.0.1:51004"));
        assert_eq!(form_action("http://[::1]:51004/cb").as_deref(), Some("http:"));
        assert_eq!(form_action("com.example.app:/cb").as_deref(), Some("com.example.app:"));
    }
}
