//! `[notify]`: who is told what happens.

use super::{Default, Section, key};
use crate::control::config::kind::Kind;
use crate::units::Nanos;

/// `[notify]`
pub static NOTIFY: Section = Section {
    header: "[notify]",
    meaning: "A program or a web server, or both, are told what happens. Optional. See [events.md](events.md).",
    keys: &[
        key(
            "exec",
            Kind::Command,
            "",
            Default::Words("nothing is run"),
            "A program and its arguments, run for each event, one after the other and without a shell. It has the event as \
             JSON on standard input and in the environment.",
        ),
        key(
            "webhook",
            Kind::Webhook,
            "",
            Default::Words("nothing is sent"),
            "Where each event is sent as JSON, by POST. The certificate of an `https` server must be trusted by the \
             system.",
        ),
        key(
            "events",
            Kind::Events,
            "",
            Default::Words("every kind but `traffic`"),
            "The kinds of events that are told.",
        ),
        key(
            "timeout",
            Kind::Span(Nanos::from_millis(100), Nanos::from_millis(60_000)),
            "",
            Default::Value(r#""10s""#),
            "Time that the program or the server has for each event. Then the program and what it has started is killed.",
        ),
        key(
            "rate",
            Kind::Integer(1, 3600),
            "events/min",
            Default::Value("30"),
            "Events told in a minute on average; as many may come at once after a quiet minute. How many were left out is told as well.",
        ),
    ],
    planned: &[],
};
