//! The module `toolexec`: what core modules import to call tools.
//!
//! Texts are an address and a length in the memory that the module exports; all of them are UTF-8
//! or JSON. A call has a handle, and its answer is waited for and read later, so that many calls
//! can be open at the same time.

use toolexec_wire::{CallError, Op, Stream};
use wasmtime::{Caller, Linker, Result};

use super::link;
use super::state::{State, bytes, memory, put, slice};
use super::stop::Stop;

/// The name of the module.
pub(super) const NAME: &str = "toolexec";
/// What it has.
pub(super) const FUNCTIONS: [&str; 15] = [
    "call",
    "chain",
    "search",
    "describe",
    "sleep",
    "wait",
    "wait_any",
    "ready",
    "read",
    "drop",
    "inputs_len",
    "inputs",
    "print",
    "result",
    "fail",
];
/// The most handles that are waited for at once.
const MAX_HANDLES: u32 = 1 << 16;

/// Offers all functions.
pub(super) fn link(linker: &mut Linker<State>) -> Result<()> {
    calls(linker)?;
    answers(linker)?;
    results(linker)
}

fn calls(linker: &mut Linker<State>) -> Result<()> {
    linker.func_wrap_async(
        NAME,
        "call",
        |mut caller: Caller<'_, State>, (tool, tool_len, args, args_len): (u32, u32, u32, u32)| {
            Box::new(async move {
                let tool = bytes(&mut caller, tool, tool_len, "toolexec.call: the tool")?;
                let args = bytes(&mut caller, args, args_len, "toolexec.call: the arguments")?;
                start(&mut caller, link::run(&tool, &args)).await
            })
        },
    )?;
    linker.func_wrap_async(
        NAME,
        "chain",
        |mut caller: Caller<'_, State>, (steps, len): (u32, u32)| {
            Box::new(async move {
                let steps = bytes(&mut caller, steps, len, "toolexec.chain: the steps")?;
                start(&mut caller, link::chain(&steps)).await
            })
        },
    )?;
    linker.func_wrap_async(
        NAME,
        "search",
        |mut caller: Caller<'_, State>, (query, len, limit): (u32, u32, u32)| {
            Box::new(async move {
                let query = bytes(&mut caller, query, len, "toolexec.search: the query")?;
                start(&mut caller, link::search(&query, limit)).await
            })
        },
    )?;
    linker.func_wrap_async(
        NAME,
        "describe",
        |mut caller: Caller<'_, State>, (tool, len, detail, detail_len): (u32, u32, u32, u32)| {
            Box::new(async move {
                let tool = bytes(&mut caller, tool, len, "toolexec.describe: the tool")?;
                let detail = bytes(
                    &mut caller,
                    detail,
                    detail_len,
                    "toolexec.describe: the detail",
                )?;
                start(&mut caller, link::describe(&tool, &detail)).await
            })
        },
    )?;
    linker.func_wrap_async(
        NAME,
        "sleep",
        |mut caller: Caller<'_, State>, (ms,): (u32,)| {
            Box::new(async move { start(&mut caller, Ok(Op::Sleep { ms: ms.into() })).await })
        },
    )?;
    Ok(())
}

fn answers(linker: &mut Linker<State>) -> Result<()> {
    linker.func_wrap_async(
        NAME,
        "wait",
        |mut caller: Caller<'_, State>, (handle,): (u32,)| {
            Box::new(async move {
                let State { link, meter, .. } = caller.data_mut();
                link.wait(&[handle], meter).await?;
                let answer = link.answer(handle)?;
                // A frame is smaller than that; an error is never empty.
                let len = i64::try_from(answer.text.len()).unwrap_or(i64::MAX);
                Ok(if answer.ok { len } else { -len })
            })
        },
    )?;
    linker.func_wrap_async(
        NAME,
        "wait_any",
        |mut caller: Caller<'_, State>, (handles, count): (u32, u32)| {
            Box::new(async move {
                if !(1..=MAX_HANDLES).contains(&count) {
                    let message = format!(
                        "toolexec.wait_any: {count} handles; 1 to {MAX_HANDLES} can be waited for"
                    );
                    return Err(Stop::failed(message).into());
                }
                let list = bytes(
                    &mut caller,
                    handles,
                    count * 4,
                    "toolexec.wait_any: the handles",
                )?;
                let (list, _) = list.as_chunks();
                let list: Vec<u32> = list.iter().copied().map(u32::from_le_bytes).collect();
                let State { link, meter, .. } = caller.data_mut();
                let place = link.wait(&list, meter).await?;
                Ok(u32::try_from(place).unwrap_or_default())
            })
        },
    )?;
    linker.func_wrap_async(
        NAME,
        "ready",
        |mut caller: Caller<'_, State>, (handle,): (u32,)| {
            Box::new(async move {
                let State { link, meter, .. } = caller.data_mut();
                link.hear(meter).await?;
                link.is_answered(handle).map(u32::from)
            })
        },
    )?;
    linker.func_wrap(
        NAME,
        "read",
        |mut caller: Caller<'_, State>, handle: u32, at: u32, len: u32| -> Result<u32> {
            let memory = memory(&mut caller)?;
            let (data, state) = memory.data_and_store_mut(&mut caller);
            let into = slice(data, at, len, "toolexec.read: the buffer")?;
            let answer = state.link.answer(handle)?;
            let left = &answer.text[answer.read..];
            let read = left.len().min(into.len());
            into[..read].copy_from_slice(&left[..read]);
            answer.read += read;
            if answer.read == answer.text.len() {
                state.link.release(handle, &mut state.meter)?;
            }
            Ok(u32::try_from(read).unwrap_or_default())
        },
    )?;
    linker.func_wrap(
        NAME,
        "drop",
        |mut caller: Caller<'_, State>, handle: u32| {
            let State { link, meter, .. } = caller.data_mut();
            link.release(handle, meter)
        },
    )?;
    Ok(())
}

fn results(linker: &mut Linker<State>) -> Result<()> {
    linker.func_wrap(NAME, "inputs_len", |caller: Caller<'_, State>| {
        u32::try_from(caller.data().inputs.len()).unwrap_or(u32::MAX)
    })?;
    linker.func_wrap(NAME, "inputs", |mut caller: Caller<'_, State>, at: u32| {
        let inputs = caller.data().inputs.clone();
        put(&mut caller, at, &inputs, "toolexec.inputs: the buffer")
    })?;
    linker.func_wrap_async(
        NAME,
        "print",
        |mut caller: Caller<'_, State>, (text, len): (u32, u32)| {
            Box::new(async move {
                let text = bytes(&mut caller, text, len, "toolexec.print: the text")?;
                caller.data_mut().print(Stream::Stdout, &text).await
            })
        },
    )?;
    linker.func_wrap(
        NAME,
        "result",
        |mut caller: Caller<'_, State>, text: u32, len: u32| {
            let text = bytes(&mut caller, text, len, "toolexec.result: the value")?;
            caller.data_mut().set_value("toolexec.result", &text)
        },
    )?;
    linker.func_wrap(
        NAME,
        "fail",
        |mut caller: Caller<'_, State>, text: u32, len: u32| -> Result<()> {
            let text = bytes(&mut caller, text, len, "toolexec.fail: the message")?;
            Err(Stop::failed(String::from_utf8_lossy(&text)).into())
        },
    )?;
    Ok(())
}

async fn start(caller: &mut Caller<'_, State>, op: Result<Op, Box<CallError>>) -> Result<u32> {
    let State { link, meter, .. } = caller.data_mut();
    link.hear(meter).await?;
    link.call(op, meter).await
}
