//! Books that decide by the user's name, and a door in front of them.

use crate::client::Client;
use holdfast_gateway::{Config, Gateway, ProgramConfig, serve};
use ledger::{
    Balance, Command, Currency, Decision, DeclineReason, Fingerprint, Output, Program, RequestKind, Settled, Token,
    Verdict,
};
use standin::{Decide, Desk, NoDecision};
use std::collections::HashMap;
use std::future::pending;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tls::Wire;
use tokio::net::TcpListener;
use tokio::sync::{oneshot, watch};
use tokio::task::JoinHandle;

/// `marqeta:holdfast-dev-Password1!` and `second:Other-Password-22!!`.
pub const AUTHORIZATION: &str = "Basic bWFycWV0YTpob2xkZmFzdC1kZXYtUGFzc3dvcmQxIQ==";
pub const SECOND_AUTHORIZATION: &str = "Basic c2Vjb25kOk90aGVyLVBhc3N3b3JkLTIyISE=";

type Decided = HashMap<(Program, Token), (Fingerprint, Decision)>;

/// What a test can see and move.
#[derive(Clone)]
pub struct Books {
    decided: Arc<Mutex<Decided>>,
    proposed: Arc<Mutex<Vec<Command>>>,
    gate: watch::Sender<bool>,
}

impl Books {
    pub fn new() -> Self {
        Books { decided: Arc::default(), proposed: Arc::default(), gate: watch::Sender::new(false) }
    }

    /// How many commands came.
    pub fn proposed(&self) -> usize {
        self.proposed.lock().unwrap().len()
    }

    /// Lets user `gated` be decided.
    pub fn open_gate(&self) {
        self.gate.send_replace(true);
    }

    fn decide_now(&self, request: &ledger::Authorize) -> Decision {
        let key = (request.program, request.token);
        let mut decided = self.decided.lock().unwrap();
        if let Some((fingerprint, decision)) = decided.get(&key) {
            if *fingerprint != request.fingerprint {
                return declined(DeclineReason::FingerprintMismatch);
            }
            return Decision { replayed: true, ..decision.clone() };
        }
        let decision = by_name(request);
        decided.insert(key, (request.fingerprint, decision.clone()));
        decision
    }
}

fn declined(reason: DeclineReason) -> Decision {
    Decision {
        verdict: Verdict::Declined(reason),
        replayed: false,
        partial_minor: None,
        balances: Vec::new(),
        change: None,
    }
}

fn by_name(request: &ledger::Authorize) -> Decision {
    match request.user.as_str() {
        "stranger" => declined(DeclineReason::AccountUnknown),
        "no-currency" => declined(DeclineReason::CurrencyNotHeld),
        "closed" => declined(DeclineReason::AccountClosed),
        "frozen" => declined(DeclineReason::AccountFrozen),
        "rich" => declined(DeclineReason::AmountOutOfRange),
        "poor" => declined(DeclineReason::InsufficientFunds),
        "voided" => declined(DeclineReason::Voided),
        _ => {
            let inquiry = request.kind == RequestKind::BalanceInquiry;
            let usd = Currency::from_code("USD").unwrap();
            let balance = Balance { currency: usd, posted_minor: 31_010, held_minor: 4_820 };
            let balances = if inquiry { vec![balance] } else { Vec::new() };
            Decision { verdict: Verdict::Approved, replayed: false, partial_minor: None, balances, change: None }
        }
    }
}

impl Decide for Books {
    async fn decide(&self, command: Command, _deadline: Instant) -> Result<Output, NoDecision> {
        self.proposed.lock().unwrap().push(command.clone());
        let request = match command {
            Command::Authorize(request) => request,
            Command::Void(_) => return Ok(Output::Settled(Settled::Done)),
            _ => return Err(NoDecision::NotProposed),
        };
        match request.user.as_str() {
            "never" => pending().await,
            "unreachable" => return Err(NoDecision::NotProposed),
            "gated" => {
                let _ = self.gate.subscribe().wait_for(|open| *open).await;
            }
            _ => {}
        }
        Ok(Output::Decision(self.decide_now(&request)))
    }
}

/// A door that is being served.
pub struct Door {
    pub address: SocketAddr,
    pub books: Books,
    pub gateway: Arc<Gateway<Books>>,
    pub desk: Arc<Desk<Books>>,
    drain: Option<oneshot::Sender<()>>,
    served: JoinHandle<()>,
}

pub fn config() -> Config {
    let program = |name: &str, user: &str, password: &str| ProgramConfig {
        name: name.into(),
        user: user.into(),
        passwords: vec![password.into()],
    };
    Config::new(vec![
        program("default", "marqeta", "holdfast-dev-Password1!"),
        program("second", "second", "Other-Password-22!!"),
    ])
}

impl Door {
    pub async fn open() -> Door {
        Door::with(config()).await
    }

    pub async fn with(config: Config) -> Door {
        Door::speaking(Wire::Plain, config).await
    }

    pub async fn speaking(wire: Wire, config: Config) -> Door {
        let books = Books::new();
        let desk = Arc::new(Desk::new(books.clone(), 1, 1));
        let gateway = Arc::new(Gateway::new(config, Arc::clone(&desk)).unwrap());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (drain, drained) = oneshot::channel();
        let served = tokio::spawn(serve(listener, wire, Arc::clone(&gateway), async move {
            let _ = drained.await;
        }));
        Door { address, books, gateway, desk, drain: Some(drain), served }
    }

    pub async fn client(&self) -> Client {
        Client::connect(self.address).await
    }

    /// Begins the drain.
    pub fn drain(&mut self) {
        self.drain.take().expect("drained once").send(()).unwrap();
    }

    /// Waits until serving has ended.
    pub async fn closed(self) {
        tokio::time::timeout(Duration::from_secs(10), self.served).await.expect("serving ends").unwrap();
    }
}

/// An authorization of 48.20 USD.
pub fn body(token: &str, user: &str) -> String {
    body_with(token, user, "pgfs.authorization", "48.20")
}

pub fn body_with(token: &str, user: &str, method: &str, amount: &str) -> String {
    format!(
        r#"{{"type":"authorization","token":"tx-{token}","gpa_order":{{"amount":48.20,"currency_code":"USD","jit_funding":{{"token":"{token}","method":"{method}","user_token":"{user}","amount":{amount}}}}},"pos":{{"pin_present":false}}}}"#
    )
}

/// Waits for a condition, at most ten seconds.
pub async fn eventually(what: &str, condition: impl Fn() -> bool) {
    let end = Instant::now() + Duration::from_secs(10);
    while !condition() {
        assert!(Instant::now() < end, "never: {what}");
        // Poll: the bound is above.
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}
