//! What the tests stand on: a network namespace and a BPF file system of one's own, and flows.

use std::io;
use std::net::Ipv6Addr;
use std::path::PathBuf;
use std::process::Command;
use std::sync::{Mutex, PoisonError};
use std::thread;

use aya::maps::{Array, Map, MapData};
use sixways::flow::{ColdRecord, Flows, Inserted, Record, State, Tick, Timeouts};
use sixways::hash::{FlowKey, HashKey};
use sixways::units::{Direction, MappingId, Nanos};
use sixways::xdp::Pins;

/// Flows that fit: 2048 lines.
pub const CAPACITY: u64 = 5000;
/// Any time on the clock.
pub const NOW: Nanos = Nanos(77 << 40);
pub const KEY: HashKey = HashKey([
    0x0123_4567_89ab_cdef,
    0xfedc_ba98_7654_3210,
    0x0f1e_2d3c_4b5a_6978,
    0x8796_a5b4_c3d2_e1f0,
    3,
    0xffff_ffff_ffff_fffd,
    1 << 63,
    0x5555_5555_5555_5555,
    0xaaaa_aaaa_aaaa_aaaa,
    0xdead_beef_0bad_cafe,
    0x1357_9bdf_0246_8ace,
]);

static TURN: Mutex<()> = Mutex::new(());

/// A BPF file system, unmounted in the end, in a network namespace that only this thread has.
pub struct Stand {
    folder: tempfile::TempDir,
}

/// Runs `test` on a thread of its own with a stand.
pub fn on_stand(test: impl FnOnce(&Stand) + Send + 'static) {
    if std::env::var_os("SIXWAYS_SKIP_LAB").is_some_and(|value| value == "1") {
        eprintln!("skipped: SIXWAYS_SKIP_LAB=1");
        return;
    }
    // One at a time: a child that another test starts holds all locks of this process until it executes.
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let run = thread::spawn(move || test(&Stand::enter()));
    if let Err(panic) = run.join() {
        std::panic::resume_unwind(panic);
    }
}

impl Stand {
    fn enter() -> Self {
        // SAFETY: plain system calls; only this thread changes its namespace.
        unsafe {
            assert_eq!(libc::geteuid(), 0, "lab tests need root; SIXWAYS_SKIP_LAB=1 skips them");
            assert_eq!(libc::unshare(libc::CLONE_NEWNET), 0, "unshare: {}", io::Error::last_os_error());
        }
        let stand = Self { folder: tempfile::tempdir().expect("a folder") };
        std::fs::create_dir(stand.bpffs()).expect("a folder");
        let status = Command::new("mount").args(["-t", "bpf", "bpffs"]).arg(stand.bpffs()).status();
        assert!(status.is_ok_and(|status| status.success()), "cannot mount bpffs");
        stand
    }

    pub fn bpffs(&self) -> PathBuf {
        self.folder.path().join("bpf")
    }

    #[track_caller]
    pub fn pins(&self) -> Pins {
        Pins::open(Some(&self.bpffs())).expect("pins")
    }

    /// Where the pins of this namespace are.
    fn directory(&self) -> PathBuf {
        let mut namespaces = self.bpffs().join("sixways").read_dir().expect("pins");
        namespaces.next().expect("a namespace").expect("a directory").path()
    }

    /// The names of all pins.
    pub fn names(&self) -> Vec<String> {
        let entries = self.directory().read_dir().expect("pins");
        let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    pub fn pin(&self, part: &str) -> PathBuf {
        self.directory().join(format!("flow_memory-{part}"))
    }

    /// A pinned array, written by system calls: only while nobody else writes it.
    pub fn array<const N: usize>(&self, part: &str) -> Array<MapData, [u64; N]> {
        let map = MapData::from_pin(self.pin(part)).expect("a pinned map");
        Array::try_from(Map::Array(map)).expect("an array")
    }
}

impl Drop for Stand {
    fn drop(&mut self) {
        // What remains mounted is told by the folder, which cannot be removed.
        let _ = Command::new("umount").arg(self.bpffs()).status();
    }
}

/// One of many flows, by number.
pub fn flow(number: u16) -> FlowKey {
    FlowKey {
        internal: Ipv6Addr::new(0xfd12, 0x3456, 0x789a, number, 0, 0, 0, 1),
        remote: Ipv6Addr::new(0x2001, 0xdb8, 9, 0, 0, 0, number, 2),
        protocol: 6,
        internal_port: 40_000 ^ number,
        remote_port: 443,
    }
}

/// A mapping that tells one flow from its neighbours.
pub fn mapping(number: u16) -> MappingId {
    MappingId((number % 251) as u8)
}

/// What the cold record of [`flow`] says.
pub fn cold(number: u16) -> ColdRecord {
    ColdRecord::new(flow(number), Direction::Inbound, Nanos(NOW.0 + u64::from(number)))
}

/// Makes a record of every flow in `numbers`.
pub fn insert(table: Flows<'_>, numbers: impl IntoIterator<Item = u16>, state: State) {
    for number in numbers {
        let hash = flow(number).hash(&KEY);
        let inserted = table.insert(hash, &cold(number), mapping(number), state, &Timeouts::rfc6092());
        assert!(matches!(inserted, Inserted::New(..)), "flow {number}: {inserted:?}");
    }
}

/// The record of a flow at [`NOW`].
pub fn look_up(table: Flows<'_>, number: u16) -> Option<Record> {
    table.look_up(flow(number).hash(&KEY), Tick::at(NOW), &Timeouts::rfc6092())
}
