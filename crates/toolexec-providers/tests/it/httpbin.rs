//! httpbin, which says what it was sent; its own document is Swagger 2.0.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use toolexec_core::{Content, ErrorKind, RawOutput};
use toolexec_providers::openapi::{Credential, Redirects};
use toolexec_providers::{ApiConfig, OpenApi};
use toolexec_testkit::peers::{self, Served};
use toolexec_testkit::require::require;

use crate::support::{call, failure, list, value};

fn config(server: &Served) -> ApiConfig {
    ApiConfig {
        base_url: Some(server.url()),
        allow_private: true,
        ..ApiConfig::default()
    }
}

/// httpbin by its own document, fetched from itself as a tool would.
async fn own(server: &Served, config: &ApiConfig) -> Arc<OpenApi> {
    let bootstrap =
        json!({"openapi": "3.1.0", "paths": {"/spec.json": {"get": {"operationId": "spec"}}}});
    let bootstrap = OpenApi::load("bootstrap", &self::config(server), bootstrap).unwrap();
    let document = value(call(&bootstrap, "spec", json!({})).await);
    OpenApi::load("httpbin", config, document).unwrap()
}

/// `/anything`, described with every kind of parameter and body.
fn echo(server: &Served) -> Arc<OpenApi> {
    let list = json!({"type": "array", "items": {"type": "string"}});
    let body = |media: &str, schema: Value| {
        json!({
            "operationId": media.replace('/', "-"),
            "requestBody": {"required": true, "content": {media: {"schema": schema}}},
        })
    };
    let document = json!({
        "openapi": "3.0.3",
        "paths": {
            "/anything/{id}/{point}": {"get": {
                "operationId": "echo",
                "parameters": [
                    {"name": "id", "in": "path", "required": true, "schema": {"type": "string"}},
                    {"name": "point", "in": "path", "required": true, "style": "matrix", "explode": true,
                        "schema": {"type": "object"}},
                    {"name": "tags", "in": "query", "schema": list},
                    {"name": "csv", "in": "query", "explode": false, "schema": list},
                    {"name": "pipes", "in": "query", "style": "pipeDelimited", "explode": false, "schema": list},
                    {"name": "filter", "in": "query", "style": "deepObject", "schema": {"type": "object"}},
                    {"name": "raw", "in": "query", "allowReserved": true, "schema": {"type": "string"}},
                    {"name": "where", "in": "query", "content": {"application/json": {"schema": {}}}},
                    {"name": "id", "in": "query", "schema": {"type": "integer"}},
                    {"name": "page[size]", "in": "query", "schema": {"type": "integer"}},
                    {"name": "X-List", "in": "header", "schema": list},
                    {"name": "session", "in": "cookie", "schema": {"type": "string"}},
                    {"name": "Accept", "in": "header", "schema": {"type": "string"}},
                ],
            }},
            "/anything": {"post": body("application/json", json!({"type": "object"}))},
            "/anything/form": {"post": body("application/x-www-form-urlencoded", json!({"type": "object"}))},
            "/anything/multipart": {"post": body("multipart/form-data", json!({
                "type": "object",
                "required": ["photo"],
                "properties": {
                    "photo": {"type": "string", "format": "binary"},
                    "title": {"type": "string"},
                    "size": {"type": "object"},
                },
            }))},
            "/anything/text": {"post": body("text/plain", json!({"type": "string"}))},
            "/anything/bytes": {"post": body("application/octet-stream", json!({}))},
            "/anything/head": {"head": {"operationId": "head"}},
        },
    });
    OpenApi::load("echo", &config(server), document).unwrap()
}

#[tokio::test]
async fn its_own_document_gives_every_operation() {
    let Some(server) = require(peers::httpbin()) else {
        return;
    };
    let api = own(&server, &config(&server)).await;
    let listing = list(&api).await;
    let left_out = listing
        .notices
        .iter()
        .filter(|notice| notice.starts_with("left out"));
    assert_eq!((listing.tools.len(), left_out.count()), (78, 0));
    let n = json!({"type": "integer"});
    let links = listing
        .tools
        .iter()
        .find(|found| found.tool.id.name() == "get_links_n_offset");
    assert_eq!(
        *links.unwrap().tool.input_schema,
        json!({
            "type": "object",
            "properties": {"n": n, "offset": n},
            "required": ["n", "offset"],
            "additionalProperties": false,
        })
    );
}

