//! The commands and their arguments. No secret is one of them: other programs could read it.

use clap::{Args, Parser, Subcommand};
use clap_complete::Shell;

/// Administers a Latchkey realm.
///
/// Exit codes: 0 done, 1 refused or failed, 2 the command makes no sense, 3 somebody has to sign in, 4 `plan` found a difference.
#[derive(Parser)]
#[command(name = "latchkey", version)]
pub struct Cli {
    /// JSON in place of tables.
    #[arg(long, global = true)]
    pub json: bool,
    /// The realm; else LATCHKEY_ISSUER, else the one that you signed in at last.
    #[arg(long, global = true, value_name = "URL")]
    pub issuer: Option<String>,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Subcommand)]
pub enum Command {
    /// Sign in, by a browser on this machine.
    Login(Login),
    /// Sign out: the sign-in ends at the realm and here.
    Logout,
    /// Who is signed in, where, and for what.
    Whoami,
    /// Make the first administrator. The secret is LATCHKEY_BOOTSTRAP, or typed; the password is typed, or standard input.
    Bootstrap {
        /// Login name of the administrator.
        login: String,
    },
    /// Clients.
    #[command(subcommand)]
    Clients(Clients),
    /// Users. WHO is a user id or a login name.
    #[command(subcommand)]
    Users(Users),
    /// Roles.
    #[command(subcommand)]
    Roles(Items),
    /// Devices of a user, and apps that stay signed in.
    #[command(subcommand)]
    Grants(Grants),
    /// Browsers that a user is signed in at.
    #[command(subcommand)]
    Sessions(Sessions),
    /// Keys that sign.
    #[command(subcommand)]
    Keys(Keys),
    /// Initial access tokens, for clients to register themselves with.
    #[command(subcommand)]
    Tokens(Tokens),
    /// Issuers whose tokens are traded. An id is the issuer's URL.
    #[command(subcommand)]
    Issuers(Items),
    /// Who is told of security events.
    #[command(subcommand)]
    Webhooks(Webhooks),
    /// The audit log.
    #[command(subcommand)]
    Audit(Audit),
    /// What tokens of others are worth.
    #[command(subcommand)]
    Trust(Trust),
    /// The whole realm as one document: users, clients, roles, trusted issuers, hashes of passwords; never grants or sessions.
    Export {
        /// With the signing keys, sealed under a passphrase (LATCHKEY_PASSPHRASE, or typed).
        #[arg(long)]
        with_keys: bool,
        /// The file, TOML where its name ends so, else JSON; else standard output.
        #[arg(short, value_name = "FILE")]
        output: Option<String>,
    },
    /// What `apply` would change. Exit code 4 if there is anything.
    Plan(Document),
    /// Make the realm what a document says, after showing what that changes.
    Apply {
        #[command(flatten)]
        document: Document,
        /// Do not ask.
        #[arg(long)]
        yes: bool,
    },
    /// Take in a document that `export` made, with its keys where it has some. Nothing is deleted.
    Import {
        /// The file, TOML where its name ends so, else JSON; `-`: JSON from standard input.
        file: String,
    },
    /// Completions for a shell, to be sourced by it.
    Completions {
        /// Which shell.
        shell: Shell,
    },
}

/// How to sign in.
#[derive(Args)]
pub struct Login {
    /// By a browser anywhere, with a code, where the operator allows that.
    #[arg(long)]
    pub device: bool,
    /// Print the page's address, open no browser.
    #[arg(long)]
    pub no_browser: bool,
    /// What to be allowed, by scopes of administration.
    #[arg(long, value_name = "SCOPE", default_value = "latchkey:admin")]
    pub scope: Vec<String>,
    /// The client to sign in as.
    #[arg(long, default_value = "latchkey-cli")]
    pub client: String,
}

