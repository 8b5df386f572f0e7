//! Tool ids (`namespace:name[:version]`) and references to tools.

use std::borrow::Borrow;
use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::str::FromStr;
use std::sync::Arc;

use semver::{Version, VersionReq};
use serde::{Deserialize, Serialize};

/// The longest namespace or name, in bytes (the MCP limit for tool names).
pub const MAX_SEGMENT: usize = 128;

/// The identity of one version of one tool.
///
/// Written `name`, `namespace:name` or `namespace:name:version`, where a version is a full `SemVer`
/// version and needs a namespace. Namespaces and names are 1 to [`MAX_SEGMENT`] characters of
/// `A-Z a-z 0-9 _ . -`. Ids order by the text before the version, then by
/// version precedence.
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ToolId {
    // `namespace:name` or `name`; the version is kept parsed beside it.
    key: ToolKey,
    version: Option<Arc<Version>>,
}

/// A tool's id without its version: what all versions of it share. Orders as its text.
#[derive(Clone)]
pub struct ToolKey {
    text: Arc<str>,
    // Length of the namespace; 0 means there is none.
    namespace: usize,
}

/// Why a text is no tool id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ParseIdError {
    /// The text, or one of its segments, is empty.
    #[error("tool id {id:?} has an empty {segment}")]
    Empty {
        /// The text as given.
        id: String,
        /// `namespace`, `name` or `version`.
        segment: &'static str,
    },
    /// A segment has a character outside the allowed set.
    #[error("tool id {id:?} has {found:?} in its {segment}; allowed are A-Z a-z 0-9 _ . -")]
    Character {
        /// The text as given.
        id: String,
        /// `namespace` or `name`.
        segment: &'static str,
        /// The first character that is not allowed.
        found: char,
    },
    /// A segment is longer than [`MAX_SEGMENT`].
    #[error("tool id has a {segment} of {len} bytes; at most {MAX_SEGMENT} are allowed")]
    TooLong {
        /// `namespace` or `name`.
        segment: &'static str,
        /// Its length in bytes.
        len: usize,
    },
    /// The third segment is no version (for an id) or version requirement (for a reference).
    #[error("tool id {id:?}: {version:?} is not a SemVer version such as 1.2.0")]
    Version {
        /// The text as given.
        id: String,
        /// The third segment.
        version: String,
    },
    /// More than two colons.
    #[error("tool id {id:?} has too many parts; the form is namespace:name[:version]")]
    TooManyParts {
        /// The text as given.
        id: String,
    },
}

impl ToolKey {
    /// Makes a key; an empty `namespace` means none.
    pub fn new(namespace: &str, name: &str) -> Result<Self, ParseIdError> {
        let text: Arc<str> = if namespace.is_empty() {
            Arc::from(name)
        } else {
            Arc::from(format!("{namespace}:{name}"))
        };
        if !namespace.is_empty() {
            check_segment(&text, "namespace", namespace)?;
        }
        check_segment(&text, "name", name)?;
        Ok(Self {
            text,
            namespace: namespace.len(),
        })
    }

    /// The namespace; empty when there is none.
    pub fn namespace(&self) -> &str {
        &self.text[..self.namespace]
    }

    /// The name.
    pub fn name(&self) -> &str {
        if self.namespace == 0 {
            &self.text
        } else {
            &self.text[self.namespace + 1..]
        }
    }

    /// `namespace:name`, or `name` alone.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    fn parse(text: &str) -> Result<(Self, Option<&str>), ParseIdError> {
        let mut parts = text.splitn(4, ':');
        let (first, second, third) = (parts.next().unwrap_or(""), parts.next(), parts.next());
        if parts.next().is_some() {
            return Err(ParseIdError::TooManyParts {
                id: text.to_owned(),
            });
        }
        let Some(name) = second else {
            check_segment(text, "name", first)?;
            return Ok((
                Self {
                    text: Arc::from(first),
                    namespace: 0,
                },
                None,
            ));
        };
        check_segment(text, "namespace", first)?;
        check_segment(text, "name", name)?;
        let key = &text[..first.len() + 1 + name.len()];
        if third == Some("") {
            return Err(ParseIdError::Empty {
                id: text.to_owned(),
                segment: "version",
            });
        }
        Ok((
            Self {
                text: Arc::from(key),
                namespace: first.len(),
            },
            third,
        ))
    }
}

