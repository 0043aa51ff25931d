//! `failback = "manual"`: an ISP that is back waits for an operator.

use std::time::Duration;

use crate::lab::Lab;
use crate::lab::gateway::{Gateway, lab_config, with_short_hold_down};
use crate::{await_state, every_isp_is_up};

/// After an outage it waits, over a kill too, unless an operator has said during it that it need not.
pub fn failback(lab: &Lab, gateway: &mut Gateway<'_>) {
    let former = lab_config();
    gateway.configure(&with_short_hold_down(&former).replacen("[site]\n", "[site]\nfailback = \"manual\"\n", 1));
    gateway.ask(&["reload"]);
    every_isp_is_up(gateway);
    outage(lab, gateway, |_| {});
    await_state(gateway, "fiber", "drain");
    // It is kept within a second.
    std::thread::sleep(Duration::from_millis(1500));
    gateway.kill();
    gateway.restart();
    await_state(gateway, "fiber", "drain");
    gateway.ask(&["undrain", "fiber"]);
    await_state(gateway, "fiber", "up");
    outage(lab, gateway, |gateway| {
        gateway.ask(&["undrain", "fiber"]);
    });
    await_state(gateway, "fiber", "up");
    gateway.configure(&former);
    gateway.ask(&["reload"]);
}

fn outage(lab: &Lab, gateway: &Gateway<'_>, meanwhile: impl FnOnce(&Gateway<'_>)) {
    lab.unplug("wan0");
    await_state(gateway, "fiber", "down");
    meanwhile(gateway);
    lab.plug("wan0");
}
