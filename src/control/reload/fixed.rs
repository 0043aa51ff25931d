//! What is laid down when the gateway starts: sockets, packet buffers, flow memory.

use super::FixedKey;
use crate::control::config::{Config, Dataplane, Word};

/// The keys by which `new` differs from `old` and that only a start puts in force.
pub(super) fn fixed(old: &Config, new: &Config) -> Vec<FixedKey> {
    let pairs = values(old).into_iter().zip(values(new));
    pairs.filter(|(old, new)| old != new).map(|((key, old), (_, new))| FixedKey { key, old, new }).collect()
}

fn values(config: &Config) -> Vec<(&'static str, String)> {
    let Dataplane {
        mode,
        queues,
        cores,
        batch,
        rx_ring,
        tx_ring,
        fill_ring,
        completion_ring,
        frames,
        frame_size,
        idle,
        stamp_every,
    } = &config.dataplane;
    vec![
        ("flows.capacity", config.flows.capacity.to_string()),
        ("dataplane.mode", mode.word().to_owned()),
        ("dataplane.queues", or_auto(queues.as_ref())),
        ("dataplane.cores", cores.as_ref().map_or_else(auto, |cores| format!("{cores:?}"))),
        ("dataplane.batch", batch.to_string()),
        ("dataplane.rx_ring", rx_ring.to_string()),
        ("dataplane.tx_ring", tx_ring.to_string()),
        ("dataplane.fill_ring", fill_ring.to_string()),
        ("dataplane.completion_ring", completion_ring.to_string()),
        ("dataplane.frames", or_auto(frames.as_ref())),
        ("dataplane.frame_size", frame_size.to_string()),
        ("dataplane.idle", idle.word().to_owned()),
        ("dataplane.stamp_every", stamp_every.to_string()),
    ]
}

fn or_auto(value: Option<&impl ToString>) -> String {
    value.map_or_else(auto, ToString::to_string)
}

fn auto() -> String {
    "auto".to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::config::parse;

    const MINIMAL: &str = include_str!("../../../configs/minimal.toml");

    fn fixed_by(more: &str) -> Vec<String> {
        let new = parse(&format!("{MINIMAL}\n{more}")).unwrap();
        fixed(&parse(MINIMAL).unwrap(), &new).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn what_only_a_start_can_change_is_named_with_both_values() {
        assert_eq!(
            fixed_by("[dataplane]\nbatch = 128\nidle = \"busy\"\ncores = [1]\n[flows]\ncapacity = 5000\n"),
            [
                "flows.capacity 1000000 -> 5000",
                "dataplane.cores auto -> [1]",
                "dataplane.batch 64 -> 128",
                "dataplane.idle adaptive -> busy",
            ]
        );
    }

    #[test]
    fn all_else_changes_while_the_gateway_runs() {
        let more = "[flows]\nudp = \"90s\"\n[icmp]\nunreachable = false\n[metrics]\nlisten = \"off\"\n\
                    [filter]\ninbound = \"open\"\n[policy.default]\nhash = \"source\"\n[host]\non_stop = \"release\"\n";
        assert_eq!(fixed_by(more), [""; 0]);
        assert_eq!(fixed_by("[dataplane]\nbatch = 64\n"), [""; 0], "the default, written out");
    }
}
