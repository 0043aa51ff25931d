//! Where another thread of this process is, for the last words about one that hangs.
//!
//! The thread is asked by a signal and writes its frames into a place made beforehand: on its way
//! it neither allocates nor locks, whatever it was amid. Names are looked up by who asks.

use std::cell::Cell;
use std::ffi::c_int;
use std::fs;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

const FRAMES: usize = 64;
/// In place of a number of frames: the thread has not answered.
const UNANSWERED: usize = usize::MAX;
static FOUND: [AtomicUsize; FRAMES] = [const { AtomicUsize::new(0) }; FRAMES];
static COUNT: AtomicUsize = AtomicUsize::new(UNANSWERED);
/// One question at a time.
static ASKING: Mutex<()> = Mutex::new(());

/// The kernel's number of the calling thread.
pub fn thread_id() -> i32 {
    // SAFETY: takes no pointers and cannot fail.
    unsafe { libc::gettid() }
}

/// The frames of thread `id` of this process, the innermost first, each as `function (file:line)`.
/// Empty if it does not answer for `patience`: it hangs in the kernel, or somebody has stopped it.
pub fn backtrace_of(id: i32, patience: Duration) -> Vec<String> {
    let _asking = ASKING.lock().unwrap_or_else(PoisonError::into_inner);
    COUNT.store(UNANSWERED, Ordering::Release);
    if !ask(id) {
        return Vec::new();
    }
    let deadline = Instant::now() + patience;
    while COUNT.load(Ordering::Acquire) == UNANSWERED && Instant::now() < deadline {
        thread::sleep(Duration::from_millis(1));
    }
    match COUNT.load(Ordering::Acquire) {
        UNANSWERED => Vec::new(),
        count => FOUND[..count].iter().flat_map(|frame| names(frame.load(Ordering::Relaxed))).collect(),
    }
}

/// What the kernel says of thread `id` of this process: its state, the system call that it is in.
pub fn kernel_view(id: i32) -> String {
    let read = |file: &str| fs::read_to_string(format!("/proc/self/task/{id}/{file}")).unwrap_or_default();
    let status = read("status");
    let state = status.lines().find_map(|line| line.strip_prefix("State:")).unwrap_or("unknown").trim();
    format!("state {state}; system call {}; waiting in {}", read("syscall").trim(), read("wchan").trim())
}

/// Sends the signal; returns whether there was anybody to send it to.
fn ask(id: i32) -> bool {
    // Real-time signals have no other meaning; the C library keeps the first two to itself.
    let signal = libc::SIGRTMIN() + 3;
    // SAFETY: all zeros is a valid `sigaction`: no flags, an empty mask.
    let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
    action.sa_sigaction = answer as extern "C" fn(c_int) as usize;
    action.sa_flags = libc::SA_RESTART;
    // SAFETY: `action` is valid, and its handler does what a handler may: see `answer`.
    let installed = unsafe { libc::sigaction(signal, &raw const action, std::ptr::null_mut()) } == 0;
    // SAFETY: takes no pointers. The thread is one of this process, or there is none of that number.
    installed && unsafe { libc::syscall(libc::SYS_tgkill, libc::getpid(), id, signal) } == 0
}

/// The signal's handler, on the thread that is asked.
extern "C" fn answer(_: c_int) {
    let count = Cell::new(0);
    // SAFETY: unsynchronised tracing must not meet another one: `ASKING` lets one in at a time, and nothing else in
    // this process uses it. The unwinder finds frames without locks (glibc 2.35 and later, `_dl_find_object`);
    // with an older one it might wait for ever, which costs no more than the patience of who asks.
    unsafe {
        backtrace::trace_unsynchronized(|frame| {
            FOUND[count.get()].store(frame.ip() as usize, Ordering::Relaxed);
            count.set(count.get() + 1);
            count.get() < FRAMES
        });
    }
    COUNT.store(count.get(), Ordering::Release);
}

/// The function at `frame`, and those that were inlined into it.
fn names(frame: usize) -> Vec<String> {
    let mut names = Vec::new();
    backtrace::resolve(frame as *mut _, |symbol| {
        let name = symbol.name().map_or_else(|| format!("{frame:#x}"), |name| format!("{name:#}"));
        names.push(match (symbol.filename(), symbol.lineno()) {
            (Some(file), Some(line)) => format!("{name} ({}:{line})", file.display()),
            _ => name,
        });
    });
    if names.is_empty() {
        names.push(format!("{frame:#x}"));
    }
    names
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicBool;
    use std::sync::mpsc;

    use super::*;

    #[inline(never)]
    fn spins_until(end: &AtomicBool) {
        while !end.load(Ordering::Relaxed) {
            std::hint::spin_loop();
        }
    }

    #[test]
    fn a_thread_that_spins_tells_where() {
        static END: AtomicBool = AtomicBool::new(false);
        let (sender, receiver) = mpsc::channel();
        let spinning = thread::spawn(move || {
            sender.send(thread_id()).unwrap();
            spins_until(&END);
        });
        let id = receiver.recv().unwrap();
        let mut frames = Vec::new();
        // It may not spin yet.
        for _ in 0..100 {
            frames = backtrace_of(id, Duration::from_secs(20));
            if frames.iter().any(|frame| frame.contains("spins_until")) {
                break;
            }
        }
        assert!(kernel_view(id).contains("state R"), "{}", kernel_view(id));
        END.store(true, Ordering::Relaxed);
        spinning.join().unwrap();
        let here = frames.iter().find(|frame| frame.contains("spins_until")).unwrap_or_else(|| panic!("{frames:#?}"));
        assert!(here.contains("backtrace.rs:"), "{here}");
        assert!(backtrace_of(id, Duration::from_millis(1)).is_empty(), "it is gone");
    }
}
