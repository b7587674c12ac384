use super::*;
use crate::channel::{Action, Event, Internal, State, Step};
use crate::fsm::Trace;
use proptest::prelude::*;
use std::string::String;
use std::vec;
use std::vec::Vec;

const LIMITS: ChunkLimits = ChunkLimits { extension_line: 256, extension_body: 16 << 10, body: 1 << 30 };

/// What came of a body: its data, how many bytes were used up, and why the decoder stopped.
type Outcome = (Vec<u8>, usize, ChunkStatus);

/// Decodes bytes that arrive up to each of the cuts, and then whole, like a channel does: what is not used up comes
/// again, and the credit is spent.
fn decode(wire: &[u8], cuts: impl IntoIterator<Item = usize>, credit: u64, limits: &ChunkLimits) -> Outcome {
    let mut decoder = ChunkDecoder::new();
    let mut body = Vec::new();
    let mut used = 0;
    let mut status = ChunkStatus::More;
    for end in cuts.into_iter().chain([wire.len()]) {
        let mut bytes = wire[used..end.max(used)].to_vec();
        let decoded = decoder.decode(&mut bytes, credit - body.len() as u64, limits, &mut ());
        assert!(decoded.data.end <= decoded.consumed && decoded.consumed <= bytes.len());
        body.extend_from_slice(&bytes[decoded.data]);
        used += decoded.consumed;
        assert_eq!(decoder.received(), body.len() as u64);
        assert_eq!(decoder.offset(), used as u64);
        status = decoded.status;
        if status != ChunkStatus::More {
            // Asked again, it says the same and uses up nothing.
            let mut rest = wire[used..end.max(used)].to_vec();
            let again = decoder.decode(&mut rest, credit - body.len() as u64, limits, &mut ());
            assert_eq!((again.consumed, again.status), (0, status), "{}", wire.escape_ascii());
            break;
        }
    }
    (body, used, status)
}

/// The one outcome of every way to cut the bytes in two, of single bytes and of all at once.
fn outcome(wire: &[u8], credit: u64, limits: &ChunkLimits) -> Outcome {
    let whole = decode(wire, [], credit, limits);
    for cut in 0..wire.len() {
        assert_eq!(decode(wire, [cut], credit, limits), whole, "cut at {cut}: {}", wire.escape_ascii());
    }
    assert_eq!(decode(wire, 0..wire.len(), credit, limits), whole, "bytewise: {}", wire.escape_ascii());
    whole
}

fn failure(wire: &[u8]) -> (Vec<u8>, Rule, u64) {
    match outcome(wire, u64::MAX, &LIMITS) {
        (data, _, ChunkStatus::Failed(error)) => (data, error.rule, error.offset),
        other => panic!("{other:?} instead of a failure: {}", wire.escape_ascii()),
    }
}

#[test]
fn well_formed_bodies_are_decoded() {
    for (wire, data) in [
        (&b"0\r\n"[..], &b""[..]),
        (b"000\r\n", b""),
        (b"5\r\nhello\r\n0\r\n", b"hello"),
        (b"5\r\nhello\r\n6\r\n world\r\n0\r\n", b"hello world"),
        (b"0000000000000005\r\nhello\r\n0000000000000000\r\n", b"hello"),
        (b"a\r\n0123456789\r\nA\r\n0123456789\r\n0\r\n", b"01234567890123456789"),
        (b"7\r\na\r\n0\r\nb\r\n0\r\n", b"a\r\n0\r\nb"),
        (b"1\r\n\r\r\n1\r\n\n\r\n0\r\n", b"\r\n"),
        (b"5;a\r\nhello\r\n0;b=c\r\n", b"hello"),
        (b"5;a;b=c;d=\"e\"\r\nhello\r\n0\r\n", b"hello"),
        (b"5 ; a\r\nhello\r\n0\r\n", b"hello"),
        (b"5\t;\ta\t=\tb\t;\tc = \"d\" ; e\r\nhello\r\n0\r\n", b"hello"),
        (b"5;a=\"\"\r\nhello\r\n0\r\n", b"hello"),
        (b"5;a=\"b;c=\\\"d\\\\ \t\xff\\\x80\"\r\nhello\r\n0\r\n", b"hello"),
        (b"5;!#$%&'*+-.^_`|~=0\r\nhello\r\n0\r\n", b"hello"),
    ] {
        // What follows the last-chunk is not the decoder's.
        for rest in [&b""[..], b"\r\n", b"X: y\r\n\r\nGET"] {
            let bytes = [wire, rest].concat();
            let expected = (data.to_vec(), wire.len(), ChunkStatus::Last);
            assert_eq!(outcome(&bytes, u64::MAX, &LIMITS), expected, "{}", bytes.escape_ascii());
        }
    }
}

