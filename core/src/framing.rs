//! The six fields that decide framing and the life of the connection: `Host`, `Connection`, `Content-Length`,
//! `Transfer-Encoding`, `Expect` and `Upgrade` (RFC 9112 sections 3.2, 6 and 9, RFC 9110 sections 7.8 and 10.1.1).
//!
//! Where two parties could frame a message differently, the request is refused.

use crate::error::{RequestError, Rule};
use crate::host::authority;
use crate::request::{BodyLength, Version};
use crate::token::{has_element, is_blank, is_token, trim_blanks};

/// What the fields of one head say so far.
#[derive(Default)]
pub(crate) struct FramingFields {
    seen: FieldFacts,
    length: u64,
    length_at: u32,
    coding_at: u32,
    expect_at: u32,
    coding: Coding,
}

/// What the six fields decide together.
pub(crate) struct Framed {
    pub(crate) body: BodyLength,
    pub(crate) expect: bool,
    pub(crate) keep_alive: bool,
    pub(crate) upgrade: bool,
}

impl FramingFields {
    /// Takes one field. `name` is a token, `value` has no blanks around it, `offset` is where the value stands in
    /// the head.
    ///
    /// # Errors
    ///
    /// The rule that this field breaks whatever the others are.
    #[inline]
    pub(crate) fn field(&mut self, name: &[u8], value: &[u8], offset: usize) -> Result<(), RequestError> {
        // The length alone sorts out most names, a word compare the rest.
        match name.len() {
            4 if is_host(name) => self.host(value, offset),
            6 if is_expect(name) => self.expect(value, offset),
            7 if is_upgrade(name) => self.upgrade(value),
            10 if is_connection(name) => self.connection(value),
            14 if name.eq_ignore_ascii_case(b"content-length") => self.content_length(value, offset),
            17 if name.eq_ignore_ascii_case(b"transfer-encoding") => self.transfer_encoding(value, offset),
            _ => Ok(()),
        }
    }

    /// The verdict over all fields.
    ///
    /// # Errors
    ///
    /// The rule that they break together. What leaves the end of the request in doubt comes before what could be
    /// framed but is not served (413, 417, 501).
    #[inline]
    pub(crate) fn finish(
        &self,
        version: Version,
        connect: bool,
        max_body: u64,
    ) -> Result<Framed, RequestError> {
        let current = version == Version::Http11;
        let seen = self.seen;
        if current && !seen.has(FieldFacts::HOST) {
            return Err(RequestError::new(Rule::HostMissing, 0));
        }
        let body = if seen.has_any(FieldFacts::LENGTH | FieldFacts::CODING | FieldFacts::EXPECT) {
            self.body(current, connect, max_body)?
        } else {
            BodyLength::None
        };
        let has_body = !matches!(body, BodyLength::None | BodyLength::Known(0));
        Ok(Framed {
            body,
            expect: has_body && current && seen.has(FieldFacts::CONTINUE),
            keep_alive: !seen.has(FieldFacts::CLOSE) && (current || seen.has(FieldFacts::KEEP_ALIVE)),
            upgrade: current && seen.has(FieldFacts::UPGRADE) && seen.has(FieldFacts::UPGRADE_OPTION),
        })
    }

    fn body(&self, current: bool, connect: bool, max_body: u64) -> Result<BodyLength, RequestError> {
        let refuse = |rule, at: u32| Err(RequestError::new(rule, u64::from(at)));
        let seen = self.seen;
        let body = if seen.has(FieldFacts::CODING) {
            if seen.has(FieldFacts::LENGTH) {
                return refuse(Rule::LengthAndCoding, self.coding_at.max(self.length_at));
            }
            if !current {
                return refuse(Rule::CodingInHttp10, self.coding_at);
            }
            match self.coding {
                Coding::Chunked if connect => return refuse(Rule::ConnectBody, self.coding_at),
                Coding::Chunked => BodyLength::Chunked,
                Coding::UnknownThenChunked => return refuse(Rule::UnknownCoding, self.coding_at),
                _ => return refuse(Rule::TransferCoding, self.coding_at),
            }
        } else if seen.has(FieldFacts::LENGTH) {
            if connect && self.length > 0 {
                return refuse(Rule::ConnectBody, self.length_at);
            }
            if seen.has(FieldFacts::LENGTH_OVERFLOW) || self.length > max_body {
                return refuse(Rule::BodyTooLarge, self.length_at);
            }
            BodyLength::Known(self.length)
        } else {
            BodyLength::None
        };
        if current && seen.has(FieldFacts::OTHER_EXPECTATION) {
            return refuse(Rule::Expectation, self.expect_at);
        }
        Ok(body)
    }

