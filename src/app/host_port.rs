//! The host's own port: the link that `[host] steer` asks for, before anything is bound to it.

use super::GatewayError;
use crate::control::ControlError;
use crate::control::config::{Config, HOST_DEVICE, HOST_PORT};
use crate::control::host_link;
use crate::control::netlink::Netlink;
use crate::xdp::device::Device;
use crate::xdp::ethtool::{complete_checksums, receive_queues};

/// Makes the link, or takes one over that an earlier gateway left, unless that has too few queues. Returns
/// how many are wanted: no fewer than any other port has, so that it caps no workers.
///
/// # Errors
/// When it cannot be made.
pub(super) async fn make(config: &Config) -> Result<u32, GatewayError> {
    let device = Device::open().map_err(GatewayError::system("open a socket for device queries"))?;
    let others = config.lans.iter().filter(|lan| !lan.is_host()).map(|lan| &lan.interface);
    let others = others.chain(config.isps.iter().map(|isp| &isp.interface));
    // Preflight tells of interfaces that are missing.
    let queues = others.filter_map(|name| receive_queues(&device, name).ok()).max().unwrap_or(1);
    if config.host.steer {
        let is_narrow = receive_queues(&device, HOST_PORT).is_ok_and(|found| found < queues);
        link(queues, is_narrow).await?;
        settle(config);
    }
    Ok(queues)
}

async fn link(queues: u32, is_narrow: bool) -> Result<(), ControlError> {
    let netlink = Netlink::open()?;
    let mut kernel = netlink.dump().await?;
    if is_narrow && host_link::ends(&kernel).is_some() {
        tracing::info!(queues, "the host's link is made anew, with as many queues as other interfaces have");
        host_link::remove(&netlink, &kernel).await?;
        kernel = netlink.dump().await?;
    }
    Ok(host_link::make(&netlink, &kernel, queues).await?)
}

/// Sees to it that what the host sends has its checksums; again after the link was made anew.
pub(super) fn settle(config: &Config) {
    if config.host.steer
        && let Err(error) = Device::open().and_then(|device| complete_checksums(&device, HOST_DEVICE))
    {
        tracing::error!(%error, "{HOST_DEVICE}: the host's own TCP and UDP may leave without their checksums");
    }
}
