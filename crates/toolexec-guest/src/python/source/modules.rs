//! Modules of the standard library that the engine lacks, in Python.
//!
//! Each is a class whose members are those of the module; an import binds the class, or its
//! members, to the names that the program wants.

use ruff_python_ast::{self as ast, Alias};
use ruff_text_size::Ranged;

/// The modules and their texts.
pub(in crate::python) const MODULES: [(&str, &str); 5] = [
    ("heapq", include_str!("../modules/heapq.py")),
    ("operator", include_str!("../modules/operator.py")),
    ("statistics", include_str!("../modules/statistics.py")),
    ("string", include_str!("../modules/string.py")),
    ("textwrap", include_str!("../modules/textwrap.py")),
];

/// What to write for a statement, and the modules that it needs.
pub(super) struct Import {
    pub(super) text: String,
    pub(super) modules: Vec<&'static str>,
}

/// `import a, heapq as h` binds `h` itself.
pub(super) fn import(source: &str, import: &ast::StmtImport) -> Option<Import> {
    let (mut rest, mut bound, mut modules) = (Vec::new(), Vec::new(), Vec::new());
    for alias in &import.names {
        match named(&alias.name) {
            Some(module) => {
                bound.push(format!("{} = __te_{module}__", local(alias)));
                modules.push(module);
            }
            None => rest.push(source.get(alias.start().to_usize()..alias.end().to_usize())?),
        }
    }
    if modules.is_empty() {
        return None;
    }
    if !rest.is_empty() {
        bound.insert(0, format!("import {}", rest.join(", ")));
    }
    Some(Import {
        text: bound.join("; "),
        modules,
    })
}

/// `from heapq import heappush as push` binds `push`.
pub(super) fn import_from(import: &ast::StmtImportFrom) -> Option<Import> {
    let module = named(import.module.as_deref()?).filter(|_| import.level == 0)?;
    if import.names.iter().any(|alias| alias.name.as_str() == "*") {
        return None;
    }
    let bound: Vec<_> = import
        .names
        .iter()
        .map(|alias| format!("{} = __te_{module}__.{}", local(alias), alias.name))
        .collect();
    Some(Import {
        text: bound.join("; "),
        modules: vec![module],
    })
}

fn named(name: &str) -> Option<&'static str> {
    let found = MODULES.iter().find(|(module, _)| *module == name);
    found.map(|(module, _)| *module)
}

fn local(alias: &Alias) -> &str {
    alias.asname.as_ref().unwrap_or(&alias.name)
}
