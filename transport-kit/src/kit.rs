//! Runs the scripts and the checks.

use std::any::Any;
use std::collections::VecDeque;
use std::error::Error;
use std::fmt;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use crate::application::Application;
use crate::bench::Bench;
use crate::held::HeldResources;
use crate::memory::Memory;
use crate::obligation::{OBLIGATIONS, Obligation, Proof};
use crate::record::Record;
use crate::report::{Report, Verdict};
use crate::run::run;
use crate::script::{SOON, Script, Step};
use crate::sockets::{Sockets, unix_path};
use crate::subject::{Plan, Subject};
use crate::trace::ScriptTrace;

/// Checks a transport against all [`OBLIGATIONS`].
///
/// "rest" and "nothing left" look at what the whole process takes, so nothing else may run in it meanwhile: give the check
/// a test file of its own. Of several checks in a process one runs at a time.
///
/// ```no_run
/// use httpfsm_tokio::Tokio;
/// use httpfsm_transport_kit::{Application, Plan, check};
///
/// # fn main() -> std::io::Result<()> {
/// let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
/// let report = check(&|plan: Plan, application: Application| {
///     let _inside = runtime.enter();
///     plan.on(Tokio::default()).serve(application)
/// });
/// report.assert();
/// # Ok(())
/// # }
/// ```
pub fn check(subject: &impl Subject) -> Report {
    Kit::default().check(subject)
}

/// A check with options.
#[derive(Clone, Debug)]
pub struct Kit {
    pub(crate) patience: Duration,
    only: Option<Vec<&'static str>>,
    at_once: usize,
}

impl Default for Kit {
    fn default() -> Self {
        Self { patience: Duration::from_secs(30), only: None, at_once: 16 }
    }
}

impl Kit {
    /// How long anything that should happen may take since anything happened last; what takes longer never happens. It is no
    /// less than 15 s for a transport that is right: a lost connection of which nothing is read is looked for every 5 s.
    /// Default 30 s.
    ///
    /// On a machine that is slow and has little memory:
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// use httpfsm_transport_kit::Kit;
    ///
    /// let kit = Kit::default().patience(Duration::from_secs(120)).at_once(2);
    /// # drop(kit);
    /// ```
    #[must_use]
    pub fn patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// Looks at these obligations alone, by their names.
    ///
    /// # Errors
    ///
    /// [`UnknownObligation`]: there is none of this name, or no name is given. A check of nothing would find nothing.
    pub fn only<N: AsRef<str>>(
        mut self,
        names: impl IntoIterator<Item = N>,
    ) -> Result<Self, UnknownObligation> {
        let named = |name: N| {
            let name = name.as_ref();
            let found = OBLIGATIONS.iter().find(|obligation| obligation.name == name);
            found.map(|found| found.name).ok_or_else(|| UnknownObligation(Some(name.to_owned())))
        };
        let names = names.into_iter().map(named).collect::<Result<Vec<_>, _>>()?;
        if names.is_empty() {
            return Err(UnknownObligation(None));
        }
        self.only = Some(names);
        Ok(self)
    }

    /// How many scripts run at once, each with a server of its own. Default 16.
    ///
    /// [`patience`](Self::patience) shows it in use.
    #[must_use]
    pub fn at_once(mut self, scripts: usize) -> Self {
        self.at_once = scripts.max(1);
        self
    }

    /// Checks a transport.
    pub fn check(&self, subject: &impl Subject) -> Report {
        static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
        let _alone = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
        let began = Instant::now();
        let bench = Bench::new(subject, self.patience);
        let chosen =
            |obligation: &&Obligation| self.only.as_ref().is_none_or(|only| only.contains(&obligation.name));
        let mut verdicts: Vec<_> = OBLIGATIONS.iter().filter(chosen).map(verdict).collect();
        self.scripts(&bench, &mut verdicts);
        for Verdict { obligation, failures, needs, .. } in &mut verdicts {
            match obligation.proof() {
                Proof::Process(_) if !HeldResources::is_told() => *needs = Some("/proc"),
                Proof::Check(check) | Proof::Process(check) => {
                    failures.extend(caught(|| check(&bench).err()));
                    *needs = bench.take_need();
                }
                Proof::Scripts(_) | Proof::Blocking(_) => {}
            }
        }
        Report { verdicts, took: began.elapsed() }
    }

