//! `session`: in the background, from several shells, with what ends it.

use std::io::Read;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use serde_json::{Value, json};

use crate::code::DEV;
use crate::program::Place;
use crate::rpc::Rpc;

/// A place whose sessions end with it.
struct Sessions(Place);

impl Sessions {
    fn new() -> Self {
        Self(Place::new())
    }

    /// The exit code, stdout and stderr of `session`.
    fn run(&self, args: &[&str], input: &str) -> (Option<i32>, String, String) {
        let output = self.0.output(&[&["session"], args].concat(), input);
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        (
            output.status.code(),
            text(output.stdout),
            text(output.stderr),
        )
    }

    /// Starts a session that is no more isolated than this test.
    fn start(&self, args: &[&str]) -> String {
        let (code, out, err) = self.run(&[&["start"], args, &DEV].concat(), "");
        assert_eq!(code, Some(0), "{err}");
        out.trim_end().to_owned()
    }

    /// What a program of a session prints and answers.
    fn exec(&self, id: &str, program: &str) -> String {
        let (code, out, err) = self.run(&["exec", id, "-q", "-e", program], "");
        assert_eq!((code, &*err), (Some(0), ""), "{program}");
        out
    }

    fn list(&self) -> Vec<Value> {
        let (code, out, err) = self.run(&["ls", "--format", "json"], "");
        assert_eq!((code, &*err), (Some(0), ""));
        let listed: Value = serde_json::from_str(&out).unwrap();
        listed["sessions"].as_array().unwrap().clone()
    }

    fn names(&self) -> Vec<String> {
        let name = |session: &Value| session["id"].as_str().unwrap().to_owned();
        self.list().iter().map(name).collect()
    }

    fn directory(&self) -> PathBuf {
        self.0.path().join(".local/state/toolexec/sessions")
    }

    /// The processes whose home is this place: those of sessions, and their guests.
    fn processes(&self) -> Vec<u32> {
        let home = format!("HOME={}\0", self.0.path().display());
        let entries = std::fs::read_dir("/proc").unwrap().flatten();
        entries
            .filter_map(|entry| {
                let pid = entry.file_name().to_str()?.parse().ok()?;
                let environment = std::fs::read(entry.path().join("environ")).ok()?;
                let environment = String::from_utf8_lossy(&environment).into_owned();
                environment.contains(&home).then_some(pid)
            })
            .collect()
    }

