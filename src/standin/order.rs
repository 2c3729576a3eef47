//! The operator's order to keep the breaker open, kept over restarts.
//!
//! **What must hold.** There is a file exactly while the breaker is forced: it says who, and why. It is replaced whole:
//! beside it, sync, rename, sync of the directory.
//!
//! **Crash story.** A kill in between leaves the order before or the order after, and at worst a `.tmp`, which the next
//! order removes. A file that cannot be read counts as an order: somebody gave one, and a breaker that is open by
//! mistake answers by policy, while one that is closed by mistake does what an operator has forbidden.

use crate::breaker::Order;
use crate::files::Files;
use std::io;
use std::sync::Arc;

const NAME: &str = "breaker.order";
const TEMPORARY: &str = "breaker.order.tmp";
const MAGIC: &str = "HFSO 1";
/// Two texts of a few hundred bytes and the rest.
const BYTES_MAX: u64 = 4096;

/// Where the order is kept.
#[derive(Clone)]
pub struct Orders(Arc<dyn Files>);

impl Orders {
    /// In this directory.
    pub fn new(files: Arc<dyn Files>) -> Orders {
        Orders(files)
    }

    /// The order that stands, if there is one.
    pub(crate) fn read(&self) -> Option<Order> {
        let bytes = match self.bytes() {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return None,
            read => read,
        };
        let damaged = |why: String| Order { who: "holdfast".to_owned(), why: format!("{NAME} cannot be read: {why}") };
        Some(match bytes.map(|bytes| decode(&bytes)) {
            Ok(Some(order)) => order,
            Ok(None) => damaged("it is damaged".to_owned()),
            Err(error) => damaged(error.to_string()),
        })
    }

    fn bytes(&self) -> io::Result<Vec<u8>> {
        let file = self.0.open(NAME)?;
        let size = file.size()?.min(BYTES_MAX);
        let mut bytes = vec![0; usize::try_from(size).unwrap_or_default()];
        let mut read = 0;
        while read < bytes.len() {
            match file.read_at(&mut bytes[read..], read as u64)? {
                0 => break,
                more => read += more,
            }
        }
        bytes.truncate(read);
        Ok(bytes)
    }

    /// Keeps an order; durable when this returns.
    pub(crate) fn keep(&self, order: &Order) -> io::Result<()> {
        if let Err(error) = self.0.remove(TEMPORARY)
            && error.kind() != io::ErrorKind::NotFound
        {
            return Err(error);
        }
        let file = self.0.create(TEMPORARY)?;
        file.write_at(&encode(order), 0)?;
        file.sync_data()?;
        self.0.rename(TEMPORARY, NAME)?;
        self.0.sync_dir()
    }

    /// There is no order any more; durable when this returns.
    pub(crate) fn withdraw(&self) -> io::Result<()> {
        match self.0.remove(NAME) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            Ok(()) | Err(_) => self.0.sync_dir(),
        }
    }
}

/// Lines: what it is, the checksum of the rest, who, why. Neither text has a line's end in it: the door refuses that.
fn encode(order: &Order) -> Vec<u8> {
    let rest = format!("{}\n{}\n", order.who.replace('\n', " "), order.why.replace('\n', " "));
    format!("{MAGIC}\n{:08x}\n{rest}", crc32fast::hash(rest.as_bytes())).into_bytes()
}

fn decode(bytes: &[u8]) -> Option<Order> {
    let text = std::str::from_utf8(bytes).ok()?;
    let (magic, text) = text.split_once('\n')?;
    let (sum, rest) = text.split_once('\n')?;
    let sound = magic == MAGIC && sum == format!("{:08x}", crc32fast::hash(rest.as_bytes()));
    let (who, why) = rest.strip_suffix('\n')?.split_once('\n').filter(|_| sound)?;
    Some(Order { who: who.to_owned(), why: why.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::sim::SimFiles;

    fn order(why: &str) -> Order {
        Order { who: "ada".to_owned(), why: why.to_owned() }
    }

    #[test]
    fn an_order_is_kept_replaced_and_withdrawn() {
        let mut files = SimFiles::default();
        let of = |files: &SimFiles| Orders::new(Arc::new(files.clone()));
        assert_eq!(of(&files).read(), None);
        assert!(of(&files).withdraw().is_ok());
        for why in ["drill", "the processor asked for it"] {
            of(&files).keep(&order(why)).unwrap();
            files = files.crash(7);
            assert_eq!(of(&files).read(), Some(order(why)));
        }
        of(&files).withdraw().unwrap();
        assert_eq!(of(&files.crash(8)).read(), None);
    }

    /// The power goes after each step: the order before, or the one after, and never anything else.
    #[test]
    fn a_power_cut_leaves_one_of_the_two() {
        for step in 0..12 {
            for seed in 0..8 {
                let files = SimFiles::default();
                let orders = Orders::new(Arc::new(files.clone()));
                orders.keep(&order("before")).unwrap();
                files.power_off_after(step);
                let kept = orders.keep(&order("after"));
                let orders = Orders::new(Arc::new(files.crash(seed)));
                let found = orders.read();
                let before = kept.is_err() && found == Some(order("before"));
                assert!(before || found == Some(order("after")), "step {step}, seed {seed}: {found:?}");
                orders.keep(&order("again")).unwrap();
                assert_eq!(orders.read(), Some(order("again")));
            }
        }
    }

    #[test]
    fn what_cannot_be_read_counts_as_an_order() {
        let bytes = encode(&order("drill"));
        assert_eq!(decode(&bytes), Some(order("drill")));
        for bit in 0..bytes.len() * 8 {
            let mut rotten = bytes.clone();
            rotten[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(decode(&rotten), None, "bit {bit}");
        }
        for end in 0..bytes.len() {
            assert_eq!(decode(&bytes[..end]), None);
        }
        let files = SimFiles::default();
        let file = files.create(NAME).unwrap();
        file.write_at(b"HFSO 1\n", 0).unwrap();
        let found = Orders::new(Arc::new(files.clone())).read().unwrap();
        assert!(found.why.contains("damaged"), "{found:?}");
    }
}
