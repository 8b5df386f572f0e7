//! Programs for Node: modules of its own, in which only the value needs words of ours.

use oxc::ast::ast::{
    ArrowFunctionExpression, ExportDeclaration, ExportDefaultDeclaration, ExportNamedDeclaration,
    Function, ImportDeclaration, ImportOrExportKind, Program, ReturnStatement, Statement,
};
use oxc::ast_visit::{Visit, walk};
use oxc::span::GetSpan;
use oxc::syntax::scope::ScopeFlags;
use toolexec_wire::{Failure, SeenCall};

use super::prepare::{LABEL, first, imported};
use super::{calls, parse};
use crate::text::{Derived, Edits};

/// The module that Node runs.
pub(crate) fn for_node(source: &str) -> Result<Derived, Box<Failure>> {
    let made = parse::with_program(source, false, |program| {
        let mut made = Module {
            source,
            edits: Edits::default(),
            imports: String::new(),
            functions: 0,
            returns: false,
        };
        made.program(program);
        made.finish()
    });
    made.map_err(first)
}

/// What is wrong with a program for Node, and the calls in it.
pub(crate) fn check_for_node(source: &str) -> (Vec<Failure>, Vec<SeenCall>) {
    match parse::with_program(source, false, calls::calls) {
        Ok(seen) => (Vec::new(), calls::placed(source, seen)),
        Err(problems) => (problems, Vec::new()),
    }
}

struct Module<'s> {
    source: &'s str,
    edits: Edits,
    // They stand before the block that a `return` leaves.
    imports: String,
    // How many functions there are around.
    functions: usize,
    returns: bool,
}

impl Module<'_> {
    fn program(&mut self, program: &Program<'_>) {
        if let Some(hashbang) = &program.hashbang {
            let span = hashbang.span;
            self.edits
                .blank(self.source, span.start as usize, span.end as usize);
        }
        if let Some(Statement::ExpressionStatement(last)) = program.body.last() {
            let span = last.expression.span();
            self.edits.insert(span.start as usize, "$toolexec.last(");
            self.edits.insert(span.end as usize, ")");
        }
        self.visit_program(program);
    }

    fn finish(self) -> Derived {
        let mut edits = Edits::default();
        let block = if self.returns {
            format!("{LABEL}:{{")
        } else {
            String::new()
        };
        edits.insert(0, format!("{}{block}", self.imports));
        edits.append(self.edits);
        if self.returns {
            edits.insert(self.source.len(), "\n}");
        }
        edits.apply(self.source)
    }
}

impl<'a> Visit<'a> for Module<'_> {
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
            let argument = it.argument.as_ref().map(GetSpan::span);
            let (from, to) =
                argument.map_or((end, end), |span| (span.start as usize, span.end as usize));
            self.edits.replace(start, from, "{$toolexec.give(");
            self.edits.replace(to, end, format!(");break {LABEL};}}"));
        }
        walk::walk_return_statement(self, it);
    }

    fn visit_import_declaration(&mut self, it: &ImportDeclaration<'a>) {
        let (start, end) = (it.span.start as usize, it.span.end as usize);
        let name = it.source.value.as_str().unwrap_or_default();
        if matches!(name, "tools" | "toolexec") {
            for specifier in it.specifiers.iter().flatten() {
                self.imports.push_str(&imported(specifier, "const"));
            }
        } else if it.import_kind != ImportOrExportKind::Type {
            // On one line, so that nothing after it moves.
            let text = self.source.get(start..end).unwrap_or_default();
            self.imports.push_str(&text.replace(['\n', '\r'], " "));
            self.imports.push(';');
        }
        self.edits.blank(self.source, start, end);
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
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_becomes_a_module() {
        let source = "import fs from 'node:fs';\nimport {\n  run,\n} from 'tools'\nif (x) return 1\nawait f(y)";
        assert_eq!(
            for_node(source).unwrap().text,
            "import fs from 'node:fs';;const run = $toolexec.module(\"tools\")[\"run\"];$program:{                         \n        \n      \n              \nif (x) {$toolexec.give(1);break $program;}\n$toolexec.last(await f(y))\n}"
        );
    }
}
