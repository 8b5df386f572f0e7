//! What `tools` has in Python beside the tools.

use super::Purpose;
use super::annotate::Annotations;

/// The types that the functions are written with.
const WORDS: &[&str] = &[
    "Any", "Literal", "Mapping", "Sequence", "dict", "float", "int", "list", "str",
];

/// The functions beside the tools: as methods of a class, or as functions of their own.
pub(super) fn functions(types: &Annotations<'_>, as_methods: bool) -> String {
    let mut out = String::new();
    for (name, parameters, output, text) in API {
        let (def, output) = match *output {
            "None" => ("def", "None"),
            _ if types.purpose == Purpose::Check => ("def", "<Any>"),
            output => ("async def", output),
        };
        let mut function = if as_methods {
            format!("    {def} {name}({parameters}) -> {output}:\n        \"\"\"{text}\"\"\"\n")
        } else {
            let parameters = parameters
                .trim_start_matches("self")
                .trim_start_matches(", ");
            format!("{def} {name}({parameters}) -> {output}: ...\n")
        };
        for word in WORDS {
            function = function.replace(&format!("<{word}>"), &types.name(word));
        }
        out.push_str(&function);
    }
    out
}

/// The functions beside the tools: `<…>` stands for a type.
const API: &[(&str, &str, &str, &str)] = &[
    (
        "run",
        "self, tool: <str>, args: <Mapping>[<str>, <Any>] = ..., **others: <Any>",
        "<Any>",
        "Runs a tool by its id.",
    ),
    (
        "search",
        "self, query: <str>, limit: <int> = ...",
        "<list>[<dict>[<str>, <Any>]]",
        "Finds tools by what they do, best first.",
    ),
    (
        "describe",
        "self, tool: <str>, detail: <Literal>[\"summary\", \"signature\", \"schema\", \"full\"] = ...",
        "<dict>[<str>, <Any>]",
        "Describes a tool.",
    ),
    (
        "examples",
        "self, tool: <str>",
        "<list>[<dict>[<str>, <Any>]]",
        "Example calls of a tool.",
    ),
    (
        "chain",
        "self, chain: <Mapping>[<str>, <Any>] | <Sequence>[<Mapping>[<str>, <Any>]]",
        "<dict>[<str>, <Any>]",
        "Runs several tools, one feeding the next.",
    ),
    ("namespaces", "self", "<list>[<str>]", "The namespaces."),
    (
        "progress",
        "self, progress: <float>, total: <float> | None = ..., message: <str> | None = ...",
        "None",
        "Tells how far the program is.",
    ),
    (
        "log",
        "self, data: <Any>, level: <Any> = ...",
        "None",
        "Logs; level is debug, info, warning or error.",
    ),
];
