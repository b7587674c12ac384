//! A folder that is served to the tests.

use std::fs::{self, File};
use std::os::unix::fs::symlink;
use std::path::PathBuf;
use std::time::{Duration, UNIX_EPOCH};

use tempfile::TempDir;

use crate::Files;
use crate::exchange::exchange;

/// A folder `web` that is served, beside files that must never be served. Each file was modified in 2001.
pub(crate) struct TestSite(TempDir);

impl TestSite {
    pub(crate) fn new(files: &[(&str, &str)]) -> Self {
        let site = Self(tempfile::tempdir().unwrap());
        fs::create_dir(site.root()).unwrap();
        fs::write(site.0.path().join("secret"), "SECRET").unwrap();
        for (name, content) in files {
            site.write(name, content);
        }
        site
    }

    pub(crate) fn root(&self) -> PathBuf {
        self.0.path().join("web")
    }

    pub(crate) fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        let path = self.root().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, content).unwrap();
        let file = File::options().write(true).open(path).unwrap();
        file.set_modified(UNIX_EPOCH + Duration::from_secs(1_000_000_000)).unwrap();
    }

    /// A link `linked` to the folder itself: what is asked for through it is found in a job.
    pub(crate) fn link(&self) {
        symlink(".", self.root().join("linked")).unwrap();
    }

    pub(crate) fn files(&self) -> Files {
        Files::new(self.root()).unwrap()
    }

    /// The response to a request line and field lines.
    pub(crate) fn request(&self, method: &str, target: &str, fields: &str) -> String {
        exchange(self.files(), &format!("{method} {target} HTTP/1.1\r\nHost: a\r\n{fields}\r\n"))
    }

    pub(crate) fn get(&self, target: &str, fields: &str) -> String {
        self.request("GET", target, fields)
    }

    #[track_caller]
    pub(crate) fn assert_missing(&self, target: &str) {
        let response = self.get(target, "");
        assert!(response.starts_with("HTTP/1.1 404 Not Found\r\n"), "{target}: {response}");
        assert!(response.ends_with("\r\n\r\nThere is nothing here.\n"), "{target}: {response}");
    }
}

/// The value of the first field of this name.
#[track_caller]
pub(crate) fn field<'a>(response: &'a str, name: &str) -> &'a str {
    let line = response.split("\r\n").find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
    line.unwrap_or_else(|| panic!("no {name} in {response}"))
}
