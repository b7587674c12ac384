//! What plain HTTP and HTTPS side by side add to an application: the redirection from one to the other, and the field
//! by which browsers remember it.

use std::future::ready;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};

use httpfsm::handler::{Handler, IntoResponse, Request, Response};
use httpfsm::peer::Peer;
use httpfsm::status::Status;

use crate::app::unread::Unread;

/// The port of HTTPS.
const HTTPS: u16 = 443;

type Calls = dyn Fn(Request) -> Pin<Box<dyn Future<Output = Response> + Send>> + Send + Sync;

/// The port for TLS, which is known when the server listens there.
#[derive(Clone, Default)]
pub(crate) struct TlsPort(Arc<OnceLock<u16>>);

impl TlsPort {
    /// Only the first call counts.
    pub(crate) fn set(&self, port: u16) {
        // A later call changes nothing.
        let _ = self.0.set(port);
    }
}

/// What is to be added.
#[derive(Clone, Default)]
pub(crate) struct HttpsRules {
    /// Where requests over TCP and without TLS are redirected to.
    pub(crate) redirect: Option<TlsPort>,
    /// For how many seconds browsers shall come over TLS alone.
    pub(crate) hsts: Option<u64>,
}

impl HttpsRules {
    /// Whether an application is to be called as it is.
    pub(crate) fn are_none(&self) -> bool {
        self.redirect.is_none() && self.hsts.is_none()
    }
}

/// An application with these rules. It is one type for all applications, as a server is built for each type.
pub(crate) struct Https {
    call: Box<Calls>,
    redirect: Option<Box<Calls>>,
    takes_all_fields: bool,
}

impl Https {
    pub(crate) fn new(handler: impl Handler, rules: &HttpsRules) -> Self {
        let takes_all_fields = handler.takes_all_fields();
        // RFC 6797 section 6.1; section 7.2 forbids it on responses without TLS.
        let field = rules.hsts.map(|seconds| format!("max-age={seconds}"));
        let call = move |request: Request| {
            let field = field.clone().filter(|_| request.security().is_some());
            let future = handler.call(request);
            Box::pin(async move {
                let response = future.await.into_response();
                match field {
                    Some(value) => response.with_field("Strict-Transport-Security", value),
                    None => response,
                }
            }) as Pin<Box<dyn Future<Output = Response> + Send>>
        };
        let redirect = rules.redirect.clone().map(|TlsPort(port)| {
            // Many clients that send a long body see no earlier response.
            let unread = Unread::new(move |request: Request| {
                ready(redirection(&request, *port.get().unwrap_or(&HTTPS)))
            });
            let call = move |request| {
                Box::pin(unread.call(request)) as Pin<Box<dyn Future<Output = Response> + Send>>
            };
            Box::new(call) as Box<Calls>
        });
        Self { call: Box::new(call), redirect, takes_all_fields }
    }
}

impl Handler for Https {
    type Future = Pin<Box<dyn Future<Output = Response> + Send>>;

    fn call(&self, request: Request) -> Self::Future {
        match &self.redirect {
            Some(redirect) if request.security().is_none() && matches!(request.sockname(), Peer::Ip(_)) => {
                redirect(request)
            }
            _ => (self.call)(request),
        }
    }

    fn takes_all_fields(&self) -> bool {
        self.takes_all_fields
    }
}

/// To the same target over TLS. Only the port is another: the host is that of the request, so it leads to no other
/// site.
fn redirection(request: &Request, port: u16) -> Response {
    let host = request.authority().map(host).filter(|host| !host.is_empty());
    let Some(host) = host.filter(|_| !request.head().is_connect()) else {
        let text = "A request without a host cannot be redirected to https.\n";
        return Response::text(text).with_status(Status::BAD_REQUEST);
    };
    let port = if port == HTTPS { String::new() } else { format!(":{port}") };
    // The server as a whole has no path (RFC 9112 section 3.2.4).
    let path = Some(request.path()).filter(|path| *path != "*").unwrap_or_default();
    let query = request.query().map(|query| format!("?{query}")).unwrap_or_default();
    Response::redirect(Status::PERMANENT_REDIRECT, &format!("https://{host}{port}{path}{query}"))
}

/// An authority without its port.
fn host(authority: &str) -> &str {
    match authority.split_once(']') {
        Some((address, _)) => authority.get(..=address.len()).unwrap_or(authority),
        None => authority.split(':').next().unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::testing::exchange;

    fn responds(port: Option<u16>, bytes: &str) -> String {
        let redirect = port.map(|port| {
            let known = TlsPort::default();
            known.set(port);
            known
        });
        let handler = |_: Request| async { "fine" };
        exchange(Https::new(handler, &HttpsRules { redirect, hsts: Some(60) }), bytes)
    }

    #[test]
    fn a_request_is_redirected_to_its_own_host_at_the_port_for_tls() {
        for (request, port, location) in [
            ("GET / HTTP/1.1\r\nHost: a\r\n\r\n", 443, "https://a/"),
            ("GET /x/?y=z HTTP/1.1\r\nHost: a:80\r\n\r\n", 8443, "https://a:8443/x/?y=z"),
            ("POST /x HTTP/1.1\r\nHost: [::1]:80\r\nContent-Length: 0\r\n\r\n", 8443, "https://[::1]:8443/x"),
            ("GET /? HTTP/1.1\r\nHost: [::1]\r\n\r\n", 443, "https://[::1]/?"),
            ("GET //b/ HTTP/1.1\r\nHost: a\r\n\r\n", 443, "https://a//b/"),
            // The target says what the request is for, if it does.
            ("GET http://b:80/x HTTP/1.1\r\nHost: b:80\r\n\r\n", 443, "https://b/x"),
            ("OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", 443, "https://a"),
            ("GET /x HTTP/1.0\r\nHost: a\r\n\r\n", 443, "https://a/x"),
        ] {
            let response = responds(Some(port), request);
            assert!(response.contains(" 308 Permanent Redirect\r\n"), "{request}: {response}");
            assert!(response.contains(&format!("\r\nLocation: {location}\r\n")), "{request}: {response}");
            assert!(!response.contains("Strict-Transport-Security"), "{response}");
        }
    }

    /// Which many clients see only behind the body.
    #[test]
    fn the_body_of_a_request_that_is_redirected_is_read_first() {
        let head = "POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n";
        let half = format!("{head}{}", "x".repeat(50_000));
        assert_eq!(responds(Some(443), &half), "");
        let whole = format!("{head}{}", "x".repeat(100_000));
        assert!(responds(Some(443), &whole).starts_with("HTTP/1.1 308 "));
    }

    #[test]
    fn a_request_without_a_host_is_not_redirected() {
        for request in [
            "GET / HTTP/1.0\r\n\r\n",
            "GET / HTTP/1.1\r\nHost:\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: :80\r\n\r\n",
            "CONNECT b:443 HTTP/1.1\r\nHost: b:443\r\n\r\n",
        ] {
            let response = responds(Some(443), request);
            assert!(
                response.contains(" 400 Bad Request\r\n") && !response.contains("Location"),
                "{request}: {response}"
            );
        }
    }

    #[test]
    fn no_response_without_tls_has_the_field_that_only_those_with_it_may_have() {
        let response = responds(None, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
        assert!(response.ends_with("fine") && !response.contains("Strict-Transport-Security"), "{response}");
    }
}
