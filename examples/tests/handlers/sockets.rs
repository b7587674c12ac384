//! The same handlers over sockets, on tokio and on threads.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

use httpfsm::config::ServerConfig;
use httpfsm::handler::{
    BodyFailure, FormError, Handler, IntoResponse as _, MultipartError, PairsError, Request, Response,
};
use httpfsm::{BodyError, Status};
use httpfsm_tokio::TokioBody;
use httpfsm_transport::{BodyReader, ServerHandle, block_on};
use multer::{Constraints, SizeLimit};
use tokio::io::AsyncReadExt;
use tokio::runtime::Runtime;

use crate::User;

/// Long enough for a loaded machine; nothing here waits for it unless it fails.
const PATIENCE: Duration = Duration::from_secs(60);

/// More than the windows of a connection hold.
const LARGE: usize = 3 << 20;

/// A server, which ends when dropped.
struct Running {
    on: &'static str,
    handle: ServerHandle,
    address: SocketAddr,
    _runtime: Option<Runtime>,
}

impl Running {
    fn on_tokio(config: &ServerConfig, handler: impl Handler) -> Self {
        let (listener, address) = listener();
        let runtime = Runtime::new().expect("a runtime");
        let inside = runtime.enter();
        let handle = httpfsm_tokio::serve(listener, config.clone(), handler).expect("it serves");
        drop(inside);
        Self { on: "tokio", handle, address, _runtime: Some(runtime) }
    }

    fn on_threads(config: &ServerConfig, handler: impl Handler) -> Self {
        let (listener, address) = listener();
        let handle = httpfsm_blocking::serve(listener, config.clone(), handler).expect("it serves");
        Self { on: "blocking", handle, address, _runtime: None }
    }

    /// The status and the content of the response to bytes, which are sent while it is read.
    fn send(&self, bytes: Vec<u8>) -> (u16, String) {
        let mut stream = TcpStream::connect(self.address).expect("a connection");
        stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        let mut output = stream.try_clone().expect("a descriptor");
        // Of what is refused, the rest is not read.
        let sending = std::thread::spawn(move || output.write_all(&bytes));
        let mut response = Vec::new();
        if let Err(error) = stream.read_to_end(&mut response) {
            assert_eq!(error.kind(), io::ErrorKind::ConnectionReset, "on {}", self.on);
        }
        drop(stream);
        let _ = sending.join().expect("it does not panic");
        let response = String::from_utf8(response).expect("text");
        let (head, content) = response.split_once("\r\n\r\n").expect("a whole head");
        (head[9..12].parse().expect("a status"), content.to_owned())
    }

    fn ask(&self, line: &str, fields: &str, content: impl AsRef<[u8]>) -> (u16, String) {
        let content = content.as_ref();
        let head = format!(
            "{line} HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: {}\r\n{fields}\r\n",
            content.len()
        );
        self.send([head.as_bytes(), content].concat())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        block_on(self.handle.begin_drain(Some(Duration::ZERO)).gone());
    }
}

fn listener() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("it is bound");
    (listener, address)
}

fn on_both(config: &ServerConfig, handler: impl Handler + Clone, test: impl Fn(&Running)) {
    test(&Running::on_tokio(config, handler.clone()));
    test(&Running::on_threads(config, handler));
}

fn pairs(request: &Request) -> String {
    request.query_pairs().map(|(name, value)| format!("{name}={value};")).collect()
}

fn of_query(request: &Request) -> Result<String, PairsError> {
    request.query_as().map(|User { name, age }| format!("{name} {age}"))
}

async fn of_form(mut request: Request) -> Result<String, FormError> {
    request.form(32).await.map(|User { name, age }| format!("{name} {age}"))
}

/// How long each part is, and the sum of its bytes.
async fn upload(mut request: Request) -> Result<String, MultipartError> {
    let limits = SizeLimit::new().per_field(LARGE as u64);
    let mut form = request.multipart(Constraints::new().size_limit(limits))?;
    let mut seen = String::new();
    while let Some(mut part) = form.next_part().await? {
        let name = part.name().unwrap_or_default().to_owned();
        let (mut bytes, mut of_all) = (0, 0);
        while let Some(piece) = part.chunk().await? {
            bytes += piece.len();
            of_all += sum(&piece);
        }
        seen += &format!("{name} {bytes} {of_all};");
    }
    Ok(seen)
}

fn sum(bytes: &[u8]) -> u64 {
    bytes.iter().map(|byte| u64::from(*byte)).sum()
}

async fn copy(request: Request) -> io::Result<String> {
    let mut content = String::new();
    TokioBody::new(request.into_body()).read_to_string(&mut content).await?;
    Ok(content)
}

fn copy_on_a_thread(request: Request) -> io::Result<String> {
    io::read_to_string(BodyReader::new(request.into_body()))
}

async fn app(request: Request) -> Response {
    let path = request.path().to_owned();
    match &*path {
        "/pairs" => pairs(&request).into_response(),
        "/query" => of_query(&request).into_response(),
        "/form" => of_form(request).await.into_response(),
        "/upload" => upload(request).await.into_response(),
        "/copy" => copy(request).await.into_response(),
        "/late" => io::Error::other(BodyFailure::from(BodyError::TimedOut)).into_response(),
        "/secret" => io::Error::other("/etc/secret is missing").into_response(),
        _ => Status::NOT_FOUND.into_response(),
    }
}

