//! `latchkey`: administers a realm from a terminal, by its admin API.

mod api;
mod args;
mod audit;
mod failure;
mod http;
mod input;
mod login;
mod prompt;
mod realm;
mod resources;
mod saved;
mod show;
mod trust;

use std::env;
use std::process::ExitCode;

use clap::{CommandFactory as _, Parser as _};
use serde_json::{Value, json};

use api::Api;
use args::{Cli, Command};
use failure::{DONE, Failure, Outcome};
use http::Realm;
use resources::With;
use show::Form;

fn main() -> ExitCode {
    let cli = Cli::parse();
    match run(&cli) {
        Ok(code) => ExitCode::from(code),
        Err(failure) => {
            let (code, words) = failure.parts();
            if !words.is_empty() {
                eprintln!("latchkey: {words}");
            }
            ExitCode::from(code)
        }
    }
}

/// Does what was said; the exit code.
fn run(cli: &Cli) -> Outcome<u8> {
    let issuer = cli.issuer.clone().or_else(|| env::var("LATCHKEY_ISSUER").ok().filter(|text| !text.is_empty()));
    let with = With { issuer: issuer.as_deref(), form: if cli.json { Form::Json } else { Form::Table } };
    match &cli.command {
        Command::Login(how) => {
            let how = login::How {
                issuer: with.issuer,
                device: how.device,
                open_browser: !how.no_browser,
                client: &how.client,
                scope: &how.scope,
            };
            eprintln!("{}", login::login(&how)?);
            Ok(())
        }
        Command::Logout => login::logout(with.issuer).map(|words| eprintln!("{words}")),
        Command::Whoami => whoami(with),
        Command::Bootstrap { login } => bootstrap(with, login),
        Command::Clients(what) => resources::clients(with, what),
        Command::Users(what) => resources::users(with, what),
        Command::Roles(what) => resources::items(with, resources::ROLES, what),
        Command::Grants(what) => resources::grants(with, what),
        Command::Sessions(what) => resources::sessions(with, what),
        Command::Keys(what) => resources::keys(with, what),
        Command::Tokens(what) => resources::tokens(with, what),
        Command::Issuers(what) => resources::items(with, resources::ISSUERS, what),
        Command::Webhooks(what) => resources::webhooks(with, what),
        Command::Audit(what) => audit::audit(with, what),
        Command::Trust(what) => trust::explain(with, what),
        Command::Export { with_keys, output } => realm::export(with, *with_keys, output.as_deref()),
        Command::Plan(document) => return realm::plan(with, document),
        Command::Apply { document, yes } => realm::apply(with, document, *yes),
        Command::Import { file } => realm::import(with, file),
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(*shell, &mut Cli::command(), "latchkey", &mut script);
            show::print(&String::from_utf8_lossy(&script))
        }
    }?;
    Ok(DONE)
}

/// Tells who is signed in, where, and for what.
fn whoami(with: With<'_>) -> Outcome<()> {
    let api: Api = with.api()?;
    let mut told = Realm::discover(&api.saved.issuer)?.userinfo(&api.saved.access_token)?;
    if let Some(members) = told.as_object_mut() {
        members.insert("issuer".to_owned(), api.saved.issuer.as_str().into());
        members.insert("client_id".to_owned(), api.saved.client_id.as_str().into());
        members.insert("scope".to_owned(), api.saved.scope.as_str().into());
    }
    with.form.show(&told, &["issuer", "preferred_username", "name", "sub", "client_id", "scope"])
}

/// Makes the first administrator.
fn bootstrap(with: With<'_>, login: &str) -> Outcome<()> {
    let said = with.issuer.ok_or_else(|| Failure::Usage("say at which realm: --issuer URL".to_owned()))?;
    let issuer = http::issuer(said)?;
    let (secret, password) = (prompt::bootstrap_secret()?, prompt::new_password()?);
    let told: Value = api::bootstrap(&issuer, &json!({ "secret": secret, "login": login, "password": password }))?;
    with.form.show(&told, &[])?;
    eprintln!("{login} administers {issuer} from now on. Sign in: latchkey login --issuer {issuer}");
    Ok(())
}
