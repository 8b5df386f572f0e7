//! What the sandboxes of this machine are worth: each is started, measured, and every limit is
//! attacked.

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::Serialize;
use toolexec_core::backend::local::{Local, LocalTool};
use toolexec_core::code::{CodeExecutor, Outcome, Submission};
use toolexec_core::error::ErrorReport;
use toolexec_core::index::Index;
use toolexec_core::sandbox::{
    Description, Enforced, Enforcer, Isolation, Language, LimitName, Limits, Profile, Sandbox,
    Sandboxes,
};
use toolexec_core::{Args, CallContext, DocStore, Result, Runner};

/// How often a program is run to see how long that takes.
const RUNS: usize = 5;
/// How long a guest may take to be started ahead: as many times as long as a start takes, and no
/// more than so long.
const STARTS: f64 = 4.0;
const AHEAD: Duration = Duration::from_secs(3);

/// What was found out about a sandbox.
#[derive(Debug, Clone, Serialize)]
pub struct Finding {
    /// Its name.
    pub name: String,
    /// What it is; nothing when it is not built in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<Description>,
    /// Why it cannot be used, with what to do; nothing when it can.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub missing: Option<ErrorReport>,
    /// The version of the daemon or program that it uses, where it uses one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// Its first program, with one tool call, from nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first_ms: Option<f64>,
    /// The median of those after it, each in a guest that is started for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cold_ms: Option<f64>,
    /// The median of programs whose guest was started ahead.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub warm_ms: Option<f64>,
    /// What became of the limits.
    pub limits: Vec<LimitFinding>,
}

/// What became of a limit that was attacked.
#[derive(Debug, Clone, Serialize)]
pub struct LimitFinding {
    /// Which.
    pub name: LimitName,
    /// Who claims to enforce it; nobody, when this is empty.
    pub by: Vec<Enforcer>,
    /// What became of it.
    pub verdict: Verdict,
    /// What the program did that attacked it, and how that ended.
    pub detail: String,
}

/// What became of a limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Verdict {
    /// It was attacked and held.
    Held,
    /// It was attacked and did not hold, though somebody claims to enforce it.
    Broken,
    /// Nobody enforces it here.
    NotEnforced,
    /// No program has the means to exceed it.
    NoMeans,
}

/// Examines every sandbox, one after the other: those of `cold` start no guests ahead, those of
/// `warm` some. It takes a few seconds for each.
///
/// # Cancel safety
/// Dropping the future ends the program that is running.
pub async fn examine(cold: &Sandboxes, warm: &Sandboxes) -> Vec<Finding> {
    let mut findings = Vec::new();
    for one in cold.availability().await {
        let mut finding = Finding {
            name: one.name,
            description: one.description,
            missing: one.missing,
            version: None,
            first_ms: None,
            cold_ms: None,
            warm_ms: None,
            limits: Vec::new(),
        };
        let usable = finding.missing.is_none();
        let sandbox = cold.get(&finding.name).filter(|_| usable);
        if let Some((sandbox, warm)) = sandbox.zip(warm.get(&finding.name))
            && let Err(error) = measure(sandbox, warm, &mut finding).await
        {
            finding.missing = Some(error.report());
        }
        findings.push(finding);
    }
    findings
}

async fn measure(
    sandbox: &Arc<dyn Sandbox>,
    warm: &Arc<dyn Sandbox>,
    finding: &mut Finding,
) -> Result<()> {
    finding.version = sandbox.version().await;
    let executor = executor(sandbox);
    finding.first_ms = Some(timed(&executor).await?);
    let cold = median(&executor, Duration::ZERO).await?;
    finding.cold_ms = Some(cold);
    let pause = Duration::from_secs_f64(STARTS * cold / 1e3).min(AHEAD);
    finding.warm_ms = Some(warm_median(warm, pause).await?);
    for name in LimitName::ALL {
        finding
            .limits
            .push(attacked(sandbox, &executor, name).await?);
    }
    Ok(())
}

async fn warm_median(warm: &Arc<dyn Sandbox>, pause: Duration) -> Result<f64> {
    let executor = executor(warm);
    // When it ends, a guest is started ahead for the next one.
    timed(&executor).await?;
    median(&executor, pause).await
}

/// How long a program with one tool call takes, in milliseconds: the median of some, with a pause
/// before each.
async fn median(executor: &CodeExecutor, pause: Duration) -> Result<f64> {
    let mut times = [0.0; RUNS];
    for time in &mut times {
        tokio::time::sleep(pause).await;
        *time = timed(executor).await?;
    }
    times.sort_by(f64::total_cmp);
    Ok(times[RUNS / 2])
}

async fn timed(executor: &CodeExecutor) -> Result<f64> {
    let started = Instant::now();
    let source = "return await tools.doctor.wait({ms: 0})";
    let submission = Submission::new(Language::JavaScript, source).check(false);
    let outcome = executor.execute(submission, &CallContext::new()).await?;
    match outcome.error {
        None => Ok(started.elapsed().as_secs_f64() * 1e3),
        Some(error) => {
            let message = format!("a program that does nothing failed: {}", error.message);
            Err(crate::unavailable(&message))
        }
    }
}

