//! What a guest may ask of its host: the byte stream, the time, random numbers.
//!
//! Of WASI only what the guest's language runtimes are linked against is here; everything else
//! ends the guest when it is called.

use std::future::poll_fn;
use std::hash::{BuildHasher, RandomState};
use std::task::Poll;

use wasmtime::{Caller, Extern, Linker, Memory, Module, Result, bail};

use super::instance::State;

/// The error numbers of WASI preview 1.
mod errno {
    pub(super) const SUCCESS: i32 = 0;
    pub(super) const BADF: i32 = 8;
    pub(super) const INVAL: i32 = 28;
}

const WASI: &str = "wasi_snapshot_preview1";
/// The most bytes that are moved at once.
const PIECE: usize = 256 << 10;

/// Offers everything that `module` imports.
pub(super) fn link(linker: &mut Linker<State>, module: &Module) -> Result<()> {
    stream(linker)?;
    clocks(linker)?;
    environment(linker)?;
    files(linker)?;
    linker.define_unknown_imports_as_traps(module)
}

/// `toolexec`: `read(ptr, len) -> i32` waits, 0 is the end; `write(ptr, len)`; `ready() -> i32`.
fn stream(linker: &mut Linker<State>) -> Result<()> {
    linker.func_wrap_async(
        "toolexec",
        "read",
        |mut caller: Caller<'_, State>, (start, len): (u32, u32)| {
            Box::new(async move {
                let memory = memory(&mut caller)?;
                let pipe = caller.data().pipe.clone();
                let read = poll_fn(|cx| {
                    let Ok(buffer) = slice(memory.data_mut(&mut caller), start, len) else {
                        return Poll::Ready(Err(out_of_bounds()));
                    };
                    let most = buffer.len().min(PIECE);
                    pipe.poll_read(cx, &mut buffer[..most]).map(Ok)
                })
                .await?;
                // No more than `PIECE`.
                Ok(i32::try_from(read).unwrap_or_default())
            })
        },
    )?;
    linker.func_wrap_async(
        "toolexec",
        "write",
        |mut caller: Caller<'_, State>, (start, len): (u32, u32)| {
            Box::new(async move {
                let memory = memory(&mut caller)?;
                let pipe = caller.data().pipe.clone();
                let mut done = 0;
                while done < len {
                    let written = poll_fn(|cx| {
                        let Ok(bytes) =
                            slice(memory.data_mut(&mut caller), start + done, len - done)
                        else {
                            return Poll::Ready(Err(out_of_bounds()));
                        };
                        pipe.poll_write(cx, bytes).map(Ok)
                    })
                    .await?;
                    done += u32::try_from(written).unwrap_or(u32::MAX);
                }
                if len > 0 {
                    give_way().await;
                }
                Ok(())
            })
        },
    )?;
    linker.func_wrap("toolexec", "ready", |caller: Caller<'_, State>| {
        i32::from(caller.data().pipe.is_ready())
    })?;
    Ok(())
}

/// Lets the host see what was written before the guest goes on: after the last message of a
/// program nothing that the guest still does is of use. Whoever reads comes back by itself.
async fn give_way() {
    let mut gave = false;
    poll_fn(|_| {
        if std::mem::replace(&mut gave, true) {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    })
    .await;
}

/// The real time, and time since the guest started; random numbers that nothing may rely on for
/// secrets.
fn clocks(linker: &mut Linker<State>) -> Result<()> {
    linker.func_wrap(
        WASI,
        "clock_time_get",
        |mut caller: Caller<'_, State>, id: i32, _precision: i64, at: u32| {
            let time = match id {
                0 => std::time::SystemTime::now()
                    .duration_since(std::time::UNIX_EPOCH)
                    .unwrap_or_default(),
                1..=3 => caller.data().started.elapsed(),
                _ => return Ok(errno::INVAL),
            };
            let nanos = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
            put(&mut caller, at, &nanos.to_le_bytes())
        },
    )?;
    linker.func_wrap(
        WASI,
        "clock_res_get",
        |mut caller: Caller<'_, State>, _id: i32, at: u32| {
            put(&mut caller, at, &1_u64.to_le_bytes())
        },
    )?;
    linker.func_wrap(
        WASI,
        "random_get",
        |mut caller: Caller<'_, State>, at: u32, len: u32| {
            let memory = memory(&mut caller)?;
            let buffer = slice(memory.data_mut(&mut caller), at, len)?;
            random(buffer);
            Ok(errno::SUCCESS)
        },
    )?;
    linker.func_wrap(WASI, "sched_yield", || errno::SUCCESS)?;
    Ok(())
}

