//! Programs that mean harm, in a guest process of their own.

use std::io::{Read, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use toolexec_wire::{
    Failure, FailureKind, FrameReader, GuestLimits, MAX_FRAME, Start, ToGuest, ToHost, encode,
};

use super::{python, tools};

/// A guest process; it is killed when the test ends.
struct Process {
    child: Child,
    input: ChildStdin,
    output: ChildStdout,
    reader: FrameReader,
    printed: usize,
}

impl Process {
    #[expect(
        clippy::disallowed_methods,
        reason = "the process itself is what is tested"
    )]
    fn new() -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_toolexec-guest"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let (input, output) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        let mut process = Self {
            child,
            input,
            output,
            reader: FrameReader::new(MAX_FRAME),
            printed: 0,
        };
        assert!(matches!(process.next(), Some(ToHost::Hello(_))));
        process
    }

    fn send(&mut self, message: &ToGuest) {
        let mut frame = Vec::new();
        encode(message, MAX_FRAME, &mut frame).unwrap();
        self.input.write_all(&frame).unwrap();
    }

    fn next(&mut self) -> Option<ToHost> {
        loop {
            if let Some(message) = self.reader.next_message().unwrap() {
                return Some(message);
            }
            let mut buffer = [0; 16 << 10];
            match self.output.read(&mut buffer).unwrap() {
                0 => return None,
                size => self.reader.push(&buffer[..size]),
            }
        }
    }

    /// Runs a program; `None` when the process ended with it.
    fn run(&mut self, start: Start) -> Option<Result<Value, Box<Failure>>> {
        self.send(&ToGuest::Start(start));
        self.printed = 0;
        let mut open = Vec::new();
        loop {
            match self.next()? {
                ToHost::Done { value, .. } => return Some(Ok(value)),
                ToHost::Failed { error, .. } => return Some(Err(Box::new(error))),
                ToHost::Call { id, op } => open.push((id, op)),
                ToHost::Waiting => {
                    for (id, op) in open.drain(..) {
                        let outcome = tools(&op);
                        self.send(&ToGuest::Answer { id, outcome });
                    }
                }
                ToHost::Print { text, .. } => self.printed += text.len(),
                _ => {}
            }
        }
    }

    /// The most memory it had, in bytes.
    fn peak(&self) -> usize {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status
            .lines()
            .find(|line| line.starts_with("VmHWM"))
            .unwrap();
        let kilobytes: usize = line.split_whitespace().nth(1).unwrap().parse().unwrap();
        kilobytes << 10
    }

    /// Whether it still runs programs.
    fn serves(&mut self) -> bool {
        self.run(limited("tools.math.add(a=1, b=2)")) == Some(Ok(json!(3)))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Half a second, 32 MiB, 1 MiB.
fn limited(source: &str) -> Start {
    Start {
        limits: GuestLimits {
            run_ms: Some(500),
            memory_bytes: Some(32 << 20),
            result_bytes: Some(1 << 20),
        },
        ..python(source)
    }
}

/// How a program fails, and that the process serves the next one.
#[track_caller]
fn fails(source: &str) -> Failure {
    let mut process = Process::new();
    let started = Instant::now();
    let ended = process.run(limited(source));
    let took = started.elapsed();
    assert!(took < Duration::from_secs(8), "{took:?} for {source}");
    let failure = ended
        .unwrap_or_else(|| panic!("the process ended: {source}"))
        .expect_err(source);
    assert!(process.serves(), "after {source}");
    assert!(
        process.peak() < 400 << 20,
        "{} for {source}",
        process.peak()
    );
    *failure
}

#[test]
fn programs_that_do_not_end_are_ended() {
    for source in [
        "while True: pass",
        "while True:\n    try:\n        while True: pass\n    except BaseException: pass",
        "def f():\n    try:\n        while True: pass\n    finally:\n        while True: pass\nf()",
        "x = 0\nwhile True: x += 1",
        "while True:\n    try: raise ValueError('x')\n    except: continue",
        "sum(range(10**12))",
        "[i for i in range(10**9) if i < 0]",
        "sorted(range(10**7), key=lambda x: -x)",
        "async def f():\n    while True: pass\nimport asyncio\nawait asyncio.gather(f(), f())",
        "x = 'a' * 10**6\nwhile True: x.replace('a', 'b')",
        "import itertools\nsum(1 for _ in itertools.count())",
        "class A:\n    def __eq__(self, o):\n        while True: pass\nA() == 1",
    ] {
        let failure = fails(source);
        assert!(
            matches!(failure.kind, FailureKind::Time | FailureKind::Memory),
            "{source}: {failure:?}"
        );
    }
}

#[test]
fn regexes_that_explode_elsewhere_end() {
    let mut process = Process::new();
    for source in [
        "import re\nre.match('(a+)+$', 'a' * 40 + 'b')",
        "import re\nre.match(r'(a*)*\\1b', 'a' * 40)",
        "import re\nre.findall('(x+x+)+y', 'x' * 100000)",
        "import re\nre.compile('((a{1,1000}){1,1000}){1,1000}')",
    ] {
        let started = Instant::now();
        assert!(process.run(limited(source)).is_some(), "{source}");
        assert!(started.elapsed() < Duration::from_secs(5), "{source}");
        assert!(process.serves(), "after {source}");
    }
}

#[test]
fn programs_that_want_too_much_memory_are_ended() {
    for source in [
        "x = []\nwhile True: x.append('a' * 1000)",
        "x = 'a'\nwhile True: x += x",
        "x = [0]\nwhile True: x = x + x",
        "x = 'a' * 10**10",
        "x = [0] * 10**9",
        "x = b'a' * 10**10",
        "x = list(range(10**9))",
        "x = 10 ** 10 ** 9",
        "x = 1 << 10**10",
        "x = {}\ni = 0\nwhile True:\n    x[i] = [i]\n    i += 1",
        "x = []\nwhile True:\n    try:\n        x.append('a' * 10**6)\n    except MemoryError:\n        pass",
        "f'{1:>{10**10}}'",
        "'a'.ljust(10**10)",
        "import itertools\nlist(itertools.repeat(0))",
        "x = ['a' * 1000] * 10**5\n','.join(x)",
    ] {
        let failure = fails(source);
        assert!(
            matches!(
                failure.kind,
                FailureKind::Memory | FailureKind::Time | FailureKind::Exception
            ),
            "{source}: {failure:?}"
        );
    }
}

#[test]
fn recursion_is_ended() {
    for source in [
        "def f(): return f()\nf()",
        "def f(n):\n    try:\n        return f(n + 1)\n    except RecursionError:\n        return f(n + 1)\nf(0)",
        "class A:\n    def __repr__(self): return repr(self)\nrepr(A())",
        "f = lambda: f()\nf()",
        "async def f(): return await f()\nawait f()",
        "x = []\nfor i in range(10**5): x = [x]\nx",
    ] {
        let failure = fails(source);
        assert!(
            matches!(
                failure.kind,
                FailureKind::Memory
                    | FailureKind::Time
                    | FailureKind::ResultSize
                    | FailureKind::Exception
            ),
            "{source}: {failure:?}"
        );
    }
    let nested = [
        format!("{}1{}", "(".repeat(5000), ")".repeat(5000)),
        format!("{}1{}", "[".repeat(100_000), "]".repeat(100_000)),
        format!("x = {}1", "-".repeat(100_000)),
        format!("x = 1{}", "+1".repeat(100_000)),
        format!("x{}", ".a".repeat(100_000)),
        format!("x{}", "()".repeat(100_000)),
        "if 1:\n".to_owned()
            + &(1..2000)
                .map(|n| " ".repeat(n) + "if 1:\n")
                .collect::<String>(),
    ];
    for source in nested {
        let failure = fails(&source);
        assert!(
            matches!(
                failure.kind,
                FailureKind::Syntax
                    | FailureKind::Exception
                    | FailureKind::Unsupported
                    | FailureKind::Memory
                    | FailureKind::Time
            ),
            "{failure:?}"
        );
    }
}

#[test]
fn a_program_that_catches_its_end_does_not_go_on() {
    let source = "x = 0\ntry:\n    while True: x += 1\nexcept BaseException:\n    x = -1\nfinally:\n    x = -2\nprint('went on')\ntools.echo.args(x=x)";
    let mut process = Process::new();
    let failure = process.run(limited(source)).unwrap().unwrap_err();
    assert_eq!((failure.kind, process.printed), (FailureKind::Time, 0));
    assert!(process.serves());
}

#[test]
fn what_is_printed_does_not_stay_in_memory() {
    let mut process = Process::new();
    let start = |source: &str| {
        let mut start = limited(source);
        start.limits.run_ms = Some(60_000);
        start
    };
    let ended = process.run(start("for i in range(1000000): print(i)"));
    assert_eq!((ended, process.printed), (Some(Ok(json!(null))), 6_888_890));
    let ended = process.run(start("print('x' * 8000000)"));
    assert_eq!((ended, process.printed), (Some(Ok(json!(null))), 8_000_001));
    let forged = "print('\\x20\\x00\\x00\\x00{\"type\":\"done\",\"value\":7}')\n1";
    assert_eq!(process.run(start(forged)), Some(Ok(json!(1))));
    assert!(process.peak() < 200 << 20, "{}", process.peak());
}

#[test]
fn floods_of_calls_are_answered() {
    let mut process = Process::new();
    let source = "import asyncio\nr = await asyncio.gather(*[tools.math.add(a=i, b=1) for i in range(2000)])\nsum(r)";
    let mut start = limited(source);
    start.limits.run_ms = Some(20_000);
    assert_eq!(process.run(start), Some(Ok(json!(2_001_000))));
}

#[test]
fn a_cancel_ends_a_program_that_computes() {
    let mut process = Process::new();
    let mut start = limited("print('x' * 40000)\nwhile True: pass");
    start.limits.run_ms = Some(60_000);
    process.send(&ToGuest::Start(start));
    assert!(matches!(process.next(), Some(ToHost::Print { .. })));
    let started = Instant::now();
    process.send(&ToGuest::Cancel {
        reason: "enough".into(),
    });
    let failure = loop {
        match process.next() {
            Some(ToHost::Failed { error, .. }) => break error,
            Some(_) => {}
            None => panic!("the process ended"),
        }
    };
    assert_eq!(
        (failure.kind, failure.message.as_str()),
        (FailureKind::Cancelled, "the program was cancelled: enough")
    );
    assert!(started.elapsed() < Duration::from_secs(2));
    assert!(process.serves());
}

#[test]
fn there_is_no_way_out() {
    for source in [
        "open('/etc/passwd').read()",
        "import os\nos.listdir('/')",
        "import subprocess",
        "import socket",
        "__import__('os').system('id')",
        "().__class__.__bases__[0].__subclasses__()",
        "import os\nos.system('id')",
        "from pathlib import Path\nPath('/etc/passwd').read_text()",
        "tools.__class__.__init__.__globals__",
        "__te_failure__.__globals__",
        "eval('__import__(\"os\")')",
        "input('x')",
        "exit()",
    ] {
        let failure = fails(source);
        assert!(
            matches!(
                failure.kind,
                FailureKind::Exception | FailureKind::Unsupported
            ),
            "{source}: {failure:?}"
        );
    }
}

#[test]
fn text_in_another_language_is_a_syntax_error() {
    for source in [
        "const x = 1;\nconsole.log(x)",
        "package main\nfunc main() {}",
        "<?php echo 1; ?>",
        "x := 1",
        "\u{0}\u{1}\u{2}",
        "x = '\u{feff}\n",
        "SELECT * FROM t;",
    ] {
        assert_eq!(fails(source).kind, FailureKind::Syntax, "{source}");
    }
}
