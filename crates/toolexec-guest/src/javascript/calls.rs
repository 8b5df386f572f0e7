//! The tool calls that stand in a program, as far as they can be seen without running it.

use oxc::ast::ast::{
    Argument, BindingIdentifier, CallExpression, Expression, ObjectExpression, ObjectPropertyKind,
    Program,
};
use oxc::ast_visit::{Visit, walk};
use serde_json::Map;
use toolexec_wire::SeenCall;

use super::literal::{key, literals};
use crate::text::Lines;

/// What `tools` itself has; not a namespace when it is called.
const FUNCTIONS: [&str; 8] = [
    "run",
    "chain",
    "search",
    "describe",
    "examples",
    "namespaces",
    "progress",
    "log",
];

/// The calls of `tools.run("ns:name", {..})`, `run(..)` and `tools.ns.name({..})`, with the byte
/// where each begins.
pub(super) fn calls(program: &Program<'_>) -> Vec<(usize, SeenCall)> {
    let mut seen = Seen::default();
    seen.visit_program(program);
    // A program that has its own `tools` or `run` means that one.
    let Seen { found, tools, run } = seen;
    found
        .into_iter()
        .filter(|found| if found.through_tools { !tools } else { !run })
        .map(|found| (found.offset, found.call))
        .collect()
}

/// The calls with their places.
pub(super) fn placed(source: &str, calls: Vec<(usize, SeenCall)>) -> Vec<SeenCall> {
    let lines = Lines::new(source);
    let mut calls: Vec<SeenCall> = calls
        .into_iter()
        .map(|(offset, call)| {
            let place = lines.place(source, offset);
            SeenCall {
                line: place.line,
                column: place.column,
                ..call
            }
        })
        .collect();
    calls.sort_by_key(|call| (call.line, call.column));
    calls
}

#[derive(Default)]
struct Seen {
    found: Vec<Found>,
    // Whether the program declares a variable of this name.
    tools: bool,
    run: bool,
}

struct Found {
    offset: usize,
    through_tools: bool,
    call: SeenCall,
}

impl<'a> Visit<'a> for Seen {
    fn visit_call_expression(&mut self, it: &CallExpression<'a>) {
        if let Some((tool, through_tools, args)) = tool(it) {
            self.found.push(Found {
                offset: it.span.start as usize,
                through_tools,
                call: SeenCall {
                    tool,
                    line: 0,
                    column: 0,
                    args: names(args),
                    literals: match args {
                        Some(Argument::ObjectExpression(object)) => literals(object),
                        _ => Map::new(),
                    },
                },
            });
        }
        walk::walk_call_expression(self, it);
    }

    fn visit_binding_identifier(&mut self, it: &BindingIdentifier<'a>) {
        self.tools |= it.name == "tools";
        self.run |= it.name == "run";
    }
}

type Args<'b, 'a> = Option<&'b Argument<'a>>;

/// The tool that a call names, whether it stands on `tools`, and its arguments.
fn tool<'b, 'a>(call: &'b CallExpression<'a>) -> Option<(String, bool, Args<'b, 'a>)> {
    let first = call.arguments.first();
    let named = |through_tools| match first {
        Some(Argument::StringLiteral(name)) => Some((
            name.value.as_str().unwrap_or_default().to_owned(),
            through_tools,
            call.arguments.get(1),
        )),
        _ => None,
    };
    let callee = bare(&call.callee);
    if is_name(callee, "run") {
        return named(false);
    }
    let (object, name) = member(callee)?;
    if is_name(object, "tools") {
        return if name == "run" { named(true) } else { None };
    }
    let (root, namespace) = member(object)?;
    let known_method = FUNCTIONS.contains(&namespace.as_str())
        && matches!(name.as_str(), "call" | "apply" | "bind" | "toString");
    if !is_name(root, "tools") || known_method {
        return None;
    }
    Some((format!("{namespace}:{name}"), true, first))
}

/// The names of the arguments, when all of them can be seen.
fn names(args: Args<'_, '_>) -> Option<Vec<String>> {
    match args {
        None => Some(Vec::new()),
        Some(Argument::ObjectExpression(object)) => keys(object),
        Some(_) => None,
    }
}

fn keys(object: &ObjectExpression<'_>) -> Option<Vec<String>> {
    let name = |property: &ObjectPropertyKind<'_>| match property {
        ObjectPropertyKind::ObjectProperty(property) => key(property),
        ObjectPropertyKind::SpreadProperty(_) => None,
    };
    object.properties.iter().map(name).collect()
}

/// What is read of what, in `a.b` and `a["b"]`.
fn member<'b, 'a>(expression: &'b Expression<'a>) -> Option<(&'b Expression<'a>, String)> {
    match expression {
        Expression::StaticMemberExpression(member) => Some((
            bare(&member.object),
            member.property.name.as_str().to_owned(),
        )),
        Expression::ComputedMemberExpression(member) => match &member.expression {
            Expression::StringLiteral(name) => Some((
                bare(&member.object),
                name.value.as_str().unwrap_or_default().to_owned(),
            )),
            _ => None,
        },
        _ => None,
    }
}

fn is_name(expression: &Expression<'_>, name: &str) -> bool {
    matches!(expression, Expression::Identifier(identifier) if identifier.name == name)
}

/// An expression without what changes nothing about it.
fn bare<'b, 'a>(expression: &'b Expression<'a>) -> &'b Expression<'a> {
    match expression {
        Expression::ParenthesizedExpression(inner) => bare(&inner.expression),
        Expression::TSAsExpression(inner) => bare(&inner.expression),
        Expression::TSNonNullExpression(inner) => bare(&inner.expression),
        _ => expression,
    }
}
