//! The section `[code]`: how programs are run.

use schemars::JsonSchema;
use serde::Deserialize;
use toolexec_core::code::CodeSettings;
use toolexec_core::sandbox::{LimitName, Limits, Profile};

use super::containerd::{self, ContainerdSection};
use super::document::Document;
use super::sandboxes::{
    DockerSection, FirecrackerSection, GvisorSection, QemuSection, RuncSection,
};
use super::units::{Size, Time};
use super::{Config, ConfigError};

/// How programs that call tools are run.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct CodeSection {
    /// How much isolation a program gets that does not say. Default: standard.
    pub profile: Option<ProfileName>,
    /// Whether the profile dev, which isolates nothing, may be asked for. Default: false.
    pub allow_unsafe: Option<bool>,
    /// What a program may use that does not say.
    pub limits: LimitsSection,
    /// The most that a program may ask for; more is refused.
    pub maximum: LimitsSection,
    /// Which images a program may name, such as python:3; * stands for any characters. Default:
    /// none.
    pub images: Vec<String>,
    /// Which sandboxes a profile may use, in the order of preference.
    pub candidates: CandidatesSection,
    /// What the sandbox docker is to use.
    pub docker: DockerSection,
    /// What the sandbox runc is to use.
    pub runc: RuncSection,
    /// What the sandbox gvisor is to use.
    pub gvisor: GvisorSection,
    /// What the sandbox containerd is to use.
    pub containerd: ContainerdSection,
    /// What the sandbox kata is to use: containerd with the runtime io.containerd.kata.v2.
    pub kata: ContainerdSection,
    /// What the sandbox qemu is to use.
    pub qemu: QemuSection,
    /// What the sandbox firecracker is to use.
    pub firecracker: FirecrackerSection,
}

/// How much isolation a program needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ProfileName {
    /// None: for one's own programs. Needs `allow_unsafe` besides.
    Dev,
    /// An engine or the kernel separates the program from the host.
    Standard,
    /// A kernel of its own, or a virtual machine, does.
    Hardened,
}

/// What a program may use.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct LimitsSection {
    /// Time of the program itself; it stops while the program waits for tools.
    pub run_time: Option<Time>,
    /// Time in which it waits for tools.
    pub wait_time: Option<Time>,
    /// CPU time.
    pub cpu_time: Option<Time>,
    /// Memory.
    pub memory: Option<Size>,
    /// Calls of tools, steps of chains included.
    pub tool_calls: Option<u64>,
    /// Calls at the same time; more wait for their turn.
    pub parallel_calls: Option<u64>,
    /// Steps of one chain.
    pub chain_steps: Option<u64>,
    /// What it prints and logs.
    pub output: Option<Size>,
    /// Its value, as JSON.
    pub result: Option<Size>,
    /// Processors: a share, such as 0.5.
    pub cpus: Option<f64>,
    /// Processes and threads.
    pub pids: Option<u64>,
    /// What it writes to disk.
    pub disk: Option<Size>,
    /// The files it leaves, in bytes. Default: 16MiB.
    pub file_bytes: Option<Size>,
    /// The files it leaves. Default: 100.
    pub files: Option<u64>,
}

/// Which sandboxes a profile may use, in the order of preference. One that isolates less than
/// the profile demands is never used.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct CandidatesSection {
    /// Those of dev. Default: host, wasm.
    pub dev: Option<Vec<SandboxName>>,
    /// Those of standard. Default: wasm, process, runc, docker,
    /// containerd.
    pub standard: Option<Vec<SandboxName>>,
    /// Those of hardened. Default: firecracker, kata, gvisor, qemu.
    pub hardened: Option<Vec<SandboxName>>,
}

/// A sandbox that a configuration may name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[expect(missing_docs, reason = "the names say it")]
pub enum SandboxName {
    Host,
    Wasm,
    Process,
    Runc,
    Docker,
    Containerd,
    Gvisor,
    Kata,
    Firecracker,
    Qemu,
}

