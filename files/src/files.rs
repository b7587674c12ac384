//! A folder as a handler.

use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::{fmt, io};

use async_lock::{Semaphore, SemaphoreGuardArc};
use httpfsm::handler::{Handler, Request, Response};
use httpfsm::status::Status;
use httpfsm_transport::{DiskWait, Job, Spawner};

use crate::at_once::Devices;
use crate::failure;
use crate::field_rule::FieldRule;
use crate::hidden::DotNames;
use crate::jobs::Jobs;
use crate::path::TargetPath;
use crate::representation::Begun;
use crate::respond::{Found, Site};
use crate::root::{NoFolder, Root};
use crate::trouble::{Reporter, Trouble};
use crate::types::Types;

const ALLOWED: &str = "GET, HEAD, OPTIONS";

/// Lists that are made at once. A list of 10,000 entries takes about 50 ms of processor time and some MiB, and a
/// transport may have hundreds of threads.
pub(crate) const LISTS: usize = 4;

/// A folder, for reading: a [`Handler`] on every transport.
///
/// | request | response |
/// |---|---|
/// | a file | its bytes, the ranges of it that were asked for, or 304 |
/// | a folder without a slash at the end | 301, to the same with one |
/// | a folder | its `index.html`, else a list of what is in it |
/// | anything else | 404 |
///
/// These are 404: names with a leading dot except `.well-known` at the root (unless they are [shown](Self::show_hidden)),
/// anything that is neither a file nor a folder, and links that are absolute or lead out of the root or to one of these.
/// The root is a path, which is resolved anew for each request, so it may be replaced, as a link may be.
///
/// What the system has in memory is responded to at once, and a large file is sent by the system itself, where the
/// connection is a socket without a layer. All other work on files runs in jobs on the threads of the server: one for a
/// small file, two for a list. A file for which the server has no room is a 503.
///
/// A clone serves the same folder, and shares the bound on lists that are made at once.
///
/// ```
/// use httpfsm::Status;
/// use httpfsm_files::Files;
/// use httpfsm_transport::block_on;
/// use httpfsm_transport::test::{TestRequest, call};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let folder = tempfile::tempdir()?;
/// # std::fs::write(folder.path().join("hello.txt"), "Hello!\n")?;
/// # let folder = folder.path();
/// let files = Files::new(folder)?.under("/static").on_trouble(|trouble| eprintln!("{trouble}"));
/// let response = block_on(call(files, TestRequest::get("/static/hello.txt")));
/// assert_eq!(response.status(), Status::OK);
/// assert_eq!(response.text(), "Hello!\n");
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Files(pub(crate) Arc<Site>);

impl Files {
    /// Serves the files of a folder. A relative path becomes absolute now; its links are kept, as their targets may change.
    ///
    /// # Errors
    ///
    /// [`NoFolder`] when there is no folder at the path, or none that may be passed through: an error at the start is
    /// better than a 404 for each request.
    pub fn new(root: impl AsRef<Path>) -> Result<Self, NoFolder> {
        Ok(Self(Arc::new(Site {
            root: Root::new(root.as_ref())?,
            prefix: TargetPath::decode("/"),
            dot_names: DotNames::WellKnown,
            types: Types::default(),
            lists_folders: true,
            precompressed: false,
            field_rules: Vec::new(),
            single_page: None,
            not_found: None,
            disk: DiskWait::Never,
            devices: Devices::default(),
            jobs: Jobs::default(),
            lists: Arc::new(Semaphore::new(LISTS)),
        })))
    }

    /// The folder stands at this path of the server, as `/static`, and is `/` by default. Other paths are 404.
    ///
    /// A path that is not absolute, or leads above the root, stands for none: each request gets 404 then.
    #[must_use]
    pub fn under(mut self, path: &str) -> Self {
        self.site().prefix = TargetPath::decode(path);
        self
    }

