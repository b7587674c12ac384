//! One application that uses everything, and does not know which transport it runs on.
//!
//! | request | what it shows |
//! |---|---|
//! | `GET /` | early hints, if asked for, and a page whose script tries all that follows |
//! | `GET /machine.svg` | a response from memory |
//! | `GET /request` | JSON |
//! | `POST /form` | a small body, collected up to a limit |
//! | `POST /words` | a blocking function as a handler |
//! | `POST /files` | an upload to the disk, piece by piece; `Expect: 100-continue` refused |
//! | `GET /files/SHA256` | a download from the disk, piece by piece, with a trailer |
//! | `GET /ticks` | server-sent events, a response without an end |
//! | `GET /echo` | a WebSocket |
//!
//! What depends on the transport are two fields of [`EverythingOptions`].

use std::convert::Infallible;
use std::fs;
use std::future::{Future, pending, poll_fn};
use std::io::{self, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};
use std::time::Duration;

use async_io::Timer;
use bytes::Bytes;
use data_encoding::{BASE64, HEXLOWER};
use futures_lite::future::or;
use httpfsm::handler::{
    Body, BodyFailure, CollectError, Handler, IntoResponse, IoFailure, UpgradeFuture, Upgraded,
};
use httpfsm::{Fields, Request, Response, Status};
use httpfsm_transport::{BodyReader, BodyWriter, Job, ServerHandle, Spawner, sync, written};
use serde_json::json;
use sha2::{Digest, Sha256};
use tempfile::NamedTempFile;
use tungstenite::error::ProtocolError;
use tungstenite::handshake::derive_accept_key;
use tungstenite::protocol::frame::coding::CloseCode;
use tungstenite::protocol::{CloseFrame, Role, WebSocketConfig, WebSocketContext};
use tungstenite::{Error, Message};

/// Bytes of a form or of a WebSocket message.
const SMALL: usize = 64 << 10;
/// Bytes of an upload.
const LARGE: u64 = 64 << 20;
/// Bytes that a download reads at once.
const PIECE: usize = 64 << 10;
/// How long a WebSocket may be silent.
const SILENCE: Duration = Duration::from_secs(300);
/// How long a WebSocket that ends waits for its peer.
const LINGER: Duration = Duration::from_secs(5);

/// A task in the background.
pub(crate) type Task = Pin<Box<dyn Future<Output = ()> + Send>>;
/// Runs a task in the background of the transport's runtime.
pub(crate) type SpawnFn = fn(Task);

/// What the application needs from the program.
#[derive(Clone)]
pub(crate) struct EverythingOptions {
    /// The server, once it has started.
    pub(crate) server: Arc<OnceLock<ServerHandle>>,
    /// Runs blocking work.
    pub(crate) spawner: Arc<dyn Spawner>,
    /// Runs tasks that outlive their request.
    pub(crate) spawn: SpawnFn,
    /// The folder of the uploads.
    pub(crate) folder: PathBuf,
    /// Whether to send a 103 before the page.
    pub(crate) early_hints: bool,
}

/// The application.
pub(crate) fn application(options: EverythingOptions) -> impl Handler {
    let application = Arc::new(Everything(options));
    move |request: Request| {
        let application = Arc::clone(&application);
        async move { application.respond(request).await }
    }
}

struct Everything(EverythingOptions);

impl Everything {
    async fn respond(&self, request: Request) -> Result<Response, HandlerFailure> {
        match (request.method(), request.path()) {
            ("GET" | "HEAD", "/") => Ok(self.page(&request)),
            ("GET" | "HEAD", "/style.css") => Ok(typed("text/css", include_str!("page/style.css"))),
            ("GET" | "HEAD", "/script.js") => Ok(typed("text/javascript", include_str!("page/script.js"))),
            ("GET" | "HEAD", "/machine.svg") => Ok(picture()),
            ("GET" | "HEAD", "/request") => Ok(describe(&request)),
            ("POST", "/form") => form(request).await,
            ("POST", "/words") => Ok(sync(Arc::clone(&self.0.spawner), count_words).call(request).await),
            ("POST", "/files") => self.upload(request).await,
            ("GET" | "HEAD", path) if path.starts_with("/files/") => self.download(path).await,
            ("GET", "/ticks") => Ok(ticks(&request)),
            ("GET", "/echo") => Ok(self.echo(request)),
            (_, path) => Ok(no_such(path)),
        }
    }

