//! Servers and commands on a kernel of their own, gVisor's.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};
use toolexec_testkit::peers::{self, Peer};
use toolexec_testkit::{daemons, require};

use crate::confined::{run, says, shell, wait_until};
use crate::program::Place;

/// Says where gVisor is, which is in no usual place here.
fn with_gvisor(sections: &[String]) -> Option<String> {
    let program = require(daemons::runsc())?;
    let found = format!("[code.gvisor]\nprogram = \"{}\"\n", program.display());
    Some([found, sections.concat()].concat())
}

#[test]
fn a_command_sees_what_it_was_given_and_another_kernel() {
    let place = Place::new();
    fs::create_dir(place.path().join("data")).unwrap();
    fs::create_dir(place.path().join("out")).unwrap();
    place.write("data/note.txt", "seen");
    place.write("secret.txt", "unseen");
    let secret = place.path().join("secret.txt");
    let look = format!(
        "cat /data/note.txt; echo; cat {} 2>&1; echo changed > /data/note.txt; truncate -s 0 /data/note.txt; \
         echo made > /out/made.txt; ls / | tr '\\n' ' '; echo; ls /proc | grep -c '^[0-9]'; \
         cat /etc/shadow; dmesg | grep -c gVisor; cat; touch /usr/made /made; echo $HOME; whoami",
        secret.display()
    );
    let sandbox = "{ profile = \"hardened\", mounts = [{ path = \"data\", at = \"/data\" }, \
                   { path = \"out\", at = \"/out\", write = true }] }";
    let Some(text) = with_gvisor(&[shell("look", &look, sandbox)]) else {
        return;
    };
    place.write("toolexec.toml", &text);
    let said = says(&place, "commands:look");
    let lines: Vec<&str> = said.lines().collect();
    assert_eq!(lines[0], "seen", "{said}");
    assert!(lines[1].ends_with("No such file or directory"), "{said}");
    let roots: Vec<&str> = lines[2]
        .split_whitespace()
        .filter(|name| !name.starts_with("lib"))
        .collect();
    let all = [
        "bin", "data", "dev", "etc", "out", "proc", "sbin", "sys", "tmp", "usr",
    ];
    assert_eq!(roots, all);
    assert!(lines[3].parse::<u32>().unwrap() <= 4, "{said}");
    // What the kernel says when it starts.
    assert_eq!(lines[4], "1", "{said}");
    assert_eq!(&lines[5..], ["/tmp", "tool"], "{said}");
    assert_eq!(place.read("data/note.txt"), "seen");
    assert_eq!(place.read("out/made.txt"), "made\n");
    assert!(!Path::new("/usr/made").exists());
}

#[test]
fn limits_hold_and_what_is_not_there_is_said() {
    let place = Place::new();
    let hog = "head -c 300000000 /dev/zero | tail -c 299999999 > /dev/null";
    let forks = "i=0; while [ $i -lt 40 ]; do sleep 5 & i=$((i+1)); done; echo started";
    let fill = "head -c 3000000 /dev/zero > /tmp/full; wc -c < /tmp/full";
    let reaches = "{ profile = \"hardened\", network.allow = [\"https://example.com\"] }";
    let Some(text) = with_gvisor(&[
        shell("hog", hog, "{ kind = \"gvisor\", memory = \"64m\" }"),
        shell("forks", forks, "{ kind = \"gvisor\", pids = 12 }"),
        shell("fill", fill, "{ kind = \"gvisor\", disk = \"1m\" }"),
        shell(
            "sleeps",
            "sleep 60",
            "{ kind = \"gvisor\", timeout = \"2s\" }",
        ),
        shell("fails", "echo so >&2; exit 7", "\"hardened\""),
        shell("reaches", "true", reaches),
        shell(
            "weak",
            "true",
            "{ profile = \"hardened\", kind = \"process\" }",
        ),
        shell("without", "true", "{ image = \"nowhere\" }"),
        shell("empty", "true", "{ image = \"./\" }"),
    ]) else {
        return;
    };
    place.write("toolexec.toml", &text);
    let (code, hog) = run(&place, "commands:hog");
    let told = "command hog ran out of memory (64 MiB) and was ended by its sandbox";
    assert_eq!((code, &hog["message"]), (Some(5), &json!(told)), "{hog}");
    let (_, forks) = run(&place, "commands:forks");
    let stderr = forks["value"]["stderr"].to_string();
    assert!(
        stderr.contains("Resource temporarily unavailable") || stderr.contains("Cannot fork"),
        "{forks}"
    );
    assert_eq!(says(&place, "commands:fill").trim(), "1048576");
    let (code, sleeps) = run(&place, "commands:sleeps");
    let told = json!("command sleeps ran for 2s and was killed");
    assert_eq!((code, &sleeps["message"]), (Some(5), &told));
    let (_, fails) = run(&place, "commands:fails");
    let ended = json!([fails["value"]["exitCode"], fails["value"]["stderr"]]);
    assert_eq!(ended, json!([7, "so"]), "{fails}");
    for (name, why) in [
        ("reaches", "tools on gVisor have no network"),
        (
            "weak",
            "the sandbox process does not isolate tools as much as the profile hardened demands",
        ),
        ("without", "the image of a tool is not there"),
        ("empty", "the image of a tool has no programs in it"),
    ] {
        let (code, error) = run(&place, &format!("commands:{name}"));
        let message = format!("command {name} cannot run in its sandbox: {why}");
        assert_eq!((code, &error["message"]), (Some(6), &json!(message)));
    }
}