fn check_segment(id: &str, segment: &'static str, value: &str) -> Result<(), ParseIdError> {
    if value.is_empty() {
        return Err(ParseIdError::Empty {
            id: id.to_owned(),
            segment,
        });
    }
    if value.len() > MAX_SEGMENT {
        return Err(ParseIdError::TooLong {
            segment,
            len: value.len(),
        });
    }
    let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-');
    if value.bytes().all(allowed) {
        return Ok(());
    }
    let found = value
        .chars()
        .find(|c| !(c.is_ascii() && allowed(*c as u8)))
        .unwrap_or_default();
    Err(ParseIdError::Character {
        id: id.to_owned(),
        segment,
        found,
    })
}

impl ToolId {
    /// Makes an id of a namespace (may be empty) and a name.
    pub fn new(namespace: &str, name: &str) -> Result<Self, ParseIdError> {
        Ok(Self {
            key: ToolKey::new(namespace, name)?,
            version: None,
        })
    }

    /// The same tool at `version`.
    ///
    /// # Errors
    /// When the id has no namespace: `name:1.0.0` would read as a namespace and a name.
    pub fn with_version(mut self, version: Version) -> Result<Self, ParseIdError> {
        if self.key.namespace == 0 {
            let id = format!("{}:{version}", self.key.as_str());
            return Err(ParseIdError::Empty {
                id,
                segment: "namespace",
            });
        }
        self.version = Some(Arc::new(version));
        Ok(self)
    }

    /// The namespace; empty when there is none.
    pub fn namespace(&self) -> &str {
        self.key.namespace()
    }

    /// The name.
    pub fn name(&self) -> &str {
        self.key.name()
    }

    /// The version, when the tool has one.
    pub fn version(&self) -> Option<&Version> {
        self.version.as_deref()
    }

    /// The id without its version.
    pub fn key(&self) -> &ToolKey {
        &self.key
    }
}

// The text alone decides: no segment holds a colon. So a map of keys can be asked by text.
impl PartialEq for ToolKey {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for ToolKey {}

impl Hash for ToolKey {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.text.hash(state);
    }
}

impl Borrow<str> for ToolKey {
    fn borrow(&self) -> &str {
        &self.text
    }
}

impl FromStr for ToolId {
    type Err = ParseIdError;

    fn from_str(text: &str) -> Result<Self, ParseIdError> {
        let (key, version) = ToolKey::parse(text)?;
        let version = match version {
            None => None,
            Some(version) => Some(Arc::new(Version::parse(version).map_err(|_| {
                ParseIdError::Version {
                    id: text.to_owned(),
                    version: version.to_owned(),
                }
            })?)),
        };
        Ok(Self { key, version })
    }
}

impl TryFrom<String> for ToolId {
    type Error = ParseIdError;

    fn try_from(text: String) -> Result<Self, ParseIdError> {
        text.parse()
    }
}

impl From<ToolId> for String {
    fn from(id: ToolId) -> Self {
        id.to_string()
    }
}

impl fmt::Display for ToolId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.key.as_str())?;
        if let Some(version) = &self.version {
            write!(f, ":{version}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for ToolId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ToolId({self})")
    }
}

impl fmt::Display for ToolKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for ToolKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ToolKey({self})")
    }
}

impl Ord for ToolKey {
    fn cmp(&self, other: &Self) -> Ordering {
        // As the text, because a map of keys can be asked by text.
        self.text.cmp(&other.text)
    }
}

impl PartialOrd for ToolKey {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for ToolId {
    fn cmp(&self, other: &Self) -> Ordering {
        (&self.key, &self.version).cmp(&(&other.key, &other.version))
    }
}

impl PartialOrd for ToolId {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// How a caller names a tool: an id whose version may be left out or be a requirement.
///
/// `ns:name` means the highest version, `ns:name:1.2.0` exactly that one, and `ns:name:^1`,
/// `ns:name:1` or `ns:name:>=1.2,<2` the highest that satisfies the requirement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ToolRef {
    key: ToolKey,
    version: VersionChoice,
}

/// Which version of a tool a [`ToolRef`] asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum VersionChoice {
    /// The highest by `SemVer` precedence; a tool without version counts as the lowest.
    Highest,
    /// Exactly this one.
    Exact(Arc<Version>),
    /// The highest that satisfies the requirement.
    Matching(Box<VersionReq>),
}

impl ToolRef {
    /// The id without its version.
    pub fn key(&self) -> &ToolKey {
        &self.key
    }

    /// The version asked for.
    pub fn version(&self) -> &VersionChoice {
        &self.version
    }
}

impl FromStr for ToolRef {
    type Err = ParseIdError;

