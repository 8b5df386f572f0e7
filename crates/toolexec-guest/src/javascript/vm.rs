//! One `QuickJS` machine with its prelude.

use std::cell::Cell;
use std::rc::Rc;

use rquickjs::{Context, Ctx, Function, Object, Persistent, Runtime};
use toolexec_wire::{Failure, FailureKind};

use super::bridge::{Shared, native};
use super::memory::Metered;
use crate::host::failure;

const PRELUDE: [(&str, &str); 6] = [
    ("core", include_str!("prelude/core.js")),
    ("console", include_str!("prelude/console.js")),
    ("plain", include_str!("prelude/plain.js")),
    ("web", include_str!("prelude/web.js")),
    ("fetch", include_str!("prelude/fetch.js")),
    ("script", include_str!("prelude/script.js")),
];

/// How deep a program may recurse, in bytes of stack. Wasm has its own, smaller stack.
const STACK: usize = if cfg!(target_family = "wasm") {
    640 << 10
} else {
    4 << 20
};

/// A machine. What it shares with its functions is let go before it is.
pub(super) struct Vm {
    pub(super) shared: Rc<Shared>,
    /// What the prelude hands to the engine.
    pub(super) core: Cell<Option<Persistent<Object<'static>>>>,
    pub(super) context: Context,
    runtime: Runtime,
}

impl Drop for Vm {
    fn drop(&mut self) {
        self.shared.clear();
        self.core.take();
    }
}

impl Vm {
    /// A machine with the prelude evaluated.
    pub(super) fn new() -> Result<Self, Box<Failure>> {
        Self::start().map_err(|error| {
            failure(
                FailureKind::Internal,
                format!("the engine does not start: {error}"),
            )
        })
    }

    /// Whether code of a program still waits to run.
    pub(super) fn has_jobs(&self) -> bool {
        self.runtime.is_job_pending()
    }

    fn start() -> rquickjs::Result<Self> {
        let shared = Rc::new(Shared::default());
        let runtime = Runtime::new_with_alloc(Metered(Rc::clone(&shared.meter)))?;
        runtime.set_max_stack_size(STACK);
        let context = Context::full(&runtime)?;
        let vm = Self {
            shared,
            core: Cell::new(None),
            context,
            runtime,
        };
        vm.context.with(|ctx| vm.load(&ctx))?;
        vm.watch();
        Ok(vm)
    }

    fn load(&self, ctx: &Ctx<'_>) -> rquickjs::Result<()> {
        let native = native(ctx, &self.shared)?;
        let mut core: Option<Object<'_>> = None;
        for (name, source) in PRELUDE {
            let mut options = rquickjs::context::EvalOptions::default();
            options.filename = Some(format!("toolexec:{name}"));
            let module: Function<'_> = ctx.eval_with_options(source, options)?;
            let given: Option<Object<'_>> = module.call((native.clone(), core.clone()))?;
            match (name, given) {
                ("core", given) => core = given,
                ("plain", Some(given)) => {
                    let plain = given.get::<_, Function<'_>>("plain")?;
                    let well_formed = given.get::<_, Function<'_>>("wellFormed")?;
                    self.shared.converters.replace(Some((
                        Persistent::save(ctx, plain),
                        Persistent::save(ctx, well_formed),
                    )));
                }
                _ => {}
            }
        }
        self.core.set(core.map(|core| Persistent::save(ctx, core)));
        Ok(())
    }

    /// Ends programs that run too long, and remembers rejected promises.
    fn watch(&self) {
        let shared = Rc::clone(&self.shared);
        self.runtime
            .set_interrupt_handler(Some(Box::new(move || shared.must_stop())));
        let shared = Rc::clone(&self.shared);
        self.runtime
            .set_host_promise_rejection_tracker(Some(Box::new(
                move |ctx, promise, reason, is_handled| {
                    let mut rejected = shared.rejected.borrow_mut();
                    let promise = Persistent::save(&ctx, promise);
                    if is_handled {
                        // The one that was added last is most often the one.
                        if let Some(at) = rejected.iter().rposition(|(known, _)| *known == promise)
                        {
                            rejected.remove(at);
                        }
                    } else {
                        rejected.push((promise, Persistent::save(&ctx, reason)));
                    }
                },
            )));
    }
}
