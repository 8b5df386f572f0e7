//! How a server behaves, whatever it listens on.

use std::fmt;
use std::str::FromStr;

/// What a client finds in the list of tools.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Mode {
    /// A handful of tools that find, describe and run the others. The list stays small and the
    /// same, however many tools there are.
    #[default]
    Meta,
    /// The tools themselves.
    Direct,
    /// `Direct` for a small catalogue, `Meta` for a large one; decided when a client first lists
    /// the tools, and logged with the reason.
    Auto,
}

/// Why a text is no mode.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown mode {0:?}; there are meta, direct and auto")]
pub struct ParseModeError(String);

impl Mode {
    /// Its name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Meta => "meta",
            Self::Direct => "direct",
            Self::Auto => "auto",
        }
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Mode {
    type Err = ParseModeError;

    fn from_str(text: &str) -> Result<Self, ParseModeError> {
        [Self::Meta, Self::Direct, Self::Auto]
            .into_iter()
            .find(|mode| mode.as_str() == text)
            .ok_or_else(|| ParseModeError(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_and_written() {
        for mode in [Mode::Meta, Mode::Direct, Mode::Auto] {
            assert_eq!(mode.to_string().parse(), Ok(mode));
        }
        assert_eq!(
            "all".parse::<Mode>().unwrap_err().to_string(),
            "unknown mode \"all\"; there are meta, direct and auto"
        );
    }
}
