//! A recorded history: what was asked of a cluster, what was heard, and what its books said afterwards.
//!
//! What must hold: every request that left is in it, with a beginning and, once known, an end; what was not heard is
//! *unknown*, never failed; nothing waits in memory without bound, and a history that was cut off says so by having no
//! last line. Not here: what the lines prove (`check`).
//!
//! **The file.** JSON lines. Times are microseconds of a monotonic clock since `begin`, amounts minor units. Lines of
//! several clients may stand out of order; `op` ties an end to its beginning. The `event` of a line is one of
//!
//! | event | of | fields |
//! |---|---|---|
//! | `begin` | the run | [`Begin`]: version, seed, currency, nodes, deadline, limits of stand-in |
//! | `invoke` | a request | `op`, `node`, and a [`Task`]: `authorize`, `report`, `read`, `open`, `move`, `set_status` |
//! | `ok` | its end: yes, done | `op` and an [`Answer`]: status, outcome header, hash of the body, balances |
//! | `declined` | its end: no | the same, with the reason |
//! | `unknown` | its end: not heard | the same, with why; it may have been done |
//! | `status` | a look at a node | [`Status`]: term and leader as that node sees them |
//! | `fault` | a nemesis | [`Fault`]: name, nodes, `begin` or `end`, whether late answers are excused |
//! | `end` | the writer | how many lines; without it something is missing |
//! | `account`, `token`, `applied`, … | the books afterwards, behind `end` | see [`books`]; `settled` is the last |

pub mod books;
mod line;
mod read;
mod write;

pub use line::{
    AccountStatus, Answer, Begin, Direction, Ended, Fault, Invoke, Line, Lost, Phase, Report, ReportKind,
    StandInLimits, Status, Task, VERSION,
};
pub use read::{Books, Heard, History, HistoryError, Op};
pub use write::{Recorder, Sink, Writer, append};
