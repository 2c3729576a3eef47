//! What is accepted, what is refused and by which name, and what is never shown.

use super::*;
use std::sync::Arc;

const LEAST: &str = r#"
    [node]
    id = 2
    data_dir = "data"
    [[programs]]
    name = "default"
    user = "marqeta"
    passwords = ["123456789012"]
"#;

fn load(text: &str, env: &[(&str, &str)]) -> Result<Config, String> {
    let env = env.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    Config::from_text(text, Path::new("test.toml"), env).map_err(|error| error.to_string())
}

fn with(more: &str) -> Result<Config, String> {
    load(&format!("{more}\n{LEAST}"), &[])
}

#[test]
fn the_least_that_starts_has_the_defaults() {
    let config = load(LEAST, &[]).unwrap();
    assert_eq!(config.node.id, 2);
    assert_eq!(config.log_dir(), PathBuf::from("data/log"));
    assert_eq!(config.cluster, Cluster::default());
    assert_eq!(config.listen.jit, "127.0.0.1:8441");
    assert_eq!((config.jit.deadline_ms, config.jit.approved_flag), (800, true));
    let cluster = config.cluster(Arc::new(|| 7), [9; 16]);
    assert_eq!(cluster.timing, cluster::Timing::default());
    assert_eq!(cluster.snapshots, cluster::SnapshotRule::default());
    assert_eq!(cluster.segment_bytes, 64 * 1024 * 1024);
}

#[test]
fn webhooks_have_credentials_and_secrets_of_their_own_or_none() {
    let config = load(LEAST, &[]).unwrap().gateway();
    assert_eq!((config.webhooks.deadline.as_secs(), config.webhooks.items_max), (5, 128));
    let access = &config.webhooks.access[0];
    assert_eq!((access.program.as_str(), access.user.as_str(), access.secrets.len()), ("default", "", 0));

    let own =
        "webhook_user = \"hook\"\nwebhook_passwords = [\"abcdefghijkl\"]\nwebhook_secrets = [\"0123456789abcdef\"]";
    let config = load(&format!("{LEAST}\n{own}"), &[]).unwrap();
    let masked = config.render_masked().unwrap();
    assert!(!masked.contains("abcdefghijkl") && !masked.contains("0123456789abcdef"), "{masked}");
    let access = config.gateway().webhooks.access.remove(0);
    assert_eq!(
        (access.user.as_str(), &*access.passwords, &*access.secrets),
        ("hook", &["abcdefghijkl".to_owned()][..], &["0123456789abcdef".to_owned()][..])
    );

    for (more, expected) in [
        ("webhook_user = \"hook\"", "programs[0].webhook_passwords: and webhook_user belong together"),
        ("webhook_user = \"hook\"\nwebhook_passwords = [\"short\"]", "programs[0].webhook_passwords[0]: is shorter"),
        ("webhook_secrets = [\"short\"]", "programs[0].webhook_secrets: must be 16 to 256 bytes each"),
        ("webhook_secrets = [\"\", \"\", \"\"]", "programs[0].webhook_secrets: are more than 2"),
    ] {
        let error = load(&format!("{LEAST}\n{more}"), &[]).unwrap_err();
        assert!(error.starts_with(expected), "{error}");
    }
    for more in ["webhooks.deadline_ms = 99", "webhooks.items_max = 9"] {
        assert!(with(more).unwrap_err().contains("is below"), "{more}");
    }
}

#[test]
fn a_list_may_come_from_a_file_that_a_variable_names() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("programs");
    let named = format!("file:{}", path.display());
    let env = [("HOLDFAST__PROGRAMS", named.as_str())];
    let missing = load(LEAST, &env).unwrap_err();
    assert!(missing.starts_with(&format!("HOLDFAST__PROGRAMS: {}: ", path.display())), "{missing}");
    std::fs::write(&path, "[{name = 'of-file', user = 'u', passwords = ['123456789012']}]").unwrap();
    assert_eq!(load(LEAST, &env).unwrap().programs[0].name, "of-file");
    std::fs::write(&path, "[{name = 'of-file', user = 'u', passwords = ['short-secret']").unwrap();
    let broken = load(LEAST, &env).unwrap_err();
    assert!(broken.ends_with("must be a list in TOML") && !broken.contains("short-secret"), "{broken}");
    std::fs::write(&path, vec![b' '; 1024 * 1024 + 1]).unwrap();
    assert!(load(LEAST, &env).unwrap_err().ends_with("is larger than 1 MiB"));
    // What is no list stays what it says.
    let text = load(LEAST, &[("HOLDFAST__CLUSTER__NAME", "file:x")]).unwrap();
    assert_eq!(text.cluster.name, "file:x");
}

