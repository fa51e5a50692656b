//! Pairwise subjects: OpenID Connect Core 8.1.

use super::client::{Client, Origin};
use super::client_metadata::SubjectType;
use super::ids::UserId;
use super::salt::Salt;
use super::secret::base64url;
use super::uri;

/// Whether this client sees subjects of its own.
pub fn is_pairwise(client: &Client) -> bool {
    client.metadata.subject_type == SubjectType::Pairwise
}

/// The subject that a client with pairwise subjects sees of a user: the same for all clients of its sector.
pub fn subject(salt: &Salt, client: &Client, user: &UserId) -> String {
    let mac = match sector(client) {
        Some(host) => salt.mac(&[b"sector", host.as_bytes(), &user.bytes()]),
        None => salt.mac(&[b"client", client.id.as_bytes(), &user.bytes()]),
    };
    base64url(&mac)
}

/// The `sid` that such a client sees of a browser session: one for all would join what the subjects keep apart.
pub fn sid(salt: &Salt, client: &Client, sid: &str) -> String {
    let mac = match sector(client) {
        Some(host) => salt.mac(&[b"sid of sector", host.as_bytes(), sid.as_bytes()]),
        None => salt.mac(&[b"sid of client", client.id.as_bytes(), sid.as_bytes()]),
    };
    base64url(mac.first_chunk::<16>().unwrap_or(&[0; 16]))
}

/// Its sector. A client without redirect URIs has none, and on a loopback host any two apps would share one:
/// these are their own sectors. So is a client that registered itself, for nobody has proved that the hosts
/// that it names are its own; one of a document has shown that the document's host is.
fn sector(client: &Client) -> Option<&str> {
    let host = match client.origin {
        Origin::Operator => client.metadata.sector(),
        Origin::Document => uri::host_of(&client.id),
        Origin::Registration => None,
    };
    host.filter(|host| !uri::is_loopback(host))
}

#[cfg(test)]
mod tests {
    use super::super::client::tests::{DEVICE, client};
    use super::super::ids::tests::Counted;
    use super::*;

    fn of(id: &str, redirect_uri: Option<&str>, sector: Option<&str>) -> Client {
        let mut client = Client { id: id.to_owned(), ..client(DEVICE) };
        client.metadata.redirect_uris = redirect_uri.into_iter().map(str::to_owned).collect();
        client.metadata.sector_identifier_uri = sector.map(str::to_owned);
        client
    }

    #[test]
    fn one_subject_for_each_sector_and_user() {
        let mut entropy = Counted(0);
        let (salt, user, other) = (Salt::generate(&mut entropy), UserId::generate(&mut entropy), UserId::generate(&mut entropy));
        let sub = |client: &Client| subject(&salt, client, &user);
        let a = of("a", Some("https://app.example/cb"), None);
        let same = of("b", Some("https://app.example:8443/other"), None);
        let by_sector = of("c", Some("https://elsewhere.example/"), Some("https://app.example/sector.json"));
        assert_eq!((sub(&same), sub(&by_sector)), (sub(&a), sub(&a)));
        assert_eq!(sub(&a).len(), 43);
        assert_ne!(sub(&a), subject(&salt, &a, &other));
        assert_ne!(sub(&a), subject(&Salt::generate(&mut entropy), &a, &user));
        assert_ne!(sub(&a), user.as_str());
        assert_ne!(sub(&a), sub(&of("a", Some("https://other.example/"), None)));
        let (native, another) = (of("n", Some("http://127.0.0.1/cb"), None), of("m", Some("http://127.0.0.1/cb"), None));
        assert_ne!(sub(&native), sub(&another));
        // Whoever registers itself has proved nothing about the hosts that it names.
        let stranger = Client { origin: Origin::Registration, ..a.clone() };
        assert_ne!(sub(&stranger), sub(&a));
        let document = Client { origin: Origin::Document, id: "https://doc.example/client".into(), ..a.clone() };
        assert_ne!(sub(&document), sub(&a));
        assert_eq!(sub(&document), sub(&of("d", Some("https://doc.example/cb"), None)));
        assert_ne!(sid(&salt, &a, "s"), sid(&salt, &stranger, "s"));
        assert_eq!(sid(&salt, &a, "s"), sid(&salt, &same, "s"));
        // A client that is named like somebody's host is not in its sector.
        assert_ne!(sub(&of("app.example", None, None)), sub(&a));
    }

    #[test]
    fn pinned() {
        // Clients keep it for ever: it must never change.
        let (salt, user) = (Salt::generate(&mut Counted(0)), UserId::generate(&mut Counted(0)));
        assert_eq!(
            subject(&salt, &of("a", Some("https://app.example/cb"), None), &user),
            "i_z2iVx4aYQv3p9LxoX8UA3eWjopC_lqngTPRtUNeYM"
        );
    }
}
