//! HTML for a model: every page is a pure `fn(&Realm, &Model) -> Html`.
//!
//! Pages decide nothing. They escape everything, carry no inline script and no inline style (the
//! content security policy allows neither; [`form_post`] names a script of our own), and keep the
//! element ids and field names that automation relies on. All words come from [`text`], all colours from [`style()`].

mod account;
mod accounts;
mod client;
mod code;
mod consent;
pub mod console;
mod console_chart;
mod device;
mod error;
mod form_post;
mod home;
mod layout;
mod letters;
mod login;
mod logout;
mod qr;
mod reset;
mod style;
pub mod text;
mod time;

#[cfg(test)]
mod tests;

pub use account::{AccountNotice, AccountPage, Happened, OwnApp, OwnBrowser, OwnDevice, OwnEvent, account};
pub use accounts::{Account, Accounts, accounts};
pub use client::{Client, RequestedScope};
pub use code::{CodeEntry, CodeError, code_entry};
pub use consent::{Consent, ConsentError, consent};
pub use device::{Allowed, Approval, ApprovalError, allowed, approval, denied, undone};
pub use error::{ErrorPage, error};
pub use form_post::{FormPost, form_post, form_post_script};
pub use home::{App, Device, Home, home};
pub use layout::{Html, Realm};
pub use letters::{LetterAbout, LetterModel, LetterText, letter};
pub use login::{Login, LoginError, Purpose, login};
pub use logout::{Logout, SignedOut, logout, signed_out};
pub use qr::qr_svg;
pub use reset::{KeptMail, NewPassword, Reset, Told, Verify, dev_outbox, new_password, reset, told, verify};
pub use style::{style, style_href};
