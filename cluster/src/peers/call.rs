//! Who calls whom in which cluster: three ids on every call.

use super::{Client, secure};
use std::time::Duration;
use tonic::metadata::{MetadataMap, MetadataValue};
use tonic::{Request, Status};

const CLUSTER: &str = "holdfast-cluster";
const FROM: &str = "holdfast-from";
const TO: &str = "holdfast-to";

/// The ids of this node's end.
#[derive(Clone, Debug)]
pub(crate) struct Ids {
    /// The cluster, as hexadecimal text.
    pub(crate) cluster: String,
    /// This node.
    pub(crate) node: u64,
    /// How the ends prove who they are; `None`: whoever connects is believed.
    pub(crate) secure: Option<tls::Peers>,
}

impl Ids {
    /// A client for a node at `HOST:PORT`, which connects when it is first used.
    pub(crate) fn client(&self, to: u64, address: &str) -> Result<Client, String> {
        secure::client(self, to, address)
    }

    /// A request to a node, with the ids on it.
    pub(crate) fn request<T>(&self, to: u64, message: T) -> Request<T> {
        let mut request = Request::new(message);
        let metadata = request.metadata_mut();
        if let Ok(cluster) = MetadataValue::try_from(self.cluster.as_str()) {
            metadata.insert(CLUSTER, cluster);
        }
        metadata.insert(FROM, self.node.into());
        metadata.insert(TO, to.into());
        request
    }

    /// Refuses a call from another cluster, or one that was meant for another node. Returns the caller's id.
    // The status is the transport's own error type and large by its nature.
    #[allow(clippy::result_large_err)]
    pub(crate) fn check(&self, metadata: &MetadataMap) -> Result<u64, Status> {
        let text = |key| metadata.get(key).and_then(|value| value.to_str().ok()).unwrap_or_default();
        if text(CLUSTER) != self.cluster {
            return Err(Status::failed_precondition(format!(
                "another cluster: this is {}, the call is for {:?}",
                self.cluster,
                text(CLUSTER)
            )));
        }
        if text(TO).parse() != Ok(self.node) {
            return Err(Status::failed_precondition(format!(
                "another node: this is {}, the call is for {:?}",
                self.node,
                text(TO)
            )));
        }
        text(FROM).parse().map_err(|_| Status::failed_precondition("the caller does not say who it is"))
    }
}

/// Runs a call, but never longer than this.
#[allow(clippy::result_large_err)]
pub(crate) async fn within<T>(
    limit: Duration,
    call: impl Future<Output = Result<tonic::Response<T>, Status>>,
) -> Result<T, Status> {
    match tokio::time::timeout(limit, call).await {
        Ok(result) => result.map(tonic::Response::into_inner),
        Err(_) => Err(Status::deadline_exceeded("no answer from the peer in time")),
    }
}
