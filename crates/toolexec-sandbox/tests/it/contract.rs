//! The contract of sandboxes, held against each of them.

use toolexec_core::sandbox::Language;
use toolexec_testkit::contract::sandbox::{Programs, all};

use crate::support::{Guests, Way};

const JAVASCRIPT: Programs = Programs {
    language: Language::JavaScript,
    two: "return 1 + 1",
    endless: "while (true) {}",
};

const PYTHON: Programs = Programs {
    language: Language::Python,
    two: "return 1 + 1",
    endless: "while True:\n    pass",
};

in_every_sandbox!(it_keeps_the_contract);

pub(crate) async fn it_keeps_the_contract(way: Way) {
    let sandbox = way.sandbox(Guests::REAL);
    for language in way.languages() {
        let programs = match language {
            Language::Python => PYTHON,
            _ => JAVASCRIPT,
        };
        all(&*sandbox, &programs).await;
    }
}
