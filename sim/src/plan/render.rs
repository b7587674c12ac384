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
            bytes.extend_from_slice(message.as_bytes());
            return bytes.len();
        }
        let Ask { method, target, fields, body, expected, .. } = &self.ask;
        let version = if self.old { "1.0" } else { "1.1" };
        // What is written to a vector is written.
        let _ =
            write!(bytes, "{method} {target} HTTP/{version}\r\nHost: sim\r\n{NUMBER}: {}\r\n", self.number);
        for (name, value) in fields {
            let _ = write!(bytes, "{name}: {value}\r\n");
        }
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
        let trailers = if self.trailers { "Sim-Trailer: x\r\n" } else { "" };
        let _ = write!(bytes, "0\r\n{trailers}\r\n");
        head
    }
}
