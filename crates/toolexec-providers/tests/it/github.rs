//! The document of GitHub: 13 MB, 1,223 operations.

use std::time::{Duration, Instant};

use toolexec_core::schema::Schema;
use toolexec_providers::{ApiConfig, OpenApi};
use toolexec_testkit::peers;
use toolexec_testkit::require::require;

#[test]
fn every_operation_is_a_tool_whose_schemas_compile() {
    let Some(path) = require(peers::github_openapi()) else {
        return;
    };
    let text = std::fs::read_to_string(path).unwrap();
    let start = Instant::now();
    let api = OpenApi::parse("github", &ApiConfig::default(), &text).unwrap();
    let took = start.elapsed();
    // Well under a second when optimized; here a busy machine and a debug build must not fail.
    assert!(took < Duration::from_secs(15), "{took:?}");
    assert_eq!((api.tools().count(), api.notices()), (1223, &[][..]));
    for tool in api.tools() {
        for schema in std::iter::once(&tool.input_schema).chain(&tool.output_schema) {
            let compiled = Schema::compile(schema.clone());
            compiled.unwrap_or_else(|error| panic!("{}: {error}", tool.id));
        }
    }
}
