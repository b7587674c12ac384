//! What no server may accept: each ends the connection, and what is hidden in it is never served.

/// A message and the statuses of the responses that it may get.
pub(crate) type Hostile = (&'static str, &'static [u16]);

/// A request that is hidden where none can be.
pub(crate) const SMUGGLED: &str = "GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n";

/// Messages of hostile clients. A request that is smuggled has a number that was never sent.
pub(crate) const MESSAGES: &[Hostile] = &[
    ("GET / HTTP/1.1\r\n\r\n", &[400]),
    // Clients of other protocols, which wait for a response to their first line.
    ("EHLO sim\r\n", &[400]),
    ("GET /\r\n", &[400]),
    ("GET / HTTP/9.9\r\n", &[505]),
    ("GET / HTTP/1.1\r\nHost: a\r\nno field\r\n", &[400]),
    ("GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", &[400]),
    ("GET / HTTP/1.1\nHost: a\n\n", &[400]),
    ("GET / HTTP/1.1\r\nHost: a\r\n folded: x\r\n\r\n", &[400]),
    ("GET / HTTP/1.1\r\nHost : a\r\n\r\n", &[400]),
    ("GET / HTTP/1.1\r\nHost: a\r\nX: \0\r\n\r\n", &[400]),
    ("GET / HTTP/2.0\r\nHost: a\r\n\r\n", &[400, 505]),
    ("GET  / HTTP/1.1\r\nHost: a\r\n\r\n", &[400]),
    ("\u{16}\u{3}\u{1}\0\0\r\n\r\n", &[400]),
    ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n", &[400]),
    ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5, 6\r\n\r\nhello", &[400]),
    (
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n\
         0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n",
        &[400],
    ),
    (
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nContent-Length: 0\r\n\r\n\
         GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n",
        &[400],
    ),
    (
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: xchunked\r\n\r\n\
         GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n",
        &[400, 501],
    ),
    (
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding : chunked\r\nContent-Length: 0\r\n\r\n\
         GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n",
        &[400],
    ),
    (
        "POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n\
         0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n",
        &[400],
    ),
];
