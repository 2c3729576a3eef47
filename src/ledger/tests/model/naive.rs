//! The books again, written to be obviously right and nothing else: plain maps, 128 bits, every sum taken anew.

use holdfast_ledger::*;
use std::collections::{BTreeMap, BTreeSet};

const BOUND: i128 = 1 << 62;
const KEPT_MAX: usize = 8;

#[derive(Default)]
pub struct Naive {
    accounts: BTreeMap<(Program, UserToken), Account>,
    pub tokens: BTreeMap<(Program, Token), Entry>,
    keys: BTreeMap<(Program, Token), Move>,
    last_hold: u64,
}

struct Account {
    status: AccountStatus,
    posted: BTreeMap<&'static str, i128>,
    holds: BTreeMap<u64, (&'static str, i128)>,
}

/// A token: what stands, and who was told what.
pub struct Entry {
    print: Fingerprint,
    stands: Stands,
    why: DeclineReason,
    balances: Vec<Balance>,
    /// The attempts that are kept, in the order in which they came.
    kept: Vec<Attempt>,
    yes: BTreeSet<Attempt>,
    no: BTreeSet<Attempt>,
    alone_no: BTreeSet<Attempt>,
    alone_yes: BTreeSet<Attempt>,
    unkept_yes: bool,
    unkept_no: bool,
    unkept_force: bool,
    other_force: bool,
}

#[derive(Clone, Copy, PartialEq)]
enum Stands {
    Held(UserToken, u64),
    Approved,
    No,
}

impl Account {
    fn held(&self, code: &str) -> i128 {
        self.holds.values().filter(|hold| hold.0 == code).map(|hold| hold.1).sum()
    }

    /// Whether balances stay in range if posted and held change so.
    fn fits(&self, code: &str, posted: i128, held: i128) -> bool {
        let posted = self.posted[code] + posted;
        let held = self.held(code) + held;
        posted.abs() <= BOUND && held <= BOUND && (posted - held).abs() <= BOUND
    }

    fn view(&self, user: UserToken) -> AccountView {
        let balances = self.posted.iter().map(|(code, posted)| Balance {
            currency: Currency::from_code(code).expect("listed"),
            posted_minor: i64::try_from(*posted).expect("in range"),
            held_minor: i64::try_from(self.held(code)).expect("in range"),
        });
        AccountView { user, status: self.status, balances: balances.collect(), holds: self.holds.len() as u64 }
    }
}

impl Entry {
    fn new(print: Fingerprint) -> Entry {
        Entry {
            print,
            stands: Stands::No,
            why: DeclineReason::Voided,
            balances: Vec::new(),
            kept: Vec::new(),
            yes: BTreeSet::new(),
            no: BTreeSet::new(),
            alone_no: BTreeSet::new(),
            alone_yes: BTreeSet::new(),
            unkept_yes: false,
            unkept_no: false,
            unkept_force: false,
            other_force: false,
        }
    }

    fn keeps(&mut self, attempt: Attempt) -> bool {
        if !self.kept.contains(&attempt) && self.kept.len() < KEPT_MAX {
            self.kept.push(attempt);
        }
        self.kept.contains(&attempt)
    }

    fn forced(&self) -> bool {
        self.unkept_force || !self.alone_yes.is_empty()
    }

    pub fn conflict(&self) -> bool {
        let told_no = self.unkept_no || !self.no.is_empty() || !self.alone_no.is_empty();
        matches!(self.stands, Stands::Held(..)) && told_no
    }

    pub fn impossible(&self) -> bool {
        self.other_force || (self.stands == Stands::No && self.forced())
    }

    fn tell(&mut self, attempt: Attempt) -> Verdict {
        let yes = match (self.yes.contains(&attempt), self.no.contains(&attempt)) {
            (true, _) => true,
            (false, true) => false,
            (false, false) => {
                let yes = self.stands != Stands::No;
                match (self.keeps(attempt), yes) {
                    (true, true) => _ = self.yes.insert(attempt),
                    (true, false) => _ = self.no.insert(attempt),
                    (false, true) => self.unkept_yes = true,
                    (false, false) => self.unkept_no = true,
                }
                yes
            }
        };
        if yes { Verdict::Approved } else { Verdict::Declined(self.why) }
    }
}

impl Naive {
    pub fn account(&self, program: Program, user: UserToken) -> Option<AccountView> {
        self.accounts.get(&(program, user)).map(|account| account.view(user))
    }

