//! What the tokens say: by default what GitHub says of a job
//! (<https://docs.github.com/actions/reference/security/oidc>), and whatever the request wants instead.

use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

/// Life of a token if the request does not say, in seconds.
const LIFETIME: i64 = 300;

/// Who issues, when (Unix seconds), and under which id.
pub struct Issue<'a> {
    /// `iss`
    pub issuer: &'a str,
    /// `iat`
    pub now: i64,
    /// `jti`
    pub id: &'a str,
    /// Without the claims of a job: `iss`, `iat`, `exp` and `jti` alone.
    pub is_bare: bool,
}

impl Issue<'_> {
    /// The claims of a token. `wanted` names claims, which replace and add to those of the default; null takes one away.
    /// Two names are no claims: `audience` is `aud`, and `lifetime` counts the seconds up to `exp`.
    pub fn claims(&self, mut wanted: Map<String, Value>) -> Result<Map<String, Value>, &'static str> {
        let lifetime = match wanted.remove("lifetime") {
            None => LIFETIME,
            Some(Value::String(text)) => text.parse().map_err(|_| "lifetime must be a number")?,
            Some(value) => value.as_i64().ok_or("lifetime must be a number")?,
        };
        if let Some(audience) = wanted.remove("audience") {
            wanted.insert("aud".to_owned(), audience);
        }
        let (now, until) = (self.now, self.now.saturating_add(lifetime));
        let common = json!({"iss": self.issuer, "iat": now, "exp": until, "jti": self.id});
        let mut claims = if self.is_bare { Map::new() } else { of_a_job(&wanted, now) };
        claims.extend(common.as_object().cloned().unwrap_or_default());
        claims.extend(wanted);
        claims.retain(|_, value| !value.is_null());
        Ok(claims)
    }
}

/// A push to a branch, of the repository and ref that are wanted; its subject is put together as GitHub does it.
fn of_a_job(wanted: &Map<String, Value>, now: i64) -> Map<String, Value> {
    let text = |name: &str| wanted.get(name).and_then(Value::as_str);
    let repository = text("repository").unwrap_or("acme/app");
    let git_ref = text("ref").unwrap_or("refs/heads/main");
    let event = text("event_name").unwrap_or("push");
    let owner = repository.split('/').next().unwrap_or_default();
    let context = match (text("environment"), event) {
        (Some(environment), _) => format!("environment:{environment}"),
        (None, "pull_request") => "pull_request".to_owned(),
        (None, _) => format!("ref:{git_ref}"),
    };
    let workflow = format!("{repository}/.github/workflows/deploy.yml@{git_ref}");
    let claims = json!({
        "sub": format!("repo:{repository}:{context}"),
        "aud": format!("https://github.com/{owner}"),
        "nbf": now,
        "actor": "octocat",
        "actor_id": "12",
        "base_ref": "",
        "event_name": event,
        "head_ref": "",
        "job_workflow_ref": workflow,
        "ref": git_ref,
        "ref_type": if git_ref.starts_with("refs/tags/") { "tag" } else { "branch" },
        "repository": repository,
        "repository_id": number_of(repository),
        "repository_owner": owner,
        "repository_owner_id": number_of(owner),
        "repository_visibility": "private",
        "run_attempt": "1",
        "run_id": "1658821493",
        "run_number": "10",
        "runner_environment": "github-hosted",
        "sha": "da39a3ee5e6b4b0d3255bfef95601890afd80709",
        "workflow": "deploy",
        "workflow_ref": workflow,
    });
    claims.as_object().cloned().unwrap_or_default()
}

/// GitHub numbers names; here the number follows from the name.
fn number_of(name: &str) -> String {
    let hash: [u8; 32] = Sha256::digest(name).into();
    let first = hash.first_chunk::<4>().copied().unwrap_or_default();
    u32::from_be_bytes(first).to_string()
}
