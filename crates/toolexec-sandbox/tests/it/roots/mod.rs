//! Roots with toolchains: one is made by debootstrap, once, and programs in Go, bash, Python and
//! JavaScript run in it in every sandbox that takes one.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use toolexec_core::backend::local::{Local, LocalTool};
use toolexec_core::code::{CodeErrorKind, CodeExecutor, Outcome, Submission};
use toolexec_core::index::Index;
use toolexec_core::sandbox::{Language, Limits, Profile, Sandbox, Sandboxes};
use toolexec_core::{Args, CallContext, DocStore, Error, Runner};
use toolexec_sandbox::containerd::ContainerdSandbox;
use toolexec_sandbox::docker::{self, DockerSandbox};
use toolexec_sandbox::gvisor::GvisorSandbox;
use toolexec_sandbox::linux_guest::LinuxGuest;
use toolexec_sandbox::roots::Root;
use toolexec_sandbox::runc::RuncSandbox;
use toolexec_testkit::{daemons, require};

use crate::shared_root::{NAME, root, roots};
use crate::support::{Guests, ways};

mod machine;
mod made;
mod tools;

/// Makes a test per sandbox of each suite.
macro_rules! in_each {
    ($($suite:ident: $($place:ident)+;)+) => {$(
        mod $suite {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $place() {
                    if let Some(place) = super::Place::$place().await {
                        super::$suite(place).await;
                    }
                }
            )+
        }
    )+};
}

in_each! {
    programs_run_in_it: docker runc gvisor containerd qemu;
    limits_hold: docker runc gvisor containerd qemu;
    files_lie_where_programs_run: docker runc gvisor containerd qemu;
    a_toolchain_that_is_not_there_is_named: docker runc gvisor containerd;
    compiled_programs_are_kept: docker runc gvisor containerd;
    a_program_names_the_root_that_it_runs_in: runc qemu;
}

/// A sandbox that takes roots.
struct Place {
    name: &'static str,
    profile: Profile,
    make: fn(&Place, &Root, Option<&Path>) -> Arc<dyn Sandbox>,
    /// The program, or where the daemon listens.
    with: PathBuf,
    root: Root,
}

impl Place {
    async fn docker() -> Option<Self> {
        let with = require(daemons::docker())?;
        let place = Self::of("docker", with, |place, root, cache| {
            let builder = DockerSandbox::builder(guest()).host(place.with.to_string_lossy());
            let builder = builder.image(root.name()).warm(0);
            let builder = match cache {
                Some(cache) => builder.toolchain_cache(cache),
                None => builder,
            };
            Arc::new(builder.build().unwrap())
        })
        .await?;
        let host = place.with.to_string_lossy().into_owned();
        docker::import(&host, &place.root).await.unwrap();
        Some(place)
    }

    async fn runc() -> Option<Self> {
        let with = require(daemons::runc())?;
        Self::of("runc", with, |place, root, cache| {
            let builder = RuncSandbox::builder(guest()).program(&place.with);
            let builder = builder.roots(roots()).root(root.name()).warm(0);
            let builder = match cache {
                Some(cache) => builder.toolchain_cache(cache),
                None => builder,
            };
            Arc::new(builder.build())
        })
        .await
    }

    async fn gvisor() -> Option<Self> {
        let with = require(daemons::runsc())?;
        let place = Self::of("gvisor", with, |place, root, cache| {
            let builder = GvisorSandbox::builder(guest()).program(&place.with);
            let builder = builder.roots(roots()).root(root.name()).warm(0);
            let builder = match cache {
                Some(cache) => builder.toolchain_cache(cache),
                None => builder,
            };
            Arc::new(builder.build())
        })
        .await?;
        Some(Self {
            profile: Profile::Hardened,
            ..place
        })
    }

    async fn containerd() -> Option<Self> {
        let with = require(daemons::containerd())?;
        Self::of("containerd", with, |place, root, cache| {
            let builder = ContainerdSandbox::builder(guest()).socket(&place.with);
            let builder = builder.roots(roots()).root(root.name()).warm(0);
            let builder = match cache {
                Some(cache) => builder.toolchain_cache(cache),
                None => builder,
            };
            Arc::new(builder.build())
        })
        .await
    }

    async fn qemu() -> Option<Self> {
        let with = require(daemons::qemu())?;
        let place = Self::of("qemu", with, |_, root, _| {
            let builder = ways::machines(Guests::REAL).unwrap();
            Arc::new(builder.roots(roots()).root(root.name()).warm(0).build())
        })
        .await?;
        Some(Self {
            profile: Profile::Hardened,
            ..place
        })
    }

