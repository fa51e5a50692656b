//! `/console`: what operators do daily, in tables, charts and forms. In English: its words are those of the admin API.

use askama::Template;

use super::{
    layout::{Frame, Html, Realm, render},
    text::EN,
    text::Texts,
};

pub use super::console_chart::Chart;

/// Where the console is open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// Counts and charts.
    Overview,
    /// Users.
    Users,
    /// Devices by site and client.
    Sites,
    /// Clients.
    Clients,
    /// Signing keys.
    Keys,
    /// The audit log.
    Audit,
}

impl Place {
    /// All of them, in the order of the menu.
    pub const ALL: [Self; 6] = [Self::Overview, Self::Users, Self::Sites, Self::Clients, Self::Keys, Self::Audit];

    /// Its path.
    pub const fn path(self) -> &'static str {
        match self {
            Self::Overview => "/console",
            Self::Users => "/console/users",
            Self::Sites => "/console/sites",
            Self::Clients => "/console/clients",
            Self::Keys => "/console/keys",
            Self::Audit => "/console/audit",
        }
    }

    /// Its name in the menu.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Overview => "Overview",
            Self::Users => "Users",
            Self::Sites => "Devices",
            Self::Clients => "Clients",
            Self::Keys => "Keys",
            Self::Audit => "Audit",
        }
    }
}

/// A page of the console.
#[derive(Debug)]
pub struct ConsolePage {
    /// Where in the menu.
    pub place: Place,
    /// What is in the menu.
    pub places: Vec<Place>,
    /// The heading.
    pub title: String,
    /// Whose session it is.
    pub name: String,
    /// Said first: the text, and whether it tells of a mistake.
    pub notice: Option<(String, bool)>,
    /// A secret that is shown this once.
    pub secret: Option<String>,
    /// What is on it.
    pub sections: Vec<Section>,
}

/// A part of a page.
#[derive(Debug, Default)]
pub struct Section {
    /// Its heading.
    pub heading: String,
    /// Numbers: what, and how many.
    pub numbers: Vec<(String, i64)>,
    /// Facts: what, and what of it.
    pub facts: Vec<(String, String)>,
    /// A chart.
    pub chart: Option<Chart>,
    /// A form.
    pub form: Option<Form>,
    /// A table.
    pub table: Option<Table>,
    /// Ways on: where, and what they say.
    pub links: Vec<(String, String)>,
}

impl Section {
    /// Whether there is anything under its heading.
    pub fn has_anything(&self) -> bool {
        !(self.numbers.is_empty() && self.facts.is_empty() && self.links.is_empty())
            || self.chart.is_some()
            || self.form.is_some()
            || self.table.is_some()
    }
}

/// A table.
#[derive(Debug, Default)]
pub struct Table {
    /// Names of the columns.
    pub columns: Vec<&'static str>,
    /// Rows.
    pub rows: Vec<Vec<Cell>>,
    /// Said where there is none.
    pub empty: &'static str,
}

/// A cell.
#[derive(Debug, Default)]
pub struct Cell {
    /// What it says.
    pub text: String,
    /// Where it leads.
    pub href: Option<String>,
    /// A sealed form, and what its button says.
    pub button: Option<(String, &'static str)>,
}

impl Cell {
    /// One that only says something.
    pub fn text(text: impl Into<String>) -> Self {
        Self { text: text.into(), ..Self::default() }
    }

    /// One that leads somewhere.
    pub fn link(text: impl Into<String>, href: String) -> Self {
        Self { text: text.into(), href: Some(href), ..Self::default() }
    }

    /// One that does something to what `text` names; without a sealed form there is nothing to press.
    pub fn button(text: impl Into<String>, sealed: Option<String>, label: &'static str) -> Self {
        match sealed {
            Some(sealed) => Self { text: text.into(), href: None, button: Some((sealed, label)) },
            None => Self::default(),
        }
    }
}

/// A form.
#[derive(Debug, Default)]
pub struct Form {
    /// The sealed form; none: it only asks, by GET, or there is none.
    pub sealed: Option<String>,
    /// Where a question goes; empty: it is none.
    pub action: &'static str,
    /// Fields.
    pub fields: Vec<Field>,
    /// What its button says.
    pub submit: &'static str,
    /// Said beside it.
    pub hint: &'static str,
}

/// A field.
#[derive(Debug, Default)]
pub struct Field {
    /// Name.
    pub name: &'static str,
    /// Label.
    pub label: &'static str,
    /// What it holds.
    pub value: String,
    /// Which.
    pub kind: FieldKind,
}

/// Which kind of field.
#[derive(Debug, Default, PartialEq, Eq)]
pub enum FieldKind {
    /// One line.
    #[default]
    Line,
    /// Several lines.
    Lines,
    /// A day.
    Day,
    /// A box, ticked or not.
    Tick(bool),
    /// One of these.
    Choice(Vec<String>),
    /// Whose password: shown, not sent.
    Owner,
    /// A new password.
    Password,
}

#[derive(Template)]
#[template(path = "console.html")]
struct View<'a> {
    frame: Frame<'a>,
    t: &'a Texts,
    page: &'a ConsolePage,
}

/// A page of the console. Its forms post to `/console`: `form` and their fields.
pub fn console(realm: &Realm<'_>, page: &ConsolePage) -> Html {
    let realm = Realm { texts: &EN, ..*realm };
    let failed = page.notice.as_ref().is_some_and(|(_, is_mistake)| *is_mistake);
    render(&View { frame: Frame::new(&realm, &page.title, failed), t: &EN, page })
}
