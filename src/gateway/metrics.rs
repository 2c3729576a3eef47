//! The door's metrics: all names of this crate. Units are in the names, labels come from enums only.
//!
//! Floats are the exporter's; no amount is among these numbers.

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet, EncodeLabelValue, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::{ConstCounter, Counter};
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::{ConstGauge, Gauge};
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;
use standin::{Counts, Decide, Desk};
use std::fmt;
use std::sync::Arc;
use tokio::time::Instant;

/// How a request ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelValue)]
pub enum Outcome {
    /// 200, decided now.
    Approved,
    /// 402, decided now.
    Declined,
    /// 200, decided before.
    ReplayedApproved,
    /// 402, decided before.
    ReplayedDeclined,
    /// 402 without a decision.
    Undecided,
    /// 200 without a decision, by the stand-in policy.
    StandInApproved,
    /// 402 without a decision, by the stand-in policy.
    StandInDeclined,
    /// 402 without having been proposed: something in the request is wrong.
    Refused,
    /// 400.
    Malformed,
    /// 401.
    Unauthorized,
    /// 404.
    NotFound,
    /// 405.
    MethodNotAllowed,
    /// 408.
    TooSlow,
    /// 413.
    TooLarge,
    /// 415.
    UnsupportedMediaType,
    /// The client went away before its answer.
    Cut,
}

impl Outcome {
    /// All of them, in the order of their numbers.
    pub const ALL: [Outcome; 16] = [
        Outcome::Approved,
        Outcome::Declined,
        Outcome::ReplayedApproved,
        Outcome::ReplayedDeclined,
        Outcome::Undecided,
        Outcome::StandInApproved,
        Outcome::StandInDeclined,
        Outcome::Refused,
        Outcome::Malformed,
        Outcome::Unauthorized,
        Outcome::NotFound,
        Outcome::MethodNotAllowed,
        Outcome::TooSlow,
        Outcome::TooLarge,
        Outcome::UnsupportedMediaType,
        Outcome::Cut,
    ];
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Labels {
    outcome: Outcome,
}

/// Seconds. Fine where a decision normally lies, with edges at the default deadline and at the processor's limit.
const SECONDS: [f64; 18] = [
    0.00025, 0.0005, 0.00075, 0.001, 0.0015, 0.002, 0.003, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.4, 0.8, 0.85, 1.5, 3.0,
];

/// What the door counts.
#[derive(Clone, Debug)]
pub struct Metrics {
    family: Family<Labels, Counter>,
    /// The family's counters, by outcome: nothing is looked up per request.
    requests: [Counter; 16],
    latency: Histogram,
    connections: Gauge,
    connections_refused: Counter,
    handshakes_failed: Counter,
    pauses: Counter,
    fingerprint_mismatches: Counter,
}

impl Default for Metrics {
    fn default() -> Self {
        let family = Family::<Labels, Counter>::default();
        let requests = Outcome::ALL.map(|outcome| family.get_or_create(&Labels { outcome }).clone());
        Metrics {
            family,
            requests,
            latency: Histogram::new(SECONDS),
            connections: Gauge::default(),
            connections_refused: Counter::default(),
            handshakes_failed: Counter::default(),
            pauses: Counter::default(),
            fingerprint_mismatches: Counter::default(),
        }
    }
}

impl Metrics {
    /// Makes them known to a registry.
    pub fn register(&self, registry: &mut Registry) {
        registry.register("jit_requests", "JIT requests by how they ended", self.family.clone());
        registry.register("jit_request_seconds", "From a request's head to its answer", self.latency.clone());
        registry.register("jit_connections", "Connections that are open", self.connections.clone());
        let refused = self.connections_refused.clone();
        registry.register("jit_connections_refused", "Connections closed because there were too many", refused);
        let failed = self.handshakes_failed.clone();
        registry.register("jit_handshakes_failed", "Connections that ended in their TLS handshake", failed);
        let pauses = self.pauses.clone();
        registry.register("jit_pauses", "Times that the process stood still for 150 ms or longer", pauses);
        let mismatches = self.fingerprint_mismatches.clone();
        registry.register("jit_fingerprint_mismatches", "Known tokens with another fingerprint: alarm", mismatches);
    }

