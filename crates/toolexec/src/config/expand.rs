//! `${NAME}` in the fields that may hold secrets or differ between machines.

/// The fields in which variables are replaced; `*` stands for any key or place in a list, and a
/// `**` at the end for everything below.
pub const EXPANDED: &[&str] = &[
    "servers.*.args.*",
    "servers.*.env.*",
    "servers.*.cwd",
    "servers.*.url",
    "servers.*.headers.*",
    "servers.*.auth.**",
    "servers.*.sandbox.mounts.*.path",
    "servers.*.sandbox.network.**",
    "apis.*.spec",
    "apis.*.base_url",
    "apis.*.server_variables.*",
    "apis.*.headers.*",
    "apis.*.auth.**",
    "commands.*.env.*",
    "commands.*.cwd",
    "commands.*.sandbox.mounts.*.path",
    "commands.*.sandbox.network.**",
    "web.*.headers.*",
    "serve.keys.*.secret",
];

/// Why a text cannot be expanded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum ExpandError {
    /// A variable is not set and has no default.
    Unset(String),
    /// `${` without `}`.
    Unclosed,
    /// What is between the braces is no name.
    NotAName(String),
}

/// Whether variables are replaced in the field at `path`.
pub(super) fn is_expanded(path: &[String]) -> bool {
    EXPANDED.iter().any(|pattern| {
        let parts: Vec<&str> = pattern.split('.').collect();
        match parts.split_last() {
            Some((&"**", head)) => path.len() > head.len() && fits(head, path),
            _ => path.len() == parts.len() && fits(&parts, path),
        }
    })
}

fn fits(pattern: &[&str], path: &[String]) -> bool {
    pattern
        .iter()
        .zip(path)
        .all(|(&want, have)| want == "*" || want == have)
}

/// Replaces `${NAME}` and `${NAME:-default}`; `$$` is a dollar, and any other `$` stays.
pub(super) fn expand(
    text: &str,
    lookup: &dyn Fn(&str) -> Option<String>,
) -> Result<String, ExpandError> {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        out.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        if let Some(after) = rest.strip_prefix('$') {
            out.push('$');
            rest = after;
        } else if let Some(inside) = rest.strip_prefix('{') {
            let end = inside.find('}').ok_or(ExpandError::Unclosed)?;
            out.push_str(&variable(&inside[..end], lookup)?);
            rest = &inside[end + 1..];
        } else {
            out.push('$');
        }
    }
    out.push_str(rest);
    Ok(out)
}

fn variable(inside: &str, lookup: &dyn Fn(&str) -> Option<String>) -> Result<String, ExpandError> {
    let (name, default) = match inside.split_once(":-") {
        Some((name, default)) => (name, Some(default)),
        None => (inside, None),
    };
    if !is_name(name) {
        return Err(ExpandError::NotAName(inside.to_owned()));
    }
    match (lookup(name).filter(|value| !value.is_empty()), default) {
        (Some(value), _) => Ok(value),
        (None, Some(default)) => Ok(default.to_owned()),
        (None, None) => Err(ExpandError::Unset(name.to_owned())),
    }
}

fn is_name(text: &str) -> bool {
    let mut bytes = text.bytes();
    bytes
        .next()
        .is_some_and(|first| first.is_ascii_alphabetic() || first == b'_')
        && bytes.all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lookup(name: &str) -> Option<String> {
        match name {
            "TOKEN" => Some("s3cret".to_owned()),
            "EMPTY" => Some(String::new()),
            _ => None,
        }
    }

    #[test]
    fn variables_are_replaced() {
        let cases = [
            ("plain", "plain"),
            ("Bearer ${TOKEN}", "Bearer s3cret"),
            ("${NO:-a b}/${TOKEN}", "a b/s3cret"),
            ("${NO:-}", ""),
            ("${EMPTY:-d}", "d"),
            ("$$TOKEN $${TOKEN}", "$TOKEN ${TOKEN}"),
            ("$TOKEN costs 5$", "$TOKEN costs 5$"),
        ];
        for (text, wanted) in cases {
            assert_eq!(expand(text, &lookup), Ok(wanted.to_owned()), "{text}");
        }
    }

    #[test]
    fn what_cannot_be_replaced_is_an_error() {
        let unset = |name: &str| Err(ExpandError::Unset(name.to_owned()));
        assert_eq!(expand("${NO}", &lookup), unset("NO"));
        assert_eq!(expand("${EMPTY}", &lookup), unset("EMPTY"));
        assert_eq!(expand("a ${TOKEN", &lookup), Err(ExpandError::Unclosed));
        assert_eq!(
            expand("${input:key}", &lookup),
            Err(ExpandError::NotAName("input:key".to_owned()))
        );
    }

    #[test]
    fn only_the_listed_fields_are_expanded() {
        let is = |path: &str| {
            let path: Vec<String> = path.split('.').map(str::to_owned).collect();
            is_expanded(&path)
        };
        assert!(is("servers.github.env.TOKEN"));
        assert!(is("servers.github.args.0"));
        assert!(is("apis.x.auth.key.value"));
        assert!(!is("apis.x.auth"));
        assert!(!is("servers.github.command"));
        assert!(!is("commands.x.args.0"));
        assert!(!is("run.timeout"));
    }
}
