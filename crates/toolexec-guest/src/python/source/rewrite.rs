//! Small edits that let programs run as Python users write them where the engine has gaps.
//!
//! - `await value`, `asyncio.gather(*values)`: a value that is there already may be awaited.
//! - `gather(.., return_exceptions=True)`, `create_task`, `ensure_future`, `shield`.
//! - `error.code` and the other fields of a failed call, on any exception.
//! - `ValueError(3)`, `ValueError("a", 1)`: the engine's exceptions hold one string.
//! - `del list[i]`, `del name`.
//! - modules that the engine lacks.
//! - the value of a program that ends in a block, or sets `__out`.
//!
//! Every edit keeps the lines, and all places lead back to the text as written.

use ruff_python_ast::visitor::{self, Visitor};
use ruff_python_ast::{self as ast, Expr, Stmt};
use ruff_text_size::Ranged;

use super::edits::Edits;
use super::flow::name_of;
use super::modules::{self, Import};
use super::scopes::{Binding, Scopes};

/// The fields of the exception of a failed call.
pub(in crate::python) const ERROR_FIELDS: [&str; 7] = [
    "tool",
    "code",
    "message",
    "violations",
    "retryable",
    "value",
    "hints",
];
/// The variable that is the value of a program that sets it.
pub(in crate::python) const OUT: &str = "__out";
/// The value of a block that ends a program.
pub(in crate::python) const LAST: &str = "__te_last__";

pub(super) struct Rewritten {
    pub(super) edits: Edits,
    pub(super) prelude: bool,
    pub(super) modules: Vec<&'static str>,
    pub(super) value_in: Vec<&'static str>,
}

pub(super) fn rewrite(source: &str, body: &[Stmt], scopes: &Scopes<'_>) -> Rewritten {
    let mut rewriter = Rewriter {
        source,
        scopes,
        edits: Edits::default(),
        prelude: false,
        modules: Vec::new(),
        catches: source.contains("except") || source.contains("return_exceptions"),
        asyncio: Asyncio::of(body),
        out: scopes.binds(OUT),
        functions: 0,
    };
    let mut value_in = Vec::new();
    if rewriter.out {
        value_in.push(OUT);
    }
    // What stands around an expression is put there before what stands in it.
    if rewriter.tail(body, true) {
        value_in.push(LAST);
    }
    rewriter.visit_body(body);
    Rewritten {
        edits: rewriter.edits,
        prelude: rewriter.prelude,
        modules: rewriter.modules,
        value_in,
    }
}

/// The names under which a program has `asyncio` and what is in it.
#[derive(Default)]
struct Asyncio<'a> {
    modules: Vec<&'a str>,
    functions: Vec<(&'a str, &'a str)>,
}

impl<'a> Asyncio<'a> {
    fn of(body: &'a [Stmt]) -> Self {
        let mut names = Self::default();
        names.visit_body(body);
        names
    }

    /// Which function of `asyncio` is called, if one is.
    fn function(&self, func: &'a Expr) -> Option<&'a str> {
        match func {
            Expr::Attribute(attribute) => match &*attribute.value {
                Expr::Name(module) if self.modules.contains(&module.id.as_str()) => {
                    Some(&attribute.attr)
                }
                _ => None,
            },
            Expr::Name(name) => self
                .functions
                .iter()
                .find(|(local, _)| *local == name.id.as_str())
                .map(|(_, function)| *function),
            _ => None,
        }
    }
}

impl<'a> Visitor<'a> for Asyncio<'a> {
    fn visit_stmt(&mut self, stmt: &'a Stmt) {
        match stmt {
            Stmt::Import(import) => {
                for alias in &import.names {
                    if alias.name.as_str() == "asyncio" {
                        let local = alias.asname.as_ref().unwrap_or(&alias.name);
                        self.modules.push(local);
                    }
                }
            }
            Stmt::ImportFrom(import) if import.module.as_deref() == Some("asyncio") => {
                for alias in &import.names {
                    let local = alias.asname.as_ref().unwrap_or(&alias.name);
                    self.functions.push((local, &alias.name));
                }
            }
            _ => visitor::walk_stmt(self, stmt),
        }
    }

    fn visit_expr(&mut self, _: &'a Expr) {}
}

struct Rewriter<'s, 'a> {
    source: &'s str,
    scopes: &'s Scopes<'a>,
    edits: Edits,
    prelude: bool,
    modules: Vec<&'static str>,
    catches: bool,
    asyncio: Asyncio<'s>,
    out: bool,
    // How many functions and classes are around.
    functions: usize,
}

impl<'s> Rewriter<'s, '_> {
    /// Puts a call of a function of the prelude around an expression.
    fn wrap(&mut self, expr: &impl Ranged, function: &str) {
        self.prelude = true;
        self.edits
            .insert(expr.start().to_usize(), format!("{function}("));
        self.edits.close(expr.end().to_usize(), ")");
    }

