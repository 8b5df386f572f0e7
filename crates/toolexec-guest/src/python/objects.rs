//! What a program finds under `tools`, and which call a call of it is.

use monty_types::{CallArgs, MontyObject, MontyUuid};
use serde_json::{Map, Value};
use toolexec_wire::{MAX_FRAME, Op};

use super::value::arguments;

/// The functions beside the tools.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Api {
    Run,
    Search,
    Describe,
    Examples,
    Chain,
    Namespaces,
    Progress,
    Log,
}

impl Api {
    const NAMES: [(&'static str, Self); 8] = [
        ("run", Self::Run),
        ("search", Self::Search),
        ("describe", Self::Describe),
        ("examples", Self::Examples),
        ("chain", Self::Chain),
        ("namespaces", Self::Namespaces),
        ("progress", Self::Progress),
        ("log", Self::Log),
    ];

    /// The function of a name.
    pub(super) fn named(name: &str) -> Option<Self> {
        let found = Self::NAMES.iter().find(|(known, _)| *known == name);
        found.map(|(_, api)| *api)
    }

    fn name(self) -> &'static str {
        let found = Self::NAMES.iter().find(|(_, api)| *api == self);
        found.map_or("", |(name, _)| name)
    }
}

/// What a call of a program wants.
#[derive(Debug, PartialEq)]
pub(super) enum Wanted {
    /// A call of the host.
    Op(Op),
    /// Says how far it is.
    Progress {
        progress: f64,
        total: Option<f64>,
        message: Option<String>,
    },
    /// Logs.
    Log { level: String, data: Value },
}

/// A call that is wrong before it reaches the host: a `TypeError` of the program.
pub(super) type Wrong = String;

/// The objects that stand for `tools`, its namespaces and its tools. Each has an identity that
/// the engine hands back when the program looks into the object or calls it.
#[derive(Debug, Default)]
pub(super) struct Objects {
    // The names behind `tools`, by number.
    paths: Vec<Vec<String>>,
}

/// Identities of objects are this and their number.
const IDENTITY: u128 = 0x7465_6f62_6a65_4374_8000_0000_0000_0000;
const CLASS: u128 = 0x7465_636c_6173_4373_8000_0000_0000_0000;

impl Objects {
    /// The object `tools`.
    pub(super) fn tools(&mut self) -> MontyObject {
        self.object(Vec::new())
    }

    /// What `object.name` is; `None` when there is no such thing.
    pub(super) fn attribute(&mut self, object: MontyUuid, name: &str) -> Option<MontyObject> {
        let path = self.path(object)?;
        if path.len() >= 2 {
            return None;
        }
        let path = path.iter().cloned().chain([name.to_owned()]).collect();
        Some(self.object(path))
    }

    /// What a call of `name` of an object, or of the object itself, wants.
    pub(super) fn call(
        &self,
        object: MontyUuid,
        name: &str,
        args: &CallArgs,
    ) -> Result<Wanted, Wrong> {
        let mut path: Vec<&str> = match self.path(object) {
            Some(path) => path.iter().map(String::as_str).collect(),
            None => return Err("this object cannot be called".into()),
        };
        if name != "__call__" {
            path.push(name);
        }
        match path[..] {
            [name] => match Api::named(name) {
                Some(api) => wanted(api, args),
                None => Err(format!(
                    "tools.{name} is a namespace: call one of its tools, as tools.{name}.TOOL(..)"
                )),
            },
            [namespace, name] => run_tool(format!("{namespace}:{name}"), args),
            [] => Err("tools is not a function: call tools.run(id, args)".into()),
            _ => Err(format!("there is nothing at tools.{}", path.join("."))),
        }
    }

    /// An object with fields, of a class of that name.
    pub(super) fn record(
        class: &str,
        fields: impl Iterator<Item = (MontyObject, MontyObject)>,
    ) -> MontyObject {
        let none = std::iter::empty::<(MontyObject, MontyObject)>();
        let class =
            MontyObject::class_type(class, MontyUuid::from_u128(CLASS + 100), true, false, none);
        MontyObject::class_instance(class, MontyUuid::from_u128(CLASS + 101), fields)
    }

    fn path(&self, object: MontyUuid) -> Option<&Vec<String>> {
        let number = u128::from_be_bytes(*object.as_bytes()).checked_sub(IDENTITY)?;
        self.paths.get(usize::try_from(number).ok()?)
    }

    fn object(&mut self, path: Vec<String>) -> MontyObject {
        let known = self.paths.iter().position(|known| *known == path);
        let kind = ["tools", "namespace", "tool"]
            .get(path.len())
            .copied()
            .unwrap_or("tool");
        let class_id = CLASS + path.len() as u128;
        let number = known.unwrap_or_else(|| {
            self.paths.push(path);
            self.paths.len() - 1
        });
        let none = || std::iter::empty::<(MontyObject, MontyObject)>();
        let class =
            MontyObject::class_type(kind, MontyUuid::from_u128(class_id), true, false, none());
        let id = MontyUuid::from_u128(IDENTITY + number as u128);
        MontyObject::class_instance(class, id, none())
    }
}

