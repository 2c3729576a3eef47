//! Who may call: HTTP Basic in the metadata `authorization`, compared in constant time.
//!
//! What must hold: this runs before a message is read, for every method, those that do not exist too.

use crate::admin::Caller;
use gateway::{Attempts, Credentials};
use ledger::Program;
use parking_lot::RwLock;
use prometheus_client::metrics::counter::Counter;
use std::sync::Arc;
use tonic::service::Interceptor;
use tonic::{Request, Status};

/// Lets callers in, and says for which programme.
#[derive(Clone)]
pub struct Guard {
    credentials: Arc<RwLock<Arc<Credentials>>>,
    attempts: Arc<Attempts>,
    turned_away: Counter,
}

/// The programme that a caller's credentials speak for.
#[derive(Clone, Copy)]
struct Speaks(Program);

impl Guard {
    /// Counts those whom it does not let in.
    pub fn new(credentials: Credentials, turned_away: Counter) -> Guard {
        let credentials = Arc::new(RwLock::new(Arc::new(credentials)));
        Guard { credentials, attempts: Arc::default(), turned_away }
    }

    /// From now on these may come.
    pub fn renew(&self, credentials: Credentials) {
        *self.credentials.write() = Arc::new(credentials);
    }
}

impl Interceptor for Guard {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        let header = request.metadata().get("authorization").map(|value| value.as_encoded_bytes());
        let credentials = self.credentials.read().clone();
        let Some(program) = credentials.check(header) else {
            self.turned_away.inc();
            let source = request.extensions().get::<Caller>().and_then(|caller| caller.source);
            if self.attempts.failed(source).is_too_often() {
                return Err(Status::resource_exhausted("wrong too often: try again later"));
            }
            return Err(Status::unauthenticated("authorization: Basic with a user and a password of the issuer"));
        };
        request.extensions_mut().insert(Speaks(program));
        Ok(request)
    }
}

/// The programme of a request that was let in.
pub(super) fn program<T>(request: &Request<T>) -> Result<Program, Status> {
    let speaks = request.extensions().get::<Speaks>().map(|speaks| speaks.0);
    speaks.ok_or_else(|| Status::internal("the request came past the guard"))
}
