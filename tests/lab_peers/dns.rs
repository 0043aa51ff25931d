//! A DNS server and its client, as Debian has them.

use std::time::Duration;

use crate::Conversation;
use crate::lab::Lab;
use crate::lab::process::{Daemon, eventually};

/// Twelve strings of 250 characters: more than a frame, less than the client's buffer.
const STRINGS: usize = 12;

/// Short answers, one in fragments, and one that is cut and then asked for by TCP.
pub fn dns(lab: &Lab, conversations: &[Conversation]) {
    let _servers = ["srv", "h20"].map(|role| serve(lab, role));
    for Conversation { asker, source, target, .. } in conversations {
        let dig = |words: &str| lab.sh(asker, &format!("dig -6 -b {source} @{target} +tries=2 +timeout=2 {words}"));
        for words in ["+notcp", "+tcp"] {
            let answer = dig(&format!("{words} +short AAAA host.example"));
            assert_eq!(answer, "2001:db8:77::1\n", "{asker} asks {target} {words}");
        }
        let long = text().join("\" \"");
        let answer = dig("+bufsize=4096 +notcp +ignore +short TXT long.example");
        assert_eq!(answer, format!("\"{long}\"\n"), "{asker} asks {target} by UDP in fragments");
        let cut = dig("+bufsize=1232 +ignore TXT long.example");
        assert!(cut.contains("flags: qr aa tc"), "{asker} asks {target} with a small buffer: {cut}");
        let answer = dig("+bufsize=1232 +short TXT long.example");
        assert!(answer.ends_with(&format!("\"{long}\"\n")), "{asker} asks {target} again by TCP: {answer}");
    }
}

fn serve(lab: &Lab, role: &str) -> Daemon {
    let mut command = lab.command(role, "dnsmasq");
    command.args(["--no-daemon", "--conf-file=/dev/null", "--no-resolv", "--no-hosts", "--edns-packet-max=4096"]);
    command.arg("--host-record=host.example,2001:db8:77::1");
    command.arg(format!("--txt-record=long.example,{}", text().join(",")));
    let daemon = Daemon::start(&mut command, &lab.dir.join(format!("{role}-dnsmasq.log")));
    let asks = || lab.try_sh(role, "dig -6 @::1 +tries=1 +timeout=1 AAAA host.example").is_some();
    eventually("dnsmasq answers", Duration::from_secs(10), asks);
    daemon
}

fn text() -> Vec<String> {
    (0..STRINGS).map(|n| format!("{n:02}").repeat(125)).collect()
}
