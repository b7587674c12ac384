//! Every parameter of the server as a flag and an environment variable, but for those of a preface, as no listener of the
//! program has one.
//!
//! [`PARAMETERS`] is the one place: a row per field of [`ServerConfig`] and of the `ChannelConfig` in it. The name of
//! the flag is the field's in kebab case, that of the variable the same with `HTTPFSM_` before it; defaults are not
//! repeated here but read from the configuration.

mod kind;

use std::sync::Arc;
use std::time::Duration;

use clap::{Arg, ArgMatches, Args, Command, FromArgMatches};
use httpfsm::config::ServerConfig;

use kind::{
    Delivery, ErrorPagesKind, Flag, Grace, Host, Origins, PlainText, Port, Quantity, Size, Time, ValueKind,
};

/// A field of the configuration that can be set from outside.
struct Parameter {
    /// The field, or a longer name where another field has the same name.
    name: &'static str,
    help: &'static str,
    heading: &'static str,
    /// What stands for the value in `--help`.
    placeholder: &'static str,
    /// Whether the flag without a value means `true`.
    stands_alone: bool,
    parse: fn(&str) -> Result<Setting, String>,
    show: fn(&ServerConfig) -> String,
}

/// A value on its way into its field.
#[derive(Clone)]
struct Setting(Arc<dyn Fn(&mut ServerConfig) + Send + Sync>);

/// Rows of `[path to the field] name: kind, help`.
macro_rules! parameters {
    ($($heading:literal { $([$($path:ident).+] $name:ident: $kind:ident, $help:literal;)+ })+) => {
        &[$($(Parameter {
            name: stringify!($name),
            help: $help,
            heading: $heading,
            placeholder: placeholder::<$kind, _>(|config| &config.$($path).+),
            stands_alone: stands_alone::<$kind, _>(|config| &config.$($path).+),
            parse: |text| {
                let value = $kind::parse(text)?;
                Ok(Setting(Arc::new(move |config| config.$($path).+.clone_from(&value))))
            },
            show: |config| $kind::show(&config.$($path).+),
        },)+)+]
    };
}

/// Finds `K`'s placeholder for the type of a field.
const fn placeholder<K: ValueKind<T>, T>(_field: fn(&ServerConfig) -> &T) -> &'static str {
    K::PLACEHOLDER
}

/// Finds whether `K`'s flag may stand alone, for the type of a field.
const fn stands_alone<K: ValueKind<T>, T>(_field: fn(&ServerConfig) -> &T) -> bool {
    K::STANDS_ALONE
}

