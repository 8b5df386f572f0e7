//! A program as its author hands it in.

use std::sync::Arc;

use serde_json::{Map, Value};

use super::files::{self, InputFiles};
use super::module;
use crate::error::{Error, ErrorKind, Result};
use crate::sandbox::{Language, Limits, Profile};

/// The largest program, in bytes.
pub const MAX_SOURCE: usize = 1 << 20;

/// A program as its author hands it in.
#[derive(Debug, Clone, PartialEq)]
#[must_use]
pub struct Submission {
    /// Its language.
    pub language: Language,
    /// Its text. Of a WebAssembly module, the bytes as base64, where `module` has none.
    pub source: String,
    /// The bytes of a WebAssembly module: the program, where its language is `wasm`.
    pub module: Option<Arc<[u8]>>,
    /// Values it finds as global variables.
    pub inputs: Map<String, Value>,
    /// The files it finds, which it may read and not write. Without any, not even an empty set, it
    /// may write none either.
    pub files: Option<InputFiles>,
    /// What it may use; where nothing is said, the executor's defaults hold.
    pub limits: Limits,
    /// How much isolation it needs; the executor's default when nothing is said.
    pub profile: Option<Profile>,
    /// The image that it runs in, such as `python:3`; that of the sandbox when nothing is said.
    pub image: Option<String>,
    /// Whether it is checked as a whole before it runs. Default: yes.
    pub check: bool,
}

impl Submission {
    /// A program without inputs and limits of its own.
    pub fn new(language: Language, source: impl Into<String>) -> Self {
        Self {
            language,
            source: source.into(),
            module: None,
            inputs: Map::new(),
            files: None,
            limits: Limits::default(),
            profile: None,
            image: None,
            check: true,
        }
    }

    /// A WebAssembly module or component without inputs and limits of its own.
    pub fn module(bytes: impl Into<Arc<[u8]>>) -> Self {
        Self {
            module: Some(bytes.into()),
            ..Self::new(Language::Wasm, "")
        }
    }

    /// Sets a global variable.
    pub fn input(mut self, name: impl Into<String>, value: impl Into<Value>) -> Self {
        self.inputs.insert(name.into(), value.into());
        self
    }

    /// Gives it a file, which it may read; it may write others then.
    pub fn file(mut self, name: impl Into<String>, bytes: impl Into<Arc<[u8]>>) -> Self {
        let files = self.files.get_or_insert_default();
        files.insert(name.into(), bytes.into());
        self
    }

    /// Lets it write files, which are in the outcome.
    pub fn with_files(mut self) -> Self {
        self.files.get_or_insert_default();
        self
    }

    /// Sets what it may use.
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Sets how much isolation it needs.
    pub fn profile(mut self, profile: Profile) -> Self {
        self.profile = Some(profile);
        self
    }

    /// Sets the image that it runs in. The executor must allow it.
    pub fn image(mut self, image: impl Into<String>) -> Self {
        self.image = Some(image.into());
        self
    }

    /// Says whether it is checked as a whole before it runs.
    pub fn check(mut self, check: bool) -> Self {
        self.check = check;
        self
    }

    /// Refuses what is too large. The bytes of a module are then in `module`, and only there.
    pub(super) fn prepare(&mut self) -> Result<()> {
        self.files.as_ref().map_or(Ok(()), files::check)?;
        if self.language != Language::Wasm {
            return self.check_source();
        }
        if self.module.is_none() {
            self.module = Some(module::decode(&self.source)?);
        }
        self.source.clear();
        module::check_size(self.module.as_ref().map_or(0, |module| module.len()))
    }

    fn check_source(&self) -> Result<()> {
        if self.module.is_some() {
            let message = "a module is a program of the language wasm";
            return Err(Error::new(ErrorKind::InvalidInput, message));
        }
        if self.source.len() > MAX_SOURCE {
            let message = format!(
                "the program has {} bytes; at most {MAX_SOURCE} are allowed",
                self.source.len()
            );
            return Err(Error::new(ErrorKind::InvalidInput, message)
                .with_hint("pass data as inputs, or get it from a tool"));
        }
        Ok(())
    }
}
