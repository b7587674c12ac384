//! `httpfsm serve`: builds the configuration and runs an application on a transport.

use std::env;
use std::error::Error;
use std::io;
use std::num::NonZeroUsize;
use std::os::unix::net::UnixStream;
use std::panic::{self, AssertUnwindSafe};
use std::path::{Component, Path, PathBuf, absolute};
use std::sync::Arc;
use std::time::Duration;

use clap::error::ErrorKind;
use httpfsm::config::{Bodies, ServerConfig};
use httpfsm::handler::Handler;
use httpfsm_transport::{
    Server, ServerHandle, SocketOptions, Spawner, Transport, catch_panic, note_panic, sync,
};

use crate::app::bench::{self, BenchApp};
use crate::app::files;
use crate::app::hello::HelloApp;
use crate::app::unread::Unread;
use crate::app::{App, Stats, echo};
use crate::cli::{Hsts, ServeOptions, TransportName, wrong};
use crate::https::{Https, HttpsRules, TlsPort};
use crate::log::{CutConnections, Log, Notices, note};
use crate::parameters;
use crate::serve::descriptors::Most;
use crate::serve::listening::{Listening, Places, announce, listen};
use crate::serve::recording::Recordings;
use crate::serve::signals::{Serving, Signals};
use crate::serve::tls::Reload;

mod async_std;
mod blocking;
mod descriptors;
mod listening;
mod recording;
mod self_signed;
mod signals;
mod smol;
mod tls;
mod tokio;

/// Everything that the start of a server needs, on any transport.
struct ServeSetup {
    config: ServerConfig,
    places: Places,
    https: HttpsRules,
    sockets: SocketOptions,
    threads: Option<NonZeroUsize>,
    log: bool,
    recordings: Option<Recordings>,
    signals: Signals,
    cut: CutConnections,
    /// Where the application reads the statistics.
    stats: Stats,
    /// The folder whose files are served.
    folder: Option<PathBuf>,
    /// What the operator is told where fewer connections are served than were wanted.
    lowered: Option<String>,
}

/// Serves until a signal has ended it.
pub(crate) fn run(options: &ServeOptions) -> Result<(), Box<dyn Error>> {
    // First of all: the start may take long, for a look-up of a name, say, and a signal that is ignored must not end
    // it.
    let signals = Signals::catch()?;
    let rig_timeout = if options.app == App::Echo { rig_timeout() } else { None };
    let mut config = configuration(options, rig_timeout);
    let most = most_descriptors(options.app, config.channel.bodies, options.transport);
    let lowered = descriptors::share(&mut config, most, options.parameters.gives("max_connections"));
    if options.app == App::Files {
        are_apart(options)?;
    }
    if options.tls.redirect_to_https && config.channel.url_scheme == "https" {
        return Err("With --url-scheme https a proxy in front speaks TLS, and --redirect-to-https would have each of its \
                    requests go round in a circle."
            .into());
    }
    let recordings = Recordings::new(options)?;
    // A signal may switch them as soon as the program has said that it listens.
    recordings.iter().cloned().for_each(|recordings| signals.switch(recordings));
    let tls = tls::from_flags(&options.tls, &config.host)?;
    if let (Some(tls), Some(certificate)) = (&tls, &options.tls.tls_cert) {
        signals.reload(Reload::new(tls.clone(), certificate)?);
        // A signal that came while they were read was ignored.
        tls.reload()?;
    }
    let (cut, tls_port) = (CutConnections::default(), TlsPort::default());
    let setup = ServeSetup {
        config,
        places: Places::new(options, tls, tls_port.clone()),
        https: HttpsRules {
            redirect: options.tls.redirect_to_https.then_some(tls_port),
            hsts: options.tls.hsts.and_then(|Hsts(seconds)| seconds),
        },
        sockets: sockets(options),
        threads: options.threads,
        log: options.log,
        recordings: recordings.clone(),
        signals,
        cut: cut.clone(),
        stats: Stats::default(),
        folder: None,
        lowered,
    };
    serve(options, setup)?;
    if let Some(recordings) = recordings {
        recordings.flush();
    }
    cut.report();
    Ok(())
}

