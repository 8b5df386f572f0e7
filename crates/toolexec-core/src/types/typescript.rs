//! Tools as TypeScript declarations.

use std::fmt::Write as _;

use serde_json::Value;

use super::catalog::{Catalog, Function};
use super::model::{Doc, Field, Named, Object, Rest, Tuple, Type};
use super::names::is_js_name;
use super::text::{FIELD_TEXT, TOOL_TEXT, lines};

/// Names that the declarations use themselves.
pub(crate) const RESERVED: &[&str] = &[
    "Awaited",
    "Calls",
    "Parameters",
    "Promise",
    "ReturnType",
    "ToolError",
    "Toolexec",
    "Tools",
];
/// What `tools` has beside namespaces.
pub(crate) const MEMBERS: &[&str] = &[
    "run",
    "search",
    "describe",
    "examples",
    "chain",
    "namespaces",
    "progress",
    "log",
];
/// Names that cannot be looked up: `await` and `JSON.stringify` ask every object for them.
const HIDDEN: &[&str] = &["then", "toJSON"];
/// An object that is written in one line takes at most this many characters.
const INLINE: usize = 72;
/// The largest integer that a JavaScript number holds exactly.
const MAX_SAFE: f64 = 9_007_199_254_740_991.0;

/// The declarations of a catalog: a whole `.d.ts` file.
pub(crate) fn declarations(catalog: &Catalog) -> String {
    let types = Types::new(&catalog.named);
    let mut out = String::from(HEADER);
    out.push_str("declare namespace Toolexec {\n");
    for named in &catalog.named {
        comment(&mut out, &named.doc, FIELD_TEXT, 1);
        let _ = writeln!(
            out,
            "  type {} = {};\n",
            named.hint,
            types.text(&named.ty, 1)
        );
    }
    out.push_str("  /** Every tool by its id, for `tools.run`. */\n  interface Calls {\n");
    for function in catalog
        .namespaces
        .iter()
        .flat_map(|namespace| &namespace.tools)
    {
        comment(&mut out, &function.doc, TOOL_TEXT, 2);
        let id = quoted(function.key.as_str());
        let _ = writeln!(out, "    {id}{};", types.signature(function, 2));
    }
    out.push_str("  }\n");
    out.push_str(TOOLS);
    for namespace in &catalog.namespaces {
        let shown = |function: &&Function| is_reachable(&namespace.name, function.key.name());
        let mut tools = namespace.tools.iter().filter(shown).peekable();
        if tools.peek().is_none() {
            continue;
        }
        let _ = writeln!(out, "    readonly {}: {{", name(&namespace.name));
        for function in tools {
            let (short, id) = (name(function.key.name()), quoted(function.key.as_str()));
            let _ = writeln!(out, "      {short}: Calls[{id}];");
        }
        out.push_str("    };\n");
    }
    out.push_str("  }\n}\n\n");
    out.push_str(FOOTER);
    out
}

const HEADER: &str = "\
// What a toolexec program in JavaScript or TypeScript can call.
// Tools are functions: `await tools.math.add({a: 1})`, or `await tools.run(\"math:add\", {a: 1})`.
// A name that cannot stand after a dot goes in brackets: `tools[\"my-server\"][\"do.it\"]({})`.

