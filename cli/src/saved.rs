//! What is kept of a sign-in: one file in the user's configuration directory that nobody else may read.

use std::io::Write as _;
use std::path::PathBuf;
use std::{env, fs};

use serde::{Deserialize, Serialize};

use crate::api::Failure;

/// A sign-in.
#[derive(Serialize, Deserialize)]
pub struct Saved {
    /// The realm.
    pub issuer: String,
    /// The client that signed in.
    pub client_id: String,
    /// For the admin API.
    pub access_token: String,
    /// For the next one, where there is one.
    pub refresh_token: Option<String>,
    /// Seconds since 1970 from which the access token is too old.
    pub expires_at: u64,
}

/// `latchkey/sign-in.json` below `XDG_CONFIG_HOME`, or `~/.config`.
fn path() -> Result<PathBuf, Failure> {
    let directory = env::var_os("XDG_CONFIG_HOME").filter(|text| !text.is_empty()).map(PathBuf::from);
    let directory = directory.or_else(|| env::var_os("HOME").map(|home| PathBuf::from(home).join(".config")));
    let directory = directory.ok_or_else(|| Failure::Failed("neither XDG_CONFIG_HOME nor HOME is set".to_owned()))?;
    Ok(directory.join("latchkey").join("sign-in.json"))
}

impl Saved {
    /// What was kept.
    pub fn load() -> Result<Self, Failure> {
        let nobody = || Failure::SignIn("nobody is signed in: run `latchkey login --issuer URL`".to_owned());
        let text = fs::read(path()?).map_err(|_| nobody())?;
        serde_json::from_slice(&text).map_err(|_| nobody())
    }

    /// Keeps it: written beside and renamed, so that there is never half a file.
    pub fn keep(&self) -> Result<(), Failure> {
        let (path, failed) = (path()?, |error: std::io::Error| Failure::Failed(format!("the sign-in cannot be kept: {error}")));
        if let Some(directory) = path.parent() {
            fs::create_dir_all(directory).map_err(failed)?;
        }
        let beside = path.with_extension(format!("{}.new", std::process::id()));
        let mut options = fs::OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut file = options.open(&beside).map_err(failed)?;
        let text = serde_json::to_vec(self).map_err(|error| Failure::Failed(error.to_string()))?;
        file.write_all(&text).map_err(failed)?;
        fs::rename(&beside, &path).map_err(failed)
    }

    /// Forgets it.
    pub fn forget() -> Result<(), Failure> {
        fs::remove_file(path()?).map_err(|error| Failure::Failed(format!("the sign-in cannot be deleted: {error}")))
    }
}
