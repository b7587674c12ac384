//! What the kit found.

use std::fmt;
use std::io::{self, Write};
use std::time::Duration;

use crate::obligation::Obligation;

/// The verdict on each obligation. Its `Display` is a table, with what went wrong below it.
///
/// ```
/// use httpfsm_tokio::Tokio;
/// use httpfsm_transport_kit::{Application, Kit, Plan, Report};
///
/// # fn main() -> std::io::Result<()> {
/// let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
/// let kit = Kit::default().only(["names", "interim responses"])?;
/// let report: Report = kit.check(&|plan: Plan, application: Application| {
///     let _inside = runtime.enter();
///     plan.on(Tokio::default()).serve(application)
/// });
/// println!("{report}");
/// assert!(report.is_kept());
/// // "names" is looked at without a script.
/// assert!(report.verdicts.iter().all(|verdict| (verdict.scripts == 0) == (verdict.obligation.name == "names")));
/// # Ok(())
/// # }
/// ```
#[must_use = "a report nobody reads proves nothing"]
#[derive(Clone, Debug)]
pub struct Report {
    /// In the order of [`OBLIGATIONS`](crate::OBLIGATIONS).
    pub verdicts: Vec<Verdict>,
    /// How long it took.
    pub took: Duration,
}

/// What was found about an obligation.
///
/// [`Report`] has one for each obligation. Where a transport loses races with deadlines, its log shows which:
///
/// ```
/// use httpfsm_transport_kit::Verdict;
///
/// fn tell(verdict: &Verdict) {
///     let name = verdict.obligation.name;
///     verdict.failures.iter().for_each(|failure| eprintln!("{name}: {failure}"));
///     verdict.repeated.iter().for_each(|script| eprintln!("{name}, with more time: {script}"));
///     if let Some(what) = verdict.needs {
///         eprintln!("{name}: not looked at, as there is no {what}");
///     }
/// }
/// ```
#[derive(Clone, Debug)]
pub struct Verdict {
    /// What is owed.
    pub obligation: &'static Obligation,
    /// The scripts that were run; 0 where a check of its own was made.
    pub scripts: usize,
    /// What went wrong, each as a text of several lines; empty if nothing did.
    pub failures: Vec<String>,
    /// The scripts that were right only with longer deadlines than at first: how often each ran, and in what it differed the
    /// first time. That is no failure: a slow machine is enough. Where the machine is quick, it is a race with a deadline
    /// that the transport loses at times.
    pub repeated: Vec<String>,
    /// What is needed to look at the obligation and is missing. Nothing is known of it then.
    pub needs: Option<&'static str>,
}

impl Verdict {
    /// Whether the obligation was looked at, and is kept.
    #[must_use]
    pub fn is_kept(&self) -> bool {
        self.failures.is_empty() && self.needs.is_none()
    }
}

impl Report {
    /// Whether obligations were looked at, and every one is kept. One that could not be looked at is not.
    #[must_use]
    pub fn is_kept(&self) -> bool {
        !self.verdicts.is_empty() && self.verdicts.iter().all(Verdict::is_kept)
    }

    /// The names of the obligations that were found broken.
    ///
    /// ```
    /// use httpfsm_transport_kit::Report;
    ///
    /// /// While a transport is written: what it does not do yet.
    /// fn check_progress(report: &Report) {
    ///     assert_eq!(report.broken(), ["upgrades", "half-close"]);
    /// }
    /// # let _ = check_progress;
    /// ```
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

    /// The names of the obligations that could not be looked at, and what is missing.
    ///
    /// ```
    /// use httpfsm_transport_kit::Report;
    ///
    /// /// For a run that is to look at everything.
    /// fn demand_all(report: &Report) {
    ///     for (name, needs) in report.not_run() {
    ///         panic!("{name} was not looked at: it needs {needs}");
    ///     }
    ///     report.assert();
    /// }
    /// # let _ = demand_all;
    /// ```
    #[must_use]
    pub fn not_run(&self) -> Vec<(&'static str, &'static str)> {
        self.verdicts
            .iter()
            .filter_map(|verdict| verdict.needs.map(|needs| (verdict.obligation.name, needs)))
            .collect()
    }

