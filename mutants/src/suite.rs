//! The tests of the copy: which of them reach which mutant, and what they say about it.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// A test that takes longer is run by itself, after the others.
const QUICK: Duration = Duration::from_millis(60);
/// What a process may take beyond twenty times of what its tests took unchanged.
const PATIENCE: Duration = Duration::from_secs(10);
/// What a program may take whose tests were not timed.
const UNKNOWN: Duration = Duration::from_secs(200);
/// Address space of a process, in KiB.
const MEMORY: u32 = 6_000_000;

/// All tests.
pub struct Suite {
    folder: PathBuf,
    scratch: PathBuf,
    tests: Vec<Test>,
    reached: BTreeMap<u32, Vec<usize>>,
    /// How many mutants each program has caught: the best is asked first.
    caught: Mutex<BTreeMap<PathBuf, usize>>,
}

struct Test {
    program: Arc<Path>,
    name: String,
    time: Duration,
}

/// What became of a mutant.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// A test failed.
    Caught(String),
    /// A test did not end.
    TimedOut(String),
    /// No test noticed, though some ran the code.
    Missed,
    /// No test runs the code.
    Unreached,
}

impl Suite {
    /// Asks the programs for their tests.
    pub fn list(programs: &[PathBuf], folder: &Path, scratch: &Path) -> Result<Self, String> {
        let mut tests = Vec::new();
        for program in programs {
            let listed =
                Command::new(program).args(["--list", "--format", "terse"]).current_dir(folder).output();
            let listed = listed.map_err(|error| format!("{}: {error}", program.display()))?;
            let program: Arc<Path> = Arc::from(program.as_path());
            for line in String::from_utf8_lossy(&listed.stdout).lines() {
                if let Some(name) = line.strip_suffix(": test") {
                    let (program, name) = (Arc::clone(&program), name.to_owned());
                    tests.push(Test { program, name, time: Duration::ZERO });
                }
            }
        }
        Ok(Self {
            folder: folder.to_owned(),
            scratch: scratch.to_owned(),
            tests,
            reached: BTreeMap::new(),
            caught: Mutex::default(),
        })
    }

    /// Runs each test by itself, with no mutant on, and notes which mutants it reaches.
    pub fn record(programs: &[PathBuf], folder: &Path, scratch: &Path, jobs: usize) -> Result<Self, String> {
        let mut suite = Self::list(programs, folder, scratch)?;
        let indices: Vec<usize> = (0..suite.tests.len()).collect();
        let recorded = each(&indices, jobs, |worker, &index| suite.record_one(worker, index));
        for (index, record) in recorded.into_iter().enumerate() {
            let (time, reached) = record?;
            suite.tests[index].time = time;
            for number in reached {
                suite.reached.entry(number).or_default().push(index);
            }
        }
        let times: Vec<Duration> = suite.tests.iter().map(|test| test.time).collect();
        for reaching in suite.reached.values_mut() {
            reaching.sort_by_key(|index| times[*index]);
        }
        Ok(suite)
    }

    /// How many tests there are.
    pub fn len(&self) -> usize {
        self.tests.len()
    }

    fn record_one(&self, worker: usize, index: usize) -> Result<(Duration, BTreeSet<u32>), String> {
        let path = self.scratch.join(format!("reached-{worker}"));
        let _ = fs::remove_file(&path);
        let began = Instant::now();
        let end = self.run(worker, &[index], &[("HTTPFSM_REACHED", path.display().to_string())], 600);
        if end != End::Passed {
            return Err(format!("{} fails with no mutant on: {end:?}", self.tests[index].name));
        }
        let time = began.elapsed();
        let reached = fs::read_to_string(&path).unwrap_or_default();
        Ok((time, reached.lines().filter_map(|line| line.parse().ok()).collect()))
    }

    /// The verdict of the tests that reach a place, with the change switched on by the variable; `ask` chooses among them.
    pub fn judge(
        &self,
        worker: usize,
        place: u32,
        variable: (&str, String),
        ask: impl Fn(&str) -> bool,
    ) -> Verdict {
        let Some(reaching) = self.reached.get(&place) else { return Verdict::Unreached };
        let asked: Vec<usize> =
            reaching.iter().copied().filter(|index| ask(&self.tests[*index].name)).collect();
        self.verdict(worker, &asked, &[variable])
    }

