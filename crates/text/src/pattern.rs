//! The part of ECMAScript's regular expressions that runs in linear time.
//!
//! A text is matched byte by byte, along an automaton whose states are made when they are met. A
//! new state takes time in proportion to the compiled pattern, and a text can be made to meet a new
//! one at every byte; so the pattern is small, its states are few at a time, and steps are taken on
//! the way.

use super::ecmascript::{Dialect, translate};
use jsonb::memory::reserve;
use jsonb::{Malformed, steps};
use regex_automata::Anchored;
use regex_automata::hybrid::LazyStateID;
use regex_automata::hybrid::dfa::{Cache, DFA};
use regex_automata::nfa::thompson::{Compiler, Config, WhichCaptures};
use regex_automata::util::{start, syntax};
use std::cell::RefCell;

/// What a compiled pattern may take, in bytes.
const LARGEST: usize = 256 << 10;

/// What its states may take, in bytes, before those that are known are forgotten.
const STATES: usize = 64 << 10;

/// How many bytes of a text are matched before steps are taken.
const CHUNK: usize = 64;

/// What a byte takes, in steps: mostly less than one, but much more where it meets a new state.
const BYTE: usize = 8;

/// What compiling takes, in steps.
const COMPILING: usize = 512;

/// A compiled pattern, unanchored as in JSON Schema.
#[derive(Debug)]
pub struct Pattern {
    source: Box<str>,
    automaton: DFA,
    states: RefCell<Cache>,
}

impl Pattern {
    /// Compiles a pattern, or says what is wrong with it.
    pub fn new(source: &str, dialect: Dialect) -> Result<Self, String> {
        const WRONG: &str = "expected a regular expression";
        steps::take(COMPILING).map_err(|_| WRONG)?;
        // Strings are UTF-8, but what is matched is a byte.
        let program = Compiler::new()
            .syntax(syntax::Config::new().utf8(false))
            .configure(
                Config::new()
                    .utf8(false)
                    .which_captures(WhichCaptures::None)
                    .nfa_size_limit(Some(LARGEST)),
            )
            .build(&translate(source, dialect)?)
            .map_err(|error| match error.size_limit() {
                Some(_) => "expected a smaller pattern",
                None => WRONG,
            })?;
        let automaton = DFA::builder()
            .configure(
                DFA::config()
                    .cache_capacity(STATES)
                    .skip_cache_capacity_check(true),
            )
            .build_from_nfa(program)
            .map_err(|_| WRONG)?;
        Ok(Self {
            source: source.into(),
            states: RefCell::new(automaton.create_cache()),
            automaton,
        })
    }

    /// What it takes, in bytes, before there is a text.
    pub fn size(&self) -> usize {
        let program = self.automaton.get_nfa().memory_usage();
        program + self.automaton.memory_usage() + self.states.borrow().memory_usage()
    }

    /// The pattern as it was given.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// Whether the pattern is found in the text. The automaton tells of a match one byte late.
    pub fn matches(&self, text: &[u8]) -> Result<bool, Malformed> {
        // Neither a start nor a step of this automaton fails: it knows no byte to quit at, and may
        // forget its states as often as it likes.
        let (automaton, states) = (&self.automaton, &mut *self.states.borrow_mut());
        let start = automaton.start_state(states, &start::Config::new());
        let mut state = start.map_err(|_| Malformed)?;
        for chunk in text.chunks(CHUNK) {
            steps::take(BYTE * chunk.len())?;
            for byte in chunk {
                let next = automaton.next_state(states, state, *byte);
                state = next.map_err(|_| Malformed)?;
                if state.is_tagged() {
                    if state.is_match() {
                        return Ok(true);
                    }
                    if state.is_dead() {
                        return Ok(false);
                    }
                }
            }
        }
        let end = automaton.next_eoi_state(states, state);
        end.map(|end| end.is_match()).map_err(|_| Malformed)
    }

    /// The text with each match replaced, from left to right. Each start of a match is tried by
    /// itself, which can take the square of the text: `take` is asked for each piece of it.
    pub fn replace<E: From<Malformed>>(
        &self,
        text: &[u8],
        with: &[u8],
        mut take: impl FnMut(usize) -> Result<(), E>,
    ) -> Result<Vec<u8>, E> {
        let mut out = Vec::new();
        let mut at = 0;
        while at <= text.len() {
            let end = self.ends(text, at, &mut take)?;
            if let Some(end) = end {
                reserve(&mut out, with.len())?;
                out.extend_from_slice(with);
                if end > at {
                    at = end;
                    continue;
                }
            }
            let next = (at + 1..text.len())
                .find(|next| !is_within(text[*next]))
                .unwrap_or(text.len().max(at + 1));
            let passed = text.get(at..next).unwrap_or_default();
            reserve(&mut out, passed.len())?;
            out.extend_from_slice(passed);
            at = next;
        }
        Ok(out)
    }

    /// Where the match that begins `at` ends, if there is one.
    fn ends<E: From<Malformed>>(
        &self,
        text: &[u8],
        at: usize,
        take: &mut impl FnMut(usize) -> Result<(), E>,
    ) -> Result<Option<usize>, E> {
        take(1)?;
        let (automaton, states) = (&self.automaton, &mut *self.states.borrow_mut());
        let before = at.checked_sub(1).and_then(|before| text.get(before));
        let start = start::Config::new()
            .anchored(Anchored::Yes)
            .look_behind(before.copied());
        let mut state = automaton
            .start_state(states, &start)
            .map_err(|_| Malformed)?;
        let mut found = None;
        for (index, byte) in text.iter().enumerate().skip(at) {
            if (index - at) % CHUNK == CHUNK - 1 {
                take(BYTE * CHUNK)?;
            }
            state = automaton
                .next_state(states, state, *byte)
                .map_err(|_| Malformed)?;
            if state.is_match() {
                found = Some(index);
            } else if state.is_dead() {
                return Ok(found);
            }
        }
        let end: Result<LazyStateID, _> = automaton.next_eoi_state(states, state);
        if end.map_err(|_| Malformed)?.is_match() {
            found = Some(text.len());
        }
        Ok(found)
    }
}

/// Whether a byte goes on with a character of UTF-8 that began before it.
fn is_within(byte: u8) -> bool {
    byte & 0xC0 == 0x80
}
