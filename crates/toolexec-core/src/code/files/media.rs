//! What a file is.

/// What a file is whose bytes say nothing, by the end of its name.
const BY_NAME: [(&str, &str); 14] = [
    ("csv", "text/csv"),
    ("css", "text/css"),
    ("htm", "text/html"),
    ("html", "text/html"),
    ("js", "text/javascript"),
    ("json", "application/json"),
    ("jsonl", "application/jsonl"),
    ("md", "text/markdown"),
    ("svg", "image/svg+xml"),
    ("toml", "application/toml"),
    ("tsv", "text/tab-separated-values"),
    ("xml", "application/xml"),
    ("yaml", "application/yaml"),
    ("yml", "application/yaml"),
];

/// What a file is. Its bytes count; where they say nothing but that it is text, its name does.
pub(super) fn of(name: &str, bytes: &[u8]) -> &'static str {
    let end = name
        .rsplit_once('.')
        .map(|(_, end)| end.to_ascii_lowercase());
    if text(bytes).is_some() {
        let named = BY_NAME
            .iter()
            .find(|(known, _)| end.as_deref() == Some(known));
        return named.map_or("text/plain", |(_, media)| media);
    }
    infer::get(bytes).map_or("application/octet-stream", |kind| kind.mime_type())
}

/// A text, if the bytes are one.
pub(super) fn text(bytes: &[u8]) -> Option<&str> {
    std::str::from_utf8(bytes)
        .ok()
        .filter(|text| !text.contains('\0'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_count_before_names() {
        let png = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR";
        let cases: [(&str, &[u8], &str); 8] = [
            ("a.png", png, "image/png"),
            ("a.csv", png, "image/png"),
            ("a.png", b"no picture", "text/plain"),
            ("a.CSV", b"a,b\n", "text/csv"),
            ("a", b"", "text/plain"),
            ("plot.svg", b"<svg/>", "image/svg+xml"),
            ("a.bin", &[0, 1, 2, 0xff], "application/octet-stream"),
            ("a.jpg", &[0xff, 0xd8, 0xff, 0xe0], "image/jpeg"),
        ];
        for (name, bytes, media) in cases {
            assert_eq!(of(name, bytes), media, "{name}");
        }
    }
}