";
const TOOLS: &str = r#"
  /** The tools, by namespace and name. */
  interface Tools {
    /** Runs a tool by its id. */
    run<T extends keyof Calls>(tool: T, ...args: Parameters<Calls[T]>): ReturnType<Calls[T]>;
    /** Runs a tool whose id is computed, or has a version: `namespace:name:1.2.0`. */
    run<T extends string>(
      tool: string extends T ? T : T extends `${string}:${string}:${string}` ? T : never,
      args?: object,
    ): Promise<unknown>;
    /** Finds tools by what they do, best first. */
    search(query: string, limit?: number): Promise<{ id: string; summary: string; [key: string]: unknown }[]>;
    /** Describes a tool. */
    describe(tool: string, detail?: "summary" | "signature" | "schema" | "full"): Promise<{ [key: string]: unknown }>;
    /** Example calls of a tool. */
    examples(tool: string): Promise<{ args: { [key: string]: unknown }; [key: string]: unknown }[]>;
    /** Runs several tools, one feeding the next. */
    chain(chain: object | object[]): Promise<{ [key: string]: unknown }>;
    /** The namespaces. */
    namespaces(): Promise<string[]>;
    /** Tells how far the program is. */
    progress(progress: number, total?: number, message?: string): void;
    /** Logs. */
    log(data: unknown): void;
    log(level: "debug" | "info" | "warning" | "error", data: unknown): void;
"#;
const FOOTER: &str = r"declare const tools: Toolexec.Tools;
declare const run: Toolexec.Tools['run'];
declare const search: Toolexec.Tools['search'];
declare const describe: Toolexec.Tools['describe'];
declare const examples: Toolexec.Tools['examples'];
declare const chain: Toolexec.Tools['chain'];
declare const namespaces: Toolexec.Tools['namespaces'];
declare const progress: Toolexec.Tools['progress'];
declare const log: Toolexec.Tools['log'];
/** What a call throws that failed. */
declare class ToolError extends Error {
  readonly tool: string | null;
  /** `tool_error` for a tool's own failure; else what is wrong, such as `invalid_input`. */
  readonly code: string;
  readonly violations: unknown[];
  readonly retryable: boolean;
  /** What a failing tool answered. */
  readonly value: unknown;
  readonly hints: string[];
}
";

/// Writes types; named ones by their names.
pub(crate) struct Types<'a> {
    named: &'a [Named],
    /// Whether what fields say in words is written too.
    docs: bool,
}

impl<'a> Types<'a> {
    pub(crate) fn new(named: &'a [Named]) -> Self {
        Self { named, docs: true }
    }

    pub(crate) fn without_docs(named: &'a [Named]) -> Self {
        Self { named, docs: false }
    }

    /// `(args: {…}): Promise<…>`.
    pub(crate) fn signature(&self, function: &Function, indent: usize) -> String {
        let input = self.text(&function.input, indent);
        let mark = if can_be_left_out(&function.input, self.named) {
            "?"
        } else {
            ""
        };
        let output = match &function.output {
            Some(ty) => self.text(ty, indent),
            None => "unknown".to_owned(),
        };
        format!("(args{mark}: {input}): Promise<{output}>")
    }

    /// A type; lines after the first are indented by `indent` steps.
    pub(crate) fn text(&self, ty: &Type, indent: usize) -> String {
        match ty {
            Type::Any(None) => "unknown".to_owned(),
            Type::Any(Some(why)) => format!("unknown /* {why} */"),
            Type::Never => "never".to_owned(),
            Type::Null => "null".to_owned(),
            Type::Boolean => "boolean".to_owned(),
            Type::Integer | Type::Number => "number".to_owned(),
            Type::String => "string".to_owned(),
            Type::Literal(value) => literal(value),
            Type::List(item) => format!("{}[]", self.operand(item, indent)),
            Type::Tuple(tuple) => self.tuple(tuple, indent),
            Type::Object(object) => self.object(object, indent),
            Type::Union(members) => {
                let members: Vec<String> = members
                    .iter()
                    .map(|member| self.text(member, indent))
                    .collect();
                members.join(" | ")
            }
            Type::Named(id) => self
                .named
                .get(*id)
                .map_or("unknown", |named| &named.hint)
                .to_owned(),
        }
    }

    /// A type in front of `[]`.
    fn operand(&self, ty: &Type, indent: usize) -> String {
        let text = self.text(ty, indent);
        match ty {
            Type::Union(_) | Type::Any(Some(_)) => format!("({text})"),
            _ => text,
        }
    }

    fn tuple(&self, tuple: &Tuple, indent: usize) -> String {
        let mut items: Vec<String> = Vec::new();
        for (at, item) in tuple.items.iter().enumerate() {
            items.push(if at < tuple.required {
                self.text(item, indent)
            } else {
                format!("{}?", self.operand(item, indent))
            });
        }
        if let Some(rest) = &tuple.rest {
            items.push(format!("...{}[]", self.operand(rest, indent)));
        }
        format!("[{}]", items.join(", "))
    }