/// What is to be in a realm.
#[derive(Args)]
pub struct Document {
    /// The file, TOML where its name ends so, else JSON; `-`: JSON from standard input.
    #[arg(short, value_name = "FILE")]
    pub file: String,
    /// Delete what the document does not have.
    #[arg(long)]
    pub prune: bool,
}

/// How much of a collection.
#[derive(Args, Clone, Copy)]
pub struct Most {
    /// So many at most.
    #[arg(long, default_value_t = 500, value_name = "NUMBER")]
    pub limit: usize,
}

/// Members of a thing.
#[derive(Args)]
pub struct Members {
    /// `name=value`, where the value is JSON, or else text.
    #[arg(value_name = "NAME=VALUE")]
    pub members: Vec<String>,
    /// More of them from a file, TOML where its name ends so, else JSON; `-`: JSON from standard input.
    #[arg(short, value_name = "FILE")]
    pub file: Option<String>,
}

/// What is done to things that have an id and a version.
#[derive(Subcommand)]
pub enum Items {
    /// All of them.
    List(Most),
    /// One of them.
    Get {
        /// Which.
        id: String,
    },
    /// Make one.
    Create(Members),
    /// Change members of one; `null` takes a member away.
    Update {
        /// Which.
        id: String,
        #[command(flatten)]
        changes: Members,
    },
    /// Delete one.
    Delete {
        /// Which.
        id: String,
    },
}

/// How long an old secret stays good.
#[derive(Args)]
pub struct NewSecret {
    /// Which.
    pub id: String,
    /// Seconds for which the one before stays good.
    #[arg(long, value_name = "SECONDS", default_value_t = 86_400)]
    pub overlap: u32,
}

/// What is done to clients.
#[derive(Subcommand)]
pub enum Clients {
    #[command(flatten)]
    Items(Items),
    /// Make a new secret. It is shown once.
    Secret(NewSecret),
}

/// What is done to webhooks.
#[derive(Subcommand)]
pub enum Webhooks {
    #[command(flatten)]
    Items(Items),
    /// Make a new secret. It is shown once.
    Secret(NewSecret),
    /// Send a message now.
    Test {
        /// Which.
        id: String,
    },
}

/// What is done to users.
#[derive(Subcommand)]
pub enum Users {
    /// All of them.
    List {
        /// Whose login name begins so.
        #[arg(long, value_name = "TEXT")]
        query: Option<String>,
        #[command(flatten)]
        most: Most,
    },
    /// One of them.
    Get {
        /// User id or login name.
        who: String,
    },
    /// Make one, for instance: login=bob 'claims={"name":"Bob"}'.
    Create {
        #[command(flatten)]
        members: Members,
        /// With a password, typed or from standard input.
        #[arg(long)]
        password: bool,
    },
    /// Change members of one; `null` takes a member away.
    Update {
        /// User id or login name.
        who: String,
        #[command(flatten)]
        changes: Members,
    },
    /// Delete one.
    Delete {
        /// User id or login name.
        who: String,
    },
    /// Set a password, typed or from standard input, and sign the user out everywhere.
    Password {
        /// User id or login name.
        who: String,
        /// Leave the user signed in.
        #[arg(long)]
        keep_signed_in: bool,
    },
    /// End every session, device and app of a user.
    SignOut {
        /// User id or login name.
        who: String,
    },
    /// Send a user a link.
    Mail {
        /// User id or login name.
        who: String,
        /// `reset`: to a new password; `verify`: to confirm the address.
        #[arg(value_parser = ["reset", "verify"])]
        about: String,
    },
}

/// One, or all.
#[derive(Args)]
#[group(required = true, multiple = false)]
pub struct OneOrAll {
    /// Which.
    pub handle: Option<String>,
    /// All of them.
    #[arg(long)]
    pub all: bool,
}