    /// Runs blocking work where the transport allows it.
    async fn job<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, HandlerFailure> {
        Ok(Job::spawn(&self.0.spawner, work).map_err(io::Error::from)?.await)
    }
}

fn typed(content_type: &str, body: impl Into<Body>) -> Response {
    Response::new(Status::OK).with_field("Content-Type", content_type).with_body(body)
}

/// 404, or 405 if the path is known for other methods (RFC 9110 section 15.5.6).
fn no_such(path: &str) -> Response {
    let allowed = match path {
        "/" | "/style.css" | "/script.js" | "/machine.svg" | "/request" => "GET, HEAD",
        "/form" | "/words" | "/files" => "POST",
        "/ticks" | "/echo" => "GET",
        _ if path.starts_with("/files/") => "GET, HEAD",
        _ => return Response::text("There is nothing here.\n").with_status(Status::NOT_FOUND),
    };
    Response::new(Status::METHOD_NOT_ALLOWED).with_field("Allow", allowed)
}

/// Why a handler fails; `?` converts errors into it.
#[derive(Debug)]
enum HandlerFailure {
    Body(BodyFailure),
    Collect(CollectError),
    Disk(io::Error),
    TooLarge,
}

impl IntoResponse for HandlerFailure {
    fn into_response(self) -> Response {
        match self {
            // These two errors have a status.
            Self::Body(failure) => failure.into_response(),
            Self::Collect(error) => error.into_response(),
            Self::TooLarge => Status::CONTENT_TOO_LARGE.into_response(),
            Self::Disk(error) if error.kind() == io::ErrorKind::NotFound => Status::NOT_FOUND.into_response(),
            // There is no thread for the work.
            Self::Disk(error) if error.kind() == io::ErrorKind::WouldBlock => {
                Status::SERVICE_UNAVAILABLE.into_response()
            }
            // The peer does not see errors of our disk.
            Self::Disk(_) => Status::INTERNAL_SERVER_ERROR.into_response(),
        }
    }
}

impl From<BodyFailure> for HandlerFailure {
    fn from(failure: BodyFailure) -> Self {
        Self::Body(failure)
    }
}

impl From<CollectError> for HandlerFailure {
    fn from(error: CollectError) -> Self {
        Self::Collect(error)
    }
}

/// A body that is read like a file fails with an `io::Error`, which may hold the failure of the body.
impl From<io::Error> for HandlerFailure {
    fn from(error: io::Error) -> Self {
        error.downcast().map_or_else(Self::Disk, Self::Body)
    }
}

// --- Responses from memory -------------------------------------------------------------------------------------------

impl Everything {
    /// The page. A browser may fetch what it needs while the page is still being made (RFC 8297). Only if it is asked for,
    /// because a proxy that does not know a 103 may take it for the response: nginx 1.22 does, if it keeps its connections
    /// to the server, and the client waits for a minute.
    fn page(&self, request: &Request) -> Response {
        if self.0.early_hints {
            if let Ok(hints) = Fields::new().with("Link", "</style.css>; rel=preload; as=style") {
                request.early_hints(hints);
            }
        }
        Response::html(include_str!("page/index.html"))
    }
}

/// A picture of the machine that handles this request.
fn picture() -> Response {
    typed("image/svg+xml", httpfsm::channel::MACHINE.describe().to_svg())
}

/// The request as the application sees it.
fn describe(request: &Request) -> Response {
    let fields = request.fields().map(|field| json!([field.name, String::from_utf8_lossy(field.value)]));
    let description = json!({
        "method": request.method(),
        "target": request.target(),
        "fields": fields.collect::<Vec<_>>(),
        "peer": request.peername().to_string(),
        "channel": request.channel(),
    });
    Response::json(description.to_string())
}

// --- Small bodies ----------------------------------------------------------------------------------------------------

