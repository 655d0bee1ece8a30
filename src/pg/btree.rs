//! Looking into a btree by hand, for the one answer that has to be quick: there is no such key.
//!
//! A scan of PostgreSQL's own gives the same answer, and is asked whenever this here cannot give it.
//! But a load with ids of its own asks twice for each row, and a scan is opened, prepared and led down
//! from the root anew each time: it cost as much as the insert of the row (measured 2026-11-25,
//! PostgreSQL 15). Here the leaf that answered last is looked at first: the ids of a load are mostly
//! neighbours.
//!
//! What holds of the pages is in nbtree's README. Each leaf has the keys of one interval, and the
//! intervals do not overlap; a page says with its high key where its own ends. So a leaf that is alive,
//! whose first key is less and whose high key is greater, is the only one where a key can be, whatever
//! was split or deleted since. One page is locked at a time, and nothing is held between two looks.

use super::ffi;
use core::cmp::Ordering;
use pgrx::pg_sys::{self, BLCKSZ, BlockNumber, Relation};

/// The columns of a key, as they are looked for.
pub(super) type Texts<'a> = &'a [&'a [u8]];

/// What is known of an index from the last look. It is checked before it is believed.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Place {
    root: Option<Root>,
    leaf: Option<BlockNumber>,
}

#[derive(Debug, Clone, Copy)]
struct Root {
    block: BlockNumber,
    level: u32,
}

/// What a look has shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Look {
    /// The index has no entry at all.
    Empty,
    /// It has none under this key.
    Absent,
    /// It has one, or this is not the way to find out.
    Unclear,
}

/// Whether the index has no entry whose first columns are these texts.
///
/// # Safety
/// Must be called inside `guard`; the index is open, and a btree of its own whose first columns are
/// texts in the order of their bytes; `place` is of this index as it is now.
pub(super) unsafe fn look(index: Relation, key: Texts<'_>, place: &mut Place) -> Look {
    // SAFETY: as the caller promises.
    let found = unsafe { find(index, key, place) };
    // Who reads the statistics asks whether an index is used at all. What stays unclear is asked by
    // a scan, which counts itself.
    if found != Look::Unclear {
        // SAFETY: as above.
        unsafe { count_scan(index) };
    }
    found
}

/// # Safety
/// As for [`look`].
unsafe fn find(index: Relation, key: Texts<'_>, place: &mut Place) -> Look {
    // Long enough for any tree, and an end for one that leads in a circle.
    const MOST_STEPS: usize = 100;
    if cfg!(target_endian = "big") {
        return Look::Unclear;
    }
    if let Some(leaf) = place.leaf {
        // SAFETY: as the caller promises; a btree does not shrink.
        match unsafe { with_page(index, leaf, |page| page.is_alone_with(key)) } {
            Some(true) => return Look::Absent,
            Some(false) => return Look::Unclear,
            None => place.leaf = None,
        }
    }
    let known = place.root.filter(|root| {
        // SAFETY: as above.
        unsafe { with_page(index, root.block, |page| page.is_root_of(root.level)) }
    });
    let root = match known {
        Some(root) => root,
        // SAFETY: as above; each btree has this page.
        None => match unsafe { with_page(index, META, |page| page.root()) } {
            Some(Some(root)) => root,
            Some(None) => return Look::Empty,
            None => return Look::Unclear,
        },
    };
    place.root = Some(root);
    let Root {
        mut block,
        mut level,
    } = root;
    for _ in 0..MOST_STEPS {
        // SAFETY: as above; the number was in a page of this index.
        match unsafe { with_page(index, block, |page| page.step(level, key)) } {
            Some(Step::Right(next)) => block = next,
            Some(Step::Down(next)) if level > 0 => (block, level) = (next, level - 1),
            Some(Step::Absent) => {
                place.leaf = Some(block);
                return Look::Absent;
            }
            Some(Step::Down(_)) | None => return Look::Unclear,
        }
    }
    Look::Unclear
}

/// Counts a look as the scan that it stands for, as `pgstat_count_index_scan` does.
///
/// # Safety
/// Must be called inside `guard`; the index is open.
unsafe fn count_scan(index: Relation) {
    // SAFETY: an open relation has its entry of the statistics, or none, where they are not kept.
    unsafe {
        if (*index).pgstat_info.is_null() && (*index).pgstat_enabled {
            ffi::pgstat_assoc_relation(index);
        }
        if let Some(entry) = (*index).pgstat_info.as_mut() {
            #[cfg(feature = "pg15")]
            let scans = &mut entry.t_counts.t_numscans;
            #[cfg(not(feature = "pg15"))]
            let scans = &mut entry.counts.numscans;
            *scans += 1;
        }
    }
}

