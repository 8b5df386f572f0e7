//! From the syntax tree of a script to JavaScript.
//!
//! Variables get a prefix, so that no name of a script is a name of the engine. Operators and
//! methods become calls of `$script`, whose errors say what went wrong in the script's own terms.

use std::collections::HashSet;

use serde_json::{Map, Value};
use toolexec_wire::SeenCall;

use super::ast::{Block, Expression, ExpressionKind as E, Statement, StatementKind as S};
use super::literal::literals;
use super::{Known, Problem};
use crate::text::Derived;

/// The functions that a script calls by name.
pub(super) const FUNCTIONS: [&str; 13] = [
    "run",
    "chain",
    "search",
    "describe",
    "examples",
    "namespaces",
    "progress",
    "log",
    "print",
    "sleep",
    "range",
    "text",
    "number",
];

type Lowered<T = ()> = Result<T, Problem>;

/// The JavaScript of a script, and the tool calls that stand in it.
pub(super) fn lower(
    program: &Block,
    known: Known<'_>,
) -> Lowered<(Derived, Vec<(usize, SeenCall)>)> {
    let mut lower = Lower {
        out: Derived::default(),
        scopes: vec![known.names.iter().cloned().collect()],
        known,
        calls: Vec::new(),
    };
    for name in known.names {
        let key = Value::from(name.as_str());
        lower.put(0, &format!("var {} = globalThis[{key}];", variable(name)));
    }
    // A `return` leaves this block; its variables are declared outside of it.
    lower.put(0, "$program: {\n");
    lower.statements(program)?;
    lower.put(0, "}");
    Ok((lower.out, lower.calls))
}

struct Lower<'a> {
    out: Derived,
    // The names bound in each block around, outermost first.
    scopes: Vec<HashSet<String>>,
    known: Known<'a>,
    calls: Vec<(usize, SeenCall)>,
}

fn variable(name: &str) -> String {
    format!("v_{name}")
}

/// A text as a literal of JavaScript.
fn literal(text: &str) -> String {
    // JSON is JavaScript.
    Value::from(text).to_string()
}

