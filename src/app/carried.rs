//! Keeps what the ISPs have carried, without letting the run loop wait for the disk.

use tokio::task::JoinHandle;

use crate::control::quotas::Carried;
use crate::control::state::StateDir;
use crate::limits::QUOTA_SAVE;
use crate::units::Nanos;

/// What is kept, and since when.
#[derive(Debug)]
pub(super) struct CarriedKeeper {
    state: StateDir,
    kept: Carried,
    at: Nanos,
    writing: Option<JoinHandle<()>>,
}

impl CarriedKeeper {
    /// Keeps it in `state`, where `kept` is kept already.
    pub(super) const fn new(state: StateDir, kept: Carried, now: Nanos) -> Self {
        Self { state, kept, at: now, writing: None }
    }

    /// Keeps `carried` if it is time to, on a thread that may wait.
    pub(super) fn keep(&mut self, carried: &Carried, now: Nanos) {
        let is_busy = self.writing.as_ref().is_some_and(|writing| !writing.is_finished());
        if is_busy || now.since(self.at) < QUOTA_SAVE || *carried == self.kept {
            return;
        }
        (self.kept, self.at) = (carried.clone(), now);
        let (state, carried) = (self.state.clone(), carried.clone());
        self.writing = Some(tokio::task::spawn_blocking(move || write(&state, &carried)));
    }

    /// Keeps `carried` at the end.
    pub(super) async fn finish(&mut self, carried: &Carried) {
        if let Some(writing) = self.writing.take() {
            // One that panicked has written nothing, and this one is newer.
            let _ = writing.await;
        }
        write(&self.state, carried);
    }
}

fn write(state: &StateDir, carried: &Carried) {
    if let Err(error) = state.keep_carried(carried) {
        tracing::warn!(%error, "after a restart the quotas of metered ISPs will be too large");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_end_keeps_what_it_was_not_time_for() {
        let directory = tempfile::tempdir().unwrap();
        let state = StateDir::open(directory.path()).unwrap();
        let carried = |octets: u64| -> Carried {
            serde_json::from_str(&format!(r#"{{"2026-11":{{"lte":{octets}}}}}"#)).expect("it is whole")
        };
        let mut keeper = CarriedKeeper::new(state.clone(), carried(1), Nanos(0));
        keeper.keep(&carried(2), Nanos(QUOTA_SAVE.0 - 1));
        assert_eq!(state.carried().unwrap(), Carried::default(), "it is not time yet");
        keeper.keep(&carried(3), QUOTA_SAVE);
        // Whatever becomes of that one, which is perhaps being written.
        keeper.finish(&carried(4)).await;
        assert_eq!(state.carried().unwrap(), carried(4));
    }
}