#[tokio::test]
async fn answers_of_every_type_are_values() {
    let Some(server) = require(peers::httpbin()) else {
        return;
    };
    let api = own(&server, &config(&server)).await;
    for name in ["get_gzip", "get_deflate", "get_brotli"] {
        let answer = value(call(&api, name, json!({})).await);
        assert_eq!(answer["method"], "GET", "{name}: {answer}");
    }
    let decoded = call(&api, "get_base64_value", json!({"value": "aMOpbGxv"})).await;
    assert_eq!(value(decoded), json!("h\u{e9}llo"));
    let xml = value(call(&api, "get_xml", json!({})).await);
    assert!(xml.as_str().unwrap().starts_with("<?xml"));
    let bytes = value(call(&api, "get_bytes_n", json!({"n": 3})).await);
    assert_eq!(
        (&bytes["contentType"], &bytes["size"]),
        (&json!("application/octet-stream"), &json!(3))
    );
    let lines = value(call(&api, "get_stream_n", json!({"n": 3})).await);
    let ids: Vec<&Value> = lines
        .as_array()
        .unwrap()
        .iter()
        .map(|line| &line["id"])
        .collect();
    assert_eq!(ids, [0, 1, 2]);
    let RawOutput::Content(image) = call(&api, "get_image_png", json!({})).await.unwrap() else {
        panic!("no content");
    };
    let [
        Content::Image {
            data, mime_type, ..
        },
    ] = &image.content[..]
    else {
        panic!("no image: {image:?}");
    };
    assert_eq!((&data[..8], mime_type.as_str()), ("iVBORw0K", "image/png"));
}

#[tokio::test]
async fn failures_and_redirects() {
    let Some(server) = require(peers::httpbin()) else {
        return;
    };
    let api = own(&server, &config(&server)).await;
    let teapot = failure(call(&api, "get_status_codes", json!({"codes": 418})).await);
    assert!(teapot.message.starts_with("418 I'm a teapot"), "{teapot:?}");
    let busy = failure(call(&api, "get_status_codes", json!({"codes": 503})).await);
    assert_eq!(
        busy.value,
        Some(json!({"status": 503, "retryable": true, "body": null}))
    );
    let followed = value(call(&api, "get_redirect_n", json!({"n": 3})).await);
    assert_eq!(followed["url"], format!("{}/get", server.url()));
    let deep = failure(call(&api, "get_redirect_n", json!({"n": 6})).await);
    assert_eq!(
        deep.message.rsplit(": ").next(),
        Some("there were too many (max_redirects)")
    );
    // httpbin under another name is another origin.
    let other = server.url().replace("127.0.0.1", "localhost") + "/get";
    let refused = failure(call(&api, "get_redirect-to", json!({"url": other})).await);
    assert_eq!(
        refused.value.as_ref().unwrap()["headers"]["location"],
        other
    );
    let all = ApiConfig {
        redirects: Redirects::All,
        ..config(&server)
    };
    let api = own(&server, &all).await;
    let followed = value(call(&api, "get_redirect-to", json!({"url": other})).await);
    assert_eq!(followed["url"], other);
    let none = ApiConfig {
        redirects: Redirects::None,
        ..config(&server)
    };
    let api = own(&server, &none).await;
    let refused = failure(call(&api, "get_redirect_n", json!({"n": 1})).await);
    assert_eq!(refused.value.as_ref().unwrap()["status"], 302);
}

#[tokio::test]
async fn slow_answers_time_out_and_the_next_call_works() {
    let Some(server) = require(peers::httpbin()) else {
        return;
    };
    let api = own(&server, &config(&server)).await;
    let hasty = ApiConfig {
        timeout: Duration::from_millis(300),
        ..config(&server)
    };
    let hasty = own(&server, &hasty).await;
    let error = call(&hasty, "get_delay_delay", json!({"delay": 3}))
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout);
    assert_eq!(error.to_string(), "API httpbin did not answer within 300ms");
    let cx = toolexec_core::CallContext::new().with_timeout(Duration::from_millis(200));
    let late = crate::support::call_in(&api, "get_delay_delay", json!({"delay": 3}), &cx).await;
    assert_eq!(late.unwrap_err().kind(), ErrorKind::Timeout);
    assert_eq!(
        value(call(&hasty, "get_uuid", json!({})).await)["uuid"]
            .as_str()
            .unwrap()
            .len(),
        36
    );
}

#[tokio::test]
async fn parameters_arrive_in_their_styles() {
    let Some(server) = require(peers::httpbin()) else {
        return;
    };
    let api = echo(&server);
    let answer = value(
        call(
            &api,
            "echo",
            json!({
                "id": "a b", "point": {"x": 1, "y": 2}, "tags": ["p", "q&r"], "csv": ["1", "2"],
                "pipes": ["3", "4"], "filter": {"name": "n", "min": 5}, "raw": "http://x/y?z",
                "where": {"k": [1]}, "id_query": 7, "page_size": 10, "X-List": ["h", "i"],
                "session": "s;1",
            }),
        )
        .await,
    );
    assert_eq!(
        answer["args"],
        json!({
            "tags": ["p", "q&r"], "csv": "1,2", "pipes": "3|4", "filter[name]": "n",
            "filter[min]": "5", "raw": "http://x/y?z", "where": "{\"k\":[1]}", "id": "7",
            "page[size]": "10",
        })
    );
    assert_eq!(answer["headers"]["X-List"], "h,i");
    assert_eq!(answer["headers"]["Cookie"], "session=s%3B1");
    let url = answer["url"].as_str().unwrap();
    let path = url.split('?').next().unwrap().strip_prefix(&server.url());
    assert_eq!(path, Some("/anything/a%20b/;x=1;y=2"));
}

