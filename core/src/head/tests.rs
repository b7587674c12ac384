use super::*;

/// What the octets of one whole head say, under the default limits.
pub(crate) fn parsed(head: &[u8]) -> Result<HeadMeta, RequestError> {
    match HeadScan::default().advance(head, &LIMITS) {
        Parsed::Complete(meta) => Ok(meta),
        Parsed::Refused(error) => Err(error),
        Parsed::Partial => panic!("the head is not whole"),
    }
}

pub(crate) const LIMITS: HeadLimits =
    HeadLimits { size: 256 << 10, fields: 128, target: 8 << 10, body: 1 << 30 };