/// What is done to grants.
#[derive(Subcommand)]
pub enum Grants {
    /// All of a user.
    List {
        /// User id or login name.
        who: String,
    },
    /// Give one another name.
    Update {
        /// User id or login name.
        who: String,
        /// Which.
        handle: String,
        /// The name.
        name: String,
    },
    /// Sign a device or an app out.
    Delete {
        /// User id or login name.
        who: String,
        #[command(flatten)]
        which: OneOrAll,
    },
}

/// What is done to sessions.
#[derive(Subcommand)]
pub enum Sessions {
    /// All of a user.
    List {
        /// User id or login name.
        who: String,
    },
    /// Sign a browser out.
    Delete {
        /// User id or login name.
        who: String,
        #[command(flatten)]
        which: OneOrAll,
    },
}

/// What is done to keys.
#[derive(Subcommand)]
pub enum Keys {
    /// All of them.
    List,
    /// Make a new one for every algorithm; it signs when everybody has had time to fetch it.
    Rotate,
    /// Remove one at once, with everything that it signed: for a key that is no secret any more.
    Delete {
        /// Its `kid`.
        kid: String,
    },
}

/// What is done to initial access tokens.
#[derive(Subcommand)]
pub enum Tokens {
    /// All of them.
    List(Most),
    /// Make one. It is shown once.
    Create {
        /// Clients that may be registered with it.
        #[arg(long, default_value_t = 1)]
        uses: u32,
        /// Its life in seconds.
        #[arg(long, default_value_t = 86_400, value_name = "SECONDS")]
        expires_in: u32,
    },
    /// Delete one.
    Delete {
        /// Which.
        id: String,
    },
}

/// What is asked of the audit log.
#[derive(Subcommand)]
pub enum Audit {
    /// The newest events, the last one at the end.
    Tail(Tail),
    /// Look for gaps, edits and insertions. Exit code 1 if there is one.
    Verify,
}

/// Which events.
#[derive(Args)]
pub struct Tail {
    /// Go on with what happens.
    #[arg(long, short)]
    pub follow: bool,
    /// So many of the newest.
    #[arg(short = 'n', long, default_value_t = 20, value_name = "NUMBER", value_parser = clap::value_parser!(u16).range(1..=1000))]
    pub number: u16,
    /// Only of this kind.
    #[arg(long)]
    pub kind: Option<String>,
    /// Only by this user or client.
    #[arg(long, value_name = "ID")]
    pub actor: Option<String>,
    /// Only about this user.
    #[arg(long, value_name = "ID")]
    pub subject: Option<String>,
    /// Only about this client.
    #[arg(long, value_name = "ID")]
    pub client: Option<String>,
}

/// What is asked about trust.
#[derive(Subcommand)]
pub enum Trust {
    /// Why a token of an outside issuer is worth what it is.
    Explain {
        /// The file with the token; `-`: standard input.
        token: String,
        /// Settings of the issuer that are not saved yet: a file, TOML where its name ends so, else JSON.
        #[arg(long, value_name = "FILE")]
        settings: Option<String>,
        /// As if this client had sent the token.
        #[arg(long, value_name = "ID")]
        client: Option<String>,
    },
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
    fn no_secret_can_stand_on_the_command_line() {
        fn look(command: &clap::Command) {
            for argument in command.get_arguments() {
                let name = argument.get_id().as_str();
                let takes_value = argument.get_action().takes_values();
                assert!(!takes_value || !["password", "secret", "passphrase"].contains(&name), "{}: {name}", command.get_name());
            }
            command.get_subcommands().for_each(look);
        }
        look(&Cli::command());
    }

    #[test]
    fn one_or_all_must_be_said() {
        let parse = |line: &str| Cli::try_parse_from(line.split(' ')).is_ok();
        assert!(parse("latchkey grants delete ada --all") && parse("latchkey grants delete ada h1"));
        assert!(!parse("latchkey grants delete ada") && !parse("latchkey grants delete ada h1 --all"));
        assert!(!parse("latchkey users mail ada other") && !parse("latchkey nothing"));
    }
}
