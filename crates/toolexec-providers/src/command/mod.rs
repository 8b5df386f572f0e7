//! Command-line programs as tools.
//!
//! A program and its arguments are declared; `{{name}}` in an argument stands for the value of
//! the call's argument `name`. No shell is involved: a value is one argument, whatever is in it.
//!
//! - An argument that is one template and nothing else becomes as many arguments as its list has
//!   items; a list inside a longer text is joined with commas.
//! - An argument, or a group of them, whose value is absent is left out.
//! - A value that begins an argument must not begin with a dash, or the program would read it as
//!   an option. It may after a literal `--`, and where the template says so: `{{name!}}`.
//!
//! The program runs with the environment that is declared, in a process group of its own, and is
//! killed with all it started when the call ends, times out or is cancelled, or when it writes
//! too much. While somebody reads events, each line of its standard output is a chunk (for text
//! and JSON lines) and each line of its standard error is a log entry.
//!
//! Another exit code than the declared ones is the tool's own failure: `{"exitCode", "signal",
//! "stderr", "stdout"}`.

mod config;
mod run;
mod schema;
mod template;

use std::collections::HashMap;
use std::sync::Arc;

use futures_util::future::BoxFuture;
use toolexec_core::index::Registration;
use toolexec_core::{
    Backend, BackendCall, BackendKind, BackendRef, CallContext, Error, ErrorKind, Listing,
    RawOutput, Result, Source, Tool,
};

use template::Templates;

pub use config::{ArgTemplate, CommandTool, OutputFormat, StdinTemplate};

/// A set of programs that are tools.
#[derive(Debug)]
pub struct Commands {
    backend: BackendRef,
    namespace: String,
    offered: Vec<Tool>,
    programs: HashMap<String, Program>,
    notices: Vec<String>,
}

/// A program, ready to be run.
#[derive(Debug)]
struct Program {
    command: CommandTool,
    templates: Templates,
}

impl Commands {
    /// Makes a set of programs. Nothing is started, and nobody looks whether they are there.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] when a template is broken, a name is not valid or used twice.
    pub fn new(
        name: &str,
        namespace: &str,
        commands: impl IntoIterator<Item = CommandTool>,
    ) -> Result<Arc<Self>> {
        let mut all = Self {
            backend: BackendRef::new(BackendKind::Provider, name),
            namespace: namespace.to_owned(),
            offered: Vec::new(),
            programs: HashMap::new(),
            notices: Vec::new(),
        };
        for command in commands {
            all.add(command)?;
        }
        Ok(Arc::new(all))
    }

    /// What a person should know: arguments that no template uses, values that the schema lacks.
    pub fn notices(&self) -> &[String] {
        &self.notices
    }

    fn add(&mut self, command: CommandTool) -> Result<()> {
        let name = command.name.clone();
        let wrong =
            |reason: String| Error::new(ErrorKind::Config, format!("command {name:?}: {reason}"));
        let templates = Templates::parse(&command).map_err(wrong)?;
        let schema = match &command.input_schema {
            Some(schema) => {
                self.notices
                    .extend(schema::compare(&name, schema, &templates));
                schema.clone()
            }
            None => schema::infer(&templates),
        };
        let mut tool = Tool::builder(format!("{}:{name}", self.namespace))
            .description(&command.description)
            .tags(&command.tags)
            .annotations(command.annotations.clone())
            .input_schema(schema);
        if let Some(title) = &command.title {
            tool = tool.title(title);
        }
        if let Some(schema) = &command.output_schema {
            tool = tool.output_schema(schema.clone());
        }
        let tool = tool.build().map_err(|error| wrong(error.to_string()))?;
        if self.programs.contains_key(&name) {
            return Err(wrong("there is another command of this name".to_owned()));
        }
        self.offered.push(tool);
        self.programs.insert(name, Program { command, templates });
        Ok(())
    }
}

impl Source for Commands {
    fn backend_ref(&self) -> &BackendRef {
        &self.backend
    }

    fn namespace(&self) -> &str {
        &self.namespace
    }

    fn list(self: Arc<Self>) -> BoxFuture<'static, Result<Listing>> {
        let tools = self.offered.iter();
        let listing = Listing {
            tools: tools
                .map(|tool| Registration::new(tool.clone(), self.clone()))
                .collect(),
            notices: self.notices.clone(),
        };
        Box::pin(std::future::ready(Ok(listing)))
    }
}

impl Backend for Commands {
    fn backend_ref(&self) -> &BackendRef {
        &self.backend
    }

    fn call<'a>(
        &'a self,
        call: BackendCall,
        cx: &'a CallContext,
    ) -> BoxFuture<'a, Result<RawOutput>> {
        Box::pin(async move {
            let result = match self.programs.get(&*call.remote_name) {
                Some(program) => {
                    run::run(&program.command, &program.templates, &call.args, cx).await
                }
                None => Err(Error::new(
                    ErrorKind::NotFound,
                    format!("there is no command {:?}", &*call.remote_name),
                )),
            };
            result.map_err(|error| error.on_backend(&self.backend))
        })
    }
}
