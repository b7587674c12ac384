//! The rows through a layer need no other program: `hold` and `attack` serve them themselves.

use std::process::Command;

fn passes(program: &str, transport: &str, arguments: &str) {
    let mut command = Command::new(program);
    let output =
        command.args(["--transport", transport]).args(arguments.split(' ')).output().expect("it runs");
    let [out, error] = [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned());
    assert!(output.status.success() && out.contains(transport), "{out}{error}");
}

#[test]
fn connections_are_held_through_a_layer() {
    passes(env!("CARGO_BIN_EXE_hold"), "tokio-layered", "--connections 20");
    passes(env!("CARGO_BIN_EXE_hold"), "tokio-layered", "--connections 20 --half-head 200");
}

#[test]
fn a_healthy_client_is_served_through_a_layer_under_attack() {
    let few = "--heads 20 --bodies 20 --reads 20 --requests 20 --rounds 1";
    passes(env!("CARGO_BIN_EXE_attack"), "tokio-layered", few);
    passes(env!("CARGO_BIN_EXE_attack"), "tokio-tls", &format!("{few} --handshakes 20"));
}
