//! How much a tool doc says.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// How much a tool doc says. Each level includes the one before, but for the signature: the
/// schemas say the same at length.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Detail {
    /// Id, name, summary, tags and annotations: enough to choose.
    Summary,
    /// Also the signature in TypeScript: enough to call, in a few lines.
    Signature,
    /// Also the whole description and the schemas: enough to call.
    #[default]
    Schema,
    /// Also notes, examples, references, versions and backends.
    Full,
}

/// Why a text is no level of detail.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown level of detail {0:?}; there are summary, signature, schema and full")]
pub struct ParseDetailError(String);

impl Detail {
    /// Its name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Summary => "summary",
            Self::Signature => "signature",
            Self::Schema => "schema",
            Self::Full => "full",
        }
    }
}

impl fmt::Display for Detail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Detail {
    type Err = ParseDetailError;

    fn from_str(text: &str) -> Result<Self, ParseDetailError> {
        [Self::Summary, Self::Signature, Self::Schema, Self::Full]
            .into_iter()
            .find(|detail| detail.as_str() == text)
            .ok_or_else(|| ParseDetailError(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_and_written() {
        for detail in [
            Detail::Summary,
            Detail::Signature,
            Detail::Schema,
            Detail::Full,
        ] {
            assert_eq!(detail.to_string().parse(), Ok(detail));
        }
        assert_eq!(
            "all".parse::<Detail>().unwrap_err().to_string(),
            "unknown level of detail \"all\"; there are summary, signature, schema and full"
        );
    }
}