/// A form is small, so it may be held in memory; above the limit, the error becomes a 413.
async fn form(mut request: Request) -> Result<Response, HandlerFailure> {
    let content = request.body().collect(SMALL).await?;
    let name = form_urlencoded::parse(&content).find(|(field, _)| field == "name").map(|(_, name)| name);
    let name = name.unwrap_or("whoever you are".into());
    Ok(Response::html(format!("<p>Hello, {}!</p>\n", html_escape::encode_text(&name))))
}

/// A blocking function: it runs on a thread that may wait, and reads the body as it comes.
fn count_words(request: Request) -> Result<Response, HandlerFailure> {
    let (mut words, mut within) = (0, false);
    for byte in BufReader::new(BodyReader::new(request.into_body())).bytes() {
        let begun = within;
        within = !byte?.is_ascii_whitespace();
        words += usize::from(within && !begun);
    }
    Ok(Response::text(format!("{words} words\n")))
}

// --- Large bodies ----------------------------------------------------------------------------------------------------

impl Everything {
    /// Writes a body to the disk as it comes. No more than a piece is in memory, and none is asked for while one is
    /// being written. When the client goes away, this future is dropped, and the unfinished file with it.
    async fn upload(&self, mut request: Request) -> Result<Response, HandlerFailure> {
        if request.body().length().is_some_and(|length| length > LARGE) {
            // A client that asks first need not send all that for nothing (RFC 9110 section 10.1.1).
            request.refuse_expect();
            return Err(HandlerFailure::TooLarge);
        }
        let folder = self.0.folder.clone();
        let mut upload = self.job(move || Upload::create(&folder)).await??;
        while let Some(piece) = request.body().next_data().await {
            let piece = piece?;
            upload = self.job(move || upload.append(&piece)).await??;
        }
        let length = upload.length;
        let name = self.job(move || upload.keep()).await??;
        let location = format!("/files/{name}");
        let description = json!({ "sha256": name, "bytes": length, "location": location });
        Ok(Response::json(description.to_string())
            .with_status(Status::CREATED)
            .with_field("Location", location))
    }

    /// Sends a file as it is read, so that no more than a piece is in memory.
    async fn download(&self, path: &str) -> Result<Response, HandlerFailure> {
        let Some(file) = self.path_of(path) else { return Ok(no_such("")) };
        let file = self.job(move || fs::File::open(file)).await??;
        let spawner = Arc::clone(&self.0.spawner);
        let body = written(|body| send_file(file, spawner, body));
        Ok(typed("application/octet-stream", body).with_field("Trailer", "Content-Digest"))
    }

    /// Only a name that [`Upload::keep`] gives is accepted, so no path leads out of the folder.
    fn path_of(&self, path: &str) -> Option<PathBuf> {
        let name = path.strip_prefix("/files/")?;
        let hash = HEXLOWER.decode(name.as_bytes()).ok()?;
        (hash.len() == Sha256::output_size()).then(|| self.0.folder.join(name))
    }
}

/// A file that is removed when it is dropped, unless it is kept.
struct Upload {
    file: NamedTempFile,
    hash: Sha256,
    length: u64,
}

impl Upload {
    fn create(folder: &Path) -> io::Result<Self> {
        Ok(Self { file: NamedTempFile::new_in(folder)?, hash: Sha256::new(), length: 0 })
    }

    fn append(mut self, piece: &[u8]) -> Result<Self, HandlerFailure> {
        self.length += piece.len() as u64;
        if self.length > LARGE {
            return Err(HandlerFailure::TooLarge);
        }
        self.hash.update(piece);
        self.file.write_all(piece)?;
        Ok(self)
    }

    /// Gives it its name: its hash.
    fn keep(self) -> io::Result<String> {
        let name = HEXLOWER.encode(&self.hash.finalize());
        let path = self.file.path().with_file_name(&name);
        self.file.persist(path)?;
        Ok(name)
    }
}

/// Writes the body of a download, then its digest (RFC 9530 section 2), which is known only then. An error cuts the
/// response off, so that the client does not take it for complete.
async fn send_file(mut file: fs::File, spawner: Arc<dyn Spawner>, mut body: BodyWriter) -> io::Result<()> {
    let mut hash = Sha256::new();
    loop {
        let (back, piece) = Job::spawn(&spawner, || read_piece(file))?.await?;
        if piece.is_empty() {
            break;
        }
        file = back;
        hash.update(&piece);
        body.data(piece).await;
    }
    let digest = format!("sha-256=:{}:", BASE64.encode(&hash.finalize()));
    body.trailers(Fields::new().with("Content-Digest", digest).map_err(io::Error::other)?);
    Ok(())
}

