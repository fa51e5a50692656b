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
