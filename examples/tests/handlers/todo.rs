//! The list of things to do, as its clients see it, on both transports.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, Command, Stdio};

/// The running program, killed when dropped.
struct Todo(Child, SocketAddr);

impl Drop for Todo {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Todo {
    fn start(transport: &str) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_todo"));
        let mut child =
            command.args([transport, "0"]).stdout(Stdio::piped()).spawn().expect("the program starts");
        let mut line = String::new();
        BufReader::new(child.stdout.take().expect("a pipe")).read_line(&mut line).expect("a line");
        let address = line.trim_end().strip_prefix("http://").and_then(|line| line.strip_suffix("/todos"));
        let address = address.and_then(|address| address.parse().ok()).unwrap_or_else(|| panic!("{line:?}"));
        Self(child, address)
    }

    /// The head and the content of the response.
    fn exchange(&self, line: &str, fields: &str, content: &str) -> (String, String) {
        let mut stream = TcpStream::connect(self.1).expect("a connection");
        let length = content.len();
        let head = format!(
            "{line} HTTP/1.1\r\nHost: todo\r\nConnection: close\r\nContent-Length: {length}\r\n{fields}\r\n"
        );
        stream.write_all((head + content).as_bytes()).expect("sent");
        let mut response = String::new();
        stream.read_to_string(&mut response).expect("a response");
        let (head, content) = response.split_once("\r\n\r\n").expect("a whole head");
        (head.to_owned(), content.to_owned())
    }

    /// The status and the content of the response to a request with JSON.
    fn json(&self, line: &str, content: &str) -> (String, String) {
        let (head, content) = self.exchange(line, "Content-Type: application/json\r\n", content);
        (head[9..12].to_owned(), content)
    }
}

#[test]
fn a_list_is_made_read_changed_and_emptied() {
    for transport in ["tokio", "blocking"] {
        let todo = Todo::start(transport);
        let json = |line: &str, content: &str| todo.json(line, content);
        let told = |status: &str, content: &str| (status.to_owned(), content.to_owned());
        assert_eq!(json("GET /todos", ""), told("200", "{}"), "{transport}");
        let (head, content) =
            todo.exchange("POST /todos", "Content-Type: application/json\r\n", r#"{"title":"milk"}"#);
        assert!(head.starts_with("HTTP/1.1 201 ") && head.contains("\r\nLocation: /todos/1\r\n"), "{head}");
        assert_eq!(content, r#"{"title":"milk","done":false}"#);
        assert_eq!(json("PUT /todos/1", r#"{"title":"milk","done":true}"#).0, "200");
        assert_eq!(json("GET /todos/1", ""), told("200", r#"{"title":"milk","done":true}"#));
        assert_eq!(json("GET /todos", ""), told("200", r#"{"1":{"title":"milk","done":true}}"#));

        assert_eq!(json("POST /todos", r#"{"title":"#).0, "400");
        assert_eq!(json("POST /todos", "{}").0, "422");
        assert_eq!(todo.exchange("POST /todos", "", "{}").0[9..12], *"415");
        assert_eq!(json("PUT /todos/2", r#"{"title":"bread"}"#).0, "404");
        assert_eq!(json("GET /todos/one", "").0, "404");
        assert_eq!(json("GET /", "").0, "404");
        for (line, allowed) in [("PATCH /todos", "POST"), ("POST /todos/1", "PUT")] {
            let (head, _) = todo.exchange(line, "", "");
            assert!(head.starts_with("HTTP/1.1 405 ") && head.contains(allowed), "{head}");
        }

        let (head, _) = todo.exchange("OPTIONS /todos", "Origin: https://example.org\r\n", "");
        assert!(head.starts_with("HTTP/1.1 204 "), "{head}");
        assert!(head.contains("\r\nAccess-Control-Allow-Origin: *\r\n"), "{head}");
        let (head, _) = todo.exchange("GET /todos", "Cookie: visits=41\r\n", "");
        assert!(head.contains("\r\nSet-Cookie: visits=42; HttpOnly; Path=/"), "{head}");

        assert_eq!(json("DELETE /todos/1", "").0, "204");
        assert_eq!(json("DELETE /todos/1", "").0, "404");
        assert_eq!(json("GET /todos", ""), told("200", "{}"));
    }
}

#[test]
fn the_program_is_short() {
    let lines = include_str!("../../todo/main.rs").lines().count();
    assert!(lines <= 100, "{lines} lines");
}
