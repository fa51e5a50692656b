//! `latchkey`: administers a realm from a terminal, by its admin API.
//!
//! Exit codes: 0 done, 1 refused or failed, 2 the command makes no sense, 3 somebody has to sign in.

mod api;
mod login;
mod saved;
mod show;

use std::io::Read as _;
use std::process::ExitCode;
use std::{env, fs};

use clap::{Parser, Subcommand};
use serde_json::{Map, Value, json};

use api::{Api, Failure, metadata, post_form, text};
use saved::Saved;

/// Administers a Latchkey realm.
#[derive(Parser)]
#[command(name = "latchkey", version)]
struct Cli {
    /// JSON in place of tables.
    #[arg(long, global = true)]
    json: bool,
    /// The realm (or `LATCHKEY_ISSUER`); for all but login the one that you are signed in at.
    #[arg(long, global = true)]
    issuer: Option<String>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Sign in, by a browser on this machine.
    Login {
        /// By a browser anywhere, where the operator allows it.
        #[arg(long)]
        device: bool,
        /// The client to sign in as.
        #[arg(long, default_value = "latchkey-cli")]
        client: String,
    },
    /// Sign out: the sign-in ends at the realm and here.
    Logout,
    /// Who is signed in.
    Whoami,
    /// Make the first administrator. `LATCHKEY_BOOTSTRAP` has the realm's secret; the password is read from standard input.
    Bootstrap {
        /// Login name of the administrator.
        login: String,
    },
    /// Clients.
    Clients {
        #[command(subcommand)]
        what: Clients,
    },
    /// Roles.
    Roles {
        #[command(subcommand)]
        what: Items,
    },
    /// Initial access tokens, for clients to register themselves with.
    Tokens {
        #[command(subcommand)]
        what: Tokens,
    },
    /// The audit log.
    Audit {
        #[command(subcommand)]
        what: Audit,
    },
}

#[derive(Subcommand)]
enum Items {
    /// All of them.
    List,
    /// One of them.
    Get {
        /// Which.
        id: String,
    },
    /// Make one, from a JSON file.
    Create {
        /// The file; `-`: standard input.
        #[arg(short)]
        file: String,
    },
    /// Change members: `name=value`, where the value is JSON, or else text; `null` takes a member away.
    Set {
        /// Which.
        id: String,
        /// What.
        #[arg(required = true)]
        changes: Vec<String>,
    },
    /// Delete one.
    Delete {
        /// Which.
        id: String,
    },
}

#[derive(Subcommand)]
enum Clients {
    #[command(flatten)]
    Items(Items),
    /// Make a new secret. It is shown once.
    Secret {
        /// Client id.
        id: String,
        /// Seconds for which the old one stays good.
        #[arg(long, default_value_t = 0)]
        overlap: u32,
    },
}

#[derive(Subcommand)]
enum Tokens {
    /// All of them.
    List,
    /// Make one, from a JSON file. The token is shown once.
    Create {
        /// The file; `-`: standard input.
        #[arg(short)]
        file: String,
    },
    /// Delete one.
    Delete {
        /// Which.
        id: String,
    },
}

#[derive(Subcommand)]
enum Audit {
    /// What happened.
    List {
        /// Only of this kind.
        #[arg(long)]
        kind: Option<String>,
        /// Only by this user or client.
        #[arg(long)]
        actor: Option<String>,
        /// Only about this user.
        #[arg(long)]
        subject: Option<String>,
        /// Only about this client.
        #[arg(long)]
        client: Option<String>,
        /// So many of the newest.
        #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u8).range(1..=100))]
        limit: u8,
    },
}

fn main() -> ExitCode {
    match run(&Cli::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            let (code, words) = failure.parts();
            eprintln!("{words}");
            ExitCode::from(code)
        }
    }
}

/// A body from a JSON file.
fn body(file: &str) -> Result<Value, Failure> {
    let mut text = String::new();
    let read = if file == "-" {
        std::io::stdin().read_to_string(&mut text).map(drop)
    } else {
        fs::read_to_string(file).map(|read| text = read)
    };
    read.map_err(|error| Failure::Usage(format!("{file}: {error}")))?;
    serde_json::from_str(&text).map_err(|error| Failure::Usage(format!("{file}: {error}")))
}

/// The merge patch of `name=value`s.
fn patch(changes: &[String]) -> Result<Value, Failure> {
    let mut members = Map::new();
    for change in changes {
        let (name, value) = change.split_once('=').ok_or_else(|| Failure::Usage(format!("{change}: no `name=value`")))?;
        let value = serde_json::from_str(value).unwrap_or_else(|_| value.into());
        if members.insert(name.to_owned(), value).is_some() {
            return Err(Failure::Usage(format!("{name}: given twice")));
        }
    }
    Ok(members.into())
}

fn print(cli: &Cli, value: &Value, columns: &[&str]) {
    if !cli.json {
        print!("{}", show::table(value, columns));
    } else if !value.is_null() {
        println!("{value:#}");
    }
}

