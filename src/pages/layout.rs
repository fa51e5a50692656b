//! What all pages share: the realm around them and the type they return.

use std::fmt;

use askama::Template;

use super::{style::style_href, text::Texts};

/// A whole HTML document. Only the functions of this room make one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Html(String);

impl Html {
    /// The document.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The document, as the body of an answer.
    pub fn into_string(self) -> String {
        self.0
    }
}

impl fmt::Display for Html {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

/// Whose pages these are, and in which language.
#[derive(Clone, Copy)]
pub struct Realm<'a> {
    /// Name of the company or house, as people know it.
    pub name: &'a str,
    /// Address of its logo, whose origin the content security policy must allow.
    pub logo: Option<&'a str>,
    /// Its colour, as red, green and blue.
    pub color: [u8; 3],
    /// The words.
    pub texts: &'static Texts,
}

/// What `layout.html` needs of each page.
pub(super) struct Frame<'a> {
    pub(super) realm: &'a Realm<'a>,
    pub(super) style: String,
    /// Title without the realm's name.
    pub(super) title: &'a str,
    /// Whether the page tells of a mistake: the title then says so first, for people who hear it.
    pub(super) failed: bool,
}

impl<'a> Frame<'a> {
    pub(super) fn new(realm: &'a Realm<'a>, title: &'a str, failed: bool) -> Self {
        Self { realm, style: style_href(realm.color), title, failed }
    }
}

/// Runs a template. Rendering into a string fails only if a filter does, and we have none of our
/// own, so the empty document stands for a case that does not exist.
pub(super) fn render(template: &impl Template) -> Html {
    Html(template.render().unwrap_or_default())
}
