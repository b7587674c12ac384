//! What the kit found.

use std::fmt;
use std::time::Duration;

use crate::obligation::Obligation;

/// The verdict on each obligation. Its `Display` is a table, with what went wrong below it.
#[must_use = "a report nobody reads proves nothing"]
#[derive(Clone, Debug)]
pub struct Report {
    /// In the order of [`OBLIGATIONS`](crate::OBLIGATIONS).
    pub verdicts: Vec<Verdict>,
    /// How long it took.
    pub took: Duration,
}

/// What was found about an obligation.
#[derive(Clone, Debug)]
pub struct Verdict {
    /// What is owed.
    pub obligation: &'static Obligation,
    /// The scripts that were run; 0 where a check of its own was made.
    pub scripts: usize,
    /// What went wrong, each as a text of several lines; empty if the obligation is kept.
    pub failures: Vec<String>,
}

impl Report {
    /// Whether every obligation is kept.
    #[must_use]
    pub fn is_kept(&self) -> bool {
        self.verdicts.iter().all(|verdict| verdict.failures.is_empty())
    }

    /// The names of the obligations that are not kept.
    #[must_use]
    pub fn broken(&self) -> Vec<&'static str> {
        let broken = self.verdicts.iter().filter(|verdict| !verdict.failures.is_empty());
        broken.map(|verdict| verdict.obligation.name).collect()
    }

    /// How many scripts were run.
    #[must_use]
    pub fn scripts(&self) -> usize {
        self.verdicts.iter().map(|verdict| verdict.scripts).sum()
    }

    /// For tests: nothing, if every obligation is kept.
    ///
    /// # Panics
    ///
    /// With the report, if one is not.
    pub fn assert(&self) {
        assert!(self.is_kept(), "the transport does not keep what it owes\n{self}");
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for Verdict { obligation, scripts, failures } in &self.verdicts {
            let proof = match scripts {
                0 => "check".to_owned(),
                scripts => format!("{scripts} scripts"),
            };
            let verdict =
                if failures.is_empty() { "kept".to_owned() } else { format!("BROKEN ({})", failures.len()) };
            writeln!(f, "{:22} {proof:12} {verdict:12} {}", obligation.name, obligation.sentence)?;
        }
        writeln!(f, "{} scripts, {} obligations, {:.1?}", self.scripts(), self.verdicts.len(), self.took)?;
        for verdict in self.verdicts.iter().filter(|verdict| !verdict.failures.is_empty()) {
            writeln!(
                f,
                "\n{}: {}\n  otherwise: {}",
                verdict.obligation.name, verdict.obligation.sentence, verdict.obligation.otherwise
            )?;
            verdict.failures.iter().try_for_each(|failure| writeln!(f, "{failure}"))?;
        }
        Ok(())
    }
}
