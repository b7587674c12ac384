use super::*;
use std::format;
use std::vec;
use std::vec::Vec;

fn verdict(bytes: &[u8], cuts: impl IntoIterator<Item = usize>, size: u32, fields: usize) -> TrailerStatus {
    let mut scan = TrailerScan::default();
    for end in cuts.into_iter().chain([bytes.len()]) {
        let status = scan.advance(&bytes[..end], size, fields, 1000);
        if status != TrailerStatus::Partial {
            return status;
        }
    }
    TrailerStatus::Partial
}

/// The one verdict of every way to cut the bytes in two, of single bytes and of all at once.
fn verdict_of_every_cut(bytes: &[u8], size: u32, fields: usize) -> TrailerStatus {
    let whole = verdict(bytes, [], size, fields);
    for cut in 0..bytes.len() {
        assert_eq!(verdict(bytes, [cut], size, fields), whole, "cut at {cut}: {}", bytes.escape_ascii());
    }
    assert_eq!(verdict(bytes, 0..bytes.len(), size, fields), whole, "{}", bytes.escape_ascii());
    whole
}

fn refused(rule: Rule, offset: u64) -> TrailerStatus {
    TrailerStatus::Refused(RequestError::new(rule, 1000 + offset))
}

#[test]
fn a_section_ends_with_its_empty_line() {
    for section in [
        &b"\r\n"[..],
        b"X-Sum: abc\r\n\r\n",
        b"a:\r\nb: \t\r\nC:d\xff:\r\n\r\n",
        b"Host: evil\r\nContent-Length: 99\r\n\r\n",
    ] {
        for rest in [&b""[..], b"GET / HTTP/1.1\r\n\r\n", b"\n\0"] {
            let bytes = [section, rest].concat();
            let expected = TrailerStatus::Complete { len: section.len() };
            assert_eq!(verdict_of_every_cut(&bytes, 8192, 32), expected, "{}", bytes.escape_ascii());
        }
        for end in 0..section.len() {
            assert_eq!(verdict_of_every_cut(&section[..end], 8192, 32), TrailerStatus::Partial);
        }
    }
}

#[test]
fn a_malformed_section_is_refused_at_its_byte() {
    for (section, rule, offset) in [
        (&b"\n"[..], Rule::BareLf, 0),
        (b"\nX-A: 1\r\n\r\n", Rule::BareLf, 0),
        (b"X-A: 1\n\r\n", Rule::BareLf, 6),
        (b"X-A\n", Rule::BareLf, 3),
        (b"\rX", Rule::BareCr, 0),
        (b"\r\r\n", Rule::BareCr, 0),
        (b"X-A: a\rb\r\n\r\n", Rule::BareCr, 6),
        (b"X-A: a\r\n\rX", Rule::BareCr, 8),
        (b"X-A\r: a\r\n\r\n", Rule::TrailerField, 3),
        (b": 1\r\n\r\n", Rule::TrailerField, 0),
        (b"X(A: 1\r\n\r\n", Rule::TrailerField, 1),
        (b"X A: 1\r\n\r\n", Rule::TrailerField, 1),
        (b"X-A : 1\r\n\r\n", Rule::TrailerField, 3),
        (b"XX\0", Rule::TrailerField, 2),
        (b"NoColon\r\n\r\n", Rule::TrailerField, 7),
        (b"GET /smuggled HTTP/1.1\r\n", Rule::TrailerField, 3),
        (b" X: y\r\n\r\n", Rule::TrailerField, 0),
        (b"X-A: a\r\n b\r\n\r\n", Rule::ObsFold, 8),
        (b"X-A: a\r\n\tb\r\n\r\n", Rule::ObsFold, 8),
        (b"X-A: a\0b\r\n\r\n", Rule::TrailerField, 6),
        (b"X-A: a\x7f\r\n\r\n", Rule::TrailerField, 6),
        (b"X-A: \x0bb\r\n\r\n", Rule::TrailerField, 5),
        (b"\0", Rule::TrailerField, 0),
        (b"\xff: a", Rule::TrailerField, 0),
    ] {
        assert_eq!(
            verdict_of_every_cut(section, 8192, 32),
            refused(rule, offset),
            "{}",
            section.escape_ascii()
        );
        // At once: what follows need not be there.
        let seen = offset as usize + if rule == Rule::BareCr { 2 } else { 1 };
        assert_eq!(
            verdict(&section[..seen], [], 8192, 32),
            refused(rule, offset),
            "{}",
            section.escape_ascii()
        );
    }
}

