//! Counters, latency histograms, and what is made of them: the accounting, the Prometheus
//! exporter and the content of `status`.

pub mod accounting;
pub mod config;
pub mod counters;
pub mod durations;
pub mod exporter;
pub mod exposition;
pub mod families;
pub mod flows;
pub mod isp_health;
pub mod latency;
pub mod nd_proxy;
pub mod prefixes;
pub mod report;
pub mod sample;
pub mod status;
pub mod telling;
pub mod topology;
pub mod view;
