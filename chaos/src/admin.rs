//! The admin interfaces of a cluster, as a client that goes on where one of them is gone.
//!
//! What must hold: only idempotent calls are repeated, at the next interface, while the answer is that nothing or
//! something unknown was done; the number of tries is bounded. Not here: what is asked.

use anyhow::{Context, bail};
use proto::admin::v1::admin_client::AdminClient;
use std::time::{Duration, Instant};
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Response, Status};

/// Tries of one call: with the pauses between them about 10 s, longer than a fail-over.
const TRIES_MAX: usize = 14;
const PAUSE_MAX: Duration = Duration::from_secs(1);
const CONNECT_MAX: Duration = Duration::from_secs(1);
const CALL_MAX: Duration = Duration::from_secs(10);
/// After this no further try is begun, however few there were.
const TRYING_MAX: Duration = Duration::from_secs(15);

/// All admin interfaces of a cluster.
#[derive(Clone)]
pub struct Admin {
    clients: Vec<AdminClient<Channel>>,
}

impl Admin {
    /// Connects when it is first used.
    pub fn new(addresses: &[String]) -> anyhow::Result<Admin> {
        let mut clients = Vec::new();
        for address in addresses {
            let endpoint = Endpoint::from_shared(format!("http://{address}")).context("admin address")?;
            let channel = endpoint.connect_timeout(CONNECT_MAX).timeout(CALL_MAX).tcp_nodelay(true).connect_lazy();
            clients.push(AdminClient::new(channel));
        }
        Ok(Admin { clients })
    }

    /// One for each address, in their order.
    pub fn clients(&self) -> &[AdminClient<Channel>] {
        &self.clients
    }

    /// Calls one interface after the other, from number `start` on.
    pub async fn call<T, F>(&self, start: usize, ask: impl Fn(AdminClient<Channel>) -> F) -> anyhow::Result<T>
    where
        F: Future<Output = Result<Response<T>, Status>>,
    {
        let mut pause = Duration::from_millis(50);
        let mut last = None;
        let began = Instant::now();
        for number in start..start + TRIES_MAX {
            let status = match ask(self.clients[number % self.clients.len()].clone()).await {
                Ok(response) => return Ok(response.into_inner()),
                Err(status) => status,
            };
            if !may_pass(status.code()) {
                bail!("{}: {}", status.code(), status.message());
            }
            last = Some(status);
            if began.elapsed() >= TRYING_MAX {
                break;
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(PAUSE_MAX);
        }
        let last = last.map_or_else(String::new, |status| format!("{}: {}", status.code(), status.message()));
        bail!("no admin interface answers; the last said {last}")
    }
}

/// Another try, at another interface, may succeed.
fn may_pass(code: Code) -> bool {
    matches!(
        code,
        Code::Unavailable
            | Code::DeadlineExceeded
            | Code::Cancelled
            | Code::Unknown
            | Code::Aborted
            | Code::Internal
            | Code::ResourceExhausted
    )
}
