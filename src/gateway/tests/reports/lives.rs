//! The processor's own examples, message by message: after each of them posted, held and available.

use crate::door::Door;

/// The messages of `marqeta-protocol.md` §3.5 and their like, by name.
macro_rules! message {
    ($name:literal) => {
        include_str!(concat!("../messages/", $name, ".json"))
    };
}

const START: &str = "1000.00 0.00 1000.00";

async fn authorized() -> Door {
    let door = Door::open();
    assert_eq!(door.jit(message!("authorization_request")).await, 200);
    assert_eq!(door.money("ada", "EUR"), "1000.00 48.20 951.80");
    door
}

#[tokio::test]
async fn an_authorization_is_confirmed_and_cleared_in_two_parts() {
    let door = authorized().await;
    door.report(&[message!("authorization_pending")]).await;
    assert_eq!(door.money("ada", "EUR"), "1000.00 48.20 951.80");
    door.report(&[message!("clearing_1_of_2")]).await;
    assert_eq!(door.money("ada", "EUR"), "980.00 28.20 951.80");
    door.report(&[message!("clearing_2_of_2")]).await;
    assert_eq!(door.money("ada", "EUR"), "955.00 0.00 955.00", "20.00 and 25.00 were paid; 3.20 come back");
    door.report(&[message!("clearing_1_of_2"), message!("clearing_2_of_2"), message!("authorization_pending")]).await;
    assert_eq!(door.money("ada", "EUR"), "955.00 0.00 955.00");
    door.check();
}

#[tokio::test]
async fn a_decline_at_the_processor_gives_the_hold_back() {
    for message in [message!("authorization_declined"), message!("authorization_timed_out")] {
        let door = authorized().await;
        door.report(&[message]).await;
        assert_eq!(door.money("ada", "EUR"), START);
        let again = door.jit(message!("authorization_request")).await;
        assert_eq!(again, 402, "a later attempt is told what stands");
        assert_eq!(door.money("ada", "EUR"), START);
        door.check();
    }
}

#[tokio::test]
async fn a_decline_that_comes_before_the_request_leaves_nothing_to_hold() {
    let door = Door::open();
    door.report(&[message!("authorization_timed_out")]).await;
    assert_eq!(door.jit(message!("authorization_request")).await, 402);
    assert_eq!(door.money("ada", "EUR"), START);
    door.check();
}

#[tokio::test]
async fn increments_add_up_and_are_cleared_together() {
    let door = authorized().await;
    door.report(&[message!("incremental_pending")]).await;
    assert_eq!(door.money("ada", "EUR"), "1000.00 60.20 939.80");
    door.report(&[message!("clearing_final_60")]).await;
    assert_eq!(door.money("ada", "EUR"), "940.00 0.00 940.00");
    door.check();
}

/// A request and the report of it have one shape: the same message is asked first and reported afterwards.
#[tokio::test]
async fn an_increment_that_was_asked_is_held_once_and_cleared_with_the_rest() {
    let door = authorized().await;
    assert_eq!(door.jit(message!("incremental_pending")).await, 200);
    assert_eq!(door.money("ada", "EUR"), "1000.00 60.20 939.80");
    door.report(&[message!("incremental_pending"), message!("authorization_pending")]).await;
    assert_eq!(door.jit(message!("incremental_pending")).await, 200, "a repeat");
    assert_eq!(door.money("ada", "EUR"), "1000.00 60.20 939.80");
    door.report(&[message!("clearing_final_60")]).await;
    assert_eq!(door.money("ada", "EUR"), "940.00 0.00 940.00", "one chain");
    door.check();
}

#[tokio::test]
async fn money_in_that_was_asked_is_spent_only_when_it_may_be() {
    let door = Door::open();
    assert_eq!(door.jit(message!("refund_authorization_pending")).await, 200);
    assert_eq!(door.money("ada", "EUR"), START, "announced, not to be spent");
    door.report(&[message!("refund_authorization_pending")]).await;
    door.report(&[message!("refund_authorization_clearing")]).await;
    assert_eq!(door.money("ada", "EUR"), "1031.50 0.00 1031.50");
    assert_eq!(door.jit(message!("original_credit_fast")).await, 200);
    assert_eq!(door.money("ada", "EUR"), "1106.50 0.00 1106.50", "fast funds");
    door.report(&[message!("original_credit_fast"), message!("original_credit_clearing")]).await;
    assert_eq!(door.money("ada", "EUR"), "1106.50 0.00 1106.50", "once");
    door.check();
}

