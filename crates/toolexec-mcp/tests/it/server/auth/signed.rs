//! Tokens that an issuer signs.

use std::time::Duration;

use ring::hmac;
use serde_json::{Value, json};
use toolexec_core::backend::local::Local;
use toolexec_mcp::server::auth::{Algorithm, Auth, AuthOptions, Issuer, KeySource, Resource};
use toolexec_mcp::server::http::HttpOptions;

use super::tokens::{ISSUER, Published, RESOURCE, Signer, claims, encode, now, unsigned};
use super::{Served, bearer, client, loopback};
use crate::server::builder;

fn signed(published: &Published, change: impl FnOnce(&mut Issuer, &mut AuthOptions)) -> Auth {
    let keys = KeySource::Url(published.url.clone());
    let mut issuer = Issuer::new("corp", ISSUER, vec![RESOURCE.to_owned()], keys);
    issuer.algorithms.push(Algorithm::EdDsa);
    let mut options = AuthOptions {
        resource: Some(Resource::new(RESOURCE).unwrap()),
        ..AuthOptions::default()
    };
    change(&mut issuer, &mut options);
    options.issuers.push(issuer);
    Auth::Required(options)
}

#[tokio::test]
async fn a_signed_token_names_its_caller() {
    let signers = [Signer::rsa("r"), Signer::ec("e"), Signer::ed("d")];
    let published = Published::new(&signers.each_ref()).await;
    let served = Served::new(signed(&published, |_, _| {})).await;
    for signer in &signers {
        let token = signer.token(&claims(json!({"scope": "read"})));
        let who = served.who(bearer(token)).await;
        assert_eq!(
            who,
            Ok(json!(["corp:ann", ["dev", "scope:read"]])),
            "{}",
            signer.kid
        );
    }
    assert_eq!(published.fetched(), 1, "keys are fetched once");
}

#[tokio::test]
async fn a_token_that_is_not_good_is_refused_and_says_why() {
    let (signer, other) = (Signer::rsa("r"), Signer::ec("r"));
    let published = Published::new(&[&signer]).await;
    let served = Served::new(signed(&published, |_, _| {})).await;
    let token = |changes: Value| signer.token(&claims(changes));
    let header = |fields: Value| signer.with_header(&fields, &claims(json!({})));
    let good = token(json!({}));
    let (signed_part, signature) = good.rsplit_once('.').unwrap();
    let payload = unsigned(
        &json!({"alg": "RS256", "kid": "r"}),
        &claims(json!({"sub": "root"})),
    );
    let none = unsigned(&json!({"alg": "none"}), &claims(json!({})));
    let cases = [
        (token(json!({"exp": now() - 31})), "the token has expired"),
        (token(json!({"exp": null})), "the token has expired"),
        (
            token(json!({"nbf": now() + 90})),
            "the token is not valid yet",
        ),
        (
            token(json!({"aud": "https://other.example.com"})),
            "the token is for another audience",
        ),
        (
            token(json!({"aud": null})),
            "the token is for another audience",
        ),
        (
            token(json!({"iss": "https://evil.example.com"})),
            "the token is by an issuer that is not trusted",
        ),
        (
            token(json!({"iss": null})),
            "the token is by an issuer that is not trusted",
        ),
        (
            token(json!({"sub": null})),
            "the token does not say who its subject is",
        ),
        (
            format!("{none}."),
            "the token is signed with an algorithm that is not accepted",
        ),
        (none.clone(), "the token is malformed"),
        (
            header(json!({"alg": "nOnE", "kid": "r"})),
            "the token is signed with an algorithm that is not accepted",
        ),
        (
            header(json!({"alg": "PS256", "kid": "r"})),
            "the token is signed with an algorithm that is not accepted",
        ),
        (
            header(json!({"alg": "RS256", "kid": "x"})),
            "the token is signed with a key that is not known",
        ),
        (
            header(json!({"alg": "ES256", "kid": "r"})),
            "the token is signed with a key that is not known",
        ),
        (
            header(json!({"alg": "RS256", "kid": "r", "crit": ["exp"]})),
            "the token is malformed",
        ),
        (
            header(json!({"alg": "RS256", "kid": "r", "typ": "logout+jwt"})),
            "the token is malformed",
        ),
        (
            other.with_header(&json!({"alg": "RS256", "kid": "r"}), &claims(json!({}))),
            "the signature of the token is wrong",
        ),
        (
            format!("{payload}.{signature}"),
            "the signature of the token is wrong",
        ),
        (
            format!("{signed_part}."),
            "the signature of the token is wrong",
        ),
        (
            format!("{signed_part}.{signature}="),
            "the token is malformed",
        ),
        ("a.b.c".to_owned(), "the token is malformed"),
        ("....".to_owned(), "the token is malformed"),
    ];
    for (token, wanted) in cases {
        assert_eq!(
            served.token(&token).await,
            (401, wanted.to_owned()),
            "{token}"
        );
    }
    assert_eq!(
        served.who(bearer(good)).await,
        Ok(json!(["corp:ann", ["dev"]]))
    );
}

