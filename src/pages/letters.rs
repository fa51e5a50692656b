//! Mails: plain text, which every program shows and nobody can hide anything in.

use super::text::Texts;
use super::time;

/// A mail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LetterText {
    /// Its subject.
    pub subject: String,
    /// Its text.
    pub body: String,
}

/// Model of [`letter`].
#[derive(Clone, Copy, Debug)]
pub struct LetterModel<'a> {
    /// Name of the realm.
    pub realm: &'a str,
    /// The name that the user signs in with.
    pub login: &'a str,
    /// What it is about.
    pub about: LetterAbout<'a>,
    /// When that happened, in seconds since 1970.
    pub at: u64,
}

/// What a mail is about.
#[derive(Clone, Copy, Debug)]
pub enum LetterAbout<'a> {
    /// This link leads to a new password.
    Reset(&'a str),
    /// This link confirms the address.
    Verify(&'a str),
    /// A sign-in at a browser that never did before.
    NewBrowser {
        /// Where, if it is known.
        place: Option<&'a str>,
        /// Where the user can end it.
        account: &'a str,
    },
    /// A device was connected.
    NewDevice {
        /// What it is called.
        name: &'a str,
        /// Where it is, if that is known.
        place: Option<&'a str>,
        /// Where the user can end it.
        account: &'a str,
    },
}

/// A mail in the user's language.
pub fn letter(t: &Texts, model: &LetterModel<'_>) -> LetterText {
    let l = &t.letters;
    let account = format!("{}: {}\n{}: {}", l.realm, line(model.realm), t.login.name, line(model.login));
    let when = format!("{}: {} {}", l.when, time::day(model.at), time::clock(model.at));
    let place =
        |place: Option<&str>| format!("{}: {}", t.approval.place, place.map_or(t.approval.unknown_place.to_owned(), line));
    let (subject, paragraphs) = match model.about {
        LetterAbout::Reset(link) => {
            (l.reset_subject, vec![l.reset.to_owned(), account, link.to_owned(), l.reset_ignore.to_owned()])
        }
        LetterAbout::Verify(link) => {
            (l.verify_subject, vec![l.verify.to_owned(), account, link.to_owned(), l.verify_ignore.to_owned()])
        }
        LetterAbout::NewBrowser { place: from, account: page } => {
            let facts = format!("{account}\n{when}\n{}", place(from));
            (l.browser_subject, vec![l.browser.to_owned(), facts, l.not_you.to_owned(), page.to_owned()])
        }
        LetterAbout::NewDevice { name, place: from, account: page } => {
            let device = format!("{}: {}", t.approval.device, line(name));
            let facts = format!("{device}\n{account}\n{when}\n{}", place(from));
            (l.device_subject, vec![l.device.to_owned(), facts, l.not_you.to_owned(), page.to_owned()])
        }
    };
    LetterText { subject: format!("{subject} ({})", line(model.realm)), body: format!("{}\n", paragraphs.join("\n\n")) }
}

/// A name as part of one line, from which nobody can begin another or write an address that programs make a link of.
fn line(name: &str) -> String {
    name.chars().map(|c| if c.is_control() { ' ' } else { c }).take(100).collect::<String>().replace("://", ": //")
}

#[cfg(test)]
mod tests {
    use super::super::text::ALL;
    use super::*;

    fn model(about: LetterAbout<'_>) -> LetterModel<'_> {
        LetterModel { realm: "Ward\r\nBcc: x", login: "ada", about, at: 1_795_347_727 }
    }

    #[test]
    fn names_of_others_begin_no_line_and_no_link() {
        let place = Some("Bern, CH");
        for t in ALL {
            let name = "Your bank\nhttps://evil.example/";
            for about in [
                LetterAbout::Reset("https://id.example/reset?link=x"),
                LetterAbout::Verify("https://id.example/verify?link=x"),
                LetterAbout::NewBrowser { place, account: "https://id.example/account" },
                LetterAbout::NewDevice { name, place, account: "https://id.example/account" },
            ] {
                let LetterText { subject, body } = letter(t, &model(about));
                assert!(!subject.contains(['\r', '\n']), "{subject}");
                assert!(body.lines().all(|line| !line.starts_with("Bcc")), "{body}");
                let links: Vec<&str> = body.split_whitespace().filter(|word| word.contains("://")).collect();
                assert_eq!(links.len(), 1, "{body}");
                assert!(links[0].starts_with("https://id.example/") && body.contains(&format!("\n\n{}\n", links[0])), "{body}");
                assert!(body.contains("ada"));
            }
        }
    }
}
