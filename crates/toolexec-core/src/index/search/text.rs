//! Words of a text: identifiers are split, letters folded.

/// The longest joined form of a compound that is kept, in characters.
const MAX_WHOLE: usize = 48;
/// How often letters and digits change in a key or a hash.
const MIN_CODE: usize = 3;
/// The longest word that is kept, in characters; longer ones are keys, hashes or base64.
const MAX_WORD: usize = 40;

/// A word of a text, lower case and without diacritics.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Word<'a> {
    /// A word, or a part of a compound.
    Part(&'a str),
    /// All parts of a compound joined: `readfile` of `read_file`, `readFile` or `read-file`.
    Whole(&'a str),
}

/// Splits texts into words; keeps its buffers from one text to the next.
#[derive(Debug, Default)]
pub(super) struct Splitter {
    chunk: Vec<char>,
    part: String,
    whole: String,
}

impl Splitter {
    /// Gives each word of `text` to `emit`.
    ///
    /// A chunk is what stands between white space and punctuation other than `_`, `-` and `.`. Its
    /// parts end at those, at camelCase humps and between letters and digits.
    pub(super) fn split(&mut self, text: &str, mut emit: impl FnMut(Word<'_>)) {
        for chunk in text.split(|c: char| !(c.is_alphanumeric() || is_joiner(c))) {
            let chunk = chunk.trim_matches(is_joiner);
            if chunk.is_empty() {
                continue;
            }
            if chunk.bytes().all(|byte| byte.is_ascii_lowercase()) {
                if chunk.len() <= MAX_WORD {
                    emit(Word::Part(chunk));
                }
                continue;
            }
            self.split_chunk(chunk, &mut emit);
        }
    }

    fn split_chunk(&mut self, chunk: &str, emit: &mut impl FnMut(Word<'_>)) {
        self.chunk.clear();
        self.chunk.extend(chunk.chars());
        self.whole.clear();
        let mut parts = 0;
        let mut start = 0;
        while start < self.chunk.len() {
            let end = if is_code(&self.chunk, start) {
                piece_end(&self.chunk, start)
            } else {
                part_end(&self.chunk, start)
            };
            self.part.clear();
            self.chunk[start..end]
                .iter()
                .for_each(|c| fold_into(*c, &mut self.part));
            let length = end - start;
            if is_ideograph(self.chunk[start]) {
                emit_bigrams(&self.part, emit);
            } else if length > 0 && length <= MAX_WORD {
                emit(Word::Part(&self.part));
                self.whole.push_str(&self.part);
                parts += 1;
            }
            start = end + usize::from(self.chunk.get(end).copied().is_some_and(is_joiner));
        }
        if parts > 1 && self.whole.chars().count() <= MAX_WHOLE {
            emit(Word::Whole(&self.whole));
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Class {
    Upper,
    Lower,
    Digit,
    Ideograph,
    Joiner,
}

fn class(c: char) -> Class {
    if c.is_ascii_lowercase() {
        Class::Lower
    } else if c.is_numeric() {
        Class::Digit
    } else if c.is_uppercase() {
        Class::Upper
    } else if is_joiner(c) {
        Class::Joiner
    } else if is_ideograph(c) {
        Class::Ideograph
    } else {
        Class::Lower
    }
}

/// Where the text up to the next joiner ends.
fn piece_end(chunk: &[char], start: usize) -> usize {
    let rest = &chunk[start..];
    start
        + rest
            .iter()
            .position(|c| is_joiner(*c))
            .unwrap_or(rest.len())
}

/// Whether the text up to the next joiner is a key or a hash: its parts would be no words.
fn is_code(chunk: &[char], start: usize) -> bool {
    let piece = &chunk[start..piece_end(chunk, start)];
    let changes =
        |pair: &&[char]| (class(pair[0]) == Class::Digit) != (class(pair[1]) == Class::Digit);
    piece.windows(2).filter(changes).count() >= MIN_CODE
}

/// Where the part that begins at `start` ends.
fn part_end(chunk: &[char], start: usize) -> usize {
    let mut end = start;
    while end < chunk.len() {
        let here = class(chunk[end]);
        if here == Class::Joiner {
            return end;
        }
        if end > start && is_border(chunk, end, here) {
            return end;
        }
        end += 1;
    }
    end
}

fn is_border(chunk: &[char], at: usize, here: Class) -> bool {
    match (class(chunk[at - 1]), here) {
        (Class::Upper, Class::Upper) => {
            // `HTTPServer` is HTTP + Server; `APIs` is a plural.
            let lower = |i: usize| chunk.get(i).is_some_and(|c| class(*c) == Class::Lower);
            lower(at + 1) && (chunk[at + 1] != 's' || lower(at + 2))
        }
        (Class::Upper, Class::Lower) => false,
        (before, here) => before != here,
    }
}

fn is_joiner(c: char) -> bool {
    matches!(c, '_' | '-' | '.')
}

/// Scripts that are written without spaces.
fn is_ideograph(c: char) -> bool {
    matches!(c, '\u{3040}'..='\u{30ff}' | '\u{3400}'..='\u{4dbf}' | '\u{4e00}'..='\u{9fff}'
        | '\u{f900}'..='\u{faff}' | '\u{20000}'..='\u{3134f}' | '\u{0e00}'..='\u{0e7f}')
}

fn emit_bigrams(run: &str, emit: &mut impl FnMut(Word<'_>)) {
    let starts: Vec<usize> = run
        .char_indices()
        .map(|(at, _)| at)
        .chain([run.len()])
        .collect();
    if starts.len() == 2 {
        emit(Word::Part(run));
    }
    for pair in starts.windows(3) {
        emit(Word::Part(&run[pair[0]..pair[2]]));
    }
}

fn fold_into(c: char, out: &mut String) {
    if c.is_ascii() {
        out.push(c.to_ascii_lowercase());
        return;
    }
    for c in c.to_lowercase() {
        match c {
            'à'..='å' | 'ā' | 'ă' | 'ą' => out.push('a'),
            'æ' => out.push_str("ae"),
            'ç' | 'ć' | 'č' => out.push('c'),
            'ď' | 'đ' => out.push('d'),
            'è'..='ë' | 'ē' | 'ė' | 'ę' | 'ě' => out.push('e'),
            'ğ' => out.push('g'),
            'ì'..='ï' | 'ī' | 'ı' => out.push('i'),
            'ł' => out.push('l'),
            'ñ' | 'ń' | 'ň' => out.push('n'),
            'ò'..='ö' | 'ø' | 'ō' | 'ő' => out.push('o'),
            'œ' => out.push_str("oe"),
            'ř' => out.push('r'),
            'ß' => out.push_str("ss"),
            'ś' | 'ş' | 'š' => out.push('s'),
            'ť' | 'ţ' => out.push('t'),
            'ù'..='ü' | 'ū' | 'ů' | 'ű' => out.push('u'),
            'ý' | 'ÿ' => out.push('y'),
            'ź' | 'ż' | 'ž' => out.push('z'),
            // Combining marks, such as the dot that the lower case of İ leaves.
            '\u{300}'..='\u{36f}' => {}
            other => out.push(other),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> String {
        let mut found = Vec::new();
        Splitter::default().split(text, |word| match word {
            Word::Part(word) => found.push(word.to_owned()),
            Word::Whole(word) => found.push(format!("={word}")),
        });
        found.join(" ")
    }

    #[test]
    fn identifiers_are_split_and_kept_whole() {
        let cases = [
            ("get_weather", "get weather =getweather"),
            ("getWeather", "get weather =getweather"),
            ("git-log.all", "git log all =gitlogall"),
            ("HTTPServer", "http server =httpserver"),
            ("parseHTTPServer2", "parse http server 2 =parsehttpserver2"),
            ("APIs and PDFs", "apis and pdfs"),
            ("URLShortener", "url shortener =urlshortener"),
            ("base64", "base 64 =base64"),
            ("K8s-8fMr3o9KiA5", "k 8 s 8fmr3o9kia5 =k8s8fmr3o9kia5"),
            ("The user's files, don't!", "the user s files don t"),
            ("e.g. README.md.", "e g =eg readme md =readmemd"),
            ("Números a Letras", "numeros a letras"),
            ("__init__ -- ...", "init"),
            ("", ""),
        ];
        for (text, expected) in cases {
            assert_eq!(words(text), expected, "{text}");
        }
    }

    #[test]
    fn scripts_without_spaces_become_pairs() {
        assert_eq!(words("天气预报"), "天气 气预 预报");
        assert_eq!(words("查 weather"), "查 weather");
    }

    #[test]
    fn keys_and_hashes_are_no_words() {
        assert_eq!(words(&"x".repeat(41)), "");
        assert_eq!(words(&"X".repeat(41)), "");
    }
}
