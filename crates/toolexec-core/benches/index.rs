//! What it costs to index tools, and to change an index.

use std::hint::black_box;

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use toolexec_core::Tool;
use toolexec_core::index::Index;

#[path = "support/dataset.rs"]
#[expect(dead_code, reason = "this bench needs no queries")]
mod dataset;
#[path = "support/nowhere.rs"]
mod nowhere;
#[path = "support/synthetic.rs"]
#[expect(dead_code, reason = "this bench needs no queries")]
mod synthetic;

fn register(criterion: &mut Criterion, name: &str, tools: &[Tool]) {
    let mut group = criterion.benchmark_group("index");
    group.sample_size(10);
    group.bench_function(format!("register/{name}/{}", tools.len()), |bencher| {
        bencher.iter_batched(
            || nowhere::registrations(tools.to_vec()),
            |registrations| {
                let index = Index::new();
                index.register_all(registrations);
                index
            },
            BatchSize::LargeInput,
        );
    });
    group.finish();
}

fn synthetic_tools(criterion: &mut Criterion) {
    let tools = synthetic::tools(10_000);
    register(criterion, "synthetic", &tools);
    let index = nowhere::index(tools.clone());
    let one = nowhere::registrations(tools[5_000..5_001].to_vec());
    criterion.bench_function("index/replace/synthetic/10000", |bencher| {
        bencher.iter_batched(
            || one[0].clone(),
            |registration| black_box(index.register(registration)),
            BatchSize::SmallInput,
        );
    });
}

#[expect(clippy::print_stderr, reason = "says why it measures less")]
fn real_tools(criterion: &mut Criterion) {
    let Some(folder) = dataset::folder() else {
        eprintln!(
            "real tools not measured: {} names no test data",
            dataset::VARIABLE
        );
        return;
    };
    match dataset::load(&folder) {
        Ok(sets) => register(criterion, "real", &all_tools(sets)),
        Err(error) => eprintln!("real tools not measured: {error}"),
    }
}

/// The tools of all sets; of those with one id in two sets the last.
fn all_tools(sets: Vec<dataset::DataSet>) -> Vec<Tool> {
    sets.into_iter().flat_map(|set| set.tools).collect()
}

criterion_group!(benches, synthetic_tools, real_tools);
criterion_main!(benches);