#[test]
fn an_unfinished_body_wants_more() {
    let wire = b"5;a=\"\\b\" ;c\r\nhello\r\n1\r\nx\r\n0\r\n";
    for end in 0..wire.len() {
        let (_, used, status) = outcome(&wire[..end], u64::MAX, &LIMITS);
        assert_eq!((used, status), (end, ChunkStatus::More));
    }
}

#[test]
#[rustfmt::skip]
fn hostile_chunks_are_refused_at_their_byte() {
    for (wire, data, rule, offset) in [
        // S2: sizes that overflow, and more digits than 64 bits need.
        (&b"FFFFFFFFFFFFFFFF\r\nx"[..], &b""[..], Rule::BodyTooLarge, 17),
        (b"FFFFFFFFFFFFFFFE\r\nx", b"", Rule::BodyTooLarge, 17),
        (b"fffffffffffffffd\r\nx", b"", Rule::BodyTooLarge, 17),
        (b"8000000000000005\r\nhello\r\n0\r\n", b"", Rule::BodyTooLarge, 17),
        (b"5\r\nhello\r\nFFFFFFFFFFFFFFFF\r\nx", b"hello", Rule::BodyTooLarge, 27),
        (b"100000005\r\nhello\r\n0\r\n", b"", Rule::BodyTooLarge, 10),
        (b"10000000000000000\r\n", b"", Rule::ChunkSizeTooLong, 16),
        (b"000000000000000005\r\nhello", b"", Rule::ChunkSizeTooLong, 16),
        (b"00000000000000000\r\n", b"", Rule::ChunkSizeTooLong, 16),
        // S10: bytes after chunk data that are not CR LF.
        (b"5\r\nhelloXX0\r\n\r\n", b"hello", Rule::ChunkEnd, 8),
        (b"5\r\nhello0\r\n\r\n", b"hello", Rule::ChunkEnd, 8),
        (b"5\r\nhello\rX0\r\n", b"hello", Rule::ChunkEnd, 9),
        (b"5\r\nhello\r\r\n0\r\n", b"hello", Rule::ChunkEnd, 9),
        (b"5\r\nhello\n0\r\n", b"hello", Rule::ChunkEnd, 8),
        (b"5\r\nhello\n\r0\r\n", b"hello", Rule::ChunkEnd, 8),
        (b"2\r\nXXX\r\n0\r\n", b"XX", Rule::ChunkEnd, 5),
        // S11: bare LF.
        (b"5\nhello\r\n0\r\n", b"", Rule::BareLf, 1),
        (b"5\r\nhello\r\n0\n\r\n", b"hello", Rule::BareLf, 11),
        (b"5 \nhello", b"", Rule::BareLf, 2),
        // S12: LF in an extension.
        (b"5;\nhello\r\n0\r\n", b"", Rule::BareLf, 2),
        (b"2;\nxx\r\n45\r\n", b"", Rule::BareLf, 2),
        (b"2;a=\"\n\"\r\nXX", b"", Rule::BareLf, 5),
        (b"2;a\n\r\nXX", b"", Rule::BareLf, 3),
        (b"2;a=b\n", b"", Rule::BareLf, 5),
        // S13: CR in an extension or its blanks.
        (b"5;a\rX\r\nhello", b"", Rule::BareCr, 3),
        (b"5\r\r;ABCD\r\n", b"", Rule::BareCr, 1),
        (b"5\rX", b"", Rule::BareCr, 1),
        (b"5\r5\r\n", b"", Rule::BareCr, 1),
        (b"5;a=b\r\r\n", b"", Rule::BareCr, 5),
        (b"5;a=\"b\"\rX", b"", Rule::BareCr, 7),
        (b"5;\r\n", b"", Rule::ChunkExtension, 2),
        (b"5;a=\"\r\n", b"", Rule::ChunkExtension, 5),
        (b"5;a=\"\\\r\n", b"", Rule::ChunkExtension, 6),
        // S15: no size.
        (b"\r\n\r\n", b"", Rule::ChunkSize, 0),
        (b"\n", b"", Rule::ChunkSize, 0),
        (b";a\r\n\r\n", b"", Rule::ChunkSize, 0),
        (b"5\r\nhello\r\n\r\n0\r\n", b"hello", Rule::ChunkSize, 10),
        (b"INVALID!!!\r\nGET", b"", Rule::ChunkSize, 0),
        // S16: what a lax number parser takes.
        (b"0x5\r\nhello", b"", Rule::ChunkSize, 1),
        (b"+5\r\nhello", b"", Rule::ChunkSize, 0),
        (b"-0\r\n", b"", Rule::ChunkSize, 0),
        (b"+0\r\n", b"", Rule::ChunkSize, 0),
        (b" 5\r\nhello", b"", Rule::ChunkSize, 0),
        (b"5 5\r\nhello", b"", Rule::ChunkSize, 2),
        (b"0_2e\r\n", b"", Rule::ChunkSize, 1),
        (b"5h\r\n", b"", Rule::ChunkSize, 1),
        (b"g\r\n", b"", Rule::ChunkSize, 0),
        (b"@\r\n", b"", Rule::ChunkSize, 0),
        (b"5,\r\n", b"", Rule::ChunkSize, 1),
        (b"5\0\r\n", b"", Rule::ChunkSize, 1),
        (b"\"5\"\r\n", b"", Rule::ChunkSize, 0),
        (b"5 \r\n", b"", Rule::ChunkSize, 2),
        (b"5\t\t\r\n", b"", Rule::ChunkSize, 3),
        (b"5\x0b;a\r\n", b"", Rule::ChunkSize, 1),
        // Extensions that are none.
        (b"5;=b\r\n", b"", Rule::ChunkExtension, 2),
        (b"5;a=\r\n", b"", Rule::ChunkExtension, 4),
        (b"5;a==b\r\n", b"", Rule::ChunkExtension, 4),
        (b"5;;a\r\n", b"", Rule::ChunkExtension, 2),
        (b"5;a;\r\n", b"", Rule::ChunkExtension, 4),
        (b"5;a b\r\n", b"", Rule::ChunkExtension, 4),
        (b"5;a \r\n", b"", Rule::ChunkExtension, 4),
        (b"5;a=b c\r\n", b"", Rule::ChunkExtension, 6),
        (b"5;a=b=c\r\n", b"", Rule::ChunkExtension, 5),
        (b"5;a=b \r\n", b"", Rule::ChunkExtension, 6),
        (b"5;a=\"b\"c\r\n", b"", Rule::ChunkExtension, 7),
        (b"5;a=\"b\" c\r\n", b"", Rule::ChunkExtension, 8),
        (b"5;a=b\"c\"\r\n", b"", Rule::ChunkExtension, 5),
        (b"5;a\0\r\n", b"", Rule::ChunkExtension, 3),
        (b"5;a\x7f\r\n", b"", Rule::ChunkExtension, 3),
        (b"5;a=\"\0\"\r\n", b"", Rule::ChunkExtension, 5),
        (b"5;a=\"\x7f\"\r\n", b"", Rule::ChunkExtension, 5),
        (b"5;a=\"\\\x01\"\r\n", b"", Rule::ChunkExtension, 6),
        (b"5;\xe9\r\n", b"", Rule::ChunkExtension, 2),
        (b"5;a=\xe9\r\n", b"", Rule::ChunkExtension, 4),
    ] {
        assert_eq!(failure(wire), (data.to_vec(), rule, offset), "{}", wire.escape_ascii());
    }
}

