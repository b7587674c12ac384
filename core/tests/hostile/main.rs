//! The hostile corpus (`README.md` in this folder), played against a channel: each entry whole, byte by byte, and cut once
//! at every place.

mod applications;
mod check;
mod config;
mod corpus;
mod cut;
mod entries;
mod form;
mod player;
mod table;