/// Looks at one page while nobody can change it.
///
/// # Safety
/// Must be called inside `guard`; the index is open and has this block; `body` raises nothing.
unsafe fn with_page<T>(index: Relation, block: BlockNumber, body: impl FnOnce(&Page) -> T) -> T {
    // SAFETY: as the caller promises; the page stays where it is while its buffer is pinned.
    unsafe {
        let buffer = ffi::ReadBuffer(index, block);
        ffi::LockBuffer(buffer, pg_sys::BUFFER_LOCK_SHARE as i32);
        let found = body(&Page(pg_sys::BufferGetBlock(buffer).cast::<u8>()));
        ffi::UnlockReleaseBuffer(buffer);
        found
    }
}

/// Where to go from a page of the way down.
enum Step {
    Right(BlockNumber),
    Down(BlockNumber),
    Absent,
}

const META: BlockNumber = 0;
const NO_BLOCK: BlockNumber = 0;
const SIZE: usize = BLCKSZ as usize;
/// `SizeOfPageHeaderData`, and where `pd_lower` and `pd_special` are.
const HEADER: usize = 24;
const LOWER: usize = 12;
const SPECIAL: usize = 16;
/// Where `BTPageOpaqueData` begins.
const OPAQUE: usize = SIZE - 16;
const BTP_LEAF: u16 = 1;
/// `BTP_DELETED`, `BTP_META` and `BTP_HALF_DEAD`
const BTP_NOT_IN_USE: u16 = 1 << 2 | 1 << 3 | 1 << 4;
const LP_DEAD: u32 = pg_sys::LP_DEAD;
const BTREE_MAGIC: u32 = 0x05_3162;
const BTREE_VERSION: u32 = 4;

/// A page of a btree that is pinned and locked for reading. Who reads beside us may set hints in its
/// header and its line pointers, and nothing else.
struct Page(*const u8);

impl Page {
    fn word(&self, at: usize) -> u32 {
        debug_assert!(at.is_multiple_of(4) && at + 4 <= SIZE);
        // SAFETY: an aligned word of the page; volatile, because of the hints.
        unsafe { self.0.add(at).cast::<u32>().read_volatile() }
    }

    fn half(&self, at: usize) -> u16 {
        debug_assert!(at.is_multiple_of(2) && at + 2 <= SIZE);
        // SAFETY: as above.
        unsafe { self.0.add(at).cast::<u16>().read_volatile() }
    }

    fn previous(&self) -> BlockNumber {
        self.word(OPAQUE)
    }

    fn next(&self) -> BlockNumber {
        self.word(OPAQUE + 4)
    }

    /// Whether this is a page of the tree, of this level.
    fn is_of(&self, level: u32) -> bool {
        let flags = self.half(OPAQUE + 12);
        usize::from(self.half(SPECIAL)) == OPAQUE
            && flags & BTP_NOT_IN_USE == 0
            && (flags & BTP_LEAF != 0) == (level == 0)
            && self.word(OPAQUE + 8) == level
    }

    /// Whether it is alone on this level, and so leads to all that is below.
    fn is_root_of(&self, level: u32) -> bool {
        self.is_of(level) && self.previous() == NO_BLOCK && self.next() == NO_BLOCK
    }

    /// Of the metapage: where the tree begins, or that there is none yet.
    fn root(&self) -> Option<Option<Root>> {
        let known = self.word(HEADER) == BTREE_MAGIC && self.word(HEADER + 4) == BTREE_VERSION;
        known.then(|| match self.word(HEADER + 16) {
            NO_BLOCK => None,
            block => Some(Root {
                block,
                level: self.word(HEADER + 20),
            }),
        })
    }

    /// How many items there are; the first one is a high key unless the page is the last of its level.
    fn count(&self) -> usize {
        usize::from(self.half(LOWER)).saturating_sub(HEADER) / 4
    }

    fn first(&self) -> usize {
        1 + usize::from(self.next() != NO_BLOCK)
    }

    /// The line pointer of a place, counted from 1.
    fn pointer(&self, place: usize) -> u32 {
        self.word((HEADER + 4 * place.saturating_sub(1)).min(OPAQUE))
    }

    /// Whether a scan has found that nobody can see the row of an entry any more.
    fn is_dead(&self, place: usize) -> bool {
        self.pointer(place) >> 15 & 3 == LP_DEAD
    }

