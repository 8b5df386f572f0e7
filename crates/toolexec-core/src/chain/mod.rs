//! Several calls, one feeding the next.
//!
//! A chain runs its steps in order. A step is one call, a group of steps that run at the same
//! time, or one step for each item of a list. Templates in the arguments refer to what earlier
//! steps answered: `{{prev.number}}`, `{{steps.create.number}}`, `{{steps[0].number}}`, and in a
//! `for_each` step `{{item.id}}` and `{{index}}`.
//!
//! A chain is checked as a whole before its first call: names, references, templates, sizes.

mod execute;
mod plan;
mod report;
mod scope;
mod spec;
mod template;

use crate::context::CallContext;
use crate::error::Result;
use crate::run::Runner;

pub use plan::ChainLimits;
pub use report::{ChainOutcome, StepReport, StepStatus};
pub use spec::{Chain, OnError, Step};

impl Runner {
    /// Runs a chain.
    ///
    /// `Err` means that the chain itself is wrong and nothing ran. A failing step is in the
    /// outcome, with everything that ran before it.
    ///
    /// # Cancel safety
    /// Dropping the future cancels the calls that are running; later steps do not start. To get
    /// the report of what ran, cancel through the context's token instead.
    pub async fn chain(
        &self,
        chain: Chain,
        limits: &ChainLimits,
        cx: &CallContext,
    ) -> Result<ChainOutcome> {
        let plan = plan::Plan::new(chain, limits)?;
        Ok(execute::run(self, &plan, limits, cx).await)
    }
}
