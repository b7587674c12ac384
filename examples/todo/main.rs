//! A list of things to do, as a JSON API, on tokio or on blocking sockets:
//!
//! ```sh
//! cargo run -p httpfsm-examples --bin todo -- tokio 8080       # or: blocking 8080
//! ```
#![expect(clippy::print_stdout, reason = "a program says where it listens")]

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, TcpListener};
use std::sync::{Arc, Mutex, PoisonError};

use cookie::Cookie;
use httpfsm::handler::{IntoResponse, Json, JsonError, Request, Response, with_state};
use httpfsm::{ServerConfig, Status};
use serde::{Deserialize, Serialize};

#[derive(Clone, Serialize, Deserialize)]
struct Todo {
    title: String,
    #[serde(default)]
    done: bool,
}

#[derive(Default)]
struct Todos {
    last: u64,
    by_id: BTreeMap<u64, Todo>,
}

type Shared = Arc<Mutex<Todos>>;

/// Browsers of other sites may use it, too: each response says so, and so does the one to a preflight.
async fn api(todos: Shared, mut request: Request) -> Response {
    let response = match request.method() {
        "OPTIONS" => Response::new(Status::NO_CONTENT)
            .with_field("Access-Control-Allow-Methods", "GET, POST, PUT, DELETE")
            .with_field("Access-Control-Allow-Headers", "Content-Type"),
        _ => respond(&todos, &mut request).await.into_response(),
    };
    let visits = request.cookie("visits").and_then(|cookie| cookie.value().parse().ok()).unwrap_or(0_u32);
    let cookie = Cookie::build(("visits", visits.saturating_add(1).to_string())).path("/").http_only(true);
    response.with_field("Access-Control-Allow-Origin", "*").with_cookie(cookie)
}

async fn respond(todos: &Shared, request: &mut Request) -> Result<Response, JsonError> {
    let locked = || todos.lock().unwrap_or_else(PoisonError::into_inner);
    if request.path() == "/todos" {
        return Ok(match request.method() {
            "GET" | "HEAD" => Json(&locked().by_id).into_response(),
            "POST" => {
                let todo: Todo = request.json(64 << 10).await?;
                let mut todos = locked();
                todos.last += 1;
                let id = todos.last;
                todos.by_id.insert(id, todo.clone());
                let response = Json(todo).into_response().with_status(Status::CREATED);
                response.with_field("Location", format!("/todos/{id}"))
            }
            _ => not_allowed("GET, HEAD, POST, OPTIONS"),
        });
    }
    let Some(id) = request.path().strip_prefix("/todos/").and_then(|id| id.parse().ok()) else {
        return Ok(Status::NOT_FOUND.into_response());
    };
    let found = match request.method() {
        "GET" | "HEAD" => locked().by_id.get(&id).map(|todo| Json(todo).into_response()),
        "PUT" => {
            let todo: Todo = request.json(64 << 10).await?;
            locked().by_id.get_mut(&id).map(|old| {
                old.clone_from(&todo);
                Json(todo).into_response()
            })
        }
        "DELETE" => locked().by_id.remove(&id).map(|_| Status::NO_CONTENT.into_response()),
        _ => Some(not_allowed("GET, HEAD, PUT, DELETE, OPTIONS")),
    };
    Ok(found.unwrap_or_else(|| Status::NOT_FOUND.into_response()))
}

fn not_allowed(methods: &str) -> Response {
    Response::new(Status::METHOD_NOT_ALLOWED).with_field("Allow", methods)
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [transport, port] = arguments.as_slice() else {
        return Err("usage: todo tokio|blocking PORT".into());
    };
    let (config, handler) = (ServerConfig::default(), with_state(Shared::default(), api));
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port.parse()?))?;
    println!("http://{}/todos", listener.local_addr()?);
    if transport == "blocking" {
        httpfsm_blocking::block_on(httpfsm_blocking::serve(listener, config, handler)?.gone());
    } else {
        let runtime = tokio::runtime::Runtime::new()?;
        let server = runtime.block_on(async { httpfsm_tokio::serve(listener, config, handler) })?;
        runtime.block_on(server.gone());
    }
    Ok(())
}
