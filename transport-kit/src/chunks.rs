//! Content in chunks, as a peer sends and receives it.

/// Bytes in chunks of a size, without the last chunk.
pub(crate) fn chunks(bytes: &[u8], size: usize) -> Vec<u8> {
    let mut coded = Vec::new();
    for chunk in bytes.chunks(size) {
        coded.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
        coded.extend_from_slice(chunk);
        coded.extend_from_slice(b"\r\n");
    }
    coded
}

/// The content of a response in chunks, which ends with the last one.
pub(crate) fn content(response: &[u8]) -> Result<Vec<u8>, String> {
    let find = |bytes: &[u8], wanted: &[u8]| bytes.windows(wanted.len()).position(|window| window == wanted);
    let cut = || format!("The response of {} bytes is no whole one in chunks.", response.len());
    let head = find(response, b"\r\n\r\n").ok_or_else(cut)?;
    let (mut rest, mut content) = (&response[head + 4..], Vec::new());
    loop {
        let line = find(rest, b"\r\n").ok_or_else(cut)?;
        let size = std::str::from_utf8(&rest[..line]).ok();
        let size = size.and_then(|size| usize::from_str_radix(size, 16).ok()).ok_or_else(cut)?;
        rest = &rest[line + 2..];
        if size == 0 {
            return if rest == b"\r\n" { Ok(content) } else { Err(cut()) };
        }
        content.extend_from_slice(rest.get(..size).ok_or_else(cut)?);
        rest = rest.get(size..).and_then(|rest| rest.strip_prefix(b"\r\n")).ok_or_else(cut)?;
    }
}
