//! The gate before every call of the operators' interface: who is it, may they, and a line in the log of what was done.
//!
//! What must hold: nothing of a message is read before its caller is known and has the role; every act leaves one line
//! with who, what, why and what came of it, also when its caller went away meanwhile. Not here: which role is needed
//! (`roles`), who is who (`access`).

#[cfg(test)]
mod tests;

use super::access::{Access, Principal, Unknown};
use super::listen::Caller;
use super::roles::{Trace, needs};
use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use gateway::Attempts;
use hyper::{Request, Response};
use parking_lot::RwLock;
use prometheus_client::metrics::counter::Counter;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};
use tonic::body::Body;
use tonic::{Code, Status};
use tower::{Layer, Service};

/// The longest reason that is kept, in characters.
const REASON_LEN_MAX: usize = 256;

/// Lets callers in. Clones share it.
#[derive(Clone)]
pub struct Gate {
    access: Arc<RwLock<Arc<Access>>>,
    attempts: Arc<Attempts>,
    turned_away: Counter,
}

impl Gate {
    /// Counts those whom it does not let in.
    pub fn new(access: Access, turned_away: Counter) -> Gate {
        Gate { access: Arc::new(RwLock::new(Arc::new(access))), attempts: Arc::default(), turned_away }
    }

    /// From now on these may come.
    pub fn renew(&self, access: Access) {
        *self.access.write() = Arc::new(access);
    }

    // The status is the transport's own error type and large by its nature.
    #[allow(clippy::result_large_err)]
    fn admit<T>(&self, request: &Request<T>) -> Result<Option<Act>, Status> {
        let caller = request.extensions().get::<Caller>();
        let source = caller.and_then(|caller| caller.source);
        let header = request.headers().get("authorization").map(|value| value.as_bytes());
        let access = self.access.read().clone();
        let principal = match access.identify(header, caller.and_then(|caller| caller.names.as_ref())) {
            Ok(principal) => principal,
            Err(unknown) => return Err(self.refuse(source, unknown)),
        };
        let Some((rpc, needed, trace)) = needs(request.uri().path()) else {
            return Err(Status::unimplemented("there is no such rpc"));
        };
        let act = Act { rpc, principal, source, reason: reason(request), what: What::default(), ended: false };
        if !act.principal.role.may(needed) {
            let (name, role) = (&act.principal.name, act.principal.role.name());
            let status = Status::permission_denied(format!("{rpc} needs the role {}: {name} is {role}", needed.name()));
            act.end("refused: not the role");
            return Err(status);
        }
        Ok(match trace {
            Trace::Logged => Some(act),
            Trace::Silent => {
                act.forget();
                None
            }
        })
    }

    fn refuse(&self, source: Option<IpAddr>, unknown: Unknown) -> Status {
        self.turned_away.inc();
        if self.attempts.failed(source).is_too_often() {
            return Status::resource_exhausted("too many attempts: try again later");
        }
        tracing::warn!(
            source = source.map(tracing::field::display),
            ?unknown,
            "an unknown caller of the admin interface"
        );
        Status::unauthenticated("a token (authorization: Bearer) or a certificate of somebody who is named in [admin]")
    }
}

/// What a call does, said by whoever does it.
#[derive(Clone, Default)]
pub(super) struct What(Arc<OnceLock<String>>);

/// Says what a call does, for the line in the log. No secrets, no texts of others.
pub(super) fn note<T>(request: &tonic::Request<T>, what: impl FnOnce() -> String) {
    note_in(request.extensions(), what);
}

/// The same, when the request has been taken apart.
pub(super) fn note_in(extensions: &tonic::Extensions, what: impl FnOnce() -> String) {
    if let Some(slot) = extensions.get::<What>() {
        slot.0.get_or_init(what);
    }
}

/// One act, from being let in to its line in the log.
struct Act {
    rpc: &'static str,
    principal: Principal,
    source: Option<IpAddr>,
    reason: String,
    what: What,
    ended: bool,
}

impl Act {
    fn end(mut self, outcome: &str) {
        self.ended = true;
        self.say(outcome);
    }

    fn forget(mut self) {
        self.ended = true;
    }

    fn say(&self, outcome: &str) {
        // Where a name may stand, somebody will write a card number.
        let what = gateway::mask(self.what.0.get().map_or("", String::as_str));
        let (who, role) = (&*self.principal.name, self.principal.role.name());
        let source = self.source.map(tracing::field::display);
        let (rpc, why) = (self.rpc, self.reason.as_str());
        tracing::info!(target: "holdfast::audit", who, role, source, rpc, what, why, outcome, "admin act");
    }
}

impl Drop for Act {
    fn drop(&mut self) {
        if !self.ended {
            self.say("unknown: the caller went away");
        }
    }
}

fn reason<T>(request: &Request<T>) -> String {
    let encoded = request.headers().get("holdfast-reason-bin").map(|value| value.as_bytes());
    // Padded or not, both are right.
    let encoded = encoded.map(|value| value.trim_ascii_end().split(|byte| *byte == b'=').next().unwrap_or_default());
    let bytes = encoded.and_then(|encoded| STANDARD_NO_PAD.decode(encoded).ok()).unwrap_or_default();
    let text = String::from_utf8_lossy(&bytes);
    // People paste what they have before them.
    gateway::mask(&text.chars().filter(|c| !c.is_control()).take(REASON_LEN_MAX).collect::<String>())
}

fn outcome<T>(response: &Response<T>) -> &'static str {
    // A refusal is said in the head; what goes well is said at the end.
    let code = response.headers().get("grpc-status").map(|value| Code::from_bytes(value.as_bytes()));
    match code {
        None | Some(Code::Ok) => "done",
        Some(Code::InvalidArgument | Code::OutOfRange) => "refused: wrong fields",
        Some(Code::FailedPrecondition | Code::NotFound | Code::AlreadyExists | Code::Unimplemented) => "refused",
        Some(Code::Unavailable | Code::ResourceExhausted) => "not done",
        Some(Code::PermissionDenied | Code::Unauthenticated) => "refused: not the role",
        Some(
            Code::DeadlineExceeded | Code::Cancelled | Code::Unknown | Code::Aborted | Code::Internal | Code::DataLoss,
        ) => "unknown",
    }
}

impl<S> Layer<S> for Gate {
    type Service = Gated<S>;

    fn layer(&self, inner: S) -> Gated<S> {
        Gated { gate: self.clone(), inner }
    }
}

/// A service behind the gate.
#[derive(Clone)]
pub struct Gated<S> {
    gate: Gate,
    inner: S,
}

impl<S> Service<Request<Body>> for Gated<S>
where
    S: Service<Request<Body>, Response = Response<Body>>,
    S::Future: Send + 'static,
    S::Error: Send + 'static,
{
    type Response = Response<Body>;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, S::Error>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<Body>) -> Self::Future {
        let act = match self.gate.admit(&request) {
            Ok(act) => act,
            Err(status) => return Box::pin(std::future::ready(Ok(status.into_http()))),
        };
        if let Some(act) = &act {
            request.extensions_mut().insert(act.what.clone());
        }
        let answering = self.inner.call(request);
        Box::pin(async move {
            let answered = answering.await;
            if let Some(act) = act {
                act.end(answered.as_ref().map_or("unknown", outcome));
            }
            answered
        })
    }
}
