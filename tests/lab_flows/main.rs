//! Flow memory, fragments and the inbound filter on real traffic: who keeps its ISP, through what,
//! and who gets in.

#[path = "../lab/mod.rs"]
mod lab;

mod filter;
mod fragments;
mod restart;
mod servers;

/// A configuration of the lab with these ISPs in this order (name, weight), and `more`.
fn config(isps: [(&str, u32); 2], more: &str) -> String {
    let mut text = String::from(
        "version = 1\n[site]\ninternal = [\"fd12:3456:789a::/48\"]\n[[lan]]\ninterface = \"lan0\"\n\
         [metrics]\nlisten = \"[::1]:9636\"\n",
    );
    for (name, weight) in isps {
        let (interface, prefix, next_hop) = match name {
            "fiber" => ("wan0", lab::ISP_A, "fe80::1"),
            _ => ("wan1", lab::ISP_B, "auto"),
        };
        text += &format!(
            "[[isp]]\nname = \"{name}\"\ninterface = \"{interface}\"\nprefix = \"{prefix}\"\n\
             next_hop = \"{next_hop}\"\nprobes = []\nweight = {weight}\n",
        );
    }
    text + more
}

/// Half of the pairs by ISP A, half by ISP B.
const EVEN: [(&str, u32); 2] = [("fiber", 1), ("cable", 1)];
/// The servers of the lab on `h20`, and nothing else, let in.
const SERVICES: &str = "[filter]\nallow = [\n\
    { dst = \"fd12:3456:789a:20::20\", proto = \"udp\", dst_port = 9000 },\n\
    { dst = \"fd12:3456:789a:20::20\", proto = \"tcp\", dst_port = 9001 },\n]\n";
