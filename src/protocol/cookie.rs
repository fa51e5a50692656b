//! Cookies: RFC 6265, written with every flag and read exactly.

/// A cookie of ours. `__Host-` binds it to this host, https and path `/`; browsers refuse that
/// prefix over plain http, so a loopback http issuer uses the plain name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cookie {
    /// Names the browser: random, set on first contact, changed at sign-in.
    Browser,
    /// The sealed session.
    Session,
    /// The sealed list of accounts that signed in here before.
    Known,
    /// A user code on its way to the form, sealed to the browser.
    UserCode,
}

impl Cookie {
    const fn base_name(self) -> &'static str {
        match self {
            Self::Browser => "browser",
            Self::Session => "session",
            Self::Known => "known",
            Self::UserCode => "user_code",
        }
    }

    /// The name on the wire.
    pub fn name(self, secure: bool) -> String {
        format!("{}{}", if secure { "__Host-" } else { "" }, self.base_name())
    }

    /// A `Set-Cookie` value. `max_age` is in seconds; without it the cookie ends with the browser.
    pub fn set(self, value: &str, max_age: Option<u32>, secure: bool) -> String {
        let name = self.name(secure);
        let age = max_age.map_or_else(String::new, |age| format!("; Max-Age={age}"));
        let secure = if secure { "; Secure" } else { "" };
        format!("{name}={value}; Path=/; HttpOnly; SameSite=Lax{secure}{age}")
    }

    /// A `Set-Cookie` value that removes it.
    pub fn clear(self, secure: bool) -> String {
        self.set("", Some(0), secure)
    }

    /// Its value in a `Cookie` header. Split on `;`, space and tab trimmed, nothing decoded. A name
    /// that is there twice is refused altogether: one of the two was planted.
    pub fn read(self, header: &str, secure: bool) -> Option<&str> {
        let name = self.name(secure);
        let mut values = header.split(';').filter_map(|pair| {
            let (key, value) = pair.split_once('=')?;
            let trim: &[char] = &[' ', '\t'];
            (key.trim_matches(trim) == name).then(|| value.trim_matches(trim))
        });
        let value = values.next()?;
        (values.next().is_none() && !value.is_empty()).then_some(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags() {
        assert_eq!(
            Cookie::Session.set("v", Some(60), true),
            "__Host-session=v; Path=/; HttpOnly; SameSite=Lax; Secure; Max-Age=60"
        );
        assert_eq!(Cookie::Browser.set("v", None, false), "browser=v; Path=/; HttpOnly; SameSite=Lax");
        assert_eq!(Cookie::Known.clear(true), "__Host-known=; Path=/; HttpOnly; SameSite=Lax; Secure; Max-Age=0");
    }

    #[test]
    fn reads_exactly() {
        let read = |header| Cookie::Session.read(header, false);
        assert_eq!(read("a=b;\tsession=v ; c"), Some("v"));
        assert_eq!(read("session=a=b"), Some("a=b"));
        assert_eq!(read("session=x; session=y"), None, "a repeated name refuses both");
        assert_eq!(read("session=x; session="), None);
        for header in ["", "Session=x", "session", "session=", "xsession=x", "\u{a0}session=x", "session\u{b}=x", "a=session=x"] {
            assert_eq!(read(header), None, "{header:?}");
        }
        assert_eq!(Cookie::Session.read("session=x", true), None, "the plain name is not ours on https");
    }
}
