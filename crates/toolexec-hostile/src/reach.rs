//! Reaching for what is outside: files, sockets, processes, the kernel's switches. What the host
//! put there to be found is named by the inputs of the program.

use libc::c_long;
use serde_json::{Map, Value};

use crate::sys::{self, call, open, text};

/// What an attempt came to.
pub(crate) const REFUSED: &str = "refused";
/// The call works, and is without effect outside.
pub(crate) const HARMLESS: &str = "harmless";

/// The kernel's switches that change the machine, or run a program on it.
const SWITCHES: &[&str] = &[
    "/proc/sys/kernel/core_pattern",
    "/proc/sys/kernel/modprobe",
    "/proc/sys/kernel/hotplug",
    "/proc/sys/kernel/sysrq",
    "/proc/sys/kernel/randomize_va_space",
    "/proc/sys/fs/binfmt_misc/register",
    "/proc/sys/vm/panic_on_oom",
    "/proc/sysrq-trigger",
    "/sys/kernel/uevent_helper",
    "/sys/kernel/debug/sched_features",
    "/sys/power/state",
    "/sys/module/kernel/parameters/panic",
    "/sys/fs/cgroup/release_agent",
    "/sys/fs/cgroup/memory/release_agent",
    "/sys/fs/cgroup/memory/notify_on_release",
];

/// Files that are the kernel's memory, or what only its user may read.
const SECRETS: &[&str] = &[
    "/proc/kcore",
    "/proc/kmsg",
    "/proc/1/mem",
    "/proc/kpagecount",
    "/dev/mem",
    "/dev/kmem",
    "/dev/port",
    "/dev/kmsg",
    "/etc/shadow",
];

const DEVICES: &[&str] = &[
    "/dev/sda",
    "/dev/vda",
    "/dev/nvme0n1",
    "/dev/mapper/control",
    "/dev/loop-control",
    "/dev/loop0",
    "/dev/kvm",
    "/dev/fuse",
    "/dev/net/tun",
    "/dev/vhost-net",
    "/dev/vhost-vsock",
    "/dev/uinput",
    "/dev/dri/card0",
];

const DAEMONS: &[&str] = &[
    "/var/run/docker.sock",
    "/run/docker.sock",
    "/run/containerd/containerd.sock",
    "/run/podman/podman.sock",
    "/run/crio/crio.sock",
    "/run/systemd/private",
    "/run/dbus/system_bus_socket",
];

const TOKENS: &[&str] = &[
    "/var/run/secrets/kubernetes.io/serviceaccount/token",
    "/run/secrets/kubernetes.io/serviceaccount/token",
    "/etc/kubernetes/admin.conf",
    "/var/lib/kubelet/config.yaml",
];

/// What of the host a program may be told about.
pub(crate) struct Host<'a>(pub(crate) &'a Map<String, Value>);

impl Host<'_> {
    fn word(&self, name: &str) -> String {
        let value = self.0.get(name).and_then(Value::as_str);
        value.unwrap_or_default().to_owned()
    }

    fn number(&self, name: &str) -> c_long {
        self.0.get(name).and_then(Value::as_i64).unwrap_or_default()
    }

    /// The file that lies in a directory everybody may read.
    fn file(&self) -> String {
        self.word("file")
    }
}

