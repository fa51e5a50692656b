//! Secrets that people type, or that other programs write to standard input. They never stand on the command line, where
//! every other program could read them.

use std::env;
use std::io::{IsTerminal as _, Read as _, Write as _, stdin, stdout};

use crate::failure::{Failure, Outcome};

/// Shortest passphrase: what it protects can be tried without end.
const LEAST_PASSPHRASE: usize = 12;

/// Typed without being shown, twice where it is new; or else the first line of standard input.
fn secret(what: &str, is_new: bool) -> Outcome<String> {
    let failed = |error: std::io::Error| Failure::failed(format!("{what} cannot be read: {error}"));
    if !stdin().is_terminal() {
        let mut line = String::new();
        stdin().read_line(&mut line).map_err(failed)?;
        let line = line.trim_end_matches(['\r', '\n']).to_owned();
        if line.is_empty() {
            return Err(Failure::Usage(format!("{what} is needed: type it at a terminal, or write it to standard input")));
        }
        return Ok(line);
    }
    let first = rpassword::prompt_password(format!("{what}: ")).map_err(failed)?;
    if is_new && rpassword::prompt_password(format!("{what}, again: ")).map_err(failed)? != first {
        return Err(Failure::Usage("these were not the same".to_owned()));
    }
    Ok(first)
}

/// A new password.
pub fn new_password() -> Outcome<String> {
    secret("Password", true)
}

/// The realm's bootstrap secret: `LATCHKEY_BOOTSTRAP`, or typed.
pub fn bootstrap_secret() -> Outcome<String> {
    match env::var("LATCHKEY_BOOTSTRAP") {
        Ok(secret) if !secret.is_empty() => Ok(secret),
        _ if stdin().is_terminal() => secret("Bootstrap secret (LATCHKEY_BOOTSTRAP of the realm)", false),
        _ => Err(Failure::Usage("set LATCHKEY_BOOTSTRAP to the realm's bootstrap secret".to_owned())),
    }
}

/// What signing keys in a file are sealed under: `LATCHKEY_PASSPHRASE`, or typed.
pub fn passphrase(is_new: bool) -> Outcome<String> {
    let passphrase = match env::var("LATCHKEY_PASSPHRASE") {
        Ok(passphrase) if !passphrase.is_empty() => passphrase,
        _ => secret("Passphrase of the keys in the file", is_new)?,
    };
    if is_new && passphrase.chars().count() < LEAST_PASSPHRASE {
        return Err(Failure::Usage(format!("a passphrase of at least {LEAST_PASSPHRASE} characters is needed")));
    }
    Ok(passphrase)
}

/// All of standard input.
pub fn all_of_stdin() -> Outcome<String> {
    let mut text = String::new();
    stdin().read_to_string(&mut text).map_err(|error| Failure::file("standard input", error))?;
    Ok(text)
}

/// Whether somebody at the terminal says yes. Without a terminal nobody can.
pub fn confirmed(question: &str) -> Outcome<bool> {
    if !stdin().is_terminal() {
        return Err(Failure::Usage("nobody is there to ask: say --yes to do it".to_owned()));
    }
    let failed = |error: std::io::Error| Failure::file("terminal", error);
    write!(stdout(), "{question} [y/N] ").and_then(|()| stdout().flush()).map_err(failed)?;
    let mut line = String::new();
    stdin().read_line(&mut line).map_err(failed)?;
    Ok(matches!(line.trim(), "y" | "Y" | "yes"))
}
