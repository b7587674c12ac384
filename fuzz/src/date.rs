//! No date that the machine takes can end a field line.

use httpfsm::time::Date;

/// Makes a date of the first 29 octets.
pub fn check(input: &[u8]) {
    let Some(octets) = input.first_chunk::<29>() else { return };
    if let Some(date) = Date::new(*octets) {
        assert_eq!(date.as_bytes(), octets);
        assert!(octets.iter().all(|o| (0x20..=0x7e).contains(o)), "accepted: {octets:02x?}");
    } else {
        assert!(octets.iter().any(|o| !(0x20..=0x7e).contains(o)), "refused: {octets:02x?}");
    }
}
