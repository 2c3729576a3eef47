//! The status page at `/` of the admin HTTP listener: how this node is and what it has heard of the others.
//!
//! What must hold: it is made from what this node has at hand, so it shows just as fast without a quorum. Whatever came
//! from elsewhere is escaped. It needs no script and nothing from any other place, and its size is bounded.

use crate::alarms::{Alarm, State};
use cluster::Neighbour;
use std::fmt::Write;
use std::time::Duration;

/// More members than a cluster has.
const MEMBERS_MAX: usize = 64;
/// Of one text, in characters: an alarm's detail may name many files.
const TEXT_MAX: usize = 512;

const HEAD: &str = include_str!("page/head.html");

/// What the page shows.
#[derive(Clone, Debug, Default)]
pub struct Page {
    /// What the cluster is called.
    pub cluster: String,
    /// Of this program.
    pub version: &'static str,
    /// The rest; `None` until the log is replayed.
    pub node: Option<NodePage>,
}

/// What there is to see of a node that is up.
#[derive(Clone, Debug, Default)]
pub struct NodePage {
    /// Its id.
    pub id: u64,
    /// The cluster's id.
    pub cluster_id: String,
    /// How often it has started.
    pub incarnation: u64,
    /// Who leads, as far as it knows.
    pub leader: Option<u64>,
    /// Raft's term.
    pub term: u64,
    /// Whether it is in contact with a quorum.
    pub in_contact: bool,
    /// How old that contact is; `None`: there never was any.
    pub contact_age: Option<Duration>,
    /// The last entries of its log, applied, and in a snapshot.
    pub indexes: (u64, u64, u64),
    /// The breaker's phase.
    pub breaker: &'static str,
    /// What it has said alone and not seen in the books yet.
    pub owed: u64,
    /// All members, as it has heard of them.
    pub members: Vec<Neighbour>,
    /// Its alarms.
    pub alarms: Vec<Alarm>,
}

/// The page. `unready` is why this node should not be sent requests.
pub(super) fn render(page: &Page, unready: &[&str]) -> String {
    let mut html = String::with_capacity(8 * 1024);
    let Page { cluster, version, node } = page;
    html.push_str(HEAD);
    let title = match node {
        Some(node) => format!("node {} of {cluster}", node.id),
        None => format!("a node of {cluster}"),
    };
    let title = escaped(&title);
    // Writing to a string does not fail; so below.
    let _ = writeln!(html, "<title>{title}</title>\n<h1>{title}</h1>\n<p>holdfast {}</p>", escaped(version));
    let ready = if unready.is_empty() { "ready".to_owned() } else { format!("not ready: {}", unready.join(", ")) };
    rows(&mut html, &[("this node", ready)]);
    if let Some(node) = node {
        rows(&mut html, &facts(node));
        members(&mut html, node);
        alarms(&mut html, &node.alarms);
    }
    html.push_str("</html>\n");
    html
}