const PARAMETERS: &[Parameter] = parameters! {
    "Listening" {
        [host] host: Host,
            "Name or address to listen on; empty: all interfaces";
        [port] port: Port,
            "Port to listen on; 0: the system chooses";
        [origins] origins: Origins,
            "Who may connect: addresses, names, blocks as in 10.0.0.0/8, each with or without a port, and unix";
    }
    "Responses" {
        [channel.url_scheme] url_scheme: PlainText,
            "Scheme that requests report";
        [channel.identity] identity: PlainText,
            "Value of the Server field; empty: no field";
        [channel.bodies] bodies: Delivery,
            "Call the application at the end of the request head, or when the whole body has arrived; unset: the former, \
             but functions on few threads (--transport blocking) when they need not wait for the body, or may";
        [channel.error_pages] error_pages: ErrorPagesKind,
            "Format of the responses that the machine makes by itself";
        [channel.expose_tracebacks] expose_tracebacks: Flag,
            "Put the text of a failure into its 500 response";
        [channel.fin_is_disconnect] fin_is_disconnect: Flag,
            "Treat the peer's FIN as a lost connection instead of finishing the running response";
    }
    "Deadlines" {
        [channel.inactivity_timeout] inactivity_timeout: Time,
            "How long a keep-alive connection may be idle";
        [channel.first_byte_timeout] first_byte_timeout: Time,
            "How long a new connection may take to send its first byte";
        [handshake_timeout] handshake_timeout: Time,
            "How long a new connection over TLS may take for its handshake";
        [channel.head_timeout] head_timeout: Time,
            "How long a request head may take, from its first byte to its last";
        [channel.body_timeout] body_timeout: Time,
            "How long a request body may stall or stay behind --min-body-rate; then 408";
        [channel.min_body_rate] min_body_rate: Size,
            "Bytes per second at which a request body must arrive; 0: each byte restarts --body-timeout";
        [channel.responseless_timeout] responseless_timeout: Time,
            "How long the application may take to respond; then 503";
        [channel.peer_ended_timeout] peer_ended_timeout: Time,
            "How long the application may be silent after the peer's FIN; then 503, or the response is cut";
        [channel.stream_idle_timeout] stream_idle_timeout: Time,
            "How long the application may be silent within a response";
        [channel.write_timeout] write_timeout: Time,
            "How long a peer that reads may stall or stay behind --min-write-rate";
        [channel.min_write_rate] min_write_rate: Size,
            "Bytes per second at which a peer must read; 0: each byte restarts --write-timeout";
        [channel.linger_timeout] linger_timeout: Time,
            "How long to read and discard input after closing our side; 0 or none: no lingering";
        [channel.discard_timeout] discard_timeout: Time,
            "How long to read and discard the unread rest of a request body after the response; 0 or none: the connection closes";
        [room_timeout] room_timeout: Time,
            "How long a request body or a piece of a response waits for room under --max-buffered-bytes; then 503, or the \
             response is cut";
        [channel.connection_age] connection_age: Time,
            "Age from which on a connection closes with its next response";
        [channel.drain_grace] drain_grace: Grace,
            "While draining, how long an idle connection waits for a request on its way; 0: it closes at once; none: it \
             waits until the drain deadline";
        [drain_deadline] drain_deadline: Time,
            "How long a drain may take before the server drops the connections that are left, --drain-grace later (at least 1s)";
        [channel.drain_deadline] drain_deadline_per_channel: Time,
            "How long a drain may take before a connection is cut";
    }
    "Limits of a request" {
        [channel.max_request_header_size] max_request_header_size: Size,
            "Largest request head; above: 431";
        [channel.max_request_fields] max_request_fields: Quantity,
            "Most field lines in a head; above: 431";
        [channel.max_request_target_size] max_request_target_size: Size,
            "Largest request target; above: 414";
        [channel.max_request_body_size] max_request_body_size: Size,
            "Largest request body; above: 413";
        [channel.max_trailer_size] max_trailer_size: Size,
            "Largest trailer section; above: 431";
        [channel.max_trailer_fields] max_trailer_fields: Quantity,
            "Most trailer fields; above: 431";
        [channel.max_chunk_extension_line] max_chunk_extension_line: Size,
            "Chunk extension in one line; above: 400";
        [channel.max_chunk_extension_body] max_chunk_extension_body: Size,
            "Chunk extensions in one body; above: 400";
    }
    "Limits of a connection" {
        [channel.maximum_simultaneous_requests] maximum_simultaneous_requests_per_channel: Quantity,
            "Complete requests of one connection that may lack a response; the next: 503";
        [channel.requests_per_connection] requests_per_connection: Quantity,
            "Requests after which a connection closes";
        [channel.input_bound] input_bound: Size,
            "Input to buffer while the connection waits for something else; 4KiB at least";
        [channel.output_high_water] output_high_water: Size,
            "Pending output above which the application waits; 1KiB at least";
        [channel.inbuf_overflow] inbuf_overflow: Size,
            "Above this, a body that is gathered waits in a temporary file; 0: it never does";
        [channel.linger_bytes] linger_bytes: Size,
            "Bytes that lingering reads and discards; 0: no lingering";
        [channel.discard_bytes] discard_bytes: Size,
            "Largest unread rest of a request body to read and discard; 0: none is";
    }
    "Limits of the server" {
        [maximum_simultaneous_requests] maximum_simultaneous_requests: Quantity,
            "Requests that the application may have at once; above: 503";
        [max_connections] max_connections: Quantity,
            "Connections that may be open at once; above: the longest idle one is closed, else the new one";
        [max_connections_per_peer] max_connections_per_peer: Quantity,
            "Connections that one address may have open at once";
        [max_buffered_bytes] max_buffered_bytes: Size,
            "Bytes that the server may hold in memory for all connections; above: whoever needs more waits";
        [max_spooled_bytes] max_spooled_bytes: Size,
            "Bytes of bodies that may be in temporary files; above: 503, or the response is cut";
        [spool_dir] spool_dir: PlainText,
            "Folder of the temporary files for bodies; empty: the system's";
    }
};

