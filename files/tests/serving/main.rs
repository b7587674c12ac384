//! Files beside other routes, on each transport.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use httpfsm::handler::with_state;
use httpfsm::{Handler, Request, Response, ServerConfig, Status};
use httpfsm_files::{Files, Trouble, file, file_range, opened};
use httpfsm_transport::{Server, ServerHandle, Spawner, Transport};
use rustix::fs::{CWD, FileType, Mode, mknodat};
use tempfile::TempDir;
use tokio::runtime::Builder;

/// Longer than what is read with its first job.
const LARGE: usize = 700 << 10;

fn site() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("sub")).unwrap();
    fs::write(folder.path().join("small.txt"), "0123456789").unwrap();
    fs::write(folder.path().join("large.bin"), vec![b'x'; LARGE]).unwrap();
    folder
}

async fn application(files: Files, request: Request) -> Response {
    let at = |name| files.root().join(name);
    match request.path() {
        "/large" => file(request, at("large.bin")).await,
        "/device" => file(request, "/dev/zero").await,
        "/sub" => file(request, at("sub")).await,
        "/opened" => match fs::File::open(at("small.txt")) {
            Ok(file) => opened(request, file, "text/x-small").await,
            Err(error) => Response::text(error.to_string()).with_status(Status::INTERNAL_SERVER_ERROR),
        },
        "/part" => match fs::File::open(at("large.bin")) {
            Ok(file) => Response::new(Status::OK).with_body(file_range(&request, file, 1..LARGE as u64)),
            Err(error) => Response::text(error.to_string()).with_status(Status::INTERNAL_SERVER_ERROR),
        },
        _ => files.call(request).await,
    }
}

fn serve(transport: impl Transport, handler: impl Handler) -> ServerHandle {
    let server = Server::on(transport, ServerConfig::default()).listen_tcp("127.0.0.1:0".parse().unwrap());
    server.serve(handler).unwrap()
}

/// Serves on each transport, one after the other.
fn on_each<H: Handler>(handler: impl Fn() -> H, check: impl Fn(&ServerHandle, &str)) {
    let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let _inside = runtime.enter();
    let check = |server: ServerHandle, on| {
        check(&server, on);
        server.begin_drain(None);
    };
    check(serve(httpfsm_tokio::Tokio::default(), handler()), "tokio");
    check(serve(httpfsm_async_std::smol::Smol::default(), handler()), "smol");
    check(serve(httpfsm_blocking::Blocking::default(), handler()), "blocking");
}

/// The response, on a connection of its own.
fn get(server: &ServerHandle, target: &str, fields: &str) -> String {
    let mut stream = TcpStream::connect(server.local_addrs()[0].to_string()).unwrap();
    let request = format!("GET {target} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n{fields}\r\n");
    stream.write_all(request.as_bytes()).unwrap();
    let mut response = Vec::new();
    stream.read_to_end(&mut response).unwrap();
    String::from_utf8_lossy(&response).into_owned()
}

#[track_caller]
fn assert_response(response: &str, status: &str, content: &str) {
    assert!(response.starts_with(&format!("HTTP/1.1 {status}")), "{response:.300}");
    assert!(response.ends_with(&format!("\r\n\r\n{content}")), "{response:.300}");
}

#[test]
fn files_stand_beside_the_routes_of_an_application() {
    let site = site();
    let files = Files::new(site.path()).unwrap().under("/static");
    on_each(
        || with_state(files.clone(), application),
        |server, on| {
            assert_response(&get(server, "/static/small.txt", ""), "200", "0123456789");
            assert_response(&get(server, "/static/small.txt", "Range: bytes=2-3\r\n"), "206", "23");
            assert_response(&get(server, "/static/large.bin", ""), "200", &"x".repeat(LARGE));
            let redirected = get(server, "/static", "");
            assert!(redirected.contains("\r\nLocation: static/\r\n"), "{on}: {redirected}");
            let list = get(server, "/%73tatic/x/../", "");
            assert!(list.contains("<a href=\"small.txt\">") && !list.contains("../"), "{on}: {list}");
            assert!(get(server, "/static/sub/", "").contains("<a href=\"../\">"), "{on}");
            for elsewhere in ["/small.txt", "/static/../small.txt", "/static2/small.txt", "/static/static/"] {
                assert_response(&get(server, elsewhere, ""), "404", "There is nothing here.\n");
            }
        },
    );
}

#[test]
fn a_path_of_the_server_that_leads_nowhere_has_no_files() {
    let site = site();
    let files = Files::new(site.path()).unwrap().under("static");
    let server = serve(httpfsm_blocking::Blocking::default(), files);
    for target in ["/small.txt", "/static/small.txt"] {
        assert_response(&get(&server, target, ""), "404", "There is nothing here.\n");
    }
}