impl SandboxName {
    /// The name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Host => "host",
            Self::Wasm => "wasm",
            Self::Process => "process",
            Self::Runc => "runc",
            Self::Docker => "docker",
            Self::Containerd => "containerd",
            Self::Gvisor => "gvisor",
            Self::Kata => "kata",
            Self::Firecracker => "firecracker",
            Self::Qemu => "qemu",
        }
    }
}

impl From<ProfileName> for Profile {
    fn from(name: ProfileName) -> Self {
        match name {
            ProfileName::Dev => Self::Dev,
            ProfileName::Standard => Self::Standard,
            ProfileName::Hardened => Self::Hardened,
        }
    }
}

impl LimitsSection {
    /// These limits, and those of `usual` where nothing stands. `none` takes a limit away.
    fn over(&self, usual: Limits) -> Limits {
        let time = |own: Option<Time>, usual| own.map_or(usual, |Time(time)| time);
        let size = |own: Option<Size>, usual| own.map(|Size(bytes)| bytes as u64).or(usual);
        Limits {
            run_time: time(self.run_time, usual.run_time),
            wait_time: time(self.wait_time, usual.wait_time),
            cpu_time: time(self.cpu_time, usual.cpu_time),
            memory: size(self.memory, usual.memory),
            tool_calls: self.tool_calls.or(usual.tool_calls),
            parallel_calls: self.parallel_calls.or(usual.parallel_calls),
            chain_steps: self.chain_steps.or(usual.chain_steps),
            output: size(self.output, usual.output),
            result: size(self.result, usual.result),
            cpus: self.cpus.or(usual.cpus),
            pids: self.pids.or(usual.pids),
            disk: size(self.disk, usual.disk),
            file_bytes: size(self.file_bytes, usual.file_bytes),
            files: self.files.or(usual.files),
        }
    }
}

impl CandidatesSection {
    fn settings(&self) -> Vec<(Profile, Vec<String>)> {
        let all = [
            (Profile::Dev, &self.dev),
            (Profile::Standard, &self.standard),
            (Profile::Hardened, &self.hardened),
        ];
        let named = all.into_iter().filter_map(|(profile, names)| {
            let names = names.as_ref()?.iter();
            Some((
                profile,
                names.map(|name| name.as_str().to_owned()).collect(),
            ))
        });
        named.collect()
    }
}

impl Config {
    /// How programs are run.
    pub fn code_settings(&self) -> CodeSettings {
        let section = &self.sections.code;
        CodeSettings {
            profile: section.profile.map(Profile::from).unwrap_or_default(),
            allow_unsafe: section.allow_unsafe.unwrap_or_default(),
            defaults: section.limits.over(Limits::standard()),
            maximum: section.maximum.over(Limits::default()),
            images: section.images.clone(),
            candidates: section.candidates.settings(),
        }
    }
}

