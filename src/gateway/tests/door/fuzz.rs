//! Any head, any body: an answer, never a panic, and never an approval without the books.

use crate::books::{AUTHORIZATION, body, config};
use bytes::Bytes;
use holdfast_gateway::Gateway;
use http_body_util::{BodyExt, Full};
use hyper::Request;
use ledger::{Command, Output};
use proptest::prelude::*;
use standin::{Decide, Desk, NoDecision};
use std::sync::Arc;
use std::time::Instant;

/// A cluster that knows nothing, so that an approval can only be made up.
struct Nowhere;

impl Decide for Nowhere {
    async fn decide(&self, _command: Command, _deadline: Instant) -> Result<Output, NoDecision> {
        Err(NoDecision::NotProposed)
    }
}

fn answer(method: &str, path: &str, headers: &[(&str, Vec<u8>)], body: Vec<u8>) -> Option<(u16, Bytes)> {
    let mut request = Request::builder().method(method).uri(path).header("authorization", AUTHORIZATION);
    for (name, value) in headers {
        request = request.header(*name, value.as_slice());
    }
    let request = request.body(Full::new(Bytes::from(body))).ok()?;
    let gateway = Gateway::new(config(), Arc::new(Desk::new(Nowhere, 1, 1))).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let response = runtime.block_on(gateway.handle(None, request));
    let status = response.status().as_u16();
    let bytes = runtime.block_on(response.into_body().collect()).unwrap().to_bytes();
    Some((status, bytes))
}

fn hostile_body() -> impl Strategy<Value = Vec<u8>> {
    let edit = (0..450_usize, 0..9_usize, prop::collection::vec(any::<u8>(), 0..5));
    let mutated = prop::collection::vec(edit, 0..4).prop_map(|edits| {
        let mut body = body("t-1", "ada").into_bytes();
        for (start, len, paste) in edits {
            let start = start.min(body.len());
            let end = (start + len).min(body.len());
            body.splice(start..end, paste);
        }
        body
    });
    prop_oneof![4 => mutated, 1 => prop::collection::vec(any::<u8>(), 0..200)]
}

proptest! {
    #[test]
    fn every_request_is_answered_in_json_and_none_is_approved(
        method in prop::sample::select(vec!["POST", "POST", "POST", "GET", "X"]),
        path in prop::sample::select(vec!["/v1/jit", "/v1/jit", "/v1/jit", "/v1/jit?x=%00", "/", "*", "/%ff"]),
        name in prop::sample::select(vec!["content-type", "content-encoding", "authorization", "x"]),
        value in prop::collection::vec(any::<u8>(), 0..20),
        body in hostile_body(),
    ) {
        if let Some((status, bytes)) = answer(method, path, &[(name, value)], body) {
            prop_assert!([400, 401, 402, 404, 405, 415].contains(&status), "{status}");
            prop_assert!(serde_json::from_slice::<serde_json::Value>(&bytes).is_ok(), "{bytes:?}");
        }
    }
}
