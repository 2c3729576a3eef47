//! Importing accounts: CSV, a cluster that is away for a while, and answers that are lost.

use super::{ctl, deserted};
use crate::admin;
use crate::admin::fake::{Fake, Mood, about, served, stand_in};
use std::io::Write;
use tempfile::NamedTempFile;
use tokio::net::TcpListener;

fn file(ending: &str, text: &str) -> NamedTempFile {
    let mut file = tempfile::Builder::new().suffix(ending).tempfile().expect("a temporary file");
    file.write_all(text.as_bytes()).expect("writes");
    file
}

fn accounts(count: u32) -> NamedTempFile {
    let lines: String = (0..count).map(|number| format!("u{number},USD,1.00\r\n")).collect();
    file(".csv", &format!("user_token,currency,credit\r\n{lines}"))
}

#[tokio::test]
async fn a_csv_file_is_imported_once() {
    let at = served(Fake::new()).await;
    let accounts = accounts(600);
    let import = format!("--endpoint {at} --json account import {}", accounts.path().display());
    assert_eq!(ctl(&import).await.out, "{\"existed\":0,\"lines\":600,\"opened\":600}\n");
    let again = ctl(&import.replace("--json ", "")).await;
    assert_eq!((again.exit, again.out.as_str()), (0, "600 lines: 0 opened, 600 were there already\n"));
    assert_eq!(again.err, "", "no bar where there is no terminal");

    let wrong = file(".CSV", "user_token,currency,credit\nnew,USD,1.00\nbad,USD\n");
    let wrong = ctl(&format!("--endpoint {at} --json account import {}", wrong.path().display())).await;
    assert_eq!(wrong.failed(), (2, "usage".to_owned()));
    assert!(wrong.out.contains("line 3: has 2 fields, the header has 3"), "{wrong:?}");
    assert_eq!(ctl(&format!("--endpoint {at} account show new")).await.exit, 1, "nothing was sent");
}

#[tokio::test]
async fn it_goes_on_when_the_cluster_is_back() {
    let fake = Fake::new();
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let at = listener.local_addr().expect("bound");
    let service = admin::service(fake, about(), stand_in());
    let serving = tokio::spawn(async move {
        // The first connections break off.
        for _ in 0..2 {
            drop(listener.accept().await);
        }
        admin::serve((listener, tls::Wire::Plain), admin::fake::gate(), service, std::future::pending()).await;
    });
    let (accounts, dead) = (accounts(300), deserted());
    let line = format!("--endpoint {dead},{at} account import {}", accounts.path().display());
    let imported = ctl(&line).await;
    assert!(imported.exit == 0 && imported.out.starts_with("300 lines: 300 opened, 0 were there"), "{imported:?}");
    serving.abort();
}

#[tokio::test]
async fn answers_that_were_lost_are_mentioned() {
    let fake = Fake::new();
    let (well, lossy) = (served(fake.clone()).await, served(fake.door(Mood::AppliedButUnknown)).await);
    let accounts = accounts(10);
    let import = format!("--endpoint {lossy},{well} --json account import {}", accounts.path().display());
    let wanted = "{\"answers_lost\":1,\"existed\":10,\"lines\":10,\"opened\":0}\n";
    assert_eq!(ctl(&import).await.out, wanted);
}
