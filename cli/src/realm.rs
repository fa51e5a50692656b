//! The whole realm as one document: out, compared, and in.

use serde_json::{Value, json};

use crate::args::Document;
use crate::failure::{DONE, DRIFT, Failure, Outcome};
use crate::input::{is_toml, read, to_toml};
use crate::prompt::{confirmed, passphrase};
use crate::resources::With;
use crate::saved::write_file;
use crate::show::{Form, print};

const COLUMNS: &[&str] = &["action", "kind", "id", "fields"];

/// Writes the realm to a file or to standard output.
pub fn export(with: With<'_>, with_keys: bool, output: Option<&str>) -> Outcome<()> {
    let passphrase = if with_keys { Some(passphrase(true)?) } else { None };
    let api = with.api()?;
    let document = match passphrase {
        None => api.get(&["export"], &[])?.body,
        Some(passphrase) => api.ask(&["export"], &json!({ "passphrase": passphrase }))?.body,
    };
    match output {
        None => print(&format!("{document:#}\n")),
        Some(file) => {
            let text = if is_toml(file) { to_toml(&document)? } else { format!("{document:#}\n") };
            // It has hashes of passwords: for its owner alone.
            write_file(file, &text)
        }
    }
}

/// What is sent: the document and, where it has keys, what opens them.
fn body(document: &Value, prune: bool) -> Outcome<Value> {
    let has_keys = document.get("keys").is_some_and(|keys| !keys.is_null());
    let mut body = json!({ "document": document, "prune": prune });
    if let (true, Some(members)) = (has_keys, body.as_object_mut()) {
        members.insert("passphrase".to_owned(), passphrase(false)?.into());
    }
    Ok(body)
}

/// The changes that an answer tells.
fn changes(told: &Value) -> Outcome<Vec<Value>> {
    let changes = told.get("changes").and_then(Value::as_array).cloned();
    changes.ok_or_else(|| Failure::failed("the realm's answer has no changes"))
}

fn show(with: With<'_>, changes: &[Value]) -> Outcome<()> {
    match with.form {
        Form::Json => with.form.show(&json!({ "changes": changes }), &[]),
        Form::Table if changes.is_empty() => print("Nothing to change.\n"),
        Form::Table => with.form.show(&changes.into(), COLUMNS),
    }
}

/// Shows what a document changes; the exit code.
pub fn plan(with: With<'_>, document: &Document) -> Outcome<u8> {
    let body = body(&read(&document.file)?, document.prune)?;
    let changes = changes(&with.api()?.ask(&["plan"], &body)?.body)?;
    show(with, &changes)?;
    Ok(if changes.is_empty() { DONE } else { DRIFT })
}

/// Shows what a document changes and, if that is right, does it.
pub fn apply(with: With<'_>, document: &Document, yes: bool) -> Outcome<()> {
    if document.file == "-" && !yes {
        return Err(Failure::Usage("with the document from standard input nobody can be asked: say --yes to do it".to_owned()));
    }
    let body = body(&read(&document.file)?, document.prune)?;
    let api = with.api()?;
    let changes = changes(&api.ask(&["plan"], &body)?.body)?;
    show(with, &changes)?;
    if changes.is_empty() {
        return Ok(());
    }
    if !yes && !confirmed(&format!("Make these {} changes at {}?", changes.len(), api.saved.issuer))? {
        return Err(Failure::failed("nothing was changed"));
    }
    let done = self::changes(&api.post(&["import"], &body)?.body)?;
    if done != changes {
        eprintln!("The realm was changed meanwhile. What was done:");
        return show(with, &done);
    }
    if with.form == Form::Table {
        eprintln!("Done.");
    }
    Ok(())
}

/// Takes in a document, with its keys where it has some.
pub fn import(with: With<'_>, file: &str) -> Outcome<()> {
    let body = body(&read(file)?, false)?;
    show(with, &changes(&with.api()?.post(&["import"], &body)?.body)?)
}
