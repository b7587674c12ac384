//! What is checked, and what it is called when it was broken.

use std::fmt;

/// What is checked.
///
/// A handler that never responds, where no deadline ends it:
///
/// ```
/// use httpfsm::{Request, ServerConfig};
/// use httpfsm_sim::{Ask, Contract, Simulation, World};
///
/// let mut config = ServerConfig::default();
/// config.channel.responseless_timeout = None;
/// let failure = Simulation::new(config, |_: &World| |_: Request| std::future::pending::<&str>())
///     .traffic(|_| Ask::get("/"))
///     .faults([])
///     .run()
///     .expect_err("clients wait for ever");
/// assert_eq!(failure.contract, Contract::Progress);
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Contract {
    /// Nothing panics but handlers, whose panics are caught.
    NoPanic,
    /// Who waits is woken, everything that has begun ends, and nothing spins.
    Progress,
    /// Responses are those of their requests, in order, whole unless visibly cut, and nothing comes behind the last.
    Responses,
    /// The handler is given what was sent, once.
    Requests,
    /// The socket is used as a socket may be.
    Wire,
    /// What is pending can be asked for again and again.
    Pending,
    /// Memory stays below its bound.
    Bounded,
    /// What was taken is given back.
    GivenBack,
}

/// A contract that was broken.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Breach {
    pub(crate) contract: Contract,
    pub(crate) text: String,
}

impl fmt::Display for Breach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {}", self.contract, self.text)
    }
}
