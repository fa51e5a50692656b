//! HTML for a model: every page is a pure `fn(&Realm, &Model) -> Html`.
//!
//! Pages decide nothing. They escape everything, carry no script and no inline style (the content
//! security policy allows neither), and keep the element ids and field names that automation relies
//! on. All words come from [`text`], all colours from [`style()`].

mod code;
mod device;
mod error;
mod home;
mod layout;
mod login;
mod logout;
mod qr;
mod style;
pub mod text;
mod time;

#[cfg(test)]
mod tests;

pub use code::{CodeEntry, CodeError, code_entry};
pub use device::{Allowed, Approval, ApprovalError, Client, RequestedScope, allowed, approval, denied, undone};
pub use error::{ErrorPage, error};
pub use home::{Device, Home, home};
pub use layout::{Html, Realm};
pub use login::{Login, LoginError, Purpose, login};
pub use logout::{Logout, SignedOut, logout, signed_out};
pub use qr::qr_svg;
pub use style::{style, style_href};
