//! What is known about English words: stems, stop words, spellings, near words.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::sync::LazyLock;

use rust_stemmers::{Algorithm, Stemmer};

static STEMMER: LazyLock<Stemmer> = LazyLock::new(|| Stemmer::create(Algorithm::English));
static STOP_WORDS: LazyLock<HashSet<&str>> =
    LazyLock::new(|| words(include_str!("lexicon/stop_words.txt")).collect());
static FILLERS: LazyLock<HashSet<&str>> =
    LazyLock::new(|| words(include_str!("lexicon/fillers.txt")).collect());
static ABBREVIATIONS: LazyLock<HashMap<&str, &str>> =
    LazyLock::new(|| pairs(include_str!("lexicon/abbreviations.txt")).collect());
static SPELLINGS: LazyLock<Vec<(&str, &str)>> =
    LazyLock::new(|| pairs(include_str!("lexicon/spellings.txt")).collect());
static NEAR: LazyLock<HashMap<String, Vec<Near>>> = LazyLock::new(|| {
    let mut near = HashMap::new();
    add_groups(
        &mut near,
        include_str!("lexicon/synonyms.txt"),
        Closeness::Synonym,
    );
    add_groups(
        &mut near,
        include_str!("lexicon/verbs.txt"),
        Closeness::Verb,
    );
    near
});

/// A word near in meaning to another one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Near {
    /// Its stem.
    pub(super) stem: String,
    pub(super) closeness: Closeness,
}

/// Why a word is near another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Closeness {
    /// Its subject is the same or next to it.
    Synonym,
    /// Both say what tools commonly do.
    Verb,
}

/// The stem of a lower-case word, its abbreviations written out, in American spelling.
pub(super) fn stem(word: &str) -> Cow<'_, str> {
    match written_out(word) {
        Cow::Borrowed(word) => STEMMER.stem(word),
        Cow::Owned(word) => Cow::Owned(STEMMER.stem(&word).into_owned()),
    }
}

/// Whether a lower-case word says nothing about what a text is about.
pub(super) fn is_stop_word(word: &str) -> bool {
    STOP_WORDS.contains(word)
}

/// Whether a lower-case word belongs to how people ask rather than to what they ask for.
pub(super) fn is_filler(word: &str) -> bool {
    FILLERS.contains(word)
}

/// Whether a word is a number.
pub(super) fn is_number(word: &str) -> bool {
    word.bytes().all(|byte| byte.is_ascii_digit())
}

/// The words near to a stem.
pub(super) fn near(stem: &str) -> &'static [Near] {
    NEAR.get(stem).map_or(&[], Vec::as_slice)
}

fn written_out(word: &str) -> Cow<'_, str> {
    if let Some(long) = ABBREVIATIONS.get(word) {
        return Cow::Borrowed(long);
    }
    let spelling = SPELLINGS
        .iter()
        .find(|(british, _)| word.starts_with(british));
    match spelling {
        Some((british, american)) => Cow::Owned(format!("{american}{}", &word[british.len()..])),
        None => Cow::Borrowed(word),
    }
}

fn add_groups(near: &mut HashMap<String, Vec<Near>>, table: &'static str, closeness: Closeness) {
    for line in lines(table) {
        let stems: Vec<String> = line
            .split_whitespace()
            .map(|word| stem(word).into_owned())
            .collect();
        for stem in &stems {
            let own: &mut Vec<Near> = near.entry(stem.clone()).or_default();
            for other in &stems {
                if other != stem && own.iter().all(|known| known.stem != *other) {
                    own.push(Near {
                        stem: other.clone(),
                        closeness,
                    });
                }
            }
        }
    }
}

fn lines(table: &'static str) -> impl Iterator<Item = &'static str> {
    table.lines().filter(|line| !line.starts_with('#'))
}

fn words(table: &'static str) -> impl Iterator<Item = &'static str> {
    lines(table).flat_map(str::split_whitespace)
}

fn pairs(table: &'static str) -> impl Iterator<Item = (&'static str, &'static str)> {
    lines(table).filter_map(|line| line.split_once(' '))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_of_a_word_have_one_stem() {
        let groups: &[&[&str]] = &[
            &["colour", "color", "colours", "colors"],
            &["organise", "organize", "organising"],
            &["info", "information"],
            &["config", "configuration", "configs"],
            &["analyse", "analyze", "analysis"],
            &["repo", "repository", "repositories"],
            &["crypto", "cryptocurrency", "cryptocurrencies"],
        ];
        for group in groups {
            let stems: HashSet<_> = group.iter().map(|word| stem(word)).collect();
            assert_eq!(stems.len(), 1, "{group:?}: {stems:?}");
        }
        assert_ne!(stem("programmer"), stem("programme"));
    }

    #[test]
    fn near_words_are_found_both_ways() {
        let has = |stem: &str, other: &str| near(stem).iter().any(|near| near.stem == other);
        assert!(has("delet", "remov"));
        assert!(has("remov", "delet"));
        assert!(has("car", "vehicl"));
        assert!(!has("car", "car"));
        assert_eq!(near("xyzzy"), []);
    }

    #[test]
    fn tables_hold_lower_case_words_and_no_contradiction() {
        let tables = [
            include_str!("lexicon/stop_words.txt"),
            include_str!("lexicon/fillers.txt"),
            include_str!("lexicon/abbreviations.txt"),
            include_str!("lexicon/spellings.txt"),
            include_str!("lexicon/synonyms.txt"),
            include_str!("lexicon/verbs.txt"),
        ];
        for word in tables.into_iter().flat_map(words) {
            assert!(
                word.bytes()
                    .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit()),
                "{word}"
            );
        }
        assert_eq!(FILLERS.iter().find(|word| STOP_WORDS.contains(*word)), None);
        let chained = ABBREVIATIONS
            .values()
            .find(|long| ABBREVIATIONS.contains_key(*long));
        assert_eq!(chained, None);
        assert_eq!(
            lines(include_str!("lexicon/abbreviations.txt")).count(),
            ABBREVIATIONS.len()
        );
    }
}
