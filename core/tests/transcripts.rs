//! Conversations to read, in `transcripts/*.md`: the bytes on the wire at the left, the events of the application at
//! the right. Each is played, and what comes out has to be what is written.
//!
//! ```text
//! > bytes that the peer sends; consecutive lines arrive together, `> --` cuts
//! > (FIN)                    and (RST), (stops reading), (reads on)
//! < bytes that the machine sends; also (FIN), (close), (reset)
//!                            -> an event for the application
//!                            <- an event from the application
//! at 30 s                    time passes
//! ```
//!
//! `HTTPFSM_BLESS=1 cargo test -p httpfsm --test transcripts` writes down what comes out; read it before you believe it.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use httpfsm::channel::{CompiledConfig, Data, Facts, Input, Output};
use httpfsm::response::{BodyRef, ResponseRef};
use httpfsm::time::{Date, Moment, Now};
use httpfsm::{Channel, ChannelConfig, Fields, Status};

/// Where the application's events begin.
const COLUMN: usize = 48;

struct Player {
    channel: Channel,
    at: u64,
    reading: bool,
    text: String,
}

impl Player {
    fn new() -> Self {
        // The lines stay short without a Server field.
        let config = ChannelConfig { identity: "".into(), ..ChannelConfig::default() };
        Self {
            channel: Channel::new(Arc::new(CompiledConfig::new(&config)), Facts::default()),
            at: 0,
            reading: true,
            text: String::new(),
        }
    }

    /// Plays the inputs of a block; the text is then what the block has to be.
    fn play(&mut self, block: &str) {
        let mut bytes = Vec::new();
        for line in block.lines().chain([""]) {
            let line = line.trim();
            if let Some(sent) = line.strip_prefix("> ").filter(|sent| !sent.starts_with('(') && *sent != "--")
            {
                self.left(&format!("> {sent}"));
                bytes.extend(unescape(sent));
                continue;
            }
            if !bytes.is_empty() {
                self.give(Input::RxData(&bytes));
                bytes.clear();
            }
            if let Some(time) = line.strip_prefix("at ") {
                self.left(line);
                let seconds = time.strip_suffix(" s").and_then(|n| n.parse::<u64>().ok());
                self.at = 1000 * seconds.unwrap_or_else(|| panic!("no time: {line}"));
                self.give(Input::Tick);
            } else if let Some(peer) = line.strip_prefix("> ") {
                self.left(line);
                match peer {
                    "--" => {}
                    "(FIN)" => self.give(Input::RxEnd),
                    "(RST)" => self.give(Input::Disconnected),
                    "(stops reading)" => self.reading = false,
                    "(reads on)" => {
                        self.reading = true;
                        self.settle();
                    }
                    _ => panic!("the peer cannot do that: {line}"),
                }
            } else if let Some(said) = line.strip_prefix("<- ") {
                self.right(&format!("<- {said}"));
                self.say(said);
            }
        }
    }

    fn left(&mut self, line: &str) {
        self.text.push_str(line);
        self.text.push('\n');
    }

    fn right(&mut self, line: &str) {
        let _ = writeln!(self.text, "{:COLUMN$}{line}", "");
    }

    fn say(&mut self, said: &str) {
        let (event, rest) = said.split_once(' ').unwrap_or((said, ""));
        let none = Fields::new();
        let status = || {
            let code = rest.get(..3).and_then(|code| code.parse().ok()).and_then(Status::new);
            code.unwrap_or_else(|| panic!("no status: {said}"))
        };
        let content = rest.get(4..).unwrap_or_default();
        match event {
            "HttpResponse" if content == "stream" => {
                let body = BodyRef::Stream { length: None };
                self.give(Input::HttpResponse(ResponseRef { status: status(), fields: &none, body }));
            }
            // What follows is a field: a 101 has no content, and needs its Upgrade.
            "HttpResponse" if rest.starts_with("101 ") => {
                let (name, value) = content.split_once(": ").unwrap_or_else(|| panic!("no field: {said}"));
                let fields = Fields::new().with(name, value).expect("a field");
                self.give(Input::HttpResponse(ResponseRef::new(status(), &fields, b"")));
            }
            "HttpResponse" => {
                let content = unescape(content);
                self.give(Input::HttpResponse(ResponseRef::new(status(), &none, &content)));
            }
            "Informational" => {
                let (name, value) = content.split_once(": ").unwrap_or_else(|| panic!("no field: {said}"));
                let fields = Fields::new().with(name, value).expect("a field");
                self.give(Input::Informational(status(), &fields));
            }
            "Write" => self.give(Input::Write(Data::Slice(&unescape(rest)))),
            "Flush" => self.give(Input::Flush),
            "Finish" if rest.is_empty() => self.give(Input::Finish(None)),
            "Finish" => {
                let (name, value) = rest.split_once(": ").unwrap_or_else(|| panic!("no field: {said}"));
                let fields = Fields::new().with(name, value).expect("a field");
                self.give(Input::Finish(Some(&fields)));
            }
            "Continue" => self.give(Input::Continue),
            "BodyDemand" => {
                self.give(Input::BodyDemand(rest.parse().unwrap_or_else(|_| panic!("no number: {said}"))));
            }
            "BodyForgone" => self.give(Input::BodyForgone),
            "Abort" => self.give(Input::Abort(None)),
            "GoOut" => {
                let leave = self.channel.compiled_config().leave(Moment::from_millis(self.at));
                self.give(Input::GoOut(leave));
            }
            _ => panic!("the application cannot say that: {said}"),
        }
    }

