//! AF_XDP sockets on veth pairs in a namespace: rings, kicks, carrier, deletion, the ledger,
//! and the checks before start.
//!
//! Needs root, iproute2, ethtool and clang; SIXWAYS_SKIP_LAB=1 skips.

mod gates;
mod lab;
mod links;

use std::thread;
use std::time::Duration;

use lab::{
    Host, Redirect, arrived, assert_exact, eventually, frames, in_lab, now, options, packet, receive, send, settle,
    spec,
};
use sixways::port::{Flush, FrameMemory, Port};
use sixways::units::Nanos;
use sixways::xdp::socket::CopyMode;
use sixways::xdp::{SocketOptions, open_worker};

#[test]
fn frames_cross_unchanged_both_ways() {
    in_lab(|lab| {
        lab.pair("gw0", "far0", 1);
        let (mut umem, mut ports) = open_worker(&options(64), &[spec(0, "gw0", &[0])]).unwrap();
        let port = &mut ports[0];
        assert_eq!(port.copy_mode().unwrap(), CopyMode::Copy);
        let mut redirect = Redirect::attach("gw0");
        redirect.serve(port);
        let host = Host::on("far0");
        host.send(&packet(b'a', 200));
        let mut batch = receive(port, &mut umem, 1);
        assert_exact(&umem, 1);
        assert_eq!(umem.bytes(&batch[0]), packet(b'a', 200));
        umem.bytes_mut(&mut batch[0])[14..].fill(b'b');
        assert_eq!(port.transmit(&mut umem, &mut batch), 1);
        assert_eq!(port.flush(&mut umem), Flush::Done);
        let mut back = None;
        eventually("the answer", || {
            back = host.receive();
            back.is_some()
        });
        assert_eq!(back.unwrap(), packet(b'b', 200));
        settle(port, &mut umem);
        assert_exact(&umem, 0);
    });
}

#[test]
fn a_moved_packet_is_sent_whole() {
    in_lab(|lab| {
        lab.pair("gw0", "far0", 1);
        let (mut umem, mut ports) = open_worker(&options(64), &[spec(0, "gw0", &[0])]).unwrap();
        let host = Host::on("far0");
        let mut staged = frames(&mut umem, 1, &packet(b'm', 100));
        // As if a tag of 4 octets were cut off the front.
        let bytes = umem.bytes_mut(&mut staged[0]);
        bytes.copy_within(0..111, 4);
        staged[0].offset += 4;
        staged[0].len -= 4;
        assert_eq!(ports[0].transmit(&mut umem, &mut staged), 1);
        assert_eq!(ports[0].flush(&mut umem), Flush::Done);
        let mut back = None;
        eventually("the packet", || {
            back = host.receive();
            back.is_some()
        });
        assert_eq!(back.unwrap(), packet(b'm', 96));
        settle(&mut ports[0], &mut umem);
        assert_exact(&umem, 0);
    });
}

#[test]
fn a_flush_sends_more_than_one_call_can() {
    in_lab(|lab| {
        lab.pair("gw0", "far0", 1);
        let (mut umem, mut ports) = open_worker(&options(256), &[spec(0, "gw0", &[0])]).unwrap();
        let before = arrived("far0");
        send(&mut ports[0], &mut umem, 200);
        assert_eq!(ports[0].flush(&mut umem), Flush::Done);
        assert_eq!(arrived("far0") - before, 200);
        settle(&mut ports[0], &mut umem);
        assert_exact(&umem, 0);
    });
}

#[test]
fn a_receive_takes_what_is_asked_for_and_never_grows_the_batch() {
    in_lab(|lab| {
        lab.pair("gw0", "far0", 1);
        let (mut umem, mut ports) = open_worker(&options(256), &[spec(0, "gw0", &[0])]).unwrap();
        let mut redirect = Redirect::attach("gw0");
        redirect.serve(&ports[0]);
        let host = Host::on("far0");
        for _ in 0..200 {
            host.send(&packet(b'x', 60));
        }
        eventually("redirects", || arrived("gw0") == 200);
        let mut batch = Vec::with_capacity(150);
        assert_eq!(ports[0].receive(&mut umem, 100, &mut batch), 100, "in one call");
        assert_eq!(ports[0].receive(&mut umem, 100, &mut batch), 50, "no more than the batch holds");
        assert_eq!(ports[0].receive(&mut umem, 100, &mut batch), 0);
        assert_eq!(batch.capacity(), 150);
        batch.drain(..).for_each(|frame| umem.free(frame));
        assert_eq!(ports[0].receive(&mut umem, 100, &mut batch), 50);
        batch.drain(..).for_each(|frame| umem.free(frame));
        assert_exact(&umem, 0);
    });
}

