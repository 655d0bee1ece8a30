//! Answers that are remembered.

use std::cell::RefCell;

/// The last answer to each condition, and of which object it was asked: an array of a million
/// elements asks the same a million times.
#[derive(Debug, Default)]
pub(crate) struct Answers(RefCell<Vec<Option<Answer>>>);

/// Where an object lies, and what it answered.
type Answer = (usize, bool);

impl Answers {
    pub(super) fn get(&self, number: usize, asked: usize) -> Option<bool> {
        match self.0.borrow().get(number) {
            Some(Some((known, answer))) if *known == asked => Some(*answer),
            _ => None,
        }
    }

    pub(super) fn set(&self, number: usize, asked: usize, answer: bool) {
        let mut answers = self.0.borrow_mut();
        if answers.len() <= number {
            answers.resize(number + 1, None);
        }
        answers[number] = Some((asked, answer));
    }
}