    fn rewrite_call(&mut self, call: &'s ast::ExprCall) {
        match self.asyncio.function(&call.func) {
            Some("gather") if needs_own_gather(call) => {
                self.replace(&call.func, "__te_gather__");
            }
            Some("create_task" | "ensure_future" | "shield") => {
                self.replace(&call.func, "__te_task__");
            }
            _ => {}
        }
        let Expr::Name(name) = &*call.func else {
            return;
        };
        let arguments = &call.arguments.args;
        match (name.id.as_str(), &arguments[..]) {
            ("getattr" | "hasattr", [object, Expr::StringLiteral(field), ..])
                if self.catches && ERROR_FIELDS.contains(&field.value.to_str()) =>
            {
                self.wrap(object, "__te_error__");
            }
            (exception, _)
                if is_exception(exception)
                    && call.arguments.keywords.is_empty()
                    && !self.scopes.binds_anywhere(exception) =>
            {
                self.rewrite_exception(&call.arguments);
            }
            _ => {}
        }
    }

    /// An exception of the engine holds at most one string.
    fn rewrite_exception(&mut self, arguments: &ast::Arguments) {
        let (open, close) = match &arguments.args[..] {
            [] | [Expr::StringLiteral(_) | Expr::FString(_)] => return,
            [_] => ("str(", ")"),
            _ => ("str((", "))"),
        };
        if !arguments.args.iter().any(Expr::is_starred_expr) {
            // Between the parentheses of the call.
            let (start, end) = (arguments.start().to_usize(), arguments.end().to_usize());
            self.edits.insert(start + 1, open);
            self.edits.close(end - 1, close);
        }
    }

    fn replace(&mut self, expr: &Expr, text: &str) {
        self.prelude = true;
        self.edits
            .replace(expr.start().to_usize()..expr.end().to_usize(), text);
    }

    fn rewrite_del(&mut self, delete: &'s ast::StmtDelete) {
        let start = delete.start().to_usize();
        let rest = self.source.get(start + 3..).unwrap_or_default();
        let keyword = start..start + 3 + (rest.len() - rest.trim_start_matches([' ', '\t']).len());
        match &delete.targets[..] {
            [Expr::Name(_)] => {
                self.edits.replace(keyword, "");
                self.edits.close(delete.end().to_usize(), " = None");
            }
            [Expr::Subscript(subscript)] if subscript.slice.is_slice_expr() => {
                self.edits.replace(keyword, "");
                self.edits.close(delete.end().to_usize(), " = []");
            }
            targets if targets.iter().all(is_item) => {
                self.edits.replace(keyword, "");
                for target in targets {
                    if let Expr::Subscript(subscript) = target {
                        self.pop(subscript);
                    }
                }
            }
            // The engine says that it has no `del`.
            _ => {}
        }
    }

    /// `d[k]` becomes `d.pop((k))`.
    fn pop(&mut self, subscript: &ast::ExprSubscript) {
        let after = subscript.value.end().to_usize();
        let slice = subscript.slice.range();
        let open = self.source.get(after..slice.start().to_usize());
        let open = open.and_then(|between| between.rfind('[')).unwrap_or(0) + after;
        self.edits.replace(open..open + 1, ".pop((");
        let end = subscript.end().to_usize();
        self.edits.replace(end - 1..end, "))");
    }

    /// What `asyncio` has not is not imported either: its calls are rewritten.
    fn rewrite_import(&mut self, import: &'s ast::StmtImportFrom) {
        if import.module.as_deref() != Some("asyncio") {
            return;
        }
        for alias in &import.names {
            if matches!(
                alias.name.as_str(),
                "create_task" | "ensure_future" | "shield"
            ) {
                let span = alias.start().to_usize()..alias.end().to_usize();
                self.edits.replace(span, "sleep as __te_unused__");
            }
        }
    }

    fn bind_modules(&mut self, statement: &impl Ranged, import: Option<Import>) {
        if let Some(Import { text, modules }) = import {
            let span = statement.start().to_usize()..statement.end().to_usize();
            self.edits.replace(span, text);
            self.modules.extend(modules);
        }
    }

    /// A `return` of the module sets `__out` where the program uses that.
    fn rewrite_return(&mut self, stmt: &'s ast::StmtReturn) {
        let start = stmt.start().to_usize();
        if stmt.value.is_none() {
            self.edits.insert(start, "__out = None; ");
            return;
        }
        self.edits
            .replace(start..start + "return".len(), "__out = (");
        self.edits.close(stmt.end().to_usize(), "); return");
    }

