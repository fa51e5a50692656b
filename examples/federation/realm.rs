//! A realm as this program knows it: where it is, and who and what its seed file put into it.

use std::fs;
use std::str::FromStr;

use serde::Deserialize;
use serde_json::Value;

use crate::parties::App;

/// `NAME=ISSUER,API,SEED`
#[derive(Clone, Debug)]
pub struct Realm {
    /// What it is called; its app is `NAME-app` everywhere.
    pub name: String,
    /// Its issuer
    pub issuer: String,
    /// A resource server that takes its tokens
    pub api: String,
    seed: Seed,
}

/// The part of a seed file that matters here.
#[derive(Clone, Debug, Deserialize)]
struct Seed {
    users: Vec<User>,
    clients: Vec<Registration>,
    trusted_issuers: Vec<Value>,
}

/// Somebody who can sign in.
#[derive(Clone, Debug, Deserialize)]
pub struct User {
    /// Login name
    pub login: String,
    /// Password
    pub password: String,
    /// At home
    #[serde(default)]
    pub roles: Vec<String>,
}

#[derive(Clone, Debug, Deserialize)]
struct Registration {
    client_id: String,
    client_secret: String,
    #[serde(default)]
    redirect_uris: Vec<String>,
}

impl FromStr for Realm {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let form = "must be NAME=ISSUER,API,SEED";
        let (name, rest) = text.split_once('=').ok_or(form)?;
        let [issuer, api, file] = rest.splitn(3, ',').collect::<Vec<_>>()[..] else {
            return Err(form.to_owned());
        };
        let seed = fs::read_to_string(file).map_err(|error| format!("{file}: {error}"))?;
        let seed = serde_json::from_str(&seed).map_err(|error| format!("{file}: {error}"))?;
        Ok(Self { name: name.to_owned(), issuer: issuer.to_owned(), api: api.to_owned(), seed })
    }
}

impl Realm {
    /// Its people.
    pub fn users(&self) -> &[User] {
        &self.seed.users
    }

    /// The app of the realm `home`, as it is registered here.
    pub fn app_of(&self, home: &str) -> Result<App<'_>, String> {
        let id = format!("{home}-app");
        let client = self.seed.clients.iter().find(|client| client.client_id == id);
        let client = client.ok_or_else(|| format!("{} has no client {id}", self.name))?;
        Ok(App {
            issuer: &self.issuer,
            id: &client.client_id,
            secret: &client.client_secret,
            redirect_uri: client.redirect_uris.first().map(String::as_str).unwrap_or_default(),
        })
    }

    /// What roles of another issuer are here, by the first rule for its tokens.
    pub fn mapped(&self, issuer: &str, theirs: &[String]) -> Vec<String> {
        let trusted = self.seed.trusted_issuers.iter().find(|trusted| trusted.get("issuer").is_some_and(|own| own == issuer));
        let map = trusted.and_then(|trusted| trusted.pointer("/rules/0/yields/roles/map"));
        let here = |role: &String| Some(map?.get(role)?.as_str()?.to_owned());
        theirs.iter().filter_map(here).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn realm(name: &str, ports: (u16, u16)) -> Realm {
        let file = format!("{}/examples/federation/{name}.json", env!("CARGO_MANIFEST_DIR"));
        format!("{name}=http://localhost:{},http://localhost:{},{file}", ports.0, ports.1).parse().unwrap()
    }

    #[test]
    fn the_seeds_fit_together() {
        let (mdhlabs, providerx) = (realm("mdhlabs", (8801, 8811)), realm("providerx", (8802, 8812)));
        for (home, there) in [(&mdhlabs, &providerx), (&providerx, &mdhlabs)] {
            let (at_home, abroad) = (home.app_of(&home.name).unwrap(), there.app_of(&home.name).unwrap());
            assert!(at_home.id == abroad.id && at_home.secret != abroad.secret && !at_home.redirect_uri.is_empty());
            let roles: Vec<_> = home.users().iter().map(|user| there.mapped(&home.issuer, &user.roles)).collect();
            assert_eq!(roles, [vec!["customer".to_owned()], vec!["engineer".to_owned()], vec![]]);
            assert_eq!(there.mapped(&there.issuer, &home.users()[0].roles), [""; 0], "nobody trusts themselves");
        }
    }

    #[test]
    fn what_is_no_realm_is_refused() {
        for bad in ["", "a", "a=http://localhost:1", "a=http://localhost:1,http://localhost:2", "a=x,y,/nowhere.json"] {
            assert!(bad.parse::<Realm>().is_err(), "{bad}");
        }
    }
}
