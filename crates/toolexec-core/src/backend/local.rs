//! Tools that are Rust functions of this process.

use std::fmt;
use std::future::Future;
use std::sync::Arc;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use semver::Version;
use serde::Serialize;
use serde_json::Value;

use super::{Backend, BackendCall, BackendKind, BackendRef, RawOutput, ToolFailure};
use crate::context::CallContext;
use crate::error::{Error, ErrorKind, Result};
use crate::index::Registration;
use crate::tool::{Annotations, Args, Tool, ToolBuilder};

/// A set of local tools that share a namespace.
///
/// ```
/// use serde_json::json;
/// use toolexec_core::backend::local::{Local, LocalTool};
///
/// let calculator = Local::new("calculator").tool(
///     LocalTool::new("add", async |args: toolexec_core::Args| {
///         let number = |name| args[name].as_f64().ok_or(format!("{name} is no number"));
///         Ok::<_, String>(number("a")? + number("b")?)
///     })
///     .description("Adds two numbers")
///     .input_schema(json!({
///         "type": "object",
///         "properties": {"a": {"type": "number"}, "b": {"type": "number"}},
///         "required": ["a", "b"]
///     })),
/// );
/// assert_eq!(calculator.registrations()?[0].tool.id.to_string(), "calculator:add");
/// # Ok::<(), toolexec_core::Error>(())
/// ```
#[derive(Debug, Clone, Default)]
#[must_use]
pub struct Local {
    namespace: String,
    tools: Vec<LocalTool>,
}

impl Local {
    /// A set without tools.
    pub fn new(namespace: impl Into<String>) -> Self {
        Self {
            namespace: namespace.into(),
            tools: Vec::new(),
        }
    }

    /// Adds a tool; one of the same name and version replaces an earlier one.
    pub fn tool(mut self, tool: LocalTool) -> Self {
        self.tools.push(tool);
        self
    }

    /// What to put into the index.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidId`] when the namespace or a name is not valid.
    pub fn registrations(&self) -> Result<Vec<Registration>> {
        self.tools
            .iter()
            .map(|tool| tool.registration(&self.namespace))
            .collect()
    }
}

/// One local tool: its definition and its function.
#[derive(Clone)]
#[must_use]
pub struct LocalTool {
    name: String,
    // Gets its id once the namespace is known.
    tool: ToolBuilder,
    handler: Arc<dyn Handler>,
}

/// What runs when a local tool is called. Closures are turned into handlers by [`LocalTool`].
pub trait Handler: Send + Sync + 'static {
    /// Runs the tool. The arguments have been validated against the tool's input schema.
    fn call<'a>(&'a self, args: Args, cx: &'a CallContext) -> BoxFuture<'a, Result<RawOutput>>;
}

impl LocalTool {
    /// A tool that is an async function of its arguments.
    ///
    /// `Ok` is the value; `Err` is the tool's own failure, told to the caller in its words.
    pub fn new<F, Fut, T, E>(name: impl Into<String>, function: F) -> Self
    where
        F: Fn(Args) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<T, E>> + Send + 'static,
        T: Serialize + 'static,
        E: fmt::Display + 'static,
    {
        Self::from_handler(
            name,
            Function(move |args, _: &CallContext| function(args).map(output)),
        )
    }

    /// A tool that is an async function of its arguments and the call's context: for progress,
    /// parts of the answer, logs, the deadline and cancellation.
    pub fn with_context<F, Fut, T, E>(name: impl Into<String>, function: F) -> Self
    where
        F: Fn(Args, CallContext) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<T, E>> + Send + 'static,
        T: Serialize + 'static,
        E: fmt::Display + 'static,
    {
        Self::from_handler(
            name,
            Function(move |args, cx: &CallContext| function(args, cx.clone()).map(output)),
        )
    }

    /// A tool that is a blocking function; it runs on a thread of its own.
    ///
    /// A thread cannot be stopped from outside: after a deadline or cancellation the caller gets
    /// its error at once while the function runs on. A long function looks at
    /// [`CallContext::is_cancelled`] and [`CallContext::remaining`] and ends itself.
    pub fn blocking<F, T, E>(name: impl Into<String>, function: F) -> Self
    where
        F: Fn(Args, &CallContext) -> Result<T, E> + Send + Sync + 'static,
        T: Serialize + 'static,
        E: fmt::Display + 'static,
    {
        let function = Arc::new(function);
        let handler = move |args: Args, cx: &CallContext| {
            let (function, cx) = (function.clone(), cx.clone());
            async move {
                let work = tokio::task::spawn_blocking(move || output(function(args, &cx)));
                work.await
                    .unwrap_or_else(|error| match error.try_into_panic() {
                        // The run path tells the caller, as for any other handler.
                        Ok(panic) => std::panic::resume_unwind(panic),
                        Err(error) => Err(Error::new(
                            ErrorKind::Cancelled,
                            "the runtime is shutting down",
                        )
                        .with_source(error)),
                    })
            }
        };
        Self::from_handler(name, Function(handler))
    }

