//! `POST /v1/webhooks`: what the processor reports after the fact.
//!
//! **What lives here.** [`Webhooks::handle`]: credentials and signature, the envelope's items (`envelope`), each read
//! (`item`, by `table`, or `transition`) and booked, or kept as a dead letter (`letter`); and the answer.
//!
//! **What must hold.** 200 means that every item is in the books of a quorum, or among the dead letters there; so one
//! that cannot be booked blocks no other. Anything that is not known to be there is 503, and the processor sends the
//! whole post again, which changes nothing where it was booked. No report is refused for want of money.
//!
//! **Yielding.** Authorizations have a deadline, reports have days. So many posts at most are dealt with at a time, one
//! more is told to come again; and so many items at most are proposed at a time, the others wait in the order in which
//! they came. While the breaker is open nothing is proposed.
//!
//! **Crash story.** None: nothing is kept here. A post that broke off between two of its items is sent again whole.

mod envelope;
mod item;
mod letter;
pub(crate) mod mask;
pub mod metrics;
mod signature;
mod table;
mod transition;

pub use letter::read_again;
pub use metrics as webhooks;
pub(crate) use table::{Act, METHODS, Meaning, TYPES};

use crate::body;
use crate::config::Config;
use crate::door::{Next, Visit, json, turn_away};
use crate::turned_away::{self, TurnedAway};
use bytes::Bytes;
use envelope::{Kind, Report};
use futures::future::join_all;
use http_body_util::Full;
use hyper::body::Body;
use hyper::header::AUTHORIZATION;
use hyper::http::request::Parts;
use hyper::{Method, Response, StatusCode};
use item::{Reading, Unread};
use ledger::{Command, Event, Output, Program, SetParty, Shelved, Why};
use metrics::{Item, Metrics, Post};
pub(crate) use signature::Secrets;
use standin::{Decide, Desk};
use std::time::Duration;
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout_at};
use transition::Who;

/// Where it is.
pub(crate) const PATH: &str = "/v1/webhooks";

/// Everything that a post is judged by.
pub(crate) struct Webhooks {
    deadline: Duration,
    body_bytes_max: usize,
    posts: Semaphore,
    items: Semaphore,
    metrics: Metrics,
}

/// How an item ended.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Ended {
    /// It is dealt with: nothing has to come of it any more.
    Settled(Item),
    /// It may not be in the books.
    Undecided,
    /// There was no room for its letter.
    ListFull,
}

impl Webhooks {
    pub(crate) fn new(config: &Config) -> Webhooks {
        Webhooks {
            deadline: config.webhooks.deadline,
            body_bytes_max: config.webhooks.body_bytes_max,
            posts: Semaphore::new(config.webhooks.posts_max),
            items: Semaphore::new(config.webhooks.items_max),
            metrics: Metrics::default(),
        }
    }

    pub(crate) fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// Answers a post.
    pub(crate) async fn handle<D: Decide, B>(
        &self,
        desk: &Desk<D>,
        visit: &Visit<'_>,
        head: &Parts,
        body: B,
    ) -> Response<Full<Bytes>>
    where
        B: Body<Data = Bytes> + Unpin,
    {
        let running = self.metrics.post();
        let deadline = running.started() + self.deadline;
        let (post, response) = match self.admit(visit, head, &body) {
            Err(turned_away) => {
                let next = Next::after(turned_away, &body);
                (post_of(turned_away), turn_away(turned_away, next).1)
            }
            Ok(program) => match self.posts.try_acquire() {
                // What is left of the body is never read as the next request.
                Err(_) => (Post::Busy, unavailable("too many at a time", Next::Close)),
                Ok(_place) => match timeout_at(deadline, body::read(body, self.body_bytes_max)).await {
                    Err(_) => (Post::TooSlow, turn_away(TurnedAway::TooSlow, Next::Close).1),
                    Ok(Err(turned_away)) => (post_of(turned_away), turn_away(turned_away, Next::Close).1),
                    Ok(Ok(body)) => self.open(desk, visit, (program, head), &body, deadline).await,
                },
            },
        };
        running.ended(post);
        response
    }

