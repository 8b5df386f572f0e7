//! Names of tools and arguments.

use std::collections::BTreeSet;

use toolexec_core::id::MAX_SEGMENT;

/// The longest name of an argument; models' APIs take no longer ones.
const MAX_ARGUMENT: usize = 64;

/// Gives out names that are valid and not taken.
#[derive(Debug)]
pub(super) struct Names {
    taken: BTreeSet<String>,
    longest: usize,
}

impl Names {
    /// Names of tools.
    pub(super) fn of_tools() -> Self {
        Self {
            taken: BTreeSet::new(),
            longest: MAX_SEGMENT,
        }
    }

    /// Names of the arguments of one tool.
    pub(super) fn of_arguments() -> Self {
        Self {
            taken: BTreeSet::new(),
            longest: MAX_ARGUMENT,
        }
    }

    /// The first of the wanted names that is free, else the last with a number.
    pub(super) fn claim(&mut self, wanted: &[&str]) -> String {
        let mut last = String::new();
        for name in wanted {
            last = shorten(&clean(name), self.longest);
            if last.is_empty() {
                "unnamed".clone_into(&mut last);
            }
            if self.taken.insert(last.clone()) {
                return last;
            }
        }
        for n in 2.. {
            let suffix = format!("_{n}");
            let name = format!("{}{suffix}", shorten(&last, self.longest - suffix.len()));
            if self.taken.insert(name.clone()) {
                return name;
            }
        }
        last
    }

    /// Gives a name back.
    pub(super) fn release(&mut self, name: &str) {
        self.taken.remove(name);
    }
}

/// A text with nothing but `A-Z a-z 0-9 _ . -`: other characters become one `_` each run, none at
/// the ends.
pub(super) fn clean(text: &str) -> String {
    let mut name = String::with_capacity(text.len());
    let mut gap = false;
    for c in text.chars() {
        if c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-') {
            if gap && !name.is_empty() {
                name.push('_');
            }
            gap = false;
            name.push(c);
        } else {
            gap = true;
        }
    }
    name
}

/// The name of an operation without an id: its method and path.
pub(super) fn of_path(method: &str, path: &str) -> String {
    let path = clean(path);
    if path.is_empty() {
        format!("{method}_root")
    } else {
        format!("{method}_{path}")
    }
}

/// Cuts a name and marks what was cut, so that two long names stay different.
fn shorten(name: &str, longest: usize) -> String {
    if name.len() <= longest {
        return name.to_owned();
    }
    // FNV-1a: the same name on every machine and in every version.
    let hash = name.bytes().fold(0x811c_9dc5_u32, |hash, byte| {
        (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193)
    });
    let mark = format!("_{hash:08x}");
    // Only ASCII is left in it.
    format!("{}{mark}", &name[..longest - mark.len()])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_cleaned() {
        let cases = [
            ("issues/list-for-repo", "issues_list-for-repo"),
            ("filter[name]", "filter_name"),
            ("Größe in m²", "Gr_e_in_m"),
            ("a.b_c", "a.b_c"),
            ("日本", ""),
        ];
        for (text, name) in cases {
            assert_eq!(clean(text), name);
        }
        assert_eq!(of_path("get", "/pets/{petId}/toys"), "get_pets_petId_toys");
        assert_eq!(of_path("get", "/"), "get_root");
    }

    #[test]
    fn names_are_unique_and_short() {
        let mut names = Names::of_arguments();
        assert_eq!(names.claim(&["id"]), "id");
        assert_eq!(names.claim(&["id", "id_query"]), "id_query");
        assert_eq!(names.claim(&["id", "id_query"]), "id_query_2");
        assert_eq!(names.claim(&["日本"]), "unnamed");
        let long = "x".repeat(100);
        let first = names.claim(&[&long]);
        assert_eq!(first.len(), 64);
        assert_eq!(names.claim(&[&long]), format!("{}_2", shorten(&first, 62)));
        assert_ne!(first, names.claim(&[&"x".repeat(101)]));
    }
}
