//! The bar that a person sees while something takes long: on stderr, and only where that is a terminal.
//!
//! Invariant: nothing is written where nobody looks, and nothing is left on the line when the work ends.

use crate::evidence::progress::{Progress, Told};
use std::io::{IsTerminal as _, Write as _};
use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

const PACE: Duration = Duration::from_millis(200);
const WIDTH: u64 = 30;

/// A bar, until it is dropped.
pub(super) struct Bar {
    progress: Arc<Progress>,
    drawing: Option<(Sender<()>, JoinHandle<()>)>,
}

impl Bar {
    /// Begins to draw, where somebody looks.
    pub(super) fn begin() -> Self {
        let progress = Arc::new(Progress::default());
        let drawing = std::io::stderr().is_terminal().then(|| {
            let (stop, stopped) = channel();
            let watched = progress.clone();
            let draw = move || {
                while stopped.recv_timeout(PACE) == Err(RecvTimeoutError::Timeout) {
                    // What cannot be drawn holds nothing up.
                    let _ = write!(std::io::stderr(), "\r\x1b[K{}", line(watched.told()));
                }
                let _ = write!(std::io::stderr(), "\r\x1b[K");
            };
            (stop, std::thread::spawn(draw))
        });
        Self { progress, drawing }
    }

    /// What the work tells.
    pub(super) fn progress(&self) -> &Progress {
        &self.progress
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        if let Some((stop, drawing)) = self.drawing.take() {
            drop(stop);
            let _ = drawing.join();
        }
    }
}

fn line(Told { stage, done, of }: Told) -> String {
    if of == 0 {
        return stage.to_owned();
    }
    let full = usize::try_from(done.min(of).saturating_mul(WIDTH) / of).unwrap_or(0);
    let empty = usize::try_from(WIDTH).unwrap_or(0).saturating_sub(full);
    format!("[{}{}] {:3} %  {stage}", "#".repeat(full), " ".repeat(empty), done.min(of).saturating_mul(100) / of)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bar_fills_as_the_work_goes_on() {
        let told = |done, of| line(Told { stage: "entries", done, of });
        assert_eq!(told(0, 0), "entries");
        assert_eq!(told(5, 10), format!("[{}{}]  50 %  entries", "#".repeat(15), " ".repeat(15)));
        assert_eq!(told(99, 10), format!("[{}] 100 %  entries", "#".repeat(30)));
    }
}
