//! The configuration changes while packets flow: whole or not at all, and nobody's flow notices.

#[path = "../lab_recovery/flows.rs"]
mod flows;
mod interfaces;
#[path = "../lab/mod.rs"]
mod lab;
mod refused;
mod saved;
mod settings;
mod under_load;

use lab::Lab;
use lab::gateway::Gateway;
use lab::steps::Steps;
use lab::traffic::Server;

/// The configuration that the lab starts with. Its rings hold what comes while a busy machine lets a worker
/// wait for seconds: what is lost here was lost by a reload. What is saved waits, but where a step says otherwise.
pub fn lab_config() -> String {
    let text = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/configs/lab.toml"));
    let more = "\n[host]\nreload_on_save = false\n\n[dataplane]\nrx_ring = 4096\nfill_ring = 4096\n";
    text.expect("configs/lab.toml") + more
}

/// The value of a metric without labels, or the row with them.
pub fn metric(gateway: &Gateway<'_>, name: &str) -> String {
    let page = gateway.metrics();
    let row = page.lines().find_map(|line| line.strip_prefix(name)?.rsplit_once(' '));
    row.unwrap_or_else(|| panic!("no {name} in\n{page}")).1.to_owned()
}

#[test]
fn another_configuration_is_put_in_force_whole_or_not_at_all() {
    let Some(lab) = Lab::start(2) else { return };
    let mut server = Server::start(&lab, "srv", true);
    let mut gateway = Gateway::start_with(&lab, &lab_config());
    let mut steps = Steps::new(&lab);
    steps.step("reloads under load", &mut gateway, |gateway| {
        under_load::reload_under_load(&lab, gateway, under_load::count());
    });
    steps.step("an ISP goes and comes with its interface", &mut gateway, |gateway| {
        interfaces::isp_goes_and_comes(&lab, gateway, &mut server);
    });
    steps.step("a LAN comes and goes", &mut gateway, |gateway| interfaces::lan_comes_and_goes(&lab, gateway));
    steps.step("a LAN comes in vain", &mut gateway, |gateway| interfaces::lan_in_vain(&lab, gateway));
    steps.step("probes come and go", &mut gateway, |gateway| settings::probes(gateway));
    steps.step("another is told", &mut gateway, |gateway| settings::notify(&lab, gateway));
    steps.step("a bad file keeps the old one", &mut gateway, |gateway| refused::bad_file(gateway));
    steps.step("what needs a restart is refused by name", &mut gateway, |gateway| refused::fixed_keys(gateway));
    steps.step("a file for root's eyes only, by SIGHUP", &mut gateway, |gateway| refused::hang_up(&lab, gateway));
    steps.step("the exporter moves", &mut gateway, |gateway| refused::exporter_moves(&lab, gateway));
    steps.step("a file is saved", &mut gateway, |gateway| saved::in_force(&lab, gateway));
    steps.step("a file is saved and one is tried", &mut gateway, |gateway| saved::and_tried(&lab, gateway));
    steps.step("tried, not confirmed, taken back", &mut gateway, |gateway| refused::rolled_back(gateway));
    steps.step("tried and confirmed", &mut gateway, |gateway| refused::confirmed(gateway));
    steps.step_alone("the end", || assert!(gateway.stop().success(), "{}", gateway.log()));
    steps.finish();
}