    fn from_str(text: &str) -> Result<Self, ParseIdError> {
        let (key, version) = ToolKey::parse(text)?;
        let version = match version {
            None => VersionChoice::Highest,
            Some(version) => {
                if let Ok(exact) = Version::parse(version) {
                    VersionChoice::Exact(Arc::new(exact))
                } else {
                    VersionChoice::Matching(Box::new(VersionReq::parse(version).map_err(|_| {
                        ParseIdError::Version {
                            id: text.to_owned(),
                            version: version.to_owned(),
                        }
                    })?))
                }
            }
        };
        Ok(Self { key, version })
    }
}

impl From<&ToolId> for ToolRef {
    fn from(id: &ToolId) -> Self {
        Self {
            key: id.key.clone(),
            version: id
                .version
                .clone()
                .map_or(VersionChoice::Highest, VersionChoice::Exact),
        }
    }
}

impl fmt::Display for ToolRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.key.as_str())?;
        match &self.version {
            VersionChoice::Highest => Ok(()),
            VersionChoice::Exact(version) => write!(f, ":{version}"),
            VersionChoice::Matching(req) => write!(f, ":{req}"),
        }
    }
}

/// Makes a valid id segment of any text, for tools whose servers use other characters.
///
/// Characters outside the allowed set become `_`; the result is cut to [`MAX_SEGMENT`]. A text
/// that had to change gets a short hash of the original, so that different texts stay different.
pub fn sanitize_segment(text: &str) -> String {
    let clean: String = text
        .chars()
        .map(|c| {
            if c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-') {
                c
            } else {
                '_'
            }
        })
        .collect();
    if clean == text && !clean.is_empty() && clean.len() <= MAX_SEGMENT {
        return clean;
    }
    // FNV-1a: stable across runs and platforms, which `DefaultHasher` does not promise.
    let hash = text.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    let head: String = clean.chars().take(MAX_SEGMENT - 7).collect();
    format!("{head}-{:06x}", hash & 0xff_ffff)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_round_trip_through_text() {
        for text in [
            "add",
            "math:add",
            "math:add:1.2.0",
            "a.b-c:D_e:0.1.0-rc.1+build",
        ] {
            assert_eq!(text.parse::<ToolId>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn bad_ids_say_which_segment_is_wrong() {
        let cases = [
            ("", "tool id \"\" has an empty name"),
            (":add", "tool id \":add\" has an empty namespace"),
            ("math:", "tool id \"math:\" has an empty name"),
            ("math:add:", "tool id \"math:add:\" has an empty version"),
            (
                "a:b:1.0.0:x",
                "tool id \"a:b:1.0.0:x\" has too many parts; the form is namespace:name[:version]",
            ),
            (
                "a:b:one",
                "tool id \"a:b:one\": \"one\" is not a SemVer version such as 1.2.0",
            ),
            (
                "a b:c",
                "tool id \"a b:c\" has ' ' in its namespace; allowed are A-Z a-z 0-9 _ . -",
            ),
            (
                "a:é",
                "tool id \"a:é\" has 'é' in its name; allowed are A-Z a-z 0-9 _ . -",
            ),
        ];
        for (text, message) in cases {
            assert_eq!(text.parse::<ToolId>().unwrap_err().to_string(), message);
        }
        let long = "x".repeat(129);
        assert!(matches!(
            long.parse::<ToolId>(),
            Err(ParseIdError::TooLong { len: 129, .. })
        ));
    }

    #[test]
    fn versions_order_by_precedence_not_by_text() {
        let id = |text: &str| text.parse::<ToolId>().unwrap();
        assert!(id("a:b:1.0.0-alpha.2") < id("a:b:1.0.0-alpha.10"));
        assert!(id("a:b") < id("a:b:0.0.1"));
        assert!(id("a:b:9.0.0") < id("a:b:10.0.0"));
    }

    #[test]
    fn references_tell_exact_from_requirement() {
        let version = |text: &str| text.parse::<ToolRef>().unwrap().version;
        assert_eq!(version("a:b"), VersionChoice::Highest);
        assert!(matches!(version("a:b:1.2.3"), VersionChoice::Exact(_)));
        assert!(matches!(version("a:b:1"), VersionChoice::Matching(_)));
        assert!(matches!(version("a:b:^1.2"), VersionChoice::Matching(_)));
        assert!("a:b:one".parse::<ToolRef>().is_err());
    }

    #[test]
    fn sanitized_names_are_valid_and_stay_distinct() {
        assert_eq!(sanitize_segment("read_file"), "read_file");
        let (slash, space) = (sanitize_segment("a/b"), sanitize_segment("a b"));
        assert_ne!(slash, space);
        for text in ["", "é", "a/b", &"x".repeat(300)] {
            assert!(
                ToolKey::new("ns", &sanitize_segment(text)).is_ok(),
                "{text:?}"
            );
        }
    }
}
