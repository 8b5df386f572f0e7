//! Servers and commands that run in sandboxes, from the configuration to the result.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use toolexec_testkit::peers::{self, Peer};

use crate::program::Place;

/// A command that runs a script of the shell in a sandbox.
pub(crate) fn shell(name: &str, script: &str, sandbox: &str) -> String {
    format!(
        "[commands.{name}]\nprogram = \"/bin/sh\"\nargs = [\"-c\", {script:?}]\n\
         sandbox = {sandbox}\n"
    )
}

pub(crate) fn run(place: &Place, tool: &str) -> (Option<i32>, Value) {
    let output = place.output(&["run", tool, "--format", "json"], "");
    let text = String::from_utf8_lossy(&output.stdout);
    let said = String::from_utf8_lossy(&output.stderr);
    let read = |text: &str| serde_json::from_str::<Value>(text);
    let value = read(&text).or_else(|_| read(&said).map(|error| error["error"].clone()));
    let value = value.unwrap_or_else(|error| panic!("{error}: {text}{said}"));
    (output.status.code(), value)
}

/// What a script prints.
pub(crate) fn says(place: &Place, tool: &str) -> String {
    let (_, result) = run(place, tool);
    result["value"]
        .as_str()
        .map_or_else(|| result.to_string(), str::to_owned)
}

#[test]
fn a_command_sees_what_it_was_given_and_nothing_else() {
    let place = Place::new();
    fs::create_dir(place.path().join("data")).unwrap();
    fs::create_dir(place.path().join("out")).unwrap();
    place.write("data/note.txt", "seen");
    place.write("secret.txt", "unseen");
    let secret = place.path().join("secret.txt");
    let look = format!(
        "cat /data/note.txt; echo; cat {} 2>&1; echo changed > /data/note.txt; \
         echo made > /out/made.txt; id -u; ls / | tr '\\n' ' '; echo; ls /proc | grep -c '^[0-9]'; \
         cat /etc/shadow; env | sort | tr '\\n' ' '",
        secret.display()
    );
    let sandbox = "{ mounts = [{ path = \"data\", at = \"/data\" }, \
                   { path = \"out\", at = \"/out\", write = true }] }";
    place.write("toolexec.toml", &shell("look", &look, sandbox));
    let said = says(&place, "commands:look");
    let lines: Vec<&str> = said.lines().collect();
    assert_eq!(lines[0], "seen");
    assert!(lines[1].ends_with("No such file or directory"), "{said}");
    assert_eq!(lines[2], "1000");
    let roots: Vec<&str> = lines[3]
        .split_whitespace()
        .filter(|name| !name.starts_with("lib"))
        .collect();
    assert_eq!(
        roots,
        [
            "bin", "data", "dev", "etc", "out", "proc", "sbin", "tmp", "usr"
        ]
    );
    // Itself, the shell, and what it runs: nobody else's processes.
    assert!(lines[4].parse::<u32>().unwrap() <= 4, "{said}");
    let names: Vec<&str> = lines[5]
        .split_whitespace()
        .filter_map(|one| one.split_once('='))
        .map(|(name, _)| name)
        .filter(|name| !["LANG", "LC_ALL", "LC_CTYPE", "TZ", "_"].contains(name))
        .collect();
    assert_eq!(names, ["HOME", "LOGNAME", "PATH", "PWD", "TMPDIR", "USER"]);
    assert_eq!(place.read("data/note.txt"), "seen");
    assert_eq!(place.read("out/made.txt"), "made\n");
}

