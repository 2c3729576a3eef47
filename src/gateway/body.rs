//! Reading a body: bounded in bytes here, in time by the caller.

use crate::turned_away::TurnedAway;
use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use hyper::body::Body;

/// The whole body. One that came in one piece, as nearly all do, is not copied.
pub(crate) async fn read<B>(mut body: B, bytes_max: usize) -> Result<Bytes, TurnedAway>
where
    B: Body<Data = Bytes> + Unpin,
{
    let mut first = Bytes::new();
    let mut rest = BytesMut::new();
    while let Some(frame) = body.frame().await {
        // Trailers are read over.
        let Ok(data) = frame.map_err(|_| TurnedAway::BrokenBody)?.into_data() else {
            continue;
        };
        if first.len() + rest.len() + data.len() > bytes_max {
            return Err(TurnedAway::TooLarge);
        }
        if first.is_empty() && rest.is_empty() {
            first = data;
            continue;
        }
        if rest.is_empty() {
            rest.extend_from_slice(&std::mem::take(&mut first));
        }
        rest.extend_from_slice(&data);
    }
    Ok(if rest.is_empty() { first } else { rest.freeze() })
}
