//! The shape of the crate: which room may know which. `docs/ARCHITECTURE.md` says why.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail by panicking too")]

use std::fs;
use std::path::{Path, PathBuf};

#[path = "arch/docs.rs"]
mod docs;

/// Longest file of `src`, in lines, its unit tests included: more wants splitting.
const MOST_LINES: usize = 480;

fn sources(under: &str) -> Vec<(PathBuf, String)> {
    fn walk(folder: &Path, found: &mut Vec<(PathBuf, String)>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                walk(&path, found);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = fs::read_to_string(&path).unwrap();
                found.push((path, text));
            }
        }
    }
    let mut found = Vec::new();
    walk(&Path::new(env!("CARGO_MANIFEST_DIR")).join(under), &mut found);
    assert!(!found.is_empty(), "{under} has no source files");
    found
}

/// Code lines without comments, so that a doc link is not taken for an import.
fn code(text: &str) -> impl Iterator<Item = &str> {
    text.lines().map(|line| line.split("//").next().unwrap_or_default()).filter(|line| !line.trim().is_empty())
}

fn assert_never(under: &str, forbidden: &[&str]) {
    for (path, text) in sources(under) {
        for line in code(&text) {
            for word in forbidden {
                assert!(!line.contains(word), "{} must not know {word:?}: {line}", path.display());
            }
        }
    }
}

#[test]
fn protocol_knows_nobody() {
    assert_never(
        "src/protocol",
        &[
            "crate::edge",
            "crate::pages",
            "worker::",
            "js_sys",
            "wasm_bindgen",
            "web_sys",
            "getrandom",
            "async fn",
            ".await",
            "SystemTime",
            "Instant::now",
            "std::fs",
            "std::net",
            "std::env",
        ],
    );
}

#[test]
fn pages_know_at_most_protocol() {
    assert_never(
        "src/pages",
        &[
            "crate::edge",
            "worker::",
            "js_sys",
            "wasm_bindgen",
            "web_sys",
            "getrandom",
            "async fn",
            ".await",
            "SystemTime",
            "std::fs",
        ],
    );
}

#[test]
fn inside_the_edge_arrows_point_down() {
    // entry -> routes -> handlers -> {store, objects, published}; crypto stands between.
    let above_handlers = ["edge::routes", "super::routes", "edge::entry", "super::entry"];
    let above_storage = [&above_handlers[..], &["edge::handlers", "super::handlers", "super::super::handlers"]].concat();
    assert_never("src/edge/handlers", &above_handlers);
    assert_never(
        "src/edge/store",
        &[&above_storage[..], &["edge::objects", "edge::crypto", "edge::published", "edge::backchannel"]].concat(),
    );
    assert_never("src/edge/objects", &[&above_storage[..], &["edge::store", "edge::crypto", "edge::published"]].concat());
    // A logout token is signed when it is sent, so the outbox knows who does that, and nobody else does.
    for (path, text) in sources("src/edge") {
        let is_outbox = path.ends_with("objects/outbox.rs");
        let knows = code(&text).any(|line| line.contains("edge::backchannel") || line.contains("super::backchannel"));
        assert!(is_outbox || !knows, "{} must not know edge::backchannel", path.display());
        let above_it = ["super::handlers", "super::objects", "super::store", "edge::handlers", "edge::objects", "edge::store"];
        let is_below =
            !path.ends_with("edge/backchannel.rs") || !code(&text).any(|line| above_it.iter().any(|it| line.contains(it)));
        assert!(is_below, "edge::backchannel signs and posts, and stores nothing");
    }
}

#[test]
fn sql_lives_in_the_store_alone() {
    for (path, text) in sources("src") {
        let is_native_tool = path.ends_with("bin/seed.rs");
        if is_native_tool || path.components().any(|part| part.as_os_str() == "store") {
            continue;
        }
        for line in code(&text) {
            for word in ["SELECT ", "INSERT INTO", "DELETE FROM", " WHERE "] {
                assert!(!line.contains(word), "{}: SQL outside store/: {line}", path.display());
            }
        }
    }
}

#[test]
fn storage_is_called_by_the_modules_that_count_it() {
    // Rows are counted like money, by whoever spends them.
    for (path, text) in sources("src/edge") {
        let name = path.strip_prefix(Path::new(env!("CARGO_MANIFEST_DIR")).join("src/edge")).unwrap().display().to_string();
        for line in code(&text) {
            assert!(!line.contains(".d1(") || name == "store/mod.rs", "{name} opens D1");
            assert!(!line.contains(".kv(") || name == "published.rs", "{name} opens KV");
            assert!(!line.contains("durable_object(\"") || name.starts_with("objects/"), "{name} opens an object");
            for put in [".put(", ".set_alarm(", ".delete_all("] {
                assert!(!line.contains(put) || name.starts_with("objects/") || name == "published.rs", "{name} calls {put}");
            }
        }
    }
}

#[test]
fn others_servers_are_asked_in_one_place() {
    // Where the guard, the limits and the count are.
    for (path, text) in sources("src/edge") {
        if path.ends_with("edge/outbound.rs") {
            continue;
        }
        for line in code(&text) {
            for word in ["Fetch::", "Fetcher", "fetch_with_str", "WorkerGlobalScope", "\"fetch\"", "connect("] {
                assert!(!line.contains(word), "{}: only outbound.rs may ask others: {line}", path.display());
            }
        }
    }
}

#[test]
fn json_becomes_types_through_one_door() {
    // Each other door is a second copy of the reading of every type that goes through it.
    for (path, text) in sources("src") {
        let is_native = path.ends_with("bin/seed.rs") || path.ends_with("tests.rs");
        if is_native || path.ends_with("protocol/json.rs") {
            continue;
        }
        for line in code(text.split("#[cfg(test)]").next().unwrap_or_default()) {
            for word in ["serde_json::from_", "serde_wasm_bindgen", ".json::<", "results::<"] {
                assert!(!line.contains(word), "{}: read it by protocol::json: {line}", path.display());
            }
        }
    }
}

#[test]
fn no_file_grows_too_long() {
    for (path, text) in sources("src") {
        let lines = text.lines().count();
        assert!(lines <= MOST_LINES, "{} has {lines} lines: split it", path.display());
    }
}

#[test]
fn migrations_only_expand() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("migrations");
    let mut names: Vec<String> =
        fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    for (place, name) in names.iter().enumerate() {
        assert!(name.starts_with(&format!("{:04}_", place + 1)), "{name} is out of order");
        let sql = fs::read_to_string(folder.join(name)).unwrap().to_uppercase();
        for word in ["DROP ", "RENAME ", "DELETE FROM"] {
            assert!(!sql.contains(word), "{name}: {word}would break the version that runs beside this one");
        }
        for table in sql.split("CREATE TABLE").skip(1) {
            assert!(table.contains("STRICT, WITHOUT ROWID"), "{name}: every table is STRICT, WITHOUT ROWID");
        }
        assert!(!sql.contains("CREATE INDEX"), "{name}: an index costs a row for every insert");
    }
}
