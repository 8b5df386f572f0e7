//! Where credentials go, and where they do not.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::{Value, json};
use toolexec_core::ErrorKind;
use toolexec_providers::openapi::{Credential, Redirects};
use toolexec_providers::{ApiConfig, OpenApi};

use crate::server::{Answer, Request, Server, answer, json as json_answer};
use crate::support::{call, failure, value};

fn document() -> Value {
    json!({
        "openapi": "3.0.0",
        "components": {"securitySchemes": {
            "app": {"type": "oauth2", "flows": {"clientCredentials": {"tokenUrl": "/token", "scopes": {}}}},
        }},
        "paths": {"/data": {"get": {"operationId": "data", "security": [{"app": ["read", "list"]}]}}},
    })
}

fn config(base: &str, credential: Credential) -> ApiConfig {
    ApiConfig {
        base_url: Some(base.to_owned()),
        allow_private: true,
        auth: [("app".to_owned(), credential)].into(),
        headers: [("X-Tenant".to_owned(), "acme".into())].into(),
        ..ApiConfig::default()
    }
}

fn client(in_body: bool) -> Credential {
    Credential::ClientCredentials {
        client_id: "id:1".into(),
        client_secret: "s3cret&".into(),
        token_url: None,
        scopes: Vec::new(),
        in_body,
    }
}

/// Gives tokens `t1`, `t2`, ... that live for `lifetime` seconds; `accepted` says which the API
/// takes.
async fn token_server(
    lifetime: u64,
    accepted: impl Fn(&str) -> bool + Send + Sync + 'static,
) -> Server {
    let count = AtomicUsize::new(0);
    Server::start(move |request: &Request| {
        if request.path() == "/token" {
            let n = count.fetch_add(1, Ordering::SeqCst) + 1;
            return json_answer(&json!({"access_token": format!("t{n}"), "expires_in": lifetime}));
        }
        let sent = request
            .header("authorization")
            .unwrap_or_default()
            .to_owned();
        if accepted(sent.trim_start_matches("Bearer ")) {
            json_answer(&json!({"sent": sent}))
        } else {
            answer("401 Unauthorized", &[], "")
        }
    })
    .await
}

fn paths(server: &Server) -> Vec<String> {
    let requests = server.requests();
    requests
        .iter()
        .map(|request| request.path().to_owned())
        .collect()
}

#[tokio::test]
async fn a_token_is_fetched_once_for_many_calls() {
    let server = token_server(3600, |_| true).await;
    let api = OpenApi::load("x", &config(&server.url(), client(false)), document()).unwrap();
    let calls = (0..8).map(|_| {
        let api: Arc<OpenApi> = api.clone();
        tokio::spawn(async move { value(call(&api, "data", json!({})).await) })
    });
    for call in calls.collect::<Vec<_>>() {
        assert_eq!(call.await.unwrap(), json!({"sent": "Bearer t1"}));
    }
    let requests = server.requests();
    let tokens: Vec<_> = requests
        .iter()
        .filter(|request| request.path() == "/token")
        .collect();
    assert_eq!(tokens.len(), 1);
    assert_eq!(
        tokens[0].body,
        "grant_type=client_credentials&scope=read%20list"
    );
    // `id%3A1:s3cret%26`
    assert_eq!(
        tokens[0].header("authorization"),
        Some("Basic aWQlM0ExOnMzY3JldCUyNg==")
    );
}

#[tokio::test]
async fn an_expired_token_is_renewed_and_a_refused_one_once() {
    let server = token_server(30, |_| true).await;
    let api = OpenApi::load("x", &config(&server.url(), client(true)), document()).unwrap();
    assert_eq!(
        value(call(&api, "data", json!({})).await),
        json!({"sent": "Bearer t1"})
    );
    assert_eq!(
        server.requests()[0].body,
        "grant_type=client_credentials&scope=read%20list&client_id=id%3A1&client_secret=s3cret%26"
    );
    // It is taken to expire half a minute before it does, and is kept for a second at least.
    tokio::time::sleep(std::time::Duration::from_millis(1100)).await;
    assert_eq!(
        value(call(&api, "data", json!({})).await),
        json!({"sent": "Bearer t2"})
    );

    let server = token_server(3600, |token| token != "t1").await;
    let api = OpenApi::load("x", &config(&server.url(), client(false)), document()).unwrap();
    // A fresh token that is refused is not fetched again.
    assert_eq!(
        failure(call(&api, "data", json!({})).await).message,
        "401 Unauthorized"
    );
    assert_eq!(
        value(call(&api, "data", json!({})).await),
        json!({"sent": "Bearer t2"})
    );
    assert_eq!(
        paths(&server),
        ["/token", "/data", "/data", "/token", "/data"]
    );
}

