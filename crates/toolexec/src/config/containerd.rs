//! The sections `[code.containerd]` and `[code.kata]`.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::Deserialize;

use super::ConfigError;
use super::document::Document;

/// What the sandbox containerd is to use.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ContainerdSection {
    /// Where containerd listens. Default: /run/containerd/containerd.sock.
    pub socket: Option<PathBuf>,
    /// The namespace of the containers. Default: toolexec.
    pub namespace: Option<String>,
    /// What starts the containers. Default: io.containerd.runc.v2.
    pub runtime: Option<String>,
    /// What the runtime is told besides.
    pub runtime_options: RuntimeOptionsSection,
    /// A directory that becomes the root of containers, read-only, or the name of a root that
    /// `toolexec image build --with` made. Default: one with nothing in it but the guest.
    pub root: Option<PathBuf>,
    /// A directory in which compiled programs in Go are kept, for programs that trust each other:
    /// what one leaves there others run. Default: none.
    pub toolchain_cache: Option<PathBuf>,
    /// An image that becomes the root of containers, such as python:3; nothing is pulled.
    pub image: Option<String>,
    /// Which snapshotter has unpacked the image. Default: overlayfs.
    pub snapshotter: Option<String>,
    /// How many containers of a kind are started ahead. Default: 0.
    pub warm: Option<usize>,
}

/// What a runtime of containerd is told besides.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RuntimeOptionsSection {
    /// The program that io.containerd.runc.v2 calls instead of runc. One whose name begins with
    /// runsc must be gVisor.
    pub binary: Option<PathBuf>,
    /// The configuration file of another runtime.
    pub config: Option<PathBuf>,
}

/// Checks that nothing is said that would have no effect.
pub(super) fn check(
    document: &Document<'_>,
    name: &str,
    section: &ContainerdSection,
) -> Result<(), ConfigError> {
    let at = |keys: &[&str], message: &str| {
        let path: Vec<&str> = ["code", name].iter().chain(keys).copied().collect();
        document.at_value(&path, message)
    };
    if section.root.is_some() && section.image.is_some() {
        return Err(at(
            &["image"],
            "a container has one root: a directory or an image",
        ));
    }
    let usual = if name == "kata" {
        "io.containerd.kata.v2"
    } else {
        "io.containerd.runc.v2"
    };
    let runtime = section.runtime.as_deref().unwrap_or(usual);
    let is_runc = runtime.starts_with("io.containerd.runc.");
    if name == "kata" && !runtime.starts_with("io.containerd.kata") {
        return Err(at(&["runtime"], "this is not a runtime of Kata")
            .with_hint("another runtime belongs into [code.containerd]"));
    }
    let options = &section.runtime_options;
    if options.binary.is_some() && !is_runc {
        let message = "only io.containerd.runc.v2 can call another program";
        return Err(at(&["runtime_options", "binary"], message));
    }
    if options.config.is_some() && is_runc {
        let message = "io.containerd.runc.v2 has no configuration file";
        return Err(at(&["runtime_options", "config"], message));
    }
    Ok(())
}

#[cfg(feature = "sandbox")]
impl ContainerdSection {
    /// The same for what makes the sandbox.
    pub(super) fn setup(&self) -> crate::sandbox::ContainerdSetup {
        crate::sandbox::ContainerdSetup {
            socket: self.socket.clone(),
            namespace: self.namespace.clone(),
            runtime: self.runtime.clone(),
            binary: self.runtime_options.binary.clone(),
            config: self.runtime_options.config.clone(),
            root: self.root.clone(),
            image: self.image.clone(),
            snapshotter: self.snapshotter.clone(),
            toolchain_cache: self.toolchain_cache.clone(),
            warm: self.warm,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::super::Config;

    fn failure(text: &str) -> Option<String> {
        let error = Config::parse(Path::new("t.toml"), text, &|_| None).err()?;
        let hints = error.hints().iter().map(|hint| format!("\nhint: {hint}"));
        Some(format!("{error}{}", hints.collect::<String>()))
    }

    #[test]
    fn what_would_have_no_effect_is_refused() {
        let cases = [
            (
                "[code.containerd]\nroot = \"/r\"\nimage = \"a\"\n",
                "t.toml:3:9: a container has one root: a directory or an image\n  |\n3 | image = \"a\"\n  |         ^^^",
            ),
            (
                "[code.containerd]\nruntime = \"io.containerd.runsc.v1\"\nruntime_options.binary = \"/b\"\n",
                "t.toml:3:26: only io.containerd.runc.v2 can call another program\n  |\n3 | runtime_options.binary = \"/b\"\n  |                          ^^^^",
            ),
            (
                "[code.containerd]\nruntime_options = { config = \"/c\" }\n",
                "t.toml:2:30: io.containerd.runc.v2 has no configuration file\n  |\n2 | runtime_options = { config = \"/c\" }\n  |                              ^^^^",
            ),
            (
                "[code.kata]\nruntime = \"io.containerd.runc.v2\"\n",
                "t.toml:2:11: this is not a runtime of Kata\n  |\n2 | runtime = \"io.containerd.runc.v2\"\n  |           ^^^^^^^^^^^^^^^^^^^^^^^\nhint: another runtime belongs into [code.containerd]",
            ),
        ];
        for (text, expected) in cases {
            assert_eq!(failure(text).as_deref(), Some(expected), "{text}");
        }
        let whole = "[code.kata]\nruntime_options.config = \"/c\"\nwarm = 2\n[code.containerd]\nruntime_options.binary = \"/opt/runsc-systrap\"\nimage = \"docker.io/library/python:3\"\n";
        assert_eq!(failure(whole), None);
    }
}