#[test]
fn queries_and_forms_are_values() {
    const FORM: &str = "Content-Type: application/x-www-form-urlencoded\r\n";
    on_both(&ServerConfig::default(), app, |server| {
        let told = |text: &str| (200, text.to_owned());
        assert_eq!(
            server.ask("GET /pairs?a=1&b=%C3%A4+%20x&a=2&c", "", ""),
            told("a=1;b=ä  x;a=2;c=;"),
            "on {}",
            server.on
        );
        assert_eq!(server.ask("GET /query?age=36&name=Ada", "", ""), told("Ada 36"), "on {}", server.on);
        assert_eq!(
            server.ask("POST /form", FORM, "name=Ada+L.&age=36"),
            told("Ada L. 36"),
            "on {}",
            server.on
        );
        for (line, fields, content, status) in [
            ("GET /query?age=360&name=Ada", "", "", 400),
            ("GET /query", "", "", 400),
            ("POST /form", FORM, "name=Ada", 400),
            ("POST /form", FORM, "name=Ada&age=36&more=01234567890123456789", 413),
            ("POST /form", "Content-Type: text/plain\r\n", "name=Ada&age=36", 415),
            ("POST /form", "", "name=Ada&age=36", 415),
        ] {
            let response = server.ask(line, fields, content);
            assert_eq!(response.0, status, "{line} on {}: {}", server.on, response.1);
        }
    });
}

/// A form of a note and a file, up to its last boundary.
fn parts(file: &[u8]) -> Vec<u8> {
    let note = "--xx\r\nContent-Disposition: form-data; name=\"note\"\r\n\r\nhello\r\n";
    let head = "--xx\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.bin\"\r\n\r\n";
    [note.as_bytes(), head.as_bytes(), file].concat()
}

#[test]
fn uploads_are_larger_than_what_the_server_holds_of_them() {
    const FORM: &str = "Content-Type: multipart/form-data; boundary=xx\r\n";
    let file: Vec<u8> = (0..LARGE).map(|n| (n * 31 % 251) as u8).collect();
    let whole = [&parts(&file)[..], b"\r\n--xx--\r\n"].concat();
    let larger = [&parts(&file)[..], b"x\r\n--xx--\r\n"].concat();
    let expected = format!("note 5 {};file {LARGE} {};", sum(b"hello"), sum(&file));
    on_both(&ServerConfig::default(), app, |server| {
        assert_eq!(server.ask("POST /upload", FORM, &whole), (200, expected.clone()), "on {}", server.on);
        let head = format!("POST /upload HTTP/1.1\r\nHost: a\r\nConnection: close\r\n{FORM}");
        let chunk = format!("Transfer-Encoding: chunked\r\n\r\n{:x}\r\n", whole.len());
        let chunked = [head.as_bytes(), chunk.as_bytes(), &whole, b"\r\n0\r\n\r\n"].concat();
        assert_eq!(server.send(chunked), (200, expected.clone()), "on {}", server.on);
        for (fields, content, status) in [
            (FORM, &larger[..], 413),
            (FORM, &parts(b"cut"), 400),
            ("Content-Type: multipart/form-data\r\n", &whole, 415),
            ("", &parts(b"cut"), 415),
        ] {
            let response = server.ask("POST /upload", fields, content);
            assert_eq!(response.0, status, "on {}: {}", server.on, response.1);
        }
    });
}

#[test]
fn an_io_error_tells_its_client_whose_fault_it_is_and_nothing_more() {
    let mut config = ServerConfig::default();
    config.channel.max_request_body_size = 10;
    let reads = |server: &Running, target: &str| {
        let head = format!(
            "POST {target} HTTP/1.1\r\nHost: a\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n"
        );
        let send = |content: &str| server.send(format!("{head}{content}").into_bytes());
        assert_eq!(send("4\r\ntext\r\n0\r\n\r\n"), (200, "text".to_owned()), "on {}", server.on);
        assert_eq!(send("4\r\ntext\r\nzz\r\n").0, 400, "on {}", server.on);
        assert_eq!(send("4\r\ntext\r\n7\r\nand mor").0, 413, "on {}", server.on);
        let no_text = [head.as_bytes(), b"1\r\n\xff\r\n0\r\n\r\n"].concat();
        assert_eq!(server.send(no_text).0, 500, "on {}", server.on);
    };
    on_both(&config, app, |server| {
        reads(server, "/copy");
        assert_eq!(server.ask("GET /late", "", "").0, 408, "on {}", server.on);
        let (status, content) = server.ask("GET /secret", "", "");
        assert_eq!((status, content.contains("secret")), (500, false), "on {}: {content}", server.on);
    });
    reads(&Running::on_tokio(&config, httpfsm_tokio::sync(copy_on_a_thread)), "/");
    reads(&Running::on_threads(&config, httpfsm_blocking::sync(copy_on_a_thread)), "/");
}
