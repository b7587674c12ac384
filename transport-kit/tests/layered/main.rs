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
//! | bytes that were found are followed by a read that waits | `a_read_takes_what_is_there_and_waits_for_no_more` and three more |
//! | a read ends with the first record, or after 16 that were received | `a_read_fills_its_buffer_and_leaves_little_of_what_came_from_below` |
//! | a read brings 16 KiB from below, or does not heed what is left of the one before | the same |
//! | a layer receives more than 16 KiB at once | the same, and `however_bytes_are_cut_and_read_they_are_the_same_and_nobody_sleeps_for_ever` |
//! | what is left is lost | `what_is_left_of_a_read_is_the_connections_own_and_no_other_gets_it` |
//! | what is left of a read stays in the thread's buffer | `a_flush_is_ready_when_the_wire_below_has_all` and more |
//! | what is left of a handshake does | `what_came_with_the_end_of_a_handshake_is_the_connections_own` |
//! | a buffer that is empty is kept | `bytes_go_both_ways_whatever_the_wire_below_takes_and_nobody_sleeps_for_ever` and more |
//! | an error comes before the bytes that were found | `what_came_before_an_error_is_read_whole_and_then_there_is_the_error` |
//! | the end does, or without the replies, or keeps what comes behind it | `nothing_is_kept_of_what_comes_behind_the_end_of_the_layer` |
//! | replies are waited for behind bytes that were found, or have no bound there | `a_read_ends_where_replies_wait_and_what_is_left_comes_when_they_have_left` |
//! | a read that finds nothing goes on for ever, or nobody is woken for the next turn | `a_read_that_finds_nothing_lets_others_have_their_turn_whatever_room_it_has` |
#![allow(clippy::unwrap_used)]

mod bytes;
mod connections;
mod failures;
mod reads;
mod support;
mod through;
mod truncated;
mod waking;
mod wires;
