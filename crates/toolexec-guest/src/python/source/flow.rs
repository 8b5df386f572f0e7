//! Which calls a program awaits later.
//!
//! A program may write `r = tools.a.b()` and mean the value, or `t = tools.a.b()` and await it
//! later, perhaps with others in a `gather`. Only the text tells: a call is *deferred*, that is
//! answered with something to await, when its value flows into an `await` or into what takes
//! awaitables. Every other call is waited for on the spot. When the flow is not seen the program
//! is still right, as awaiting a value that is there already gives the value; it only runs one
//! call after the other.

use std::collections::HashSet;

use ruff_python_ast::{self as ast, Expr};
use ruff_text_size::Ranged;

use super::scopes::{Binding, FunctionId, Part, ScopeId, Scopes};

/// Functions of `asyncio` that take awaitables.
const TAKE_AWAITABLES: [&str; 9] = [
    "gather",
    "wait",
    "wait_for",
    "as_completed",
    "create_task",
    "ensure_future",
    "shield",
    "run",
    "run_until_complete",
];
/// Functions whose result holds what their arguments hold.
const PASS_ON: [&str; 8] = [
    "list",
    "tuple",
    "set",
    "reversed",
    "iter",
    "dict",
    "zip",
    "enumerate",
];
/// Methods whose result holds what their object holds.
const PASS_ON_METHODS: [&str; 5] = ["values", "items", "copy", "pop", "get"];

/// The spans of the calls that are awaited later, by start and end.
pub(super) fn deferred(scopes: &Scopes<'_>) -> HashSet<(usize, usize)> {
    let mut flow = Flow {
        scopes,
        deferred: HashSet::new(),
        names: HashSet::new(),
        functions: HashSet::new(),
    };
    for (value, scope) in &scopes.awaited {
        flow.demand(value, *scope);
    }
    for (call, scope) in &scopes.calls {
        if name_of(&call.func).is_some_and(|name| TAKE_AWAITABLES.contains(&name)) {
            flow.demand_arguments(call, *scope);
        }
    }
    flow.deferred
}

/// The last name of `name` or `module.name`.
pub(super) fn name_of(func: &Expr) -> Option<&str> {
    match func {
        Expr::Name(name) => Some(&name.id),
        Expr::Attribute(attribute) => Some(&attribute.attr),
        _ => None,
    }
}

struct Flow<'s, 'a> {
    scopes: &'s Scopes<'a>,
    deferred: HashSet<(usize, usize)>,
    // What was followed already.
    names: HashSet<(ScopeId, String)>,
    functions: HashSet<FunctionId>,
}

impl Flow<'_, '_> {
    /// The value of an expression, or what it holds, is awaited.
    fn demand(&mut self, expr: &Expr, scope: ScopeId) {
        match expr {
            Expr::Call(call) => self.demand_call(call, scope),
            Expr::Name(name) => self.demand_name(&name.id, scope),
            Expr::Starred(starred) => self.demand(&starred.value, scope),
            Expr::Named(named) => self.demand(&named.value, scope),
            Expr::Subscript(subscript) => self.demand(&subscript.value, scope),
            Expr::If(choice) => {
                self.demand(&choice.body, scope);
                self.demand(&choice.orelse, scope);
            }
            Expr::BoolOp(ast::ExprBoolOp { values: items, .. })
            | Expr::List(ast::ExprList { elts: items, .. })
            | Expr::Tuple(ast::ExprTuple { elts: items, .. })
            | Expr::Set(ast::ExprSet { elts: items, .. }) => {
                for item in items {
                    self.demand(item, scope);
                }
            }
            Expr::Dict(dict) => {
                for item in &dict.items {
                    self.demand(&item.value, scope);
                }
            }
            Expr::ListComp(ast::ExprListComp { elt, .. })
            | Expr::SetComp(ast::ExprSetComp { elt, .. })
            | Expr::Generator(ast::ExprGenerator { elt, .. }) => {
                self.demand(elt, self.scopes.inside(expr, scope));
            }
            Expr::DictComp(comp) => self.demand(&comp.value, self.scopes.inside(expr, scope)),
            Expr::Lambda(lambda) => self.demand(&lambda.body, self.scopes.inside(expr, scope)),
            Expr::BinOp(sum) => {
                self.demand(&sum.left, scope);
                self.demand(&sum.right, scope);
            }
            _ => {}
        }
    }