    /// The verdict of all tests, with nothing switched on: for what was changed while compiling.
    pub fn judge_as_built(&self) -> Verdict {
        self.verdict(0, &(0..self.tests.len()).collect::<Vec<_>>(), &[])
    }

    fn verdict(&self, worker: usize, tests: &[usize], variables: &[(&str, String)]) -> Verdict {
        let (quick, slow): (Vec<usize>, Vec<usize>) =
            tests.iter().partition(|index| self.tests[**index].time < QUICK);
        let mut groups: BTreeMap<&Path, Vec<usize>> = BTreeMap::new();
        for index in quick {
            groups.entry(&self.tests[index].program).or_default().push(index);
        }
        let mut groups: Vec<Vec<usize>> = groups.into_values().collect();
        let caught = lock(&self.caught).clone();
        groups.sort_by_key(|group| Reverse(caught.get(&*self.tests[group[0]].program)));
        for group in groups.into_iter().chain(slow.into_iter().map(|index| vec![index])) {
            let usual: Duration = group.iter().map(|index| self.tests[*index].time).sum();
            let patience = if usual.is_zero() { UNKNOWN } else { PATIENCE + usual * 20 };
            match self.run(worker, &group, variables, patience.as_secs()) {
                End::Passed => {}
                End::Failed(test) => {
                    *lock(&self.caught).entry(self.tests[group[0]].program.to_path_buf()).or_default() += 1;
                    return Verdict::Caught(test);
                }
                End::TimedOut => return Verdict::TimedOut(self.tests[group[0]].name.clone()),
            }
        }
        Verdict::Missed
    }

    /// Runs tests of one program.
    fn run(&self, worker: usize, tests: &[usize], variables: &[(&str, String)], seconds: u64) -> End {
        let path = self.scratch.join(format!("output-{worker}"));
        let Ok(output) = File::create(&path) else { return End::Failed("no file for the output".to_owned()) };
        let program = &self.tests[tests[0]].program;
        let mut command = Command::new("sh");
        command.args(["-c", &format!("ulimit -v {MEMORY}; exec \"$0\" \"$@\"")]).arg(&**program);
        command
            .args(["--exact", "--test-threads", "1"])
            .args(tests.iter().map(|index| &self.tests[*index].name));
        command.current_dir(&self.folder).envs(variables.iter().map(|(key, value)| (key, value)));
        command.env("PROPTEST_MAX_SHRINK_ITERS", "0").env("RUST_BACKTRACE", "0");
        let child = command.stdin(Stdio::null()).stdout(output).stderr(Stdio::null()).spawn();
        let Ok(mut child) = child else { return End::Failed("the program does not start".to_owned()) };
        let deadline = Instant::now() + Duration::from_secs(seconds);
        let mut nap = Duration::from_micros(500);
        let status = loop {
            if let Ok(Some(status)) = child.try_wait() {
                break status;
            }
            if Instant::now() > deadline {
                let _ = child.kill();
                let _ = child.wait();
                return End::TimedOut;
            }
            thread::sleep(nap);
            nap = (nap * 3 / 2).min(Duration::from_millis(50));
        };
        if status.success() {
            return End::Passed;
        }
        let text = fs::read_to_string(&path).unwrap_or_default();
        let failed = text.lines().find_map(|line| line.strip_prefix("test ")?.strip_suffix(" ... FAILED"));
        let program = program.file_stem().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let program = program.rsplit_once('-').map_or(program.as_str(), |(name, _)| name);
        End::Failed(format!("{program}: {}", failed.unwrap_or("the process ended")))
    }
}

#[derive(PartialEq, Eq, Debug)]
enum End {
    Passed,
    Failed(String),
    TimedOut,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Does `work` on every item, on some threads; the results are in order.
pub fn each<T: Sync, R: Send>(items: &[T], jobs: usize, work: impl Fn(usize, &T) -> R + Sync) -> Vec<R> {
    let next = AtomicUsize::new(0);
    let results = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for worker in 0..jobs {
            let (next, results, work) = (&next, &results, &work);
            scope.spawn(move || {
                loop {
                    let index = next.fetch_add(1, Relaxed);
                    let Some(item) = items.get(index) else { return };
                    let result = work(worker, item);
                    lock(results).push((index, result));
                }
            });
        }
    });
    let mut results = results.into_inner().unwrap_or_else(PoisonError::into_inner);
    results.sort_by_key(|(index, _)| *index);
    results.into_iter().map(|(_, result)| result).collect()
}
