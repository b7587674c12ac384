//! Compiles the examples of the project's first page and of the pages about handlers, drivers, transports and migrations,
//! and runs those that end.
#![forbid(unsafe_code)]

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

#[cfg(doctest)]
#[doc = include_str!("../docs/driver.md")]
struct DriverPage;

#[cfg(doctest)]
#[doc = include_str!("../docs/handlers.md")]
struct HandlersPage;

#[cfg(doctest)]
#[doc = include_str!("../docs/migrate-from-axum-serve.md")]
struct AxumPage;

#[cfg(doctest)]
#[doc = include_str!("../docs/migrate-from-tiny-http.md")]
struct TinyHttpPage;

#[cfg(doctest)]
#[doc = include_str!("../docs/transport.md")]
struct TransportPage;
