//! From a program as written to the text that the engine runs: a script with top-level `await`,
//! whose completion is the value.
//!
//! - a `return` at the top leaves a labelled block around the program;
//! - `import` of the module `tools` becomes a constant, and `export` is left out;
//! - in a session that keeps its variables, those of the top are declared so that they stay;
//! - types are blanked, and enums written out ([`super::strip`]).

use oxc::ast::ast::{
    ArrowFunctionExpression, Class, Declaration, ExportAllDeclaration, ExportDeclaration,
    ExportDefaultDeclaration, ExportFromDeclaration, ExportNamedDeclaration, Function,
    ImportDeclaration, ImportDeclarationSpecifier, ImportExpression, ImportMeta,
    ImportOrExportKind, ModuleExportName, Program, ReturnStatement, Statement, VariableDeclaration,
    VariableDeclarationKind,
};
use oxc::ast_visit::{Visit, walk};
use oxc::span::GetSpan;
use oxc::syntax::scope::ScopeFlags;
use toolexec_wire::{Failure, FailureKind, Start};

use super::parse::failure_at;
use super::{parse, strip};
use crate::text::{Derived, Edits};

/// The label of the block that a `return` leaves.
pub(super) const LABEL: &str = "$program";

/// The text to run, made from a program in JavaScript or TypeScript.
pub(super) fn prepare(
    source: &str,
    typescript: bool,
    start: &Start,
) -> Result<Derived, Box<Failure>> {
    let prepared = parse::with_program(source, typescript, |program| {
        let mut prepare = Prepare::new(source, start.keep);
        prepare.program(program);
        if typescript {
            strip::strip(program, source, &mut prepare.edits, &mut prepare.refused);
        }
        prepare.finish()
    });
    match prepared {
        Ok(prepared) => prepared,
        Err(problems) => Err(first(problems)),
    }
}

/// Of many problems, the first is told, with the number of the others.
pub(super) fn first(mut problems: Vec<Failure>) -> Box<Failure> {
    let more = problems.len().saturating_sub(1);
    let mut first = Box::new(if problems.is_empty() {
        Failure::default()
    } else {
        problems.swap_remove(0)
    });
    if more > 0 {
        first
            .hints
            .push(format!("{more} more problems follow in the text"));
    }
    first
}

struct Prepare<'s> {
    source: &'s str,
    keep: bool,
    edits: Edits,
    refused: Option<Box<Failure>>,
    // How many functions there are around.
    functions: usize,
    returns: bool,
}

impl<'s> Prepare<'s> {
    fn new(source: &'s str, keep: bool) -> Self {
        Self {
            source,
            keep,
            edits: Edits::default(),
            refused: None,
            functions: 0,
            returns: false,
        }
    }

    fn program(&mut self, program: &Program<'_>) {
        if let Some(hashbang) = &program.hashbang {
            let span = hashbang.span;
            self.edits
                .blank(self.source, span.start as usize, span.end as usize);
        }
        if self.keep {
            for statement in &program.body {
                self.stay(statement);
            }
        }
        self.visit_program(program);
    }

    fn finish(mut self) -> Result<Derived, Box<Failure>> {
        if let Some(refused) = self.refused {
            return Err(refused);
        }
        if self.returns {
            // The edits are sorted by place, and those of one place stay in order.
            let mut edits = Edits::default();
            edits.insert(0, format!("{LABEL}:{{"));
            edits.append(self.edits);
            edits.insert(self.source.len(), "\n}");
            self.edits = edits;
        }
        Ok(self.edits.apply(self.source))
    }

    /// Declares a variable of the top so that it is there for the next program.
    fn stay(&mut self, statement: &Statement<'_>) {
        match statement {
            Statement::VariableDeclaration(variable) => self.stay_variable(variable),
            Statement::ClassDeclaration(class) => self.stay_class(class),
            Statement::ExportDeclaration(export) => match &export.declaration {
                Declaration::VariableDeclaration(variable) => self.stay_variable(variable),
                Declaration::ClassDeclaration(class) => self.stay_class(class),
                _ => {}
            },
            _ => {}
        }
    }

    fn stay_variable(&mut self, variable: &VariableDeclaration<'_>) {
        let start = variable.span.start as usize;
        match variable.kind {
            VariableDeclarationKind::Let => self.edits.replace(start, start + 3, "var"),
            VariableDeclarationKind::Const => self.edits.replace(start, start + 5, "var  "),
            _ => {}
        }
    }

    fn stay_class(&mut self, class: &Class<'_>) {
        if let Some(id) = class.id.as_ref().filter(|_| !class.declare) {
            self.edits
                .insert(class.span.start as usize, format!("var {} = ", id.name));
        }
    }

    fn refuse(&mut self, offset: u32, message: String, hint: &str) {
        if self.refused.is_none() {
            let kind = FailureKind::Unsupported;
            let mut failure = failure_at(self.source, offset as usize, kind, message);
            failure.hints.push(hint.to_owned());
            self.refused = Some(failure);
        }
    }