    fn scripts(&self, bench: &Bench<'_>, verdicts: &mut [Verdict]) {
        let scripts = verdicts.iter().enumerate().flat_map(|(number, verdict)| {
            verdict.obligation.scripts().into_iter().map(move |script| (number, script))
        });
        let queue: Mutex<VecDeque<_>> = Mutex::new(scripts.collect());
        let verdicts = Mutex::new(verdicts);
        let work = || {
            loop {
                let next = queue.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
                let Some((number, script)) = next else { return };
                let record = Record::default();
                let outcome = outcome(&script, bench, &record);
                let mut verdicts = verdicts.lock().unwrap_or_else(PoisonError::into_inner);
                if let Some(verdict) = verdicts.get_mut(number) {
                    verdict.failures.extend(outcome.failure);
                    verdict.repeated.extend(outcome.repeated);
                    let is_blocking = matches!(verdict.obligation.proof(), Proof::Blocking(_));
                    if is_blocking && !record.has_spawner() {
                        verdict.needs = Some("a spawner, see Application::blocking");
                    }
                    if let Some(lacks) = record.lacks() {
                        verdict.scripts -= 1;
                        if verdict.scripts == 0 {
                            verdict.needs = Some(lacks);
                        }
                    }
                }
            }
        };
        thread::scope(|scope| {
            for _ in 0..self.at_once {
                scope.spawn(work);
            }
        });
    }
}

/// A name that was given to [`Kit::only`] and is none of an [obligation](OBLIGATIONS), or that none was given. Its
/// `Display` lists all names.
///
/// ```
/// use httpfsm_transport_kit::Kit;
///
/// let unknown = Kit::default().only(["inputs"]).expect_err("it is called `input`");
/// assert!(unknown.to_string().contains("inputs"));
/// ```
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct UnknownObligation(Option<String>);

impl fmt::Display for UnknownObligation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Some(name) => write!(f, "No obligation is called {name:?}.")?,
            None => f.write_str("The name of no obligation was given.")?,
        }
        f.write_str(" There are ")?;
        for (n, obligation) in OBLIGATIONS.iter().enumerate() {
            let between = match n {
                0 => "",
                n if n + 1 == OBLIGATIONS.len() => " and ",
                _ => ", ",
            };
            write!(f, "{between}{:?}", obligation.name)?;
        }
        f.write_str(".")
    }
}

impl Error for UnknownObligation {}

impl From<UnknownObligation> for io::Error {
    fn from(error: UnknownObligation) -> Self {
        io::Error::new(io::ErrorKind::InvalidInput, error)
    }
}

fn verdict(obligation: &'static Obligation) -> Verdict {
    let scripts = obligation.scripts().len();
    Verdict { obligation, scripts, failures: Vec::new(), repeated: Vec::new(), needs: None }
}

/// How many times as long the deadlines are that a script waits for, each time that it runs again.
const TIMES: [u32; 2] = [10, 100];

/// What came of a script on the subject.
struct ScriptOutcome {
    /// What is wrong, if anything.
    failure: Option<String>,
    /// How often it ran, and what was wrong at first, where nothing was in the end.
    repeated: Option<String>,
}

/// Runs the script; `record` is that of its first run. A script that waits for deadlines may differ because they came
/// before what was to happen first. It then runs again with longer deadlines, on the subject and in memory, before it
/// counts as a failure.
fn outcome(script: &Script, bench: &Bench<'_>, record: &Record) -> ScriptOutcome {
    let difference = |script: &Script, record: &Record| caught(|| difference(script, bench, record));
    let first = difference(script, record);
    let (mut last, mut runs) = (first.clone(), 1);
    let times = TIMES.into_iter().take_while(|times| SOON * *times <= bench.patience);
    for script in times.map_while(|times| script.with_more_time(times)) {
        if last.is_none() {
            break;
        }
        last = difference(&script, &Record::default());
        runs += 1;
    }
    let name = &script.name;
    let repeated = first.filter(|_| last.is_none());
    ScriptOutcome {
        failure: last.map(|last| format!("The script \"{name}\": {last}")),
        repeated: repeated
            .map(|first| format!("The script \"{name}\" ran {runs} times. The first time, {first}")),
    }
}

/// What is wrong, if anything. A panic of the subject counts as wrong, and does not end the report.
fn caught(look: impl FnOnce() -> Option<String>) -> Option<String> {
    catch_unwind(AssertUnwindSafe(look)).unwrap_or_else(|panic| Some(panic_text(&*panic)))
}

/// What a panic says.
pub(crate) fn panic_text(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
    format!("It panicked: {}", text.unwrap_or("(no text)"))
}

/// How the trace of the script differs from its trace in memory.
fn difference(script: &Script, bench: &Bench<'_>, record: &Record) -> Option<String> {
    let reference = in_memory(script);
    if let Some(stuck) = reference.is_stuck() {
        return Some(format!("it does not run in memory, {stuck}\n{reference}"));
    }
    match recorded(script, bench.subject, bench.patience, record) {
        Err(error) if error.kind() == io::ErrorKind::Unsupported && record.lacks().is_some() => None,
        Err(error) => Some(format!("there is no server, {error}")),
        Ok((trace, has_resets)) => {
            let reference = if has_resets { reference } else { reference.without_resets() };
            (trace != reference).then(|| format!("it differs.\n{}", trace.difference(&reference)))
        }
    }
}

