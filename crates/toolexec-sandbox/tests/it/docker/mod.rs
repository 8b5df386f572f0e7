//! Containers of a Docker daemon, besides what every sandbox must do: images, walls, limits, and
//! what is left.

mod api;
mod images;
mod leftovers;
mod walls;

use std::path::Path;
use std::sync::Arc;

use serde_json::{Value, json};
use tokio::task::JoinSet;
use toolexec_core::backend::local::{Local, LocalTool};
use toolexec_core::code::{CodeExecutor, Submission};
use toolexec_core::index::Index;
use toolexec_core::sandbox::{Isolation, Language, Profile, Sandbox, Sandboxes};
use toolexec_core::{Args, CallContext, DocStore, Error, Runner};
use toolexec_sandbox::docker::{DockerBuilder, DockerSandbox};
use toolexec_sandbox::linux_guest::LinuxGuest;
use toolexec_testkit::contract::sandbox::{Programs, all};
use toolexec_testkit::{daemons, require};

use api::Api;

/// Makes an image of files on the daemon that listens there.
pub(crate) fn import(socket: &Path, name: &str, files: &[(&str, u32, Vec<u8>)]) {
    Api(socket.to_owned()).import(name, "LABEL of=tests", files);
}

/// The runtimes that are tested: the daemon's own, and gVisor.
const RUNTIMES: [Option<&str>; 2] = [None, Some("runsc")];

/// A daemon, if there is one.
fn daemon() -> Option<Api> {
    require(daemons::docker()).map(Api)
}

fn linux_guest() -> LinuxGuest {
    let cache = Path::new(env!("CARGO_TARGET_TMPDIR")).join("linux-guest");
    LinuxGuest::built_in(Some(cache))
}

/// A sandbox of it, with no guest started ahead.
fn sandbox(daemon: &Api) -> DockerBuilder {
    sandbox_of(daemon, linux_guest())
}

fn sandbox_of(daemon: &Api, guest: LinuxGuest) -> DockerBuilder {
    let host = daemon.0.to_string_lossy();
    DockerSandbox::builder(guest).host(host).warm(0)
}

/// A runner whose only tool adds.
fn runner() -> Runner {
    let add = LocalTool::new("add", async |args: Args| {
        let number = |name: &str| args[name].as_f64().ok_or("not a number");
        Ok::<_, &str>(number("a")? + number("b")?)
    });
    let index = Index::new();
    index.register_all(Local::new("math").tool(add).registrations().unwrap());
    Runner::new(index)
}

fn executor(sandbox: DockerSandbox, images: &[&str]) -> CodeExecutor {
    let sandboxes = Sandboxes::new()
        .with(Arc::new(sandbox))
        .candidates(Profile::Standard, ["docker"]);
    let docs = Arc::new(DocStore::default());
    CodeExecutor::builder(runner(), docs, sandboxes)
        .images(images.iter().copied())
        .build()
}

async fn three(executor: &CodeExecutor, image: Option<&str>) -> Result<Value, Error> {
    let source = "return await tools.math.add({a: 1, b: 2})";
    let mut submission = Submission::new(Language::JavaScript, source);
    submission.image = image.map(str::to_owned);
    let outcome = executor.execute(submission, &CallContext::new()).await?;
    assert_eq!(outcome.error, None);
    Ok(outcome.value)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_contract_is_kept_with_gvisor_as_a_runtime() {
    let Some(daemon) = daemon() else { return };
    let sandbox = sandbox(&daemon).runtime("runsc").build().unwrap();
    assert_eq!(sandbox.describe().isolation, Isolation::Vm);
    let programs = Programs {
        language: Language::JavaScript,
        two: "return 1 + 1",
        endless: "while (true) {}",
    };
    all(&sandbox, &programs).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fifty_programs_at_once_all_end() {
    let Some(daemon) = daemon() else { return };
    let executor = executor(sandbox(&daemon).build().unwrap(), &[]);
    let mut running = JoinSet::new();
    for _ in 0..50 {
        let executor = executor.clone();
        running.spawn(async move { three(&executor, None).await.unwrap() });
    }
    assert_eq!(running.join_all().await, vec![json!(3); 50]);
}
