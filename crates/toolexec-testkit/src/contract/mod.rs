//! Contract suites: what every implementation of a trait must do, as functions over one of them.

pub mod sandbox;
