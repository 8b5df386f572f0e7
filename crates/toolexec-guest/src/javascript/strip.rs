//! Blanks what only TypeScript knows. What is left stands where it stood; enums and parameter
//! properties, which have a meaning when the program runs, are written out.

use std::fmt::Write;

use oxc::ast::ast::{
    AccessorProperty, ArrowFunctionExpression, Class, ClassElement, Decorator, Expression,
    FormalParameter, Function, FunctionBody, FunctionType, MethodDefinition, MethodDefinitionKind,
    MethodDefinitionType, Program, PropertyDefinition, PropertyDefinitionType, Statement,
    TSAsExpression, TSEnumDeclaration, TSEnumMemberName, TSExportAssignment,
    TSExternalModuleDeclaration, TSGlobalDeclaration, TSImportEqualsDeclaration, TSIndexSignature,
    TSInstantiationExpression, TSInterfaceDeclaration, TSNamespaceDeclaration, TSNonNullExpression,
    TSSatisfiesExpression, TSThisParameter, TSTypeAliasDeclaration, TSTypeAnnotation,
    TSTypeAssertion, TSTypeParameterDeclaration, TSTypeParameterInstantiation, VariableDeclaration,
    VariableDeclarator,
};
use oxc::ast_visit::{Visit, walk};
use oxc::span::{GetSpan, Span};
use oxc::syntax::scope::ScopeFlags;
use toolexec_wire::{Failure, FailureKind};

use super::parse::failure_at;
use crate::text::Edits;

/// Words before a member or a parameter that only the type checker reads.
const MODIFIERS: [&str; 7] = [
    "abstract",
    "declare",
    "override",
    "private",
    "protected",
    "public",
    "readonly",
];

/// Adds the edits that make JavaScript of a TypeScript program. What cannot be made is refused.
pub(super) fn strip(
    program: &Program<'_>,
    source: &str,
    edits: &mut Edits,
    refused: &mut Option<Box<Failure>>,
) {
    let mut strip = Strip {
        source,
        edits,
        refused,
    };
    strip.visit_program(program);
}

struct Strip<'s> {
    source: &'s str,
    edits: &'s mut Edits,
    refused: &'s mut Option<Box<Failure>>,
}

impl Strip<'_> {
    fn blank(&mut self, start: usize, end: usize) {
        self.edits.blank(self.source, start, end);
    }

    fn blank_span(&mut self, span: Span) {
        self.blank(span.start as usize, span.end as usize);
    }

    /// Blanks a statement; what stands before it does not go on with what comes after.
    fn blank_statement(&mut self, span: Span) {
        let (start, end) = (span.start as usize, span.end as usize);
        let Some(rest) = self.source.get(start..end) else {
            return;
        };
        let blank = rest
            .chars()
            .skip(1)
            .map(|c| if c == '\n' { c } else { ' ' });
        let text: String = std::iter::once(';').chain(blank).collect();
        self.edits.replace(start, end, text);
    }

    fn refuse(&mut self, span: Span, what: &str, instead: &str) {
        if self.refused.is_none() {
            let message = format!("{what} cannot be run");
            let kind = FailureKind::Unsupported;
            let mut failure = failure_at(self.source, span.start as usize, kind, message);
            failure.hints.push(instead.to_owned());
            *self.refused = Some(failure);
        }
    }

    /// Blanks the words before a member's name.
    fn modifiers(&mut self, from: u32, to: u32) {
        let (from, to) = (from as usize, to as usize);
        let Some(gap) = self.source.get(from..to) else {
            return;
        };
        let mut at = from;
        for word in gap.split_inclusive(|c: char| !c.is_ascii_alphabetic()) {
            let bare = word.trim_end_matches(|c: char| !c.is_ascii_alphabetic());
            if MODIFIERS.contains(&bare) {
                self.edits.blank(self.source, at, at + bare.len());
            }
            at += word.len();
        }
    }

    /// Blanks a `?` or `!` that follows a name.
    fn mark(&mut self, after: u32) {
        let after = after as usize;
        let rest = self.source.get(after..).unwrap_or_default();
        let found = rest.find(|c: char| !c.is_whitespace() && c != ']');
        if let Some(at) = found.filter(|at| rest[*at..].starts_with(['?', '!'])) {
            self.blank(after + at, after + at + 1);
        }
    }

    /// An arrow must stand on the line of its parameters: line breaks of types go too.
    fn remove_if_broken(&mut self, span: Span) {
        let (start, end) = (span.start as usize, span.end as usize);
        if self
            .source
            .get(start..end)
            .is_some_and(|text| text.contains('\n'))
        {
            self.edits.replace(start, end, " ");
        }
    }

    /// `constructor(private x)` also sets `this.x`.
    fn parameter_properties(&mut self, function: &Function<'_>) {
        let Some(body) = &function.body else {
            return;
        };
        let mut text = String::new();
        for parameter in &function.params.items {
            let is_property =
                parameter.accessibility.is_some() || parameter.readonly || parameter.r#override;
            if let Some(name) = parameter
                .pattern
                .get_identifier_name()
                .filter(|_| is_property)
            {
                let _ = write!(text, "this.{name} = {name};");
            }
        }
        if !text.is_empty() {
            self.edits.insert(after_super(body), text);
        }
    }

    fn write_enum(&mut self, it: &TSEnumDeclaration<'_>) {
        let name = it.id.name.as_str();
        let mut text = format!("var {name} = (({name}) => {{");
        let mut last: Option<String> = None;
        for member in &it.body.members {
            let key = match &member.id {
                TSEnumMemberName::Identifier(id) => id.name.as_str().to_owned(),
                TSEnumMemberName::String(id) | TSEnumMemberName::ComputedString(id) => {
                    id.value.as_str().unwrap_or_default().to_owned()
                }
                TSEnumMemberName::ComputedTemplateString(_) => {
                    return self.refuse(it.span, "an enum with computed names", "name its members");
                }
            };
            let key = serde_json::Value::from(key).to_string();
            let is_text = matches!(
                member.initializer,
                Some(Expression::StringLiteral(_) | Expression::TemplateLiteral(_))
            );
            let value = match (&member.initializer, &last) {
                (Some(value), _) => self.text(value.span()).to_owned(),
                (None, Some(last)) => format!("{name}[{last}] + 1"),
                (None, None) => "0".to_owned(),
            };
            let set = format!("{name}[{key}] = ({value})");
            let _ = if is_text {
                write!(text, "{set};")
            } else {
                write!(text, "{name}[{set}] = {key};")
            };
            // Members after it may name it.
            if let TSEnumMemberName::Identifier(id) = &member.id {
                let _ = write!(text, "const {} = {name}[{key}];", id.name);
            }
            last = Some(key);
        }
        let _ = write!(text, "return {name}; }})({{}});");
        self.edits
            .replace(it.span.start as usize, it.span.end as usize, text);
    }

    fn text(&self, span: Span) -> &str {
        self.source
            .get(span.start as usize..span.end as usize)
            .unwrap_or_default()
    }
}

