//! What runs in every sandbox, in machines of Firecracker itself, where there is one.

use crate::support::ways;

/// Makes a test of each suite.
macro_rules! in_firecracker {
    ($($module:ident::$suite:ident),+ $(,)?) => {$(
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $suite() {
            if let Some(way) = ways::firecracker().found().await {
                crate::$module::$suite(way).await;
            }
        }
    )+};
}

in_firecracker!(
    contract::it_keeps_the_contract,
    doctor::limits_hold_under_attack,
    files::bytes_come_and_go_as_they_are,
    hostile::every_hostile_program_ends_as_it_must,
    native::no_system_call_reaches_out,
    native::a_guest_that_was_taken_over_ends_only_itself,
    programs::a_program_calls_a_tool_and_answers,
    programs::a_failing_tool_is_caught,
    programs::doubles_keep_their_last_bit,
    rules::a_program_may_do_what_its_caller_may,
    same::outcomes_are_the_same_but_for_times,
    sessions::variables_and_functions_stay_and_forks_go_their_own_ways,
);
