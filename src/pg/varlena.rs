//! Text, jsonb and arrays as PostgreSQL holds them: a length word and bytes.

use super::catch::guard;
use super::entry::Answer;
use super::error::{Error, Result, State};
use super::ffi;
use core::ffi::c_char;
use pgrx::pg_sys::{self, Datum, varlena};

const HEADER: usize = 4;
/// `MaxAllocSize`: what palloc refuses to go beyond.
const MAX: usize = 0x3FFF_FFFF;

/// The bytes of a varlena datum, decompressed and fetched if need be; borrowed where it is plain.
///
/// # Safety
/// `datum` must be a non-null varlena that lives for `'a`, in a memory context that does too.
pub(super) unsafe fn bytes<'a>(datum: Datum) -> Result<&'a [u8]> {
    let pointer = datum.cast_mut_ptr::<varlena>();
    // SAFETY: a varlena has at least its first header byte.
    let first = unsafe { pointer.cast::<u8>().read() };
    let plain = if cfg!(target_endian = "little") {
        first & 3 == 0
    } else {
        first & 0xC0 == 0
    };
    let pointer = if plain {
        pointer
    } else {
        // SAFETY: the closure holds only the call.
        unsafe { guard(|| ffi::pg_detoast_datum_packed(pointer)) }?
    };
    // SAFETY: detoasted, so it is one length word (of one or four bytes) and that many bytes.
    Ok(unsafe {
        std::slice::from_raw_parts(
            pgrx::vardata_any(pointer).cast::<u8>(),
            pgrx::varsize_any_exhdr(pointer),
        )
    })
}

/// Room for a varlena with `len` bytes of content, its header set.
///
/// # Safety
/// Must be called inside `guard`; `len` must have passed [`fits`].
pub(super) unsafe fn alloc(len: usize) -> *mut u8 {
    let size = HEADER + len;
    // SAFETY: palloc returns aligned room of `size` bytes or raises.
    unsafe {
        let pointer = ffi::palloc(size).cast::<u8>();
        let header = (size as u32) << if cfg!(target_endian = "little") { 2 } else { 0 };
        pointer.cast::<u32>().write(header);
        pointer
    }
}

/// A copy of `bytes` as a varlena in the current memory context.
///
/// # Safety
/// Must be called inside `guard`; `bytes` must have passed [`fits`].
#[inline]
pub(super) unsafe fn put(bytes: &[u8]) -> Datum {
    // SAFETY: the room was allocated for just these bytes.
    unsafe {
        let pointer = alloc(bytes.len());
        core::ptr::copy_nonoverlapping(bytes.as_ptr(), pointer.add(HEADER), bytes.len());
        Datum::from(pointer)
    }
}

/// Refuses what no varlena can hold.
#[inline]
pub(super) fn fits(bytes: &[u8]) -> Result<()> {
    if bytes.len() > MAX - HEADER {
        return Err(Error::refuse(
            State::TooLarge,
            "value is larger than one gigabyte",
        ));
    }
    Ok(())
}

/// A text, as the answer of a function.
pub fn datum_of_text(text: &str) -> Result<Answer> {
    datum(text.as_bytes(), pg_sys::TEXTOID)
}

/// The root container of JSON text, as PostgreSQL reads it; what it does not take is its error
/// (22P02 and others of class 22, 54001). A NUL would end the text early: there must be none.
pub fn jsonb_of_text(text: &str) -> Result<Vec<u8>> {
    fits(text.as_bytes())?;
    let text = c_string(Some(text))?;
    // SAFETY: jsonb_in takes a C string, and needs nothing of the call but that; the closure holds
    // only the call.
    let read = unsafe {
        guard(|| ffi::DirectFunctionCall1Coll(Some(ffi::jsonb_in), pg_sys::InvalidOid, text.into()))
    }?;
    // SAFETY: a jsonb in the current memory context, from which it is copied at once.
    Ok(jsonb::memory::copy(unsafe { bytes(read) }?)?)
}

/// A jsonb root container, as the answer of a function.
pub fn datum_of_jsonb(container: &[u8]) -> Result<Answer> {
    datum(container, pg_sys::JSONBOID)
}

fn datum(bytes: &[u8], of: pg_sys::Oid) -> Result<Answer> {
    fits(bytes)?;
    // SAFETY: inside guard, size checked.
    unsafe { guard(|| put(bytes)) }.map(|datum| Answer::Value(datum, of))
}

/// A `text[]`, as the answer of a function.
pub fn datum_of_texts(items: &[&str]) -> Result<Answer> {
    let mut bytes = 0;
    for item in items {
        bytes += HEADER + item.len();
        if bytes > MAX - HEADER {
            return Err(Error::refuse(
                State::TooLarge,
                "value is larger than one gigabyte",
            ));
        }
    }
    // SAFETY: inside guard, sizes checked.
    unsafe { guard(|| put_text_array(items)) }
        .map(|datum| Answer::Value(datum, pg_sys::TEXTARRAYOID))
}