    /// Whether names that begin with a dot are served and listed. By default none is but `.well-known` at the root, where
    /// RFC 8615 section 3 defines it.
    ///
    /// ```
    /// use httpfsm_files::Files;
    /// use httpfsm_transport::block_on;
    /// use httpfsm_transport::test::{TestRequest, call};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let folder = tempfile::tempdir()?;
    /// # let folder = folder.path();
    /// # std::fs::write(folder.join(".version"), "3\n")?;
    /// let files = Files::new(folder)?.show_hidden(true);
    /// assert_eq!(block_on(call(files, TestRequest::get("/.version"))).text(), "3\n");
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn show_hidden(mut self, show: bool) -> Self {
        self.site().dot_names = if show { DotNames::All } else { DotNames::WellKnown };
        self
    }

    /// The types of names. By default those that [`Types::default`] has.
    #[must_use]
    pub fn types(mut self, types: Types) -> Self {
        self.site().types = types;
        self
    }

    /// Whether a folder without an index is a list of what is in it, which is the default; else it is 404.
    ///
    /// ```
    /// use httpfsm::Status;
    /// use httpfsm_files::Files;
    /// use httpfsm_transport::block_on;
    /// use httpfsm_transport::test::{TestRequest, call};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let folder = tempfile::tempdir()?;
    /// # let folder = folder.path();
    /// let files = Files::new(folder)?.list_folders(false);
    /// assert_eq!(block_on(call(files, TestRequest::get("/"))).status(), Status::NOT_FOUND);
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn list_folders(mut self, list: bool) -> Self {
        self.site().lists_folders = list;
        self
    }

    /// Whether a thread that serves connections may wait for a disk. By default none does: what is not in memory is
    /// read by jobs, and so is all of a file system that cannot say what it has there (overlayfs, tmpfs).
    /// [`DiskWait::May`] saves the jobs, as nginx does: for files that are nearly always in memory.
    ///
    /// ```
    /// use httpfsm_files::{DiskWait, Files};
    ///
    /// # fn main() -> Result<(), httpfsm_files::NoFolder> {
    /// let files = Files::new(".")?.disk(DiskWait::May);
    /// # drop(files);
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn disk(mut self, disk: DiskWait) -> Self {
        self.site().disk = disk;
        self
    }

    /// Whether a file `a.js.br`, `a.js.zst` or `a.js.gz` is sent in place of `a.js` to a client that accepts its coding
    /// (RFC 9110 section 12.5.3), with the type of `a.js`, tags of its own, and ranges of its own bytes. The default is
    /// `false`. Nobody looks whether the two files have the same content. Each response of a file then has
    /// `Vary: Accept-Encoding`, and a client that refuses `a.js` itself (`identity;q=0`) gets 406 where no other is there.
    ///
    /// ```
    /// use httpfsm_files::Files;
    /// use httpfsm_transport::block_on;
    /// use httpfsm_transport::test::{TestRequest, call};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let folder = tempfile::tempdir()?;
    /// # let folder = folder.path();
    /// # std::fs::write(folder.join("a.js"), "let a = 1;\n")?;
    /// # std::fs::write(folder.join("a.js.br"), "compressed")?;
    /// let files = Files::new(folder)?.precompressed(true);
    /// let response = block_on(call(files, TestRequest::get("/a.js").field("Accept-Encoding", "br, gzip")));
    /// assert_eq!(response.field("Content-Encoding"), Some(&b"br"[..]), "there is a file a.js.br");
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn precompressed(mut self, send: bool) -> Self {
        self.site().precompressed = send;
        self
    }

    /// Adds a rule: responses with a file or a list that its pattern matches (200, 206 and 304) have its field, in place of
    /// one of the same name, as of `Cache-Control: no-cache`. Of several rules for one name the last counts that matches. A
    /// folder's `index.html` is matched as that, and a list as its folder.
    #[must_use]
    pub fn field(mut self, rule: FieldRule) -> Self {
        self.site().field_rules.push(rule);
        self
    }

