//! The processor's own scenarios: whole lives of card transactions, amounts as its documentation has them.

use crate::language::check;

#[test]
fn a_hold_is_confirmed_cleared_and_charged_once() {
    check(
        "
        open       A  100.00
        authorize  j1 A  60.00 tx=x1                            -> approved  held 60.00  chains 0
        report     authorization pending A 60.00 jit=j1 tx=x1   -> noted     held 60.00  posted 100.00  chains 1
        report     authorization pending A 60.00 jit=j1 tx=x1   -> repeated  held 60.00
        report     clearing completed A 60.00 jit=j2 of=j1 tx=x2 after=x1 -> applied  held 0.00  posted 40.00
        report     clearing completed A 60.00 jit=j2 of=j1 tx=x2 after=x1 -> repeated  posted 40.00
        report     authorization cleared A 60.00 jit=j1 tx=x1   -> noted     posted 40.00  held 0.00
        report     authorization pending A 60.00 jit=j1 tx=x1   -> repeated  posted 40.00  holds 0  chains 1
    ",
    );
}

/// Pitfall 23, and the rows of smaller clearings.
#[test]
fn several_clearings_keep_the_rest_until_the_last() {
    check(
        "
        open       A  100.00
        authorize  j1 A  60.00                               -> approved
        report     clearing completed A 10.00 of=j1 tx=c1    -> applied  held 50.00  posted 90.00
        report     clearing completed A 15.00 of=j1 tx=c2    -> applied  held 35.00  posted 75.00
        report     clearing completed A  5.00 of=j1 tx=c3 last=yes release=30.00  -> applied  held 0.00  posted 70.00

        authorize  k1 A  30.00                               -> approved  held 30.00
        report     clearing completed A 10.00 of=k1 tx=d1 release=5.00 -> applied  held 15.00  posted 60.00

        authorize  l1 A  30.00                               -> approved  held 45.00
        report     clearing completed A  5.00 of=l1 tx=e2 part=2/2  -> applied  held 40.00  posted 55.00
        report     clearing completed A  5.00 of=l1 tx=e1 part=1/2  -> applied  held 15.00  posted 50.00  overshoots 0
    ",
    );
}

/// Pitfall 22.
#[test]
fn a_clearing_above_the_hold_is_paid_in_full() {
    check(
        "
        open       A  100.00
        authorize  j1 A  90.00                               -> approved
        report     clearing completed A 95.00 of=j1 tx=c1    -> overshoot  held 0.00  posted 5.00  overshoots 1
        authorize  j2 A   5.00                               -> approved
        report     clearing completed A 20.00 of=j2 tx=c2    -> overshoot  held 0.00  posted -15.00  overshoots 2
        authorize  j3 A   0.01                               -> declined InsufficientFunds
    ",
    );
}

/// Pitfall 21.
#[test]
fn a_forced_capture_is_paid_whatever_there_is() {
    check(
        "
        open    A  10.00
        freeze  A
        report  forced completed A 25.00 jit=f1 tx=x1   -> unpromised  posted -15.00  held 0.00  unpromiseds 1
        report  forced completed A 25.00 jit=f1 tx=x1   -> repeated    posted -15.00
    ",
    );
}

/// Pitfall 17: an advice comes as a reversal of the difference.
#[test]
fn an_advice_lowers_the_hold_to_its_total() {
    check(
        "
        open       A  500.00
        authorize  j1 A 400.00 tx=x1                                     -> approved
        report     reversal pending A 100.00 jit=j2 of=j1 tx=x2 after=x1  -> applied  held 300.00
        report     reversal pending A 100.00 jit=j2 of=j1 tx=x2 after=x1  -> repeated  held 300.00
        report     clearing completed A 300.00 jit=j3 of=j1 tx=x3 after=x2 -> applied  held 0.00  posted 200.00
    ",
    );
}

/// Pitfall 19.
#[test]
fn reversals_take_back_what_there_is_and_no_more() {
    check(
        "
        open       A  500.00
        authorize  j1 A 250.00                             -> approved
        report     reversal pending A 100.00 of=j1 tx=r1   -> applied  held 150.00
        report     clearing completed A 150.00 of=j1 tx=c1 -> applied  held 0.00  posted 350.00

        authorize  k1 A  50.00                             -> approved
        report     reversal pending A  60.00 of=k1 tx=r2   -> excess   held 0.00  posted 350.00  excesses 1

        authorize  l1 A  50.00                             -> approved  held 50.00
        report     reversed cleared A  50.00 of=l1 tx=r3   -> applied  held 0.00
        report     clearing completed A 50.00 of=l1 tx=c3  -> overshoot  held 0.00  posted 300.00

        authorize  m1 A  50.00                             -> approved  held 50.00
        report     reversed declined A 50.00 of=m1 tx=r4   -> noted  held 50.00
    ",
    );
}

/// Pitfall 18.
#[test]
fn increments_add_to_the_chain() {
    check(
        "
        open       A  200.00
        authorize  j1 A 100.00 tx=x1                    -> approved  held 100.00
        increment  j2 A  40.00 of=j1 tx=x2              -> approved  held 140.00  holds 1
        increment  j2 A  40.00 of=j1 tx=x2              -> approved  replayed  held 140.00
        increment  j3 A 100.00 of=j1 tx=x3              -> declined InsufficientFunds  held 140.00
        report     incremental pending A 40.00 jit=j2 of=j1 tx=x2 after=x1  -> noted  held 140.00
        report     clearing completed A 140.00 of=j1 tx=x4 after=x2  -> applied  held 0.00  posted 60.00
        increment  j4 A   5.00 of=j1                    -> approved  held 5.00
    ",
    );
}

