//! The failures of bodies and of upgraded connections as errors of I/O, for the traits that know no others.

use std::io;

use super::body::BodyFailure;
use super::collect::CollectError;
use super::upgrade::IoFailure;

/// The failure is within the error: [`io::Error::downcast`] takes it out. The kind is `Other`, so that a mistake of the peer
/// is not taken for one of a file. Where a source failed with an [`io::Error`], it is that error's, unless that is
/// `Interrupted`: readers would go on, and take the end that follows for the end of a whole body.
impl From<BodyFailure> for io::Error {
    fn from(failure: BodyFailure) -> Self {
        let kind = match &failure {
            BodyFailure::Request(_) => None,
            BodyFailure::Source(error) => error.downcast_ref::<Self>().map(Self::kind),
        };
        let kind = kind.filter(|&kind| kind != io::ErrorKind::Interrupted);
        Self::new(kind.unwrap_or(io::ErrorKind::Other), failure)
    }
}

/// A failure as [its own](BodyFailure) error is, and `Other` for a body that is too large, of which [`io::Error::downcast`]
/// takes the [`CollectError`] out. As a response it is what it was before: 413, or what the failure calls for.
///
/// ```
#[doc = include_str!("../examples/request.txt")]
/// use std::io;
///
/// use httpfsm::handler::IntoResponse;
///
/// async fn save(mut request: Request) -> io::Result<()> {
///     let note = request.body().collect(4).await?;
///     std::fs::write("/tmp/note", note)
/// }
///
/// let refused = result_of(save(request("PUT /note HTTP/1.1\r\nContent-Length: 5", "hello"))).unwrap_err();
/// assert_eq!(refused.into_response().status, Status::CONTENT_TOO_LARGE);
/// ```
impl From<CollectError> for io::Error {
    fn from(error: CollectError) -> Self {
        match error {
            CollectError::Failed(failure) => failure.into(),
            CollectError::TooLarge { .. } => Self::other(error),
        }
    }
}

/// The failure is within the error: [`io::Error::downcast`] takes it out. The kind is the one that a socket's error would
/// have: `BrokenPipe`, `ConnectionReset`, `UnexpectedEof`, or else `Other`.
impl From<IoFailure> for io::Error {
    fn from(failure: IoFailure) -> Self {
        let kind = match failure {
            IoFailure::Closed => io::ErrorKind::BrokenPipe,
            IoFailure::Reset => io::ErrorKind::ConnectionReset,
            IoFailure::Truncated => io::ErrorKind::UnexpectedEof,
            IoFailure::Other(_) => io::ErrorKind::Other,
        };
        Self::new(kind, failure)
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Error, ErrorKind};
    use std::string::ToString;

    use super::*;
    use crate::error::BodyError;

    #[test]
    fn a_failure_keeps_its_kind_and_comes_out_again() {
        let failures = [
            (BodyError::Truncated.into(), ErrorKind::Other),
            (BodyFailure::source(Error::from(ErrorKind::PermissionDenied)), ErrorKind::PermissionDenied),
            (BodyFailure::source("the disk is gone"), ErrorKind::Other),
            // A reader would try again, and find the end.
            (BodyFailure::source(Error::from(ErrorKind::Interrupted)), ErrorKind::Other),
        ];
        for (failure, kind) in failures {
            let text = failure.to_string();
            let error = Error::from(failure);
            assert_eq!((error.kind(), error.to_string()), (kind, text));
            assert!(error.downcast::<BodyFailure>().is_ok());
        }
        for (failure, kind) in [
            (IoFailure::Closed, ErrorKind::BrokenPipe),
            (IoFailure::Reset, ErrorKind::ConnectionReset),
            (IoFailure::Truncated, ErrorKind::UnexpectedEof),
            (IoFailure::Other("so".into()), ErrorKind::Other),
        ] {
            let error = Error::from(failure.clone());
            assert_eq!(error.kind(), kind);
            assert_eq!(error.downcast::<IoFailure>().unwrap(), failure);
        }
    }
}
