//! What cargo-mutants would change.

use std::path::Path;
use std::process::Command;

use serde_json::Value;

/// One change, as cargo-mutants lists it.
#[derive(Clone, Debug)]
pub struct Mutant {
    /// The number that switches it on; from 1.
    pub number: u32,
    /// cargo-mutants' text for it, with the place.
    pub name: String,
    /// From the root of the repository.
    pub file: String,
    /// `BinaryOperator`, `FnValue` and so on.
    pub genre: String,
    /// What the place is replaced with.
    pub replacement: String,
    /// Line and column, from 1, of the first character, and of the one behind the last.
    pub from: (usize, usize),
    /// See [`from`](Self::from).
    pub to: (usize, usize),
}

/// Asks cargo-mutants for its list.
pub fn mutants(root: &Path) -> Result<Vec<Mutant>, String> {
    let output = Command::new("cargo")
        .args(["mutants", "--list", "--json", "-p", "httpfsm"])
        .current_dir(root)
        .output()
        .map_err(|error| format!("cargo mutants: {error}"))?;
    if !output.status.success() {
        return Err(format!("cargo mutants: {}", String::from_utf8_lossy(&output.stderr)));
    }
    let list: Value = serde_json::from_slice(&output.stdout).map_err(|error| error.to_string())?;
    let list = list.as_array().ok_or("cargo mutants lists no array")?;
    list.iter().zip(1..).map(|(entry, number)| mutant(entry, number).ok_or(entry.to_string())).collect()
}

fn mutant(entry: &Value, number: u32) -> Option<Mutant> {
    let text = |key: &str| entry[key].as_str().map(str::to_owned);
    let place = |key: &str| {
        let place = &entry["span"][key];
        Some((place["line"].as_u64()? as usize, place["column"].as_u64()? as usize))
    };
    Some(Mutant {
        number,
        name: text("name")?,
        file: text("file")?,
        genre: text("genre")?,
        replacement: text("replacement")?,
        from: place("start")?,
        to: place("end")?,
    })
}
