//! One request in, one response out. Reports are answered in `webhook`.
//!
//! What must hold: credentials are checked before a byte of the body is read; every status but 200 and 402 is given
//! before anything is proposed; nothing waits past the deadline, which counts from the request's head, or from earlier
//! if the process stood still ([`crate::awake`]).

use crate::attempts::{Attempts, Tried};
use crate::awake::Awake;
use crate::body;
use crate::config::{Config, ConfigError, ProgramConfig, WebhookAccess, WebhookConfig};
use crate::keys::Keys;
use crate::metrics::{DeskCollector, Metrics, Outcome};
use crate::order::{self, Ask, Order};
use crate::recent::{Recent, Timing};
use crate::reply::{Reply, SendApprovedFlag, Word};
use crate::trail::{self, RequestIds, Trail};
use crate::turned_away::{self, TurnedAway};
use crate::webhook::mask::mask;
use crate::webhook::{self, Webhooks, webhooks};
use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Body;
use hyper::header::{
    ALLOW, AUTHORIZATION, CONNECTION, CONTENT_TYPE, HeaderName, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE,
};
use hyper::http::request::Parts;
use hyper::{Method, Request, Response, StatusCode};
use ledger::{Decision, DeclineReason, Program, Verdict};
use parking_lot::RwLock;
use prometheus_client::registry::Registry;
use standin::{Alone, Answer, Decide, Desk};
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::time::{Instant, timeout_at};
use tracing::Instrument;

const OUTCOME: HeaderName = HeaderName::from_static("x-holdfast-outcome");

/// The door: what it was told, who may enter, and the desk behind it.
pub struct Gateway<D> {
    desk: Arc<Desk<D>>,
    config: Config,
    keys: RwLock<Arc<Keys>>,
    attempts: Attempts,
    ids: RequestIds,
    webhooks: Webhooks,
    send_approved_flag: SendApprovedFlag,
    metrics: Metrics,
    recent: Arc<Recent>,
    pub(crate) awake: Awake,
    /// Set once, when the node is about to stop.
    leaving: AtomicBool,
}

impl<D: Decide> Gateway<D> {
    /// A door to this desk, if the configuration is valid.
    pub fn new(config: Config, desk: Arc<Desk<D>>) -> Result<Self, ConfigError> {
        config.validate()?;
        let keys = RwLock::new(Arc::new(keys(&config)?));
        let send_approved_flag = if config.send_approved_flag { SendApprovedFlag::Yes } else { SendApprovedFlag::No };
        let webhooks = Webhooks::new(&config);
        Ok(Gateway {
            desk,
            config,
            keys,
            attempts: Attempts::default(),
            ids: RequestIds::default(),
            webhooks,
            send_approved_flag,
            metrics: Metrics::default(),
            recent: Arc::default(),
            awake: Awake::default(),
            leaving: AtomicBool::new(false),
        })
    }

    /// What it was told.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// What it counts.
    pub fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// How long the latest requests took.
    pub fn recent(&self) -> Arc<Recent> {
        Arc::clone(&self.recent)
    }

    /// What it counts of reports.
    pub fn webhook_metrics(&self) -> &webhooks::Metrics {
        self.webhooks.metrics()
    }

    /// Makes its metrics and the desk's known to a registry.
    pub fn register(&self, registry: &mut Registry) {
        self.metrics.register(registry);
        self.webhooks.metrics().register(registry);
        registry.register_collector(Box::new(DeskCollector(Arc::clone(&self.desk))));
    }

    /// From now on these may speak, and nobody else. Requests under way go on.
    pub fn renew(&self, programs: Vec<ProgramConfig>, access: Vec<WebhookAccess>) -> Result<(), ConfigError> {
        let webhooks = WebhookConfig { access, ..self.config.webhooks.clone() };
        let config = Config { programs, webhooks, ..self.config.clone() };
        config.validate()?;
        *self.keys.write() = Arc::new(keys(&config)?);
        Ok(())
    }

