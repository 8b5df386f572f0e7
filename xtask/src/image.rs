//! An image of a guest: a module whose memory is as `init` left it, or a program, packed.

use std::fs;
use std::future::Future;
use std::path::Path;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use anyhow::Result;
use wasmtime::{Engine, ExternType, Instance, Linker, Module, Store, Val};
use wasmtime_wizer::{InstanceState, SnapshotVal, Wizer};

/// As small as it gets: it is packed once, and unpacked once for each cache.
const LEVEL: i32 = 19;

/// How a WebAssembly module begins.
const WASM: &[u8] = b"\0asm";

/// Writes the image of the guest in `module` to `packed`. One that is a program is only packed.
pub(crate) fn run(module: &Path, packed: &Path) -> Result<()> {
    let mut image = fs::read(module)?;
    if image.starts_with(WASM) {
        image = initialise(&image).map_err(anyhow::Error::msg)?;
    }
    fs::write(packed, zstd::encode_all(image.as_slice(), LEVEL)?)?;
    Ok(())
}

fn initialise(module: &[u8]) -> wasmtime::Result<Vec<u8>> {
    let mut wizer = Wizer::new();
    wizer.init_func("init");
    let (context, instrumented) = wizer.instrument(module)?;
    let engine = Engine::default();
    let module = Module::new(&engine, &instrumented)?;
    let mut linker: Linker<()> = Linker::new(&engine);
    answer_with_zeros(&mut linker, &module)?;
    let mut store = Store::new(&engine, ());
    let instance = linker.instantiate(&mut store, &module)?;
    let init = instance.get_typed_func::<(), ()>(&mut store, "init")?;
    init.call(&mut store, ())?;
    let mut state = State { store, instance };
    now(wizer.snapshot(&context, &mut state))
}

/// The image must be the same each time: the clock stands at zero and nothing is random. What
/// would write to its memory for that writes nothing, and memory begins as zeros.
fn answer_with_zeros(linker: &mut Linker<()>, module: &Module) -> wasmtime::Result<()> {
    for import in module.imports() {
        let ExternType::Func(kind) = import.ty() else {
            continue;
        };
        linker.func_new(import.module(), import.name(), kind, |_, _, results| {
            results.fill(Val::I32(0));
            Ok(())
        })?;
    }
    Ok(())
}

struct State {
    store: Store<()>,
    instance: Instance,
}

#[expect(
    clippy::unused_async_trait_impl,
    reason = "the trait is for engines that wait"
)]
impl InstanceState for State {
    async fn global_get(&mut self, name: &str, _: wasmtime_wizer::ValType) -> SnapshotVal {
        let global = self.instance.get_global(&mut self.store, name);
        match global.map(|global| global.get(&mut self.store)) {
            Some(Val::I64(value)) => SnapshotVal::I64(value),
            Some(Val::F32(value)) => SnapshotVal::F32(value),
            Some(Val::F64(value)) => SnapshotVal::F64(value),
            Some(Val::I32(value)) => SnapshotVal::I32(value),
            _ => SnapshotVal::I32(0),
        }
    }

    async fn memory_contents(&mut self, name: &str, contents: impl FnOnce(&[u8]) + Send) {
        if let Some(memory) = self.instance.get_memory(&mut self.store, name) {
            contents(memory.data(&self.store));
        }
    }
}

/// The result of something that waits for nothing.
fn now<T>(future: impl Future<Output = wasmtime::Result<T>>) -> wasmtime::Result<T> {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(result) => result,
        Poll::Pending => Err(wasmtime::Error::msg("the snapshot waits")),
    }
}
