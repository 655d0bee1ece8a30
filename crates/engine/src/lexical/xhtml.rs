//! XHTML: one `div` element. Only its beginning and its end are looked at, not what stands between.

/// `<div…>…</div>` or `<div…/>`, with whitespace around it.
pub(super) fn is_xhtml(text: &[u8]) -> bool {
    let text = text.trim_ascii();
    let opens = text
        .strip_prefix(b"<div")
        .and_then(<[u8]>::first)
        .is_some_and(|byte| matches!(byte, b'>' | b'/' | b' ' | b'\t' | b'\n' | b'\r'));
    opens && (text.ends_with(b"</div>") || text.ends_with(b"/>"))
}
