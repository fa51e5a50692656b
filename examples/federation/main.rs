//! People of one realm use the API of another, where they have no account: token exchange with role mapping.
//!
//! `make federation` starts two realms and an API of each, and runs this program beside them. For every person of either
//! realm it signs them in at home, with an app of that realm; trades the access token, which is meant for the other realm,
//! for one of the other realm; and calls the API there. It fails if roles there are not what the other realm's
//! rules make of the roles at home. It shares no code with Latchkey.

mod parties;
mod realm;

use std::process::ExitCode;

use clap::Parser;
use serde_json::{Value, json};

use parties::{App, called};
use realm::{Realm, User};

/// Sign people of two federated realms in at home and call the API of the other realm for them.
#[derive(Parser)]
struct Args {
    /// A realm: its name, issuer, API and seed file; to be given twice
    #[arg(long, value_name = "NAME=ISSUER,API,SEED", required = true, num_args = 1)]
    realm: Vec<Realm>,
}

fn main() -> ExitCode {
    let args = Args::parse();
    let [first, second] = &args.realm[..] else {
        eprintln!("federation: two realms are needed");
        return ExitCode::from(2);
    };
    match travelled(first, second).and_then(|()| travelled(second, first)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(reason) => {
            eprintln!("federation: {reason}");
            ExitCode::FAILURE
        }
    }
}

/// Shows what everybody of `home` is and may `there`.
fn travelled(home: &Realm, there: &Realm) -> Result<(), String> {
    println!("\n{} -> {}", home.name, there.name);
    let (at_home, abroad) = (home.app_of(&home.name)?, there.app_of(&home.name)?);
    for user in home.users() {
        let outcome = visited(&at_home, &abroad, user, there)?;
        let roles = if user.roles.is_empty() { "no role".to_owned() } else { user.roles.join(" ") };
        println!("  {:<5} {roles:<18} -> {}", user.login, outcome.told());
        outcome.check(&there.mapped(&home.issuer, &user.roles)).map_err(|wrong| format!("{}: {wrong}", user.login))?;
    }
    Ok(())
}

/// What became of somebody at the other realm.
enum Outcome {
    /// The exchange was refused, with this code and words.
    Refused(String, String),
    Admitted {
        roles: Vec<String>,
        /// How many records of their own they see, after they added one
        own: Option<usize>,
        /// How many of everybody's; none where they may not
        all: Option<usize>,
    },
}

fn visited(at_home: &App<'_>, abroad: &App<'_>, user: &User, there: &Realm) -> Result<Outcome, String> {
    let token = at_home.signed_in(user, &there.issuer)?;
    // It is for the other realm's token endpoint; the API takes tokens of its own realm alone.
    let (status, _) = called(&there.api, "/caller", &token, None)?;
    if status != 401 {
        return Err(format!("the API of {} answers {status} to a token of {}", there.name, at_home.issuer));
    }
    let token = match abroad.exchanged(&token, &there.api)? {
        Ok(token) => token,
        Err((error, words)) => return Ok(Outcome::Refused(error, words)),
    };
    let (_, caller) = called(&there.api, "/caller", &token, None)?;
    let roles = caller.get("roles").and_then(Value::as_array).into_iter().flatten();
    let roles = roles.filter_map(Value::as_str).map(str::to_owned).collect();
    called(&there.api, "/records", &token, Some(&json!({"text": format!("{} was here", user.login)})))?;
    let records = |path| match called(&there.api, path, &token, None)? {
        (200, answer) => Ok(answer.get("records").and_then(Value::as_array).map(Vec::len)),
        (403, _) => Ok(None),
        (status, _) => Err(format!("{path} of {} answers {status}", there.name)),
    };
    Ok(Outcome::Admitted { roles, own: records("/records")?, all: records("/records/all")? })
}

impl Outcome {
    fn told(&self) -> String {
        let count = |records: &Option<usize>| records.map_or_else(|| "refused".to_owned(), |records| records.to_string());
        match self {
            Self::Refused(error, words) => format!("refused, {error}: {words}"),
            Self::Admitted { roles, own, all } => {
                format!("{:<9} own records: {}, everybody's: {}", roles.join(" "), count(own), count(all))
            }
        }
    }

    /// Whether it is as it should be for somebody with these roles there: an engineer reads everybody's records.
    fn check(&self, expected: &[String]) -> Result<(), String> {
        match self {
            Self::Refused(..) if expected.is_empty() => Ok(()),
            Self::Admitted { .. } if expected.is_empty() => Err("somebody without a role should be refused".to_owned()),
            Self::Admitted { roles, own: Some(1..), all } if roles == expected => {
                let is_engineer = expected.iter().any(|role| role == "engineer");
                if all.is_some() == is_engineer { Ok(()) } else { Err("everybody's records are for engineers".to_owned()) }
            }
            _ => Err(format!("should be {}, and have a record", expected.join(" "))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Outcome;

    #[test]
    fn what_is_not_as_the_rules_say_is_a_failure() {
        let roles = |roles: &[&str]| roles.iter().map(|role| (*role).to_owned()).collect::<Vec<_>>();
        let admitted = |own_roles: &[&str], own, all| Outcome::Admitted { roles: roles(own_roles), own, all };
        let refused = || Outcome::Refused("invalid_request".to_owned(), String::new());
        for (outcome, expected, is_right) in [
            (refused(), &[][..], true),
            (refused(), &["customer"], false),
            (admitted(&[], Some(1), None), &[], false),
            (admitted(&["customer"], Some(1), None), &["customer"], true),
            (admitted(&["customer"], Some(1), Some(2)), &["customer"], false),
            (admitted(&["customer"], Some(0), None), &["customer"], false),
            (admitted(&["customer"], None, None), &["customer"], false),
            (admitted(&["engineer"], Some(1), None), &["customer"], false),
            (admitted(&["engineer"], Some(1), Some(2)), &["engineer"], true),
            (admitted(&["engineer"], Some(1), None), &["engineer"], false),
        ] {
            assert_eq!(outcome.check(&roles(expected)).is_ok(), is_right, "{}", outcome.told());
        }
    }
}