#[test]
fn nothing_at_all_does_not_start() {
    assert_eq!(load("", &[]).unwrap_err(), "node.id: is required, at least 1, without cluster.join");
    let nobody = "[node]\nid = 1\ndata_dir = \"d\"";
    assert_eq!(load(nobody, &[]).unwrap_err(), "programs: are missing: a node without credentials does not start");
    let missing = Config::load(Some(Path::new("no/such/file.toml")), std::iter::empty()).unwrap_err();
    assert!(missing.to_string().starts_with("read no/such/file.toml: "), "{missing}");
}

#[test]
fn an_unknown_key_of_the_file_is_named() {
    let cases = [
        ("jit.deadlin_ms = 5", "jit.deadlin_ms: unknown field `deadlin_ms`"),
        ("jitt.deadline_ms = 5", "jitt: unknown field `jitt`"),
        ("raft = {}\nx = {}", "x: unknown field `x`"),
        (
            "cluster.members = [{id = 1, peer = \"a:1\", admin = \"a:2\"}, {id = 2, port = 4}]",
            "cluster.members[1].port: unknown",
        ),
    ];
    for (more, expected) in cases {
        let error = with(more).unwrap_err();
        assert!(error.starts_with(expected), "{error}");
    }
}

#[test]
fn a_value_of_the_wrong_kind_is_named() {
    let cases = [
        ("jit.deadline_ms = \"700\"", "jit.deadline_ms: invalid type: string"),
        ("jit.deadline_ms = -1", "jit.deadline_ms: "),
        ("jit.approved_flag = 1", "jit.approved_flag: invalid type: integer"),
        ("dev.demo_accounts = 5000000000", "dev.demo_accounts: "),
        ("log.format = \"xml\"", "log.format: unknown variant `xml`, expected `text` or `json`"),
        ("jit.undecided_reason = \"NO\"", "jit.undecided_reason: \"NO\" is no decline reason of the processor"),
        ("cluster.id = \"12\"", "cluster.id: must be 32 hex digits"),
        ("cluster.id = \"+1234567890123456789012345678901\"", "cluster.id: must be 32 hex digits"),
        ("jit = 4", "jit: invalid type: integer"),
        ("jit = []", "jit: must be a section"),
        ("jit = [700]", "jit: must be a section"),
        ("cluster.members = [[1, \"a:1\"]]", "cluster.members[0]: must be a section"),
    ];
    for (more, expected) in cases {
        let error = with(more).unwrap_err();
        assert!(error.starts_with(expected), "{error}");
    }
}

#[test]
fn both_sides_of_each_bound() {
    let cases = [
        ("jit.deadline_ms", 50, 2500),
        ("jit.connections_max", 1, 65_536),
        ("snapshot.interval_s", 1, 86_400),
        ("snapshot.mib_per_second", 0, 4096),
        ("shutdown.leave_ms", 0, 60_000),
        ("shutdown.drain_ms", 0, 60_000),
        ("dev.demo_accounts", 0, 256),
    ];
    for (field, least, most) in cases {
        for good in [least, most] {
            with(&format!("{field} = {good}")).unwrap();
        }
        if least > 0 {
            let below = least - 1;
            assert_eq!(with(&format!("{field} = {below}")).unwrap_err(), format!("{field}: {below} is below {least}"));
        }
        let above = most + 1;
        assert_eq!(with(&format!("{field} = {above}")).unwrap_err(), format!("{field}: {above} is above {most}"));
    }
}

