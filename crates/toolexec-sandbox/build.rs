//! Says which guests are there to be built in.

use std::path::Path;

/// The guests, and what to build in where their file is.
const GUESTS: [(&str, &str); 4] = [
    ("javascript.wasm", "guest_javascript"),
    ("python.wasm", "guest_python"),
    ("linux-x86_64", "guest_linux"),
    ("init-x86_64", "guest_init"),
];

fn main() {
    let machine = std::env::var("CARGO_CFG_TARGET_ARCH").unwrap_or_default();
    for (guest, cfg) in GUESTS {
        let file = format!("guest/{guest}.zst");
        println!("cargo::rerun-if-changed={file}");
        println!("cargo::rustc-check-cfg=cfg({cfg})");
        let runs_here = !matches!(cfg, "guest_linux" | "guest_init") || machine == "x86_64";
        if runs_here && Path::new(&file).is_file() {
            println!("cargo::rustc-cfg={cfg}");
        }
    }
}
