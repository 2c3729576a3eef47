//! Letters: their ids, what is kept of an item, and the way back.

use super::super::envelope::Kind;
use super::*;

fn program() -> Program {
    Program::new("default").unwrap()
}

fn letter_of(text: &str) -> DeadLetter {
    let report = Report { kind: Kind::Transactions, name: "transactions".to_owned(), text };
    letter(program(), &report, Why::Malformed, "type: missing".to_owned())
}

fn item(more: &str) -> String {
    format!(
        r#"{{"type":"authorization.clearing","state":"COMPLETION","token":"x1","user_token":"ada","amount":20.00,"currency_code":"EUR","gpa":{{"impacted_amount":-20.00,"available_balance":0}},"is_final_clearing":true{more}}}"#
    )
}

#[test]
fn the_id_is_made_from_the_content() {
    let one = letter_of("{}");
    assert_eq!((one.id, one.kind.as_str(), one.kept), (letter_of("{}").id, "transactions", Kept::Whole));
    assert_ne!(one.id, letter_of("{} ").id);
    let other = Report { kind: Kind::Unknown, name: "surprises".to_owned(), text: "{}" };
    assert_ne!(one.id, letter(program(), &other, Why::Malformed, String::new()).id);
    let elsewhere = Report { kind: Kind::Transactions, name: "transactions".to_owned(), text: "{}" };
    let second = Program::new("second").unwrap();
    assert_ne!(one.id, letter(second, &elsewhere, Why::Malformed, String::new()).id);
}

#[test]
fn a_name_that_is_no_id_is_kept_as_unknown() {
    for name in ["", "a\u{0}b", &"x".repeat(37)] {
        let report = Report { kind: Kind::Unknown, name: name.to_owned(), text: "1" };
        assert_eq!(letter(program(), &report, Why::KindUnknown, String::new()).kind.as_str(), "unknown");
    }
    let report = Report { kind: Kind::Unknown, name: "pan 4111111111111111".to_owned(), text: "1" };
    let kind = letter(program(), &report, Why::KindUnknown, String::new()).kind;
    assert_eq!(kind.as_str(), "pan \"************1111\"", "a name is a text like others");
}

#[test]
fn a_large_item_is_kept_in_its_essence_and_reads_the_same() {
    let large = item(&format!(
        r#","card_acceptor":{{"name":"{}"}},"gpa_order":{{"amount":20.00,"tags":"x","jit_funding":{{"token":"j1","method":"pgfs.authorization.capture","user_token":"ada","amount":20.00,"address_verification":{{}}}}}}"#,
        "x".repeat(5000)
    ));
    let kept = letter_of(&large);
    assert_eq!(kept.kept, Kept::Essence);
    let text = String::from_utf8(kept.bytes).unwrap();
    assert!(!text.contains("card_acceptor") && !text.contains("tags"), "{text}");
    assert_eq!(read_again(program(), "transactions", &text), read_again(program(), "transactions", &large));
    assert!(read_again(program(), "transactions", &text).unwrap().is_some());
}

#[test]
fn what_cannot_be_read_at_all_is_cut_at_a_character() {
    let kept = letter_of(&"é".repeat(3000));
    assert_eq!((kept.kept, kept.bytes.len()), (Kept::Cut, DeadLetter::BYTES_MAX));
    let odd = letter_of(&format!("x{}", "é".repeat(3000)));
    assert_eq!((odd.bytes.len(), String::from_utf8(odd.bytes).is_ok()), (DeadLetter::BYTES_MAX - 1, true));
}

#[test]
fn no_card_number_is_kept() {
    for text in [item(r#","pan":"4111111111111111""#), format!("4111 1111 1111 1111 {}", "x".repeat(9000))] {
        let kept = String::from_utf8(letter_of(&text).bytes).unwrap();
        assert!(!kept.contains("4111111111111111") && !kept.contains("4111 1111"), "{kept}");
    }
}

#[test]
fn a_token_that_looks_like_a_card_number_is_read_again_as_it_came() {
    let odd = item("").replace("x1", "0d7f1c52-0000-4000-8009-741247423000");
    let kept = String::from_utf8(letter_of(&odd).bytes).unwrap();
    assert_eq!(read_again(program(), "transactions", &kept), read_again(program(), "transactions", &odd));
}

#[test]
fn only_transactions_can_be_sent_again() {
    assert!(read_again(program(), "surprises", "{}").unwrap_err().contains("surprises"));
    assert_eq!(read_again(program(), "transactions", "{}"), Err("type: missing".to_owned()));
    let companion = item("").replace("authorization.clearing", "gpa.debit");
    assert_eq!(read_again(program(), "transactions", &companion), Ok(None));
}
