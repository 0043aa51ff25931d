//! Captures in, captures and counters out.

use std::path::PathBuf;

use super::capture::{CaptureError, Captured, Reader, Writer};
use super::engine::{Engine, Sent};
use super::report::{InputReport, Report};
use super::world::{Hints, Planner, WorldError};
use crate::control::config::Config;
use crate::snapshot::{Generation, Snapshot};
use crate::units::{EdgeId, Nanos};

/// A capture and where it was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Input {
    /// An ISP's name, a LAN's interface, or `lan` where there is one LAN.
    pub name: String,
    /// The file.
    pub path: PathBuf,
}

/// What is replayed, and where to.
#[derive(Clone, Debug)]
pub struct Options {
    /// The captures. Packets of the same time are taken in this order.
    pub inputs: Vec<Input>,
    /// Where the captures of what leaves are written, one for each edge; `None`: nowhere.
    pub out: Option<PathBuf>,
}

/// Why nothing can be replayed.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    /// A capture.
    #[error(transparent)]
    Capture(#[from] CaptureError),
    /// The configuration.
    #[error(transparent)]
    World(#[from] WorldError),
    /// A name.
    #[error("there is no LAN or ISP `{name}`; there are {known}")]
    UnknownEdge {
        /// As given.
        name: String,
        /// Those that there are.
        known: String,
    },
    /// Input and output are one file.
    #[error("{0} is read and would be written; choose another --out-dir")]
    OutIsIn(PathBuf),
    /// The directory.
    #[error("cannot make the directory {path}: {error}")]
    Directory {
        /// Where.
        path: PathBuf,
        /// The system's words.
        error: std::io::Error,
    },
    /// A frame that is not there.
    #[error("{path} has {packets} packets, so no frame {wanted}; frames are counted from 1")]
    NoFrame {
        /// Where.
        path: PathBuf,
        /// Packets in it.
        packets: u64,
        /// What was asked for.
        wanted: u64,
    },
}

impl ReplayError {
    /// No edge of that name.
    pub fn unknown_edge(snapshot: &Snapshot, name: &str) -> Self {
        let edges = snapshot.edges.iter().enumerate().filter(|(_, edge)| !edge.name.is_empty());
        let known: Vec<&str> = edges.map(|(id, _)| snapshot.name_of(EdgeId(id as u8))).collect();
        Self::UnknownEdge { name: name.to_owned(), known: known.join(", ") }
    }
}

/// One capture while it is read.
#[derive(Debug)]
struct Source {
    input: Input,
    edge: EdgeId,
    reader: Reader,
    next: Option<Captured>,
    seen: u64,
}

/// A gateway and the captures that it has not met yet.
#[derive(Debug)]
pub struct Rehearsal {
    engine: Engine,
    hints: Hints,
    sources: Vec<Source>,
}

impl Rehearsal {
    /// The gateway of `config` in the world that the captures of `inputs` hint at.
    ///
    /// # Errors
    /// When a name or a capture is wrong, or the configuration contradicts itself.
    pub fn open(config: &Config, inputs: &[Input]) -> Result<Self, ReplayError> {
        let planner = Planner::new(config)?;
        let world = planner.generation(&Hints::default())?;
        let mut hints = Hints::default();
        let mut sources = Vec::new();
        for input in inputs {
            let edge = world.snapshot.edge_named(&input.name);
            let edge = edge.ok_or_else(|| ReplayError::unknown_edge(&world.snapshot, &input.name))?;
            learn(&mut hints, &world, edge, input)?;
            let mut reader = Reader::open(&input.path)?;
            let next = reader.next_packet()?;
            sources.push(Source { input: input.clone(), edge, reader, next, seen: 0 });
        }
        Ok(Self { engine: Engine::new(config, planner.generation(&hints)?), hints, sources })
    }

    /// The gateway meets the next packet of all captures, the earliest. Returns `false` at the end.
    ///
    /// # Errors
    /// When a capture is damaged.
    pub fn step(&mut self, out: &mut Vec<Sent>) -> Result<bool, ReplayError> {
        let Some(at) = self.earliest() else { return Ok(false) };
        let captured = self.take(at)?;
        let port = self.engine.snapshot().edges[self.sources[at].edge.index()].port;
        self.engine.receive(port, captured.at, &captured.bytes, out);
        Ok(true)
    }

    /// Meets every packet before frame `number` (from 1) of the first capture, which it returns with
    /// the edge whose capture it is in. The clock is at its time.
    ///
    /// # Errors
    /// When there is no such frame, or a capture is damaged.
    pub fn up_to(&mut self, number: u64) -> Result<(EdgeId, Vec<u8>), ReplayError> {
        let mut out = Vec::new();
        while let Some(at) = self.earliest() {
            if at == 0 && self.sources[0].seen + 1 == number {
                let captured = self.take(0)?;
                self.engine.advance_to(captured.at, &mut out);
                return Ok((self.sources[0].edge, captured.bytes));
            }
            self.step(&mut out)?;
            out.clear();
        }
        let source = &self.sources[0];
        Err(ReplayError::NoFrame { path: source.input.path.clone(), packets: source.seen, wanted: number })
    }

    /// The frame that [`Rehearsal::step`] takes next.
    pub fn next_frame(&self) -> Option<&[u8]> {
        self.sources[self.earliest()?].next.as_ref().map(|captured| &*captured.bytes)
    }

    fn earliest(&self) -> Option<usize> {
        let waiting = self.sources.iter().enumerate().filter_map(|(at, source)| Some((source.next.as_ref()?.at, at)));
        waiting.min().map(|(_, at)| at)
    }

    fn take(&mut self, at: usize) -> Result<Captured, ReplayError> {
        let source = &mut self.sources[at];
        let following = source.reader.next_packet()?;
        source.seen += 1;
        Ok(std::mem::replace(&mut source.next, following).expect("the earliest has a packet"))
    }

    /// The gateway.
    pub const fn engine(&self) -> &Engine {
        &self.engine
    }
}

/// Reads of a capture what hints at the world.
fn learn(hints: &mut Hints, world: &Generation, edge: EdgeId, input: &Input) -> Result<(), ReplayError> {
    let mut reader = Reader::open(&input.path)?;
    while let Some(captured) = reader.next_packet()? {
        if !hints.learn(world, edge, &captured.bytes) {
            break;
        }
    }
    Ok(())
}

/// Replays the captures of `options` through the gateway of `config`.
///
/// # Errors
/// When a name or a file is wrong, or the configuration contradicts itself.
pub fn replay(config: &Config, options: &Options) -> Result<Report, ReplayError> {
    let mut rehearsal = Rehearsal::open(config, &options.inputs)?;
    let mut outputs = Outputs::create(rehearsal.engine.snapshot(), options)?;
    let mut out = Vec::new();
    let (mut first, mut last) = (None, Nanos::default());
    loop {
        if let Some(at) = rehearsal.earliest() {
            let at = rehearsal.sources[at].next.as_ref().map_or(last, |captured| captured.at);
            first = first.or(Some(at));
            last = last.max(at);
        }
        let more = rehearsal.step(&mut out)?;
        if !more {
            rehearsal.engine.finish(&mut out);
        }
        outputs.write(&out)?;
        out.clear();
        if !more {
            break;
        }
    }
    let files = outputs.finish()?;
    let inputs = rehearsal.sources.iter().map(|source| {
        let learnt = rehearsal.hints.macs.get(&source.edge);
        InputReport {
            name: rehearsal.engine.snapshot().name_of(source.edge).to_owned(),
            file: source.input.path.display().to_string(),
            packets: source.seen,
            mac: rehearsal.engine.snapshot().edges[source.edge.index()].mac.to_string(),
            mac_of_capture: learnt.is_some(),
        }
    });
    let inputs = inputs.collect();
    let span = last.since(first.unwrap_or(last));
    Ok(Report::new(&mut rehearsal.engine, inputs, files, span))
}

/// The captures of what leaves, by edge.
struct Outputs(Vec<Option<Writer>>);

impl Outputs {
    fn create(snapshot: &Snapshot, options: &Options) -> Result<Self, ReplayError> {
        let Some(directory) = &options.out else { return Ok(Self(Vec::new())) };
        let failed = |error| ReplayError::Directory { path: directory.clone(), error };
        std::fs::create_dir_all(directory).map_err(failed)?;
        let mut writers = Vec::new();
        for (id, edge) in snapshot.edges.iter().enumerate() {
            if edge.name.is_empty() {
                writers.push(None);
                continue;
            }
            let path = directory.join(format!("{}.pcapng", snapshot.name_of(EdgeId(id as u8))));
            let written = path.canonicalize().ok();
            if written.is_some() && options.inputs.iter().any(|input| input.path.canonicalize().ok() == written) {
                return Err(ReplayError::OutIsIn(path));
            }
            writers.push(Some((path, edge)));
        }
        // Nothing is replaced before all names were looked at.
        let create = |(path, edge): (PathBuf, &crate::snapshot::Edge)| Writer::create(&path, &edge.name);
        let writers = writers.into_iter().map(|writer| writer.map(create).transpose());
        Ok(Self(writers.collect::<Result<_, _>>()?))
    }

    fn write(&mut self, sent: &[Sent]) -> Result<(), ReplayError> {
        for sent in sent {
            if let Some(Some(writer)) = self.0.get_mut(sent.edge.index()) {
                writer.write(sent.at, &sent.bytes)?;
            }
        }
        Ok(())
    }

    /// Path and frames of each capture, by edge.
    fn finish(self) -> Result<Vec<(EdgeId, PathBuf, u64)>, ReplayError> {
        let mut files = Vec::new();
        for (id, writer) in self.0.into_iter().enumerate() {
            let Some(writer) = writer else { continue };
            let (path, frames) = writer.finish()?;
            files.push((EdgeId(id as u8), path, frames));
        }
        Ok(files)
    }
}
