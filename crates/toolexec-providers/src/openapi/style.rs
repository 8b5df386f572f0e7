//! Writing parameters in their declared styles.

use serde_json::Value;

use super::model::{Format, Style};

/// A name and its value, both encoded.
pub(super) type Pair = (String, String);

/// The text of a path parameter.
pub(super) fn path(name: &str, value: &Value, format: Format, keep_slashes: bool) -> String {
    let encode = |text: &str| {
        let text = encode(text, false);
        if keep_slashes {
            text.replace("%2F", "/")
        } else {
            text
        }
    };
    let Format::Style { style, explode, .. } = format else {
        return encode(&value.to_string());
    };
    let (prefix, separator) = match style {
        Style::Label => (".", if explode { "." } else { "," }),
        Style::Matrix => (";", if explode { ";" } else { "," }),
        _ => ("", ","),
    };
    let named = |text: String| match (style, text.is_empty()) {
        (Style::Matrix, true) => encode(name),
        (Style::Matrix, false) => format!("{}={text}", encode(name)),
        _ => text,
    };
    let text = match value {
        Value::Array(items) if explode && style == Style::Matrix => {
            let items = items.iter().map(|item| named(encode(&scalar(item))));
            items.collect::<Vec<_>>().join(separator)
        }
        Value::Array(items) => {
            let items = items.iter().map(|item| encode(&scalar(item)));
            named(items.collect::<Vec<_>>().join(separator))
        }
        Value::Object(_) if explode => {
            let fields =
                fields(value).map(|(k, v)| format!("{}={}", encode(k), encode(&scalar(v))));
            fields.collect::<Vec<_>>().join(separator)
        }
        Value::Object(_) => {
            let fields = fields(value).flat_map(|(k, v)| [encode(k), encode(&scalar(v))]);
            named(fields.collect::<Vec<_>>().join(","))
        }
        other => named(encode(&scalar(other))),
    };
    format!("{prefix}{text}")
}

/// The text of a header; nothing is encoded.
pub(super) fn header(value: &Value, format: Format) -> String {
    let Format::Style { explode, .. } = format else {
        return value.to_string();
    };
    match value {
        Value::Array(items) => items.iter().map(scalar).collect::<Vec<_>>().join(","),
        Value::Object(_) if explode => {
            let fields = fields(value).map(|(k, v)| format!("{k}={}", scalar(v)));
            fields.collect::<Vec<_>>().join(",")
        }
        Value::Object(_) => {
            let fields = fields(value).flat_map(|(k, v)| [k.clone(), scalar(v)]);
            fields.collect::<Vec<_>>().join(",")
        }
        other => scalar(other),
    }
}

/// The pairs of a query parameter, a cookie or a field of a form. An empty list or object, and
/// null, give none.
pub(super) fn pairs(name: &str, value: &Value, format: Format) -> Vec<Pair> {
    let Format::Style {
        style,
        explode,
        allow_reserved,
    } = format
    else {
        return vec![(encode(name, false), encode(&value.to_string(), false))];
    };
    let write = |text: &str| encode(text, allow_reserved);
    let name = encode(name, false);
    let separator = match style {
        Style::SpaceDelimited => "%20",
        Style::PipeDelimited => "%7C",
        Style::TabDelimited => "%09",
        _ => ",",
    };
    match value {
        Value::Null => Vec::new(),
        Value::Array(_) | Value::Object(_) if style == Style::DeepObject => {
            let mut pairs = Vec::new();
            deep(&name, value, allow_reserved, &mut pairs);
            pairs
        }
        Value::Array(items) if explode => items
            .iter()
            .map(|item| (name.clone(), write(&scalar(item))))
            .collect(),
        Value::Object(_) if explode => fields(value)
            .map(|(k, v)| (encode(k, false), write(&scalar(v))))
            .collect(),
        Value::Array(items) => joined(name, items.iter().map(|i| write(&scalar(i))), separator),
        Value::Object(_) => {
            let fields = fields(value).flat_map(|(k, v)| [write(k), write(&scalar(v))]);
            joined(name, fields, separator)
        }
        other => vec![(name, write(&scalar(other)))],
    }
}

