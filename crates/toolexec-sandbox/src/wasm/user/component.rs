//! Components: the world of `wit/toolexec.wit`.

use toolexec_wire::{CallError, Failure, FailureKind, Op, Stream};
use wasmtime::component::types::{self, ComponentItem};
use wasmtime::component::{
    Component, InstancePre, Linker, LinkerInstance, Resource, ResourceType, Type,
};
use wasmtime::{Engine, Result, Store, StoreContextMut};

use super::link;
use super::module::{invalid, listed};
use super::state::State;
use super::stop::{Stop, failure};

/// What a component may import.
const HOST: &str = "toolexec:program/host@0.1.0";
/// What it exports.
const MAIN: &str = "main";
/// Its type.
const MAIN_TYPE: &str = "func(inputs: string) -> result<string, string>";
/// What one call of the host may bring along.
const MAX_HOSTCALL: usize = 8 << 20;
/// The most handles that a component has at a time: calls, and what it makes of its own.
const MAX_HANDLES: usize = 1 << 16;

/// A component that is ready to run. Cheap to clone.
#[derive(Clone)]
pub(super) struct ComponentModule {
    pre: InstancePre<State>,
}

/// The host's side of the resource `call`: its number is the handle.
struct Call;

impl ComponentModule {
    /// The bytes of its compiled code.
    pub(super) fn size(&self) -> usize {
        let image = self.pre.component().image_range();
        image.end.addr() - image.start.addr()
    }

    /// Runs it to its end.
    pub(super) async fn run(&self, store: &mut Store<State>) -> Result<()> {
        store.set_hostcall_fuel(MAX_HOSTCALL);
        store.set_max_component_handles(MAX_HANDLES);
        let inputs = String::from_utf8(store.data().inputs.clone())?;
        let instance = self.pre.instantiate_async(&mut *store).await?;
        let main =
            instance.get_typed_func::<(String,), (Result<String, String>,)>(&mut *store, MAIN)?;
        match main.call_async(&mut *store, (inputs,)).await? {
            (Ok(value),) => store.data_mut().set_value(MAIN, value.as_bytes()),
            (Err(message),) => Err(Stop::failed(message).into()),
        }
    }
}

/// Compiles a component and looks whether it can be run.
pub(super) fn compile(engine: &Engine, bytes: &[u8]) -> Result<ComponentModule, Box<Failure>> {
    let component = Component::new(engine, bytes).map_err(|error| invalid(&error))?;
    let ty = component.component_type();
    imports(&ty, engine)?;
    main(&ty, engine)?;
    let mut linker = Linker::new(engine);
    let offered = linker.instance(HOST).and_then(|mut host| offer(&mut host));
    offered.map_err(|_| failure(FailureKind::Internal, "the host's functions do not link"))?;
    let pre = linker.instantiate_pre(&component).map_err(|error| {
        let message = format!("the component cannot be linked: {error:#}");
        failure(FailureKind::Unsupported, message)
    })?;
    Ok(ComponentModule { pre })
}

/// All imports must be there; those that are not are named, with what there is.
fn imports(ty: &types::Component, engine: &Engine) -> Result<(), Box<Failure>> {
    let missing: Vec<String> = ty
        .imports(engine)
        .filter(|(name, _)| *name != HOST)
        .map(|(name, _)| name.to_owned())
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    let message = format!(
        "the component imports what is not there: {}",
        listed(&missing)
    );
    let mut failure = failure(FailureKind::Unsupported, message);
    failure.hints = vec![format!("there is {HOST}")];
    if missing.iter().any(|name| name.starts_with("wasi:")) {
        let instead = "build it for WASI preview 1 (wasm32-wasip1): such commands run as they are";
        failure.hints.push(instead.to_owned());
    }
    Err(failure)
}

/// It must export `main`, of the right type.
fn main(ty: &types::Component, engine: &Engine) -> Result<(), Box<Failure>> {
    let message = match ty.get_export(engine, MAIN).map(|main| main.ty) {
        Some(ComponentItem::ComponentFunc(main)) if is_main(&main) => return Ok(()),
        Some(_) => format!("{MAIN} must be {MAIN_TYPE}"),
        None => {
            let exports = ty.exports(engine).map(|(name, _)| name.to_owned());
            let exports: Vec<String> = exports.collect();
            format!(
                "the component exports no {MAIN}; it exports {}",
                listed(&exports)
            )
        }
    };
    let mut failure = failure(FailureKind::Unsupported, message);
    failure.hints = vec![format!("export {MAIN}: {MAIN_TYPE}")];
    Err(failure)
}

