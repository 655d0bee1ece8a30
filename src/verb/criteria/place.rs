//! Where the server is, for references that are absolute: where the source says it is, or else where the
//! request was sent to that is being answered.

use crate::store::parameters::Parameters;
use std::cell::RefCell;

thread_local! {
    /// What the addresses of the door begin with at which somebody is asking.
    static DOOR: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// Runs what is asked at a door whose addresses begin with `base`.
pub fn at_door<T>(base: String, run: impl FnOnce() -> T) -> T {
    struct Left(Option<String>);
    impl Drop for Left {
        fn drop(&mut self) {
            DOOR.set(self.0.take());
        }
    }
    let _left = Left(DOOR.replace(Some(base)));
    run()
}

/// What absolute references to this server begin with.
pub fn base(parameters: &Parameters) -> Option<String> {
    let said = parameters.base_url.clone();
    said.or_else(|| door().filter(|base| base.contains("://")))
}

/// What the addresses of an answer begin with.
pub fn address(parameters: &Parameters) -> Option<String> {
    door().or_else(|| parameters.base_url.clone())
}

fn door() -> Option<String> {
    DOOR.with_borrow(Clone::clone)
}