    fn host(&mut self, value: &[u8], offset: usize) -> Result<(), RequestError> {
        if self.seen.has(FieldFacts::HOST) {
            return Err(RequestError::new(Rule::HostRepeated, offset as u64));
        }
        self.seen.set(FieldFacts::HOST);
        match authority(value) {
            Some(_) => Ok(()),
            None => Err(RequestError::new(Rule::HostInvalid, offset as u64)),
        }
    }

    /// `1*DIGIT` once (RFC 9112 section 6.3): equal repetitions and lists could be merged, but are refused.
    fn content_length(&mut self, value: &[u8], offset: usize) -> Result<(), RequestError> {
        if self.seen.has(FieldFacts::LENGTH) {
            return Err(RequestError::new(Rule::ContentLengthRepeated, offset as u64));
        }
        self.seen.set(FieldFacts::LENGTH);
        self.length_at = offset as u32;
        if value.is_empty() || !value.iter().all(u8::is_ascii_digit) {
            let is_list = memchr::memchr(b',', value).is_some()
                && value.iter().all(|&byte| byte.is_ascii_digit() || byte == b',' || is_blank(byte));
            let rule = if is_list { Rule::ContentLengthRepeated } else { Rule::ContentLength };
            return Err(RequestError::new(rule, offset as u64));
        }
        for digit in value {
            let next = self.length.checked_mul(10).and_then(|tens| tens.checked_add(u64::from(digit - b'0')));
            match next {
                Some(length) => self.length = length,
                None => {
                    self.length = u64::MAX;
                    self.seen.set(FieldFacts::LENGTH_OVERFLOW);
                    break;
                }
            }
        }
        Ok(())
    }

    /// Several lines are one list (RFC 9110 section 5.3), so no line decides alone.
    fn transfer_encoding(&mut self, value: &[u8], offset: usize) -> Result<(), RequestError> {
        self.seen.set(FieldFacts::CODING);
        self.coding_at = offset as u32;
        for member in value.split(|&byte| byte == b',') {
            self.coding = self.coding.then(trim_blanks(member));
        }
        Ok(())
    }

    /// Options that are no token of ours, or no token at all, are ignored.
    fn connection(&mut self, value: &[u8]) -> Result<(), RequestError> {
        if value == b"keep-alive" {
            // What browsers send.
            self.seen.set(FieldFacts::KEEP_ALIVE);
            return Ok(());
        }
        for option in value.split(|&byte| byte == b',') {
            let option = trim_blanks(option);
            if option.eq_ignore_ascii_case(b"keep-alive") {
                self.seen.set(FieldFacts::KEEP_ALIVE);
            } else if option.eq_ignore_ascii_case(b"close") {
                self.seen.set(FieldFacts::CLOSE);
            } else if option.eq_ignore_ascii_case(b"upgrade") {
                self.seen.set(FieldFacts::UPGRADE_OPTION);
            }
        }
        Ok(())
    }

    fn expect(&mut self, value: &[u8], offset: usize) -> Result<(), RequestError> {
        self.seen.set(FieldFacts::EXPECT);
        for member in value.split(|&byte| byte == b',').map(trim_blanks) {
            if member.eq_ignore_ascii_case(b"100-continue") {
                self.seen.set(FieldFacts::CONTINUE);
            } else if !member.is_empty() && !self.seen.has(FieldFacts::OTHER_EXPECTATION) {
                self.seen.set(FieldFacts::OTHER_EXPECTATION);
                self.expect_at = offset as u32;
            }
        }
        Ok(())
    }

