//! The tables: sorted, whole, and which goes before which.

use super::*;

#[test]
fn the_tables_can_be_searched() {
    for table in [TYPES, METHODS] {
        assert!(table.is_sorted_by(|(left, _), (right, _)| left < right));
        assert!(table.iter().all(|(name, meaning)| find(table, name) == Some(*meaning)));
    }
    assert_eq!(METHODS.len(), 51, "the processor's list of methods");
}

#[test]
fn a_type_goes_before_its_method() {
    for (kind, method, expected) in [
        ("authorization", None, Some(PROMISE)),
        ("authorization", Some("pgfs.authorization.reversal"), Some(PROMISE)),
        ("authorization.clearing", Some("pgfs.force_capture"), Some(Fact(Act::ForceCapture))),
        ("authorization.clearing", Some("pgfs.authorization.capture"), Some(CLEARING)),
        ("authorization.from.tomorrow", Some("pgfs.authorization"), Some(PROMISE)),
        ("authorization.from.tomorrow", Some("pgfs.from.tomorrow"), None),
        ("authorization.from.tomorrow", None, None),
        ("unknown", None, None),
        ("", Some(""), None),
    ] {
        assert_eq!(meaning(kind, method), expected, "{kind} {method:?}");
    }
}

#[test]
fn what_the_processor_books_beside_counts_only_with_our_answer_in_it() {
    for (kind, method, expected) in [
        ("gpa.credit.authorization", Some("pgfs.authorization"), Some(Companion)),
        ("gpa.credit.authorization", None, Some(Companion)),
        ("gpa.credit.networkload", None, Some(BESIDE)),
        ("gpa.credit.networkload", Some("pgfs.network.load"), Some(LOAD)),
        ("gpa.credit.networkload.reversal", Some("pgfs.network.load"), Some(Aside(Debit))),
        ("gpa.debit.networkload", Some("pgfs.network.load"), Some(Aside(Debit))),
        ("fee.charge", None, Some(BESIDE)),
        ("fee.charge", Some("pgfs.adjustment.debit"), Some(Aside(Debit))),
        ("fee.charge", Some("pgfs.from.tomorrow"), None),
    ] {
        assert_eq!(meaning(kind, method), expected, "{kind} {method:?}");
    }
}
