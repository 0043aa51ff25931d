//! What packets make of a flow's state.

use sixways::flow::{Class, Signal, State};
use sixways::units::Direction;

use Direction::{Inbound, Outbound};
use Signal::{Close, Data, Syn};

const DIRECTIONS: [Direction; 2] = [Outbound, Inbound];
const SIGNALS: [Signal; 3] = [Syn, Close, Data];

#[test]
fn a_flow_begins_unanswered_in_the_way_it_was_opened() {
    for (class, outbound, inbound) in [
        (Class::Tcp, State::TcpOutbound, State::TcpInbound),
        (Class::Udp, State::UdpOutbound, State::UdpInbound),
        (Class::Icmpv6, State::Icmpv6Outbound, State::Icmpv6Inbound),
        (Class::Other, State::OtherOutbound, State::OtherInbound),
    ] {
        assert_eq!(State::opening(class, Outbound), outbound);
        assert_eq!(State::opening(class, Inbound), inbound);
    }
}

/// Every change that there is. All other packets leave a state as it is.
#[test]
fn all_transitions() {
    let mut changes = vec![
        (State::TcpOutbound, Inbound, Data, State::TcpEstablished),
        (State::TcpInbound, Outbound, Data, State::TcpEstablished),
    ];
    changes.extend(DIRECTIONS.map(|direction| (State::TcpEstablished, direction, Close, State::TcpClosing)));
    for signal in SIGNALS {
        changes.extend([
            (State::UdpOutbound, Inbound, signal, State::UdpEstablished),
            (State::UdpInbound, Outbound, signal, State::UdpEstablished),
            (State::Icmpv6Outbound, Inbound, signal, State::Icmpv6Established),
            (State::Icmpv6Inbound, Outbound, signal, State::Icmpv6Established),
            (State::OtherOutbound, Inbound, signal, State::OtherEstablished),
            (State::OtherInbound, Outbound, signal, State::OtherEstablished),
        ]);
    }
    for state in State::ALL {
        for direction in DIRECTIONS {
            for signal in SIGNALS {
                let change = changes.iter().find(|change| (change.0, change.1, change.2) == (state, direction, signal));
                let expected = change.map_or(state, |change| change.3);
                assert_eq!(state.after(direction, signal), expected, "{state:?} {direction:?} {signal:?}");
            }
        }
    }
}

/// The state after packets, each with its way and what it tells.
fn after(first: State, packets: &[(Direction, Signal)]) -> State {
    packets.iter().fold(first, |state, (direction, signal)| state.after(*direction, *signal))
}

#[test]
fn tcp_is_established_by_a_handshake_and_by_nothing_less() {
    let opened = State::opening(Class::Tcp, Outbound);
    assert_eq!(after(opened, &[(Inbound, Syn), (Outbound, Data), (Outbound, Data)]), State::TcpOutbound);
    assert_eq!(after(opened, &[(Inbound, Syn), (Outbound, Data), (Inbound, Data)]), State::TcpEstablished);
    assert_eq!(after(opened, &[(Inbound, Close)]), State::TcpOutbound, "refused");
    assert_eq!(after(opened, &[(Inbound, Syn), (Outbound, Close)]), State::TcpOutbound, "a scan");
    let asked = State::opening(Class::Tcp, Inbound);
    assert_eq!(after(asked, &[(Outbound, Syn), (Inbound, Data)]), State::TcpInbound, "a SYN flood");
    assert_eq!(after(asked, &[(Outbound, Syn), (Inbound, Data), (Outbound, Data)]), State::TcpEstablished);
}

#[test]
fn each_state_has_its_number() {
    for (number, state) in State::ALL.into_iter().enumerate() {
        assert_eq!(state as usize, number);
    }
}
