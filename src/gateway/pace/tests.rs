//! Slow clients, in paused time: the other end of a pipe of 64 bytes.

use super::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};

const LIMITS: Limits = Limits { head: Duration::from_secs(5), idle: Duration::from_secs(75) };

fn pair() -> (Paced<DuplexStream>, DuplexStream, Activity) {
    let (near, far) = duplex(64);
    let activity = Activity::default();
    (Paced::new(near, activity.clone(), LIMITS), far, activity)
}

/// When reading ended for want of bytes, in seconds from now.
async fn read_ends(paced: &mut Paced<DuplexStream>) -> u64 {
    let start = Instant::now();
    let mut buffer = [0; 16];
    loop {
        match bounded(paced.read(&mut buffer)).await {
            Ok(0) => panic!("the client ended first"),
            Ok(_) => {}
            Err(error) => {
                assert_eq!(error.kind(), io::ErrorKind::TimedOut);
                return start.elapsed().as_secs();
            }
        }
    }
}

/// A wait that a broken limit would make endless: an hour of paused time is longer than any of them.
async fn bounded<T>(wait: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(3_600), wait).await.expect("ends within an hour")
}

fn one_request(activity: &Activity) {
    activity.begin();
    activity.end();
}

#[tokio::test(start_paused = true)]
async fn a_new_connection_must_begin_soon() {
    let (mut paced, _far, _) = pair();
    assert_eq!(read_ends(&mut paced).await, 5);
}

#[tokio::test(start_paused = true)]
async fn after_a_request_a_connection_may_idle() {
    let (mut paced, _far, activity) = pair();
    one_request(&activity);
    assert_eq!(read_ends(&mut paced).await, 75);
}

#[tokio::test(start_paused = true)]
async fn a_head_has_its_time_from_its_first_byte_however_it_trickles() {
    let (mut paced, mut far, activity) = pair();
    one_request(&activity);
    let client = tokio::spawn(async move {
        sleep(Duration::from_secs(70)).await;
        // A byte a second keeps nothing open.
        while far.write_all(b"x").await.is_ok() {
            sleep(Duration::from_secs(1)).await;
        }
    });
    assert_eq!(read_ends(&mut paced).await, 75);
    drop(paced);
    bounded(client).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn while_a_request_is_handled_no_clock_runs_here() {
    let (mut paced, _far, activity) = pair();
    activity.begin();
    let handled = tokio::spawn(async move {
        sleep(Duration::from_secs(300)).await;
        activity.end();
        activity
    });
    let mut buffer = [0; 1];
    assert!(tokio::time::timeout(Duration::from_secs(200), paced.read(&mut buffer)).await.is_err());
    bounded(handled).await.unwrap();
    assert_eq!(read_ends(&mut paced).await, 75);
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_is_not_taken_ends_the_connection() {
    let (mut paced, _far, _) = pair();
    let start = Instant::now();
    let error = bounded(paced.write_all(&[7; 65])).await.unwrap_err();
    assert_eq!((error.kind(), start.elapsed().as_secs()), (io::ErrorKind::TimedOut, 5));

    // Taking some of it gives time again.
    let (mut paced, mut far, _) = pair();
    let client = tokio::spawn(async move {
        let mut taken = [0; 64];
        for _ in 0..3 {
            sleep(Duration::from_secs(4)).await;
            far.read_exact(&mut taken).await.unwrap();
        }
        far
    });
    bounded(paced.write_all(&[7; 256])).await.unwrap();
    assert_eq!(start.elapsed().as_secs(), 5 + 12);
    bounded(client).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn after_an_early_answer_the_rest_is_read_and_thrown_away() {
    let (mut paced, mut far, activity) = pair();
    activity.begin();
    activity.end_early();
    let client = tokio::spawn(async move {
        far.write_all(&[7; 10_000]).await.unwrap();
        drop(far);
    });
    bounded(paced.shutdown()).await.unwrap();
    bounded(client).await.unwrap();

    // A client that does not end is waited for a second; one that goes on for ever is left.
    let (mut paced, _far, activity) = pair();
    activity.end_early();
    let start = Instant::now();
    bounded(paced.shutdown()).await.unwrap();
    assert_eq!(start.elapsed().as_secs(), 1);
    let (mut paced, mut far, activity) = pair();
    activity.end_early();
    let client = tokio::spawn(async move { while far.write_all(&[7; 64]).await.is_ok() {} });
    bounded(paced.shutdown()).await.unwrap();
    drop(paced);
    bounded(client).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn between_requests_a_connection_ends_at_once() {
    let (mut paced, _far, activity) = pair();
    one_request(&activity);
    let start = Instant::now();
    bounded(paced.shutdown()).await.unwrap();
    assert_eq!(start.elapsed(), Duration::ZERO);
}
