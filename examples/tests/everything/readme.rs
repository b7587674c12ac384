//! The commands of the README work as they are pasted.

use std::fs;
use std::process::Command;

use httpfsm_testing::tool;

use crate::on_each_transport;

const README: &str = include_str!("../../README.md");

/// Each command with what it prints, as far as the comment behind it says.
fn commands() -> impl Iterator<Item = (&'static str, &'static str)> {
    let lines = README.lines().filter(|line| line.starts_with("curl "));
    lines.map(|line| line.split_once("  # ").unwrap_or_else(|| panic!("what does it print? {line}")))
}

#[test]
fn the_commands_print_what_the_readme_says() {
    let (Some(_), Some(shell)) = (tool("curl"), tool("bash")) else { return };
    on_each_transport(|server| {
        let folder = tempfile::tempdir().expect("a directory");
        fs::write(folder.path().join("README.md"), README).expect("a file");
        for (command, expected) in commands() {
            let command = command.replace("127.0.0.1:8080", &server.address.to_string());
            let output = Command::new(&shell)
                .args(["-c", &command])
                .env("HOME", folder.path())
                .env("no_proxy", "*")
                .current_dir(&folder)
                .output()
                .expect("a shell");
            let printed = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
            assert!(printed.contains(expected.trim()), "{command}\nprinted {printed}");
        }
    });
}

#[test]
fn every_route_has_a_command() {
    for route in ["/", "/machine.svg", "/request", "/form", "/words", "/files", "/ticks", "/echo"] {
        let url = format!("http://127.0.0.1:8080{route}");
        let ends = |rest: &str| !rest.starts_with(|next: char| next.is_ascii_alphanumeric());
        let is_there = |command: &str| command.split(&url).skip(1).any(ends);
        assert!(commands().any(|(command, _)| is_there(command)), "no command for {route}");
    }
}

#[test]
fn no_shell_takes_an_address_for_a_pattern() {
    for (command, _) in commands() {
        let quoted = |word: &str| word.starts_with('\'') && word.ends_with('\'');
        for word in command.split_whitespace().filter(|word| word.contains("http://")) {
            assert!(quoted(word) || !word.contains(['?', '&', '*', '[']), "zsh: no matches found: {word}");
        }
    }
}
