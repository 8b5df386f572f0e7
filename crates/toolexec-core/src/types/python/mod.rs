//! Tools as Python stubs.

mod annotate;
mod api;

use std::collections::HashSet;
use std::fmt::Write as _;

use super::catalog::{Catalog, Function, Namespace};
use super::model::{Doc, Named, Type};
use super::names::{Taken, is_python_name, pascal};
use super::shape::{Others, Shape};
use super::text::{TOOL_TEXT, lines};
use super::typescript::can_be_left_out;
use annotate::{Annotations, Way, comment, hint_of};

/// Names that the stubs use themselves.
pub(crate) const RESERVED: &[&str] = &[
    "Any",
    "Literal",
    "Mapping",
    "Never",
    "NotRequired",
    "Sequence",
    "ToolError",
    "Tools",
    "TypedDict",
    "builtins",
    "collections",
    "overload",
    "tools",
    "typing",
];
/// What `tools` has beside namespaces.
const MEMBERS: &[&str] = super::typescript::MEMBERS;
/// A function that is written in one line takes at most this many characters.
const INLINE: usize = 96;

/// What stubs are for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// To be read, by people and editors: as exact as Python's types are.
    Reading,
    /// To check a program before it runs: nothing that may be right is refused.
    Check,
}

/// The stubs of a catalog: a whole `.pyi` file.
pub(crate) fn declarations(mut catalog: Catalog, purpose: Purpose) -> String {
    let mut stubs = Stubs {
        types: Annotations {
            named: &catalog.named,
            taken: &mut catalog.taken,
            purpose,
            docs: purpose == Purpose::Reading,
            classes: String::new(),
            hidden: HashSet::new(),
        },
        functions: String::new(),
        members: String::new(),
        overloads: String::new(),
    };
    stubs.named(&catalog.named);
    for namespace in &catalog.namespaces {
        stubs.namespace(namespace);
    }
    stubs.finish(&catalog.namespaces)
}

/// One tool as a function, with the classes it needs.
pub(crate) fn signature(function: &Function, named: &[Named], taken: &mut Taken) -> String {
    let mut stubs = Stubs {
        types: Annotations {
            named,
            taken,
            purpose: Purpose::Reading,
            docs: false,
            classes: String::new(),
            hidden: HashSet::new(),
        },
        functions: String::new(),
        members: String::new(),
        overloads: String::new(),
    };
    stubs.named(named);
    let key = &function.key;
    if is_reachable(key.namespace(), key.name()) {
        stubs.method(
            function,
            0,
            &format!("tools.{}.{}", key.namespace(), key.name()),
        );
    } else {
        let (input, output) = stubs.run_types(function);
        let _ = writeln!(
            stubs.functions,
            "async def tools.run(\"{}\", args: {input}) -> {output}",
            key.as_str()
        );
    }
    let text = format!("{}{}", stubs.types.classes, stubs.functions);
    text.trim_end().trim_end_matches(": ...").to_owned()
}

const HEADER: &str = "\
# What a toolexec program in Python can call.
# Tools are functions: `await tools.math.add(a=1)`, or `await tools.run(\"math:add\", {\"a\": 1})`.
# A tool whose name is no Python name is called with `tools.run` only.
import builtins as _builtins
import collections.abc as _abc
import typing as _typing
from collections.abc import Mapping, Sequence
from typing import Any, Literal, Never, NotRequired, TypedDict

";

/// Whether a tool can be called as `tools.namespace.name(…)`.
pub(crate) fn is_reachable(namespace: &str, name: &str) -> bool {
    is_python_name(namespace)
        && is_python_name(name)
        && !MEMBERS.contains(&namespace)
        && !namespace.starts_with("__")
        && !name.starts_with("__")
}

struct Stubs<'a> {
    types: Annotations<'a>,
    functions: String,
    members: String,
    overloads: String,
}

