//! What a guest tries besides single system calls, and how it must end.

/// A name, and how it must end: one of the endings between bars. What follows `; in NAME` holds in
/// that sandbox, or kind of sandboxes, instead.
pub type Trick = (&'static str, &'static str);

/// The calls of the table that do not end a guest, all in one program.
pub const EVERY_CALL: &str = "every system call";

/// How an attempt at more of something ends: refused, or with the guest.
const BOUNDED: &str = "refused | limit memory | sandbox_lost; in process refused";
/// Nothing outside is reached.
const REFUSED: &str = "refused";
/// Works in a world of its own, where that has any use for it.
const HARMLESS: &str = "refused | harmless; in process refused";
const TIME: &str = "limit run_time";
const LOST: &str = "sandbox_lost";
const PROTOCOL: &str = "protocol";

/// The tricks.
pub const TRICKS: &[Trick] = &[
    ("behaving", "fine"),
    // What it finds.
    ("looking for descriptors", "[0,1,2]"),
    // Runtimes of containers add these few, which say nothing.
    (
        "looking for an environment",
        r#"[] | ["HOME"] | ["PATH","HOSTNAME"] | ["PATH","HOSTNAME","HOME"]; in process []"#,
    ),
    (
        "looking for its rights",
        r#"{"is root":false,"becomes root":false,"may gain rights":false,"is on the host's list":false}"#,
    ),
    ("seeing processes", HARMLESS),
    // What it reaches.
    ("reading a file of the host", REFUSED),
    ("writing a file of the host", REFUSED),
    ("climbing out with dots", REFUSED),
    ("climbing out through the first process", REFUSED),
    ("climbing out through open descriptors", REFUSED),
    ("a symbolic link to a file of the host", REFUSED),
    ("a hard link to a file of the host", REFUSED),
    ("overwriting the program it runs from", REFUSED),
    ("a socket that is a file of the host", REFUSED),
    ("an abstract socket of the host", REFUSED),
    ("a port of the host", REFUSED),
    ("a message to a port of the host", HARMLESS),
    ("a cloud's metadata", REFUSED),
    ("a name server", REFUSED),
    ("the server of a cluster", REFUSED),
    ("a cluster's token", REFUSED),
    ("a container daemon", REFUSED),
    ("a process of the host", REFUSED),
    ("switches of the kernel", REFUSED),
    ("secrets of the kernel", REFUSED),
    // gVisor has its own there, with nothing behind it.
    ("devices", "refused; in gvisor refused | opened /dev/fuse"),
    ("leaving its control group", REFUSED),
    // A number that gVisor keeps and nobody reads.
    (
        "being spared when memory runs out",
        "refused; in gvisor refused | wrote /proc/self/oom_score_adj",
    ),
    // What it uses up.
    ("a fork bomb", BOUNDED),
    ("a bomb of threads", BOUNDED),
    ("children that outlive it", HARMLESS),
    ("a bomb of descriptors", BOUNDED),
    ("a bomb of pipes", BOUNDED),
    ("a bomb of sockets", BOUNDED),
    ("a bomb of timers", BOUNDED),
    // gVisor counts what is touched, not how often something was mapped.
    (
        "a bomb of mappings",
        "refused | limit memory | sandbox_lost; in process refused; in gvisor limit run_time | limit memory | refused",
    ),
    ("a bomb of page tables", BOUNDED),
    ("filling the disk", BOUNDED),
    ("filling the disk with names", BOUNDED),
    ("filling memory that has a name", BOUNDED),
    ("filling shared memory", BOUNDED),
    // gVisor and a kernel of one's own give addresses away; what is touched counts.
    (
        "mapping more memory than there is",
        "refused; in gvisor refused | allowed; in machines refused | allowed",
    ),
    ("mapping all its memory and touching it", BOUNDED),
    ("locking all memory", BOUNDED),
    (
        "filling its stack",
        "limit memory | sandbox_lost; in process limit memory",
    ),
    // How long it takes.
    ("an endless loop", TIME),
    ("an endless loop without signals", TIME),
    ("an endless loop of many processes", TIME),
    (
        "a wait that nothing interrupts",
        "limit run_time | refused; in process refused",
    ),
    ("sleeping for ever", TIME),
    ("reading what never comes", TIME),
    // Where it dies.
    // The kernel spares the first process; gVisor does not, and it looks as if memory ran out.
    (
        "a signal to the first process",
        "allowed | EPERM | ESRCH; in gvisor limit memory | sandbox_lost; in process allowed",
    ),
    (
        "a signal to another process",
        "ESRCH | EPERM; in process ESRCH",
    ),
    (
        "stopping itself",
        "allowed | EPERM | ESRCH; in process allowed; in gvisor limit run_time | allowed",
    ),
    ("dying while it checks", LOST),
    ("dying at the start", LOST),
    ("dying in the middle of a call", LOST),
    ("dying after an answer", LOST),
    ("dying in the middle of a frame", LOST),
    ("ending with a failure", LOST),
    // A lie, which costs the guest its life and nobody else anything.
    (
        "ending as if out of memory",
        "limit memory | sandbox_lost; in process limit memory",
    ),
    ("aborting", LOST),
    ("an access to nothing", LOST),
    ("an instruction that does not exist", LOST),
    (
        "a system call for another processor",
        "sandbox_lost | limit run_time; in process sandbox_lost",
    ),
    ("closing its streams", "sandbox_lost | limit run_time"),
    (
        "closing its streams while a child holds them",
        "sandbox_lost | refused; in process refused",
    ),
    // What it says.
    ("half a frame", TIME),
    ("half a length", TIME),
    ("a frame without end", PROTOCOL),
    ("a frame byte by byte", "slow"),
    ("an empty frame", PROTOCOL),
    ("noise", PROTOCOL),
    ("no message", PROTOCOL),
    ("a message that nobody knows", PROTOCOL),
    ("an answer to a call never made", PROTOCOL),
    ("a start sent back", PROTOCOL),
    ("a number that is none", PROTOCOL),
    ("a text that is not Unicode", PROTOCOL),
    ("the same name twice", PROTOCOL),
    ("hello twice", PROTOCOL),
    ("done twice", PROTOCOL),
    ("a check that nobody asked for", PROTOCOL),
    ("the same call twice", PROTOCOL),
    ("a flood of calls", "limit parallel_calls"),
    (
        "calls of a tool that is not there",
        "limit tool_calls | limit run_time",
    ),
    ("a flood of prints", "limit output"),
    ("a flood of empty prints", TIME),
    ("progress without end", TIME),
    ("a flood of errors", TIME),
    ("waiting for nothing", "limit run_time | limit wait_time"),
    ("a deep value", PROTOCOL),
    ("a value of many parts", PROTOCOL),
];

/// The endings that a trick may have where one of these names holds: of a sandbox, or of its kind.
pub fn endings(ends: &'static str, names: &[&str]) -> Vec<&'static str> {
    let mut parts = ends.split("; in ");
    let usual = parts.next().unwrap_or_default();
    let special = parts.find_map(|part| {
        let (name, ends) = part.split_once(' ')?;
        names.contains(&name).then_some(ends)
    });
    special.unwrap_or(usual).split(" | ").collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sandbox_has_its_own_endings_or_the_usual_ones() {
        assert_eq!(endings(HARMLESS, &["docker"]), ["refused", "harmless"]);
        assert_eq!(endings(HARMLESS, &["process"]), ["refused"]);
        assert_eq!(endings("a", &[]), ["a"]);
    }

    #[test]
    fn every_name_stands_once() {
        let mut names: Vec<&str> = TRICKS.iter().map(|trick| trick.0).collect();
        names.sort_unstable();
        let all = names.len();
        names.dedup();
        assert_eq!(names.len(), all);
    }
}