    fn demand_call(&mut self, call: &ast::ExprCall, scope: ScopeId) {
        self.deferred
            .insert((call.start().to_usize(), call.end().to_usize()));
        match &*call.func {
            Expr::Name(name) if name.id == "map" => {
                if let Some(function) = call.arguments.args.first() {
                    self.demand_result(function, scope);
                }
            }
            Expr::Name(name) if PASS_ON.contains(&name.id.as_str()) => {
                self.demand_arguments(call, scope);
            }
            Expr::Attribute(method) if PASS_ON_METHODS.contains(&method.attr.as_str()) => {
                self.demand(&method.value, scope);
                self.demand_result(&call.func, scope);
            }
            function => self.demand_result(function, scope),
        }
    }

    fn demand_arguments(&mut self, call: &ast::ExprCall, scope: ScopeId) {
        for argument in &call.arguments.args {
            self.demand(argument, scope);
        }
    }

    /// What a function returns is awaited.
    fn demand_result(&mut self, function: &Expr, scope: ScopeId) {
        match function {
            Expr::Lambda(lambda) => self.demand(&lambda.body, self.scopes.inside(function, scope)),
            Expr::Name(name) => {
                let Some((_, bindings)) = self.scopes.lookup(&name.id, scope) else {
                    return;
                };
                for binding in bindings {
                    match binding {
                        Binding::Function(id) => self.demand_function(*id),
                        Binding::Value(value @ Expr::Lambda(_), parts) if parts.is_empty() => {
                            self.demand_result(value, scope);
                        }
                        _ => {}
                    }
                }
            }
            Expr::Attribute(method) => {
                let named: Vec<_> = self
                    .scopes
                    .functions
                    .iter()
                    .enumerate()
                    .filter(|(_, function)| function.method && function.name == &*method.attr)
                    .map(|(id, _)| id)
                    .collect();
                for id in named {
                    self.demand_function(id);
                }
            }
            _ => {}
        }
    }

    fn demand_function(&mut self, id: FunctionId) {
        let Some(function) = self.scopes.functions.get(id) else {
            return;
        };
        if function.is_async || !self.functions.insert(id) {
            return;
        }
        for value in &function.returns {
            self.demand(value, function.scope);
        }
    }

    fn demand_name(&mut self, name: &str, from: ScopeId) {
        let Some((scope, bindings)) = self.scopes.lookup(name, from) else {
            return;
        };
        if !self.names.insert((scope, name.to_owned())) {
            return;
        }
        for binding in bindings {
            match binding {
                Binding::Value(value, parts) => self.demand_part(value, parts, scope),
                Binding::Parameter(function, index) => self.demand_parameter(*function, *index),
                Binding::Function(_) | Binding::Other => {}
            }
        }
    }

    fn demand_part(&mut self, value: &Expr, parts: &[Part], scope: ScopeId) {
        match (value, parts) {
            (
                Expr::Tuple(ast::ExprTuple { elts, .. }) | Expr::List(ast::ExprList { elts, .. }),
                [Part::Index(index), rest @ ..],
            ) if elts.len() > *index && !elts.iter().any(Expr::is_starred_expr) => {
                if let Some(element) = elts.get(*index) {
                    self.demand_part(element, rest, scope);
                }
            }
            (Expr::Call(call), [Part::Element, Part::Index(index), rest @ ..]) => {
                let arguments = &call.arguments.args;
                let source = match (name_of(&call.func), index) {
                    (Some("zip"), index) => arguments.get(*index),
                    (Some("enumerate"), 1) => arguments.first(),
                    (Some("items"), 1) => match &*call.func {
                        Expr::Attribute(method) => Some(&*method.value),
                        _ => None,
                    },
                    (Some("enumerate" | "items"), _) => None,
                    _ => Some(value),
                };
                match source {
                    Some(source) if std::ptr::eq(source, value) => self.demand(value, scope),
                    Some(source) => self.demand_part(source, rest, scope),
                    None => {}
                }
            }
            _ => self.demand(value, scope),
        }
    }

