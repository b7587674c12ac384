//! Services that are not `Sync`.

use std::convert::Infallible;
use std::io::Write;

use axum::Router;
use axum::extract::Path;
use axum::routing::{get, post};
use http::{Request, Response};
use httpfsm_http::{Body, Locked, service};
use tower::util::BoxCloneService;

use crate::{on_each_service, split, streamed, to_the_end};

type Boxed = BoxCloneService<Request<Body>, Response<axum::body::Body>, Infallible>;

fn boxed() -> Boxed {
    let app = Router::new()
        .route("/length", post(|body: String| async move { body.len().to_string() }))
        .route("/users/{name}", get(|Path(name): Path<String>| async move { name }));
    BoxCloneService::new(app)
}

#[test]
fn requests_are_served_at_the_same_time_by_clones_of_a_service_that_is_not_sync() {
    on_each_service(&streamed(), &service(Locked::new(boxed())), |server| {
        let head = "POST /length HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 5\r\n\r\n";
        // The clones of these wait for the rest of their bodies.
        let mut uploads = [(); 3].map(|()| server.connect());
        for upload in &mut uploads {
            write!(upload, "{head}he").unwrap();
        }
        for name in ["ada", "grace"] {
            let response = server.ask(&format!("GET /users/{name}"), "", "");
            assert_eq!(split(&response).1, name, "{:?}: {response}", server.on);
        }
        for upload in &mut uploads {
            upload.write_all(b"llo").unwrap();
            let response = String::from_utf8(to_the_end(upload)).unwrap();
            assert!(response.ends_with("\r\n\r\n5"), "{:?}: {response}", server.on);
        }
    });
}
