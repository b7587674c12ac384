//! Buffers that a worker lends: what comes back, and what does not.

#[path = "support/rig.rs"]
mod rig;

use httpfsm::{Data, Input, Loan, State};
use rig::{GET, Rig};

/// Octets that a channel is offered to read into when it is lent this.
fn offered(loan: &mut Loan) -> usize {
    let mut rig = Rig::new();
    rig.channel.adopt(loan);
    let offered = rig.channel.spare().len();
    rig.channel.release(loan);
    offered
}

/// Octets of output buffer that a channel gets when it is lent this.
fn output(loan: &mut Loan) -> usize {
    let mut rig = Rig::new();
    rig.channel.adopt(loan);
    let lent = rig.channel.buffered();
    rig.channel.release(loan);
    lent
}

#[test]
fn a_loan_that_is_lent_is_empty_until_it_is_refilled() {
    let mut loan = Loan::new();
    let (input, room) = (offered(&mut loan), output(&mut loan));
    let mut rig = Rig::new();
    rig.channel.adopt(&mut loan);
    assert!(offered(&mut loan) < input && output(&mut loan) == 0);
    loan.refill();
    assert_eq!((offered(&mut loan), output(&mut loan)), (input, room));
    // What comes back finds the place taken, and goes.
    rig.channel.release(&mut loan);
    assert_eq!((offered(&mut loan), output(&mut loan)), (input, room));
    assert_eq!(rig.channel.buffered(), 0);
}

#[test]
fn lent_input_is_not_counted_as_the_channel_s_own() {
    let mut loan = Loan::new();
    let mut rig = Rig::new();
    rig.channel.adopt(&mut loan);
    assert!(rig.channel.buffered() < rig.channel.spare().len());
    rig.rx("GET");
    assert!(rig.channel.buffered() < 64 << 10);
    rig.channel.release(&mut loan);
    assert_eq!(rig.channel.buffered(), 3, "what is left of the input is");
}

/// What one large head needed is not kept for the channels after it.
#[test]
fn a_store_that_grew_is_not_lent_again() {
    let mut loan = Loan::new();
    let input = offered(&mut loan);
    let mut rig = Rig::new();
    rig.channel.adopt(&mut loan);
    rig.rx(format!("GET / HTTP/1.1\r\nHost: a\r\nX: {}\r\n\r\n", "x".repeat(200_000))).ok("");
    rig.channel.release(&mut loan);
    assert!(offered(&mut loan) < input, "the loan lacks what grew");
    loan.refill();
    assert_eq!(offered(&mut loan), input);
}

#[test]
fn output_that_grew_is_not_lent_again() {
    let mut loan = Loan::new();
    let mut rig = Rig::with(|config| config.output_high_water = 1 << 20);
    rig.channel.adopt(&mut loan);
    rig.rx(GET).ok(&"x".repeat(600_000)).send_all();
    rig.channel.release(&mut loan);
    assert_eq!(output(&mut loan), 0);
    loan.refill();
    assert_ne!(output(&mut loan), 0);
}

#[test]
fn a_second_large_content_is_copied_and_follows_the_first() {
    let mut rig = Rig::new();
    let (first, second) = ("1".repeat(20_000), "2".repeat(20_000));
    rig.rx(GET).stream(Some(40_000));
    for content in [&first, &second] {
        rig.input(Input::Write(Data::Bytes(content.clone().into())));
    }
    rig.finish();
    assert!(rig.wire().ends_with(&format!("\r\n\r\n{first}{second}")));
    assert_eq!(rig.state(), State::Idle);
}
