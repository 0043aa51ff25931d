//! `[host]` and `[ipv4]` as written.

use toml::de::DeTable;

use super::{Known, section};
use crate::control::config::OnStop;
use crate::control::config::reader::Errors;
use crate::control::config::schema::{HOST, IPV4};

/// `[host]` and `[ipv4]`
#[derive(Debug)]
pub struct RawHost {
    pub rules: Known<bool>,
    pub steer: Known<bool>,
    pub on_stop: Known<OnStop>,
    pub reload_on_save: Known<bool>,
    pub ipv4_follow: Known<bool>,
}

impl RawHost {
    pub fn read(document: &DeTable<'_>, errors: &Errors) -> Self {
        let host = section(document, &HOST, errors);
        let ipv4 = section(document, &IPV4, errors);
        Self {
            rules: host.boolean("rules"),
            steer: host.boolean("steer"),
            on_stop: host.word("on_stop"),
            reload_on_save: host.boolean("reload_on_save"),
            ipv4_follow: ipv4.boolean("follow"),
        }
    }
}
