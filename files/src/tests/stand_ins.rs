//! What is sent in place of what is missing.

use std::fs;
use std::sync::{Arc, Mutex};

use super::site::{TestSite, field};
use crate::Files;
use crate::exchange::exchange;

const PAGE: &str = "Accept: text/html,*/*;q=0.8\r\n";
const SCRIPT: &str = "Sec-Fetch-Mode: cors\r\n";

fn site() -> TestSite {
    TestSite::new(&[("index.html", "<p>app"), ("404.txt", "Lost?"), ("a.js", "script"), ("sub/b", "")])
}

fn get(files: Files, target: &str, fields: &str) -> String {
    exchange(files, &format!("GET {target} HTTP/1.1\r\nHost: a\r\n{fields}\r\n"))
}

#[track_caller]
fn assert_response(response: &str, status: u16, content: &str) {
    assert!(response.starts_with(&format!("HTTP/1.1 {status} ")), "{response}");
    assert!(response.ends_with(&format!("\r\n\r\n{content}")), "{response}");
}

#[test]
fn a_page_that_is_missing_is_the_single_one_and_a_script_is_missing() {
    let site = site();
    let files = || site.files().single_page("index.html").list_folders(false);
    for target in ["/users/7", "/users/", "/.hidden", "/sub/"] {
        let response = get(files(), target, PAGE);
        assert_response(&response, 200, "<p>app");
        assert_eq!(field(&response, "Content-Type"), "text/html");
        assert_eq!(field(&response, "Vary"), "Accept, Sec-Fetch-Mode");
        let response = get(files(), target, SCRIPT);
        assert_response(&response, 404, "There is nothing here.\n");
        assert_eq!(field(&response, "Vary"), "Accept, Sec-Fetch-Mode");
    }
    // What is there is as it was.
    for (target, content) in [("/a.js", "script"), ("/", "<p>app")] {
        let response = get(files(), target, PAGE);
        assert_response(&response, 200, content);
        assert!(!response.contains("Vary"), "{response}");
    }
    let etag = field(&get(files(), "/users/7", PAGE), "ETag").to_owned();
    let again = get(files(), "/users/7", &format!("{PAGE}If-None-Match: {etag}\r\n"));
    assert_response(&again, 304, "");
    assert_eq!(field(&again, "Vary"), "Accept, Sec-Fetch-Mode");
    let head = exchange(files(), &format!("HEAD /users/7 HTTP/1.1\r\nHost: a\r\n{PAGE}\r\n"));
    assert_response(&head, 200, "");
    assert_eq!(field(&head, "Content-Length"), "6");
    assert!(
        exchange(files(), &format!("POST /x HTTP/1.1\r\nHost: a\r\n{PAGE}\r\n")).starts_with("HTTP/1.1 405 ")
    );
}

#[test]
fn a_404_has_the_content_of_a_file() {
    let site = site();
    let files = || site.files().not_found("404.txt");
    for fields in [PAGE, SCRIPT, "If-None-Match: *\r\nRange: bytes=0-0\r\n"] {
        let response = get(files(), "/missing", fields);
        assert_response(&response, 404, "Lost?");
        assert_eq!(field(&response, "Content-Type"), "text/plain; charset=utf-8");
        assert!(!response.contains("ETag") && !response.contains("Accept-Ranges"), "{response}");
    }
    let head = exchange(files(), "HEAD /missing HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_response(&head, 404, "");
    assert_eq!(field(&head, "Content-Length"), "5");
    // Larger than what is read at once.
    let large = "x".repeat(300 << 10);
    site.write("404.txt", &large);
    assert_response(&get(files(), "/missing", ""), 404, &large);
    let both = || files().single_page("index.html");
    assert_response(&get(both(), "/missing", PAGE), 200, "<p>app");
    assert_response(&get(both(), "/missing", SCRIPT), 404, &large);
}

#[test]
fn a_stand_in_that_is_missing_itself_is_told_to_the_operator() {
    let site = site();
    let heard = Arc::<Mutex<Vec<String>>>::default();
    let files = || {
        let heard = Arc::clone(&heard);
        let files = site.files().on_trouble(move |trouble| heard.lock().unwrap().push(trouble.to_string()));
        files.single_page("../secret").not_found("sub")
    };
    assert_response(&get(files(), "/missing", PAGE), 404, "There is nothing here.\n");
    let heard = heard.lock().unwrap();
    assert!(heard.len() == 2 && heard[0].contains("web/../secret\" cannot be read: "), "{heard:?}");
    assert!(heard[1].contains("web/sub\" cannot be read: is a directory"), "{heard:?}");
}

#[test]
fn a_stand_in_may_have_a_name_that_is_not_served() {
    let site = site();
    fs::write(site.root().join(".404.html"), "<p>hidden").unwrap();
    assert_response(&get(site.files().not_found(".404.html"), "/.404.html", ""), 404, "<p>hidden");
}

#[test]
fn without_a_root_there_is_no_stand_in_either() {
    let site = site();
    let files = site.files().not_found("404.txt").single_page("index.html");
    fs::rename(site.root(), site.root().with_extension("old")).unwrap();
    assert_response(&get(files, "/", PAGE), 404, "There is nothing here.\n");
}