/// The trace of a script on the in-memory transport, which every transport has to reproduce.
///
/// ```
/// use httpfsm_transport_kit::{OBLIGATIONS, in_memory};
///
/// for script in OBLIGATIONS.iter().flat_map(|obligation| obligation.scripts()).take(10) {
///     assert_eq!(in_memory(&script).is_stuck(), None, "{}", script.name);
/// }
/// ```
#[must_use]
pub fn in_memory(script: &Script) -> ScriptTrace {
    let record = Record::default();
    let trace = run(script, &mut Memory::new(script.config.clone(), script.small_buffer, &record), &record);
    if script.is_unix { trace.without_resets() } else { trace }
}

/// The trace of a script on a transport.
///
/// One script alone, while a transport is repaired:
///
/// ```
/// use std::time::Duration;
///
/// use httpfsm_tokio::Tokio;
/// use httpfsm_transport_kit::{Application, OBLIGATIONS, Plan, in_memory, on_subject};
///
/// # fn main() -> std::io::Result<()> {
/// let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
/// let script = &OBLIGATIONS[0].scripts()[0];
/// let subject = |plan: Plan, application: Application| {
///     let _inside = runtime.enter();
///     plan.on(Tokio::default()).serve(application)
/// };
/// let trace = on_subject(script, &subject, Duration::from_secs(30))?;
/// assert_eq!(trace.difference(&in_memory(script)), "");
/// # Ok(())
/// # }
/// ```
///
/// # Errors
///
/// The server cannot be started.
pub fn on_subject(script: &Script, subject: &dyn Subject, patience: Duration) -> io::Result<ScriptTrace> {
    recorded(script, subject, patience, &Record::default()).map(|(trace, _)| trace)
}

/// The trace, and whether there are resets in it. An error of the kind `Unsupported` may be that of something that the
/// subject lacks, which the record tells then.
fn recorded(
    script: &Script,
    subject: &dyn Subject,
    patience: Duration,
    record: &Record,
) -> io::Result<(ScriptTrace, bool)> {
    let mut plan = Plan::new(script.config.clone(), record.clone());
    if script.is_unix {
        plan.addresses.clear();
        plan.path = Some(unix_path());
    }
    let path = plan.path.clone();
    let server = subject.serve(plan, Application::new(record.clone())).inspect_err(|error| {
        if script.is_unix && error.kind() == io::ErrorKind::Unsupported {
            record.note_lack("Unix sockets, which the transport says it does not have");
        }
    })?;
    let resets = script.steps.iter().any(|step| matches!(step, Step::Reset));
    let lack = match &server.connect {
        Some(_) if script.is_unix => Some("a listener, and the subject connects by a function"),
        _ if resets && !server.has_resets => Some("resets, which the connections do not have"),
        _ => None,
    };
    if let Some(lack) = lack {
        record.note_lack(lack);
        server.handle.begin_drain(Some(Duration::ZERO));
        return Err(io::ErrorKind::Unsupported.into());
    }
    let has_resets = server.has_resets && !script.is_unix;
    let patience = patience + script.longest_wait();
    let trace = run(script, &mut Sockets::new(server, path, script.small_buffer, patience), record);
    Ok((if has_resets { trace } else { trace.without_resets() }, has_resets))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scripts_that_wait_for_deadlines_run_in_memory_however_long_these_are() {
        let scripts = OBLIGATIONS.iter().flat_map(Obligation::scripts);
        let longer = scripts.flat_map(|script| TIMES.map(|times| script.with_more_time(times)));
        let mut count = 0;
        for script in longer.flatten() {
            let trace = in_memory(&script);
            assert_eq!(trace.is_stuck(), None, "{}\n{trace}", script.name);
            count += 1;
        }
        assert!(count > 30, "{count}");
    }

    #[test]
    fn a_name_that_is_none_of_an_obligation_is_an_error_that_lists_them() {
        let error =
            Kit::default().only(["names", "half close"]).map(|_| ()).map_err(|error| error.to_string());
        let text = error.err().unwrap_or_else(|| unreachable!("there is none of this name"));
        assert!(text.starts_with("No obligation is called \"half close\". There are \"input\", "), "{text}");
        assert!(OBLIGATIONS.iter().all(|obligation| text.contains(obligation.name)), "{text}");
        assert!(Kit::default().only([""; 0]).is_err(), "a check of nothing");
        let all = OBLIGATIONS.iter().map(|obligation| obligation.name);
        assert!(Kit::default().only(all).is_ok());
    }
}
