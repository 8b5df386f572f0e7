//! Files of programs, in every sandbox: inputs that they read and artifacts that they leave.

use toolexec_core::code::{CodeErrorKind, Submission};
use toolexec_core::sandbox::{Language, LimitName, Limits};

use crate::support::{Way, run};

in_every_sandbox!(
    bytes_come_and_go_as_they_are,
    a_quota_of_files_ends_the_program,
);

/// Every byte there is.
fn all_bytes() -> Vec<u8> {
    (0..=255).cycle().take(100_000).collect()
}

/// A program's text in JavaScript and in Python.
fn text<'a>(language: Language, javascript: &'a str, python: &'a str) -> &'a str {
    match language {
        Language::Python => python,
        _ => javascript,
    }
}

pub(crate) async fn bytes_come_and_go_as_they_are(way: Way) {
    for (language, executor, _) in way.each() {
        let source = text(
            language,
            "const csv = await tools.files.read({name: 'in/data.csv'});
             const total = csv.trim().split('\\n').slice(1)
                 .reduce((sum, line) => sum + Number(line.split(',')[1]), 0);
             const bytes = await tools.files.read({name: 'bytes', as: 'base64'});
             await tools.files.write({name: 'out/copy', base64: bytes});
             await tools.files.write({name: 'total.json', text: JSON.stringify({total})});
             return total",
            "csv = tools.files.read(name='in/data.csv')
total = sum([int(line.split(',')[1]) for line in csv.strip().split('\\n')[1:]])
bytes = tools.run('files:read', {'name': 'bytes', 'as': 'base64'})
tools.files.write(name='out/copy', base64=bytes)
tools.files.write(name='total.json', text='{\"total\":' + str(total) + '}')
return total",
        );
        let submission = Submission::new(language, source)
            .file("in/data.csv", *b"name,count\na,2\nb,3\n")
            .file("bytes", all_bytes());
        let outcome = run(&executor, submission).await;
        assert_eq!(outcome.error, None, "{way} {language:?}");
        assert_eq!(outcome.value, 5, "{way} {language:?}");
        let left = outcome.artifacts.iter();
        let left: Vec<_> = left
            .map(|one| (one.name.as_str(), one.media_type, one.bytes.to_vec()))
            .collect();
        assert_eq!(
            left,
            [
                ("out/copy", "application/octet-stream", all_bytes()),
                ("total.json", "application/json", br#"{"total":5}"#.to_vec()),
            ],
            "{way} {language:?}"
        );
    }
}

async fn a_quota_of_files_ends_the_program(way: Way) {
    for (language, executor, _) in way.each() {
        let source = text(
            language,
            "for (let i = 0; ; i++) {
                 try { await tools.files.write({name: 'f' + i, text: 'x'.repeat(100)}) } catch {}
             }",
            "i = 0
while True:
    try:
        tools.files.write(name='f' + str(i), text='x' * 100)
    except Exception:
        pass
    i += 1",
        );
        let limits = Limits {
            file_bytes: Some(250),
            ..Limits::default()
        };
        let submission = Submission::new(language, source)
            .with_files()
            .limits(limits);
        let outcome = run(&executor, submission).await;
        let error = outcome.error.unwrap();
        assert_eq!(error.kind, CodeErrorKind::Limit, "{way} {language:?}");
        assert_eq!(error.limit.unwrap().name, LimitName::FileBytes);
        let left: Vec<&str> = outcome
            .artifacts
            .iter()
            .map(|one| one.name.as_str())
            .collect();
        assert_eq!(left, ["f0", "f1"], "{way} {language:?}");
    }
}