fn facts(node: &NodePage) -> [(&'static str, String); 7] {
    let leader = match (node.leader, node.in_contact) {
        (Some(leader), true) => format!("node {leader}"),
        (Some(leader), false) => format!("unknown; node {leader} was the last"),
        (None, _) => "unknown".to_owned(),
    };
    let age = node.contact_age.map_or("never".to_owned(), |age| format!("{} ms ago", age.as_millis()));
    let contact = if node.in_contact { format!("in contact, {age}") } else { format!("lost: last contact {age}") };
    let (last, applied, snapshot) = node.indexes;
    [
        ("quorum", contact),
        ("leader", format!("{leader}, term {}", node.term)),
        ("breaker", node.breaker.to_owned()),
        ("owed to the books", node.owed.to_string()),
        ("log", format!("last entry {last}, applied {applied}, snapshot {snapshot}")),
        ("cluster id", node.cluster_id.clone()),
        ("incarnation", node.incarnation.to_string()),
    ]
}

fn rows(html: &mut String, rows: &[(&str, String)]) {
    html.push_str("<table>\n");
    for (name, value) in rows {
        let _ = writeln!(html, "<tr><th>{}<td>{}", escaped(name), escaped(value));
    }
    html.push_str("</table>\n");
}

fn members(html: &mut String, node: &NodePage) {
    html.push_str("<h2>Members, as this node has heard of them</h2>\n<table>\n");
    html.push_str(
        "<tr><th>node<th>role<th>heard<th>applied<th>behind<th>quorum<th>requests<th>clock<th>peers<th>admin\n",
    );
    for of in node.members.iter().take(MEMBERS_MAX) {
        let role = match (node.leader == Some(of.id), node.in_contact, of.voter) {
            (true, true, _) => "leader",
            (true, false, _) => "was the leader",
            (false, _, true) => "follower",
            (false, _, false) => "learner",
        };
        let mut cells = vec![of.id.to_string(), role.to_owned()];
        match of.said {
            Some(said) => cells.extend([
                if of.id == node.id { "this node".to_owned() } else { format!("{} s ago", said.ago.as_secs()) },
                said.applied.to_string(),
                said.behind.to_string(),
                if said.in_contact { "in contact" } else { "lost" }.to_owned(),
                if said.serving { "answered" } else { "not answered" }.to_owned(),
                said.ahead_us.map_or("unknown".to_owned(), |us| format!("{:+} ms", us / 1_000)),
            ]),
            None => cells.extend(std::iter::once("never".to_owned()).chain((0..5).map(|_| String::new()))),
        }
        cells.extend([of.member.peer.clone(), of.member.admin.clone()]);
        html.push_str("<tr>");
        for cell in cells {
            let _ = write!(html, "<td>{}", escaped(&cell));
        }
        html.push('\n');
    }
    html.push_str("</table>\n");
}

fn alarms(html: &mut String, alarms: &[Alarm]) {
    html.push_str("<h2>Alarms</h2>\n<table>\n<tr><th>alarm<th>state<th>detail<th>see\n");
    for alarm in alarms {
        let detail = match &alarm.state {
            State::On(why) => format!("{why}: {}", alarm.effect),
            State::Off | State::Unwatched => String::new(),
        };
        let state = alarm.state.word();
        let _ = writeln!(
            html,
            "<tr class=\"{state}\"><td>{}<td>{state}<td>{}<td>{}",
            escaped(alarm.name),
            escaped(&detail),
            escaped(&alarm.page())
        );
    }
    html.push_str("</table>\n");
}

/// A text as HTML shows it, cut where it is longer than anybody reads.
fn escaped(text: &str) -> String {
    let mut html = String::with_capacity(text.len());
    for (place, one) in text.chars().enumerate() {
        match one {
            _ if place == TEXT_MAX => {
                html.push('…');
                break;
            }
            '&' => html.push_str("&amp;"),
            '<' => html.push_str("&lt;"),
            '>' => html.push_str("&gt;"),
            '"' => html.push_str("&quot;"),
            '\'' => html.push_str("&#39;"),
            other => html.push(other),
        }
    }
    html
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alarms::{Observed, judge};
    use cluster::{Member, Said};

    fn member(id: u64, said: Option<Said>) -> Neighbour {
        let member = Member { peer: format!("10.0.0.{id}:7441"), admin: format!("10.0.0.{id}:9541") };
        Neighbour { id, member, voter: id != 4, said }
    }

    /// Node 2 of four, out of contact.
    fn alone() -> Page {
        let said = |ago_s, behind, ahead_us| Said {
            ago: Duration::from_secs(ago_s),
            applied: 100,
            behind,
            in_contact: false,
            serving: true,
            ahead_us,
        };
        let members = vec![
            member(1, Some(said(17, -3, None))),
            member(2, Some(said(0, 0, Some(-1_250_000)))),
            member(3, None),
            member(4, Some(Said { serving: false, in_contact: true, ..said(1, 40, Some(0)) })),
        ];
        let node = NodePage {
            id: 2,
            cluster_id: "c0".repeat(16),
            incarnation: 3,
            leader: Some(1),
            term: 7,
            in_contact: false,
            contact_age: Some(Duration::from_millis(17_250)),
            indexes: (140, 100, 90),
            breaker: "open",
            owed: 5,
            members,
            alarms: judge(&Observed { tokens: (0, 1), ..Observed::default() }),
        };
        Page { cluster: "cards".to_owned(), version: "9.9.9", node: Some(node) }
    }

    /// `HOLDFAST_WRITE=1 cargo test -p holdfast page` writes it again.
    #[test]
    fn a_node_without_a_quorum_shows_what_it_knows() {
        let rendered = render(&alone(), &["out of contact with a quorum"]);
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/src/admin/page/example.html");
        if std::env::var_os("HOLDFAST_WRITE").is_some() {
            std::fs::write(path, &rendered).expect("write the example");
        }
        assert_eq!(rendered, std::fs::read_to_string(path).expect("the example"));
        for part in ["node 2 of cards", "holdfast 9.9.9", "unknown; node 1 was the last, term 7", "NO_QUORUM"] {
            assert!(rendered.contains(part), "{part}");
        }
    }

    #[test]
    fn what_came_from_elsewhere_is_escaped_and_cut() {
        let mut page = alone();
        page.cluster = "<script>alert('x')</script>&\"".to_owned();
        let node = page.node.as_mut().expect("up");
        node.members[0].member.peer = "\"><img src=x onerror=y>".to_owned();
        node.alarms[0].state = State::On(format!("</table><b>{}", "é".repeat(100_000)));
        node.members = node.members.iter().cycle().take(10_000).cloned().collect();
        let rendered = render(&page, &[]);
        for part in ["<script", "<img", "</table><b>", "alert('"] {
            assert!(!rendered.contains(part), "{part}");
        }
        assert!(rendered.contains("&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt;&amp;&quot;"));
        assert!(rendered.contains("&quot;&gt;&lt;img src=x onerror=y&gt;"));
        assert!(rendered.len() < 32 * 1024, "{}", rendered.len());
    }

    #[test]
    fn a_node_that_is_not_up_yet_says_so() {
        let page = Page { cluster: "cards".to_owned(), version: "9.9.9", node: None };
        let rendered = render(&page, &["the log is not replayed yet"]);
        assert!(rendered.contains("a node of cards") && rendered.contains("not ready: the log is not replayed yet"));
    }
}
