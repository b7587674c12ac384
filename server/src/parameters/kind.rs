//! How the text of a flag becomes the value of a field: one kind for durations, one for sizes, and so on.

use std::borrow::Cow;
use std::time::Duration;

use httpfsm::config::{Bodies, ErrorPages};
use httpfsm::origins::{Origin, OriginError};

use crate::error_pages::ErrorPageFormat;

/// Reads values of type `T` from texts and shows them in `--help`.
pub(super) trait ValueKind<T> {
    /// The name of the value in `--help`.
    const PLACEHOLDER: &'static str;

    /// Whether the flag without a value means `true`.
    const STANDS_ALONE: bool = false;

    /// Parses a value.
    ///
    /// # Errors
    ///
    /// What was expected instead of the text. It ends clap's sentence, which names the flag and the text.
    fn parse(text: &str) -> Result<T, String>;

    /// Formats a value.
    fn show(value: &T) -> String;
}

/// A duration; `None` is no deadline, and so is zero.
pub(super) struct Time;

impl ValueKind<Option<Duration>> for Time {
    const PLACEHOLDER: &'static str = "TIME";

    fn parse(text: &str) -> Result<Option<Duration>, String> {
        Grace::parse(text).map(|time| time.filter(|time| !time.is_zero()))
    }

    fn show(value: &Option<Duration>) -> String {
        Grace::show(value)
    }
}

/// A duration; `None` is no deadline, and zero is over at once.
pub(super) struct Grace;

impl ValueKind<Option<Duration>> for Grace {
    const PLACEHOLDER: &'static str = "TIME";

    fn parse(text: &str) -> Result<Option<Duration>, String> {
        if text == "none" {
            return Ok(None);
        }
        let time = match text.parse() {
            Ok(seconds) => Duration::from_secs(seconds),
            // The fault is easy to see, and the errors of humantime are not written for users.
            Err(_) => humantime::parse_duration(text).map_err(|_| {
                "expected a whole number of seconds, a time with its units as in 500ms, 2s or 1h 30m, or none"
            })?,
        };
        Ok(Some(time))
    }

    fn show(value: &Option<Duration>) -> String {
        value.map_or_else(|| "none".into(), |time| humantime::format_duration(time).to_string())
    }
}

/// The numbers of limits.
pub(super) trait LimitNumber: TryFrom<u64> + Into<u64> + Copy {
    const MOST: Self;
}

impl LimitNumber for u32 {
    const MOST: Self = Self::MAX;
}

impl LimitNumber for u64 {
    const MOST: Self = Self::MAX;
}

/// Bytes; 0 is no limit.
pub(super) struct Size;

impl<T: LimitNumber> ValueKind<T> for Size {
    const PLACEHOLDER: &'static str = "SIZE";

    fn parse(text: &str) -> Result<T, String> {
        let bytes = if text == "none" { Some(0) } else { parse_size::parse_size(text).ok() };
        bytes.and_then(|bytes| T::try_from(bytes).ok()).ok_or_else(|| {
            format!(
                "expected a number of bytes up to {}, as in 4096, 64KiB or 1MiB, or none for no limit",
                T::MOST.into()
            )
        })
    }

    fn show(value: &T) -> String {
        let bytes: u64 = (*value).into();
        match bytes {
            0 => "none".into(),
            _ if bytes % (1 << 30) == 0 => format!("{}GiB", bytes >> 30),
            _ if bytes % (1 << 20) == 0 => format!("{}MiB", bytes >> 20),
            _ if bytes % (1 << 10) == 0 => format!("{}KiB", bytes >> 10),
            _ => bytes.to_string(),
        }
    }
}

/// A number of things; 0 is no limit.
pub(super) struct Quantity;

impl<T: LimitNumber> ValueKind<T> for Quantity {
    const PLACEHOLDER: &'static str = "N";

