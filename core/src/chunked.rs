//! The chunked transfer coding, read byte by byte in constant memory (RFC 9112 section 7.1).
//!
//! Line ends are CR LF and nothing else, a size has 1 to 16 hexadecimal digits and no blanks around it, extensions
//! are checked to the letter of their grammar, counted and dropped. What a chunked body means never depends on how
//! its bytes were cut.

#[cfg(test)]
mod tests;

use core::ops::Range;

use crate::channel::input_part::{ChannelTrace, InputPart};
use crate::error::{RequestError, Rule};
use crate::token::{is_field_byte, is_tchar};

/// The most digits that a chunk size may have: as many as 64 bits need.
const MAX_SIZE_DIGITS: u8 = 16;

/// What a chunked body may be at most; all inclusive.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ChunkLimits {
    /// Bytes between a chunk size and its CR.
    pub(crate) extension_line: u32,
    /// The same over all chunks of a body.
    pub(crate) extension_body: u32,
    /// Bytes of data.
    pub(crate) body: u64,
}

/// Why the decoder stopped.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum ChunkStatus {
    /// All bytes are used up.
    More,
    /// The credit is exhausted; bytes may be left.
    Credit,
    /// The last-chunk's line is read; the trailer section follows.
    Last,
    /// The body breaks a rule. Asked again with the same bytes, the decoder says the same.
    Failed(RequestError),
}

/// What one call has decoded.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct DecodedChunks {
    /// How many bytes of the input are used up.
    pub(crate) consumed: usize,
    /// Where the data of all chunks now stands in the input, without a gap.
    pub(crate) data: Range<usize>,
    /// Why the decoder stopped.
    pub(crate) status: ChunkStatus,
}

/// Decodes one chunked body up to its trailer section.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ChunkDecoder {
    /// The size being read, then the bytes of data that the chunk still owes.
    size: u64,
    received: u64,
    offset: u64,
    extension_line: u32,
    extension_body: u32,
    digits: u8,
    next: NextByte,
}

/// What the next byte belongs to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum NextByte {
    /// The first digit of a size.
    Size,
    /// Another digit, an extension or CR.
    SizeRest,
    /// Blanks after a size: only `;` may end them.
    SizeEnd,
    /// Blanks, then the first byte of an extension name.
    Name,
    NameRest,
    /// Blanks after a name: `=` or `;` ends them.
    EqualsOrSemicolon,
    /// Blanks, then the first byte of an extension value.
    Value,
    ValueRest,
    Quoted,
    QuotedPair,
    /// The byte after a quoted value.
    QuotedEnd,
    /// Blanks after a value: only `;` may end them.
    ValueEnd,
    /// The LF of a size line.
    LineLf,
    Data,
    DataCr,
    DataLf,
    /// Nothing: the last-chunk has been read.
    End,
}

impl ChunkDecoder {
    /// At the start of a body.
    pub(crate) const fn new() -> Self {
        Self {
            size: 0,
            received: 0,
            offset: 0,
            extension_line: 0,
            extension_body: 0,
            digits: 0,
            next: NextByte::Size,
        }
    }

    /// Bytes of data so far.
    #[cfg(test)]
    pub(crate) const fn received(&self) -> u64 {
        self.received
    }

    /// Bytes of the body as it was sent that are used up so far, chunk lines included.
    pub(crate) const fn offset(&self) -> u64 {
        self.offset
    }

    /// Bytes of the line being read that are used up and that no trace has heard of: a line is told when it is whole.
    pub(crate) fn unreported(&self) -> usize {
        let line = usize::from(self.digits) + self.extension_line as usize;
        match self.next {
            NextByte::Size | NextByte::Data | NextByte::DataCr | NextByte::End => 0,
            NextByte::DataLf => 1,
            NextByte::LineLf => line + 1,
            NextByte::SizeRest
            | NextByte::SizeEnd
            | NextByte::Name
            | NextByte::NameRest
            | NextByte::EqualsOrSemicolon
            | NextByte::Value
            | NextByte::ValueRest
            | NextByte::Quoted
            | NextByte::QuotedPair
            | NextByte::QuotedEnd
            | NextByte::ValueEnd => line,
        }
    }

