//! What operators ask, once each: reads and changes over an admin interface.
//!
//! What must hold: only the books' own refusal is a no. Everything else that is not an answer leaves open what was
//! done, and is unknown.

use super::Shared;
use crate::history::{AccountStatus, Answer, Direction, Heard, Lost, Task};
use crate::money;
use proto::admin::v1 as wire;
use proto::admin::v1::admin_client::AdminClient;
use tonic::transport::Channel;
use tonic::{Code, Status};

/// Asks and records.
pub async fn operate(shared: &Shared, client: AdminClient<Channel>, number: usize, task: Task) -> Heard {
    let node = shared.settings.admins.get(number % shared.settings.admins.len()).cloned().unwrap_or_default();
    let op = shared.recorder.invoke(&node, task.clone());
    let asked = tokio::time::timeout(shared.settings.patience, call(shared, client, &task)).await;
    let (heard, answer) = match asked {
        Err(_) => (Heard::Unknown, Answer { lost: Some(Lost::Timeout), ..Answer::default() }),
        Ok(Ok(account)) => (Heard::Ok, answer(shared, account)),
        Ok(Err(status)) => refusal(&status),
    };
    shared.recorder.end(op, heard, answer);
    heard
}

async fn call(shared: &Shared, mut client: AdminClient<Channel>, task: &Task) -> Result<Option<wire::Account>, Status> {
    let currency = shared.settings.currency;
    let (program, user_token) = (String::new(), task.account().to_owned());
    let response = match task {
        Task::Read { .. } => {
            client.show_account(wire::ShowAccountRequest { program, user_token, stale: false }).await?
        }
        Task::Move { key, direction, amount, .. } => {
            let direction = match direction {
                Direction::Credit => wire::Direction::Credit,
                Direction::Debit => wire::Direction::Debit,
            };
            let request = wire::MoveMoneyRequest {
                program,
                user_token,
                key: key.clone(),
                direction: direction.into(),
                amount: money::format((*amount).into(), currency.digits()),
                currency: currency.code().into(),
            };
            client.move_money(request).await?
        }
        Task::SetStatus { status, .. } => {
            let status = match status {
                AccountStatus::Active => wire::AccountStatus::Active,
                AccountStatus::Frozen => wire::AccountStatus::Frozen,
                AccountStatus::Closed => wire::AccountStatus::Closed,
            };
            client
                .set_account_status(wire::SetAccountStatusRequest { program, user_token, status: status.into() })
                .await?
        }
        Task::Open { .. } | Task::Authorize { .. } | Task::Report(_) => {
            return Err(Status::invalid_argument("not asked of an operator's interface here"));
        }
    };
    Ok(response.into_inner().account)
}

fn answer(shared: &Shared, account: Option<wire::Account>) -> Answer {
    let currency = shared.settings.currency;
    let Some(account) = account else { return Answer::default() };
    let account_status = status_of(account.status());
    let balance = account.balances.into_iter().find(|balance| balance.currency == currency.code());
    let minor = |text: &str| money::parse(text, currency.digits()).and_then(|minor| i64::try_from(minor).ok());
    let posted = balance.as_ref().and_then(|balance| minor(&balance.posted));
    let held = balance.as_ref().and_then(|balance| minor(&balance.held));
    Answer { posted, held, account_status, ..Answer::default() }
}

/// A status as the history keeps it.
pub fn status_of(status: wire::AccountStatus) -> Option<AccountStatus> {
    match status {
        wire::AccountStatus::Unspecified => None,
        wire::AccountStatus::Active => Some(AccountStatus::Active),
        wire::AccountStatus::Frozen => Some(AccountStatus::Frozen),
        wire::AccountStatus::Closed => Some(AccountStatus::Closed),
    }
}

fn refusal(status: &Status) -> (Heard, Answer) {
    let said = Answer { reason: Some(status.message().to_owned()), ..Answer::default() };
    match status.code() {
        Code::FailedPrecondition | Code::InvalidArgument | Code::NotFound => (Heard::Declined, said),
        Code::DeadlineExceeded => (Heard::Unknown, Answer { lost: Some(Lost::Timeout), ..said }),
        _ => (Heard::Unknown, Answer { lost: Some(Lost::Broken), ..said }),
    }
}
