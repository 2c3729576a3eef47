//! `holdfast probe`: one question over HTTP, for images that have no shell and no `curl` to ask with.
//!
//! Without `--authorize` it is a GET, and 200 is yes: the health check of a container. With it, it is a whole
//! authorization through whatever stands before the nodes, and yes is an answer of the books: the chart's test.
//!
//! What must hold: it moves no money unless somebody has opened an account for it; a token that is asked for again is
//! the same request, so it may be repeated. No credential is printed.
//!
//! Exit codes: 0 answered as wanted; 1 answered otherwise; 2 usage, or no credentials; 3 nobody answered in time.

use crate::config::{Config, Program, environment};
use crate::exchange::{Answer, Request, ask};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ledger::{Token, UserToken};
use std::io::Write;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::{Duration, Instant};
use tls::{Client, Protocol};

/// Between two tries.
const PAUSE: Duration = Duration::from_millis(500);

/// Asks a node, or what stands before the nodes, one thing over HTTP.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// What is asked: a probe of a node, or with --authorize the processor's door
    #[arg(long, default_value = "http://127.0.0.1:9441/livez")]
    url: Url,
    /// Ask for 0.01 USD under this token, as the first card programme of the configuration
    #[arg(long, value_name = "TOKEN", value_parser = Token::new)]
    authorize: Option<Token>,
    /// Whose money is asked for; there need not be such an account, a decline is an answer of the books
    #[arg(long, value_name = "USER", default_value = "holdfast-probe", value_parser = UserToken::new)]
    user_token: UserToken,
    /// The node's configuration, for the credentials; HOLDFAST__SECTION__KEY overrides it
    #[arg(long, value_name = "FILE", requires = "authorize")]
    config: Option<PathBuf>,
    /// Authority of the certificate there (PEM), for `https://`
    #[arg(long, value_name = "FILE", env = "HOLDFAST_CA")]
    ca: Option<PathBuf>,
    /// The certificate there must be for this host, in place of the one that is asked: its name for others than those
    /// who ask inside
    #[arg(long, value_name = "HOST", requires = "ca")]
    host: Option<String>,
    /// Certificate to show (PEM), where one is asked for
    #[arg(long, value_name = "FILE", requires_all = ["ca", "cert_key"])]
    cert: Option<PathBuf>,
    /// Its private key (PEM)
    #[arg(long, value_name = "FILE", requires = "cert")]
    cert_key: Option<PathBuf>,
    /// How long one answer may take
    #[arg(long, value_name = "MS", default_value_t = 3000, value_parser = clap::value_parser!(u64).range(1..=60_000))]
    limit_ms: u64,
    /// Ask again until it is answered as wanted, for so long
    #[arg(long, value_name = "SECONDS", default_value_t = 0, value_parser = clap::value_parser!(u64).range(0..=3600))]
    patience_s: u64,
}

/// Runs it, and returns the exit code.
pub async fn run(args: Args, out: &mut dyn Write, err: &mut dyn Write) -> u8 {
    let question = match Question::of(&args) {
        Ok(question) => question,
        Err(problem) => {
            // Nobody reads a broken pipe: the exit code says it too.
            let _ = writeln!(err, "holdfast probe: {problem}");
            return 2;
        }
    };
    let client = match args.client() {
        Ok(client) => client,
        Err(problem) => {
            let _ = writeln!(err, "holdfast probe: {problem}");
            return 2;
        }
    };
    let end = Instant::now() + Duration::from_secs(args.patience_s);
    loop {
        let answer = question.ask(&args.url, client.as_ref(), Duration::from_millis(args.limit_ms)).await;
        let code = match &answer {
            Ok(answer) if question.wants(answer) => 0,
            Ok(_) => 1,
            Err(_) => 3,
        };
        if code != 0 && Instant::now() + PAUSE < end {
            tokio::time::sleep(PAUSE).await;
            continue;
        }
        let _ = match &answer {
            Ok(answer) => writeln!(out, "{}", shown(answer)),
            Err(error) => writeln!(err, "holdfast probe: {}: {error}", args.url.address),
        };
        return code;
    }
}

