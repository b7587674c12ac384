//! Notes, uploads, downloads, events and a chat. Nothing here knows what serves it.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::body::Body;
use axum::extract::multipart::MultipartError;
use axum::extract::{DefaultBodyLimit, Multipart, Path, Query, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Redirect, Sse, sse::Event};
use axum::routing::{any, get, post};
use axum::{Form, Json, Router};
use bytes::Bytes;
use futures_util::{Stream, StreamExt, stream};
use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;
use tower_http::compression::CompressionLayer;
use tower_http::cors::CorsLayer;
use tower_http::limit::RequestBodyLimitLayer;
use tower_http::services::ServeDir;
use tower_http::timeout::TimeoutLayer;
use tower_http::trace::TraceLayer;

use crate::chat::{Chat, join};

const PUBLIC: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/public");
/// The largest upload, in bytes.
const LARGEST: usize = 12 << 20;
/// How many bytes of a download come at once.
const PIECE: u64 = 64 << 10;

#[derive(Clone, Default)]
pub(crate) struct Notes(Arc<Mutex<BTreeMap<u64, Note>>>);

#[derive(Clone, Deserialize, Serialize)]
struct Note {
    text: String,
}

#[derive(Deserialize)]
struct Contains {
    #[serde(default)]
    contains: String,
}

#[derive(Deserialize)]
struct Count {
    count: u64,
}

#[derive(Serialize)]
struct Part {
    name: String,
    bytes: usize,
}

/// `ending` tells the events and the chat, which do not end by themselves, that the server is to end.
pub(crate) fn router(ending: &CancellationToken) -> Router {
    let notes = Router::new()
        .route("/notes", get(list).post(keep))
        .route("/notes/{id}", get(read).delete(remove))
        .route("/form", post(keep_form))
        .with_state(Notes::default());
    let streams = Router::new()
        .route("/uploads", post(upload).layer(DefaultBodyLimit::disable()))
        .layer(RequestBodyLimitLayer::new(LARGEST))
        .route("/downloads", get(download))
        .route("/slow", get(std::future::pending::<StatusCode>))
        .layer(TimeoutLayer::with_status_code(StatusCode::GATEWAY_TIMEOUT, Duration::from_secs(2)))
        .route("/events", get(events))
        .with_state(ending.clone());
    let chat = Router::new().route("/chat", any(join)).with_state(Chat::until(ending.clone()));
    Router::new()
        .merge(notes)
        .merge(streams)
        .layer(CompressionLayer::new())
        .merge(chat)
        .fallback_service(ServeDir::new(PUBLIC))
        .layer(CorsLayer::permissive())
        .layer(TraceLayer::new_for_http())
}

impl Notes {
    fn with<T>(&self, change: impl FnOnce(&mut BTreeMap<u64, Note>) -> T) -> T {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn keep(&self, note: Note) -> u64 {
        self.with(|notes| {
            let id = notes.keys().next_back().map_or(1, |last| last + 1);
            notes.insert(id, note);
            id
        })
    }
}

async fn list(State(notes): State<Notes>, Query(query): Query<Contains>) -> Json<BTreeMap<u64, Note>> {
    let has = |note: &Note| note.text.contains(&query.contains);
    Json(notes.with(|notes| {
        notes.iter().filter(|(_, note)| has(note)).map(|(id, note)| (*id, note.clone())).collect()
    }))
}

async fn keep(State(notes): State<Notes>, Json(note): Json<Note>) -> impl IntoResponse {
    let location = format!("/notes/{}", notes.keep(note));
    (StatusCode::CREATED, [(header::LOCATION, location)])
}

async fn keep_form(State(notes): State<Notes>, Form(note): Form<Note>) -> Redirect {
    Redirect::to(&format!("/notes/{}", notes.keep(note)))
}

async fn read(State(notes): State<Notes>, Path(id): Path<u64>) -> Result<Json<Note>, StatusCode> {
    notes.with(|notes| notes.get(&id).cloned()).map(Json).ok_or(StatusCode::NOT_FOUND)
}

async fn remove(State(notes): State<Notes>, Path(id): Path<u64>) -> StatusCode {
    match notes.with(|notes| notes.remove(&id)) {
        Some(_) => StatusCode::NO_CONTENT,
        None => StatusCode::NOT_FOUND,
    }
}

/// Counts the bytes of each part, and keeps none.
async fn upload(mut multipart: Multipart) -> Result<Json<Vec<Part>>, MultipartError> {
    let mut parts = Vec::new();
    while let Some(mut field) = multipart.next_field().await? {
        let mut part = Part { name: field.name().unwrap_or_default().to_owned(), bytes: 0 };
        while let Some(piece) = field.chunk().await? {
            part.bytes += piece.len();
        }
        parts.push(part);
    }
    Ok(Json(parts))
}

/// So many bytes, made as fast as they are taken.
async fn download(Query(Count { count }): Query<Count>) -> impl IntoResponse {
    static CONTENT: [u8; PIECE as usize] = [b'.'; PIECE as usize];
    let pieces = stream::iter((0..count.div_ceil(PIECE)).map(move |piece| {
        let rest = (count - piece * PIECE).min(PIECE);
        Ok::<_, Infallible>(Bytes::from_static(&CONTENT[..rest as usize]))
    }));
    ([(header::CONTENT_TYPE, "application/octet-stream")], Body::from_stream(pieces))
}

/// An event every 10 ms, so many.
async fn events(
    State(ending): State<CancellationToken>,
    Query(Count { count }): Query<Count>,
) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    let events = stream::iter(0..count).then(|number| async move {
        tokio::time::sleep(Duration::from_millis(10)).await;
        Ok(Event::default().event("number").data(number.to_string()))
    });
    Sse::new(events.take_until(ending.cancelled_owned()))
}
