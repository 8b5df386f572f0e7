//! Programs run as the configuration says.

use std::path::Path;
use std::time::Duration;

use toolexec::config::Config;
use toolexec::core::code::{CodeExecutor, Submission};
use toolexec::core::sandbox::{Language, Limits, Profile, Sandboxes};
use toolexec::{CallContext, ErrorKind, Executor};

const CONFIG: &str = r#"
[code]
profile = "hardened"
limits.run_time = "2s"
maximum.run_time = "10s"
maximum.memory = "64m"
candidates.standard = ["docker", "wasm"]
candidates.hardened = []
"#;

/// An executor without a sandbox: what it refuses says how far it came.
fn code(config: &str) -> CodeExecutor {
    let config = Config::parse(Path::new("toolexec.toml"), config, &|_| None).unwrap();
    let connected = config.connect();
    let executor = Executor::builder().config(&config, &connected).build();
    executor.unwrap().code(Sandboxes::new()).build()
}

async fn refusal(config: &str, submission: Submission) -> (ErrorKind, String) {
    let refused = code(config).execute(submission, &CallContext::new()).await;
    let error = refused.unwrap_err();
    (error.kind(), error.guest_message().to_owned())
}

fn program() -> Submission {
    Submission::new(Language::JavaScript, "return 1")
}

#[tokio::test]
async fn the_profile_and_its_candidates_are_those_of_the_file() {
    assert_eq!(
        refusal(CONFIG, program()).await,
        (
            ErrorKind::SandboxUnavailable,
            "the hardened profile has no candidates".to_owned()
        )
    );
    assert_eq!(
        refusal(CONFIG, program().profile(Profile::Standard)).await,
        (
            ErrorKind::SandboxUnavailable,
            "no sandbox is available for standard: docker: no sandbox has this name; wasm: no \
             sandbox has this name"
                .to_owned()
        )
    );
}

#[tokio::test]
async fn a_request_above_the_maximum_is_refused() {
    let asked = Limits {
        run_time: Some(Duration::from_secs(11)),
        ..Limits::default()
    };
    assert_eq!(
        refusal(CONFIG, program().limits(asked)).await,
        (
            ErrorKind::InvalidInput,
            "run_time of 11000 ms was asked for; at most 10000 ms is allowed".to_owned()
        )
    );
}

#[tokio::test]
async fn dev_is_allowed_by_the_file_alone() {
    let dev = || program().profile(Profile::Dev);
    assert_eq!(
        refusal("", dev()).await,
        (
            ErrorKind::Denied,
            "the dev profile runs programs without isolation and is not allowed here".to_owned()
        )
    );
    assert_eq!(
        refusal("[code]\nallow_unsafe = true\ncandidates.dev = []\n", dev()).await,
        (
            ErrorKind::SandboxUnavailable,
            "the dev profile has no candidates".to_owned()
        )
    );
}
