//! A run that failed, as small as it could be made.

use std::error::Error;
use std::fmt;

use crate::contract::Contract;

/// A contract that was broken, and how to see it again.
///
/// Its `Display` is the whole story: the contract, what was planned, what happened step by step, and the command that
/// repeats it.
///
/// ```
/// use httpfsm::{Request, ServerConfig};
/// use httpfsm_sim::{Ask, BrokenContract, Contract, Simulation, World};
///
/// let handler = |_: Request| async { "half a resp" };
/// let failure: Box<BrokenContract> = Simulation::new(ServerConfig::default(), |_: &World| handler)
///     .traffic(|_| {
///         Ask::get("/").check(|response| match &*response.body {
///             b"half a response" => Ok(()),
///             _ => Err("it is cut".to_owned()),
///         })
///     })
///     .faults([])
///     .run()
///     .expect_err("it breaks at the first connection");
/// assert_eq!(failure.contract, Contract::Responses);
/// assert!(failure.text.contains("it is cut"));
/// assert!(failure.command.starts_with("HTTPFSM_SIM_SEED=1 HTTPFSM_SIM_CONNECTIONS=1 cargo test"));
/// ```
#[non_exhaustive]
pub struct BrokenContract {
    /// The seed that repeats it, with [`Simulation::seed`](crate::Simulation::seed) and one connection.
    pub seed: u64,
    /// What was broken.
    pub contract: Contract,
    /// How.
    pub text: String,
    /// The connections that are left of the plan.
    pub plan: String,
    /// What happened in the smallest plan that still fails: its last steps.
    pub steps: Vec<String>,
    /// The command that repeats it.
    pub command: String,
}

impl fmt::Display for BrokenContract {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{:?} is broken at seed {}: {}", self.contract, self.seed, self.text)?;
        writeln!(f, "\nThe smallest plan that fails:\n{}", self.plan)?;
        writeln!(f, "What happened:")?;
        self.steps.iter().try_for_each(|step| writeln!(f, "  {step}"))?;
        write!(f, "\nTo repeat it: {}", self.command)
    }
}

/// As `Display`, so that an `unwrap` tells the story.
impl fmt::Debug for BrokenContract {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Error for BrokenContract {}
