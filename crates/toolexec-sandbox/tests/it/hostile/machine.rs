//! Programs that look for the machine: files, processes, networks, what is compiled or shared.
//! None of it is there for them, in any sandbox.

use toolexec_core::sandbox::Language::{JavaScript, Python};

use super::cases::{Case, Program};

/// What has no name in a program.
const UNNAMED: &str = "exception ReferenceError";
const NO_MODULE: &str = "unsupported ModuleNotFoundError";
const NO_FILES: &str = "exception PermissionError";

pub(super) const CASES: &[Case] = &[
    Case {
        name: "the modules of the machine",
        programs: &[
            Program(
                JavaScript,
                "return require('fs').readFileSync('/etc/passwd')",
                "unsupported UnsupportedError",
            ),
            Program(
                JavaScript,
                "return await import('node:fs')",
                "unsupported UnsupportedError",
            ),
            Program(
                JavaScript,
                "return await import('std')",
                "unsupported UnsupportedError",
            ),
            Program(
                JavaScript,
                "return await import('os')",
                "unsupported UnsupportedError",
            ),
            Program(
                Python,
                "import subprocess\nreturn subprocess.run(['id'])",
                NO_MODULE,
            ),
            Program(Python, "import ctypes\nreturn ctypes.CDLL(None)", NO_MODULE),
            Program(Python, "import socket\nreturn socket.socket()", NO_MODULE),
        ],
    },
    Case {
        name: "the files of the machine",
        programs: &[
            Program(JavaScript, "return std.open('/etc/passwd', 'r')", UNNAMED),
            Program(Python, "return open('/etc/passwd').read()", NO_FILES),
            Program(Python, "import os\nreturn os.listdir('/')", NO_FILES),
            Program(
                Python,
                "from pathlib import Path\nreturn Path('/etc/passwd').read_text()",
                NO_FILES,
            ),
            Program(
                Python,
                "from pathlib import Path\nPath('/tmp/hostile').write_text('x')",
                NO_FILES,
            ),
        ],
    },
    Case {
        name: "the processes of the machine",
        programs: &[
            Program(JavaScript, "process.exit(1)", UNNAMED),
            Program(JavaScript, "return os.exec(['id'])", UNNAMED),
            Program(JavaScript, "return new Worker('x')", UNNAMED),
            Program(
                Python,
                "import os\nos._exit(1)",
                "unsupported AttributeError",
            ),
            Program(
                Python,
                "import os\nreturn os.fork()",
                "unsupported AttributeError",
            ),
            Program(
                Python,
                "import sys\nsys.exit(3)",
                "unsupported AttributeError",
            ),
        ],
    },
    Case {
        name: "the environment of the machine",
        programs: &[
            Program(JavaScript, "return process.env", UNNAMED),
            Program(JavaScript, "return Deno.env.toObject()", UNNAMED),
            Program(Python, "import os\nreturn dict(os.environ)", "{}"),
            Program(Python, "import os\nreturn os.getenv('HOME')", "null"),
        ],
    },
    Case {
        name: "the networks of the machine",
        programs: &[
            Program(
                JavaScript,
                "return await fetch('http://169.254.169.254/')",
                "unsupported UnsupportedError",
            ),
            Program(
                JavaScript,
                "return new XMLHttpRequest()",
                "exception TypeError",
            ),
            Program(
                JavaScript,
                "return new WebSocket('ws://127.0.0.1')",
                "exception TypeError",
            ),
            Program(
                Python,
                "import urllib.request\nreturn urllib.request.urlopen('http://169.254.169.254/')",
                NO_MODULE,
            ),
        ],
    },
    Case {
        name: "code that is compiled",
        programs: &[
            Program(
                JavaScript,
                "return new WebAssembly.Module(new Uint8Array(8))",
                UNNAMED,
            ),
            Program(Python, "return eval('1')", "1"),
            Program(Python, "exec('x = 1')", "null"),
            Program(
                Python,
                "return compile('1', 'x', 'eval')",
                "exception NameError",
            ),
            Program(Python, "return __import__('os')", "exception NameError"),
        ],
    },
    Case {
        name: "a wait that nothing can wake",
        programs: &[
            Program(
                JavaScript,
                "Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0)",
                "exception TypeError; in wasm exception ReferenceError",
            ),
            Program(JavaScript, "await new Promise(() => {})", "exception"),
            Program(Python, "import time\ntime.sleep(3600)", "limit wait_time"),
        ],
    },
    Case {
        name: "what is behind what it sees",
        programs: &[
            Program(
                Python,
                "return ().__class__.__bases__[0].__subclasses__()",
                "exception AttributeError",
            ),
            Program(
                Python,
                "return print.__globals__",
                "exception AttributeError",
            ),
            Program(
                Python,
                "return (lambda: 0).__code__",
                "exception AttributeError",
            ),
            Program(
                JavaScript,
                "return ({}).constructor.constructor('return this')().process",
                "null",
            ),
        ],
    },
];
