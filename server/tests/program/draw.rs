use crate::{run, text};

fn draw(machine: &str, format: &str) -> String {
    let output = run(&["draw", "--machine", machine, "--format", format]);
    assert!(output.status.success(), "{output:?}");
    text(&output.stdout)
}

#[test]
fn every_machine_is_drawn_in_every_language() {
    for (format, begins) in
        [("mermaid", "stateDiagram-v2"), ("dot", "digraph"), ("markdown", "#"), ("svg", "<svg")]
    {
        let (channel, server) = (draw("channel", format), draw("server", format));
        let prologue = draw("prologue", format);
        for (picture, states) in [
            (&channel, ["Idle", "WaitResponse", "Upgraded"]),
            (&server, ["Listening", "Draining", "Gone"]),
            (&prologue, ["Preface", "Handshake", "Handed"]),
        ] {
            assert!(picture.contains(begins), "{format}: {picture}");
            assert!(picture.ends_with('\n'));
            for state in states {
                assert!(picture.contains(state), "{format} without {state}: {picture}");
            }
        }
        assert_ne!(channel, server, "{format}");
        assert_ne!(server, prologue, "{format}");
    }
}

#[test]
fn the_same_picture_comes_each_time() {
    for format in ["mermaid", "dot", "markdown", "svg"] {
        assert_eq!(draw("channel", format), draw("channel", format), "{format}");
    }
}

#[test]
fn a_machine_or_a_language_that_nobody_knows_is_refused() {
    assert_eq!(run(&["draw", "--machine", "toaster"]).status.code(), Some(2));
    assert_eq!(run(&["draw", "--format", "oil"]).status.code(), Some(2));
}
