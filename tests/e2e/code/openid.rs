//! The whole of OpenID Connect Core 3.1 as another implementation understands it.

use openidconnect::core::{CoreAuthPrompt, CoreAuthenticationFlow, CoreClient, CoreProviderMetadata, CoreUserInfoClaims};
use openidconnect::{
    AccessTokenHash, AuthorizationCode, ClientId, ClientSecret, CsrfToken, IssuerUrl, Nonce, OAuth2TokenResponse as _,
    PkceCodeChallenge, RedirectUrl, Scope, TokenResponse as _,
};

use crate::harness::Fixture;
use crate::support::Person;
use crate::web::{App, consent, follow};

#[tokio::test]
async fn the_openidconnect_crate_signs_in_verifies_asks_and_refreshes() {
    let fixture = Fixture::shared();
    let app = App::demo(&fixture.a);
    let http = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).tls_built_in_root_certs(false);
    let http = http.build().unwrap();
    let issuer = IssuerUrl::new(fixture.a.clone()).unwrap();
    let metadata = CoreProviderMetadata::discover_async(issuer, &http).await.unwrap();
    let secret = ClientSecret::new("demo-web-secret-0123456789abcdef".to_owned());
    let client = CoreClient::from_provider_metadata(metadata, ClientId::new("demo-web".to_owned()), Some(secret))
        .set_redirect_uri(RedirectUrl::new(app.redirect_uri.clone()).unwrap());

    let (challenge, verifier) = PkceCodeChallenge::new_random_sha256();
    let flow = CoreAuthenticationFlow::AuthorizationCode;
    let (url, state, nonce) = client
        .authorize_url(flow, CsrfToken::new_random, Nonce::new_random)
        .add_scopes(["profile", "email", "offline_access"].map(|scope| Scope::new(scope.to_owned())))
        .add_prompt(CoreAuthPrompt::Consent)
        .set_pkce_challenge(challenge)
        .url();
    let person = Person::ada(&fixture.a).await;
    let path = url.as_str().strip_prefix(&fixture.a).unwrap();
    let page = follow(&person, person.get(path).await).await;
    let back = app.returned(&consent(&person, &page).await);
    assert_eq!((&back["state"], &back["iss"]), (state.secret(), &fixture.a));

    let code = AuthorizationCode::new(back["code"].clone());
    let tokens = client.exchange_code(code).unwrap().set_pkce_verifier(verifier).request_async(&http).await.unwrap();
    let (id_token, verifier) = (tokens.id_token().unwrap(), client.id_token_verifier());
    let claims = id_token.claims(&verifier, &nonce).unwrap();
    let (alg, key) = (id_token.signing_alg().unwrap(), id_token.signing_key(&verifier).unwrap());
    let hash = AccessTokenHash::from_token(tokens.access_token(), alg, key).unwrap();
    assert_eq!(claims.access_token_hash(), Some(&hash));
    assert!(claims.auth_time().is_some() && claims.auth_context_ref().is_some());
    assert!(id_token.claims(&verifier, &Nonce::new_random()).is_err());

    let subject = claims.subject().clone();
    let info: CoreUserInfoClaims =
        client.user_info(tokens.access_token().clone(), Some(subject.clone())).unwrap().request_async(&http).await.unwrap();
    assert_eq!(info.name().unwrap().get(None).unwrap().as_str(), "Ada Lovelace");
    assert_eq!((info.email().unwrap().as_str(), info.email_verified()), ("ada@ada.example", Some(true)));
    assert!(info.phone_number().is_none() && info.address().is_none());

    let refresh_token = tokens.refresh_token().unwrap();
    let next = client.exchange_refresh_token(refresh_token).unwrap().request_async(&http).await.unwrap();
    assert_ne!(next.refresh_token().unwrap().secret(), refresh_token.secret());
    // Core 12.2: the new ID token is about the same user and sign-in, and has no nonce to compare.
    let no_nonce = |nonce: Option<&Nonce>| nonce.map_or(Ok(()), |nonce| Err(format!("{nonce:?}")));
    let renewed = next.id_token().unwrap().claims(&verifier, no_nonce).unwrap();
    assert_eq!((renewed.subject(), renewed.auth_time()), (&subject, claims.auth_time()));
    let info: CoreUserInfoClaims =
        client.user_info(next.access_token().clone(), Some(subject)).unwrap().request_async(&http).await.unwrap();
    assert!(info.email().is_some());
}
