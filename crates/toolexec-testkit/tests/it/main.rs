//! Tests of the testkit itself.
#![expect(
    clippy::unwrap_used,
    reason = "clippy allows it in test functions, not in what test functions share"
)]

mod peers;
