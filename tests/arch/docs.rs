//! The documentation says of files and tests only what is there.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &str) -> String {
    let text = fs::read_to_string(root().join(path));
    assert!(text.is_ok(), "{path} cannot be read");
    text.unwrap()
}

/// All pages below `docs/`, by their path there.
fn pages(folder: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for entry in fs::read_dir(root().join("docs").join(folder)).unwrap() {
        let entry = entry.unwrap();
        let name = format!("{folder}{}", entry.file_name().into_string().unwrap());
        if entry.file_type().unwrap().is_dir() {
            found.extend(pages(&format!("{name}/")));
        } else if Path::new(&name).extension().is_some_and(|extension| extension == "md") {
            found.insert(name);
        }
    }
    found
}

/// The targets of the links of a page, without what is code.
fn links(text: &str) -> Vec<String> {
    let mut is_code = false;
    let mut found = Vec::new();
    for line in text.lines() {
        is_code ^= line.trim_start().starts_with("```");
        if is_code {
            continue;
        }
        found.extend(line.split("](").skip(1).filter_map(|rest| rest.split(')').next()).map(str::to_owned));
    }
    found
}

/// The anchor that a heading has, as the sites that show the source and the book make it.
fn anchors(text: &str) -> BTreeSet<String> {
    text.lines()
        .filter(|line| line.starts_with('#'))
        .map(|line| line.trim_start_matches('#').trim().to_lowercase())
        .map(|heading| {
            heading
                .chars()
                .filter(|letter| letter.is_alphanumeric() || matches!(letter, ' ' | '-' | '_'))
                .map(|letter| if letter == ' ' { '-' } else { letter })
                .collect()
        })
        .collect()
}

#[test]
fn every_page_is_in_the_summary_and_the_summary_names_pages() {
    let listed: BTreeSet<String> = links(&read("docs/SUMMARY.md")).into_iter().collect();
    let mut there = pages("");
    there.remove("SUMMARY.md");
    assert_eq!(listed, there);
}

#[test]
fn links_lead_somewhere() {
    let mut checked = 0;
    for page in pages("").iter().map(|page| format!("docs/{page}")).chain(["README.md".to_owned()]) {
        let text = read(&page);
        let folder = Path::new(&page).parent().unwrap();
        for link in links(&text).iter().filter(|link| !link.contains("://") && !link.starts_with("mailto:")) {
            let (path, anchor) = link.split_once('#').unwrap_or((link, ""));
            let target = if path.is_empty() { PathBuf::from(&page) } else { folder.join(path) };
            assert!(root().join(&target).exists(), "{page}: {link} leads nowhere");
            if !anchor.is_empty() {
                let text = read(target.to_str().unwrap());
                assert!(anchors(&text).contains(anchor), "{page}: {link} names no heading");
            }
            checked += 1;
        }
    }
    assert!(checked > 40, "only {checked} links found");
}

#[test]
fn the_threat_model_names_code_and_tests_that_exist() {
    let text = read("docs/threat-model.md");
    let places = ["src", "tests"];
    let mut named = 0;
    for word in text.split('`').skip(1).step_by(2) {
        let (file, name) = word.split_once("::").unwrap_or((word, ""));
        if Path::new(file).extension().is_none_or(|extension| extension != "rs") {
            continue;
        }
        // The same path may stand for code and for a test: one of them must have the function.
        let texts: Vec<String> =
            places.iter().filter_map(|place| fs::read_to_string(root().join(place).join(file)).ok()).collect();
        assert!(!texts.is_empty(), "{word}: there is no such file");
        let is_there = texts.iter().any(|text| text.contains(&format!("fn {name}(")) || text.contains(&format!("fn {name}<")));
        assert!(name.is_empty() || is_there, "{word}: there is no such function");
        named += 1;
    }
    assert!(named > 100, "only {named} names found");
}

#[test]
fn each_clause_of_the_threat_model_has_a_test_or_is_not_met() {
    for line in read("docs/threat-model.md").lines().filter(|line| line.starts_with("| ") && !line.starts_with("| ---")) {
        let cells: Vec<&str> = line.trim_matches('|').split(" | ").map(str::trim).collect();
        let last = cells.last().copied().unwrap_or_default();
        let is_header = last == "test";
        let has_test = last.contains(".rs::");
        let is_not_met = last == "none" && line.contains("**Not met");
        assert!(is_header || has_test || is_not_met, "{line}");
    }
}
