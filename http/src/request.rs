//! A request as services have it.

use std::mem;

use http::Extensions;
use http::uri::InvalidUri;
use httpfsm::Status;
use httpfsm::handler::{Request, RequestParts};
use httpfsm::request::RequestHead;

use crate::body::Body;
use crate::spare;
use crate::upgrade::Upgrade;

/// The longest target that a `Uri` takes.
const MAX_URI: usize = u16::MAX as usize - 1;

/// What is to be remembered of a request until its response.
#[derive(Clone, Copy)]
pub(crate) struct Asked {
    /// The method is `HEAD`, whose response has no content.
    pub(crate) head: bool,
}

/// Converts a request, into a new one: a request is large to be moved. `extensions` is what its extensions begin with.
///
/// # Errors
///
/// The status of the response to one that the crate `http` cannot express: 414 or 400 for its target, 431 for its fields.
#[inline]
pub(crate) fn convert(
    request: Request,
    extensions: Extensions,
    converted: &mut http::Request<Body>,
) -> Result<Asked, Status> {
    let RequestParts { head, body, connection, control, .. } = request.into_parts();
    let view = RequestHead::as_ref(&head);
    let asked = Asked { head: view.is_head() };
    let upgrades = view.is_connect() || view.upgrade().is_some();
    // Hardly any head is so long that its target need be looked at.
    let long = view.raw().len() > MAX_URI && view.target().len() > MAX_URI;
    put(converted.body_mut(), Body::from(body));
    put(converted.headers_mut(), spare::take());
    put(converted.extensions_mut(), extensions);
    head.fill_http(converted).map_err(|error| refusal(&error, long))?;
    converted.extensions_mut().insert(connection);
    if upgrades {
        converted.extensions_mut().insert(Upgrade::new(control));
    }
    Ok(asked)
}

/// Puts a part into a new request. What stood there is empty, so it need not be asked what it is to drop.
fn put<T>(place: &mut T, value: T) {
    mem::forget(mem::replace(place, value));
}

#[cold]
fn refusal(error: &http::Error, long: bool) -> Status {
    match error.is::<InvalidUri>() {
        true if long => Status::URI_TOO_LONG,
        true => Status::BAD_REQUEST,
        false => Status::REQUEST_HEADER_FIELDS_TOO_LARGE,
    }
}
