//! The deadline, in paused time: from the request's head to its answer, whatever is slow.

use crate::books::{AUTHORIZATION, Books, body, config};
use bytes::Bytes;
use holdfast_gateway::{Gateway, Outcome};
use http_body_util::Full;
use hyper::body::{Body, Frame};
use hyper::{Request, Response};
use standin::Desk;
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::time::{Instant, Sleep, sleep};

/// A body that comes late.
struct Late(Pin<Box<Sleep>>, Option<Bytes>);

impl Body for Late {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let late = self.0.is_elapsed() || self.0.as_mut().poll(cx).is_ready();
        if late { Poll::Ready(self.1.take().map(|bytes| Ok(Frame::data(bytes)))) } else { Poll::Pending }
    }
}

fn gateway() -> Gateway<Books> {
    Gateway::new(config(), Arc::new(Desk::new(Books::new(), 1, 1))).unwrap()
}

fn late(by: Duration, user: &str) -> Request<Late> {
    // What was declined alone once is declined at once when it is asked again, so each has a token of its own.
    let token = format!("t-{}", by.as_millis());
    // Paused: tokio's clock stands still in these tests.
    let body = Late(Box::pin(sleep(by)), Some(body(&token, user).into()));
    Request::post("/v1/jit").header("authorization", AUTHORIZATION).body(body).unwrap()
}

/// The status, and when it came.
async fn timed(answer: impl Future<Output = Response<Full<Bytes>>>) -> (u16, u128) {
    let start = Instant::now();
    let status = answer.await.status().as_u16();
    (status, start.elapsed().as_millis())
}

#[tokio::test(start_paused = true)]
async fn the_deadline_counts_from_the_head_however_late_the_body_comes() {
    let gateway = gateway();
    for (body_after, expected) in [(0, 402), (500, 402), (779, 402)] {
        let (status, at) = timed(gateway.handle(None, late(Duration::from_millis(body_after), "never"))).await;
        assert_eq!(status, expected);
        assert!((780..=800).contains(&at), "body after {body_after}: answered after {at} ms");
    }
    assert_eq!(gateway.metrics().requests(Outcome::Undecided), 3);
}

#[tokio::test(start_paused = true)]
async fn a_body_that_never_comes_is_given_up_at_the_deadline() {
    let gateway = gateway();
    let (status, at) = timed(gateway.handle(None, late(Duration::from_secs(60), "ada"))).await;
    assert_eq!(status, 408);
    assert!((800..=801).contains(&at), "{at} ms");
}

#[tokio::test(start_paused = true)]
async fn a_body_that_leaves_no_time_is_not_proposed() {
    let gateway = gateway();
    let (status, at) = timed(gateway.handle(None, late(Duration::from_millis(790), "ada"))).await;
    assert_eq!(status, 402);
    assert!((790..=800).contains(&at), "{at} ms");
    assert_eq!(gateway.metrics().requests(Outcome::Undecided), 1);
}
