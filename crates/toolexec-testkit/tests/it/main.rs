//! Tests of the testkit itself.

mod peers;