/// The parameters that were given, on the command line or in the environment.
#[derive(Clone)]
pub(crate) struct Parameters {
    given: Vec<(&'static str, Setting)>,
}

impl Parameters {
    /// Whether `name` was given.
    pub(crate) fn gives(&self, name: &str) -> bool {
        self.given.iter().any(|(given, _)| *given == name)
    }

    /// Puts what was given into a configuration.
    pub(crate) fn apply(&self, config: &mut ServerConfig) {
        for (_, Setting(set)) in &self.given {
            set(config);
        }
        // A deadline for the server is meant for its channels, too.
        if self.gives("drain_deadline") && !self.gives("drain_deadline_per_channel") {
            config.channel.drain_deadline = config.drain_deadline;
        }
    }
}

/// What the program starts from: the library's defaults, or its hardened ones, on a port of this machine alone.
pub(crate) fn defaults(hardened: bool) -> ServerConfig {
    let config = if hardened { ServerConfig::hardened() } else { ServerConfig::default() };
    ServerConfig { host: "127.0.0.1".into(), port: 8080, ..config }
}

/// Reads the value of a flag that may stand alone.
pub(crate) fn switch(text: &str) -> Result<bool, String> {
    Flag::parse(text)
}

/// Reads a time that may be zero, or none.
pub(crate) fn grace(text: &str) -> Result<Option<Duration>, String> {
    Grace::parse(text)
}

/// Reads a time; none is zero.
pub(crate) fn time(text: &str) -> Result<Duration, String> {
    Time::parse(text).map(Option::unwrap_or_default)
}

impl Args for Parameters {
    fn augment_args(command: Command) -> Command {
        let (plain, hardened) = (defaults(false), defaults(true));
        let command = command.args(PARAMETERS.iter().map(|parameter| parameter.arg(&plain, &hardened)));
        command.next_help_heading(None)
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for Parameters {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let given = PARAMETERS.iter().filter_map(|parameter| {
            let setting: &Setting = matches.get_one(parameter.name)?;
            Some((parameter.name, setting.clone()))
        });
        Ok(Self { given: given.collect() })
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        self.given.extend(Self::from_arg_matches(matches)?.given);
        Ok(())
    }
}

impl Parameter {
    fn arg(&self, plain: &ServerConfig, hardened: &ServerConfig) -> Arg {
        let arg = Arg::new(self.name)
            .long(self.name.replace('_', "-"))
            .env(format!("HTTPFSM_{}", self.name.to_uppercase()))
            .help(format!("{} {}", self.help, self.shown_defaults(plain, hardened)))
            .help_heading(self.heading)
            .hide_env(true)
            .value_name(self.placeholder)
            .value_parser(self.parse);
        if self.stands_alone {
            return arg.num_args(0..=1).require_equals(true).default_missing_value("true");
        }
        // A negative number is then a bad value of this flag and not an unknown flag. Another flag is never taken for
        // the value of this one.
        arg.allow_negative_numbers(true)
    }

