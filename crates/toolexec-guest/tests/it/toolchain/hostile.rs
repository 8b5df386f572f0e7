//! Programs that do to their guest what they can. Each ends only itself, and leaves nothing.

use std::time::Duration;

use serde_json::json;
use toolexec_wire::{Failure, FailureKind, Language, MAX_FRAME, Start, ToGuest, ToHost};

use super::Place;
use crate::harness::program;

fn script(source: &str) -> Start {
    program(Language::Bash, source)
}

fn python(source: &str) -> Start {
    program(Language::CPython, source)
}

/// What a program says that speaks to its guest by itself; `send` takes text or bytes.
fn speaks(source: &str) -> Start {
    python(&format!(
        "import gc, os, socket\n\
         guest = next(o for o in gc.get_objects() if type(o).__name__ == 'Guest')\n\
         send = lambda data: guest.socket.sendall(data if isinstance(data, bytes) else data.encode())\n\
         {source}"
    ))
}

/// Runs a program that must fail; the same guest then runs another.
fn failure(start: Start) -> Failure {
    let mut place = Place::new(&[]);
    let failure = place.run(start).failure();
    assert_eq!(place.run(script("result 42")).result, Ok(json!(42)));
    place.end();
    failure
}

/// Whether a process of this number is still there.
fn runs(pid: &str) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", pid.trim()));
    // One that ended and was not taken leave of does nothing any more.
    stat.is_ok_and(|stat| !stat.contains(") Z "))
}

#[test]
fn forged_messages_are_refused() {
    let told = |source: &str| {
        let failure = failure(speaks(source));
        assert_eq!(
            failure.name.as_deref(),
            Some("ProtocolError"),
            "{failure:?}"
        );
        failure.message
    };
    for forged in [
        "send('no json\\n')",
        "send(b'\\xff\\xfe\\n')",
        "send('{\"type\": \"hello\"}\\n')",
        "send('{\"type\": \"call\", \"id\": -1, \"op\": \"namespaces\"}\\n')",
        "send('{\"type\": \"call\", \"id\": 1, \"op\": \"shell\"}\\n')",
        "send('{\"type\": \"done\", \"value\": ' + '[' * 100000 + '\\n')",
        "send('\\n')",
    ] {
        let message = told(&format!("{forged}\nimport time\ntime.sleep(60)"));
        assert!(
            message.starts_with("the program sent its guest a message that is none: "),
            "{message}"
        );
    }
    assert_eq!(
        told(&format!("while True: send('a' * {})", 1 << 20)),
        format!("the program sent its guest a message of more than {MAX_FRAME} bytes")
    );
}

#[test]
fn half_a_message_is_none() {
    let failure = failure(speaks("send('{\"type\": \"done\", \"value')\nos._exit(3)"));
    assert_eq!(
        failure.message,
        "the program ended with status 3 before it had a value"
    );
}

#[test]
fn many_connections_are_served_in_turn() {
    let source = "path = guest.socket.getpeername()\n\
        many = []\n\
        for n in range(600):\n    \
            s = socket.socket(socket.AF_UNIX)\n    \
            s.setblocking(False)\n    \
            try: s.connect(path)\n    \
            except BlockingIOError: pass\n    \
            many.append(s)\n\
        return tools.math.add(a=1, b=2)['result']";
    let mut place = Place::new(&[]);
    assert_eq!(place.run(speaks(source)).result, Ok(json!(3)));
    place.end();
}

#[test]
fn who_hangs_up_gets_no_answer() {
    let source = "send('{\"type\": \"call\", \"id\": 1, \"op\": \"namespaces\"}\\n')\n\
        guest.socket.shutdown(socket.SHUT_RDWR)\n\
        os._exit(5)";
    assert_eq!(
        failure(speaks(source)).message,
        "the program ended with status 5 before it had a value"
    );
}

#[test]
fn one_who_ends_in_the_middle_says_how() {
    for (source, message) in [
        (
            "kill -KILL $$",
            "the program was killed, as the kernel does when there is no memory left",
        ),
        (
            "kill -SEGV $$",
            "the program was ended by signal 11 before it had a value",
        ),
        (
            "exit 7",
            "the program ended with status 7 before it had a value",
        ),
    ] {
        assert_eq!(failure(script(source)).message, message);
    }
}

#[test]
fn time_ends_a_program_whatever_it_ignores() {
    for source in [
        "trap '' TERM INT HUP; while :; do :; done",
        "exec >&- 2>&-; while :; do :; done",
        "trap '' TERM; sleep 600",
        // Flooding is printed until the time is over.
        "while :; do echo aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa; done",
    ] {
        let mut start = script(source);
        start.limits.run_ms = Some(300);
        assert_eq!(failure(start).kind, FailureKind::Time, "{source}");
    }
}

