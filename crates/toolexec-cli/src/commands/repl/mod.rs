//! `toolexec repl`.

mod editor;
mod entry;
mod input;

use tokio_util::sync::CancellationToken;
use toolexec::core::code::{CodeExecutor, CodeSession, Submission};
use toolexec::core::sandbox::{Language, Limits, Profile};
use toolexec::{CallContext, Error, ErrorKind};

use crate::code_args::ReplArgs;
use crate::commands::code::{executor, finish};
use crate::diagnostics::Failure;
use crate::exit::Exit;
use crate::printer::Printer;
use crate::session::Session;
use crate::signals::interruptible;
use input::{Entry, Input};

const HELP: &str = "\
.help     this
.reset    forget all variables
.exit     end it, as Ctrl-D does
An entry goes on while a bracket, a text or a block is open; an empty line ends it. Ctrl-C ends
the program that runs, and the entry that is being typed. The value of an entry is its last
expression. `await tools.math.add({a: 1, b: 2})` in JavaScript, `tools.math.add(a=1, b=2)` in
Python and `run(\"math:add\", {a: 1, b: 2})` in script call a tool; search(\"words\") finds one.";

/// Runs one entry after the other; variables stay. An error ends its entry only.
pub(crate) async fn run(
    args: &ReplArgs,
    session: &Session,
    printer: &mut Printer,
) -> Result<Exit, Failure> {
    let place = Place {
        executor: executor(&args.bounds, session),
        language: args.lang.language(),
        limits: args.bounds.limits(session.timeout()),
        profile: args.bounds.profile(),
    };
    let mut code = session.within(place.open()).await?;
    let mut input = Input::new(place.language);
    let interactive = input.is_interactive();
    if interactive {
        printer.say(&format!(
            "{} in {}; .help tells more, Ctrl-D ends it",
            args.lang.name(),
            code.sandbox()
        ))?;
    }
    let mut last = Exit::Ok;
    loop {
        let (back, entry) = session.within(read(input)).await?;
        input = back;
        match entry? {
            Entry::End => return Ok(last),
            Entry::Dropped => {}
            Entry::Program(text) => {
                let ended = Box::pin(execute(&mut code, &text, &place, printer)).await?;
                last = ended.exit;
                if let Some(signal) = ended.signal
                    && (signal == Exit::Terminated || !interactive)
                {
                    return Ok(signal);
                }
            }
            Entry::Command(command) => match command.as_str() {
                ".exit" => return Ok(last),
                ".reset" => code = session.within(place.open()).await?,
                ".help" => printer.talk_line(HELP)?,
                other => {
                    printer.warn(&format!("there is no {other}; .help tells what there is"))?;
                }
            },
        }
        if code.is_closed() {
            printer.warn("the session was lost; its variables are gone")?;
            code = session.within(place.open()).await?;
        }
    }
}

/// What every session of the repl has.
struct Place {
    executor: CodeExecutor,
    language: Language,
    limits: Limits,
    profile: Option<Profile>,
}

impl Place {
    async fn open(&self) -> Result<CodeSession, Error> {
        self.executor
            .open(self.language, self.limits, self.profile)
            .await
    }
}

/// How an entry ended.
struct Ended {
    exit: Exit,
    /// The signal that ended it.
    signal: Option<Exit>,
}

/// Runs an entry; an interrupt ends it alone.
async fn execute(
    code: &mut CodeSession,
    text: &str,
    place: &Place,
    printer: &mut Printer,
) -> Result<Ended, Failure> {
    let cancel = CancellationToken::new();
    let cx = CallContext::new().with_cancel(cancel.clone());
    let work = async {
        let submission = Submission::new(place.language, text);
        let exit = match code.execute(submission, &cx).await {
            Ok(outcome) => finish(&outcome, text, printer)?,
            Err(error) => Failure::from(error).show(printer),
        };
        Ok(Ended { exit, signal: None })
    };
    interruptible(&cancel, work, |ended, signal| Ended {
        signal: Some(signal),
        ..ended
    })
    .await
}

/// Reads the next entry where it keeps nobody waiting.
async fn read(mut input: Input) -> Result<(Input, std::io::Result<Entry>), Error> {
    let work = tokio::task::spawn_blocking(move || {
        let entry = input.next();
        (input, entry)
    });
    work.await.map_err(|error| {
        Error::new(ErrorKind::Internal, "reading standard input failed").with_source(error)
    })
}
