//! What all pages owe.

use std::collections::HashSet;

use super::*;

#[test]
fn every_page_is_a_whole_document() {
    for (name, html) in all_pages("Ada") {
        assert!(html.starts_with("<!doctype html>"), "{name}");
        assert!(html.trim_end().ends_with("</html>"), "{name}");
        let has = |tag: &str| tags(&html).into_iter().filter(|t| is_a(t, &[tag])).count();
        for once in ["html", "title", "header", "main", "h1", "footer"] {
            assert_eq!(has(once), 1, "{once} in {name}");
        }
        let lang = attribute(tags(&html).into_iter().find(|tag| is_a(tag, &["html"])).unwrap(), "lang").unwrap().to_owned();
        assert!(name.ends_with(&format!("({lang})")), "{name}: {lang}");
        assert!(html.contains(" – Ada</title>"), "{name}");
    }
}

#[test]
fn every_page_keeps_the_content_security_policy() {
    for (name, html) in all_pages("Ada") {
        for tag in tags(&html) {
            assert!(!is_a(tag, &["style", "iframe", "object", "base"]), "{name}: {tag}");
            let is_ours = name.starts_with("form post") && tag == "script src=\"/form_post.js\"";
            assert!(is_ours || !is_a(tag, &["script"]), "{name}: {tag}");
            assert!(!tag.contains(" style=") && !tag.contains(" on"), "{name}: {tag}");
            assert!(!tag.contains("javascript:") && !tag.contains("data:"), "{name}: {tag}");
        }
    }
}

#[test]
fn hostile_words_stay_words() {
    let tame = all_pages("Ada");
    for ((name, html), (_, tame)) in all_pages(HOSTILE).into_iter().zip(tame) {
        let shape = |html: &str| tags(html).iter().map(|tag| tag.split_whitespace().next().map(str::to_owned)).collect();
        let (hostile_shape, tame_shape): (Vec<_>, Vec<_>) = (shape(&html), shape(&tame));
        assert_eq!(hostile_shape, tame_shape, "{name}");
        assert!(!ids(&html).contains(&"evil"), "{name}");
        assert!(!html.contains("<script>") && !html.contains("onclick=x style=y id=evil>"), "{name}");
    }
}

#[test]
fn ids_are_unique_and_every_reference_has_its_target() {
    for (name, html) in all_pages("Ada") {
        let ids = ids(&html);
        let unique: HashSet<_> = ids.iter().copied().collect();
        assert_eq!(ids.len(), unique.len(), "{name}: {ids:?}");
        for tag in tags(&html) {
            for relation in ["for", "aria-describedby", "aria-labelledby"] {
                for target in attribute(tag, relation).unwrap_or_default().split_whitespace() {
                    assert!(unique.contains(target), "{name}: {relation} {target}");
                }
            }
        }
    }
}

#[test]
fn every_input_has_a_label() {
    for (name, html) in all_pages("Ada") {
        let fors: HashSet<_> = tags(&html).into_iter().filter_map(|tag| attribute(tag, "for")).collect();
        for (before, tag) in html.split("<input ").zip(html.split("<input ").skip(1)) {
            let tag = tag.split('>').next().unwrap();
            if tag.contains("type=\"hidden\"") {
                continue;
            }
            let around = before.ends_with("<label class=\"choice\">") || before.ends_with("<label class=\"choice confirm\">");
            let by_id = attribute(&format!(" {tag}"), "id").is_some_and(|id| fors.contains(id));
            assert!(around || by_id, "{name}: {tag}");
        }
    }
}

#[test]
fn every_form_posts_to_us_and_carries_its_seal() {
    let mut forms = 0;
    for (name, html) in all_pages("Ada") {
        // That form carries an answer to a client, and is no question of ours.
        for form in html.split("<form").skip(1).filter(|_| !name.starts_with("form post")) {
            let form = form.split("</form>").next().unwrap();
            assert!(form.contains(" method=\"post\" action=\"/"), "{name}");
            assert!(form.contains("<input type=\"hidden\" name=\"form\" value=\"sealed-form\">"), "{name}");
            forms += 1;
        }
    }
    assert_eq!(forms, 54 * ALL.len());
}

#[test]
fn no_word_of_the_trade_reaches_a_person() {
    for (name, html) in all_pages("Ada") {
        let words: String = html.split('<').filter_map(|rest| rest.split_once('>')).map(|(_, text)| text).collect();
        let words = words.to_lowercase();
        for jargon in ["oauth", "authoriz", "autorisier", "client", "token", "jeton", "scope", "grant", "session", "sitzung"] {
            assert!(!words.contains(jargon), "{name}: {jargon}");
        }
    }
}

#[test]
fn every_class_has_a_rule() {
    let css = style([0; 3]);
    for (name, html) in all_pages("Ada") {
        for tag in tags(&html) {
            for class in attribute(tag, "class").unwrap_or_default().split_whitespace() {
                assert!(css.contains(&format!(".{class}")), "{name}: {class}");
            }
        }
    }
}