    /// For tests: nothing, if no obligation is broken. What was not run is said on the standard error stream, and which
    /// scripts ran [several times](Verdict::repeated); to demand that all is run, see [`is_kept`](Self::is_kept).
    ///
    /// # Panics
    ///
    /// With the report, if one is broken, or none was looked at.
    pub fn assert(&self) {
        let looked_at = self.verdicts.iter().any(|verdict| verdict.needs.is_none());
        assert!(looked_at, "nothing was looked at\n{self}");
        assert!(self.broken().is_empty(), "the transport does not keep what it owes\n{self}");
        for (name, needs) in self.not_run() {
            // Past the capture of tests, which print nothing when they pass.
            let _ = writeln!(io::stderr(), "{name}: not run: needs {needs}");
        }
        for verdict in &self.verdicts {
            for repeated in &verdict.repeated {
                let _ = writeln!(io::stderr(), "{}: {repeated}", verdict.obligation.name);
            }
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for Verdict { obligation, scripts, failures, needs, .. } in &self.verdicts {
            let proof = match scripts {
                0 => "check".to_owned(),
                scripts => format!("{scripts} scripts"),
            };
            // What it needs stands below the table, which is no place for a sentence.
            let verdict = match (failures.len(), needs) {
                (0, Some(_)) => "not run".to_owned(),
                (0, None) => "kept".to_owned(),
                (broken, _) => format!("BROKEN ({broken})"),
            };
            writeln!(f, "{:22} {proof:12} {verdict:12} {}", obligation.name, obligation.sentence)?;
        }
        writeln!(f, "{} scripts, {} obligations, {:.1?}", self.scripts(), self.verdicts.len(), self.took)?;
        for (name, needs) in self.not_run() {
            writeln!(f, "{name}: not run: needs {needs}")?;
        }
        for verdict in self.verdicts.iter().filter(|verdict| !verdict.failures.is_empty()) {
            writeln!(
                f,
                "\n{}: {}\n  otherwise: {}",
                verdict.obligation.name, verdict.obligation.sentence, verdict.obligation.otherwise
            )?;
            verdict.failures.iter().try_for_each(|failure| writeln!(f, "{failure}"))?;
        }
        for verdict in self.verdicts.iter().filter(|verdict| !verdict.repeated.is_empty()) {
            writeln!(f, "\n{}: right only with longer deadlines", verdict.obligation.name)?;
            verdict.repeated.iter().try_for_each(|repeated| writeln!(f, "{repeated}"))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::obligation::OBLIGATIONS;

    #[test]
    fn what_was_not_looked_at_is_not_kept_and_is_told() {
        let obligation = &OBLIGATIONS[0];
        let verdict =
            |needs| Verdict { obligation, scripts: 0, failures: Vec::new(), repeated: Vec::new(), needs };
        let report = |verdicts| Report { verdicts, took: Duration::ZERO };
        assert!(report(vec![verdict(None)]).is_kept());
        assert!(!report(Vec::new()).is_kept());
        let some = report(vec![verdict(None), verdict(Some("/proc"))]);
        some.assert();
        assert!(!some.is_kept() && some.broken().is_empty());
        assert_eq!(some.not_run(), [(OBLIGATIONS[0].name, "/proc")]);
        let lines: Vec<_> = some.to_string().lines().map(str::to_owned).collect();
        let sentence = lines.first().and_then(|line| line.find(OBLIGATIONS[0].sentence));
        assert!(sentence.is_some() && lines[1].find(OBLIGATIONS[0].sentence) == sentence, "{some}");
        assert!(lines[1].contains(" not run  "), "{some}");
        assert_eq!(lines.last().map(|line| &**line), Some("input: not run: needs /proc"));
        for nothing in [report(Vec::new()), report(vec![verdict(Some("/proc"))])] {
            assert!(std::panic::catch_unwind(|| nothing.assert()).is_err());
        }
    }
}