/// Attacks a limit.
async fn attacked(
    sandbox: &Arc<dyn Sandbox>,
    executor: &CodeExecutor,
    name: LimitName,
) -> Result<LimitFinding> {
    let (limits, source) = attack(name);
    let by = Enforced::new(&limits, &sandbox.describe().enforcement);
    let by = by
        .get(name)
        .map(|limit| limit.by.clone())
        .unwrap_or_default();
    let found = |verdict, detail: String| LimitFinding {
        name,
        by: by.clone(),
        verdict,
        detail,
    };
    if by.is_empty() {
        return Ok(found(Verdict::NotEnforced, "nobody enforces it".to_owned()));
    }
    let Some(source) = source else {
        let detail = "no language of ours can start a process or write to a disk";
        return Ok(found(Verdict::NoMeans, detail.to_owned()));
    };
    let submission = Submission::new(Language::JavaScript, source).limits(limits);
    let outcome = executor
        .execute(submission.with_files().check(false), &CallContext::new())
        .await?;
    let held = match name {
        // More calls wait for their turn; nobody fails.
        LimitName::ParallelCalls => outcome.is_ok() && outcome.usage.parallel_calls <= 2,
        LimitName::Cpus => {
            let used = outcome.usage.cpu_time.unwrap_or(Duration::MAX);
            used < outcome.usage.run_time / 2
        }
        _ => {
            outcome
                .error
                .as_ref()
                .and_then(|error| error.limit)
                .map(|limit| limit.name)
                == Some(name)
        }
    };
    let verdict = if held { Verdict::Held } else { Verdict::Broken };
    Ok(found(verdict, how(&outcome)))
}

/// How the program ended that attacked a limit.
fn how(outcome: &Outcome) -> String {
    match &outcome.error {
        Some(error) => error.message.clone(),
        None => format!(
            "it ended by itself, with {} calls at the same time",
            outcome.usage.parallel_calls
        ),
    }
}

/// A limit and the program that attacks it; none, where no program has the means.
fn attack(name: LimitName) -> (Limits, Option<&'static str>) {
    let mut limits = Limits {
        run_time: Some(Duration::from_secs(20)),
        wait_time: Some(Duration::from_secs(20)),
        ..Limits::default()
    };
    let endless = "while (true) {}";
    let source = match name {
        LimitName::RunTime => {
            limits.run_time = Some(Duration::from_millis(100));
            endless
        }
        LimitName::WaitTime => {
            limits.wait_time = Some(Duration::from_millis(100));
            "await tools.doctor.wait({ms: 60000})"
        }
        LimitName::CpuTime => {
            limits.cpu_time = Some(Duration::from_millis(100));
            endless
        }
        LimitName::Memory => {
            limits.memory = Some(32 << 20);
            "const all = []; while (true) all.push(new Array(10000).fill(all.length))"
        }
        LimitName::ToolCalls => {
            limits.tool_calls = Some(2);
            "for (let i = 0; i < 3; i++) await tools.doctor.wait({ms: 0})"
        }
        LimitName::ParallelCalls => {
            limits.parallel_calls = Some(2);
            "await Promise.all([1, 2, 3, 4, 5].map(() => tools.doctor.wait({ms: 5})))"
        }
        LimitName::ChainSteps => {
            limits.chain_steps = Some(2);
            "await tools.chain([1, 2, 3].map(() => ({tool: 'doctor:wait', args: {ms: 0}})))"
        }
        LimitName::Output => {
            limits.output = Some(1000);
            "for (let i = 0; i < 1000; i++) console.log('x'.repeat(100))"
        }
        LimitName::Result => {
            limits.result = Some(1000);
            "return 'x'.repeat(100000)"
        }
        LimitName::Cpus => {
            limits.cpus = Some(0.2);
            limits.run_time = Some(Duration::from_millis(500));
            // Never met; with it the host looks at what is used while it is used, and not only
            // at the end, when the guest may be gone.
            limits.cpu_time = Some(Duration::from_secs(20));
            endless
        }
        LimitName::FileBytes => {
            limits.file_bytes = Some(1000);
            "await tools.files.write({name: 'all', text: 'x'.repeat(1001)})"
        }
        LimitName::Files => {
            limits.files = Some(2);
            "for (const name of 'abc') await tools.files.write({name, text: ''})"
        }
        LimitName::Pids => {
            limits.pids = Some(1);
            return (limits, None);
        }
        _ => {
            limits.disk = Some(0);
            return (limits, None);
        }
    };
    (limits, Some(source))
}

/// An executor that has this sandbox only, and a tool that waits.
fn executor(sandbox: &Arc<dyn Sandbox>) -> CodeExecutor {
    let wait = LocalTool::new("wait", async |args: Args| {
        let ms = args
            .get("ms")
            .and_then(serde_json::Value::as_u64)
            .unwrap_or(0);
        tokio::time::sleep(Duration::from_millis(ms)).await;
        Ok::<_, String>(ms)
    });
    let index = Index::new();
    let tools = Local::new("doctor").tool(wait);
    index.register_all(tools.registrations().unwrap_or_default());
    let profile = match sandbox.describe().isolation {
        Isolation::None => Profile::Dev,
        _ => Profile::Standard,
    };
    let sandboxes = Sandboxes::new()
        .with(sandbox.clone())
        .candidates(profile, [sandbox.name()])
        // For the doctor's own programs only.
        .allow_unsafe(true);
    let docs = Arc::new(DocStore::default());
    CodeExecutor::builder(Runner::new(index), docs, sandboxes)
        .profile(profile)
        .build()
}
