//! Says which guests are there to be built in.

use std::path::Path;

fn main() {
    for guest in ["javascript", "python"] {
        let file = format!("guest/{guest}.wasm.zst");
        println!("cargo::rerun-if-changed={file}");
        println!("cargo::rustc-check-cfg=cfg(guest_{guest})");
        if Path::new(&file).is_file() {
            println!("cargo::rustc-cfg=guest_{guest}");
        }
    }
}