#[test]
fn a_file_is_a_response_with_ranges_and_conditions() {
    let site = site();
    let files = Files::new(site.path()).unwrap();
    on_each(
        || with_state(files.clone(), application),
        |server, on| {
            let whole = get(server, "/large", "");
            assert_response(&whole, "200", &"x".repeat(LARGE));
            assert!(whole.contains("\r\nContent-Type: application/octet-stream\r\n"), "{on}: {whole:.300}");
            assert_response(&get(server, "/large", "Range: bytes=-2\r\n"), "206", "xx");
            assert_response(&get(server, "/large", "If-None-Match: *\r\n"), "304", "");
            assert_response(&get(server, "/part", ""), "200", &"x".repeat(LARGE - 1));
            let opened = get(server, "/opened", "Range: bytes=1-2\r\n");
            assert_response(&opened, "206", "12");
            assert!(opened.contains("\r\nContent-Type: text/x-small\r\n"), "{on}: {opened}");
            for target in ["/device", "/sub"] {
                assert_response(&get(server, target, ""), "404", "There is nothing here.\n");
            }
        },
    );
}

#[test]
fn what_is_no_regular_file_is_not_opened() {
    let site = site();
    let fifo = site.path().join("fifo");
    mknodat(CWD, &fifo, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
    let path = fifo.clone();
    // A writer of a FIFO waits until somebody opens it for reading.
    let writer = thread::spawn(move || fs::File::options().write(true).open(path));
    let to_fifo = fifo.clone();
    let handler = move |request| file(request, to_fifo.clone());
    let server = serve(httpfsm_blocking::Blocking::default(), handler);
    for _ in 0..3 {
        assert_response(&get(&server, "/", ""), "404", "There is nothing here.\n");
        thread::sleep(Duration::from_millis(10));
    }
    assert!(!writer.is_finished());
    drop(fs::File::open(fifo));
    assert!(writer.join().unwrap().is_ok());
}

/// Remembers the threads of the work.
#[derive(Clone, Default)]
struct NamesThreads(Arc<Mutex<Vec<String>>>);

impl NamesThreads {
    fn files(&self, files: &Files) -> Files {
        let names = Arc::clone(&self.0);
        files.clone().on_trouble(move |_| {
            names.lock().unwrap().push(thread::current().name().unwrap_or("unnamed").to_owned());
        })
    }
}

#[test]
fn files_are_read_where_the_server_does_what_blocks() {
    let site = site();
    let folder = site.path().join("www");
    fs::create_dir(&folder).unwrap();
    let files = Files::new(&folder).unwrap();
    fs::remove_dir(&folder).unwrap();
    let threads = NamesThreads::default();
    on_each(
        // A report comes from the thread that looks.
        || threads.files(&files),
        |server, on| {
            assert_response(&get(server, "/", ""), "404", "There is nothing here.\n");
            fs::create_dir(&folder).unwrap();
            get(server, "/", "");
            fs::remove_dir(&folder).unwrap();
            let names: Vec<_> = threads.0.lock().unwrap().drain(..).collect();
            assert_eq!(names.len(), 2, "{on}: missing, and back");
            let begins = match on {
                "tokio" => "tokio-rt-worker",
                "smol" => "httpfsm-blocking",
                _ => "httpfsm-worker",
            };
            assert!(names.iter().all(|name| name.starts_with(begins)), "{on}: {names:?}");
        },
    );
}

#[test]
fn trouble_is_a_sentence_for_the_operator() {
    let site = site();
    let folder = site.path().join("www");
    fs::create_dir(&folder).unwrap();
    let heard = Arc::<Mutex<Vec<String>>>::default();
    let report = {
        let heard = Arc::clone(&heard);
        move |trouble: &Trouble| heard.lock().unwrap().push(trouble.to_string())
    };
    let files = Files::new(&folder).unwrap().on_trouble(report);
    let server = serve(httpfsm_blocking::Blocking::default(), files);
    fs::remove_dir(&folder).unwrap();
    get(&server, "/", "");
    get(&server, "/", "");
    fs::create_dir(&folder).unwrap();
    get(&server, "/", "");
    let expected = [
        format!(
            "The folder {folder:?} cannot be opened: No such file or directory (os error 2). Each request gets 404."
        ),
        format!("The folder {folder:?} is back."),
    ];
    assert_eq!(*heard.lock().unwrap(), expected);
}

/// Has no thread.
struct Refuses;

impl Spawner for Refuses {
    fn spawn_blocking(&self, _: Box<dyn FnOnce() + Send>) -> Result<(), httpfsm_transport::NoThread> {
        Err(httpfsm_transport::NoThread)
    }
}

#[test]
fn a_spawner_that_is_chosen_goes_before_that_of_the_server() {
    let site = site();
    std::os::unix::fs::symlink("small.txt", site.path().join("link.txt")).unwrap();
    let files = Files::new(site.path()).unwrap().spawner(Refuses);
    let server = serve(httpfsm_blocking::Blocking::default(), files);
    let busy = "The server has no resources left for the moment.\n";
    // A link is followed in a job.
    assert_response(&get(&server, "/link.txt", ""), "503", busy);
}

#[test]
fn a_task_that_no_server_knows_of_has_files_as_well() {
    let site = site();
    let files = Files::new(site.path()).unwrap();
    let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let _inside = runtime.enter();
    let in_a_task = move |request: Request| {
        let response = tokio::spawn(files.call(request));
        async move { response.await.unwrap() }
    };
    let server = serve(httpfsm_tokio::Tokio::default(), in_a_task);
    assert_response(&get(&server, "/small.txt", ""), "200", "0123456789");
    assert_response(&get(&server, "/large.bin", ""), "200", &"x".repeat(LARGE));
}
