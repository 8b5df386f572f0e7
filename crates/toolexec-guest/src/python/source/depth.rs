//! How deep the syntax tree of a program nests, seen without going deeper than is safe.

use ruff_python_ast::visitor::{self, Visitor};
use ruff_python_ast::{Expr, Pattern, Stmt};

/// How deep a tree may nest. What walks it recurses as deep, on the stack of a small guest; a
/// long sum nests as deep as it has terms, without a parenthesis that the parser would count.
const MOST: usize = 400;

/// Whether a program nests too deep.
pub(super) fn is_too_deep(body: &[Stmt]) -> bool {
    let mut depth = Depth {
        left: MOST,
        exceeded: false,
    };
    depth.visit_body(body);
    depth.exceeded
}

struct Depth {
    left: usize,
    exceeded: bool,
}

impl Depth {
    fn deeper(&mut self, walk: impl FnOnce(&mut Self)) {
        if self.left == 0 {
            self.exceeded = true;
        } else if !self.exceeded {
            self.left -= 1;
            walk(self);
            self.left += 1;
        }
    }
}

impl<'a> Visitor<'a> for Depth {
    fn visit_stmt(&mut self, stmt: &'a Stmt) {
        self.deeper(|depth| visitor::walk_stmt(depth, stmt));
    }

    fn visit_expr(&mut self, expr: &'a Expr) {
        self.deeper(|depth| visitor::walk_expr(depth, expr));
    }

    fn visit_pattern(&mut self, pattern: &'a Pattern) {
        self.deeper(|depth| visitor::walk_pattern(depth, pattern));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_chains_nest_deep() {
        let too_deep = |source: &str| {
            let parsed = ruff_python_parser::parse_module(source).unwrap();
            is_too_deep(&parsed.syntax().body)
        };
        for link in ["+1", ".a", "[0]"] {
            assert!(!too_deep(&format!("x{}", link.repeat(300))), "{link}");
            assert!(too_deep(&format!("x{}", link.repeat(500))), "{link}");
        }
        assert!(!too_deep(&"x = 1\n".repeat(10_000)));
        assert!(!too_deep(&format!("[{}]", "1, ".repeat(10_000))));
    }
}