    /// For an application of a single page, whose script reads the path: the file, below the folder, is the response to
    /// a request for a page that is missing, with 200. A request is for a page if its `Sec-Fetch-Mode` is `navigate`, or,
    /// where it has none, its `Accept` names `text/html`; any other one gets 404, as that for a script does. `Vary` says
    /// so.
    ///
    /// ```
    /// use httpfsm::Status;
    /// use httpfsm_files::Files;
    /// use httpfsm_transport::block_on;
    /// use httpfsm_transport::test::{TestRequest, call};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let folder = tempfile::tempdir()?;
    /// # let folder = folder.path();
    /// # std::fs::write(folder.join("index.html"), "<!doctype html>\n")?;
    /// let files = Files::new(folder)?.single_page("index.html");
    /// let page = TestRequest::get("/orders/7").field("Sec-Fetch-Mode", "navigate");
    /// assert_eq!(block_on(call(files.clone(), page)).status(), Status::OK);
    /// let script = TestRequest::get("/missing.js").field("Sec-Fetch-Mode", "no-cors");
    /// assert_eq!(block_on(call(files, script)).status(), Status::NOT_FOUND);
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn single_page(mut self, file: impl Into<PathBuf>) -> Self {
        self.site().single_page = Some(file.into());
        self
    }

    /// The file, below the folder, is the content of each 404. By default that is a sentence.
    ///
    /// ```
    /// use httpfsm::Status;
    /// use httpfsm_files::Files;
    /// use httpfsm_transport::block_on;
    /// use httpfsm_transport::test::{TestRequest, call};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let folder = tempfile::tempdir()?;
    /// # let folder = folder.path();
    /// # std::fs::write(folder.join("404.html"), "Nothing is here.\n")?;
    /// let files = Files::new(folder)?.not_found("404.html");
    /// let response = block_on(call(files, TestRequest::get("/missing")));
    /// assert_eq!((response.status(), response.text()), (Status::NOT_FOUND, "Nothing is here.\n"));
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn not_found(mut self, file: impl Into<PathBuf>) -> Self {
        self.site().not_found = Some(file.into());
        self
    }

    /// Calls a function with what the operator is to know, on whichever thread that happens; by default nobody hears of it.
    /// A folder that cannot be listed is reported at once.
    #[must_use]
    pub fn on_trouble(mut self, report: impl Fn(&Trouble) + Send + Sync + 'static) -> Self {
        let site = self.site();
        site.jobs.reporter = Reporter::new(report);
        site.root.report(&site.jobs.reporter);
        self
    }

    /// Where blocking work runs. By default that is where the server's own runs
    /// ([`server_spawner`](httpfsm_transport::server_spawner)). Where the handler is polled in a task of which no server
    /// knows, each piece of work has a thread of its own, unless a spawner is chosen here.
    ///
    /// A server of its own, which knows nothing of httpfsm, has its threads do the work:
    ///
    /// ```
    /// use httpfsm_files::{Files, NoFolder};
    /// use httpfsm_transport::Spawner;
    ///
    /// fn files(threads: impl Spawner) -> Result<Files, NoFolder> {
    ///     Ok(Files::new("pages")?.spawner(threads))
    /// }
    /// # let _ = || files(httpfsm_transport::Threads);
    /// ```
    #[must_use]
    pub fn spawner(mut self, spawner: impl Spawner) -> Self {
        self.site().jobs.spawner = Some(Arc::new(spawner));
        self
    }

    /// The absolute path of the folder.
    ///
    /// ```
    /// use httpfsm_files::Files;
    ///
    /// # fn main() -> Result<(), httpfsm_files::NoFolder> {
    /// assert!(Files::new(".")?.root().is_absolute());
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn root(&self) -> &Path {
        self.0.root.path()
    }

    /// The configuration, which is not shared while it is made.
    fn site(&mut self) -> &mut Site {
        Arc::make_mut(&mut self.0)
    }
}

impl fmt::Debug for Files {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Files").field("root", &self.root()).finish_non_exhaustive()
    }
}

impl Handler for Files {
    type Future = FilesFuture;

