//! A request as services have it.

use http::uri::InvalidUri;
use httpfsm::Status;
use httpfsm::handler::{Request, RequestParts};
use httpfsm::request::RequestHead;

use crate::body::Body;
use crate::recycled;
use crate::upgrade::Upgrade;

/// The longest target that a `Uri` takes.
const MAX_URI: usize = u16::MAX as usize - 1;

/// What is to be remembered of a request until its response.
#[derive(Clone, Copy)]
pub(crate) struct Asked {
    /// The method is `HEAD`, whose response has no content.
    pub(crate) head: bool,
}

/// Converts a request.
///
/// # Errors
///
/// The status of the response to one that the crate `http` cannot express: 414 or 400 for its target, 431 for its fields.
pub(crate) fn convert(request: Request) -> Result<(http::Request<Body>, Asked), Status> {
    let RequestParts { head, body, connection, control, .. } = request.into_parts();
    let view = RequestHead::as_ref(&head);
    let asked = Asked { head: view.is_head() };
    let upgrades = view.is_connect() || view.upgrade().is_some();
    let long = view.target().len() > MAX_URI;
    let mut converted = head.into_http(recycled::take(), Body::from(body)).map_err(|error| {
        match (error.is::<InvalidUri>(), long) {
            (true, true) => Status::URI_TOO_LONG,
            (true, false) => Status::BAD_REQUEST,
            (false, _) => Status::REQUEST_HEADER_FIELDS_TOO_LARGE,
        }
    })?;
    let extensions = converted.extensions_mut();
    extensions.insert(connection);
    if upgrades {
        extensions.insert(Upgrade::new(control));
    }
    Ok((converted, asked))
}
