//! What programs of a root find in a virtual machine.

use std::fs;

use toolexec_core::code::Submission;
use toolexec_core::sandbox::{Language, Sandbox};
use toolexec_sandbox::roots::Roots;

use super::{Place, in_words, run};
use crate::support::{Guests, ways};

/// What it may not do: each line that it says is something that it did.
const TRIES: &str = r#"
(echo > /file) 2> /dev/null && echo "wrote to the root"
(echo > /usr/bin/python3) 2> /dev/null && echo "changed a program"
(echo >> /toolexec-guest) 2> /dev/null && echo "changed the guest"
(echo > /dev/file) 2> /dev/null && echo "made a file in /dev"
(echo > /proc/sys/kernel/hostname) 2> /dev/null && echo "named the machine"
mknod /tmp/disk b 254 0 2> /dev/null && echo "made a device"
cat /dev/vda > /dev/null 2>&1 && echo "read the disk"
mount -t tmpfs none /mnt 2> /dev/null && echo "mounted"
mount -o remount,rw / 2> /dev/null && echo "opened the root"
unshare --user true 2> /dev/null && echo "made a user namespace"
chroot / true 2> /dev/null && echo "changed its root"
ls "/proc/1/root" > /dev/null 2>&1 && echo "saw where the machine starts from"
kill -9 1 2> /dev/null && echo "ended the first process"
su -c true 2> /dev/null && echo "became root"
cp /usr/bin/true /tmp/own && /tmp/own 2> /dev/null && echo "ran what it wrote"
ls /sys/* > /dev/null 2>&1 && echo "saw devices"
left=$(find /tmp -type f -name left)
test -n "$left" && echo "saw what another program left"
echo > /tmp/left
result "$(id -u) $(stat -f -c %T /tmp) $(grep -c : /proc/net/dev)"
"#;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_can_be_changed_and_nothing_stays() {
    let Some(place) = Place::qemu().await else {
        return;
    };
    let executor = place.executor(None);
    for _ in 0..2 {
        let submission = Submission::new(Language::Bash, TRIES);
        let outcome = run(&executor, submission).await.unwrap();
        assert_eq!(in_words(&outcome), "\"65534 tmpfs 1\"", "{outcome:?}");
        assert_eq!(outcome.stdout, "", "{outcome:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn programs_reach_their_own_servers_and_nobody_else() {
    let Some(place) = Place::qemu().await else {
        return;
    };
    let source = "\
import socket
server = socket.create_server(('127.0.0.1', 0))
client = socket.create_connection(server.getsockname())
server.accept()[0].sendall(b'heard')
found = [client.recv(5).decode()]
try:
    socket.create_connection(('192.0.2.1', 80), timeout=5)
    found.append('somebody')
except OSError as error:
    found.append(error.strerror)
return found";
    let submission = Submission::new(Language::CPython, source);
    let outcome = run(&place.executor(None), submission).await.unwrap();
    let expected = "[\"heard\",\"Network is unreachable\"]";
    assert_eq!(in_words(&outcome), expected, "{outcome:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_disk_that_is_damaged_is_told() {
    let Some(place) = Place::qemu().await else {
        return;
    };
    let work = tempfile::tempdir().unwrap();
    let damaged = work.path().join("damaged");
    fs::create_dir(&damaged).unwrap();
    let described = place.root.directory().with_file_name("root.json");
    fs::copy(described, damaged.join("root.json")).unwrap();
    fs::write(damaged.join("disk.ext4"), vec![0; 1 << 20]).unwrap();
    let builder = ways::machines(Guests::REAL).unwrap().warm(0);
    let sandbox = builder
        .roots(Roots::new(work.path()))
        .root("damaged")
        .build();
    let error = sandbox.probe().await.unwrap_err().report();
    assert_eq!(error.message, "the virtual machine does not start");
    assert!(
        error.hints[0].starts_with("the disk of its root is damaged"),
        "{error:?}"
    );
}
