//! `fetch`, over the tool `web:fetch`.

use serde_json::{Value, json};
use toolexec_wire::{FailureKind, Language, Op, Outcome};

use super::js;
use crate::harness::{Guest, Ran, program, tools};

/// Runs a program with a tool that answers what it was asked, as the text of a body.
fn run(source: &str) -> Ran {
    Guest::new().run(program(Language::JavaScript, source), |op| match op {
        Op::Run { tool, args } if tool == "web:fetch" => Outcome::Ok(json!({
            "status": if args["url"] == "https://a.com/none" { 404 } else { 200 },
            "url": args["url"],
            "headers": {"content-type": "application/json"},
            "body": match args["url"].as_str() {
                Some("https://a.com/bytes") => {
                    json!({"contentType": "image/png", "size": 2, "data": "/9g="})
                }
                Some("https://a.com/none") => Value::Null,
                _ => Value::String(args.to_string()),
            },
        })),
        other => tools(other),
    })
}

fn value(source: &str) -> Value {
    run(source)
        .result
        .unwrap_or_else(|failure| panic!("{failure:#?}"))
}

#[test]
fn a_request_becomes_the_arguments_of_the_tool() {
    assert_eq!(
        value("return (await fetch('https://a.com/x')).json()"),
        json!({"url": "https://a.com/x", "as": "text", "headers": {}})
    );
    assert_eq!(
        value(
            "const r = await fetch(new URL('https://a.com/x'), {
                 method: 'post', headers: {'X-A': 1, 'x-a': 2}, body: new URLSearchParams({q: 'a b'})
             });
             return r.json()"
        ),
        json!({
            "url": "https://a.com/x",
            "as": "text",
            "method": "POST",
            "body": "q=a+b",
            "headers": {
                "content-type": "application/x-www-form-urlencoded;charset=UTF-8",
                "x-a": "1, 2"
            }
        })
    );
}

#[test]
fn an_answer_has_what_programs_look_at() {
    assert_eq!(
        value(
            "const r = await fetch('https://a.com/x');
             const before = r.bodyUsed;
             await r.text();
             let twice;
             try { await r.text() } catch (e) { twice = e.name }
             return [r.ok, r.status, r.url, r.headers.get('Content-Type'), [...r.headers].length,
                 before, r.bodyUsed, twice]"
        ),
        json!([
            true,
            200,
            "https://a.com/x",
            "application/json",
            1,
            false,
            true,
            "TypeError"
        ])
    );
    assert_eq!(
        value(
            "const r = await fetch('https://a.com/none');
             const b = await fetch('https://a.com/bytes');
             return [r.ok, await r.text(), [...await b.bytes()]]"
        ),
        json!([false, "", [255, 216]])
    );
}

#[test]
fn errors_of_the_tool_can_be_caught_and_without_it_there_is_no_fetch() {
    let failure = js("await fetch('https://a.com')").failure();
    assert_eq!(
        (failure.kind, failure.message.as_str()),
        (
            FailureKind::Unsupported,
            "there is no fetch() here, as no addresses are allowed: a program reaches the world \
             through tools, which `await search(\"words\")` finds"
        )
    );
    let caught =
        value("try { await fetch('https://a.com', {body: {}}) } catch (e) { return e.name }");
    assert_eq!(caught, json!("TypeError"));
}