    /// Decodes `bytes`, which go on where the last call stopped, up to `credit` bytes of data; with no credit
    /// nothing is used up. The data of all chunks is moved together in place: that of the first chunk stays where it
    /// is. Data that precedes an error is still in `data`. `trace` hears of data as it is read, and of a line when it is
    /// whole.
    pub(crate) fn decode(
        &mut self,
        bytes: &mut [u8],
        credit: u64,
        limits: &ChunkLimits,
        trace: &mut impl ChannelTrace,
    ) -> DecodedChunks {
        let mut credit = credit;
        let mut data = 0..0;
        let mut at = 0;
        let status = loop {
            if self.next == NextByte::End {
                break ChunkStatus::Last;
            }
            if credit == 0 {
                break ChunkStatus::Credit;
            }
            let Some(&byte) = bytes.get(at) else { break ChunkStatus::More };
            crate::witness::bytes(1);
            if self.next != NextByte::Data {
                match self.line_byte(byte, limits) {
                    Ok(next) => {
                        self.tell_line(trace);
                        self.next = next;
                    }
                    Err(error) => break ChunkStatus::Failed(error),
                }
                at += 1;
                self.offset += 1;
                continue;
            }
            let available = (bytes.len() - at) as u64;
            let taken = self.size.min(credit).min(available);
            credit -= taken;
            self.size -= taken;
            self.received += taken;
            self.offset += taken;
            trace.part(InputPart::Body, taken as usize);
            if self.size == 0 {
                self.next = NextByte::DataCr;
            }
            // No more than the length of the input.
            let end = at + taken as usize;
            if data.is_empty() {
                data = at..end;
            } else {
                crate::witness::bytes(end - at);
                bytes.copy_within(at..end, data.end);
                data.end += end - at;
            }
            at = end;
        };
        DecodedChunks { consumed: at, data, status }
    }

    /// Tells of the line that the byte just read ends, if it ends one.
    #[inline]
    fn tell_line(&self, trace: &mut impl ChannelTrace) {
        match self.next {
            NextByte::LineLf => {
                trace.part(InputPart::ChunkSize, self.digits.into());
                trace.part(InputPart::ChunkExtension, self.extension_line as usize);
                trace.part(InputPart::ChunkLineEnd, 2);
            }
            NextByte::DataLf => trace.part(InputPart::ChunkLineEnd, 2),
            _ => {}
        }
    }

    /// Takes one byte that is no data and says what the next one belongs to. On an error nothing has changed.
    #[inline]
    fn line_byte(&mut self, byte: u8, limits: &ChunkLimits) -> Result<NextByte, RequestError> {
        match self.next {
            NextByte::Size | NextByte::SizeRest => self.size_byte(byte, limits),
            NextByte::LineLf if byte == b'\n' => self.end_of_line(limits),
            NextByte::LineLf => Err(RequestError::new(Rule::BareCr, self.offset - 1)),
            NextByte::DataCr if byte == b'\r' => Ok(NextByte::DataLf),
            NextByte::DataLf if byte == b'\n' => {
                self.digits = 0;
                self.extension_line = 0;
                Ok(NextByte::Size)
            }
            NextByte::DataCr | NextByte::DataLf => self.refuse(Rule::ChunkEnd),
            _ => self.extension_byte(byte, limits),
        }
    }

