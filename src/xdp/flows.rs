//! Flow memory that outlives the process: pinned BPF arrays, mapped into the workers' memory.
//!
//! Three pins: the hot lines, the cold lines, and a header that says what they are good for. A
//! start takes them over only if all of it is as this program would make it; the loader itself
//! compares nothing.

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};

use aya::maps::{Map, MapData, MapError, MapType};
use aya::{EbpfError, EbpfLoader};

use super::bpf_error::{chain, errno};
use super::link::linux_has;
use super::mapped::Mapped;
use super::pins::{Pins, unpin};
use crate::flow::{ColdLine, FlowStore, Flows, LAYOUT_VERSION, Line, State, Tick, lines, octets};
use crate::hash::{HASH_VERSION, HashKey};
use crate::units::Nanos;

static MAPS: &[u8] = aya::include_bytes_aligned!(concat!(env!("OUT_DIR"), "/flow.bpf.o"));

/// The kind of all pins of flow memory.
pub(super) const PIN_KIND: &str = "flow_memory";

/// `BPF_F_MMAPABLE`.
const MMAPABLE: u32 = 1 << 10;
/// What the header begins with.
const MAGIC: u64 = u64::from_be_bytes(*b"sixflows");

/// Words of the header. The first ones must be as wanted, see [`Wanted::header`].
type HeaderWords = [AtomicU64; 8];
/// The word that holds when the memory was last in use.
const SERVED: usize = 5;

/// Flow memory in pinned arrays.
#[derive(Debug)]
pub struct PinnedFlows(Option<Arrays>);

#[derive(Debug)]
struct Arrays {
    header: Mapped<HeaderWords>,
    hot: Mapped<Line>,
    cold: Mapped<ColdLine>,
}

/// What became of the memory that an earlier process had left.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Adoption {
    /// There was none.
    New,
    /// Its flows are remembered.
    Adopted {
        /// How many, those included whose time is over but whose place nobody has needed.
        flows: u64,
    },
    /// It was of no use, and its flows are forgotten.
    Replaced {
        /// What differed, with what was wanted and what was there.
        reason: String,
    },
    /// The gateway is to remember nothing: what there was is gone.
    Stateless,
}

impl fmt::Display for Adoption {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::New => f.write_str("new"),
            Self::Adopted { flows: 1 } => f.write_str("adopted, 1 flow"),
            Self::Adopted { flows } => write!(f, "adopted, {flows} flows"),
            Self::Replaced { reason } => write!(f, "replaced: {reason}"),
            Self::Stateless => f.write_str("none, as [flows] capacity = 0 asks"),
        }
    }
}

/// Why there is no flow memory.
#[derive(Debug, thiserror::Error)]
pub enum FlowMemoryError {
    /// The kernel cannot share arrays with a process.
    #[error("flow memory needs BPF arrays that can be mapped, which Linux has since 5.5; start a newer kernel")]
    OldKernel,
    /// Too little memory.
    #[error(
        "no memory for [flows] capacity = {capacity}: it takes {octets} octets of the kernel's memory at once ({error}); \
         lower the capacity, or give the host, or the gateway's control group (MemoryMax=), more"
    )]
    Memory {
        /// The capacity.
        capacity: u64,
        /// What it takes.
        octets: u64,
        /// The kernel's words.
        error: io::Error,
    },
    /// The kernel refused the arrays.
    #[error("cannot make the arrays of the flow memory: {}; the gateway needs root or CAP_BPF", chain(.0))]
    Create(Box<EbpfError>),
    /// A pin could not be made or removed.
    #[error("cannot change the pin {}: {error}; the BPF file system must be writable", path.display())]
    Pin {
        /// Which.
        path: PathBuf,
        /// The kernel's words.
        error: io::Error,
    },
    /// An array could not be mapped.
    #[error("cannot map the flow memory of [flows] capacity = {capacity}: {error}; lower the capacity")]
    Map {
        /// The capacity.
        capacity: u64,
        /// The kernel's words.
        error: io::Error,
    },
}

