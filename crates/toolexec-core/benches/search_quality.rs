//! How well the search ranks, on public data sets: recall at 1, 5 and 10 and nDCG at 10, each set
//! against its own tools, beside plain stemmed BM25.
//!
//! ```text
//! TOOLEXEC_TEST_DATA=… cargo bench -p toolexec-core --bench search_quality -- [--split] [--misses SET]
//! ```
//!
//! `--split` prints both halves of each set. The weights were climbed on half A; features and the
//! final choice were made with both in view, so neither half is unseen. `--misses` lists the
//! queries of half A of one set whose tools are not all among the first ten.

#![expect(clippy::print_stdout, reason = "prints what it measures")]

use toolexec_core::ToolId;
use toolexec_core::index::{Index, SearchQuery};

#[path = "support/dataset.rs"]
mod dataset;
#[path = "support/nowhere.rs"]
mod nowhere;

use dataset::{DataSet, Query};

/// Stemmed BM25 with k1 1.2 and b 0.75 on the same queries (bm25s): R@1, R@5, R@10, nDCG@10.
const BASELINE: [(&str, [f64; 4]); 5] = [
    ("sealtools", [0.457, 0.822, 0.898, 0.873]),
    ("metatool", [0.431, 0.637, 0.697, 0.564]),
    ("livemcpbench", [0.174, 0.309, 0.425, 0.358]),
    ("stabletoolbench", [0.307, 0.682, 0.768, 0.682]),
    ("bfcl", [0.437, 0.700, 0.807, 0.627]),
];

fn main() {
    let Some(folder) = dataset::folder() else {
        println!("nothing measured: {} names no test data", dataset::VARIABLE);
        return;
    };
    let sets = match dataset::load(&folder) {
        Ok(sets) => sets,
        Err(error) => return println!("nothing measured: {error}"),
    };
    let arguments: Vec<String> = std::env::args().collect();
    let split = arguments.iter().any(|argument| argument == "--split");
    let misses = arguments
        .iter()
        .skip_while(|argument| *argument != "--misses")
        .nth(1);
    println!(
        "{:<18}{:>8}    R@1    R@5   R@10 nDCG@10   (beside the baseline)",
        "", "queries"
    );
    for set in sets.iter().filter(|set| !set.queries.is_empty()) {
        let index = nowhere::index(set.tools.clone());
        let all: Vec<&Query> = set.queries.iter().collect();
        row(&set.name, &index, &all, baseline(set));
        if split {
            let (a, b): (Vec<&Query>, Vec<&Query>) = all.iter().partition(|query| in_half_a(query));
            row("  half A", &index, &a, None);
            row("  half B", &index, &b, None);
        }
        if misses == Some(&set.name) {
            let tuned = all.iter().filter(|query| in_half_a(query));
            tuned.for_each(|query| print_miss(&index, query));
        }
    }
}

fn row(name: &str, index: &Index, queries: &[&Query], baseline: Option<[f64; 4]>) {
    let mut sums = [0.0; 4];
    for query in queries {
        for (sum, value) in sums.iter_mut().zip(measures(&ranking(index, query), query)) {
            *sum += value;
        }
    }
    let means = sums.map(|sum| sum / queries.len() as f64);
    print!("{name:<18}{:>8}", queries.len());
    for mean in means {
        print!("  {mean:.3}");
    }
    if let Some(baseline) = baseline {
        print!("   ");
        means
            .iter()
            .zip(baseline)
            .for_each(|(mean, base)| print!(" {:+.3}", mean - base));
    }
    println!();
}

fn ranking(index: &Index, query: &Query) -> Vec<ToolId> {
    let search = SearchQuery {
        limit: 10,
        ..SearchQuery::new(&query.text)
    };
    let hits = index
        .search(&search)
        .map(|page| page.items)
        .unwrap_or_default();
    hits.into_iter().map(|hit| hit.tool.id).collect()
}

/// Recall at 1, 5 and 10, and nDCG at 10.
fn measures(ranking: &[ToolId], query: &Query) -> [f64; 4] {
    let relevant = query.relevant.len().max(1) as f64;
    let hit = |id: &ToolId| query.relevant.contains(id);
    let recall = |at: usize| ranking.iter().take(at).filter(|id| hit(id)).count() as f64 / relevant;
    let gain = |place: usize| 1.0 / (place as f64 + 2.0).log2();
    let places = ranking.iter().take(10).enumerate();
    let gained: f64 = places
        .filter(|(_, id)| hit(id))
        .map(|(place, _)| gain(place))
        .sum();
    let ideal: f64 = (0..query.relevant.len().min(10)).map(gain).sum();
    [
        recall(1),
        recall(5),
        recall(10),
        if ideal > 0.0 { gained / ideal } else { 0.0 },
    ]
}

fn baseline(set: &DataSet) -> Option<[f64; 4]> {
    BASELINE
        .iter()
        .find(|(name, _)| *name == set.name)
        .map(|(_, figures)| *figures)
}

/// Halves the queries by a hash of their ids (FNV-1a), so that the halves never change.
fn in_half_a(query: &Query) -> bool {
    let hash = query
        .id
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
    (hash ^ (hash >> 29)) % 2 == 1
}

fn print_miss(index: &Index, query: &Query) {
    let ranking = ranking(index, query);
    let missed: Vec<&ToolId> = query
        .relevant
        .iter()
        .filter(|id| !ranking.contains(id))
        .collect();
    if !missed.is_empty() {
        println!(
            "{}\n    missed {missed:?}\n    found {:?}",
            query.text, ranking
        );
    }
}