    /// How many requests ended so.
    pub fn requests(&self, outcome: Outcome) -> u64 {
        self.requests[outcome as usize].get()
    }

    /// How many connections are open.
    pub fn connections(&self) -> i64 {
        self.connections.get()
    }

    /// How many connections were closed at once because there were too many.
    pub fn connections_refused(&self) -> u64 {
        self.connections_refused.get()
    }

    /// How many requests came with a known token and another fingerprint.
    pub fn fingerprint_mismatches(&self) -> u64 {
        self.fingerprint_mismatches.get()
    }

    pub(crate) fn fingerprint_mismatch(&self) {
        self.fingerprint_mismatches.inc();
    }

    /// How many connections ended in their TLS handshake.
    pub fn handshakes_failed(&self) -> u64 {
        self.handshakes_failed.get()
    }

    /// How often the process stood still.
    pub fn pauses(&self) -> u64 {
        self.pauses.get()
    }

    pub(crate) fn paused(&self) {
        self.pauses.inc();
    }

    pub(crate) fn handshake_failed(&self) {
        self.handshakes_failed.inc();
    }

    pub(crate) fn connection_refused(&self) {
        self.connections_refused.inc();
    }

    /// A connection, counted as open until it is dropped.
    pub(crate) fn connection(&self) -> OpenConnection {
        self.connections.inc();
        OpenConnection(self.connections.clone())
    }

    /// A request, counted when it is dropped: as cut, unless it is said how it ended.
    pub(crate) fn request(&self) -> Running<'_> {
        Running { metrics: self, started: Instant::now(), outcome: Outcome::Cut }
    }
}

pub(crate) struct OpenConnection(Gauge);

impl Drop for OpenConnection {
    fn drop(&mut self) {
        self.0.dec();
    }
}

pub(crate) struct Running<'a> {
    metrics: &'a Metrics,
    started: Instant,
    outcome: Outcome,
}

impl Running<'_> {
    /// When the request's head had been read.
    pub(crate) fn started(&self) -> Instant {
        self.started
    }

    pub(crate) fn ended(mut self, outcome: Outcome) {
        self.outcome = outcome;
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.metrics.requests[self.outcome as usize].inc();
        self.metrics.latency.observe(self.started.elapsed().as_secs_f64());
    }
}

/// The desk's numbers, read when they are asked for.
pub(crate) struct DeskCollector<D>(pub(crate) Arc<Desk<D>>);

impl<D> fmt::Debug for DeskCollector<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DeskCollector")
    }
}

impl<D: Decide> Collector for DeskCollector<D> {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let Counts {
            owed,
            attached,
            not_proposed,
            unknown,
            wrong_output,
            owed_dropped,
            settled,
            conflicts,
            impossible,
            owed_in_memory,
            approved_alone,
            said_again,
            // Those have a label, which the root gives them.
            refusals: _,
        } = self.0.counts();
        let gauge = ConstGauge::new(i64::try_from(owed).unwrap_or(i64::MAX));
        gauge.encode(encoder.encode_descriptor(
            "standin_owed",
            "Settlements that are owed and not yet seen applied",
            None,
            MetricType::Gauge,
        )?)?;
        let counters = [
            ("standin_attached", "Requests that attached to one in flight", attached),
            ("standin_not_proposed", "Requests declined alone without a proposal", not_proposed),
            ("standin_unknown", "Attempts declined alone after a proposal of unknown outcome", unknown),
            ("standin_wrong_output", "Outputs that did not fit their command: a bug", wrong_output),
            ("standin_owed_dropped", "Voids not kept because too many were owed", owed_dropped),
            ("standin_settled", "Settlements seen applied", settled),
            ("standin_conflicts", "Settlements that left a hold although somebody was told no", conflicts),
            ("standin_impossible", "Settlements that could not be applied", impossible),
            ("standin_owed_in_memory", "Voids not durable when their declines left", owed_in_memory),
            ("standin_approved", "Requests approved alone", approved_alone),
            ("standin_said_again", "Requests told what this node had said of their token before", said_again),
        ];
        for (name, help, value) in counters {
            let counter = ConstCounter::new(value);
            counter.encode(encoder.encode_descriptor(name, help, None, MetricType::Counter)?)?;
        }
        Ok(())
    }
}
