//! Servers and commands on a kernel of their own, gVisor's.

use std::fs;
use std::os::unix::process::CommandExt;
use std::path::Path;

use serde_json::{Value, json};
use toolexec_testkit::peers::{self, Peer};
use toolexec_testkit::{daemons, require};

use crate::confined::{fetch_reaches_its_allowed_host_only, run, says, shell, wait_until};
use crate::program::{Place, TOOLEXEC};

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
fn a_real_fetch_server_reaches_its_allowed_host_only() {
    let Some(sections) = with_gvisor(&[]) else {
        return;
    };
    fetch_reaches_its_allowed_host_only(&sections, "profile = \"hardened\"");
}

#[test]
fn a_command_with_a_network_has_no_more_than_its_proxy() {
    let place = Place::new();
    fs::create_dir(place.path().join("out")).unwrap();
    let sandbox = "{ profile = \"hardened\", pids = 8, network.allow = [\"https://example.com\"], \
                   mounts = [{ path = \"out\", at = \"/out\", write = true }] }";
    // Its own arguments, input, environment and end are those that it has without.
    let look = "cat; echo $0; echo $http_proxy | sed 's/:[^:]*@/@/'; \
                grep -c BEGIN $SSL_CERT_FILE; cat /proc/net/dev | grep -c :; \
                touch /etc/toolexec/proxy/made /etc/toolexec/init; echo made > /out/made; exit 3";
    let outside = "{ kind = \"gvisor\", network.allow = [\"https://example.com\"], \
                   mounts = [{ path = \"out\", at = \"/etc/toolexec\" }] }";
    let Some(text) = with_gvisor(&[
        shell("look", look, sandbox),
        shell("covers", "true", outside),
    ]) else {
        return;
    };
    place.write("toolexec.toml", &text);
    let (_, look) = run(&place, "commands:look");
    let said = look["value"]["stdout"].as_str().unwrap();
    let lines: Vec<&str> = said.lines().collect();
    let proxy = "http://toolexec@127.0.0.1:3128";
    assert_eq!(lines, ["/bin/sh", proxy, "1", "1"], "{look}");
    assert_eq!(look["value"]["exitCode"], 3, "{look}");
    assert_eq!(place.read("out/made"), "made\n");
    // The directory of what it was mounted over stays as it was.
    let (code, covers) = run(&place, "commands:covers");
    assert_eq!(code, Some(6), "{covers}");
    assert_eq!(fs::read_dir(place.path().join("out")).unwrap().count(), 1);
}

/// Who has no rights of root's.
const NOBODY: u32 = 65534;

#[test]
fn an_ordinary_user_writes_what_it_may_and_reaches_its_proxy() {
    if !rustix::process::geteuid().is_root() {
        // Then the other tests show it.
        return;
    }
    let Some(runsc) = require(daemons::runsc()) else {
        return;
    };
    let place = Place::new();
    // Where they are built, only root may look.
    for (from, name) in [(Path::new(TOOLEXEC), "toolexec"), (&runsc, "runsc")] {
        let to = place.path().join(name);
        let linked = fs::hard_link(from, &to);
        linked.or_else(|_| fs::copy(from, &to).map(drop)).unwrap();
    }
    fs::create_dir(place.path().join("out")).unwrap();
    for path in [place.path(), &place.path().join("out")] {
        std::os::unix::fs::chown(path, Some(NOBODY), Some(NOBODY)).unwrap();
    }
    let script = "import os, urllib.request, urllib.error; open('/out/made', 'w').write('made')\n\
                  try: urllib.request.urlopen('http://example.com')\n\
                  except urllib.error.HTTPError as error: print(error.code)\n\
                  try: open('/etc/passwd', 'a')\n\
                  except OSError as error: print(error.strerror)";
    let text = format!(
        "[code.gvisor]\nprogram = \"./runsc\"\n[commands.look]\nprogram = \"/usr/bin/python3\"\n\
         args = [\"-c\", {script:?}]\n[commands.look.sandbox]\nprofile = \"hardened\"\n\
         network.allow = [\"https://example.org\"]\n\
         mounts = [{{ path = \"out\", at = \"/out\", write = true }}]\n"
    );
    place.write("toolexec.toml", &text);
    let mut look = place.command_of(
        &place.path().join("toolexec"),
        &["run", "commands:look", "--format", "json"],
    );
    let output = look.uid(NOBODY).gid(NOBODY).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    let look: Value = serde_json::from_str(&said)
        .unwrap_or_else(|_| panic!("{said}{}", String::from_utf8_lossy(&output.stderr)));
    // The proxy says what it does not let pass.
    assert_eq!(look["value"], "403\nRead-only file system", "{look}");
    assert_eq!(place.read("out/made"), "made");
}

#[test]
fn nothing_is_left_when_the_host_is_killed() {
    let place = Place::new();
    let sandbox = "{ profile = \"hardened\", network.allow = [\"https://example.com\"] }";
    let Some(text) = with_gvisor(&[shell("stays", "sleep 1000", sandbox)]) else {
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
