//! What the host's own packet filters and queues will no longer see: IPv6 between LAN and ISPs
//! passes them by once the gate takes it.
//!
//! Asked of `nft` and `tc`, where they are installed; the judgement of their answers is pure.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

/// Something on the host that transit IPv6 no longer meets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bypassed {
    /// What it is, like `nftables chain inet filter forward (12 rules)`.
    pub what: String,
    /// What it will not do any more.
    pub effect: &'static str,
}

/// A tool that could not be asked.
#[derive(Debug, thiserror::Error)]
#[error("`{command}` gives no answer ({reason}); install it, run this as root, or look yourself")]
pub struct NoAnswer {
    command: String,
    reason: String,
}

const NO_FILTER: &str = "does not filter IPv6 between LAN and ISPs any more";
const NO_NAT: &str = "does not translate IPv6 between LAN and ISPs any more";
const NO_OFFLOAD: &str = "does not carry IPv6 between LAN and ISPs any more";
const NO_SHAPING: &str = "does not shape IPv6 that the gateway sends there";

/// Everything on `interfaces` and on the forwarding path, and the tools that gave no answer.
pub fn bypassed(interfaces: &[&str]) -> (Vec<Bypassed>, Vec<NoAnswer>) {
    let mut found = Vec::new();
    let mut unanswered = Vec::new();
    match ask("nft", &["-j", "list", "ruleset"]) {
        Ok(ruleset) => found.extend(nftables(&ruleset, interfaces)),
        Err(error) => unanswered.push(error),
    }
    match ask("tc", &["-j", "qdisc", "show"]) {
        Ok(qdiscs) => found.extend(queues(&qdiscs, interfaces)),
        Err(error) => unanswered.push(error),
    }
    (found, unanswered)
}

fn ask(tool: &str, arguments: &[&str]) -> Result<Value, NoAnswer> {
    let command = format!("{tool} {}", arguments.join(" "));
    let no_answer = |reason: String| NoAnswer { command: command.clone(), reason };
    // Both live in sbin, which is not on every user's path.
    let program = ["/usr/sbin", "/sbin"].iter().map(|dir| Path::new(dir).join(tool)).find(|path| path.exists());
    let output = Command::new(program.unwrap_or_else(|| tool.into()))
        .args(arguments)
        .output()
        .map_err(|error| no_answer(error.to_string()))?;
    if !output.status.success() {
        let complaint = String::from_utf8_lossy(&output.stderr);
        return Err(no_answer(complaint.lines().next().unwrap_or("it failed without a word").to_owned()));
    }
    serde_json::from_slice(&output.stdout).map_err(|error| no_answer(error.to_string()))
}

/// Chains on the way of forwarded IPv6 that hold rules or drop by policy, and flowtables.
fn nftables(ruleset: &Value, interfaces: &[&str]) -> Vec<Bypassed> {
    let objects = || ruleset["nftables"].as_array().into_iter().flatten();
    let mut found = Vec::new();
    for chain in objects().filter_map(|object| object.get("chain")) {
        let forwards = matches!(text(chain, "family"), "ip6" | "inet")
            && matches!(text(chain, "hook"), "forward" | "prerouting" | "postrouting");
        let on_device = text(chain, "family") == "netdev" && devices(chain).iter().any(|dev| interfaces.contains(dev));
        if !forwards && !on_device {
            continue;
        }
        let of_chain = |rule: &&Value| {
            ["family", "table"].iter().all(|key| rule[*key] == chain[*key]) && rule["chain"] == chain["name"]
        };
        let rules = objects().filter_map(|object| object.get("rule")).filter(of_chain).count();
        if rules == 0 && text(chain, "policy") != "drop" {
            continue;
        }
        let kind = if text(chain, "type") == "nat" { NO_NAT } else { NO_FILTER };
        let policy = if text(chain, "policy") == "drop" { ", policy drop" } else { "" };
        let s = if rules == 1 { "" } else { "s" };
        let what = format!(
            "nftables chain {} {} {} ({rules} rule{s}{policy})",
            text(chain, "family"),
            text(chain, "table"),
            text(chain, "name")
        );
        found.push(Bypassed { what, effect: kind });
    }
    for table in objects().filter_map(|object| object.get("flowtable")) {
        let ours: Vec<&str> = devices(table).into_iter().filter(|dev| interfaces.contains(dev)).collect();
        if !ours.is_empty() {
            let names = format!("{} {} {}", text(table, "family"), text(table, "table"), text(table, "name"));
            let what = format!("nftables flowtable {names} on {}", ours.join(", "));
            found.push(Bypassed { what, effect: NO_OFFLOAD });
        }
    }
    found
}