    fn shown_defaults(&self, plain: &ServerConfig, hardened: &ServerConfig) -> String {
        let (plain, hardened) = ((self.show)(plain), (self.show)(hardened));
        if plain == hardened {
            return format!("[default: {plain}]");
        }
        format!("[default: {plain}, hardened: {hardened}]")
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use clap::{Args, Command, FromArgMatches};
    use httpfsm::channel::CompiledConfig;
    use httpfsm::config::{ChannelConfig, ServerConfig};
    use httpfsm::time::Moment;

    use super::{PARAMETERS, Parameter, Parameters, defaults};

    fn parse(arguments: &[&str]) -> Result<Parameters, clap::Error> {
        let command = Parameters::augment_args(Command::new("test").no_binary_name(true));
        Parameters::from_arg_matches(&command.try_get_matches_from(arguments)?)
    }

    /// A value that no parameter has by default, in either column.
    fn sample(parameter: &Parameter) -> &'static str {
        match parameter.placeholder {
            "TIME" => "1234ms",
            "SIZE" => "12345",
            "N" | "PORT" => "1234",
            "TEXT" | "HOST" => "sample",
            "BOOL" => "true",
            "streamed|whole" => "whole",
            "text|html|json" => "json",
            "ORIGIN,..." => "10.0.0.0/8,::1",
            other => panic!("no sample for {other}"),
        }
    }

    fn shown(config: &ServerConfig) -> Vec<String> {
        PARAMETERS.iter().map(|parameter| (parameter.show)(config)).collect()
    }

    /// The patterns are exhaustive: a new field does not compile until it is named here.
    macro_rules! fields {
        ($name:ident { $($field:ident),* $(,)? }) => {{
            let check = |$name { $($field: _),* }: $name| ();
            let _ = check;
            BTreeSet::from([$(stringify!($field)),*])
        }};
    }

    #[test]
    fn every_field_of_the_configuration_has_a_flag() {
        let server = fields!(ServerConfig {
            host,
            port,
            origins,
            maximum_simultaneous_requests,
            max_connections,
            max_connections_per_peer,
            max_buffered_bytes,
            room_timeout,
            max_spooled_bytes,
            spool_dir,
            drain_deadline,
            preface_timeout,
            handshake_timeout,
            max_preface_bytes,
            channel,
        });
        let channel = fields!(ChannelConfig {
            url_scheme,
            identity,
            expose_tracebacks,
            inactivity_timeout,
            responseless_timeout,
            stream_idle_timeout,
            peer_ended_timeout,
            first_byte_timeout,
            head_timeout,
            body_timeout,
            min_body_rate,
            write_timeout,
            min_write_rate,
            linger_timeout,
            linger_bytes,
            discard_timeout,
            discard_bytes,
            drain_grace,
            drain_deadline,
            max_request_header_size,
            max_request_fields,
            max_request_target_size,
            max_request_body_size,
            inbuf_overflow,
            max_trailer_size,
            max_trailer_fields,
            max_chunk_extension_line,
            max_chunk_extension_body,
            output_high_water,
            input_bound,
            maximum_simultaneous_requests,
            connection_age,
            requests_per_connection,
            fin_is_disconnect,
            bodies,
            error_pages,
        });
        let mut expected: BTreeSet<String> = server.iter().map(|&name| name.to_owned()).collect();
        expected.remove("channel");
        // No listener of the program has a preface.
        for name in ["preface_timeout", "max_preface_bytes"] {
            expected.remove(name);
        }
        for &name in &channel {
            let suffix = if server.contains(name) { "_per_channel" } else { "" };
            expected.insert(format!("{name}{suffix}"));
        }
        let flags: BTreeSet<String> = PARAMETERS.iter().map(|parameter| parameter.name.to_owned()).collect();
        assert_eq!(flags, expected);
        assert_eq!(flags.len(), PARAMETERS.len(), "a flag is listed twice");
    }

    #[test]
    fn the_page_of_parameters_has_a_row_for_every_one() {
        let page = include_str!("../../docs/parameters.md");
        for parameter in PARAMETERS {
            let field = parameter.name.strip_suffix("_per_channel").unwrap_or(parameter.name);
            assert!(page.contains(&format!("`{field}`")), "{field} is not in docs/parameters.md");
        }
    }

