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
    numbers: RefCell<HashMap<Box<str>, usize>>,
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
    pub(crate) fn number(&self, name: &str) -> usize {
        if let Some(number) = self.known(name) {
            return number;
        }
        let mut numbers = self.numbers.borrow_mut();
        let number = numbers.len();
        numbers.insert(name.into(), number);
        if let Some(entry) = self.entry(number) {
            entry.name.get_or_init(|| name.into());
        }
        number
    }

    /// The number of a name that was mentioned.
    pub(crate) fn known(&self, name: &str) -> Option<usize> {
        self.numbers.borrow().get(name).copied()
    }

    /// The name of a number; empty for a number that was not given.
    pub(crate) fn name(&self, number: usize) -> &str {
        self.entry(number)
            .and_then(|entry| entry.name.get())
            .map_or("", |name| name)
    }

    /// The value: `None` as long as nothing is known, `Some(None)` if there is none.
    #[inline]
    pub(crate) fn value(&self, number: usize) -> Option<Option<&T>> {
        let (chunk, offset) = place(number);
        let entry = self.chunks.get(chunk)?.get()?.get(offset)?;
        entry.value.get().map(Option::as_ref)
    }

    /// Fills a place; what was filled before stays.
    pub(crate) fn fill(&self, number: usize, value: Option<T>) {
        if let Some(entry) = self.entry(number) {
            entry.value.get_or_init(|| value);
        }
    }

    fn entry(&self, number: usize) -> Option<&Entry<T>> {
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
fn place(number: usize) -> (usize, usize) {
    let group = number / FIRST + 1;
    let chunk = group.ilog2() as usize;
    (chunk, number - FIRST * ((1 << chunk) - 1))
}
