//! Each step of a machine, for whoever wants to see it.

use super::Cause;
use crate::time::Moment;

/// A row that a machine has taken.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Taken<S, E, I, A: 'static> {
    /// When.
    pub at: Moment,
    /// Where the machine stood.
    pub state: S,
    /// What happened.
    pub cause: Cause<E, I>,
    /// What it does.
    pub actions: &'static [A],
    /// Where it stands while the actions run, and from then on.
    pub next: S,
}

/// Hears of each row that a machine takes. [`Channel::handle_with`](crate::Channel::handle_with) tells it before the actions
/// of the row run, [`Server::handle_with`](crate::server::Server::handle_with) behind them.
///
/// `()` hears nothing and costs nothing.
pub trait Trace<S, E, I, A: 'static> {
    /// A row was taken.
    fn step(&mut self, step: &Taken<S, E, I, A>);
}

impl<S, E, I, A: 'static> Trace<S, E, I, A> for () {
    #[inline(always)]
    fn step(&mut self, _: &Taken<S, E, I, A>) {}
}

impl<S, E, I, A: 'static, F: FnMut(&Taken<S, E, I, A>)> Trace<S, E, I, A> for F {
    fn step(&mut self, step: &Taken<S, E, I, A>) {
        self(step);
    }
}
