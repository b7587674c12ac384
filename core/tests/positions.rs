//! Where RFC 9110 and RFC 9112 leave a choice, the one that was made. `docs/compatibility.md` says why.

#[path = "support/rig.rs"]
mod rig;

use httpfsm::channel::{Input, State};
use httpfsm::{BodyError, Rule, Version};
use rig::{GET, POST_CHUNKED, Rig, Seen, statuses};

/// A GET with these field lines beside `Host`.
fn with(lines: &str) -> String {
    format!("GET / HTTP/1.1\r\nHost: a\r\n{lines}\r\n")
}

/// A POST with these field lines beside `Host`, and what follows.
fn posted(lines: &str, rest: &str) -> String {
    format!("POST / HTTP/1.1\r\nHost: a\r\n{lines}\r\n{rest}")
}

/// The bytes are refused for this rule, with its status, with close, and nothing behind them is served.
#[track_caller]
fn refused(bytes: impl AsRef<[u8]>, rule: Rule) {
    let bytes = bytes.as_ref();
    let mut rig = Rig::new();
    rig.rx([bytes, GET.as_bytes()].concat());
    if rig.state() == State::WaitResponse {
        rig.demand(u64::MAX);
    }
    let shown = String::from_utf8_lossy(bytes).into_owned();
    let seen = rig.seen();
    assert!(seen.contains(&Seen::Refused(rule)), "{shown:?}: {seen:?}");
    assert!(seen.iter().filter(|seen| matches!(seen, Seen::Request(_))).count() <= 1, "{shown:?}: {seen:?}");
    let wire = rig.wire();
    assert_eq!(statuses(&wire), [rule.status().code().to_string()], "{shown:?}");
    assert!(wire.contains("\r\nConnection: close\r\n"), "{shown:?}: {wire}");
    assert_eq!(rig.state(), State::Lingering, "{shown:?}");
}

/// The bytes are one request, and another is served behind it. What the application is told of its body.
#[track_caller]
fn served(bytes: impl AsRef<[u8]>) -> Vec<Seen> {
    let bytes = bytes.as_ref();
    let mut rig = Rig::new();
    rig.rx(bytes);
    let shown = String::from_utf8_lossy(bytes).into_owned();
    assert_eq!(rig.state(), State::WaitResponse, "{shown:?}: {}", rig.wire());
    rig.seen();
    rig.demand(u64::MAX);
    let seen = rig.seen();
    rig.ok("");
    assert!(!rig.wire().contains("close"), "{shown:?}");
    assert_eq!(rig.state(), State::Idle, "{shown:?}");
    rig.rx(GET);
    assert_eq!(rig.state(), State::WaitResponse, "{shown:?}");
    seen
}

fn whole(data: &str) -> Vec<Seen> {
    vec![Seen::Data(data.into()), Seen::BodyEnd(String::new())]
}

#[test]
fn content_length_with_transfer_encoding_is_refused() {
    for lines in [
        "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n",
        "Transfer-Encoding: chunked\r\nContent-Length: 0\r\n",
        "content-length: 5\r\nX: y\r\ntransfer-encoding: CHUNKED\r\n",
    ] {
        refused(posted(lines, "0\r\n\r\n"), Rule::LengthAndCoding);
    }
}

#[test]
fn a_bare_lf_ends_no_line() {
    for head in [
        "GET / HTTP/1.1\nHost: a\n\n",
        "GET / HTTP/1.1\nHost: a\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\n\n",
        "\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
    ] {
        refused(head, Rule::BareLf);
    }
}

#[test]
fn a_bare_lf_ends_no_line_of_a_chunked_body_either() {
    for body in ["5\nhello\r\n0\r\n\r\n", "0\n\r\n", "0\r\n\n", "5;a\nhello\r\n0\r\n\r\n", "0\r\nX: y\n\r\n"]
    {
        let mut rig = Rig::new();
        rig.rx([POST_CHUNKED, body, GET].concat()).demand(u64::MAX);
        let seen = rig.seen();
        assert!(matches!(seen[1], Seen::BodyFailed(BodyError::Malformed(_))), "{body:?}: {seen:?}");
        assert_eq!(statuses(&rig.wire()), ["400"], "{body:?}");
    }
}

#[test]
fn control_characters_in_a_value_are_refused() {
    refused(with("X: a\0b\r\n"), Rule::Nul);
    refused(with("X: a\rb\r\n"), Rule::BareCr);
    for byte in (1..=8).chain([0x0b, 0x0c]).chain(0x0e..=0x1f).chain([0x7f]) {
        refused(with(&format!("X: a{}b\r\n", char::from(byte))), Rule::FieldValue);
    }
    served(with("X: a\tb\r\n"));
}

