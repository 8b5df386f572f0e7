//! A spinner or a bar on stderr while a call runs; nothing where stderr is no terminal.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

use crate::printer::Printer;

/// What is shown while a call runs; gone when dropped.
pub(crate) struct Live {
    bar: Option<ProgressBar>,
}

impl Live {
    /// Shows `what` is being waited for.
    pub(crate) fn start(printer: &Printer, what: &str) -> Self {
        if !printer.is_live() {
            return Self { bar: None };
        }
        let bar = ProgressBar::new_spinner().with_message(what.to_owned());
        // What is over at once needs no spinner: the first tick comes after this.
        bar.enable_steady_tick(Duration::from_millis(120));
        Self { bar: Some(bar) }
    }

    /// Shows how far it is.
    pub(crate) fn progress(&self, done: f64, total: Option<f64>, message: Option<&str>) {
        let Some(bar) = &self.bar else { return };
        if let Some(total) = total.filter(|total| total.is_finite() && *total > 0.0) {
            const STEPS: f64 = 1000.0;
            if bar.length().is_none() {
                bar.set_length(1000);
                // The template is constant; were it wrong, the spinner would stay.
                if let Ok(style) = ProgressStyle::with_template("{bar:30} {percent:>3}% {msg}") {
                    bar.set_style(style);
                }
            }
            let part = (done / total).clamp(0.0, 1.0) * STEPS;
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "between 0 and 1000"
            )]
            bar.set_position(part as u64);
        }
        if let Some(message) = message {
            bar.set_message(message.to_owned());
        }
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
