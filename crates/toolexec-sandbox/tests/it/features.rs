//! What each feature builds in, alone and with the others.

use toolexec_core::code::{CodeExecutor, Submission};
use toolexec_core::index::Index;
use toolexec_core::sandbox::{Language, Profile, Sandboxes};
use toolexec_core::{CallContext, Error, Runner};
use toolexec_sandbox::Setup;

async fn two(sandboxes: Sandboxes, profile: Profile) -> Result<(String, String), Error> {
    let executor = CodeExecutor::builder(
        Runner::new(Index::new()),
        std::sync::Arc::default(),
        sandboxes,
    )
    .build();
    let program = Submission::new(Language::JavaScript, "return 1 + 1").profile(profile);
    let outcome = executor.execute(program, &CallContext::new()).await?;
    Ok((outcome.value.to_string(), outcome.sandbox))
}

fn only(name: &str, profile: Profile) -> Sandboxes {
    let setup = Setup::new().guest_program(toolexec_testkit::build::guest());
    setup
        .sandboxes()
        .allow_unsafe(true)
        .candidates(profile, [name])
}

#[tokio::test]
async fn wasm_runs_when_it_is_built_in_and_names_its_feature_when_not() {
    let found = two(only("wasm", Profile::Standard), Profile::Standard).await;
    if cfg!(feature = "wasm") {
        assert_eq!(found.unwrap(), ("2".to_owned(), "wasm".to_owned()));
    } else {
        assert_eq!(
            found.unwrap_err().guest_message(),
            "no sandbox is available for standard: wasm: it is not built in: the feature `wasm` \
             is off"
        );
    }
}

#[tokio::test]
async fn host_runs_when_it_is_built_in_and_names_its_feature_when_not() {
    let found = two(only("host", Profile::Dev), Profile::Dev).await;
    if cfg!(feature = "host") {
        assert_eq!(found.unwrap(), ("2".to_owned(), "host".to_owned()));
    } else {
        assert_eq!(
            found.unwrap_err().guest_message(),
            "no sandbox is available for dev: host: it is not built in: the feature `host` is off"
        );
    }
}