    pub fn apply(&mut self, command: &Command) -> Output {
        match command {
            Command::Authorize(request) => Output::Decision(self.authorize(request)),
            Command::Force(request) => Output::Settled(self.force(request)),
            Command::Void(void) => Output::Settled(self.void(void)),
            Command::Open(open) => self.open(open),
            Command::Move(movement) => self.movement(movement),
            Command::SetStatus(change) => self.status(change),
            Command::Event(_) | Command::Sweep(_) => panic!("the life of a transaction has a model of its own"),
            Command::Shelve(_)
            | Command::DropLetter(_)
            | Command::SetControls(_)
            | Command::SetParty(_)
            | Command::Forget(_)
            | Command::Restored(_)
            | Command::Reconciled(_) => {
                panic!("they move nothing")
            }
        }
    }

    fn authorize(&mut self, request: &Authorize) -> Decision {
        let key = (request.program, request.token);
        let replayed = self.tokens.contains_key(&key);
        if self.tokens.get(&key).is_some_and(|entry| entry.print != request.fingerprint) {
            let verdict = Verdict::Declined(DeclineReason::FingerprintMismatch);
            return Decision { verdict, replayed: false, partial_minor: None, balances: Vec::new(), change: None };
        }
        let mut change = None;
        if !replayed {
            let before = self.balance(request);
            let mut entry = Entry::new(request.fingerprint);
            match self.decide(request) {
                Ok(stands) => entry.stands = stands,
                Err(why) => entry.why = why,
            }
            if request.kind == RequestKind::BalanceInquiry && entry.stands != Stands::No {
                entry.balances = self.account(request.program, request.user).expect("approved").balances;
            }
            self.tokens.insert(key, entry);
            change = before.zip(self.balance(request)).map(|(before, after)| Change { before, after });
        }
        let entry = self.tokens.get_mut(&key).expect("there now");
        let verdict = entry.tell(request.attempt);
        let balances = if verdict == Verdict::Approved { entry.balances.clone() } else { Vec::new() };
        Decision { verdict, replayed, partial_minor: None, balances, change }
    }

    fn balance(&self, request: &Authorize) -> Option<Balance> {
        let balances = self.account(request.program, request.user)?.balances;
        balances.into_iter().find(|balance| balance.currency == request.amount.currency())
    }

    fn decide(&mut self, request: &Authorize) -> Result<Stands, DeclineReason> {
        if request.kind == RequestKind::Notice {
            return Ok(Stands::Approved);
        }
        let code = request.amount.currency().code();
        let minor = i128::from(request.amount.minor());
        let account = self.accounts.get(&(request.program, request.user)).ok_or(DeclineReason::AccountUnknown)?;
        if request.kind != RequestKind::BalanceInquiry && !account.posted.contains_key(code) {
            return Err(DeclineReason::CurrencyNotHeld);
        }
        match account.status {
            AccountStatus::Closed => return Err(DeclineReason::AccountClosed),
            AccountStatus::Frozen => return Err(DeclineReason::AccountFrozen),
            AccountStatus::Active => {}
        }
        if request.kind != RequestKind::Authorization || minor == 0 {
            return Ok(Stands::Approved);
        }
        if !account.fits(code, 0, minor) {
            return Err(DeclineReason::AmountOutOfRange);
        }
        if account.posted[code] - account.held(code) < minor {
            return Err(DeclineReason::InsufficientFunds);
        }
        self.hold(request)
    }

    fn hold(&mut self, request: &Authorize) -> Result<Stands, DeclineReason> {
        let code = request.amount.currency().code();
        let minor = i128::from(request.amount.minor());
        if request.kind != RequestKind::Authorization || minor == 0 {
            return Ok(Stands::Approved);
        }
        let account = self.accounts.get_mut(&(request.program, request.user)).ok_or(DeclineReason::AccountUnknown)?;
        if !account.posted.contains_key(code) {
            return Err(DeclineReason::CurrencyNotHeld);
        }
        if !account.fits(code, 0, minor) {
            return Err(DeclineReason::AmountOutOfRange);
        }
        self.last_hold += 1;
        account.holds.insert(self.last_hold, (code, minor));
        Ok(Stands::Held(request.user, self.last_hold))
    }

    fn force(&mut self, request: &Authorize) -> Settled {
        let key = (request.program, request.token);
        let known = self.tokens.contains_key(&key);
        let entry = self.tokens.entry(key).or_insert_with(|| Entry::new(request.fingerprint));
        if entry.print != request.fingerprint {
            entry.other_force = true;
            return Settled::Impossible;
        }
        let kept = entry.keeps(request.attempt);
        let again = if kept { entry.alone_yes.contains(&request.attempt) } else { entry.unkept_force };
        match kept {
            true => _ = entry.alone_yes.insert(request.attempt),
            false => entry.unkept_force = true,
        }
        let mut settled = Settled::Nothing;
        if entry.stands == Stands::No {
            if again {
                return Settled::Impossible;
            }
            match self.hold(request) {
                Ok(stands) => self.tokens.get_mut(&key).expect("there").stands = stands,
                Err(why) => {
                    if !known {
                        self.tokens.get_mut(&key).expect("there").why = why;
                    }
                    return Settled::Impossible;
                }
            }
            settled = Settled::Done;
        }
        if self.tokens[&key].conflict() { Settled::Conflict } else { settled }
    }

