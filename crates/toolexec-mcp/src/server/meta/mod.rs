//! The tools that find, describe and run the others.

mod artifacts;
mod code;
mod definitions;
mod find;
mod read;
mod run;

use std::sync::Arc;

use rmcp::model::Tool as McpTool;
use serde_json::Value;
use toolexec_core::schema::Schema;
use toolexec_core::{Args, CallContext, Error, ErrorKind, Result, Stage};

use super::Server;
use super::answer::Answer;
use super::results::Results;

pub(super) use code::{at_least_standard, execute as execute_code};

/// One of these tools.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum MetaTool {
    SearchTools,
    DescribeTool,
    ListNamespaces,
    ListTools,
    ListToolExamples,
    RunTool,
    RunChain,
    ExecuteCode,
    ReadResult,
}

impl MetaTool {
    const ALL: [Self; 9] = [
        Self::SearchTools,
        Self::DescribeTool,
        Self::ListNamespaces,
        Self::ListTools,
        Self::ListToolExamples,
        Self::RunTool,
        Self::RunChain,
        Self::ExecuteCode,
        Self::ReadResult,
    ];

    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::SearchTools => "search_tools",
            Self::DescribeTool => "describe_tool",
            Self::ListNamespaces => "list_namespaces",
            Self::ListTools => "list_tools",
            Self::ListToolExamples => "list_tool_examples",
            Self::RunTool => "run_tool",
            Self::RunChain => "run_chain",
            Self::ExecuteCode => "execute_code",
            Self::ReadResult => "read_result",
        }
    }
}

/// Which programs the server runs.
#[derive(Debug, Clone, Copy)]
pub(super) struct Programs<'a> {
    /// Their languages; without any there is no `execute_code`.
    pub(super) languages: &'a [&'a str],
    /// The images that they may name.
    pub(super) images: &'a [String],
}

/// The tools as a client lists them, and the compiled schemas of their arguments.
#[derive(Debug)]
pub(super) struct MetaTools {
    tools: Vec<(MetaTool, McpTool, Schema)>,
}

impl MetaTools {
    /// Without programs there is no `execute_code`, and where no results are kept no `read_result`.
    pub(super) fn new(programs: Programs<'_>, results: Option<&Results>) -> Self {
        let tools = MetaTool::ALL
            .into_iter()
            .filter(|tool| *tool != MetaTool::ExecuteCode || !programs.languages.is_empty())
            .filter(|tool| *tool != MetaTool::ReadResult || results.is_some())
            .filter_map(|tool| {
                let has_jq = results.is_some_and(Results::has_jq);
                let listed = definitions::tool(tool, programs, has_jq);
                let schema = Value::Object((*listed.input_schema).clone());
                // They are ours, and a test compiles them all.
                let schema = Schema::compile(Arc::new(schema)).ok()?;
                Some((tool, listed, schema))
            })
            .collect();
        Self { tools }
    }

    pub(super) fn list(&self) -> Vec<McpTool> {
        self.tools.iter().map(|(_, tool, _)| tool.clone()).collect()
    }

    pub(super) fn names(&self) -> impl Iterator<Item = &'static str> {
        self.tools.iter().map(|(tool, _, _)| tool.as_str())
    }

    pub(super) fn find(&self, name: &str) -> Option<MetaTool> {
        let mut tools = self.tools.iter().map(|(tool, _, _)| *tool);
        tools.find(|tool| tool.as_str() == name)
    }

    /// Checks arguments and reads them.
    fn read<T: serde::de::DeserializeOwned>(&self, tool: MetaTool, args: Args) -> Result<T> {
        let args = Value::Object(args);
        let schema = self.tools.iter().find(|(known, _, _)| *known == tool);
        let invalid = |message: String| {
            Error::new(ErrorKind::InvalidInput, message)
                .for_tool(tool.as_str())
                .at(Stage::ValidateInput)
        };
        if let Some((_, _, schema)) = schema
            && let Err(violations) = schema.validate(&args)
        {
            let message = format!("the arguments of {} do not fit its schema", tool.as_str());
            return Err(invalid(message).with_violations(violations));
        }
        serde_json::from_value(args)
            .map_err(|error| invalid(format!("the arguments of {}: {error}", tool.as_str())))
    }
}

/// Runs one of these tools. The failure of what it runs is an answer, not an error.
pub(super) async fn call(
    server: &Server,
    tool: MetaTool,
    args: Args,
    cx: CallContext,
) -> Result<Answer> {
    match tool {
        MetaTool::SearchTools => find::search(server, args, &cx).await,
        MetaTool::DescribeTool => find::describe(server, args, &cx).await,
        MetaTool::ListNamespaces => find::namespaces(server, args, &cx).await,
        MetaTool::ListTools => find::list(server, args, &cx).await,
        MetaTool::ListToolExamples => find::examples(server, args, &cx).await,
        MetaTool::RunTool => run::tool(server, args, cx).await,
        MetaTool::RunChain => run::chain(server, args, cx).await,
        MetaTool::ExecuteCode => code::execute(server, args, cx, None).await,
        MetaTool::ReadResult => read::result(server, args, &cx).await,
    }
}
