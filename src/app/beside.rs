//! Work that a start does beside its other work.

use std::panic::resume_unwind;
use std::thread::{Builder, JoinHandle};

use super::GatewayError;

/// Work in a thread of its own. Dropped, it goes on and its outcome is lost.
#[derive(Debug)]
pub(super) struct Beside<T>(JoinHandle<T>);

impl<T: Send + 'static> Beside<T> {
    /// Begins `work`, in a thread called `name`.
    ///
    /// # Errors
    /// When the kernel gives no thread.
    pub(super) fn begin(name: &str, work: impl FnOnce() -> T + Send + 'static) -> Result<Self, GatewayError> {
        let thread = Builder::new().name(name.to_owned()).spawn(work);
        thread.map(Self).map_err(GatewayError::system("start a thread"))
    }

    /// Waits for its outcome. A panic goes on here.
    pub(super) fn finish(self) -> T {
        self.0.join().unwrap_or_else(|panic| resume_unwind(panic))
    }
}
