//! The program from outside: exit code, stdout and stderr.

mod find;
mod guide;
mod import;
mod program;
mod run;
mod signals;
mod sources;