    fn upgrade(&mut self, value: &[u8]) -> Result<(), RequestError> {
        if has_element(value) {
            self.seen.set(FieldFacts::UPGRADE);
        }
        Ok(())
    }
}

/// A set of facts.
#[derive(Clone, Copy, Default)]
struct FieldFacts(u16);

impl FieldFacts {
    const HOST: u16 = 1;
    const LENGTH: u16 = 1 << 1;
    const LENGTH_OVERFLOW: u16 = 1 << 2;
    const CODING: u16 = 1 << 3;
    const EXPECT: u16 = 1 << 4;
    const CONTINUE: u16 = 1 << 5;
    const OTHER_EXPECTATION: u16 = 1 << 6;
    const UPGRADE: u16 = 1 << 7;
    const UPGRADE_OPTION: u16 = 1 << 8;
    const CLOSE: u16 = 1 << 9;
    const KEEP_ALIVE: u16 = 1 << 10;

    const fn has(self, fact: u16) -> bool {
        self.0 & fact == fact
    }

    const fn has_any(self, facts: u16) -> bool {
        self.0 & facts != 0
    }

    const fn set(&mut self, fact: u16) {
        self.0 |= fact;
    }
}

/// The list of transfer codings, read member by member.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
enum Coding {
    /// No member yet.
    #[default]
    Empty,
    /// `chunked` alone.
    Chunked,
    /// Well-formed codings, none of them `chunked`.
    Unknown,
    /// The same with one `chunked` at their end.
    UnknownThenChunked,
    /// Something follows `chunked`, `chunked` has a parameter, or a member is malformed.
    Refused,
}

impl Coding {
    fn then(self, member: &[u8]) -> Self {
        let chunked = member.eq_ignore_ascii_case(b"chunked");
        match self {
            Self::Empty if chunked => Self::Chunked,
            Self::Unknown if chunked => Self::UnknownThenChunked,
            Self::Empty | Self::Unknown if is_unknown_coding(member) => Self::Unknown,
            _ => Self::Refused,
        }
    }
}

/// `token *( OWS ";" OWS token [ "=" token ] )` whose token is not `chunked`, which takes no parameter (RFC 9112
/// section 7.1).
fn is_unknown_coding(member: &[u8]) -> bool {
    let mut parts = member.split(|&byte| byte == b';').map(trim_blanks);
    // A split has a first part, be it empty.
    let name = parts.next().unwrap_or_default();
    is_token(name)
        && !name.eq_ignore_ascii_case(b"chunked")
        && parts.all(|parameter| {
            let mut sides = parameter.splitn(2, |&byte| byte == b'=').map(trim_blanks);
            sides.all(is_token)
        })
}

// A name is a token, and in a token only a letter becomes this letter when 0x20 is set in it.

fn is_host(name: &[u8]) -> bool {
    word4(name, 0) == u32::from_le_bytes(*b"host")
}

fn is_expect(name: &[u8]) -> bool {
    word4(name, 0) == u32::from_le_bytes(*b"expe") && word4(name, 2) == u32::from_le_bytes(*b"pect")
}

fn is_upgrade(name: &[u8]) -> bool {
    word4(name, 0) == u32::from_le_bytes(*b"upgr") && word4(name, 3) == u32::from_le_bytes(*b"rade")
}

fn is_connection(name: &[u8]) -> bool {
    word4(name, 0) == u32::from_le_bytes(*b"conn")
        && word4(name, 4) == u32::from_le_bytes(*b"ecti")
        && word4(name, 6) == u32::from_le_bytes(*b"tion")
}

/// Four bytes in lower case.
#[inline]
fn word4(name: &[u8], at: usize) -> u32 {
    match name.get(at..).and_then(<[u8]>::first_chunk::<4>) {
        Some(word) => u32::from_le_bytes(*word) | 0x2020_2020,
        None => 0,
    }
}