fn read_piece(mut file: fs::File) -> io::Result<(fs::File, Bytes)> {
    let mut piece = vec![0; PIECE];
    let bytes = file.read(&mut piece)?;
    piece.truncate(bytes);
    Ok((file, piece.into()))
}

// --- Responses without an end ----------------------------------------------------------------------------------------

/// Counts at a rate per second (`/ticks?rate=10`) until the client closes; then the body is dropped.
fn ticks(request: &Request) -> Response {
    let query = request.query().unwrap_or_default();
    let rate = form_urlencoded::parse(query.as_bytes()).find(|(field, _)| field == "rate");
    let rate = rate.and_then(|(_, rate)| rate.parse().ok()).unwrap_or(1).clamp(1, 100);
    let body = written(move |body| count(Duration::from_secs(1) / rate, body));
    typed("text/event-stream", body).with_field("Cache-Control", "no-store")
}

/// `async_io`'s timer runs on a thread of its own and needs no runtime; so this needs none, either.
async fn count(period: Duration, mut body: BodyWriter) -> Result<(), Infallible> {
    for tick in 1_u64.. {
        body.data(format!("id: {tick}\ndata: {tick}\n\n")).await;
        // No ticks pile up for a slow client.
        body.flush().await;
        Timer::after(period).await;
    }
    Ok(())
}

// --- Another protocol ------------------------------------------------------------------------------------------------

impl Everything {
    /// The opening handshake (RFC 6455 section 4.2). The connection is handed over when the response has left, so the
    /// task that waits for it runs in the background.
    fn echo(&self, mut request: Request) -> Response {
        if !request.head().upgrade().is_some_and(|protocol| protocol.eq_ignore_ascii_case(b"websocket")) {
            return Response::text("This is a WebSocket.\n")
                .with_status(Status::UPGRADE_REQUIRED)
                .with_field("Connection", "upgrade")
                .with_field("Upgrade", "websocket");
        }
        // The connection would be handed over only after the body, which a handshake does not need and a client may
        // never send.
        if request.body().length() != Some(0) {
            return Response::text("A WebSocket handshake has no body.\n").with_status(Status::BAD_REQUEST);
        }
        let (Some(key), Some(b"13")) = (websocket_key(&request), request.field("Sec-WebSocket-Version"))
        else {
            return Response::new(Status::BAD_REQUEST).with_field("Sec-WebSocket-Version", "13");
        };
        let accept = derive_accept_key(key);
        (self.0.spawn)(Box::pin(echo_messages(request.upgrade(), self.drain())));
        Response::switching_protocols("websocket").with_field("Sec-WebSocket-Accept", accept)
    }

    /// Resolves when the server begins to drain. Connections that another protocol has are not HTTP's to close.
    fn drain(&self) -> Task {
        let server = Arc::clone(&self.0.server);
        Box::pin(async move {
            match server.get() {
                Some(server) => server.draining().await,
                None => pending().await,
            }
        })
    }
}

/// Sixteen bytes, in base 64.
fn websocket_key(request: &Request) -> Option<&[u8]> {
    let key = request.field("Sec-WebSocket-Key")?;
    (BASE64.decode(key).ok()?.len() == 16).then_some(key)
}

async fn echo_messages(upgrade: UpgradeFuture, mut drain: Task) {
    let Ok(connection) = upgrade.await else { return };
    let mut socket = WebSocket::new(connection);
    loop {
        let drained = async {
            drain.as_mut().await;
            None
        };
        let Some(received) = or(async { Some(socket.read().await) }, drained).await else {
            return or(socket.end(Some(CloseCode::Away)), expire(LINGER)).await;
        };
        let step = match received {
            Ok(message @ (Message::Text(_) | Message::Binary(_))) => socket.send(message).await,
            // The response to a Ping or a Close leaves before more is read: at most one Pong waits for a peer that does
            // not read.
            Ok(_) => socket.flush().await,
            Err(error) => Err(error),
        };
        if let Err(error) = step {
            return or(socket.end(close_code(&error)), expire(LINGER)).await;
        }
    }
}

