//! `sandbox` of a server or a command: what the program may see and use.

use std::fmt;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::de::value::{MapAccessDeserializer, StrDeserializer};
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use toolexec_process::Confine;

use super::ConfigError;
use super::code::ProfileName;
use super::document::Document;
use super::network::{self, NetworkSetting};
use super::sandboxes::GvisorSection;
use super::units::{Share, Size, Time};

/// A sandbox: a profile by its name, or a table.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ToolSandboxSetting(pub ToolSandboxSection);

/// What a program that is a tool, or a server of tools, may see and use.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ToolSandboxSection {
    /// How much it must be isolated. Default: standard.
    pub profile: Option<ProfileName>,
    /// Which sandbox it runs in. Default: the first that the profile allows.
    pub kind: Option<ToolKindName>,
    /// The root whose programs it sees instead of this machine's: the name of one that `toolexec
    /// image build --with` made, or a directory, relative to this file. Default: this machine's.
    pub image: Option<String>,
    /// What it sees of this machine, besides the system's programs and what it is made of.
    pub mounts: Vec<MountSection>,
    /// The most memory of all its processes. Default: 1GiB.
    pub memory: Option<Size>,
    /// Processors: a share, such as 0.5.
    pub cpus: Option<Share>,
    /// Processes and threads. Default: 256.
    pub pids: Option<u64>,
    /// How much it may write to its /tmp, which is in memory. Default: 64MiB.
    pub disk: Option<Size>,
    /// How long one call may take.
    pub timeout: Option<Time>,
    /// Whom it may reach. Default: nobody.
    pub network: Option<NetworkSetting>,
}

/// A sandbox for tools that a configuration may name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ToolKindName {
    /// A process that the kernel locks in.
    Process,
    /// A process on a kernel of its own, gVisor's.
    Gvisor,
}

/// A file or directory that a program sees.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(extend("required" = ["path"]))]
pub struct MountSection {
    /// Where it is, relative to this file. `${NAME}` is replaced.
    pub path: PathBuf,
    /// Where the program sees it. Default: at the same place.
    pub at: Option<PathBuf>,
    /// Whether the program may change it. Default: false.
    pub write: Option<bool>,
}

/// A sandbox that a server or a command runs in.
#[derive(Debug, Clone)]
pub struct Confined {
    /// The name of the source, as [`Connected`](super::Connected) has it.
    pub source: String,
    /// The name of the server or command.
    pub name: String,
    /// The sandbox.
    pub confine: Arc<dyn Confine>,
}

/// What making sources needs to know of this machine.
#[derive(Debug, Clone, Default)]
pub struct Places {
    /// A program that locks others in: toolexec itself, or toolexec-cell.
    pub launcher: Option<PathBuf>,
    /// Where this user keeps images and containers; below the directory of temporary files
    /// otherwise.
    pub cache: Option<PathBuf>,
}

impl<'de> Deserialize<'de> for ToolSandboxSetting {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;
        impl<'de> Visitor<'de> for Either {
            type Value = ToolSandboxSetting;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("the name of a profile (`standard`, `hardened`), or a table")
            }
            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Self::Value, E> {
                Ok(ToolSandboxSetting(ToolSandboxSection {
                    profile: Some(ProfileName::deserialize(StrDeserializer::new(text))?),
                    ..ToolSandboxSection::default()
                }))
            }
            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
                ToolSandboxSection::deserialize(MapAccessDeserializer::new(map))
                    .map(ToolSandboxSetting)
            }
        }
        deserializer.deserialize_any(Either)
    }
}

impl JsonSchema for ToolSandboxSetting {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "ToolSandbox".into()
    }
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let profile = generator.subschema_for::<ProfileName>();
        let section = generator.subschema_for::<ToolSandboxSection>();
        schemars::json_schema!({ "anyOf": [profile, section] })
    }
}

/// Checks what types cannot say of the sandbox at `path`.
pub(super) fn check(
    document: &Document<'_>,
    path: &[&str],
    setting: &ToolSandboxSetting,
) -> Result<(), ConfigError> {
    let at = |keys: &[&str], message: &str| {
        let all: Vec<&str> = path.iter().chain(keys).copied().collect();
        document.at_value(&all, message)
    };
    let section = &setting.0;
    if section.profile == Some(ProfileName::Dev) {
        return Err(at(&["profile"], "tools have no sandbox in the profile dev")
            .with_hint("leave `sandbox` out, and the program runs without one"));
    }
    if let Some(setting) = &section.network {
        let path: Vec<&str> = path.iter().copied().chain(["network"]).collect();
        network::check(document, &path, setting)?;
    }
    for (key, is_zero) in [
        ("memory", section.memory == Some(Size(0))),
        ("pids", section.pids == Some(0)),
        (
            "timeout",
            section.timeout == Some(Time(Some(std::time::Duration::ZERO))),
        ),
    ] {
        if is_zero {
            return Err(at(&[key], &format!("with {key} 0 nothing could run")));
        }
    }
    for (place, mount) in section.mounts.iter().enumerate() {
        let place = place.to_string();
        if mount.path.as_os_str().is_empty() {
            return Err(at(&["mounts", &place], "a mount has no `path`")
                .with_hint("write { path = \"/srv/data\" }, with write = true if it may change"));
        }
        let Some(target) = &mount.at else { continue };
        let is_plain = target
            .components()
            .all(|part| matches!(part, Component::RootDir | Component::Normal(_)));
        let is_own = ["/proc", "/dev"].iter().any(|own| target.starts_with(own));
        if !target.is_absolute() || !is_plain || is_own || target == Path::new("/") {
            let message = "a program can see nothing there: write a whole path, without `..`, \
                           that is not /, /proc or /dev";
            return Err(at(&["mounts", &place, "at"], message));
        }
    }
    Ok(())
}