/// What the input function of a type makes of a text, as the answer of a function.
pub fn datum_of_input(of: pg_sys::Oid, text: &str) -> Result<Answer> {
    let text = c_string(Some(text))?.cast_mut();
    // SAFETY: the closure holds only calls; the text is a C string in PostgreSQL's memory.
    unsafe {
        guard(|| {
            let mut function = pg_sys::Oid::INVALID;
            let mut parameter = pg_sys::Oid::INVALID;
            ffi::getTypeInputInfo(of, &raw mut function, &raw mut parameter);
            ffi::OidInputFunctionCall(function, text, parameter, -1)
        })
    }
    .map(|datum| Answer::Value(datum, of))
}

/// A palloc'd C string, or null for `None`. A NUL inside ends it early.
pub(super) fn c_string(text: Option<&str>) -> Result<*const c_char> {
    let Some(text) = text else {
        return Ok(core::ptr::null());
    };
    let bytes = text.as_bytes();
    // SAFETY: the room is one byte longer than the text, and the last byte is the terminator.
    unsafe {
        guard(|| {
            let pointer = ffi::palloc(bytes.len() + 1).cast::<u8>();
            core::ptr::copy_nonoverlapping(bytes.as_ptr(), pointer, bytes.len());
            pointer.add(bytes.len()).write(0);
            pointer.cast::<c_char>().cast_const()
        })
    }
}

/// The text of a text datum. Databases are UTF-8 (the install script refuses others), so bytes
/// that are not can only be damage.
///
/// # Safety
/// As for [`bytes`].
pub(super) unsafe fn text<'a>(datum: Datum) -> Result<&'a str> {
    // SAFETY: the caller's promise is handed on.
    let bytes = unsafe { bytes(datum) }?;
    std::str::from_utf8(bytes).map_err(|_| Error::Corrupt)
}

/// A `text[]` datum.
///
/// # Safety
/// Must be called inside `guard`; every element must have passed [`fits`].
pub(super) unsafe fn put_text_array(items: &[&str]) -> Datum {
    // SAFETY: `elements` has room for one Datum per item, and each is written before it is read.
    unsafe {
        let elements =
            ffi::palloc(std::mem::size_of::<Datum>() * items.len().max(1)).cast::<Datum>();
        for (place, item) in items.iter().enumerate() {
            elements.add(place).write(put(item.as_bytes()));
        }
        let array = ffi::construct_array(
            elements,
            items.len() as i32,
            pg_sys::TEXTOID,
            -1,
            false,
            b'i' as c_char,
        );
        Datum::from(array.cast::<u8>())
    }
}

/// The elements of a `text[]` datum, those of all its dimensions; `None` is NULL.
///
/// # Safety
/// As for [`bytes`].
pub(super) unsafe fn texts<'a>(datum: Datum) -> Result<Vec<Option<&'a str>>> {
    // SAFETY: the closure holds only calls; both arrays are palloc'd with `count` entries.
    let (elements, nulls, count) = unsafe {
        guard(|| {
            let (mut elements, mut nulls, mut count) =
                (core::ptr::null_mut(), core::ptr::null_mut(), 0);
            ffi::deconstruct_array(
                ffi::pg_detoast_datum(datum.cast_mut_ptr()).cast(),
                pg_sys::TEXTOID,
                -1,
                false,
                b'i' as c_char,
                &raw mut elements,
                &raw mut nulls,
                &raw mut count,
            );
            (elements, nulls, usize::try_from(count).unwrap_or(0))
        })
    }?;
    let mut texts = Vec::new();
    jsonb::memory::reserve(&mut texts, count)?;
    for place in 0..count {
        // SAFETY: the place is below the count of both.
        let (element, is_null) = unsafe { (*elements.add(place), *nulls.add(place)) };
        texts.push(match is_null {
            true => None,
            // SAFETY: an element of a text[] is a text, in the memory of the call.
            false => Some(unsafe { text(element) }?),
        });
    }
    Ok(texts)
}

/// A `jsonb[]` datum of root containers; `None` is NULL.
///
/// # Safety
/// Must be called inside `guard`; every element must have passed [`fits`].
pub(super) unsafe fn put_jsonb_array(items: &[Option<&[u8]>]) -> Datum {
    // SAFETY: both arrays have room for one entry per item, written before they are read.
    unsafe {
        let room = items.len().max(1);
        let elements = ffi::palloc(std::mem::size_of::<Datum>() * room).cast::<Datum>();
        let nulls = ffi::palloc(room).cast::<bool>();
        for (place, item) in items.iter().enumerate() {
            nulls.add(place).write(item.is_none());
            elements
                .add(place)
                .write(item.map_or(Datum::null(), |bytes| put(bytes)));
        }
        let (mut length, mut bound) = (items.len() as i32, 1);
        let array = ffi::construct_md_array(
            elements,
            nulls,
            1,
            &raw mut length,
            &raw mut bound,
            pg_sys::JSONBOID,
            -1,
            false,
            b'i' as c_char,
        );
        Datum::from(array.cast::<u8>())
    }
}
