//! `pattern`: the part of ECMAScript's regular expressions that runs in linear time.
//!
//! A text is matched byte by byte, along an automaton whose states are made when they are met. A
//! new state takes time in proportion to the compiled pattern, and a text can be made to meet a new
//! one at every byte; so the pattern is small, its states are few at a time, and steps are taken on
//! the way.

use super::Subject;
use super::ecmascript::translate;
use jsonb::Malformed;
use jsonb::steps;
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

/// How long a pattern an issue shows, in characters.
const SHOWN: usize = 200;

/// A compiled pattern, unanchored as in JSON Schema.
#[derive(Debug)]
pub(crate) struct Pattern {
    source: Box<str>,
    automaton: DFA,
    states: RefCell<Cache>,
}

impl Pattern {
    /// Compiles a pattern, or says what is wrong with it.
    pub(crate) fn new(source: &str) -> Result<Self, String> {
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
            .build(&translate(source)?)
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
    pub(crate) fn size(&self) -> usize {
        let program = self.automaton.get_nfa().memory_usage();
        program + self.automaton.memory_usage() + self.states.borrow().memory_usage()
    }

    /// The pattern as it was given.
    pub(crate) fn source(&self) -> &str {
        &self.source
    }

    pub(crate) fn accepts(&self, subject: &Subject<'_>) -> Result<bool, Malformed> {
        match subject {
            Subject::Text(text) | Subject::Moment(text, _) => self.matches(text),
            _ => Ok(false),
        }
    }

    /// Whether the pattern is found in the text. The automaton tells of a match one byte late.
    fn matches(&self, text: &[u8]) -> Result<bool, Malformed> {
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

    pub(crate) fn expected(&self) -> String {
        if self.source.chars().count() > SHOWN {
            "expected a match of the pattern".to_owned()
        } else {
            format!("expected a match of {}", self.source)
        }
    }
}
