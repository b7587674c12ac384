//! The flags about TLS.

use std::path::PathBuf;
use std::time::Duration;

use clap::error::ErrorKind;
use clap::parser::ValueSource;
use clap::{ArgAction, ArgMatches, ValueEnum};

use super::{named, wrong};
use crate::parameters::{grace, switch};

#[derive(clap::Args)]
#[command(next_help_heading = "TLS")]
pub(crate) struct TlsFlags {
    /// Certificate of the server in PEM, and behind it those that lead to an authority. --host and --port then speak
    /// TLS, unless --tls-listen is given. SIGHUP reads the files again
    #[arg(long, env = "HTTPFSM_TLS_CERT", hide_env = true, value_name = "FILE")]
    pub(crate) tls_cert: Option<PathBuf>,

    /// Private key of that certificate in PEM
    #[arg(long, env = "HTTPFSM_TLS_KEY", hide_env = true, value_name = "FILE")]
    pub(crate) tls_key: Option<PathBuf>,

    /// Speak TLS with a certificate that is made at the start, for development: it is for localhost, the machine's name
    /// and the given hosts, no client trusts it by itself, and its SHA-256 fingerprint is logged
    #[arg(
        long,
        env = "HTTPFSM_SELF_SIGNED",
        hide_env = true,
        value_name = "BOOL",
        action = ArgAction::Set,
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "true",
        default_value = "false",
        hide_default_value = true,
        value_parser = switch
    )]
    pub(crate) self_signed: bool,

    /// Where to listen for TLS, beside plain HTTP: a port at --host, or a host and a port, as in 443 or [::1]:443;
    /// :443 is on all interfaces. Plain HTTP is then served if --port or --unix is given; may be repeated
    #[arg(long, env = "HTTPFSM_TLS_LISTEN", hide_env = true, value_name = "[HOST:]PORT", value_parser = address)]
    pub(crate) tls_listen: Vec<TlsAddress>,

    /// The oldest version of TLS that is spoken
    #[arg(
        long,
        env = "HTTPFSM_TLS_MIN",
        hide_env = true,
        value_enum,
        default_value_t,
        value_name = "VERSION"
    )]
    pub(crate) tls_min: OldestTls,

    /// Certificates in PEM of the authorities that sign those of clients, which then have to show one
    #[arg(long, env = "HTTPFSM_TLS_CLIENT_CA", hide_env = true, value_name = "FILE")]
    pub(crate) tls_client_ca: Option<PathBuf>,

    /// Whether clients have to show a certificate, with --tls-client-ca
    #[arg(
        long,
        env = "HTTPFSM_TLS_CLIENT_CERTIFICATES",
        hide_env = true,
        value_enum,
        default_value_t,
        value_name = "WHETHER"
    )]
    pub(crate) tls_client_certificates: ClientCertificate,

    /// Respond to each request of plain HTTP with 308, to the same target over TLS, at the first port of --tls-listen.
    /// Those on --unix are served, as they come from a proxy
    #[arg(
        long,
        env = "HTTPFSM_REDIRECT_TO_HTTPS",
        hide_env = true,
        value_name = "BOOL",
        action = ArgAction::Set,
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "true",
        default_value = "false",
        hide_default_value = true,
        value_parser = switch
    )]
    pub(crate) redirect_to_https: bool,

    /// How long browsers shall ask this host over TLS alone, as in 365d: Strict-Transport-Security in each response of
    /// the application over TLS; 0: they forget that; none: no field
    #[arg(long, env = "HTTPFSM_HSTS", hide_env = true, value_name = "TIME", value_parser = hsts)]
    pub(crate) hsts: Option<Hsts>,
}

/// A host and a port to listen at; without a host, at the one of `--host`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct TlsAddress {
    pub(crate) host: Option<String>,
    pub(crate) port: u16,
}

/// How long browsers shall remember, in seconds; `None`: they are told nothing.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Hsts(pub(crate) Option<u64>);

/// The value of `--tls-min`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, ValueEnum)]
pub(crate) enum OldestTls {
    /// TLS 1.2, and 1.3
    #[default]
    #[value(name = "1.2")]
    Tls12,
    /// TLS 1.3 alone
    #[value(name = "1.3")]
    Tls13,
}

/// The value of `--tls-client-certificates`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, ValueEnum)]
pub(crate) enum ClientCertificate {
    /// The handshake fails without one
    #[default]
    Required,
    /// Clients without one are served as well; one that is shown has to be valid
    Optional,
}

impl TlsFlags {
    /// Whether TLS is spoken anywhere.
    pub(crate) fn is_on(&self) -> bool {
        self.self_signed || self.tls_cert.is_some()
    }
}