    fn parse(text: &str) -> Result<T, String> {
        let number = if text == "none" { Some(0) } else { text.parse::<u64>().ok() };
        number.and_then(|number| T::try_from(number).ok()).ok_or_else(|| {
            format!("expected a whole number from 0 to {}, or none for no limit", T::MOST.into())
        })
    }

    fn show(value: &T) -> String {
        match (*value).into() {
            0 => "none".into(),
            number => number.to_string(),
        }
    }
}

/// A port.
pub(super) struct Port;

impl ValueKind<u16> for Port {
    const PLACEHOLDER: &'static str = "PORT";

    fn parse(text: &str) -> Result<u16, String> {
        text.parse().map_err(|_| "expected a whole number from 0 to 65535".into())
    }

    fn show(value: &u16) -> String {
        value.to_string()
    }
}

/// A text without control characters.
pub(super) struct PlainText;

impl ValueKind<Cow<'static, str>> for PlainText {
    const PLACEHOLDER: &'static str = "TEXT";

    fn parse(text: &str) -> Result<Cow<'static, str>, String> {
        if text.chars().any(char::is_control) {
            return Err("expected a text without control characters".into());
        }
        Ok(Cow::Owned(text.into()))
    }

    fn show(value: &Cow<'static, str>) -> String {
        value.to_string()
    }
}

/// A name or an address.
pub(super) struct Host;

impl ValueKind<Cow<'static, str>> for Host {
    const PLACEHOLDER: &'static str = "HOST";

    fn parse(text: &str) -> Result<Cow<'static, str>, String> {
        let has_port = |(host, port): (&str, &str)| {
            port.bytes().all(|byte| byte.is_ascii_digit()) && (!host.contains(':') || host.ends_with(']'))
        };
        if text.contains('/') {
            Err("expected a name or an address, and no URL".into())
        } else if text.rsplit_once(':').is_some_and(has_port) {
            Err("expected a name or an address; the port goes to --port".into())
        } else if text == "*" {
            Err("expected a name or an address; all interfaces are --host ::".into())
        } else {
            PlainText::parse(text)
        }
    }

    fn show(value: &Cow<'static, str>) -> String {
        value.to_string()
    }
}

/// Yes or no.
pub(super) struct Flag;

impl ValueKind<bool> for Flag {
    const PLACEHOLDER: &'static str = "BOOL";
    const STANDS_ALONE: bool = true;

    fn parse(text: &str) -> Result<bool, String> {
        match &*text.to_ascii_lowercase() {
            "true" | "yes" | "on" | "1" => Ok(true),
            "false" | "no" | "off" | "0" => Ok(false),
            _ => Err("expected true, yes, on or 1, or false, no, off or 0".into()),
        }
    }

    fn show(value: &bool) -> String {
        value.to_string()
    }
}

/// How bodies reach the handler.
pub(super) struct Delivery;

impl ValueKind<Option<Bodies>> for Delivery {
    const PLACEHOLDER: &'static str = "streamed|whole";

    fn parse(text: &str) -> Result<Option<Bodies>, String> {
        match text {
            "streamed" => Ok(Some(Bodies::Streamed)),
            "whole" => Ok(Some(Bodies::Whole)),
            _ => Err("expected streamed or whole".into()),
        }
    }

    fn show(value: &Option<Bodies>) -> String {
        match value {
            None => "streamed; gathered for functions on blocking".into(),
            Some(Bodies::Streamed) => "streamed".into(),
            Some(Bodies::Whole) => "whole".into(),
        }
    }
}

/// The look of the machine's own responses.
pub(super) struct ErrorPagesKind;

impl ValueKind<Option<ErrorPages>> for ErrorPagesKind {
    const PLACEHOLDER: &'static str = "text|html|json";

    fn parse(text: &str) -> Result<Option<ErrorPages>, String> {
        match text {
            "text" => Ok(None),
            "html" => Ok(Some(ErrorPageFormat::Html.pages())),
            "json" => Ok(Some(ErrorPageFormat::Json.pages())),
            _ => Err("expected text, html or json".into()),
        }
    }