    /// What can be said from the head alone.
    fn admit(&self, visit: &Visit<'_>, head: &Parts, body: &impl Body) -> Result<Program, TurnedAway> {
        if head.method != Method::POST {
            return Err(TurnedAway::MethodNotAllowed);
        }
        let given = head.headers.get(AUTHORIZATION).map(|value| value.as_bytes());
        let program = visit.keys.reports.check(given).ok_or_else(|| visit.unauthorized())?;
        turned_away::by_content(&head.headers, body.size_hint().lower(), self.body_bytes_max)?;
        Ok(program)
    }

    /// A whole body.
    async fn open<D: Decide>(
        &self,
        desk: &Desk<D>,
        visit: &Visit<'_>,
        (program, head): (Program, &Parts),
        body: &[u8],
        deadline: Instant,
    ) -> (Post, Response<Full<Bytes>>) {
        let away = |turned_away| (post_of(turned_away), turn_away(turned_away, Next::Keep).1);
        let secrets = visit.keys.secrets(program);
        if !secrets.is_none_or(|secrets| secrets.accept(head.headers.get(signature::HEADER), body)) {
            return away(TurnedAway::WrongSignature);
        }
        let reports = match envelope::open(body) {
            Err(fault) => return away(TurnedAway::Malformed(fault)),
            Ok(reports) => reports,
        };
        // At most ten, see the envelope.
        let places = u32::try_from(reports.len()).unwrap_or(u32::MAX);
        let Ok(Ok(_turn)) = timeout_at(deadline, self.items.acquire_many(places)).await else {
            return (Post::Busy, unavailable("too many at a time", Next::Keep));
        };
        let ended = join_all(reports.iter().map(|report| self.settle(desk, program, report, deadline))).await;
        for ended in &ended {
            match ended {
                Ended::Settled(item) => self.metrics.item(*item),
                Ended::Undecided => self.metrics.item(Item::Undecided),
                Ended::ListFull => self.metrics.item(Item::ListFull),
            }
        }
        if ended.contains(&Ended::ListFull) {
            return (Post::ListFull, unavailable("the list of dead letters is full", Next::Keep));
        }
        if ended.contains(&Ended::Undecided) {
            return (Post::Undecided, unavailable("not all of them are committed: send them again", Next::Keep));
        }
        (Post::Committed, json(StatusCode::OK, committed(&reports, &ended)))
    }

    /// Brings an item to where it belongs.
    async fn settle<D: Decide>(
        &self,
        desk: &Desk<D>,
        program: Program,
        report: &Report<'_>,
        deadline: Instant,
    ) -> Ended {
        let unread = match report.kind {
            Kind::Pings => return Ended::Settled(Item::Ping),
            Kind::Transitions => match Who::named(&report.name).map(|of| transition::read(program, of, report.text)) {
                None => return Ended::Settled(Item::Acknowledged),
                Some(Ok(set)) => return self.keep(desk, set, deadline).await,
                Some(Err(fault)) => (Why::Malformed, fault.to_string()),
            },
            Kind::Unknown => (Why::KindUnknown, "kind: not known".to_owned()),
            Kind::Transactions => match item::read(program, report.text) {
                Ok(Reading::Companion) => return Ended::Settled(Item::Companion),
                Ok(Reading::Moneyless) => return Ended::Settled(Item::Moneyless),
                Ok(Reading::Fact(event)) => match self.book(desk, *event, deadline).await {
                    Ok(ended) => return ended,
                    Err(why) => (why, "refused by the books".to_owned()),
                },
                Err(Unread { why, fault }) => (why, fault.to_string()),
            },
        };
        let (why, detail) = unread;
        self.shelve(desk, letter::letter(program, report, why, detail), deadline).await
    }

