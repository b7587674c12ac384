//! `--app hello`: a page that says what runs here, with the picture of the machine that serves it.

use std::future::{Ready, ready};

use bytes::Bytes;
use html_escape::encode_text;
use httpfsm::handler::{Handler, Request, Response};
use httpfsm::server::ServerStats;
use httpfsm::status::Status;

use super::Stats;
use crate::draw::{DrawFormat, DrawnMachine};

/// The application.
pub(crate) struct HelloApp {
    transport: &'static str,
    stats: Stats,
    picture: String,
    /// The same as a resource of its own.
    resource: Bytes,
}

impl HelloApp {
    /// Takes the name of the transport and the source of the statistics.
    pub(crate) fn new(transport: &'static str, stats: Stats) -> Self {
        let picture = DrawnMachine::Channel.draw(DrawFormat::Svg);
        Self { transport, stats, resource: picture.clone().into(), picture }
    }

    fn page(&self, request: &Request) -> String {
        format!(
            include_str!("hello.html"),
            style = include_str!("hello.css"),
            version = env!("CARGO_PKG_VERSION"),
            docs = "https://docs.rs/httpfsm",
            transport = self.transport,
            address = encode_text(&request.sockname().to_string()),
            channel = encode_text(request.channel()),
            statistics = statistics(&self.stats.read()),
            picture = self.picture.trim_end(),
        )
    }
}

impl Handler for HelloApp {
    type Future = Ready<Response>;

    fn call(&self, request: Request) -> Ready<Response> {
        ready(match (request.method(), request.path()) {
            ("GET" | "HEAD", "/") => {
                Response::html(self.page(&request)).with_field("Cache-Control", "no-store")
            }
            ("GET" | "HEAD", "/machine.svg") => Response::new(Status::OK)
                .with_field("Content-Type", "image/svg+xml")
                .with_body(self.resource.clone()),
            (_, "/" | "/machine.svg") => Response::text("The methods here are GET and HEAD.\n")
                .with_status(Status::METHOD_NOT_ALLOWED)
                .with_field("Allow", "GET, HEAD"),
            _ => Response::text("There is nothing here; the page is at /.\n").with_status(Status::NOT_FOUND),
        })
    }
}

fn statistics(stats: &ServerStats) -> String {
    let rows = [
        ("open channels", stats.n_channels),
        ("most at once", stats.most_channels),
        ("opened", stats.opened),
        ("closed", stats.closed),
        ("connections refused", stats.not_admitted()),
        ("requests", stats.channels.requests),
        ("requests refused", stats.channels.refused),
        ("bytes received", stats.channels.received),
        ("bytes sent", stats.channels.sent),
    ];
    rows.iter().map(|(name, count)| format!("<div><dt>{name}</dt><dd>{count}</dd></div>\n")).collect()
}

#[cfg(test)]
mod tests {
    use httpfsm::server::ServerStats;

    use super::{HelloApp, statistics};
    use crate::app::Stats;
    use crate::app::testing::{content, exchange, request};

    #[test]
    fn the_page_is_filled_in() {
        let stats = Stats::default();
        stats.connect(|| {
            let mut stats = ServerStats::default();
            stats.opened = 4711;
            stats
        });
        let page = content(HelloApp::new("memory", stats), "GET /?x HTTP/1.1\r\nHost: a\r\n\r\n");
        for part in
            ["<dd>memory</dd>", "<dt>opened</dt><dd>4711</dd>", "<dd>server.clisrv_1</dd>", "/machine.svg"]
        {
            assert!(page.contains(part), "no {part} in {page}");
        }
        assert!(page.ends_with("</html>\n"), "{page}");
    }

    #[test]
    fn nothing_from_outside_is_markup() {
        let page =
            HelloApp::new("memory", Stats::default()).page(&request("GET / HTTP/1.1\r\nHost: a\r\n\r\n"));
        assert!(page.contains("unix:/run/&lt;web&gt;.sock"), "{page}");
    }

    #[test]
    fn before_the_server_runs_all_counts_are_zero() {
        let rows = statistics(&Stats::default().read());
        assert_eq!(rows.matches("<dd>0</dd>").count(), 9, "{rows}");
    }

    #[test]
    fn the_picture_is_a_resource_of_its_own() {
        let response = exchange(
            HelloApp::new("memory", Stats::default()),
            "HEAD /machine.svg HTTP/1.1\r\nHost: a\r\n\r\n",
        );
        assert!(response.starts_with("HTTP/1.1 200 OK\r\nContent-Type: image/svg+xml\r\n"), "{response}");
    }
}
