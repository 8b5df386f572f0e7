//! What runs in every sandbox, in machines of Firecracker itself, where there is one.

use crate::support::ways;
use crate::{hostile, native, programs};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn programs_run_as_everywhere() {
    if let Some(way) = ways::firecracker().found().await {
        programs::a_program_calls_a_tool_and_answers(way).await;
        programs::a_failing_tool_is_caught(way).await;
        programs::doubles_keep_their_last_bit(way).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hostile_programs_end_as_everywhere() {
    if let Some(way) = ways::firecracker().found().await {
        hostile::every_hostile_program_ends_as_it_must(way).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_guest_that_was_taken_over_ends_only_itself() {
    if let Some(way) = ways::firecracker().found().await {
        native::no_system_call_reaches_out(way).await;
        native::a_guest_that_was_taken_over_ends_only_itself(way).await;
    }
}
