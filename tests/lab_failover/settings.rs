//! The cases in which nothing dies: another configuration, another prefix.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::cases::{AFTER, Outcome, WARM, foreign};
use crate::lab::gateway::Gateway;
use crate::lab::process::eventually;
use crate::lab::traffic::connect;
use crate::lab::{H20_PREFIX, ISP_A, Lab, SERVER_PREFIX};
use crate::streams::Streams;
use crate::tcp::Connections;

/// What ISP A delegates another time.
pub const OTHER_PREFIX: &str = "2001:db8:3::/48";

/// Under load `count` reloads, of `text` and another one in turn: a weight, a rule and a service differ.
pub fn reloads(lab: &Lab, gateway: &Gateway<'_>, text: &str, count: u32, load: u32) -> Outcome {
    let rule = "\n[[rule]]\nmatch = { dst = \"2001:db8:77::/48\" }\ndrop = true\n";
    let other = text.replace("weight = 3", "weight = 2").replace("\"33434-33534\"", "\"33434-33600\"") + rule;
    under_load(lab, load, || {
        let start = Instant::now();
        for n in 0..count {
            gateway.configure(if n % 2 == 0 { &other } else { text });
            gateway.ask(&["reload"]);
        }
        BTreeMap::from([("reloads", f64::from(count)), ("a reload", start.elapsed().as_secs_f64() / f64::from(count))])
    })
}

/// `text` with ISP A's prefix in a file, which is written.
pub fn with_prefix_file(lab: &Lab, text: &str) -> String {
    let file = prefix_file(lab);
    std::fs::write(&file, format!("{ISP_A}\n")).expect("a prefix can be written");
    let line = format!("prefix = {{ file = \"{}\" }}", file.display());
    text.replace(&format!("prefix = \"{ISP_A}\""), &line)
}

fn prefix_file(lab: &Lab) -> PathBuf {
    lab.dir.join("fiber.prefix")
}

/// ISP A delegates another prefix than before, under load.
pub fn prefix_change(lab: &Lab, load: u32) -> Outcome {
    let file = prefix_file(lab);
    let former = std::fs::read_to_string(&file).expect("a prefix");
    let prefix = if former.trim() == ISP_A { OTHER_PREFIX } else { ISP_A };
    under_load(lab, load, || {
        let start = Instant::now();
        std::fs::write(file.with_extension("new"), format!("{prefix}\n")).expect("a prefix can be written");
        std::fs::rename(file.with_extension("new"), &file).expect("a file can be renamed");
        eventually("new flows have the new prefix", Duration::from_secs(30), || {
            connect(lab, "h20", H20_PREFIX, SERVER_PREFIX, 16, 16).seen.contains_key(prefix)
        });
        BTreeMap::from([("until new flows had the new prefix", start.elapsed().as_secs_f64())])
    })
}

/// What all flows pay for `change`, which should cost nobody anything.
fn under_load(lab: &Lab, load: u32, change: impl FnOnce() -> BTreeMap<&'static str, f64>) -> Outcome {
    let foreign = foreign(lab);
    let connections = Connections::open(lab);
    let streams = Streams::start(lab, load);
    sleep(WARM);
    let begin = streams.now();
    let beside = change();
    sleep(AFTER);
    let tcp = connections.toll();
    let record = streams.finish();
    Outcome {
        beside,
        load,
        udp: record.toll_of_all(begin),
        tcp,
        twice: record.twice,
        foreign: self::foreign(lab) - foreign,
        ..Outcome::default()
    }
}
