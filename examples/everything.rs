//! One application, every transport.
fn main() {}