    fn refuse_module(&mut self, offset: u32, name: &str) {
        self.refuse(
            offset,
            format!("there is no module `{name}`"),
            "a program has the built-in objects of the language and `tools`; files, network and \
             packages are reached through tools, which `await search(\"words\")` finds",
        );
    }

    fn import(&mut self, import: &ImportDeclaration<'_>) {
        let (start, end) = (import.span.start as usize, import.span.end as usize);
        if import.import_kind == ImportOrExportKind::Type {
            return self.edits.blank(self.source, start, end);
        }
        let name = import.source.value.as_str().unwrap_or_default();
        if !matches!(name, "tools" | "toolexec") {
            return self.refuse_module(import.span.start, name);
        }
        let mut text = String::new();
        for specifier in import.specifiers.iter().flatten() {
            text.push_str(&imported(
                specifier,
                if self.keep { "var" } else { "const" },
            ));
        }
        self.edits.replace(start, end, text);
    }
}

pub(super) fn imported(specifier: &ImportDeclarationSpecifier<'_>, declare: &str) -> String {
    const MODULE: &str = "$toolexec.module(\"tools\")";
    match specifier {
        ImportDeclarationSpecifier::ImportSpecifier(one)
            if one.import_kind == ImportOrExportKind::Type =>
        {
            String::new()
        }
        ImportDeclarationSpecifier::ImportSpecifier(one) => {
            let name = match &one.imported {
                ModuleExportName::IdentifierName(name) => name.name.as_str(),
                ModuleExportName::IdentifierReference(name) => name.name.as_str(),
                ModuleExportName::StringLiteral(name) => name.value.as_str().unwrap_or_default(),
            };
            format!("{declare} {} = {MODULE}[{name:?}];", one.local.name)
        }
        ImportDeclarationSpecifier::ImportDefaultSpecifier(one) => {
            format!("{declare} {} = {MODULE}.tools;", one.local.name)
        }
        ImportDeclarationSpecifier::ImportNamespaceSpecifier(one) => {
            format!("{declare} {} = {MODULE};", one.local.name)
        }
    }
}

impl<'a> Visit<'a> for Prepare<'_> {
    fn visit_function(&mut self, it: &Function<'a>, flags: ScopeFlags) {
        self.functions += 1;
        walk::walk_function(self, it, flags);
        self.functions -= 1;
    }

    fn visit_arrow_function_expression(&mut self, it: &ArrowFunctionExpression<'a>) {
        self.functions += 1;
        walk::walk_arrow_function_expression(self, it);
        self.functions -= 1;
    }

    fn visit_return_statement(&mut self, it: &ReturnStatement<'a>) {
        if self.functions == 0 {
            self.returns = true;
            let (start, end) = (it.span.start as usize, it.span.end as usize);
            let (argument, argument_end) = match &it.argument {
                Some(argument) => {
                    let span = argument.span();
                    (span.start as usize, span.end as usize)
                }
                None => (end, end),
            };
            self.edits.replace(start, argument, "{$toolexec.give(");
            self.edits
                .replace(argument_end, end, format!(");break {LABEL};}}"));
        }
        walk::walk_return_statement(self, it);
    }

    fn visit_import_declaration(&mut self, it: &ImportDeclaration<'a>) {
        self.import(it);
    }

    fn visit_import_expression(&mut self, it: &ImportExpression<'a>) {
        let start = it.span.start as usize;
        let text = "(async(name)=>$toolexec.module(name))";
        self.edits.replace(start, start + "import".len(), text);
        walk::walk_import_expression(self, it);
    }

    fn visit_import_meta(&mut self, it: &ImportMeta) {
        self.edits
            .replace(it.span.start as usize, it.span.end as usize, "({})");
    }

    fn visit_export_declaration(&mut self, it: &ExportDeclaration<'a>) {
        let declaration = it.declaration.span().start as usize;
        self.edits
            .blank(self.source, it.span.start as usize, declaration);
        walk::walk_export_declaration(self, it);
    }

    fn visit_export_default_declaration(&mut self, it: &ExportDefaultDeclaration<'a>) {
        let declaration = it.declaration.span().start as usize;
        self.edits
            .replace(it.span.start as usize, declaration, "__out = ");
        walk::walk_export_default_declaration(self, it);
    }

    fn visit_export_named_declaration(&mut self, it: &ExportNamedDeclaration<'a>) {
        self.edits
            .blank(self.source, it.span.start as usize, it.span.end as usize);
    }

    fn visit_export_from_declaration(&mut self, it: &ExportFromDeclaration<'a>) {
        self.refuse_module(it.span.start, it.source.value.as_str().unwrap_or_default());
    }

    fn visit_export_all_declaration(&mut self, it: &ExportAllDeclaration<'a>) {
        self.refuse_module(it.span.start, it.source.value.as_str().unwrap_or_default());
    }
}
