//! The bytes of a request.

use std::io::Write;

use super::Sent;
use crate::ask::{Ask, Expected};
use crate::watch::NUMBER;

impl Sent {
    /// Adds the head and the body, as they are sent; says where the head ends.
    pub(crate) fn render(&self, bytes: &mut Vec<u8>) -> usize {
        (0..self.empty_lines).for_each(|_| bytes.extend_from_slice(b"\r\n"));
        if let Some((message, _)) = self.hostile {
            // Its fields stand behind the first line, as those of every request.
            let line = message.find("\r\n").map_or(message.len(), |end| end + 2);
            let (first, rest) = message.split_at(line);
            bytes.extend_from_slice(first.as_bytes());
            if first.ends_with("\r\n") {
                self.fields(bytes);
            }
            bytes.extend_from_slice(rest.as_bytes());
            return bytes.len();
        }
        let Ask { method, target, body, expected, .. } = &self.ask;
        let version = if self.old { "1.0" } else { "1.1" };
        // What is written to a vector is written.
        let _ =
            write!(bytes, "{method} {target} HTTP/{version}\r\nHost: sim\r\n{NUMBER}: {}\r\n", self.number);
        self.fields(bytes);
        match expected {
            Expected::Tunnel { .. } if !self.ask.is_connect() => {
                bytes.extend_from_slice(b"Connection: upgrade\r\n")
            }
            _ if self.close => bytes.extend_from_slice(b"Connection: close\r\n"),
            _ => {}
        }
        if self.expect {
            bytes.extend_from_slice(b"Expect: 100-continue\r\n");
        }
        let Some(chunk) = self.chunk else {
            if !body.is_empty() {
                let _ = write!(bytes, "Content-Length: {}\r\n", body.len());
            }
            bytes.extend_from_slice(b"\r\n");
            let head = bytes.len();
            bytes.extend_from_slice(body);
            return head;
        };
        bytes.extend_from_slice(b"Transfer-Encoding: chunked\r\n\r\n");
        let head = bytes.len();
        for piece in body.chunks(chunk.max(1)) {
            let _ = write!(bytes, "{:x}\r\n", piece.len());
            bytes.extend_from_slice(piece);
            bytes.extend_from_slice(b"\r\n");
        }
        bytes.extend_from_slice(b"0\r\n");
        if self.trailers {
            bytes.extend_from_slice(b"Sim-Trailer: x\r\n");
            for (name, value) in &self.ask.trailers {
                let _ = write!(bytes, "{name}: {value}\r\n");
            }
        }
        bytes.extend_from_slice(b"\r\n");
        head
    }

    fn fields(&self, bytes: &mut Vec<u8>) {
        for (name, value) in &self.ask.fields {
            let _ = write!(bytes, "{name}: {value}\r\n");
        }
    }
}