impl PinnedFlows {
    /// Flow memory for `capacity` flows that are hashed with `key`: what is pinned, if it is of
    /// just this kind, else a new one in its place. With a capacity of 0 nothing is remembered,
    /// and nothing stays pinned.
    ///
    /// `now` is of the clock that the records' ticks are of. Takes all of its memory at once: see
    /// [`octets`]. No worker may use the memory yet.
    ///
    /// # Errors
    /// When the kernel is too old or refuses, or has too little memory.
    pub fn open(pins: &Pins, capacity: u64, key: &HashKey, now: Nanos) -> Result<(Self, Adoption), FlowMemoryError> {
        let wanted = Wanted { capacity, lines: lines(capacity), fingerprint: key.fingerprint() };
        if wanted.lines == 0 {
            remove(pins)?;
            return Ok((Self(None), Adoption::Stateless));
        }
        if !linux_has(5, 5) {
            return Err(FlowMemoryError::OldKernel);
        }
        let adoption = if Part::ALL.iter().any(|part| part.pin(pins).symlink_metadata().is_ok()) {
            match wanted.adopt(pins, now) {
                Ok((arrays, flows)) => return Ok((Self(Some(arrays)), Adoption::Adopted { flows })),
                Err(reason) => Adoption::Replaced { reason },
            }
        } else {
            Adoption::New
        };
        remove(pins)?;
        Ok((Self(Some(wanted.create(pins, now)?)), adoption))
    }

    /// Notes that the memory is in use at `now`. A start that finds it later knows from this which
    /// records are too old for their ticks to tell; call it about once a second.
    pub fn served(&self, now: Nanos) {
        if let Some(arrays) = &self.0 {
            arrays.header[0][SERVED].store(now.0, Ordering::Relaxed);
        }
    }
}

impl FlowStore for PinnedFlows {
    fn flows(&self) -> Flows<'_> {
        match &self.0 {
            Some(arrays) => Flows::new(&arrays.hot, &arrays.cold),
            None => Flows::new(&[], &[]),
        }
    }
}

/// One of the three arrays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    Header,
    Hot,
    Cold,
}

impl Part {
    /// The header is the first to go and the last to come: where it is, the others belong to it.
    const ALL: [Self; 3] = [Self::Header, Self::Hot, Self::Cold];

    const fn name(self) -> &'static str {
        match self {
            Self::Header => "header",
            Self::Hot => "hot",
            Self::Cold => "cold",
        }
    }

    /// The name in `flow.bpf.c`.
    const fn map(self) -> &'static str {
        match self {
            Self::Header => "flows_header",
            Self::Hot => "flows_hot",
            Self::Cold => "flows_cold",
        }
    }

    const fn value_size(self) -> usize {
        match self {
            Self::Header => size_of::<HeaderWords>(),
            Self::Hot => size_of::<Line>(),
            Self::Cold => size_of::<ColdLine>(),
        }
    }

    const fn entries(self, lines: usize) -> usize {
        match self {
            Self::Header => 1,
            Self::Hot | Self::Cold => lines,
        }
    }

    fn pin(self, pins: &Pins) -> PathBuf {
        pins.path(PIN_KIND, self.name())
    }
}

fn remove(pins: &Pins) -> Result<(), FlowMemoryError> {
    for part in Part::ALL {
        let path = part.pin(pins);
        unpin(&path).map_err(|error| FlowMemoryError::Pin { path, error })?;
    }
    Ok(())
}

/// The memory that this program would make.
#[derive(Debug)]
struct Wanted {
    capacity: u64,
    lines: usize,
    fingerprint: u64,
}

