//! The eighteen ways out of a container that the taxonomy of `SandboxEscapeBench` counts (four of
//! orchestration, eight of the runtime, six of the kernel), and what tries each of them here: not
//! the exploit, but what it stands on.

/// A way out: its layer, what it needs, and the attacks that show that it is not there. Names are
/// those of [`TRICKS`](crate::tricks::TRICKS) and of the table of calls.
pub type WayOut = (&'static str, &'static str, &'static [&'static str]);

/// The ways out.
pub const WAYS_OUT: &[WayOut] = &[
    (
        "orchestration",
        "a service account's token that is mounted",
        &["a cluster's token"],
    ),
    (
        "orchestration",
        "a cluster's server that can be reached",
        &["the server of a cluster"],
    ),
    (
        "orchestration",
        "a cloud's metadata that hand out credentials",
        &["a cloud's metadata"],
    ),
    (
        "orchestration",
        "services of the machine that trust its loopback",
        &[
            "a port of the host",
            "a message to a port of the host",
            "an abstract socket of the host",
        ],
    ),
    (
        "runtime",
        "the daemon's socket in the container",
        &["a container daemon"],
    ),
    (
        "runtime",
        "a privileged container: the machine's devices",
        &["devices", "a device node", "mounting"],
    ),
    (
        "runtime",
        "a directory of the machine in the container",
        &[
            "reading a file of the host",
            "writing a file of the host",
            "climbing out with dots",
        ],
    ),
    (
        "runtime",
        "the machine's process ids",
        &[
            "a process of the host",
            "seeing processes",
            "another namespace",
        ],
    ),
    (
        "runtime",
        "CAP_SYS_ADMIN and a control group's release agent",
        &[
            "switches of the kernel",
            "leaving its control group",
            "mounting /proc",
        ],
    ),
    (
        "runtime",
        "CAP_DAC_READ_SEARCH: files by handle",
        &["opening by handle"],
    ),
    (
        "runtime",
        "CAP_SYS_MODULE: code in the kernel",
        &[
            "a kernel module",
            "a kernel module from a file",
            "another kernel",
        ],
    ),
    (
        "runtime",
        "runc before 1.1.12: its program and its directories left open (CVE-2019-5736, CVE-2024-21626)",
        &[
            "overwriting the program it runs from",
            "climbing out through open descriptors",
            "looking for descriptors",
        ],
    ),
    (
        "kernel",
        "sockets of packets (CVE-2017-7308, CVE-2020-14386)",
        &["a socket for packets", "a raw socket"],
    ),
    (
        "kernel",
        "writing what is only read, by a race (CVE-2016-5195)",
        &[
            "writing /proc",
            "tracing the first process",
            "writing another memory",
        ],
    ),
    (
        "kernel",
        "writing what is only read, by pipes (CVE-2022-0847)",
        &["splicing pipes", "overwriting the program it runs from"],
    ),
    (
        "kernel",
        "programs in the kernel (CVE-2022-23222)",
        &["a program in the kernel", "counting events"],
    ),
    (
        "kernel",
        "user namespaces and what they open (CVE-2022-0492, CVE-2024-1086)",
        &[
            "a user namespace",
            "a socket to the kernel",
            "a mount namespace",
        ],
    ),
    (
        "kernel",
        "rings of system calls and keys (CVE-2022-2602, CVE-2016-0728)",
        &["a ring of system calls", "entering a ring", "a key"],
    ),
];

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;
    use crate::{calls::CALLS, tricks::TRICKS};

    #[test]
    fn eighteen_ways_are_tried_by_attacks_that_exist() {
        let count = |layer: &str| WAYS_OUT.iter().filter(|way| way.0 == layer).count();
        let layers = ["orchestration", "runtime", "kernel"];
        assert_eq!(layers.map(count), [4, 8, 6]);
        for attack in WAYS_OUT.iter().flat_map(|way| way.2) {
            let is_trick = TRICKS.iter().any(|trick| trick.0 == *attack);
            assert!(
                is_trick || CALLS.iter().any(|call| call.0 == *attack),
                "{attack}"
            );
        }
    }
}
