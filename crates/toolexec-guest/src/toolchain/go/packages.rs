//! The packages of the standard library that a snippet may use without naming them.

use std::collections::BTreeMap;

use super::lexer::{Kind, Token};

/// Names of packages that are not the whole path; the first of those with one name.
const PATHS: [(&str, &str); 61] = [
    ("aes", "crypto/aes"),
    ("atomic", "sync/atomic"),
    ("base32", "encoding/base32"),
    ("base64", "encoding/base64"),
    ("big", "math/big"),
    ("binary", "encoding/binary"),
    ("bits", "math/bits"),
    ("bufio", "bufio"),
    ("bytes", "bytes"),
    ("cipher", "crypto/cipher"),
    ("cmp", "cmp"),
    ("cmplx", "math/cmplx"),
    ("context", "context"),
    ("crc32", "hash/crc32"),
    ("csv", "encoding/csv"),
    ("debug", "runtime/debug"),
    ("ed25519", "crypto/ed25519"),
    ("errors", "errors"),
    ("exec", "os/exec"),
    ("filepath", "path/filepath"),
    ("fmt", "fmt"),
    ("fnv", "hash/fnv"),
    ("fs", "io/fs"),
    ("gob", "encoding/gob"),
    ("gzip", "compress/gzip"),
    ("heap", "container/heap"),
    ("hex", "encoding/hex"),
    ("hmac", "crypto/hmac"),
    ("html", "html"),
    ("http", "net/http"),
    ("io", "io"),
    ("iter", "iter"),
    ("json", "encoding/json"),
    ("list", "container/list"),
    ("log", "log"),
    ("maphash", "hash/maphash"),
    ("maps", "maps"),
    ("math", "math"),
    ("md5", "crypto/md5"),
    ("os", "os"),
    ("path", "path"),
    ("rand", "math/rand"),
    ("reflect", "reflect"),
    ("regexp", "regexp"),
    ("ring", "container/ring"),
    ("runtime", "runtime"),
    ("sha1", "crypto/sha1"),
    ("sha256", "crypto/sha256"),
    ("sha512", "crypto/sha512"),
    ("slices", "slices"),
    ("slog", "log/slog"),
    ("sort", "sort"),
    ("strconv", "strconv"),
    ("strings", "strings"),
    ("sync", "sync"),
    ("template", "text/template"),
    ("time", "time"),
    ("unicode", "unicode"),
    ("url", "net/url"),
    ("utf8", "unicode/utf8"),
    ("xml", "encoding/xml"),
];

/// The packages that these tokens use and that nobody declares, by name.
pub(super) fn used(
    tokens: &[Token<'_>],
    is_declared: impl Fn(&str) -> bool,
) -> BTreeMap<&'static str, &'static str> {
    let mut found = BTreeMap::new();
    let mut before = "";
    for (at, token) in tokens.iter().enumerate() {
        let after = (tokens.get(at + 1), tokens.get(at + 2));
        let exported = matches!(after, (Some(dot), Some(name)) if dot.is(".")
            && name.kind == Kind::Word && name.text.starts_with(char::is_uppercase));
        if token.kind == Kind::Word
            && exported
            && before != "."
            && let Ok(place) = PATHS.binary_search_by_key(&token.text, |(name, _)| name)
            && let Some((name, path)) = PATHS.get(place)
            && !is_declared(name)
            && !is_variable(tokens, name)
        {
            found.insert(*name, *path);
        }
        before = token.text;
    }
    found
}

/// Whether a snippet has a variable of this name.
fn is_variable(tokens: &[Token<'_>], name: &str) -> bool {
    let at = |place: usize| tokens.get(place).map_or("", |token| token.text);
    tokens.iter().enumerate().any(|(place, token)| {
        let before = place.checked_sub(1).map_or("", at);
        token.is(name)
            && before != "."
            && (at(place + 1) == ":="
                || matches!(before, "var" | "const" | "type")
                || at(place + 1) == "," && at(place + 3) == ":=")
    })
}

#[cfg(test)]
mod tests {
    use super::super::lexer::tokens;
    use super::*;

    #[test]
    fn names_are_in_order() {
        assert!(PATHS.is_sorted_by_key(|(name, _)| *name));
    }

    #[test]
    fn what_is_used_is_found() {
        let names = |source: &str| {
            let found = used(&tokens(source), |name| name == "html");
            found.into_values().collect::<Vec<_>>()
        };
        assert_eq!(
            names("fmt.Println(strings.ToUpper(x.json.Y), time.Now(), html.Escape)"),
            ["fmt", "strings", "time"]
        );
        assert_eq!(names("path := a.Path\npath.Join()"), [""; 0]);
        assert_eq!(
            names("var v json.Number; \"os.Exit\" // io.EOF"),
            ["encoding/json"]
        );
    }
}