#[test]
fn a_full_transmit_ring_leaves_the_rest_with_the_caller() {
    in_lab(|lab| {
        lab.pair("gw0", "far0", 1);
        let (mut umem, mut ports) = open_worker(&options(32), &[spec(0, "gw0", &[0])]).unwrap();
        let mut staged = frames(&mut umem, 50, &packet(b'x', 60));
        assert_eq!(ports[0].transmit(&mut umem, &mut staged), 32);
        assert_eq!(staged.len(), 18);
        assert_eq!(ports[0].transmit(&mut umem, &mut staged), 0);
        assert_exact(&umem, 18);
        assert_eq!(ports[0].flush(&mut umem), Flush::Done);
        assert_eq!(ports[0].transmit(&mut umem, &mut staged), 18);
        settle(&mut ports[0], &mut umem);
        assert_exact(&umem, 0);
    });
}

#[test]
fn the_ledger_is_exact_after_100_000_frames_through_full_rings() {
    in_lab(|lab| {
        lab.pair("gw0", "far0", 1);
        lab.pair("gw1", "far1", 1);
        let specs = [spec(0, "gw0", &[0]), spec(1, "gw1", &[0])];
        let (mut umem, mut ports) = open_worker(&options(64), &specs).unwrap();
        let mut redirect = Redirect::attach("gw0");
        redirect.serve(&ports[0]);
        let host = Host::on("far0");
        let before = arrived("far1");
        let mut batch = Vec::with_capacity(64);
        let (mut sent, mut read, mut refused) = (0u64, 0u64, 0u64);
        while sent < 100_000 {
            // More than the receive side has frames for, so that it overflows each time.
            for _ in 0..100 {
                host.send(&packet(b'x', 60));
            }
            sent += 100;
            loop {
                let count = ports[0].receive(&mut umem, 64, &mut batch);
                read += count as u64;
                ports[1].transmit(&mut umem, &mut batch);
                refused += batch.len() as u64;
                for frame in batch.drain(..) {
                    umem.free(frame);
                }
                if count == 0 {
                    break;
                }
            }
            // Not after every batch, so that the transmit ring overflows as well.
            if sent.is_multiple_of(300) {
                assert_ne!(ports[1].flush(&mut umem), Flush::LinkDown);
            }
            assert_exact(&umem, 0);
        }
        settle(&mut ports[1], &mut umem);
        assert_exact(&umem, 0);
        let ledger = umem.ledger();
        assert_eq!(ledger.fill, 128, "both fill rings are full when quiet");
        assert_eq!(ledger.free, ledger.total - 128);
        let counts = ports[0].statistics()[0];
        assert!(counts.fill_ring_empty + counts.rx_ring_full > 0 && refused > 0, "the rings did overflow");
        assert_eq!(read + counts.rx_ring_full + counts.fill_ring_empty, sent, "{counts:?}");
        assert_eq!((counts.rx_invalid, ports[1].statistics()[0].tx_invalid), (0, 0));
        assert_eq!(arrived("far1") - before, read - refused);
    });
}

#[test]
fn two_queues_carry_both_ways() {
    in_lab(|lab| {
        lab.pair("gw0", "far0", 2);
        let sides = ["gw0", "far0"];
        // The gateway's side has a worker for each queue, the far side one worker for both.
        let (mut umem_a, mut a) = open_worker(&options(64), &[spec(0, "gw0", &[0])]).unwrap();
        let (mut umem_b, mut b) = open_worker(&options(64), &[spec(0, "gw0", &[1])]).unwrap();
        let (mut umem_far, mut far) = open_worker(&options(64), &[spec(0, "far0", &[0, 1])]).unwrap();
        let [mut gw_program, mut far_program] = sides.map(Redirect::attach);
        gw_program.serve(&a[0]);
        gw_program.serve(&b[0]);
        far_program.serve(&far[0]);
        assert_eq!(far[0].socket_fds().map(|(queue, _)| queue).collect::<Vec<_>>(), [0, 1]);
        for (umem, port, mark) in [(&mut umem_a, &mut a[0], b'0'), (&mut umem_b, &mut b[0], b'1')] {
            let mut staged = frames(umem, 30, &packet(mark, 60));
            port.transmit(umem, &mut staged);
            assert_eq!(port.flush(umem), Flush::Done);
            let batch = receive(&mut far[0], &mut umem_far, 30);
            for frame in batch {
                assert_eq!(umem_far.bytes(&frame)[14], mark);
                umem_far.free(frame);
            }
        }
        // Back: the far worker sends on its first queue, a further worker would on the second.
        let mut staged = frames(&mut umem_far, 30, &packet(b'r', 60));
        far[0].transmit(&mut umem_far, &mut staged);
        assert_eq!(far[0].flush(&mut umem_far), Flush::Done);
        for frame in receive(&mut a[0], &mut umem_a, 30) {
            umem_a.free(frame);
        }
        far[0].unbind(&mut umem_far);
        let (mut umem_second, mut second) = open_worker(&options(64), &[spec(0, "far0", &[1])]).unwrap();
        let mut staged = frames(&mut umem_second, 30, &packet(b'r', 60));
        second[0].transmit(&mut umem_second, &mut staged);
        assert_eq!(second[0].flush(&mut umem_second), Flush::Done);
        for frame in receive(&mut b[0], &mut umem_b, 30) {
            umem_b.free(frame);
        }
        for umem in [&umem_a, &umem_b, &umem_far] {
            assert_exact(umem, 0);
        }
    });
}