    /// A parameter is awaited: so is what is passed for it.
    fn demand_parameter(&mut self, id: FunctionId, index: usize) {
        let Some(function) = self.scopes.functions.get(id) else {
            return;
        };
        let scopes = self.scopes;
        let called = |call: &ast::ExprCall| match &*call.func {
            Expr::Name(name) => !function.method && name.id == function.name,
            Expr::Attribute(method) => function.method && &*method.attr == function.name,
            _ => false,
        };
        // The first parameter of a method is its object.
        let position = index.checked_sub(usize::from(function.method));
        for (call, scope) in scopes.calls.iter().filter(|(call, _)| called(call)) {
            let named = function
                .parameters
                .get(index)
                .and_then(|name| call.arguments.find_keyword(name));
            if let Some(keyword) = named {
                self.demand(&keyword.value, *scope);
            } else if let Some(argument) = position.and_then(|at| call.arguments.args.get(at)) {
                self.demand(argument, *scope);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The calls of tools in a program that are awaited later, by name.
    fn deferred_tools(source: &str) -> Vec<&str> {
        let parsed = ruff_python_parser::parse_module(source).unwrap();
        let scopes = Scopes::of(&parsed.syntax().body);
        let mut spans: Vec<_> = deferred(&scopes).into_iter().collect();
        spans.sort_unstable();
        spans
            .into_iter()
            .filter_map(|(start, end)| source[start..end].strip_prefix("tools."))
            .filter_map(|call| call.split('(').next())
            .collect()
    }

    #[test]
    fn calls_without_await_are_not_deferred() {
        for source in [
            "r = tools.a()\nprint(r)",
            "tools.a()",
            "x = [tools.a(i) for i in range(3)]",
            "async def main():\n    r = tools.a()\n    return r + 1\nawait main()",
            "r = tools.a()\nasync def f():\n    r = other()\n    await r",
        ] {
            assert_eq!(deferred_tools(source), Vec::<&str>::new(), "{source}");
        }
    }

    #[test]
    fn calls_that_are_awaited_are_deferred() {
        for source in [
            "await tools.a()",
            "t = tools.a()\nr = await t",
            "async def f():\n    t = tools.a()\n    return await t",
            "def f(x):\n    return tools.a(x)\nawait f(1)",
            "f = lambda x: tools.a(x)\nawait f(1)",
            "await asyncio.gather(tools.a())",
            "await gather(*[tools.a(i) for i in range(3)])",
            "await asyncio.gather(*(tools.a(i) for i in range(3)))",
            "ts = [tools.a(i) for i in range(3)]\nfor t in ts:\n    await t",
            "ts = []\nfor i in range(3):\n    ts.append(tools.a(i))\nawait asyncio.gather(*ts)",
            "ts = {}\nfor i in range(3):\n    ts[i] = tools.a(i)\nawait asyncio.gather(*ts.values())",
            "ts = {k: tools.a(k) for k in 'ab'}\nr = {k: await t for k, t in ts.items()}",
            "t, n = tools.a(), 1\nawait t",
            "await asyncio.gather(*map(lambda i: tools.a(i), range(3)))",
            "async def timed(c):\n    return await c\nawait asyncio.gather(timed(tools.a()))",
            "class C:\n    def get(self):\n        return tools.a()\nawait C().get()",
            "await (tools.a() if x else None)",
            "asyncio.create_task(tools.a())",
            "ts = [tools.a()]\nrs = [await t for t in ts]",
        ] {
            assert_eq!(deferred_tools(source), ["a"], "{source}");
        }
    }

    #[test]
    fn only_what_flows_into_the_await_is_deferred() {
        let source = "names = tools.names()\nts = [tools.a(n) for n in names]\n\
                      for name, t in zip(names, ts):\n    print(name, await t)\n\
                      await asyncio.gather(tools.b(x=tools.c()))";
        assert_eq!(deferred_tools(source), ["a", "b"]);
    }
}