/// S14: only CR LF ends a size line, an extension or chunk data.
#[test]
fn every_other_line_end_is_refused_everywhere() {
    for end in [&b"\r"[..], b"\n", b"\r\n", b"\r\r", b"\n\r"] {
        for line in [&b"5"[..], b"5;a", b"5;a=b", b"5;a=\"b\""] {
            let wire = [line, end, b"hello\r\n0\r\n"].concat();
            let (data, _, status) = outcome(&wire, u64::MAX, &LIMITS);
            if end == b"\r\n" {
                assert_eq!((&data[..], status), (&b"hello"[..], ChunkStatus::Last));
            } else {
                assert!(matches!(status, ChunkStatus::Failed(_)), "{}", wire.escape_ascii());
                assert!(data.is_empty());
            }
        }
        let wire = [b"5\r\nhello", end, b"0\r\n"].concat();
        let is_last = outcome(&wire, u64::MAX, &LIMITS).2 == ChunkStatus::Last;
        assert_eq!(is_last, end == b"\r\n", "{}", wire.escape_ascii());
    }
}

#[test]
fn the_body_is_limited_to_the_byte() {
    let limits = |body| ChunkLimits { body, ..LIMITS };
    let wire = b"5\r\nhello\r\n6\r\n world\r\n0\r\n";
    let too_large = |offset| ChunkStatus::Failed(RequestError::new(Rule::BodyTooLarge, offset));
    assert_eq!(outcome(wire, u64::MAX, &limits(4)), (b"".to_vec(), 2, too_large(2)));
    assert_eq!(outcome(wire, u64::MAX, &limits(5)), (b"hello".to_vec(), 12, too_large(12)));
    assert_eq!(outcome(wire, u64::MAX, &limits(10)), (b"hello".to_vec(), 12, too_large(12)));
    for body in [11, 12, u64::MAX] {
        assert_eq!(outcome(wire, u64::MAX, &limits(body)).2, ChunkStatus::Last);
    }
    // Even without a limit the sum of two chunks does not wrap.
    let wire = b"1\r\nx\r\nFFFFFFFFFFFFFFFF\r\n";
    assert_eq!(outcome(wire, u64::MAX, &limits(u64::MAX)).2, too_large(23));
    let wire = b"1\r\nx\r\nFFFFFFFFFFFFFFFE\r\ny";
    assert_eq!(outcome(wire, u64::MAX, &limits(u64::MAX)).2, ChunkStatus::More);
}