fn is_main(main: &types::ComponentFunc) -> bool {
    let is_text = |ty: Option<Type>| matches!(ty, Some(Type::String));
    let takes: Vec<Type> = main.params().map(|(_, ty)| ty).collect();
    let gives: Vec<Type> = main.results().collect();
    match (&takes[..], &gives[..]) {
        ([Type::String], [Type::Result(result)]) => is_text(result.ok()) && is_text(result.err()),
        _ => false,
    }
}

fn offer(host: &mut LinkerInstance<'_, State>) -> Result<()> {
    host.resource("call", ResourceType::host::<Call>(), |mut store, handle| {
        let State { link, meter, .. } = store.data_mut();
        link.release(handle, meter)
    })?;
    host.func_wrap_async("run", |mut store, (tool, args): (String, String)| {
        Box::new(
            async move { start(&mut store, link::run(tool.as_bytes(), args.as_bytes())).await },
        )
    })?;
    host.func_wrap_async("chain", |mut store, (steps,): (String,)| {
        Box::new(async move { start(&mut store, link::chain(steps.as_bytes())).await })
    })?;
    host.func_wrap_async(
        "search",
        |mut store, (query, limit): (String, Option<u32>)| {
            let op = link::search(query.as_bytes(), limit.unwrap_or_default());
            Box::new(async move { start(&mut store, op).await })
        },
    )?;
    host.func_wrap_async(
        "describe",
        |mut store, (tool, detail): (String, Option<String>)| {
            let op = link::describe(tool.as_bytes(), detail.unwrap_or_default().as_bytes());
            Box::new(async move { start(&mut store, op).await })
        },
    )?;
    host.func_wrap_async("sleep", |mut store, (ms,): (u32,)| {
        Box::new(async move { start(&mut store, Ok(Op::Sleep { ms: ms.into() })).await })
    })?;
    host.func_wrap_async("wait-any", |mut store, (calls,): (Vec<Resource<Call>>,)| {
        Box::new(async move {
            if calls.is_empty() {
                return Err(Stop::failed("wait-any: there is no call to wait for").into());
            }
            let handles: Vec<u32> = calls.iter().map(Resource::rep).collect();
            let State { link, meter, .. } = store.data_mut();
            let place = link.wait(&handles, meter).await?;
            Ok((u32::try_from(place).unwrap_or_default(),))
        })
    })?;
    host.func_wrap_async(
        "[method]call.ready",
        |mut store, (call,): (Resource<Call>,)| {
            Box::new(async move {
                let State { link, meter, .. } = store.data_mut();
                link.hear(meter).await?;
                Ok((link.is_answered(call.rep())?,))
            })
        },
    )?;
    host.func_wrap_async(
        "[method]call.wait",
        |mut store, (call,): (Resource<Call>,)| {
            Box::new(async move { Ok((wait(&mut store, call.rep()).await?,)) })
        },
    )?;
    host.func_wrap_async("print", |mut store, (text,): (String,)| {
        Box::new(async move {
            store
                .data_mut()
                .print(Stream::Stdout, text.as_bytes())
                .await
        })
    })?;
    Ok(())
}

async fn start(
    store: &mut StoreContextMut<'_, State>,
    op: Result<Op, Box<CallError>>,
) -> Result<(Resource<Call>,)> {
    let State { link, meter, .. } = store.data_mut();
    link.hear(meter).await?;
    Ok((Resource::new_own(link.call(op, meter).await?),))
}

/// The answer of a call, which stays until the call is dropped.
async fn wait(
    store: &mut StoreContextMut<'_, State>,
    handle: u32,
) -> Result<Result<String, String>> {
    let State { link, meter, .. } = store.data_mut();
    link.wait(&[handle], meter).await?;
    let answer = link.answer(handle)?;
    let text = String::from_utf8(answer.text.clone())?;
    Ok(if answer.ok { Ok(text) } else { Err(text) })
}