#[test]
fn doctor_tries_them() {
    let place = Place::new();
    let sandbox =
        "{ kind = \"gvisor\", memory = \"64m\", cpus = \"0.5\", pids = 20, disk = \"1m\" }";
    let Some(text) = with_gvisor(&[shell("fine", "true", sandbox)]) else {
        return;
    };
    let gone = "[code.gvisor]\nprogram = \"/nowhere/runsc\"\n";
    let doctor = |text: &str| {
        place.write("toolexec.toml", text);
        let output = place.output(&["doctor", "commands", "--format", "json"], "");
        let doctor: Value = serde_json::from_slice(&output.stdout).unwrap();
        doctor["sources"][0]["sandboxes"][0].clone()
    };
    let fine = doctor(&text);
    let is = "gvisor, no network, memory 64 MiB, cpus 0.5, pids 20, disk 1 MiB";
    assert_eq!((&fine["is"], &fine["error"]), (&json!(is), &Value::Null));
    let missing = doctor(&[gone.to_owned(), shell("fine", "true", sandbox)].concat());
    assert_eq!(
        missing["error"]["message"],
        "gVisor's runsc is not installed"
    );
}

#[test]
fn a_real_file_server_sees_its_mount_only() {
    let place = Place::new();
    fs::create_dir(place.path().join("data")).unwrap();
    place.write("data/note.txt", "inside");
    place.write("secret.txt", "outside");
    // The whole machine, as far as the server itself is concerned.
    let Some(mut launch) = peers::require_stdio(Peer::Filesystem, Path::new("/")) else {
        return;
    };
    launch.args.push("/data".to_owned());
    let server = format!(
        "[servers.files]\ncommand = {:?}\nargs = {:?}\n[servers.files.sandbox]\n\
         profile = \"hardened\"\nmemory = \"512m\"\n\
         mounts = [{{ path = \"data\", at = \"/data\" }}]\n",
        launch.program.to_string_lossy(),
        launch.args
    );
    let Some(text) = with_gvisor(&[server]) else {
        return;
    };
    place.write("toolexec.toml", &text);
    let secret = place.path().join("secret.txt");
    for (path, must) in [
        ("/data/note.txt", "inside"),
        (&*secret.to_string_lossy(), "ENOENT"),
        ("/etc/shadow", "ENOENT"),
    ] {
        let path = format!("path={path}");
        let output = place.output(&["run", "files:read_text_file", &path], "");
        let said = [output.stdout, output.stderr].concat();
        let said = String::from_utf8_lossy(&said).into_owned();
        let is_there =
            said.contains(must) || said.contains(&must.replace("ENOENT", "no such file"));
        assert!(is_there, "{path}: {said}");
    }
    let write = [
        "run",
        "files:write_file",
        "path=/data/note.txt",
        "content=changed",
    ];
    assert_eq!(place.output(&write, "").status.code(), Some(1));
    assert_eq!(place.read("data/note.txt"), "inside");
}

#[test]
fn nothing_is_left_when_the_host_is_killed() {
    let place = Place::new();
    let Some(text) = with_gvisor(&[shell("stays", "sleep 1000", "\"hardened\"")]) else {
        return;
    };
    place.write("toolexec.toml", &text);
    let mut host = place
        .command(&["run", "commands:stays"])
        .stdout(std::process::Stdio::null())
        .spawn()
        .unwrap();
    // The runtime, its kernel and its file server name the host's directory.
    let name = format!("-{}-", host.id());
    let running = || {
        let entries = fs::read_dir("/proc").unwrap().flatten();
        let lines = entries.filter_map(|one| fs::read_to_string(one.path().join("cmdline")).ok());
        lines
            .filter(|line| line.contains("/tools/toolexec-") && line.contains(&name))
            .count()
    };
    wait_until("its kernel runs", || running() >= 3);
    host.kill().unwrap();
    host.wait().unwrap();
    wait_until("nothing runs", || running() == 0);
}