#[tokio::test]
async fn an_advice_and_reversals_lower_the_hold_by_their_difference() {
    let door = authorized().await;
    door.report(&[message!("advice_down_to_30")]).await;
    assert_eq!(door.money("ada", "EUR"), "1000.00 30.00 970.00");
    door.report(&[message!("reversal_partial_10")]).await;
    assert_eq!(door.money("ada", "EUR"), "1000.00 20.00 980.00");
    door.report(&[message!("reversal_full")]).await;
    assert_eq!(door.money("ada", "EUR"), START);
    door.report(&[message!("clearing_1_of_2")]).await;
    assert_eq!(door.money("ada", "EUR"), "980.00 0.00 980.00", "a clearing after all is paid");
    door.check();
}

#[tokio::test]
async fn the_issuers_expiration_ends_the_hold() {
    let door = authorized().await;
    door.report(&[message!("issuer_expiration")]).await;
    assert_eq!(door.money("ada", "EUR"), START);
}

#[tokio::test]
async fn captures_that_nobody_was_asked_for_are_paid_even_below_zero() {
    let door = Door::open();
    door.report(&[message!("force_capture_1200")]).await;
    assert_eq!(door.money("ada", "EUR"), "-200.00 0.00 -200.00");
    door.check();
}

#[tokio::test]
async fn a_pin_debit_is_paid_at_once() {
    let door = Door::open();
    assert_eq!(door.jit(message!("pindebit_request")).await, 200);
    assert_eq!(door.money("ada", "USD"), "1000.00 60.00 940.00");
    door.report(&[message!("pindebit_completion")]).await;
    assert_eq!(door.money("ada", "USD"), "940.00 0.00 940.00");
    door.report(&[message!("pindebit_reversal")]).await;
    assert_eq!(door.money("ada", "USD"), START);
    door.check();
}

#[tokio::test]
async fn a_refund_is_credited_once_it_clears() {
    let door = Door::open();
    door.report(&[message!("refund_authorization_pending")]).await;
    assert_eq!(door.money("ada", "EUR"), START, "announced, not to be spent");
    door.report(&[message!("refund_authorization_clearing")]).await;
    assert_eq!(door.money("ada", "EUR"), "1031.50 0.00 1031.50");
    door.report(&[message!("refund_without_purchase")]).await;
    assert_eq!(door.money("ada", "EUR"), "1038.49 0.00 1038.49");
    door.report(&[message!("refund_authorization_clearing"), message!("refund_without_purchase")]).await;
    assert_eq!(door.money("ada", "EUR"), "1038.49 0.00 1038.49");
    door.check();
}

#[tokio::test]
async fn fast_funds_are_lent_until_they_come() {
    let door = Door::open();
    door.report(&[message!("original_credit_fast")]).await;
    assert_eq!(door.money("ada", "EUR"), "1075.00 0.00 1075.00");
    door.report(&[message!("original_credit_clearing")]).await;
    assert_eq!(door.money("ada", "EUR"), "1075.00 0.00 1075.00");
    door.check();
}

#[tokio::test]
async fn stand_in_approvals_without_our_funding_are_forced() {
    let door = Door::open();
    door.report(&[message!("commando_authorization_1100")]).await;
    assert_eq!(door.money("ada", "EUR"), "1000.00 1100.00 -100.00");
    door.report(&[message!("commando_clearing_1100")]).await;
    assert_eq!(door.money("ada", "EUR"), "-100.00 0.00 -100.00", "joined by transaction tokens alone");
    door.check();
}

#[tokio::test]
async fn companions_never_count_twice() {
    let door = authorized().await;
    door.report(&[message!("companion_of_authorization"), message!("authorization_pending")]).await;
    door.report(&[message!("authorization_pending"), message!("companion_reversal")]).await;
    assert_eq!(door.money("ada", "EUR"), "1000.00 48.20 951.80");
    door.check();
}

#[tokio::test]
async fn a_chargeback_is_credited_and_taken_back() {
    let door = Door::open();
    door.report(&[message!("chargeback")]).await;
    assert_eq!(door.money("ada", "EUR"), "1020.00 0.00 1020.00");
    door.report(&[message!("chargeback_reversal")]).await;
    assert_eq!(door.money("ada", "EUR"), START);
    door.report(&[message!("chargeback_won_although_declined")]).await;
    assert_eq!(door.money("ada", "EUR"), "1012.00 0.00 1012.00");
    door.check();
}

#[tokio::test]
async fn yen_have_no_decimals() {
    let door = Door::open();
    door.report(&[message!("refund_yen")]).await;
    assert_eq!(door.money("ada", "JPY"), "100500 0 100500");
}
