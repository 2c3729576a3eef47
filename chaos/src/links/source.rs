//! Which node has made a connection: the one whose process holds its other end.
//!
//! All nodes of a cluster are told the same address for a peer, because the membership is replicated; so the address
//! cannot say who comes. `/proc` can, without any privilege: the socket's number is found by its port, and the process
//! by its list of open files.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

/// Which process is which node right now.
#[derive(Clone, Default)]
pub struct Processes(Arc<Mutex<BTreeMap<u64, i32>>>);

impl Processes {
    /// A node runs as this process from now on.
    pub fn set(&self, node: u64, pid: i32) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(node, pid);
    }

    /// The node at whose end a connection to `ours` has the address `theirs`.
    pub fn node_of(&self, theirs: SocketAddr, ours: SocketAddr) -> Option<u64> {
        let socket = socket_of(&std::fs::read_to_string("/proc/net/tcp").ok()?, theirs, ours)?;
        let wanted = format!("socket:[{socket}]");
        let processes = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        processes.into_iter().find(|(_, pid)| holds(*pid, &wanted)).map(|(node, _)| node)
    }
}

fn holds(pid: i32, wanted: &str) -> bool {
    let files = std::fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten();
    files.filter_map(|file| std::fs::read_link(file.path()).ok()).any(|link| link.as_os_str() == wanted)
}

/// The number of the socket with these ends in the text of `/proc/net/tcp`.
fn socket_of(table: &str, local: SocketAddr, remote: SocketAddr) -> Option<u64> {
    let (local, remote) = (words_of(local)?, words_of(remote)?);
    table.lines().skip(1).find_map(|line| {
        let mut words = line.split_ascii_whitespace().skip(1);
        let ends = (words.next()?, words.next()?);
        (ends == (local.as_str(), remote.as_str())).then(|| words.nth(6)?.parse().ok())?
    })
}

/// As the kernel writes it: the address as a number of the machine's byte order.
fn words_of(address: SocketAddr) -> Option<String> {
    match address {
        SocketAddr::V4(address) => {
            Some(format!("{:08X}:{:04X}", u32::from_ne_bytes(address.ip().octets()), address.port()))
        }
        SocketAddr::V6(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::{TcpListener, TcpStream};

    #[test]
    fn the_process_at_the_other_end_is_found() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let near = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (far, theirs) = listener.accept().unwrap();
        let processes = Processes::default();
        assert_eq!(processes.node_of(theirs, far.local_addr().unwrap()), None);
        processes.set(2, i32::try_from(std::process::id()).unwrap());
        assert_eq!(processes.node_of(theirs, far.local_addr().unwrap()), Some(2));
        assert_eq!(near.local_addr().unwrap(), theirs);
    }
}