impl Args {
    /// How a listener in TLS is spoken to.
    fn client(&self) -> Result<Option<Client>, String> {
        match (&self.ca, self.url.tls) {
            (_, false) => Ok(None),
            (None, true) => Err("--ca is needed for https://".to_owned()),
            (Some(ca), true) => {
                let own = self.cert.as_deref().zip(self.cert_key.as_deref());
                let client = Client::open(ca, own, Protocol::Http1).map_err(|error| error.to_string())?;
                Ok(Some(match &self.host {
                    Some(host) => client.expecting(host),
                    None => client,
                }))
            }
        }
    }
}

fn shown(answer: &Answer) -> String {
    let outcome = answer.header("x-holdfast-outcome").map(|outcome| format!("({outcome}) ")).unwrap_or_default();
    format!("{} {outcome}{}", answer.status, answer.body)
}

/// What is asked, and which answer is wanted.
#[derive(Debug)]
enum Question {
    /// A probe.
    Health,
    /// An authorization, with its credential and its body.
    Funds { credential: String, body: String },
}

impl Question {
    fn of(args: &Args) -> Result<Question, String> {
        let Some(token) = &args.authorize else { return Ok(Question::Health) };
        let config = Config::load(args.config.as_deref(), environment()).map_err(|error| error.to_string())?;
        // A configuration that was loaded has one.
        let program = config.programs.first().ok_or("there is no card programme")?;
        Ok(Question::funds(token, &args.user_token, program))
    }

    fn funds(token: &Token, user: &UserToken, program: &Program) -> Question {
        let password = program.passwords.first().map_or("", |password| password.reveal());
        let credential = format!("Basic {}", STANDARD.encode(format!("{}:{password}", program.user)));
        let quoted = |text: &str| serde_json::Value::from(text).to_string();
        let (token, user) = (quoted(token.as_str()), quoted(user.as_str()));
        let body = format!(
            "{{\"type\":\"authorization\",\"token\":{token},\"gpa_order\":{{\"currency_code\":\"USD\",\
             \"jit_funding\":{{\"token\":{token},\"method\":\"pgfs.authorization\",\"user_token\":{user},\
             \"amount\":0.01}}}}}}"
        );
        Question::Funds { credential, body }
    }

    async fn ask(&self, url: &Url, client: Option<&Client>, limit: Duration) -> std::io::Result<Answer> {
        match self {
            Question::Health => {
                let request = Request { method: "GET", path: &url.path, headers: &[], body: "" };
                ask(&url.address, client, &request, limit).await
            }
            Question::Funds { credential, body } => {
                let headers = [("Content-Type", "application/json".to_owned()), ("Authorization", credential.clone())];
                let request = Request { method: "POST", path: &url.path, headers: &headers, body };
                ask(&url.address, client, &request, limit).await
            }
        }
    }

    fn wants(&self, answer: &Answer) -> bool {
        match self {
            Question::Health => answer.status == 200,
            Question::Funds { .. } => {
                let outcome = answer.header("x-holdfast-outcome");
                matches!(answer.status, 200 | 402) && matches!(outcome, Some("decided" | "replayed"))
            }
        }
    }
}

/// `http://HOST[:PORT][/PATH]` or `https://…`.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Url {
    /// `HOST:PORT`.
    address: String,
    /// From the slash on.
    path: String,
    /// Whether TLS is spoken there.
    tls: bool,
}

impl FromStr for Url {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Url, &'static str> {
        let (rest, tls, port) = match (text.strip_prefix("http://"), text.strip_prefix("https://")) {
            (Some(rest), _) => (rest, false, 80),
            (_, Some(rest)) => (rest, true, 443),
            (None, None) => return Err("must begin with http:// or https://"),
        };
        let (host, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        let plain = |text: &str| text.bytes().all(|byte| byte.is_ascii_graphic());
        if host.is_empty() || host.contains(['@', '?', '#']) || !plain(host) || !plain(path) {
            return Err("must be http://HOST:PORT/PATH");
        }
        let ported = host.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok());
        let address = if ported { host.to_owned() } else { format!("{host}:{port}") };
        Ok(Url { address, path: if path.is_empty() { "/".to_owned() } else { path.to_owned() }, tls })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Secret;

