//! What operators want done: verbs of the control socket that the run loop obeys, as it alone holds the
//! gateway.

use serde::Serialize;
use tokio::sync::mpsc::{self, UnboundedReceiver, UnboundedSender};

use super::Gateway;
use crate::control::socket::{Reply, Verbs};

/// Something to be done with the gateway.
pub(super) type Order = Box<dyn FnOnce(&mut Gateway) + Send>;

/// Where orders are given. There are no more of them at a time than the control socket has connections.
#[derive(Clone, Debug)]
pub(super) struct Orders(UnboundedSender<Order>);

impl Orders {
    /// Where orders are given, and where they are heard.
    pub(super) fn channel() -> (Self, UnboundedReceiver<Order>) {
        let (sender, receiver) = mpsc::unbounded_channel();
        (Self(sender), receiver)
    }

    /// `verbs`, and those that the run loop answers.
    pub(super) fn verbs(&self, verbs: Verbs) -> Verbs {
        verbs
            .on_owner("status", self.give(Gateway::order_status))
            .on_owner("reload", self.give(Gateway::order_reload))
            .on_owner("confirm", self.give(Gateway::order_confirm))
            .on_owner("drain", self.give(Gateway::order_drain))
            .on_owner("undrain", self.give(Gateway::order_undrain))
            .on_owner("drill", self.give(Gateway::order_drill))
            .on_owner("drill-end", self.give(Gateway::order_drill_end))
            .on_owner("drill-report", self.give(Gateway::order_drill_report))
    }

    /// For [`Verbs::on_owner`]: the run loop does `act`, which answers when it likes.
    pub(super) fn give<T: Send + 'static>(&self, act: fn(&mut Gateway, T, Reply)) -> impl Fn(T, Reply) + use<T> {
        let orders = self.0.clone();
        move |arguments, reply| {
            // A gateway that stops drops both, and the client is told so.
            let _ = orders.send(Box::new(move |gateway| act(gateway, arguments, reply)));
        }
    }
}

/// Answers at once.
pub(super) fn answer<E: ToString>(reply: Reply, answer: Result<impl Serialize, E>) {
    let answer = match answer {
        Ok(answer) => serde_json::to_value(answer).map_err(|error| error.to_string()),
        Err(error) => Err(error.to_string()),
    };
    // Who has gone away needs no answer.
    let _ = reply.send(answer);
}
