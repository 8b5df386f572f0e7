//! Ids near to one that is not there.

use crate::id::ToolKey;

/// The most ids that are named.
const MAX_NEAREST: usize = 3;
/// How different two names may be, from 0 to 1.
const MAX_DISTANCE: f64 = 0.4;

/// The ids among `known` that `wanted` may have meant, best first: the same name elsewhere, then
/// names that are spelled nearly alike or share most of their words.
pub(crate) fn nearest<'a>(
    wanted: &str,
    known: impl IntoIterator<Item = &'a ToolKey>,
) -> Vec<&'a ToolKey> {
    let wanted = Name::of_text(wanted);
    let mut near: Vec<(f64, &ToolKey)> = known
        .into_iter()
        .filter_map(|key| Some((wanted.distance(&Name::of_key(key))?, key)))
        .collect();
    near.sort_by(|a, b| a.0.total_cmp(&b.0).then_with(|| a.1.cmp(b.1)));
    near.into_iter()
        .take(MAX_NEAREST)
        .map(|(_, key)| key)
        .collect()
}

/// An id, prepared for comparison.
struct Name {
    namespace: String,
    // Letters and digits only.
    joined: String,
    words: Vec<String>,
}

impl Name {
    /// Reads a text that need not be a valid id.
    fn of_text(text: &str) -> Self {
        let mut parts = text.splitn(3, ':');
        let first = parts.next().unwrap_or_default();
        parts
            .next()
            .map_or_else(|| Self::new("", first), |name| Self::new(first, name))
    }

    fn of_key(key: &ToolKey) -> Self {
        Self::new(key.namespace(), key.name())
    }

    fn new(namespace: &str, name: &str) -> Self {
        let mut words: Vec<String> = Vec::new();
        let mut before = ' ';
        for c in name.chars() {
            if c.is_alphanumeric() {
                let begins = !before.is_alphanumeric() || before.is_lowercase() && c.is_uppercase();
                if begins {
                    words.push(String::new());
                }
                if let Some(word) = words.last_mut() {
                    word.extend(c.to_lowercase());
                }
            }
            before = c;
        }
        Self {
            namespace: namespace.to_lowercase(),
            joined: words.concat(),
            words,
        }
    }

    /// From 0, the same name in the same namespace, up; nothing when the names differ too much.
    fn distance(&self, other: &Self) -> Option<f64> {
        let names = if self.joined == other.joined {
            0.0
        } else {
            // Another name is never nearer than the same name elsewhere.
            0.1 + Some(self.spelling(other).min(self.overlap(other)))
                .filter(|distance| *distance <= MAX_DISTANCE)?
        };
        let elsewhere = if self.namespace == other.namespace {
            0.0
        } else {
            0.05
        };
        Some(names + elsewhere)
    }

    fn spelling(&self, other: &Self) -> f64 {
        let (own, its) = (self.joined.len(), other.joined.len());
        let longer = own.max(its).max(1) as f64;
        if own.abs_diff(its) as f64 > MAX_DISTANCE * longer {
            return 1.0;
        }
        strsim::osa_distance(&self.joined, &other.joined) as f64 / longer
    }

    /// One less the share of words that both have.
    fn overlap(&self, other: &Self) -> f64 {
        let common = self
            .words
            .iter()
            .filter(|word| other.words.contains(word))
            .count();
        let all = self.words.len() + other.words.len() - common;
        1.0 - common as f64 / all.max(1) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn near(wanted: &str) -> Vec<String> {
        let known = [
            ("github", "create_issue"),
            ("github", "create_issue_comment"),
            ("github", "list_issues"),
            ("gitlab", "create_issue"),
            ("math", "add"),
            ("math", "subtract"),
            ("", "echo"),
        ];
        let keys: Vec<ToolKey> = known
            .iter()
            .map(|(namespace, name)| ToolKey::new(namespace, name).unwrap())
            .collect();
        nearest(wanted, &keys)
            .into_iter()
            .map(ToString::to_string)
            .collect()
    }

    #[test]
    fn the_same_name_elsewhere_comes_first() {
        let expected = [
            "github:create_issue",
            "gitlab:create_issue",
            "github:create_issue_comment",
        ];
        for wanted in ["create_issue", "createIssue", "gitea:create-issue:1.0.0"] {
            assert_eq!(near(wanted), expected, "{wanted}");
        }
        assert_eq!(near("maths:add"), ["math:add"]);
    }

    #[test]
    fn misspelled_and_reordered_names_are_found() {
        assert_eq!(near("math:substract"), ["math:subtract"]);
        assert_eq!(near("github:lst_issues"), ["github:list_issues"]);
        assert_eq!(near("github:issue_create")[0], "github:create_issue");
        assert_eq!(near("ehco"), ["echo"]);
    }

    #[test]
    fn nothing_is_named_when_nothing_is_near() {
        for wanted in ["weather:forecast", "", ":", "查询"] {
            assert_eq!(near(wanted), Vec::<String>::new(), "{wanted}");
        }
    }
}
