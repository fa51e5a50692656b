//! What the words of each language owe.

use super::*;

/// Every text of a language by its place, as its debug representation lists them: a text that is
/// added later is in it by itself.
fn every_text(texts: &Texts) -> Vec<(String, String)> {
    // A no-break space is shown as its number.
    let shown = format!("{texts:#?}").replace("\\u{a0}", " ");
    let mut path: Vec<&str> = Vec::new();
    let mut found = Vec::new();
    for line in shown.lines() {
        let line = line.trim().trim_end_matches(',');
        if let Some((name, text)) = line.split_once(": \"") {
            found.push(([&path[..], &[name]].concat().join("."), text.trim_end_matches('"').to_owned()));
        } else if let Some(text) = line.strip_prefix('"') {
            // Within `Some(..)`, whose line is on the path.
            found.push((path.join("."), text.trim_end_matches('"').to_owned()));
        } else if line.ends_with(['{', '(']) {
            path.push(line.split([':', ' ', '(']).next().unwrap());
        } else if line == "}" || line == ")" {
            path.pop();
        }
    }
    found
}

/// Each text in English and in another language.
fn translated() -> Vec<(String, String, String)> {
    let english = every_text(&EN);
    let beside = |texts: &'static Texts| {
        let other = every_text(texts);
        assert_eq!(other.len(), english.len(), "{}: a text is missing", texts.lang());
        let pair = |((place, english), (same, text)): (&(String, String), (String, String))| {
            assert_eq!(*place, same, "{}", texts.lang());
            (format!("{place} ({})", texts.lang()), english.clone(), text)
        };
        english.iter().zip(other).map(pair).collect::<Vec<_>>()
    };
    ALL.into_iter().skip(1).flat_map(beside).collect()
}

#[test]
fn all_texts_are_looked_at() {
    let texts = every_text(&EN);
    for (place, text) in [
        ("Texts.lang", "en"),
        ("Texts.login.heading", "Sign in"),
        ("Texts.scopes.profile.description", "Your name, picture, language and similar details."),
        ("Texts.claims.updated_at", "See when your profile was last changed"),
    ] {
        assert!(texts.contains(&(place.to_owned(), text.to_owned())), "{place}");
    }
    assert!(texts.len() > 120, "{}", texts.len());
}

#[test]
fn no_text_is_missing_in_any_language() {
    for texts in ALL {
        for (place, text) in every_text(texts) {
            assert!(!text.trim().is_empty() && text.trim() == text, "{place} ({}): {text:?}", texts.lang());
            assert!(!text.contains("  ") && !text.contains(['{', '}']), "{place} ({}): {text:?}", texts.lang());
        }
    }
}

#[test]
fn sentences_are_translated() {
    let mut sentences = 0;
    for (place, english, text) in translated() {
        if english.len() > 25 {
            assert_ne!(english, text, "{place}");
            sentences += 1;
        }
    }
    assert!(sentences > 100, "{sentences}");
}

#[test]
fn numbers_examples_and_ends_agree() {
    let digits = |text: &str| text.chars().filter(char::is_ascii_digit).collect::<String>();
    let end = |text: &str| text.chars().last().filter(|last| ".?:".contains(*last));
    for (place, english, text) in translated() {
        assert_eq!(digits(&english), digits(&text), "{place}");
        assert_eq!(english.contains("BCDF-GHJK"), text.contains("BCDF-GHJK"), "{place}");
        assert_eq!(end(&english), end(&text), "{place}: {text}");
    }
}

#[test]
fn every_plural_is_right() {
    for (texts, one, more, just, ago_one, ago_more) in [
        (ALL[0], "1 minute,", "2 minutes,", "Just now", "1 minute ago", "2 minutes ago"),
        (ALL[1], "1 Minute ", "2 Minuten ", "Gerade eben", "Vor 1 Minute", "Vor 2 Minuten"),
        (ALL[2], "1 minute,", "2 minutes,", "À l’instant", "Il y a 1 minute", "Il y a 2 minutes"),
    ] {
        let (throttled, ago) = (texts.throttled, texts.approval.ago);
        assert!(throttled(1).contains(one) && throttled(2).contains(more), "{}", texts.lang());
        assert_eq!([ago(0), ago(1), ago(2)], [just, ago_one, ago_more]);
    }
}

#[test]
fn what_a_text_quotes_is_what_the_page_says() {
    for t in ALL {
        let (approval, deny) = (&t.approval, t.permission.deny);
        for text in [t.permission.nothing_chosen, approval.differ, approval.caution, approval.unconfirmed] {
            assert!(text.contains(deny), "{}: {text}", t.lang());
        }
        assert!(t.allowed.later.contains(t.home.devices), "{}", t.lang());
        assert!(t.form_post.without_script.contains(t.form_post.submit), "{}", t.lang());
    }
}

#[test]
fn every_standard_claim_and_scope_has_words_of_its_own() {
    // OpenID Connect Core 1.0, section 5.1 in its order.
    let claims = [
        "sub",
        "name",
        "given_name",
        "family_name",
        "middle_name",
        "nickname",
        "preferred_username",
        "profile",
        "picture",
        "website",
        "email",
        "email_verified",
        "gender",
        "birthdate",
        "zoneinfo",
        "locale",
        "phone_number",
        "phone_number_verified",
        "address",
        "updated_at",
    ];
    for t in ALL {
        let words: std::collections::HashSet<_> = claims.iter().map(|name| t.claims.of(name).unwrap()).collect();
        assert_eq!(words.len(), claims.len(), "{}", t.lang());
        for scope in ["openid", "profile", "email", "address", "phone", "offline_access"] {
            assert!(t.scopes.of(scope).is_some(), "{scope}");
        }
        assert!(t.claims.of("insurance_number").is_none() && t.claims.of("").is_none());
        assert_eq!(t.claims.of("name#ja-Kana-JP"), t.claims.of("name"));
    }
}

#[test]
fn the_metadata_names_these_languages() {
    assert_eq!(ALL.map(Texts::lang), crate::protocol::discovery::LOCALES);
}
