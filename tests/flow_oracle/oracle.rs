//! `docs/flows.md` as a slow model: maps and plain times, and no line of the code that it judges.
//!
//! Times are exact here and ticks there: whoever asks lets time pass until [`Oracle::is_sure`].

use std::collections::HashMap;

pub const ISPS: [usize; 2] = [0, 1];
/// The remote that rules are about, and its ports.
pub const RULED: usize = 1;
pub const DROPPED: u16 = 99;
/// Only by ISP 1.
pub const PINNED: u16 = 53;
/// Of host 1: TCP from anybody, UDP from remote 0.
pub const ALLOWED: u16 = 443;

const SECOND: u64 = 1_000_000_000;
const TICK: u64 = 1 << 32;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Proto {
    Tcp,
    Udp,
    Echo,
    Esp,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Key {
    pub host: usize,
    pub remote: usize,
    pub proto: Proto,
    pub here: u16,
    pub there: u16,
}

/// What a TCP packet says, or an echo; all others are data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sign {
    /// SYN, or an echo request.
    Open,
    /// SYN with ACK.
    Answer,
    Data,
    /// FIN or RST.
    Close,
}

/// A later fragment of a datagram between these two.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Later {
    pub host: usize,
    pub remote: usize,
    pub id: u32,
}

#[derive(Clone, Copy, Debug)]
pub enum What {
    Whole(Key, Sign),
    /// The first fragment of a UDP datagram.
    First(Key, u32),
    Later(Later),
    /// An ICMPv6 error about a packet of the flow that went the other way, for this host.
    Error(Key, usize),
    ErrorAboutLater(Later),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Way {
    Out,
    In(usize),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    OutBy(usize),
    In,
    Drop(&'static str),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    Established,
    Endpoint,
    Open,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Opening,
    Answered,
    Closing,
}

#[derive(Clone, Copy, Debug)]
struct Flow {
    isp: usize,
    from_inside: bool,
    former: Option<usize>,
    stage: Stage,
    seen: u64,
}

#[derive(Debug)]
pub struct Oracle {
    pub now: u64,
    pub usable: Vec<usize>,
    pub mode: Mode,
    /// Which ISP the bucket of a host and a remote prefers.
    pub preferred: HashMap<(usize, usize), usize>,
    pub inserted: u64,
    pub moved: u64,
    pub repinned: u64,
    flows: HashMap<Key, Flow>,
    /// What the latest flows of two hosts went by, and when: which of them is the latest is known to a tick.
    pairs: HashMap<(usize, usize), Vec<(u64, usize)>>,
    endpoints: HashMap<(usize, Proto, u16), u64>,
    datagrams: HashMap<(bool, Later), (u64, usize)>,
}

const PAIR: u64 = 300 * SECOND;
const DATAGRAM: u64 = 60 * SECOND;

fn timeout(proto: Proto, stage: Stage) -> u64 {
    SECOND
        * match (proto, stage) {
            (Proto::Tcp, Stage::Answered) => 124 * 60,
            (Proto::Tcp, _) => 4 * 60,
            (Proto::Echo, _) => 60,
            (Proto::Udp | Proto::Esp, _) => 300,
        }
}

impl Oracle {
    pub fn new(now: u64, preferred: HashMap<(usize, usize), usize>) -> Self {
        Self {
            now,
            usable: ISPS.to_vec(),
            mode: Mode::Established,
            preferred,
            inserted: 0,
            moved: 0,
            repinned: 0,
            flows: HashMap::new(),
            pairs: HashMap::new(),
            endpoints: HashMap::new(),
            datagrams: HashMap::new(),
        }
    }

    /// Whether nothing is in the two ticks in which it may be forgotten already or not yet.
    pub fn is_sure(&self) -> bool {
        let sure = |seen: u64, timeout: u64| {
            let age = self.now - seen;
            age < timeout || age > timeout + 2 * TICK
        };
        self.flows.iter().all(|(key, flow)| sure(flow.seen, timeout(key.proto, flow.stage)))
            && self.pairs.values().flatten().all(|(seen, _)| sure(*seen, PAIR))
            && self.endpoints.values().all(|seen| sure(*seen, PAIR))
            && self.datagrams.values().all(|(since, _)| sure(*since, DATAGRAM))
    }

    /// What becomes of a packet. Where the documents leave a choice, `seen` makes it.
    pub fn judge(&mut self, way: Way, what: What, seen: Option<usize>) -> Verdict {
        let outbound = way == Way::Out;
        let verdict = match (way, what) {
            (Way::Out, What::Whole(key, sign)) => self.out(key, sign, None),
            (Way::Out, What::First(key, id)) => self.out(key, Sign::Data, Some(id)),
            (Way::Out, What::Later(later)) => self.later_out(later, seen),
            (Way::Out, What::Error(key, _)) => self.steer(self.flow(key), None, key).map(Verdict::OutBy),
            (Way::Out, What::ErrorAboutLater(_)) => unreachable!("no test sends it"),
            (Way::In(isp), What::Whole(key, sign)) => self.come_in(isp, key, sign),
            (Way::In(isp), What::First(key, _)) => self.come_in(isp, key, Sign::Data),
            (Way::In(isp), What::Later(later)) => {
                let comes = self.talk(later) || self.datagram(false, later) == Some(isp) || self.mode == Mode::Open;
                if comes { Ok(Verdict::In) } else { Err("inbound-filter") }
            }
            (Way::In(isp), What::Error(key, to)) => self.error_in(isp, key, to),
            (Way::In(isp), What::ErrorAboutLater(later)) => {
                let comes = self.talk(later) || self.datagram(true, later) == Some(isp) || self.mode == Mode::Open;
                if comes { Ok(Verdict::In) } else { Err("quote-no-flow") }
            }
        };
        let by = match (way, verdict) {
            (_, Err(reason)) => return Verdict::Drop(reason),
            (Way::Out, Ok(Verdict::OutBy(isp))) | (Way::In(isp), Ok(_)) => isp,
            (Way::Out, Ok(other)) => unreachable!("{other:?}"),
        };
        match what {
            What::First(Key { host, remote, .. }, id) => self.note_datagram(outbound, Later { host, remote, id }, by),
            What::Later(later) => {
                self.note_datagram(outbound, later, by);
                self.note_pair(later.host, later.remote, by);
            }
            _ => {}
        }
        verdict.unwrap_or_else(Verdict::Drop)
    }

    fn flow(&self, key: Key) -> Option<Flow> {
        let flow = self.flows.get(&key)?;
        (self.now - flow.seen < timeout(key.proto, flow.stage)).then_some(*flow)
    }

    /// The flow that a packet is of: a SYN behind the end of one is the first of another.
    fn flow_of(&self, key: Key, sign: Sign) -> Option<Flow> {
        self.flow(key).filter(|flow| !(sign == Sign::Open && flow.stage == Stage::Closing))
    }

    fn datagram(&self, outbound: bool, later: Later) -> Option<usize> {
        let (since, isp) = self.datagrams.get(&(outbound, later))?;
        (self.now - since < DATAGRAM).then_some(*isp)
    }

    /// What the two hosts' latest flows went by.
    fn pair(&self, host: usize, remote: usize) -> Vec<usize> {
        let all = self.pairs.get(&(host, remote)).cloned().unwrap_or_default();
        all.into_iter().filter(|(seen, _)| self.now - seen < PAIR).map(|(_, isp)| isp).collect()
    }

    fn talk(&self, later: Later) -> bool {
        !self.pair(later.host, later.remote).is_empty()
    }

    /// What rules, policy and bucket say.
    fn choose(&self, host: usize, remote: usize, there: Option<u16>) -> Result<usize, &'static str> {
        let ruled = there.filter(|_| remote == RULED);
        if ruled == Some(DROPPED) {
            return Err("rule-drop");
        }
        let mut candidates = self.usable.clone();
        candidates.retain(|isp| ruled != Some(PINNED) || *isp == 1);
        let preferred = self.preferred[&(host, remote)];
        if candidates.contains(&preferred) { Ok(preferred) } else { candidates.pop().ok_or("no-uplink") }
    }

    fn steer(&self, flow: Option<Flow>, told: Option<usize>, key: Key) -> Result<usize, &'static str> {
        let known = [told, flow.map(|flow| flow.isp)];
        if let Some(isp) = known.into_iter().flatten().find(|isp| self.usable.contains(isp)) {
            return Ok(isp);
        }
        if flow.is_some_and(|flow| !flow.from_inside) {
            return Err("no-uplink");
        }
        let has_ports = matches!(key.proto, Proto::Tcp | Proto::Udp);
        self.choose(key.host, key.remote, has_ports.then_some(key.there))
    }