/// Qdiscs that somebody set up: those that the kernel gives by itself have no handle.
fn queues(qdiscs: &Value, interfaces: &[&str]) -> Vec<Bypassed> {
    let mut seen = BTreeSet::new();
    let chosen = qdiscs.as_array().into_iter().flatten().filter(|qdisc| {
        let plain = matches!(text(qdisc, "kind"), "noqueue" | "mq" | "clsact" | "ingress");
        interfaces.contains(&text(qdisc, "dev")) && text(qdisc, "handle") != "0:" && !plain
    });
    chosen
        .map(|qdisc| format!("tc qdisc {} on {}", text(qdisc, "kind"), text(qdisc, "dev")))
        .filter(|what| seen.insert(what.clone()))
        .map(|what| Bypassed { what, effect: NO_SHAPING })
        .collect()
}

fn text<'a>(object: &'a Value, key: &str) -> &'a str {
    object[key].as_str().unwrap_or_default()
}

/// `dev` is a text, or a list where there are several.
fn devices(object: &Value) -> Vec<&str> {
    match &object["dev"] {
        Value::String(name) => vec![name],
        Value::Array(names) => names.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn chains_that_forwarded_ipv6_passes_are_named_with_their_rules() {
        let ruleset = json!({ "nftables": [
            { "metainfo": { "version": "1.0.6" } },
            { "chain": { "family": "inet", "table": "filter", "name": "fwd", "type": "filter", "hook": "forward", "policy": "drop" } },
            { "chain": { "family": "inet", "table": "filter", "name": "in", "type": "filter", "hook": "input", "policy": "drop" } },
            { "chain": { "family": "ip", "table": "nat", "name": "post", "type": "nat", "hook": "postrouting", "policy": "accept" } },
            { "chain": { "family": "ip6", "table": "nat", "name": "post", "type": "nat", "hook": "postrouting", "policy": "accept" } },
            { "chain": { "family": "ip6", "table": "mangle", "name": "FORWARD", "type": "filter", "hook": "forward", "policy": "accept" } },
            { "chain": { "family": "netdev", "table": "t", "name": "early", "type": "filter", "hook": "ingress", "dev": "wan0", "policy": "accept" } },
            { "rule": { "family": "inet", "table": "filter", "chain": "fwd" } },
            { "rule": { "family": "inet", "table": "filter", "chain": "fwd" } },
            { "rule": { "family": "ip6", "table": "nat", "chain": "post" } },
            { "rule": { "family": "netdev", "table": "t", "chain": "early" } },
            { "flowtable": { "family": "inet", "table": "filter", "name": "fast", "dev": ["eth7", "wan0"] } },
        ]});
        let found: Vec<String> = nftables(&ruleset, &["lan0", "wan0"]).into_iter().map(|one| one.what).collect();
        assert_eq!(
            found,
            [
                "nftables chain inet filter fwd (2 rules, policy drop)",
                "nftables chain ip6 nat post (1 rule)",
                "nftables chain netdev t early (1 rule)",
                "nftables flowtable inet filter fast on wan0",
            ]
        );
        let elsewhere = nftables(&ruleset, &["lan0"]);
        assert_eq!(elsewhere.len(), 2, "{elsewhere:?}");
    }

    #[test]
    fn queues_that_the_kernel_gave_by_itself_are_not_named() {
        let qdiscs = json!([
            { "kind": "fq_codel", "handle": "0:", "dev": "wan0", "root": true },
            { "kind": "cake", "handle": "8001:", "dev": "wan1", "root": true },
            { "kind": "clsact", "handle": "ffff:", "dev": "wan1" },
            { "kind": "htb", "handle": "1:", "dev": "eth9", "root": true },
        ]);
        let found = queues(&qdiscs, &["wan0", "wan1"]);
        assert_eq!(found, [Bypassed { what: "tc qdisc cake on wan1".to_owned(), effect: NO_SHAPING }]);
    }

    #[test]
    fn an_answer_of_another_shape_names_nothing() {
        for answer in [json!(null), json!([1, {}]), json!({ "nftables": 5 })] {
            assert!(nftables(&answer, &["wan0"]).is_empty() && queues(&answer, &["wan0"]).is_empty());
        }
    }
}
