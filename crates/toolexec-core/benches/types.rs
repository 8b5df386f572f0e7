//! What it costs to declare many tools.

use std::hint::black_box;
use std::time::Duration;

use criterion::{Criterion, criterion_group, criterion_main};
use serde_json::json;
use toolexec_core::Tool;
use toolexec_core::types::{TypeLanguage, declarations, declarations_for_check, signature};

/// Tools with twelve parameters, a nested object, constants and a shared definition.
fn tools(count: usize) -> Vec<Tool> {
    let label = json!({
        "type": "object",
        "description": "A label of an issue.",
        "properties": {
            "name": {"type": "string", "description": "What it is called."},
            "color": {"type": "string", "pattern": "^[0-9a-f]{6}$"},
            "parent": {"anyOf": [{"$ref": "#/$defs/Label"}, {"type": "null"}]},
        },
        "required": ["name"],
    });
    let mut properties = serde_json::Map::new();
    for n in 0..8 {
        properties.insert(
            format!("parameter_{n}"),
            json!({"type": "string", "description": "One of the things that the tool needs.", "default": "none"}),
        );
    }
    properties.insert("state".into(), json!({"enum": ["open", "closed", "all"]}));
    properties.insert(
        "limit".into(),
        json!({"type": "integer", "minimum": 1, "maximum": 100}),
    );
    properties.insert(
        "labels".into(),
        json!({"type": "array", "items": {"$ref": "#/$defs/Label"}}),
    );
    properties.insert(
        "filter".into(),
        json!({"type": "object", "properties": {"since": {"type": "string", "format": "date-time"}, "by": {"type": ["string", "null"]}}}),
    );
    let input = json!({"type": "object", "properties": properties, "required": ["parameter_0"], "$defs": {"Label": label}});
    let output = json!({"type": "object", "properties": {"items": {"type": "array", "items": {"$ref": "#/$defs/Label"}}, "next": {"type": ["string", "null"]}}, "required": ["items"], "$defs": {"Label": label}});
    let build = |n: usize| {
        Tool::builder(format!("server{}:list_things_{n}", n % 100))
            .description("Lists things of a kind. Each page has at most 100 of them; the next one is asked for with the cursor of the page before.")
            .input_schema(input.clone())
            .output_schema(output.clone())
            .build()
    };
    (0..count).filter_map(|n| build(n).ok()).collect()
}

fn types(c: &mut Criterion) {
    let tools = tools(10_000);
    let mut group = c.benchmark_group("types/10000_tools");
    group
        .sample_size(10)
        .measurement_time(Duration::from_secs(10));
    for language in [TypeLanguage::TypeScript, TypeLanguage::Python] {
        group.bench_function(language.as_str(), |b| {
            b.iter(|| black_box(declarations(&tools, language)));
        });
    }
    group.bench_function("python_for_check", |b| {
        b.iter(|| black_box(declarations_for_check(&tools)));
    });
    group.finish();
    for language in [TypeLanguage::TypeScript, TypeLanguage::Python] {
        c.bench_function(&format!("types/signature/{language}"), |b| {
            b.iter(|| black_box(tools.first().map(|tool| signature(tool, language))));
        });
    }
}

criterion_group!(benches, types);
criterion_main!(benches);
