//! What tests see of a run from inside: the steps that were taken in a table, what actions raised, and how many octets
//! were looked at or moved. It is there in the unit tests only; each thread has its own.

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;

/// A machine, and indices of its labels.
type Pair = (&'static str, usize, usize);

std::thread_local! {
    static LOOKED_UP: RefCell<BTreeSet<Pair>> = const { RefCell::new(BTreeSet::new()) };
    static RAISED: RefCell<BTreeSet<(usize, Pair)>> = const { RefCell::new(BTreeSet::new()) };
    static OCTETS: Cell<u64> = const { Cell::new(0) };
}

/// In `state`, `event` was looked up, to be taken or to be refused.
pub(crate) fn looked_up(machine: &'static str, state: usize, event: usize) {
    LOOKED_UP.with_borrow_mut(|pairs| pairs.insert((machine, state, event)));
}

/// In `state`, `action` raised `event`.
pub(crate) fn raised(machine: &'static str, state: usize, action: usize, event: usize) {
    RAISED.with_borrow_mut(|pairs| pairs.insert((state, (machine, action, event))));
}

/// So many octets were looked at, or moved.
pub(crate) fn octets(n: usize) {
    OCTETS.set(OCTETS.get() + n as u64);
}

/// The pairs of a state and an event that were looked up in a machine.
pub(crate) fn all_looked_up(machine: &str) -> BTreeSet<(usize, usize)> {
    let of_machine = |&(name, state, event): &Pair| (name == machine).then_some((state, event));
    LOOKED_UP.with_borrow(|pairs| pairs.iter().filter_map(of_machine).collect())
}

/// State, action and event of what was raised in a machine.
pub(crate) fn all_raised(machine: &str) -> BTreeSet<(usize, usize, usize)> {
    let of_machine =
        |&(state, (name, action, event)): &(usize, Pair)| (name == machine).then_some((state, action, event));
    RAISED.with_borrow(|raised| raised.iter().filter_map(of_machine).collect())
}

/// The octets that `run` looks at or moves.
pub(crate) fn octets_of(run: impl FnOnce()) -> u64 {
    let before = OCTETS.get();
    run();
    OCTETS.get() - before
}