    async fn of(
        name: &'static str,
        with: PathBuf,
        make: fn(&Self, &Root, Option<&Path>) -> Arc<dyn Sandbox>,
    ) -> Option<Self> {
        Some(Self {
            name,
            profile: Profile::Standard,
            make,
            with,
            root: root().await?,
        })
    }

    fn executor(&self, cache: Option<&Path>) -> CodeExecutor {
        self.executor_of((self.make)(self, &self.root, cache), &[])
    }

    fn executor_of(&self, sandbox: Arc<dyn Sandbox>, images: &[&str]) -> CodeExecutor {
        let sandboxes = Sandboxes::new()
            .candidates(self.profile, [self.name])
            .with(sandbox);
        CodeExecutor::builder(runner(), Arc::new(DocStore::default()), sandboxes)
            .profile(self.profile)
            .images(images.iter().copied())
            .build()
    }
}

fn guest() -> LinuxGuest {
    let cache = Path::new(env!("CARGO_TARGET_TMPDIR")).join("linux-guest");
    LinuxGuest::built_in(Some(cache))
}

/// A runner whose tools add and fail.
fn runner() -> Runner {
    let add = LocalTool::new("add", async |args: Args| {
        let number = |name: &str| args[name].as_f64().ok_or("not a number");
        Ok::<_, &str>(number("a")? + number("b")?)
    });
    let fail = LocalTool::new("fail", async |_: Args| Err::<(), _>("it does that always"));
    let math = Local::new("math").tool(add).tool(fail);
    let index = Index::new();
    index.register_all(math.registrations().unwrap());
    Runner::new(index)
}

async fn run(executor: &CodeExecutor, submission: Submission) -> Result<Outcome, Error> {
    executor.execute(submission, &CallContext::new()).await
}

/// How a program ended: its value, or the kind of its error, the limit, the place and what is said.
fn in_words(outcome: &Outcome) -> String {
    let Some(error) = &outcome.error else {
        return outcome.value.to_string();
    };
    if let Some(excess) = &error.limit {
        return format!("limit {}", excess.name);
    }
    let kind = serde_json::to_value(error.kind).unwrap();
    let place = error.line.map(|line| format!(" at {line}"));
    let kind = kind.as_str().unwrap_or_default();
    format!("{kind}{}: {}", place.unwrap_or_default(), error.message)
}