    /// The index tuple at a place.
    fn item(&self, place: usize) -> Option<Item<'_>> {
        let pointer = self.pointer(place);
        let (offset, len) = (pointer as usize & 0x7FFF, pointer as usize >> 17);
        if offset < HEADER || offset + len > OPAQUE {
            return None;
        }
        // SAFETY: within the page, and not changed by anybody while the page is locked.
        Item::new(unsafe { core::slice::from_raw_parts(self.0.add(offset), len) })
    }

    /// Whether the key, if the index has it, is on this leaf alone, and then whether it is not here.
    fn is_alone_with(&self, key: Texts<'_>) -> Option<bool> {
        if !self.is_of(0) {
            return None;
        }
        let (first, count) = (self.first(), self.count());
        if count < first || self.item(first)?.compare(key)? != Ordering::Less {
            return None;
        }
        if first > 1 && self.item(1)?.compare(key)? != Ordering::Greater {
            return None;
        }
        Some(self.has_none(first, count, key)?.is_some())
    }

    /// Where to look next for the first entry under this key.
    fn step(&self, level: u32, key: Texts<'_>) -> Option<Step> {
        if !self.is_of(level) {
            return None;
        }
        let (first, count) = (self.first(), self.count());
        if level > 0 && count < first {
            return None;
        }
        let end = match first {
            1 => Ordering::Greater,
            _ => self.item(1)?.compare(key)?,
        };
        if end == Ordering::Less {
            return Some(Step::Right(self.next()));
        }
        if level > 0 {
            // The first item of an inner page is less than everything.
            let place = self.search(first + 1, count, key)?;
            return Some(Step::Down(self.item(place - 1)?.child()?));
        }
        // What is equal to the high key can go on to the right.
        let absent = match self.has_none(first, count, key)? {
            Some(place) => place <= count || end == Ordering::Greater,
            None => false,
        };
        absent.then_some(Step::Absent)
    }

    /// Where on this leaf the entries after this key begin, if none of the key is alive.
    fn has_none(&self, first: usize, count: usize, key: Texts<'_>) -> Option<Option<usize>> {
        let mut place = self.search(first, count, key)?;
        while place <= count && self.item(place)?.compare(key)? == Ordering::Equal {
            if !self.is_dead(place) {
                return Some(None);
            }
            place += 1;
        }
        Some(Some(place))
    }

    /// The first place, of these, whose item is not less than the key; one more, if there is none.
    fn search(&self, first: usize, count: usize, key: Texts<'_>) -> Option<usize> {
        let (mut low, mut high) = (first, count + 1);
        while low < high {
            let middle = low + (high - low) / 2;
            match self.item(middle)?.compare(key)? {
                Ordering::Less => low = middle + 1,
                _ => high = middle,
            }
        }
        Some(low)
    }
}

/// `sizeof(IndexTupleData)`
const ITEM_HEADER: usize = 8;
const INDEX_ALT_TID_MASK: u16 = 0x2000;
const INDEX_NULL_MASK: u16 = 0x8000;
const BT_IS_POSTING: u16 = 0x2000;
const BT_OFFSET_MASK: u16 = 0x0FFF;

/// An index tuple: eight bytes of header, and its columns.
#[derive(Clone, Copy)]
struct Item<'a> {
    bytes: &'a [u8],
    /// How many columns it has; one that leads the way may lack the last ones, and even all.
    columns: usize,
}

impl<'a> Item<'a> {
    fn new(bytes: &'a [u8]) -> Option<Self> {
        let (tid, info) = (half(bytes, 4)?, half(bytes, 6)?);
        let leads = info & INDEX_ALT_TID_MASK != 0 && tid & BT_IS_POSTING == 0;
        (info & INDEX_NULL_MASK == 0).then_some(Self {
            bytes,
            columns: match leads {
                true => usize::from(tid & BT_OFFSET_MASK),
                false => usize::MAX,
            },
        })
    }

    /// The page that it leads to.
    fn child(&self) -> Option<BlockNumber> {
        let (high, low) = (half(self.bytes, 0)?, half(self.bytes, 2)?);
        Some(u32::from(high) << 16 | u32::from(low))
    }

    /// How its first columns compare to the key; what it lacks is less than everything. `None` if
    /// they are not stored plainly.
    fn compare(&self, key: Texts<'_>) -> Option<Ordering> {
        let mut at = ITEM_HEADER;
        for (place, part) in key.iter().enumerate() {
            if place >= self.columns {
                return Some(Ordering::Less);
            }
            let (text, end) = text(self.bytes, at)?;
            match text.cmp(part) {
                Ordering::Equal => at = end,
                other => return Some(other),
            }
        }
        Some(Ordering::Equal)
    }
}

fn half(bytes: &[u8], at: usize) -> Option<u16> {
    let two = bytes.get(at..at + 2)?;
    Some(u16::from_le_bytes([*two.first()?, *two.last()?]))
}

/// The plain text that begins here, or after what aligns it, and where it ends.
fn text(bytes: &[u8], at: usize) -> Option<(&[u8], usize)> {
    let head = *bytes.get(at)?;
    // Of one byte, unless it is one that points elsewhere.
    if head & 1 == 1 {
        let end = at + usize::from(head >> 1);
        return (head > 1).then_some((bytes.get(at + 1..end)?, end));
    }
    let at = at.next_multiple_of(4);
    let (low, high) = (half(bytes, at)?, half(bytes, at + 2)?);
    let len = (usize::from(high) << 16 | usize::from(low)) >> 2;
    let end = at + len;
    // The two bits are zero, unless it is compressed.
    (low & 3 == 0).then_some((bytes.get(at + 4..end)?, end))
}