/// A connection that sends a file holds its descriptor, and one whose body is kept whole may hold a temporary file, as those
/// for functions that block may be.
fn most_descriptors(app: App, bodies: Option<Bodies>, transport: TransportName) -> Most {
    match (app, bodies) {
        (App::Files, _) | (_, Some(Bodies::Whole)) => Most::Two,
        (App::BenchFunction, _) | (_, None) if transport == TransportName::Blocking => Most::Two,
        (App::Hello | App::Echo | App::Bench | App::BenchFunction, _) => Most::One,
    }
}

fn sockets(options: &ServeOptions) -> SocketOptions {
    let standard = SocketOptions::default();
    // On the command line, none is zero.
    let keepalive = options.tcp_keepalive.or(standard.keepalive).filter(|silence| !silence.is_zero());
    SocketOptions { unix_mode: options.unix_mode, keepalive, ..standard }
}

/// The folder whose files are served.
fn root(options: &ServeOptions) -> &Path {
    options.dir.as_deref().unwrap_or(Path::new("."))
}

/// Checks that recordings are not served, which hold the requests of other clients, and neither is the key.
fn are_apart(options: &ServeOptions) -> Result<(), String> {
    let root = root(options);
    // Of one that is missing, who reads it says so.
    let key = options.tls.tls_key.as_deref().filter(|key| key.exists());
    for (what, path, secret) in [
        ("The folder of --record", options.record.as_deref(), "the recordings"),
        ("The file of --tls-key", key, "the private key"),
    ] {
        if let Some(path) = path.filter(|path| is_inside(path, root)) {
            let (path, root) = (path.display(), root.display());
            return Err(format!(
                "{what} {path} is inside of {root}, whose files are served: everybody could read {secret}."
            ));
        }
    }
    Ok(())
}

fn is_inside(path: &Path, root: &Path) -> bool {
    match (place_to_be(path), root.canonicalize()) {
        (Ok(inner), Ok(outer)) => inner.starts_with(outer),
        _ => false,
    }
}

/// The canonical path of a folder that may not exist yet.
fn place_to_be(folder: &Path) -> io::Result<PathBuf> {
    let mut place = PathBuf::new();
    for part in absolute(folder)?.components() {
        if part == Component::ParentDir {
            place.pop();
            continue;
        }
        place.push(part);
        // A folder that is still to be created is no link.
        if let Ok(found) = place.canonicalize() {
            place = found;
        }
    }
    Ok(place)
}

fn serve(options: &ServeOptions, setup: ServeSetup) -> Result<(), Box<dyn Error>> {
    match options.app {
        App::Files => {
            let files = files::files(root(options), &options.files)?;
            let setup = ServeSetup { folder: Some(files.root().to_owned()), ..setup };
            on(options.transport, Unread::new(files), setup)
        }
        App::Hello => {
            let hello = HelloApp::new(options.transport.name(), setup.stats.clone());
            on(options.transport, Unread::new(hello), setup)
        }
        App::Echo => {
            let plain = env::var_os("RIG_PLAIN_ECHO").is_some();
            on(options.transport, echo::echo(plain, options.transport.spawn()), setup)
        }
        App::Bench => on(options.transport, BenchApp::new()?, setup),
        App::BenchFunction => {
            let function = sync(options.transport.blocking(), bench::function()?);
            on(options.transport, function, setup)
        }
    }
}

fn on(transport: TransportName, handler: impl Handler, setup: ServeSetup) -> Result<(), Box<dyn Error>> {
    if setup.https.are_none() {
        return run_on(transport, handler, setup);
    }
    run_on(transport, Https::new(handler, &setup.https), setup)
}

fn run_on(transport: TransportName, handler: impl Handler, setup: ServeSetup) -> Result<(), Box<dyn Error>> {
    match transport {
        TransportName::Tokio => tokio::run(handler, setup),
        TransportName::AsyncStd => async_std::run(handler, setup),
        TransportName::Smol => smol::run(handler, setup),
        TransportName::Blocking => blocking::run(handler, setup),
    }
}

impl TransportName {
    fn name(self) -> &'static str {
        match self {
            Self::Tokio => "tokio",
            Self::AsyncStd => "async-std",
            Self::Smol => "smol",
            Self::Blocking => "blocking",
        }
    }

    /// The spawner for the blocking work of an application.
    fn blocking(self) -> Arc<dyn Spawner> {
        match self {
            Self::Tokio => Arc::new(httpfsm_tokio::BlockingPool),
            Self::AsyncStd | Self::Smol => Arc::new(httpfsm_async_std::BlockingPool),
            Self::Blocking => Arc::new(httpfsm_blocking::Functions),
        }
    }

    fn spawn(self) -> crate::app::SpawnFn {
        match self {
            Self::Tokio => tokio::spawn,
            Self::AsyncStd => async_std::spawn,
            Self::Smol => smol::spawn,
            Self::Blocking => blocking::spawn,
        }
    }
}

