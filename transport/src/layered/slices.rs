//! How much of a write a layer is given at once.

use std::io::IoSlice;

/// Slices of one write.
pub(super) const MAX: usize = 8;
/// Plain bytes of one write.
const WRITE_BYTES: usize = 64 << 10;

/// The first slices that are not empty, with `WRITE_BYTES` bytes at most.
pub(super) fn bounded<'a, 'b>(
    slices: &'a [IoSlice<'_>],
    into: &'b mut [IoSlice<'a>; MAX],
) -> &'b [IoSlice<'a>] {
    let (mut room, mut filled) = (WRITE_BYTES, 0);
    for (slice, place) in slices.iter().filter(|slice| !slice.is_empty()).zip(into.iter_mut()) {
        let bytes = slice.get(..room).unwrap_or(slice);
        if bytes.is_empty() {
            break;
        }
        *place = IoSlice::new(bytes);
        room -= bytes.len();
        filled += 1;
    }
    into.get(..filled).unwrap_or_default()
}