    /// Answers a request that came from an address. Dropping the future tells the processor nothing; what was proposed
    /// may still commit.
    pub async fn handle<B>(&self, source: Option<IpAddr>, request: Request<B>) -> Response<Full<Bytes>>
    where
        B: Body<Data = Bytes> + Unpin,
    {
        let began = Instant::now();
        let (head, body) = request.into_parts();
        let trail = self.ids.trail(&head.headers);
        let keys = self.keys.read().clone();
        let visit = Visit { keys: &keys, attempts: &self.attempts, source, trail: &trail };
        let mut response = if head.uri.path() == webhook::PATH {
            let span = tracing::info_span!("report", request_id = %trail.id(), traceparent = trail.trace());
            self.webhooks.handle(&self.desk, &visit, &head, body).instrument(span).await
        } else {
            self.request(&visit, &head, body).await
        };
        let (request_id, traceparent) = (tracing::field::display(trail.id()), trail.trace());
        let (status, us) = (response.status().as_u16(), elapsed_us(began));
        tracing::debug!(target: "holdfast::request", request_id, traceparent, status, us, "answered");
        if let Some(id) = trail.header() {
            response.headers_mut().insert(trail::REQUEST_ID, id);
        }
        response
    }

    async fn request<B>(&self, visit: &Visit<'_>, head: &Parts, body: B) -> Response<Full<Bytes>>
    where
        B: Body<Data = Bytes> + Unpin,
    {
        let running = self.metrics.request();
        let readable_until = running.started() + self.config.deadline;
        let deadline = self.awake.came(running.started()) + self.config.deadline;
        let (outcome, response) = match self.admit(visit, head, &body) {
            Err(turned_away) => turn_away(turned_away, Next::after(turned_away, &body)),
            Ok(program) => match timeout_at(readable_until, body::read(body, self.config.body_bytes_max)).await {
                Err(_) => turn_away(TurnedAway::TooSlow, Next::Close),
                Ok(Err(turned_away)) => turn_away(turned_away, Next::Close),
                Ok(Ok(body)) => match order::read(&body) {
                    Err(fault) => turn_away(TurnedAway::Malformed(fault), Next::Keep),
                    Ok(order) => self.answer(visit, program, &order, deadline).await,
                },
            },
        };
        running.ended(outcome);
        response
    }

    /// From now on every answer ends its connection, so that clients go to another node before this one is gone.
    pub fn leave(&self) {
        self.leaving.store(true, Ordering::Relaxed);
    }

    pub(crate) fn is_leaving(&self) -> bool {
        self.leaving.load(Ordering::Relaxed)
    }

    /// What can be said from the head alone.
    fn admit(&self, visit: &Visit<'_>, head: &Parts, body: &impl Body) -> Result<Program, TurnedAway> {
        if head.uri.path() != "/v1/jit" {
            return Err(TurnedAway::NotFound);
        }
        if head.method != Method::POST {
            return Err(TurnedAway::MethodNotAllowed);
        }
        let given = head.headers.get(AUTHORIZATION).map(|value| value.as_bytes());
        let program = visit.keys.requests.check(given).ok_or_else(|| visit.unauthorized())?;
        turned_away::by_content(&head.headers, body.size_hint().lower(), self.config.body_bytes_max)?;
        Ok(program)
    }

    async fn answer(
        &self,
        visit: &Visit<'_>,
        program: Program,
        order: &Order<'_>,
        deadline: Instant,
    ) -> (Outcome, Response<Full<Bytes>>) {
        let ask = match &order.ask {
            Ok(ask) => ask,
            Err(refused) => return self.reply(order, Outcome::Refused, Word::Refused(refused.refusal)),
        };
        let understood = Instant::now();
        let answer = self.desk.answer(request(program, order, ask, deadline)).await;
        let read = understood.saturating_duration_since(deadline - self.config.deadline);
        let timing = Timing { read, decided: understood.elapsed() };
        self.recent.put(program, order.identity.token, timing);
        match answer {
            Answer::Decided(decision) => {
                self.watch(visit, program, order, &decision);
                self.reply(order, outcome_of(&decision), Word::of_decision(&decision, ask.kind))
            }
            Answer::Undecided => self.reply(order, Outcome::Undecided, Word::undecided(self.config.undecided_reason)),
            Answer::StandIn(Alone::Approved) => {
                // Inquiries are never approved alone, so there are no balances to show.
                self.reply(order, Outcome::StandInApproved, Word::Approved { partial_minor: None, balances: None })
            }
            Answer::StandIn(Alone::Declined) => {
                self.reply(order, Outcome::StandInDeclined, Word::undecided(self.config.undecided_reason))
            }
        }
    }

    /// A token that comes back with another meaning is either a bug of the processor or somebody trying.
    fn watch(&self, visit: &Visit<'_>, program: Program, order: &Order<'_>, decision: &Decision) {
        if decision.verdict == Verdict::Declined(DeclineReason::FingerprintMismatch) {
            self.metrics.fingerprint_mismatch();
            let (token, request_id) = (mask(order.identity.token.as_str()), tracing::field::display(visit.trail.id()));
            let traceparent = visit.trail.trace();
            tracing::warn!(%program, token, request_id, traceparent, "token was used before for another request");
        }
    }

    fn reply(&self, order: &Order<'_>, outcome: Outcome, word: Word<'_>) -> (Outcome, Response<Full<Bytes>>) {
        let status = if word.is_approved() { StatusCode::OK } else { StatusCode::PAYMENT_REQUIRED };
        let mut response = json(status, Reply::to(order, self.send_approved_flag, word).bytes());
        response.headers_mut().insert(OUTCOME, HeaderValue::from_static(outcome_header(outcome)));
        (outcome, response)
    }
}

fn elapsed_us(since: Instant) -> u64 {
    u64::try_from(since.elapsed().as_micros()).unwrap_or(u64::MAX)
}

fn keys(config: &Config) -> Result<Keys, ConfigError> {
    Keys::new(config).map_err(|error| ConfigError { field: "programs".into(), problem: error.to_string() })
}

/// Who has come, what they are judged by, and what the request is called.
pub(crate) struct Visit<'a> {
    pub(crate) keys: &'a Keys,
    attempts: &'a Attempts,
    source: Option<IpAddr>,
    trail: &'a Trail,
}