#[test]
fn what_is_left_in_the_background_ends_with_the_program() {
    let source = "sleep 600 & echo $!\n\
        setsid sleep 600 & echo $!\n\
        (setsid bash -c 'trap \"\" TERM; echo $$; while :; do sleep 1; done' &)\n\
        sleep 0.3";
    let mut place = Place::new(&[]);
    let ran = place.run(script(source));
    let pids: Vec<&str> = ran.stdout.lines().collect();
    assert_eq!(pids.len(), 3, "{}", ran.stdout);
    for pid in pids {
        assert!(!runs(pid), "{pid} still runs");
    }
    place.end();
}

#[test]
fn one_that_forks_and_forks_is_ended() {
    // Bounded: 200 processes in a chain, each of which leaves its parent at once.
    let source = "import os, time\n\
        print(os.getpid(), flush=True)\n\
        for n in range(200):\n    \
            if os.fork(): os._exit(0)\n    \
            os.setsid()\n\
        time.sleep(600)";
    let mut start = python(source);
    start.limits.run_ms = Some(3000);
    let mut place = Place::new(&[]);
    place.run(start);
    // However it ended, the guest has no child any more, of its own or adopted.
    let again = place.run(script("cat /proc/$PPID/task/*/children | wc -w"));
    // The script itself.
    assert_eq!(again.stdout.trim(), "1");
    place.end();
}

#[test]
fn a_cancel_ends_a_program_and_the_guest_goes_on() {
    let mut place = Place::new(&[]);
    place
        .guest()
        .send(&ToGuest::Start(script("echo $$; while :; do :; done")));
    let Some(ToHost::Print { text, .. }) = place.guest().next() else {
        panic!("it prints first");
    };
    place.guest().send(&ToGuest::Cancel {
        reason: "enough".into(),
    });
    let Some(ToHost::Failed { error, .. }) = place.guest().next() else {
        panic!("it was cancelled");
    };
    assert_eq!(
        (error.kind, error.message.as_str()),
        (FailureKind::Cancelled, "the program was cancelled: enough")
    );
    assert!(!runs(&text));
    assert_eq!(place.run(script("result 1")).result, Ok(json!(1)));
    place.end();
}

#[test]
fn a_host_that_hangs_up_ends_everything() {
    let mut place = Place::new(&[]);
    place
        .guest()
        .send(&ToGuest::Start(script("echo $$; sleep 600")));
    let Some(ToHost::Print { text, .. }) = place.guest().next() else {
        panic!("it prints first");
    };
    place.end();
    std::thread::sleep(Duration::from_millis(1));
    assert!(!runs(&text));
}

#[test]
fn answers_that_nobody_reads_do_not_pile_up() {
    // Each answer is a megabyte; the program reads none and ends by its time.
    let source = "big = 'a' * (1 << 20)\n\
        import json, time\n\
        for n in range(40):\n    \
            send(json.dumps({'type': 'call', 'id': 1000 + n, 'op': 'run', 'tool': 'echo:x', 'args': {'big': big}}) + '\\n')\n\
        guest.socket.shutdown(socket.SHUT_RD)\n\
        return 1";
    let mut place = Place::new(&[]);
    let result = place.run(speaks(source)).result;
    // Whether its value comes before it is found to have hung up is a race.
    assert!(
        [Ok(json!(1)), Ok(json!(null))].contains(&result),
        "{result:?}"
    );
    place.end();
}

#[test]
fn a_directory_that_cannot_be_read_is_removed() {
    let mut place = Place::new(&[]);
    let ran = place.run(script(
        "mkdir -p a/b/c; touch a/b/c/d; chmod 000 a/b/c a/b a; result 1",
    ));
    assert_eq!(ran.result, Ok(json!(1)));
    place.end();
}

#[test]
fn what_a_killed_guest_left_is_swept_by_the_next() {
    let dir = tempfile::tempdir().unwrap();
    let left = dir
        .path()
        .join("toolexec-program-4194304999-0123456789abcdef");
    std::fs::create_dir(&left).unwrap();
    let path = std::env::var_os("PATH").unwrap();
    let env = [
        ("PATH", path.as_os_str()),
        ("TMPDIR", dir.path().as_os_str()),
    ];
    let mut guest = crate::harness::Guest::native(&env);
    guest.run(script("echo"), crate::harness::tools);
    assert!(guest.hang_up());
    assert!(!left.exists());
}
