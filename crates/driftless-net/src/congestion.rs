//! How much of a connection may be in flight: CUBIC, told what to ignore and
//! where to stop.
//!
//! CUBIC (RFC 9438) takes every loss for a full queue and every quiet moment for
//! room. On a radio link the first is wrong, and one per cent of noise leaves it
//! a tenth of the link; on a link with a deep buffer the second is, and whatever
//! else somebody does there waits behind our own queue. So this decides two things
//! from a model of the path ([`path::Path`]) and leaves the rest to CUBIC:
//!
//! - *A loss that no queue explains is repaired and otherwise ignored*, as long as
//!   losses are few and lone. That backlog tells noise from congestion is the
//!   idea of TCP Veno (Fu and Liew, 2003); that a few per cent are to be borne, of
//!   BBRv2 (Cardwell et al., draft-cardwell-iccrg-bbr-congestion-control).
//! - *The window ends where it would only make the queue longer*: at what the path
//!   delivers, times its round trip when empty, twice (Jacobson's and BBR's model;
//!   Kleinrock, 1979). It is no bound while somebody else fills the queue, where it
//!   would only starve this connection; then it is CUBIC against CUBIC.
//!
//! quinn paces at five quarters of the window per round trip.
//!
//! Rejected: quinn's BBR, which is version 1 and takes fixed shares from others
//! (Ware et al., IMC 2019); Copa, whose rate follows queueing delay alone, which on
//! a wire of a tenth of a millisecond measures the scheduler.

mod path;

use std::any::Any;
use std::sync::Arc;
use std::time::Instant;

use quinn::congestion::{Controller, ControllerFactory, CubicConfig};
use quinn_proto::RttEstimator;

use self::path::Path;

/// The smallest window, in packets: with fewer, nobody learns of a loss before a timer fires.
const LEAST_PACKETS: u64 = 4;

/// Builds the controller of each new path.
#[derive(Debug, Default)]
pub(crate) struct HeldCubicConfig {
    cubic: Arc<CubicConfig>,
}

impl ControllerFactory for HeldCubicConfig {
    fn build(self: Arc<Self>, now: Instant, current_mtu: u16) -> Box<dyn Controller> {
        let cubic = Arc::clone(&self.cubic).build(now, current_mtu);
        Box::new(HeldCubic { cubic, path: Path::new(now), mtu: current_mtu })
    }
}

/// CUBIC, held by what is known of the path.
struct HeldCubic {
    cubic: Box<dyn Controller>,
    path: Path,
    mtu: u16,
}

impl Controller for HeldCubic {
    fn on_sent(&mut self, now: Instant, bytes: u64, last_packet_number: u64) {
        self.path.on_sent(now);
        self.cubic.on_sent(now, bytes, last_packet_number);
    }

    fn on_ack(
        &mut self,
        now: Instant,
        sent: Instant,
        bytes: u64,
        app_limited: bool,
        rtt: &RttEstimator,
    ) {
        self.path.on_ack(now, sent, bytes, app_limited);
        // What is held back has not shown that there is room for more.
        let is_held = self.path.most().is_some_and(|most| self.cubic.window() >= most);
        self.cubic.on_ack(now, sent, bytes, app_limited || is_held, rtt);
    }

    fn on_end_acks(
        &mut self,
        now: Instant,
        in_flight: u64,
        app_limited: bool,
        largest_packet_num_acked: Option<u64>,
    ) {
        self.path.on_end_acks(now, in_flight);
        self.cubic.on_end_acks(now, in_flight, app_limited, largest_packet_num_acked);
    }

    fn on_congestion_event(
        &mut self,
        now: Instant,
        sent: Instant,
        is_persistent_congestion: bool,
        lost_bytes: u64,
    ) {
        let is_noise = self.path.on_lost(lost_bytes, u64::from(self.mtu));
        if is_persistent_congestion {
            self.path.forget(now);
        }
        if is_persistent_congestion || !is_noise {
            self.cubic.on_congestion_event(now, sent, is_persistent_congestion, lost_bytes);
        }
    }

    fn on_mtu_update(&mut self, new_mtu: u16) {
        self.mtu = new_mtu;
        self.cubic.on_mtu_update(new_mtu);
    }

    fn window(&self) -> u64 {
        let (least, most) = (self.path.least(), self.path.most().unwrap_or(u64::MAX));
        let fewest = LEAST_PACKETS * u64::from(self.mtu);
        self.cubic.window().max(least).min(most).max(fewest)
    }

    fn clone_box(&self) -> Box<dyn Controller> {
        let (path, mtu) = (self.path.clone(), self.mtu);
        Box::new(Self { cubic: self.cubic.clone_box(), path, mtu })
    }

    fn initial_window(&self) -> u64 {
        self.cubic.initial_window()
    }

    fn into_any(self: Box<Self>) -> Box<dyn Any> {
        self
    }
}
