//! `[host]` and `[ipv4]` as meant.

/// The port by which the host's own traffic reaches the workers (`[host] steer`), in
/// [`Config::lans`](super::Config::lans) like any other. Its other end is [`HOST_DEVICE`].
pub const HOST_PORT: &str = "sixways1";
/// The host's end of that link.
pub const HOST_DEVICE: &str = "sixways0";

/// `[host]`: the gateway as a host of its own.
#[derive(Clone, Debug, PartialEq)]
pub struct Host {
    /// Whether control keeps `ip -6 rule`s so that the host answers by the ISP that asked.
    pub rules: bool,
    /// Whether the host's own traffic goes by the workers, as a LAN's does.
    pub steer: bool,
    /// What happens to gate, guard and rules when the gateway stops.
    pub on_stop: OnStop,
    /// Whether the file is put in force when it is saved.
    pub reload_on_save: bool,
}

/// What happens when the gateway stops.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnStop {
    /// Gate and guard stay: transit is dropped, nothing leaks.
    Block,
    /// Gate, guard and rules are taken away: the kernel routes as it likes.
    Release,
}

/// `[ipv4]`: what is beside IPv6.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ipv4 {
    /// Whether the kernel's IPv4 default route follows what is known of the ISPs.
    pub follow: bool,
}
