//! Real programs.

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use toolexec_core::event::LogLevel;
use toolexec_core::{CallContext, ErrorKind, Event, EventSink};
use toolexec_providers::command::{ArgTemplate, OutputFormat, StdinTemplate};
use toolexec_providers::{CommandTool, Commands};

use crate::support::{call, call_in, failure, list, value};

fn commands(command: CommandTool) -> Arc<Commands> {
    Commands::new("programs", "commands", [command]).unwrap()
}

/// A declared shell script; its arguments are the values, never a part of the script.
fn script(text: &str) -> CommandTool {
    CommandTool::new("script", "sh").with_args(["-c", text, "script", "{{args}}"])
}

#[tokio::test]
async fn values_are_arguments_whatever_is_in_them() {
    let echo = CommandTool::new("echo", "printf").with_args(["%s|", "{{text}}", "--", "{{more}}"]);
    let api = commands(echo);
    let text = "$(id) `id` ; rm -rf / | * \" ' \\ \n \u{e9}";
    let args = json!({"text": text, "more": ["-n", "b c"]});
    assert_eq!(
        value(call(&api, "echo", args).await),
        json!(format!("{text}|--|-n|b c|"))
    );
    let error = call(&api, "echo", json!({"text": "-v", "more": []}))
        .await
        .unwrap_err();
    assert_eq!(
        (error.kind(), error.to_string().as_str()),
        (
            ErrorKind::InvalidInput,
            "argument \"text\" begins with a dash (\"-v\"), which the program would read as an option"
        )
    );
}

#[tokio::test]
async fn groups_come_and_go() {
    let args = json!([["-n", "{{lines}}"], {"when": "quiet", "args": ["-q"]}, "{{file}}"]);
    let head = CommandTool {
        args: serde_json::from_value::<Vec<ArgTemplate>>(args).unwrap(),
        ..CommandTool::new("head", "head")
    };
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("a.txt"), "1\n2\n3\n").unwrap();
    let api = commands(CommandTool {
        cwd: Some(directory.path().to_owned()),
        ..head
    });
    let all = call(&api, "head", json!({"file": "a.txt"})).await;
    assert_eq!(value(all), "1\n2\n3");
    let one = call(
        &api,
        "head",
        json!({"file": "a.txt", "lines": 1, "quiet": true}),
    )
    .await;
    assert_eq!(value(one), "1");
}

#[tokio::test]
async fn outputs_are_read_as_declared() {
    let cat = |output| {
        commands(CommandTool {
            stdin: StdinTemplate::Text("{{text}}".into()),
            output,
            ..CommandTool::new("cat", "cat")
        })
    };
    let cases = [
        (OutputFormat::Text, "a\r\n", Ok(json!("a"))),
        (OutputFormat::Text, "a\n\n", Ok(json!("a\n"))),
        (OutputFormat::Text, "", Ok(json!(""))),
        (OutputFormat::Json, " {\"a\": 1}\n", Ok(json!({"a": 1}))),
        (OutputFormat::Json, "\n", Ok(Value::Null)),
        (OutputFormat::Jsonl, "1\n\n\"x\"", Ok(json!([1, "x"]))),
        (
            OutputFormat::Json,
            "oh",
            Err("command cat wrote output that is not JSON: expected value at line 1 column 1"),
        ),
        (
            OutputFormat::Jsonl,
            "1\n{",
            Err(
                "command cat wrote a line (2) that is not JSON: EOF while parsing an object at line 1 column 1",
            ),
        ),
    ];
    for (output, text, expected) in cases {
        match (
            call(&cat(output), "cat", json!({"text": text})).await,
            expected,
        ) {
            (Err(error), Err(message)) => {
                assert_eq!(
                    (error.kind(), error.to_string().as_str()),
                    (ErrorKind::Protocol, message)
                );
            }
            (result, expected) => assert_eq!(value(result), expected.unwrap(), "{text:?}"),
        }
    }
    let all = commands(CommandTool {
        stdin: StdinTemplate::Json,
        output: OutputFormat::Json,
        ..CommandTool::new("all", "cat")
    });
    let args = json!({"a": [1], "b": {"c": null}});
    assert_eq!(value(call(&all, "all", args.clone()).await), args);
    // More than a pipe holds, to a program that reads nothing.
    let deaf = commands(CommandTool {
        stdin: StdinTemplate::Json,
        ..CommandTool::new("true", "true")
    });
    assert_eq!(
        value(call(&deaf, "true", json!({"a": "x".repeat(1 << 20)})).await),
        ""
    );
}

