mod port;

use tiny_http::{Response, Server};

fn main() {
    let server = Server::http(("127.0.0.1", port::port())).expect("the port is free");
    for mut request in server.incoming_requests() {
        let mut body = Vec::new();
        let response = match request.as_reader().read_to_end(&mut body) {
            Ok(length) => Response::from_string(format!("{} {} {length}\n", request.method(), request.url())),
            Err(error) => Response::from_string(error.to_string()).with_status_code(400),
        };
        let _ = request.respond(response);
    }
}