/// What starts the program of `setting`; `args` are those that nobody else decides.
#[cfg(feature = "sandbox")]
pub(super) fn confine<'a>(
    setting: &ToolSandboxSetting,
    directory: &Path,
    args: impl IntoIterator<Item = &'a str>,
    places: &Places,
    gvisor: &GvisorSection,
) -> Arc<dyn Confine> {
    use crate::sandbox::tools::{ToolKind, ToolLimits, ToolMount, ToolPlaces, ToolSandbox};
    let section = &setting.0;
    let absolute = |path: PathBuf| std::path::absolute(&path).unwrap_or(path);
    let mounts = section.mounts.iter().map(|mount| {
        let path = absolute(directory.join(&mount.path));
        ToolMount {
            at: mount.at.clone().unwrap_or_else(|| path.clone()),
            path,
            write: mount.write.unwrap_or_default(),
        }
    });
    // One of those that are kept has a name without directories.
    let image = |image: &str| {
        if image.contains('/') {
            let path = absolute(directory.join(image));
            path.to_string_lossy().into_owned()
        } else {
            image.to_owned()
        }
    };
    let bytes = |size: Option<Size>| size.map(|Size(bytes)| bytes as u64);
    let sandbox = ToolSandbox {
        profile: section.profile.map(Into::into),
        kind: section.kind.map(|kind| match kind {
            ToolKindName::Process => ToolKind::Process,
            ToolKindName::Gvisor => ToolKind::Gvisor,
        }),
        image: section.image.as_deref().map(image),
        limits: ToolLimits {
            memory: bytes(section.memory),
            cpus: section.cpus.map(|Share(cpus)| cpus),
            pids: section.pids,
            disk: bytes(section.disk),
        },
        mounts: mounts.collect(),
        code: script(args).into_iter().collect(),
        network: None,
    };
    let network = section.network.as_ref().map(network::egress).transpose();
    let places = ToolPlaces {
        launcher: places.launcher.clone(),
        runsc: gvisor.program.clone(),
        platform: gvisor.platform.map(|platform| platform.as_str().to_owned()),
        cache: places.cache.clone(),
    };
    let confined = network.and_then(|network| {
        let network = network.flatten();
        ToolSandbox { network, ..sandbox }.confine(&places)
    });
    confined.unwrap_or_else(|error| {
        let refusal = Refusing {
            message: error.guest_message().to_owned(),
            hints: error.hints().to_vec(),
        };
        Arc::new(refusal)
    })
}

/// The first argument that is a file: what an interpreter is told to run.
#[cfg(feature = "sandbox")]
fn script<'a>(args: impl IntoIterator<Item = &'a str>) -> Option<PathBuf> {
    let paths = args.into_iter().map(Path::new);
    paths
        .filter(|path| path.is_absolute())
        .find(|path| path.is_file())
        .map(Path::to_owned)
}

/// The same, where no sandbox is built in.
#[cfg(not(feature = "sandbox"))]
pub(super) fn confine<'a>(
    _: &ToolSandboxSetting,
    _: &Path,
    _: impl IntoIterator<Item = &'a str>,
    _: &Places,
    _: &GvisorSection,
) -> Arc<dyn Confine> {
    Arc::new(Refusing {
        message: "sandboxes are not built in: the feature `sandbox` is off".to_owned(),
        hints: Vec::new(),
    })
}

/// A sandbox that is not there: what was to run in it does not run.
#[derive(Debug)]
struct Refusing {
    message: String,
    hints: Vec<String>,
}

impl Refusing {
    fn error(&self) -> toolexec_process::ConfineError {
        let error = toolexec_process::ConfineError::new(self.message.clone());
        let hints = self.hints.iter().cloned();
        hints.fold(error, toolexec_process::ConfineError::with_hint)
    }
}

impl Confine for Refusing {
    fn describe(&self) -> String {
        "none".to_owned()
    }

    fn base_env(&self) -> Vec<(String, String)> {
        Vec::new()
    }

