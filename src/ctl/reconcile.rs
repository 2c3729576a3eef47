//! `ctl reconcile`: after a restore, from what is missing to deciding again.

use super::answer::Answer;
use super::nodes::{Client, KEYED, Nodes};
use super::{Failure, command};
use ledger::Program;
use proto::admin::v1 as wire;
use serde_json::json;

pub(super) async fn run(of: command::Reconcile, _: Program, mut nodes: Nodes) -> Result<Answer, Failure> {
    match of.command {
        command::ReconcileCommand::Done(order) => done(order, &mut nodes).await,
    }
}

/// Said twice it changes nothing.
async fn done(order: command::Order, nodes: &mut Nodes) -> Result<Answer, Failure> {
    let request = wire::EndReconcilingRequest { who: order.who, why: order.why };
    let ask = |mut client: Client| {
        let request = request.clone();
        async move { client.end_reconciling(request).await }
    };
    let changed = nodes.call(KEYED, ask).await?.changed;
    let text = if changed {
        "requests are decided again\n"
    } else {
        "nothing had to change: the books are not waiting to be reconciled\n"
    };
    Answer::done(&json!({ "changed": changed }), text.to_owned())
}
