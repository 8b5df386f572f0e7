//! What the index holds of one tool.

use std::fmt;
use std::sync::{Arc, OnceLock};

use crate::backend::{Backend, BackendRef};
use crate::error::{Error, ErrorKind};
use crate::schema::Schema;
use crate::tool::Tool;

/// A tool offered by a backend, to be put into the index.
#[derive(Clone)]
pub struct Registration {
    /// The tool as this backend describes it.
    pub tool: Tool,
    /// Where it runs.
    pub backend: Arc<dyn Backend>,
    /// What the backend itself calls it.
    pub remote_name: Arc<str>,
}

impl Registration {
    /// A tool that its backend knows by the name in its id.
    pub fn new(tool: Tool, backend: Arc<dyn Backend>) -> Self {
        let remote_name = Arc::from(tool.id.name());
        Self {
            tool,
            backend,
            remote_name,
        }
    }

    /// Says what the backend itself calls the tool.
    #[must_use]
    pub fn with_remote_name(mut self, name: impl Into<Arc<str>>) -> Self {
        self.remote_name = name.into();
        self
    }
}

/// One version of one tool, with every backend that offers it.
#[derive(Debug)]
pub struct Entry {
    // Never empty; in the order of preference.
    bindings: Vec<Arc<Binding>>,
}

impl Entry {
    /// An entry of bindings in any order.
    ///
    /// # Panics
    /// When `bindings` is empty.
    pub(crate) fn new(mut bindings: Vec<Arc<Binding>>) -> Self {
        assert!(!bindings.is_empty(), "an entry has a binding");
        // Stable: among backends of one kind the first registered is preferred.
        bindings.sort_by_key(|binding| binding.backend_ref().kind);
        Self { bindings }
    }

    /// The tool as its preferred backend describes it.
    pub fn tool(&self) -> &Arc<Tool> {
        &self.bindings[0].tool
    }

    /// Every backend that offers it, in the default order of preference: local, provider, MCP.
    pub fn bindings(&self) -> &[Arc<Binding>] {
        &self.bindings
    }
}

/// A tool at one backend. Two backends may describe the same tool differently, so each keeps its
/// own definition and schemas.
pub struct Binding {
    tool: Arc<Tool>,
    backend: Arc<dyn Backend>,
    remote_name: Arc<str>,
    schemas: OnceLock<Result<Schemas, Disabled>>,
}

/// The compiled schemas of a tool.
#[derive(Debug)]
pub struct Schemas {
    /// Of its arguments.
    pub input: Schema,
    /// Of its value.
    pub output: Option<Schema>,
}

/// Why a tool cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("its {which} schema is broken: {reason}")]
pub struct Disabled {
    /// `input` or `output`.
    pub which: &'static str,
    /// What is wrong with it.
    pub reason: String,
}

impl Binding {
    pub(crate) fn new(registration: Registration) -> Self {
        Self {
            tool: Arc::new(registration.tool),
            backend: registration.backend,
            remote_name: registration.remote_name,
            schemas: OnceLock::new(),
        }
    }

    /// The tool as this backend describes it.
    pub fn tool(&self) -> &Arc<Tool> {
        &self.tool
    }

    /// Where it runs.
    pub fn backend(&self) -> &Arc<dyn Backend> {
        &self.backend
    }

    /// The kind and name of where it runs.
    pub fn backend_ref(&self) -> &BackendRef {
        self.backend.backend_ref()
    }

    /// What the backend itself calls it.
    pub fn remote_name(&self) -> &Arc<str> {
        &self.remote_name
    }

    /// The compiled schemas; compiled at the first use, once.
    pub fn schemas(&self) -> Result<&Schemas, &Disabled> {
        let schemas = self.schemas.get_or_init(|| {
            let disabled = |which| {
                move |error: crate::schema::SchemaError| Disabled {
                    which,
                    reason: error.to_string(),
                }
            };
            let tool = &self.tool;
            Ok(Schemas {
                input: Schema::compile(tool.input_schema.clone()).map_err(disabled("input"))?,
                output: match &tool.output_schema {
                    Some(schema) => {
                        Some(Schema::compile(schema.clone()).map_err(disabled("output"))?)
                    }
                    None => None,
                },
            })
        });
        schemas.as_ref()
    }

    /// The error for a call of a disabled tool.
    pub(crate) fn disabled_error(&self, disabled: &Disabled) -> Error {
        Error::new(
            ErrorKind::Disabled,
            format!("tool {} cannot be used: {disabled}", self.tool.id),
        )
        .on_backend(self.backend_ref())
        .with_hint(format!(
            "the other tools of {} still work",
            self.backend_ref()
        ))
        .with_hint("tell the author of the tool: its schema is not valid JSON Schema")
    }
}

impl fmt::Debug for Binding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Binding")
            .field("tool", &self.tool.id)
            .field("backend", self.backend_ref())
            .field("remote_name", &self.remote_name)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Registration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Registration")
            .field("tool", &self.tool.id)
            .field("backend", self.backend.backend_ref())
            .field("remote_name", &self.remote_name)
            .finish()
    }
}