    #[test]
    fn each_flag_changes_its_field_and_no_other() {
        for hardened in [false, true] {
            let before = shown(&defaults(hardened));
            for (index, parameter) in PARAMETERS.iter().enumerate() {
                let flag = format!("--{}={}", parameter.name.replace('_', "-"), sample(parameter));
                let mut config = defaults(hardened);
                parse(&[&flag]).unwrap().apply(&mut config);
                let changed: Vec<usize> = shown(&config)
                    .iter()
                    .zip(&before)
                    .enumerate()
                    .filter(|(_, (a, b))| a != b)
                    .map(|(at, _)| at)
                    .collect();
                // The drain deadline of the server is that of its channels, unless they are given one.
                let follows = |other: &Parameter| {
                    parameter.name == "drain_deadline" && other.name == "drain_deadline_per_channel"
                };
                let expected: Vec<usize> = PARAMETERS
                    .iter()
                    .enumerate()
                    .filter(|&(at, other)| at == index || follows(other))
                    .map(|(at, _)| at)
                    .collect();
                assert_eq!(changed, expected, "{flag}");
            }
        }
    }

    /// What zero is to the library stands in the documentation of `httpfsm::config`.
    #[test]
    fn a_time_of_zero_is_what_the_library_takes_it_for() {
        let times = PARAMETERS.iter().filter(|parameter| parameter.placeholder == "TIME");
        for parameter in times {
            let flag = format!("--{}", parameter.name.replace('_', "-"));
            let given = |value: &str| {
                let mut config = defaults(false);
                parse(&[&flag, value]).unwrap().apply(&mut config);
                ((parameter.show)(&config), CompiledConfig::new(&config.channel).leave(Moment::START))
            };
            let (none, without) = given("none");
            assert_eq!(none, "none", "{flag}");
            let help = parameter.help;
            for zero in ["0", "0s", "0ms", "0 h"] {
                let (shown, with) = given(zero);
                match parameter.name {
                    "drain_grace" => {
                        assert_eq!((&*shown, with.idle_until), ("0s", Moment::START), "{flag} {zero}");
                        assert_eq!(without.idle_until, Moment::NEVER, "{flag} none");
                        assert!(help.contains("; 0: ") && help.contains("; none: "), "{help}");
                    }
                    // Of these nothing is done, with zero as without a time.
                    "linger_timeout" | "discard_timeout" => {
                        assert_eq!(shown, "none", "{flag} {zero}");
                        assert!(help.contains("; 0 or none: "), "{help}");
                    }
                    _ => {
                        assert_eq!((&*shown, with), ("none", without), "{flag} {zero}");
                        assert!(!help.contains("none"), "{help}");
                    }
                }
            }
        }
    }

    #[test]
    fn nothing_given_changes_nothing() {
        let mut config = defaults(false);
        let parameters = parse(&[]).unwrap();
        parameters.apply(&mut config);
        assert_eq!(shown(&config), shown(&defaults(false)));
        assert!(!parameters.gives("port"));
        assert!(parse(&["--port", "0"]).unwrap().gives("port"));
    }

    #[test]
    fn a_given_value_wins_over_the_hardened_one() {
        let mut config = defaults(true);
        parse(&["--head-timeout", "1m", "--expose-tracebacks"]).unwrap().apply(&mut config);
        assert_eq!(config.channel.head_timeout, Some(std::time::Duration::from_secs(60)));
        assert!(config.channel.expose_tracebacks);
        assert_eq!(config.max_connections, ServerConfig::hardened().max_connections);
    }

    #[test]
    fn a_bad_value_names_the_flag_and_the_value() {
        for (flag, value) in [("--head-timeout", "soon"), ("--port", "-1"), ("--max-connections", "1KiB")] {
            let error = parse(&[flag, value]).err().unwrap();
            assert_eq!(error.exit_code(), 2);
            let text = error.to_string();
            assert!(text.contains(flag) && text.contains(value), "{text}");
        }
    }
}
