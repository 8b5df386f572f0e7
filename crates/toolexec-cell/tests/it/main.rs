//! Programs that are locked in, from the first instruction to the end.
#![cfg(target_os = "linux")]
#![expect(
    clippy::unwrap_used,
    reason = "clippy allows it in test functions, not in what test functions share"
)]

use std::fs;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

use toolexec_cell::{ARGUMENT, GiveError, Link, Mount, PORT, Spec, Started, give};
use toolexec_process::{Child, Command, read_to_limit};

/// A machine's own programs, and nothing else.
fn spec() -> Spec {
    let mut spec = Spec {
        dir: "/tmp".into(),
        disk: 1 << 20,
        env: vec![("PATH".to_owned(), "/usr/bin:/bin".to_owned())],
        ..Spec::default()
    };
    for dir in ["/usr", "/bin", "/sbin", "/lib", "/lib64"].map(Path::new) {
        match fs::read_link(dir) {
            Ok(to) => spec.links.push(Link {
                path: dir.to_owned(),
                to,
            }),
            Err(_) if dir.exists() => spec.mounts.push(Mount {
                source: dir.to_owned(),
                target: dir.to_owned(),
                write: false,
            }),
            Err(_) => {}
        }
    }
    spec
}

/// A program that is locked in, with our end of its launcher's socket.
struct Locked {
    child: Child,
    started: Started,
    socket: UnixStream,
}

fn start(spec: &Spec, program: &[&str]) -> Result<Locked, GiveError> {
    let (ours, theirs) = UnixStream::pair().unwrap();
    ours.set_read_timeout(Some(Duration::from_secs(60)))
        .unwrap();
    let theirs = OwnedFd::from(theirs);
    let number = theirs.as_raw_fd().to_string();
    let child = Command::new(env!("CARGO_BIN_EXE_toolexec-cell"))
        .args([ARGUMENT, &number])
        .args(program.iter().copied())
        .descriptor(theirs)
        .spawn()
        .unwrap();
    let started = give(&ours, spec)?;
    Ok(Locked {
        child,
        started,
        socket: ours,
    })
}

/// What a script prints, and how it ends.
async fn says(spec: &Spec, script: &str) -> (String, String) {
    let mut locked = start(spec, &["/bin/sh", "-c", script]).unwrap();
    locked.child.take_stdin();
    let output = read_to_limit(locked.child.take_stdout().unwrap(), 1 << 20).await;
    let exit = locked.child.wait().await.unwrap();
    let said = String::from_utf8(output.unwrap()).unwrap();
    (said, exit.to_string())
}

#[tokio::test]
async fn it_ends_as_the_program_does() {
    let spec = spec();
    for (script, wanted) in [
        ("exit 0", "exited with status 0"),
        ("exit 7", "exited with status 7"),
        ("kill -9 $$", "was ended by SIGKILL"),
        ("kill -11 $$", "was ended by SIGSEGV"),
    ] {
        assert_eq!(
            says(&spec, script).await,
            (String::new(), wanted.to_owned())
        );
    }
}

#[tokio::test]
async fn the_streams_are_the_programs_own() {
    let mut locked = start(&spec(), &["/bin/cat"]).unwrap();
    let mut input = locked.child.take_stdin().unwrap();
    tokio::io::AsyncWriteExt::write_all(&mut input, b"\0through\xff\n")
        .await
        .unwrap();
    drop(input);
    let output = read_to_limit(locked.child.take_stdout().unwrap(), 100).await;
    assert_eq!(output.unwrap(), b"\0through\xff\n");
    assert!(locked.child.wait().await.unwrap().is_success());
}