impl Wanted {
    /// The words of the header that must be so, and what each is.
    fn header(&self) -> [(&'static str, u64); SERVED] {
        [
            ("mark", MAGIC),
            ("layout version", LAYOUT_VERSION.into()),
            ("hash version", HASH_VERSION.into()),
            ("fingerprint of the hash key", self.fingerprint),
            ("lines", self.lines as u64),
        ]
    }

    /// The pinned memory and its flows, or why it is of no use.
    fn adopt(&self, pins: &Pins, now: Nanos) -> Result<(Arrays, u64), String> {
        let [header, hot, cold] = Part::ALL.map(|part| self.pinned(pins, part));
        let arrays = self.map(&header?, &hot?, &cold?).map_err(|error| format!("it cannot be mapped: {error}"))?;
        let words = &arrays.header[0];
        for ((what, wanted), found) in self.header().into_iter().zip(words) {
            differs("header", what, wanted, found.load(Ordering::Relaxed))?;
        }
        let served = Nanos(words[SERVED].load(Ordering::Relaxed));
        if now < served {
            return Err(format!("its clock: at least {} ns wanted, {} ns found", served.0, now.0));
        }
        let flows = arrays.settle(served, now);
        words[SERVED].store(now.0, Ordering::Relaxed);
        Ok((arrays, flows))
    }

    /// The pinned array, if its kind and sizes are as wanted.
    fn pinned(&self, pins: &Pins, part: Part) -> Result<MapData, String> {
        let unusable = |error: MapError| format!("{}: {}", part.name(), chain(&error));
        let map = MapData::from_pin(part.pin(pins)).map_err(unusable)?;
        let info = map.info().map_err(unusable)?;
        let kind = info.map_type().map_err(unusable)?;
        let facts = [
            ("map type", MapType::Array as u64, kind as u64),
            ("key size", size_of::<u32>() as u64, info.key_size().into()),
            ("value size", part.value_size() as u64, info.value_size().into()),
            ("entries", part.entries(self.lines) as u64, info.max_entries().into()),
            ("flags", MMAPABLE.into(), info.map_flags().into()),
        ];
        for (what, wanted, found) in facts {
            differs(part.name(), what, wanted, found)?;
        }
        Ok(map)
    }

    /// New arrays, pinned, the header last.
    fn create(&self, pins: &Pins, now: Nanos) -> Result<Arrays, FlowMemoryError> {
        let mut loader = EbpfLoader::new();
        for part in Part::ALL {
            loader.map_max_entries(part.map(), part.entries(self.lines) as u32);
        }
        let mut object = loader.load(MAPS).map_err(|error| self.refused(error))?;
        let mut take = |part: Part| match object.take_map(part.map()) {
            Some(Map::Array(map)) => Ok(map),
            _ => Err(self.refused(EbpfError::MapError(MapError::InvalidName { name: part.map().to_owned() }))),
        };
        let [header, hot, cold] = [take(Part::Header)?, take(Part::Hot)?, take(Part::Cold)?];
        let arrays =
            self.map(&header, &hot, &cold).map_err(|error| FlowMemoryError::Map { capacity: self.capacity, error })?;
        for ((_, value), word) in self.header().into_iter().zip(&arrays.header[0]) {
            word.store(value, Ordering::Relaxed);
        }
        arrays.header[0][SERVED].store(now.0, Ordering::Relaxed);
        for (part, map) in [(Part::Hot, &hot), (Part::Cold, &cold), (Part::Header, &header)] {
            let path = part.pin(pins);
            map.pin(&path).map_err(|error| FlowMemoryError::Pin { path, error: io::Error::other(chain(&error)) })?;
        }
        Ok(arrays)
    }

    fn map(&self, header: &MapData, hot: &MapData, cold: &MapData) -> io::Result<Arrays> {
        Ok(Arrays {
            header: Mapped::new(header, 1)?,
            hot: Mapped::new(hot, self.lines)?,
            cold: Mapped::new(cold, self.lines)?,
        })
    }

    fn refused(&self, error: EbpfError) -> FlowMemoryError {
        match errno(&error) {
            Some(number @ (libc::ENOMEM | libc::E2BIG)) => FlowMemoryError::Memory {
                capacity: self.capacity,
                octets: octets(self.capacity),
                error: io::Error::from_raw_os_error(number),
            },
            _ => FlowMemoryError::Create(Box::new(error)),
        }
    }
}

fn differs(place: &str, what: &str, wanted: u64, found: u64) -> Result<(), String> {
    if wanted == found { Ok(()) } else { Err(format!("{place}: {what}: {wanted} wanted, {found} found")) }
}

impl Arrays {
    /// Removes what an earlier process has not finished, and what has been idle for longer than a
    /// tick can tell, counting the time in which nobody served. Returns the flows that are left.
    fn settle(&self, served: Nanos, now: Nanos) -> u64 {
        let table = Flows::new(&self.hot, &self.cold);
        let away = (now.0 >> 32) - (served.0 >> 32);
        let mut flows = 0;
        for record in (0..table.lines()).flat_map(|line| table.records(line)) {
            let idle = u64::from(record.word.tick().age(Tick::at(served))) + away;
            match record.word.state() {
                State::Claimed => drop(table.remove(record)),
                _ if idle > u64::from(Tick::MAX_AGE) => drop(table.remove(record)),
                State::Companion => {}
                _ => flows += 1,
            }
        }
        flows
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn too_little_memory_is_told_with_the_amount_and_the_way_out() {
        let wanted = Wanted { capacity: 1_000_000, lines: lines(1_000_000), fingerprint: 0 };
        let refused = |number| {
            let io_error = io::Error::from_raw_os_error(number);
            wanted.refused(EbpfError::MapError(MapError::CreateError { name: "flows_cold".into(), io_error }))
        };
        let says = refused(libc::ENOMEM).to_string();
        for word in ["[flows] capacity = 1000000", "117440512 octets", "Cannot allocate memory", "lower the capacity"] {
            assert!(says.contains(word), "{says}");
        }
        let says = refused(libc::EPERM).to_string();
        assert!(says.contains("CAP_BPF") && says.contains("not permitted"), "{says}");
    }
}