    fn url(text: &str) -> Result<(String, String), &'static str> {
        Url::from_str(text).map(|url| (url.address, url.path))
    }

    #[test]
    fn an_address_is_taken_apart() {
        let parts = |address: &str, path: &str| Ok((address.to_owned(), path.to_owned()));
        assert_eq!(url("http://127.0.0.1:9441/readyz?quorum"), parts("127.0.0.1:9441", "/readyz?quorum"));
        assert_eq!(url("http://holdfast.pay.svc/v1/jit"), parts("holdfast.pay.svc:80", "/v1/jit"));
        assert_eq!(url("http://[::1]:8441"), parts("[::1]:8441", "/"));
        assert_eq!(url("http://[fe80::a]/"), parts("[fe80::a]:80", "/"));
        assert_eq!(url("https://a/livez"), parts("a:443", "/livez"));
        for wrong in ["", "ftp://a/", "http://", "http:///livez", "http://u:p@a/", "http://a b/", "http://a/b c"] {
            assert!(url(wrong).is_err(), "{wrong}");
        }
    }

    fn funds() -> Question {
        let passwords = vec![Secret::new("correct-horse-1"), Secret::new("the-old-one-123")];
        let program = Program { user: "marqeta".to_owned(), passwords, ..Program::default() };
        Question::funds(&Token::new("t\"1").unwrap(), &UserToken::new("u").unwrap(), &program)
    }

    #[test]
    fn the_request_carries_the_amount_as_it_is_and_the_first_password() {
        let Question::Funds { credential, body } = funds() else { panic!("an authorization") };
        assert_eq!(credential, format!("Basic {}", STANDARD.encode("marqeta:correct-horse-1")));
        assert!(body.contains("\"amount\":0.01"), "{body}");
        let read: serde_json::Value = serde_json::from_str(&body).unwrap();
        assert_eq!(read["gpa_order"]["jit_funding"]["token"], "t\"1");
    }

    #[test]
    fn an_answer_of_the_books_is_wanted_and_no_other() {
        let answer = |status: u16, outcome: Option<&str>| Answer {
            status_line: String::new(),
            status,
            headers: outcome.map(|value| ("x-holdfast-outcome".to_owned(), value.to_owned())).into_iter().collect(),
            body: String::new(),
        };
        for (status, outcome, wanted) in [
            (200, Some("decided"), true),
            (402, Some("decided"), true),
            (402, Some("replayed"), true),
            (402, Some("undecided"), false),
            (200, Some("stand-in"), false),
            (402, Some("refused"), false),
            (401, None, false),
            (503, Some("decided"), false),
        ] {
            assert_eq!(funds().wants(&answer(status, outcome)), wanted, "{status} {outcome:?}");
        }
        assert!(Question::Health.wants(&answer(200, None)));
        assert!(!Question::Health.wants(&answer(503, None)));
    }

    /// Answers one connection with this status and no body, and gives the address.
    fn answers_once(status: &'static str) -> String {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut head = [0; 1024];
            let read = std::io::Read::read(&mut stream, &mut head).unwrap();
            assert!(head[..read].starts_with(b"GET /livez?a HTTP/1.1\r\n"));
            write!(stream, "HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n").unwrap();
        });
        address
    }

    async fn code(words: &[&str]) -> (u8, String) {
        #[derive(clap::Parser)]
        struct Line {
            #[command(flatten)]
            args: Args,
        }
        let line = <Line as clap::Parser>::try_parse_from([&["probe"], words].concat()).unwrap();
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let code = run(line.args, &mut out, &mut err).await;
        (code, String::from_utf8([out, err].concat()).unwrap())
    }

    #[tokio::test]
    async fn the_exit_code_says_what_was_answered() {
        for (status, wanted) in [("200 OK", 0), ("503 Service Unavailable", 1)] {
            let address = answers_once(status);
            let (code, said) = code(&["--url", &format!("http://{address}/livez?a")]).await;
            assert_eq!((code, said.get(..3)), (wanted, status.get(..3)), "{said}");
        }
        let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let (nobody_there, said) = code(&["--url", &format!("http://{nobody}/")]).await;
        assert_eq!(nobody_there, 3, "{said}");
        let missing = ["--authorize", "t", "--config", "/nonexistent/holdfast.toml"];
        let (no_credentials, said) = code(&missing).await;
        assert!(no_credentials == 2 && said.contains("/nonexistent/holdfast.toml"), "{said}");
    }
}
