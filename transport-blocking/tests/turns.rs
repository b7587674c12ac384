//! Who gets a turn on the workers, whatever others do with theirs.
#![allow(clippy::unwrap_used)]

use std::future::{Future, poll_fn};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, mpsc};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use httpfsm::config::ServerConfig;
use httpfsm::handler::{Handler, Request, Response};
use httpfsm_blocking::{Blocking, BodyReader, Functions, Job, Server, ServerHandle, block_on, spawn, sync};
use httpfsm_transport::Spawner;
use httpfsm_transport::memory::MemoryServer;

/// Longer than anything here takes: only a hang reaches it.
const HANG: Duration = Duration::from_secs(20);

fn start(workers: usize, handler: impl Handler) -> ServerHandle {
    let server = Server::on(Blocking::default().workers(workers), ServerConfig::default());
    server.listen_tcp("127.0.0.1:0".parse().unwrap()).serve(handler).unwrap()
}

fn send(server: &ServerHandle, target: &str) -> TcpStream {
    let mut client = TcpStream::connect(server.local_addr().unwrap()).unwrap();
    client.set_read_timeout(Some(HANG)).unwrap();
    let head = format!("GET {target} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    client.write_all(head.as_bytes()).unwrap();
    client
}

fn receive(mut client: TcpStream) -> String {
    let mut response = String::new();
    client.read_to_string(&mut response).unwrap();
    response
}

/// Something that is awaited, and told once.
#[derive(Default)]
struct Signal {
    is_told: AtomicBool,
    waker: Mutex<Option<Waker>>,
}

impl Signal {
    fn tell(&self) {
        self.is_told.store(true, Ordering::SeqCst);
        let waker = self.waker.lock().unwrap().take();
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    async fn told(&self) {
        poll_fn(|cx| {
            *self.waker.lock().unwrap() = Some(cx.waker().clone());
            if self.is_told.load(Ordering::SeqCst) { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
    }

    fn is_awaited(&self) -> bool {
        self.waker.lock().unwrap().is_some()
    }
}

/// Is always ready for another poll, until `is_over`.
async fn spin(polls: &AtomicUsize, is_over: impl Fn() -> bool) {
    poll_fn(|cx| {
        polls.fetch_add(1, Ordering::SeqCst);
        if is_over() {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

/// Tells of its drop.
struct Dropped(mpsc::Sender<()>);

impl Drop for Dropped {
    fn drop(&mut self) {
        let _ = self.0.send(());
    }
}

fn until(is_so: impl Fn() -> bool) {
    let began = std::time::Instant::now();
    while !is_so() {
        assert!(began.elapsed() < HANG, "it never becomes so");
        std::thread::sleep(Duration::from_millis(1));
    }
}

#[test]
fn a_future_that_never_waits_ends_with_the_server() {
    let (tell, told) = mpsc::channel();
    let tell = Mutex::new(tell);
    let server = start(1, move |_: Request| {
        let dropped = Dropped(tell.lock().unwrap().clone());
        spawn(async move {
            let _dropped = dropped;
            spin(&AtomicUsize::new(0), || false).await;
        })
        .unwrap();
        async { "spins" }
    });
    assert!(receive(send(&server, "/")).ends_with("spins"));
    block_on(server.begin_drain(None).gone());
    assert_eq!(told.recv_timeout(HANG), Ok(()), "it spins on");
}

/// A future that calls one function after another takes its turns by twos.
///
/// Fails for every other number of tasks before it, if a worker gives away what it would poll next and not what it would
/// run next.
#[test]
fn a_future_that_never_runs_out_of_functions_ends_with_the_server() {
    for before in 0..2 {
        let (tell, told) = mpsc::channel();
        let tell = Mutex::new(tell);
        let server = start(1, move |_: Request| {
            let dropped = Dropped(tell.lock().unwrap().clone());
            for _ in 0..before {
                spawn(async {}).unwrap();
            }
            spawn(async move {
                let _dropped = dropped;
                while let Ok(job) = Job::spawn(&Functions, || ()) {
                    job.await;
                }
            })
            .unwrap();
            async { "calls" }
        });
        assert!(receive(send(&server, "/")).ends_with("calls"));
        block_on(server.begin_drain(None).gone());
        assert_eq!(told.recv_timeout(HANG), Ok(()), "{before}: it goes on");
    }
}

#[test]
fn futures_that_never_wait_leave_others_their_turn() {
    // As many as there are threads, and one that waits for them.
    const SPIN: usize = 2;
    #[derive(Default)]
    struct Shared {
        polls: [AtomicUsize; SPIN],
        signal: Signal,
        is_over: AtomicBool,
    }
    let shared = Arc::new(Shared::default());
    let its = Arc::clone(&shared);
    let server = start(1, move |_: Request| {
        let own = Arc::clone(&its);
        spawn(async move {
            own.signal.told().await;
            own.is_over.store(true, Ordering::SeqCst);
        })
        .unwrap();
        for n in 0..SPIN {
            let own = Arc::clone(&its);
            spawn(async move { spin(&own.polls[n], || own.is_over.load(Ordering::SeqCst)).await }).unwrap();
        }
        async { "spin" }
    });
    assert!(receive(send(&server, "/")).ends_with("spin"));
    until(|| shared.signal.is_awaited());
    until(|| shared.polls.iter().all(|polls| polls.load(Ordering::SeqCst) > 1000));
    shared.signal.tell();
    until(|| shared.is_over.load(Ordering::SeqCst));
    block_on(server.begin_drain(None).gone());
}

/// As code does that was not written for futures.
#[test]
fn an_async_handler_that_blocks_does_not_hold_up_whom_it_has_woken() {
    #[derive(Default)]
    struct Shared {
        signal: Signal,
        is_let_go: Mutex<bool>,
        lets_go: Condvar,
    }
    let shared = Arc::new(Shared::default());
    let its = Arc::clone(&shared);
    let server = start(1, move |request: Request| {
        let own = Arc::clone(&its);
        async move {
            if request.path() == "/waits" {
                own.signal.told().await;
                *own.is_let_go.lock().unwrap() = true;
                own.lets_go.notify_all();
                return "went on";
            }
            own.signal.tell();
            let blocked = |is_let_go: &mut bool| !*is_let_go;
            let waited = own.lets_go.wait_timeout_while(own.is_let_go.lock().unwrap(), HANG, blocked);
            if waited.unwrap().1.timed_out() { "hangs" } else { "was let go" }
        }
    });
    let waits = send(&server, "/waits");
    until(|| shared.signal.is_awaited());
    let blocks = send(&server, "/blocks");
    assert!(receive(blocks).ends_with("was let go"));
    assert!(receive(waits).ends_with("went on"));
    block_on(server.begin_drain(None).gone());
}

/// Those who wait for sockets are few, so others have to take the place of all of them, and not for one request each time.
#[test]
fn async_handlers_that_block_do_not_slow_down_others() {
    const REQUESTS: usize = 4000;
    let few = std::thread::available_parallelism().unwrap().get();
    #[derive(Default)]
    struct Shared {
        blocked: AtomicUsize,
        is_let_go: Mutex<bool>,
        lets_go: Condvar,
    }
    let shared = Arc::new(Shared::default());
    let its = Arc::clone(&shared);
    let server = start(2 * few, move |request: Request| {
        let own = Arc::clone(&its);
        async move {
            if request.path() != "/blocks" {
                return "fine";
            }
            own.blocked.fetch_add(1, Ordering::SeqCst);
            let blocked = |is_let_go: &mut bool| !*is_let_go;
            drop(own.lets_go.wait_while(own.is_let_go.lock().unwrap(), blocked).unwrap());
            "was let go"
        }
    });
    let blocks: Vec<_> = (0..few).map(|_| send(&server, "/blocks")).collect();
    until(|| shared.blocked.load(Ordering::SeqCst) == few);
    let mut client = TcpStream::connect(server.local_addr().unwrap()).unwrap();
    client.set_read_timeout(Some(HANG)).unwrap();
    let began = std::time::Instant::now();
    let mut done = 0;
    while done < REQUESTS && began.elapsed() < HANG {
        client.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
        let mut response = Vec::new();
        while !response.ends_with(b"fine") {
            let mut piece = [0; 1000];
            let bytes = client.read(&mut piece).unwrap();
            response.extend_from_slice(&piece[..bytes]);
        }
        done += 1;
    }
    *shared.is_let_go.lock().unwrap() = true;
    shared.lets_go.notify_all();
    assert_eq!(done, REQUESTS);
    for client in blocks {
        assert!(receive(client).ends_with("was let go"));
    }
    block_on(server.begin_drain(None).gone());
}

#[test]
fn a_function_that_waits_has_its_turn_while_futures_never_wait() {
    // More than there are threads, so that some of them always wait.
    const SPIN: usize = 3;
    #[derive(Default)]
    struct Shared {
        polls: [AtomicUsize; SPIN],
        is_over: AtomicBool,
        functions: AtomicUsize,
        is_let_go: Mutex<bool>,
        lets_go: Condvar,
    }
    let shared = Arc::new(Shared::default());
    let its = Arc::clone(&shared);
    let function = sync(move |request: Request| {
        if request.path() == "/function/first" {
            its.functions.fetch_add(1, Ordering::SeqCst);
            let blocked = |is_let_go: &mut bool| !*is_let_go;
            drop(its.lets_go.wait_while(its.is_let_go.lock().unwrap(), blocked).unwrap());
        }
        "function"
    });
    let its = Arc::clone(&shared);
    let server = start(1, move |request: Request| -> Pin<Box<dyn Future<Output = Response> + Send>> {
        if request.path().starts_with("/function") {
            its.functions.fetch_add(usize::from(request.path() == "/function/second"), Ordering::SeqCst);
            return Box::pin(function.call(request));
        }
        for n in 0..SPIN {
            let own = Arc::clone(&its);
            spawn(async move { spin(&own.polls[n], || own.is_over.load(Ordering::SeqCst)).await }).unwrap();
        }
        Box::pin(async { Response::text("spin") })
    });
    let first = send(&server, "/function/first");
    until(|| shared.functions.load(Ordering::SeqCst) == 1);
    let second = send(&server, "/function/second");
    until(|| shared.functions.load(Ordering::SeqCst) == 2);
    assert!(receive(send(&server, "/")).ends_with("spin"));
    until(|| shared.polls.iter().all(|polls| polls.load(Ordering::SeqCst) > 1000));
    *shared.is_let_go.lock().unwrap() = true;
    shared.lets_go.notify_all();
    assert!(receive(first).ends_with("function"));
    assert!(receive(second).ends_with("function"));
    shared.is_over.store(true, Ordering::SeqCst);
    block_on(server.begin_drain(None).gone());
}

/// Calls of a function always wait: each client asks again.
#[test]
fn a_body_on_its_way_to_a_file_does_not_wait_behind_all_functions() {
    const CLIENTS: usize = 24;
    const BYTES: usize = 4 << 20;
    let calls = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&calls);
    // With one worker no function may wait for its peer, so each long body goes to a file.
    let server = start(
        1,
        sync(move |mut request: Request| {
            if request.path() == "/" {
                counted.fetch_add(1, Ordering::SeqCst);
                std::thread::sleep(Duration::from_millis(1));
                return Ok("called".to_owned());
            }
            let bytes = std::io::copy(&mut BodyReader::new(request.take_body()), &mut std::io::sink());
            bytes.map(|bytes| format!("{bytes} bytes"))
        }),
    );
    let is_over = AtomicBool::new(false);
    let (before, after) = std::thread::scope(|scope| {
        for _ in 0..CLIENTS {
            scope.spawn(|| {
                let began = std::time::Instant::now();
                while !is_over.load(Ordering::SeqCst) && began.elapsed() < 2 * HANG {
                    assert!(receive(send(&server, "/")).ends_with("called"));
                }
            });
        }
        until(|| calls.load(Ordering::SeqCst) > 2 * CLIENTS);
        let before = calls.load(Ordering::SeqCst);
        let mut upload = TcpStream::connect(server.local_addr().unwrap()).unwrap();
        upload.set_read_timeout(Some(HANG)).unwrap();
        let head = format!(
            "POST /upload HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: {BYTES}\r\n\r\n"
        );
        upload.write_all(head.as_bytes()).unwrap();
        upload.write_all(&vec![b'x'; BYTES]).unwrap();
        let response = receive(upload);
        is_over.store(true, Ordering::SeqCst);
        assert!(response.ends_with(&format!("{BYTES} bytes")), "{response}");
        (before, calls.load(Ordering::SeqCst))
    });
    // A piece of the body waits for the function that runs, and for one before it perhaps.
    let most = 3 * (BYTES >> 18) + 3 * CLIENTS;
    assert!(after - before < most, "{} functions have overtaken it", after - before);
    block_on(server.begin_drain(None).gone());
}

/// It may wait for that, and for other work.
#[test]
fn what_work_of_a_handler_wakes_does_not_wait_for_the_end_of_that_work() {
    let (signal, (heard, is_heard), (report, reported)) =
        (Arc::<Signal>::default(), mpsc::channel(), mpsc::channel());
    let (awaited, is_heard) = (Arc::clone(&signal), Arc::new(Mutex::new(is_heard)));
    let server = start(2, move |request: Request| {
        let (signal, heard) = (Arc::clone(&awaited), heard.clone());
        if request.path() == "/wait" {
            spawn(async move {
                signal.told().await;
                let _ = heard.send(());
            })
            .unwrap();
        } else {
            let (is_heard, report) = (Arc::clone(&is_heard), report.clone());
            let work = move || {
                signal.tell();
                let is_heard = is_heard.lock().unwrap().recv_timeout(HANG).is_ok();
                let (tell, told) = mpsc::channel();
                Functions.spawn_blocking(Box::new(move || tell.send(()).unwrap())).unwrap();
                let _ = report.send((is_heard, told.try_recv().is_ok()));
            };
            Functions.spawn_blocking(Box::new(work)).unwrap();
        }
        async { "fine" }
    });
    receive(send(&server, "/wait"));
    until(|| signal.is_awaited());
    receive(send(&server, "/work"));
    assert_eq!(reported.recv_timeout(2 * HANG), Ok((true, true)));
    block_on(server.begin_drain(None).gone());
}

/// A function that drives connections of its own, whose handlers are functions, too: its worker comes to nothing else
/// before it is over, so it runs them itself.
#[test]
fn functions_within_a_function_are_run_by_it() {
    for workers in [1, 2] {
        let server = start(
            workers,
            sync(|_: Request| {
                let mut inner = MemoryServer::new(ServerConfig::default(), sync(|_: Request| "inner"));
                let client = inner.connect().unwrap();
                client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
                inner.run();
                client.take_text()
            }),
        );
        let response = receive(send(&server, "/"));
        assert!(response.ends_with("\r\n\r\ninner"), "{workers} workers: {response}");
        block_on(server.begin_drain(None).gone());
    }
}

/// Jobs of which each is begun where the one before has woken who waits for it, and by nothing that is polled.
struct Chain {
    left: AtomicUsize,
    job: Mutex<Option<Job<()>>>,
    is_over: Signal,
}

impl Wake for Chain {
    fn wake(self: Arc<Self>) {
        if self.left.fetch_sub(1, Ordering::SeqCst) == 0 {
            return self.is_over.tell();
        }
        let mut job = Job::spawn(&Functions, || ()).unwrap();
        let waker = Waker::from(Arc::clone(&self));
        assert!(Pin::new(&mut job).poll(&mut Context::from_waker(&waker)).is_pending());
        *self.job.lock().unwrap() = Some(job);
    }
}

#[test]
fn a_function_that_is_called_where_another_has_ended_is_not_left_behind() {
    let server = start(1, |_: Request| async {
        let (left, job, is_over) = (AtomicUsize::new(5), Mutex::default(), Signal::default());
        let chain = Arc::new(Chain { left, job, is_over });
        Arc::clone(&chain).wake();
        chain.is_over.told().await;
        "all ran"
    });
    assert!(receive(send(&server, "/")).ends_with("all ran"));
    block_on(server.begin_drain(None).gone());
}
