//! Each entry whole, byte by byte, and cut once or twice at every place.

use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::check::{entries, for_each, play};
use crate::cut::Cut;

#[test]
fn every_entry_is_as_it_is_written_whole_byte_by_byte_and_at_every_cut() {
    for_each(&entries(), |entry| {
        let len = entry.bytes().len();
        Cut::all(len).into_iter().try_for_each(|cut| {
            let played = catch_unwind(AssertUnwindSafe(|| play(entry, cut)));
            let played = played.unwrap_or_else(|_| Err("it panicked, see above".into()));
            played.map_err(|error| format!("{cut:?} of {len}: {error}"))
        })
    });
}

#[test]
fn every_short_entry_is_as_it_is_written_when_it_is_cut_twice() {
    let mut entries = entries();
    entries.retain(|entry| (2..200).contains(&entry.bytes().len()));
    for_each(&entries, |entry| {
        let cuts = Cut::all_twice(entry.bytes().len());
        cuts.into_iter().try_for_each(|cut| play(entry, cut).map_err(|error| format!("{cut:?}: {error}")))
    });
}