#[test]
fn extensions_are_limited_in_a_line_and_in_a_body() {
    let limits = |line, body| ChunkLimits { extension_line: line, extension_body: body, ..LIMITS };
    let too_large = |offset| ChunkStatus::Failed(RequestError::new(Rule::ChunkExtensionTooLarge, offset));
    let wire = b"1 ;abc=\"de\"\r\nx\r\n1;a\r\ny\r\n0;b\r\n";
    assert_eq!(outcome(wire, u64::MAX, &limits(9, 100)).2, too_large(10));
    assert_eq!(outcome(wire, u64::MAX, &limits(10, 100)).2, ChunkStatus::Last);
    assert_eq!(outcome(wire, u64::MAX, &limits(11, 100)).2, ChunkStatus::Last);
    assert_eq!(outcome(wire, u64::MAX, &limits(100, 13)).2, too_large(26));
    assert_eq!(outcome(wire, u64::MAX, &limits(100, 14)).2, ChunkStatus::Last);
    // Blanks count, so a line of blanks ends too.
    let blanks = [&b"5"[..], &[b' '; 300]].concat();
    assert_eq!(outcome(&blanks, u64::MAX, &LIMITS).2, too_large(257));
    // D7: one byte with 200 bytes of extension, a million times.
    let chunk = [&b"1;"[..], &[b'x'; 199], b"\r\nA\r\n"].concat();
    let (data, _, status) = decode(&chunk.repeat(100), [], u64::MAX, &LIMITS);
    assert_eq!(data.len(), (16 << 10) / 200);
    assert!(matches!(status, ChunkStatus::Failed(RequestError { rule: Rule::ChunkExtensionTooLarge, .. })));
}

/// D8: many small chunks give one run of data.
#[test]
fn chunks_of_one_byte_are_merged() {
    let mut bytes = b"1\r\nx\r\n".repeat(1000);
    bytes.extend_from_slice(b"0\r\n\r\n");
    let wire_len = bytes.len() - 2;
    let decoded = ChunkDecoder::new().decode(&mut bytes, u64::MAX, &LIMITS, &mut ());
    assert_eq!(decoded, DecodedChunks { consumed: wire_len, data: 3..1003, status: ChunkStatus::Last });
    assert_eq!(bytes[decoded.data], [b'x'; 1000]);
}

#[test]
fn credit_is_never_exceeded() {
    let wire = b"5\r\nhello\r\n6;a\r\n world\r\n0\r\n\r\n";
    let ends = [0, 4, 5, 6, 7, 8, 16, 17, 18, 19, 20];
    for (credit, used) in ends.into_iter().enumerate() {
        let expected = (b"hello world"[..credit].to_vec(), used, ChunkStatus::Credit);
        assert_eq!(outcome(wire, credit as u64, &LIMITS), expected, "credit {credit}");
    }
    // All of the data is credited, but that the body ends is not known yet.
    assert_eq!(outcome(wire, 11, &LIMITS).2, ChunkStatus::Credit);
    assert_eq!(outcome(wire, 12, &LIMITS), (b"hello world".to_vec(), wire.len() - 2, ChunkStatus::Last));
}

