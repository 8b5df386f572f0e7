//! Which names a program binds, where and to what, as far as can be seen.

use std::collections::HashMap;

use ruff_python_ast::visitor::{self, Visitor};
use ruff_python_ast::{self as ast, Expr, Stmt};
use ruff_text_size::Ranged;

/// A scope: the module, a function, a lambda or a comprehension.
pub(super) type ScopeId = usize;

/// What a name is bound to.
#[derive(Debug, Clone)]
pub(super) enum Binding<'a> {
    /// A value, or a part of it.
    Value(&'a Expr, Vec<Part>),
    /// A function.
    Function(FunctionId),
    /// A parameter of a function.
    Parameter(FunctionId, usize),
    /// Something that cannot be looked into: a class, a module, an exception.
    Other,
}

/// A step into a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    /// What a loop over it gives.
    Element,
    /// What unpacking gives at an index.
    Index(usize),
}

pub(super) type FunctionId = usize;

/// A function of the program.
#[derive(Debug)]
pub(super) struct Function<'a> {
    pub(super) name: &'a str,
    pub(super) is_async: bool,
    pub(super) scope: ScopeId,
    pub(super) returns: Vec<&'a Expr>,
    /// Its parameters by position.
    pub(super) parameters: Vec<&'a str>,
    /// Whether it is a method of a class.
    pub(super) method: bool,
}

#[derive(Debug, Default)]
struct Scope<'a> {
    parent: Option<ScopeId>,
    names: HashMap<&'a str, Vec<Binding<'a>>>,
    // Names that `global` and `nonlocal` bind elsewhere.
    outer: Vec<&'a str>,
    class: bool,
}