#[test]
fn a_declined_increment_leaves_its_parent() {
    check(
        "
        open       A  200.00
        authorize  j1 A 100.00                                     -> approved
        increment  j2 A  40.00 of=j1                               -> approved  held 140.00
        report     incremental declined A 40.00 jit=j2 of=j1 tx=x2 -> applied   held 100.00
    ",
    );
}

#[test]
fn an_increment_whose_parent_is_unknown_stands_alone() {
    check(
        "
        open       A  200.00
        increment  j2 A  40.00 of=j1  -> approved  held 40.00
        authorize  j1 A 100.00        -> approved  held 140.00  holds 1  chains 1
        report     reversed cleared A 140.00 of=j1 tx=r  -> applied  held 0.00
    ",
    );
}

#[test]
fn a_single_message_is_held_and_then_paid() {
    check(
        "
        open    A  100.00
        single  j1 A  30.00 tx=x1                          -> approved  held 30.00  posted 100.00
        report  single completed A 30.00 jit=j1 tx=x1      -> applied   held 0.00   posted 70.00
        report  single pending A 30.00 jit=j1 tx=x1        -> repeated  held 0.00   posted 70.00
        report  reversal pending A 30.00 of=j1 tx=r1       -> applied   held 0.00   posted 100.00

        single  j2 A  30.00 tx=x2                          -> approved  held 30.00
        report  single declined A 30.00 jit=j2 tx=x2       -> applied   held 0.00   posted 100.00
        report  single completed A 20.00 tx=x3             -> applied   posted 80.00
    ",
    );
}

/// Pitfall 26.
#[test]
fn a_refund_counts_when_it_has_come() {
    check(
        "
        open      A  0.00
        report    credit completed A 12.00 jit=r1 tx=x1              -> applied   posted 12.00
        report    credit completed A 12.00 jit=r1 tx=x1              -> repeated  posted 12.00
        announce  j1 A 20.00 tx=x2                                   -> approved  posted 12.00  pending 20.00
        authorize j9 A 12.01                                         -> declined InsufficientFunds
        report    announcement pending A 20.00 jit=j1 tx=x2          -> noted     pending 20.00
        report    credit completed A 19.50 jit=r2 of=j1 tx=x3 after=x2 -> applied  posted 31.50  pending 0.00
        announce  j2 A 20.00                                         -> approved  pending 20.00
        report    dropped cleared A 20.00 of=j2 tx=x5                -> noted     pending 0.00  posted 31.50
    ",
    );
}

#[test]
fn fast_funds_can_be_spent_at_once_and_count_once() {
    check(
        "
        open       A  0.00
        lend       j1 A 20.00 tx=x1                              -> approved  posted 20.00  available 20.00
        report     loan pending A 20.00 jit=j1 tx=x1             -> noted     posted 20.00
        authorize  k1 A 15.00                                    -> approved  available 5.00
        report     credit completed A 20.00 jit=j2 of=j1 tx=x2   -> noted     posted 20.00
        lend       j3 A  7.00                                    -> approved  posted 27.00
        report     dropped cleared A 7.00 of=j3 tx=x3            -> applied   posted 20.00
        lend       j4 A  7.00 by=4                               -> approved  posted 27.00
        void       j4         by=4                               -> done      posted 20.00
        lend       j5 A  7.00 tx=x5                              -> approved  posted 27.00
        report     loan completed A 7.00 jit=j5 tx=x5            -> noted     posted 27.00
    ",
    );
}

/// Pitfall 28.
#[test]
fn disputes_and_adjustments_touch_no_hold() {
    check(
        "
        open       A  100.00
        authorize  j1 A 50.00                               -> approved  held 50.00
        report     credited completed A 30.00 of=j1 tx=d1   -> applied   held 50.00  posted 130.00
        report     debited completed A 30.00 of=j1 tx=d2    -> applied   held 50.00  posted 100.00
        report     credited pending A 30.00 of=j1 tx=d3     -> noted     posted 100.00
        report     credited completed A 30.00 of=j1 tx=d3   -> applied   posted 130.00
        report     debited completed A 200.00 tx=d4         -> applied   posted -70.00
    ",
    );
}

/// Pitfall 27.
#[test]
fn nothing_is_held_for_nothing() {
    check(
        "
        open       A  0.00
        verify     j1 A 0.00 tx=x1                               -> approved  chains 0
        report     authorization pending A 0.00 jit=j1 tx=x1     -> noted     held 0.00  holds 0
        authorize  j2 A 0.00 tx=x2                               -> approved  holds 0
        increment  j3 A 0.00 of=j2                               -> approved  holds 0
    ",
    );
}

#[test]
fn yen_and_dinars_have_their_own_digits() {
    check(
        "
        open       A  1000 JPY
        open       A  5.000 KWD
        authorize  j1 A  800 JPY tx=x1                    -> approved   held 800
        authorize  j2 A  1.234 KWD tx=x2                  -> approved   held 1.234
        report     clearing completed A 810 JPY of=j1 tx=c1   -> overshoot  held 0  posted 190
        report     clearing completed A 1.234 KWD of=j2 tx=c2 -> applied    held 0.000  posted 3.766
    ",
    );
}