#[test]
fn size_and_number_are_limited_inclusively() {
    let section = b"X-A: 1\r\nX-B: 2\r\n\r\n";
    let len = section.len() as u32;
    let whole = TrailerStatus::Complete { len: section.len() };
    let too_large = |size: u32| refused(Rule::TrailerTooLarge, u64::from(size));
    assert_eq!(verdict_of_every_cut(section, len - 1, 32), too_large(len - 1));
    assert_eq!(verdict_of_every_cut(section, len, 32), whole);
    assert_eq!(verdict_of_every_cut(section, len + 1, 32), whole);
    assert_eq!(verdict_of_every_cut(&section[..8], 8, 32), too_large(8));
    assert_eq!(verdict_of_every_cut(section, 8192, 1), refused(Rule::TooManyTrailers, 8));
    assert_eq!(verdict_of_every_cut(section, 8192, 0), refused(Rule::TooManyTrailers, 0));
    assert_eq!(verdict_of_every_cut(section, 8192, 2), whole);
    assert_eq!(verdict_of_every_cut(section, 8192, 3), whole);
    assert_eq!(verdict_of_every_cut(b"\r\n", 2, 0), TrailerStatus::Complete { len: 2 });
    // What is wrong within the limit comes before the limit.
    assert_eq!(verdict_of_every_cut(b"X-A: \n", 6, 32), refused(Rule::BareLf, 5));
    assert_eq!(verdict_of_every_cut(b"X-A: \n", 5, 32), too_large(5));
}

#[test]
fn any_byte_after_any_start_has_one_verdict() {
    for start in [&b""[..], b"X", b"X:", b"X: y", b"X: y\r", b"X: y\r\n", b"X: y\r\n\r", b"\r", b"X: y\r\nZ"]
    {
        for byte in 0..=255u8 {
            for rest in [&b""[..], b"\r\n\r\n", b": a\r\n\r\n"] {
                let bytes = [start, &[byte], rest].concat();
                verdict_of_every_cut(&bytes, 8192, 2);
                verdict_of_every_cut(&bytes, 7, 1);
            }
        }
    }
}

fn names(section: &[u8]) -> Vec<&str> {
    Trailers::new(section).iter().map(|field| field.name).collect()
}

#[test]
fn forbidden_trailer_fields_are_left_out() {
    for name in [
        "Content-Length",
        "Transfer-Encoding",
        "Host",
        "Authorization",
        "Content-Encoding",
        "Content-Type",
        "Content-Range",
        "Cookie",
        "Set-Cookie",
        "Expect",
        "Trailer",
        "TE",
        "Cache-Control",
        "Max-Forwards",
        "If-Match",
        "if-none-match",
        "Range",
        "Proxy-Authorization",
        "PROXY-anything",
        "Connection",
        "Upgrade",
        "Keep-Alive",
        "Date",
        "Vary",
        "X-Forwarded-For",
        "X-Forwarded-Host",
        "x-forwarded-proto",
        "X-Real-IP",
        "Forwarded",
        "Via",
        "Origin",
        "Pragma",
        "Warning",
        "Age",
        "Expires",
        "Location",
        "Retry-After",
        "Server",
        "WWW-Authenticate",
        "HTTP2-Settings",
        "CONTENT-length",
    ] {
        let section = format!("X-A: 1\r\n{name}: x\r\nX-B: 2\r\n\r\n").into_bytes();
        assert_eq!(names(&section), ["X-A", "X-B"], "{name}");
        assert_eq!(Trailers::new(&section).get(name), None);
        assert!(Trailers::new(format!("{name}: x\r\n\r\n").as_bytes()).is_empty());
    }
    for name in [
        "Server-Timing",
        "ETag",
        "Content-Digest",
        "Repr-Digest",
        "Digest",
        "grpc-status",
        "X-Host",
        "Hosts",
        "Iffy",
        "Con",
    ] {
        let section = format!("{name}: x\r\n\r\n").into_bytes();
        assert_eq!(names(&section), [name]);
    }
}

#[test]
fn trailers_are_read_in_order() {
    let section = b"X-A: 1\r\nx-a:two \r\nX-Empty:\r\n\r\n";
    let trailers = Trailers::new(section);
    let fields: Vec<_> = trailers.iter().map(|field| (field.name, field.value)).collect();
    assert_eq!(fields, vec![("X-A", &b"1"[..]), ("x-a", b"two"), ("X-Empty", b"")]);
    assert_eq!(trailers.get("X-a"), Some(&b"1"[..]));
    assert_eq!(trailers.get("x-empty"), Some(&b""[..]));
    assert_eq!(trailers.get("x"), None);
    assert!(!trailers.is_empty());
    assert!(Trailers::new(b"\r\n").is_empty());
    assert!(Trailers::new(b"").is_empty());
}