    /// Books a fact, or says why the books refuse it.
    async fn book<D: Decide>(&self, desk: &Desk<D>, event: Event, deadline: Instant) -> Result<Ended, Why> {
        match desk.report(Command::Event(event), deadline.into_std()).await {
            Ok(Output::Booked(booked)) => match Why::of(booked.effect) {
                Some(why) => Err(why),
                None => Ok(Ended::Settled(Item::of(booked.effect))),
            },
            Ok(output) => Ok(misfit(&output)),
            Err(_) => Ok(Ended::Undecided),
        }
    }

    /// Keeps what a card or a user is.
    async fn keep<D: Decide>(&self, desk: &Desk<D>, set: SetParty, deadline: Instant) -> Ended {
        match desk.report(Command::SetParty(set), deadline.into_std()).await {
            Ok(Output::Party { changed: true, .. }) => Ended::Settled(Item::Noted),
            Ok(Output::Party { changed: false, .. }) => Ended::Settled(Item::Repeated),
            Ok(output) => misfit(&output),
            Err(_) => Ended::Undecided,
        }
    }

    async fn shelve<D: Decide>(&self, desk: &Desk<D>, letter: ledger::DeadLetter, deadline: Instant) -> Ended {
        let (program, id, why) = (letter.program, letter.id, letter.why);
        match desk.report(Command::Shelve(letter), deadline.into_std()).await {
            Ok(Output::Shelved(Shelved::Kept)) => {
                tracing::warn!(%program, id = mask::mask(id.as_str()), ?why, "a report could not be booked: it is a dead letter now");
                Ended::Settled(Item::DeadLetter)
            }
            Ok(Output::Shelved(Shelved::Known)) => Ended::Settled(Item::DeadLetterKnown),
            Ok(Output::Shelved(Shelved::Full)) => {
                tracing::error!(%program, id = mask::mask(id.as_str()), ?why, "the list of dead letters is full: reports are sent back");
                Ended::ListFull
            }
            Ok(output) => misfit(&output),
            Err(_) => Ended::Undecided,
        }
    }
}

/// An output that does not belong to its command.
fn misfit(output: &Output) -> Ended {
    tracing::error!(?output, "output does not fit the report");
    Ended::Undecided
}

fn post_of(turned_away: TurnedAway) -> Post {
    match turned_away {
        TurnedAway::NotFound | TurnedAway::MethodNotAllowed => Post::MethodNotAllowed,
        TurnedAway::Unauthorized | TurnedAway::TooManyAttempts => Post::Unauthorized,
        TurnedAway::WrongSignature => Post::WrongSignature,
        TurnedAway::NotJson | TurnedAway::Compressed => Post::UnsupportedMediaType,
        TurnedAway::TooLarge => Post::TooLarge,
        TurnedAway::TooSlow => Post::TooSlow,
        TurnedAway::BrokenBody | TurnedAway::Malformed(_) => Post::Malformed,
    }
}

fn unavailable(message: &str, next: Next) -> Response<Full<Bytes>> {
    let body = format!("{{\"error\":{{\"field\":\"items\",\"message\":\"{message}\"}}}}");
    next.told(json(StatusCode::SERVICE_UNAVAILABLE, body.into_bytes()))
}

/// Pings are echoed; of the rest it is said how many there were, and how many of them an operator has to look at.
fn committed(reports: &[Report<'_>], ended: &[Ended]) -> Vec<u8> {
    let pings: Vec<&str> = reports.iter().filter(|report| report.kind == Kind::Pings).map(|ping| ping.text).collect();
    if !pings.is_empty() {
        return format!("{{\"pings\":[{}]}}", pings.join(",")).into_bytes();
    }
    let letter = |ended: &&Ended| matches!(ended, Ended::Settled(Item::DeadLetter | Item::DeadLetterKnown));
    let letters = ended.iter().filter(letter).count();
    format!("{{\"items\":{},\"dead_letters\":{letters}}}", ended.len()).into_bytes()
}
