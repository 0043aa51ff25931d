//! The gate of one port: its program, its maps, its link.

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::net::Ipv6Addr;
use std::os::fd::AsRawFd;
use std::path::PathBuf;

use aya::maps::{HashMap, LpmTrie, MapData, PerCpuArray, XskMap};
use aya::programs::links::FdLink;
use aya::programs::xdp::XdpMode;
use aya::programs::{ProgramError, Xdp};
use aya::{Ebpf, EbpfLoader};

use super::bpf_error::{BpfError, map};
use super::counts::{Counts, is_adoptable};
use super::link::{adopt, is_attached, linux_has};
use super::pins::{Pins, unpin};
use super::tables::{HashTable, Table, TrieTable};
use crate::observe::report::GateCounts;
use crate::snapshot::{GateAction, GateEdge, GatePort, GateRole};
use crate::units::EdgeId;

static PROGRAM: &[u8] = aya::include_bytes_aligned!(concat!(env!("OUT_DIR"), "/gate.bpf.o"));

/// The VLAN of untagged frames in the program's table.
const UNTAGGED: u32 = 4096;
/// Entries of the counts map: as many edges as there may be, eight counts each.
const COUNTS: u32 = 16 * 8;

/// How the program is run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Attach {
    /// By the driver, or by the kernel's stack where the driver cannot.
    Auto,
    /// By the driver.
    Native,
    /// By the kernel's stack.
    Generic,
}

/// What is fixed while a gate is loaded.
#[derive(Clone, Copy, Debug)]
pub struct GateOptions {
    /// How to run it.
    pub attach: Attach,
    /// Longest frame that the packet buffer takes, Ethernet header included.
    pub max_frame: u32,
    /// One redirected frame in this many, a power of two, carries an arrival stamp; 0: none.
    pub stamp_every: u32,
}

/// The gate of one port.
pub struct Gate {
    interface: String,
    ifindex: u32,
    /// Where its link is pinned.
    pin: PathBuf,
    edges: Vec<EdgeId>,
    program: Ebpf,
    /// The running gate of an earlier process, to be handed to this program.
    adopted: Option<FdLink>,
    native: bool,
    edge_table: HashTable<u32, [u32; 2]>,
    mac_table: HashTable<[u8; 8], u32>,
    own_table: HashTable<[u8; 16], u64>,
    route_table: TrieTable<20>,
    sockets: XskMap<MapData>,
    counts: Counts,
}

impl fmt::Debug for Gate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gate").field("interface", &self.interface).field("native", &self.native).finish_non_exhaustive()
    }
}

/// What a gate's program is told before the kernel sees it.
pub(super) struct Constants {
    max_frame: u32,
    stamp_mask: u32,
    default_edge: u32,
    mark_edge: u32,
}

impl Constants {
    pub(super) fn of(port: &GatePort, options: &GateOptions) -> Self {
        Self {
            max_frame: options.max_frame,
            stamp_mask: options.stamp_every.wrapping_sub(1),
            default_edge: port.edges.first().map_or(0, |edge| u32::from(edge.edge.0)),
            mark_edge: u32::from(port.edges.len() > 1),
        }
    }
}

impl Gate {
    /// Loads a gate with fresh maps and fills them. Where an earlier process has left one on the
    /// device, that one goes on until [`Gate::open`]; otherwise this one is attached now, closed:
    /// without sockets it drops what is for the workers.
    ///
    /// # Errors
    /// When the kernel does not take the program, or another program is on the device.
    pub fn prepare(
        pins: &Pins,
        port: &GatePort,
        own: &[(Ipv6Addr, u16)],
        options: &GateOptions,
    ) -> Result<Self, BpfError> {
        let constants = Constants::of(port, options);
        Self::prepare_by(&mut EbpfLoader::new(), &constants, pins, port, own, options)
    }

