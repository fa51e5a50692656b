//! The German words.

use super::{
    AccountsTexts, AllowedTexts, ApprovalTexts, ClaimTexts, ClientTexts, CodeTexts, ConsentTexts, DeniedTexts, ErrorTexts,
    FormPostTexts, HomeTexts, LoginTexts, LogoutTexts, PermissionTexts, Scope, ScopeTexts, SignedOutTexts, Texts, UndoneTexts,
};

/// German.
pub const DE: Texts = Texts {
    lang: "de",
    mistake: "Fehler:",
    footer: "Anmeldedienst von",
    expired: "Diese Seite war zu lange offen. Bitte versuchen Sie es noch einmal.",
    throttled: |minutes| match minutes {
        1 => "Zu viele Versuche. Bitte warten Sie 1 Minute und versuchen Sie es dann noch einmal.".to_owned(),
        _ => format!("Zu viele Versuche. Bitte warten Sie {minutes} Minuten und versuchen Sie es dann noch einmal."),
    },
    signed_in_as: "Angemeldet als",
    not_you: "Sind Sie das nicht?",
    sign_out: "Abmelden",
    other_account: "Anderes Konto verwenden",
    cancel: "Abbrechen",
    to_start: "Zur Startseite",
    new_tab: "öffnet sich in einem neuen Tab",
    home: HomeTexts {
        signed_in: "Sie sind angemeldet",
        welcome: "Willkommen",
        lede: "Melden Sie sich an, um ein Gerät zu verbinden.",
        connect: "Gerät verbinden",
        account: "Ihr Konto",
        sign_in: "Anmelden",
        devices: "Ihre Geräte",
        allowed_on: "Verbunden am",
        used_on: "zuletzt verwendet am",
        end: "Dieses Gerät abmelden",
        apps: "Ihre Apps",
        end_app: "Trennen",
    },
    client: ClientTexts {
        continue_to: "um fortzufahren mit",
        publisher: "von",
        policy: "Datenschutzerklärung",
        tos: "Nutzungsbedingungen",
    },
    login: LoginTexts {
        heading: "Anmelden",
        for_account: "Verwenden Sie das Konto, das Sie bekommen haben.",
        for_device: "Melden Sie sich an, um ein Gerät zu verbinden.",
        again: "Bitte melden Sie sich noch einmal an, um fortzufahren.",
        name: "Benutzername",
        password: "Passwort",
        submit: "Anmelden",
        wrong: "Der Name oder das Passwort stimmt nicht.",
    },
    reset: &super::mail::RESET_DE,
    letters: &super::mail::LETTERS_DE,
    account: &super::account::DE,
    accounts: AccountsTexts { heading: "Konto auswählen" },
    code: CodeTexts {
        heading: "Gerät verbinden",
        lede: "Ihr Gerät zeigt einen Code. Geben Sie ihn hier ein.",
        label: "Code",
        hint: "8 Buchstaben, zum Beispiel BCDF-GHJK. Kleinbuchstaben und Leerzeichen sind erlaubt.",
        caution: "Geben Sie nur den Code eines Geräts ein, das Sie gerade selbst anmelden. Niemand vom \
                  Support wird Ihnen jemals einen Code schicken.",
        lede_prefilled: "Wir haben den Code für Sie eingetragen.",
        caution_prefilled: "Vergleichen Sie diesen Code mit dem auf Ihrem Gerät. Fahren Sie nur fort, \
                            wenn beide gleich sind und Sie dies selbst begonnen haben.",
        submit: "Weiter",
        not_found: "Dieser Code funktioniert nicht. Vergleichen Sie ihn mit Ihrem Gerät, oder beginnen \
                    Sie auf dem Gerät von vorn, um einen neuen zu bekommen.",
    },
    permission: PermissionTexts {
        asks: "Das wird angefragt",
        always: "immer",
        nothing_chosen: "Es bleibt nichts zu erlauben. Wählen Sie mindestens einen Punkt, oder wählen \
                         Sie „Ablehnen“.",
        allow: "Erlauben",
        deny: "Ablehnen",
    },
    approval: ApprovalTexts {
        heading: "Dieses Gerät verbinden?",
        lede: "Dieses Gerät möchte Ihr Konto verwenden:",
        compare: "Ihr Gerät muss diesen Code zeigen",
        device: "Das Gerät",
        you: "Sie",
        place: "Ort",
        unknown_place: "Nicht bekannt",
        started: "Begonnen",
        ago: |minutes| match minutes {
            0 => "Gerade eben".to_owned(),
            1 => "Vor 1 Minute".to_owned(),
            _ => format!("Vor {minutes} Minuten"),
        },
        account: "Konto",
        estimated: "Die Orte sind nach der Internetverbindung geschätzt.",
        differ: "Das Gerät und Sie scheinen an verschiedenen Orten zu sein. Wenn das Gerät nicht vor \
                 Ihnen steht, wählen Sie „Ablehnen“.",
        caution: "Niemand vom Support wird Sie jemals bitten, dies zu tun oder einen Code einzugeben, \
                  den man Ihnen schickt. Falls doch jemand darum bittet, wählen Sie „Ablehnen“.",
        confirm: "Das ist mein Gerät, und ich habe diese Anmeldung selbst begonnen.",
        unconfirmed: "Bestätigen Sie vor dem Erlauben mit dem Häkchen, dass dies Ihr Gerät ist. Wenn \
                      es nicht Ihres ist, wählen Sie „Ablehnen“.",
    },
    consent: ConsentTexts {
        heading: "Zugriff erlauben?",
        lede: "Diese App möchte Ihr Konto verwenden:",
        destination: "Danach geht es weiter zu",
        caution: "Erlauben Sie dies nur, wenn Sie die App kennen und dies selbst begonnen haben.",
    },
    form_post: FormPostTexts {
        heading: "Einen Moment, bitte",
        on_the_way: "Sie sind auf dem Weg zu",
        without_script: "Wenn nichts geschieht, wählen Sie „Weiter“.",
        submit: "Weiter",
    },
    allowed: AllowedTexts {
        heading: "Sie können zu Ihrem Gerät zurückkehren",
        connected: "Verbunden ist jetzt",
        next: "Das Gerät wird in wenigen Sekunden angemeldet. Hier gibt es nichts mehr zu tun, und Sie \
               können diese Seite schließen.",
        later: "Um die Verbindung später zu beenden, melden Sie sich auf dem Gerät selbst ab, oder \
                suchen Sie es auf der Startseite unter „Ihre Geräte“.",
        undo_lede: "Wollten Sie das nicht?",
        undo: "Rückgängig machen",
    },
    denied: DeniedTexts {
        heading: "Das Gerät wurde nicht verbunden",
        next: "Wir teilen dem Gerät mit, dass Sie abgelehnt haben. Es bekommt nichts aus Ihrem Konto.",
        stranger: "Wenn Sie dies nicht selbst begonnen haben, wollte vielleicht jemand in Ihr Konto \
                   gelangen. Das ist nicht gelungen. Bitte melden Sie es denen, die Ihr Konto \
                   betreuen.",
        again: "Wenn es doch Ihr Gerät war, beginnen Sie auf dem Gerät von vorn, um einen neuen Code zu \
                bekommen.",
    },
    undone: UndoneTexts {
        heading: "Das Gerät ist nicht mehr verbunden",
        next: "Wir haben Ihre Erlaubnis zurückgenommen. Falls das Gerät schon angemeldet war, wird es \
               bald abgemeldet, spätestens nach einer Stunde.",
        stranger: "Wenn jemand Sie darum gebeten hat, melden Sie es bitte denen, die Ihr Konto betreuen.",
    },
    logout: LogoutTexts {
        heading: "Abmelden?",
        asked: "bittet Sie, sich abzumelden.",
        here: "Alle Konten in diesem Browser werden abgemeldet. Ihre Geräte bleiben verbunden.",
        confirm: "Abmelden",
        stay: "Angemeldet bleiben",
        everywhere_heading: "Gerät verloren oder nicht sicher?",
        everywhere: "Sie können sich überall abmelden: in allen Browsern und auf allen Geräten, die Sie \
                     verbunden haben. Überall ist dann eine neue Anmeldung nötig.",
        everywhere_submit: "Überall abmelden",
    },
    signed_out: SignedOutTexts {
        heading: "Sie sind abgemeldet",
        here: "Sie können diese Seite jetzt schließen.",
        everywhere: "Auch alle Ihre Browser und Geräte sind abgemeldet. Es kann bis zu einer Stunde \
                     dauern, bis ein Gerät das bemerkt.",
        again: "Wieder anmelden",
    },
    error: ErrorTexts {
        heading: "Etwas ist schiefgegangen",
        bad_request: "Diese Seite konnte die Anfrage nicht verstehen. Bitte gehen Sie zurück und \
                      versuchen Sie es noch einmal.",
        not_found: "Unter dieser Adresse gibt es keine Seite. Bitte prüfen Sie, ob sie richtig \
                    geschrieben ist.",
        wrong_method: "Diese Seite lässt sich so nicht öffnen. Bitte gehen Sie zur Startseite.",
        too_large: "Es wurde mehr gesendet, als diese Seite annimmt. Bitte gehen Sie zurück und \
                    versuchen Sie es noch einmal.",
        too_many: "Im Moment gibt es zu viele Anfragen. Bitte warten Sie eine Minute und versuchen Sie \
                   es dann noch einmal.",
        unavailable: "Das liegt an uns, nicht an Ihnen. Bitte versuchen Sie es gleich noch einmal.",
        request_id: "Wenn Sie um Hilfe bitten, nennen Sie bitte diese Kennung:",
        details: "Einzelheiten:",
    },
    scopes: ScopeTexts {
        openid: Scope { title: "Sie wiedererkennen", description: Some("Ihr Konto kennen, wenn Sie wiederkommen.") },
        profile: Scope { title: "Ihr Profil sehen", description: Some("Name, Bild, Sprache und ähnliche Angaben.") },
        email: Scope { title: "Ihre E-Mail-Adresse sehen", description: None },
        address: Scope { title: "Ihre Postadresse sehen", description: Some("Straße, Ort und Land.") },
        phone: Scope { title: "Ihre Telefonnummer sehen", description: None },
        offline_access: Scope {
            title: "Angemeldet bleiben",
            description: Some("Weiterarbeiten, ohne Sie erneut zu fragen, bis Sie die Verbindung beenden."),
        },
        admin: [
            Scope {
                title: "Alles hier verwalten",
                description: Some(
                    "Alles sehen und ändern: alle Konten, Apps und Signaturschlüssel. Erlauben Sie das nur, wenn Sie es gerade selbst begonnen haben.",
                ),
            },
            Scope {
                title: "Alles hier einsehen",
                description: Some(
                    "Alle Konten, Apps, Geräte und das Protokoll, ohne etwas zu ändern. Erlauben Sie das nur, wenn Sie es gerade selbst begonnen haben.",
                ),
            },
            Scope {
                title: "Apps verwalten",
                description: Some("Sehen und ändern, welche Apps es gibt, was sie dürfen, und ihre Geheimnisse."),
            },
            Scope {
                title: "Konten verwalten",
                description: Some("Alle Konten, ihre Passwörter und ihre Rollen sehen und ändern."),
            },
            Scope {
                title: "Anmeldungen verwalten",
                description: Some("Sehen, wer auf welchen Geräten angemeldet ist, und Anmeldungen beenden."),
            },
            Scope {
                title: "Signaturschlüssel verwalten",
                description: Some("Die Schlüssel sehen und ersetzen, mit denen alle Token unterschrieben werden."),
            },
            Scope {
                title: "Vertrauen verwalten",
                description: Some("Ändern, wessen Token hier gelten und wer Apps registrieren darf."),
            },
            Scope {
                title: "Das Protokoll sehen",
                description: Some("Sehen, wer was getan hat, und ändern, wohin es gemeldet wird."),
            },
        ],
    },
    claims: ClaimTexts {
        sub: "Ihre Kontonummer sehen",
        name: "Ihren vollen Namen sehen",
        given_name: "Ihren Vornamen sehen",
        family_name: "Ihren Nachnamen sehen",
        middle_name: "Ihren zweiten Vornamen sehen",
        nickname: "Ihren Spitznamen sehen",
        preferred_username: "Ihren Benutzernamen sehen",
        profile: "Die Adresse Ihrer Profilseite sehen",
        picture: "Ihr Bild sehen",
        website: "Die Adresse Ihrer Website sehen",
        email: "Ihre E-Mail-Adresse sehen",
        email_verified: "Sehen, ob Ihre E-Mail-Adresse geprüft ist",
        gender: "Ihr Geschlecht sehen",
        birthdate: "Ihr Geburtsdatum sehen",
        zoneinfo: "Ihre Zeitzone sehen",
        locale: "Ihre Sprache und Region sehen",
        phone_number: "Ihre Telefonnummer sehen",
        phone_number_verified: "Sehen, ob Ihre Telefonnummer geprüft ist",
        address: "Ihre Postadresse sehen",
        updated_at: "Sehen, wann Ihr Profil zuletzt geändert wurde",
    },
};
