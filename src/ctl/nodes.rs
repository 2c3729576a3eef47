//! Finding a node that answers, and knowing what an answer that did not come means.
//!
//! What must hold: a node that cannot be reached, or says that it did nothing, is passed over. What may have happened
//! is repeated at another node only if it is idempotent, and once something may have happened only a success, never a
//! refusal, makes it known: the lost try may still be carried out.

use super::access::Badge;
use super::{Access, Failure};
use proto::admin::v1::admin_client::AdminClient;
use std::error::Error;
use std::fmt;
use std::time::Duration;
use tokio::time::timeout;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::{self, Channel};
use tonic::{Code, Response, Status};

const CONNECT_MAX: Duration = Duration::from_secs(1);
/// A page of 1,000 accounts that hold many currencies.
const ANSWER_BYTES_MAX: usize = 16 * 1024 * 1024;

pub(crate) type Client = AdminClient<InterceptedService<Channel, Badge>>;

/// Where a node's admin interface is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Endpoint {
    /// `HOST:PORT`.
    address: String,
    scheme: Scheme,
}

/// What an endpoint begins with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Scheme {
    /// Plain text.
    Http,
    /// TLS.
    Https,
    /// Whichever the operator has come prepared for.
    Unsaid,
}

impl Endpoint {
    /// Whether it is spoken to in TLS by whoever has come prepared for it.
    pub(crate) fn in_tls(&self) -> bool {
        self.scheme != Scheme::Http
    }

    /// Reads `http://HOST:PORT`, `https://HOST:PORT` or `HOST:PORT`.
    pub(crate) fn parse(text: &str) -> Result<Endpoint, String> {
        let (scheme, address) = match (text.strip_prefix("http://"), text.strip_prefix("https://")) {
            (Some(address), _) => (Scheme::Http, address),
            (_, Some(address)) => (Scheme::Https, address),
            (None, None) => (Scheme::Unsaid, text),
        };
        let address = address.strip_suffix('/').unwrap_or(address);
        let (host, port) = address.rsplit_once(':').ok_or("is not HOST:PORT")?;
        let plain = |c: char| c.is_ascii_alphanumeric() || "-._".contains(c);
        let numeric = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
        let good_host = match numeric {
            Some(inner) => inner.parse::<std::net::Ipv6Addr>().is_ok(),
            None => !host.is_empty() && host.chars().all(plain),
        };
        if !good_host || !port.parse::<u16>().is_ok_and(|port| port > 0) {
            return Err("is not http://HOST:PORT, https://HOST:PORT or HOST:PORT".to_owned());
        }
        Ok(Endpoint { address: address.to_owned(), scheme })
    }

    async fn connect(&self, access: &Access) -> Result<Client, String> {
        let endpoint = transport::Endpoint::from_shared(format!("http://{}", self.address));
        let endpoint = endpoint.map_err(|error| error.to_string())?.connect_timeout(CONNECT_MAX);
        let connect = async {
            match (self.scheme, &access.tls) {
                (Scheme::Http, _) | (Scheme::Unsaid, None) => endpoint.connect().await.map_err(|e| innermost(&e)),
                (Scheme::Https | Scheme::Unsaid, Some(client)) => {
                    let client = client.clone();
                    let connector = tls::connector(move |address: String| {
                        let client = client.clone();
                        async move { client.connect(&address).await }
                    });
                    endpoint.connect_with_connector(connector).await.map_err(|e| innermost(&e))
                }
                (Scheme::Https, None) => Err("TLS needs --ca, the authority of the nodes' certificates".to_owned()),
            }
        };
        // The limit of the endpoint does not cover looking up its name.
        match timeout(CONNECT_MAX, connect).await {
            Ok(Ok(channel)) => {
                let client = AdminClient::with_interceptor(channel, access.badge.clone());
                Ok(client.max_decoding_message_size(ANSWER_BYTES_MAX))
            }
            Ok(Err(why)) => Err(why),
            Err(_) => Err(format!("no connection within {} s", CONNECT_MAX.as_secs())),
        }
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.address)
    }
}

/// The cause that says something: those around it are "transport error".
fn innermost(error: &dyn Error) -> String {
    let mut cause = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    cause.to_string()
}

/// What may be done about a call whose answer is lost, and how long one is waited for: a second more than the node may
/// take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Manner {
    lost: Lost,
    patience: Duration,
}

