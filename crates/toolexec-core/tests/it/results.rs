//! Handles in arguments: what stands for a value that was kept.

use std::collections::HashMap;
use std::sync::Arc;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use serde_json::{Value, json};
use toolexec_core::context::Caller;
use toolexec_core::policy::{Effect, Rules};
use toolexec_core::results::ResultStore;
use toolexec_core::{
    CallContext, Chain, ChainLimits, Error, ErrorKind, Request, Result, RunSettings, Runner,
};

use crate::fixture::index;

/// Results by owner and handle, for ever.
#[derive(Default)]
struct Shelf(HashMap<(String, String), Value>);

impl ResultStore for Shelf {
    fn put<'a>(&'a self, _: &'a str, _: Vec<u8>) -> BoxFuture<'a, Result<String>> {
        std::future::ready(Err(Error::new(ErrorKind::LimitExceeded, "full"))).boxed()
    }

    fn get<'a>(&'a self, owner: &'a str, handle: &'a str) -> BoxFuture<'a, Result<Vec<u8>>> {
        let found = self.0.get(&(owner.to_owned(), handle.to_owned()));
        let found = found.map(|value| value.to_string().into_bytes());
        let missing = || Error::new(ErrorKind::NotFound, format!("there is no result {handle}"));
        std::future::ready(found.ok_or_else(missing)).boxed()
    }
}

/// `ann` has `r_a`; a rule keeps anybody from echoing the word "secret".
fn runner() -> Runner {
    let value = json!({"n": 13, "list": ["x", "secret"]});
    let shelf = Shelf([(("ann".to_owned(), "r_a".to_owned()), value)].into());
    let rules = json!([
        {"name": "no-secret", "effect": "deny", "args": {"/word": {"equals": "secret"}}},
    ]);
    let rules = Rules::new(serde_json::from_value(rules).unwrap(), Effect::Allow).unwrap();
    Runner::with(index(), RunSettings::default(), Arc::new(rules)).with_results(Arc::new(shelf))
}

fn by(name: &str) -> CallContext {
    CallContext::new().with_caller(Arc::new(Caller {
        name: name.to_owned(),
        roles: Vec::new(),
    }))
}

async fn echo(name: &str, args: Value) -> Result<Value, (ErrorKind, String)> {
    let request = Request::new("test:echo", args).with_context(by(name));
    let result = runner().run(request).await;
    result
        .map(|result| result.value)
        .map_err(|error| (error.kind(), error.to_string()))
}

#[tokio::test]
async fn a_handle_stands_for_its_value_wherever_it_is() {
    let args = json!({
        "whole": {"$result": "r_a"},
        "deep": [{"part": {"$result": "r_a", "at": "/list/0"}}],
        // As a model was shown it.
        "shown": {"$result": "r_a", "type": "object", "preview": "{...}", "at": "/n"},
        "other": {"$result": 7, "$ref": "r_a"},
    });
    let wanted = json!({
        "whole": {"n": 13, "list": ["x", "secret"]},
        "deep": [{"part": "x"}],
        "shown": 13,
        "other": {"$result": 7, "$ref": "r_a"},
    });
    assert_eq!(echo("ann", args).await, Ok(wanted));
}

#[tokio::test]
async fn a_handle_of_another_caller_is_none() {
    let missing = (ErrorKind::NotFound, "there is no result r_a".to_owned());
    assert_eq!(
        echo("bob", json!({"x": {"$result": "r_a"}})).await,
        Err(missing)
    );
    let nothing = "the result r_a has nothing at \"/no\"".to_owned();
    let args = json!({"x": {"$result": "r_a", "at": "/no"}});
    assert_eq!(
        echo("ann", args).await,
        Err((ErrorKind::InvalidInput, nothing))
    );
    let many: Vec<Value> = (0..101).map(|_| json!({"$result": "r_a"})).collect();
    let too_many = "more than 100 handles in one call".to_owned();
    let outcome = echo("ann", json!({ "x": many })).await;
    assert_eq!(outcome, Err((ErrorKind::LimitExceeded, too_many)));
}

#[tokio::test]
async fn rules_and_schemas_see_the_value() {
    let word = |at: &str| json!({"word": {"$result": "r_a", "at": at}});
    assert_eq!(echo("ann", word("/list/0")).await, Ok(json!({"word": "x"})));
    let denied = "calling test:echo is denied: rule \"no-secret\"".to_owned();
    let outcome = echo("ann", word("/list/1")).await;
    assert_eq!(outcome, Err((ErrorKind::Denied, denied)));
    let add = |at: &str| {
        let args = json!({"a": {"$result": "r_a", "at": at}, "b": 1});
        Request::new("math:add", args).with_context(by("ann"))
    };
    assert_eq!(runner().run(add("/n")).await.unwrap().value, json!(14));
    let error = runner().run(add("/list")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
}

#[tokio::test]
async fn a_chain_takes_handles() {
    let chain = json!({"steps": [
        {"tool": "math:add", "args": {"a": {"$result": "r_a", "at": "/n"}, "b": 1}},
        {"tool": "math:add", "args": {"a": "{{prev}}", "b": {"$result": "r_a", "at": "/n"}}},
    ]});
    let chain: Chain = serde_json::from_value(chain).unwrap();
    let limits = ChainLimits::default();
    let outcome = runner().chain(chain, &limits, &by("ann")).await.unwrap();
    assert_eq!((outcome.error, &*outcome.value), (None, &json!(27)));
}