    fn object(&self, object: &Object, indent: usize) -> String {
        let others = self.others(object, indent + 1);
        if object.fields.is_empty() {
            let others = others.unwrap_or_else(|| "[key: string]: never".to_owned());
            return format!("{{ {others} }}");
        }
        let fields = object
            .fields
            .iter()
            .map(|field| self.field(field, indent + 1));
        let members: Vec<String> = fields.chain(others).collect();
        let plain = !self.docs || object.fields.iter().all(|field| field.doc.is_empty());
        let length: usize = members.iter().map(|member| member.len() + 2).sum();
        if plain && length <= INLINE && !members.iter().any(|member| member.contains('\n')) {
            return format!("{{ {} }}", members.join("; "));
        }
        let mut out = String::from("{\n");
        let mut fields = object.fields.iter();
        for member in members {
            if let Some(field) = fields.next().filter(|_| self.docs) {
                comment(&mut out, &field.doc, FIELD_TEXT, indent + 1);
            }
            let _ = writeln!(out, "{}{member};", "  ".repeat(indent + 1));
        }
        let _ = write!(out, "{}}}", "  ".repeat(indent));
        out
    }

    fn field(&self, field: &Field, indent: usize) -> String {
        let mark = if field.required { "" } else { "?" };
        format!(
            "{}{mark}: {}",
            name(&field.name),
            self.text(&field.ty, indent)
        )
    }

    /// The fields without names, as an index signature.
    fn others(&self, object: &Object, indent: usize) -> Option<String> {
        match &object.rest {
            Rest::Unsaid if object.fields.is_empty() => Some("[key: string]: unknown".to_owned()),
            Rest::Closed | Rest::Unsaid => None,
            Rest::Open(ty) if object.fields.is_empty() || matches!(**ty, Type::Any(_)) => {
                Some(format!("[key: string]: {}", self.text(ty, indent)))
            }
            // TypeScript wants named fields to have the type of the others.
            Rest::Open(ty) => {
                let text = self.text(ty, indent).replace("*/", "");
                Some(format!(
                    "[key: string]: unknown /* other fields: {} */",
                    flat(&text)
                ))
            }
        }
    }
}

/// Whether a tool can be called as `tools.namespace.name(…)`.
pub(crate) fn is_reachable(namespace: &str, name: &str) -> bool {
    !namespace.is_empty()
        && !MEMBERS.contains(&namespace)
        && !HIDDEN.contains(&namespace)
        && !HIDDEN.contains(&name)
}

/// Whether a call without arguments is whole.
pub(crate) fn can_be_left_out(input: &Type, named: &[Named]) -> bool {
    match input {
        Type::Any(_) => true,
        Type::Object(object) => !object.fields.iter().any(|field| field.required),
        Type::Union(members) => members.iter().any(|member| can_be_left_out(member, named)),
        Type::Named(id) => match named.get(*id).map(|named| &named.ty) {
            // A union may name itself; an object need not be looked into further.
            Some(object @ Type::Object(_)) => can_be_left_out(object, named),
            _ => false,
        },
        _ => false,
    }
}

/// A name as a field: quoted where it cannot stand alone.
fn name(text: &str) -> String {
    if is_js_name(text) {
        text.to_owned()
    } else {
        quoted(text)
    }
}

fn quoted(text: &str) -> String {
    Value::from(text).to_string()
}

fn literal(value: &Value) -> String {
    match value {
        Value::Number(number) if number.as_f64().is_none_or(|number| number.abs() > MAX_SAFE) => {
            "number".to_owned()
        }
        other => other.to_string(),
    }
}

fn flat(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Writes a doc comment, if there is anything to say.
fn comment(out: &mut String, doc: &Doc, max: usize, indent: usize) {
    let pad = "  ".repeat(indent);
    let lines = lines(doc, max);
    let safe = |line: &str| line.replace("*/", "*\\/");
    match lines.as_slice() {
        [] => {}
        [only] => {
            let _ = writeln!(out, "{pad}/** {} */", safe(only));
        }
        several => {
            let _ = writeln!(out, "{pad}/**");
            for line in several {
                let line = format!("{pad} * {}", safe(line));
                let _ = writeln!(out, "{}", line.trim_end());
            }
            let _ = writeln!(out, "{pad} */");
        }
    }
}
