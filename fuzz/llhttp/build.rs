//! Compiles llhttp from `LLHTTP_SOURCE`, a folder with its released C: `src/llhttp.c`, `src/api.c`, `src/http.c` and
//! `include/llhttp.h`. Without it the crate says that there is none.

use std::env;
use std::path::PathBuf;

fn main() {
    println!("cargo::rerun-if-env-changed=LLHTTP_SOURCE");
    println!("cargo::rerun-if-changed=src/glue.c");
    let Some(folder) = env::var_os("LLHTTP_SOURCE").filter(|folder| !folder.is_empty()).map(PathBuf::from)
    else {
        return;
    };
    cc::Build::new()
        .include(folder.join("include"))
        .files(["llhttp.c", "api.c", "http.c"].map(|file| folder.join("src").join(file)))
        .file("src/glue.c")
        .warnings(false)
        .opt_level(2)
        .compile("httpfsm_fuzz_llhttp");
    println!("cargo::rustc-cfg=llhttp");
}