    /// A tool whose schemas come from the Rust types of its argument and value.
    ///
    /// The argument type's schema must be that of an object.
    #[cfg(feature = "schemars")]
    pub fn typed<F, Fut, A, T, E>(name: impl Into<String>, function: F) -> Self
    where
        F: Fn(A) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<T, E>> + Send + 'static,
        A: serde::de::DeserializeOwned + schemars::JsonSchema + Send + 'static,
        T: Serialize + schemars::JsonSchema + 'static,
        E: fmt::Display + 'static,
    {
        Self::typed_with_context(name, move |args: A, _: CallContext| function(args))
    }

    /// [`LocalTool::typed`] with the call's context.
    #[cfg(feature = "schemars")]
    pub fn typed_with_context<F, Fut, A, T, E>(name: impl Into<String>, function: F) -> Self
    where
        F: Fn(A, CallContext) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<T, E>> + Send + 'static,
        A: serde::de::DeserializeOwned + schemars::JsonSchema + Send + 'static,
        T: Serialize + schemars::JsonSchema + 'static,
        E: fmt::Display + 'static,
    {
        let handler = move |args: Args, cx: &CallContext| {
            let work = serde_json::from_value::<A>(Value::Object(args))
                .map(|args| function(args, cx.clone()));
            async move {
                match work {
                    Ok(work) => output(work.await),
                    Err(error) => Err(Error::new(ErrorKind::InvalidInput, error.to_string())),
                }
            }
        };
        Self::from_handler(name, Function(handler))
            .input_schema(schemars::schema_for!(A).to_value())
            .output_schema(schemars::schema_for!(T).to_value())
    }

    /// A tool with a handler of its own type.
    pub fn from_handler(name: impl Into<String>, handler: impl Handler) -> Self {
        let name = name.into();
        Self {
            tool: Tool::builder(&name),
            name,
            handler: Arc::new(handler),
        }
    }

    /// Sets the description.
    pub fn description(mut self, description: impl Into<String>) -> Self {
        self.tool = self.tool.description(description);
        self
    }

    /// Sets the name for people.
    pub fn title(mut self, title: impl Into<String>) -> Self {
        self.tool = self.tool.title(title);
        self
    }

    /// Sets the version.
    pub fn version(mut self, version: Version) -> Self {
        self.tool = self.tool.version(version);
        self
    }

    /// Sets the JSON Schema of the arguments.
    pub fn input_schema(mut self, schema: Value) -> Self {
        self.tool = self.tool.input_schema(schema);
        self
    }

    /// Sets the JSON Schema of the value.
    pub fn output_schema(mut self, schema: Value) -> Self {
        self.tool = self.tool.output_schema(schema);
        self
    }

    /// Sets the annotations.
    pub fn annotations(mut self, annotations: Annotations) -> Self {
        self.tool = self.tool.annotations(annotations);
        self
    }

    /// Says that the tool changes nothing.
    pub fn read_only(mut self) -> Self {
        self.tool = self.tool.read_only();
        self
    }

    /// Says that repeating a call is harmless.
    pub fn idempotent(mut self) -> Self {
        self.tool = self.tool.idempotent();
        self
    }

    /// Adds tags.
    pub fn tags<T: AsRef<str>>(mut self, tags: impl IntoIterator<Item = T>) -> Self {
        self.tool = self.tool.tags(tags);
        self
    }

    /// What to put into the index.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidId`] when the namespace or the name is not valid.
    pub fn registration(&self, namespace: &str) -> Result<Registration> {
        let id = if namespace.is_empty() {
            self.name.clone()
        } else {
            format!("{namespace}:{}", self.name)
        };
        let tool = self.tool.clone().id(id).build()?;
        let backend = LocalBackend {
            name: BackendRef::new(BackendKind::Local, namespace),
            handler: self.handler.clone(),
        };
        Ok(Registration::new(tool, Arc::new(backend)))
    }
}

impl fmt::Debug for LocalTool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LocalTool")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

struct LocalBackend {
    name: BackendRef,
    handler: Arc<dyn Handler>,
}

impl Backend for LocalBackend {
    fn backend_ref(&self) -> &BackendRef {
        &self.name
    }

    fn call<'a>(
        &'a self,
        call: BackendCall,
        cx: &'a CallContext,
    ) -> BoxFuture<'a, Result<RawOutput>> {
        self.handler.call(call.args, cx)
    }
}

struct Function<F>(F);

impl<F, Fut> Handler for Function<F>
where
    F: Fn(Args, &CallContext) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<RawOutput>> + Send + 'static,
{
    fn call<'a>(&'a self, args: Args, cx: &'a CallContext) -> BoxFuture<'a, Result<RawOutput>> {
        Box::pin((self.0)(args, cx))
    }
}

fn output<T: Serialize, E: fmt::Display>(outcome: Result<T, E>) -> Result<RawOutput> {
    match outcome {
        Ok(value) => serde_json::to_value(value)
            .map(RawOutput::Value)
            .map_err(|error| {
                Error::new(
                    ErrorKind::Backend,
                    "the tool's value cannot be written as JSON",
                )
                .with_source(error)
            }),
        Err(failure) => Ok(RawOutput::Failure(ToolFailure {
            message: failure.to_string(),
            value: None,
        })),
    }
}
