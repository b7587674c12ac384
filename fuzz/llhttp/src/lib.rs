//! What llhttp, the parser of Node.js, reads in the bytes of a connection.
//!
//! It is there when this crate was built with `LLHTTP_SOURCE` (see `build.rs`).

/// A complete request as llhttp read it.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Message {
    /// The method.
    pub method: Vec<u8>,
    /// The target.
    pub target: Vec<u8>,
    /// The content, without any framing.
    pub body: Vec<u8>,
}

/// All complete requests of a connection, and the error that ended the reading: the name that llhttp gives it.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Reading {
    /// The requests, in order.
    pub requests: Vec<Message>,
    /// The error; `None` when the bytes ended where a connection may end.
    pub error: Option<String>,
}

/// Reads the bytes of a whole connection; `None` when llhttp was not built in.
#[must_use]
pub fn read(bytes: &[u8]) -> Option<Reading> {
    let records = records(bytes)?;
    let mut reading = Reading::default();
    let mut message = Message::default();
    let mut rest = records.as_slice();
    while let Some((&[kind, a, b, c, d], more)) = rest.split_first_chunk::<5>() {
        let length = u32::from_le_bytes([a, b, c, d]) as usize;
        let (text, more) = more.split_at(length);
        rest = more;
        match kind {
            b'M' => message = Message::default(),
            b'm' => message.method.extend_from_slice(text),
            b'u' => message.target.extend_from_slice(text),
            b'b' => message.body.extend_from_slice(text),
            b'c' => reading.requests.push(std::mem::take(&mut message)),
            _ => reading.error = Some(String::from_utf8_lossy(text).into_owned()),
        }
    }
    Some(reading)
}

#[cfg(not(llhttp))]
fn records(_bytes: &[u8]) -> Option<Vec<u8>> {
    None
}

#[cfg(llhttp)]
#[allow(unsafe_code)]
fn records(bytes: &[u8]) -> Option<Vec<u8>> {
    unsafe extern "C" {
        fn httpfsm_fuzz_llhttp(bytes: *const u8, length: usize, out: *mut u8, room: usize) -> usize;
    }
    // A record has five bytes and what it quotes, and a byte of input makes at most three records.
    let mut out = vec![0; bytes.len() * 16 + 256];
    // SAFETY: both pointers are valid for the lengths given with them, and the function keeps neither.
    let used = unsafe { httpfsm_fuzz_llhttp(bytes.as_ptr(), bytes.len(), out.as_mut_ptr(), out.len()) };
    assert!(used <= out.len(), "the records do not fit");
    out.truncate(used);
    Some(out)
}
