//! A wire that a layer makes of another: what leaves, what is held, who is woken, and how it ends.
//!
//! These were seen to fail on changes to `layered.rs`, one at a time:
//!
//! | broken | found by |
//! |---|---|
//! | a flush is ready before all has left | `a_flush_is_ready_when_the_wire_below_has_all` and five more |
//! | the half-close leaves out the layer's end | `the_half_close_is_the_layers_end_and_then_that_of_the_wire_and_input_goes_on` and six more |
//! | reads pass on no replies | tests that then never end |
//! | replies have no bound | `nothing_is_received_while_16_kib_of_replies_wait` |
//! | one of two tasks is woken | `a_reader_and_a_writer_in_tasks_of_their_own_are_both_woken` |
//! | who else waits is not told that all was sent | `a_writer_is_woken_when_another_task_has_sent_what_it_waits_for` |
//! | replies are sent behind our end | `behind_our_end_nothing_is_sent` |
//! | a writer that was refused is not woken | `a_write_before_the_handshake_waits_for_it` |
//! | a write is refused for ever | `a_write_before_the_handshake_fails_when_there_will_be_none` |
//! | a buffer is kept when all is sent, or does not shrink | `a_flush_is_ready_when_the_wire_below_has_all`, `at_most_64_kib_are_taken_at_once_and_nothing_piles_up` |
//! | the error of such a write is forgotten, or a read takes it away | `a_wire_that_fails_in_a_write_of_the_layers_shows_at_the_flush_also_behind_a_read` |
#![allow(clippy::unwrap_used)]

mod bytes;
mod connections;
mod failures;
mod support;
mod through;
mod truncated;
mod waking;
mod wires;