#[tokio::test]
async fn a_public_key_is_no_secret_of_an_hmac() {
    let signer = Signer::rsa("r");
    let published = Published::new(&[&signer]).await;
    // An issuer that publishes a symmetric key too: it is left out.
    let oct = json!({"kty": "oct", "kid": "o", "alg": "HS256", "k": "c2VjcmV0LXNlY3JldC1zZWNyZXQ"});
    published.publish([signer.jwk(), oct]);
    let served = Served::new(signed(&published, |_, _| {})).await;
    for (kid, secret) in [
        ("r", signer.public_bytes()),
        ("o", b"secret-secret-secret".to_vec()),
    ] {
        let key = hmac::Key::new(hmac::HMAC_SHA256, &secret);
        for algorithm in ["HS256", "RS256"] {
            let text = unsigned(&json!({"alg": algorithm, "kid": kid}), &claims(json!({})));
            let tag = hmac::sign(&key, text.as_bytes());
            let token = format!("{text}.{}", encode(tag.as_ref()));
            let (status, why) = served.token(&token).await;
            let wanted = match (algorithm, kid) {
                ("HS256", _) => "the token is signed with an algorithm that is not accepted",
                (_, "r") => "the signature of the token is wrong",
                _ => "the token is signed with a key that is not known",
            };
            assert_eq!((status, why.as_str()), (401, wanted), "{algorithm} {kid}");
        }
    }
}

#[tokio::test]
async fn a_token_needs_the_scopes() {
    let signer = Signer::ed("d");
    let published = Published::new(&[&signer]).await;
    let auth = signed(&published, |_, options| {
        options.scopes = vec!["tools".to_owned(), "run".to_owned()];
    });
    let served = Served::new(auth).await;
    let header = format!(
        "Bearer {}",
        signer.token(&claims(json!({"scope": "tools"})))
    );
    let (status, challenge, _) = served.refused("", &[("authorization", &header)]).await;
    assert_eq!(status, 403);
    assert_eq!(
        challenge,
        "Bearer error=\"insufficient_scope\", error_description=\"the token lacks a scope\", \
         scope=\"tools run\", \
         resource_metadata=\"https://tools.example.com/.well-known/oauth-protected-resource/mcp\""
    );
    let token = signer.token(&claims(json!({"scp": ["run", "tools"]})));
    let who = served.who(bearer(token)).await;
    assert_eq!(
        who,
        Ok(json!(["corp:ann", ["dev", "scope:run", "scope:tools"]]))
    );
}