impl Stubs<'_> {
    fn named(&mut self, named: &[Named]) {
        // For a check, arguments name no types; results are not typed.
        if self.types.purpose == Purpose::Reading {
            for one in named {
                self.types.define(&one.hint, &one.ty, &one.doc);
            }
        }
    }

    fn namespace(&mut self, namespace: &Namespace) {
        let reachable: Vec<&Function> = namespace
            .tools
            .iter()
            .filter(|function| is_reachable(&namespace.name, function.key.name()))
            .collect();
        if reachable.is_empty() {
            return;
        }
        let class = self
            .types
            .taken
            .give(&format!("{}Tools", pascal(&namespace.name)));
        let _ = writeln!(self.functions, "class {class}:");
        self.types.hidden = reachable
            .iter()
            .map(|function| function.key.name().to_owned())
            .collect();
        for function in reachable {
            self.method(function, 1, function.key.name());
        }
        self.types.hidden.clear();
        self.functions.push('\n');
        let _ = writeln!(self.members, "    {}: {class}", namespace.name);
    }

    /// Writes a tool as a function of the name `name`.
    fn method(&mut self, function: &Function, indent: usize, name: &str) {
        let pad = "    ".repeat(indent);
        let shape = Shape::of(&function.input, self.types.named);
        let hint = hint(function);
        let mut parameters: Vec<(String, Option<&Doc>)> = Vec::new();
        let mut left_out = false;
        for field in &shape.fields {
            if !is_python_name(&field.name) {
                left_out = true;
                continue;
            }
            let hint = hint_of(&hint, field);
            let text = self.types.of(&field.ty, Way::In, &hint);
            // A call may pass its arguments as one dict.
            let is_needed = field.required && self.types.purpose == Purpose::Reading;
            let default = if is_needed { "" } else { " = ..." };
            let text = format!("{}: {text}{default}", field.name);
            parameters.push((text, Some(&field.doc).filter(|doc| !doc.is_empty())));
        }
        if !parameters.is_empty() {
            parameters.insert(0, ("*".to_owned(), None));
        }
        if self.types.purpose == Purpose::Check {
            let text = format!("{}: {} = ...", free("args", &shape), self.types.anything());
            parameters.insert(0, ("/".to_owned(), None));
            parameters.insert(0, (text, None));
        }
        if indent > 0 {
            parameters.insert(0, (free("self", &shape), None));
        }
        let others = match &shape.others {
            _ if left_out => Some(Type::Any(None)),
            Others::Some(ty) => Some(ty.clone()),
            Others::Unsaid if self.types.purpose == Purpose::Check => Some(Type::Any(None)),
            Others::None | Others::Unsaid => None,
        };
        if let Some(ty) = others {
            let text = self.types.of(&ty, Way::In, &format!("{hint}Other"));
            parameters.push((format!("**{}: {text}", free("others", &shape)), None));
        }
        let output = self.output(function);
        let def = self.def();
        let has_docs = self.types.docs && parameters.iter().any(|(_, doc)| doc.is_some());
        let texts: Vec<&str> = parameters.iter().map(|(text, _)| text.as_str()).collect();
        let line = format!("{pad}{def} {name}({}) -> {output}:", texts.join(", "));
        if has_docs || line.len() > INLINE {
            let _ = writeln!(self.functions, "{pad}{def} {name}(");
            for (parameter, doc) in parameters {
                if let Some(doc) = doc.filter(|_| has_docs) {
                    comment(&mut self.functions, doc, indent + 1);
                }
                let _ = writeln!(self.functions, "{pad}    {parameter},");
            }
            let _ = write!(self.functions, "{pad}) -> {output}:");
        } else {
            self.functions.push_str(&line);
        }
        self.docstring(function, indent + 1);
    }

    /// A result may be used with or without `await`; for a check it is `Any`, which allows both.
    fn def(&self) -> &'static str {
        match self.types.purpose {
            Purpose::Reading => "async def",
            Purpose::Check => "def",
        }
    }

    /// Ends a function with what its tool says.
    fn docstring(&mut self, function: &Function, indent: usize) {
        let pad = "    ".repeat(indent);
        let lines = if self.types.docs {
            lines(&function.doc, TOOL_TEXT)
        } else {
            Vec::new()
        };
        let safe = |line: &String| line.replace('\\', "\\\\").replace('"', "\\\"");
        let safe: Vec<String> = lines.iter().map(safe).collect();
        let out = &mut self.functions;
        match safe.as_slice() {
            [] => out.push_str(" ...\n"),
            [only] => {
                let _ = writeln!(out, "\n{pad}\"\"\"{only}\"\"\"");
            }
            [first, rest @ ..] => {
                let _ = writeln!(out, "\n{pad}\"\"\"{first}");
                for line in rest {
                    let _ = writeln!(out, "{}", format!("{pad}{line}").trim_end());
                }
                let _ = writeln!(out, "{pad}\"\"\"");
            }
        }
    }

    /// Writes a tool that has no name in Python as a case of `tools.run`.
    fn overload(&mut self, function: &Function) {
        let (input, output) = self.run_types(function);
        let default = if can_be_left_out(&function.input, self.types.named) {
            " = ..."
        } else {
            ""
        };
        let literal = self.types.name("Literal");
        let id = function.key.as_str();
        let _ = writeln!(
            self.overloads,
            "    @_typing.overload\n    async def run(self, tool: {literal}[\"{id}\"], args: {input}{default}) -> {output}: ..."
        );
    }

    fn run_types(&mut self, function: &Function) -> (String, String) {
        let hint = format!("{}Args", hint(function));
        let input = match &function.input {
            Type::Any(_) => self.types.anything(),
            ty => self.types.of(ty, Way::In, &hint),
        };
        (input, self.output(function))
    }

    fn output(&mut self, function: &Function) -> String {
        match &function.output {
            _ if self.types.purpose == Purpose::Check => self.types.name("Any"),
            Some(ty) => self
                .types
                .of(ty, Way::Out, &format!("{}Result", hint(function))),
            None => self.types.name("Any"),
        }
    }

    fn finish(mut self, catalog: &[Namespace]) -> String {
        // Inside `Tools`, the names of namespaces hide types of those names.
        self.types.hidden = catalog
            .iter()
            .map(|namespace| namespace.name.clone())
            .collect();
        if self.types.purpose == Purpose::Reading {
            for namespace in catalog {
                let is_left =
                    |function: &&Function| !is_reachable(&namespace.name, function.key.name());
                for function in namespace.tools.iter().filter(is_left) {
                    self.overload(function);
                }
            }
        }
        let mut out = String::from(HEADER);
        out.push_str(&self.types.classes);
        out.push_str(&self.functions);
        out.push_str("class Tools:\n");
        out.push_str(&self.members);
        out.push_str(&self.overloads);
        if !self.overloads.is_empty() {
            out.push_str("    @_typing.overload\n");
        }
        out.push_str(&api::functions(&self.types, true));
        self.types.hidden.clear();
        out.push_str("\ntools: Tools\n");
        out.push_str(&api::functions(&self.types, false));
        out
    }
}

/// What the classes of a tool are named after.
fn hint(function: &Function) -> String {
    let key = &function.key;
    let namespace = match key.namespace() {
        "" => String::new(),
        namespace => pascal(namespace),
    };
    format!("{namespace}{}", pascal(key.name()))
}

/// `name`, or the like where a parameter has that name.
fn free(name: &str, shape: &Shape) -> String {
    let mut name = name.to_owned();
    while shape.fields.iter().any(|field| field.name == name) {
        name.push('_');
    }
    name
}