/// What a lost answer means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Lost {
    /// Nothing: it changes nothing.
    Harmless,
    /// It may have been done, and may be asked for again.
    Repeatable,
    /// It may have been done, and must not be asked for again without the operator.
    Final,
}

/// Reads.
pub(crate) const READ: Manner = Manner { lost: Lost::Harmless, patience: Duration::from_secs(4) };
/// Reads that compute digests on every member.
pub(super) const COMPARE: Manner = Manner { lost: Lost::Harmless, patience: Duration::from_secs(40) };
/// Reads of everything that there is; the first answer comes when a digest over it is made.
pub(super) const LONG_READ: Manner = Manner { lost: Lost::Harmless, patience: Duration::from_secs(121) };
/// Changes that a key or a name makes idempotent.
pub(crate) const KEYED: Manner = Manner { lost: Lost::Repeatable, patience: Duration::from_secs(6) };
/// Other changes.
pub(crate) const ORDER: Manner = Manner { lost: Lost::Final, patience: Duration::from_secs(6) };
/// Changes that write as much as there is.
pub(super) const LONG_ORDER: Manner = Manner { lost: Lost::Final, patience: Duration::from_secs(121) };

/// What one node made of a call.
enum Reply<T> {
    Done(T),
    /// It did nothing; another may.
    NotDone(String),
    /// It may have done it.
    Lost(String),
    /// So would every other.
    No(Failure),
}

/// The nodes that may be asked, the one that answered last at the front.
pub(crate) struct Nodes {
    endpoints: Vec<Endpoint>,
    access: Access,
    answers_lost: u64,
}

impl Nodes {
    pub(crate) fn new(endpoints: Vec<Endpoint>, access: Access) -> Nodes {
        Nodes { endpoints, access, answers_lost: 0 }
    }

    /// How their listeners in TLS are spoken to.
    pub(crate) fn tls(&self) -> Option<&tls::Client> {
        self.access.tls.as_ref()
    }

    /// How many calls so far may have been done without anybody hearing of it.
    pub(super) fn answers_lost(&self) -> u64 {
        self.answers_lost
    }

    /// Asks one node after the other, each once.
    pub(crate) async fn call<T, F>(&mut self, manner: Manner, ask: impl Fn(Client) -> F) -> Result<T, Failure>
    where
        F: Future<Output = Result<Response<T>, Status>>,
    {
        let mut passed = Vec::new();
        let mut maybe_done = false;
        for place in 0..self.endpoints.len() {
            let endpoint = &self.endpoints[place];
            let (lost, why) = match ask_one((endpoint, &self.access), manner.patience, &ask).await {
                Reply::Done(answer) => {
                    self.endpoints.rotate_left(place);
                    return Ok(answer);
                }
                Reply::No(failure) if maybe_done => {
                    passed.push(format!("{endpoint}: {}", failure.message()));
                    break;
                }
                Reply::No(failure) => return Err(failure),
                Reply::NotDone(why) => (Lost::Harmless, why),
                Reply::Lost(why) => {
                    self.answers_lost += 1;
                    (manner.lost, why)
                }
            };
            passed.push(format!("{endpoint}: {why}"));
            match lost {
                Lost::Harmless => {}
                Lost::Repeatable => maybe_done = true,
                Lost::Final => return Err(Failure::Unknown(passed.join("; "))),
            }
        }
        let passed = passed.join("; ");
        Err(if maybe_done { Failure::Unknown(passed) } else { Failure::Unavailable(passed) })
    }
}

impl Nodes {
    /// Asks the nodes after the one that answered last, each once, until one knows what is wanted of it: for what is
    /// nice to have. A node that cannot be asked is passed over.
    pub(super) async fn others<T, F>(&mut self, ask: impl Fn(Client) -> F, knows: impl Fn(&T) -> bool) -> Option<T>
    where
        F: Future<Output = Result<Response<T>, Status>>,
    {
        for endpoint in self.endpoints.iter().skip(1) {
            if let Reply::Done(answer) = ask_one((endpoint, &self.access), READ.patience, &ask).await
                && knows(&answer)
            {
                return Some(answer);
            }
        }
        None
    }

