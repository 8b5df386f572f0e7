//! The one place where errors become text: the chain of causes, what is wrong with the
//! arguments, and `hint:` lines; or the same as JSON.

use std::error::Error as _;
use std::io;

use serde_json::json;
use toolexec::config::ConfigError;
use toolexec::core::error::ErrorReport;
use toolexec::{Error, ErrorKind, Stage};

use crate::exit::Exit;
use crate::printer::{Format, Printer, Tone};

/// A command that did not do what was asked, and how the program ends.
#[derive(Debug)]
pub(crate) struct Failure {
    exit: Exit,
    // `None`: everything was said already, or nobody listens.
    report: Option<Box<ErrorReport>>,
}

impl Failure {
    /// The command line asks for something that cannot be.
    pub(crate) fn usage(message: impl Into<String>) -> Self {
        let report = Error::new(ErrorKind::Config, message).report();
        Self {
            exit: Exit::Usage,
            report: Some(Box::new(ErrorReport {
                code: "usage",
                ..report
            })),
        }
    }

    /// Ends with `exit`; what there is to say was said.
    pub(crate) fn silent(exit: Exit) -> Self {
        Self { exit, report: None }
    }

    /// Adds what to do next.
    #[must_use]
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        if let Some(report) = &mut self.report {
            report.hints.push(hint.into());
        }
        self
    }

    /// Ends with another code.
    #[must_use]
    pub(crate) fn exit_with(mut self, exit: Exit) -> Self {
        self.exit = exit;
        self
    }

    /// Shows it on stderr and says how the program ends.
    pub(crate) fn show(&self, printer: &mut Printer) -> Exit {
        if let Some(report) = &self.report {
            // Nobody is left to be told that stderr is closed.
            let _ = show_report(printer, report);
        }
        self.exit
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let mut report = error.report();
        // The message of a configuration error leaves the file out; whoever is at the terminal
        // may read it, with the line.
        if let Some(config) = error
            .source()
            .and_then(|cause| cause.downcast_ref::<ConfigError>())
        {
            report.message = config.to_string();
            report.causes.clear();
        }
        Self {
            exit: Exit::of(&error),
            report: Some(Box::new(report)),
        }
    }
}

impl From<ConfigError> for Failure {
    fn from(error: ConfigError) -> Self {
        Self::from(Error::from(error))
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::BrokenPipe {
            // The reader has seen enough.
            return Self::silent(Exit::Ok);
        }
        let made = Error::new(ErrorKind::Internal, "the output cannot be written");
        Self::from(made.with_source(error)).exit_with(Exit::Failed)
    }
}

/// Shows an error report on stderr.
pub(crate) fn show_report(printer: &mut Printer, report: &ErrorReport) -> io::Result<()> {
    if printer.format() != Format::Human {
        return printer.talk_line(&json!({ "error": report }).to_string());
    }
    let label = printer.paint(Tone::Error, "error:");
    printer.talk_line(&format!("{label} {}", report.message))?;
    for violation in &report.violations {
        printer.talk_line(&format!("  {violation}"))?;
    }
    let whole = report.causes.iter().map(|cause| cause.trim());
    for cause in whole.filter(|cause| !report.message.contains(cause)) {
        let label = printer.paint(Tone::Dim, "cause:");
        let text = cause.replace('\n', "\n         ");
        printer.talk_line(&format!("  {label} {text}"))?;
    }
    if printer.is_verbose() {
        let place = [
            Some(format!("code {}", report.code)),
            report
                .stage
                .map(|stage| format!("stage {}", stage.as_str())),
            report.tool.as_ref().map(|tool| format!("tool {tool}")),
            report
                .backend
                .as_ref()
                .map(|backend| format!("backend {backend}")),
        ];
        let place: Vec<String> = place.into_iter().flatten().collect();
        let label = printer.paint(Tone::Dim, "where:");
        printer.talk_line(&format!("  {label} {}", place.join(", ")))?;
    }
    let advice = report
        .tool
        .as_ref()
        .filter(|_| report.stage == Some(Stage::ValidateInput))
        .map(|tool| format!("`toolexec describe {tool}` shows what it takes"));
    for hint in report.hints.iter().chain(&advice) {
        let label = printer.paint(Tone::Hint, "hint:");
        printer.talk_line(&format!("{label} {hint}"))?;
    }
    Ok(())
}
