//! Where the tokens of logins are kept: a file for each server, readable by its owner only.

use std::io::{Error, ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::{env, fs};

use futures_util::future::BoxFuture;
use serde::{Deserialize, Serialize};
use toolexec_mcp::auth::TokenStore;

/// The tokens of one MCP server, in a file.
///
/// Files are in `toolexec/tokens` of the user's state directory (`$XDG_STATE_HOME`, else
/// `~/.local/state`), readable by the user only, and replaced as a whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileTokens {
    file: PathBuf,
    url: String,
}

/// What a file holds. Tokens are for the server that gave them: the address is kept beside them,
/// as the name of the file is not exact.
#[derive(Serialize, Deserialize)]
struct Kept {
    url: String,
    tokens: String,
}

impl FileTokens {
    /// The tokens of the server at `url`; `None` without a home directory.
    pub fn of(url: &str) -> Option<Self> {
        let variable = |name| env::var_os(name).filter(|value| !value.is_empty());
        let state = match variable("XDG_STATE_HOME") {
            Some(state) => PathBuf::from(state),
            None => PathBuf::from(variable("HOME")?).join(".local/state"),
        };
        Some(Self::within(&state.join("toolexec/tokens"), url))
    }

    /// The tokens of the server at `url`, in another directory.
    pub fn within(directory: &Path, url: &str) -> Self {
        let plain = |c: char| if c.is_ascii_alphanumeric() { c } else { '-' };
        let name: String = url.chars().map(plain).take(128).collect();
        Self {
            file: directory.join(format!("{name}.json")),
            url: url.to_owned(),
        }
    }

    /// Whether there are tokens, of any age.
    pub fn exist(&self) -> bool {
        matches!(self.read(), Ok(Some(_)))
    }

    fn read(&self) -> std::io::Result<Option<String>> {
        let text = match fs::read(&self.file) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let kept: Kept = serde_json::from_slice(&text)?;
        Ok((kept.url == self.url).then_some(kept.tokens))
    }

    fn write(&self, tokens: String) -> std::io::Result<()> {
        let directory = self.file.parent().unwrap_or(Path::new("."));
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(directory)?;
        let kept = Kept {
            url: self.url.clone(),
            tokens,
        };
        // Two programs may refresh at once: each writes its own file, the last one stays.
        let fresh = self
            .file
            .with_extension(format!("{}.new", std::process::id()));
        let mut file = fs::OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&fresh)?;
        file.write_all(&serde_json::to_vec(&kept)?)?;
        fs::rename(&fresh, &self.file)
    }

    fn remove(&self) -> std::io::Result<()> {
        match fs::remove_file(&self.file) {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    /// Files are small, but a home directory may be far away.
    fn apart<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Self) -> std::io::Result<T> + Send + 'static,
    ) -> BoxFuture<'static, std::io::Result<T>> {
        let own = self.clone();
        Box::pin(async move {
            tokio::task::spawn_blocking(move || work(&own))
                .await
                .map_err(Error::other)?
        })
    }
}

impl TokenStore for FileTokens {
    fn load(&self) -> BoxFuture<'_, std::io::Result<Option<String>>> {
        self.apart(Self::read)
    }

    fn save(&self, tokens: String) -> BoxFuture<'_, std::io::Result<()>> {
        self.apart(move |own| own.write(tokens))
    }

    fn clear(&self) -> BoxFuture<'_, std::io::Result<()>> {
        self.apart(Self::remove)
    }
}
