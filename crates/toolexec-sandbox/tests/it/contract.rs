//! The contract of sandboxes, held against each of them.

use toolexec_core::sandbox::{Language, Sandbox};
use toolexec_sandbox::host::HostSandbox;
use toolexec_sandbox::process::ProcessSandbox;
use toolexec_testkit::contract::sandbox::{Programs, all};

use crate::support::wasm;

const JAVASCRIPT: Programs = Programs {
    language: Language::JavaScript,
    two: "return 1 + 1",
    endless: "while (true) {}",
};

const PYTHON: Programs = Programs {
    language: Language::Python,
    two: "return 1 + 1",
    endless: "while True:\n    pass",
};

#[tokio::test]
async fn wasm_keeps_the_contract() {
    let sandbox = wasm();
    sandbox.warm_up().await.unwrap();
    for programs in [JAVASCRIPT, PYTHON] {
        if sandbox.describe().languages.contains(&programs.language) {
            all(&sandbox, &programs).await;
        }
    }
}

#[tokio::test]
async fn host_keeps_the_contract() {
    let sandbox = HostSandbox::new(toolexec_testkit::build::guest());
    for programs in [JAVASCRIPT, PYTHON] {
        all(&sandbox, &programs).await;
    }
}

#[tokio::test]
async fn process_keeps_the_contract() {
    let sandbox = ProcessSandbox::new(toolexec_testkit::build::guest());
    for programs in [JAVASCRIPT, PYTHON] {
        all(&sandbox, &programs).await;
    }
}
