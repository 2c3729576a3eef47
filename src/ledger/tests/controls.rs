//! Spend controls and fraud signals: what rules refuse, what limits count, and what is given back.

#[path = "controls/bytes.rs"]
mod bytes;
#[path = "controls/deciding.rs"]
mod deciding;
#[path = "controls/forgetting.rs"]
mod forgetting;
#[path = "controls/giving_back.rs"]
mod giving_back;
#[path = "controls/partial.rs"]
mod partial;
#[path = "controls/parties.rs"]
mod parties;
#[path = "controls/setting.rs"]
mod setting;
#[path = "controls/shop.rs"]
mod shop;