    fn show(value: &Option<ErrorPages>) -> String {
        if value.is_some() { "custom".into() } else { "text".into() }
    }
}

/// Who may connect, separated by commas; names are resolved once.
pub(super) struct Origins;

impl ValueKind<Vec<Origin>> for Origins {
    const PLACEHOLDER: &'static str = "ORIGIN,...";

    fn parse(text: &str) -> Result<Vec<Origin>, String> {
        if text.trim() == EVERYBODY {
            return Ok(Vec::new());
        }
        let mut origins = Vec::new();
        for entry in text.split(',').map(str::trim) {
            // A list that is empty by mistake must not admit everybody.
            if entry.is_empty() {
                return Err(format!(
                    "an entry is empty; expected addresses, names or blocks, or {EVERYBODY}"
                ));
            }
            match entry.parse::<Origin>() {
                Ok(origin) => origins.push(origin),
                Err(OriginError::Host(host)) if !entry.contains('/') => {
                    origins.extend(resolve(entry, &host)?)
                }
                Err(error) => return Err(format!("{entry}: {error}")),
            }
        }
        Ok(origins)
    }

    fn show(value: &Vec<Origin>) -> String {
        if value.is_empty() {
            return EVERYBODY.into();
        }
        value.iter().map(Origin::to_string).collect::<Vec<_>>().join(",")
    }
}

/// Admits everybody.
const EVERYBODY: &str = "everybody";

