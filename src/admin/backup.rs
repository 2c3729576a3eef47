//! A backup on the wire: a head, then the stream of a snapshot as it comes.

use super::{About, views};
use cluster::Backup;
use cluster::store::snapshots::Header;
use futures::stream::{self, StreamExt};
use proto::admin::v1 as wire;
use tonic::Status;
use tonic::codegen::BoxStream;

/// What the call answers with.
pub(super) type Parts = BoxStream<wire::BackupPart>;

/// The parts of a backup that is being taken from this node.
pub(super) fn parts(about: &About, node: u64, backup: Backup) -> Parts {
    let Backup { header, pieces } = backup;
    let head = wire::BackupPart { head: Some(head(about, node, &header)), ..wire::BackupPart::default() };
    let chunks = stream::unfold(pieces, |mut pieces| async move {
        let part = match pieces.recv().await? {
            Ok(chunk) => Ok(wire::BackupPart { head: None, chunk }),
            Err(error) => Err(Status::aborted(format!("the backup cannot be written: {error}"))),
        };
        Some((part, pieces))
    });
    Box::pin(stream::once(async { Ok(head) }).chain(chunks))
}

fn head(about: &About, node: u64, header: &Header) -> wire::BackupHead {
    wire::BackupHead {
        cluster_name: about.cluster_name.clone(),
        cluster_id: views::hexadecimal(&header.cluster),
        node,
        index: header.index,
        time_us: header.time_us,
        digest: views::hexadecimal(&header.digest),
        records: header.records,
        version: env!("CARGO_PKG_VERSION").to_owned(),
    }
}
