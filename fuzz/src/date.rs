//! No date that the machine takes can end a field line.

use httpfsm::time::Date;

/// Makes a date of the first 29 bytes.
pub fn check(input: &[u8]) {
    let Some(bytes) = input.first_chunk::<29>() else { return };
    if let Some(date) = Date::new(*bytes) {
        assert_eq!(date.as_bytes(), bytes);
        assert!(bytes.iter().all(|o| (0x20..=0x7e).contains(o)), "accepted: {bytes:02x?}");
    } else {
        assert!(bytes.iter().any(|o| !(0x20..=0x7e).contains(o)), "refused: {bytes:02x?}");
    }
}
