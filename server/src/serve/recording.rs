//! `--record`: which connections are recorded, and the switch.

use std::io;
use std::path::PathBuf;

use httpfsm_record::{FileRecorder, Options, Which};

use crate::cli::ServeOptions;
use crate::log::note;

/// Recordings in all: with the default of 1 MiB each, so many MiB on the disk.
const RECORDINGS: usize = 1000;

/// The recordings of `--record`.
#[derive(Clone)]
pub(super) struct Recordings {
    recorder: FileRecorder,
    folder: PathBuf,
    /// What is recorded while it is on.
    which: Which,
}

impl Recordings {
    /// `None` if nothing is to be recorded, ever.
    pub(super) fn new(options: &ServeOptions) -> io::Result<Option<Self>> {
        let Some(folder) = &options.record else { return Ok(None) };
        let how = Options { mask_bodies: options.record_mask_bodies, ..Options::default() };
        let recorder = FileRecorder::new(folder, how, RECORDINGS)?;
        let which = match options.record_sample {
            0 | 1 => Which::All,
            n => Which::OneIn(n),
        };
        if options.record_sample > 0 {
            recorder.record(which.clone());
        }
        Ok(Some(Self { recorder, folder: folder.clone(), which }))
    }

    pub(super) fn recorder(&self) -> FileRecorder {
        self.recorder.clone()
    }

    /// Switches the recording on or off; returns the new state as text.
    pub(super) fn switch(&self) -> String {
        // Also when no recordings are left, as some may become available again.
        let which = if self.recorder.told() == Which::Nothing { self.which.clone() } else { Which::Nothing };
        self.recorder.record(which);
        self.state()
    }

    /// What is recorded, and where.
    pub(super) fn state(&self) -> String {
        let which = match self.recorder.told() {
            Which::Nothing if self.recorder.left() == RECORDINGS => {
                return "recording no connections until SIGUSR1".to_owned();
            }
            Which::Nothing => return "recording no further connections".to_owned(),
            _ if self.recorder.left() == 0 => {
                return format!(
                    "recording no further connections: the {RECORDINGS} recordings of this run are made"
                );
            }
            Which::OneIn(n) => format!("one connection in {n}"),
            _ => "all connections".to_owned(),
        };
        format!("recording {which} to {}, {} at most", self.folder.display(), self.recorder.left())
    }

    /// Waits some seconds until everything is written.
    pub(super) fn flush(&self) {
        if !self.recorder.flush() {
            note(format_args!("The disk does not take the last recordings; they are not whole."));
        }
    }
}
