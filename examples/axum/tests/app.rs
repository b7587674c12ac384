//! The program on each transport, asked over sockets.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, Command, Stdio};

use tungstenite::Message;

const TRANSPORTS: [&str; 3] = ["tokio", "smol", "blocking"];

struct Program {
    child: Child,
    address: SocketAddr,
}

impl Program {
    fn start(transport: &str) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_axum-example"))
            .args([transport, "127.0.0.1:0"])
            .stdout(Stdio::piped())
            .spawn()
            .expect("it starts");
        let mut line = String::new();
        BufReader::new(child.stdout.take().expect("it is piped")).read_line(&mut line).expect("a line");
        let address = line.trim_end().strip_prefix("listening on ").expect("the address");
        Self { child, address: address.parse().expect("an address") }
    }

    fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).expect("it listens")
    }

    /// Head and content of the response to one request, whose fields end in CR LF.
    fn ask(&self, line: &str, fields: &str, content: &[u8]) -> (String, Vec<u8>) {
        let mut stream = self.connect();
        let length = content.len();
        let head = format!(
            "{line} HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: {length}\r\n{fields}\r\n"
        );
        stream.write_all(head.as_bytes()).expect("it is read");
        stream.write_all(content).expect("it is read");
        let mut response = Vec::new();
        stream.read_to_end(&mut response).expect("it ends");
        let end = response.windows(4).position(|window| window == b"\r\n\r\n").expect("a head") + 4;
        let content = response.split_off(end);
        (String::from_utf8(response).expect("text"), content)
    }

    fn text(&self, line: &str, fields: &str, content: &str) -> (String, String) {
        let (head, content) = self.ask(line, fields, content.as_bytes());
        (head, String::from_utf8(content).expect("text"))
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The content of chunks.
fn joined(mut chunks: &[u8]) -> Vec<u8> {
    let mut content = Vec::new();
    loop {
        let end = chunks.windows(2).position(|window| window == b"\r\n").expect("a chunk");
        let size = std::str::from_utf8(&chunks[..end]).expect("a size");
        let size = usize::from_str_radix(size, 16).expect("a size");
        if size == 0 {
            return content;
        }
        content.extend_from_slice(&chunks[end + 2..][..size]);
        chunks = &chunks[end + 2 + size + 2..];
    }
}

#[test]
fn notes_are_kept_as_json_and_by_a_form() {
    for program in TRANSPORTS.map(Program::start) {
        let json = "Content-Type: application/json\r\n";
        let (head, _) = program.text("POST /notes", json, r#"{"text":"tea"}"#);
        assert!(head.starts_with("HTTP/1.1 201 ") && head.contains("location: /notes/1\r\n"), "{head}");
        let form = "Content-Type: application/x-www-form-urlencoded\r\n";
        let (head, _) = program.text("POST /form", form, "text=two+cups");
        assert!(head.starts_with("HTTP/1.1 303 ") && head.contains("location: /notes/2\r\n"), "{head}");
        assert_eq!(program.text("GET /notes?contains=tea", "", "").1, r#"{"1":{"text":"tea"}}"#);
        assert_eq!(program.text("GET /notes/2", "", "").1, r#"{"text":"two cups"}"#);
        assert!(program.text("DELETE /notes/2", "", "").0.starts_with("HTTP/1.1 204 "));
        assert!(program.text("GET /notes/2", "", "").0.starts_with("HTTP/1.1 404 "));
        assert!(program.text("POST /notes", json, "{").0.starts_with("HTTP/1.1 400 "));
    }
}

#[test]
fn uploads_are_counted_and_those_that_are_too_large_are_refused() {
    for program in TRANSPORTS.map(Program::start) {
        let form = "Content-Type: multipart/form-data; boundary=b\r\n";
        let part = |name, bytes| {
            format!("--b\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{}\r\n", "x".repeat(bytes))
        };
        let content = part("small", 5) + &part("large", 8 << 20) + "--b--\r\n";
        let (head, content) = program.text("POST /uploads", form, &content);
        assert_eq!(content, r#"[{"name":"small","bytes":5},{"name":"large","bytes":8388608}]"#, "{head}");
        let mut stream = program.connect();
        let length = 13 << 20;
        write!(stream, "POST /uploads HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n{form}\r\n")
            .unwrap();
        let mut response = String::new();
        stream.read_to_string(&mut response).unwrap();
        assert!(
            response.starts_with("HTTP/1.1 413 ") && response.ends_with("length limit exceeded"),
            "{response}"
        );
    }
}

#[test]
fn downloads_and_events_stream() {
    for program in TRANSPORTS.map(Program::start) {
        let (head, content) = program.ask("GET /downloads?count=3000001", "", b"");
        assert!(head.contains("Transfer-Encoding: chunked\r\n"), "{head}");
        assert!(joined(&content) == vec![b'.'; 3_000_001], "{} bytes", content.len());
        let (head, content) = program.ask("GET /events?count=3", "", b"");
        assert!(head.contains("content-type: text/event-stream\r\n"), "{head}");
        let events = (0..3).map(|number| format!("event: number\ndata: {number}\n\n")).collect::<String>();
        assert_eq!(String::from_utf8(joined(&content)).unwrap(), events);
    }
}

#[test]
fn layers_and_files_do_what_they_do_elsewhere() {
    for program in TRANSPORTS.map(Program::start) {
        let (head, page) = program.text("GET /", "Origin: http://b\r\n", "");
        assert!(
            head.contains("content-type: text/html\r\n") && page.contains("<h1>Notes</h1>"),
            "{head}{page}"
        );
        assert!(head.contains("access-control-allow-origin: *\r\n"), "{head}");
        assert!(program.text("GET /nowhere", "", "").0.starts_with("HTTP/1.1 404 "));
        let (head, range) = program.text("GET /index.html", "Range: bytes=0-8\r\n", "");
        assert!(head.starts_with("HTTP/1.1 206 ") && range == "<!doctype", "{head}{range}");
        let gzip = "Accept-Encoding: gzip\r\n";
        let json = "Content-Type: application/json\r\n";
        program.text("POST /notes", json, &format!(r#"{{"text":"{}"}}"#, "tea ".repeat(100)));
        let (head, content) = program.ask("GET /notes", gzip, b"");
        assert!(head.contains("content-encoding: gzip\r\n") && content.len() < 400, "{head}");
        assert!(program.text("GET /slow", "", "").0.starts_with("HTTP/1.1 504 "));
    }
}

#[test]
fn everybody_in_the_chat_hears_what_one_says() {
    for program in TRANSPORTS.map(Program::start) {
        let join = || {
            let uri = format!("ws://{}/chat", program.address);
            let (mut socket, _) = tungstenite::client(uri, program.connect()).expect("it upgrades");
            assert_eq!(socket.read().expect("a message"), Message::text("welcome"));
            socket
        };
        let (mut one, mut two) = (join(), join());
        one.send(Message::text("hello")).unwrap();
        assert_eq!(one.read().unwrap(), Message::text("hello"));
        assert_eq!(two.read().unwrap(), Message::text("hello"));
        two.close(None).unwrap();
        assert!(two.read().unwrap().is_close());
        let (head, _) = program.text("GET /chat", "", "");
        assert!(head.starts_with("HTTP/1.1 426 "), "{head}");
    }
}

/// Events that the drain had cut would lack the last chunk.
#[test]
fn events_and_the_chat_end_in_good_order_at_a_signal() {
    for mut program in TRANSPORTS.map(Program::start) {
        let uri = format!("ws://{}/chat", program.address);
        let (mut socket, _) = tungstenite::client(uri, program.connect()).expect("it upgrades");
        assert_eq!(socket.read().expect("a message"), Message::text("welcome"));
        let mut events = program.connect();
        events.write_all(b"GET /events?count=1000000000 HTTP/1.1\r\nHost: a\r\n\r\n").expect("it is read");
        let mut bytes = [0; 1];
        events.read_exact(&mut bytes).expect("it begins");
        let kill = Command::new("kill").args(["-INT", &program.child.id().to_string()]).status();
        assert!(kill.expect("there is a kill").success());
        let mut rest = Vec::new();
        events.read_to_end(&mut rest).expect("it ends");
        assert!(rest.ends_with(b"\r\n0\r\n\r\n"), "{}", rest.escape_ascii());
        let Message::Close(Some(close)) = socket.read().expect("a frame") else { panic!("no Close frame") };
        assert_eq!(u16::from(close.code), 1001);
        let _ = socket.read();
        assert!(program.child.wait().expect("it ends").success());
    }
}

#[test]
fn no_other_server_is_in_the_lock_file() {
    let lock = include_str!("../Cargo.lock");
    assert!(lock.contains("name = \"axum\""), "axum is a dependency");
    for name in ["hyper", "hyper-util", "h2"] {
        assert!(!lock.contains(&format!("name = \"{name}\"")), "{name} is in the lock file");
    }
}

/// Its length is enough: what would follow is not kept.
#[test]
fn a_message_of_the_chat_that_is_too_long_ends_the_connection_when_it_begins() {
    let program = Program::start("tokio");
    let uri = format!("ws://{}/chat", program.address);
    let (mut socket, _) = tungstenite::client(uri, program.connect()).unwrap();
    assert_eq!(socket.read().unwrap(), Message::text("welcome"));
    let text_of_16_mib = [&[0x81, 0x80 | 127][..], &(16_u64 << 20).to_be_bytes(), &[0; 4]].concat();
    socket.get_mut().write_all(&text_of_16_mib).unwrap();
    assert!(socket.read().is_err());
}
