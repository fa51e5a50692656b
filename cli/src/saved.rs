//! What is kept of a sign-in: one file for each realm, in a directory that nobody else may read.

use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::failure::{Failure, Outcome};

/// A sign-in. It has no `Debug`, so that no token gets into a message.
#[derive(Clone, Serialize, Deserialize)]
pub struct Saved {
    /// The realm.
    pub issuer: String,
    /// The client that signed in.
    pub client_id: String,
    /// Scopes that were granted.
    pub scope: String,
    /// For the admin API.
    pub access_token: String,
    /// For the next one, where there is one.
    pub refresh_token: Option<String>,
    /// Seconds since 1970 from which the access token is too old.
    pub expires_at: u64,
    /// Seconds that a sign-in may be old, where the realm found this one too old.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_age: Option<u64>,
}

/// Where sign-ins are kept.
#[derive(Clone, Debug)]
pub struct Folder(PathBuf);

/// Held while a sign-in is replaced, so that two processes do not use up one refresh token.
pub struct Lock(File);

impl Drop for Lock {
    fn drop(&mut self) {
        // It ends with the file, whatever is answered here.
        self.0.unlock().ok();
    }
}

impl Folder {
    /// `latchkey` below `XDG_CONFIG_HOME`, or below `~/.config`.
    pub fn of_user() -> Outcome<Self> {
        let set = |name| env::var_os(name).filter(|text| !text.is_empty()).map(PathBuf::from);
        // XDG: a path that is not absolute is to be ignored.
        let base = set("XDG_CONFIG_HOME").filter(|path| path.is_absolute());
        let base = base.or_else(|| set("HOME").map(|home| home.join(".config")));
        let base = base.ok_or_else(|| Failure::failed("nowhere to keep a sign-in: set HOME or XDG_CONFIG_HOME"))?;
        Ok(Self(base.join("latchkey")))
    }

    fn error(path: &Path, error: &std::io::Error) -> Failure {
        Failure::file(path.display(), error)
    }

    /// Named by a hash too: two issuers may look alike once their odd characters are gone.
    fn path(&self, issuer: &str) -> PathBuf {
        let name: String = issuer.trim_start_matches("https://").trim_start_matches("http://").chars().take(60).collect();
        let name: String =
            name.chars().map(|letter| if letter.is_ascii_alphanumeric() || letter == '.' { letter } else { '-' }).collect();
        let hash: String = URL_SAFE_NO_PAD.encode(Sha256::digest(issuer.as_bytes())).chars().take(12).collect();
        self.0.join(format!("{name}.{hash}.json"))
    }

    /// Makes the directory, for its owner alone.
    pub fn make(&self) -> Outcome<()> {
        let failed = |error: std::io::Error| Self::error(&self.0, &error);
        fs::create_dir_all(&self.0).map_err(failed)?;
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            fs::set_permissions(&self.0, fs::Permissions::from_mode(0o700)).map_err(failed)?;
        }
        Ok(())
    }

    /// The realm that was signed in at last.
    pub fn current(&self) -> Option<String> {
        let text = fs::read_to_string(self.0.join("current")).ok()?;
        Some(text.trim().to_owned()).filter(|text| !text.is_empty())
    }

    /// The sign-in at a realm, if there is one.
    pub fn load(&self, issuer: &str) -> Outcome<Option<Saved>> {
        let path = self.path(issuer);
        let saved = self.load_to_end(issuer)?;
        #[cfg(unix)]
        if saved.is_some() {
            use std::os::unix::fs::PermissionsExt as _;
            let mode = fs::metadata(&path).map_err(|error| Self::error(&path, &error))?.permissions().mode();
            if mode & 0o077 != 0 {
                let path = path.display();
                return Err(Failure::SignIn(format!(
                    "{path} can be read by others, so it is not used\nsign in again: latchkey login"
                )));
            }
        }
        Ok(saved)
    }

    /// The same, whoever can read it: to end it at the realm.
    pub fn load_to_end(&self, issuer: &str) -> Outcome<Option<Saved>> {
        let path = self.path(issuer);
        let text = match fs::read(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(Self::error(&path, &error)),
        };
        let saved: Option<Saved> = serde_json::from_slice(&text).ok();
        Ok(saved.filter(|saved| saved.issuer == issuer))
    }

    /// Waits for other processes that replace the sign-in at a realm.
    pub fn lock(&self, issuer: &str) -> Outcome<Lock> {
        self.make()?;
        let path = self.path(issuer).with_extension("lock");
        let failed = |error: std::io::Error| Self::error(&path, &error);
        let mut options = OpenOptions::new();
        options.create(true).truncate(false).write(true);
        private(&mut options);
        let file = options.open(&path).map_err(failed)?;
        file.lock().map_err(failed)?;
        Ok(Lock(file))
    }

    /// Keeps a sign-in. Whoever calls it holds the lock.
    pub fn keep(&self, saved: &Saved, _lock: &Lock) -> Outcome<()> {
        let text = serde_json::to_vec(saved).map_err(|error| Failure::failed(error.to_string()))?;
        self.replace(&self.path(&saved.issuer), &text)
    }

    /// Makes a realm the one that commands are about.
    pub fn set_current(&self, issuer: &str) -> Outcome<()> {
        self.replace(&self.0.join("current"), issuer.as_bytes())
    }

    /// Forgets the sign-in at a realm.
    pub fn forget(&self, issuer: &str, _lock: &Lock) -> Outcome<()> {
        let path = self.path(issuer);
        fs::remove_file(&path).map_err(|error| Self::error(&path, &error))
    }

    /// Written beside and renamed, so that there is never half a file.
    fn replace(&self, path: &Path, text: &[u8]) -> Outcome<()> {
        self.make()?;
        write_private(&path.with_extension(format!("{}.new", std::process::id())), text, Some(path))
    }
}