fn joined(name: String, parts: impl Iterator<Item = String>, separator: &str) -> Vec<Pair> {
    let parts: Vec<String> = parts.collect();
    if parts.is_empty() {
        return Vec::new();
    }
    vec![(name, parts.join(separator))]
}

/// `name[key]=value`, as deep as the value is; items of a list are numbered.
fn deep(name: &str, value: &Value, allow_reserved: bool, pairs: &mut Vec<Pair>) {
    match value {
        Value::Null => {}
        Value::Array(items) => {
            for (n, item) in items.iter().enumerate() {
                deep(&format!("{name}%5B{n}%5D"), item, allow_reserved, pairs);
            }
        }
        Value::Object(fields) => {
            for (key, item) in fields {
                let name = format!("{name}%5B{}%5D", encode(key, false));
                deep(&name, item, allow_reserved, pairs);
            }
        }
        other => pairs.push((name.to_owned(), encode(&scalar(other), allow_reserved))),
    }
}

/// The fields of an object that have a value.
fn fields(value: &Value) -> impl Iterator<Item = (&String, &Value)> {
    let fields = value.as_object().into_iter().flatten();
    fields.filter(|(_, value)| !value.is_null())
}

/// The text of a value that stands alone; lists and objects in it are JSON.
pub(super) fn scalar(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        Value::Number(number) => match number.as_f64() {
            // 8.0 is the integer 8 to JSON Schema; an API that wants integers must see one.
            Some(float) if number.is_f64() && float.fract() == 0.0 && float.abs() < 1e15 => {
                format!("{float:.0}")
            }
            _ => number.to_string(),
        },
        other => other.to_string(),
    }
}

/// Percent-encodes all but unreserved characters (RFC 3986). With `allow_reserved`, reserved
/// characters that keep their meaning inside a query value stay, and so do encoded ones.
pub(super) fn encode(text: &str, allow_reserved: bool) -> String {
    let mut out = String::with_capacity(text.len());
    let bytes = text.as_bytes();
    for (at, &byte) in bytes.iter().enumerate() {
        let stays = byte.is_ascii_alphanumeric()
            || b"-._~".contains(&byte)
            || allow_reserved
                && (b":/?@!$'()*,;=".contains(&byte) || byte == b'%' && is_encoded(&bytes[at..]));
        if stays {
            out.push(char::from(byte));
        } else {
            out.push_str(percent_encoding::percent_encode_byte(byte));
        }
    }
    out
}

