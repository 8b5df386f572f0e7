//! What the engine lacks, in words that help: the feature, and the nearest thing that works.

use monty_types::{ExcType, MontyException};

use super::source::MODULES;

/// A gap: what the engine says of it, what it is called, what to do instead.
pub(super) struct Gap {
    /// Part of the engine's message.
    pub(super) said: &'static str,
    /// What is missing.
    pub(super) what: &'static str,
    /// What works.
    pub(super) instead: &'static str,
}

/// What the engine says before the name of a feature that it does not parse.
const PARSER: &str = "The monty syntax parser does not yet support ";

/// Syntax and calls that are missing.
pub(super) const GAPS: [Gap; 22] = [
    gap(
        "yield",
        "generators (yield)",
        "build a list and return it, or write a generator expression",
    ),
    gap(
        "class inheritance",
        "classes with a base or a metaclass",
        "write the class without a base; raise a built-in exception such as ValueError instead of an own one",
    ),
    gap(
        "method decorators",
        "@property, @classmethod and @staticmethod",
        "write a plain method, or a function outside the class",
    ),
    gap(
        "async context managers",
        "async with",
        "await the calls one by one, or run them with asyncio.gather",
    ),
    gap(
        "async for",
        "async for",
        "await a list with asyncio.gather and loop over it",
    ),
    gap(
        "async comprehensions",
        "async comprehensions",
        "use await asyncio.gather(*[..])",
    ),
    gap("exception groups", "except*", "use except"),
    gap(
        "the 'del' statement",
        "del of an attribute",
        "set it to None",
    ),
    gap(
        "type aliases",
        "the type statement",
        "leave it out: types are not checked when the program runs",
    ),
    gap("template strings", "t-strings", "use an f-string"),
    gap(
        "complex class variable",
        "class variables other than name = value",
        "set it in __init__",
    ),
    gap(
        "class bodies containing",
        "statements in a class body",
        "keep only methods and simple variables in it",
    ),
    gap(
        "assignment expressions",
        "`:=` in a class body",
        "assign before the class",
    ),
    gap(
        "that shadows a captured variable",
        "a class member named as a variable around it",
        "give one of them another name",
    ),
    gap(
        "callable replacement",
        "re.sub with a function",
        "loop over re.finditer and join the pieces",
    ),
    gap(
        "gather() does not",
        "this keyword of asyncio.gather",
        "await the calls one by one in try and except",
    ),
    gap(
        "in this synchronous context",
        "a tool call inside map, filter, sorted, min, max or functools.reduce",
        "use a list comprehension, and sort what it gives",
    ),
    gap(
        "exceptions can only be called with",
        "exceptions with such arguments",
        "give the exception one text",
    ),
    gap(
        "dataclass() does not yet support",
        "this option of @dataclass",
        "use @dataclass without it",
    ),
    gap(
        "field() does not yet support",
        "this option of field()",
        "set it in __post_init__",
    ),
    gap(
        "cannot reassign read-only module attribute",
        "setting this name",
        "use another name",
    ),
    gap(
        "Non-relative patterns",
        "such a pattern",
        "use a relative one",
    ),
];

/// Modules that are missing, with what does instead.
pub(super) const MISSING: [(&str, &str); 19] = [
    ("uuid", "use random.getrandbits(128), or hashlib"),
    ("io", "use a str or a list of lines"),
    ("enum", "use a class with plain variables, or a dict"),
    ("abc", "leave it out: methods are found by name"),
    ("contextlib", "use try and finally"),
    ("traceback", "use str(error)"),
    ("logging", "use tools.log(level, data), or print"),
    ("urllib", "use a tool that fetches"),
    ("http", "use a tool that fetches"),
    ("requests", "use a tool that fetches"),
    ("httpx", "use a tool that fetches"),
    ("aiohttp", "use a tool that fetches"),
    ("socket", "use a tool that fetches"),
    ("subprocess", "use a tool that runs commands"),
    ("threading", "use asyncio.gather"),
    ("concurrent", "use asyncio.gather"),
    ("numpy", "use lists and the math module"),
    ("pandas", "use lists of dicts, and csv or json to read"),
    ("pickle", "use json"),
];

