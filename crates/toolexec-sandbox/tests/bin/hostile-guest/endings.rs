//! How what a guest tries must end.

/// How every system call of the table ends.
pub(crate) const REFUSED: &str = r#"value "EPERM""#;

/// What a guest tries besides system calls, and how it must end.
pub(crate) const TRICKS: &[(&str, &str)] = &[
    ("behaving", r#"value "fine""#),
    ("looking for descriptors", r#"value "[0, 1, 2]""#),
    ("looking for an environment", r#"value "0""#),
    ("looking for its rights", r#"value "false false""#),
    // The kernel drops it.
    ("a signal to the first process", r#"value "allowed""#),
    ("a signal to another process", r#"value "ESRCH""#),
    ("mapping more memory than there is", r#"value "refused""#),
    (
        "mapping all its memory and touching it",
        r#"value "refused""#,
    ),
    ("filling its stack", "limit memory"),
    ("an endless loop", "limit run_time"),
    ("an endless loop without signals", "limit run_time"),
    ("sleeping for ever", "limit run_time"),
    ("reading what never comes", "limit run_time"),
    ("dying while it checks", "sandbox_lost"),
    ("dying at the start", "sandbox_lost"),
    ("dying in the middle of a call", "sandbox_lost"),
    ("dying after an answer", "sandbox_lost"),
    ("dying in the middle of a frame", "sandbox_lost"),
    ("ending with a failure", "sandbox_lost"),
    // A lie, which costs the guest its life and nobody else anything.
    ("ending as if out of memory", "limit memory"),
    ("aborting", "sandbox_lost"),
    ("an access to nothing", "sandbox_lost"),
    ("an instruction that does not exist", "sandbox_lost"),
    ("a system call for another processor", "sandbox_lost"),
    ("half a frame", "limit run_time"),
    ("half a length", "limit run_time"),
    ("a frame without end", "protocol"),
    ("an empty frame", "protocol"),
    ("noise", "protocol"),
    ("no message", "protocol"),
    ("a message that nobody knows", "protocol"),
    ("hello twice", "protocol"),
    ("done twice", "protocol"),
    ("a check that nobody asked for", "protocol"),
    ("the same call twice", "protocol"),
    ("a flood of calls", "limit parallel_calls"),
    ("a flood of prints", "limit output"),
    ("a flood of errors", "limit run_time"),
    ("waiting for nothing", "limit run_time"),
    ("a deep value", "protocol"),
    ("a value of many parts", "protocol"),
];