/// All scopes of a program.
#[derive(Debug, Default)]
pub(super) struct Scopes<'a> {
    all: Vec<Scope<'a>>,
    pub(super) functions: Vec<Function<'a>>,
    /// Every call with the scope it stands in.
    pub(super) calls: Vec<(&'a ast::ExprCall, ScopeId)>,
    /// Every awaited expression with the scope it stands in.
    pub(super) awaited: Vec<(&'a Expr, ScopeId)>,
    // By the start and end of the lambda or comprehension.
    inner: HashMap<(u32, u32), ScopeId>,
}

impl<'a> Scopes<'a> {
    pub(super) fn of(body: &'a [Stmt]) -> Self {
        let mut collector = Collector {
            scopes: Self {
                all: vec![Scope::default()],
                ..Self::default()
            },
            current: 0,
            function: None,
        };
        collector.visit_body(body);
        collector.scopes
    }

    /// What a name, seen from a scope, may be bound to, and the scope of the binding.
    pub(super) fn lookup(&self, name: &str, from: ScopeId) -> Option<(ScopeId, &[Binding<'a>])> {
        let mut at = Some(from);
        while let Some(id) = at {
            let scope = self.all.get(id)?;
            let hidden = scope.class && id != from;
            if let Some(bindings) = scope.names.get(name).filter(|_| !hidden) {
                return Some((id, bindings));
            }
            at = scope.parent;
        }
        None
    }

    /// Whether the program binds a name in its module.
    pub(super) fn binds(&self, name: &str) -> bool {
        self.all
            .first()
            .is_some_and(|module| module.names.contains_key(name))
    }

    /// Whether the program binds a name anywhere.
    pub(super) fn binds_anywhere(&self, name: &str) -> bool {
        self.all.iter().any(|scope| scope.names.contains_key(name))
    }

    /// The scope inside a lambda or a comprehension.
    pub(super) fn inside(&self, expr: &Expr, outer: ScopeId) -> ScopeId {
        self.inner.get(&key(expr)).copied().unwrap_or(outer)
    }
}

fn key(expr: &Expr) -> (u32, u32) {
    (expr.start().to_u32(), expr.end().to_u32())
}

struct Collector<'a> {
    scopes: Scopes<'a>,
    current: ScopeId,
    function: Option<FunctionId>,
}

impl<'a> Collector<'a> {
    fn bind(&mut self, name: &'a str, binding: Binding<'a>) {
        let mut at = self.current;
        while let Some(scope) = self.scopes.all.get(at)
            && scope.outer.contains(&name)
            && let Some(parent) = scope.parent
        {
            at = parent;
        }
        if let Some(scope) = self.scopes.all.get_mut(at) {
            scope.names.entry(name).or_default().push(binding);
        }
    }

    fn bind_target(&mut self, target: &'a Expr, value: &'a Expr, parts: &[Part]) {
        match target {
            Expr::Name(name) => self.bind(&name.id, Binding::Value(value, parts.to_vec())),
            Expr::Starred(starred) => self.bind_target(&starred.value, value, parts),
            Expr::Tuple(ast::ExprTuple { elts, .. }) | Expr::List(ast::ExprList { elts, .. }) => {
                for (index, target) in elts.iter().enumerate() {
                    let mut parts = parts.to_vec();
                    parts.push(Part::Index(index));
                    self.bind_target(target, value, &parts);
                }
            }
            // What is put into a container is as good as assigned to it.
            Expr::Subscript(subscript) => self.bind_target(&subscript.value, value, parts),
            _ => {}
        }
    }

    fn push(&mut self, class: bool) -> ScopeId {
        let id = self.scopes.all.len();
        self.scopes.all.push(Scope {
            parent: Some(self.current),
            class,
            ..Scope::default()
        });
        id
    }

    fn function(&mut self, def: &'a ast::StmtFunctionDef) {
        let id = self.scopes.functions.len();
        let method = self
            .scopes
            .all
            .get(self.current)
            .is_some_and(|scope| scope.class);
        self.bind(&def.name, Binding::Function(id));
        for decorator in &def.decorator_list {
            self.visit_decorator(decorator);
        }
        self.visit_defaults(&def.parameters);
        let scope = self.push(false);
        let parameters: Vec<_> = def
            .parameters
            .posonlyargs
            .iter()
            .chain(&def.parameters.args)
            .map(|parameter| parameter.parameter.name.as_str())
            .collect();
        self.scopes.functions.push(Function {
            name: &def.name,
            is_async: def.is_async,
            scope,
            returns: Vec::new(),
            parameters: parameters.clone(),
            method,
        });
        let outer = (self.current, self.function);
        (self.current, self.function) = (scope, Some(id));
        for (index, name) in parameters.into_iter().enumerate() {
            self.bind(name, Binding::Parameter(id, index));
        }
        self.bind_rest(&def.parameters);
        self.visit_body(&def.body);
        (self.current, self.function) = outer;
    }

    /// Parameters that no position leads to hide outer names all the same.
    fn bind_rest(&mut self, parameters: &'a ast::Parameters) {
        let rest = parameters
            .kwonlyargs
            .iter()
            .map(|parameter| &parameter.parameter)
            .chain(parameters.vararg.as_deref())
            .chain(parameters.kwarg.as_deref());
        for parameter in rest {
            if let Some(scope) = self.scopes.all.get_mut(self.current) {
                scope.names.entry(parameter.name.as_str()).or_default();
            }
        }
    }

    fn visit_defaults(&mut self, parameters: &'a ast::Parameters) {
        for parameter in parameters.iter_non_variadic_params() {
            if let Some(default) = &parameter.default {
                self.visit_expr(default);
            }
        }
    }

    fn comprehension(&mut self, expr: &'a Expr, generators: &'a [ast::Comprehension]) {
        let scope = self.push(false);
        self.scopes.inner.insert(key(expr), scope);
        let outer = std::mem::replace(&mut self.current, scope);
        for generator in generators {
            self.bind_target(&generator.target, &generator.iter, &[Part::Element]);
        }
        visitor::walk_expr(self, expr);
        self.current = outer;
    }

    fn lambda(&mut self, expr: &'a Expr, lambda: &'a ast::ExprLambda) {
        let scope = self.push(false);
        self.scopes.inner.insert(key(expr), scope);
        let outer = std::mem::replace(&mut self.current, scope);
        if let Some(parameters) = &lambda.parameters {
            for parameter in parameters.iter_non_variadic_params() {
                let name = parameter.parameter.name.as_str();
                if let Some(scope) = self.scopes.all.get_mut(scope) {
                    scope.names.entry(name).or_default();
                }
            }
            self.bind_rest(parameters);
        }
        visitor::walk_expr(self, expr);
        self.current = outer;
    }

    /// `tasks.append(value)` and its like bind as an assignment does.
    fn growth(&mut self, call: &'a ast::ExprCall) {
        if let Expr::Attribute(method) = &*call.func
            && matches!(
                &*method.attr,
                "append" | "add" | "extend" | "insert" | "appendleft"
            )
            && let Some(value) = call.arguments.args.last()
            && let Expr::Name(name) = &*method.value
        {
            let Some((scope, _)) = self.scopes.lookup(&name.id, self.current) else {
                return;
            };
            if let Some(scope) = self.scopes.all.get_mut(scope) {
                let binding = Binding::Value(value, Vec::new());
                scope.names.entry(&name.id).or_default().push(binding);
            }
        }
    }
}

impl<'a> Visitor<'a> for Collector<'a> {
    fn visit_stmt(&mut self, stmt: &'a Stmt) {
        match stmt {
            Stmt::FunctionDef(def) => return self.function(def),
            Stmt::ClassDef(class) => {
                self.bind(&class.name, Binding::Other);
                let scope = self.push(true);
                let outer = std::mem::replace(&mut self.current, scope);
                visitor::walk_stmt(self, stmt);
                self.current = outer;
                return;
            }
            Stmt::Assign(assign) => {
                for target in &assign.targets {
                    self.bind_target(target, &assign.value, &[]);
                }
            }
            Stmt::AugAssign(assign) => self.bind_target(&assign.target, &assign.value, &[]),
            Stmt::AnnAssign(assign) => {
                if let Some(value) = &assign.value {
                    self.bind_target(&assign.target, value, &[]);
                }
            }
            Stmt::For(for_loop) => {
                self.bind_target(&for_loop.target, &for_loop.iter, &[Part::Element]);
            }
            Stmt::Return(ast::StmtReturn {
                value: Some(value), ..
            }) => {
                let function = self.function;
                if let Some(function) = function.and_then(|id| self.scopes.functions.get_mut(id)) {
                    function.returns.push(value);
                }
            }
            Stmt::Global(ast::StmtGlobal { names, .. })
            | Stmt::Nonlocal(ast::StmtNonlocal { names, .. }) => {
                if let Some(scope) = self.scopes.all.get_mut(self.current) {
                    scope
                        .outer
                        .extend(names.iter().map(ast::Identifier::as_str));
                }
            }
            Stmt::Import(ast::StmtImport { names, .. })
            | Stmt::ImportFrom(ast::StmtImportFrom { names, .. }) => {
                for alias in names {
                    let name = alias.asname.as_ref().unwrap_or(&alias.name).as_str();
                    let name = name.split('.').next().unwrap_or(name);
                    self.bind(name, Binding::Other);
                }
            }
            Stmt::With(with) => {
                for item in &with.items {
                    if let Some(target) = &item.optional_vars {
                        self.bind_target(target, &item.context_expr, &[Part::Element]);
                    }
                }
            }
            _ => {}
        }
        visitor::walk_stmt(self, stmt);
    }

    fn visit_except_handler(&mut self, handler: &'a ast::ExceptHandler) {
        let ast::ExceptHandler::ExceptHandler(inner) = handler;
        if let Some(name) = &inner.name {
            self.bind(name, Binding::Other);
        }
        visitor::walk_except_handler(self, handler);
    }

    fn visit_expr(&mut self, expr: &'a Expr) {
        match expr {
            Expr::Await(awaited) => self.scopes.awaited.push((&awaited.value, self.current)),
            Expr::Call(call) => {
                self.scopes.calls.push((call, self.current));
                self.growth(call);
            }
            Expr::Named(named) => self.bind_target(&named.target, &named.value, &[]),
            Expr::ListComp(ast::ExprListComp { generators, .. })
            | Expr::SetComp(ast::ExprSetComp { generators, .. })
            | Expr::Generator(ast::ExprGenerator { generators, .. }) => {
                return self.comprehension(expr, generators);
            }
            Expr::DictComp(comp) => return self.comprehension(expr, &comp.generators),
            Expr::Lambda(lambda) => return self.lambda(expr, lambda),
            _ => {}
        }
        visitor::walk_expr(self, expr);
    }
}
