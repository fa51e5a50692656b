//! The French words. A no-break space (`\u{a0}`) stands before tall punctuation and within quotation
//! marks. Nothing that agrees with the reader's gender is said.

use super::{
    AccountsTexts, AllowedTexts, ApprovalTexts, ClaimTexts, ClientTexts, CodeTexts, ConsentTexts, DeniedTexts, ErrorTexts,
    FormPostTexts, HomeTexts, LoginTexts, LogoutTexts, PermissionTexts, Scope, ScopeTexts, SignedOutTexts, Texts, UndoneTexts,
};

/// French.
pub const FR: Texts = Texts {
    lang: "fr",
    mistake: "Erreur\u{a0}:",
    footer: "Service de connexion fourni par",
    expired: "Cette page est restée ouverte trop longtemps. Veuillez réessayer.",
    throttled: |minutes| match minutes {
        0 | 1 => format!("Trop de tentatives. Veuillez attendre {minutes} minute, puis réessayer."),
        _ => format!("Trop de tentatives. Veuillez attendre {minutes} minutes, puis réessayer."),
    },
    signed_in_as: "Vous utilisez le compte",
    not_you: "Ce n’est pas vous\u{a0}?",
    sign_out: "Se déconnecter",
    other_account: "Utiliser un autre compte",
    cancel: "Annuler",
    to_start: "Aller à la page d’accueil",
    new_tab: "s’ouvre dans un nouvel onglet",
    home: HomeTexts {
        signed_in: "Votre connexion est active",
        welcome: "Bienvenue",
        lede: "Connectez-vous pour associer un appareil.",
        connect: "Associer un appareil",
        account: "Votre compte",
        sign_in: "Se connecter",
        devices: "Vos appareils",
        allowed_on: "Accès autorisé le",
        used_on: "dernière utilisation le",
        end: "Déconnecter cet appareil",
        apps: "Vos applications",
        end_app: "Retirer l’accès",
    },
    client: ClientTexts {
        continue_to: "pour continuer vers",
        publisher: "par",
        policy: "Politique de confidentialité",
        tos: "Conditions d’utilisation",
    },
    login: LoginTexts {
        heading: "Se connecter",
        for_account: "Utilisez le compte qui vous a été remis.",
        for_device: "Connectez-vous pour associer un appareil.",
        again: "Veuillez vous reconnecter pour continuer.",
        name: "Nom d’utilisateur",
        password: "Mot de passe",
        submit: "Se connecter",
        wrong: "Le nom ou le mot de passe n’est pas correct.",
    },
    reset: &super::mail::RESET_FR,
    letters: &super::mail::LETTERS_FR,
    account: &super::account::FR,
    accounts: AccountsTexts { heading: "Choisir un compte" },
    code: CodeTexts {
        heading: "Associer un appareil",
        lede: "Votre appareil affiche un code. Saisissez-le ici.",
        label: "Code",
        hint: "8 lettres, par exemple BCDF-GHJK. Les minuscules et les espaces conviennent.",
        caution: "Ne saisissez que le code d’un appareil que vous connectez vous-même. Aucun service \
                  d’assistance ne vous enverra jamais de code.",
        lede_prefilled: "Nous avons saisi le code pour vous.",
        caution_prefilled: "Comparez ce code avec celui de votre appareil. Ne continuez que s’ils sont \
                            identiques et si cette demande vient de vous.",
        submit: "Continuer",
        not_found: "Ce code ne fonctionne pas. Comparez-le avec celui de votre appareil, ou recommencez \
                    sur l’appareil pour en obtenir un nouveau.",
    },
    permission: PermissionTexts {
        asks: "Ce qui est demandé",
        always: "toujours",
        nothing_chosen: "Il ne reste rien à autoriser. Choisissez au moins un élément, ou choisissez \
                         «\u{a0}Refuser\u{a0}».",
        allow: "Autoriser",
        deny: "Refuser",
    },
    approval: ApprovalTexts {
        heading: "Associer cet appareil\u{a0}?",
        lede: "Cet appareil demande à utiliser votre compte\u{a0}:",
        compare: "Votre appareil doit afficher ce code",
        device: "L’appareil",
        you: "Vous",
        place: "Lieu",
        unknown_place: "Inconnu",
        started: "Demande",
        ago: |minutes| match minutes {
            0 => "À l’instant".to_owned(),
            1 => "Il y a 1 minute".to_owned(),
            _ => format!("Il y a {minutes} minutes"),
        },
        account: "Compte",
        estimated: "Les lieux sont estimés d’après la connexion à Internet.",
        differ: "L’appareil et vous semblez être à des endroits différents. Si l’appareil n’est pas \
                 devant vous, choisissez «\u{a0}Refuser\u{a0}».",
        caution: "Aucun service d’assistance ne vous demandera jamais de faire cela, ni de saisir un \
                  code qu’il vous envoie. Si quelqu’un vous l’a demandé, choisissez \
                  «\u{a0}Refuser\u{a0}».",
        confirm: "C’est mon appareil et j’ai lancé cette connexion moi-même.",
        unconfirmed: "Avant d’autoriser, cochez la case pour confirmer que cet appareil est le vôtre. \
                      S’il ne l’est pas, choisissez «\u{a0}Refuser\u{a0}».",
    },
    consent: ConsentTexts {
        heading: "Autoriser l’accès\u{a0}?",
        lede: "Cette application demande à utiliser votre compte\u{a0}:",
        destination: "Vous continuerez ensuite vers",
        caution: "N’autorisez que si vous connaissez l’application et si cette demande vient de vous.",
    },
    form_post: FormPostTexts {
        heading: "Un instant, s’il vous plaît",
        on_the_way: "Vous continuez vers",
        without_script: "Si rien ne se passe, choisissez «\u{a0}Continuer\u{a0}».",
        submit: "Continuer",
    },
    allowed: AllowedTexts {
        heading: "Vous pouvez revenir à votre appareil",
        connected: "Vous avez autorisé",
        next: "L’appareil sera connecté dans quelques secondes. Il n’y a plus rien à faire ici, et vous \
               pouvez fermer cette page.",
        later: "Pour y mettre fin plus tard, déconnectez-vous sur l’appareil lui-même, ou retrouvez-le \
                sous «\u{a0}Vos appareils\u{a0}» sur la page d’accueil.",
        undo_lede: "Ce n’est pas ce que vous vouliez\u{a0}?",
        undo: "Annuler l’autorisation",
    },
    denied: DeniedTexts {
        heading: "L’appareil n’a pas été associé",
        next: "Nous signalons votre refus à l’appareil. Il n’obtient rien de votre compte.",
        stranger: "Si cette demande ne vient pas de vous, quelqu’un a peut-être essayé d’entrer dans \
                   votre compte. Il n’y est pas parvenu. Veuillez prévenir les personnes qui s’occupent \
                   de votre compte.",
        again: "Si c’était bien votre appareil, recommencez sur l’appareil pour obtenir un nouveau code.",
    },
    undone: UndoneTexts {
        heading: "L’appareil n’est plus associé",
        next: "Nous avons retiré votre autorisation. Si l’appareil était déjà connecté, il sera bientôt \
               déconnecté, dans une heure au plus.",
        stranger: "Si quelqu’un vous a demandé de le faire, veuillez prévenir les personnes qui \
                   s’occupent de votre compte.",
    },
    logout: LogoutTexts {
        heading: "Se déconnecter\u{a0}?",
        asked: "vous demande de vous déconnecter.",
        here: "Tous les comptes de ce navigateur seront déconnectés. Vos appareils restent associés.",
        confirm: "Se déconnecter",
        stay: "Ne pas se déconnecter",
        everywhere_heading: "Un appareil perdu, ou un doute\u{a0}?",
        everywhere: "Vous pouvez vous déconnecter partout\u{a0}: dans tous les navigateurs et sur tous \
                     les appareils que vous avez associés. Il faudra ensuite vous reconnecter sur \
                     chacun.",
        everywhere_submit: "Se déconnecter partout",
    },
    signed_out: SignedOutTexts {
        heading: "Déconnexion effectuée",
        here: "Vous pouvez maintenant fermer cette page.",
        everywhere: "Tous vos navigateurs et appareils sont aussi déconnectés. Il peut s’écouler une \
                     heure avant qu’un appareil s’en aperçoive.",
        again: "Se reconnecter",
    },
    error: ErrorTexts {
        heading: "Un problème est survenu",
        bad_request: "Cette page n’a pas pu comprendre la demande. Veuillez revenir en arrière et \
                      réessayer.",
        not_found: "Il n’y a pas de page à cette adresse. Veuillez vérifier qu’elle est bien écrite.",
        wrong_method: "Cette page ne peut pas être ouverte ainsi. Veuillez aller à la page d’accueil.",
        too_large: "La demande est plus longue que ce que cette page accepte. Veuillez revenir en \
                    arrière et réessayer.",
        too_many: "Il y a trop de demandes en ce moment. Veuillez attendre une minute, puis réessayer.",
        unavailable: "Le problème vient de nous, pas de vous. Veuillez réessayer dans un instant.",
        request_id: "Si vous demandez de l’aide, veuillez indiquer cette référence\u{a0}:",
        details: "Détails\u{a0}:",
    },
    scopes: ScopeTexts {
        openid: Scope { title: "Vous reconnaître", description: Some("Retrouver votre compte lorsque vous revenez.") },
        profile: Scope { title: "Voir votre profil", description: Some("Nom, photo, langue et informations similaires.") },
        email: Scope { title: "Voir votre adresse e-mail", description: None },
        address: Scope { title: "Voir votre adresse postale", description: Some("Rue, ville et pays.") },
        phone: Scope { title: "Voir votre numéro de téléphone", description: None },
        offline_access: Scope {
            title: "Maintenir la connexion",
            description: Some("Continuer sans vous redemander, jusqu’à ce que vous y mettiez fin."),
        },
        admin: [
            Scope {
                title: "Tout administrer ici",
                description: Some(
                    "Tout voir et tout modifier\u{a0}: les comptes, les applications et les clés de signature. N’autorisez cela que si vous venez de le lancer vous-même.",
                ),
            },
            Scope {
                title: "Tout voir ici",
                description: Some(
                    "Les comptes, les applications, les appareils et le journal, sans rien modifier. N’autorisez cela que si vous venez de le lancer vous-même.",
                ),
            },
            Scope {
                title: "Administrer les applications",
                description: Some("Voir et modifier les applications, leurs droits et leurs secrets."),
            },
            Scope {
                title: "Administrer les comptes",
                description: Some("Voir et modifier les comptes, leurs mots de passe et leurs rôles."),
            },
            Scope {
                title: "Administrer les connexions",
                description: Some("Voir qui est connecté et sur quels appareils, et mettre fin aux connexions."),
            },
            Scope {
                title: "Administrer les clés de signature",
                description: Some("Voir et remplacer les clés qui signent tous les jetons."),
            },
            Scope {
                title: "Administrer la confiance",
                description: Some("Modifier quels jetons sont acceptés ici et qui peut enregistrer des applications."),
            },
            Scope { title: "Voir le journal", description: Some("Voir qui a fait quoi, et modifier où c’est signalé.") },
        ],
    },
    claims: ClaimTexts {
        sub: "Voir votre numéro de compte",
        name: "Voir votre nom complet",
        given_name: "Voir votre prénom",
        family_name: "Voir votre nom de famille",
        middle_name: "Voir votre deuxième prénom",
        nickname: "Voir votre surnom",
        preferred_username: "Voir votre nom d’utilisateur",
        profile: "Voir l’adresse de votre page de profil",
        picture: "Voir votre photo",
        website: "Voir l’adresse de votre site web",
        email: "Voir votre adresse e-mail",
        email_verified: "Voir si votre adresse e-mail a été vérifiée",
        gender: "Voir votre genre",
        birthdate: "Voir votre date de naissance",
        zoneinfo: "Voir votre fuseau horaire",
        locale: "Voir votre langue et votre région",
        phone_number: "Voir votre numéro de téléphone",
        phone_number_verified: "Voir si votre numéro de téléphone a été vérifié",
        address: "Voir votre adresse postale",
        updated_at: "Voir quand votre profil a été modifié pour la dernière fois",
    },
};