    #[inline]
    fn size_byte(&mut self, byte: u8, limits: &ChunkLimits) -> Result<NextByte, RequestError> {
        let digit = match byte {
            b'0'..=b'9' => byte - b'0',
            b'a'..=b'f' => byte - b'a' + 10,
            b'A'..=b'F' => byte - b'A' + 10,
            _ if self.next == NextByte::Size => return self.refuse(Rule::ChunkSize),
            b'\r' => return Ok(NextByte::LineLf),
            b'\n' => return self.refuse(Rule::BareLf),
            b';' | b' ' | b'\t' => return self.extension_byte(byte, limits),
            _ => return self.refuse(Rule::ChunkSize),
        };
        if self.digits == MAX_SIZE_DIGITS {
            return self.refuse(Rule::ChunkSizeTooLong);
        }
        self.digits += 1;
        self.size = (self.size << 4) + u64::from(digit);
        Ok(NextByte::SizeRest)
    }

    /// `*( BWS ";" BWS chunk-ext-name [ BWS "=" BWS chunk-ext-val ] )` (RFC 9112 section 7.1.1). The blanks are bad
    /// whitespace, which must be read (RFC 9110 section 5.6.3).
    fn extension_byte(&mut self, byte: u8, limits: &ChunkLimits) -> Result<NextByte, RequestError> {
        let next = match (self.next, byte) {
            (NextByte::SizeRest, b' ' | b'\t') => NextByte::SizeEnd,
            (
                NextByte::SizeRest
                | NextByte::SizeEnd
                | NextByte::NameRest
                | NextByte::EqualsOrSemicolon
                | NextByte::ValueRest
                | NextByte::QuotedEnd
                | NextByte::ValueEnd,
                b';',
            ) => NextByte::Name,
            (NextByte::NameRest | NextByte::EqualsOrSemicolon, b'=') => NextByte::Value,
            (NextByte::NameRest | NextByte::ValueRest | NextByte::QuotedEnd, b'\r') => {
                return Ok(NextByte::LineLf);
            }

            (NextByte::Quoted, b'"') => NextByte::QuotedEnd,
            (NextByte::Quoted, b'\\') => NextByte::QuotedPair,
            (NextByte::Quoted | NextByte::QuotedPair, _) if is_field_byte(byte) => NextByte::Quoted,

            (
                NextByte::SizeEnd
                | NextByte::Name
                | NextByte::EqualsOrSemicolon
                | NextByte::Value
                | NextByte::ValueEnd,
                b' ' | b'\t',
            ) => self.next,
            (NextByte::NameRest, b' ' | b'\t') => NextByte::EqualsOrSemicolon,
            (NextByte::ValueRest | NextByte::QuotedEnd, b' ' | b'\t') => NextByte::ValueEnd,

            (NextByte::Name | NextByte::NameRest, _) if is_tchar(byte) => NextByte::NameRest,
            (NextByte::Value, b'"') => NextByte::Quoted,
            (NextByte::Value | NextByte::ValueRest, _) if is_tchar(byte) => NextByte::ValueRest,

            (_, b'\n') => return self.refuse(Rule::BareLf),
            // Blanks, but no extension after them.
            (NextByte::SizeEnd, _) => return self.refuse(Rule::ChunkSize),
            _ => return self.refuse(Rule::ChunkExtension),
        };
        if self.extension_line >= limits.extension_line || self.extension_body >= limits.extension_body {
            return self.refuse(Rule::ChunkExtensionTooLarge);
        }
        self.extension_line += 1;
        self.extension_body += 1;
        Ok(next)
    }

    /// At the LF of a size line: the size is known.
    fn end_of_line(&mut self, limits: &ChunkLimits) -> Result<NextByte, RequestError> {
        if self.size == 0 {
            Ok(NextByte::End)
        } else if self.size > limits.body.saturating_sub(self.received) {
            self.refuse(Rule::BodyTooLarge)
        } else {
            Ok(NextByte::Data)
        }
    }

    const fn refuse(&self, rule: Rule) -> Result<NextByte, RequestError> {
        Err(RequestError::new(rule, self.offset))
    }
}