const SEED: &str = "\
// Access tools via the tools interface
result, _ := tools.RunTool(ctx, \"math:add\", map[string]any{\"a\": 1, \"b\": 2})
return result.Structured";

/// Ten programs, each with what becomes of it.
const PROGRAMS: [(Language, &str, &str); 10] = [
    (Language::Go, SEED, "3"),
    (Language::Go, "__out = 1 + 1", "2"),
    (
        Language::Go,
        "x := 1\nreturn x + undefined",
        "syntax at 2: undefined: undefined",
    ),
    (
        Language::Go,
        "_, err := tools.RunTool(ctx, \"math:fail\", nil)\nreturn err.(*ToolError).Tool",
        "\"math:fail\"",
    ),
    (
        Language::Bash,
        "for n in 1 2 3; do sum=$(tool math:add a=${sum:-0} b=$n); done; result \"$sum\"",
        "6",
    ),
    (
        Language::Bash,
        "echo one\nset -e\nnosuch",
        "exception at 3: the program ended with status 127: nosuch: command not found",
    ),
    (
        Language::CPython,
        "import humanize\nreturn humanize.intcomma(tools.math.add(a=1_000_000, b=1))",
        "\"1,000,001\"",
    ),
    (
        Language::CPython,
        "import sqlite3, os\ndb = sqlite3.connect('/tmp/x.db')\nlist(db.execute('select 1/0'))\nraise KeyError(os.getuid())",
        "exception at 4: 65534",
    ),
    (
        Language::Node,
        "const pad = require('left-pad');\nconst sum = await tools.math.add({a: 1, b: 2});\nreturn pad(String(sum), 3, '0')",
        "\"003\"",
    ),
    (
        Language::Node,
        "const net = require('net');\nreturn await new Promise((found) => net.connect(80, '192.0.2.1').on('error', (error) => found(error.code.endsWith('UNREACH'))))",
        "true",
    ),
];

async fn programs_run_in_it(place: Place) {
    let executor = place.executor(None);
    // What is emulated takes its time.
    let limits = Limits {
        run_time: Some(Duration::from_mins(3)),
        ..Limits::default()
    };
    for (language, source, expected) in PROGRAMS {
        let submission = Submission::new(language, source).limits(limits);
        let outcome = run(&executor, submission).await.unwrap();
        assert_eq!(in_words(&outcome), expected, "{source}\n{outcome:?}");
    }
}

async fn files_lie_where_programs_run(place: Place) {
    let bytes: Vec<u8> = (0..=255).cycle().take(5 << 20).collect();
    let source = "open('out.bin', 'wb').write(open('in.bin', 'rb').read()[::-1])";
    let submission = Submission::new(Language::CPython, source).file("in.bin", bytes.clone());
    let outcome = run(&place.executor(None), submission).await.unwrap();
    assert_eq!(outcome.error, None);
    let left: Vec<_> = outcome.artifacts.iter().map(|one| &*one.name).collect();
    assert_eq!(left, ["out.bin"]);
    assert!(outcome.artifacts[0].bytes.iter().rev().eq(&bytes));
}

async fn limits_hold(place: Place) {
    let executor = place.executor(None);
    let wall = Limits {
        run_time: Some(Duration::from_secs(3)),
        ..Limits::default()
    };
    let cpu = Limits {
        cpu_time: Some(Duration::from_secs(3)),
        ..Limits::default()
    };
    let memory = Limits {
        memory: Some(192 << 20),
        run_time: Some(Duration::from_mins(3)),
        ..Limits::default()
    };
    let output = Limits {
        output: Some(10_000),
        ..Limits::default()
    };
    let cases = [
        (Language::Go, "for {}", wall, "limit run_time"),
        (
            Language::Bash,
            "while :; do :; done",
            wall,
            "limit run_time",
        ),
        (Language::CPython, "while True: pass", cpu, "limit cpu_time"),
        (Language::Node, "for (;;) {}", cpu, "limit cpu_time"),
        (
            Language::Bash,
            "yes > /dev/null & wait",
            cpu,
            "limit cpu_time",
        ),
        (
            Language::CPython,
            "x = b''\nwhile True: x += b'x' * 30_000_000",
            memory,
            "limit memory",
        ),
        (
            Language::Go,
            "var all [][]byte\nfor {\n\tpart := make([]byte, 30<<20)\n\tfor i := range part {\n\t\tpart[i] = 1\n\t}\n\tall = append(all, part)\n}",
            memory,
            "limit memory",
        ),
        (
            Language::Bash,
            "while :; do echo flood; done",
            output,
            "limit output",
        ),
    ];
    for (language, source, limits, expected) in cases {
        let submission = Submission::new(language, source).limits(limits);
        let outcome = run(&executor, submission).await.unwrap();
        assert_eq!(in_words(&outcome), expected, "{source}\n{outcome:?}");
    }
    let disk = Limits {
        disk: Some(8 << 20),
        // Of gVisor each process takes some.
        memory: Some(1 << 30),
        pids: Some(24),
        run_time: Some(Duration::from_mins(1)),
        ..Limits::default()
    };
    let source = "\
import errno, os, time
try:
    open('/tmp/file', 'wb').write(b'x' * 20_000_000)
    found = ['wrote it all']
except OSError as error:
    found = [errno.errorcode[error.errno]]
started = 0
try:
    while started < 100:
        if os.fork() == 0:
            time.sleep(60)
            os._exit(0)
        started += 1
except OSError as error:
    found.append(errno.errorcode[error.errno])
return found";
    let submission = Submission::new(Language::CPython, source).limits(disk);
    let outcome = run(&executor, submission).await.unwrap();
    let expected = "[\"ENOSPC\",\"EAGAIN\"]";
    assert_eq!(in_words(&outcome), expected, "{outcome:?}");
}

async fn a_toolchain_that_is_not_there_is_named(place: Place) {
    // A root with nothing in it.
    let scratch = tempfile::tempdir().unwrap();
    let empty = scratch.path().join("empty");
    for directory in ["dev", "proc", "sys", "tmp"] {
        fs::create_dir_all(empty.join(directory)).unwrap();
    }
    let sandbox: Arc<dyn Sandbox> = match place.name {
        "docker" => {
            let image = "toolexec-test-empty";
            import_nothing(&place.with, image);
            let builder = DockerSandbox::builder(guest()).host(place.with.to_string_lossy());
            Arc::new(builder.image(image).warm(0).build().unwrap())
        }
        "runc" => {
            let builder = RuncSandbox::builder(guest()).program(&place.with);
            Arc::new(builder.root(&empty).warm(0).build())
        }
        "gvisor" => {
            let builder = GvisorSandbox::builder(guest()).program(&place.with);
            Arc::new(builder.root(&empty).warm(0).build())
        }
        _ => {
            let builder = ContainerdSandbox::builder(guest()).socket(&place.with);
            Arc::new(builder.root(&empty).warm(0).build())
        }
    };
    let executor = place.executor_of(sandbox, &[]);
    for (language, name) in [
        (Language::Go, "go"),
        (Language::Bash, "bash"),
        (Language::CPython, "python3"),
        (Language::Node, "node"),
    ] {
        let outcome = run(&executor, Submission::new(language, "")).await.unwrap();
        let error = outcome.error.unwrap();
        let message = format!("there is no {name} in this sandbox");
        assert_eq!(
            (error.kind, error.message),
            (CodeErrorKind::Unsupported, message)
        );
        assert_eq!(error.hints.len(), 1);
    }
}

async fn compiled_programs_are_kept(place: Place) {
    let scratch = tempfile::tempdir().unwrap();
    let cache = scratch.path().join("cache");
    let executor = place.executor(Some(&cache));
    let source = "return 40 + 2";
    let programs = || cache.join("containers/go/programs");
    // How much is written there is not limited: a program with a limit does not get it.
    let submission = Submission::new(Language::Go, source).limits(Limits {
        disk: Some(128 << 20),
        ..Limits::default()
    });
    let outcome = run(&executor, submission).await.unwrap();
    assert_eq!(
        (in_words(&outcome), programs().exists()),
        ("42".to_owned(), false)
    );
    for _ in 0..2 {
        let outcome = run(&executor, Submission::new(Language::Go, source))
            .await
            .unwrap();
        assert_eq!(in_words(&outcome), "42");
        assert_eq!(fs::read_dir(programs()).unwrap().count(), 1);
    }
    // What is kept is what runs.
    let kept = fs::read_dir(programs()).unwrap();
    let kept = kept.flatten().next().unwrap().path();
    fs::copy(place.root.directory().join("usr/bin/false"), &kept).unwrap();
    let outcome = run(&executor, Submission::new(Language::Go, source))
        .await
        .unwrap();
    assert_eq!(
        in_words(&outcome),
        "exception: the program ended with status 1 before it had a value"
    );
}

async fn a_program_names_the_root_that_it_runs_in(place: Place) {
    let sandbox = |root: Option<&str>| -> Arc<dyn Sandbox> {
        if place.name == "qemu" {
            let builder = ways::machines(Guests::REAL).unwrap();
            let builder = builder.roots(roots()).warm(0);
            return Arc::new(match root {
                Some(root) => builder.root(root).build(),
                None => builder.build(),
            });
        }
        let builder = RuncSandbox::builder(guest()).program(&place.with);
        let builder = builder.roots(roots()).warm(0);
        Arc::new(match root {
            Some(root) => builder.root(root).build(),
            None => builder.build(),
        })
    };
    let executor = place.executor_of(sandbox(None), &["*"]);
    let with = |image: Option<&str>| {
        let mut submission = Submission::new(Language::Bash, "result 1");
        submission.image = image.map(str::to_owned);
        submission
    };
    let outcome = run(&executor, with(Some(NAME))).await.unwrap();
    assert_eq!(in_words(&outcome), "1");
    let none = format!(
        "no sandbox is available for {}: {}:",
        place.profile, place.name
    );
    for (image, why) in [
        (None, "does not run bash without an image that has it"),
        (Some("python:3"), "has no image python:3"),
        (Some("../tests"), "has no image ../tests"),
    ] {
        let error = run(&executor, with(image)).await.unwrap_err();
        assert_eq!(error.guest_message(), format!("{none} {why}"));
    }
    let nowhere = place.executor_of(sandbox(Some("nowhere")), &[]);
    let error = run(&nowhere, with(None)).await.unwrap_err();
    let what = match place.name {
        "qemu" => "the root of virtual machines",
        _ => "the root directory of containers",
    };
    let message = format!("{none} {what} is not there");
    assert_eq!(error.guest_message(), message);
}

/// An image with empty directories.
fn import_nothing(socket: &Path, name: &str) {
    let directories = ["dev/", "proc/", "tmp/"].map(|name| (name, 0o1777, Vec::new()));
    crate::docker::import(socket, name, &directories);
}