    /// Waits until no process is left; one that stays fails the test by its own timeout.
    fn are_gone(&self) {
        while !self.processes().is_empty() {
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Drop for Sessions {
    fn drop(&mut self) {
        self.run(&["stop", "--all"], "");
    }
}

#[test]
fn variables_stay_across_shells_and_forks_go_their_own_ways() {
    let sessions = Sessions::new();
    let id = sessions.start(&["--lang", "python", "--name", "report", "-i", "base:=20"]);
    assert_eq!(id, "report");
    assert_eq!(
        sessions.exec("report", "n = tools.math.add(a=base, b=1)\nprint('set')"),
        "set\n"
    );
    let (code, out, _) = sessions.run(&["fork", "report", "--name", "other"], "");
    assert_eq!((code, &*out), (Some(0), "other\n"));
    // Two shells at the same time.
    let (first, second) = std::thread::scope(|scope| {
        let first = scope.spawn(|| sessions.exec("report", "n = n * 2\nn"));
        let second = scope.spawn(|| sessions.exec("other", "n = n + 1\nn"));
        (first.join().unwrap(), second.join().unwrap())
    });
    assert_eq!((&*first, &*second), ("42\n", "22\n"));
    assert_eq!(sessions.exec("report", "n"), "42\n");
    let listed: Vec<Value> = sessions
        .list()
        .into_iter()
        .map(|mut session| {
            let keys = [
                "id",
                "state",
                "language",
                "forked_from",
                "programs",
                "tool_calls",
            ];
            keys.map(|key| session[key].take()).into_iter().collect()
        })
        .collect();
    assert_eq!(
        listed,
        [
            json!(["other", "ready", "python", "report", 2, 1]),
            json!(["report", "ready", "python", null, 3, 1])
        ]
    );
    assert_eq!(
        sessions.run(&["stop", "report"], ""),
        (Some(0), String::new(), String::new())
    );
    assert_eq!(sessions.names(), ["other"]);
    assert_eq!(sessions.exec("other", "n"), "22\n");
    assert_eq!(sessions.run(&["stop", "--all"], "").0, Some(0));
    sessions.are_gone();
    assert_eq!(sessions.names(), Vec::<String>::new());
}

#[test]
fn programs_end_with_the_codes_of_code() {
    let sessions = Sessions::new();
    let id = sessions.start(&["--max-memory", "64m"]);
    assert_eq!(id, "s1");
    assert_eq!(
        sessions.exec("s1", "const kept = 1; console.log('here'); kept"),
        "here\n1\n"
    );
    for (program, code) in [
        ("throw new Error('no')", 1),
        ("let = ;", 3),
        ("await tools.math.nothing({})", 3),
        ("while (true) {}", 5),
    ] {
        let (ended, _, err) = sessions.run(&["exec", "s1", "--timeout", "1s", "-e", program], "");
        assert_eq!(ended, Some(code), "{program}: {err}");
        assert_eq!(sessions.exec("s1", "kept"), "1\n", "after {program}");
    }
    // Where it was stopped cannot be found again.
    let (code, _, err) = sessions.run(&["fork", "s1"], "");
    let stopped = "error: the session cannot be forked: one of its programs was stopped before its \
                   end, and what that left cannot be made again";
    assert_eq!((code, err.lines().next()), (Some(6), Some(stopped)));
    sessions.run(&["stop", "s1"], "");
    sessions.start(&["--max-memory", "64m"]);
    assert_eq!(sessions.exec("s1", "const kept = 1; null"), "");
    let program = "const all = []; while (true) all.push('x'.repeat(1e6) + all.length)";
    let (code, _, err) = sessions.run(&["exec", "s1", "-e", program], "");
    let lost = "warning: the session s1 is lost with this program, and its variables; a fork of it \
                has those from before";
    assert_eq!((code, err.lines().next()), (Some(5), Some(lost)), "{err}");
    let (code, out, err) = sessions.run(&["exec", "s1", "-e", "kept"], "");
    let first = err.lines().next().unwrap_or_default();
    let gone = "error: the session s1 is lost, and its variables are gone: ";
    assert_eq!(
        (code, &*out, first.starts_with(gone)),
        (Some(6), "", true),
        "{err}"
    );
    assert_eq!(sessions.run(&["fork", "s1"], "").1, "s2\n");
    assert_eq!(sessions.exec("s2", "kept"), "1\n");
    let (code, out, _) = sessions.run(&["exec", "s2", "-", "--format", "json"], "kept + 1");
    let outcome: Value = serde_json::from_str(&out).unwrap();
    assert_eq!((code, &outcome["value"]), (Some(0), &json!(2)));
}

/// What a stranger gets wrong, and is told.
#[test]
fn wrong_requests_say_what_to_do() {
    let sessions = Sessions::new();
    let said = |args: &[&str]| {
        let (code, out, err) = sessions.run(args, "");
        assert_eq!(out, "");
        (code, err)
    };
    let none = "error: there is no session \"x\"\nhint: there are no sessions; `toolexec session \
                start` starts one\n";
    assert_eq!(said(&["exec", "x", "-e", "1"]), (Some(3), none.to_owned()));
    sessions.start(&["--name", "a", "--lang", "python"]);
    let none = "error: there is no session \"x\"\nhint: there are: a\n";
    assert_eq!(said(&["stop", "x"]), (Some(3), none.to_owned()));
    let taken = "error: there is a session a already\nhint: take another name, or end it: toolexec \
                 session stop a\n";
    assert_eq!(said(&["start", "--name", "a"]), (Some(3), taken.to_owned()));
    assert_eq!(
        said(&["fork", "a", "--name", "a"]),
        (Some(3), taken.to_owned())
    );
    let name = "error: \"a/b\" is no name of a session\nhint: take up to 64 letters, digits, - and \
                _\n";
    assert_eq!(
        said(&["start", "--name", "a/b"]),
        (Some(3), name.to_owned())
    );
    sessions.0.write("p.js", "1");
    let language = "error: the session a runs python, not javascript\nhint: start a session of \
                    javascript, or write the program in python\n";
    assert_eq!(said(&["exec", "a", "p.js"]), (Some(3), language.to_owned()));
    let toolchain = "error: a program in bash keeps nothing for the next: each is a process of its \
                     own\nhint: execute each program by itself, or open a session of javascript, \
                     typescript, python or script\n";
    assert_eq!(
        said(&["start", "--lang", "bash"]),
        (Some(6), toolchain.to_owned())
    );
    let (code, err) = said(&["start", "--config", "none.toml"]);
    assert_eq!((code, err.starts_with("error: ")), (Some(2), true), "{err}");
    assert_eq!(sessions.names(), ["a"]);
}

#[test]
fn an_interrupt_ends_the_program_and_not_the_session() {
    let sessions = Sessions::new();
    sessions.start(&["--name", "a"]);
    let program = "let n = 7; console.log('running'); await tools.demo.count({to: 1000})";
    let mut child = sessions
        .0
        .command(&["session", "exec", "a", "-e", program])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child
        .stdout
        .take()
        .unwrap()
        .read_exact(&mut [0; 8])
        .unwrap();
    crate::signals::send("-INT", child.id());
    assert_eq!(child.wait().unwrap().code(), Some(130));
    assert_eq!(sessions.exec("a", "n"), "7\n");
    // One that is killed says nothing, and its program ends too.
    let mut child = sessions
        .0
        .command(&[
            "session",
            "exec",
            "a",
            "-e",
            "n = 8; console.log('running'); while (true) {}",
        ])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    // What is printed comes from a loop too, after a moment.
    child
        .stdout
        .take()
        .unwrap()
        .read_exact(&mut [0; 8])
        .unwrap();
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(sessions.exec("a", "n"), "8\n");
}

#[test]
fn an_idle_session_ends_by_itself() {
    let sessions = Sessions::new();
    sessions.start(&["--name", "a", "--idle", "300ms"]);
    sessions.are_gone();
    assert_eq!(sessions.names(), Vec::<String>::new());
    let left: Vec<_> = std::fs::read_dir(sessions.directory())
        .unwrap()
        .flatten()
        .map(|entry| entry.file_name().into_string().unwrap())
        .filter(|name| !name.contains(".log") && name != "lock")
        .collect();
    assert_eq!(left, Vec::<String>::new());
}

#[test]
fn nothing_is_left_of_a_session_that_is_killed() {
    let sessions = Sessions::new();
    sessions.start(&["--name", "a"]);
    let (_, out, _) = sessions.run(&["fork", "a"], "");
    assert_eq!(out, "s1\n");
    let host = sessions.processes().into_iter().find(|pid| {
        let command = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        String::from_utf8_lossy(&command).contains("--host")
    });
    crate::signals::send("-KILL", host.unwrap());
    sessions.are_gone();
    let (code, _, err) = sessions.run(&["exec", "a", "-e", "1"], "");
    let first = err.lines().next().unwrap_or_default().to_owned();
    let gone = "error: the session a is gone: its process ended".to_owned();
    assert_eq!((code, first), (Some(3), gone));
    assert_eq!(sessions.names(), Vec::<String>::new());
    assert_eq!(sessions.start(&["--name", "a"]), "a");
}

/// Over MCP a session is its id, and there are few of them.
#[test]
fn a_client_of_the_server_keeps_sessions() {
    let place = Place::new();
    let mut rpc = Rpc::start(&place, &[]);
    let mut run = |code: &str, session: &str| {
        let args = json!({"language": "javascript", "code": code, "session": session});
        rpc.call("execute_code", &args)["structuredContent"].take()
    };
    let first = run("let n = 1; n", "new");
    let id = first["session"].as_str().unwrap().to_owned();
    assert_eq!(first, json!({"value": 1, "session": id}));
    assert_eq!(run("n = n + 1; n", &id), json!({"value": 2, "session": id}));
    let fork = run("n = n * 10; n", &format!("fork {id}"));
    let other = fork["session"].as_str().unwrap().to_owned();
    assert_eq!((&fork["value"], other == id), (&json!(20), false));
    assert_eq!(run("n", &id)["value"], json!(2));
    let unknown = "there is no session \"s_1\": it was ended, or never was";
    assert_eq!(run("n", "s_1")["error"]["message"], json!(unknown));
    // One more ends the one that was used longest ago.
    for _ in 0..7 {
        assert_eq!(run("1", "new")["value"], json!(1));
    }
    let gone = format!("there is no session {other:?}: it was ended, or never was");
    assert_eq!(run("n", &other)["error"]["message"], json!(gone));
    assert_eq!(run("n", &id)["value"], json!(2));
}

/// The examples of the page are run as they stand there.
#[test]
fn the_examples_of_the_page_do_what_it_says() {
    let page = include_str!("../../../../docs/sessions.md");
    let (_, rest) = page.split_once("```console\n").unwrap();
    let (example, _) = rest.split_once("```").unwrap();
    let sessions = Sessions::new();
    let mut blocks = example.split("$ toolexec session ").skip(1).peekable();
    assert!(blocks.peek().is_some());
    for block in blocks {
        let (line, wanted) = block.split_once('\n').unwrap();
        let mut args = shlex::split(line).unwrap();
        if args[0] == "start" {
            args.extend(DEV.map(str::to_owned));
        }
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        let (code, out, err) = sessions.run(&[&args[..], &["-q"]].concat(), "");
        assert_eq!((code, &*out), (Some(0), wanted), "{line}: {err}");
    }
}
