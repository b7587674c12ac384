//! What enters fields, and what comes out of them.

use std::string::String;

use super::Fields;

mod lines;
mod machine;
mod refused;

/// The field lines as the wire will see them.
fn lines(fields: &Fields) -> String {
    String::from_utf8_lossy(fields.wire()).into_owned()
}
