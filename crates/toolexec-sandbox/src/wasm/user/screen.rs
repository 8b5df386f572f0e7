//! What a module may be before it is compiled: a compiler takes far more time and memory for some
//! small modules than for others that are large, and nothing can stop it half-way.

use toolexec_wire::{Failure, FailureKind};
use wasmparser::{
    BinaryReaderError, BlockType, CompositeInnerType, Encoding, FunctionBody, Operator, Parser,
    Payload, TypeRef,
};

use super::stop::failure;

/// The most functions of a module.
const MAX_FUNCTIONS: usize = 40_000;
/// The most bytes of all functions.
const MAX_CODE: usize = 5 << 20;
/// The most bytes of one function.
const MAX_BODY: usize = 512 << 10;
/// The most values that the instructions of one function take and give.
const MAX_VALUES: u64 = 1 << 18;
/// Local variables times branches of one function: what the compiler tracks at each join.
const MAX_TRACKED: u64 = 1 << 20;
/// The same for all functions.
const MAX_ALL_TRACKED: u64 = 16 << 20;
/// The most core modules, and the most components, in a component.
const MAX_PARTS: usize = 32;
/// The most functions that a component lifts and lowers: each is compiled.
const MAX_CANONICAL: usize = 1024;

/// How a program that is no module begins.
const MAGIC: [u8; 4] = *b"\0asm";

/// What the bytes are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Module,
    Component,
}

/// Tells what the bytes are.
pub(super) fn kind(bytes: &[u8]) -> Result<Kind, Box<Failure>> {
    if !bytes.starts_with(&MAGIC) {
        let mut failure = failure(
            FailureKind::Syntax,
            format!("this is no WebAssembly: {}", beginning(bytes)),
        );
        failure.hints = vec!["a module begins with the bytes 00 61 73 6d".to_owned()];
        return Err(failure);
    }
    if Parser::is_component(bytes) {
        Ok(Kind::Component)
    } else {
        Ok(Kind::Module)
    }
}

/// Refuses what would take the compiler too long, or more memory than there should be.
pub(super) fn screen(bytes: &[u8]) -> Result<(), Box<Failure>> {
    let mut screen = Screen::default();
    for payload in Parser::new(0).parse_all(bytes) {
        let payload = payload.map_err(|error| malformed(&error))?;
        screen.payload(payload)?;
    }
    Ok(())
}

/// What was seen so far; the types and functions are those of one core module.
#[derive(Default)]
struct Screen {
    // What is open, the innermost last.
    open: Vec<Encoding>,
    parts: usize,
    canonical: usize,
    // How many values a type takes and gives.
    types: Vec<Arity>,
    // The types of all functions.
    functions: Vec<u32>,
    imported: usize,
    all_functions: usize,
    bodies: usize,
    code: usize,
    tracked: u64,
}

#[derive(Debug, Clone, Copy, Default)]
struct Arity {
    takes: u64,
    gives: u64,
}

impl Arity {
    fn both(self) -> u64 {
        self.takes + self.gives
    }
}

impl Screen {
    fn payload(&mut self, payload: Payload<'_>) -> Result<(), Box<Failure>> {
        match payload {
            Payload::Version { encoding, .. } => self.begin(encoding)?,
            Payload::End(_) => {
                self.open.pop();
            }
            Payload::ComponentCanonicalSection(functions) => {
                self.lifted(functions.count() as usize)?;
            }
            Payload::TypeSection(groups) => {
                for group in groups {
                    for ty in group.map_err(|error| malformed(&error))?.types() {
                        self.types.push(match &ty.composite_type.inner {
                            CompositeInnerType::Func(ty) => Arity {
                                takes: ty.params().len() as u64,
                                gives: ty.results().len() as u64,
                            },
                            _ => Arity::default(),
                        });
                    }
                }
            }
            Payload::ImportSection(imports) => {
                for import in imports.into_imports() {
                    let import = import.map_err(|error| malformed(&error))?;
                    if let TypeRef::Func(ty) = import.ty {
                        self.functions.push(ty);
                        self.imported += 1;
                    }
                }
            }
            Payload::FunctionSection(functions) => {
                for ty in functions {
                    self.functions.push(ty.map_err(|error| malformed(&error))?);
                    self.all_functions += 1;
                }
                if self.all_functions > MAX_FUNCTIONS {
                    let what = format!("it has {} functions", self.all_functions);
                    return Err(too_large(&what, &MAX_FUNCTIONS));
                }
            }
            Payload::CodeSectionEntry(body) => self.body(&body)?,
            _ => {}
        }
        Ok(())
    }

    /// A core module or a component begins.
    fn begin(&mut self, encoding: Encoding) -> Result<(), Box<Failure>> {
        self.open.push(encoding);
        self.types.clear();
        self.functions.clear();
        self.imported = 0;
        self.bodies = 0;
        self.parts += 1;
        // The outermost is counted too.
        if self.parts > MAX_PARTS + 1 {
            return Err(too_large("it is made of too many modules", &MAX_PARTS));
        }
        Ok(())
    }

    /// A component lifts and lowers functions.
    fn lifted(&mut self, count: usize) -> Result<(), Box<Failure>> {
        self.canonical += count;
        if self.canonical > MAX_CANONICAL {
            let what = format!("it lifts and lowers {} functions", self.canonical);
            return Err(too_large(&what, &MAX_CANONICAL));
        }
        // What translates between two components grows with their types, without a bound.
        if self.open.len() > 1 {
            let message = "components made of components that have code are not supported";
            return Err(failure(FailureKind::Unsupported, message));
        }
        Ok(())
    }

