//! What each program begins with.

/// The port to serve on, at 127.0.0.1: the only argument.
pub fn port() -> u16 {
    std::env::args().nth(1).and_then(|port| port.parse().ok()).expect("a port as the only argument")
}
