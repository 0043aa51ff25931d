//! Links that lose carrier, are slow, vanish and come back.

use sixways::port::{Flush, FrameMemory, Port};
use sixways::xdp::{SocketError, open_worker};

use crate::lab::{
    Host, Redirect, arrived, assert_exact, eventually, frames, in_lab, operational, options, packet, receive, send,
    settle, spec,
};

#[test]
fn a_port_without_carrier_costs_one_call_a_flush_and_recovers() {
    in_lab(|lab| {
        lab.pair("gw0", "far0", 1);
        lab.pair("gw1", "far1", 1);
        let specs = [spec(0, "gw0", &[0]), spec(1, "gw1", &[0])];
        let (mut umem, mut ports) = open_worker(&options(128), &specs).unwrap();
        let [dead, healthy] = &mut ports[..] else { unreachable!() };
        lab.ip(&["link", "set", "far0", "down"]);
        eventually("loss of carrier", || !operational("gw0"));
        send(dead, &mut umem, 100);
        for round in 1..=100 {
            assert_eq!(dead.flush(&mut umem), Flush::LinkDown);
            assert_eq!(dead.waiting(), 100 - round, "one frame a flush, no more");
            if round <= 10 {
                let before = arrived("far1");
                send(healthy, &mut umem, 100);
                assert_eq!(healthy.flush(&mut umem), Flush::Done);
                assert_eq!(arrived("far1") - before, 100);
            }
            assert_exact(&umem, 0);
        }
        assert_eq!(dead.flush(&mut umem), Flush::Done, "nothing is left to fail");
        settle(healthy, &mut umem);
        send(dead, &mut umem, 100);
        assert_eq!(dead.flush(&mut umem), Flush::LinkDown);
        lab.ip(&["link", "set", "far0", "up"]);
        eventually("carrier", || operational("gw0"));
        let before = arrived("far0");
        assert_eq!(dead.flush(&mut umem), Flush::Done);
        assert_eq!(arrived("far0") - before, 99, "what waited goes out when carrier is back");
        settle(dead, &mut umem);
        assert_exact(&umem, 0);
    });
}

#[test]
fn a_port_set_down_keeps_its_frames_until_it_is_up() {
    in_lab(|lab| {
        lab.pair("gw0", "far0", 1);
        let (mut umem, mut ports) = open_worker(&options(64), &[spec(0, "gw0", &[0])]).unwrap();
        lab.ip(&["link", "set", "gw0", "down"]);
        send(&mut ports[0], &mut umem, 40);
        for _ in 0..3 {
            assert_eq!(ports[0].flush(&mut umem), Flush::LinkDown);
            assert_eq!(ports[0].waiting(), 40);
        }
        assert!(!ports[0].is_detached());
        lab.ip(&["link", "set", "gw0", "up"]);
        eventually("carrier", || operational("gw0"));
        let before = arrived("far0");
        assert_eq!(ports[0].flush(&mut umem), Flush::Done);
        assert_eq!(arrived("far0") - before, 40);
        settle(&mut ports[0], &mut umem);
        assert_exact(&umem, 0);
    });
}

#[test]
fn a_slow_peer_is_not_taken_for_a_dead_link() {
    in_lab(|lab| {
        lab.pair("gw0", "far0", 1);
        // An XDP program gives the peer a queue of 256 frames; emptied by a thread of its own it
        // overflows, and then veth refuses frames as it does without carrier.
        let _redirect = Redirect::attach("far0");
        lab.exec("echo 1 > /sys/class/net/far0/threaded");
        let (mut umem, mut ports) = open_worker(&options(2048), &[spec(0, "gw0", &[0])]).unwrap();
        for _ in 0..20 {
            let mut staged = frames(&mut umem, 2000, &packet(b'x', 60));
            while !staged.is_empty() {
                ports[0].transmit(&mut umem, &mut staged);
                assert_ne!(ports[0].flush(&mut umem), Flush::LinkDown);
            }
            settle(&mut ports[0], &mut umem);
        }
        assert_exact(&umem, 0);
    });
}

#[test]
fn a_queue_can_be_bound_again_right_after_it_was_closed() {
    in_lab(|lab| {
        lab.pair("gw0", "far0", 1);
        for _ in 0..10 {
            let (mut umem, mut ports) = open_worker(&options(64), &[spec(0, "gw0", &[0])]).unwrap();
            send(&mut ports[0], &mut umem, 10);
            assert_eq!(ports[0].flush(&mut umem), Flush::Done);
        }
    });
}

#[test]
fn a_device_that_comes_back_is_bound_anew_and_its_frames_are_not_lost() {
    in_lab(|lab| {
        lab.pair("gw0", "far0", 1);
        lab.pair("gw1", "far1", 1);
        let specs = [spec(0, "gw0", &[0]), spec(1, "gw1", &[0])];
        let (mut umem, mut ports) = open_worker(&options(64), &specs).unwrap();
        let total = umem.ledger().total;
        // The first port's socket is the one that libxdp binds all others by, so lose each.
        for (lost, kept, device, far) in [(1, 0, "gw1", "far1"), (0, 1, "gw0", "far0"), (0, 1, "gw0", "far0")] {
            assert!(!ports[lost].is_detached());
            send(&mut ports[lost], &mut umem, 20);
            lab.ip(&["link", "del", device]);
            assert!(ports[lost].is_detached());
            assert_eq!(ports[lost].flush(&mut umem), Flush::LinkDown);
            ports[lost].unbind(&mut umem);
            assert_eq!(ports[lost].flush(&mut umem), Flush::LinkDown);
            assert_exact(&umem, 0);
            assert_eq!(umem.ledger().fill + umem.ledger().free, total, "frames of the lost port are back");
            send(&mut ports[kept], &mut umem, 20);
            assert_eq!(ports[kept].flush(&mut umem), Flush::Done);
            settle(&mut ports[kept], &mut umem);
            lab.pair(device, far, 1);
            ports[lost].reopen(&mut umem).expect("bound anew");
            let mut redirect = Redirect::attach(device);
            redirect.serve(&ports[lost]);
            Host::on(far).send(&packet(b'n', 80));
            for frame in receive(&mut ports[lost], &mut umem, 1) {
                umem.free(frame);
            }
            let before = arrived(far);
            send(&mut ports[lost], &mut umem, 20);
            assert_eq!(ports[lost].flush(&mut umem), Flush::Done);
            assert_eq!(arrived(far) - before, 20);
            settle(&mut ports[lost], &mut umem);
            assert_exact(&umem, 0);
            assert_eq!(umem.ledger().fill, 128);
        }
        lab.ip(&["link", "del", "gw0"]);
        lab.ip(&["link", "del", "gw1"]);
        lab.pair("gw0", "far0", 1);
        assert!(matches!(ports[0].reopen(&mut umem), Err(SocketError::Orphaned { .. })));
        assert_exact(&umem, 0);
    });
}