fn address(text: &str) -> Result<TlsAddress, &'static str> {
    let expected = "expected a port, or a host and a port, as in 443, example.org:443, [::1]:443, or :443 for all \
                    interfaces";
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) => (Some(host), port),
        None => (None, text),
    };
    let is_bracketed = |host: &str| host.starts_with('[') && host.ends_with(']');
    let is_wrong = |host: &str| {
        host.contains(['/', '*', '@'])
            || host.chars().any(char::is_control)
            || (host.contains(':') && !is_bracketed(host))
    };
    match port.parse() {
        Ok(port) if !host.is_some_and(is_wrong) => Ok(TlsAddress { host: host.map(str::to_owned), port }),
        _ => Err(expected),
    }
}

fn hsts(text: &str) -> Result<Hsts, String> {
    match grace(text)? {
        Some(time) if time.subsec_nanos() > 0 => Err("expected whole seconds".into()),
        time => Ok(Hsts(time.as_ref().map(Duration::as_secs))),
    }
}

/// What turns TLS on.
const ON: &[&str] = &["tls_cert", "self_signed"];

/// Flags that need one of the others wherever they are given: without it less would be protected than was asked for.
const NEEDS: [(&str, &[&str]); 5] = [
    ("tls_cert", &["tls_key"]),
    ("tls_key", &["tls_cert"]),
    ("tls_listen", ON),
    ("tls_client_ca", ON),
    ("redirect_to_https", ON),
];

/// Flags that do on the command line.
const NEEDS_ON_THE_COMMAND_LINE: [(&str, &[&str]); 3] =
    [("tls_min", ON), ("tls_client_certificates", &["tls_client_ca"]), ("hsts", ON)];

/// Checks that the flags go together.
pub(super) fn needs_are_met(serve: &ArgMatches) -> Result<(), clap::Error> {
    if is_on(serve, "self_signed") {
        if let Some(other) = ["tls_cert", "tls_key"].into_iter().find(|other| is_on(serve, other)) {
            let message = format!(
                "{} makes a certificate of its own, so it cannot be used with {}",
                named(serve, "self_signed"),
                named(serve, other)
            );
            return Err(wrong(ErrorKind::ArgumentConflict, message));
        }
    }
    let on_the_command_line = NEEDS_ON_THE_COMMAND_LINE
        .into_iter()
        .filter(|(flag, _)| serve.value_source(flag) == Some(ValueSource::CommandLine));
    for (flag, needed) in NEEDS.into_iter().chain(on_the_command_line) {
        if is_on(serve, flag) && !needed.iter().any(|needed| is_on(serve, needed)) {
            let needed: Vec<_> =
                needed.iter().map(|needed| format!("--{}", needed.replace('_', "-"))).collect();
            let message = format!("{} needs {}", named(serve, flag), needed.join(" or "));
            return Err(wrong(ErrorKind::MissingRequiredArgument, message));
        }
    }
    // A server that is to ask for certificates asks for none without the authorities.
    let asks = is_on(serve, "tls_client_certificates") && ON.iter().any(|on| is_on(serve, on));
    if asks && !is_on(serve, "tls_client_ca") {
        let message = format!("{} needs --tls-client-ca", named(serve, "tls_client_certificates"));
        return Err(wrong(ErrorKind::MissingRequiredArgument, message));
    }
    if is_on(serve, "redirect_to_https") && !(is_on(serve, "tls_listen") && is_on(serve, "port")) {
        let message = format!(
            "{} needs two ports: that of --tls-listen for TLS, and --port for plain HTTP",
            named(serve, "redirect_to_https")
        );
        return Err(wrong(ErrorKind::MissingRequiredArgument, message));
    }
    Ok(())
}

/// Whether a flag is given, and not switched off.
fn is_on(serve: &ArgMatches, flag: &str) -> bool {
    let is_given = serve.value_source(flag).is_some_and(|source| source != ValueSource::DefaultValue);
    let is_off = |flag: &str| serve.try_get_one(flag).is_ok_and(|value| value == Some(&false));
    is_given && !is_off(flag)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_a_port_or_a_host_and_a_port() {
        for (text, host, port) in [
            ("443", None, 443),
            ("0", None, 0),
            (":443", Some(""), 443),
            ("localhost:8443", Some("localhost"), 8443),
            ("127.0.0.1:8443", Some("127.0.0.1"), 8443),
            ("[::1]:8443", Some("[::1]"), 8443),
        ] {
            assert_eq!(address(text), Ok(TlsAddress { host: host.map(str::to_owned), port }), "{text}");
        }
        for text in [
            "",
            ":",
            "::1",
            "::1:443",
            "localhost",
            "localhost:",
            "443:",
            "*:443",
            "https://a:443",
            "a:70000",
        ] {
            assert!(address(text).is_err(), "{text}");
        }
    }

    #[test]
    fn what_browsers_remember_is_in_whole_seconds() {
        assert_eq!(hsts("365d"), Ok(Hsts(Some(31_536_000))));
        assert_eq!(hsts("0"), Ok(Hsts(Some(0))));
        assert_eq!(hsts("none"), Ok(Hsts(None)));
        assert!(hsts("500ms").is_err() && hsts("long").is_err());
    }
}
