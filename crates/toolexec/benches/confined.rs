//! What a sandbox costs an MCP server: the same server and the same call, with and without.
//!
//! The pipes are the server's own in both cases; what is measured is the filter of its system
//! calls, its control group, and what the mounts of its root cost.
#![expect(
    clippy::expect_used,
    clippy::print_stderr,
    reason = "a bench reports, and fails by panicking"
)]

use std::fs;
use std::path::Path;
use std::sync::Arc;

use criterion::{Criterion, criterion_group, criterion_main};
use serde_json::json;
use tokio::runtime::Runtime;
use toolexec::Executor;
use toolexec::config::{Config, Places};
use toolexec_testkit::peers::{self, Peer};

/// An executor over the real file server, twice.
fn executor(data: &Path) -> Option<Executor> {
    let inside = peers::require_stdio(Peer::Filesystem, Path::new("/data"))?;
    let outside = peers::require_stdio(Peer::Filesystem, data)?;
    // Texts and lists of them are written in TOML as in JSON.
    let text = format!(
        "[servers.plain]\ncommand = {}\nargs = {}\n\
         [servers.confined]\ncommand = {}\nargs = {}\n[servers.confined.sandbox]\n\
         mounts = [{{ path = {}, at = \"/data\" }}]\n",
        json!(outside.program),
        json!(outside.args),
        json!(inside.program),
        json!(inside.args),
        json!(data)
    );
    let config = Config::parse(Path::new("bench.toml"), &text, &|_| None).expect("it is read");
    let places = Places {
        cache: None,
        launcher: Some(toolexec_testkit::build::cell()),
    };
    let connected = config.connect_with(None, &places);
    let executor = Executor::builder().config(&config, &connected).build();
    Some(executor.expect("two sources"))
}

fn call(criterion: &mut Criterion) {
    let data = tempfile::tempdir().expect("a directory");
    fs::write(data.path().join("note.txt"), "seen").expect("a file");
    let Some(executor) = executor(data.path()) else {
        eprintln!("skipped: the file server is not installed");
        return;
    };
    let runtime = Runtime::new().expect("a runtime");
    let executor = Arc::new(executor);
    let mut group = criterion.benchmark_group("mcp/server/read_text_file");
    let plain = data.path().join("note.txt");
    for (name, path) in [
        ("plain", plain.as_path()),
        ("confined", Path::new("/data/note.txt")),
    ] {
        let tool = format!("{name}:read_text_file");
        let args = json!({ "path": path });
        group.bench_function(name, |bencher| {
            bencher.to_async(&runtime).iter(|| async {
                let done = executor.run(&tool, args.clone()).await;
                assert!(!done.expect("it runs").is_error);
            });
        });
    }
    group.finish();
    runtime.block_on(executor.shutdown());
}

criterion_group!(benches, call);
criterion_main!(benches);