#[tokio::test]
async fn bodies_arrive_in_their_media_types() {
    let Some(server) = require(peers::httpbin()) else {
        return;
    };
    let api = echo(&server);
    let send = async |name: &str, body: Value| value(call(&api, name, json!({"body": body})).await);
    let object = json!({"a": [1, {"b": null}], "h": "\u{e9}"});
    assert_eq!(
        send("application-json", object.clone()).await["json"],
        object
    );
    let form = send(
        "application-x-www-form-urlencoded",
        json!({"a": "x y&z", "l": [1, 2], "o": {"k": "v"}}),
    )
    .await;
    assert_eq!(
        form["form"],
        json!({"a": "x y&z", "l": ["1", "2"], "o": "{\"k\":\"v\"}"})
    );
    let parts = send(
        "multipart-form-data",
        json!({"title": "t", "size": {"w": 1},
            "photo": {"data": "/9j/", "filename": "p.jpg", "contentType": "image/jpeg"}}),
    )
    .await;
    assert_eq!(parts["form"], json!({"title": "t", "size": "{\"w\":1}"}));
    assert_eq!(
        parts["files"],
        json!({"photo": "data:image/jpeg;base64,/9j/"})
    );
    let text = send("text-plain", json!("caf\u{e9}")).await;
    assert_eq!(
        (&text["data"], &text["headers"]["Content-Type"]),
        (&json!("caf\u{e9}"), &json!("text/plain"))
    );
    let bytes = send("application-octet-stream", json!({"data": "//79"})).await;
    assert_eq!(bytes["data"], "data:application/octet-stream;base64,//79");
    let head = value(call(&api, "head", json!({})).await);
    assert_eq!(
        (&head["status"], &head["headers"]["content-type"]),
        (&json!(200), &json!("application/json"))
    );
}

#[tokio::test]
async fn credentials_of_every_kind_are_accepted() {
    let Some(server) = require(peers::httpbin()) else {
        return;
    };
    let document = json!({
        "openapi": "3.0.0",
        "components": {"securitySchemes": {
            "login": {"type": "http", "scheme": "basic"},
            "token": {"type": "http", "scheme": "bearer"},
            "header": {"type": "apiKey", "in": "header", "name": "X-Key"},
            "query": {"type": "apiKey", "in": "query", "name": "key"},
            "cookie": {"type": "apiKey", "in": "cookie", "name": "key"},
        }},
        "paths": {
            "/basic-auth/{user}/{passwd}": {"get": {"operationId": "basic", "security": [{"login": []}]}},
            "/bearer": {"get": {"operationId": "bearer", "security": [{"token": []}]}},
            "/anything": {"get": {"operationId": "keys", "security": [{"header": [], "query": [], "cookie": []}]}},
            "/anything/open": {"get": {"operationId": "open", "security": []}},
        },
    });
    let key = || Credential::ApiKey {
        value: "k 1".into(),
        location: None,
        name: None,
    };
    let config = ApiConfig {
        auth: [
            (
                "login".to_owned(),
                Credential::Basic {
                    username: "ann".into(),
                    password: "p:w".into(),
                },
            ),
            (
                "token".to_owned(),
                Credential::Bearer {
                    token: "tok".into(),
                },
            ),
            ("header".to_owned(), key()),
            ("query".to_owned(), key()),
            ("cookie".to_owned(), key()),
        ]
        .into(),
        ..config(&server)
    };
    let api = OpenApi::load("auth", &config, document.clone()).unwrap();
    let args = json!({"user": "ann", "passwd": "p:w"});
    let basic = value(call(&api, "basic", args.clone()).await);
    assert_eq!(basic["authenticated"], true);
    let bearer = value(call(&api, "bearer", json!({})).await);
    assert_eq!(bearer, json!({"authenticated": true, "token": "tok"}));
    let keys = value(call(&api, "keys", json!({})).await);
    assert_eq!(keys["args"], json!({"key": "k 1"}));
    assert_eq!(
        (&keys["headers"]["X-Key"], &keys["headers"]["Cookie"]),
        (&json!("k 1"), &json!("key=k%201"))
    );
    let open = value(call(&api, "open", json!({})).await);
    assert_eq!(
        (&open["args"], open["headers"].get("X-Key")),
        (&json!({}), None)
    );
    // Without the credential the API refuses, and the failure says what is missing.
    let bare = OpenApi::load("auth", &self::config(&server), document).unwrap();
    assert_eq!(
        failure(call(&bare, "basic", args).await).message,
        "401 Unauthorized (the operation needs login, for which no credential is configured)"
    );
}
