//! Counters, latency histograms, and the Prometheus exporter that reads them.

pub mod counters;
pub mod latency;
pub mod report;