fn private(options: &mut OpenOptions) {
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(options, 0o600);
}

/// Writes a file that its owner alone may read, beside its place first where it has another name then.
fn write_private(beside: &Path, text: &[u8], path: Option<&Path>) -> Outcome<()> {
    let failed = |error: std::io::Error| Folder::error(beside, &error);
    // What a process that died left behind, with whatever mode.
    fs::remove_file(beside).ok();
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    private(&mut options);
    let mut file = options.open(beside).map_err(failed)?;
    file.write_all(text).map_err(failed)?;
    file.sync_all().map_err(failed)?;
    path.map_or(Ok(()), |path| fs::rename(beside, path).map_err(failed))
}

/// Replaces a file by one that its owner alone may read.
pub fn write_file(path: &str, text: &str) -> Outcome<()> {
    let beside = format!("{path}.{}.new", std::process::id());
    write_private(Path::new(&beside), text.as_bytes(), Some(Path::new(path)))
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Temporary(Folder);

    impl Drop for Temporary {
        fn drop(&mut self) {
            fs::remove_dir_all(self.0.0.parent().unwrap()).ok();
        }
    }

    fn folder(name: &str) -> Temporary {
        let base = env::temp_dir().join(format!("latchkey-cli-{name}-{}", std::process::id()));
        Temporary(Folder(base.join("latchkey")))
    }

    fn sign_in(issuer: &str, token: &str) -> Saved {
        Saved {
            issuer: issuer.to_owned(),
            client_id: "latchkey-cli".to_owned(),
            scope: "openid".to_owned(),
            access_token: token.to_owned(),
            refresh_token: None,
            expires_at: 1,
            max_age: None,
        }
    }

    #[test]
    fn each_realm_has_its_own_and_nobody_else_reads_it() {
        let temporary = folder("realms");
        let folder = &temporary.0;
        for (issuer, token) in [("https://a.example", "one"), ("https://b.example", "two"), ("https://a.example/x", "three")] {
            assert!(folder.load(issuer).unwrap().is_none());
            let lock = folder.lock(issuer).unwrap();
            folder.keep(&sign_in(issuer, "before"), &lock).unwrap();
            folder.keep(&sign_in(issuer, token), &lock).unwrap();
            assert_eq!(folder.load(issuer).unwrap().unwrap().access_token, token);
        }
        assert_eq!(folder.load("https://a.example").unwrap().unwrap().access_token, "one");
        assert_eq!(folder.current(), None);
        folder.set_current("https://b.example").unwrap();
        assert_eq!(folder.current().as_deref(), Some("https://b.example"));
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
            assert_eq!(mode(&folder.0), 0o700);
            for entry in fs::read_dir(&folder.0).unwrap() {
                assert_eq!(mode(&entry.unwrap().path()), 0o600);
            }
            let path = folder.path("https://b.example");
            fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
            assert_eq!(folder.load("https://b.example").map(|_| ()).map_err(|failure| failure.parts().0), Err(3));
        }
        let lock = folder.lock("https://a.example").unwrap();
        folder.forget("https://a.example", &lock).unwrap();
        assert!(folder.load("https://a.example").unwrap().is_none());
    }

    #[test]
    fn a_second_process_waits_for_the_first() {
        let temporary = folder("lock");
        let folder = temporary.0.clone();
        let first = folder.lock("https://a.example").unwrap();
        let (sender, receiver) = std::sync::mpsc::channel();
        let other = std::thread::spawn(move || {
            let lock = folder.lock("https://a.example").unwrap();
            sender.send(()).unwrap();
            drop(lock);
        });
        assert!(receiver.recv_timeout(std::time::Duration::from_millis(200)).is_err(), "it did not wait");
        drop(first);
        receiver.recv_timeout(std::time::Duration::from_secs(10)).unwrap();
        other.join().unwrap();
    }
}
