//! The functions of the prelude that reach the host.

use std::cell::RefCell;
use std::rc::Rc;

use rquickjs::function::Opt;
use rquickjs::{Ctx, Exception, Function, Object, Persistent, Result, Value};
use serde_json::Value as Json;
use toolexec_wire::{Op, Stream};

use super::memory::Meter;
use super::random::Random;
use super::value::Converter;
use crate::host::Host;

/// What the functions of one engine share with it.
#[derive(Default)]
pub(super) struct Shared {
    /// The host of the program that runs.
    pub(super) host: RefCell<Option<Host>>,
    pub(super) meter: Rc<Meter>,
    pub(super) random: RefCell<Random>,
    /// Promises that were rejected and have no handler yet, with the reason.
    pub(super) rejected: RefCell<Vec<(Saved, Saved)>>,
    /// `plain` and `wellFormed` of the prelude.
    pub(super) converters: RefCell<Option<(SavedFunction, SavedFunction)>>,
}

type Saved = Persistent<Value<'static>>;
type SavedFunction = Persistent<Function<'static>>;

impl Shared {
    /// Whether the program has to end, whatever it does about it.
    pub(super) fn must_stop(&self) -> bool {
        self.meter.refused() || self.host.borrow().as_ref().is_some_and(Host::must_stop)
    }

    /// Lets go of all values of the engine.
    pub(super) fn clear(&self) {
        self.rejected.borrow_mut().clear();
        self.converters.borrow_mut().take();
    }

    fn host(&self, ctx: &Ctx<'_>) -> Result<Host> {
        let host = self.host.borrow().clone();
        host.ok_or_else(|| Exception::throw_internal(ctx, "no program runs"))
    }
}

/// Conversions with this engine's prelude.
pub(super) fn converter<'js>(shared: &Rc<Shared>, ctx: &Ctx<'js>) -> Result<Converter<'js>> {
    let saved = shared.converters.borrow().clone();
    let Some((plain, well_formed)) = saved else {
        return Err(Exception::throw_internal(ctx, "the prelude is not loaded"));
    };
    let stop = Rc::clone(shared);
    Ok(Converter {
        ctx: ctx.clone(),
        plain: plain.restore(ctx)?,
        well_formed: well_formed.restore(ctx)?,
        stop: Box::new(move || stop.must_stop()),
    })
}

/// The object that the prelude is called with.
pub(super) fn native<'js>(ctx: &Ctx<'js>, shared: &Rc<Shared>) -> Result<Object<'js>> {
    let native = Object::new(ctx.clone())?;
    let with = |name: &str, function: Function<'js>| native.set(name, function);
    let s = Rc::clone(shared);
    with(
        "call",
        Function::new(ctx.clone(), move |ctx: Ctx<'js>, op: String, a, b| {
            call(&s, &ctx, &op, a, b)
        })?,
    )?;
    let s = Rc::clone(shared);
    with(
        "print",
        Function::new(
            ctx.clone(),
            move |ctx: Ctx<'js>, to: String, text: Value<'js>| print(&s, &ctx, &to, &text),
        )?,
    )?;
    let s = Rc::clone(shared);
    with(
        "log",
        Function::new(ctx.clone(), move |ctx: Ctx<'js>, level: String, data| {
            log(&s, &ctx, &level, data)
        })?,
    )?;
    let s = Rc::clone(shared);
    with(
        "progress",
        Function::new(ctx.clone(), move |ctx: Ctx<'js>, done, total, message| {
            progress(&s, &ctx, done, &total, &message)
        })?,
    )?;
    let s = Rc::clone(shared);
    with(
        "random",
        Function::new(ctx.clone(), move || s.random.borrow_mut().unit())?,
    )?;
    let s = Rc::clone(shared);
    with(
        "uuid",
        Function::new(ctx.clone(), move || s.random.borrow_mut().uuid())?,
    )?;
    Ok(native)
}

fn call<'js>(
    shared: &Rc<Shared>,
    ctx: &Ctx<'js>,
    op: &str,
    a: Opt<Value<'js>>,
    b: Opt<Value<'js>>,
) -> Result<u32> {
    let host = shared.host(ctx)?;
    if shared.must_stop() {
        return Err(Exception::throw_internal(ctx, "the program has to end"));
    }
    let convert = converter(shared, ctx)?;
    let first = a.0.unwrap_or_else(|| Value::new_undefined(ctx.clone()));
    let second =
        b.0.filter(|value| !value.is_undefined() && !value.is_null());
    let op = match op {
        "run" => Op::Run {
            tool: convert.text(&first)?,
            args: second.map_or(Ok(Json::Null), |args| convert.json(args))?,
        },
        "chain" => Op::Chain {
            chain: convert.json(first)?,
        },
        "search" => Op::Search {
            query: convert.text(&first)?,
            limit: second.and_then(|limit| limit.as_number()).map(whole),
        },
        "describe" => Op::Describe {
            tool: convert.text(&first)?,
            detail: second.map(|detail| convert.text(&detail)).transpose()?,
        },
        "examples" => Op::Examples {
            tool: convert.text(&first)?,
        },
        "sleep" => Op::Sleep {
            ms: whole(first.as_number().unwrap_or_default()) as u64,
        },
        _ => Op::Namespaces,
    };
    Ok(host.call(op))
}

fn print<'js>(shared: &Rc<Shared>, ctx: &Ctx<'js>, to: &str, text: &Value<'js>) -> Result<()> {
    let stream = match to {
        "stderr" => Stream::Stderr,
        _ => Stream::Stdout,
    };
    let text = converter(shared, ctx)?.text(text)?;
    shared.host(ctx)?.print(stream, &text);
    Ok(())
}

fn log<'js>(shared: &Rc<Shared>, ctx: &Ctx<'js>, level: &str, data: Value<'js>) -> Result<()> {
    let level = match level {
        "debug" | "info" | "error" => level,
        "warn" | "warning" => "warning",
        _ => "info",
    };
    let data = converter(shared, ctx)?.json(data)?;
    shared.host(ctx)?.log(level, data);
    Ok(())
}

fn progress<'js>(
    shared: &Rc<Shared>,
    ctx: &Ctx<'js>,
    done: f64,
    total: &Value<'js>,
    message: &Value<'js>,
) -> Result<()> {
    let text = if message.is_string() {
        Some(converter(shared, ctx)?.text(message)?)
    } else {
        None
    };
    shared.host(ctx)?.progress(done, total.as_number(), text);
    Ok(())
}

/// A count or a time: what is no whole number from zero is the nearest one.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a cast to an integer saturates, and is zero for what is no number"
)]
fn whole(number: f64) -> usize {
    number.ceil() as usize
}
