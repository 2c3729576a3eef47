//! What a file may say, and how it is told what is wrong with it.

use super::*;

const POST: &str = r#"{"post": "/v1/jit", "body": {"token": "t-{run}", "amount": 48.20},
      "expect": {"status": 200, "outcome": "decided", "body": {"amount": 48.20}}}"#;

fn file(steps: &str) -> String {
    format!(
        "{{\n  \"title\": \"T\", \"source\": \"S\",\n  \"accounts\": [{{\"user_token\": \"ada-{{run}}\", \
         \"currency\": \"EUR\", \"opening\": \"1.00\"}}],\n  \"steps\": [\n    {steps}\n  ]\n}}\n"
    )
}

fn refused(text: &str) -> String {
    Scenario::read("x", text).expect_err("refused")
}

#[test]
fn messages_and_replies_lose_their_white_space_and_nothing_else() {
    let scenario = Scenario::read("x", &file(POST)).unwrap();
    let Step::Post(post) = &scenario.steps[0] else { panic!("a post") };
    assert_eq!(filled(&post.body, "7"), r#"{"token":"t-7","amount":48.20}"#);
    assert_eq!((post.path, post.times, post.expect.body.as_str()), (Path::Jit, 1, r#"{"amount":48.20}"#));
}

#[test]
fn all_kinds_of_steps() {
    let steps = [
        POST,
        r#"{"balances": {"EUR": {"posted": "1.00", "held": "0.00", "available": "1.00"}}, "account": "ada-{run}"}"#,
        r#"{"order": "freeze", "account": "ada-{run}", "note": "why not"}"#,
        r#"{"open": {"user_token": "bob-{run}", "currency": "JPY", "opening": "5"}}"#,
        r#"{"order": "close", "account": "bob-{run}"}"#,
        r#"{"dead_letter": "tx-{run}", "why": "type_unknown", "then": "drop"}"#,
        r#"{"dead_letter": "tx-{run}", "why": "account_unknown", "then": "replay", "effect": "applied"}"#,
    ];
    assert_eq!(Scenario::read("x", &file(&steps.join(",\n"))).unwrap().steps.len(), steps.len());
}

#[test]
fn what_is_wrong_is_named_by_file_step_and_field() {
    for (from, to, expected) in [
        ("\"post\"", "\"pots\"", "x.json: step 1 (line 5): is none of post, balances, order, open, dead_letter"),
        (
            "/v1/jit",
            "/v2/jit",
            "x.json: step 1 (line 5): unknown variant `/v2/jit`, expected `/v1/jit` or `/v1/webhooks`",
        ),
        ("\"status\": 200,", "", "x.json: step 1 (line 6): missing field `status`"),
        ("\"status\": 200", "\"status\": 2", "x.json: step 1 (line 5): expect.status: is no HTTP status"),
        ("\"status\"", "\"code\": 1, \"status\"", "unknown field `code`, expected one of `status`, `outcome`, `body`"),
        ("\"status\": 200", "\"status\": 200, \"status\": 200", "duplicate field `status`"),
        ("\"outcome\": \"decided\",", "", "x.json: step 1 (line 5): expect.outcome: is missing"),
        ("200", "400", "x.json: step 1 (line 5): expect.outcome: this answer has none"),
        ("t-{run}", "t", "x.json: step 1: body: has no {run} in it: it could be played once only"),
        ("\"post\"", "\"times\": 11, \"post\"", "times: must be from 1 to 10"),
        ("\"post\"", "\"open\": {}, \"post\"", "is more than one thing: post, open"),
        ("\"title\": \"T\"", "\"title\": \" \"", "x.json: title: is empty"),
        ("\"title\"", "\"titel\"", "x.json: unknown field `titel`"),
        ("\"EUR\"", "1", "invalid type: integer `1`, expected a string"),
        ("ada-{run}", "ada", "x.json: accounts: user_token: has no {run} in it"),
    ] {
        let text = file(POST);
        assert!(text.contains(from), "{from}");
        let found = refused(&text.replacen(from, to, 1));
        assert!(found.contains(expected), "{found}\nis not\n{expected}");
    }
    assert_eq!(refused(&file("")), "x.json: steps: there are none");
    let stranger = r#"{"order": "freeze", "account": "eve-{run}"}"#;
    assert_eq!(refused(&file(stranger)), "x.json: step 1: account: eve-{run} is not opened before");
    let both = r#"{"dead_letter": "t-{run}", "why": "a", "then": "drop", "effect": "b"}"#;
    assert_eq!(refused(&file(both)), "x.json: step 1 (line 5): effect: what is dropped has none");
}