fn is_encoded(bytes: &[u8]) -> bool {
    matches!(bytes, [_, a, b, ..] if a.is_ascii_hexdigit() && b.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn format(style: Style, explode: bool) -> Format {
        Format::Style {
            style,
            explode,
            allow_reserved: false,
        }
    }

    /// The values of the table "Style Examples" of the specification.
    fn colors() -> [Value; 4] {
        [
            json!(""),
            json!("blue"),
            json!(["blue", "black", "brown"]),
            json!({"R": 100, "G": 200, "B": 150}),
        ]
    }

    #[test]
    fn paths_as_in_the_specification() {
        let table = [
            (
                Style::Matrix,
                false,
                [
                    ";color",
                    ";color=blue",
                    ";color=blue,black,brown",
                    ";color=R,100,G,200,B,150",
                ],
            ),
            (
                Style::Matrix,
                true,
                [
                    ";color",
                    ";color=blue",
                    ";color=blue;color=black;color=brown",
                    ";R=100;G=200;B=150",
                ],
            ),
            (
                Style::Label,
                false,
                [".", ".blue", ".blue,black,brown", ".R,100,G,200,B,150"],
            ),
            (
                Style::Label,
                true,
                [".", ".blue", ".blue.black.brown", ".R=100.G=200.B=150"],
            ),
            (
                Style::Simple,
                false,
                ["", "blue", "blue,black,brown", "R,100,G,200,B,150"],
            ),
            (
                Style::Simple,
                true,
                ["", "blue", "blue,black,brown", "R=100,G=200,B=150"],
            ),
        ];
        for (style, explode, expected) in table {
            for (value, expected) in colors().iter().zip(expected) {
                let written = path("color", value, format(style, explode), false);
                assert_eq!(written, expected, "{style:?} {explode} {value}");
            }
        }
    }

    #[test]
    fn headers_as_in_the_specification() {
        for (explode, expected) in [
            (false, ["", "blue", "blue,black,brown", "R,100,G,200,B,150"]),
            (true, ["", "blue", "blue,black,brown", "R=100,G=200,B=150"]),
        ] {
            for (value, expected) in colors().iter().zip(expected) {
                assert_eq!(header(value, format(Style::Simple, explode)), expected);
            }
        }
    }

    #[test]
    fn queries_as_in_the_specification() {
        let table = [
            (
                Style::Form,
                false,
                [
                    "color=",
                    "color=blue",
                    "color=blue,black,brown",
                    "color=R,100,G,200,B,150",
                ],
            ),
            (
                Style::Form,
                true,
                [
                    "color=",
                    "color=blue",
                    "color=blue&color=black&color=brown",
                    "R=100&G=200&B=150",
                ],
            ),
            (
                Style::SpaceDelimited,
                false,
                [
                    "color=",
                    "color=blue",
                    "color=blue%20black%20brown",
                    "color=R%20100%20G%20200%20B%20150",
                ],
            ),
            (
                Style::PipeDelimited,
                false,
                [
                    "color=",
                    "color=blue",
                    "color=blue%7Cblack%7Cbrown",
                    "color=R%7C100%7CG%7C200%7CB%7C150",
                ],
            ),
            (
                Style::DeepObject,
                true,
                [
                    "color=",
                    "color=blue",
                    "color%5B0%5D=blue&color%5B1%5D=black&color%5B2%5D=brown",
                    "color%5BR%5D=100&color%5BG%5D=200&color%5BB%5D=150",
                ],
            ),
        ];
        for (style, explode, expected) in table {
            for (value, expected) in colors().iter().zip(expected) {
                let written = join(&pairs("color", value, format(style, explode)));
                assert_eq!(written, expected, "{style:?} {explode} {value}");
            }
        }
    }

    #[test]
    fn odd_values() {
        let form = format(Style::Form, true);
        let reserved = Format::Style {
            style: Style::Form,
            explode: true,
            allow_reserved: true,
        };
        let cases = [
            (json!(null), form, ""),
            (json!([]), form, ""),
            (json!({}), form, ""),
            (json!([]), format(Style::Form, false), ""),
            (json!(8.0), form, "q=8"),
            (json!(0.5), form, "q=0.5"),
            (json!(true), form, "q=true"),
            (json!("a b&c=d/é"), form, "q=a%20b%26c%3Dd%2F%C3%A9"),
            (json!("a b&c=d/%2F%"), reserved, "q=a%20b%26c=d/%2F%25"),
            (
                json!([[1, 2], {"a": 1}]),
                form,
                "q=%5B1%2C2%5D&q=%7B%22a%22%3A1%7D",
            ),
            (
                json!({"a": {"b": [1, {"c": null, "d": 2}]}}),
                format(Style::DeepObject, true),
                "q%5Ba%5D%5Bb%5D%5B0%5D=1&q%5Ba%5D%5Bb%5D%5B1%5D%5Bd%5D=2",
            ),
            (json!({"a": 1}), Format::Json, "q=%7B%22a%22%3A1%7D"),
        ];
        for (value, format, expected) in cases {
            assert_eq!(join(&pairs("q", &value, format)), expected, "{value}");
        }
        let file = json!("a/b c/../d");
        assert_eq!(
            path("p", &file, format(Style::Simple, false), true),
            "a/b%20c/../d"
        );
        assert_eq!(
            path("p", &file, format(Style::Simple, false), false),
            "a%2Fb%20c%2F..%2Fd"
        );
    }

    fn join(pairs: &[Pair]) -> String {
        let pairs: Vec<String> = pairs.iter().map(|(k, v)| format!("{k}={v}")).collect();
        pairs.join("&")
    }
}
