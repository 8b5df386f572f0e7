//! Values: Python's to JSON and back.
//!
//! | Python | JSON |
//! |---|---|
//! | `None`, `bool`, `int`, `float`, `str` | the same; NaN and the infinities are null, an integer beyond 64 bits is a string of its digits |
//! | `list`, `tuple`, `set`, `frozenset` | array |
//! | `dict` | object; keys that are numbers, booleans or `None` are written as `json.dumps` does |
//! | named tuple, dataclass, instance of a class | object of the fields |
//! | `bytes` | string, in base64 |
//! | `date`, `datetime`, `time` | string, ISO 8601 |
//! | `timedelta` | number of seconds |
//! | `Decimal`, `Path`, `timezone` | string |
//! | exception | object: `error`, `message` |
//!
//! Everything else is an error that says where it stands, as is a value that holds itself.

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use monty_types::unstable::{MontyGraph, MontyNode, NodeId, call_args_parts, graph_parts};
use monty_types::{CallArgs, MontyObject, MontyTimeZone, unstable};
use serde_json::{Map, Number, Value};

use crate::host::MAX_VALUE_DEPTH;

/// Why a value has no JSON form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum NoJson {
    /// What of it, and where.
    Kind { path: String, what: String },
    /// It is larger than the most bytes that were allowed.
    TooLarge { most: usize },
}

impl NoJson {
    /// The error as text, about `subject`.
    pub(super) fn message(&self, subject: &str) -> String {
        match self {
            Self::Kind { path, what } if path.is_empty() => format!("{subject} {what}"),
            Self::Kind { path, what } => format!("{subject} at {path} {what}"),
            Self::TooLarge { most } => format!("{subject} is larger than {most} bytes"),
        }
    }
}

/// The JSON of a value, of at most about `most` bytes.
pub(super) fn to_json(object: &MontyObject, most: usize) -> Result<Value, NoJson> {
    let (graph, root) = graph_parts(object);
    Writer::new(graph, most).write(root)
}

/// The arguments of a call: positional ones and the object of the named ones.
pub(super) fn arguments(
    args: &CallArgs,
    most: usize,
) -> Result<(Vec<Value>, Map<String, Value>), NoJson> {
    let (graph, positional, named) = call_args_parts(args);
    let mut writer = Writer::new(graph, most);
    let positional = positional
        .iter()
        .map(|id| writer.write(*id))
        .collect::<Result<_, _>>()?;
    Ok((positional, writer.object(named)?))
}

/// The Python value of JSON.
pub(super) fn from_json(value: &Value) -> MontyObject {
    let mut graph = MontyGraph::new();
    let root = read(value, &mut graph);
    #[expect(clippy::expect_used, reason = "the root was pushed last")]
    unstable::object_from_graph(graph, root).expect("the root is in its graph")
}

fn read(value: &Value, graph: &mut MontyGraph) -> NodeId {
    let node = match value {
        Value::Null => MontyNode::None,
        Value::Bool(value) => MontyNode::Bool(*value),
        Value::Number(number) => read_number(number),
        Value::String(text) => MontyNode::String(text.clone()),
        Value::Array(items) => {
            MontyNode::List(items.iter().map(|item| read(item, graph)).collect())
        }
        Value::Object(map) => MontyNode::Dict(
            map.iter()
                .map(|(key, value)| {
                    let key = graph.push(MontyNode::String(key.clone()));
                    (key, read(value, graph))
                })
                .collect(),
        ),
    };
    graph.push(node)
}

fn read_number(number: &Number) -> MontyNode {
    if let Some(int) = number.as_i64() {
        MontyNode::Int(int)
    } else if let Some(int) = number.as_u64() {
        MontyNode::BigInt(int.into())
    } else {
        MontyNode::Float(number.as_f64().unwrap_or(f64::NAN))
    }
}

struct Writer<'a> {
    graph: &'a MontyGraph,
    // A value that holds another many times is small here and large as JSON.
    left: usize,
    most: usize,
    path: Vec<String>,
}