    /// As [`Gate::prepare`], by `loader`.
    pub(super) fn prepare_by<'a>(
        loader: &mut EbpfLoader<'a>,
        constants: &'a Constants,
        pins: &Pins,
        port: &GatePort,
        own: &[(Ipv6Addr, u16)],
        options: &GateOptions,
    ) -> Result<Self, BpfError> {
        if !linux_has(5, 9) {
            return Err(BpfError::OldKernel { interface: port.interface.clone() });
        }
        let counts_pin = pins.path("gate_counts", &port.interface);
        if !is_adoptable(&counts_pin, COUNTS) {
            unpin(&counts_pin).map_err(|error| BpfError::pin(&port.interface, error))?;
        }
        let mut program = loader
            .override_global("max_frame", &constants.max_frame, true)
            .override_global("stamp_mask", &constants.stamp_mask, true)
            .override_global("default_edge", &constants.default_edge, true)
            .override_global("mark_edge", &constants.mark_edge, true)
            .map_pin_path("counts", counts_pin)
            .load(PROGRAM)
            .map_err(|error| BpfError::load(&port.interface, error))?;
        let mut gate = Self {
            interface: port.interface.clone(),
            ifindex: port.ifindex,
            pin: PathBuf::new(),
            edges: Vec::new(),
            edge_table: Table::fresh(HashMap::try_from(map(&mut program, "edges")?)?),
            mac_table: Table::fresh(HashMap::try_from(map(&mut program, "macs")?)?),
            own_table: Table::fresh(HashMap::try_from(map(&mut program, "own")?)?),
            route_table: Table::fresh(LpmTrie::try_from(map(&mut program, "routes")?)?),
            sockets: XskMap::try_from(map(&mut program, "sockets")?)?,
            counts: Counts::new(PerCpuArray::try_from(map(&mut program, "counts")?)?),
            program,
            adopted: None,
            native: false,
        };
        gate.apply(port, own)?;
        gate.xdp().load().map_err(|error| BpfError::program(&port.interface, error))?;
        let attach = if port.generic { Attach::Generic } else { options.attach };
        gate.find_or_attach(pins, port, attach)?;
        Ok(gate)
    }

    /// Gives the frames of `queue` to this AF_XDP socket.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn set_socket(&mut self, queue: u32, socket: &impl AsRawFd) -> Result<(), BpfError> {
        Ok(self.sockets.set(queue, socket.as_raw_fd(), 0)?)
    }

    /// Takes every queue's socket away: what is for the workers is dropped from now on.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn close(&mut self) -> Result<(), BpfError> {
        for queue in 0..self.sockets.len() {
            match self.sockets.unset(queue) {
                Err(aya::maps::MapError::SyscallError(error)) if error.io_error.kind() == io::ErrorKind::NotFound => {}
                outcome => outcome?,
            }
        }
        Ok(())
    }

    /// Takes the gate off its device, which is not the gateway's any more.
    ///
    /// # Errors
    /// When the pin cannot be removed.
    pub fn remove(self) -> io::Result<()> {
        unpin(&self.pin)
    }

    /// Whether it can go on with the edges of `port`: whether frames are marked is fixed while it is loaded,
    /// and so is the edge at which frames of no edge count.
    pub fn fits(&self, port: &GatePort) -> bool {
        let fixed = |edges: &[EdgeId]| (edges.len() > 1, edges.first().copied());
        let wanted: Vec<EdgeId> = port.edges.iter().map(|edge| edge.edge).collect();
        fixed(&self.edges) == fixed(&wanted)
    }

    /// The last step of a start: an adopted gate runs this program, with these maps and sockets,
    /// from one frame to the next.
    ///
    /// # Errors
    /// When the kernel refuses; the former program then goes on.
    pub fn open(&mut self) -> Result<(), BpfError> {
        let Some(link) = self.adopted.take() else { return Ok(()) };
        let interface = self.interface.clone();
        let failed = |error| BpfError::program(&interface, error);
        let link = link.try_into().map_err(|error| BpfError::Link { interface: self.interface.clone(), error })?;
        let id = self.xdp().attach_to_link(link).map_err(failed)?;
        // The pin keeps it; this process must not end it.
        drop(self.xdp().take_link(id).map_err(failed)?);
        Ok(())
    }

    /// Adds what is new in the tables, and keeps what is no longer in them: before workers get a snapshot
    /// by which they send what only the new tables let back in.
    ///
    /// # Errors
    /// When a map is full or the kernel refuses.
    pub fn widen(&mut self, port: &GatePort, own: &[(Ipv6Addr, u16)]) -> Result<(), BpfError> {
        let failed = |table| move |error| BpfError::table(&port.interface, table, error);
        self.own_table.add(&own_entries(own)).map_err(failed("own addresses"))?;
        self.mac_table.add(&mac_entries(port)).map_err(failed("MAC addresses"))?;
        self.route_table.add(&route_entries(port)).map_err(failed("routes"))?;
        self.edge_table.add(&edge_entries(port)).map_err(failed("edges"))
    }

    /// Puts new tables in place of the old, entry by entry.
    ///
    /// # Errors
    /// When a map is full or the kernel refuses.
    pub fn apply(&mut self, port: &GatePort, own: &[(Ipv6Addr, u16)]) -> Result<(), BpfError> {
        let failed = |table| move |error| BpfError::table(&port.interface, table, error);
        self.own_table.set(&own_entries(own)).map_err(failed("own addresses"))?;
        self.mac_table.set(&mac_entries(port)).map_err(failed("MAC addresses"))?;
        self.route_table.set(&route_entries(port)).map_err(failed("routes"))?;
        self.edge_table.set(&edge_entries(port)).map_err(failed("edges"))?;
        self.edges = port.edges.iter().map(|edge| edge.edge).collect();
        Ok(())
    }

    /// What was counted at each edge, since the first gate of this device.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn counts(&self) -> Result<Vec<(EdgeId, GateCounts)>, BpfError> {
        self.edges.iter().map(|edge| Ok((*edge, self.counts.gate(*edge)?))).collect()
    }

    /// Whether the gate is still on its device. A device that is deleted takes it along, and one
    /// made anew under the same name, or even the same index, has none.
    pub fn is_attached(&self) -> bool {
        is_attached(&self.pin, self.ifindex)
    }

    /// Whether the driver runs the program, rather than the kernel's stack.
    pub const fn is_native(&self) -> bool {
        self.native
    }

    fn xdp(&mut self) -> &mut Xdp {
        self.program
            .program_mut("gate")
            .and_then(|program| program.try_into().ok())
            .expect("gate.bpf.c has an XDP program of this name")
    }

    fn find_or_attach(&mut self, pins: &Pins, port: &GatePort, attach: Attach) -> Result<(), BpfError> {
        let pin = |native| pins.path(if native { "gate_native" } else { "gate_generic" }, &port.interface);
        for native in [true, false] {
            let wanted = attach == Attach::Auto || (attach == Attach::Native) == native;
            match adopt(&pin(native), port.ifindex) {
                Some(link) if wanted && self.adopted.is_none() => {
                    self.native = native;
                    self.pin = pin(native);
                    self.adopted = Some(link);
                }
                _ => unpin(&pin(native)).map_err(|error| BpfError::pin(&port.interface, error))?,
            }
        }
        if self.adopted.is_some() {
            return Ok(());
        }
        let native = match attach {
            Attach::Native => self.attach(port, true).map(|link| (link, true)),
            Attach::Generic => self.attach(port, false).map(|link| (link, false)),
            Attach::Auto => self
                .attach(port, true)
                .map(|link| (link, true))
                .or_else(|_| self.attach(port, false).map(|link| (link, false))),
        };
        let (link, native) = native.map_err(|error| BpfError::program(&port.interface, error))?;
        self.pin = pin(native);
        link.pin(&self.pin).map_err(|error| BpfError::pin(&port.interface, io::Error::other(error)))?;
        self.native = native;
        Ok(())
    }

    fn attach(&mut self, port: &GatePort, native: bool) -> Result<FdLink, ProgramError> {
        let mode = if native { XdpMode::Driver } else { XdpMode::Skb };
        let id = self.xdp().attach_to_if_index(port.ifindex, mode)?;
        Ok(self.xdp().take_link(id)?.try_into().expect("Linux 5.9 and later make BPF links"))
    }
}