const fn gap(said: &'static str, what: &'static str, instead: &'static str) -> Gap {
    Gap {
        said,
        what,
        instead,
    }
}

/// What is missing, when an exception says that something is, and what to do instead.
pub(super) fn missing(exception: &MontyException) -> Option<(String, String)> {
    let message = exception.message().unwrap_or_default();
    match exception.exc_type() {
        ExcType::NotImplementedError | ExcType::TypeError | ExcType::RuntimeError => {
            let gap = GAPS.iter().find(|gap| message.contains(gap.said));
            match (gap, message.strip_prefix(PARSER)) {
                (Some(gap), _) => Some((gap.what.into(), gap.instead.into())),
                (None, Some(feature)) => Some((feature.into(), OTHER.into())),
                (None, None) => None,
            }
        }
        ExcType::ModuleNotFoundError => {
            let name = message.split('\'').nth(1)?;
            Some((format!("the module {name}"), module_hint(name)))
        }
        ExcType::ImportError => {
            let mut quoted = message.split('\'').skip(1).step_by(2);
            let (name, module) = (quoted.next()?, quoted.next()?);
            Some((format!("{module}.{name}"), member_hint(module)))
        }
        // One of the modules in Python.
        ExcType::AttributeError if message.starts_with("type object '__te_") => {
            let mut quoted = message.split('\'').skip(1).step_by(2);
            let (class, name) = (quoted.next()?, quoted.next()?);
            let module = class.trim_start_matches("__te_").trim_end_matches("__");
            Some((format!("{module}.{name}"), OTHER.into()))
        }
        ExcType::AttributeError if message.starts_with("module '") => {
            let mut quoted = message.split('\'').skip(1).step_by(2);
            let (module, name) = (quoted.next()?, quoted.next()?);
            Some((format!("{module}.{name}"), member_hint(module)))
        }
        _ => None,
    }
}

const OTHER: &str = "write it in simpler Python";

fn module_hint(name: &str) -> String {
    let top = name.split('.').next().unwrap_or(name);
    let known = MISSING.iter().find(|(module, _)| *module == top);
    known.map_or_else(
        || format!("these modules are there: {}", modules().join(", ")),
        |(_, instead)| (*instead).to_owned(),
    )
}

/// The modules that are there.
fn modules() -> Vec<&'static str> {
    let mut modules = monty::builtin_module_names();
    modules.retain(|module| !module.contains('.'));
    modules.extend(MODULES.map(|(module, _)| module));
    modules.sort_unstable();
    modules
}