impl<'a> Writer<'a> {
    fn new(graph: &'a MontyGraph, most: usize) -> Self {
        Self {
            graph,
            left: most,
            most,
            path: Vec::new(),
        }
    }

    fn write(&mut self, id: NodeId) -> Result<Value, NoJson> {
        let graph = self.graph;
        self.spend(1)?;
        if self.path.len() > MAX_VALUE_DEPTH {
            return Err(NoJson::Kind {
                path: String::new(),
                what: format!("nests deeper than {MAX_VALUE_DEPTH} levels"),
            });
        }
        Ok(match graph.node(id) {
            MontyNode::None => Value::Null,
            MontyNode::Bool(value) => Value::Bool(*value),
            MontyNode::Int(value) => (*value).into(),
            MontyNode::BigInt(value) => match u64::try_from(value) {
                Ok(value) => value.into(),
                Err(_) => self.text(value.to_string())?,
            },
            MontyNode::Float(value) => Number::from_f64(*value).map_or(Value::Null, Value::Number),
            MontyNode::String(text) | MontyNode::Path(text) | MontyNode::Decimal(text) => {
                self.text(text.clone())?
            }
            MontyNode::Bytes(bytes) => self.text(STANDARD.encode(bytes))?,
            MontyNode::Date(_)
            | MontyNode::DateTime(_)
            | MontyNode::Time(_)
            | MontyNode::TimeZone(_)
            | MontyNode::TimeDelta(_) => moment(graph.node(id)),
            MontyNode::Exception { exc_type, arg } => {
                let mut map = Map::new();
                map.insert("error".into(), self.text(exc_type.to_string())?);
                map.insert(
                    "message".into(),
                    self.text(arg.clone().unwrap_or_default())?,
                );
                Value::Object(map)
            }
            MontyNode::List(items)
            | MontyNode::Tuple(items)
            | MontyNode::Set(items)
            | MontyNode::FrozenSet(items) => self.array(items)?,
            MontyNode::NamedTuple {
                field_names,
                values,
                ..
            } => {
                let mut map = Map::new();
                for (name, value) in field_names.iter().zip(values) {
                    map.insert(name.clone(), self.at(format!(".{name}"), *value)?);
                }
                Value::Object(map)
            }
            MontyNode::Dict(pairs) => Value::Object(self.object(pairs)?),
            MontyNode::ClassInstance {
                class_type, attrs, ..
            } => match graph.node(*class_type) {
                MontyNode::ClassType(class) if class.host_defined => {
                    return Err(self.none("is a tool, not what a tool answers: call it"));
                }
                _ => Value::Object(self.object(attrs)?),
            },
            MontyNode::Cycle(_) => return Err(self.none("holds itself, so it has no JSON form")),
            other => {
                let what = describe(other, graph.type_name(id));
                return Err(self.none(&what));
            }
        })
    }

    fn array(&mut self, items: &[NodeId]) -> Result<Value, NoJson> {
        items
            .iter()
            .enumerate()
            .map(|(index, item)| self.at(format!("[{index}]"), *item))
            .collect()
    }

    fn object(&mut self, pairs: &[(NodeId, NodeId)]) -> Result<Map<String, Value>, NoJson> {
        let mut map = Map::new();
        for (key, value) in pairs {
            let key = self.key(*key)?;
            self.spend(key.len())?;
            let value = self.at(format!("[{key:?}]"), *value)?;
            map.insert(key, value);
        }
        Ok(map)
    }

    fn key(&self, id: NodeId) -> Result<String, NoJson> {
        Ok(match self.graph.node(id) {
            MontyNode::String(key) => key.clone(),
            MontyNode::Int(key) => key.to_string(),
            MontyNode::BigInt(key) => key.to_string(),
            MontyNode::Float(key) => key.to_string(),
            MontyNode::Bool(key) => key.to_string(),
            MontyNode::None => "null".into(),
            MontyNode::Date(_) | MontyNode::DateTime(_) => match moment(self.graph.node(id)) {
                Value::String(text) => text,
                other => other.to_string(),
            },
            _ => {
                let kind = self.graph.type_name(id);
                return Err(self.none(&format!("has a key of type {kind}, which JSON cannot have")));
            }
        })
    }

