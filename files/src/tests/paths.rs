//! Which file a target means, and which names are not served.

use std::os::unix::fs::symlink;

use super::site::{TestSite, field};
use crate::exchange::content;

#[test]
fn no_spelling_leads_out_of_the_root() {
    let site = TestSite::new(&[("a/b.txt", "b"), ("secret.txt", "")]);
    for target in [
        "/../secret",
        "/a/../../secret",
        "/%2e%2e/secret",
        "/%2E%2e/secret",
        "/.%2e/secret",
        "/%2e./secret",
        "/..%2fsecret",
        "/..%2Fsecret",
        "/..%5csecret",
        "/..\\secret",
        "/a/..%2f..%2fsecret",
        "/%2e%2e%2fsecret",
        "/%252e%252e/secret",
        "/%252e%252e%252fsecret",
        "/%c0%ae%c0%ae/secret",
        "/%c0%ae%c0%ae%c0%afsecret",
        "/..;/secret",
        "/..%00/secret",
        "/a/b.txt%00",
        "/a/b.txt%00.html",
        "/%uff0e%uff0e/secret",
        "//etc/passwd",
        "//../secret",
        "/%2fetc/passwd",
        "/%2f%2fetc/passwd",
        "/a/b.txt/",
        "/a/b.txt/.",
        "/a/b.txt//",
        "/a/b.txt/x",
        "/proc/self/environ",
        "/file:///etc/passwd",
        "/~root",
    ] {
        site.assert_missing(target);
    }
    let absolute = site.get("http://a/../secret", "");
    assert!(absolute.starts_with("HTTP/1.1 404 "), "{absolute}");
}

#[test]
fn a_path_is_read_in_its_normal_form() {
    let site = TestSite::new(&[("a/b.txt", "b"), ("a/index.html", "index"), ("index.html", "root")]);
    for (target, content) in [
        ("/a//b.txt", "b"),
        ("//a/b.txt", "b"),
        ("/a/./b.txt", "b"),
        ("/./a/b.txt", "b"),
        ("/a/%2e/b.txt", "b"),
        ("/missing/../a/b.txt", "b"),
        ("/a/b.txt/../b.txt?/../q=%2e", "b"),
        ("/.git/%2E%2e/a/b.txt", "b"),
        ("/a/.", "index"),
        ("/a//", "index"),
        ("/a/b.txt/..", "index"),
        ("/a/..", "root"),
        ("//", "root"),
        ("http://a/./a/b.txt", "b"),
    ] {
        let response = site.get(target, "");
        assert!(response.starts_with("HTTP/1.1 200 OK\r\n"), "{target}: {response}");
        assert!(response.ends_with(&format!("\r\n\r\n{content}")), "{target}: {response}");
    }
}

#[test]
fn a_name_that_cannot_exist_is_missing() {
    let site = TestSite::new(&[]);
    site.assert_missing(&format!("/{}", "a".repeat(300)));
    site.assert_missing(&format!("/{}", "a/".repeat(2500)));
}

#[test]
fn hidden_files_are_missing() {
    let site = TestSite::new(&[(".env", "K"), (".git/config", "c"), ("a/.b/c", "d")]);
    for target in ["/.env", "/%2eenv", "/.git/config", "/.git/", "/.git", "/a/.b/c", "/a/%2Eb/c"] {
        site.assert_missing(target);
    }
}

#[test]
fn what_is_well_known_is_served_at_the_root() {
    let site =
        TestSite::new(&[(".well-known/security.txt", "s"), (".well-known/.x", ""), ("a/.well-known/x", "")]);
    symlink(".well-known/security.txt", site.root().join("security.txt")).unwrap();
    for target in ["/.well-known/security.txt", "/%2ewell-known/security.txt", "/security.txt"] {
        assert!(site.get(target, "").ends_with("\r\n\r\ns"), "{target}");
    }
    assert_eq!(field(&site.get("/.well-known", ""), "Location"), ".well-known/");
    for target in ["/.well-known/.x", "/a/.well-known/x", "/a/.well-known/", "/a/.well-known"] {
        site.assert_missing(target);
    }
}

#[test]
fn all_names_are_served_if_that_is_wanted() {
    let site = TestSite::new(&[(".env", "K"), ("a/.b/c", "K"), (".../x", "K")]);
    symlink(".env", site.root().join("link")).unwrap();
    for target in ["/.env", "/a/.b/c", "/.../x", "/link"] {
        let files = site.files().show_hidden(true);
        let request = format!("GET {target} HTTP/1.1\r\nHost: a\r\n\r\n");
        assert_eq!(content(files, &request), "K", "{target}");
    }
}