#[tokio::test]
async fn an_exit_code_is_the_tools_own_failure() {
    let api = commands(script("echo out; echo first >&2; echo last >&2; exit 3"));
    let failed = failure(call(&api, "script", json!({"args": []})).await);
    assert_eq!(failed.message, "command script exited with status 3: last");
    assert_eq!(
        failed.value,
        Some(json!({"exitCode": 3, "stderr": "first\nlast", "stdout": "out"}))
    );
    let killed = commands(script("kill -9 $$"));
    let killed = failure(call(&killed, "script", json!({"args": []})).await);
    assert_eq!(killed.message, "command script was ended by SIGKILL");
    assert_eq!(
        killed.value,
        Some(json!({"signal": 9, "stderr": "", "stdout": ""}))
    );
    let fine = commands(CommandTool {
        success: vec![0, 3],
        ..script("echo out; exit 3")
    });
    assert_eq!(
        value(call(&fine, "script", json!({"args": []})).await),
        "out"
    );
}

#[tokio::test]
async fn only_the_named_environment_is_passed() {
    let env = CommandTool {
        base_env: false,
        env: vec![
            ("TOKEN".to_owned(), "t 1".into()),
            ("B".to_owned(), "".into()),
        ],
        ..CommandTool::new("env", "/usr/bin/env")
    };
    assert!(!format!("{env:?}").contains("t 1"));
    let printed = value(call(&commands(env), "env", json!({})).await);
    let mut lines: Vec<&str> = printed.as_str().unwrap().lines().collect();
    lines.sort_unstable();
    assert_eq!(lines, ["B=", "TOKEN=t 1"]);
}

#[tokio::test]
async fn what_cannot_start_is_unavailable() {
    let cases = [
        (
            CommandTool::new("a", "no-such-program-here"),
            "the program of command a was not found",
        ),
        (
            CommandTool::new("b", "/etc/passwd"),
            "the program of command b may not be executed",
        ),
        (
            CommandTool {
                cwd: Some("/no/such/place".into()),
                ..CommandTool::new("c", "true")
            },
            "the program of command c cannot be started: its working directory does not exist",
        ),
    ];
    for (command, message) in cases {
        let name = command.name.clone();
        let error = call(&commands(command), &name, json!({}))
            .await
            .unwrap_err();
        assert_eq!(
            (
                error.kind(),
                error.to_string().as_str(),
                error.hints().len(),
                error.is_retryable()
            ),
            (ErrorKind::Unavailable, message, 1, false)
        );
    }
}

/// Whether a process is there (and no zombie).
fn is_alive(pid: &str) -> bool {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    status
        .lines()
        .any(|line| line.starts_with("State:") && !line.contains('Z'))
}

async fn gone(pid: &str) -> bool {
    let deadline = Instant::now() + Duration::from_secs(5);
    while is_alive(pid) && Instant::now() < deadline {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    !is_alive(pid)
}

#[tokio::test]
async fn time_and_output_are_bounded_and_all_it_started_ends() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("pid");
    let text = format!("sleep 100 & echo $! > {}; wait", file.display());
    let slow = CommandTool {
        timeout: Duration::from_millis(500),
        ..script(&text)
    };
    let slow = commands(slow);
    let start = Instant::now();
    let error = call(&slow, "script", json!({"args": []}))
        .await
        .unwrap_err();
    assert_eq!(
        (error.kind(), error.to_string().as_str()),
        (
            ErrorKind::Timeout,
            "command script ran for 500ms and was killed"
        )
    );
    assert!(start.elapsed() < Duration::from_secs(5));
    let pid = std::fs::read_to_string(&file).unwrap();
    assert!(gone(pid.trim()).await);

    let flood = commands(CommandTool {
        max_output: 1000,
        ..CommandTool::new("yes", "yes")
    });
    let error = call(&flood, "yes", json!({})).await.unwrap_err();
    assert_eq!(
        (error.kind(), error.to_string().as_str()),
        (
            ErrorKind::LimitExceeded,
            "command yes wrote more than 1000 bytes and was killed (max_output)"
        )
    );
    let exact = commands(CommandTool {
        max_output: 5,
        ..script("printf 12345")
    });
    assert_eq!(
        value(call(&exact, "script", json!({"args": []})).await),
        "12345"
    );
}