/// Random bytes that nothing may rely on for secrets.
pub(super) fn random(into: &mut [u8]) {
    let seed = RandomState::new();
    for (number, piece) in into.chunks_mut(8).enumerate() {
        let random = seed.hash_one(number).to_le_bytes();
        piece.copy_from_slice(&random[..piece.len()]);
    }
}

/// No arguments and no variables.
fn environment(linker: &mut Linker<State>) -> Result<()> {
    for name in ["args_sizes_get", "environ_sizes_get"] {
        linker.func_wrap(
            WASI,
            name,
            |mut caller: Caller<'_, State>, count: u32, size: u32| {
                put(&mut caller, count, &[0; 4])?;
                put(&mut caller, size, &[0; 4])
            },
        )?;
    }
    for name in ["args_get", "environ_get"] {
        linker.func_wrap(WASI, name, |_: i32, _: i32| errno::SUCCESS)?;
    }
    linker.func_wrap(WASI, "proc_exit", |code: i32| -> Result<()> {
        bail!("the guest exited with status {code}")
    })?;
    Ok(())
}

/// No files. What is written to the standard streams, such as the message of a panic, is
/// swallowed: the guest speaks through its stream only.
fn files(linker: &mut Linker<State>) -> Result<()> {
    linker.func_wrap(
        WASI,
        "fd_write",
        |mut caller: Caller<'_, State>, fd: i32, vectors: u32, count: u32, at: u32| {
            if !(1..=2).contains(&fd) {
                return Ok(errno::BADF);
            }
            let memory = memory(&mut caller)?;
            let data = memory.data_mut(&mut caller);
            let mut written: u32 = 0;
            for number in 0..count {
                let entry = slice(data, vectors + number * 8 + 4, 4)?;
                let len = entry
                    .first_chunk()
                    .map_or(0, |len| u32::from_le_bytes(*len));
                written = written.saturating_add(len);
            }
            put(&mut caller, at, &written.to_le_bytes())
        },
    )?;
    linker.func_wrap(WASI, "fd_read", |_: i32, _: i32, _: i32, _: i32| {
        errno::BADF
    })?;
    linker.func_wrap(WASI, "fd_close", |_: i32| errno::BADF)?;
    linker.func_wrap(WASI, "fd_seek", |_: i32, _: i64, _: i32, _: i32| {
        errno::BADF
    })?;
    linker.func_wrap(WASI, "fd_fdstat_get", |_: i32, _: i32| errno::BADF)?;
    linker.func_wrap(WASI, "fd_filestat_get", |_: i32, _: i32| errno::BADF)?;
    linker.func_wrap(WASI, "fd_prestat_get", |_: i32, _: i32| errno::BADF)?;
    linker.func_wrap(WASI, "fd_prestat_dir_name", |_: i32, _: i32, _: i32| {
        errno::BADF
    })?;
    Ok(())
}

fn memory(caller: &mut Caller<'_, State>) -> Result<Memory> {
    if let Some(memory) = caller.data().memory {
        return Ok(memory);
    }
    match caller.get_export("memory") {
        Some(Extern::Memory(memory)) => Ok(*caller.data_mut().memory.insert(memory)),
        _ => bail!("the guest exports no memory"),
    }
}

fn slice(data: &mut [u8], start: u32, len: u32) -> Result<&mut [u8]> {
    let start = start as usize;
    let end = start + len as usize;
    data.get_mut(start..end).ok_or_else(out_of_bounds)
}

fn put(caller: &mut Caller<'_, State>, at: u32, bytes: &[u8]) -> Result<i32> {
    let memory = memory(caller)?;
    let Ok(len) = u32::try_from(bytes.len()) else {
        return Ok(errno::INVAL);
    };
    slice(memory.data_mut(caller), at, len)?.copy_from_slice(bytes);
    Ok(errno::SUCCESS)
}

fn out_of_bounds() -> wasmtime::Error {
    wasmtime::Error::msg("the guest named memory that it does not have")
}
