//! One tool in a few lines.

use std::fmt::Write as _;

use super::catalog::{self, Function};
use super::model::Named;
use super::names::{Taken, is_js_name};
use super::typescript::Types;
use super::{TypeLanguage, python, typescript};
use crate::tool::Tool;
use crate::tooldoc::summary_of;

/// How a tool is called and what it answers, in a few lines: what it does, the call with its
/// types, and the types that are named in it.
pub fn signature(tool: &Tool, language: TypeLanguage) -> String {
    let summary = summary_of(&tool.description).replace(char::is_control, " ");
    let reserved = match language {
        TypeLanguage::TypeScript => typescript::RESERVED,
        TypeLanguage::Python => python::RESERVED,
    };
    let (function, named) = catalog::single(tool, reserved);
    let (mark, text) = match language {
        TypeLanguage::TypeScript => ("//", in_typescript(&function, &named)),
        TypeLanguage::Python => (
            "#",
            python::signature(&function, &named, &mut Taken::new(reserved)),
        ),
    };
    if summary.is_empty() {
        text
    } else {
        format!("{mark} {summary}\n{text}")
    }
}

fn in_typescript(function: &Function, named: &[Named]) -> String {
    let types = Types::without_docs(named);
    let key = &function.key;
    let rest = types.signature(function, 0);
    let mut text = match (key.namespace(), key.name()) {
        (namespace, name) if typescript::is_reachable(namespace, name) => {
            format!("tools{}{}{rest}", member(namespace), member(name))
        }
        // Its arguments are the second of `run`.
        _ => format!(
            "tools.run({:?}, {}",
            key.as_str(),
            rest.trim_start_matches('(')
        ),
    };
    for one in named {
        let _ = write!(text, "\ntype {} = {}", one.hint, types.text(&one.ty, 0));
    }
    text
}

fn member(name: &str) -> String {
    if is_js_name(name) {
        format!(".{name}")
    } else {
        format!("[{name:?}]")
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn issue() -> Tool {
        Tool::builder("github:create_issue")
            .description("Creates an issue. Needs the right to write.")
            .input_schema(json!({
                "type": "object",
                "properties": {
                    "title": {"type": "string", "description": "What it is about."},
                    "labels": {"type": "array", "items": {"type": "string"}},
                    "state": {"enum": ["open", "closed"], "default": "open"},
                },
                "required": ["title"],
            }))
            .output_schema(json!({
                "type": "object",
                "properties": {"number": {"type": "integer"}, "parent": {"$ref": "#"}},
                "required": ["number"],
            }))
            .build()
            .unwrap()
    }

    #[test]
    fn a_signature_is_a_few_lines() {
        assert_eq!(
            signature(&issue(), TypeLanguage::TypeScript),
            "\
// Creates an issue.
tools.github.create_issue(args: { title: string; labels?: string[]; state?: \"open\" | \"closed\" }): Promise<GithubCreateIssueResult>
type GithubCreateIssueResult = { number: number; parent?: GithubCreateIssueResult }"
        );
        assert_eq!(
            signature(&issue(), TypeLanguage::Python),
            "\
# Creates an issue.
class GithubCreateIssueResult(TypedDict):
    number: int
    parent: NotRequired[GithubCreateIssueResult]

async def tools.github.create_issue(
    *,
    title: str,
    labels: Sequence[str] = ...,
    state: Literal[\"open\", \"closed\"] = ...,
) -> GithubCreateIssueResult"
        );
    }

    #[test]
    fn a_name_that_cannot_be_written_goes_in_brackets_or_to_run() {
        let tool = Tool::builder("my-server:do.it").build().unwrap();
        assert_eq!(
            signature(&tool, TypeLanguage::TypeScript),
            "tools[\"my-server\"][\"do.it\"](args?: { [key: string]: unknown }): Promise<unknown>"
        );
        assert_eq!(
            signature(&tool, TypeLanguage::Python),
            "async def tools.run(\"my-server:do.it\", args: Mapping[str, Any]) -> Any"
        );
        let tool = Tool::builder("bare").build().unwrap();
        assert_eq!(
            signature(&tool, TypeLanguage::TypeScript),
            "tools.run(\"bare\", args?: { [key: string]: unknown }): Promise<unknown>"
        );
    }
}