    fn at(&mut self, step: String, id: NodeId) -> Result<Value, NoJson> {
        self.path.push(step);
        let value = self.write(id);
        self.path.pop();
        value
    }

    fn text(&mut self, text: String) -> Result<Value, NoJson> {
        self.spend(text.len())?;
        Ok(Value::String(text))
    }

    fn spend(&mut self, bytes: usize) -> Result<(), NoJson> {
        match self.left.checked_sub(bytes) {
            Some(left) => self.left = left,
            None => return Err(NoJson::TooLarge { most: self.most }),
        }
        Ok(())
    }

    fn none(&self, what: &str) -> NoJson {
        NoJson::Kind {
            path: self.path.concat(),
            what: what.into(),
        }
    }
}

/// Why a node has no JSON form, in the words of the program.
fn describe(node: &MontyNode, kind: &str) -> String {
    match node {
        MontyNode::Repr(text) if text.contains("coroutine") || text.contains("uture") => {
            "was not awaited: write `await` before the call".into()
        }
        MontyNode::Repr(text) if text.starts_with("<function") || text.contains("method") => {
            "is a function, which has no JSON form: call it".into()
        }
        MontyNode::Function { .. } | MontyNode::BuiltinFunction(_) => {
            "is a function, which has no JSON form: call it".into()
        }
        MontyNode::ClassType(_) | MontyNode::Type(_) => {
            "is a class, which has no JSON form: make an instance".into()
        }
        MontyNode::Repr(text) => {
            format!(
                "has no JSON form ({}): make a list or a dict of it",
                short(text)
            )
        }
        _ => format!("has no JSON form (it is of type {kind}): make a list or a dict of it"),
    }
}

fn short(text: &str) -> String {
    match text.char_indices().nth(60) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.into(),
    }
}

/// Dates and times as ISO 8601, as Python's `isoformat` writes them; a duration in seconds.
fn moment(node: &MontyNode) -> Value {
    let mut text = String::new();
    // Writing into a string does not fail.
    let _ = match node {
        MontyNode::Date(date) => {
            write!(text, "{:04}-{:02}-{:02}", date.year, date.month, date.day)
        }
        MontyNode::DateTime(at) => {
            let _ = write!(text, "{:04}-{:02}-{:02}T", at.year, at.month, at.day);
            clock(
                &mut text,
                [at.hour, at.minute, at.second],
                at.microsecond,
                at.offset_seconds,
            )
        }
        MontyNode::Time(at) => clock(
            &mut text,
            [at.hour, at.minute, at.second],
            at.microsecond,
            at.offset_seconds,
        ),
        MontyNode::TimeZone(MontyTimeZone {
            offset_seconds,
            name,
        }) => {
            if let Some(name) = name {
                return name.clone().into();
            }
            text.push_str("UTC");
            offset(&mut text, *offset_seconds)
        }
        MontyNode::TimeDelta(delta) => {
            let whole = i64::from(delta.days) * 86_400 + i64::from(delta.seconds);
            if delta.microseconds == 0 {
                return whole.into();
            }
            return (whole as f64 + f64::from(delta.microseconds) / 1e6).into();
        }
        _ => Ok(()),
    };
    Value::String(text)
}

fn clock(
    text: &mut String,
    [hour, minute, second]: [u8; 3],
    microsecond: u32,
    zone: Option<i32>,
) -> std::fmt::Result {
    write!(text, "{hour:02}:{minute:02}:{second:02}")?;
    if microsecond > 0 {
        write!(text, ".{microsecond:06}")?;
    }
    zone.map_or(Ok(()), |seconds| offset(text, seconds))
}

fn offset(text: &mut String, seconds: i32) -> std::fmt::Result {
    let sign = if seconds < 0 { '-' } else { '+' };
    let minutes = seconds.unsigned_abs() / 60;
    write!(text, "{sign}{:02}:{:02}", minutes / 60, minutes % 60)
}
