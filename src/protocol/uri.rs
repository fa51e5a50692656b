//! The few rules about URIs and addresses that are ours to check.

use core::net::IpAddr;

/// Whether a URL may be an issuer or endpoint base: https, or plain http on a loopback host for
/// development (RFC 8414 2: no query, no fragment), without a path.
pub fn is_issuer(text: &str) -> bool {
    let Some((scheme, rest)) = text.split_once("://") else {
        return false;
    };
    let (authority, path) = rest.find('/').map_or((rest, ""), |at| rest.split_at(at));
    let plain = text.bytes().all(|byte| byte.is_ascii_graphic()) && !text.contains(['?', '#', '@', '\\', '%']);
    let secure = scheme == "https" || (scheme == "http" && is_loopback(host(authority)));
    plain && secure && is_authority(authority) && path.is_empty()
}

/// Whether a URL may be shown to users (logo, policy): https, nothing odd in it.
pub fn is_https(text: &str) -> bool {
    let Some(rest) = text.strip_prefix("https://") else {
        return false;
    };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    text.len() <= 2048
        && text.bytes().all(|byte| byte.is_ascii_graphic())
        && !text.contains(['"', '\'', '<', '>', '\\', ';', ','])
        && is_authority(authority)
}

/// Whether we may be told to fetch from or post to this URL, by its form: https, or plain http on a
/// loopback host, which only `OUTBOUND_ALLOW` lets us reach. A name that is not ours to reach is refused
/// when it is used.
pub fn is_outbound(text: &str) -> bool {
    let https = text.strip_prefix("http://").map(|rest| format!("https://{rest}"));
    let plain =
        text.strip_prefix("http://").is_none_or(|rest| is_loopback(host(rest.split(['/', '?']).next().unwrap_or_default())));
    plain && !text.contains(['#', '@']) && is_https(https.as_deref().unwrap_or(text))
}

/// The host of a URL, without port; nothing for a URL that has none.
pub fn host_of(url: &str) -> Option<&str> {
    let (_, rest) = url.split_once("://")?;
    Some(host(rest.split(['/', '?', '#']).next()?)).filter(|host| !host.is_empty())
}

/// `host:port` of an http or https URL, with the scheme's port where there is none.
pub fn host_and_port(url: &str) -> Option<String> {
    let (scheme, rest) = url.split_once("://")?;
    let authority = rest.split(['/', '?', '#']).next()?;
    let host = host(authority);
    let port = match authority.get(host.len()..)?.strip_prefix(':') {
        Some(port) => port,
        None if scheme == "https" => "443",
        None => "80",
    };
    Some(format!("{host}:{port}"))
}

/// Whether this is a resource indicator (RFC 8707 2): an absolute URI without a fragment.
pub fn is_resource(text: &str) -> bool {
    let Some((scheme, rest)) = text.split_once(':') else {
        return false;
    };
    let mut scheme = scheme.chars();
    scheme.next().is_some_and(|c| c.is_ascii_alphabetic())
        && scheme.all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c))
        && !rest.is_empty()
        && text.len() <= 512
        && text.bytes().all(|byte| byte.is_ascii_graphic())
        && !text.contains(['#', '"', '\\', '<', '>'])
}

/// `scheme://authority` of a URL: its origin, for a Content-Security-Policy.
pub fn origin(url: &str) -> Option<&str> {
    let authority = url.find("://")? + 3;
    let end = url.get(authority..)?.find(['/', '?', '#']).map_or(url.len(), |at| authority + at);
    url.get(..end)
}

/// What one holder of an address has: an IPv4 address itself, the first 64 bits of an IPv6 one.
pub fn network(address: &str) -> String {
    match address.parse() {
        Ok(IpAddr::V6(address)) if address.to_ipv4_mapped().is_none() => {
            let [a, b, c, d, ..] = address.segments();
            format!("{a:x}:{b:x}:{c:x}:{d:x}::/64")
        }
        _ => address.to_owned(),
    }
}

/// Whether a host is this machine only.
pub fn is_loopback(host: &str) -> bool {
    host == "localhost" || host == "127.0.0.1" || host == "[::1]"
}

/// The host of an authority, without user information (there is none in what we take) and port.
pub fn host(authority: &str) -> &str {
    if authority.starts_with('[') {
        return authority.find(']').and_then(|end| authority.get(..=end)).unwrap_or_default();
    }
    authority.split(':').next().unwrap_or_default()
}

/// Whether an authority is a plain lower-case host name, with or without a port.
pub fn is_authority(authority: &str) -> bool {
    let host = host(authority);
    let port = authority.get(host.len()..).unwrap_or_default();
    let port_is_good = port.is_empty()
        || port.strip_prefix(':').is_some_and(|p| !p.is_empty() && p.len() <= 5 && p.bytes().all(|b| b.is_ascii_digit()));
    let name = host == "[::1]"
        || (!host.is_empty()
            && !host.starts_with(['.', '-'])
            && !host.ends_with('.')
            && host.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'.' || b == b'-'));
    name && port_is_good
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn issuers() {
        for good in
            ["https://id.example", "https://id.example:8443", "http://localhost:8787", "http://127.0.0.1:1", "http://[::1]:80"]
        {
            assert!(is_issuer(good), "{good}");
        }
        for bad in [
            "",
            "id.example",
            "http://id.example",
            "https://",
            "https://id.example/",
            "https://id.example/a",
            "https://id.example?x",
            "https://id.example#x",
            "https://a@id.example",
            "https://ID.example",
            "https://id.example.",
            "https://id.example:",
            "ftp://x",
            "http://localhost.evil.example",
            "https://id example",
            "http://127.0.0.1.evil.example",
        ] {
            assert!(!is_issuer(bad), "{bad}");
        }
    }

    #[test]
    fn networks() {
        assert_eq!(network("192.0.2.7"), "192.0.2.7");
        assert_eq!(network("2001:db8:1:2:3:4:5:6"), network("2001:db8:1:2::9"));
        assert_ne!(network("2001:db8:1:2::9"), network("2001:db8:1:3::9"));
        assert_eq!(network("::ffff:192.0.2.7"), "::ffff:192.0.2.7");
        assert_eq!(network(""), "");
    }

    #[test]
    fn resources_and_origins() {
        assert!(is_resource("https://api.example/v1?x=1"));
        assert!(is_resource("urn:example:api"));
        for bad in ["", "api", "https://api.example/#f", ":x", "1a:b", "a b:c"] {
            assert!(!is_resource(bad), "{bad}");
        }
        assert_eq!(origin("https://cdn.example/x/y.svg"), Some("https://cdn.example"));
        assert_eq!(origin("https://cdn.example"), Some("https://cdn.example"));
        assert!(
            is_https("https://cdn.example/logo.svg") && !is_https("https://cdn.example;x/") && !is_https("http://cdn.example/")
        );
    }
}
