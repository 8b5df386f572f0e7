//! `toolexec code`.

mod files;
pub(crate) mod show;
pub(crate) mod stream;
mod timeline;

use std::io::Read;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use toolexec::config::Config;
use toolexec::core::code::{CodeExecutor, MAX_MODULE, MAX_SOURCE, Outcome, Submission};
use toolexec::core::sandbox::{Language, Sandboxes, on_engine};
use toolexec::sandbox::Setup;
use toolexec::{Error, ErrorKind};

use crate::arguments;
use crate::code_args::{BoundsArgs, CodeArgs, CodeLang};
use crate::diagnostics::Failure;
use crate::exit::Exit;
use crate::live::Live;
use crate::printer::{Format, Printer};
use crate::session::Session;

/// The environment variable that says where the native guest program is.
const GUEST: &str = "TOOLEXEC_GUEST";
/// The environment variable that says where the Docker daemon listens.
const DOCKER_HOST: &str = "DOCKER_HOST";
const FIRECRACKER_BIN: &str = "FIRECRACKER_BIN";

pub(crate) async fn run(
    args: &CodeArgs,
    session: &Session,
    printer: &mut Printer,
) -> Result<Exit, Failure> {
    let program = program(args)?;
    let source = program.source.clone();
    let inputs = arguments::assemble(arguments::read(&args.input)?, &Value::Null)?;
    let executor = executor(&args.bounds, session);
    let mut submission = program.limits(args.bounds.limits(session.timeout()));
    submission.inputs = inputs;
    submission.profile = args.bounds.profile();
    submission.image.clone_from(&args.image);
    submission.files = files::given(args)?;
    let kept = args.output_dir.as_deref();
    files::prepare(kept)?;
    // The deadline of `--timeout` is among the limits, whose errors say more.
    let cx = session.cancellable();
    if args.check {
        let check = Box::pin(executor.check(submission, &cx));
        let problems = session.within(check).await?;
        return found(&problems, &source, printer);
    }
    if args.stream {
        let events = executor.stream(submission, cx);
        let shown = async {
            let (exit, artifacts) = stream::run(events, &source, printer).await?;
            files::keep(&artifacts, kept, args.force, printer)?;
            Ok(exit)
        };
        return session.calls(shown).await;
    }
    let live = Live::start(printer, "running");
    let run = Box::pin(executor.execute(submission, &cx));
    let shown = async {
        let outcome = run.await?;
        drop(live);
        let exit = finish(&outcome, &source, printer)?;
        files::keep(&outcome.artifacts, kept, args.force, printer)?;
        Ok(exit)
    };
    session.calls(shown).await
}

/// Runs programs with the sandboxes that are built in.
pub(crate) fn executor(bounds: &BoundsArgs, session: &Session) -> CodeExecutor {
    // What the configuration allows is added to it.
    let sandboxes = sandboxes(&session.config).allow_unsafe(bounds.allow_unsafe);
    session.executor.code(sandboxes).build()
}

/// The sandboxes that are built in.
pub(crate) fn sandboxes(config: &Config) -> Sandboxes {
    setup(config).sandboxes()
}

/// What the sandboxes that are built in need to know.
pub(crate) fn setup(config: &Config) -> Setup {
    let mut setup = config.set_up(Setup::new());
    if let Some(host) = docker_variable() {
        setup = setup.docker_host(host);
    }
    if let Some(program) = std::env::var_os(FIRECRACKER_BIN).filter(|program| !program.is_empty()) {
        setup = setup.firecracker_program(program);
    }
    if let Some(guest) = guest() {
        setup = setup.guest_program(guest);
    }
    if let Some(cache) = cache() {
        setup = setup.cache(cache);
    }
    setup
}

/// Where the Docker daemon listens.
#[cfg(target_os = "linux")]
pub(crate) fn docker_host(config: &Config) -> String {
    let own = config.docker_host().map(str::to_owned);
    let usual = toolexec::sandbox::docker::DEFAULT_HOST;
    own.or_else(docker_variable)
        .unwrap_or_else(|| usual.to_owned())
}

fn docker_variable() -> Option<String> {
    let host = std::env::var(DOCKER_HOST).ok();
    host.filter(|host| !host.is_empty())
}