/// Where `this` can be used first in a constructor.
fn after_super(body: &FunctionBody<'_>) -> usize {
    let is_super = |statement: &&Statement<'_>| match statement {
        Statement::ExpressionStatement(statement) => match &statement.expression {
            Expression::CallExpression(call) => matches!(call.callee, Expression::Super(_)),
            _ => false,
        },
        _ => false,
    };
    match body.statements.iter().find(is_super) {
        Some(call) => call.span().end as usize,
        None => body.span.start as usize + 1,
    }
}

impl<'a> Visit<'a> for Strip<'_> {
    fn visit_ts_type_annotation(&mut self, it: &TSTypeAnnotation<'a>) {
        let start = it.span.start as usize;
        let before = self.source.get(..start).unwrap_or_default().trim_end();
        let colon = if self.source[start..].starts_with(':') || !before.ends_with(':') {
            start
        } else {
            before.len() - 1
        };
        self.blank(colon, it.span.end as usize);
    }

    fn visit_ts_type_parameter_declaration(&mut self, it: &TSTypeParameterDeclaration<'a>) {
        self.blank_span(it.span);
    }

    fn visit_ts_type_parameter_instantiation(&mut self, it: &TSTypeParameterInstantiation<'a>) {
        self.blank_span(it.span);
    }

    fn visit_ts_interface_declaration(&mut self, it: &TSInterfaceDeclaration<'a>) {
        self.blank_statement(it.span);
    }

    fn visit_ts_type_alias_declaration(&mut self, it: &TSTypeAliasDeclaration<'a>) {
        self.blank_statement(it.span);
    }

    fn visit_ts_global_declaration(&mut self, it: &TSGlobalDeclaration<'a>) {
        self.blank_statement(it.span);
    }

    fn visit_ts_external_module_declaration(&mut self, it: &TSExternalModuleDeclaration<'a>) {
        self.blank_statement(it.span);
    }

    fn visit_ts_namespace_declaration(&mut self, it: &TSNamespaceDeclaration<'a>) {
        if it.declare {
            self.blank_statement(it.span);
        } else {
            self.refuse(it.span, "a namespace", "use an object, or plain functions");
        }
    }

    fn visit_ts_import_equals_declaration(&mut self, it: &TSImportEqualsDeclaration<'a>) {
        self.refuse(it.span, "`import =`", "there are no modules to import");
    }

    fn visit_ts_export_assignment(&mut self, it: &TSExportAssignment<'a>) {
        self.refuse(
            it.span,
            "`export =`",
            "use `return` for the value of the program",
        );
    }

    fn visit_decorator(&mut self, it: &Decorator<'a>) {
        self.refuse(it.span, "a decorator", "call the function that it names");
    }

    fn visit_ts_enum_declaration(&mut self, it: &TSEnumDeclaration<'a>) {
        if it.declare {
            self.blank_statement(it.span);
        } else {
            self.write_enum(it);
        }
    }

    fn visit_ts_as_expression(&mut self, it: &TSAsExpression<'a>) {
        self.blank(it.expression.span().end as usize, it.span.end as usize);
        self.visit_expression(&it.expression);
    }

    fn visit_ts_satisfies_expression(&mut self, it: &TSSatisfiesExpression<'a>) {
        self.blank(it.expression.span().end as usize, it.span.end as usize);
        self.visit_expression(&it.expression);
    }

    fn visit_ts_non_null_expression(&mut self, it: &TSNonNullExpression<'a>) {
        self.blank(it.expression.span().end as usize, it.span.end as usize);
        self.visit_expression(&it.expression);
    }

    fn visit_ts_type_assertion(&mut self, it: &TSTypeAssertion<'a>) {
        self.blank(it.span.start as usize, it.expression.span().start as usize);
        self.visit_expression(&it.expression);
    }

    fn visit_ts_instantiation_expression(&mut self, it: &TSInstantiationExpression<'a>) {
        walk::walk_ts_instantiation_expression(self, it);
    }

    fn visit_ts_this_parameter(&mut self, it: &TSThisParameter<'a>) {
        let end = it.span.end as usize;
        let rest = self.source.get(end..).unwrap_or_default();
        let comma = rest
            .find(|c: char| !c.is_whitespace())
            .filter(|at| rest[*at..].starts_with(','));
        self.blank(it.span.start as usize, comma.map_or(end, |at| end + at + 1));
    }

    fn visit_ts_index_signature(&mut self, it: &TSIndexSignature<'a>) {
        self.blank_span(it.span);
    }

    fn visit_variable_declaration(&mut self, it: &VariableDeclaration<'a>) {
        if it.declare {
            self.blank_statement(it.span);
        } else {
            walk::walk_variable_declaration(self, it);
        }
    }

    fn visit_variable_declarator(&mut self, it: &VariableDeclarator<'a>) {
        if it.definite {
            self.mark(it.id.span().end);
        }
        walk::walk_variable_declarator(self, it);
    }

    fn visit_formal_parameter(&mut self, it: &FormalParameter<'a>) {
        self.modifiers(it.span.start, it.pattern.span().start);
        if it.optional {
            self.mark(it.pattern.span().end);
        }
        walk::walk_formal_parameter(self, it);
    }

    fn visit_function(&mut self, it: &Function<'a>, flags: ScopeFlags) {
        // An overload, or something declared.
        if it.declare || it.body.is_none() && it.r#type != FunctionType::FunctionExpression {
            return self.blank_statement(it.span);
        }
        walk::walk_function(self, it, flags);
    }

    fn visit_arrow_function_expression(&mut self, it: &ArrowFunctionExpression<'a>) {
        if let Some(types) = &it.type_parameters {
            self.remove_if_broken(types.span);
        }
        if let Some(types) = &it.return_type {
            self.remove_if_broken(types.span);
        }
        walk::walk_arrow_function_expression(self, it);
    }

    fn visit_class(&mut self, it: &Class<'a>) {
        if it.declare {
            return self.blank_statement(it.span);
        }
        if it.r#abstract {
            let class = self.text(it.span).find("class").unwrap_or_default();
            self.modifiers(
                it.span.start,
                it.span.start + u32::try_from(class).unwrap_or_default(),
            );
        }
        if let (Some(first), Some(last)) = (it.implements.first(), it.implements.last()) {
            let before = self
                .source
                .get(..first.span.start as usize)
                .unwrap_or_default();
            let word = before.rfind("implements").unwrap_or(before.len());
            self.blank(word, last.span.end as usize);
        }
        walk::walk_class(self, it);
    }

    fn visit_class_element(&mut self, it: &ClassElement<'a>) {
        walk::walk_class_element(self, it);
    }

    fn visit_method_definition(&mut self, it: &MethodDefinition<'a>) {
        let is_abstract = it.r#type == MethodDefinitionType::TSAbstractMethodDefinition;
        if is_abstract || it.value.body.is_none() {
            return self.blank_span(it.span);
        }
        self.modifiers(it.span.start, it.key.span().start);
        if it.optional {
            self.mark(it.key.span().end);
        }
        if it.kind == MethodDefinitionKind::Constructor {
            self.parameter_properties(&it.value);
        }
        walk::walk_method_definition(self, it);
    }

    fn visit_property_definition(&mut self, it: &PropertyDefinition<'a>) {
        let is_abstract = it.r#type == PropertyDefinitionType::TSAbstractPropertyDefinition;
        if is_abstract || it.declare {
            return self.blank_span(it.span);
        }
        self.modifiers(it.span.start, it.key.span().start);
        if it.optional || it.definite {
            self.mark(it.key.span().end);
        }
        walk::walk_property_definition(self, it);
    }

    fn visit_accessor_property(&mut self, it: &AccessorProperty<'a>) {
        self.refuse(it.span, "an `accessor` field", "use a plain field");
    }
}