/// What a call of a tool as `tools.namespace.name(..)` wants.
fn run_tool(tool: String, args: &CallArgs) -> Result<Wanted, Wrong> {
    let (positional, mut named) = read(args)?;
    let mut all = match <[Value; 1]>::try_from(positional) {
        Ok([Value::Object(object)]) => object,
        Err(none) if none.is_empty() => Map::new(),
        _ => {
            let call = tool.replace(':', ".");
            return Err(format!(
                "the arguments of a tool have names: tools.{call}(name=value), or one dict"
            ));
        }
    };
    all.append(&mut named);
    Ok(Wanted::Op(Op::Run {
        tool,
        args: Value::Object(all),
    }))
}

/// What a call of one of the functions beside the tools wants.
pub(super) fn wanted(api: Api, args: &CallArgs) -> Result<Wanted, Wrong> {
    let mut given = Given::read(api, args)?;
    let wanted = match api {
        Api::Run => {
            let tool = given.text("tool")?;
            let mut args = match given.any("args") {
                None | Some(Value::Null) => Map::new(),
                Some(Value::Object(map)) => map,
                Some(_) => return Err("the arguments of a tool are a dict".into()),
            };
            // `run("ns:name", a=1)` reads as `tools.ns.name(a=1)` does.
            args.append(&mut given.named);
            Wanted::Op(Op::Run {
                tool,
                args: Value::Object(args),
            })
        }
        Api::Search => Wanted::Op(Op::Search {
            query: given.text("query")?,
            limit: match given.any("limit") {
                None | Some(Value::Null) => None,
                Some(limit) => Some(whole(&limit)?),
            },
        }),
        Api::Describe => Wanted::Op(Op::Describe {
            tool: given.text("tool")?,
            detail: given.optional_text("detail")?,
        }),
        Api::Examples => Wanted::Op(Op::Examples {
            tool: given.text("tool")?,
        }),
        Api::Chain => Wanted::Op(Op::Chain {
            chain: given
                .any("chain")
                .ok_or("chain() takes the chain, or a list of its steps")?,
        }),
        Api::Namespaces => Wanted::Op(Op::Namespaces),
        Api::Progress => Wanted::Progress {
            progress: given
                .any("progress")
                .and_then(|value| value.as_f64())
                .ok_or("progress() takes a number")?,
            total: given.any("total").and_then(|value| value.as_f64()),
            message: given.optional_text("message")?,
        },
        Api::Log => given.log()?,
    };
    given.finish()?;
    Ok(wanted)
}

fn whole(value: &Value) -> Result<usize, Wrong> {
    value
        .as_u64()
        .and_then(|number| usize::try_from(number).ok())
        .ok_or_else(|| "a limit is a whole number".into())
}

fn read(args: &CallArgs) -> Result<(Vec<Value>, Map<String, Value>), Wrong> {
    arguments(args, MAX_FRAME).map_err(|error| error.message("an argument"))
}

/// The arguments of a call, taken one by one.
struct Given {
    api: Api,
    positional: std::vec::IntoIter<Value>,
    named: Map<String, Value>,
}

impl Given {
    fn read(api: Api, args: &CallArgs) -> Result<Self, Wrong> {
        let (positional, named) = read(args)?;
        Ok(Self {
            api,
            positional: positional.into_iter(),
            named,
        })
    }

    /// The next argument, by position or name.
    fn any(&mut self, name: &str) -> Option<Value> {
        self.positional
            .next()
            .or_else(|| self.named.shift_remove(name))
    }

    fn text(&mut self, name: &str) -> Result<String, Wrong> {
        self.optional_text(name)?
            .ok_or_else(|| format!("{}() takes a text, {name}", self.api.name()))
    }

    fn optional_text(&mut self, name: &str) -> Result<Option<String>, Wrong> {
        match self.any(name) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(format!("{} of {}() is a text", name, self.api.name())),
        }
    }

    /// `log(data)`, `log(level, data)` or `log(data, level=level)`.
    fn log(&mut self) -> Result<Wanted, Wrong> {
        let first = self.any("data").ok_or("log() takes what to log")?;
        let (level, data) = match (self.positional.next(), self.named.shift_remove("level")) {
            (Some(data), None) => (first, data),
            (None, Some(level)) => (level, first),
            (None, None) => (Value::from("info"), first),
            (Some(_), Some(_)) => return Err("log() takes one level".into()),
        };
        match level {
            Value::String(level) => Ok(Wanted::Log { level, data }),
            _ => Err("the level of log() is a text: debug, info, warning or error".into()),
        }
    }

    fn finish(mut self) -> Result<(), Wrong> {
        let name = self.api.name();
        if self.positional.next().is_some() {
            return Err(format!("{name}() got too many arguments"));
        }
        match self.named.keys().next() {
            Some(unknown) => Err(format!("{name}() has no argument {unknown:?}")),
            None => Ok(()),
        }
    }
}
