//! The requests that are counted.

use std::fmt;

/// What a client writes at once, again and again, on one keep-alive connection.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Load {
    /// A minimal GET.
    Plain,
    /// The same GET with the fields that a browser sends, about 600 bytes.
    Browser,
    /// Sixteen minimal GETs in one write.
    Pipe16,
}

impl Load {
    /// All of them, in the order of the tables.
    pub const ALL: [Self; 3] = [Self::Plain, Self::Browser, Self::Pipe16];

    /// The name in tables and on the command line.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::Browser => "browser",
            Self::Pipe16 => "pipe16",
        }
    }

    /// The load of that name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|load| load.name() == name)
    }

    /// How many requests one write holds.
    #[must_use]
    pub const fn requests_per_write(self) -> usize {
        match self {
            Self::Plain | Self::Browser => 1,
            Self::Pipe16 => 16,
        }
    }

    /// The bytes of one write.
    #[must_use]
    pub fn bytes(self) -> Vec<u8> {
        match self {
            Self::Plain => PLAIN.to_vec(),
            Self::Browser => BROWSER.to_vec(),
            Self::Pipe16 => PLAIN.repeat(16),
        }
    }
}

impl fmt::Display for Load {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// The content of every response.
pub const CONTENT: &[u8] = b"Hello, World!";

const PLAIN: &[u8] = b"GET /plaintext HTTP/1.1\r\nHost: localhost\r\n\r\n";

const BROWSER: &[u8] = b"GET /plaintext HTTP/1.1\r\n\
Host: localhost\r\n\
Connection: keep-alive\r\n\
Cache-Control: max-age=0\r\n\
Upgrade-Insecure-Requests: 1\r\n\
User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36\r\n\
Accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8\r\n\
Sec-Fetch-Site: none\r\n\
Sec-Fetch-Mode: navigate\r\n\
Accept-Encoding: gzip, deflate, br, zstd\r\n\
Accept-Language: en-GB,en;q=0.9,es;q=0.8\r\n\
Cookie: session=8f14e45fceea167a5a36dedd4bea2543; theme=dark; consent=1; last=1732293600; lang=en-GB; region=eu-west-1; cart=0f3a9b27\r\n\
\r\n";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_browser_sends_eleven_fields_in_about_600_bytes() {
        let lines = BROWSER.split(|byte| *byte == b'\n').filter(|line| line.contains(&b':')).count();
        assert_eq!(lines, 11);
        assert!((590..=610).contains(&BROWSER.len()), "{} bytes", BROWSER.len());
    }

    #[test]
    fn every_load_is_found_by_its_name() {
        for load in Load::ALL {
            assert_eq!(Load::named(load.name()), Some(load));
        }
        assert_eq!(Load::named("upload"), None);
    }
}