#[test]
fn bytes_above_ascii_in_a_value_are_handed_on() {
    let mut rig = Rig::new();
    rig.rx(b"GET / HTTP/1.1\r\nHost: a\r\nX: \xe4\xff\r\n\r\n");
    assert_eq!(rig.channel.request().unwrap().field("x"), Some(&b"\xe4\xff"[..]));
}

#[test]
fn a_cr_belongs_to_a_line_end_or_is_refused() {
    for head in [
        "GET / HTTP/1.1\r\r\nHost: a\r\n\r\n",
        "\rGET / HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\n\rX: y\r\n\r\n",
    ] {
        refused(head, Rule::BareCr);
    }
}

#[test]
fn a_folded_field_line_is_refused_whichever_field_it_is() {
    refused(with("X: a\r\n b\r\n"), Rule::ObsFold);
    refused(with("X: a\r\n\tb\r\n"), Rule::ObsFold);
    refused(posted("Transfer-Encoding:\r\n chunked\r\n", "0\r\n\r\n"), Rule::ObsFold);
    refused(posted("Content-Length:\r\n 5\r\n", "hello"), Rule::ObsFold);
}

#[test]
fn a_blank_before_the_first_field_is_refused() {
    for blank in [" ", "\t"] {
        let mut rig = Rig::new();
        rig.rx(format!("GET / HTTP/1.1\r\n{blank}Host: a\r\n\r\n{GET}"));
        assert_eq!(statuses(&rig.wire()), ["400"]);
        assert_eq!(rig.state(), State::Lingering);
    }
}

#[test]
fn a_request_line_has_two_single_spaces() {
    for line in [
        "GET  / HTTP/1.1",
        "GET /  HTTP/1.1",
        "GET\t/ HTTP/1.1",
        "GET / HTTP/1.1 ",
        "GET /a b HTTP/1.1",
        "GET / HTTP/1.1 b",
        "GET / HTTP/1.2 b",
        "GET /",
    ] {
        let mut rig = Rig::new();
        rig.rx(format!("{line}\r\nHost: a\r\n\r\n"));
        assert_eq!(statuses(&rig.wire()), ["400"], "{line:?}");
    }
    refused(" GET / HTTP/1.1\r\nHost: a\r\n\r\n", Rule::FirstByte);
    refused("\x16\x03\x01\x02\0\x01\0\x01\u{7c}\x03\x03", Rule::TlsOnPlainPort);
}

#[test]
fn a_wrong_line_is_refused_where_it_ends() {
    for (lines, status) in [
        ("EHLO x", "400"),
        ("GET /", "400"),
        ("GET / HTTP/9.9", "505"),
        ("GET / HTTP/1.1\r\nHost: a\r\nno field", "400"),
        ("GET / HTTP/1.1\r\nHost: a\r\n folded", "400"),
    ] {
        let mut rig = Rig::new();
        rig.rx(format!("{lines}\r"));
        assert_eq!(rig.wire(), "", "{lines:?}");
        rig.rx("\n");
        assert_eq!(statuses(&rig.wire()), [status], "{lines:?}");
    }
    // What stands in a value of its own grammar is judged with the whole head.
    let mut rig = Rig::new();
    rig.rx("GET / HTTP/1.1\r\nHost: a b\r\n");
    assert_eq!(rig.wire(), "");
}

#[test]
fn four_empty_lines_before_a_request_are_skipped_and_no_more() {
    for lines in 1..=4 {
        served("\r\n".repeat(lines) + GET);
    }
    refused("\r\n".repeat(5) + GET, Rule::EmptyLines);
    refused(format!("\r\n\n{GET}"), Rule::BareLf);
    refused(format!("\n{GET}"), Rule::BareLf);
    refused(format!(" \r\n{GET}"), Rule::FirstByte);
    // Behind a body as before the first request.
    let mut rig = Rig::new();
    rig.rx(posted("Content-Length: 1\r\n", "x\r\n") + GET).demand(1).ok("").ok("");
    assert_eq!(statuses(&rig.wire()), ["200", "200"]);
}

#[test]
fn excluded_characters_and_bad_percents_in_a_target_are_handed_on() {
    for target in ["/\"<>\\^`{|}", "/%zz%1", "/a?b=[c]"] {
        let mut rig = Rig::new();
        rig.rx(format!("GET {target} HTTP/1.1\r\nHost: a\r\n\r\n"));
        assert_eq!(rig.seen(), [Seen::Request(format!("GET {target}"))]);
    }
    for bytes in [&b"GET /\xe4 HTTP/1.1\r\nHost: a\r\n\r\n"[..], b"GET /\x7f HTTP/1.1\r\nHost: a\r\n\r\n"] {
        refused(bytes, Rule::Target);
    }
}