#[test]
fn a_command_reaches_nobody_and_changes_no_kernel() {
    let Ok(python) = python() else { return };
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let attack = format!(
        "import ctypes, os, socket\n\
         def tried(what, act):\n\
         \x20   try:\n\
         \x20       act()\n\
         \x20       print(what, 'WORKED')\n\
         \x20   except OSError as error:\n\
         \x20       print(what, type(error).__name__, error.errno)\n\
         libc = ctypes.CDLL(None, use_errno=True)\n\
         def call(*args):\n\
         \x20   if libc.syscall(*args) == -1:\n\
         \x20       raise OSError(ctypes.get_errno(), 'refused')\n\
         tried('loopback', lambda: socket.create_connection(('127.0.0.1', {port}), 2))\n\
         tried('outside', lambda: socket.create_connection(('192.0.2.1', 80), 2))\n\
         tried('netlink', lambda: socket.socket(16, 3, 0))\n\
         tried('vsock', lambda: socket.socket(40, 1, 0))\n\
         tried('keyring', lambda: call(250, 0, 0))\n\
         tried('bpf', lambda: call(321, 0, 0, 0))\n\
         tried('perf', lambda: call(298, 0, 0, -1, -1, 0))\n\
         tried('uring', lambda: call(425, 1, 0))\n\
         tried('ptrace', lambda: call(101, 16, 1, 0, 0))\n\
         tried('unshare', lambda: call(272, 0x10000000))\n\
         tried('clone', lambda: call(56, 0x10000000 | 17, 0, 0, 0, 0))\n\
         tried('mount', lambda: call(165, 0, b'/tmp', b'tmpfs', 0, 0))\n\
         tried('init', lambda: open('/proc/1/environ').read())\n\
         tried('memory', lambda: open('/proc/1/mem', 'rb').read(1))\n\
         tried('sysctl', lambda: open('/proc/sys/kernel/core_pattern', 'w'))\n\
         tried('root', lambda: open('/made', 'w'))\n\
         tried('system', lambda: open('/usr/made', 'w'))\n\
         try:\n\
         \x20   os.kill(1, 9)\n\
         except OSError:\n\
         \x20   pass\n\
         print('alive')\n"
    );
    let place = Place::new();
    place.write("attack.py", &attack);
    let script = place.path().join("attack.py");
    place.write(
        "toolexec.toml",
        &format!(
            "[commands.attack]\nprogram = {python:?}\nargs = [{:?}]\nsandbox = \"standard\"\n",
            script.to_string_lossy()
        ),
    );
    if std::env::consts::ARCH != "x86_64" {
        return;
    }
    let said = says(&place, "commands:attack");
    let lines: Vec<&str> = said.lines().collect();
    assert_eq!(
        lines,
        [
            "loopback ConnectionRefusedError 111",
            "outside OSError 101",
            "netlink PermissionError 1",
            "vsock PermissionError 1",
            "keyring PermissionError 1",
            "bpf PermissionError 1",
            "perf PermissionError 1",
            "uring PermissionError 1",
            "ptrace PermissionError 1",
            "unshare PermissionError 1",
            "clone PermissionError 1",
            "mount PermissionError 1",
            "init FileNotFoundError 2",
            "memory FileNotFoundError 2",
            "sysctl FileNotFoundError 2",
            "root OSError 30",
            "system OSError 30",
            "alive",
        ]
    );
}

/// A Python that knows nothing of us.
fn python() -> Result<String, ()> {
    let place = tempfile::tempdir().unwrap();
    let launch = peers::require_stdio(Peer::Time, place.path()).ok_or(())?;
    Ok(launch.program.to_string_lossy().into_owned())
}

#[test]
fn limits_hold_and_are_told() {
    let place = Place::new();
    let hog = "x=$(head -c 300000000 /dev/zero | tr '\\0' x); echo ${#x}";
    let forks = "i=0; while [ $i -lt 40 ]; do sleep 5 & i=$((i+1)); done; echo started";
    let fill = "head -c 3000000 /dev/zero > /tmp/full; wc -c < /tmp/full";
    let sections = [
        shell("hog", hog, "{ memory = \"64m\" }"),
        shell("forks", forks, "{ pids = 12 }"),
        shell("fill", fill, "{ disk = \"1m\" }"),
        shell("sleeps", "sleep 60", "{ timeout = \"300ms\" }"),
    ];
    place.write("toolexec.toml", &sections.concat());
    let (code, hog) = run(&place, "commands:hog");
    assert_eq!(
        (code, &hog["message"]),
        (
            Some(5),
            &json!("command hog ran out of memory (64 MiB) and was ended by its sandbox")
        ),
        "{hog}"
    );
    let (_, forks) = run(&place, "commands:forks");
    let stderr = forks["value"]["stderr"].to_string();
    assert!(
        stderr.contains("Resource temporarily unavailable") || stderr.contains("Cannot fork"),
        "{forks}"
    );
    assert_eq!(says(&place, "commands:fill").trim(), "1048576");
    let (code, sleeps) = run(&place, "commands:sleeps");
    assert_eq!(
        (code, &sleeps["message"]),
        (
            Some(5),
            &json!("command sleeps ran for 300ms and was killed")
        )
    );
}