    fn void(&mut self, void: &Void) -> Settled {
        let key = (void.program, void.token);
        let known = self.tokens.contains_key(&key);
        let entry = self.tokens.entry(key).or_insert_with(|| Entry::new(void.fingerprint));
        if entry.print != void.fingerprint {
            return Settled::Nothing;
        }
        match entry.keeps(void.attempt) {
            true => _ = entry.alone_no.insert(void.attempt),
            false => entry.unkept_no = true,
        }
        if !known {
            return Settled::Done;
        }
        let promised = entry.forced() || entry.unkept_yes || !entry.yes.is_subset(&entry.alone_no);
        match entry.stands {
            Stands::No => Settled::Nothing,
            Stands::Approved if promised => Settled::Nothing,
            Stands::Held(..) if promised => Settled::Conflict,
            Stands::Approved => {
                entry.stands = Stands::No;
                Settled::Done
            }
            Stands::Held(user, hold) => {
                entry.stands = Stands::No;
                self.accounts.get_mut(&(void.program, user)).expect("held there").holds.remove(&hold);
                Settled::Done
            }
        }
    }

    fn open(&mut self, open: &Open) -> Output {
        if open.openings.len() > 256 {
            return Output::Refused(Refusal::TooMany);
        }
        if open.openings.iter().any(|opening| opening.credit_minor > Amount::MINOR_MAX) {
            return Output::Refused(Refusal::AmountOutOfRange);
        }
        let (mut opened, mut existed) = (0, 0);
        for opening in &open.openings {
            let fresh = || Account { status: AccountStatus::Active, posted: BTreeMap::new(), holds: BTreeMap::new() };
            let account = self.accounts.entry((open.program, opening.user)).or_insert_with(fresh);
            let code = opening.currency.code();
            if account.status == AccountStatus::Closed || account.posted.contains_key(code) {
                existed += 1;
            } else {
                opened += 1;
                account.posted.insert(code, i128::from(opening.credit_minor));
            }
        }
        Output::Opened { opened, existed }
    }

    fn movement(&mut self, movement: &Move) -> Output {
        let account = (movement.program, movement.user);
        if let Some(known) = self.keys.get(&(movement.program, movement.key)) {
            if known != movement {
                return Output::Refused(Refusal::KeyConflict);
            }
            return Output::Account { account: self.accounts[&account].view(movement.user), replayed: true };
        }
        let Some(account) = self.accounts.get_mut(&account) else {
            return Output::Refused(Refusal::AccountUnknown);
        };
        let code = movement.amount.currency().code();
        let minor = i128::from(movement.amount.minor());
        let change = match movement.direction {
            MoveDirection::Credit => minor,
            MoveDirection::Debit => -minor,
        };
        if !account.posted.contains_key(code) {
            return Output::Refused(Refusal::CurrencyNotHeld);
        }
        if account.status == AccountStatus::Closed {
            return Output::Refused(Refusal::AccountClosed);
        }
        if minor == 0 || !account.fits(code, change, 0) {
            return Output::Refused(Refusal::AmountOutOfRange);
        }
        if change < 0 && account.posted[code] - account.held(code) < minor {
            return Output::Refused(Refusal::InsufficientFunds);
        }
        *account.posted.get_mut(code).expect("held") += change;
        self.keys.insert((movement.program, movement.key), *movement);
        Output::Account { account: account.view(movement.user), replayed: false }
    }

    fn status(&mut self, change: &SetStatus) -> Output {
        let Some(account) = self.accounts.get_mut(&(change.program, change.user)) else {
            return Output::Refused(Refusal::AccountUnknown);
        };
        let replayed = account.status == change.status;
        if !replayed {
            let empty = account.holds.is_empty() && account.posted.values().all(|posted| *posted == 0);
            if account.status == AccountStatus::Closed {
                return Output::Refused(Refusal::AccountClosed);
            }
            if change.status == AccountStatus::Closed && !empty {
                return Output::Refused(Refusal::NotEmpty);
            }
            account.status = change.status;
        }
        Output::Account { account: account.view(change.user), replayed }
    }
}
