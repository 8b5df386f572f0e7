//! Programs that misbehave on purpose.

pub mod conformance;
pub mod mcp;
pub mod sandbox;

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use crate::build::{Kind, build};

/// The program of [`mcp`], built by Cargo at the first use, in the profile of the running test.
///
/// # Panics
/// When it cannot be built.
pub fn mcp_server() -> PathBuf {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    let own = Path::new(env!("CARGO_MANIFEST_DIR"));
    PROGRAM
        .get_or_init(|| build(Kind::Bin, "fake-mcp-server", own, true))
        .clone()
}

/// The program of [`conformance`], likewise.
///
/// # Panics
/// When it cannot be built.
pub fn conformance_fixture() -> PathBuf {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    let own = Path::new(env!("CARGO_MANIFEST_DIR"));
    PROGRAM
        .get_or_init(|| build(Kind::Bin, "conformance-fixture", own, true))
        .clone()
}
