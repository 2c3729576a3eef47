//! The commands on a programme's controls, and on how far they are used.

use super::answer::{Answer, Column, table};
use super::nodes::{Client, KEYED, Nodes, READ};
use super::{Failure, command, file, time};
use ledger::Program;
use proto::admin::v1 as wire;
use serde::Serialize;
use serde_json::{Value, json};

/// More than any document may have in the log.
const FILE_BYTES_MAX: u64 = 1024 * 1024;

pub(super) async fn run(command: command::Controls, program: Program, mut nodes: Nodes) -> Result<Answer, Failure> {
    use command::Controls::{Report, Schema, Set, Show};
    let program = program.as_str().to_owned();
    match command {
        Set { file, dry_run, based_on } => {
            let bytes = file::read(file, FILE_BYTES_MAX).await?;
            let document = String::from_utf8(bytes).map_err(|_| Failure::Usage("the file is not UTF-8".to_owned()))?;
            set(&mut nodes, wire::SetControlsRequest { program, document, based_on, dry_run }).await
        }
        Show { freshness } => show(&mut nodes, wire::ShowControlsRequest { program, stale: freshness.stale }).await,
        Report { freshness } => report(&mut nodes, wire::ShowControlsRequest { program, stale: freshness.stale }).await,
        Schema => {
            let text = crate::controls::schema();
            Ok(Answer { json: text.trim_end().to_owned(), text, exit: 0 })
        }
    }
}

/// Setting the same document again changes nothing.
async fn set(nodes: &mut Nodes, request: wire::SetControlsRequest) -> Result<Answer, Failure> {
    let ask = |mut client: Client| {
        let request = request.clone();
        async move { client.set_controls(request).await }
    };
    let wire::SetControlsResponse { version, changed, changes } = nodes.call(KEYED, ask).await?;
    let mut text: String = changes.iter().map(|line| format!("{line}\n")).collect();
    text.push_str(&match (request.dry_run, changed) {
        (true, _) if changes.is_empty() => format!("nothing would change; version {version} is current\n"),
        (true, _) => format!("nothing was set; version {version} is current\n"),
        (false, true) => format!("version {version} is in force\n"),
        (false, false) => format!("nothing had to change; version {version} is in force\n"),
    });
    let document = json!({ "version": version, "changed": changed, "dry_run": request.dry_run, "changes": changes });
    Answer::done(&document, text)
}

async fn controls(
    nodes: &mut Nodes,
    request: wire::ShowControlsRequest,
) -> Result<wire::ShowControlsResponse, Failure> {
    let ask = |mut client: Client| {
        let request = request.clone();
        async move { client.show_controls(request).await }
    };
    nodes.call(READ, ask).await
}

async fn show(nodes: &mut Nodes, request: wire::ShowControlsRequest) -> Result<Answer, Failure> {
    let found = controls(nodes, request).await?;
    let document: Value = match found.version {
        0 => json!({}),
        _ => {
            serde_json::from_str(&found.json).map_err(|error| Failure::Unknown(format!("read the answer: {error}")))?
        }
    };
    let text = match found.version {
        0 => "# no controls were ever set\n".to_owned(),
        version => format!("# version {version}, set {}\n{}", time::utc(found.set_at_us), found.toml),
    };
    let document = json!({ "version": found.version, "set_at_us": found.set_at_us, "document": document });
    Answer::done(&document, text)
}

/// What a rule has done, as JSON.
#[derive(Serialize)]
struct Rule {
    name: String,
    mode: String,
    purpose: String,
    looked: u64,
    fired: u64,
    decided: u64,
    spared: u64,
}

async fn report(nodes: &mut Nodes, request: wire::ShowControlsRequest) -> Result<Answer, Failure> {
    let found = controls(nodes, request).await?;
    let rules: Vec<Rule> = found.rules.into_iter().map(Rule::from).collect();
    let head = [
        Column::Left("RULE"),
        Column::Left("MODE"),
        Column::Left("PURPOSE"),
        Column::Right("LOOKED AT"),
        Column::Right("FIRED"),
        Column::Right("DECIDED"),
        Column::Right("SPARED"),
    ];
    let rows = rules.iter().map(|of| {
        let counts = [of.looked, of.fired, of.decided, of.spared].map(|count| count.to_string());
        [of.name.clone(), of.mode.clone(), of.purpose.clone()].into_iter().chain(counts).collect()
    });
    let mut text = table(&head, rows.collect());
    text.push_str(
        "fired: it refuses these, or would; decided: declined for its reason; spared: approved all the same\n",
    );
    Answer::done(&json!({ "version": found.version, "rules": rules }), text)
}

impl From<wire::RuleReport> for Rule {
    fn from(report: wire::RuleReport) -> Rule {
        let wire::RuleReport { name, number: _, mode, purpose, looked, fired, decided, spared } = report;
        Rule { name, mode, purpose, looked, fired, decided, spared }
    }
}

/// A limit as JSON.
#[derive(Serialize)]
struct Limit {
    rule: String,
    per: String,
    window: String,
    of: String,
    count: u64,
    count_max: Option<u32>,
    #[serde(skip_serializing_if = "String::is_empty")]
    amount: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    amount_max: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    currency: String,
}

pub(super) async fn limits(nodes: &mut Nodes, request: wire::ListLimitsRequest) -> Result<Answer, Failure> {
    let ask = |mut client: Client| {
        let request = request.clone();
        async move { client.list_limits(request).await }
    };
    let limits: Vec<Limit> = nodes.call(READ, ask).await?.limits.into_iter().map(Limit::from).collect();
    let head = [
        Column::Left("RULE"),
        Column::Left("PER"),
        Column::Left("WINDOW"),
        Column::Left("OF"),
        Column::Right("COUNT"),
        Column::Right("AMOUNT"),
    ];
    let rows = limits.iter().map(|of| {
        let count = match of.count_max {
            Some(most) => format!("{} of {most}", of.count),
            None => of.count.to_string(),
        };
        let amount = match of.amount_max.as_str() {
            "" => String::new(),
            most => format!("{} of {most} {}", of.amount, of.currency),
        };
        vec![of.rule.clone(), of.per.clone(), of.window.clone(), of.of.clone(), count, amount]
    });
    let text = table(&head, rows.collect());
    Answer::done(&json!({ "limits": limits }), text)
}

impl From<wire::Limit> for Limit {
    fn from(limit: wire::Limit) -> Limit {
        let wire::Limit { rule, per, window, of, count, count_max, amount, amount_max, currency } = limit;
        Limit { rule, per, window, of, count, count_max, amount, amount_max, currency }
    }
}