/// What an attempt of that name comes to; `None` where nobody knows it.
pub(crate) fn attempt(name: &str, host: &Host<'_>) -> Option<String> {
    let file = host.file();
    let said = match name {
        "reading a file of the host" => opened(&[&file], libc::O_RDONLY),
        "writing a file of the host" => opened(&[&file], libc::O_WRONLY),
        "climbing out with dots" => opened(&[&format!("../../../../../..{file}")], 0),
        "climbing out through the first process" => opened(
            &[
                &format!("/proc/1/root{file}"),
                &format!("/proc/1/cwd{file}"),
            ],
            0,
        ),
        "climbing out through open descriptors" => through_descriptors(&file),
        "a symbolic link to a file of the host" => link(libc::SYS_symlinkat, &file),
        "a hard link to a file of the host" => link(libc::SYS_linkat, &file),
        "overwriting the program it runs from" => opened(
            &["/proc/self/exe", "/toolexec-guest", "/proc/1/exe"],
            libc::O_WRONLY,
        ),
        "a socket that is a file of the host" => unix(&host.word("socket")),
        "an abstract socket of the host" => unix(&format!("\0{}", host.word("abstract"))),
        "a port of the host" => tcp([127, 0, 0, 1], host.number("tcp")),
        "a message to a port of the host" => udp([127, 0, 0, 1], host.number("udp"), true),
        "a cloud's metadata" => udp([169, 254, 169, 254], 80, false),
        "a name server" => udp([1, 1, 1, 1], 53, false),
        "the server of a cluster" => udp([10, 96, 0, 1], 443, false),
        "a container daemon" => daemons(host),
        "a cluster's token" => opened(TOKENS, 0),
        "a process of the host" => process(host.number("pid")),
        "seeing processes" => processes(host.number("pid")),
        "switches of the kernel" => opened(SWITCHES, libc::O_WRONLY),
        "secrets of the kernel" => readable(SECRETS),
        "devices" => opened(DEVICES, libc::O_RDWR),
        "leaving its control group" => opened(
            &[
                "/sys/fs/cgroup/cgroup.procs",
                "/sys/fs/cgroup/memory/cgroup.procs",
                "/sys/fs/cgroup/pids/cgroup.procs",
                "/sys/fs/cgroup/memory/memory.limit_in_bytes",
                "/sys/fs/cgroup/memory.max",
            ],
            libc::O_WRONLY,
        ),
        "being spared when memory runs out" => written("/proc/self/oom_score_adj", b"-1000"),
        _ => return None,
    };
    Some(said)
}

/// Whether any of the files can be opened.
fn opened(paths: &[&str], flags: i32) -> String {
    match paths.iter().find(|path| open(path, flags).is_ok()) {
        Some(path) => format!("opened {path}"),
        None => REFUSED.to_owned(),
    }
}

/// Whether anything can be read from any of the files; what is masked is there and empty.
fn readable(paths: &[&str]) -> String {
    let has_text = |path: &&&str| {
        let flags = libc::O_RDONLY | libc::O_NONBLOCK;
        let read = open(path, flags).and_then(sys::read);
        read.is_ok_and(|bytes| !bytes.is_empty())
    };
    match paths.iter().find(has_text) {
        Some(path) => format!("read {path}"),
        None => REFUSED.to_owned(),
    }
}

fn written(path: &str, bytes: &[u8]) -> String {
    let wrote = open(path, libc::O_WRONLY).and_then(|fd| sys::write(fd, bytes));
    wrote.map_or_else(|_| REFUSED.to_owned(), |_| format!("wrote {path}"))
}

/// From a directory that somebody left open, or the working directory, upwards.
fn through_descriptors(file: &str) -> String {
    let path = text(&format!("../../../../../../../..{file}"));
    let mut at: Vec<c_long> = (3..256).collect();
    at.push(libc::AT_FDCWD.into());
    let found = at.into_iter().find(|at| {
        let arguments = [*at, path.as_ptr() as c_long, 0, 0, 0, 0];
        call(libc::SYS_openat, arguments).is_ok()
    });
    found.map_or_else(|| REFUSED.to_owned(), |at| format!("opened from {at}"))
}

/// Makes a link where it may write, and reads through it.
fn link(number: c_long, file: &str) -> String {
    for dir in crate::exhaust::PLACES {
        let name = format!("{dir}/link");
        let (target, place) = (text(file), text(&name));
        let (target, place) = (target.as_ptr() as c_long, place.as_ptr() as c_long);
        let here: c_long = libc::AT_FDCWD.into();
        let arguments = if number == libc::SYS_symlinkat {
            [target, here, place, 0, 0, 0]
        } else {
            [here, target, here, place, 0, 0]
        };
        if call(number, arguments).is_ok() && open(&name, 0).is_ok() {
            return format!("opened {name}");
        }
    }
    REFUSED.to_owned()
}

fn socket(family: i32, kind: i32) -> Result<c_long, i32> {
    call(
        libc::SYS_socket,
        [
            family.into(),
            (kind | libc::SOCK_NONBLOCK).into(),
            0,
            0,
            0,
            0,
        ],
    )
}

fn connect(socket: c_long, address: &[u8]) -> Result<c_long, i32> {
    let length = c_long::try_from(address.len()).unwrap_or_default();
    let arguments = [socket, address.as_ptr() as c_long, length, 0, 0, 0];
    call(libc::SYS_connect, arguments)
}

