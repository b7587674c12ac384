//! A transport of httpfsm.
#![forbid(unsafe_code)]
#![deny(missing_docs)]
