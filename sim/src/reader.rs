//! A client's reader of responses: plain, strict, and without anything of the server's.

use crate::ask::ReceivedResponse;

/// The most bytes of a head that a server would send here.
const MOST: usize = 64 << 10;

/// Reads responses from bytes in pieces.
#[derive(Default)]
pub(crate) struct Reader {
    buffer: Vec<u8>,
    at: At,
    response: ReceivedResponse,
    interim: u32,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
enum At {
    #[default]
    Head,
    Length(usize),
    Size,
    Chunk(usize),
    Trailers,
    /// The end of the connection is that of the content.
    Open,
    Tunnel,
}

/// What was read.
#[derive(PartialEq, Eq, Debug)]
pub(crate) enum ReadResponse {
    Interim(u16),
    Whole(ReceivedResponse),
    /// The head of a 101, or of a 2xx to CONNECT; what follows is another protocol's.
    Switched(ReceivedResponse),
}

impl Reader {
    /// Where bytes that have come are added.
    pub(crate) fn buffer(&mut self) -> &mut Vec<u8> {
        &mut self.buffer
    }

    /// The next thing that has come whole. It is the response to a request of `method`.
    pub(crate) fn next(&mut self, method: &str) -> Result<Option<ReadResponse>, String> {
        loop {
            match self.at {
                At::Head => match self.head(method)? {
                    Some(read) => return Ok(Some(read)),
                    None if self.at == At::Head => return Ok(None),
                    None => {}
                },
                At::Length(0) => return Ok(Some(self.finish())),
                At::Length(left) => {
                    let taken = self.content(left);
                    self.at = At::Length(left - taken);
                    if taken < left {
                        return Ok(None);
                    }
                }
                At::Size => {
                    let Some(line) = self.line()? else { return Ok(None) };
                    let size =
                        usize::from_str_radix(&line, 16).map_err(|_| format!("chunk size {line:?}"))?;
                    self.at = if size == 0 { At::Trailers } else { At::Chunk(size) };
                }
                At::Chunk(0) => match self.line()? {
                    None => return Ok(None),
                    Some(line) if line.is_empty() => self.at = At::Size,
                    Some(line) => return Err(format!("{line:?} behind a chunk")),
                },
                At::Chunk(left) => {
                    let taken = self.content(left);
                    self.at = At::Chunk(left - taken);
                    if taken < left {
                        return Ok(None);
                    }
                }
                At::Trailers => match self.line()? {
                    None => return Ok(None),
                    Some(line) if line.is_empty() => return Ok(Some(self.finish())),
                    Some(_) => {}
                },
                At::Open => {
                    self.content(usize::MAX);
                    return Ok(None);
                }
                At::Tunnel => return Ok(None),
            }
        }
    }

    /// The connection has ended in good order: what ends with it is whole now.
    pub(crate) fn end(&mut self) -> Option<ReceivedResponse> {
        (self.at == At::Open).then(|| {
            self.content(usize::MAX);
            self.at = At::Head;
            std::mem::take(&mut self.response)
        })
    }

    /// Whether something has begun and not ended.
    pub(crate) fn is_amid(&self) -> bool {
        !matches!(self.at, At::Head | At::Tunnel) || (self.at == At::Head && !self.buffer.is_empty())
    }

    /// The bytes that nobody has read.
    pub(crate) fn rest(&self) -> &[u8] {
        &self.buffer
    }

    fn finish(&mut self) -> ReadResponse {
        self.at = At::Head;
        ReadResponse::Whole(std::mem::take(&mut self.response))
    }

    fn content(&mut self, most: usize) -> usize {
        let taken = most.min(self.buffer.len());
        self.response.body.extend_from_slice(&self.buffer[..taken]);
        self.buffer.drain(..taken);
        taken
    }

    /// Where such an end of lines begins.
    fn find(&self, end: &[u8]) -> Option<usize> {
        let mut places = memchr::memchr_iter(b'\r', &self.buffer);
        places.find(|&place| self.buffer[place..].starts_with(end))
    }

    fn line(&mut self) -> Result<Option<String>, String> {
        let Some(end) = self.find(b"\r\n") else {
            return if self.buffer.len() > MOST { Err("a line without end".to_owned()) } else { Ok(None) };
        };
        let line = String::from_utf8_lossy(&self.buffer[..end]).into_owned();
        self.buffer.drain(..end + 2);
        Ok(Some(line))
    }

    fn head(&mut self, method: &str) -> Result<Option<ReadResponse>, String> {
        let known = self.buffer.len().min(9);
        let versions = [b"HTTP/1.1 ", b"HTTP/1.0 "];
        if !versions.iter().any(|version| self.buffer[..known] == version[..known]) {
            let shown = &self.buffer[..self.buffer.len().min(60)];
            return Err(format!("no response begins with \"{}\"", shown.escape_ascii()));
        }
        let Some(end) = self.find(b"\r\n\r\n") else {
            return if self.buffer.len() > MOST { Err("a head without end".to_owned()) } else { Ok(None) };
        };
        let text = String::from_utf8_lossy(&self.buffer[..end]);
        let mut lines = text.split('\n').map(|line| line.strip_suffix('\r').unwrap_or(line));
        if memchr::memchr_iter(b'\n', &self.buffer[..end]).any(|place| self.buffer[place - 1] != b'\r') {
            return Err(format!("a line that LF alone ends: {text:?}"));
        }
        let line = lines.next().unwrap_or_default();
        let status = line.get(9..12).and_then(|code| code.parse().ok());
        let status: u16 = status.ok_or_else(|| format!("status line {line:?}"))?;
        let mut response = ReceivedResponse { status, ..ReceivedResponse::default() };
        for line in lines {
            let pair = line.split_once(':').and_then(|(name, value)| Some((name, value.strip_prefix(' ')?)));
            let (name, value) = pair.ok_or_else(|| format!("field line {line:?}"))?;
            response.fields.push((name.to_owned(), value.to_owned()));
        }
        self.buffer.drain(..end + 4);
        if status == 101 || (method == "CONNECT" && matches!(status, 200..=299)) {
            // RFC 9110 sections 8.6 and 9.3.6.
            if response.field("Content-Length").or(response.field("Transfer-Encoding")).is_some() {
                return Err(format!("{status} hands over and frames content: {response:?}"));
            }
            response.interim = std::mem::take(&mut self.interim);
            self.at = At::Tunnel;
            return Ok(Some(ReadResponse::Switched(response)));
        }
        if status < 200 {
            self.interim += 1;
            return Ok(Some(ReadResponse::Interim(status)));
        }
        response.interim = std::mem::take(&mut self.interim);
        let length = response.field("Content-Length").map(str::parse::<usize>);
        let chunked = response.field("Transfer-Encoding").is_some();
        self.at = match length {
            Some(_) if chunked => return Err("a response with a length and in chunks".to_owned()),
            _ if method == "HEAD" || matches!(status, 204 | 304) => At::Length(0),
            Some(Ok(length)) => At::Length(length),
            Some(Err(_)) => return Err(format!("the length of a response: {response:?}")),
            None if chunked => At::Size,
            None => At::Open,
        };
        self.response = response;
        Ok(None)
    }
}
