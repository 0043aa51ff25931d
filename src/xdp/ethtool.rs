//! What ethtool tells about a device: driver, queues, offloads.

#![allow(unsafe_code)]

use std::collections::BTreeSet;
use std::io;

use super::device::Device;

const ETHTOOL_GDRVINFO: u32 = 0x03;
const ETHTOOL_GLINK: u32 = 0x0a;
const ETHTOOL_STXCSUM: u32 = 0x17;
const ETHTOOL_GSTRINGS: u32 = 0x1b;
const ETHTOOL_GSSET_INFO: u32 = 0x37;
const ETHTOOL_GFEATURES: u32 = 0x3a;
const ETHTOOL_GCHANNELS: u32 = 0x3c;

const ETH_SS_FEATURES: u32 = 4;

/// Words of `struct ethtool_drvinfo`.
const DRIVER_INFO_WORDS: usize = 49;
/// Words of `struct ethtool_channels`.
const CHANNELS_WORDS: usize = 9;
/// Octets of one string of a string set.
const STRING_OCTETS: usize = 32;
/// Words of one block of `struct ethtool_gfeatures`: available, requested, active, fixed.
const FEATURE_BLOCK_WORDS: usize = 4;

/// The name of the interface's driver; for a device without hardware, its kind.
///
/// # Errors
///
/// ENODEV: there is no such interface; EOPNOTSUPP: it has no driver to tell of.
pub fn driver(device: &Device, interface: &str) -> io::Result<String> {
    let mut words = [0; DRIVER_INFO_WORDS];
    words[0] = ETHTOOL_GDRVINFO;
    // SAFETY: the array has the struct's size, and no table follows it.
    unsafe { device.ethtool(interface, &mut words) }?;
    Ok(text(&words[1..1 + STRING_OCTETS / 4]))
}

/// Whether the interface has carrier, as its driver sees it now: the kernel's own notice may come a
/// second later.
///
/// # Errors
///
/// ENODEV: there is no such interface; EOPNOTSUPP: its driver does not tell.
pub fn has_carrier(device: &Device, interface: &str) -> io::Result<bool> {
    let mut words = [ETHTOOL_GLINK, 0];
    // SAFETY: the array has the size of `struct ethtool_value`, and no table follows it.
    unsafe { device.ethtool(interface, &mut words) }?;
    Ok(words[1] != 0)
}

/// Receive queues in use; 1 for a device that has no notion of them.
///
/// # Errors
///
/// ENODEV: there is no such interface.
pub fn receive_queues(device: &Device, interface: &str) -> io::Result<u32> {
    let mut words = [0; CHANNELS_WORDS];
    words[0] = ETHTOOL_GCHANNELS;
    // SAFETY: the array has the struct's size, and no table follows it.
    match unsafe { device.ethtool(interface, &mut words) } {
        // In order after the command: the four maxima, then receive, transmit, other, combined.
        Ok(()) => Ok((words[5] + words[8]).max(1)),
        Err(error) if error.raw_os_error() == Some(libc::EOPNOTSUPP) => Ok(1),
        Err(error) => Err(error),
    }
}

/// Has the kernel make the checksums of TCP and UDP before it sends by the interface, rather than
/// leave them to hardware (`ethtool -K … tx off`): AF_XDP gets frames as they are.
///
/// # Errors
///
/// ENODEV: there is no such interface; EPERM: without CAP_NET_ADMIN.
pub fn complete_checksums(device: &Device, interface: &str) -> io::Result<()> {
    let mut words = [ETHTOOL_STXCSUM, 0];
    // SAFETY: the array has the size of `struct ethtool_value`, and no table follows it.
    unsafe { device.ethtool(interface, &mut words) }
}

/// The names of the offloads that are on, as `ethtool -k` on the command line knows them by
/// their kernel names (`rx-lro`, `rx-gro-hw`, …).
///
/// # Errors
///
/// ENODEV: there is no such interface.
pub fn active_features(device: &Device, interface: &str) -> io::Result<BTreeSet<String>> {
    let names = feature_names(device, interface)?;
    let blocks = names.len().div_ceil(32);
    let mut words = vec![0; 2 + blocks * FEATURE_BLOCK_WORDS];
    words[0] = ETHTOOL_GFEATURES;
    words[1] = blocks as u32;
    // SAFETY: the kernel writes the two words and no more blocks than the second word says.
    unsafe { device.ethtool(interface, &mut words) }?;
    let active = |bit: usize| words[2 + bit / 32 * FEATURE_BLOCK_WORDS + 2] & (1 << (bit % 32)) != 0;
    Ok(names.into_iter().enumerate().filter(|(bit, _)| active(*bit)).map(|(_, name)| name).collect())
}

/// The kernel's names of all offloads, in the order of their bits.
fn feature_names(device: &Device, interface: &str) -> io::Result<Vec<String>> {
    // Command, reserved, a mask of 64 bits (low word first), then one count.
    let mut info = [ETHTOOL_GSSET_INFO, 0, 0, 0, 0];
    let mask = (1u64 << ETH_SS_FEATURES).to_ne_bytes();
    info[2] = u32::from_ne_bytes([mask[0], mask[1], mask[2], mask[3]]);
    info[3] = u32::from_ne_bytes([mask[4], mask[5], mask[6], mask[7]]);
    // SAFETY: the struct has four words, and one count follows for the one bit in the mask.
    unsafe { device.ethtool(interface, &mut info) }?;
    let count = info[4] as usize;
    let mut words = vec![0; 3 + count * STRING_OCTETS / 4];
    words[0] = ETHTOOL_GSTRINGS;
    words[1] = ETH_SS_FEATURES;
    words[2] = info[4];
    // SAFETY: after three words the kernel writes as many strings as it has just said: their
    // number is a constant of the running kernel.
    unsafe { device.ethtool(interface, &mut words) }?;
    Ok(words[3..].chunks(STRING_OCTETS / 4).map(text).collect())
}

/// The octets of `words` up to the first zero.
fn text(words: &[u32]) -> String {
    let octets: Vec<u8> = words.iter().flat_map(|word| word.to_ne_bytes()).take_while(|octet| *octet != 0).collect();
    String::from_utf8_lossy(&octets).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_has_checksum_offload_and_one_queue() {
        let device = Device::open().unwrap();
        let features = active_features(&device, "lo").unwrap();
        assert!(features.contains("tx-checksum-ip-generic"), "{features:?}");
        assert!(!features.contains("rx-lro"));
        assert_eq!(receive_queues(&device, "lo").unwrap(), 1);
    }

    #[test]
    fn a_missing_interface_is_an_error() {
        let device = Device::open().unwrap();
        for error in [
            driver(&device, "nonesuch0").unwrap_err(),
            receive_queues(&device, "nonesuch0").unwrap_err(),
            active_features(&device, "nonesuch0").unwrap_err(),
            complete_checksums(&device, "nonesuch0").unwrap_err(),
        ] {
            assert_eq!(error.raw_os_error(), Some(libc::ENODEV));
        }
    }
}