    fn body(&mut self, body: &FunctionBody<'_>) -> Result<(), Box<Failure>> {
        let number = self.imported + self.bodies;
        self.bodies += 1;
        let size = body.as_bytes().len();
        self.code += size;
        let large = |what: &str, most: &dyn std::fmt::Display| {
            too_large(&format!("function {number} {what}"), most)
        };
        if size > MAX_BODY {
            return Err(large(&format!("has {size} bytes"), &MAX_BODY));
        }
        if self.code > MAX_CODE {
            let what = "its functions have too many bytes";
            return Err(too_large(what, &MAX_CODE));
        }
        let own = self.functions.get(number).copied();
        let cost = self.cost(body, own).map_err(|error| malformed(&error))?;
        if cost.values > MAX_VALUES {
            let what = format!("moves {} values between its instructions", cost.values);
            return Err(large(&what, &MAX_VALUES));
        }
        let tracked = cost.locals * cost.branches;
        self.tracked += tracked;
        if tracked > MAX_TRACKED {
            let Cost {
                locals, branches, ..
            } = cost;
            let what = format!("has {locals} local variables and {branches} branches");
            return Err(large(&what, &format_args!("a product of {MAX_TRACKED}")));
        }
        if self.tracked > MAX_ALL_TRACKED {
            let what = "its functions have too many local variables and branches";
            return Err(too_large(what, &MAX_ALL_TRACKED));
        }
        Ok(())
    }

    fn cost(&self, body: &FunctionBody<'_>, own: Option<u32>) -> Result<Cost, BinaryReaderError> {
        let own = own.map_or(Arity::default(), |ty| self.arity(ty));
        let mut cost = Cost {
            locals: own.takes,
            ..Cost::default()
        };
        for local in body.get_locals_reader()? {
            cost.locals += u64::from(local?.0);
        }
        // How many values a branch to each open block takes along.
        let mut labels = vec![own.gives];
        let mut operators = body.get_operators_reader()?;
        while !operators.eof() {
            cost.values += 1;
            match operators.read()? {
                Operator::Block { blockty } | Operator::If { blockty } => {
                    let arity = self.block(blockty);
                    cost.branch(arity.both());
                    labels.push(arity.gives);
                }
                Operator::Loop { blockty } => {
                    let arity = self.block(blockty);
                    cost.branch(arity.both());
                    labels.push(arity.takes);
                }
                Operator::TryTable { try_table } => {
                    let arity = self.block(try_table.ty);
                    cost.branch(arity.both() + try_table.catches.len() as u64);
                    labels.push(arity.gives);
                }
                Operator::End => {
                    labels.pop();
                }
                Operator::Br { relative_depth } | Operator::BrIf { relative_depth } => {
                    cost.branch(label(&labels, relative_depth));
                }
                Operator::BrTable { targets } => {
                    cost.branch(label(&labels, targets.default()));
                    for target in targets.targets() {
                        cost.values += 1 + label(&labels, target?);
                    }
                }
                Operator::Call { function_index } | Operator::ReturnCall { function_index } => {
                    let ty = self.functions.get(function_index as usize);
                    cost.values += ty.map_or(0, |ty| self.arity(*ty).both());
                }
                Operator::CallIndirect { type_index, .. }
                | Operator::ReturnCallIndirect { type_index, .. }
                | Operator::CallRef { type_index }
                | Operator::ReturnCallRef { type_index } => {
                    cost.values += self.arity(type_index).both();
                }
                Operator::Return => cost.values += own.gives,
                _ => {}
            }
        }
        Ok(cost)
    }

    fn arity(&self, ty: u32) -> Arity {
        self.types.get(ty as usize).copied().unwrap_or_default()
    }

    fn block(&self, ty: BlockType) -> Arity {
        match ty {
            BlockType::Empty => Arity::default(),
            BlockType::Type(_) => Arity { takes: 0, gives: 1 },
            BlockType::FuncType(ty) => self.arity(ty),
        }
    }
}

/// What a function asks of the compiler.
#[derive(Debug, Clone, Copy, Default)]
struct Cost {
    locals: u64,
    branches: u64,
    values: u64,
}

impl Cost {
    fn branch(&mut self, values: u64) {
        self.branches += 1;
        self.values += values;
    }
}

fn label(labels: &[u64], depth: u32) -> u64 {
    let place = labels.len().checked_sub(depth as usize + 1);
    place
        .and_then(|place| labels.get(place))
        .copied()
        .unwrap_or_default()
}

fn beginning(bytes: &[u8]) -> String {
    if bytes.is_empty() {
        return "there are no bytes".to_owned();
    }
    let first = bytes.iter().take(4).map(|byte| format!("{byte:02x}"));
    format!("it begins with {}", first.collect::<Vec<_>>().join(" "))
}

/// The bytes are no module.
pub(super) fn malformed(error: &BinaryReaderError) -> Box<Failure> {
    let words: Vec<&str> = error.message().split_whitespace().collect();
    let message = format!(
        "this is no valid WebAssembly: {} (at byte {})",
        words.join(" "),
        error.offset()
    );
    failure(FailureKind::Syntax, message)
}

fn too_large(what: &str, most: &dyn std::fmt::Display) -> Box<Failure> {
    let message = format!("the module is too large to be compiled here: {what}; at most {most}");
    let mut failure = failure(FailureKind::Unsupported, message);
    failure.hints = vec!["compile it with optimisation (-O, --release), or split it".to_owned()];
    failure
}