#[test]
fn a_body_goes_on_with_new_credit() {
    let wire = b"5\r\nhello\r\n6\r\n world\r\n0\r\n";
    for step in 1..12u64 {
        let mut decoder = ChunkDecoder::new();
        let (mut body, mut used) = (Vec::new(), 0);
        loop {
            let mut rest = wire[used..].to_vec();
            let decoded = decoder.decode(&mut rest, step, &LIMITS, &mut ());
            assert!(decoded.data.len() as u64 <= step);
            body.extend_from_slice(&rest[decoded.data]);
            used += decoded.consumed;
            match decoded.status {
                ChunkStatus::Credit => {}
                status => {
                    assert_eq!(status, ChunkStatus::Last);
                    break;
                }
            }
        }
        assert_eq!((&body[..], used), (&b"hello world"[..], wire.len()));
    }
}

/// Counts the bytes that it hears of.
#[derive(Default)]
struct ByteCount(usize);

impl Trace<State, Event, Internal, Action> for ByteCount {
    fn step(&mut self, _: &Step) {}
}

impl ChannelTrace for ByteCount {
    fn part(&mut self, _: InputPart, bytes: usize) {
        self.0 += bytes;
    }
}

#[test]
fn what_a_trace_has_not_heard_of_is_a_line_that_has_not_ended() {
    for wire in [
        &b"1a;b=\"c\\\"d\" ;e\r\nabcdefghijklmnopqrstuvwxyz\r\n0\r\n"[..],
        b"5;\nhello",
        b"12\rx",
        b"1\r\nx\ry",
    ] {
        for end in 0..=wire.len() {
            let (mut bytes, mut told) = (wire[..end].to_vec(), ByteCount::default());
            let mut decoder = ChunkDecoder::new();
            let decoded = decoder.decode(&mut bytes, u64::MAX, &LIMITS, &mut told);
            let shown = wire[..end].escape_ascii();
            assert_eq!(told.0 + decoder.unreported(), decoded.consumed, "{shown}");
        }
    }
}

#[test]
fn the_decoder_is_small() {
    assert!(size_of::<ChunkDecoder>() <= 40, "{}", size_of::<ChunkDecoder>());
}

/// A decoder that is as plain as can be: it has all bytes, and takes them line by line. It knows no limits but that
/// of 16 digits. It gives the data, and the bytes used up if the body is whole.
fn naive(wire: &[u8]) -> (Vec<u8>, Option<usize>) {
    let mut data = Vec::new();
    let mut at = 0;
    loop {
        let Some(len) = wire[at..].windows(2).position(|two| two == b"\r\n") else { return (data, None) };
        let line: String = wire[at..at + len].iter().copied().map(char::from).collect();
        let Some(size) = naive_size(&line) else { return (data, None) };
        at += len + 2;
        if size == 0 {
            return (data, Some(at));
        }
        let end = usize::try_from(size).map_or(usize::MAX, |size| at.saturating_add(size)).min(wire.len());
        data.extend_from_slice(&wire[at..end]);
        if ((end - at) as u64) < size || !wire[end..].starts_with(b"\r\n") {
            return (data, None);
        }
        at = end + 2;
    }
}

fn naive_size(line: &str) -> Option<u64> {
    let digits = line.find(|c: char| !c.is_ascii_hexdigit()).unwrap_or(line.len());
    let (size, mut rest) = line.split_at(digits);
    if !(1..=16).contains(&digits) {
        return None;
    }
    let blanks = [' ', '\t'];
    while !rest.is_empty() {
        rest = rest.trim_start_matches(blanks).strip_prefix(';')?.trim_start_matches(blanks);
        rest = naive_token(rest)?;
        if let Some(value) = rest.trim_start_matches(blanks).strip_prefix('=') {
            let value = value.trim_start_matches(blanks);
            rest = match value.strip_prefix('"') {
                Some(quoted) => naive_quoted(quoted)?,
                None => naive_token(value)?,
            };
        }
    }
    u64::from_str_radix(size, 16).ok()
}

fn naive_token(text: &str) -> Option<&str> {
    let is_tchar = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
    let len = text.find(|c| !is_tchar(c)).unwrap_or(text.len());
    (len > 0).then(|| &text[len..])
}

