//! What is to be sent, with its secrets hidden.

use std::ops::Range;

use httpfsm::channel::{Channel, Elsewhere};

use super::{ContentLines, SecretNames};
use crate::latin1::Latin1;
use crate::line::RecordLine;

/// What is to be sent, with its secrets hidden. Content is hidden when it is staged, in the same way as in the input of the
/// application, so that a replay of the hidden inputs gives the hidden outputs.
///
/// Heads and the lines of chunks are the machine's, and begin and end with a line. Content goes on from one input to the
/// next, whatever the machine puts between.
#[derive(Default)]
pub(crate) struct Outgoing {
    content: ContentLines,
    /// What waits to be sent, behind what was sent.
    waiting: Vec<u8>,
    /// How much of `waiting` was sent.
    gone: usize,
    /// Bytes that wait to be sent and are elsewhere.
    elsewhere: u64,
}

impl Outgoing {
    /// The channel has taken the input of this line. The bytes that were sent move to the line; those that were staged are
    /// hidden and kept. Content in the line is hidden as it is in what was staged. What is never sent of it (of a response
    /// to HEAD, or beyond a Content-Length) is hidden whole, since no output depends on it.
    pub(crate) fn taken(
        &mut self,
        names: &SecretNames,
        channel: &Channel,
        line: &mut RecordLine,
        is_accepted: bool,
    ) {
        let input = line.input.as_deref().filter(|_| is_accepted);
        if let (Some("Sent"), Some(n)) = (input, line.n) {
            let elsewhere = self.elsewhere.saturating_sub(elsewhere(channel));
            line.bytes = Some(Latin1(self.leave(n.saturating_sub(elsewhere))));
        }
        self.elsewhere = elsewhere(channel);
        if channel.unsent_len() < self.waiting.len() - self.gone {
            // The connection is lost, and what was to be sent with it.
            *self = Self::default();
        }
        let begins = line.status.filter(|_| input == Some("HttpResponse"));
        if let Some(status) = begins {
            self.content = ContentLines::of_response(status);
        }
        let content = line.bytes.as_mut().filter(|_| is_accepted && line.content.is_some());
        self.staged(names, channel, begins.is_some(), content.map(|bytes| &mut bytes.0[..]));
    }

    /// Takes up what the channel has staged since the last call.
    fn staged(&mut self, names: &SecretNames, channel: &Channel, begins: bool, content: Option<&mut [u8]>) {
        let known = self.waiting.len();
        let mut skip = known - self.gone;
        for piece in channel.staged() {
            self.waiting.extend_from_slice(piece.get(skip..).unwrap_or_default());
            skip = skip.saturating_sub(piece.len());
        }
        let new = self.waiting.get_mut(known..).unwrap_or_default();
        let place = content.as_deref().and_then(|content| place(new, content, begins));
        let (before, rest) = new.split_at_mut(place.as_ref().map_or(0, |place| place.start));
        let (sent, behind) = rest.split_at_mut(place.map_or(0, |place| place.len()));
        ContentLines::default().apply(names, before);
        self.content.apply(names, sent);
        ContentLines::default().apply(names, behind);
        if let Some((given, unsent)) = content.and_then(|content| content.split_at_mut_checked(sent.len())) {
            given.copy_from_slice(sent);
            unsent.fill(b'x');
        }
    }

    /// The first `n` bytes leave.
    fn leave(&mut self, n: u64) -> Vec<u8> {
        let n = usize::try_from(n).unwrap_or(usize::MAX);
        let left: Vec<_> = self.waiting.iter().skip(self.gone).take(n).copied().collect();
        self.gone += left.len();
        // No sooner: each write would move all that is behind it.
        if self.gone > self.waiting.len() / 2 {
            self.waiting.drain(..self.gone);
            self.gone = 0;
        }
        left
    }
}

/// Bytes that the channel has the transport send from elsewhere.
fn elsewhere(channel: &Channel) -> u64 {
    channel.elsewhere().map_or(0, Elsewhere::len)
}

