//! What several pages say of a client and of what it asks for.

use super::text::Texts;

/// What is known of a registered client.
#[derive(Clone, Copy, Debug, Default)]
pub struct Client<'a> {
    /// Its name.
    pub name: &'a str,
    /// Who publishes it.
    pub publisher: Option<&'a str>,
    /// Address of its logo, whose origin the content security policy must allow.
    pub logo: Option<&'a str>,
    /// Address of its privacy policy; the caller admits only https.
    pub policy: Option<&'a str>,
    /// Address of its terms of use; the caller admits only https.
    pub tos: Option<&'a str>,
}

/// One scope that a client asks for.
#[derive(Clone, Copy, Debug)]
pub struct RequestedScope<'a> {
    /// The scope itself; an optional one is posted as `scope.<name>`.
    pub name: &'a str,
    /// What it is called; without it the standard scopes have words of their own, and any other
    /// is shown by name.
    pub title: Option<&'a str>,
    /// What it means.
    pub description: Option<&'a str>,
    /// Whether the client cannot do without it: shown, and no form control at all.
    pub required: bool,
    /// Whether an optional one is ticked (yes, until the person said otherwise).
    pub checked: bool,
}

/// A scope in words.
pub(super) struct ScopeLine<'a> {
    pub(super) name: &'a str,
    pub(super) title: &'a str,
    pub(super) description: Option<&'a str>,
    pub(super) required: bool,
    pub(super) checked: bool,
}

impl<'a> ScopeLine<'a> {
    pub(super) fn all(t: &'static Texts, scopes: &[RequestedScope<'a>]) -> Vec<Self> {
        scopes.iter().map(|scope| Self::of(t, scope)).collect()
    }

    /// The configured words come first; the standard scopes have words in every language.
    fn of(t: &'static Texts, scope: &RequestedScope<'a>) -> Self {
        let known = t.scopes.of(scope.name);
        Self {
            name: scope.name,
            title: scope.title.or(known.map(|words| words.title)).unwrap_or(scope.name),
            description: scope.description.or(known.and_then(|words| words.description)),
            required: scope.required,
            checked: scope.checked,
        }
    }
}
