//! Which worker owns which queue.

/// Queues by worker and port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueuePlan {
    /// By worker, then by port: the queues it owns, never none.
    pub workers: Vec<Vec<Vec<u32>>>,
    /// Position of the port whose few queues set the number of workers, if it was a port.
    pub capped_by: Option<usize>,
}

/// Shares out the queues of every port. `queues` has each port's number of queues; `wanted` is
/// the number of workers asked for, if any.
///
/// Every queue is owned, since frames of a queue without an owner would be lost; and every
/// worker owns a queue of every port, since it needs one to send by. So there are no more
/// workers than the port with the fewest queues has, and the surplus queues of the others are
/// dealt out in turn. No ports or a port without queues: no workers.
pub fn plan_queues(queues: &[u32], wanted: Option<usize>) -> QueuePlan {
    let Some((port, fewest)) = queues.iter().copied().enumerate().min_by_key(|(_, count)| *count) else {
        return QueuePlan { workers: Vec::new(), capped_by: None };
    };
    let most = fewest as usize;
    let workers = wanted.map_or(most, |wanted| wanted.min(most));
    let owned = |worker: usize, count: u32| (worker as u32..count).step_by(workers).collect();
    QueuePlan {
        workers: (0..workers).map(|worker| queues.iter().map(|count| owned(worker, *count)).collect()).collect(),
        capped_by: wanted.is_none_or(|wanted| wanted > most).then_some(port),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_port_with_the_fewest_queues_caps_the_workers() {
        let plan = plan_queues(&[4, 2, 1], None);
        assert_eq!(plan.workers, [vec![vec![0, 1, 2, 3], vec![0, 1], vec![0]]]);
        assert_eq!(plan.capped_by, Some(2));
    }

    #[test]
    fn surplus_queues_are_dealt_out_in_turn() {
        let plan = plan_queues(&[5, 2], None);
        assert_eq!(plan.workers, [vec![vec![0, 2, 4], vec![0]], vec![vec![1, 3], vec![1]]]);
    }

    #[test]
    fn fewer_workers_may_be_asked_for_but_not_more() {
        let fewer = plan_queues(&[4, 4], Some(2));
        assert_eq!(fewer.workers.len(), 2);
        assert_eq!(fewer.capped_by, None);
        let more = plan_queues(&[4, 3], Some(8));
        assert_eq!(more.workers.len(), 3);
        assert_eq!(more.capped_by, Some(1));
    }

    #[test]
    fn nothing_comes_of_nothing() {
        assert!(plan_queues(&[], None).workers.is_empty());
        assert!(plan_queues(&[0, 3], None).workers.is_empty());
        assert!(plan_queues(&[3], Some(0)).workers.is_empty());
    }

    proptest! {
        #[test]
        fn every_queue_has_one_owner_and_every_worker_a_queue_of_each_port(
            queues in prop::collection::vec(1u32..70, 1..6),
            wanted in prop::option::of(1usize..80),
        ) {
            let plan = plan_queues(&queues, wanted);
            prop_assert!(!plan.workers.is_empty());
            for (port, count) in queues.iter().enumerate() {
                let mut owned: Vec<u32> = plan.workers.iter().flat_map(|ports| ports[port].clone()).collect();
                owned.sort_unstable();
                prop_assert_eq!(owned, (0..*count).collect::<Vec<_>>());
                prop_assert!(plan.workers.iter().all(|ports| !ports[port].is_empty()));
            }
        }
    }
}