/// The addresses of `host`, with the port of `entry` (`host` or `host:port`).
fn resolve(entry: &str, host: &str) -> Result<Vec<Origin>, String> {
    let port = entry.strip_prefix(host).and_then(|rest| rest.strip_prefix(':'));
    let port: Option<u16> =
        port.map(str::parse).transpose().map_err(|error| format!("{entry}: port: {error}"))?;
    let addresses = httpfsm_transport::resolve(host, 0).map_err(|error| format!("{host}: {error}"))?;
    addresses
        .into_iter()
        .map(|address| {
            let bits = if address.is_ipv4() { 32 } else { 128 };
            Origin::block(address.ip(), bits, port).map_err(|error| format!("{host}: {error}"))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Flag, Grace, Host, Origins, PlainText, Port, Quantity, Size, Time, ValueKind};

    fn time(text: &str) -> Result<Option<Duration>, String> {
        Time::parse(text)
    }

    fn size(text: &str) -> Result<u32, String> {
        Size::parse(text)
    }

    #[test]
    fn a_time_has_a_unit_or_is_in_seconds() {
        assert_eq!(time("2s"), Ok(Some(Duration::from_secs(2))));
        assert_eq!(time("500ms"), Ok(Some(Duration::from_millis(500))));
        assert_eq!(time("5m"), Ok(Some(Duration::from_secs(300))));
        assert_eq!(time("1h 30m"), Ok(Some(Duration::from_secs(5400))));
        assert_eq!(time("18000"), Ok(Some(Duration::from_secs(18_000))));
        for text in ["", "soon", "-1", "5 parsecs", "99999999999999999999"] {
            assert!(time(text).is_err(), "{text}");
        }
    }

    #[test]
    fn no_time_is_no_deadline() {
        for text in ["0", "0s", "none"] {
            assert_eq!(time(text), Ok(None), "{text}");
        }
        for text in ["0", "0s", "0ms"] {
            assert_eq!(Grace::parse(text), Ok(Some(Duration::ZERO)), "{text}");
        }
        assert_eq!(Grace::parse("none"), Ok(None));
    }

    #[test]
    fn a_size_may_have_a_suffix() {
        assert_eq!(size("4096"), Ok(4096));
        assert_eq!(size("64KiB"), Ok(65_536));
        assert_eq!(size("1 MiB"), Ok(1 << 20));
        assert_eq!(size("none"), Ok(0));
        for text in ["", "-1", "much", "5GiB"] {
            assert!(size(text).is_err(), "{text}");
        }
        let long: Result<u64, String> = Size::parse("5GiB");
        assert_eq!(long, Ok(5 << 30));
    }

    #[test]
    fn what_is_shown_can_be_given_back() {
        for text in ["none", "512", "64KiB", "3MiB", "1025"] {
            assert_eq!(size(text).map(|value| Size::show(&value)).as_deref(), Ok(text));
        }
        for text in ["none", "5h", "30s", "1m 15s", "250ms"] {
            assert_eq!(time(text).map(|value| Time::show(&value)).as_deref(), Ok(text));
        }
        for text in ["10.0.0.0/8,::1", "127.0.0.1:5000,unix"] {
            assert_eq!(Origins::parse(text).map(|value| Origins::show(&value)).as_deref(), Ok(text));
        }
    }

    #[test]
    fn a_name_among_the_origins_is_resolved() {
        let shown = Origins::parse("localhost:70, 10.0.0.0/8").map(|value| Origins::show(&value)).unwrap();
        assert!(shown.contains("127.0.0.1:70") || shown.contains("[::1]:70"), "{shown}");
        assert!(shown.ends_with("10.0.0.0/8"), "{shown}");
        assert!(Origins::parse("no such host").is_err());
        assert!(Origins::parse("10.0.0.1/8").is_err());
        assert!(Origins::parse("127.0.0.1:http").is_err());
    }

    #[test]
    fn what_only_looks_like_an_address_is_none() {
        for host in [
            "1.2.3",
            "127.1",
            "2130706433",
            "0x7f000001",
            "0x7f.1",
            "010.0.0.1",
            "1.2.3.4.",
            "1.2.3.256",
            "0x",
            "a.1",
        ] {
            let error = Origins::parse(host).map(|value| Origins::show(&value)).expect_err(host);
            assert!(error.contains(host) && error.contains("no address"), "{error}");
            assert!(Origins::parse(&format!("{host}:80")).is_err(), "{host}");
        }
    }

    #[test]
    fn an_empty_entry_is_an_error() {
        for text in ["", " ", ",", "::1,", "::1,,10.0.0.0/8", "everybody,::1"] {
            assert!(Origins::parse(text).is_err(), "{text:?}");
        }
        assert_eq!(
            Origins::parse("everybody").map(|value| Origins::show(&value)).as_deref(),
            Ok("everybody")
        );
    }

    #[test]
    fn other_values_are_checked() {
        assert_eq!(Flag::parse("yes"), Ok(true));
        assert_eq!(Flag::parse("0"), Ok(false));
        // As Python and YAML may write them.
        assert_eq!((Flag::parse("True"), Flag::parse("OFF")), (Ok(true), Ok(false)));
        assert!(Flag::parse("maybe").is_err());
        assert_eq!(Port::parse("8080"), Ok(8080));
        assert!(Port::parse("65536").is_err());
        assert!(PlainText::parse("a\r\nb").is_err());
        for host in
            ["", "localhost", "127.0.0.1", "::1", "[::1]", "fe80::1:8080", "fe80::1%eth0", "a.example"]
        {
            assert_eq!(Host::parse(host).as_deref(), Ok(host));
        }
        for (host, hint) in [
            ("127.0.0.1:9000", "--port"),
            ("localhost:8080", "--port"),
            ("localhost:", "--port"),
            ("[::1]:80", "--port"),
            (":80", "--port"),
            ("http://localhost", "no URL"),
            ("*", "--host ::"),
        ] {
            assert!(Host::parse(host).is_err_and(|error| error.contains(hint)), "{host}");
        }
        let count: Result<u32, String> = Quantity::parse("64KiB");
        assert!(count.is_err());
    }
}