#[tokio::test]
async fn a_token_server_that_refuses_says_why() {
    let server = Server::start(|_| {
        answer(
            "401 Unauthorized",
            &[("Content-Type", "application/json")],
            "{\"error\": \"invalid_client\", \"error_description\": \"unknown client\"}",
        )
    })
    .await;
    let api = OpenApi::load("x", &config(&server.url(), client(false)), document()).unwrap();
    let error = call(&api, "data", json!({})).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config);
    assert_eq!(
        error.to_string(),
        "the token server of API x answered 401 without a token: unknown client"
    );
    assert_eq!(paths(&server), ["/token"]);
}

#[tokio::test]
async fn nothing_private_follows_a_redirect_to_another_origin() {
    let other = Server::start(|_| json_answer(&json!({"reached": true}))).await;
    let target = other.url() + "/landing";
    for (status, method) in [("302 Found", "GET"), ("307 Temporary Redirect", "POST")] {
        let location = target.clone();
        let server = Server::start(move |_| answer(status, &[("Location", &location)], "")).await;
        let mut document = document();
        document["paths"]["/data"] = json!({"post": {
            "operationId": "send",
            "parameters": [
                {"name": "X-Mine", "in": "header", "schema": {"type": "string"}},
                {"name": "sid", "in": "cookie", "schema": {"type": "string"}},
            ],
            "requestBody": {"content": {"application/json": {"schema": {}}}},
        }});
        let mut config = config(
            &server.url(),
            Credential::Bearer {
                token: "secret".into(),
            },
        );
        config.auth = [(
            "*".to_owned(),
            Credential::Bearer {
                token: "secret".into(),
            },
        )]
        .into();
        config.redirects = Redirects::All;
        let api = OpenApi::load("x", &config, document).unwrap();
        let args = json!({"X-Mine": "m", "sid": "s", "body": {"a": 1}});
        assert_eq!(
            value(call(&api, "send", args).await),
            json!({"reached": true})
        );
        let first = server.requests().remove(0);
        for (name, expected) in [
            ("authorization", "Bearer secret"),
            ("x-tenant", "acme"),
            ("x-mine", "m"),
            ("cookie", "sid=s"),
        ] {
            assert_eq!(first.header(name), Some(expected));
        }
        let last = other.requests().pop().unwrap();
        assert_eq!(last.line, format!("{method} /landing HTTP/1.1"));
        let kept: Vec<&str> = last.headers.iter().map(|(name, _)| name.as_str()).collect();
        let expected: &[&str] = if method == "GET" {
            &["accept", "user-agent", "accept-encoding", "host"]
        } else {
            &[
                "accept",
                "content-type",
                "user-agent",
                "accept-encoding",
                "host",
                "content-length",
            ]
        };
        assert_eq!(kept, expected);
    }
}

#[tokio::test]
async fn an_operation_at_another_server_gets_no_credentials_unless_trusted() {
    let main = Server::start(|_| json_answer(&json!("main"))).await;
    let other = Server::start(|_| json_answer(&json!("other"))).await;
    let document = json!({
        "openapi": "3.0.0",
        "servers": [{"url": main.url()}],
        "paths": {
            "/here": {"get": {"operationId": "here"}},
            "/there": {"get": {"operationId": "there", "servers": [{"url": other.url()}]}},
        },
    });
    let mut config = ApiConfig {
        allow_private: true,
        auth: [(
            "*".to_owned(),
            Credential::Bearer {
                token: "secret".into(),
            },
        )]
        .into(),
        ..ApiConfig::default()
    };
    let sent = |server: &Server| {
        let last = server.requests().pop().unwrap();
        last.header("authorization").map(str::to_owned)
    };
    let api = OpenApi::load("x", &config, document.clone()).unwrap();
    assert_eq!(value(call(&api, "here", json!({})).await), "main");
    assert_eq!(value(call(&api, "there", json!({})).await), "other");
    assert_eq!(
        (sent(&main).as_deref(), sent(&other)),
        (Some("Bearer secret"), None)
    );
    config.trusted_origins = vec![other.url()];
    let api = OpenApi::load("x", &config, document).unwrap();
    assert_eq!(value(call(&api, "there", json!({})).await), "other");
    assert_eq!(sent(&other).as_deref(), Some("Bearer secret"));
}

#[tokio::test]
async fn a_token_request_is_never_redirected() {
    let thief = Server::start(|_| json_answer(&json!({"access_token": "x"}))).await;
    let location = thief.url();
    let server = Server::start(move |_| -> Answer {
        answer("307 Temporary Redirect", &[("Location", &location)], "")
    })
    .await;
    let mut config = config(&server.url(), client(true));
    config.redirects = Redirects::All;
    let api = OpenApi::load("x", &config, document()).unwrap();
    let error = call(&api, "data", json!({})).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "the token server of API x answered 307 without a token"
    );
    assert_eq!(thief.requests().len(), 0);
}