#[test]
fn relations_are_checked() {
    let cases = [
        ("raft.heartbeat_ms = 51", "raft.election_min_ms: 150 is below 3 x raft.heartbeat_ms = 153"),
        (
            "raft.election_max_ms = 199",
            "raft.election_max_ms: 199 is below raft.election_min_ms + raft.heartbeat_ms = 200",
        ),
        ("raft.segment_mib = 257", "snapshot.log_mib: 256 is below raft.segment_mib = 257"),
        ("raft.segment_mib = 1025", "raft.segment_mib: 1025 is above 1024"),
        ("listen.peer = \"127.0.0.1:8441\"", "listen.peer: is the address of another listener"),
        ("cluster.bootstrap = true", "cluster.members: must list this node, 2"),
        ("cluster.members = [{id = 1, peer = \"a:1\", admin = \"a:2\"}]", "cluster.members: must list this node, 2"),
        (
            "cluster.members = [{id = 2, peer = \"a:1\", admin = \"a:2\"}, {id = 2}]",
            "cluster.members[1].id: is given twice",
        ),
        ("cluster.name = \"\"", "cluster.name: must be 1 to 64 printable characters"),
    ];
    for (more, expected) in cases {
        assert_eq!(with(more).unwrap_err(), expected);
    }
}

#[test]
fn an_address_is_a_host_and_a_port() {
    for good in ["a:1", "holdfast-0.peers:65535", "127.0.0.1:8", "[::1]:8441", "under_score:1"] {
        with(&format!("tls.insecure = true\nlisten.jit = \"{good}\"")).unwrap();
    }
    for bad in [
        "",
        "8441",
        ":8441",
        "a:",
        "a:0",
        "a:65536",
        "a:+1",
        "::1:8441",
        "[::1]",
        "[x]:1",
        "[a:1",
        "http://a:1",
        "a b:1",
    ] {
        assert_eq!(with(&format!("listen.jit = \"{bad}\"")).unwrap_err(), "listen.jit: must be HOST:PORT", "{bad}");
    }
}

#[test]
fn the_environment_overrides_the_file() {
    let text = format!("jit.deadline_ms = 900\n{LEAST}");
    let env = [
        ("HOLDFAST__JIT__DEADLINE_MS", "700"),
        ("HOLDFAST__JIT__APPROVED_FLAG", "false"),
        ("HOLDFAST__NODE__ID", "3"),
        ("HOLDFAST__NODE__LOG_DIR", "/elsewhere"),
        ("HOLDFAST__CLUSTER__ID", "000102030405060708090a0b0c0d0e0f"),
        ("HOLDFAST__CLUSTER__NAME", "12345"),
        ("HOLDFAST__CLUSTER__MEMBERS", "[{id = 3, peer = 'a:1', admin = 'a:2'}]"),
        ("HOLDFAST__PROGRAMS", "[{name = 'p', user = 'u', passwords = ['999999999999']}]"),
        ("HOLDFAST__LOG__LEVEL", "debug"),
        ("HOLDFAST_ENDPOINTS", "not for us"),
        ("PATH", "nor this"),
    ];
    let config = load(&text, &env).unwrap();
    assert_eq!((config.jit.deadline_ms, config.jit.approved_flag, config.node.id), (700, false, 3));
    assert_eq!(config.log_dir(), PathBuf::from("/elsewhere"));
    assert_eq!(config.cluster_id().0, std::array::from_fn(|place| place as u8));
    assert_eq!(config.cluster.name, "12345");
    assert_eq!(config.cluster.members[0].peer, "a:1");
    assert_eq!(config.programs[0].passwords[0].reveal(), "999999999999");
    assert_eq!(config.log.level.filter(), tracing_subscriber::filter::LevelFilter::DEBUG);
}

