//! Languages whose toolchain lies beside the guest: Go, bash, CPython and Node.
//!
//! A program is a child process. It reaches the guest through a socket in a directory of its own,
//! a JSON message to a line ([`link`]); what it writes to its standard streams is printed. One
//! loop ([`bridge`]) serves the child and the host. The child is as little trusted as the program:
//! whatever it does ends its program, and its processes end with it ([`family`]).

mod bash;
mod bridge;
mod child;
mod cpython;
mod ending;
mod family;
mod files;
mod find;
mod go;
mod helper;
mod link;
mod node;
mod tool;
mod workdir;

use serde_json::Value;
use toolexec_wire::{Failure, FailureKind, Language, SeenCall, Start};

pub use tool::{ARGUMENT, run as run_tool};

use crate::engine::Engine;
use crate::host::{Host, failure};
use bridge::{End, SOCKET};
use child::Recipe;
use files::Files;
use workdir::WorkDir;

/// The languages that need a toolchain.
pub const LANGUAGES: [Language; 4] = [
    Language::Go,
    Language::Bash,
    Language::CPython,
    Language::Node,
];

/// The variable that tells a program where its guest is.
const VARIABLE: &str = "TOOLEXEC_SOCKET";

/// The engine of a language with a toolchain.
#[derive(Debug)]
pub struct Toolchain {
    language: Language,
    // What the check compiled is what runs.
    built: Option<go::Built>,
}

impl Toolchain {
    /// The engine of one of [`LANGUAGES`].
    pub fn new(language: Language) -> Self {
        Self {
            language,
            built: None,
        }
    }

    fn go(&mut self, start: &Start, host: &Host) -> Result<Value, Box<Failure>> {
        let built = go::build(start, host, self.built.take()).map_err(go::failed)?;
        let dir = WorkDir::new()?;
        let recipe = go::recipe(&built, start);
        let end = run(recipe, &dir, Some(&go::first(start)), start, host);
        self.built = Some(built);
        go::ended(end?)
    }
}

impl Engine for Toolchain {
    fn run(&mut self, start: &Start, host: &Host) -> Result<Value, Box<Failure>> {
        if start.keep {
            let message = "this language has no sessions that keep their variables";
            return Err(failure(FailureKind::Unsupported, message));
        }
        match self.language {
            Language::Go => self.go(start, host),
            Language::Bash => bash::run(start, host),
            Language::CPython => cpython::run(start, host),
            _ => node::run(start, host),
        }
    }

    fn check(&mut self, start: &Start, host: &Host) -> (Vec<Failure>, Vec<SeenCall>) {
        match self.language {
            Language::Go => match go::build(start, host, self.built.take()) {
                Ok(built) => {
                    self.built = Some(built);
                    (Vec::new(), Vec::new())
                }
                Err(go::Wrong::Snippet(problems)) => (problems, Vec::new()),
                Err(go::Wrong::Otherwise(failure)) => (vec![*failure], Vec::new()),
            },
            Language::Bash => bash::check(start, host),
            Language::CPython => cpython::check(start, host),
            _ => node::check(start, host),
        }
    }
}

/// Starts a program in its directory and serves it to its end.
fn run(
    mut recipe: Recipe,
    dir: &WorkDir,
    first: Option<&Value>,
    start: &Start,
    host: &Host,
) -> Result<End, Box<Failure>> {
    let files = start.files.then(|| Files::lay_out(dir, host)).transpose()?;
    let listener = bridge::listen(dir)?;
    recipe.env.push((VARIABLE, dir.join(SOCKET).into()));
    if files.is_some() {
        let directory = dir.join(files::DIRECTORY);
        recipe.env.push((files::VARIABLE, directory.into()));
    }
    let running = recipe.start(dir.path(), &find::search_path())?;
    let end = bridge::serve(running, listener, first, host)?;
    if let Some(files) = files {
        files.collect(host)?;
    }
    Ok(end)
}
