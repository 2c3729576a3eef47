//! A GET over HTTP/1.1 on a connection of its own, for probes and metrics.
//!
//! What must hold: it ends by its limit and reads no more than a bound, whatever the other side does.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

/// The longest answer.
const BYTES_MAX: usize = 1024 * 1024;

const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// Status and body.
pub fn get(address: SocketAddr, path: &str, limit: Duration) -> io::Result<(u16, String)> {
    let text = ask(address, path, limit)?;
    let (head, body) = text.split_once("\r\n\r\n").ok_or(io::ErrorKind::InvalidData)?;
    let status = head.split(' ').nth(1).and_then(|word| word.parse().ok()).ok_or(io::ErrorKind::InvalidData)?;
    Ok((status, body.to_owned()))
}

/// What the other side's clock says, by the header `Date`: seconds since 1970.
pub fn date(address: SocketAddr, path: &str, limit: Duration) -> io::Result<u64> {
    let text = ask(address, path, limit)?;
    let value = text.lines().take_while(|line| !line.is_empty()).find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("date").then_some(value)
    });
    value.and_then(|value| seconds_of(value.trim())).ok_or(io::ErrorKind::InvalidData.into())
}

/// Of a date as HTTP writes it: `Sun, 06 Nov 1994 08:49:37 GMT`.
fn seconds_of(date: &str) -> Option<u64> {
    let mut words = date.strip_suffix(" GMT")?.split(' ').skip(1);
    let day: u64 = words.next()?.parse().ok()?;
    let name = words.next()?;
    let month = MONTHS.iter().position(|month| *month == name)? as u64 + 1;
    let year: u64 = words.next()?.parse().ok()?;
    let mut clock = words.next()?.split(':').map(str::parse::<u64>);
    let mut part = || clock.next()?.ok();
    let (hours, minutes, seconds) = (part()?, part()?, part()?);
    // Days since 1970, in years that begin with March, so that the leap day is the last.
    let year = if month > 2 { year } else { year.checked_sub(1)? };
    let from_march = (month + 9) % 12;
    let in_year = (153 * from_march + 2) / 5 + day;
    let days = (365 * year + year / 4 - year / 100 + year / 400 + in_year).checked_sub(719_469)?;
    Some(((days * 24 + hours) * 60 + minutes) * 60 + seconds)
}

/// Everything that is answered.
fn ask(address: SocketAddr, path: &str, limit: Duration) -> io::Result<String> {
    let deadline = Instant::now() + limit;
    let mut stream = TcpStream::connect_timeout(&address, limit)?;
    stream.set_write_timeout(Some(limit))?;
    write!(stream, "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n")?;
    let mut bytes = Vec::new();
    let mut chunk = [0; 8192];
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() || bytes.len() > BYTES_MAX {
            return Err(io::ErrorKind::TimedOut.into());
        }
        stream.set_read_timeout(Some(left))?;
        match stream.read(&mut chunk)? {
            0 => break,
            count => bytes.extend_from_slice(&chunk[..count]),
        }
    }
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

#[cfg(test)]
mod tests {
    use super::seconds_of;

    #[test]
    fn dates_are_seconds_since_1970() {
        for (date, seconds) in [
            ("Thu, 01 Jan 1970 00:00:00 GMT", 0),
            ("Sun, 06 Nov 1994 08:49:37 GMT", 784_111_777),
            ("Tue, 29 Feb 2000 23:59:59 GMT", 951_868_799),
            ("Wed, 01 Mar 2000 00:00:00 GMT", 951_868_800),
            ("Fri, 31 Dec 2100 12:00:00 GMT", 4_133_937_600),
        ] {
            assert_eq!(seconds_of(date), Some(seconds), "{date}");
        }
        for wrong in ["", "Sun, 06 Nov 1994 08:49:37", "Sun, 06 Noi 1994 08:49:37 GMT", "Sun, 06 Nov 1994 08:49 GMT"] {
            assert_eq!(seconds_of(wrong), None, "{wrong}");
        }
    }
}
