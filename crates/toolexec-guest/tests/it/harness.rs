//! A scripted host: runs a guest on a thread and answers its calls.

use std::io;
use std::sync::mpsc::{Receiver, Sender, TryRecvError, channel};
use std::thread;

use serde_json::{Value, json};
use toolexec_guest::host::Channel;
use toolexec_guest::session::serve;
use toolexec_wire::{
    CallError, Failure, FrameReader, GuestLimits, GuestUsage, Language, MAX_FRAME, Op, Outcome,
    SeenCall, Start, Stream, ToGuest, ToHost, encode,
};

/// How long a test waits for the guest.
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(60);

/// The guest's end of two in-process pipes.
pub(crate) struct Pipe {
    input: Receiver<Vec<u8>>,
    output: Sender<Vec<u8>>,
    left: Vec<u8>,
}

impl Channel for Pipe {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.left.is_empty() {
            match self.input.recv() {
                Ok(bytes) => self.left = bytes,
                Err(_) => return Ok(0),
            }
        }
        let size = self.left.len().min(buffer.len());
        buffer[..size].copy_from_slice(&self.left[..size]);
        self.left.drain(..size);
        Ok(size)
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.output
            .send(bytes.to_vec())
            .map_err(|_| io::ErrorKind::BrokenPipe.into())
    }

    fn ready(&mut self) -> bool {
        if self.left.is_empty() {
            match self.input.try_recv() {
                Ok(bytes) => self.left = bytes,
                Err(TryRecvError::Empty) => return false,
                Err(TryRecvError::Disconnected) => return true,
            }
        }
        true
    }
}

/// A guest, and what is needed to talk to it.
pub(crate) struct Guest {
    to: Option<Sender<Vec<u8>>>,
    from: Receiver<Vec<u8>>,
    reader: FrameReader,
    thread: Option<thread::JoinHandle<bool>>,
}

impl Guest {
    /// Starts a guest and takes its greeting.
    pub(crate) fn new() -> Self {
        let (to, input) = channel();
        let (output, from) = channel();
        let pipe = move || Pipe {
            input,
            output,
            left: Vec::new(),
        };
        let thread = thread::Builder::new()
            .stack_size(64 << 20)
            .spawn(move || serve(pipe()).is_ok())
            .unwrap();
        Self::greeted(to, from, thread)
    }

    /// Starts the program of the guest, with nothing in its environment but these variables, and
    /// takes its greeting.
    #[cfg(feature = "toolchain")]
    #[expect(clippy::disallowed_methods, reason = "the guest itself is tested")]
    pub(crate) fn native(env: &[(&str, &std::ffi::OsStr)]) -> Self {
        use std::io::{Read, Write};
        use std::os::unix::process::CommandExt;
        use std::process::{Command, Stdio};

        let mut child = Command::new(env!("CARGO_BIN_EXE_toolexec-guest"))
            .env_clear()
            .envs(env.iter().copied())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .process_group(0)
            .spawn()
            .unwrap();
        let (to, input) = channel::<Vec<u8>>();
        let (output, from) = channel();
        let mut stdin = child.stdin.take().unwrap();
        let mut stdout = child.stdout.take().unwrap();
        thread::spawn(move || {
            while let Ok(bytes) = input.recv() {
                if stdin.write_all(&bytes).is_err() {
                    break;
                }
            }
        });
        let thread = thread::spawn(move || {
            let mut piece = vec![0; 64 << 10];
            while let Ok(read @ 1..) = stdout.read(&mut piece) {
                if output.send(piece[..read].to_vec()).is_err() {
                    break;
                }
            }
            drop(output);
            child.wait().unwrap().success()
        });
        Self::greeted(to, from, thread)
    }

    fn greeted(
        to: Sender<Vec<u8>>,
        from: Receiver<Vec<u8>>,
        thread: thread::JoinHandle<bool>,
    ) -> Self {
        let mut guest = Self {
            to: Some(to),
            from,
            reader: FrameReader::new(MAX_FRAME),
            thread: Some(thread),
        };
        assert!(matches!(guest.next(), Some(ToHost::Hello(_))));
        guest
    }

    /// Sends a message.
    pub(crate) fn send(&self, message: &ToGuest) {
        let mut frame = Vec::new();
        encode(message, MAX_FRAME, &mut frame).unwrap();
        self.send_bytes(frame);
    }

    /// Sends bytes, whatever they are.
    pub(crate) fn send_bytes(&self, bytes: Vec<u8>) {
        let _ = self.to.as_ref().unwrap().send(bytes);
    }

    /// The next message; `None` when the guest hung up.
    pub(crate) fn next(&mut self) -> Option<ToHost> {
        loop {
            if let Some(message) = self.reader.next_message().unwrap() {
                return Some(message);
            }
            match self.from.recv_timeout(PATIENCE) {
                Ok(bytes) => self.reader.push(&bytes),
                Err(std::sync::mpsc::RecvTimeoutError::Disconnected) => return None,
                Err(std::sync::mpsc::RecvTimeoutError::Timeout) => panic!("the guest is silent"),
            }
        }
    }

    /// Hangs up and waits for the guest; whether it ended in peace.
    pub(crate) fn hang_up(mut self) -> bool {
        self.to.take();
        while self.from.recv_timeout(PATIENCE).is_ok() {}
        self.thread.take().unwrap().join().unwrap()
    }

