//! Where the server listens, and the lines that say so.

use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use httpfsm::config::ServerConfig;
use httpfsm::peer::Peer;
use httpfsm_rustls::{Tls, TlsListener};
use httpfsm_transport::{Listener, SocketOptions};

use super::signals::Signals;
use super::unstarted;
use crate::cli::{ServeOptions, TlsAddress};
use crate::https::TlsPort;
use crate::log::note;
use crate::stdout::Stdout;

/// How long the start waits for the reader of the standard output.
const ANNOUNCE_LIMIT: Duration = Duration::from_secs(1);

/// What a port speaks.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Speaks {
    Http,
    Https,
}

/// Where to listen.
pub(super) struct Places {
    /// At the host and port of the configuration.
    port: Option<Speaks>,
    unix: Vec<PathBuf>,
    tls_listen: Vec<TlsAddress>,
    tls: Option<Tls>,
    /// Is told the first port for TLS.
    tls_port: TlsPort,
}

impl Places {
    pub(super) fn new(options: &ServeOptions, tls: Option<Tls>, tls_port: TlsPort) -> Self {
        Self {
            port: port(options),
            unix: options.unix.clone(),
            tls_listen: options.tls.tls_listen.clone(),
            tls,
            tls_port,
        }
    }
}

/// What `--port` speaks, if it is listened at. Who names another place to listen at does not want the default port as
/// well.
fn port(options: &ServeOptions) -> Option<Speaks> {
    let gives = |name| options.parameters.gives(name);
    match (options.tls.is_on(), options.tls.tls_listen.is_empty()) {
        // `--host` may be there for the ports of `--tls-listen`.
        (true, false) => gives("port").then_some(Speaks::Http),
        (true, true) => Some(Speaks::Https),
        (false, _) => (options.unix.is_empty() || gives("host") || gives("port")).then_some(Speaks::Http),
    }
}

/// The listeners, and the address of each as clients write it.
pub(super) struct Listening {
    pub(super) listeners: Vec<Listener>,
    pub(super) urls: Vec<String>,
}

/// Listens at all places.
///
/// # Errors
///
/// One of them cannot be listened at; the error names it.
pub(super) fn listen(
    places: &Places,
    config: &ServerConfig,
    options: &SocketOptions,
    signals: &Signals,
) -> io::Result<Listening> {
    let mut listening = Listening { listeners: Vec::new(), urls: Vec::new() };
    let at = |host: &str, port| Listener::at_host(host, port, options, |error| note(format_args!("{error}")));
    match (places.port, &places.tls) {
        (Some(Speaks::Https), Some(tls)) => {
            listening.add_tls(at(&config.host, config.port)?, tls, &places.tls_port)
        }
        (Some(_), _) => listening.add(at(&config.host, config.port)?, "http"),
        (None, _) => {}
    }
    for path in &places.unix {
        listening.add(vec![signals.make(|| Listener::unix(path, options))?], "http");
    }
    for TlsAddress { host, port } in &places.tls_listen {
        if let Some(tls) = &places.tls {
            let host = host.as_deref().unwrap_or(&config.host);
            listening.add_tls(at(host, *port)?, tls, &places.tls_port);
        }
    }
    // Connections inherit the options that their listener has when the system accepts them.
    listening.listeners.iter().try_for_each(|listener| listener.apply(options))?;
    Ok(listening)
}

impl Listening {
    fn add(&mut self, listeners: Vec<Listener>, scheme: &str) {
        self.urls.extend(listeners.iter().map(|listener| url(scheme, listener.local_addr())));
        self.listeners.extend(listeners);
    }

    fn add_tls(&mut self, listeners: Vec<Listener>, tls: &Tls, port: &TlsPort) {
        if let Some(Peer::Ip(address)) = listeners.first().map(Listener::local_addr) {
            port.set(address.port());
        }
        self.add(listeners.into_iter().map(|listener| listener.tls(tls)).collect(), "https");
    }
}

/// Prints where the server listens. The starter of the program may wait for these lines; the program waits only for
/// [`ANNOUNCE_LIMIT`] for their reader, and then serves without one.
pub(super) fn announce(urls: &[String]) -> io::Result<()> {
    let lines: String = urls.iter().map(|url| format!("listening on {url}\n")).collect();
    let (done, printed) = mpsc::sync_channel(1);
    let print = move || {
        let mut stdout = Stdout::lock();
        let _ = done.send(stdout.write_all(lines.as_bytes()).and_then(|()| stdout.flush()));
    };
    let thread = thread::Builder::new().name("httpfsm-announce".to_owned()).stack_size(128 << 10);
    thread.spawn(print).map_err(|error| unstarted("thread that says where the server listens", &error))?;
    match printed.recv_timeout(ANNOUNCE_LIMIT) {
        Ok(Err(error)) if error.kind() != io::ErrorKind::BrokenPipe => Err(error),
        _ => Ok(()),
    }
}

fn url(scheme: &str, listener: &Peer) -> String {
    match listener {
        // RFC 6874 section 2: the scope of an address stands behind an encoded percent.
        Peer::Ip(address) => format!("{scheme}://{}", address.to_string().replace('%', "%25")),
        Peer::Unix(_) => listener.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::{Speaks, port};
    use crate::cli::{Cli, Command};

    #[test]
    fn the_port_speaks_tls_unless_tls_has_ports_of_its_own() {
        for (arguments, expected) in [
            (&[][..], Some(Speaks::Http)),
            (&["--unix", "/s"], None),
            (&["--unix", "/s", "--host", "a"], Some(Speaks::Http)),
            (&["--self-signed"], Some(Speaks::Https)),
            (&["--tls-cert", "c", "--tls-key", "k", "--port", "1"], Some(Speaks::Https)),
            (&["--self-signed", "--unix", "/s"], Some(Speaks::Https)),
            (&["--self-signed", "--tls-listen", "1"], None),
            (&["--self-signed", "--tls-listen", "1", "--host", "::"], None),
            (&["--self-signed", "--tls-listen", "1", "--port", "2"], Some(Speaks::Http)),
            (&["--self-signed", "--tls-listen", "1", "--unix", "/s"], None),
        ] {
            let given = ["httpfsm", "serve"].iter().chain(arguments);
            let Command::Serve(options) =
                Cli::try_parse_from(given).unwrap_or_else(|e| panic!("{e}")).command
            else {
                panic!("not serve");
            };
            assert_eq!(port(&options), expected, "{arguments:?}");
        }
    }
}
