//! Where a script runs: a server and the peers' ends of its connections.

use httpfsm_transport::ServerHandle;

/// A server on some transport. Peers are counted from 0, in the order of [`connect`](Self::connect).
pub(crate) trait Stand {
    /// Opens a connection.
    fn connect(&mut self) -> Result<(), String>;

    /// Lets go of the connection that was opened last, which does not count.
    fn forget_last(&mut self);

    /// Sends some of `bytes`; how many. A connection that is lost takes all.
    fn send(&mut self, peer: usize, bytes: &[u8]) -> usize;

    /// Receives at most so many bytes, or waits a moment if there are none.
    fn receive(&mut self, peer: usize, at_most: usize, into: &mut Vec<u8>) -> Received;

    fn fin(&mut self, peer: usize);

    fn reset(&mut self, peer: usize);

    /// Lets go of the connection.
    fn close(&mut self, peer: usize);

    /// Lets the server do what it can without further time.
    fn settle(&mut self);

    /// Waits a moment.
    fn idle(&mut self);

    /// A step begins: patience starts anew.
    fn begin(&mut self);

    /// The step takes longer than it ever should.
    fn is_over_patience(&self) -> bool;

    fn handle(&self) -> ServerHandle;
}

/// What came from the server.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Received {
    /// Bytes.
    Some,
    /// Nothing so far.
    Nothing,
    /// The end of its output.
    Fin,
    /// A reset.
    Rst,
}