#[test]
fn doctor_shows_sandboxes_and_tries_them() {
    let place = Place::new();
    place.write(
        "toolexec.toml",
        &[
            shell(
                "fine",
                "true",
                "{ memory = \"64m\", cpus = \"0.5\", pids = 20, disk = \"1m\" }",
            ),
            shell(
                "gone",
                "true",
                "{ mounts = [{ path = \"nowhere\", at = \"/data\" }] }",
            ),
            shell("strong", "true", "\"hardened\""),
            "[code.gvisor]\nprogram = \"/nowhere/runsc\"\n".to_owned(),
        ]
        .concat(),
    );
    let output = place.output(&["doctor", "commands", "--format", "json"], "");
    assert_eq!(output.status.code(), Some(6));
    let doctor: Value = serde_json::from_slice(&output.stdout).unwrap();
    let sandboxes: Vec<Value> = doctor["sources"][0]["sandboxes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| json!([one["of"], one["is"], one["error"]["message"]]))
        .collect();
    let none = "gVisor's runsc is not installed";
    let cannot = "something that the sandbox shows cannot be mounted";
    let fine = "process, no network, memory 64 MiB, cpus 0.5, pids 20, disk 1 MiB";
    let usual = "process, no network, memory 1 GiB, pids 256, disk 64 MiB";
    assert_eq!(
        sandboxes,
        [
            json!(["fine", fine, null]),
            json!(["gone", usual, cannot]),
            json!(["strong", usual.replace("process", "gvisor"), none]),
        ]
    );
    for (tool, why) in [("gone", cannot), ("strong", none)] {
        let (code, error) = run(&place, &format!("commands:{tool}"));
        let message = format!("command {tool} cannot run in its sandbox: {why}");
        assert_eq!((code, &error["message"]), (Some(6), &json!(message)));
    }
}

#[test]
fn a_real_file_server_sees_its_mount_only() {
    let place = Place::new();
    let data = place.path().join("data");
    fs::create_dir(&data).unwrap();
    place.write("data/note.txt", "inside");
    place.write("secret.txt", "outside");
    // The whole machine, as far as the server itself is concerned.
    let Some(mut launch) = peers::require_stdio(Peer::Filesystem, Path::new("/")) else {
        return;
    };
    launch.args.push("/data".to_owned());
    place.write(
        "toolexec.toml",
        &format!(
            "[servers.files]\ncommand = {:?}\nargs = {:?}\n[servers.files.sandbox]\n\
             memory = \"512m\"\nmounts = [{{ path = \"data\", at = \"/data\" }}]\n",
            launch.program.to_string_lossy(),
            launch.args
        ),
    );
    let read = |path: &str| {
        let path = format!("path={path}");
        let args = ["run", "files:read_text_file", &path, "--format", "json"];
        let output = place.output(&args, "");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        let value: Value = serde_json::from_slice(&output.stdout)
            .unwrap_or_else(|error| panic!("{error}: {said}"));
        (
            value["is_error"].clone(),
            value["text"].to_string() + &value["value"].to_string(),
        )
    };
    let (is_error, text) = read("/data/note.txt");
    assert!(is_error != json!(true) && text.contains("inside"), "{text}");
    for path in [
        place
            .path()
            .join("secret.txt")
            .to_string_lossy()
            .into_owned(),
        data.join("note.txt").to_string_lossy().into_owned(),
        "/etc/shadow".to_owned(),
    ] {
        let (is_error, text) = read(&path);
        assert_eq!(is_error, json!(true), "{text}");
        assert!(
            text.contains("ENOENT") || text.contains("no such file"),
            "{text}"
        );
    }
    let write = [
        "run",
        "files:write_file",
        "path=/data/note.txt",
        "content=changed",
    ];
    assert_eq!(place.output(&write, "").status.code(), Some(1));
    assert_eq!(place.read("data/note.txt"), "inside");
    // A step of a chain runs there as well.
    let chain = place.output(
        &[
            "chain",
            "files:read_text_file path=/data/note.txt",
            "text:upper text={{prev.content}}",
        ],
        "",
    );
    assert_eq!(String::from_utf8_lossy(&chain.stdout).trim(), "INSIDE");
}

/// Answers every request with a text, and counts them.
fn page(address: &str, text: &'static str) -> (u16, Arc<AtomicUsize>) {
    let listener = TcpListener::bind((address, 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    let asked = Arc::new(AtomicUsize::new(0));
    let count = asked.clone();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            count.fetch_add(1, Ordering::SeqCst);
            let mut head = [0; 4096];
            let _ = stream.read(&mut head);
            let answer = format!(
                "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: {}\r\n\
                 Connection: close\r\n\r\n{text}",
                text.len()
            );
            let _ = stream.write_all(answer.as_bytes());
        }
    });
    (port, asked)
}