    fn give(&mut self, input: Input<'_>) {
        let now = Now::new(Moment::from_millis(self.at), &Date::EPOCH);
        if let Err(refused) = self.channel.handle(&now, input) {
            self.right(&format!("-> {refused}"));
        }
        self.settle();
    }

    fn settle(&mut self) {
        loop {
            while self.tell() {}
            if !self.reading || self.channel.unsent().is_empty() {
                return;
            }
            let mut slices = [&b""[..]; 3];
            let n = self.channel.unsent_slices(&mut slices);
            let bytes = slices[..n].concat();
            for line in bytes.split_inclusive(|byte| *byte == b'\n') {
                self.left(&format!("< {}", escape(line)));
            }
            let now = Now::new(Moment::from_millis(self.at), &Date::EPOCH);
            self.channel.handle(&now, Input::Sent(bytes.len())).expect("what is unsent can be sent");
        }
    }

    fn tell(&mut self) -> bool {
        let (right, line) = match self.channel.next_output() {
            None => return false,
            Some(Output::HttpRequest) => {
                let request = self.channel.request().expect("a request that is announced can be read");
                (true, format!("HttpRequest {} {}", request.method(), request.target()))
            }
            Some(Output::BodyData(bytes)) => (true, format!("BodyData {}", escape(bytes))),
            Some(Output::BodyEnd(trailers)) => {
                let fields: Vec<_> = trailers
                    .iter()
                    .map(|field| format!(" {}: {}", field.name, escape(field.value)))
                    .collect();
                (true, format!("BodyEnd{}", fields.concat()))
            }
            Some(Output::BodyFailed(error)) => (true, format!("BodyFailed: {error}")),
            Some(Output::Refused(error)) => {
                (true, format!("Refused {}: {}", error.status().code(), error.rule))
            }
            Some(Output::Upgraded(bytes)) => {
                (true, format!("Upgraded {}", escape(bytes)).trim_end().to_owned())
            }
            Some(Output::HttpChannelClosed(reason)) => (true, format!("HttpChannelClosed: {reason}")),
            Some(Output::CloseWrite) => (false, "< (FIN)".to_owned()),
            Some(Output::Drop { reset: false }) => (false, "< (close)".to_owned()),
            Some(Output::Drop { reset: true }) => (false, "< (reset)".to_owned()),
            Some(other) => (true, format!("{other:?}")),
        };
        if right {
            self.right(&format!("-> {line}"));
        } else {
            self.left(&line);
        }
        true
    }
}

fn escape(bytes: &[u8]) -> String {
    bytes.escape_ascii().to_string().replace("\\'", "'").replace("\\\"", "\"")
}

fn unescape(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut rest = text.chars();
    while let Some(next) = rest.next() {
        if next != '\\' {
            bytes.extend(next.to_string().bytes());
            continue;
        }
        match rest.next() {
            Some('r') => bytes.push(b'\r'),
            Some('n') => bytes.push(b'\n'),
            Some('x') => {
                let digits: String = rest.by_ref().take(2).collect();
                bytes.push(u8::from_str_radix(&digits, 16).expect("two hexadecimal digits"));
            }
            other => panic!("no such escape: {other:?} in {text}"),
        }
    }
    bytes
}

/// The file with each block as it was played; each block is a connection of its own.
fn played(page: &str) -> String {
    let mut out = String::new();
    let mut parts = page.split("```text\n");
    out.push_str(parts.next().unwrap_or_default());
    for part in parts {
        let (block, prose) = part.split_once("```\n").expect("a block ends");
        let mut player = Player::new();
        player.play(block);
        out.push_str("```text\n");
        out.push_str(&player.text);
        out.push_str("```\n");
        out.push_str(prose);
    }
    out
}

#[test]
fn every_transcript_is_what_happens() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/transcripts");
    let mut wrong = Vec::new();
    let mut files = 0;
    for entry in fs::read_dir(folder).expect("the folder of transcripts") {
        let path = entry.expect("a file").path();
        let page = fs::read_to_string(&path).expect("a text");
        let played = played(&page);
        files += 1;
        assert!(page.contains("\n< HTTP/1."), "no response is in {}", path.display());
        if played == page {
            continue;
        }
        if std::env::var_os("HTTPFSM_BLESS").is_some() {
            fs::write(&path, played).expect("the file can be written");
        } else {
            wrong.push(format!("{} does not happen; what happens is:\n{played}", path.display()));
        }
    }
    assert!(files >= 12, "{files} transcripts");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
