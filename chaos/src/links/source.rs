//! Which node has made a connection: the one whose process holds its other end.
//!
//! All nodes of a cluster are told the same address for a peer, because the membership is replicated; so the address
//! cannot say who comes. The kernel can, without any privilege: it is asked for the number of the socket with these two
//! ends (netlink's `sock_diag`), and `/proc` for the process that has it open. The table `/proc/net/tcp` would say the
//! number too, but is written out whole, with thousands of connections that are long over, each time it is read: nodes
//! that make a connection for every vote waited for it longer than a vote may take.

use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, ipproto, netlink, recv, send, socket_with,
};
use std::collections::BTreeMap;
use std::net::{SocketAddr, SocketAddrV4};
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
        let (SocketAddr::V4(theirs), SocketAddr::V4(ours)) = (theirs, ours) else { return None };
        let wanted = format!("socket:[{}]", socket_of(theirs, ours)?);
        let processes = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        processes.into_iter().find(|(_, pid)| holds(*pid, &wanted)).map(|(node, _)| node)
    }
}

fn holds(pid: i32, wanted: &str) -> bool {
    let files = std::fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten();
    files.filter_map(|file| std::fs::read_link(file.path()).ok()).any(|link| link.as_os_str() == wanted)
}

/// `SOCK_DIAG_BY_FAMILY`, as question and as answer.
const BY_FAMILY: u16 = 20;
/// Head of a message, and the question behind it (`inet_diag_req_v2`).
const QUESTION_BYTES: u32 = 16 + 56;
/// Where the number is in an answer: behind the head, four bytes, the ends, and four numbers (`inet_diag_msg`).
const NUMBER_AT: usize = 16 + 4 + 48 + 16;

/// The number of the socket with these ends.
fn socket_of(local: SocketAddrV4, remote: SocketAddrV4) -> Option<u32> {
    let kind = (AddressFamily::NETLINK, SocketType::DGRAM, SocketFlags::CLOEXEC);
    let socket = socket_with(kind.0, kind.1, kind.2, Some(netlink::SOCK_DIAG)).ok()?;
    send(&socket, &question(local, remote), SendFlags::empty()).ok()?;
    let mut answer = [0; 512];
    // The kernel has answered before it takes the question as sent.
    let (_, count) = recv(&socket, &mut answer[..], RecvFlags::DONTWAIT).ok()?;
    number_in(answer.get(..count)?)
}

/// Of a socket of TCP with these ends, whatever its state.
fn question(local: SocketAddrV4, remote: SocketAddrV4) -> Vec<u8> {
    const REQUEST: u16 = 1;
    let mut bytes = Vec::new();
    bytes.extend(QUESTION_BYTES.to_ne_bytes());
    bytes.extend([BY_FAMILY.to_ne_bytes(), REQUEST.to_ne_bytes()].concat());
    // Its number, and who asks.
    bytes.extend([0; 8]);
    bytes.extend([AddressFamily::INET.as_raw() as u8, ipproto::TCP.as_raw().get() as u8, 0, 0]);
    bytes.extend(u32::MAX.to_ne_bytes());
    bytes.extend([local.port().to_be_bytes(), remote.port().to_be_bytes()].concat());
    for end in [local, remote] {
        bytes.extend(end.ip().octets());
        bytes.extend([0; 12]);
    }
    // Any device, and no cookie.
    bytes.extend([0; 4]);
    bytes.extend([0xff; 8]);
    bytes
}

/// None if the answer is an error: there is no such socket.
fn number_in(answer: &[u8]) -> Option<u32> {
    let kind = u16::from_ne_bytes(answer.get(4..6)?.try_into().ok()?);
    let number = u32::from_ne_bytes(answer.get(NUMBER_AT..NUMBER_AT + 4)?.try_into().ok()?);
    (kind == BY_FAMILY).then_some(number)
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
        // Nobody has the two ends the other way round at a port that nobody uses.
        assert_eq!(processes.node_of(theirs, SocketAddr::from(([127, 0, 0, 1], 1))), None);
        processes.set(2, i32::try_from(std::process::id()).unwrap());
        assert_eq!(processes.node_of(theirs, far.local_addr().unwrap()), Some(2));
        assert_eq!(near.local_addr().unwrap(), theirs);
    }
}
