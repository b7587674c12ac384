//! `httpfsm replay`: a recorded connection, fed through the machine.

use std::error::Error;
use std::io::{self, BufReader, Write};

use httpfsm_record::{LineKind, Replay, Replayed, ReplayedLine};

use crate::cli;
use crate::log::is_shown;
use crate::regular;
use crate::stdout::Stdout;

/// Bytes of one line that are shown.
const SHOWN: usize = 4096;

pub(crate) fn run(options: &cli::ReplayOptions) -> Result<(), Box<dyn Error>> {
    let named = |error: &dyn Error| format!("{}: {error}", options.file.display());
    let file = regular::open(&options.file).map_err(|error| named(&error))?;
    let mut replay = Replay::new(BufReader::new(file)).map_err(|error| named(&error))?;
    let mut stdout = Stdout::lock();
    if options.step {
        let (name, peername, sockname) = (replay.channel_name(), replay.peername(), replay.sockname());
        writeln!(stdout, "{} from {} at {}", plain(name), plain(peername), plain(sockname))?;
    }
    loop {
        let step = replay.step();
        if step.is_err() {
            // The steps so far are printed before the error.
            stdout.flush()?;
        }
        match step.map_err(|error| named(&error))? {
            None => break,
            Some(step) if options.step => show(&step, &mut stdout)?,
            Some(_) => {}
        }
    }
    let Replayed { inputs, end } = replay.replayed();
    let why = match &*end {
        "over" => "",
        "full" => "; the recording ends at its bound, before the connection",
        "lost" => "; what follows was lost, the disk could not keep up",
        "failed" => "; what follows could not be written, as on a full disk",
        "gap" => "; the recording ends where its driver left out a call of Tape",
        "masked" => "; the recording ends where the machine would do something else with what is hidden",
        "page" => "; the recording ends at an error page that it does not have",
        _ => "; the recording breaks off",
    };
    let plural = if inputs == 1 { "" } else { "s" };
    writeln!(stdout, "replayed {inputs} input{plural}: equal{why}")?;
    stdout.flush()?;
    Ok(())
}

/// An input goes in (`>`), an output comes out (`<`).
fn show(step: &ReplayedLine, out: &mut impl Write) -> io::Result<()> {
    let sign = match step.kind {
        LineKind::Input | LineKind::NotAccepted => '>',
        LineKind::Output => '<',
        LineKind::Call => '.',
    };
    write!(out, "{:>5} {:>8} ms {sign} {}", step.line, step.at.as_millis(), plain(&step.name))?;
    if !step.text.is_empty() {
        write!(out, " {}", plain(&step.text))?;
    }
    if step.kind == LineKind::NotAccepted {
        write!(out, ", not accepted")?;
    }
    if step.kind != LineKind::Output {
        write!(out, " | {} -> {}", step.before, step.after)?;
        match step.deadline {
            Some(deadline) => write!(out, ", deadline {} ms", deadline.as_millis())?,
            None => write!(out, ", no deadline")?,
        }
        write!(out, ", {} bytes to send", step.unsent)?;
    }
    writeln!(out)?;
    for row in &step.rows {
        writeln!(out, "{:19}= {row}", "")?;
    }
    let shown = step.bytes.get(..SHOWN).unwrap_or(&step.bytes);
    for line in shown.split_inclusive(|byte| *byte == b'\n') {
        writeln!(out, "{:19}| {}", "", line.escape_ascii())?;
    }
    if shown.len() < step.bytes.len() {
        writeln!(out, "{:19}| ... {} bytes in all", "", step.bytes.len())?;
    }
    Ok(())
}

/// Text from a file, escaped for a terminal.
fn plain(text: &str) -> String {
    text.chars().flat_map(|c| if is_shown(c) { vec![c] } else { c.escape_default().collect() }).collect()
}