/// Checks that the limits can be kept, and that what is given unasked is no more than what may
/// be asked for.
pub(super) fn check(document: &Document<'_>, section: &CodeSection) -> Result<(), ConfigError> {
    let (none, own) = (Limits::default(), section.limits.over(Limits::default()));
    let maximum = section.maximum.over(none);
    for (key, limits, most) in [("maximum", &maximum, &none), ("limits", &own, &maximum)] {
        for name in LimitName::ALL {
            if let Err(error) = limits.check_one(name, most) {
                let path = ["code", key, name.as_str()];
                return Err(document.at_value(&path, error.guest_message()));
            }
        }
    }
    for (name, section) in [("containerd", &section.containerd), ("kata", &section.kata)] {
        containerd::check(document, name, section)?;
    }
    if section.profile == Some(ProfileName::Dev) && section.allow_unsafe != Some(true) {
        let message = "the profile dev runs programs without isolation and is not allowed here";
        return Err(document
            .at_value(&["code", "profile"], message)
            .with_hint("add allow_unsafe = true if that is what you want"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::time::Duration;

    use super::*;

    fn settings(text: &str) -> CodeSettings {
        Config::parse(Path::new("t.toml"), text, &|_| None)
            .unwrap()
            .code_settings()
    }

    fn failure(text: &str) -> String {
        let error = Config::parse(Path::new("t.toml"), text, &|_| None).unwrap_err();
        let hints = error.hints().iter().map(|hint| format!("\nhint: {hint}"));
        format!("{error}{}", hints.collect::<String>())
    }

    #[test]
    fn what_is_not_said_is_as_without_a_file() {
        assert_eq!(settings(""), CodeSettings::default());
        assert_eq!(settings("[code]\n"), CodeSettings::default());
    }

    #[test]
    fn a_whole_section() {
        let text = r#"
[code]
profile = "hardened"
allow_unsafe = true
images = ["python:*"]

[code.limits]
run_time = "5s"
wait_time = "none"
memory = "128m"
tool_calls = 10

[code.maximum]
run_time = "1m"
memory = "1GiB"
cpus = 1.5

[code.candidates]
standard = ["process", "wasm"]
dev = []
"#;
        let names = |names: &[&str]| names.iter().map(ToString::to_string).collect();
        assert_eq!(
            settings(text),
            CodeSettings {
                profile: Profile::Hardened,
                allow_unsafe: true,
                defaults: Limits {
                    run_time: Some(Duration::from_secs(5)),
                    wait_time: None,
                    memory: Some(128 << 20),
                    tool_calls: Some(10),
                    ..Limits::standard()
                },
                maximum: Limits {
                    run_time: Some(Duration::from_mins(1)),
                    memory: Some(1 << 30),
                    cpus: Some(1.5),
                    ..Limits::default()
                },
                images: vec!["python:*".to_owned()],
                candidates: vec![
                    (Profile::Dev, Vec::new()),
                    (Profile::Standard, names(&["process", "wasm"])),
                ],
            }
        );
    }

    #[test]
    fn errors_name_the_place() {
        let cases = [
            (
                "[code]\nprofile = \"dev\"\n",
                "t.toml:2:11: the profile dev runs programs without isolation and is not allowed here\n  |\n2 | profile = \"dev\"\n  |           ^^^^^\nhint: add allow_unsafe = true if that is what you want",
            ),
            (
                "[code]\nprofile = \"strong\"\n",
                "t.toml:2:11: unknown variant `strong`, expected one of `dev`, `standard`, `hardened`\n  |\n2 | profile = \"strong\"\n  |           ^^^^^^^^",
            ),
            (
                "[code.limits]\nmemory = \"2g\"\n[code.maximum]\nmemory = \"1g\"\n",
                "t.toml:2:10: memory of 2147483648 bytes was asked for; at most 1073741824 bytes is allowed\n  |\n2 | memory = \"2g\"\n  |          ^^^^",
            ),
            (
                "[code.maximum]\nrun_time = \"0s\"\n",
                "t.toml:2:12: a run_time limit of 0 makes no sense\n  |\n2 | run_time = \"0s\"\n  |            ^^^^",
            ),
            (
                "[code.limits]\nmem = \"1g\"\n",
                "t.toml:2:1: unknown key `mem`\n  |\n2 | mem = \"1g\"\n  | ^^^\nhint: did you mean `memory`?",
            ),
            (
                "[code.candidates]\nstandard = [\"wasm\", \"dokcer\"]\n",
                "t.toml:2:21: unknown variant `dokcer`, expected one of `host`, `wasm`, `process`, `runc`, `docker`, `containerd`, `gvisor`, `kata`, `firecracker`, `qemu`\n  |\n2 | standard = [\"wasm\", \"dokcer\"]\n  |                     ^^^^^^^^",
            ),
            (
                "[code.limits]\nrun_time = 30\n",
                "t.toml:2:12: invalid type: integer `30`, expected a duration such as \"30s\", \"1m30s\" or \"250ms\", or \"none\"\n  |\n2 | run_time = 30\n  |            ^^",
            ),
        ];
        for (text, wanted) in cases {
            assert_eq!(failure(text), wanted, "{text}");
        }
    }
}
