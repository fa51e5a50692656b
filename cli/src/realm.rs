//! The whole realm as one document: out, compared, and in.

use serde_json::{Value, json};

use crate::api::Api;
use crate::args::{Document, Trust};
use crate::failure::{DONE, DRIFT, Failure, Outcome};
use crate::input::{is_toml, read, text_of, to_toml};
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

/// What a document changes; nothing of it is done.
fn planned(api: &Api, document: &Value, prune: bool) -> Outcome<Vec<Value>> {
    let told = api.ask(&["plan"], &json!({ "document": document, "prune": prune }))?.body;
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
    let read = read(&document.file)?;
    let changes = planned(&with.api()?, &read, document.prune)?;
    show(with, &changes)?;
    Ok(if changes.is_empty() { DONE } else { DRIFT })
}

/// Shows what a document changes and, if that is right, does it.
pub fn apply(with: With<'_>, document: &Document, yes: bool) -> Outcome<()> {
    if document.file == "-" && !yes {
        return Err(Failure::Usage("with the document from standard input nobody can be asked: say --yes to do it".to_owned()));
    }
    let read = read(&document.file)?;
    let api = with.api()?;
    let changes = planned(&api, &read, document.prune)?;
    show(with, &changes)?;
    if changes.is_empty() {
        return Ok(());
    }
    if !yes && !confirmed(&format!("Make these {} changes at {}?", changes.len(), api.saved.issuer))? {
        return Err(Failure::failed("nothing was changed"));
    }
    send(&api, &read, document.prune, None)?;
    if with.form == Form::Table {
        eprintln!("Done.");
    }
    Ok(())
}

fn send(api: &Api, document: &Value, prune: bool, passphrase: Option<String>) -> Outcome<Value> {
    let mut body = json!({ "document": document, "prune": prune });
    if let (Some(passphrase), Some(members)) = (passphrase, body.as_object_mut()) {
        members.insert("passphrase".to_owned(), passphrase.into());
    }
    Ok(api.post(&["import"], &body)?.body)
}

/// Takes in a document, with its keys where it has some.
pub fn import(with: With<'_>, file: &str) -> Outcome<()> {
    let document = read(file)?;
    let passphrase = if document.get("keys").is_some_and(|keys| !keys.is_null()) { Some(passphrase(false)?) } else { None };
    let told = send(&with.api()?, &document, false, passphrase)?;
    match told.get("changes").and_then(Value::as_array) {
        Some(changes) => show(with, changes),
        None => with.form.show(&told, &[]),
    }
}

/// Explains what an outside token is worth.
pub fn trust(with: With<'_>, what: &Trust) -> Outcome<()> {
    let Trust::Explain { token, settings, client } = what;
    let mut body = json!({ "token": text_of(token)?.trim() });
    let settings = settings.as_deref().map(read).transpose()?;
    let client = client.as_deref().map(Value::from);
    if let Some(members) = body.as_object_mut() {
        members.extend(
            [("settings", settings), ("client_id", client)]
                .into_iter()
                .filter_map(|(name, value)| Some((name.to_owned(), value?))),
        );
    }
    let told = with.api()?.ask(&["trust", "explain"], &body)?.body;
    with.form.show(&told, &[])?;
    let is_accepted = told.get("accepted").and_then(Value::as_bool).unwrap_or_default();
    if is_accepted { Ok(()) } else { Err(Failure::failed("the token would not be accepted")) }
}
