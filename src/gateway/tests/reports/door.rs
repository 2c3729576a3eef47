//! A door over real books, with moods.

use bytes::Bytes;
use holdfast_gateway::{Config, Gateway, ProgramConfig, WebhookAccess};
use http_body_util::{BodyExt, Full};
use hyper::Request;
use ledger::{
    Command, Currency, DropLetter, Ledger, Letter, Open, Opening, Output, Program, Timestamp, UserToken, format_minor,
};
use standin::{Decide, Desk, NoDecision};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::Semaphore;

/// `marqeta:holdfast-dev-Password1!`
pub const REQUESTS: &str = "Basic bWFycWV0YTpob2xkZmFzdC1kZXYtUGFzc3dvcmQxIQ==";
/// `second:Other-Password-22!!`, whose reports come as `hook:Hook-Password-333!!!!`.
pub const SECOND: &str = "Basic c2Vjb25kOk90aGVyLVBhc3N3b3JkLTIyISE=";
pub const SECOND_REPORTS: &str = "Basic aG9vazpIb29rLVBhc3N3b3JkLTMzMyEhISE=";
/// The secrets of the second programme: the old one and the new.
pub const SECRETS: [&str; 2] = ["an old secret of 20 b", "a new secret of 20 bytes"];

/// What becomes of proposals.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mood {
    Well,
    /// Nothing is proposed.
    NoQuorum,
    /// Applied, and nobody is told.
    Unknown,
    /// Of reports nothing ever comes back.
    Silent,
}

/// A cluster that is a ledger in a mutex.
#[derive(Clone)]
pub struct Books {
    books: Arc<Mutex<Ledger>>,
    mood: Arc<Mutex<Mood>>,
    /// One permit for each proposal that came.
    pub came: Arc<Semaphore>,
}

impl Books {
    pub fn apply(&self, command: &Command) -> Output {
        let mut books = self.books.lock().unwrap_or_else(PoisonError::into_inner);
        let at = Timestamp(books.now().0 + 1);
        books.apply(at, command)
    }

    pub fn look<T>(&self, look: impl FnOnce(&Ledger) -> T) -> T {
        look(&self.books.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub fn set(&self, mood: Mood) {
        *self.mood.lock().unwrap() = mood;
    }
}

impl Decide for Books {
    async fn decide(&self, command: Command, _: Instant) -> Result<Output, NoDecision> {
        self.came.add_permits(1);
        let mood = *self.mood.lock().unwrap();
        match mood {
            Mood::Well => Ok(self.apply(&command)),
            Mood::NoQuorum => Err(NoDecision::NotProposed),
            Mood::Unknown => {
                self.apply(&command);
                Err(NoDecision::Unknown)
            }
            Mood::Silent => match command {
                Command::Event(_) => std::future::pending().await,
                command => Ok(self.apply(&command)),
            },
        }
    }
}

/// A door and the books behind it.
pub struct Door {
    pub books: Books,
    pub gateway: Gateway<Books>,
}

/// Status and body.
pub type Answer = (u16, String);

pub fn config() -> Config {
    let program = |name: &str, user: &str, password: &str| ProgramConfig {
        name: name.into(),
        user: user.into(),
        passwords: vec![password.into()],
    };
    let mut config = Config::new(vec![
        program("default", "marqeta", "holdfast-dev-Password1!"),
        program("second", "second", "Other-Password-22!!"),
    ]);
    config.webhooks.access.push(WebhookAccess {
        program: "second".into(),
        user: "hook".into(),
        passwords: vec!["Hook-Password-333!!!!".into()],
        secrets: SECRETS.map(str::to_owned).to_vec(),
    });
    config
}

impl Door {
    /// With `ada` (1,000.00 EUR and 1,000.00 USD) and `bob` (100.00 USD).
    pub fn open() -> Door {
        Door::with(config())
    }

    pub fn with(config: Config) -> Door {
        let came = Arc::new(Semaphore::new(0));
        let books = Books { books: Arc::default(), mood: Arc::new(Mutex::new(Mood::Well)), came };
        let opening = |user: &str, code: &str, credit_minor| Opening {
            user: UserToken::new(user).unwrap(),
            currency: Currency::from_code(code).unwrap(),
            credit_minor,
        };
        let openings = vec![
            opening("ada", "EUR", 100_000),
            opening("ada", "USD", 100_000),
            opening("ada", "JPY", 100_000),
            opening("bob", "USD", 10_000),
        ];
        books.apply(&Command::Open(Open { program: program("default"), openings }));
        let desk = Arc::new(Desk::new(books.clone(), 1, 1));
        Door { gateway: Gateway::new(config, desk).unwrap(), books }
    }

    pub async fn send(&self, path: &str, headers: &[(&str, &str)], body: impl Into<Bytes>) -> Answer {
        let mut request = Request::builder().method("POST").uri(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let response = self.gateway.handle(None, request.body(Full::new(body.into())).unwrap()).await;
        let status = response.status().as_u16();
        let bytes = response.into_body().collect().await.unwrap().to_bytes();
        (status, String::from_utf8(bytes.to_vec()).unwrap())
    }

    /// A request for funds; gives its status.
    pub async fn jit(&self, body: &str) -> u16 {
        self.send("/v1/jit", &[("authorization", REQUESTS)], body.to_owned()).await.0
    }

    /// A post as it is.
    pub async fn post(&self, body: impl Into<Bytes>) -> Answer {
        self.send("/v1/webhooks", &[("authorization", REQUESTS)], body).await
    }

    /// A post of transactions, all of which must be committed, and none of them a dead letter.
    pub async fn report(&self, items: &[&str]) {
        let answer = self.post(format!("{{\"transactions\":[{}]}}", items.join(","))).await;
        assert_eq!(answer, (200, format!("{{\"items\":{},\"dead_letters\":0}}", items.len())));
    }

    /// Posted, held and available.
    pub fn money(&self, user: &str, code: &str) -> String {
        self.books.look(|books| {
            let account = books.account(&program("default"), &UserToken::new(user).unwrap()).unwrap();
            let balance = account.balances.iter().find(|balance| balance.currency.code() == code).unwrap();
            let shown = |minor| format_minor(minor, balance.currency);
            let (posted, held) = (shown(balance.posted_minor), shown(balance.held_minor));
            format!("{posted} {held} {}", shown(balance.available_minor()))
        })
    }

    pub fn letters(&self) -> Vec<Letter> {
        self.books.look(|books| books.letters(&program("default"), Timestamp(0), 100))
    }

    /// Takes all dead letters out.
    pub fn drop_letters(&self) {
        for letter in self.letters() {
            self.books.apply(&Command::DropLetter(DropLetter { program: program("default"), id: letter.letter.id }));
        }
    }

    /// Nothing is broken.
    pub fn check(&self) {
        assert_eq!(self.books.look(Ledger::check), []);
    }
}

pub fn program(name: &str) -> Program {
    Program::new(name).unwrap()
}

/// Waits for so many proposals, at most ten seconds.
pub async fn came(books: &Books, count: u32) {
    let all = tokio::time::timeout(Duration::from_secs(10), books.came.acquire_many(count)).await;
    all.expect("they come").unwrap().forget();
}