async fn expire(limit: Duration) {
    Timer::after(limit).await;
}

/// The close code for a peer that broke a rule (RFC 6455 section 7.4.1); none if the connection was closed or is lost.
fn close_code(error: &Error) -> Option<CloseCode> {
    match error {
        Error::Capacity(_) => Some(CloseCode::Size),
        Error::Utf8(_) => Some(CloseCode::Invalid),
        Error::Protocol(ProtocolError::ResetWithoutClosingHandshake) => None,
        Error::Protocol(_) => Some(CloseCode::Protocol),
        _ => None,
    }
}

/// Tungstenite implements the protocol; this code reads, writes and waits.
struct WebSocket {
    protocol: WebSocketContext,
    connection: Upgraded,
}

impl WebSocket {
    fn new(connection: Upgraded) -> Self {
        let limits = WebSocketConfig::default().max_message_size(Some(SMALL)).max_frame_size(Some(SMALL));
        Self { protocol: WebSocketContext::new(Role::Server, Some(limits)), connection }
    }

    async fn read(&mut self) -> Result<Message, Error> {
        self.wait(|protocol, bytes| protocol.read(bytes)).await
    }

    async fn flush(&mut self) -> Result<(), Error> {
        self.wait(|protocol, bytes| protocol.flush(bytes)).await
    }

    /// Sends a message and flushes.
    async fn send(&mut self, message: Message) -> Result<(), Error> {
        // The first call queues the message, even where it would block; the others carry on with its bytes.
        let mut message = Some(message);
        self.wait(|protocol, bytes| match message.take() {
            Some(message) => protocol.write(bytes, message).and_then(|()| protocol.flush(bytes)),
            None => protocol.flush(bytes),
        })
        .await
    }

    /// Ends the connection, after a Close frame if there is a code (RFC 6455 section 7.1.7). Frames of the peer are
    /// ignored, but its input is read to the end: unread bytes would make the system reset the connection, and the peer
    /// could lose the Close frame.
    async fn end(mut self, code: Option<CloseCode>) {
        if let Some(code) = code {
            let frame = CloseFrame { code, reason: "".into() };
            if self.send(Message::Close(Some(frame))).await.is_err() {
                return;
            }
        }
        let mut connection = self.connection;
        if connection.close().await.is_ok() {
            let mut thrown_away = [0; 4096];
            while connection.read(&mut thrown_away).await.is_ok_and(|bytes| bytes > 0) {}
        }
    }

    /// Repeats a step until it does not block.
    async fn wait<T>(
        &mut self,
        mut step: impl FnMut(&mut WebSocketContext, &mut PolledStream<'_, '_>) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let done = poll_fn(|cx| {
            match step(&mut self.protocol, &mut PolledStream { connection: &mut self.connection, cx }) {
                Err(Error::Io(error)) if error.kind() == io::ErrorKind::WouldBlock => Poll::Pending,
                done => Poll::Ready(done),
            }
        });
        // The deadlines of HTTP no longer apply to this connection.
        let too_late = async {
            expire(SILENCE).await;
            Err(Error::Io(io::ErrorKind::TimedOut.into()))
        };
        or(done, too_late).await
    }
}

/// Adapts the connection to tungstenite: a pending read or write returns `WouldBlock` and wakes this task later.
struct PolledStream<'a, 'b> {
    connection: &'a mut Upgraded,
    cx: &'a mut Context<'b>,
}

impl Read for PolledStream<'_, '_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        or_would_block(self.connection.poll_read(self.cx, buffer))
    }
}

impl Write for PolledStream<'_, '_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        or_would_block(self.connection.poll_write(self.cx, bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        or_would_block(self.connection.poll_flush(self.cx))
    }
}

fn or_would_block<T>(poll: Poll<Result<T, IoFailure>>) -> io::Result<T> {
    match poll {
        Poll::Ready(result) => result.map_err(io::Error::other),
        Poll::Pending => Err(io::ErrorKind::WouldBlock.into()),
    }
}
