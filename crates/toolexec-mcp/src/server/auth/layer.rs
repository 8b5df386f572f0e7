//! Authentication in front of a router.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::Response;
use axum::routing::get;
use http::header::{ACCESS_CONTROL_ALLOW_ORIGIN, CACHE_CONTROL, CONTENT_TYPE};

use super::Authenticator;

/// `router` for those who are let in, beside what everybody may read about how to get in.
///
/// A handler finds the caller among the extensions of its request, as `Arc<Caller>`.
pub(crate) fn protect(router: Router, authenticator: &Authenticator) -> Router {
    let mut guarded = router.layer(from_fn_with_state(authenticator.clone(), admit));
    if let Some((paths, document)) = authenticator.metadata() {
        let document: Arc<str> = document.to_string().into();
        for path in paths {
            let document = document.clone();
            let answer = async move || metadata(&document);
            guarded = guarded.route(&path, get(answer));
        }
    }
    guarded
}

async fn admit(
    State(authenticator): State<Authenticator>,
    request: Request,
    next: Next,
) -> Response {
    let (mut head, body) = request.into_parts();
    match authenticator.authenticate(&head).await {
        Ok(caller) => {
            head.extensions.insert(caller);
            next.run(Request::from_parts(head, body)).await
        }
        Err(refusal) => {
            tracing::info!(
                status = refusal.status.as_u16(),
                reason = refusal.message,
                "refused"
            );
            authenticator.challenge(refusal).response().map(Body::from)
        }
    }
}

fn metadata(document: &str) -> Response {
    let mut response = Response::new(Body::from(document.to_owned()));
    let headers = response.headers_mut();
    let text = http::HeaderValue::from_static;
    headers.insert(CONTENT_TYPE, text("application/json"));
    headers.insert(CACHE_CONTROL, text("max-age=3600"));
    // Public, and clients in browsers read it.
    headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, text("*"));
    response
}