fn run(cli: &Cli) -> Result<(), Failure> {
    let realm = cli.issuer.clone().or_else(|| env::var("LATCHKEY_ISSUER").ok());
    let realm = realm.as_deref().map(|text| text.trim_end_matches('/'));
    let given = || realm.ok_or_else(|| Failure::Usage("--issuer is needed".to_owned()));
    match &cli.command {
        Command::Login { device, client } => {
            let before = Saved::load().ok().map(|saved| saved.issuer);
            let realm = realm.or(before.as_deref()).ok_or_else(|| Failure::Usage("--issuer is needed".to_owned()))?;
            let saved = if *device { login::by_device(realm, client)? } else { login::by_browser(realm, client)? };
            eprintln!("Signed in at {}.", saved.issuer);
        }
        Command::Logout => logout()?,
        Command::Whoami => {
            let api = Api::open(realm)?;
            print(cli, &api.whoami()?.body, &[]);
        }
        Command::Bootstrap { login } => {
            let secret =
                env::var("LATCHKEY_BOOTSTRAP").map_err(|_| Failure::Usage("LATCHKEY_BOOTSTRAP is not set".to_owned()))?;
            let mut password = String::new();
            let read = std::io::stdin().read_line(&mut password);
            read.map_err(|error| Failure::Usage(error.to_string()))?;
            let password = password.trim_end_matches(['\r', '\n']);
            let body = json!({ "secret": secret, "login": login, "password": password });
            print(cli, &api::bootstrap(given()?, &body)?.body, &[]);
        }
        Command::Clients { what: Clients::Items(what) } => {
            items(cli, realm, "clients", &["client_id", "client_name", "scope"], what)?;
        }
        Command::Clients { what: Clients::Secret { id, overlap } } => {
            let answer = Api::open(realm)?.post(&["clients", id, "secrets"], &json!({ "overlap_seconds": overlap }))?;
            print(cli, &answer.body, &[]);
        }
        Command::Roles { what } => items(cli, realm, "roles", &["name", "description"], what)?,
        Command::Tokens { what } => {
            let what = match what {
                Tokens::List => &Items::List,
                Tokens::Create { file } => &Items::Create { file: file.clone() },
                Tokens::Delete { id } => &Items::Delete { id: id.clone() },
            };
            items(cli, realm, "initial-access-tokens", &["id", "uses", "expires_at"], what)?;
        }
        Command::Audit { what: Audit::List { kind, actor, subject, client, limit } } => {
            let filters = [("kind", kind), ("actor", actor), ("subject", subject), ("client_id", client)];
            let limit = limit.to_string();
            let mut query: Vec<_> = filters.iter().filter_map(|(name, value)| Some((*name, value.as_deref()?))).collect();
            query.push(("limit", &limit));
            let page = Api::open(realm)?.get(&["audit"], &query)?.body;
            print(
                cli,
                page.get("items").unwrap_or(&Value::Null),
                &["at", "kind", "actor", "subject", "client_id", "place", "detail"],
            );
        }
    }
    Ok(())
}

/// Ends the sign-in at the realm, then here; also here where the realm does not answer.
fn logout() -> Result<(), Failure> {
    let saved = Saved::load()?;
    let ended = metadata(&saved.issuer).and_then(|metadata| {
        let token = saved.refresh_token.as_deref().unwrap_or(&saved.access_token);
        post_form(&text(&metadata, "revocation_endpoint")?, &[("token", token), ("client_id", &saved.client_id)])
    });
    Saved::forget()?;
    match ended {
        Ok((status, _)) if status.is_success() => Ok(()),
        Ok((status, body)) => Err(Failure::Failed(format!("signed out here only: {}", api::refused(status, &body)))),
        Err(failure) => Err(Failure::Failed(format!("signed out here only: {}", failure.parts().1))),
    }
}

fn items(cli: &Cli, realm: Option<&str>, path: &str, columns: &[&str], what: &Items) -> Result<(), Failure> {
    // What is wrong with the command is said before anybody is asked.
    let told = match what {
        Items::List => Api::open(realm)?.list(&[path], &[])?,
        Items::Get { id } => Api::open(realm)?.get(&[path, id], &[])?.body,
        Items::Create { file } => {
            let body = body(file)?;
            Api::open(realm)?.post(&[path], &body)?.body
        }
        Items::Set { id, changes } => {
            let wanted = patch(changes)?;
            Api::open(realm)?.patch(&[path, id], &wanted)?.body
        }
        Items::Delete { id } => Api::open(realm)?.delete(&[path, id])?.body,
    };
    print(cli, &told, columns);
    Ok(())
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_commands_are_well_formed() {
        Cli::command().debug_assert();
    }

    #[test]
    fn changes_are_json_or_else_text() {
        let changes = |all: &[&str]| patch(&all.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>());
        let patch = changes(&["a=1", "b=some words", "c=null", "d=[\"x\"]", "e=k=v"]).unwrap();
        assert_eq!(patch, json!({ "a": 1, "b": "some words", "c": null, "d": ["x"], "e": "k=v" }));
        assert_eq!(changes(&["a"]).map_err(|failure| failure.parts().0), Err(2));
        assert_eq!(changes(&["a=1", "a=2"]).map_err(|failure| failure.parts().0), Err(2));
    }
}