#[test]
fn fragments_userinfo_and_forms_of_other_methods_are_refused() {
    for line in [
        "GET /a#b",
        "GET http://user@a/",
        "GET *",
        "GET a:80",
        "GET a",
        "GET ?q",
        "GET ftp://a/",
        "GET http:///",
    ] {
        refused(format!("{line} HTTP/1.1\r\nHost: a\r\n\r\n"), Rule::Target);
    }
    served("OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n");
    for target in ["/", "*", "http://a/", "a", "a:", "a:x"] {
        let mut rig = Rig::new();
        rig.rx(format!("CONNECT {target} HTTP/1.1\r\nHost: a\r\n\r\n"));
        assert_eq!(statuses(&rig.wire()), ["400"], "{target}");
    }
}

#[test]
fn the_authority_of_a_target_counts_before_that_of_host() {
    let mut rig = Rig::new();
    rig.rx("GET http://a:8080/x?y HTTP/1.1\r\nHost: b\r\n\r\n");
    let request = rig.channel.request().unwrap();
    assert_eq!((request.authority(), request.path(), request.query()), (Some("a:8080"), "/x", Some("y")));
    refused("GET http://a/ HTTP/1.1\r\n\r\n", Rule::HostMissing);
}

#[test]
fn host_is_checked_by_the_machine_to_the_letter() {
    for host in [
        "",
        "a",
        "A.example",
        "a_b",
        "a%41",
        "a:",
        "a:80",
        "a:99999",
        "127.0.0.1",
        "[::1]",
        "[::1]:80",
        "[v1.x]",
    ] {
        served(format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n"));
    }
    for host in ["a b", "a/b", "u@a", "a?b", "a:x", "a:1:2", "[::1", "[::x]", "[]", "a%4", "a|b", "http://a"]
    {
        refused(format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n"), Rule::HostInvalid);
    }
    refused("GET / HTTP/1.1\r\n\r\n", Rule::HostMissing);
    refused("GET / HTTP/1.1\r\nHost: a\r\nhost: a\r\n\r\n", Rule::HostRepeated);
}

#[test]
fn http_1_0_needs_no_host_but_a_bad_one_is_refused() {
    let mut rig = Rig::new();
    rig.rx("GET / HTTP/1.0\r\n\r\n");
    assert_eq!(rig.state(), State::WaitResponse);
    refused("GET / HTTP/1.0\r\nHost: a b\r\n\r\n", Rule::HostInvalid);
    refused("GET / HTTP/1.0\r\nHost: a\r\nHost: a\r\n\r\n", Rule::HostRepeated);
}

#[test]
fn a_content_length_is_digits_once() {
    for length in ["5, 5", "5,05", "5,", ",5", "5, 6"] {
        refused(posted(&format!("Content-Length: {length}\r\n"), "hello"), Rule::ContentLengthRepeated);
    }
    refused(posted("Content-Length: 5\r\nContent-Length: 5\r\n", "hello"), Rule::ContentLengthRepeated);
    for length in ["", "+5", "-5", "0x5", "5 5", "1_0", "5a", "\"5\"", "5.0"] {
        refused(posted(&format!("Content-Length: {length}\r\n"), "hello"), Rule::ContentLength);
    }
    for length in ["5", "005", "0000000000000000000000000000000000005"] {
        assert_eq!(served(posted(&format!("Content-Length: {length}\r\n"), "hello")), whole("hello"));
    }
}

#[test]
fn the_only_transfer_coding_is_chunked_once() {
    for coding in ["chunked", "Chunked", "CHUNKED"] {
        let bytes = posted(&format!("Transfer-Encoding: {coding}\r\n"), "5\r\nhello\r\n0\r\n\r\n");
        assert_eq!(served(bytes), whole("hello"));
    }
    for coding in [
        ", chunked",
        "chunked,",
        "chunked, chunked",
        "chunked;q=1",
        "",
        "identity",
        "gzip",
        "\"chunked\"",
        "chunked, gzip",
        "x;a=\"b\", chunked",
        "x;a=\"b, chunked\"",
    ] {
        let lines = format!("Transfer-Encoding: {coding}\r\n");
        refused(posted(&lines, "0\r\n\r\n"), Rule::TransferCoding);
    }
    refused(posted("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", ""), Rule::TransferCoding);
    for coding in ["gzip, chunked", "identity, chunked", "x, y, chunked", "x ; a = b, chunked"] {
        refused(posted(&format!("Transfer-Encoding: {coding}\r\n"), "0\r\n\r\n"), Rule::UnknownCoding);
    }
}

#[test]
fn content_is_framed_the_same_whatever_the_method_is() {
    for method in ["GET", "HEAD", "DELETE", "OPTIONS", "TRACE", "PUT", "BREW"] {
        let head = |lines| format!("{method} / HTTP/1.1\r\nHost: a\r\n{lines}\r\n");
        let length = head(format!("Content-Length: {}\r\n", GET.len())) + GET;
        assert_eq!(served(length), whole(GET), "{method}");
        let chunks = head("Transfer-Encoding: chunked\r\n".into()) + "5\r\nhello\r\n0\r\n\r\n";
        assert_eq!(served(chunks), whole("hello"), "{method}");
        assert_eq!(served(head(String::new())), [Seen::BodyEnd(String::new())], "{method}");
    }
}

#[test]
fn a_transfer_coding_in_http_1_0_is_refused() {
    for connection in ["", "Connection: keep-alive\r\n"] {
        let head = format!("POST / HTTP/1.0\r\n{connection}Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n");
        refused(head, Rule::CodingInHttp10);
    }
}

#[test]
fn a_chunk_size_is_one_to_sixteen_digits_and_nothing_else() {
    for size in ["5", "05", "0000000000000005", "5;a"] {
        assert_eq!(served(format!("{POST_CHUNKED}{size}\r\nhello\r\n0\r\n\r\n")), whole("hello"));
    }
    for size in ["", "5 ", "5\t", " 5", "0x5", "+5", "-5", "5_", "g"] {
        refused(format!("{POST_CHUNKED}{size}\r\nhello\r\n0\r\n\r\n"), Rule::ChunkSize);
    }
    refused(format!("{POST_CHUNKED}00000000000000005\r\nhello\r\n0\r\n\r\n"), Rule::ChunkSizeTooLong);
    for size in ["ffffffffffffffff", "fffffffffffffffe", "8000000000000000"] {
        refused(format!("{POST_CHUNKED}{size}\r\nhello\r\n0\r\n\r\n"), Rule::BodyTooLarge);
    }
}

#[test]
fn chunk_data_ends_with_its_line_end() {
    for end in ["XX", "\n", "\r", "", "X\r\n", "\r\r\n"] {
        refused(format!("{POST_CHUNKED}5\r\nhello{end}0\r\n\r\n"), Rule::ChunkEnd);
    }
}

#[test]
fn blanks_around_the_parts_of_a_chunk_extension_are_parsed() {
    for extension in [" ; a = b", "\t;\ta\t=\tb", ";a=\"b;c\\\"\"", ";a", ";a;b=c;d"] {
        assert_eq!(served(format!("{POST_CHUNKED}5{extension}\r\nhello\r\n0\r\n\r\n")), whole("hello"));
    }
}

#[test]
fn a_malformed_chunk_extension_is_refused() {
    for extension in [";", ";;a", ";=b", ";a=", ";a b", ";a=\"b", ";a=b c", ";a\x7f"] {
        refused(format!("{POST_CHUNKED}5{extension}\r\nhello\r\n0\r\n\r\n"), Rule::ChunkExtension);
    }
}

#[test]
fn trailers_are_kept_apart_from_the_head_and_some_names_have_no_place_there() {
    let trailers = "X-Sum: 1\r\nContent-Length: 9\r\nHost: evil\r\nAuthorization: x\r\n\r\n";
    let mut rig = Rig::new();
    rig.rx([POST_CHUNKED, "5\r\nhello\r\n0\r\n", trailers].concat());
    let host: Vec<_> = rig.channel.request().unwrap().field_all("host").collect();
    assert_eq!(host, [b"a"]);
    rig.seen();
    rig.demand(100);
    assert_eq!(rig.seen(), [Seen::Data("hello".into()), Seen::BodyEnd("X-Sum: 1\n".into())]);
}

#[test]
fn a_malformed_trailer_is_refused() {
    for trailer in ["no colon", ": x", "X : y", "X: a\0b", "X: a\x0bb"] {
        refused(format!("{POST_CHUNKED}0\r\n{trailer}\r\n\r\n"), Rule::TrailerField);
    }
    refused(format!("{POST_CHUNKED}0\r\nX: a\r\n b\r\n\r\n"), Rule::ObsFold);
}

#[test]
fn higher_minor_versions_are_1_1_and_other_major_versions_505() {
    let mut rig = Rig::new();
    rig.rx("GET / HTTP/1.9\r\nHost: a\r\n\r\n");
    assert_eq!(rig.channel.request().unwrap().version(), Version::Http11);
    for version in ["HTTP/2.0", "HTTP/0.9", "HTTP/3.0"] {
        refused(format!("GET / {version}\r\nHost: a\r\n\r\n"), Rule::Version);
    }
    refused("PRI * HTTP/2.0\r\n\r\n", Rule::Http2Preface);
    for version in ["HTTP/1", "HTTP/1.10", "http/1.1", "HTTP/1.x", "HTTPS/1.1", "HTTP/01.1"] {
        let mut rig = Rig::new();
        rig.rx(format!("GET / {version}\r\nHost: a\r\n\r\n"));
        assert_eq!(statuses(&rig.wire()), ["400"], "{version}");
    }
}

#[test]
fn bytes_after_a_close_are_discarded() {
    let mut rig = Rig::new();
    rig.rx(GET.replace("Host: a", "Host: a\r\nConnection: close") + "\x16\x03garbage").ok("bye");
    assert_eq!(statuses(&rig.wire()), ["200"]);
    rig.rx("more garbage");
    assert_eq!(rig.state(), State::Lingering);
    rig.input(Input::RxEnd);
    assert_eq!(rig.state(), State::Closed);
    assert!(!rig.seen().iter().any(|seen| matches!(seen, Seen::Refused(_))));
}

#[test]
fn close_counts_wherever_it_stands_in_connection() {
    for lines in [
        "Connection: close\r\n",
        "Connection: Close\r\n",
        "Connection: x,close\r\n",
        "Connection: keep-alive, close\r\n",
        "Connection: x\r\nConnection: close\r\n",
    ] {
        let mut rig = Rig::new();
        rig.rx(with(lines)).ok("");
        assert!(rig.wire().contains("\r\nConnection: close\r\n"), "{lines:?}");
    }
}

#[test]
fn what_is_no_token_in_connection_is_ignored() {
    for lines in [
        "Connection: close;\r\n",
        "Connection: close=1\r\n",
        "Connection: close x\r\n",
        "Connection: \"close\"\r\n",
        "Connection: closed\r\n",
        "Connection: ,\r\n",
    ] {
        served(with(lines));
    }
}

#[test]
fn connect_and_trace_are_left_to_the_application() {
    served("TRACE / HTTP/1.1\r\nHost: a\r\n\r\n");
    let mut rig = Rig::new();
    rig.rx("CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n");
    assert_eq!(rig.seen(), [Seen::Request("CONNECT a:1".into())]);
}

#[test]
fn connect_has_no_body() {
    for lines in ["Content-Length: 1\r\n", "Transfer-Encoding: chunked\r\n"] {
        refused(format!("CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n{lines}\r\n0\r\n\r\n"), Rule::ConnectBody);
    }
    let mut rig = Rig::new();
    rig.rx("CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\nContent-Length: 0\r\n\r\n");
    assert_eq!(rig.state(), State::WaitResponse);
}

#[test]
fn an_upgrade_needs_http_1_1_and_the_connection_option() {
    let head = |version, lines| format!("GET / HTTP/{version}\r\nHost: a\r\n{lines}\r\n");
    let (upgrade, echo) = ("Connection: x, Upgrade\r\nUpgrade: echo\r\n", Some(&b"echo"[..]));
    for (bytes, expected) in [
        (head("1.1", upgrade), echo),
        (head("1.1", &format!("Upgrade:\r\nUpgrade: ,\r\n{upgrade}")), echo),
        (head("1.0", upgrade), None),
        (head("1.1", "Upgrade: echo\r\n"), None),
        (head("1.1", "Connection: upgrade\r\n"), None),
    ] {
        let mut rig = Rig::new();
        assert_eq!(rig.rx(&bytes).channel.request().unwrap().upgrade(), expected, "{bytes}");
    }
}

#[test]
fn field_names_that_differ_in_an_underscore_are_two_names() {
    let mut rig = Rig::new();
    rig.rx(with("X_Forwarded_For: a\r\nX-Forwarded-For: b\r\n"));
    let request = rig.channel.request().unwrap();
    assert_eq!(request.field("x-forwarded-for"), Some(&b"b"[..]));
    assert_eq!(request.field("x_forwarded_for"), Some(&b"a"[..]));
}

#[test]
fn an_expectation_without_a_reader_gets_no_100() {
    let mut rig = Rig::new();
    rig.rx(posted("Content-Length: 5\r\nExpect: 100-continue\r\n", "")).ok("");
    assert_eq!(statuses(&rig.wire()), ["200"]);
}