    fn out(&mut self, key: Key, sign: Sign, id: Option<u32>) -> Result<Verdict, &'static str> {
        let Key { host, remote, .. } = key;
        let told = id.and_then(|id| self.datagram(true, Later { host, remote, id }));
        let before = self.flow_of(key, sign);
        let isp = self.steer(before, told, key)?;
        let mut flow = before.unwrap_or_else(|| self.new_flow(isp, true));
        if flow.isp != isp && told != Some(isp) {
            (flow.former, flow.isp) = (Some(flow.isp), isp);
            self.moved += 1;
        }
        self.note(key, flow, true, sign);
        let endpoint = self.endpoints.get(&(host, key.proto, key.here)).is_some_and(|seen| self.now - seen < PAIR);
        if self.mode == Mode::Endpoint && (endpoint || flow.from_inside) {
            self.endpoints.insert((host, key.proto, key.here), self.now);
        }
        Ok(Verdict::OutBy(isp))
    }

    fn later_out(&self, later: Later, seen: Option<usize>) -> Result<Verdict, &'static str> {
        if let Some(isp) = self.datagram(true, later).filter(|isp| self.usable.contains(isp)) {
            return Ok(Verdict::OutBy(isp));
        }
        let by_bucket = self.choose(later.host, later.remote, None);
        let mut may: Vec<_> = self.pair(later.host, later.remote);
        let known = may.len();
        may.retain(|isp| self.usable.contains(isp));
        if may.len() < known || known == 0 {
            may.push(by_bucket?);
        }
        Ok(Verdict::OutBy(seen.filter(|seen| may.contains(seen)).unwrap_or(may[0])))
    }

    fn come_in(&mut self, isp: usize, key: Key, sign: Sign) -> Result<Verdict, &'static str> {
        let may_open = self.may_open(key, sign);
        let flow = match self.flow_of(key, sign) {
            None if may_open => self.new_flow(isp, false),
            None => return Err("inbound-filter"),
            Some(flow) if flow.isp == isp => flow,
            Some(flow) if flow.from_inside && flow.former == Some(isp) => flow,
            Some(flow) if !flow.from_inside && may_open && (sign == Sign::Open || key.proto != Proto::Tcp) => {
                self.repinned += 1;
                Flow { isp, former: Some(flow.isp), stage: Stage::Opening, ..flow }
            }
            Some(_) => return Err("wrong-uplink"),
        };
        self.note(key, flow, false, sign);
        Ok(Verdict::In)
    }

    fn may_open(&self, key: Key, sign: Sign) -> bool {
        let allowed = key.host == 1
            && key.here == ALLOWED
            && match key.proto {
                Proto::Tcp => true,
                Proto::Udp => key.remote == 0,
                Proto::Echo | Proto::Esp => false,
            };
        let endpoint = self.endpoints.get(&(key.host, key.proto, key.here));
        allowed
            || key.proto == Proto::Echo && sign == Sign::Open
            || self.mode == Mode::Open
            || self.mode == Mode::Endpoint && endpoint.is_some_and(|seen| self.now - seen < PAIR)
    }

    fn error_in(&self, isp: usize, key: Key, to: usize) -> Result<Verdict, &'static str> {
        if to != key.host {
            return Err("quote-foreign");
        }
        if self.mode == Mode::Open {
            return Ok(Verdict::In);
        }
        let flow = self.flow(key).filter(|flow| flow.isp == isp || flow.former == Some(isp));
        flow.map(|_| Verdict::In).ok_or("quote-no-flow")
    }

    fn new_flow(&mut self, isp: usize, from_inside: bool) -> Flow {
        self.inserted += 1;
        Flow { isp, from_inside, former: None, stage: Stage::Opening, seen: self.now }
    }

    fn note(&mut self, key: Key, mut flow: Flow, outbound: bool, sign: Sign) {
        flow.stage = match flow.stage {
            Stage::Opening if outbound != flow.from_inside && (key.proto != Proto::Tcp || sign == Sign::Data) => {
                Stage::Answered
            }
            Stage::Answered if key.proto == Proto::Tcp && sign == Sign::Close => Stage::Closing,
            stage => stage,
        };
        self.flows.insert(key, Flow { seen: self.now, ..flow });
        self.note_pair(key.host, key.remote, flow.isp);
    }

    fn note_pair(&mut self, host: usize, remote: usize, isp: usize) {
        let notes = self.pairs.entry((host, remote)).or_default();
        notes.retain(|(seen, _)| self.now - seen < TICK);
        notes.push((self.now, isp));
    }

    fn note_datagram(&mut self, outbound: bool, later: Later, isp: usize) {
        if self.datagram(outbound, later) != Some(isp) {
            self.datagrams.insert((outbound, later), (self.now, isp));
        }
    }
}