impl Visit<'_> {
    /// What is said to wrong credentials.
    pub(crate) fn unauthorized(&self) -> TurnedAway {
        match self.attempts.failed(self.source) {
            Tried::Seldom => TurnedAway::Unauthorized,
            Tried::TooOften => TurnedAway::TooManyAttempts,
        }
    }
}

fn request(program: Program, order: &Order<'_>, ask: &Ask, deadline: Instant) -> standin::Request {
    standin::Request {
        program,
        token: order.identity.token,
        fingerprint: ask.fingerprint,
        kind: ask.kind,
        user: order.identity.user,
        amount: ask.amount,
        transaction: ask.names.transaction,
        original: ask.names.original,
        preceding: ask.names.preceding,
        facts: Some(ask.facts),
        deadline: deadline.into_std(),
    }
}

fn outcome_of(decision: &Decision) -> Outcome {
    match (decision.verdict, decision.replayed) {
        (Verdict::Approved, false) => Outcome::Approved,
        (Verdict::Approved, true) => Outcome::ReplayedApproved,
        (Verdict::Declined(_), false) => Outcome::Declined,
        (Verdict::Declined(_), true) => Outcome::ReplayedDeclined,
    }
}

/// The header of 200 and 402, which nothing else ends with.
fn outcome_header(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Approved | Outcome::Declined => "decided",
        Outcome::ReplayedApproved | Outcome::ReplayedDeclined => "replayed",
        Outcome::Undecided => "undecided",
        Outcome::StandInApproved | Outcome::StandInDeclined => "stand-in",
        Outcome::Refused
        | Outcome::Malformed
        | Outcome::Unauthorized
        | Outcome::NotFound
        | Outcome::MethodNotAllowed
        | Outcome::TooSlow
        | Outcome::TooLarge
        | Outcome::UnsupportedMediaType
        | Outcome::Cut => "refused",
    }
}

/// What becomes of the connection.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Next {
    Keep,
    Close,
}

impl Next {
    /// What is left of a body is never read as the next request; and whoever tries on has to connect again.
    pub(crate) fn after(turned_away: TurnedAway, body: &impl Body) -> Next {
        if body.is_end_stream() && turned_away != TurnedAway::TooManyAttempts { Next::Keep } else { Next::Close }
    }

    /// The response that says so.
    pub(crate) fn told(self, mut response: Response<Full<Bytes>>) -> Response<Full<Bytes>> {
        if self == Next::Close {
            response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        }
        response
    }
}

pub(crate) fn turn_away(turned_away: TurnedAway, next: Next) -> (Outcome, Response<Full<Bytes>>) {
    let mut response = json(turned_away.status(), turned_away.bytes());
    let headers = response.headers_mut();
    if turned_away == TurnedAway::Unauthorized {
        headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Basic realm=\"holdfast\", charset=\"UTF-8\""));
    }
    if turned_away == TurnedAway::TooManyAttempts {
        headers.insert(RETRY_AFTER, HeaderValue::from_static("60"));
    }
    if turned_away == TurnedAway::MethodNotAllowed {
        headers.insert(ALLOW, HeaderValue::from_static("POST"));
    }
    (turned_away.outcome(), next.told(response))
}

pub(crate) fn json(status: StatusCode, bytes: Vec<u8>) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(bytes)));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}
