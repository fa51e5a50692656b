//! Which URLs of others may be fetched: the guard against being sent to places that only we can reach
//! (server-side request forgery, RFC 9700 4.11 and RFC 7591 5).
//!
//! Names are judged here, addresses are not: what a name resolves to is the platform's to know, and the
//! Worker is deployed with `global_fetch_strictly_public`.

use super::uri;

/// What may be fetched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// A public name at the standard port.
    Public,
    /// Only because `OUTBOUND_ALLOW` names its host and port.
    Allowed,
}

/// Names that never leave a local network: RFC 6761 6, RFC 6762 3, RFC 8375 3, the reserved `internal`,
/// and those that routers and companies are known to use.
const LOCAL: [&str; 14] = [
    "localhost",
    "local",
    "localdomain",
    "internal",
    "intranet",
    "private",
    "corp",
    "home",
    "lan",
    "arpa",
    "test",
    "invalid",
    "onion",
    "alt",
];

/// Whether we may fetch from or post to this URL: https at port 443 of a public name, or anything at a
/// `host:port` in `allow`, also plain http. Never the issuer itself, for a request that makes us ask
/// ourselves could do so without end. The error says why not.
pub fn check(url: &str, issuer: &str, allow: &[String]) -> Result<Reach, &'static str> {
    let (scheme, rest) = url.split_once("://").ok_or("URL refused: not an absolute URL")?;
    let place = uri::host_and_port(url).ok_or("URL refused: not an absolute URL")?;
    if uri::host_and_port(issuer).as_deref() == Some(place.as_str()) {
        return Err("URL refused: our own host");
    }
    let is_allowed = allow.contains(&place);
    match scheme {
        "https" => {}
        "http" if is_allowed => {}
        _ => return Err("URL refused: not https"),
    }
    if !uri::is_outbound(&format!("https://{rest}")) {
        return Err("URL refused: not a plain lower-case URL");
    }
    if is_allowed {
        return Ok(Reach::Allowed);
    }
    let host = uri::host_of(url).ok_or("URL refused: not an absolute URL")?;
    is_public_name(host)?;
    // A port of somebody's choice could be any service of the host.
    if !place.ends_with(":443") {
        return Err("URL refused: not port 443");
    }
    Ok(Reach::Public)
}

/// Refuses addresses in every spelling, local names, and what is no name in the public DNS.
fn is_public_name(host: &str) -> Result<(), &'static str> {
    if host.starts_with('[') {
        return Err("URL refused: an IP address");
    }
    let labels: Vec<&str> = host.split('.').collect();
    let last = labels.last().copied().unwrap_or_default();
    // How a URL parser tells an IPv4 address, decimal, octal, hexadecimal or short, from a name: by its
    // last label (WHATWG URL 3.5). No top-level domain starts with a digit.
    if last.starts_with(|c: char| c.is_ascii_digit()) {
        return Err("URL refused: an IP address");
    }
    if labels.len() < 2 || LOCAL.contains(&last) {
        return Err("URL refused: a local name");
    }
    let is_label = |label: &&str| (1..=63).contains(&label.len()) && !label.starts_with('-') && !label.ends_with('-');
    if host.len() > 253 || !labels.iter().all(is_label) {
        return Err("URL refused: not a DNS name");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const ISSUER: &str = "https://id.example.com";

    fn reach(url: &str) -> Result<Reach, &'static str> {
        check(url, ISSUER, &["localhost:9999".to_owned(), "judge.local:8443".to_owned(), "10.0.0.1:80".to_owned()])
    }

    #[test]
    fn public_names() {
        let longest = format!("https://{}.example/", "a".repeat(63));
        for good in [
            "https://a.example",
            "https://a.example/jwks?x=1",
            "https://a.example:443/",
            "https://xn--bcher-kva.example/",
            &longest,
        ] {
            assert_eq!(reach(good), Ok(Reach::Public), "{good}");
        }
    }

    #[test]
    fn addresses_in_every_spelling() {
        for bad in [
            "https://127.0.0.1/",
            "https://127.1/",
            "https://2130706433/",
            "https://0177.0.0.1/",
            "https://0x7f.0.0.1/",
            "https://0x7f000001/",
            "https://a.0x7f/",
            "https://192.168.0.1/",
            "https://169.254.169.254/latest/meta-data",
            "https://1.2.3.4.5/",
            "https://[::1]/",
        ] {
            assert_eq!(reach(bad), Err("URL refused: an IP address"), "{bad}");
        }
        assert!(reach("https://[::ffff:127.0.0.1]/").is_err());
        assert!(reach("https://[fe80::1]/").is_err());
    }

    #[test]
    fn local_names() {
        for bad in [
            "https://localhost/",
            "https://a.localhost/",
            "https://printer.local/",
            "https://metadata.google.internal/",
            "https://a.home.arpa/",
            "https://intranet/",
            "https://nas.lan/",
        ] {
            assert_eq!(reach(bad), Err("URL refused: a local name"), "{bad}");
        }
    }

    #[test]
    fn what_is_not_plain_or_not_https() {
        for bad in [
            "",
            "https://",
            "https:///x",
            "a.example",
            "//a.example/",
            "file:///etc/passwd",
            "http://a.example/",
            "HTTPS://a.example/",
            "https://A.example/",
            "https://a.example./",
            "https://user@a.example/",
            "https://a.example@localhost/",
            "https://a.example\\@b.example/",
            "https://a.example/#f",
            "https://a .example/",
            "https://\u{ff41}.example/",
            "https://a.example:8443/",
            "https://a.example:80/",
            "https://a.example:0443/",
            "https://a.example:/",
            "https://a..example/",
            "https://-a.example/",
            "https://a-.example/",
            "https://a_b.example/",
            "https://a%2eexample/",
            &format!("https://{}.example/", "a".repeat(64)),
            &format!("https://a.example/{}", "a".repeat(2048)),
        ] {
            assert!(reach(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn what_the_operator_allows() {
        for good in [
            "http://localhost:9999/jwks",
            "https://localhost:9999/jwks",
            "https://judge.local:8443/",
            "http://10.0.0.1/",
            "http://10.0.0.1:80/",
        ] {
            assert_eq!(reach(good), Ok(Reach::Allowed), "{good}");
        }
        for bad in [
            "http://localhost:9998/",
            "http://localhost/",
            "https://10.0.0.1/",
            "ftp://localhost:9999/",
            "http://x@localhost:9999/",
        ] {
            assert!(reach(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn never_ourselves() {
        for own in ["https://id.example.com/x", "https://id.example.com:443/x"] {
            assert_eq!(reach(own), Err("URL refused: our own host"), "{own}");
        }
        assert_eq!(
            check("http://localhost:8787/x", "http://localhost:8787", &["localhost:8787".to_owned()]),
            Err("URL refused: our own host")
        );
    }
}
