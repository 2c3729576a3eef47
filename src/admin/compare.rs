//! What the books would do with reports of the processor, without doing it: for `ctl reconcile`.
//!
//! What must hold: nothing is proposed and nothing changes. Items are read by the table that reads webhooks, and booked
//! into a frozen copy of the books, so what is called missing is what posting it would change.

use super::history::effect;
use super::{fields, words};
use ledger::{Command, Effect, Event, Ledger, Output, Program, Role, Seconds};
use proto::admin::v1 as wire;
use tonic::Status;

/// Items of one call.
const ITEMS_MAX: usize = 256;

/// The program and the items of a request.
pub(super) fn items(request: &wire::CompareReportsRequest) -> Result<(Program, Vec<String>), Status> {
    if request.items.len() > ITEMS_MAX {
        return Err(fields::invalid("items", format!("are more than {ITEMS_MAX}")));
    }
    let text =
        |item: &bytes::Bytes| String::from_utf8(item.to_vec()).map_err(|_| fields::invalid("items", "is not UTF-8"));
    Ok((fields::program(&request.program)?, request.items.iter().map(text).collect::<Result<_, _>>()?))
}

/// What each item is to the books, in order; each is looked at after those before it.
pub(super) fn compare(books: &Ledger, program: Program, items: &[String]) -> Vec<wire::ComparedReport> {
    let mut books = books.clone();
    items.iter().map(|item| compare_one(&mut books, program, item)).collect()
}

fn compare_one(books: &mut Ledger, program: Program, item: &str) -> wire::ComparedReport {
    let verdict = |verdict: &str, detail: String| wire::ComparedReport {
        verdict: verdict.to_owned(),
        detail,
        ..wire::ComparedReport::default()
    };
    match gateway::read_again(program, "transactions", item) {
        Err(why) => verdict("unreadable", why),
        Ok(Some(Command::Event(event))) => booked(books, &event),
        Ok(_) => verdict("nothing", String::new()),
    }
}

fn booked(books: &mut Ledger, event: &Event) -> wire::ComparedReport {
    let ours = ours(books, event);
    // Said again later, a report lets its hold stand longer. That is no difference: here it asks for no time.
    let again = Event { expires_after: Some(Seconds(1)), ..*event };
    let done = match books.apply(books.now(), &Command::Event(again)) {
        Output::Booked(booked) => booked.effect,
        // An event is answered as one.
        _ => Effect::Unnamed,
    };
    let verdict = match done {
        Effect::Repeated => "known",
        _ if ours.is_some() => "differs",
        Effect::Differs => "differs",
        Effect::Noted => "noted",
        Effect::Applied | Effect::Overshoot | Effect::Unpromised | Effect::Late | Effect::Excess => "missing",
        Effect::AccountUnknown | Effect::CurrencyNotHeld | Effect::ChainFull | Effect::OutOfRange | Effect::Unnamed => {
            "impossible"
        }
    };
    let token = |token: Option<ledger::Token>| token.map(|token| token.as_str().to_owned()).unwrap_or_default();
    wire::ComparedReport {
        verdict: verdict.to_owned(),
        detail: effect(done).to_owned(),
        transaction: token(event.names.transaction),
        jit_token: token(event.names.jit),
        user_token: event.user.as_str().to_owned(),
        amount: event.amount.to_string(),
        currency: event.amount.currency().code().to_owned(),
        role: words::role(event.role).to_owned(),
        ours: ours.unwrap_or_default(),
    }
}

/// The amount that the books have decided for the very request that is reported, if it is another one.
fn ours(books: &Ledger, event: &Event) -> Option<String> {
    let promised = matches!(event.role, Role::Authorization | Role::Incremental | Role::SingleDebit);
    let decided = books.token(&event.program, &event.names.jit?).filter(|_| promised)?.amount?;
    (decided != event.amount).then(|| format!("{decided} {}", decided.currency().code()))
}
