//! Mails to users: put into the `Outbox`, so that nobody waits for one or can tell from the wait whether there is one, and
//! sent from there.

use super::ctx::{Ctx, Platform};
use super::failure::{Failure, Fault};
use super::js;
use super::log::{self, Meter};
use super::objects::outbox;
use super::store::dev_outbox::{self, Kept};
use super::store::users::{self, User, text_claim};
use crate::pages::text::{Texts, choose};
use crate::pages::{self, LetterAbout, LetterModel, LetterText};
use crate::protocol::ids::UserId;
use crate::protocol::letter::{About, Letter, Mail, RESET_LIFETIME, ResetLink, VERIFY_LIFETIME, VerifyLink, is_address};
use crate::protocol::outbox::{Answer, Parcel};

/// Puts a mail on its way.
pub async fn post(ctx: &Ctx, user: Option<UserId>, about: About, texts: &Texts) -> Result<(), Fault> {
    let letter = Letter::new(user, about, texts.lang(), ctx.now, &mut Platform);
    outbox::enqueue(ctx, vec![Parcel::Letter(letter)]).await
}

/// The same, of something that is done whatever becomes of the mail.
pub async fn post_or_log(ctx: &Ctx, user: &UserId, about: About, texts: &Texts) {
    if !ctx.config.mail.is_on() {
        return;
    }
    if let Err(fault) = post(ctx, Some(user.clone()), about, texts).await {
        log::event("error", "mail", &Failure::from(fault).into_parts().1, &ctx.meter);
    }
}

/// One attempt. Nobody, and who has no such address now, gets none.
pub async fn deliver(ctx: &Ctx, letter: &Letter) -> Answer {
    match attempt(ctx, letter).await {
        Ok(true) => Answer::Taken,
        Ok(false) => Answer::Unwanted,
        Err(fault) => {
            log::event("error", "mail", &Failure::from(fault).into_parts().1, &ctx.meter);
            Answer::Silence("it could not be sent")
        }
    }
}

async fn attempt(ctx: &Ctx, letter: &Letter) -> Result<bool, Fault> {
    let Some(user) = &letter.user else { return Ok(false) };
    let Some(user) = users::by_id(ctx, user).await?.filter(|user| user.enabled) else { return Ok(false) };
    let wants_confirmed = letter.about != About::Verify;
    let Some(to) = address(&user).filter(|_| is_confirmed(&user) == wants_confirmed) else { return Ok(false) };
    let LetterText { subject, body } = written(ctx, letter, &user);
    match &ctx.config.mail {
        Mail::Off => return Ok(false),
        Mail::DevOutbox => {
            let kept = Kept { at: ctx.now, to_address: to.to_owned(), subject, body };
            dev_outbox::insert(ctx, &letter.letter, letter.made_at, &kept).await?;
        }
        Mail::From(from) => {
            Meter::add(&ctx.meter.outbound, 1);
            let email = ctx.env.send_email("EMAIL").map_err(|error| Fault::unavailable("EMAIL", error))?;
            let message = worker::SendEmailBuilder::new(from, to, &subject);
            message.set_text(&body);
            email.send_with_builder(&message).await.map_err(|error| Fault::unavailable("EMAIL", js::message(&error)))?;
        }
    }
    Ok(true)
}

/// The address of a user, if it can be one.
pub fn address(user: &User) -> Option<&str> {
    text_claim(&user.claims, "email").filter(|address| is_address(address))
}

/// Whether the user's address is known to be theirs.
pub fn is_confirmed(user: &User) -> bool {
    user.claims.get("email_verified").is_some_and(|is| *is == true)
}

fn written(ctx: &Ctx, letter: &Letter, user: &User) -> LetterText {
    let (config, sealer) = (&ctx.config, ctx.config.sealer());
    let (id, version) = (user.id.clone(), user.version);
    let (link, account) =
        (|path: &str, sealed: &str| format!("{}/{path}?link={sealed}", config.issuer), format!("{}/account", config.issuer));
    let linked;
    let known = |place: &'_ str| !place.is_empty();
    let about = match &letter.about {
        About::Reset => {
            let reset = ResetLink { user: id, version, expires_at: letter.made_at.plus(RESET_LIFETIME) };
            linked = link("reset", &sealer.seal(&reset, &mut Platform));
            LetterAbout::Reset(&linked)
        }
        About::Verify => {
            let verify = VerifyLink { user: id, version, expires_at: letter.made_at.plus(VERIFY_LIFETIME) };
            linked = link("verify", &sealer.seal(&verify, &mut Platform));
            LetterAbout::Verify(&linked)
        }
        About::NewBrowser { place } => {
            LetterAbout::NewBrowser { place: Some(place.as_str()).filter(|place| known(place)), account: &account }
        }
        About::NewDevice { client, place } => {
            LetterAbout::NewDevice { name: client, place: Some(place.as_str()).filter(|place| known(place)), account: &account }
        }
    };
    let at = letter.made_at.seconds().max(0).unsigned_abs();
    let model = LetterModel { realm: &config.realm.name, login: &user.login, about, at };
    pages::letter(choose(Some(&letter.lang), None), &model)
}