    /// Runs a program to its end; calls are answered all at once when the guest waits.
    pub(crate) fn run(&mut self, start: Start, mut answer: impl FnMut(&Op) -> Outcome) -> Ran {
        self.send(&ToGuest::Start(start));
        let mut ran = Ran::default();
        let mut open: Vec<(u32, Op)> = Vec::new();
        loop {
            match self.next().expect("the guest hung up") {
                ToHost::Print { stream, text } => ran.print(stream, &text),
                ToHost::Call { id, op } => {
                    ran.calls.push(op.clone());
                    open.push((id, op));
                }
                ToHost::Waiting => {
                    ran.most_open = ran.most_open.max(open.len());
                    // The last call first: answers come in any order.
                    for (id, op) in open.drain(..).rev() {
                        let outcome = answer(&op);
                        self.send(&ToGuest::Answer { id, outcome });
                    }
                }
                ToHost::Preparing { ready } => ran.prepared += usize::from(ready),
                ToHost::Log { level, data } => ran.logs.push((level, data)),
                ToHost::Progress {
                    progress,
                    total,
                    message,
                } => ran.progress.push((progress, total, message)),
                ToHost::Done { value, usage } => {
                    ran.result = Ok(value);
                    ran.usage = usage;
                    return ran;
                }
                ToHost::Failed { error, usage, .. } => {
                    ran.result = Err(error);
                    ran.usage = usage;
                    return ran;
                }
                other => panic!("out of turn: {other:?}"),
            }
        }
    }

    /// Looks at a program.
    pub(crate) fn check(&mut self, mut start: Start) -> (Vec<Failure>, Vec<SeenCall>) {
        start.check_only = true;
        self.send(&ToGuest::Start(start));
        loop {
            match self.next() {
                Some(ToHost::Checked { problems, calls }) => return (problems, calls),
                Some(ToHost::Preparing { .. }) => {}
                other => panic!("out of turn: {other:?}"),
            }
        }
    }
}

/// How a program ended.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) result: Result<Value, Failure>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
    /// How many messages the prints came in.
    pub(crate) prints: usize,
    pub(crate) calls: Vec<Op>,
    /// The most calls that were open when it waited.
    pub(crate) most_open: usize,
    pub(crate) logs: Vec<(String, Value)>,
    pub(crate) progress: Vec<(f64, Option<f64>, Option<String>)>,
    pub(crate) usage: GuestUsage,
    /// How often something was compiled.
    pub(crate) prepared: usize,
}

impl Default for Ran {
    fn default() -> Self {
        Self {
            result: Ok(Value::Null),
            stdout: String::new(),
            stderr: String::new(),
            prints: 0,
            calls: Vec::new(),
            most_open: 0,
            logs: Vec::new(),
            progress: Vec::new(),
            usage: GuestUsage::default(),
            prepared: 0,
        }
    }
}

impl Ran {
    fn print(&mut self, stream: Stream, text: &str) {
        self.prints += 1;
        match stream {
            Stream::Stdout => self.stdout.push_str(text),
            Stream::Stderr => self.stderr.push_str(text),
        }
    }

    /// The failure of a program that has to fail.
    pub(crate) fn failure(self) -> Failure {
        self.result.expect_err("it should fail")
    }

    /// The tools it ran, with their arguments.
    pub(crate) fn tools(&self) -> Vec<(String, Value)> {
        let run = |op: &Op| match op {
            Op::Run { tool, args } => Some((tool.clone(), args.clone())),
            _ => None,
        };
        self.calls.iter().filter_map(run).collect()
    }
}

/// A program with the limits of the tests.
pub(crate) fn program(language: Language, source: &str) -> Start {
    Start {
        language,
        source: source.into(),
        inputs: serde_json::Map::new(),
        limits: GuestLimits {
            run_ms: Some(20_000),
            memory_bytes: Some(64 << 20),
            result_bytes: None,
        },
        keep: false,
        check_only: false,
        files: false,
    }
}

/// The tools of the tests: `math:add`, `echo:*`, `fail:*`; all else does not exist.
pub(crate) fn tools(op: &Op) -> Outcome {
    match op {
        Op::Run { tool, args } => match tool.split_once(':') {
            Some(("math", "add")) => match (args["a"].as_f64(), args["b"].as_f64()) {
                (Some(a), Some(b)) => Outcome::Ok(json!({"result": a + b})),
                _ => Outcome::Error(CallError {
                    tool: Some(tool.clone()),
                    code: "invalid_input".into(),
                    message: "the arguments do not fit".into(),
                    violations: vec![json!({"path": "/b", "rule": "required"})],
                    hints: vec!["give `b`".into()],
                    ..CallError::default()
                }),
            },
            Some(("echo", _)) => Outcome::Ok(args.clone()),
            Some(("fail", code)) => Outcome::Error(CallError {
                tool: Some(tool.clone()),
                code: code.into(),
                message: format!("{code} happened"),
                retryable: code == "busy",
                value: json!({"detail": 7}),
                ..CallError::default()
            }),
            _ => Outcome::Error(CallError {
                tool: Some(tool.clone()),
                code: "not_found".into(),
                message: format!("no tool `{tool}`"),
                ..CallError::default()
            }),
        },
        Op::Chain { chain } => Outcome::Ok(json!({"steps": chain})),
        Op::Search { query, limit } => Outcome::Ok(json!([{"query": query, "limit": limit}])),
        Op::Describe { tool, detail } => Outcome::Ok(json!({"tool": tool, "detail": detail})),
        Op::Examples { tool } => Outcome::Ok(json!([{"tool": tool}])),
        Op::Namespaces => Outcome::Ok(json!(["math", "echo"])),
        Op::Sleep { ms } => {
            thread::sleep(std::time::Duration::from_millis((*ms).min(50)));
            Outcome::Ok(Value::Null)
        }
    }
}

/// Runs a program in a fresh guest against [`tools`].
pub(crate) fn run(language: Language, source: &str) -> Ran {
    Guest::new().run(program(language, source), tools)
}