    fn call(&self, request: Request) -> FilesFuture {
        match request.method() {
            "GET" | "HEAD" => FilesFuture(Stage::Asked { site: Arc::clone(&self.0), request: Some(request) }),
            "OPTIONS" => {
                FilesFuture(Stage::ready(Response::new(Status::NO_CONTENT).with_field("Allow", ALLOWED)))
            }
            _ => FilesFuture(Stage::ready(
                Response::text("Files can only be read here. The methods are GET, HEAD and OPTIONS.\n")
                    .with_status(Status::METHOD_NOT_ALLOWED)
                    .with_field("Allow", ALLOWED),
            )),
        }
    }
}

/// The response of [`Files`], which is on its way.
pub struct FilesFuture(Stage);

impl fmt::Debug for FilesFuture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FilesFuture(..)")
    }
}

/// A response that needs no file, or how far the work on it is.
enum Stage {
    Ready(Option<Box<Response>>),
    /// The work begins when the future is polled, which is where its server is found.
    Asked {
        site: Arc<Site>,
        request: Option<Request>,
    },
    Finding(Job<FirstFound>),
    /// Waits for room for the first piece of a file, without a thread.
    Reserving(Pin<Box<dyn Future<Output = Response> + Send>>),
    /// Waits until fewer lists are being made, without a thread.
    Waiting(Pin<Box<dyn Future<Output = io::Result<Job<Listed>>> + Send>>),
    Listing(Job<Listed>),
}

/// What the first job finds.
enum FirstFound {
    Response(Begun),
    List(Box<List>),
}

/// A list that is to be made.
struct List {
    site: Arc<Site>,
    request: Request,
}

/// A list, or what stands in for it. It counts until the response is taken or dropped.
type Listed = (Begun, SemaphoreGuardArc);

impl List {
    /// Waits for its turn and spawns the job that makes the list.
    async fn spawn(self) -> io::Result<Job<Listed>> {
        let Self { site, request } = self;
        let place = site.lists.acquire_arc().await;
        let jobs = site.jobs.clone();
        jobs.spawn(move || (site.list(&request), place))
    }
}

impl Stage {
    fn ready(response: Response) -> Self {
        Self::Ready(Some(Box::new(response)))
    }

    /// Begins to look.
    fn find(site: Arc<Site>, request: Request) -> Self {
        let jobs = site.jobs.clone();
        let job = jobs.spawn(move || match site.respond(&request) {
            Found::Response(response) => FirstFound::Response(response),
            Found::List => FirstFound::List(Box::new(List { site, request })),
        });
        match job {
            Ok(job) => Self::Finding(job),
            Err(error) => Self::ready(failure::response(&error)),
        }
    }
}

impl Future for FilesFuture {
    type Output = Response;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Response> {
        let stage = &mut self.get_mut().0;
        loop {
            *stage = match stage {
                Stage::Ready(response) => {
                    return response.take().map_or(Poll::Pending, |response| Poll::Ready(*response));
                }
                Stage::Asked { site, request } => {
                    let Some(request) = request.take() else { return Poll::Pending };
                    match site.respond_at_once(&request) {
                        Some(Begun::Response(response)) => return Poll::Ready(*response),
                        Some(content) => Stage::Reserving(Box::pin(content.complete())),
                        None => Stage::find(Arc::clone(site), request),
                    }
                }
                Stage::Finding(job) => match ready!(Pin::new(job).poll(cx)) {
                    FirstFound::Response(Begun::Response(response)) => return Poll::Ready(*response),
                    FirstFound::Response(content) => Stage::Reserving(Box::pin(content.complete())),
                    FirstFound::List(list) => Stage::Waiting(Box::pin(list.spawn())),
                },
                Stage::Reserving(response) => return response.as_mut().poll(cx),
                Stage::Waiting(job) => match ready!(job.as_mut().poll(cx)) {
                    Ok(job) => Stage::Listing(job),
                    Err(error) => Stage::ready(failure::response(&error)),
                },
                Stage::Listing(job) => match ready!(Pin::new(job).poll(cx)) {
                    (Begun::Response(response), _) => return Poll::Ready(*response),
                    (content, _) => Stage::Reserving(Box::pin(content.complete())),
                },
            };
        }
    }
}
