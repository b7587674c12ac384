//! The application as a client sees it.

mod caching;
mod codings;
mod content;
mod fields;
mod folders;
mod jobs;
mod links;
mod memory;
mod paths;
mod ranges;
mod site;
mod stand_ins;
