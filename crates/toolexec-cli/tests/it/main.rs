//! The program from outside: exit code, stdout and stderr.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "clippy allows it in test functions, not in what test functions share"
)]

mod background;
mod code;
mod confined;
mod confined_in_gvisor;
mod conformance;
mod files;
mod find;
mod guide;
mod images;
mod import;
mod install;
mod login;
mod program;
mod real;
mod real_clients;
mod repl;
mod rpc;
mod rules;
mod run;
mod serving;
mod signals;
mod sources;
mod tokens;
mod types;