/// Shows an outcome.
pub(crate) fn finish(
    outcome: &Outcome,
    source: &str,
    printer: &mut Printer,
) -> Result<Exit, Failure> {
    if printer.format() != Format::Human {
        printer.document(outcome)?;
        return Ok(outcome.error.as_ref().map_or(Exit::Ok, show::exit));
    }
    show::outcome(outcome, source, printer)
}

fn found(
    problems: &[toolexec::core::code::Problem],
    source: &str,
    printer: &mut Printer,
) -> Result<Exit, Failure> {
    if printer.format() == Format::Human {
        show::problems(problems, source, printer)?;
        if problems.is_empty() {
            printer.say("no problems")?;
        }
    } else {
        printer.document(&json!({ "v": 1, "problems": problems }))?;
    }
    Ok(if problems.is_empty() {
        Exit::Ok
    } else {
        Exit::InvalidInput
    })
}

/// The program and its language.
fn program(args: &CodeArgs) -> Result<Submission, Failure> {
    let named = match (&args.file, args.lang) {
        (Some(file), None) if file != Path::new("-") => Some(named(file)?),
        _ => None,
    };
    let lang = args.lang.or(named).unwrap_or(CodeLang::JavaScript);
    let language = on_engine(lang.language(), args.engine.as_deref())?;
    let source = match (&args.eval, &args.file) {
        (Some(code), _) => code.clone(),
        (None, Some(file)) if language == Language::Wasm => return module(file),
        (None, Some(file)) if file == Path::new("-") => standard_input()?,
        (None, Some(file)) => arguments::read_file(file)?,
        // Clap asks for one of them.
        (None, None) => String::new(),
    };
    Ok(Submission::new(language, source))
}

/// A WebAssembly module: its bytes, or those as base64 text.
fn module(file: &Path) -> Result<Submission, Failure> {
    let bytes = if file == Path::new("-") {
        let mut bytes = Vec::new();
        let most = MAX_MODULE as u64 * 2;
        std::io::stdin()
            .take(most)
            .read_to_end(&mut bytes)
            .map_err(unreadable)?;
        bytes
    } else {
        arguments::read_bytes(file)?
    };
    if bytes.starts_with(b"\0") {
        return Ok(Submission::module(bytes));
    }
    Ok(match String::from_utf8(bytes) {
        Ok(text) => Submission::new(Language::Wasm, text),
        Err(error) => Submission::module(error.into_bytes()),
    })
}

/// The language that the end of a file's name says.
fn named(file: &Path) -> Result<CodeLang, Failure> {
    let end = file.extension().and_then(|end| end.to_str());
    end.and_then(CodeLang::of_extension).ok_or_else(|| {
        let message = format!("the name of {} says no language", file.display());
        Failure::usage(message)
            .hint("say it: --lang javascript, typescript, python, script or wasm")
    })
}

pub(crate) fn standard_input() -> Result<String, Failure> {
    let mut text = String::new();
    // One byte more than a program may have, so that a longer one is refused.
    std::io::stdin()
        .take(MAX_SOURCE as u64 + 1)
        .read_to_string(&mut text)
        .map_err(unreadable)?;
    Ok(text)
}

fn unreadable(error: std::io::Error) -> Failure {
    let message = "standard input cannot be read as text";
    let made = Error::new(ErrorKind::InvalidInput, message);
    made.with_source(error).into()
}

/// The native guest program: what the environment says, else beside this program, else this
/// program itself.
fn guest() -> Option<PathBuf> {
    if let Some(path) = std::env::var_os(GUEST).filter(|path| !path.is_empty()) {
        return Some(path.into());
    }
    let own = std::env::current_exe().ok()?;
    let beside = own.with_file_name("toolexec-guest");
    Some(if beside.is_file() { beside } else { own })
}

/// Where compiled guests are kept.
pub(crate) fn cache() -> Option<PathBuf> {
    let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
    let root = set("XDG_CACHE_HOME").map(PathBuf::from);
    let root = root.or_else(|| Some(PathBuf::from(set("HOME")?).join(".cache")))?;
    Some(root.join("toolexec").join("guests"))
}
