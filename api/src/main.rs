//! Keeps the public items of each library in `docs/public-api`, with all features, as `cargo public-api` lists them: without
//! what each type has by blanket, automatic or derived implementations.
//!
//! ```sh
//! cargo run --manifest-path api/Cargo.toml               # the differences; status 1 if there are any
//! cargo run --manifest-path api/Cargo.toml -- --bless    # writes the lists
//! ```
//!
//! The status is 3 where the compiler has another form of JSON than the crate `public-api` reads.
#![forbid(unsafe_code)]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::{env, fs};

use public_api::PublicApi;
use serde_json::Value;

/// The workspaces with libraries that are published.
const WORKSPACES: [&str; 2] = ["Cargo.toml", "http-hyper/Cargo.toml"];

struct Library {
    name: String,
    workspace: &'static str,
    /// Where cargo builds it.
    target: PathBuf,
}

fn main() -> ExitCode {
    let bless = match env::args().nth(1).as_deref() {
        None => false,
        Some("--bless") => true,
        Some(other) => panic!("there is no argument {other}"),
    };
    let libraries: Vec<_> = WORKSPACES.iter().flat_map(|manifest| libraries(manifest)).collect();
    let folder = root().join("docs/public-api");
    let kept = fs::read_dir(&folder).into_iter().flatten().flatten();
    let mut unknown: BTreeSet<PathBuf> = kept.map(|entry| entry.path()).collect();
    let mut differs = false;
    for library in &libraries {
        let path = folder.join(&library.name).with_extension("txt");
        unknown.remove(&path);
        let is = match public_items(library) {
            Ok(items) => items,
            Err(error) => {
                println!("not run: {error}");
                return ExitCode::from(3);
            }
        };
        let was = fs::read_to_string(&path).unwrap_or_default();
        if is == was {
            continue;
        }
        differs = true;
        if bless {
            fs::create_dir_all(&folder).expect("a folder");
            fs::write(&path, is).expect("a file");
            println!("{} is written", path.display());
            continue;
        }
        println!("{}:", library.name);
        let lines = |list: &str| list.lines().map(str::to_owned).collect::<BTreeSet<_>>();
        let (before, now) = (lines(&was), lines(&is));
        before.difference(&now).for_each(|line| println!("- {line}"));
        now.difference(&before).for_each(|line| println!("+ {line}"));
    }
    for path in unknown {
        println!("{} is of no library", path.display());
        differs = true;
        if bless {
            fs::remove_file(path).expect("a file");
        }
    }
    if differs && !bless {
        println!("if that is meant: cargo run --manifest-path api/Cargo.toml -- --bless");
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}

/// The repository.
fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("a workspace")
}

fn cargo(command: &str, workspace: &str) -> Command {
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.current_dir(root()).args([command, "--locked", "--manifest-path", workspace]);
    cargo
}

/// The packages of a workspace that are published and have a library.
fn libraries(workspace: &'static str) -> Vec<Library> {
    let mut metadata = cargo("metadata", workspace);
    let output = metadata.args(["--no-deps", "--format-version", "1"]).stderr(Stdio::inherit()).output();
    let metadata: Value = serde_json::from_slice(&output.expect("cargo").stdout).expect("JSON");
    let packages = metadata["packages"].as_array().expect("packages");
    let is_library = |package: &&Value| {
        let targets = package["targets"].as_array().expect("targets");
        package["publish"].is_null() && targets.iter().any(|target| target["kind"][0] == "lib")
    };
    let names = packages.iter().filter(is_library).filter_map(|package| package["name"].as_str());
    let mut names: Vec<_> = names.map(str::to_owned).collect();
    names.sort();
    let target = Path::new(metadata["target_directory"].as_str().expect("a folder"));
    names.into_iter().map(|name| Library { name, workspace, target: target.to_owned() }).collect()
}

/// A line for each.
fn public_items(library: &Library) -> Result<String, public_api::Error> {
    let Library { name, workspace, target } = library;
    let mut rustdoc = cargo("rustdoc", workspace);
    rustdoc.args(["--quiet", "--package", name, "--lib", "--all-features"]);
    rustdoc.args(["--", "-Zunstable-options", "--output-format", "json", "--cap-lints", "allow"]);
    rustdoc.env("RUSTDOC", root().join("api/rustdoc"));
    assert!(rustdoc.status().expect("cargo").success(), "rustdoc fails for {name}");
    let json = target.join("doc").join(name.replace('-', "_")).with_extension("json");
    let items = public_api::Builder::from_rustdoc_json(json)
        .sorted(true)
        .omit_blanket_impls(true)
        .omit_auto_trait_impls(true)
        .omit_auto_derived_impls(true)
        .build()?;
    Ok(listed(&items))
}

fn listed(items: &PublicApi) -> String {
    items.items().map(|item| format!("{item}\n")).collect()
}
