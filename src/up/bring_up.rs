//! From started processes to a cluster that answers: leader, demo accounts, readiness, the first authorization.
//!
//! What must hold: every step can be repeated, and each call in it has a limit. A step that does not succeed is tried
//! again for as long as `up` runs, because a quorum may come back; meanwhile it is said what is waited for. Nodes that
//! are down are passed over.

use super::demo;
use super::nodes::Running;
use super::plan::{Client, DEMO_ACCOUNTS, Planned};
use super::say::say;
use crate::exchange::{Request, ask};
use proto::admin::v1::admin_client::AdminClient;
use proto::admin::v1::{ClusterStatusRequest, OpenAccountsRequest, OpenAccountsResponse, Opening};
use std::cell::RefCell;
use std::pin::pin;
use std::time::Duration;
use tokio::time::{sleep, timeout};
use tonic::transport::{Channel, Endpoint};

/// After this long it is said what is missing.
const PATIENCE: Duration = Duration::from_secs(30);
/// Between two tries of a step.
const PAUSE: Duration = Duration::from_millis(50);
const CONNECT_MAX: Duration = Duration::from_secs(1);
/// The node gives a write 5 s.
const OPEN_MAX: Duration = Duration::from_secs(6);
const PROBE_MAX: Duration = Duration::from_secs(1);
/// The longest deadline that a node can have is 2.5 s.
const AUTHORIZATION_MAX: Duration = Duration::from_secs(4);

/// What is brought up.
pub(super) struct BringUp<'a> {
    pub(super) planned: &'a [Planned],
    pub(super) client: &'a Client,
    pub(super) running: Running,
    pub(super) waits_for: RefCell<String>,
}

impl BringUp<'_> {
    /// Waits until all running nodes answer. The first authorization goes out if it is asked for; says whether it was
    /// answered by the books.
    pub(super) async fn run(&self, authorize: Authorize) -> bool {
        let mut work = pin!(self.steps(authorize));
        loop {
            match timeout(PATIENCE, &mut work).await {
                Ok(answered) => return answered,
                Err(_) => say(format_args!("not ready yet: waiting for {}", self.waits_for.borrow())),
            }
        }
    }

    fn wait_for(&self, what: &str) {
        self.waits_for.replace(what.to_owned());
    }

    async fn steps(&self, authorize: Authorize) -> bool {
        self.wait_for("a leader");
        let (leader, term) = self.leader().await;
        say(format_args!("leader elected: node {leader}, term {term}"));
        self.wait_for("the demo accounts");
        let opened = self.open_accounts().await;
        let OpenAccountsResponse { opened, existed } = opened;
        say(format_args!("demo accounts ready: demo-1 to demo-{DEMO_ACCOUNTS} ({opened} opened, {existed} existed)"));
        self.wait_for("every node's /readyz");
        self.all_ready().await;
        match authorize {
            Authorize::Once => {
                self.wait_for("the first authorization's answer");
                self.authorize().await
            }
            Authorize::Done => false,
        }
    }

    /// The nodes that run, by their places.
    fn running(&self) -> impl Iterator<Item = (usize, &Planned)> {
        self.planned.iter().enumerate().filter(|(place, _)| self.running.has(*place))
    }

    async fn leader(&self) -> (u64, u64) {
        loop {
            for (_, node) in self.running() {
                let Some(mut admin) = admin(node, PROBE_MAX).await else {
                    continue;
                };
                let Ok(status) = admin.cluster_status(ClusterStatusRequest {}).await else {
                    continue;
                };
                let status = status.into_inner();
                if let Some(leader) = status.leader.filter(|_| status.quorum) {
                    return (leader, status.term);
                }
            }
            sleep(PAUSE).await;
        }
    }

    /// One command for all accounts. It may be repeated: an account that is there is left as it is.
    async fn open_accounts(&self) -> OpenAccountsResponse {
        let opening = |number| Opening {
            user_token: format!("demo-{number}"),
            currency: "USD".to_owned(),
            credit: "1000.00".to_owned(),
        };
        let request = OpenAccountsRequest {
            program: self.client.program.clone(),
            openings: (1..=DEMO_ACCOUNTS).map(opening).collect(),
        };
        let mut said = false;
        loop {
            for (_, node) in self.running() {
                let Some(mut admin) = admin(node, OPEN_MAX).await else {
                    continue;
                };
                match admin.open_accounts(request.clone()).await {
                    Ok(response) => return response.into_inner(),
                    Err(status) if !said && !is_passing(status.code()) => {
                        said = true;
                        say(format_args!("node {} does not open the demo accounts: {}", node.id, status.message()));
                    }
                    Err(_) => {}
                }
            }
            sleep(PAUSE).await;
        }
    }

    async fn all_ready(&self) {
        let mut ready = vec![false; self.planned.len()];
        let probe = Request { method: "GET", path: "/readyz", headers: &[], body: "" };
        loop {
            for (place, node) in self.running() {
                if ready[place] {
                    continue;
                }
                match ask(&node.ports.admin_http.to_string(), None, &probe, PROBE_MAX).await {
                    Ok(answer) if answer.status == 200 => {
                        ready[place] = true;
                        say(format_args!("node {} ready", node.id));
                    }
                    Ok(answer) => self.wait_for(&format!("node {}'s /readyz: {}", node.id, answer.body)),
                    Err(error) => self.wait_for(&format!("node {}'s /readyz: {error}", node.id)),
                }
            }
            let mut running = self.running().peekable();
            if running.peek().is_some() && running.all(|(place, _)| ready[place]) {
                return;
            }
            sleep(PAUSE).await;
        }
    }

    /// Through a follower, if there is one. The token makes a repeat harmless.
    async fn authorize(&self) -> bool {
        let headers = demo::headers(self.client);
        let request = demo::request(&headers);
        loop {
            let (leader, _) = self.leader().await;
            let follower = self.running().find(|(_, node)| u64::from(node.id) != leader);
            if let Some((_, node)) = follower.or_else(|| self.running().next()) {
                let role = if u64::from(node.id) == leader { "the leader" } else { "a follower" };
                if let Ok(answer) = ask(&node.ports.jit.to_string(), None, &request, AUTHORIZATION_MAX).await {
                    say(format_args!("\nthe first authorization, through node {}, {role}:", node.id));
                    demo::show(node.ports.jit, self.client, &answer);
                    return matches!(answer.status, 200 | 402);
                }
            }
            sleep(PAUSE).await;
        }
    }
}

/// Whether the first authorization goes out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Authorize {
    /// It was never answered in this directory.
    Once,
    /// It was.
    Done,
}

/// Statuses that go away by themselves while a cluster starts.
fn is_passing(code: tonic::Code) -> bool {
    matches!(code, tonic::Code::Unavailable | tonic::Code::DeadlineExceeded | tonic::Code::Cancelled)
}

async fn admin(node: &Planned, limit: Duration) -> Option<AdminClient<Channel>> {
    let endpoint = Endpoint::from_shared(format!("http://{}", node.ports.admin_grpc)).ok()?;
    let channel = endpoint.connect_timeout(CONNECT_MAX).timeout(limit).connect().await.ok()?;
    Some(AdminClient::new(channel))
}
