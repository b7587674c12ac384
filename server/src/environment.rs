//! The variables of the environment: which are for this program, and which only look so.
//!
//! A platform sets some by itself. Kubernetes sets variables for each service in each container: where a service is
//! called `httpfsm`, `HTTPFSM_PORT` is `tcp://10.0.0.1:80`. Docker's links do the same.

use std::env;
use std::ffi::OsStr;

use clap::builder::ValueParser;
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Arg, Command};

use crate::cli::wrong;

/// The prefix of all variables of this program.
const PREFIX: &str = "HTTPFSM_";

/// The name that the argument DIR suggests, and the variable that it has instead.
const SUGGESTED: (&str, &str) = ("HTTPFSM_DIR", "HTTPFSM_ROOT");

/// Variables whose empty value is not ignored: the first means no `Server` field, the second is an error, as an empty
/// list could admit everybody.
const MAY_BE_EMPTY: [&str; 2] = ["HTTPFSM_IDENTITY", "HTTPFSM_ORIGINS"];

/// The command without the variables that are not for it: those that platforms set, and empty ones.
pub(crate) fn without_foreign_values(command: Command) -> Command {
    command.mut_subcommands(|subcommand| {
        subcommand.mut_args(|arg| match variable(&arg).map(|name| (is_foreign(name), arg.clone())) {
            Some((true, arg)) => arg.env(None::<&str>),
            _ => arg,
        })
    })
}

fn is_foreign(name: &str) -> bool {
    env::var_os(name).is_some_and(|value| {
        (value.is_empty() && !MAY_BE_EMPTY.contains(&name)) || (name == "HTTPFSM_PORT" && is_link(&value))
    })
}

/// Whether the value is the address of a service, as in `tcp://10.0.0.1:80`.
fn is_link(value: &OsStr) -> bool {
    let value = value.as_encoded_bytes();
    [&b"tcp://"[..], b"udp://", b"sctp://"].iter().any(|scheme| value.starts_with(scheme))
}

/// A sentence about each variable with our prefix that neither this program nor a platform knows.
pub(crate) fn unknown(command: &Command) -> Vec<String> {
    let known: Vec<&str> =
        command.get_subcommands().flat_map(Command::get_arguments).filter_map(variable).collect();
    let mut names: Vec<String> = env::vars_os().map(|(name, _)| text(&name)).collect();
    names.sort_unstable();
    names.iter().filter(|name| is_unknown(name, &known)).map(|name| sentence(name, &known)).collect()
}

/// The name of a variable, with what is not UTF-8 as in `\xFF`.
fn text(name: &OsStr) -> String {
    name.to_str().map_or_else(|| format!("{name:?}").trim_matches('"').to_owned(), str::to_owned)
}

fn is_unknown(name: &str, known: &[&str]) -> bool {
    name.strip_prefix(PREFIX).is_some_and(|rest| !known.contains(&name) && !is_platforms(rest))
}

/// Whether a platform may have set it: `HTTPFSM_PORT_80_TCP_ADDR`, `HTTPFSM_SERVICE_HOST`, `HTTPFSM_WEB_PORT`.
fn is_platforms(rest: &str) -> bool {
    let words: Vec<&str> = rest.split('_').collect();
    let ends_in = |last: &str| words.last() == Some(&last);
    words.windows(2).any(|pair| matches!(pair, ["SERVICE", "HOST" | "PORT"]))
        || words.windows(3).any(|three| matches!(three, ["PORT", number, "TCP" | "UDP" | "SCTP"] if number.parse::<u16>().is_ok()))
        || ends_in("PORT")
        || rest == "NAME"
        || words.first() == Some(&"ENV")
}

fn sentence(name: &str, known: &[&str]) -> String {
    // The common prefix does not count for the similarity.
    let rest = |name: &str| name.strip_prefix(PREFIX).unwrap_or_default().to_owned();
    let likeness = |known: &&&str| (strsim::jaro_winkler(&rest(name), &rest(known)) * 1000.0) as u32;
    let suggested = known.iter().find(|known| (name, **known) == SUGGESTED);
    let alike = || known.iter().max_by_key(likeness).filter(|known| likeness(known) > 850);
    match suggested.or_else(alike) {
        Some(nearest) => format!("The variable {name} is unknown and ignored. Did you mean {nearest}?"),
        None => format!("The variable {name} is unknown and ignored."),
    }
}

