//! The bits of a container header and of an entry (`src/include/utils/jsonb.h`).

pub(super) const COUNT: u32 = 0x0FFF_FFFF;
pub(super) const SCALAR: u32 = 0x1000_0000;
pub(super) const OBJECT: u32 = 0x2000_0000;
pub(super) const ARRAY: u32 = 0x4000_0000;

pub(super) const ENTRY_OFFLEN: u32 = 0x0FFF_FFFF;
pub(super) const ENTRY_TYPE: u32 = 0x7000_0000;
pub(super) const ENTRY_HAS_OFFSET: u32 = 0x8000_0000;

pub(super) const STRING: u32 = 0x0000_0000;
pub(super) const NUMERIC: u32 = 0x1000_0000;
pub(super) const FALSE: u32 = 0x2000_0000;
pub(super) const TRUE: u32 = 0x3000_0000;
pub(super) const NULL: u32 = 0x4000_0000;
pub(super) const CONTAINER: u32 = 0x5000_0000;

/// Every so many entries, counted over keys and values together, one holds an offset.
pub(super) const OFFSET_STRIDE: u32 = 32;