/// The defaults, then the settings of the application and the rig's one timeout, then the flags and variables.
fn configuration(options: &ServeOptions, rig_timeout: Option<Duration>) -> ServerConfig {
    let mut config = parameters::defaults(options.hardened);
    match options.app {
        App::Echo => {
            // Its responses are to be the same on every transport.
            config.channel.bodies = Some(Bodies::Streamed);
        }
        // They read no body, so none is kept for them.
        App::Files | App::Hello => config.channel.bodies = Some(Bodies::Streamed),
        // The benchmarks measure the default of the transport.
        App::Bench | App::BenchFunction => {}
    }
    if let Some(timeout) = rig_timeout {
        echo::apply_rig_timeout(&mut config, timeout);
    }
    options.parameters.apply(&mut config);
    config
}

/// `RIG_TIMEOUT_MS`. A value that is no number ends the program, as a bad value of a flag does.
fn rig_timeout() -> Option<Duration> {
    let value = env::var_os("RIG_TIMEOUT_MS")?;
    match value.to_str().and_then(|text| text.parse().ok()) {
        Some(millis) => Some(Duration::from_millis(millis)),
        None => {
            let message = format!("invalid value {value:?} for RIG_TIMEOUT_MS: expected milliseconds");
            wrong(ErrorKind::ValueValidation, message).exit()
        }
    }
}

/// A running server.
struct Started {
    /// A signal drains it; the caller waits for its end.
    server: ServerHandle,
    /// The result of printing the addresses. After an error the server drains already, and the program ends with this
    /// error.
    announced: io::Result<()>,
}

/// Starts the server on a transport, and then prints where it listens: a client that reads this is served.
fn start(
    transport: impl Transport,
    handler: impl Handler,
    setup: ServeSetup,
) -> Result<Started, Box<dyn Error>> {
    if setup.config.channel.expose_tracebacks {
        let print = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            note_panic(info);
            print(info);
        }));
    }
    let options = setup.sockets;
    let Listening { listeners, urls } = listen(&setup.places, &setup.config, &options, &setup.signals)?;
    if let Some(recordings) = &setup.recordings {
        note(format_args!("{}", recordings.state()));
    }
    let limit = drain_limit(&setup.config);
    let server = Server::on(transport, setup.config).options(options);
    let server = listeners.into_iter().fold(server, Server::listener);
    let server = if setup.log {
        server.subscriber(Log(setup.cut.clone()))
    } else {
        server.subscriber(Notices(setup.cut.clone()))
    };
    let server = match &setup.recordings {
        Some(recordings) => server.recorder(recordings.recorder()),
        None => server,
    };
    // From here on a signal drains the server and cuts no connection.
    setup.signals.listen();
    let server = server.serve(handler).map_err(|error| match error.kind() {
        // The listeners exist already, so what is missing is a thread.
        io::ErrorKind::WouldBlock => unstarted("threads of the server", &error),
        _ if error.raw_os_error().is_some() => unstarted("server", &error),
        _ => error,
    })?;
    let counted = server.clone();
    setup.stats.connect(move || counted.stats());
    let ServeSetup { signals, cut, folder, lowered, .. } = setup;
    signals.obey(Serving { server: server.clone(), limit, cut });
    let announced = announce(&urls);
    if announced.is_err() {
        server.begin_drain(None);
    } else {
        let files = folder.map(|folder| format!("serving the files of {}", folder.display()));
        files.into_iter().chain(lowered).for_each(|text| note(format_args!("{text}")));
    }
    Ok(Started { server, announced })
}

/// How long a drain may take: the grace of idle connections, the drain deadline and [`signals::GRACE`]; without a
/// deadline, `None`.
fn drain_limit(config: &ServerConfig) -> Option<Duration> {
    let grace = config.channel.drain_grace.unwrap_or_default();
    config.drain_deadline.map(|deadline| deadline.saturating_add(grace).saturating_add(signals::GRACE))
}

/// Names what could not be started; the error of the system does not.
fn unstarted(what: &str, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("The {what} could not be started: {error}."))
}

