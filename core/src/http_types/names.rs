//! Names of fields as the crate `http` has them.
//!
//! `HeaderName::from_bytes` looks each byte of a name up, and takes memory for one that the crate has no constant for. Most
//! names of requests are written as everywhere, or in lower case; to find out that a name is one of these costs a quarter.

use core::str;

use ::http::header::{HeaderName, InvalidHeaderName};

/// By their length, which decides first: names of requests, as clients write them and in lower case.
macro_rules! header_name {
    ($($len:literal: $($written:literal $lowercase:literal),+;)+) => {
        /// The name that these bytes are, in any case.
        #[inline]
        pub(super) fn header_name(bytes: &[u8]) -> Result<HeaderName, InvalidHeaderName> {
            match bytes.len() {
                $($len => match bytes {
                    $($written | $lowercase => return Ok(const { lowercase($lowercase) }),)+
                    _ => {}
                },)+
                _ => {}
            }
            HeaderName::from_bytes(bytes)
        }

        /// All of them with the lengths that they stand under.
        #[cfg(test)]
        const WELL_KNOWN: &[(usize, &[u8])] = &[$($(($len, $written), ($len, $lowercase)),+),+];
    };
}

/// The name that these bytes are, made when this is compiled.
const fn lowercase(bytes: &'static [u8]) -> HeaderName {
    match str::from_utf8(bytes) {
        Ok(name) => HeaderName::from_static(name),
        Err(_) => panic!("a name is ASCII"),
    }
}

header_name! {
    2: b"TE" b"te";
    3: b"DNT" b"dnt", b"Via" b"via";
    4: b"Host" b"host", b"Date" b"date", b"From" b"from";
    5: b"Range" b"range";
    6: b"Accept" b"accept", b"Cookie" b"cookie", b"Origin" b"origin", b"Pragma" b"pragma", b"Expect" b"expect";
    7: b"Referer" b"referer", b"Upgrade" b"upgrade", b"Trailer" b"trailer";
    8: b"Priority" b"priority", b"If-Match" b"if-match", b"If-Range" b"if-range";
    9: b"Sec-CH-UA" b"sec-ch-ua", b"X-Real-IP" b"x-real-ip", b"Forwarded" b"forwarded";
    10: b"Connection" b"connection", b"User-Agent" b"user-agent", b"Keep-Alive" b"keep-alive",
        b"Tracestate" b"tracestate";
    11: b"Traceparent" b"traceparent";
    12: b"Content-Type" b"content-type", b"X-Request-ID" b"x-request-id";
    13: b"Cache-Control" b"cache-control", b"Authorization" b"authorization", b"If-None-Match" b"if-none-match";
    14: b"Sec-Fetch-Site" b"sec-fetch-site", b"Sec-Fetch-Mode" b"sec-fetch-mode", b"Sec-Fetch-Dest" b"sec-fetch-dest",
        b"Sec-Fetch-User" b"sec-fetch-user", b"Content-Length" b"content-length", b"Accept-Charset" b"accept-charset";
    15: b"Accept-Encoding" b"accept-encoding", b"Accept-Language" b"accept-language",
        b"X-Forwarded-For" b"x-forwarded-for";
    16: b"Sec-CH-UA-Mobile" b"sec-ch-ua-mobile", b"X-Requested-With" b"x-requested-with",
        b"X-Forwarded-Host" b"x-forwarded-host", b"Content-Encoding" b"content-encoding";
    17: b"If-Modified-Since" b"if-modified-since", b"Sec-WebSocket-Key" b"sec-websocket-key",
        b"Transfer-Encoding" b"transfer-encoding", b"X-Forwarded-Proto" b"x-forwarded-proto";
    18: b"Sec-CH-UA-Platform" b"sec-ch-ua-platform";
    19: b"If-Unmodified-Since" b"if-unmodified-since", b"Proxy-Authorization" b"proxy-authorization";
    21: b"Sec-WebSocket-Version" b"sec-websocket-version";
    22: b"Sec-WebSocket-Protocol" b"sec-websocket-protocol";
    24: b"Sec-WebSocket-Extensions" b"sec-websocket-extensions";
    25: b"Upgrade-Insecure-Requests" b"upgrade-insecure-requests";
    29: b"Access-Control-Request-Method" b"access-control-request-method";
    30: b"Access-Control-Request-Headers" b"access-control-request-headers";
}

#[cfg(test)]
mod tests {
    use std::string::String;

    use super::*;

    #[test]
    fn a_name_is_what_the_crate_makes_of_it() {
        let others = [&b"Hos"[..], b"Hosts", b"hOST", b"X-Trace", b"\"", b"", b"a b"];
        for bytes in WELL_KNOWN.iter().map(|&(_, bytes)| bytes).chain(others) {
            let text = String::from_utf8_lossy(bytes);
            let made = HeaderName::from_bytes(bytes).ok();
            assert_eq!(header_name(bytes).ok(), made, "{text}");
            assert_eq!(header_name(&bytes.to_ascii_uppercase()).ok(), made, "{text}");
        }
    }

    #[test]
    fn a_well_known_name_stands_under_its_length() {
        for &(len, bytes) in WELL_KNOWN {
            assert_eq!(bytes.len(), len, "{}", String::from_utf8_lossy(bytes));
        }
    }
}
