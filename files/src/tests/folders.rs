//! Folders: their slash, their index or list, and the root.

use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use super::site::{TestSite, field};
use crate::exchange::exchange;
use crate::hidden::DotNames;
use crate::listing;
use crate::order::Order;
use crate::path::TargetPath;
use crate::root::Root;
use crate::trouble::Reporter;

#[test]
fn a_folder_without_its_slash_is_redirected() {
    let site = TestSite::new(&[("a/b/x", ""), ("evil.example/x", ""), ("c:d/x", ""), ("é ?#/x", "")]);
    for (target, location) in [
        ("/a", "a/"),
        ("/a/b?q=1&r=//x", "b/?q=1&r=//x"),
        ("/a?", "a/?"),
        ("/%61", "a/"),
        ("/evil.example", "evil.example/"),
        ("/c:d", "./c:d/"),
        ("/c%3Ad?x:y", "./c:d/?x:y"),
        ("/%C3%A9%20%3F%23", "%C3%A9%20%3F%23/"),
        ("http://other.example/a", "a/"),
        ("//evil.example", "evil.example/"),
        ("/./a/x/../b", "b/"),
        ("/a//b", "b/"),
        ("/a/%2e%2e/a", "a/"),
    ] {
        for method in ["GET", "HEAD"] {
            let response = site.request(method, target, "");
            assert!(response.starts_with("HTTP/1.1 301 Moved Permanently\r\n"), "{target}: {response}");
            assert_eq!(field(&response, "Location"), location, "{target}");
        }
    }
    for target in ["/\\evil.example", "/%2fevil.example", "/%5cevil.example"] {
        site.assert_missing(target);
    }
}

#[test]
fn a_folder_is_its_index_or_a_list() {
    let site = TestSite::new(&[("with/index.html", "<p>mine"), ("without/a.txt", "")]);
    let response = site.get("/with/", "");
    assert!(response.ends_with("\r\n\r\n<p>mine"), "{response}");
    assert_eq!(field(&response, "Content-Type"), "text/html");
    let response = site.get("/without/", "");
    // The list is generated, and always UTF-8.
    assert_eq!(field(&response, "Content-Type"), "text/html; charset=utf-8");
    assert!(response.contains("<a href=\"a.txt\">"), "{response}");
    assert!(field(&response, "Content-Security-Policy").starts_with("default-src 'none';"));
    assert_eq!(field(&response, "X-Content-Type-Options"), "nosniff");
    let again = site.get("/without/", &format!("If-None-Match: {}\r\n", field(&response, "ETag")));
    assert!(again.starts_with("HTTP/1.1 304 "), "{again}");
    site.write("without/large", "12");
    let by_size = site.get("/without/?sort=size", "");
    assert!(by_size.find(">large<") < by_size.find(">a.txt<"), "{by_size}");
}

#[test]
fn without_lists_a_folder_is_its_index_or_missing() {
    let site = TestSite::new(&[("with/index.html", "<p>mine"), ("without/a.txt", "a")]);
    fs::create_dir_all(site.root().join("odd/index.html")).unwrap();
    let get = |target: &str| {
        exchange(site.files().list_folders(false), &format!("GET {target} HTTP/1.1\r\nHost: a\r\n\r\n"))
    };
    assert!(get("/with/").ends_with("\r\n\r\n<p>mine"));
    assert!(get("/without/a.txt").ends_with("\r\n\r\na"));
    for target in ["/", "/without/", "/odd/"] {
        let response = get(target);
        assert!(response.starts_with("HTTP/1.1 404 Not Found\r\n"), "{response}");
        assert!(response.ends_with("\r\n\r\nThere is nothing here.\n"), "{response}");
    }
}

#[test]
fn a_root_that_is_no_folder_is_named() {
    let site = TestSite::new(&[("file", "")]);
    assert!(Root::new(Path::new("")).is_err());
    for name in ["missing", "file"] {
        let path = site.root().join(name);
        let error = Root::new(&path).err().map(|error| error.to_string()).unwrap();
        assert!(error.starts_with(&format!("The folder {} cannot be served: ", path.display())), "{error}");
    }
}

#[test]
fn a_folder_that_is_removed_while_it_is_listed_is_missing_and_not_empty() {
    let site = TestSite::new(&[]);
    let root = Root::new(&site.root()).unwrap().open(&Reporter::default()).unwrap();
    fs::remove_dir(site.root()).unwrap();
    let error = listing::page(&root, &TargetPath::decode("/").unwrap(), DotNames::WellKnown, Order::of(None))
        .err()
        .unwrap();
    assert_eq!(error.kind(), ErrorKind::NotFound);
}