#[tokio::test]
async fn only_what_is_named_is_there() {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join("in")).unwrap();
    fs::write(dir.path().join("in/file"), "seen").unwrap();
    fs::write(dir.path().join("one"), "file").unwrap();
    let mount = |name: &str, target: &str, write| Mount {
        source: dir.path().join(name),
        target: target.into(),
        write,
    };
    let mut spec = spec();
    spec.mounts.push(mount("in", "/tmp/deep/in", true));
    spec.mounts.push(mount("one", "/srv/one", false));
    let script = "cat deep/in/file /srv/one; echo new > deep/in/new; echo x > /srv/one; \
                  ls /srv /root /home 2>/dev/null; echo; pwd; id -u; hostname; \
                  cat /proc/1/environ; ls -d /proc/sys; head -c 2000000 /dev/zero > /tmp/full; \
                  stat -c %s /tmp/full";
    let (said, _) = says(&spec, script).await;
    assert_eq!(said, "seenfile/srv:\none\n\n/tmp\n1000\nsandbox\n1048576\n");
    assert_eq!(
        fs::read_to_string(dir.path().join("in/new")).unwrap(),
        "new\n"
    );
    assert_eq!(fs::read_to_string(dir.path().join("one")).unwrap(), "file");
}

#[tokio::test]
async fn the_host_is_who_can_be_connected_to() {
    let mut spec = spec();
    spec.listen = true;
    let script = format!(
        "exec 3<>/dev/tcp/127.0.0.1/{PORT}; echo hello >&3; read answer <&3; echo got $answer; \
         (exec 4<>/dev/tcp/127.0.0.1/22) 2>/dev/null || echo refused; \
         (exec 5<>/dev/tcp/192.0.2.1/80) 2>/dev/null || echo nowhere"
    );
    let mut locked = start(&spec, &["/bin/bash", "-c", &script]).unwrap();
    let listener = locked.started.listener.take().unwrap();
    let served = tokio::task::spawn_blocking(move || {
        use std::io::{BufRead, BufReader, Write};
        let (mut stream, _) = listener.accept().unwrap();
        let mut line = String::new();
        BufReader::new(stream.try_clone().unwrap())
            .read_line(&mut line)
            .unwrap();
        stream
            .write_all(format!("{}!\n", line.trim()).as_bytes())
            .unwrap();
    });
    let output = read_to_limit(locked.child.take_stdout().unwrap(), 1000).await;
    let said = String::from_utf8(output.unwrap()).unwrap();
    assert_eq!(said, "got hello!\nrefused\nnowhere\n");
    served.await.unwrap();
}

#[tokio::test]
async fn everything_ends_when_the_host_hangs_up() {
    let mut locked = start(&spec(), &["/bin/sh", "-c", "setsid sleep 600 & sleep 600"]).unwrap();
    let first = format!("/proc/{}", locked.started.pid);
    assert!(Path::new(&first).exists());
    drop(locked.socket);
    let exit = tokio::time::timeout(Duration::from_secs(60), locked.child.wait()).await;
    assert_eq!(exit.unwrap().unwrap().to_string(), "was ended by SIGKILL");
    let until = Instant::now() + Duration::from_secs(60);
    while Path::new(&first).exists() {
        assert!(Instant::now() < until);
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[tokio::test]
async fn what_cannot_be_done_is_said() {
    let failure = |spec: &Spec, program: &str| match start(spec, &[program]) {
        Err(GiveError::Step { step, errno, .. }) => (step, errno),
        other => (format!("{:?}", other.map(|_| ())), None),
    };
    let good = spec();
    let not_found = Some(2);
    assert_eq!(
        failure(&good, "/no/such/program"),
        ("executing the program".to_owned(), not_found)
    );
    let nowhere = Spec {
        dir: "/nowhere".into(),
        ..spec()
    };
    assert_eq!(
        failure(&nowhere, "/bin/true"),
        ("entering the working directory".to_owned(), not_found)
    );
    let mut absent = spec();
    absent.mounts.push(Mount {
        source: "/no/such/directory".into(),
        target: "/data".into(),
        write: false,
    });
    assert_eq!(failure(&absent, "/bin/true").0, "mounting");
}

#[tokio::test]
async fn without_a_program_everything_is_tried() {
    let mut locked = start(&spec(), &[]).unwrap();
    assert!(locked.child.wait().await.unwrap().is_success());
}