#[test]
fn a_real_fetch_server_reaches_its_allowed_host_only() {
    fetch_reaches_its_allowed_host_only("", "kind = \"process\"");
}

/// Runs the fetch server in a sandbox with these keys, after these sections.
pub(crate) fn fetch_reaches_its_allowed_host_only(sections: &str, keys: &str) {
    let place = Place::new();
    let Some(launch) = peers::require_stdio(Peer::Fetch, place.path()) else {
        return;
    };
    // Programs ask their own loopback address, 127.0.0.1, without a proxy.
    let (open, seen) = page("127.0.0.2", "the page that is allowed");
    let (shut, unseen) = page("127.0.0.3", "the page that is not");
    place.write(
        "toolexec.toml",
        &format!(
            "{sections}[servers.fetch]\ncommand = {:?}\nargs = {:?}\n[servers.fetch.sandbox]\n\
             {keys}\n\
             network.allow = [{{ origin = \"http://127.0.0.2:{open}\", allow_private = true }}]\n",
            launch.program.to_string_lossy(),
            launch.args
        ),
    );
    let fetch = |url: String| {
        let url = format!("url={url}");
        let output = place.output(&["run", "fetch:fetch", &url, "--format", "json"], "");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        (
            output.status.code(),
            String::from_utf8_lossy(&output.stdout).into_owned() + &said,
        )
    };
    let (code, text) = fetch(format!("http://127.0.0.2:{open}/page"));
    assert_eq!(code, Some(0), "{text}");
    assert!(text.contains("the page that is allowed"), "{text}");
    for url in [
        format!("http://127.0.0.3:{shut}/page"),
        format!("http://127.0.0.1:{shut}/page"),
        "http://192.0.2.1/".to_owned(),
    ] {
        let (code, text) = fetch(url);
        assert_ne!(code, Some(0), "{text}");
    }
    let counts = [&seen, &unseen].map(|count| count.load(Ordering::SeqCst));
    assert_eq!(counts, [1, 0]);
}

#[test]
fn what_a_command_started_ends_with_the_program() {
    let place = Place::new();
    // A number that no other process of this machine sleeps for.
    let seconds = 100_000 + u64::from(std::process::id());
    let script = format!("setsid sleep {seconds} & setsid sleep {seconds} & wait");
    place.write("toolexec.toml", &shell("stays", &script, "{ pids = 20 }"));
    let mut host = place
        .command(&["run", "commands:stays"])
        .stdout(std::process::Stdio::null())
        .spawn()
        .unwrap();
    let sleeping = || {
        let wanted = format!("sleep\0{seconds}\0");
        let entries = fs::read_dir("/proc").unwrap().flatten();
        entries
            .filter(|entry| {
                let line = fs::read_to_string(entry.path().join("cmdline"));
                line.is_ok_and(|line| line == wanted)
            })
            .count()
    };
    wait_until("both sleep", || sleeping() == 2);
    host.kill().unwrap();
    host.wait().unwrap();
    wait_until("none sleeps", || sleeping() == 0);
}

pub(crate) fn wait_until(what: &str, is_so: impl Fn() -> bool) {
    let until = Instant::now() + Duration::from_secs(60);
    while !is_so() {
        assert!(Instant::now() < until, "{what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}
