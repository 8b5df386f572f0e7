//! Who keeps a program within a limit.

use std::collections::BTreeMap;

use serde::Serialize;

use super::limits::{LimitName, Limits};

/// Who keeps a program within a limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Enforcer {
    /// The guest, on its own side of the boundary: a hostile guest can lie.
    Guest,
    /// Our side of the boundary.
    Host,
    /// The kernel, or the hypervisor.
    Kernel,
}

/// For each limit that was set: how large it was and who enforced it. Nobody, where the list is
/// empty.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[serde(transparent)]
pub struct Enforced(BTreeMap<LimitName, EnforcedLimit>);

/// A limit and who enforced it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct EnforcedLimit {
    /// How large it was, in its unit.
    pub limit: f64,
    /// Who enforced it; nobody, when this is empty.
    pub by: Vec<Enforcer>,
}

/// What a sandbox enforces by itself, besides what the host loop counts.
pub type Enforcement = Vec<(LimitName, Enforcer)>;

/// What the host loop counts, whatever the sandbox.
const BY_HOST: [LimitName; 9] = [
    LimitName::RunTime,
    LimitName::WaitTime,
    LimitName::ToolCalls,
    LimitName::ParallelCalls,
    LimitName::ChainSteps,
    LimitName::Output,
    LimitName::Result,
    LimitName::FileBytes,
    LimitName::Files,
];

/// What every guest is asked to keep.
const BY_GUEST: [LimitName; 2] = [LimitName::RunTime, LimitName::Result];

impl Enforced {
    /// What becomes of `limits` in a sandbox that enforces `by_sandbox`.
    pub fn new(limits: &Limits, by_sandbox: &[(LimitName, Enforcer)]) -> Self {
        let set = LimitName::ALL
            .into_iter()
            .filter_map(|name| Some((name, limits.get(name)?)));
        Self(
            set.map(|(name, limit)| {
                let by = enforcers(name, by_sandbox);
                (name, EnforcedLimit { limit, by })
            })
            .collect(),
        )
    }

    /// A limit, if it was set.
    pub fn get(&self, name: LimitName) -> Option<&EnforcedLimit> {
        self.0.get(&name)
    }

    /// Every limit that was set.
    pub fn iter(&self) -> impl Iterator<Item = (LimitName, &EnforcedLimit)> {
        self.0.iter().map(|(name, limit)| (*name, limit))
    }

    /// The limits that were set and that nobody enforces.
    pub fn by_nobody(&self) -> Vec<LimitName> {
        self.iter()
            .filter(|(_, limit)| limit.by.is_empty())
            .map(|(name, _)| name)
            .collect()
    }
}

fn enforcers(name: LimitName, by_sandbox: &[(LimitName, Enforcer)]) -> Vec<Enforcer> {
    let own = by_sandbox.iter().filter(|(limit, _)| *limit == name);
    let mut by: Vec<Enforcer> = own.map(|(_, enforcer)| *enforcer).collect();
    by.extend(BY_HOST.contains(&name).then_some(Enforcer::Host));
    by.extend(BY_GUEST.contains(&name).then_some(Enforcer::Guest));
    by.sort_unstable();
    by.dedup();
    by
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::json;

    use super::*;

    #[test]
    fn a_limit_that_nobody_enforces_is_not_claimed() {
        let limits = Limits {
            run_time: Some(Duration::from_millis(1500)),
            memory: Some(1024),
            disk: Some(10),
            ..Limits::default()
        };
        let by_sandbox = [
            (LimitName::Memory, Enforcer::Kernel),
            (LimitName::Memory, Enforcer::Guest),
            (LimitName::Pids, Enforcer::Kernel),
        ];
        let enforced = Enforced::new(&limits, &by_sandbox);
        assert_eq!(
            serde_json::to_value(&enforced).unwrap(),
            json!({
                "run_time": {"limit": 1500.0, "by": ["guest", "host"]},
                "memory": {"limit": 1024.0, "by": ["guest", "kernel"]},
                "disk": {"limit": 10.0, "by": []}
            })
        );
        assert_eq!(enforced.by_nobody(), [LimitName::Disk]);
    }
}