/// Starts a runtime that panics when the system has no thread for it.
fn begin(what: &str, begin: impl FnOnce()) -> io::Result<()> {
    catch_panic(AssertUnwindSafe(begin))
        .map_err(|_| unstarted(what, &io::Error::other("the runtime panicked")))
}

/// Makes async-io start its thread, which waits for the sockets of async-std and smol.
fn begin_async_io() {
    // A lack of descriptors is reported later, where they are needed.
    let _ = UnixStream::pair().and_then(|(one, _)| ::smol::Async::new(one));
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;
    use std::time::Duration;

    use clap::Parser;
    use httpfsm::config::{Bodies, ServerConfig};

    use super::{configuration, is_inside};
    use crate::cli::{Cli, Command};

    fn configured(arguments: &[&str], rig_timeout: Option<Duration>) -> ServerConfig {
        let arguments = ["httpfsm", "serve"].iter().chain(arguments);
        match Cli::try_parse_from(arguments).unwrap_or_else(|error| panic!("{error}")).command {
            Command::Serve(options) => configuration(&options, rig_timeout),
            _ => panic!("not serve"),
        }
    }

    #[test]
    fn what_is_inside_of_the_served_folder_is_known_by_any_path() {
        let place = tempfile::tempdir().unwrap_or_else(|error| panic!("{error}"));
        let (root, outside) = (place.path().join("root"), place.path().join("outside"));
        std::fs::create_dir_all(root.join("inner")).unwrap_or_else(|error| panic!("{error}"));
        std::fs::create_dir(&outside).unwrap_or_else(|error| panic!("{error}"));
        symlink(root.join("inner"), outside.join("link")).unwrap_or_else(|error| panic!("{error}"));
        for path in [
            "root",
            "root/inner/new",
            "root/new/newer",
            "missing/../root/new",
            "missing/more/../../root",
            "root/missing/../new",
            "outside/link/new",
            // Above what the link leads to.
            "outside/link/../new",
            "missing/../outside/link/new",
        ] {
            assert!(is_inside(&place.path().join(path), &root), "{path}");
        }
        for path in ["outside", "outside/new", "root/../new", "root/missing/../../new", "rooted"] {
            assert!(!is_inside(&place.path().join(path), &root), "{path}");
        }
    }

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn the_program_starts_on_a_port_of_this_machine_alone() {
        let config = configured(&[], None);
        assert_eq!((&*config.host, config.port), ("127.0.0.1", 8080));
        let mut expected = ServerConfig { host: "127.0.0.1".into(), port: 8080, ..ServerConfig::default() };
        expected.channel.bodies = Some(Bodies::Streamed);
        assert_eq!(format!("{config:?}"), format!("{expected:?}"));
    }

    #[test]
    fn the_timeout_of_the_rig_is_put_wherever_a_silent_peer_is_waited_for() {
        let channel = configured(&["--app", "echo"], Some(SECOND)).channel;
        for timeout in [
            channel.first_byte_timeout,
            channel.head_timeout,
            channel.body_timeout,
            channel.inactivity_timeout,
        ] {
            assert_eq!(timeout, Some(SECOND));
        }
        assert_eq!(channel.min_body_rate, 0);
        assert_eq!(channel.write_timeout, ServerConfig::default().channel.write_timeout);
    }

    #[test]
    fn the_echo_reads_as_it_comes_unless_a_flag_says_otherwise() {
        assert_eq!(configured(&["--app", "bench"], None).channel.bodies, None);
        assert_eq!(configured(&["--app", "echo"], None).channel.bodies, Some(Bodies::Streamed));
        assert_eq!(configured(&["--app", "files"], None).channel.bodies, Some(Bodies::Streamed));
        assert_eq!(configured(&["--app", "hello"], None).channel.bodies, Some(Bodies::Streamed));
        let given = configured(&["--app", "echo", "--bodies", "whole"], None);
        assert_eq!(given.channel.bodies, Some(Bodies::Whole));
    }

    #[test]
    fn what_is_given_by_name_wins() {
        let channel = configured(&["--hardened", "--head-timeout", "3s"], Some(SECOND)).channel;
        assert_eq!(channel.head_timeout, Some(Duration::from_secs(3)));
        assert_eq!(channel.body_timeout, Some(SECOND));
        assert_eq!(channel.requests_per_connection, ServerConfig::hardened().channel.requests_per_connection);
    }
}