    /// Asks every node, each once: for what is each node's own. A node that cannot be asked fails the whole.
    pub(super) async fn each<T, F>(&mut self, manner: Manner, ask: impl Fn(Client) -> F) -> Result<Vec<T>, Failure>
    where
        F: Future<Output = Result<Response<T>, Status>>,
    {
        let mut answers = Vec::new();
        for endpoint in &self.endpoints {
            let failure = match ask_one((endpoint, &self.access), manner.patience, &ask).await {
                Reply::Done(answer) => {
                    answers.push(answer);
                    continue;
                }
                Reply::No(failure) => failure,
                Reply::NotDone(why) if answers.is_empty() => Failure::Unavailable(format!("{endpoint}: {why}")),
                Reply::NotDone(why) | Reply::Lost(why) => Failure::Unknown(format!("{endpoint}: {why}")),
            };
            return Err(failure);
        }
        Ok(answers)
    }

    /// As [`Nodes::each`], past those that cannot be asked: each is told with the reason. If nobody can be asked, the
    /// reason of the first is why.
    pub(super) async fn each_that_answers<T, F>(
        &mut self,
        manner: Manner,
        ask: impl Fn(Client) -> F,
    ) -> Result<(Vec<T>, Vec<(String, String)>), Failure>
    where
        F: Future<Output = Result<Response<T>, Status>>,
    {
        let (mut answers, mut passed, mut first) = (Vec::new(), Vec::new(), None);
        for endpoint in &self.endpoints {
            let failure = match ask_one((endpoint, &self.access), manner.patience, &ask).await {
                Reply::Done(answer) => {
                    answers.push(answer);
                    continue;
                }
                Reply::No(failure) => failure,
                Reply::NotDone(why) | Reply::Lost(why) => Failure::Unavailable(why),
            };
            passed.push((endpoint.to_string(), failure.message().to_owned()));
            first.get_or_insert(failure);
        }
        match first.filter(|_| answers.is_empty()) {
            Some(failure) => Err(failure),
            None => Ok((answers, passed)),
        }
    }
}

async fn ask_one<T, F>(
    (endpoint, access): (&Endpoint, &Access),
    patience: Duration,
    ask: &impl Fn(Client) -> F,
) -> Reply<T>
where
    F: Future<Output = Result<Response<T>, Status>>,
{
    let client = match endpoint.connect(access).await {
        Ok(client) => client,
        Err(why) => return Reply::NotDone(why),
    };
    match timeout(patience, ask(client)).await {
        Ok(Ok(response)) => Reply::Done(response.into_inner()),
        Ok(Err(status)) => meaning(&status),
        Err(_) => Reply::Lost(format!("no answer within {} s", patience.as_secs())),
    }
}

/// What a status says about what was done.
fn meaning<T>(status: &Status) -> Reply<T> {
    // A status with a cause was made on this side: the connection broke, and the node's word is lost.
    if status.source().is_some() {
        return Reply::Lost(innermost(status));
    }
    let message = status.message().to_owned();
    match status.code() {
        Code::InvalidArgument | Code::OutOfRange => Reply::No(Failure::Usage(message)),
        Code::FailedPrecondition
        | Code::NotFound
        | Code::AlreadyExists
        | Code::PermissionDenied
        | Code::Unauthenticated
        | Code::Unimplemented => Reply::No(Failure::Refused(message)),
        Code::Unavailable | Code::ResourceExhausted => Reply::NotDone(message),
        Code::Ok
        | Code::Cancelled
        | Code::Unknown
        | Code::DeadlineExceeded
        | Code::Aborted
        | Code::Internal
        | Code::DataLoss => Reply::Lost(message),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endpoints_have_a_host_and_a_port() {
        for (text, wanted) in [
            ("http://127.0.0.1:9541", Some("127.0.0.1:9541")),
            ("http://127.0.0.1:9541/", Some("127.0.0.1:9541")),
            ("node-1.holdfast:9541", Some("node-1.holdfast:9541")),
            ("[::1]:9541", Some("[::1]:9541")),
            ("", None),
            ("localhost", None),
            ("localhost:", None),
            (":9541", None),
            ("localhost:0", None),
            ("localhost:65536", None),
            ("https://localhost:9541", Some("localhost:9541")),
            ("ftp://localhost:9541", None),
            ("http://user@localhost:9541", None),
            ("http://localhost:9541/path", None),
            ("::1:9541", None),
            ("[localhost]:9541", None),
        ] {
            let parsed = Endpoint::parse(text).ok();
            assert_eq!(parsed.as_ref().map(|endpoint| endpoint.address.as_str()), wanted, "{text:?}");
        }
    }
}
