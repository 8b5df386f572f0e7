//! Tools as typed functions, grouped by namespace, with the types they share.

use std::collections::{BTreeMap, HashMap};

use super::lower::{Lowered, lower};
use super::model::{Doc, Named, Type};
use super::names::{Taken, pascal};
use crate::id::ToolKey;
use crate::tool::Tool;

/// Tools as typed functions.
#[derive(Debug)]
pub(crate) struct Catalog {
    pub(crate) namespaces: Vec<Namespace>,
    /// What [`Type::Named`] points to, each under its final name.
    pub(crate) named: Vec<Named>,
    /// The names that are given: of shared types, and what nobody may be called.
    pub(crate) taken: Taken,
}

/// The tools of one namespace, by name.
#[derive(Debug)]
pub(crate) struct Namespace {
    /// Empty for tools without one.
    pub(crate) name: String,
    pub(crate) tools: Vec<Function>,
}

/// A tool as a typed function.
#[derive(Debug)]
pub(crate) struct Function {
    pub(crate) key: ToolKey,
    /// What its description says.
    pub(crate) doc: Doc,
    pub(crate) input: Type,
    /// `None` when the tool does not say what it answers.
    pub(crate) output: Option<Type>,
}

impl Catalog {
    /// Of each tool the highest version is taken.
    pub(crate) fn of<'t>(tools: impl IntoIterator<Item = &'t Tool>, reserved: &[&str]) -> Self {
        let mut highest: BTreeMap<&ToolKey, &Tool> = BTreeMap::new();
        for tool in tools {
            let known = highest.entry(tool.id.key()).or_insert(tool);
            if known.id < tool.id {
                *known = tool;
            }
        }
        let mut taken = Taken::new(reserved);
        for key in highest.keys() {
            taken.reserve(key.name());
            taken.reserve(key.namespace());
        }
        let mut builder = Builder {
            catalog: Self {
                namespaces: Vec::new(),
                named: Vec::new(),
                taken,
            },
            shared: HashMap::new(),
        };
        // Keys order by namespace, then name.
        for tool in highest.into_values() {
            builder.add(tool);
        }
        builder.catalog
    }
}

/// One tool, and the types it names.
pub(crate) fn single(tool: &Tool, reserved: &[&str]) -> (Function, Vec<Named>) {
    let mut catalog = Catalog::of([tool], reserved);
    let function = catalog.namespaces.pop().and_then(|mut all| all.tools.pop());
    // A catalog of one tool has one function.
    let function = function.unwrap_or_else(|| Function {
        key: tool.id.key().clone(),
        doc: Doc::default(),
        input: Type::Any(None),
        output: None,
    });
    (function, catalog.named)
}

struct Builder {
    catalog: Catalog,
    /// By the name that is wanted: the fingerprints of its types, and where they are.
    shared: HashMap<String, Vec<(u64, usize)>>,
}

impl Builder {
    fn add(&mut self, tool: &Tool) {
        let key = tool.id.key();
        let input = self.merge(lower(&tool.input_schema), key, "Args");
        let output = tool
            .output_schema
            .as_ref()
            .map(|schema| self.merge(lower(schema), key, "Result"));
        let (input, facts) = input;
        let function = Function {
            key: key.clone(),
            doc: Doc {
                text: tool.description.clone(),
                facts,
            },
            input,
            output: output.map(|(ty, _)| ty),
        };
        let namespaces = &mut self.catalog.namespaces;
        match namespaces.last_mut() {
            Some(last) if last.name == key.namespace() => last.tools.push(function),
            _ => namespaces.push(Namespace {
                name: key.namespace().to_owned(),
                tools: vec![function],
            }),
        }
    }

    /// Takes the named types of a schema over and points its type at them.
    fn merge(&mut self, lowered: Lowered, key: &ToolKey, role: &str) -> (Type, Vec<String>) {
        let ids: Vec<usize> = lowered
            .named
            .iter()
            .map(|named| self.place(named, key, role))
            .collect();
        let mut ty = lowered.ty;
        ty.each_named(&mut |id| *id = ids[*id]);
        for (mut named, &id) in lowered.named.into_iter().zip(&ids) {
            // A shared type was taken over with the first tool that has it.
            if self.catalog.named[id].ty == PLACEHOLDER {
                named.ty.each_named(&mut |id| *id = ids[*id]);
                self.catalog.named[id].ty = named.ty;
                self.catalog.named[id].doc = named.doc;
            }
        }
        (ty, lowered.doc.facts)
    }

    fn place(&mut self, named: &Named, key: &ToolKey, role: &str) -> usize {
        let namespace = pascal_or_empty(key.namespace());
        let own = format!("{namespace}{}{role}", pascal(key.name()));
        let wanted = match named.hint.as_str() {
            "" => own.clone(),
            hint => prefixed(&namespace, &pascal(hint)),
        };
        let known = self.shared.entry(wanted.clone()).or_default();
        if let Some((_, id)) = known.iter().find(|(print, _)| *print == named.fingerprint) {
            return *id;
        }
        // The same name for another type: the name of its tool tells them apart.
        let name = if known.is_empty() {
            self.catalog.taken.give(&wanted)
        } else {
            let hint = pascal(&named.hint);
            self.catalog.taken.give(&format!("{own}{hint}"))
        };
        let id = self.catalog.named.len();
        self.catalog.named.push(Named {
            hint: name,
            ty: PLACEHOLDER,
            doc: Doc::default(),
            fingerprint: named.fingerprint,
        });
        known.push((named.fingerprint, id));
        id
    }
}

/// Stands for a type that is not taken over yet: nothing else names a number that is not there.
const PLACEHOLDER: Type = Type::Named(usize::MAX);

/// A name within a namespace; one that begins with it says it once.
fn prefixed(namespace: &str, name: &str) -> String {
    match name.strip_prefix(namespace) {
        Some(rest) if rest.starts_with(|c: char| c.is_ascii_uppercase()) => name.to_owned(),
        _ => format!("{namespace}{name}"),
    }
}

fn pascal_or_empty(text: &str) -> String {
    if text.is_empty() {
        String::new()
    } else {
        pascal(text)
    }
}