    /// Makes the value of the last statement that of the program. Whether it is in [`LAST`].
    fn tail(&mut self, body: &'s [Stmt], top: bool) -> bool {
        match body.last() {
            Some(Stmt::Expr(last)) => {
                let awaits = if self.is_coroutine(&last.value) {
                    "await "
                } else {
                    ""
                };
                let start = last.value.start().to_usize();
                if top {
                    if !awaits.is_empty() {
                        self.edits.insert(start, awaits);
                    }
                    return false;
                }
                // The value may stand in parentheses.
                self.edits
                    .insert(last.start().to_usize(), format!("{LAST} = {awaits}("));
                self.edits.close(last.end().to_usize(), ")");
                true
            }
            Some(Stmt::If(choice)) => {
                let mut any = self.tail(&choice.body, false);
                for clause in &choice.elif_else_clauses {
                    any |= self.tail(&clause.body, false);
                }
                any
            }
            Some(Stmt::With(with)) => self.tail(&with.body, false),
            Some(Stmt::Try(block)) => {
                let mut any = if block.orelse.is_empty() {
                    self.tail(&block.body, false)
                } else {
                    self.tail(&block.orelse, false)
                };
                for ast::ExceptHandler::ExceptHandler(handler) in &block.handlers {
                    any |= self.tail(&handler.body, false);
                }
                any
            }
            _ => false,
        }
    }

    /// Whether an expression calls an `async def` of the module and does not await it.
    fn is_coroutine(&self, expr: &Expr) -> bool {
        let Expr::Call(call) = expr else {
            return false;
        };
        let Expr::Name(name) = &*call.func else {
            return false;
        };
        let bindings = self
            .scopes
            .lookup(&name.id, 0)
            .map(|(_, bindings)| bindings);
        matches!(bindings, Some([Binding::Function(id)])
            if self.scopes.functions.get(*id).is_some_and(|function| function.is_async))
    }
}

impl<'s> Visitor<'s> for Rewriter<'s, '_> {
    fn visit_stmt(&mut self, stmt: &'s Stmt) {
        match stmt {
            Stmt::FunctionDef(_) | Stmt::ClassDef(_) => {
                self.functions += 1;
                visitor::walk_stmt(self, stmt);
                self.functions -= 1;
                return;
            }
            Stmt::Delete(delete) => self.rewrite_del(delete),
            Stmt::Import(import) => {
                self.bind_modules(import, modules::import(self.source, import));
            }
            Stmt::ImportFrom(import) => {
                self.rewrite_import(import);
                self.bind_modules(import, modules::import_from(import));
            }
            Stmt::Return(stmt) if self.functions == 0 && self.out => self.rewrite_return(stmt),
            _ => {}
        }
        visitor::walk_stmt(self, stmt);
    }

    fn visit_expr(&mut self, expr: &'s Expr) {
        match expr {
            Expr::Await(awaited) if !awaited.value.is_call_expr() => {
                self.wrap(&*awaited.value, "__te_await__");
            }
            Expr::Call(call) => self.rewrite_call(call),
            // The engine has no exceptions of our own.
            Expr::Name(name)
                if name.id == "ToolError" && !self.scopes.binds_anywhere("ToolError") =>
            {
                let span = name.start().to_usize()..name.end().to_usize();
                self.edits.replace(span, "RuntimeError");
            }
            Expr::Attribute(attribute)
                if self.catches
                    && attribute.ctx.is_load()
                    && ERROR_FIELDS.contains(&attribute.attr.as_str())
                    && matches!(&*attribute.value, Expr::Name(_) | Expr::Subscript(_))
                    && !is_tools(&attribute.value) =>
            {
                self.wrap(&*attribute.value, "__te_error__");
            }
            _ => {}
        }
        visitor::walk_expr(self, expr);
    }

    // Types are not run as code.
    fn visit_annotation(&mut self, _: &'s Expr) {}
}

fn is_tools(expr: &Expr) -> bool {
    matches!(expr, Expr::Name(name) if name.id == "tools")
}

fn is_item(target: &Expr) -> bool {
    matches!(target, Expr::Subscript(subscript) if !subscript.slice.is_slice_expr())
}

/// Whether the engine's own `gather` may not do: keywords, or arguments that may be values.
fn needs_own_gather(call: &ast::ExprCall) -> bool {
    let unsure = |argument: &Expr| {
        let argument = match argument {
            Expr::Starred(starred) => &starred.value,
            other => other,
        };
        !matches!(argument, Expr::Call(call) if name_of(&call.func) != Some("values"))
    };
    !call.arguments.keywords.is_empty() || call.arguments.args.iter().any(unsure)
}

fn is_exception(name: &str) -> bool {
    name == "SystemExit"
        || name == "KeyboardInterrupt"
        || name == "StopIteration"
        || name == "ToolError"
        || name == "Exception"
        || name == "BaseException"
        || (name.ends_with("Error") && name.parse::<monty_types::ExcType>().is_ok())
}
