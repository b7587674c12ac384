//! Fields of the operator.

use super::site::{TestSite, field};
use crate::exchange::exchange;
use crate::{FieldRule, Files};

fn site() -> TestSite {
    TestSite::new(&[("a.js", "script"), ("docs/index.html", "<p>docs"), ("docs/b.js", "b"), ("lists/x", "")])
}

fn with(files: Files, rules: &[(&str, &str, &str)]) -> Files {
    rules.iter().fold(files, |files, (pattern, name, value)| {
        files.field(FieldRule::new(pattern, name, value).unwrap())
    })
}

fn get(files: Files, target: &str, fields: &str) -> String {
    exchange(files, &format!("GET {target} HTTP/1.1\r\nHost: a\r\n{fields}\r\n"))
}

#[test]
fn a_file_has_the_fields_of_the_rules_that_match_it() {
    let site = site();
    let rules = [
        ("*", "X-Frame-Options", "DENY"),
        ("*.js", "Cache-Control", "max-age=60"),
        ("/docs/**", "cache-control", "max-age=600"),
    ];
    let get = |target: &str, fields: &str| get(with(site.files(), &rules), target, fields);
    for (target, caching) in [
        ("/a.js", "\r\nCache-Control: max-age=60\r\n"),
        // Of several the last.
        ("/docs/b.js", "\r\ncache-control: max-age=600\r\n"),
        ("/docs/", "\r\ncache-control: max-age=600\r\n"),
        ("/lists/x", "\r\nCache-Control: no-cache\r\n"),
        ("/lists/", "\r\nCache-Control: no-cache\r\n"),
    ] {
        let response = get(target, "");
        assert!(response.starts_with("HTTP/1.1 200 ") && response.contains(caching), "{response}");
        assert_eq!(response.to_lowercase().matches("cache-control").count(), 1, "{response}");
        assert_eq!(field(&response, "X-Frame-Options"), "DENY");
        let again = get(target, "If-None-Match: *\r\n");
        assert!(again.starts_with("HTTP/1.1 304 ") && again.contains(caching), "{again}");
        assert_eq!(field(&again, "X-Frame-Options"), "DENY");
    }
    let part = get("/a.js", "Range: bytes=0-0\r\n");
    assert!(part.starts_with("HTTP/1.1 206 ") && part.contains("max-age=60"), "{part}");
}

#[test]
fn an_error_or_a_redirection_has_none_of_them_that_a_cache_would_keep() {
    let site = site();
    for (target, fields, status) in [
        ("/missing.js", "", 404),
        ("/docs", "", 301),
        ("/a.js", "If-Match: \"x\"\r\n", 412),
        ("/a.js", "Range: bytes=99-\r\n", 416),
    ] {
        let files = with(site.files(), &[("*", "Cache-Control", "max-age=60")]);
        let response = get(files, target, fields);
        assert!(response.starts_with(&format!("HTTP/1.1 {status} ")), "{response}");
        assert!(!response.contains("max-age"), "{response}");
    }
}

#[test]
fn a_rule_counts_from_the_root_and_for_what_stands_in_and_what_is_coded() {
    let site = site();
    site.write("a.js.gz", "coded");
    let rules = [("/a.js", "X-A", "1"), ("/docs/index.html", "X-B", "2")];
    let files =
        || with(site.files().under("/static").precompressed(true).single_page("docs/index.html"), &rules);
    let coded = get(files(), "/static/a.js", "Accept-Encoding: gzip\r\n");
    assert_eq!((field(&coded, "X-A"), field(&coded, "Content-Encoding")), ("1", "gzip"));
    let page = get(files(), "/static/missing", "Accept: text/html\r\n");
    assert!(page.starts_with("HTTP/1.1 200 ") && field(&page, "X-B") == "2", "{page}");
}
