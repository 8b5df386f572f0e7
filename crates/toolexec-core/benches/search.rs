//! How long a search over many tools takes: criterion for the middle, and a table of percentiles
//! over many different queries.

use std::hint::black_box;
use std::time::{Duration, Instant};

use criterion::{Criterion, criterion_group, criterion_main};
use toolexec_core::index::{Index, SearchQuery};

#[path = "support/dataset.rs"]
#[expect(dead_code, reason = "this bench needs the texts of the queries only")]
mod dataset;
#[path = "support/nowhere.rs"]
mod nowhere;
#[path = "support/synthetic.rs"]
mod synthetic;

const TOOLS: usize = 10_000;

fn synthetic_tools(criterion: &mut Criterion) {
    let index = nowhere::index(synthetic::tools(TOOLS));
    measure(criterion, "synthetic", &index, &synthetic::queries(1_000));
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
    let sets = match dataset::load(&folder) {
        Ok(sets) => sets,
        Err(error) => return eprintln!("real tools not measured: {error}"),
    };
    let index = Index::new();
    let mut queries = Vec::new();
    for set in sets {
        index.register_all(nowhere::registrations(set.tools));
        queries.extend(set.queries.into_iter().map(|query| query.text));
    }
    measure(criterion, "real", &index, &queries);
}

fn measure(criterion: &mut Criterion, name: &str, index: &Index, texts: &[String]) {
    let queries: Vec<SearchQuery> = texts
        .iter()
        .map(|text| SearchQuery {
            limit: 10,
            ..SearchQuery::new(text)
        })
        .collect();
    criterion.bench_function(&format!("search/{name}/{}", index.len()), |bencher| {
        let mut next = queries.iter().cycle();
        bencher.iter(|| next.next().map(|query| black_box(index.search(query))));
    });
    percentiles(name, index, &queries);
}

#[expect(clippy::print_stdout, reason = "prints what it measures")]
fn percentiles(name: &str, index: &Index, queries: &[SearchQuery]) {
    let time = |query: &SearchQuery| {
        let started = Instant::now();
        let _ = black_box(index.search(query));
        started.elapsed()
    };
    let mut times: Vec<Duration> = queries.iter().map(time).collect();
    times.sort_unstable();
    let at = |share: f64| {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a share of a length is an index"
        )]
        let place = (times.len() as f64 * share) as usize;
        times
            .get(place.min(times.len() - 1))
            .copied()
            .unwrap_or_default()
    };
    println!(
        "search/{name}/{}: {} queries, median {:.1?}, p90 {:.1?}, p99 {:.1?}, longest {:.1?}",
        index.len(),
        times.len(),
        at(0.5),
        at(0.9),
        at(0.99),
        at(1.0),
    );
}

criterion_group!(benches, synthetic_tools, real_tools);
criterion_main!(benches);
