//! The trace that a caller has, as W3C's Trace Context names it (<https://www.w3.org/TR/trace-context/>).

/// A place in a trace: `00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TraceParent {
    /// The trace.
    pub trace_id: [u8; 16],
    /// The caller's span.
    pub parent_id: [u8; 8],
    /// The lowest bit says whether the trace is recorded.
    pub flags: u8,
}

impl TraceParent {
    /// Reads the header's value. Of later versions than 00, what this one knows counts.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split('-');
        let [version] = bytes(parts.next()?)?;
        let (trace_id, parent_id) = (bytes(parts.next()?)?, bytes(parts.next()?)?);
        let [flags] = bytes(parts.next()?)?;
        let whole = version != 0 || parts.next().is_none();
        let sound = version != 0xff && trace_id != [0; 16] && parent_id != [0; 8];
        (whole && sound).then_some(Self { trace_id, parent_id, flags })
    }

    /// Whether the trace is recorded.
    #[must_use]
    pub fn is_sampled(&self) -> bool {
        self.flags & 1 == 1
    }
}

/// Lower-case hexadecimal digits, just so many.
fn bytes<const N: usize>(text: &str) -> Option<[u8; N]> {
    if text.len() != 2 * N || !text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')) {
        return None;
    }
    let mut bytes = [0; N];
    for (index, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(text.get(2 * index..2 * index + 2)?, 16).ok()?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_the_standard_allows_is_read() {
        let (trace, span) = ("0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331");
        let read = |text: &str| TraceParent::parse(text);
        let full = read(&format!("00-{trace}-{span}-01"));
        assert!(full.is_some_and(|parent| parent.is_sampled() && parent.parent_id[0] == 0xb7));
        assert!(read(&format!("00-{trace}-{span}-00")).is_some_and(|parent| !parent.is_sampled()));
        assert_eq!(read(&format!("cc-{trace}-{span}-01-more")), full);
        for bad in [
            String::new(),
            format!("00-{trace}-{span}"),
            format!("00-{trace}-{span}-01-more"),
            format!("ff-{trace}-{span}-01"),
            format!("00-{}-{span}-01", trace.to_uppercase()),
            format!("00-{}-{span}-01", "0".repeat(32)),
            format!("00-{trace}-{}-01", "0".repeat(16)),
            format!("00-{trace}x-{span}-01"),
        ] {
            assert_eq!(read(&bad), None, "{bad}");
        }
    }
}
