//! Programs that call tools, under limits, in the sandbox that a profile allows.
//!
//! `cargo run -p toolexec --features sandbox --example runtime`

#![allow(clippy::print_stdout, reason = "an example talks to a person")]

use std::time::Duration;

use toolexec::core::code::Submission;
use toolexec::core::sandbox::{Language, Limits, Profile};
use toolexec::sandbox::Setup;
use toolexec::{Args, CallContext, Error, Executor, Local, LocalTool};

#[tokio::main]
async fn main() -> Result<(), Error> {
    let add = LocalTool::new("add", async |args: Args| {
        let number = |name: &str| args[name].as_f64().ok_or("not a number");
        Ok::<_, &str>(number("a")? + number("b")?)
    })
    .description("Adds two numbers");
    let executor = Executor::builder()
        .local(Local::new("math").tool(add))
        .build()?;
    let code = executor
        .code(Setup::new().sandboxes())
        .max_tool_calls(50)
        .timeout(Duration::from_secs(30))
        .build();
    let cx = CallContext::new();

    // Only what the program returns comes back, however many tools it calls.
    let program = r#"
        const sums = await Promise.all([1, 2, 3].map((a) => tools.run("math:add", {a, b: 10})));
        return {sums, total: await tools.math.add({a: sums[0], b: sums[1]})};
    "#;
    let outcome = code
        .execute(Submission::new(Language::JavaScript, program), &cx)
        .await?;
    println!(
        "{} after {} calls in {}",
        outcome.value,
        outcome.calls.len(),
        outcome.sandbox
    );

    // Limits of one program; `__out` is its value.
    let limits = Limits {
        tool_calls: Some(100),
        memory: Some(512 << 20),
        cpu_time: Some(Duration::from_secs(60)),
        ..Limits::default()
    };
    let submission = Submission::new(Language::Python, "__out = 1 + 1")
        .profile(Profile::Standard)
        .limits(limits);
    println!("{}", code.execute(submission, &cx).await?.value);

    // A limit ends the program and says which it was.
    let greedy = "for (;;) await tools.math.add({a: 1, b: 1});";
    let greedy = Submission::new(Language::JavaScript, greedy).limits(Limits {
        tool_calls: Some(3),
        ..Limits::default()
    });
    let outcome = code.execute(greedy, &cx).await?;
    if let Some(failure) = &outcome.error {
        println!("ended: {}", failure.message);
    }

    // A WebAssembly module is a program, too. This one is empty, so its value is null.
    let empty = [0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00];
    let outcome = code.execute(Submission::module(empty), &cx).await?;
    println!("{} from {}", outcome.value, outcome.sandbox);
    // The same as base64 text.
    let empty = Submission::new(Language::Wasm, "AGFzbQEAAAA=");
    println!("{}", code.execute(empty, &cx).await?.value);
    // This one calls math:add; its source is beside it, in call.wat.
    let module = Submission::module(*include_bytes!("call.wasm"));
    println!("{}", code.execute(module, &cx).await?.value);
    // And so is a component: component.wat.
    let component = Submission::module(*include_bytes!("component.wasm"))
        .input("a", 2)
        .input("b", 6);
    println!("{}", code.execute(component, &cx).await?.value);

    // Without isolation only with consent, which a profile is not.
    let unsafe_one = Submission::new(Language::JavaScript, "1").profile(Profile::Dev);
    if let Err(error) = code.execute(unsafe_one, &cx).await {
        println!("refused: {error}");
    }
    go(&executor).await
}

/// Go snippets, compiled by the toolchain of this machine: without isolation, with consent.
async fn go(executor: &Executor) -> Result<(), Error> {
    // Beside the examples Cargo puts the programs.
    let own = std::env::current_exe().unwrap_or_default();
    let guest = own.ancestors().nth(2).map(|dir| dir.join("toolexec-guest"));
    let Some(guest) = guest.filter(|guest| guest.is_file()) else {
        println!("go: skipped, build the guest first: cargo build -p toolexec-guest");
        return Ok(());
    };
    let setup = Setup::new()
        .guest_program(guest)
        .cache(std::env::temp_dir().join("toolexec-example"));
    let code = executor
        .code(setup.sandboxes().allow_unsafe(true))
        .max_tool_calls(50)
        .build();
    let access = r#"
        // Access tools via the tools interface
        result, _ := tools.RunTool(ctx, "math:add", map[string]any{"a": 1, "b": 2})
        return result.Structured
    "#;
    let limits = Limits {
        tool_calls: Some(100),
        memory: Some(512 << 20),
        cpu_time: Some(Duration::from_secs(60)),
        ..Limits::default()
    };
    for snippet in [access, "__out = 1 + 1"] {
        let submission = Submission::new(Language::Go, snippet)
            .profile(Profile::Dev)
            .limits(limits);
        let outcome = code.execute(submission, &CallContext::new()).await?;
        match &outcome.error {
            None => println!("go: {} in {}", outcome.value, outcome.sandbox),
            // Go is not installed, for one.
            Some(error) => println!("go: {} ({})", error.message, error.hints.join("; ")),
        }
    }
    Ok(())
}