fn unix(path: &str) -> String {
    let mut address = u16::try_from(libc::AF_UNIX)
        .unwrap_or_default()
        .to_ne_bytes()
        .to_vec();
    address.extend_from_slice(path.as_bytes());
    if !path.starts_with('\0') {
        address.push(0);
    }
    let connected = socket(libc::AF_UNIX, libc::SOCK_STREAM).and_then(|one| connect(one, &address));
    connected.map_or_else(|_| REFUSED.to_owned(), |_| format!("connected to {path}"))
}

fn internet(address: [u8; 4], port: c_long) -> Vec<u8> {
    let mut bytes = u16::try_from(libc::AF_INET)
        .unwrap_or_default()
        .to_ne_bytes()
        .to_vec();
    bytes.extend_from_slice(&u16::try_from(port).unwrap_or_default().to_be_bytes());
    bytes.extend_from_slice(&address);
    bytes.extend_from_slice(&[0; 8]);
    bytes
}

/// Connects, or finds out soon that it does not.
fn tcp(address: [u8; 4], port: c_long) -> String {
    let Ok(socket) = socket(libc::AF_INET, libc::SOCK_STREAM) else {
        return REFUSED.to_owned();
    };
    let address = internet(address, port);
    for _ in 0..20 {
        match connect(socket, &address) {
            Ok(_) | Err(libc::EISCONN) => return "connected".to_owned(),
            Err(libc::EINPROGRESS | libc::EALREADY) => {
                std::thread::sleep(std::time::Duration::from_millis(5));
            }
            Err(_) => break,
        }
    }
    REFUSED.to_owned()
}

/// Asks for a way there, which sends nothing; then sends, where that is wanted.
fn udp(address: [u8; 4], port: c_long, sends: bool) -> String {
    let address = internet(address, port);
    let socket = socket(libc::AF_INET, libc::SOCK_DGRAM);
    let connected = socket.and_then(|socket| connect(socket, &address).map(|_| socket));
    let Ok(socket) = connected else {
        return REFUSED.to_owned();
    };
    if !sends {
        return "there is a way".to_owned();
    }
    // Its own loopback takes it; the host looks whether anything came.
    let sent = sys::write(i32::try_from(socket).unwrap_or(-1), b"hostile");
    if sent.is_ok() { HARMLESS } else { REFUSED }.to_owned()
}

fn daemons(host: &Host<'_>) -> String {
    let own = host.word("daemon");
    let all = DAEMONS.iter().copied().chain([own.as_str()]);
    let said: Vec<String> = all.map(unix).filter(|said| said != REFUSED).collect();
    said.first().cloned().unwrap_or_else(|| REFUSED.to_owned())
}

/// Signals, traces and reads a process by the number that it has outside.
fn process(pid: c_long) -> String {
    let path = text(&format!("/proc/{pid}/environ"));
    let path = path.as_ptr() as c_long;
    let mut bytes = [0_u64; 8];
    let buffer = bytes.as_mut_ptr() as c_long;
    // To read nothing is allowed, whoever it is.
    let part = [buffer, 8];
    let part = part.as_ptr() as c_long;
    let calls = [
        (libc::SYS_kill, [pid, 0, 0, 0, 0, 0]),
        (libc::SYS_ptrace, [16, pid, 0, 0, 0, 0]),
        (libc::SYS_process_vm_readv, [pid, part, 1, part, 1, 0]),
        (libc::SYS_pidfd_open, [pid, 0, 0, 0, 0, 0]),
        (libc::SYS_openat, [-100, path, 0, 0, 0, 0]),
        (libc::SYS_prlimit64, [pid, 7, 0, buffer, 0, 0]),
    ];
    // An address that it does not have is one that was looked for.
    let reaches = |said: Result<c_long, i32>| matches!(said, Ok(_) | Err(libc::EFAULT));
    match calls
        .iter()
        .position(|(number, given)| reaches(call(*number, *given)))
    {
        Some(at) => format!("reached it by way {at}"),
        None => REFUSED.to_owned(),
    }
}

/// Looks whether the process list is the machine's: it would have this number, or many.
fn processes(pid: c_long) -> String {
    let Ok(proc) = std::fs::read_dir("/proc") else {
        return REFUSED.to_owned();
    };
    let names = proc.flatten().map(|entry| entry.file_name());
    let pids: Vec<c_long> = names
        .filter_map(|name| name.to_str()?.parse().ok())
        .collect();
    if pids.contains(&pid) {
        return format!("sees {} processes", pids.len());
    }
    HARMLESS.to_owned()
}
