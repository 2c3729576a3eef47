//! Dead letters for operators: as messages, and sent again.
//!
//! What must hold: a letter is taken out of the list only when what it says is in the books, or is nothing to them.
//! Crash story: between the two it is in both; sent again it is booked once more, which changes nothing, and taken out.

use super::history::effect;
use super::views::undecided;
use super::{Cluster, fields};
use bytes::Bytes;
use ledger::{Command, DropLetter, Dropped, Kept, Letter, Output, Program, Token, Why};
use proto::admin::v1 as wire;
use std::time::Instant;
use tonic::Status;

/// With the item, or without.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shown {
    /// In lists.
    Outside,
    /// One letter.
    Inside,
}

pub(super) fn message(letter: &Letter, shown: Shown) -> wire::DeadLetter {
    let (of, at) = (&letter.letter, letter.at);
    wire::DeadLetter {
        id: of.id.as_str().to_owned(),
        program: of.program.as_str().to_owned(),
        kind: of.kind.as_str().to_owned(),
        why: why(of.why).to_owned(),
        detail: of.detail.clone(),
        kept: match of.kept {
            Kept::Whole => "whole",
            Kept::Essence => "essence",
            Kept::Cut => "cut",
        }
        .to_owned(),
        kept_at_us: at.0,
        item: match shown {
            Shown::Outside => Bytes::new(),
            Shown::Inside => of.bytes.clone().into(),
        },
    }
}

fn why(why: Why) -> &'static str {
    match why {
        Why::Malformed => "malformed",
        Why::KindUnknown => "kind_unknown",
        Why::AccountUnknown => "account_unknown",
        Why::CurrencyNotHeld => "currency_not_held",
        Why::ChainFull => "chain_full",
        Why::OutOfRange => "out_of_range",
        Why::Unnamed => "unnamed",
        Why::TypeUnknown => "type_unknown",
    }
}

/// Whose letter, and which.
pub(super) fn named(program: &str, id: &str) -> Result<(Program, Token), Status> {
    Ok((fields::program(program)?, fields::token("id", id)?))
}

pub(super) fn missing() -> Status {
    Status::not_found("there is no such dead letter: it may have been sent again or dropped")
}

/// Books what a letter says, or what an operator says in its place, and takes it out of the list.
pub(super) async fn replay(
    cluster: &impl Cluster,
    letter: &Letter,
    corrected: &[u8],
    deadline: Instant,
) -> Result<wire::ReplayDeadLetterResponse, Status> {
    let of = &letter.letter;
    let item = if corrected.is_empty() { &of.bytes } else { corrected };
    if corrected.is_empty() && of.kept == Kept::Cut {
        return Err(Status::failed_precondition("only its beginning was kept: give the whole item"));
    }
    let item = std::str::from_utf8(item).map_err(|_| fields::invalid("item", "is not UTF-8"))?;
    let command = gateway::read_again(of.program, of.kind.as_str(), item).map_err(Status::failed_precondition)?;
    let effect = match command {
        None => "nothing",
        Some(command) => book(cluster, command, deadline).await?,
    };
    drop_letter(cluster, of.program, of.id, deadline).await?;
    Ok(wire::ReplayDeadLetterResponse { effect: effect.to_owned() })
}

async fn book(cluster: &impl Cluster, command: Command, deadline: Instant) -> Result<&'static str, Status> {
    match cluster.propose(command, deadline).await.map_err(undecided)? {
        Output::Booked(booked) if booked.effect.refused() => {
            Err(Status::failed_precondition(format!("the books refuse it: {}", effect(booked.effect))))
        }
        Output::Booked(booked) => Ok(effect(booked.effect)),
        Output::Party { changed: true, .. } => Ok("noted"),
        Output::Party { changed: false, .. } => Ok("repeated"),
        other => Err(super::service::misfit(&other)),
    }
}

/// Takes a letter out of the list; whether it was there.
pub(super) async fn drop_letter(
    cluster: &impl Cluster,
    program: Program,
    id: Token,
    deadline: Instant,
) -> Result<Dropped, Status> {
    match cluster.propose(Command::DropLetter(DropLetter { program, id }), deadline).await.map_err(undecided)? {
        Output::Dropped(dropped) => Ok(dropped),
        other => Err(super::service::misfit(&other)),
    }
}