/// Where `content` stands in what was staged for it: behind the head of a response that `begins`; of one that goes on, in a
/// chunk, or alone, and behind a head that has waited for it. What exceeds a Content-Length is cut.
fn place(staged: &[u8], content: &[u8], begins: bool) -> Option<Range<usize>> {
    let head_end = staged.windows(4).position(|end| end == b"\r\n\r\n").map(|end| end + 4);
    if begins {
        let (head, behind) = staged.split_at_checked(head_end?)?;
        let most = content_length(head).unwrap_or(content.len());
        let sent = content.get(..most).unwrap_or(content);
        return behind.starts_with(sent).then(|| head.len()..head.len() + sent.len());
    }
    let ends_at = |end: usize| {
        let start = end.checked_sub(content.len())?;
        let fits = staged.get(start..end) == Some(content) && staged.get(..start)?.ends_with(b"\r\n");
        fits.then_some(start..end)
    };
    let in_chunk = || ends_at(staged.len().checked_sub(2)?);
    let from = |start: usize| content.starts_with(staged.get(start..)?).then_some(start..staged.len());
    in_chunk().or_else(|| ends_at(staged.len())).or_else(|| from(0)).or_else(|| from(head_end?))
}

/// What a head of the machine declares.
fn content_length(head: &[u8]) -> Option<usize> {
    const NAME: &[u8] = b"content-length:";
    let mut lines = head.split(|byte| *byte == b'\n');
    let value = lines.find_map(|line| {
        let (name, value) = line.split_at_checked(NAME.len())?;
        name.eq_ignore_ascii_case(NAME).then_some(value)
    })?;
    std::str::from_utf8(value).ok()?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::Outgoing;

    #[test]
    fn what_leaves_byte_by_byte_moves_no_more_bytes_than_there_are() {
        let all: Vec<_> = (0..1000_u32).map(|n| n.to_le_bytes()[0]).collect();
        let mut outgoing = Outgoing { waiting: all.clone(), ..Outgoing::default() };
        let (mut left, mut moved) = (Vec::new(), 0);
        for _ in 0..all.len() {
            let before = outgoing.waiting.len();
            left.extend(outgoing.leave(1));
            // What was in front of the rest is gone, so the rest has moved.
            moved += if outgoing.waiting.len() < before { outgoing.waiting.len() } else { 0 };
        }
        assert_eq!(left, all);
        assert!(moved <= all.len(), "{moved} bytes moved");
        assert!(outgoing.leave(1).is_empty() && outgoing.waiting.is_empty());
    }

    #[test]
    fn content_is_found_in_what_was_staged_for_it() {
        let cut = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nab";
        let followed = format!("{cut}HTTP/1.1 400 Bad Request\r\n\r\nab");
        for (staged, content, begins, expected) in [
            ("HTTP/1.1 200 OK\r\n\r\nab", "ab", true, Some(19..21)),
            ("HTTP/1.1 200 OK\r\n\r\nabHTTP/1.1 400 Bad Request\r\n\r\nab", "ab", true, Some(19..21)),
            (cut, "abc", true, Some(38..40)),
            (&followed, "abc", true, Some(38..40)),
            ("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n", "ab", true, None),
            ("HTTP/1.1 200 OK\r\n\r\n", "", true, Some(19..19)),
            ("ab", "ab", false, Some(0..2)),
            ("ab", "abc", false, Some(0..2)),
            ("", "abc", false, Some(0..0)),
            ("1\r\n1\r\n", "1", false, Some(3..4)),
            ("4\r\nab\r\n\r\n", "ab\r\n", false, Some(3..7)),
            ("HTTP/1.1 200 OK\r\n\r\n2\r\nab\r\n", "ab", false, Some(22..24)),
            ("HTTP/1.1 200 OK\r\n\r\nab", "ab", false, Some(19..21)),
            (cut, "abc", false, Some(38..40)),
            ("ab", "bc", false, None),
        ] {
            assert_eq!(
                super::place(staged.as_bytes(), content.as_bytes(), begins),
                expected,
                "{staged:?} {content:?}"
            );
        }
    }
}