#[tokio::test]
async fn new_keys_of_the_issuer_are_fetched_but_not_for_every_stranger() {
    let (old, new) = (Signer::ec("old"), Signer::ec("new"));
    let published = Published::new(&[&old]).await;
    let eager = signed(&published, |issuer, _| {
        issuer.keys_min_interval = Duration::ZERO;
    });
    let served = Served::new(eager).await;
    let ok = Ok(json!(["corp:ann", ["dev"]]));
    let token = |signer: &Signer| bearer(signer.token(&claims(json!({}))));
    assert_eq!(served.who(token(&old)).await, ok);
    published.publish([new.jwk()]);
    assert_eq!(served.who(token(&new)).await, ok);
    let unknown = (
        401,
        "the token is signed with a key that is not known".to_owned(),
    );
    assert_eq!(served.token(&old.token(&claims(json!({})))).await, unknown);
    // The issuer is away: what is known still counts.
    published.fail();
    assert_eq!(served.who(token(&new)).await, ok);

    published.publish([old.jwk()]);
    let before = published.fetched();
    let careful = signed(&published, |issuer, _| {
        issuer.keys_min_interval = Duration::from_hours(1);
    });
    let served = Served::new(careful).await;
    for _ in 0..5 {
        assert_eq!(served.token(&new.token(&claims(json!({})))).await, unknown);
    }
    assert_eq!(published.fetched() - before, 1);
    assert_eq!(served.who(token(&old)).await, ok);
}

#[tokio::test]
async fn without_the_keys_of_the_issuer_nobody_is_let_in() {
    let signer = Signer::ec("e");
    let published = Published::new(&[&signer]).await;
    published.fail();
    let served = Served::new(signed(&published, |issuer, _| {
        issuer.keys_min_interval = Duration::ZERO;
    }))
    .await;
    let text = "the keys of the issuer cannot be fetched; try again later".to_owned();
    let token = signer.token(&claims(json!({})));
    assert_eq!(served.token(&token).await, (503, text));
    published.publish([signer.jwk()]);
    assert_eq!(
        served.who(bearer(token)).await,
        Ok(json!(["corp:ann", ["dev"]]))
    );
}

#[tokio::test]
async fn clients_find_the_issuer() {
    let published = Published::new(&[]).await;
    let served = Served::new(signed(&published, |_, options| {
        options.scopes = vec!["tools".to_owned()];
    }))
    .await;
    let base = served.url.trim_end_matches("/mcp");
    for path in ["", "/mcp"] {
        let url = format!("{base}/.well-known/oauth-protected-resource{path}");
        let response = client().get(url).send().await.unwrap();
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["access-control-allow-origin"], "*");
        let document: Value = serde_json::from_slice(&response.bytes().await.unwrap()).unwrap();
        assert_eq!(
            document,
            json!({
                "resource": "https://tools.example.com/mcp",
                "authorization_servers": ["https://id.example.com"],
                "bearer_methods_supported": ["header"],
                "scopes_supported": ["tools"],
            })
        );
    }
}

/// Breaks options that are good.
type Spoil<'a> = &'a dyn Fn(&mut Issuer, &mut AuthOptions);

#[tokio::test]
async fn issuers_that_check_nothing_are_refused() {
    let published = Published::new(&[]).await;
    let server = builder(&Local::new("none")).build();
    let message = async |change: &dyn Fn(&mut Issuer, &mut AuthOptions)| {
        let mut options = HttpOptions::new(loopback());
        options.auth = signed(&published, |issuer, auth| change(issuer, auth));
        server
            .http(options)
            .await
            .map(|_| ())
            .unwrap_err()
            .to_string()
    };
    let cases: [(Spoil<'_>, &str); 7] = [
        (
            &|issuer, _| issuer.audiences.clear(),
            "the issuer \"corp\" has no audience",
        ),
        (
            &|issuer, _| issuer.audiences = vec![String::new()],
            "the issuer \"corp\" has no audience",
        ),
        (
            &|issuer, _| issuer.issuer.clear(),
            "the issuer \"corp\" has no `issuer`",
        ),
        (
            &|issuer, _| issuer.algorithms.clear(),
            "the issuer \"corp\" has no algorithm",
        ),
        (
            &|issuer, _| issuer.name = "anonymous".into(),
            "\"anonymous\" stands for callers who are not known",
        ),
        (
            &|issuer, _| issuer.keys = KeySource::Url("http://id.example.com/keys".into()),
            "the keys of the issuer are not at an https address: \"http://id.example.com/keys\"",
        ),
        (
            &|_, options| options.resource = None,
            "tokens need the address by which clients know this server",
        ),
    ];
    for (change, wanted) in cases {
        assert_eq!(message(change).await, wanted);
    }
    for name in ["HS256", "none", "rs256", ""] {
        assert!(name.parse::<Algorithm>().is_err(), "{name}");
    }
}
