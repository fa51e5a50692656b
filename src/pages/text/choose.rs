//! Which language a page is in.

use super::{ALL, EN, Texts};

/// The language for a person: what the client asks for (`ui_locales`: language tags in order of
/// preference, separated by spaces; OpenID Connect Core 1.0, section 3.1.2.1), else what the browser
/// asks for (`Accept-Language`; RFC 9110, section 12.5.4), else English. Tags match by their primary
/// language; what cannot be read is passed over.
pub fn choose(ui_locales: Option<&str>, accept_language: Option<&str>) -> &'static Texts {
    ui_locales
        .and_then(|tags| tags.split_ascii_whitespace().find_map(of))
        .or_else(|| accept_language.and_then(accepted))
        .unwrap_or(&EN)
}

/// The language whose primary subtag this tag has. Some write `de_CH` for `de-CH`.
fn of(tag: &str) -> Option<&'static Texts> {
    let primary = tag.split(['-', '_']).next()?;
    ALL.into_iter().find(|texts| texts.lang.eq_ignore_ascii_case(primary))
}

/// The language of the highest weight above zero; of two that weigh the same, the first.
fn accepted(header: &str) -> Option<&'static Texts> {
    let ranges = || header.split(',').filter_map(weighed);
    let mentioned = |texts: &Texts| ranges().any(|(range, _)| of(range).is_some_and(|other| other.lang == texts.lang));
    let mut best = None;
    for (range, weight) in ranges().filter(|(_, weight)| *weight > 0) {
        // `*` is any language that the header does not speak of (RFC 4647, section 3.3.1).
        let texts = if range == "*" { ALL.into_iter().find(|texts| !mentioned(texts)) } else { of(range) };
        if let Some(texts) = texts.filter(|_| best.is_none_or(|(_, most)| weight > most)) {
            best = Some((texts, weight));
        }
    }
    best.map(|(texts, _)| texts)
}

/// A language range and its weight in thousandths; none when the weight is no weight.
fn weighed(element: &str) -> Option<(&str, u16)> {
    let mut parts = element.split(';').map(str::trim);
    let range = parts.next().filter(|range| !range.is_empty())?;
    let weight = parts.find_map(|part| part.strip_prefix("q=").or_else(|| part.strip_prefix("Q=")));
    Some((range, weight.map_or(Some(1000), thousandths)?))
}

/// `0`, `0.8` or `1.000` (RFC 9110, section 12.4.2).
fn thousandths(weight: &str) -> Option<u16> {
    let (whole, fraction) = weight.split_once('.').unwrap_or((weight, ""));
    let is_short = fraction.len() <= 3 && fraction.bytes().all(|byte| byte.is_ascii_digit());
    let fraction: u16 = format!("{fraction:0<3}").parse().ok().filter(|_| is_short)?;
    match (whole, fraction) {
        ("0", _) => Some(fraction),
        ("1", 0) => Some(1000),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn chosen(ui_locales: &str, accept_language: &str) -> &'static str {
        choose(Some(ui_locales), Some(accept_language)).lang
    }

    #[test]
    fn without_a_wish_it_is_english() {
        assert_eq!(choose(None, None).lang(), "en");
        assert_eq!(choose(None, Some("")).lang(), "en");
        assert_eq!(chosen("", "it, rm;q=0.8"), "en");
    }

    #[test]
    fn the_client_asks_first_in_order_of_preference() {
        assert_eq!(chosen("fr-CA fr en", "de"), "fr");
        assert_eq!(chosen("it  de-CH fr", "en"), "de");
        assert_eq!(chosen("DE", "en"), "de");
        assert_eq!(chosen("de_AT", "en"), "de");
        assert_eq!(chosen("it rm", "fr"), "fr", "what we do not speak leaves it to the browser");
        assert_eq!(chosen("den frr english", "de"), "de", "a longer subtag is another language");
    }

    #[test]
    fn the_browser_asks_by_weight() {
        for (header, lang) in [
            ("de-CH,de;q=0.9,en;q=0.8", "de"),
            ("en;q=0.8, fr-CH ; q=0.9 , de;q=0.85", "fr"),
            ("de;q=0.5,fr;q=0.5", "de"),
            ("fr;q=0.5,de;q=0.5", "fr"),
            ("fr;q=0.100,de;q=0.11", "de"),
            ("de;q=0.001", "de"),
            ("FR;Q=1.000,de;q=0.999", "fr"),
            ("it,fr;level=1;q=0.3,de;q=0.2", "fr"),
        ] {
            assert_eq!(chosen("", header), lang, "{header}");
        }
    }

    #[test]
    fn zero_excludes() {
        assert_eq!(chosen("", "de;q=0, fr;q=0.1"), "fr");
        assert_eq!(chosen("", "de;q=0.000"), "en");
        assert_eq!(chosen("", "en;q=0, *"), "de", "* is not what was excluded");
        assert_eq!(chosen("", "*;q=0, fr;q=0.2"), "fr");
    }

    #[test]
    fn the_wildcard_is_whatever_was_not_named() {
        assert_eq!(chosen("", "*"), "en");
        assert_eq!(chosen("", "fr;q=0.5, *;q=0.8"), "en");
        assert_eq!(chosen("", "en;q=0.2, de;q=0.3, *;q=0.8"), "fr");
        assert_eq!(chosen("", "fr, *;q=0.5"), "fr");
    }

    #[test]
    fn junk_is_passed_over() {
        for junk in ["fr;q=2", "fr;q=1.1", "fr;q=.5", "fr;q=0.1234", "fr;q=", "fr;q=-1", "fr;q=0.+5", "fr;q=high", ";q=1", ",,;,"]
        {
            assert_eq!(chosen("", junk), "en", "{junk}");
            assert_eq!(chosen("", &format!("{junk}, de;q=0.1")), "de", "{junk}");
        }
    }

    proptest! {
        #[test]
        fn nothing_makes_it_fail(ui_locales in any::<String>(), accept_language in "[a-z*;,=q0-9. \\-]{0,40}|\\PC{0,40}") {
            let texts = choose(Some(&ui_locales), Some(&accept_language));
            prop_assert!(ALL.into_iter().any(|known| known.lang == texts.lang));
        }
    }
}
