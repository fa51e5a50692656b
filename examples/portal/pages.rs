//! The portal's one page, in its states. Everything in it is escaped by the template engine.

use askama::Template;

use crate::failure::Failure;

/// The page's only style.
pub const STYLE: &str = "
:root { color-scheme: light dark; font: 1rem/1.5 system-ui, sans-serif; }
body { max-width: 40rem; margin: 2rem auto; padding: 0 1rem; }
form { display: inline; }
dt { font-weight: 600; }
dd { margin: 0 0 .5rem; }
input, button, a.button { font: inherit; padding: .4rem .8rem; }
#error { border-left: .3rem solid #c33; padding-left: .8rem; }
";

/// Signed in or not, with or without a failure.
#[derive(Default, Template)]
#[template(
    ext = "html",
    source = r#"<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{{ title }}</title>
<link rel="stylesheet" href="/style.css">
</head>
<body>
<main>
<h1>{{ title }}</h1>
{% if let Some(failure) = failure %}
<p id="error" role="alert">{% if !failure.error.is_empty() %}<strong>{{ failure.error }}</strong>: {% endif %}{{ failure.text }}</p>
{% endif %}
{% if let Some(text) = signed_out %}<p id="signed-out">{{ text }}</p>{% endif %}
{% if let Some(home) = home %}
<p>Signed in as <strong id="who">{{ home.name }}</strong>{% if let Some(email) = home.email %} ({{ email }}){% endif %}.</p>
<h2>Records</h2>
<ul id="records">{% for record in home.records %}<li>{{ record }}</li>{% endfor %}</ul>
<form id="add-record" method="post" action="/records">
<input type="hidden" name="csrf" value="{{ home.csrf }}">
<label>New record <input name="text" required maxlength="500" autocomplete="off"></label>
<button>Add</button>
</form>
<h2>Access token</h2>
<dl>
<dt>Fingerprint</dt><dd id="access-token-id">{{ home.access_token_id }}</dd>
<dt>Expires in seconds</dt><dd id="expires">{{ home.expires_in }}</dd>
</dl>
<form method="post" action="/refresh"><input type="hidden" name="csrf" value="{{ home.csrf }}"><button id="refresh">Refresh now</button></form>
<form method="post" action="/logout"><input type="hidden" name="csrf" value="{{ home.csrf }}"><button id="sign-out">Sign out</button></form>
{% else %}
<p><a id="sign-in" class="button" href="/login">Sign in</a></p>
{% if failure.is_some() || signed_out.is_some() %}<p><a href="/">Start page</a></p>{% endif %}
{% endif %}
</main>
</body>
</html>
"#
)]
pub struct Page<'a> {
    /// Heading, and name of the page
    pub title: &'a str,
    /// What went wrong
    pub failure: Option<&'a Failure>,
    /// That the person is signed out now
    pub signed_out: Option<&'a str>,
    /// For who is signed in
    pub home: Option<Home<'a>>,
}

/// What a signed-in person sees.
pub struct Home<'a> {
    /// Who that is
    pub name: &'a str,
    /// If the provider tells it
    pub email: Option<&'a str>,
    /// For the forms
    pub csrf: &'a str,
    /// Texts from the API
    pub records: Vec<String>,
    /// Tells one access token from another without showing any
    pub access_token_id: String,
    /// In seconds
    pub expires_in: i64,
}
