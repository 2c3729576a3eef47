//! Who may report: own credentials, and signatures with two secrets.

use crate::door::{Answer, Door, REQUESTS, SECOND, SECOND_REPORTS, SECRETS};
use hmac::{Hmac, Mac};
use holdfast_gateway::webhooks::{Item, Post};
use sha1::Sha1;
use sha2::Sha256;

const PING: &str = r#"{"pings":[{"token":"marqeta","payload":"healthcheck"}]}"#;

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn sha_1(secret: &str, body: &str) -> String {
    hex(&Hmac::<Sha1>::new_from_slice(secret.as_bytes()).unwrap().chain_update(body).finalize().into_bytes())
}

fn sha_256(secret: &str, body: &str) -> String {
    hex(&Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap().chain_update(body).finalize().into_bytes())
}

async fn signed(door: &Door, signature: &str, body: &str) -> Answer {
    let headers = [("authorization", SECOND_REPORTS), ("x-marqeta-signature", signature)];
    door.send("/v1/webhooks", &headers, body.to_owned()).await
}

#[tokio::test]
async fn pings_are_echoed() {
    let door = Door::open();
    assert_eq!(door.post(PING).await, (200, PING.to_owned()));
    let metrics = door.gateway.webhook_metrics();
    assert_eq!((metrics.posts(Post::Committed), metrics.items(Item::Ping)), (1, 1));
}

#[tokio::test]
async fn each_programme_has_its_own_credentials() {
    let door = Door::open();
    let sign = sha_256(SECRETS[1], PING);
    for (credentials, expected) in [
        (REQUESTS, 200),
        (SECOND_REPORTS, 200),
        // Those of its requests are not those of its reports.
        (SECOND, 401),
        ("Basic bWFycWV0YTp3cm9uZw==", 401),
        ("Bearer x", 401),
    ] {
        let headers = [("authorization", credentials), ("x-marqeta-signature", sign.as_str())];
        let (status, body) = door.send("/v1/webhooks", &headers, PING).await;
        assert_eq!(status, expected, "{credentials}: {body}");
    }
    assert_eq!(door.send("/v1/webhooks", &[], PING).await.0, 401);
    assert_eq!(door.send("/v1/jit", &[("authorization", SECOND_REPORTS)], PING).await.0, 401);
    assert_eq!(door.gateway.webhook_metrics().posts(Post::Unauthorized), 4);
}

#[tokio::test]
async fn both_secrets_and_both_algorithms_are_taken_during_a_rotation() {
    let door = Door::open();
    for secret in SECRETS {
        assert_eq!(signed(&door, &sha_1(secret, PING), PING).await.0, 200);
        assert_eq!(signed(&door, &sha_256(secret, PING), PING).await.0, 200);
        assert_eq!(signed(&door, &sha_256(secret, PING).to_uppercase(), PING).await.0, 200);
    }
    let other = PING.replace("marqeta", "marqetb");
    for signature in ["", "00", &sha_256("another secret altogether", PING), &sha_256(SECRETS[0], &other)] {
        let answer = signed(&door, signature, PING).await;
        let expected = r#"{"error":{"field":"x-marqeta-signature","message":"missing or wrong"}}"#;
        assert_eq!(answer, (401, expected.to_owned()), "{signature}");
    }
    let unsigned = door.send("/v1/webhooks", &[("authorization", SECOND_REPORTS)], PING).await;
    assert_eq!(unsigned.0, 401);
    assert_eq!(door.gateway.webhook_metrics().posts(Post::WrongSignature), 5);
}

#[tokio::test]
async fn what_is_not_signed_moves_nothing() {
    let door = Door::open();
    let body = format!("{{\"transactions\":[{}]}}", include_str!("../messages/force_capture_1200.json"));
    assert_eq!(signed(&door, &sha_256("another secret altogether", &body), &body).await.0, 401);
    assert_eq!(door.books.came.available_permits(), 0, "nothing is proposed");
}
