//! Firecracker itself, where there is one: machines that really boot, are saved and restored.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::json;
use tempfile::TempDir;
use toolexec_core::backend::local::{Local, LocalTool};
use toolexec_core::code::{CodeExecutor, Outcome, Submission};
use toolexec_core::index::Index;
use toolexec_core::sandbox::{Language, Limits, Profile, Sandbox, Sandboxes};
use toolexec_core::{Args, CallContext, Runner};
use toolexec_sandbox::firecracker::{Builder, FirecrackerSandbox};
use toolexec_sandbox::roots::Roots;
use toolexec_sandbox::vm::Images;
use toolexec_testkit::{daemons, require_named};

use super::{guest, names};
use crate::shared_root;

/// A real Firecracker, and a directory for its machines.
struct Real {
    work: TempDir,
    builder: Builder,
    sandbox: FirecrackerSandbox,
}

impl Real {
    fn found() -> Option<Self> {
        let (program, kernel) = require_named(daemons::firecracker())?;
        let work = tempfile::tempdir().unwrap();
        let cache = Path::new(env!("CARGO_TARGET_TMPDIR"));
        let guest = guest();
        let images = Images::new(cache.join("vm-images"));
        images.build(&kernel, &guest).unwrap();
        let state = work.path().join("state");
        let builder = FirecrackerSandbox::builder(guest, images, state)
            .program(program)
            .patience(Duration::from_mins(1))
            .warm(0);
        Some(Self {
            work,
            sandbox: builder.clone().build(),
            builder,
        })
    }

    async fn run(&self, submission: Submission) -> Outcome {
        run(&executor(self.sandbox.clone()), submission).await
    }
}

/// Runs programs over a tool that adds.
fn executor(sandbox: FirecrackerSandbox) -> CodeExecutor {
    let add = LocalTool::new("add", async |args: Args| {
        let number = |name: &str| args[name].as_f64().ok_or("not a number");
        Ok::<_, &str>(number("a")? + number("b")?)
    });
    let index = Index::new();
    let math = Local::new("math").tool(add);
    index.register_all(math.registrations().unwrap());
    let sandboxes = Sandboxes::new()
        .candidates(Profile::Hardened, ["firecracker"])
        .with(Arc::new(sandbox));
    CodeExecutor::builder(Runner::new(index), Arc::default(), sandboxes)
        .profile(Profile::Hardened)
        .build()
}

async fn run(executor: &CodeExecutor, submission: Submission) -> Outcome {
    let cx = CallContext::new();
    executor.execute(submission, &cx).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn programs_call_tools_in_booted_and_in_restored_machines() {
    let Some(real) = Real::found() else { return };
    let program = "const sum = await tools.math.add({a: 40, b: 2}); \
                   return [sum, Math.random(), Date.now()]";
    let mut random = Vec::new();
    for _ in 0..3 {
        let before = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        let submission = Submission::new(Language::JavaScript, program);
        let outcome = real.run(submission).await;
        assert_eq!(outcome.error, None);
        assert_eq!(outcome.value[0], json!(42));
        random.push(outcome.value[1].clone());
        // The time of a machine is set anew, also when it slept meanwhile.
        let said = Duration::from_millis(outcome.value[2].as_u64().unwrap());
        let after = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        let slack = Duration::from_millis(100);
        assert!(said + slack >= before && said <= after + slack, "{said:?}");
    }
    assert!(random[0] != random[1] && random[1] != random[2] && random[0] != random[2]);
    let state = real.work.path().join("state");
    assert_eq!(names(&state.join("snapshots")).len(), 1);
    assert_eq!(left(&state), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn limits_end_programs() {
    let Some(real) = Real::found() else { return };
    let usual = Limits {
        run_time: Some(Duration::from_secs(30)),
        memory: Some(32 << 20),
        ..Limits::standard()
    };
    let programs = [
        (
            "const all = []; while (true) all.push(new Array(10000).fill(all.length))",
            usual,
            "memory",
        ),
        (
            "while (true) {}",
            Limits {
                cpu_time: Some(Duration::from_millis(500)),
                ..usual
            },
            "cpu_time",
        ),
        (
            "while (true) {}",
            Limits {
                run_time: Some(Duration::from_millis(500)),
                ..usual
            },
            "run_time",
        ),
        (
            "while (true) console.log('x'.repeat(100000))",
            usual,
            "output",
        ),
    ];
    for (source, limits, wanted) in programs {
        let submission = Submission::new(Language::JavaScript, source).limits(limits);
        let outcome = real.run(submission.check(false)).await;
        let error = outcome.error.expect(source);
        let limit = error.limit.as_ref().map(|limit| limit.name.to_string());
        assert_eq!(limit.as_deref(), Some(wanted), "{error:?}");
    }
    assert!(real.sandbox.probe().await.is_ok());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn programs_of_a_root_run_in_booted_and_in_restored_machines() {
    let Some(real) = Real::found() else { return };
    // Where there is no debootstrap, one is brought.
    let brought = std::env::var_os("TOOLEXEC_TEST_ROOTS");
    let (roots, name) = if let Some(roots) = brought {
        (Roots::new(roots), "small".to_owned())
    } else {
        let Some(root) = shared_root::root().await else {
            return;
        };
        (shared_root::roots(), root.name())
    };
    let script = "tool math:add a=40 b=2 > /tmp/sum; (echo > /bin/own) 2> /dev/null && echo changed\n\
                  read -r sum < /tmp/sum; result \"$sum $UID\"";
    for _ in 0..2 {
        let sandbox = real
            .builder
            .clone()
            .roots(roots.clone())
            .root(name.as_str());
        let executor = executor(sandbox.build());
        let outcome = run(&executor, Submission::new(Language::Bash, script)).await;
        assert_eq!((&outcome.error, &*outcome.stdout), (&None, ""));
        assert_eq!(outcome.value, json!("42 65534"), "{outcome:?}");
    }
    let state = real.work.path().join("state");
    assert_eq!(names(&state.join("snapshots")).len(), 1);
    assert_eq!(left(&state), Vec::<String>::new());
}

/// Directories of machines, of programs of any name.
fn left(state: &Path) -> Vec<String> {
    let above = fs::read_dir(state.join("machines")).into_iter().flatten();
    above
        .flatten()
        .flat_map(|above| names(&above.path()))
        .collect()
}