#[tokio::test]
async fn a_dropped_call_kills_the_program() {
    let api = commands(script("echo $$; sleep 100"));
    let (sink, mut events) = EventSink::channel(4);
    let cx = CallContext::new().with_events(sink);
    let call = tokio::spawn(async move { call_in(&api, "script", json!({"args": []}), &cx).await });
    let Some(Event::Chunk {
        data: Value::String(pid),
    }) = events.recv().await
    else {
        panic!("no chunk");
    };
    assert!(is_alive(&pid));
    call.abort();
    assert!(gone(&pid).await);
}

#[tokio::test]
async fn lines_are_events_while_the_program_runs() {
    let text = "echo one; echo warn >&2; sleep 0.4; printf 'two\\nthree'; echo last >&2";
    let api = commands(script(text));
    let (sink, mut events) = EventSink::channel(1);
    let cx = CallContext::new().with_events(sink);
    let start = Instant::now();
    let reader = tokio::spawn(async move {
        let (mut chunks, mut logs, mut first) = (Vec::new(), Vec::new(), Duration::MAX);
        while let Some(event) = events.recv().await {
            first = first.min(start.elapsed());
            match event {
                Event::Chunk { data } => chunks.push(data),
                Event::Log {
                    level: LogLevel::Info,
                    data,
                } => logs.push(data),
                other => panic!("{other:?}"),
            }
        }
        (chunks, logs, first)
    });
    let output = value(call_in(&api, "script", json!({"args": []}), &cx).await);
    let end = start.elapsed();
    drop(cx);
    let (chunks, logs, first) = reader.await.unwrap();
    assert_eq!(output, "one\ntwo\nthree");
    assert_eq!(chunks, ["one", "two", "three"]);
    assert_eq!(logs, ["warn", "last"]);
    assert!(
        first + Duration::from_millis(300) < end,
        "{first:?} {end:?}"
    );
}

#[tokio::test]
async fn many_run_at_once() {
    let api = commands(script("sleep 1; echo $1"));
    let start = Instant::now();
    let calls = (0..20).map(|n| {
        let api = api.clone();
        tokio::spawn(async move { value(call(&api, "script", json!({"args": [n]})).await) })
    });
    for (n, call) in calls.collect::<Vec<_>>().into_iter().enumerate() {
        assert_eq!(call.await.unwrap(), n.to_string());
    }
    assert!(
        start.elapsed() < Duration::from_secs(10),
        "{:?}",
        start.elapsed()
    );
}

#[tokio::test]
async fn declarations_are_checked() {
    let broken = |command| Commands::new("p", "commands", [command]).unwrap_err();
    let cases = [
        (
            CommandTool::new("a", "x").with_args(["{{"]),
            "command \"a\": \"{{\" has {{ without }}",
        ),
        (
            CommandTool::new("a b", "x"),
            "command \"a b\": tool id \"commands:a b\" has ' ' in its name; allowed are A-Z a-z 0-9 _ . -",
        ),
    ];
    for (command, message) in cases {
        let error = broken(command);
        assert_eq!(
            (error.kind(), error.to_string().as_str()),
            (ErrorKind::Config, message)
        );
    }
    let twice = [CommandTool::new("a", "x"), CommandTool::new("a", "y")];
    let error = Commands::new("p", "commands", twice).unwrap_err();
    assert_eq!(
        error.to_string(),
        "command \"a\": there is another command of this name"
    );
    let declared = CommandTool {
        input_schema: Some(json!({"type": "object", "properties": {"b": {}}})),
        ..CommandTool::new("a", "x").with_args(["{{b}}", "{{c}}"])
    };
    let listing = list(&commands(declared)).await;
    assert_eq!(
        listing.notices,
        ["command a: its templates use \"c\", which its input schema does not have"]
    );
}
