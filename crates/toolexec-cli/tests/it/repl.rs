//! `repl`, piped and at a terminal, with the native guest.

use std::io::{Read, Write};
use std::path::Path;
use std::process::{Child, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use toolexec_testkit::{Missing, require};

use crate::code::{DEV, run};
use crate::program::Place;

/// The exit code, stdout and stderr of a repl that reads `input`.
fn piped(args: &[&str], input: &str) -> (Option<i32>, String, String) {
    run(&[&["repl"], args].concat(), input)
}

#[test]
fn variables_stay_and_errors_end_their_entry_only() {
    let js = "let x = await tools.math.add({a: 1, b: 2})\nx + nothing\nx * 2\n";
    let (code, out, err) = piped(&["-q"], js);
    assert_eq!((code, &*out), (Some(0), "6\n"), "{err}");
    assert!(err.starts_with("error: ReferenceError: "), "{err}");
    let python = "x = 0\nfor n in range(3):\n    x = tools.math.add(a=x, b=n)\n\nx\n";
    let (code, out, err) = piped(&["-q", "--lang", "python"], python);
    assert_eq!((code, &*out), (Some(0), "3\n"), "{err}");
}

#[test]
fn a_limit_that_took_the_variables_says_so() {
    let hoard = "const all = []; while (true) all.push('x'.repeat(1e6) + all.length)";
    let input = format!("let x = 1\n{hoard}\nlet y = 2\ny\n");
    let (code, out, err) = piped(&["--max-memory", "64m"], &input);
    assert_eq!((code, &*out), (Some(0), "2\n"), "{err}");
    let warnings: Vec<&str> = err
        .lines()
        .filter(|line| line.starts_with("warning: "))
        .collect();
    assert_eq!(
        warnings,
        ["warning: the session was lost; its variables are gone"]
    );
}

#[test]
fn commands_are_no_programs() {
    let input = "let x = 1\n.reset\ntypeof x\n.nothing\n.exit\n'not reached'\n";
    assert_eq!(
        piped(&[], input),
        (
            Some(0),
            "undefined\n".to_owned(),
            "warning: there is no .nothing; .help tells what there is\n".to_owned()
        )
    );
}

/// A repl at a terminal of its own.
struct Terminal {
    child: Child,
    keys: std::process::ChildStdin,
    screen: Arc<Mutex<Vec<u8>>>,
}

impl Terminal {
    #[expect(
        clippy::disallowed_methods,
        reason = "the program that makes a terminal"
    )]
    fn open(place: &Place) -> Self {
        let repl = place.command(&[]);
        let program = repl.get_program().to_str().unwrap();
        // An interrupt would end the shell too.
        let line = format!("exec {program} repl {}", DEV.join(" "));
        let mut command = std::process::Command::new("script");
        command
            .args(["-qec", &line, "/dev/null"])
            .current_dir(place.path())
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", place.path())
            .env("TERM", "xterm")
            .env("SHELL", "/bin/sh")
            .env("NO_COLOR", "1")
            .env("TOOLEXEC_GUEST", toolexec_testkit::build::guest())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null());
        let mut child = command.spawn().unwrap();
        let keys = child.stdin.take().unwrap();
        let mut out = child.stdout.take().unwrap();
        let screen = Arc::<Mutex<Vec<u8>>>::default();
        let shown = screen.clone();
        std::thread::spawn(move || {
            let mut some = [0; 4096];
            while let Ok(count @ 1..) = out.read(&mut some) {
                shown.lock().unwrap().extend_from_slice(&some[..count]);
            }
        });
        Self {
            child,
            keys,
            screen,
        }
    }

    fn press(&mut self, keys: &str) {
        self.keys.write_all(keys.as_bytes()).unwrap();
        self.keys.flush().unwrap();
    }

    /// Waits until the screen shows `text` and then the prompt, and forgets what was on it: what
    /// is typed before the prompt is there may be lost.
    fn sees(&self, text: &str) {
        until(|| {
            let mut screen = self.screen.lock().unwrap();
            let shown = String::from_utf8_lossy(&screen).into_owned();
            let after = shown.split_once(text).map(|(_, after)| after);
            let found = after.is_some_and(|after| after.contains("> "));
            if found {
                screen.clear();
            }
            found
        });
    }
}

/// Waits; what never comes fails the test by its own timeout.
fn until(mut is_so: impl FnMut() -> bool) {
    while !is_so() {
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn at_a_terminal_entries_are_edited_kept_and_interrupted() {
    let remedy = "install util-linux, which has `script`";
    let script = Path::new("/usr/bin/script")
        .exists()
        .then_some(())
        .ok_or_else(|| Missing::new("script", "there is no program `script`", remedy));
    if require(script).is_none() {
        return;
    }
    let place = Place::with_config("[commands.mark]\nprogram = \"touch\"\nargs = [\"running\"]\n");
    let mut repl = Terminal::open(&place);
    repl.sees("Ctrl-D ends it");
    // A mistake is taken back with the keys of an editor.
    repl.press("40 + 3\x7f2\r");
    repl.sees("\n42");
    // The entry before is one key away.
    repl.press("\x1b[A\r");
    repl.sees("\n42");
    // An entry goes on while something is open.
    repl.press("[1,\r2, 3, 4, 5, 6, 7].length\r");
    repl.sees("\n7");
    // Ctrl-C gives up what is being typed, and ends what runs; the repl stays.
    repl.press("nothing\x03");
    repl.sees("nothing");
    repl.press("await tools.commands.mark({}); while (true) {}\r");
    until(|| place.path().join("running").exists());
    repl.press("\x03");
    repl.sees("the caller cancelled");
    repl.press("6 * 7\r");
    repl.sees("\n42");
    repl.press("\x04");
    assert!(repl.child.wait().unwrap().success());
    let history = place.read(".local/state/toolexec/repl_history");
    assert!(history.ends_with("6 * 7\n"), "{history}");
}