#[test]
fn a_variable_that_fits_no_key_is_named() {
    let cases = [
        ("HOLDFAST__JIT__DEADLIN_MS", "5", "overrides no key that there is"),
        ("HOLDFAST__X__Y", "5", "overrides no key that there is"),
        ("HOLDFAST__", "5", "overrides no key that there is"),
        ("HOLDFAST__jit__deadline_ms", "700", "overrides no key that there is"),
        ("HOLDFAST__JIT__DEADLINE_MS__X", "5", "overrides no key that there is"),
        ("HOLDFAST__JIT", "5", "names a section, not a key"),
        ("HOLDFAST__JIT__DEADLINE_MS", "fast", "must be a whole number"),
        ("HOLDFAST__JIT__APPROVED_FLAG", "1", "must be true or false"),
        ("HOLDFAST__CLUSTER__MEMBERS", "a:1", "must be a list in TOML"),
        ("HOLDFAST__CLUSTER__MEMBERS", "[]\nx = 1", "must be a list in TOML"),
        ("HOLDFAST__LOG__FORMAT", "xml", "unknown variant `xml`, expected `text` or `json`"),
    ];
    for (name, value, problem) in cases {
        assert_eq!(load(LEAST, &[(name, value)]).unwrap_err(), format!("{name}: {problem}"));
    }
    let error = load(LEAST, &[("HOLDFAST__JIT__DEADLINE_MS", "5")]).unwrap_err();
    assert_eq!(error, "jit.deadline_ms: 5 is below 50");
}

#[test]
fn programs_are_checked_and_named() {
    let program = |name: &str, user: &str, passwords: &str| {
        load(
            &format!(
                "node = {{id = 1, data_dir = 'd'}}\n[[programs]]\nname = '{name}'\nuser = '{user}'\npasswords = {passwords}"
            ),
            &[],
        )
        .map_err(|error| error.to_string())
    };
    program("p", "u", "['123456789012', '123456789013']").unwrap();
    let cases = [
        (program("", "u", "['123456789012']"), "programs[0].name: "),
        (program("p", "a:b", "['123456789012']"), "programs[0].user: "),
        (program("p", "u", "[]"), "programs[0].passwords: "),
        (program("p", "u", "['12345678901']"), "programs[0].passwords[0]: is shorter than 12 characters"),
        (program("p", "u", "['123456789012', '123456789012']"), "programs[0].passwords[1]: "),
    ];
    for (result, expected) in cases {
        let error = result.unwrap_err();
        assert!(error.starts_with(expected), "{error}");
    }
}

#[test]
fn no_secret_is_shown() {
    let config = load(LEAST, &[]).unwrap();
    let rendered = config.render_masked().unwrap();
    assert!(rendered.contains("********") && !rendered.contains("123456789012"), "{rendered}");
    assert!(!format!("{config:?}").contains("123456789012"));
    let messages = [
        load("[[programs]]\npasswords = [765432109876]", &[]).unwrap_err(),
        load("[[programs]]\npasswords = [\"765432109876", &[]).unwrap_err(),
        load(LEAST, &[("HOLDFAST__PROGRAMS", "[{passwords = [765432109876]}]")]).unwrap_err(),
        load(LEAST, &[("HOLDFAST__PROGRAMS", "[{passwords = ['765432109876]}]")]).unwrap_err(),
    ];
    for message in messages {
        assert!(!message.contains("765432109876"), "{message}");
    }
}

#[test]
fn what_is_rendered_is_accepted_again() {
    let config = load(LEAST, &[("HOLDFAST__CLUSTER__MEMBERS", "[{id = 2, peer = 'a:1', admin = 'a:2'}]")]).unwrap();
    let rendered = config.render_masked().unwrap();
    let again = load(&rendered, &[("HOLDFAST__PROGRAMS", "[{name = 'p', user = 'u', passwords = ['123456789012']}]")]);
    let again = again.unwrap();
    assert_eq!((again.node.id, again.cluster_id()), (config.node.id, config.cluster_id()));
    assert_eq!(again.cluster.members, config.cluster.members);
}

#[test]
fn a_syntax_error_tells_the_line_only() {
    let error = load("[node]\nid = 1\ndata_dir = \n", &[]).unwrap_err();
    assert!(error.starts_with("test.toml is not TOML: line 3: "), "{error}");
}

/// The id stands in every log: it must never change.
#[test]
fn the_cluster_id_of_a_name_is_fixed() {
    let config = load(LEAST, &[]).unwrap();
    assert_eq!(String::from(config.cluster_id()), "678321523e36c59b2e4700c7b27dee37");
}
