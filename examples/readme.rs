//! The examples of the project's first page, which is about every transport, compile and run.
#![forbid(unsafe_code)]

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
