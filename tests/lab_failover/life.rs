//! The cases of the gateway's own life, and of a cable that comes and goes.

use std::collections::BTreeMap;
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::cases::{A, AFTER, Outcome, WARM, foreign};
use crate::lab::Lab;
use crate::lab::gateway::Gateway;
use crate::lab::process::run;
use crate::lab::service::{self, Supervisor};
use crate::stand::await_isp_a;
use crate::streams::Streams;
use crate::tcp::Connections;

/// The gateway is killed under load, and started again as configs/sixways.service says.
pub fn kill(lab: &Lab, gateway: &mut Gateway<'_>, load: u32) -> Outcome {
    let supervisor = Supervisor::listen(lab);
    gateway.stop();
    gateway.restart_as_service();
    supervisor.hears("READY=1");
    let foreign = foreign(lab);
    let connections = Connections::open(lab);
    let streams = Streams::start(lab, load);
    sleep(WARM);
    let killed = streams.now();
    gateway.kill();
    supervisor.forget();
    sleep(service::restart_pause());
    let start = Instant::now();
    gateway.restart_as_service();
    supervisor.hears("READY=1");
    let ready = start.elapsed();
    streams.await_arrivals("every flow reaches its server again", |_, _| true);
    sleep(AFTER);
    let tcp = connections.toll();
    let record = streams.finish();
    let outage = record.outage_of_all(killed);
    Outcome {
        seconds: Some(outage.lasted.as_secs_f64()),
        beside: BTreeMap::from([("from start to ready", ready.as_secs_f64())]),
        load,
        lost: outage.lost,
        tcp,
        twice: record.twice,
        moved: record.moved(killed),
        foreign: self::foreign(lab) - foreign,
        ..Outcome::default()
    }
}

/// ISP A's cable is pulled and put back ten times a second, for `time`.
pub fn flapping(lab: &Lab, gateway: &Gateway<'_>, time: Duration, load: u32) -> Outcome {
    let foreign = foreign(lab);
    let connections = Connections::open(lab);
    let streams = Streams::start(lab, load);
    sleep(WARM);
    let before = Belongings::of(gateway);
    let struck = streams.now();
    let flaps = time.as_millis() / 100;
    let flap = "ip link set port down; sleep 0.05; ip link set port up; sleep 0.05";
    let script = format!("n=0; while [ $n -lt {flaps} ]; do {flap}; n=$((n+1)); done");
    let start = Instant::now();
    run(lab.command("ispa", "sh").args(["-ec", &script]), 3 * time + Duration::from_secs(10));
    let took = start.elapsed();
    await_isp_a(gateway, true);
    sleep(AFTER);
    let tcp = connections.toll_beside(A);
    let record = streams.finish();
    let after = Belongings::of(gateway);
    Outcome {
        beside: BTreeMap::from([
            ("flaps", flaps as f64),
            ("flaps a second", flaps as f64 / took.as_secs_f64()),
            ("generations", after.generation - before.generation),
            ("more descriptors", after.descriptors - before.descriptors),
            ("more MiB", (after.resident - before.resident) / f64::from(1 << 20)),
        ]),
        load,
        lost: record.outage_of(A, struck).lost,
        udp: record.toll_beside(A, struck),
        tcp,
        twice: record.twice,
        foreign: self::foreign(lab) - foreign,
        ..Outcome::default()
    }
}

/// What must not grow for ever.
struct Belongings {
    generation: f64,
    descriptors: f64,
    resident: f64,
}

impl Belongings {
    fn of(gateway: &Gateway<'_>) -> Self {
        let page = gateway.metrics();
        let generation = page.lines().find_map(|line| line.strip_prefix("sixways_config_generation "));
        Self {
            generation: generation.and_then(|value| value.parse().ok()).expect("a generation"),
            descriptors: gateway.descriptors() as f64,
            resident: gateway.resident() as f64,
        }
    }
}
