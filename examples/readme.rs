//! The examples of the project's first page, which is about every transport, and of the page about drivers compile, and
//! run where they end.
#![forbid(unsafe_code)]

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

#[cfg(doctest)]
#[doc = include_str!("../docs/driver.md")]
struct DriverPage;
