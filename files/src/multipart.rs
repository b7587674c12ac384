//! Several ranges in one response: `multipart/byteranges` (RFC 9110 section 14.6, RFC 2046 section 5.1).

use std::hash::{BuildHasher, RandomState};
use std::ops::Range;

use crate::source::FileContent;

/// Adds the parts to the source; returns it with the `Content-Type` of the response.
pub(crate) fn parts(
    mut source: FileContent,
    ranges: &[Range<u64>],
    length: u64,
    content_type: &str,
) -> (FileContent, String) {
    let boundary = boundary();
    for range in ranges {
        let last = range.end.saturating_sub(1);
        let head = format!(
            "\r\n--{boundary}\r\nContent-Type: {content_type}\r\nContent-Range: bytes {}-{last}/{length}\r\n\r\n",
            range.start
        );
        source = source.bytes(head).range(range.clone());
    }
    (source.bytes(format!("\r\n--{boundary}--\r\n")), format!("multipart/byteranges; boundary={boundary}"))
}

/// The boundary must not occur in the content, so it is unpredictable for the author of a file: the keys of each new
/// `RandomState` are random.
fn boundary() -> String {
    let [one, two] = [(); 2].map(|()| RandomState::new().hash_one(0));
    format!("{one:016x}{two:016x}")
}

#[cfg(test)]
mod tests {
    use super::boundary;

    #[test]
    fn no_boundary_comes_twice() {
        assert_ne!(boundary(), boundary());
        assert_eq!(boundary().len(), 32);
    }
}