fn member_hint(module: &str) -> String {
    match module {
        "asyncio" => "asyncio has run, gather, sleep, create_task and shield".into(),
        "typing" => "leave the annotation out: types are not checked when the program runs".into(),
        _ => OTHER.into(),
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use monty::{MontyRepl, ReplProgress};
    use monty_types::{
        CompileOptions, ExtFunctionResult, MontyObject, OsFunctionCall, PrintWriter,
        ResourceTracker,
    };

    use super::*;

    const DOCS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/limits/python.md");
    /// A program for each of the gaps, in their order.
    const PROGRAMS: [&str; GAPS.len()] = [
        "def f():\n    yield 1",
        "class A(Exception): pass",
        "class A:\n    @property\n    def x(self): return 1",
        "async def f():\n    async with x: pass",
        "async def f():\n    async for x in y: pass",
        "async def f():\n    return [x async for x in y]",
        "try: pass\nexcept* ValueError: pass",
        "del a.b",
        "type X = int",
        "t'{1}'",
        "class A:\n    x, y = 1, 2",
        "class A:\n    for i in []: pass",
        "class A:\n    x = (y := 1)",
        "def f():\n    x = 1\n    class A:\n        x = 2\n        def g(self): return x\nf()",
        "import re\nre.sub('a', lambda m: 'b', 'a')",
        "import asyncio\nasyncio.gather(bogus=1)",
        "sorted([1], key=tool)",
        "ValueError('a', 'b')",
        "from dataclasses import dataclass\n@dataclass(slots=True)\nclass A:\n    x: int",
        "from dataclasses import field\nfield(kw_only=True)",
        "__name__ = 'x'",
        "from pathlib import Path\nPath('a').glob('/b')",
    ];

    /// The exception of a program; `tool` is a function of the host.
    fn exception(source: &str) -> Option<MontyException> {
        let repl = MontyRepl::new(
            "x.py",
            ResourceTracker::default(),
            CompileOptions::default(),
        );
        let inputs = vec![("tool".to_owned(), MontyObject::function("tool", None))];
        let mut step = repl.feed_start(source, inputs, PrintWriter::Disabled);
        loop {
            step = match step {
                Err(error) => return Some(error.error),
                Ok(ReplProgress::Complete { .. }) => return None,
                Ok(ReplProgress::OsCall(call)) => {
                    let answer = match &call.function_call {
                        OsFunctionCall::Import(name) => ExtFunctionResult::NotFound(name.clone()),
                        _ => MontyObject::none().into(),
                    };
                    call.resume(answer, PrintWriter::Disabled)
                }
                Ok(other) => panic!("{source}: {other:?}"),
            };
        }
    }

    #[test]
    fn every_gap_is_one_of_the_engine() {
        let mut wrong = Vec::new();
        for (gap, program) in GAPS.iter().zip(PROGRAMS) {
            let exception = exception(program);
            let found = exception.as_ref().and_then(missing);
            if found != Some((gap.what.to_owned(), gap.instead.to_owned())) {
                wrong.push((
                    gap.what,
                    program,
                    exception.map(|exception| exception.summary()),
                ));
            }
        }
        assert_eq!(wrong, []);
    }

    #[test]
    fn every_missing_module_is_missing() {
        for (module, instead) in MISSING {
            let exception = exception(&format!("import {module}")).expect(module);
            let expected = (format!("the module {module}"), instead.to_owned());
            assert_eq!(missing(&exception), Some(expected));
        }
    }

    #[test]
    fn what_modules_lack_is_told() {
        for (source, what) in [
            ("import asyncio\nasyncio.Semaphore(1)", "asyncio.Semaphore"),
            ("from typing import TypedDict", "typing.TypedDict"),
            (
                "from collections import OrderedDict",
                "collections.OrderedDict",
            ),
        ] {
            let exception = exception(source).expect(source);
            assert_eq!(missing(&exception).map(|(what, _)| what), Some(what.into()));
        }
        assert_eq!(exception("x = [1]\nx[0]"), None);
        let own = exception("raise NotImplementedError('mine')").expect("it raises");
        assert_eq!(missing(&own), None);
    }

    /// The tables of the page on limits are those of the code.
    #[test]
    fn the_page_on_limits_has_these_tables() {
        let mut tables = String::from("| missing | what works |\n|---|---|\n");
        for gap in &GAPS {
            let _ = writeln!(tables, "| {} | {} |", gap.what, gap.instead);
        }
        let _ = writeln!(
            tables,
            "\nThe modules that are there: {}.\n",
            modules().join(", ")
        );
        tables.push_str("| missing module | what works |\n|---|---|\n");
        for (module, instead) in MISSING {
            let _ = writeln!(tables, "| {module} | {instead} |");
        }
        let page = std::fs::read_to_string(DOCS).expect("the page is there");
        let (before, rest) = page.split_once("<!-- tables -->\n").expect("it has tables");
        let (found, after) = rest.split_once("<!-- end of tables -->").expect("they end");
        if std::env::var_os("UPDATE_DOCS").is_some() {
            let page = format!("{before}<!-- tables -->\n{tables}<!-- end of tables -->{after}");
            std::fs::write(DOCS, page).expect("it can be written");
            return;
        }
        assert_eq!(found, tables, "run this test with UPDATE_DOCS=1");
    }
}
