//! Pages of the console: they owe what all pages owe, but for the words.

use std::collections::HashSet;

use super::super::console::{Cell, Chart, ConsolePage, Field, FieldKind, Form, Place, Section, Table, console};
use super::*;

fn page_with(word: &str) -> String {
    let text = || word.to_owned();
    let field = |kind| Field { name: "n", label: "Label", value: text(), kind };
    let kinds = [
        FieldKind::Line,
        FieldKind::Lines,
        FieldKind::Tick(true),
        FieldKind::Choice(vec![String::new(), text()]),
        FieldKind::Day,
        FieldKind::Owner,
        FieldKind::Password,
    ];
    let form = Form {
        sealed: Some(SEALED.to_owned()),
        fields: kinds.into_iter().map(field).collect(),
        submit: "Save",
        hint: "Hint",
        ..Form::default()
    };
    let search = Form { action: "/console/users", fields: vec![field(FieldKind::Line)], submit: "Search", ..Form::default() };
    let table = Table {
        columns: vec!["A", "B", ""],
        rows: vec![vec![
            Cell::text(word),
            Cell::link(word, format!("/console/users/{}", crate::protocol::form::encode(word))),
            Cell::button(word, Some(SEALED.to_owned()), "End"),
        ]],
        empty: "None",
    };
    let section = |heading: &str| Section { heading: heading.to_owned(), ..Section::default() };
    let chart = Chart::new(word, &[text(), text()], vec![(text(), vec![1, 2])]);
    let page = ConsolePage {
        place: Place::Users,
        places: Place::ALL.to_vec(),
        title: text(),
        name: text(),
        notice: Some((text(), true)),
        secret: Some(text()),
        sections: vec![
            Section {
                numbers: vec![(text(), 3)],
                facts: vec![(text(), text())],
                links: vec![("/console?days=1".to_owned(), text())],
                ..section(word)
            },
            Section { chart: Some(chart), ..section("Chart") },
            Section { form: Some(form), ..section("Form") },
            Section { form: Some(search), table: Some(table), ..section("Table") },
        ],
    };
    console(&realm(word), &page).into_string()
}

#[test]
fn a_page_of_the_console_is_safe_and_labelled() {
    let (tame, hostile) = (page_with("Ada"), page_with(HOSTILE));
    let shape = |html: &str| -> Vec<String> {
        tags(html).iter().filter_map(|tag| tag.split_whitespace().next().map(str::to_owned)).collect()
    };
    assert_eq!(shape(&tame), shape(&hostile));
    assert!(!ids(&hostile).contains(&"evil") && !hostile.contains("<script>"));
    let css = style([0; 3]);
    let all = ids(&tame);
    assert_eq!(all.len(), all.iter().collect::<HashSet<_>>().len(), "{all:?}");
    let fors: HashSet<&str> = tags(&tame).into_iter().filter_map(|tag| attribute(tag, "for")).collect();
    for tag in tags(&tame) {
        assert!(!is_a(tag, &["style", "script", "iframe", "object", "base"]), "{tag}");
        assert!(!tag.contains(" style=") && !tag.contains(" on") && !tag.contains("javascript:"), "{tag}");
        for class in attribute(tag, "class").unwrap_or_default().split_whitespace() {
            assert!(css.contains(&format!(".{class}")), "{class}");
        }
        if is_a(tag, &["input", "select", "textarea"]) && !tag.contains("type=\"hidden\"") && !tag.contains("type=\"checkbox\"") {
            assert!(attribute(tag, "id").is_some_and(|id| fors.contains(id)), "{tag}");
        }
    }
    for form in tame.split("<form").skip(1) {
        let is_question = form.starts_with(" method=\"get\" action=\"/console");
        let is_act = form.starts_with(" method=\"post\" action=\"/console\"")
            && form.contains(&format!("name=\"form\" value=\"{SEALED}\""));
        assert!(is_question || is_act, "{form}");
    }
}