/// The variable that an argument may come from.
pub(crate) fn variable(arg: &Arg) -> Option<&str> {
    arg.get_env()?.to_str()
}

/// A variable whose value is not UTF-8 where text is needed; clap does not name it.
fn no_text(command: &Command) -> Option<&str> {
    let paths = [ValueParser::path_buf().type_id(), ValueParser::os_string().type_id()];
    let is_text = |arg: &&Arg| !paths.contains(&arg.get_value_parser().type_id());
    let args = command.get_subcommands().flat_map(Command::get_arguments);
    args.filter(is_text)
        .filter_map(variable)
        .find(|name| env::var_os(name).is_some_and(|value| value.to_str().is_none()))
}

/// Names the variable in an error about a value that came from it.
pub(crate) fn name_source(error: clap::Error, command: &Command) -> clap::Error {
    if let (ErrorKind::InvalidUtf8, Some(name)) = (error.kind(), no_text(command)) {
        return wrong(error.kind(), format!("the value of the variable {name} is no text: it is not UTF-8"));
    }
    let Some(ContextValue::String(about)) = error.get(ContextKind::InvalidArg) else { return error };
    // `--port <PORT>`, `--log[=<BOOL>]`
    let flag = about.split([' ', '[', '=']).next().unwrap_or_default();
    let is_meant = |arg: &&Arg| arg.get_long().is_some_and(|long| flag.strip_prefix("--") == Some(long));
    let arg = command.get_subcommands().flat_map(Command::get_arguments).find(is_meant);
    let Some(name) = arg.and_then(variable) else { return error };
    let is_given = env::args_os().any(|given| {
        let given = given.to_string_lossy();
        given.strip_prefix(flag).is_some_and(|rest| rest.is_empty() || rest.starts_with('='))
    });
    if is_given || env::var_os(name).is_none() {
        return error;
    }
    let text = error.render().to_string();
    let text = text.strip_prefix("error: ").unwrap_or(&text);
    let (said, rest) = text.split_once(about.as_str()).unwrap_or((text, ""));
    clap::Error::raw(
        error.kind(),
        format!("{said}{about}{}", rest.replacen('\'', &format!("' of the variable {name}"), 1)),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_that_platforms_set_are_ignored() {
        for name in [
            "SERVICE_HOST",
            "SERVICE_PORT",
            "SERVICE_PORT_HTTP",
            "PORT",
            "PORT_80_TCP",
            "PORT_80_TCP_ADDR",
            "PORT_80_TCP_PORT",
            "PORT_80_TCP_PROTO",
            "PORT_53_UDP",
            "NAME",
            "ENV_PATH",
            "WEB_SERVICE_HOST",
            "WEB_SERVICE_PORT_HTTP",
            "WEB_PORT",
            "WEB_PORT_80_TCP_ADDR",
        ] {
            assert!(!is_unknown(&format!("HTTPFSM_{name}"), &[]), "{name}");
        }
        assert!(!is_unknown("PATH", &[]));
    }

    #[test]
    fn an_unknown_variable_is_reported_with_the_name_that_it_resembles() {
        let known = ["HTTPFSM_HEAD_TIMEOUT", "HTTPFSM_BODY_TIMEOUT", "HTTPFSM_LOG", "HTTPFSM_ROOT"];
        for (name, suggestion) in [
            ("HTTPFSM_HEDA_TIMEOUT", " Did you mean HTTPFSM_HEAD_TIMEOUT?"),
            ("HTTPFSM_HEAD_TIMEOUT_", " Did you mean HTTPFSM_HEAD_TIMEOUT?"),
            ("HTTPFSM_COLOUR", ""),
            ("HTTPFSM_DIR", " Did you mean HTTPFSM_ROOT?"),
        ] {
            assert!(is_unknown(name, &known), "{name}");
            assert_eq!(
                sentence(name, &known),
                format!("The variable {name} is unknown and ignored.{suggestion}")
            );
        }
        assert!(!is_unknown("HTTPFSM_LOG", &known));
    }

    #[test]
    fn the_address_of_a_service_is_no_port() {
        assert!(is_link("tcp://10.0.0.1:80".as_ref()));
        for port in ["80", "", "tcp", "http://a"] {
            assert!(!is_link(port.as_ref()), "{port}");
        }
    }
}
