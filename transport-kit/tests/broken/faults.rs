//! Each fault breaks the obligation that it is a breach of.

use std::time::Duration;

use crate::check::{catches, catches_each, check};
use crate::fault::Fault::*;

#[test]
fn the_end_of_input_that_is_lost() {
    catches(LosesTheEndOfInput, "half-close", "an end without a request");
}

#[test]
fn a_write_that_drops_its_last_slice() {
    catches(DropsTheLastSliceOfAWrite, "output", "bytes to peer");
}

#[test]
fn a_write_that_is_repeated_in_part() {
    catches(SendsTheRestOfAWriteAgain, "partial writes", "is another one.");
}

#[test]
fn a_byte_that_large_reads_lose() {
    catches(LosesAByteOfLargeReads, "uploads", "an upload larger than all windows");
}

#[test]
fn a_deadline_that_wakes_nobody() {
    catches_each(
        NeverWakesForADeadline,
        "deadlines",
        &[
            "\"half a head\"",
            "\"nothing behind empty lines\"",
            "\"half of an empty line\"",
            "\"nothing behind empty lines and a response\"",
            "\"no response behind the peer's end\"",
            "\"no response to a body that was read, behind the peer's end\"",
            "\"no more frames behind the peer's end\"",
        ],
    );
    catches_each(
        NeverWakesForADeadline,
        "drain",
        &[
            "\"a drain of a silent connection that is new\"",
            "\"a drain of a new connection that has sent empty lines\"",
        ],
    );
    catches(NeverWakesForADeadline, "many deadlines", "The connection does not end");
    catches(NeverWakesForADeadline, "drained to the end", "The connection does not end");
}

#[test]
fn an_end_in_place_of_a_reset() {
    catches(EndsWhereItShouldReset, "failing applications", "RST");
}

#[test]
fn names_that_are_swapped_or_forgotten() {
    catches(SwapsTheNames, "names", "the ends of the socket are");
    catches(ForgetsThePath, "names", "the ends of the socket are");
}

#[test]
fn a_loop_that_spins() {
    catches(Spins, "rest", "Idle connections take");
}

#[test]
fn descriptors_that_leak() {
    catches(LeaksDescriptors, "nothing left", "descriptors");
    catches(LeaksADescriptorAServer, "nothing left", "descriptors");
    catches(LeaksDescriptorsOfOpenConnections, "nothing left", "descriptors");
}

#[test]
fn threads_that_leak() {
    catches(LeaksAThreadAServer, "nothing left", "threads");
}

#[test]
fn a_body_that_is_read_ahead_without_bound() {
    catches(ReadsAheadWithoutBound, "input backpressure", "were taken of a body that nobody reads");
}

#[test]
fn a_listener_that_is_not_served() {
    catches(SkipsEverySecondListener, "listeners", "\"world!\" does not come");
    if std::net::TcpListener::bind("[::1]:0").is_ok() {
        catches(SkipsIpv6, "listeners", "\"world!\" does not come");
    }
}

#[test]
fn a_driver_that_is_forgotten_after_a_panic() {
    catches(ForgetsDriversThatSawAPanic, "isolation", "The server is not gone.");
}

#[test]
fn a_panic_that_is_hidden() {
    catches(HidesPanics, "blocking handlers", "a blocking handler that panics");
}

#[test]
fn an_eviction_that_is_ignored() {
    catches(IgnoresEvictions, "eviction", "No idle connection makes room.");
}

#[test]
fn bytes_of_an_echo_that_are_lost() {
    catches(LosesAByteOfLargeReads, "echoed bodies", "come");
}

#[test]
fn a_handler_that_is_leaked_where_it_should_be_dropped() {
    catches(LeaksLostHandlers, "cancellation", "a reset at point 0 of a handler");
}

#[test]
fn the_end_of_a_unix_socket_that_is_lost() {
    catches(LosesTheEndOfUnixInput, "unix sockets", "an end without a request, on a Unix socket");
    check(LosesTheEndOfUnixInput, &["half-close"], Duration::from_secs(30)).assert();
}

#[test]
fn a_clock_that_stands() {
    catches(KeepsItsFirstDate, "date", "is not when it was sent");
}

#[test]
fn a_listener_that_stays_open() {
    catches(KeepsListening, "drained to the end", "still takes connections");
}

#[test]
fn a_reset_that_nobody_hears() {
    catches(LosesAResetInsideARequest, "disconnects", "a reset inside a body");
}

#[test]
fn a_full_socket_that_is_not_written_to_again() {
    catches(NeverWritesAfterAFullSocket, "output backpressure", "not asked again when the peer reads");
}

#[test]
fn a_head_that_is_kept_until_it_is_whole() {
    catches_each(
        KeepsHeadsUntilTheirEnds,
        "refusals",
        &[
            "\"hostile: a first line of SMTP, and nothing behind it\"",
            "\"hostile: a first line of HTTP/0.9, and nothing behind it\"",
            "\"hostile: a first line of an unknown version, and nothing behind it\"",
            "\"hostile: a field line without a colon, and nothing behind it\"",
            "\"hostile: a field line that is folded, and nothing behind it, after a response\"",
            "\"hostile: a field line with a blank before its colon, and nothing behind it, after a response\"",
        ],
    );
}