impl Lower<'_> {
    fn put(&mut self, at: usize, text: &str) {
        self.out.put(text, at);
    }

    fn is_bound(&self, name: &str) -> bool {
        self.scopes.iter().any(|scope| scope.contains(name))
    }

    fn bind(&mut self, name: &str) {
        if let Some(scope) = self.scopes.last_mut() {
            scope.insert(name.to_owned());
        }
    }

    fn block(&mut self, block: &Block, names: &[String]) -> Lowered {
        self.scopes.push(names.iter().cloned().collect());
        let lowered = self.statements(block);
        self.scopes.pop();
        lowered
    }

    fn statements(&mut self, block: &Block) -> Lowered {
        block
            .iter()
            .try_for_each(|statement| self.statement(statement))
    }

    fn statement(&mut self, statement: &Statement) -> Lowered {
        let at = statement.at;
        match &statement.kind {
            S::Bind(name, value) => self.bind_statement(at, name, value),
            S::Assign(target, value) => self.assign(at, target, value),
            S::If(condition, then, otherwise) => {
                self.put(at, "if (");
                self.expression(condition)?;
                self.put(at, ") {");
                self.block(then, &[])?;
                self.put(at, "}");
                if let Some(otherwise) = otherwise {
                    self.put(at, " else {");
                    self.block(otherwise, &[])?;
                    self.put(at, "}");
                }
                self.put(at, "\n");
                Ok(())
            }
            S::For(names, list, body) => self.for_statement(at, names, list, body),
            S::Return(value) => {
                self.put(at, "{$toolexec.give(");
                match value {
                    Some(value) => self.expression(value)?,
                    None => self.put(at, "null"),
                }
                self.put(at, "); break $program;}\n");
                Ok(())
            }
            S::Break => {
                self.put(at, "break;\n");
                Ok(())
            }
            S::Continue => {
                self.put(at, "continue;\n");
                Ok(())
            }
            S::Expression(value) => {
                self.put(at, "(");
                self.expression(value)?;
                self.put(at, ");\n");
                Ok(())
            }
        }
    }

    /// `:=` sets the variable of this name that can be seen; it makes one where there is none.
    fn bind_statement(&mut self, at: usize, name: &str, value: &Expression) -> Lowered {
        Self::check_name(at, name)?;
        let new = !self.is_bound(name);
        let declare = match (new, self.scopes.len()) {
            (false, _) => "",
            (true, 1) => "var ",
            (true, _) => "let ",
        };
        self.put(at, &format!("{declare}{} = ", variable(name)));
        self.expression(value)?;
        self.put(at, ";\n");
        self.bind(name);
        Ok(())
    }

    fn check_name(at: usize, name: &str) -> Lowered {
        if FUNCTIONS.contains(&name) || name == "tools" {
            let message = format!("`{name}` is a function of every script");
            return Err(Problem::new(at, message).hint("choose another name for the variable"));
        }
        Ok(())
    }

    fn assign(&mut self, at: usize, target: &Expression, value: &Expression) -> Lowered {
        match &target.kind {
            E::Name(name) => {
                if !self.is_bound(name) && !self.known.keep {
                    return Err(self.unknown(target.at, name));
                }
                self.put(at, &format!("{} = ", variable(name)));
                self.expression(value)?;
            }
            E::Member(object, key) => {
                self.put(target.at, "$script.set(");
                self.expression(object)?;
                self.put(target.at, &format!(", {}, ", literal(key)));
                self.expression(value)?;
                self.put(at, ")");
            }
            E::Index(object, index) => {
                self.put(target.at, "$script.set(");
                self.expression(object)?;
                self.put(target.at, ", ");
                self.expression(index)?;
                self.put(target.at, ", ");
                self.expression(value)?;
                self.put(at, ")");
            }
            _ => return Err(Problem::new(at, "this cannot be assigned to")),
        }
        self.put(at, ";\n");
        Ok(())
    }

    fn for_statement(
        &mut self,
        at: usize,
        names: &[String],
        list: &Expression,
        body: &Block,
    ) -> Lowered {
        for name in names {
            Self::check_name(at, name)?;
        }
        let (pattern, function) = match names {
            [key, value] => (format!("[{}, {}]", variable(key), variable(value)), "pairs"),
            _ => (
                names.first().map(|name| variable(name)).unwrap_or_default(),
                "items",
            ),
        };
        self.put(at, &format!("for (let {pattern} of $script.{function}("));
        self.expression(list)?;
        self.put(at, ")) {");
        self.block(body, names)?;
        self.put(at, "}\n");
        Ok(())
    }

    fn unknown(&self, at: usize, name: &str) -> Problem {
        let names = self
            .scopes
            .iter()
            .flatten()
            .map(String::as_str)
            .chain(FUNCTIONS);
        let near = names.filter(|known| is_near(known, name)).min();
        let problem = Problem::new(at, format!("there is no variable `{name}`"));
        match near {
            Some(near) => problem.hint(format!("did you mean `{near}`?")),
            None => problem.hint(format!("bind it first: `{name} := value`")),
        }
    }

    fn expression(&mut self, expression: &Expression) -> Lowered {
        let at = expression.at;
        match &expression.kind {
            E::Null => self.put(at, "null"),
            E::Bool(value) => self.put(at, if *value { "true" } else { "false" }),
            E::Number(number) => self.put(at, number),
            E::Text(text) => self.put(at, &literal(text)),
            E::Template(texts, values) => self.template(at, texts, values)?,
            E::Name(name) => self.name(at, name)?,
            E::List(items) => {
                self.put(at, "[");
                self.items(at, items)?;
                self.put(at, "]");
            }
            E::Object(entries) => self.object(at, entries)?,
            E::Function(names, value) => self.function(at, names, value)?,
            E::Not(value) => self.wrapped(at, "(!", value, ")")?,
            E::Negate(value) => self.wrapped(at, "$script.negate(", value, ")")?,
            E::Binary(sign, left, right) => self.binary(at, sign, left, right)?,
            E::Member(object, key) if is_tools(object) => {
                self.put(at, &format!("tools[{}]", literal(key)));
            }
            E::Member(object, key) => {
                let end = format!(", {})", literal(key));
                self.wrapped(at, "$script.get(", object, &end)?;
            }
            E::Index(object, index) => {
                self.put(at, "$script.at(");
                self.expression(object)?;
                self.put(at, ", ");
                self.expression(index)?;
                self.put(at, ")");
            }
            E::Call(function, arguments) => self.call(at, function, arguments)?,
        }
        Ok(())
    }

    fn wrapped(&mut self, at: usize, before: &str, value: &Expression, after: &str) -> Lowered {
        self.put(at, before);
        self.expression(value)?;
        self.put(at, after);
        Ok(())
    }

    fn items(&mut self, at: usize, items: &[Expression]) -> Lowered {
        for (number, item) in items.iter().enumerate() {
            if number > 0 {
                self.put(at, ", ");
            }
            self.expression(item)?;
        }
        Ok(())
    }

    fn template(&mut self, at: usize, texts: &[String], values: &[Expression]) -> Lowered {
        self.put(at, "(");
        for (number, text) in texts.iter().enumerate() {
            if number > 0 {
                self.put(at, " + ");
            }
            self.put(at, &literal(text));
            if let Some(value) = values.get(number) {
                self.wrapped(value.at, " + $script.text(", value, ")")?;
            }
        }
        self.put(at, ")");
        Ok(())
    }

    fn name(&mut self, at: usize, name: &str) -> Lowered {
        if self.is_bound(name) || self.known.keep && !FUNCTIONS.contains(&name) {
            self.put(at, &variable(name));
            return Ok(());
        }
        if FUNCTIONS.contains(&name) || name == "tools" {
            let message = format!("`{name}` is a function, not a value");
            return Err(Problem::new(at, message).hint(format!("call it: `{name}(..)`")));
        }
        Err(self.unknown(at, name))
    }

    fn object(&mut self, at: usize, entries: &[(String, Expression)]) -> Lowered {
        self.put(at, "({");
        for (key, value) in entries {
            // In brackets, so that `__proto__` is a key like others.
            self.put(value.at, &format!("[{}]: ", literal(key)));
            self.expression(value)?;
            self.put(value.at, ", ");
        }
        self.put(at, "})");
        Ok(())
    }

    fn function(&mut self, at: usize, names: &[String], value: &Expression) -> Lowered {
        for name in names {
            Self::check_name(at, name)?;
        }
        let parameters: Vec<_> = names.iter().map(|name| variable(name)).collect();
        self.put(at, &format!("(async ({}) => (", parameters.join(", ")));
        self.scopes.push(names.iter().cloned().collect());
        let lowered = self.expression(value);
        self.scopes.pop();
        self.put(at, "))");
        lowered
    }

    fn binary(&mut self, at: usize, sign: &str, left: &Expression, right: &Expression) -> Lowered {
        let (before, between) = match sign {
            "&&" | "||" | "??" => ("(".to_owned(), format!(" {sign} ")),
            sign => (
                format!("$script.operate({}, ", literal(sign)),
                ", ".to_owned(),
            ),
        };
        self.put(at, &before);
        // `a ?? b || c` needs brackets there; here everything has them.
        self.expression(left)?;
        self.put(right.at, &between);
        self.expression(right)?;
        self.put(at, ")");
        Ok(())
    }

    fn call(&mut self, at: usize, function: &Expression, arguments: &[Expression]) -> Lowered {
        self.see(function, arguments);
        match &function.kind {
            E::Name(name) if FUNCTIONS.contains(&name.as_str()) && !self.is_bound(name) => {
                self.put(function.at, &format!("(await $script.functions.{name}("));
            }
            E::Member(object, key) if is_tools(object) => {
                self.put(function.at, &format!("(await tools[{}](", literal(key)));
            }
            E::Member(object, key) if is_namespace(object) => {
                self.put(function.at, "(await ");
                self.expression(object)?;
                self.put(function.at, &format!("[{}](", literal(key)));
            }
            E::Member(object, key) => {
                self.put(at, "(await $script.call(");
                self.expression(object)?;
                self.put(at, &format!(", {}, ", literal(key)));
                self.put(at, "[");
                self.items(at, arguments)?;
                self.put(at, "]))");
                return Ok(());
            }
            _ => {
                self.put(at, "(await $script.apply(");
                self.expression(function)?;
                self.put(at, ", [");
                self.items(at, arguments)?;
                self.put(at, "]))");
                return Ok(());
            }
        }
        self.items(at, arguments)?;
        self.put(at, "))");
        Ok(())
    }

    /// Notes a call whose tool stands in the script.
    fn see(&mut self, function: &Expression, arguments: &[Expression]) {
        let named = |arguments: &[Expression]| match arguments.first().map(|first| &first.kind) {
            Some(E::Text(tool)) => Some(tool.clone()),
            _ => None,
        };
        let found = match &function.kind {
            E::Name(name) if name == "run" => named(arguments).map(|tool| (tool, 1)),
            E::Member(object, key) if is_tools(object) && key == "run" => {
                named(arguments).map(|tool| (tool, 1))
            }
            E::Member(object, name) => match &object.kind {
                E::Member(root, namespace) if is_tools(root) => {
                    Some((format!("{namespace}:{name}"), 0))
                }
                _ => None,
            },
            _ => None,
        };
        let Some((tool, position)) = found else {
            return;
        };
        let (args, literals) = match arguments.get(position).map(|args| &args.kind) {
            None => (Some(Vec::new()), Map::new()),
            Some(E::Object(entries)) => (
                Some(entries.iter().map(|(key, _)| key.clone()).collect()),
                literals(entries),
            ),
            Some(_) => (None, Map::new()),
        };
        let call = SeenCall {
            tool,
            line: 0,
            column: 0,
            args,
            literals,
        };
        self.calls.push((root_place(function), call));
    }
}

fn root_place(expression: &Expression) -> usize {
    match &expression.kind {
        E::Member(object, _) => root_place(object),
        _ => expression.at,
    }
}

fn is_tools(expression: &Expression) -> bool {
    matches!(&expression.kind, E::Name(name) if name == "tools")
}

fn is_namespace(expression: &Expression) -> bool {
    matches!(&expression.kind, E::Member(object, _) if is_tools(object))
}

/// Whether a name is another one with one letter wrong, missing or too much.
fn is_near(known: &str, name: &str) -> bool {
    let (a, b): (Vec<char>, Vec<char>) = (known.chars().collect(), name.chars().collect());
    if a.len().abs_diff(b.len()) > 1 || a.len() < 3 {
        return false;
    }
    let front = a.iter().zip(&b).take_while(|(a, b)| a == b).count();
    let back = a
        .iter()
        .rev()
        .zip(b.iter().rev())
        .take_while(|(a, b)| a == b)
        .count();
    front + back + 1 >= a.len().max(b.len())
}