fn naive_quoted(mut text: &str) -> Option<&str> {
    loop {
        let c = text.chars().next()?;
        text = &text[c.len_utf8()..];
        let c = match c {
            '"' => return Some(text),
            '\\' => {
                let c = text.chars().next()?;
                text = &text[c.len_utf8()..];
                c
            }
            c => c,
        };
        if c != '\t' && (c < ' ' || c == '\x7f') {
            return None;
        }
    }
}

fn extension() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => Just(String::new()),
        1 => "([ \t]{0,2};[ \t]{0,2}[a-z!~]{1,4}([ \t]{0,2}=[ \t]{0,2}([A-Z0-9]{1,4}|\"([ -!#-\\[\\]-~]|\\\\[ -~]){0,6}\"))?){1,3}",
    ]
}

prop_compose! {
    /// A well-formed body, and its data.
    fn body()(
        chunks in prop::collection::vec(
            (prop::collection::vec(any::<u8>(), 1..40), 0usize..3, any::<bool>(), extension()),
            0..5,
        ),
        last in extension(),
    ) -> (Vec<u8>, Vec<u8>) {
        let (mut wire, mut data) = (Vec::new(), Vec::new());
        for (bytes, zeros, upper, extension) in chunks {
            let digits = if upper { std::format!("{:X}", bytes.len()) } else { std::format!("{:x}", bytes.len()) };
            wire.extend(std::format!("{}{digits}{extension}\r\n", "0".repeat(zeros)).bytes());
            wire.extend_from_slice(&bytes);
            wire.extend_from_slice(b"\r\n");
            data.extend_from_slice(&bytes);
        }
        wire.extend(std::format!("0{last}\r\n").bytes());
        (wire, data)
    }
}

prop_compose! {
    fn mutated_body()(
        (wire, _) in body(),
        edits in prop::collection::vec((any::<prop::sample::Index>(), 0u8..3, 0usize..24), 0..4),
    ) -> Vec<u8> {
        let bytes = b"\r\n\r\n0159afAF;;=\"\\ \tax_g\0\x80";
        let mut wire = wire;
        for (place, kind, byte) in edits {
            let at = place.index(wire.len() + 1);
            match kind {
                0 if at < wire.len() => { wire.remove(at); }
                1 if at < wire.len() => wire[at] = bytes[byte],
                _ => wire.insert(at, bytes[byte]),
            }
        }
        wire
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2048, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_well_formed_body_is_decoded((wire, data) in body()) {
        let limits = ChunkLimits { extension_line: u32::MAX, extension_body: u32::MAX, body: data.len() as u64 };
        let expected = (data, wire.len(), ChunkStatus::Last);
        prop_assert_eq!(outcome(&wire, u64::MAX, &limits), expected);
    }

    #[test]
    fn any_bytes_mean_what_the_naive_decoder_says(wire in mutated_body(), cuts in prop::collection::vec(0usize..200, 0..6)) {
        let limits = ChunkLimits { extension_line: u32::MAX, extension_body: u32::MAX, body: u64::MAX };
        let (data, used, status) = outcome(&wire, u64::MAX, &limits);
        let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(wire.len())).collect();
        cuts.sort_unstable();
        prop_assert_eq!(decode(&wire, cuts, u64::MAX, &limits), (data.clone(), used, status));
        let whole = (status == ChunkStatus::Last).then_some(used);
        prop_assert_eq!((data, whole), naive(&wire));
    }

    #[test]
    fn credit_only_stops_a_body_early(wire in mutated_body(), credit in 0u64..60) {
        let limits = ChunkLimits { extension_line: u32::MAX, extension_body: u32::MAX, body: u64::MAX };
        let (all, used, status) = decode(&wire, [], u64::MAX, &limits);
        let (some, used_of_some, status_of_some) = outcome(&wire, credit, &limits);
        prop_assert!(all.starts_with(&some) && used_of_some <= used);
        prop_assert!(some.len() as u64 <= credit);
        if (all.len() as u64) < credit {
            prop_assert_eq!((all, status), (some, status_of_some));
        } else {
            prop_assert_eq!((some.len() as u64, status_of_some), (credit, ChunkStatus::Credit));
        }
    }
}

#[test]
fn the_naive_decoder_is_no_fool() {
    assert_eq!(naive(b"2;a=\"b\"\r\nhi\r\n0\r\n\r\n"), (b"hi".to_vec(), Some(16)));
    assert_eq!(naive(b"2 \r\nhi\r\n0\r\n"), (vec![], None));
}
