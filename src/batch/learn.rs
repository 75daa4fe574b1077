//! Learns the type of predictions that the model does not know: the first batch is scored before anything is written.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Mutex, MutexGuard, PoisonError},
};

use arrow::array::ArrayRef;

use super::{
    budget::Budget,
    read::{PartReader, Raw, Source},
};
use crate::{
    error::Result,
    score::{CancelFlag, Context, Scorer},
};

/// How many answers may be all null before a type is chosen without them.
const NULL_ANSWERS: usize = 4;

/// What was read and scored to learn the type, which is not read or scored again.
#[derive(Default)]
pub(super) struct Learned(Mutex<FirstRows>);

#[derive(Default)]
struct FirstRows {
    /// Readers of the parts of which pieces were read.
    readers: HashMap<usize, Replay>,
    /// The answer whose type was learned, and its piece: part and number in the part.
    answer: Option<((usize, usize), ArrayRef)>,
}

impl Learned {
    /// Scores pieces in the order of the rows until an answer has a type. Returns a scorer all of whose answers have that type.
    pub(super) fn of(source: &dyn Source, scorer: &Scorer, budget: &Budget, cancel: &CancelFlag) -> Result<(Scorer, Self)> {
        let context = Context::new(cancel.clone()).with_memory_limit(budget.head + budget.ahead);
        let mut session = scorer.open(source.model_schema())?;
        let (mut kept, mut nulls) = (FirstRows::default(), 0);
        for part in 0..source.parts() {
            let replay =
                kept.readers.entry(part).or_insert(Replay { read: VecDeque::new(), rest: Some(source.open(part, budget)?) });
            while let Some(raw) = replay.read_on()? {
                let rows = source.decode(part, raw)?;
                if rows.model.num_rows() == 0 {
                    continue;
                }
                let scored = session.score(&rows.model, &context);
                let answer = scored.map_err(|error| rows.locate(&source.file(part), error))?.column(0).clone();
                nulls += usize::from(answer.data_type().is_null());
                if !answer.data_type().is_null() || nulls == NULL_ANSWERS {
                    let settled = scorer.settled(answer.data_type());
                    let place = (part, replay.read.len() - 1);
                    kept.answer = (!answer.data_type().is_null()).then_some((place, answer));
                    return Ok((settled, Self(Mutex::new(kept))));
                }
            }
            replay.rest = None;
        }
        Ok((scorer.settled(&scorer.fallback()), Self(Mutex::new(kept))))
    }

    fn kept(&self) -> MutexGuard<'_, FirstRows> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The reader of a part, where some of it was read.
    pub(super) fn reader(&self, part: usize) -> Option<Box<dyn PartReader>> {
        let replay = self.kept().readers.remove(&part)?;
        Some(Box::new(replay))
    }

    /// The answer to a piece, where it is known.
    pub(super) fn answer(&self, part: usize, sequence: usize) -> Option<ArrayRef> {
        self.kept().answer.take_if(|(place, _)| *place == (part, sequence)).map(|(_, answer)| answer)
    }
}

/// A reader of a part that returns the pieces once more that were read to learn the type.
struct Replay {
    read: VecDeque<Raw>,
    /// Reads the rest of the part; `None` when all was read.
    rest: Option<Box<dyn PartReader>>,
}

impl Replay {
    /// Reads a piece of the rest and keeps it to be returned again.
    fn read_on(&mut self) -> Result<Option<Raw>> {
        let next = self.rest.as_mut().map(|rest| rest.next()).transpose()?.flatten();
        self.read.extend(next.clone());
        Ok(next)
    }
}

impl PartReader for Replay {
    fn estimate(&self) -> usize {
        match (self.read.front(), &self.rest) {
            (Some(raw), _) => raw.bytes(),
            (None, Some(rest)) => rest.estimate(),
            (None, None) => 0,
        }
    }

    fn next(&mut self) -> Result<Option<Raw>> {
        match (self.read.pop_front(), &mut self.rest) {
            (Some(raw), _) => Ok(Some(raw)),
            (None, Some(rest)) => rest.next(),
            (None, None) => Ok(None),
        }
    }
}
