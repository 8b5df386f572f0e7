//! Tests of what needs no issuer.
