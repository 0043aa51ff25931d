//! Datagrams that do not fit a link, and a protocol that nobody knows.

use std::time::Duration;

use serde::Deserialize;

use crate::lab::process::run;
use crate::lab::traffic::Server;
use crate::lab::{Lab, PYTHON};
use crate::reach::answered;
use crate::{Conversation, helper, peers};

const FLOWS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/scripts/lib/flows.py");
const LIMIT: Duration = Duration::from_secs(60);
const COUNT: u32 = 20;

#[derive(Debug, PartialEq, Deserialize)]
struct Echoed {
    sent: u32,
    answered: u32,
    wrong: u32,
}

/// Both ways, each payload compared with its echo.
pub fn udp(lab: &Lab, conversations: &[Conversation]) {
    let _servers = ["srv", "h20"].map(|role| Server::start(lab, role, true));
    for Conversation { asker, source, target, .. } in conversations {
        // The sender learns the path's MTU first: what it sends before that is lost.
        assert!(answered(lab, asker, &format!("-s1452 -I {source} {target}")), "{asker} to {target}");
        for (port, size) in [(5001, 10_000), (5002, 60_000)] {
            let mut command = lab.command(asker, PYTHON);
            command.args([FLOWS, "datagrams", "--source", source, "--source-port", &port.to_string()]);
            command.args(["--target", target, "--size", &size.to_string(), "--count", &COUNT.to_string()]);
            let echoed: Echoed = serde_json::from_str(&run(&mut command, LIMIT)).expect("flows.py reports");
            let all = Echoed { sent: COUNT, answered: COUNT, wrong: 0 };
            assert_eq!(echoed, all, "{size} octets to {target}");
        }
    }
}

/// A protocol without ports, which no packet filter or NAT has heard of; whole, and in fragments.
pub fn unknown(lab: &Lab, conversations: &[Conversation]) {
    for Conversation { asker, source, asked, target, .. } in conversations {
        // One at a time: an echo would answer the other's answers.
        let _echo = helper(lab, asked, "raw-serve");
        let answered = run(&mut peers(lab, asker, &format!("raw-ask {source} {target} 0 1 100 1360 1460 5000")), LIMIT);
        assert_eq!(answered.trim(), "[0, 1, 100, 1360, 1460, 5000]", "{asker} to {target}");
    }
}