    fn spawn(&self, _: toolexec_process::Command) -> toolexec_process::SpawnFuture<'_> {
        Box::pin(std::future::ready(Err(self.error().into())))
    }

    fn probe(&self) -> toolexec_process::ProbeFuture<'_> {
        Box::pin(std::future::ready(Err(self.error())))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::network::{AllowSetting, NetworkSection};
    use super::super::{Config, WebSection};
    use super::*;

    fn parse(text: &str) -> Result<Config, ConfigError> {
        Config::parse(Path::new("t.toml"), text, &|_| None)
    }

    #[test]
    fn a_profile_or_a_table() {
        let config = parse(
            "[servers.a]\ncommand = \"x\"\nsandbox = \"standard\"\n[commands.b]\nprogram = \"y\"\n\
             [commands.b.sandbox]\nkind = \"process\"\nimage = \"python\"\nmemory = \"256m\"\ncpus = \"0.5\"\npids = 9\n\
             disk = \"1m\"\ntimeout = \"5s\"\n\
             mounts = [{ path = \"data\", at = \"/data\", write = true }]\n\
             network.allow = [\"https://a.com\", { origin = \"https://b.com\", paths = [\"/x/*\"] }]\n",
        )
        .unwrap();
        let short = ToolSandboxSection {
            profile: Some(ProfileName::Standard),
            ..ToolSandboxSection::default()
        };
        let long = ToolSandboxSection {
            profile: None,
            kind: Some(ToolKindName::Process),
            image: Some("python".to_owned()),
            mounts: vec![MountSection {
                path: "data".into(),
                at: Some("/data".into()),
                write: Some(true),
            }],
            memory: Some(Size(256 << 20)),
            cpus: Some(Share(0.5)),
            pids: Some(9),
            disk: Some(Size(1 << 20)),
            timeout: Some(Time(Some(Duration::from_secs(5)))),
            network: Some(NetworkSetting::Only(NetworkSection {
                allow: vec![
                    AllowSetting(WebSection {
                        origin: "https://a.com".to_owned(),
                        ..WebSection::default()
                    }),
                    AllowSetting(WebSection {
                        origin: "https://b.com".to_owned(),
                        paths: vec!["/x/*".to_owned()],
                        ..WebSection::default()
                    }),
                ],
            })),
        };
        let (servers, commands) = (&config.sections.servers, &config.sections.commands);
        assert_eq!(servers["a"].sandbox, Some(ToolSandboxSetting(short)));
        assert_eq!(commands["b"].sandbox, Some(ToolSandboxSetting(long)));
    }

    #[test]
    fn what_makes_no_sense_is_refused_with_its_place() {
        let cases = [
            (
                "sandbox = \"strong\"",
                "3:11: unknown variant `strong`, expected one of `dev`, `standard`, `hardened`",
            ),
            (
                "sandbox = \"dev\"",
                "3:11: tools have no sandbox in the profile dev",
            ),
            (
                "sandbox = 3",
                "3:11: invalid type: integer `3`, expected the name of a profile (`standard`, `hardened`), or a table",
            ),
            ("sandbox = { mem = \"1m\" }", "3:13: unknown key `mem`"),
            (
                "sandbox = { cpus = \"half\" }",
                "3:20: \"half\" is not a share of processors such as 0.5 or \"0.5\"",
            ),
            (
                "sandbox = { cpus = 0 }",
                "3:20: 0 is not a share of processors such as 0.5 or \"0.5\"",
            ),
            (
                "sandbox = { pids = 0 }",
                "3:20: with pids 0 nothing could run",
            ),
            (
                "sandbox = { mounts = [{ at = \"/x\" }] }",
                "3:23: a mount has no `path`",
            ),
            (
                "sandbox = { mounts = [{ path = \"a\", at = \"/a/../b\" }] }",
                "3:42: a program can see nothing there: write a whole path, without `..`, that is not /, /proc or /dev",
            ),
            (
                "sandbox = { network = \"all\" }",
                "3:23: invalid value: string \"all\", expected \"none\", or { allow = [\"https://api.example.com\"] }",
            ),
            (
                "sandbox = { network = { allow = [] } }",
                "3:33: this allows nothing",
            ),
            (
                "sandbox = { network = { allow = [\"a.com\"] } }",
                "3:34: \"a.com\" is no origin: write scheme and host, such as \"https://api.example.com\"",
            ),
            (
                "sandbox = { kind = \"jail\" }",
                "3:20: unknown variant `jail`, expected `process` or `gvisor`",
            ),
        ];
        for (line, wanted) in cases {
            let text = format!("[servers.a]\ncommand = \"x\"\n{line}\n");
            let error = parse(&text).unwrap_err().to_string();
            let first = error
                .lines()
                .next()
                .and_then(|line| line.strip_prefix("t.toml:"));
            assert_eq!(first, Some(wanted), "{line}");
        }
        let error = parse("[servers.a]\nurl = \"http://x\"\nsandbox = \"standard\"\n").unwrap_err();
        assert_eq!(
            error.to_string().lines().next(),
            Some("t.toml:3:1: `sandbox` is for servers with a `command`; a has a `url`")
        );
    }
}