fn own_entries(own: &[(Ipv6Addr, u16)]) -> BTreeMap<[u8; 16], u64> {
    own.iter().map(|(address, edges)| (address.octets(), u64::from(*edges))).collect()
}

fn mac_entries(port: &GatePort) -> BTreeMap<[u8; 8], u32> {
    port.edges.iter().flat_map(|edge| edge.macs.iter().map(|mac| (mac_key(mac.0, edge.edge), 1))).collect()
}

fn route_entries(port: &GatePort) -> BTreeMap<(u32, [u8; 20]), u32> {
    let routes = port.routes.iter().map(|route| {
        let length = 32 + u32::from(route.prefix.len());
        ((length, route_key(route.edge, route.prefix.address())), action(route.action))
    });
    routes.collect()
}

fn edge_entries(port: &GatePort) -> BTreeMap<u32, [u32; 2]> {
    let vlan = |edge: &GateEdge| edge.vlan.map_or(UNTAGGED, u32::from);
    port.edges.iter().map(|edge| (vlan(edge), [u32::from(edge.edge.0), role(edge.role)])).collect()
}

fn mac_key(mac: [u8; 6], edge: EdgeId) -> [u8; 8] {
    let [a, b, c, d, e, f] = mac;
    let [g, h] = u16::from(edge.0).to_ne_bytes();
    [a, b, c, d, e, f, g, h]
}

fn route_key(edge: EdgeId, destination: Ipv6Addr) -> [u8; 20] {
    let mut key = [0; 20];
    key[..4].copy_from_slice(&u32::from(edge.0).to_ne_bytes());
    key[4..].copy_from_slice(&destination.octets());
    key
}

const fn action(action: GateAction) -> u32 {
    match action {
        GateAction::Pass => 1,
        GateAction::Steer => 2,
        GateAction::Proxy => 3,
    }
}

const fn role(role: GateRole) -> u32 {
    match role {
        GateRole::Lan => 0,
        GateRole::Isp => 1,
    }
}
