//! Who may connect.

/// One entry of `origins`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Origin;