#[test]
fn stamps_are_read_once_and_not_when_old() {
    in_lab(|lab| {
        lab.pair("gw0", "far0", 1);
        let (mut umem, mut ports) = open_worker(&options(64), &[spec(0, "gw0", &[0])]).unwrap();
        let mut redirect = Redirect::attach("gw0");
        redirect.serve(&ports[0]);
        let host = Host::on("far0");
        let second = Nanos::from_millis(1000);
        // Every frame of the buffer carries a stamp that nobody reads, then none may be seen.
        for _ in 0..3 {
            for _ in 0..64 {
                host.send(&packet(b'S', 60));
            }
            for frame in receive(&mut ports[0], &mut umem, 64) {
                umem.free(frame);
            }
        }
        for _ in 0..64 {
            host.send(&packet(b'u', 60));
        }
        for frame in receive(&mut ports[0], &mut umem, 64) {
            assert_eq!(umem.take_stamp(&frame, now()), None);
            umem.free(frame);
        }
        for _ in 0..3 {
            host.send(&packet(b'S', 60));
        }
        let batch = receive(&mut ports[0], &mut umem, 3);
        let at = now();
        let stamp = umem.take_stamp(&batch[0], at).expect("a stamp");
        assert!(at.since(stamp) < second && stamp < at);
        assert_eq!(umem.take_stamp(&batch[0], at), None, "read once");
        assert_eq!(umem.take_stamp(&batch[1], at.plus(second).plus(second)), None, "too old");
        assert_eq!(umem.take_stamp(&batch[2], Nanos(1)), None, "of the future");
        for frame in batch {
            umem.free(frame);
        }
        assert_exact(&umem, 0);
    });
}

#[test]
fn the_reserve_is_kept_for_what_the_gateway_originates() {
    in_lab(|lab| {
        lab.pair("gw0", "far0", 1);
        let few = SocketOptions { frames: Some(64 + sixways::limits::RESERVED_FRAMES as u32), ..options(64) };
        let (mut umem, mut ports) = open_worker(&few, &[spec(0, "gw0", &[0])]).unwrap();
        let mut redirect = Redirect::attach("gw0");
        redirect.serve(&ports[0]);
        let host = Host::on("far0");
        for _ in 0..64 {
            host.send(&packet(b'x', 60));
        }
        let held = receive(&mut ports[0], &mut umem, 64);
        ports[0].receive(&mut umem, 0, &mut Vec::new());
        assert_eq!(umem.ledger().fill, 0, "the reserve does not go to the fill ring");
        let originated = frames(&mut umem, sixways::limits::RESERVED_FRAMES, &packet(b'o', 60));
        assert!(umem.allocate(100).is_none());
        assert_exact(&umem, 128);
        for frame in held.into_iter().chain(originated) {
            umem.free(frame);
        }
        ports[0].receive(&mut umem, 0, &mut Vec::new());
        assert_eq!(umem.ledger().fill, 64);
        assert!(umem.allocate(umem.capacity() + 1).is_none());
    });
}

#[test]
fn sockets_move_into_their_workers_thread() {
    in_lab(|lab| {
        lab.pair("gw0", "far0", 1);
        let (mut umem, mut ports) = open_worker(&options(64), &[spec(0, "gw0", &[0])]).unwrap();
        let before = arrived("far0");
        let worker = thread::spawn(move || {
            send(&mut ports[0], &mut umem, 40);
            assert_eq!(ports[0].flush(&mut umem), Flush::Done);
            thread::sleep(Duration::from_millis(1));
            settle(&mut ports[0], &mut umem);
            (umem, ports)
        });
        let (umem, _ports) = worker.join().unwrap();
        assert_exact(&umem, 0);
        assert_eq!(arrived("far0") - before, 40);
    });
}
