//! What each command does.

pub(crate) mod chain;
pub(crate) mod code;
pub(crate) mod completions;
pub(crate) mod describe;
pub(crate) mod doctor;
pub(crate) mod file;
#[cfg(target_os = "linux")]
pub(crate) mod image;
pub(crate) mod import;
pub(crate) mod init;
pub(crate) mod install;
pub(crate) mod jsonc;
pub(crate) mod list;
pub(crate) mod login;
pub(crate) mod quickstart;
pub(crate) mod repl;
pub(crate) mod run;
pub(crate) mod schema;
pub(crate) mod search;
pub(crate) mod serve;
pub(crate) mod session;
pub(crate) mod types;
