//! Named places that are filled once: a list that grows while entries of it are borrowed.

use std::cell::{OnceCell, RefCell};
use std::collections::HashMap;

/// Entries in the first chunk; every next one is twice as long.
const FIRST: usize = 32;
const CHUNKS: usize = 26;

/// Places by name and by number. A number is given at the first mention of a name, a value (or
/// the knowledge that there is none) later, once.
#[derive(Debug)]
pub(crate) struct Slots<T> {
    numbers: RefCell<HashMap<Box<str>, u32>>,
    chunks: [OnceCell<Box<[Entry<T>]>>; CHUNKS],
}

#[derive(Debug)]
struct Entry<T> {
    name: OnceCell<Box<str>>,
    value: OnceCell<Option<T>>,
}

impl<T> Default for Slots<T> {
    fn default() -> Self {
        Self {
            numbers: RefCell::default(),
            chunks: [const { OnceCell::new() }; CHUNKS],
        }
    }
}

impl<T> Slots<T> {
    /// The number of a name, given now if it has none.
    pub(crate) fn number(&self, name: &str) -> u32 {
        if let Some(number) = self.known(name) {
            return number;
        }
        let mut numbers = self.numbers.borrow_mut();
        // There are fewer names than chunks have entries.
        let number = u32::try_from(numbers.len()).unwrap_or(u32::MAX);
        numbers.insert(name.into(), number);
        if let Some(entry) = self.entry(number) {
            entry.name.get_or_init(|| name.into());
        }
        number
    }

    /// The number of a name that was mentioned.
    pub(crate) fn known(&self, name: &str) -> Option<u32> {
        self.numbers.borrow().get(name).copied()
    }

    /// The name of a number; empty for a number that was not given.
    pub(crate) fn name(&self, number: u32) -> &str {
        self.entry(number)
            .and_then(|entry| entry.name.get())
            .map_or("", |name| name)
    }

    /// The value: `None` as long as nothing is known, `Some(None)` if there is none.
    #[inline]
    pub(crate) fn value(&self, number: u32) -> Option<Option<&T>> {
        let (chunk, offset) = place(number);
        let entry = self.chunks.get(chunk)?.get()?.get(offset)?;
        entry.value.get().map(Option::as_ref)
    }

    /// Fills a place; what was filled before stays.
    pub(crate) fn fill(&self, number: u32, value: Option<T>) {
        if let Some(entry) = self.entry(number) {
            entry.value.get_or_init(|| value);
        }
    }

    fn entry(&self, number: u32) -> Option<&Entry<T>> {
        let (chunk, offset) = place(number);
        let entries = self.chunks.get(chunk)?.get_or_init(|| {
            (0..FIRST << chunk)
                .map(|_| Entry {
                    name: OnceCell::new(),
                    value: OnceCell::new(),
                })
                .collect()
        });
        entries.get(offset)
    }
}

/// The chunk of a number and its place there.
#[inline]
fn place(number: u32) -> (usize, usize) {
    let number = number as usize;
    let group = number / FIRST + 1;
    let chunk = group.ilog2() as usize;
    (chunk, number - FIRST * ((1 << chunk) - 1))
}
