//! A browser looks at the pages.

use std::fs;
use std::path::Path;
use std::process::Command;

use tempfile::TempDir;

use crate::curl::path;
use crate::relay::Relay;
use crate::tls::Authority;
use crate::tools::{BackgroundProgram, tool};
use crate::{PATIENCE, ServerProcess, text};

on_each_transport! {
    chromium_renders_the_page_with_the_machine,
    chromium_loads_pictures_and_seeks_in_a_video,
    over_tls_chromium_renders_the_page_where_it_trusts_the_authority,
}

/// Chromium without a window, and its profile, which is removed when dropped.
struct Chromium {
    command: Command,
    profile: TempDir,
}

impl Chromium {
    /// `None` if it is not installed; the test says so.
    fn find() -> Option<Self> {
        let mut command = Command::new(tool("chromium")?);
        let profile = tempfile::tempdir().expect("a directory");
        command.args([
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--disable-dev-shm-usage",
            "--no-proxy-server",
        ]);
        command.arg(format!("--user-data-dir={}", profile.path().display()));
        // Where it looks for authorities that its user trusts.
        command.env("HOME", profile.path());
        Some(Self { command, profile })
    }

    /// Has it trust an authority, as a user would. `None` if the program for that is not installed; the test says so.
    fn trust(&self, authority: &Authority) -> Option<()> {
        let certutil = tool("certutil")?;
        let store = self.profile.path().join(".pki/nssdb");
        fs::create_dir_all(&store).expect("a folder");
        let store = format!("sql:{}", store.display());
        let add = ["-A", "-t", "C,,", "-n", "the authority", "-i", path(&authority.certificate)];
        for arguments in [&["-N", "--empty-password"][..], &add] {
            let output = Command::new(&certutil).args(["-d", &store]).args(arguments).output();
            let output = output.expect("certutil starts");
            assert!(output.status.success(), "{arguments:?}: {}", text(&output.stderr));
        }
        Some(())
    }

    /// The page at this address as it stands when its scripts have run, and what the browser says.
    fn page(mut self, url: &str) -> (String, String) {
        self.command.arg("--dump-dom").arg(url);
        // A browser takes its time to start on a machine that is busy.
        let output = BackgroundProgram::start(&mut self.command).output(4 * PATIENCE);
        let (page, errors) = (text(&output.stdout), text(&output.stderr));
        assert!(output.status.success(), "{errors}");
        (page, errors)
    }
}

fn chromium_renders_the_page_with_the_machine(transport: &str) {
    let Some(chromium) = Chromium::find() else { return };
    let server = ServerProcess::on(transport, &["--app", "hello"]);
    let (page, errors) = chromium.page(&format!("{}/", server.listening));
    let picture = page.split("<svg").nth(1).and_then(|rest| rest.split("</svg>").next());
    let picture = picture.unwrap_or_else(|| panic!("no picture in {page}\n{errors}"));
    for state in httpfsm::channel::MACHINE.describe().states {
        let name = format!(">{}</text>", state.label);
        assert!(picture.contains(&name), "no {name} in {picture}");
    }
    assert!(page.contains("server.clisrv_"), "{page}");
}

fn chromium_loads_pictures_and_seeks_in_a_video(transport: &str) {
    let Some(mut chromium) = Chromium::find() else { return };
    let folder = tempfile::tempdir().expect("a directory");
    write_site(folder.path());
    let server = ServerProcess::on(transport, &["--app", "files", folder.path().to_str().expect("text")]);
    let relay = Relay::start(server.address());
    // With something to wait for, it stays until it is killed.
    chromium.command.arg("--remote-debugging-port=0").arg(relay.url("/"));
    let _running = BackgroundProgram::start(&mut chromium.command);
    let result = relay.wait_for("GET /result/", 4 * PATIENCE);
    // 1 + 2 + .. + 50, and the video is at the time that the page has set.
    assert_eq!(result, "GET /result/1275%20160x90%20at%206%20of%208 HTTP/1.1");
    assert_eq!(relay.requests("GET /pictures/").len(), 50);
    // The browser asked for the beginning of the video, and for the index at its end.
    let ranges = relay.responses("Content-Range: bytes ");
    let from = |range: &String| range.split([' ', '-']).nth(3).and_then(|first| first.parse::<u64>().ok());
    let from: Vec<_> = ranges.iter().filter_map(from).collect();
    assert!(from.contains(&0) && from.iter().any(|&first| first > 1 << 20), "{ranges:?}");
}

fn over_tls_chromium_renders_the_page_where_it_trusts_the_authority(transport: &str) {
    let authority = Authority::new();
    let pair = authority.pair("server");
    let server = ServerProcess::on(transport, &[&["--app", "hello"], &pair.arguments()[..]].concat());
    let url = format!("{}/", server.listening);
    assert!(url.starts_with("https://127.0.0.1:"), "{url}");
    for trusts in [true, false] {
        let Some(chromium) = Chromium::find() else { return };
        if trusts && chromium.trust(&authority).is_none() {
            return;
        }
        let (page, errors) = chromium.page(&url);
        assert_eq!(page.contains("server.clisrv_"), trusts, "{page}\n{errors}");
    }
}

/// A page, fifty pictures and a video of some MiB whose index is at its end.
fn write_site(folder: &Path) {
    let page = include_str!("browser/page.html");
    fs::write(folder.join("index.html"), page).expect("a file");
    fs::create_dir(folder.join("pictures")).expect("a folder");
    for at in 0..50 {
        let picture = format!(
            "<svg xmlns='http://www.w3.org/2000/svg' width='{}' height='9'><circle r='4'/></svg>",
            at + 1
        );
        fs::write(folder.join(format!("pictures/{at}.svg")), picture).expect("a file");
    }
    fs::write(folder.join("clock.mp4"), stretched(include_bytes!("browser/clock.mp4"))).expect("a file");
}

/// The video with 16 MiB of padding (a `free` box) before the index (`moov`) at its end, so that every browser needs a
/// second request.
fn stretched(video: &[u8]) -> Vec<u8> {
    const FREE: usize = 16 << 20;
    let mut at = 0;
    let index = loop {
        let length = video[at..at + 4].try_into().map(u32::from_be_bytes).expect("four bytes");
        if &video[at + 4..at + 8] == b"moov" {
            break at;
        }
        at += length as usize;
    };
    let mut stretched = video[..index].to_vec();
    stretched.extend((FREE as u32).to_be_bytes());
    stretched.extend(b"free");
    stretched.resize(index + FREE, 0);
    stretched.extend(&video[index..]);
    stretched
}
