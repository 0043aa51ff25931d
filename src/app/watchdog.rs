//! The watchdog: a thread that makes no turns any more ends the process, for a supervisor to start it again.
//!
//! Gate and guard stay meanwhile, and flow memory: nothing leaks, and no flow is lost. A worker that hangs would
//! drop all that its queues receive, for ever, and a run loop that hangs would see no ISP die.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::thread;
use std::time::Duration;

use super::notify::Undelivered;
use crate::control::events::{Event, Events};
use crate::limits::{
    CONTROL_STALL_NANOS, EVENT_LOG_PATIENCE_NANOS, WATCHDOG_LOOK_NANOS, WORKER_STALL_NANOS, WORKER_STOP_NANOS,
};
use crate::os::{self, Supervisor};
use crate::worker::{Channel, Life};

/// Time that a thread has to say where it is.
const TRACE_PATIENCE: Duration = Duration::from_secs(1);
/// Time for `[notify]` to tell it.
const TELL_PATIENCE: Duration = Duration::from_secs(1);
/// Whatever last words cost, as when the thread that hangs holds the lock of standard error.
const LAST_WORDS: Duration = Duration::from_secs(5);

/// Who is watched.
#[derive(Clone, Debug, Default)]
pub(super) struct Watchdog(Arc<Watched>);

#[derive(Debug, Default)]
struct Watched {
    workers: Mutex<Vec<(String, Weak<Channel>)>>,
    /// Turns of the run loop; 0: it has not begun.
    turns: AtomicU64,
}

/// How often a thread was found where it had been before.
#[derive(Debug, Default)]
struct Pulse {
    beat: u64,
    looks: u64,
}

impl Pulse {
    /// Looks once more, and returns for how long the thread has made no turn, if that is `limit` or longer. Looks
    /// are counted rather than time, so that a machine that was halted as a whole is not taken for a thread that
    /// hangs.
    fn look(&mut self, beat: u64, limit: u64) -> Option<Duration> {
        self.looks = if beat == self.beat { self.looks + 1 } else { 0 };
        self.beat = beat;
        let still = self.looks * WATCHDOG_LOOK_NANOS;
        (still >= limit).then(|| Duration::from_nanos(still))
    }
}

impl Watchdog {
    /// Watches from here on; what happens is told to `events`. A supervisor that wants to hear of it (`NOTIFY_SOCKET`) is told
    /// at each look at which everybody has made a turn since the look before.
    ///
    /// # Errors
    /// When the kernel gives no thread, or the supervisor's socket is none.
    pub(super) fn start(&self, events: Events, undelivered: Undelivered) -> io::Result<()> {
        let watched = Arc::downgrade(&self.0);
        let supervisor = Supervisor::of_environment()?;
        let mut looks = Looks { control: os::thread_id(), control_pulse: Pulse::default(), workers: Vec::new() };
        let watch = move || {
            loop {
                thread::sleep(Duration::from_nanos(WATCHDOG_LOOK_NANOS));
                let Some(watched) = watched.upgrade() else { return };
                match looks.look(&watched) {
                    Ok(true) => supervisor.tell("WATCHDOG=1"),
                    Ok(false) => {}
                    Err(stalled) => stalled.end(&events, &undelivered),
                }
            }
        };
        thread::Builder::new().name("watchdog".to_owned()).spawn(watch).map(drop)
    }

    /// Watches a worker, too, until it ends.
    pub(super) fn watch(&self, name: String, channel: &Arc<Channel>) {
        self.0.workers.lock().unwrap_or_else(PoisonError::into_inner).push((name, Arc::downgrade(channel)));
    }

    /// The run loop makes another turn.
    pub(super) fn turn(&self) {
        self.0.turns.fetch_add(1, Ordering::Relaxed);
    }
}

impl Watched {
    /// Those that are left.
    fn workers(&self) -> Vec<(String, Weak<Channel>)> {
        let mut workers = self.workers.lock().unwrap_or_else(PoisonError::into_inner);
        workers.retain(|(_, channel)| channel.strong_count() > 0);
        workers.clone()
    }
}

/// What the looks so far have found.
#[derive(Debug)]
struct Looks {
    /// The run loop's thread.
    control: i32,
    control_pulse: Pulse,
    workers: Vec<(Weak<Channel>, Pulse)>,
}

/// A thread that hangs.
struct Stalled {
    name: String,
    id: i32,
    still: Duration,
}

impl Looks {
    /// Looks at everybody once more. Returns whether all have made a turn since the former look.
    fn look(&mut self, watched: &Watched) -> Result<bool, Stalled> {
        let turns = watched.turns.load(Ordering::Relaxed);
        if turns == 0 {
            return Ok(false);
        }
        if let Some(still) = self.control_pulse.look(turns, CONTROL_STALL_NANOS) {
            return Err(Stalled { name: "control".to_owned(), id: self.control, still });
        }
        let mut all_turn = self.control_pulse.looks == 0;
        for (name, channel) in watched.workers() {
            let Some(worker) = channel.upgrade() else { continue };
            let (id, limit) = match worker.life() {
                Life::Running(id) => (id, WORKER_STALL_NANOS),
                Life::Stopping(id) => (id, WORKER_STOP_NANOS),
                Life::Unborn | Life::Over => continue,
            };
            let pulse = self.pulse_of(&channel);
            if let Some(still) = pulse.look(worker.counters.heartbeat.get(), limit) {
                return Err(Stalled { name, id, still });
            }
            all_turn &= pulse.looks == 0;
        }
        self.workers.retain(|(channel, _)| channel.strong_count() > 0);
        Ok(all_turn)
    }

    fn pulse_of(&mut self, channel: &Weak<Channel>) -> &mut Pulse {
        let at = self.workers.iter().position(|(known, _)| known.ptr_eq(channel)).unwrap_or_else(|| {
            self.workers.push((channel.clone(), Pulse::default()));
            self.workers.len() - 1
        });
        &mut self.workers[at].1
    }
}

impl Stalled {
    /// Says what is known of it, and ends the process.
    fn end(&self, events: &Events, undelivered: &Undelivered) -> ! {
        let Self { name, id, still } = self;
        // Failing that, the words below are all that is between here and the end.
        let _ = thread::Builder::new().spawn(|| {
            thread::sleep(LAST_WORDS);
            std::process::abort();
        });
        events.tell(Event::WorkerStalled { worker: name.clone(), for_seconds: still.as_secs_f64() });
        events.flush(Duration::from_nanos(EVENT_LOG_PATIENCE_NANOS));
        let kernel = os::kernel_view(*id);
        tracing::error!(
            "{name} has made no turn for {still:?}: ending; gate and guard stay closed, please report this"
        );
        tracing::error!("{name}: {kernel}");
        let frames = os::backtrace_of(*id, TRACE_PATIENCE);
        if frames.is_empty() {
            tracing::error!("{name} does not say where it is");
        }
        for (depth, frame) in frames.iter().enumerate() {
            tracing::error!("{name}: {depth}: {frame}");
        }
        undelivered.wait(TELL_PATIENCE);
        std::process::abort()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pulse_is_missed_after_so_many_looks_in_a_row() {
        let mut pulse = Pulse::default();
        let limit = 4 * WATCHDOG_LOOK_NANOS;
        let mut look = |beat| pulse.look(beat, limit);
        for beat in [5, 5, 5, 5, 6, 6, 6, 6] {
            assert_eq!(look(beat), None);
        }
        assert_eq!(look(6), Some(Duration::from_nanos(limit)));
        assert_eq!(look(7), None);
    }
}
