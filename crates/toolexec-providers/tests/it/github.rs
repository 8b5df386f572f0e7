//! The document of GitHub: 13 MB, 1,223 operations.

use std::time::Instant;

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
    println!("loaded in {:?}", start.elapsed());
    assert_eq!(api.tools().count(), 1223);
    let start = Instant::now();
    let (mut input, mut output, mut large) = (0, 0, 0);
    for tool in api.tools() {
        let size = |s: &serde_json::Value| serde_json::to_string(s).unwrap().len();
        input += size(&tool.input_schema);
        Schema::compile(tool.input_schema.clone()).unwrap_or_else(|e| panic!("{}: {e}", tool.id));
        if let Some(schema) = &tool.output_schema {
            large = large.max(size(schema));
            output += size(schema);
            Schema::compile(schema.clone()).unwrap_or_else(|e| panic!("{}: {e}", tool.id));
        }
    }
    println!("{input} {output} {large} compiled in {:?}", start.elapsed());
    println!("{:#?}", api.notices());
}
