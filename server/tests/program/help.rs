use crate::{TRANSPORTS, program, run, text};

#[test]
fn help_lists_every_parameter_with_its_defaults() {
    let output = run(&["serve", "--help"]);
    let help = text(&output.stdout);
    assert!(output.status.success());
    for flag in [
        "--app",
        "--transport",
        "--threads",
        "--unix",
        "--hardened",
        "--log",
        "--record",
        "--record-sample",
        "--record-mask-bodies",
        "--hidden",
        "--types",
        "--no-listing",
        "--precompressed",
        "--files-may-block",
        "--field",
        "--spa",
        "--not-found",
        "--tls-cert",
        "--tls-key",
        "--self-signed",
        "--tls-listen",
        "--tls-min",
        "--tls-client-ca",
        "--tls-client-certificates",
        "--redirect-to-https",
        "--hsts",
        "--host",
        "--port",
        "--origins",
        "--url-scheme",
        "--identity",
        "--bodies",
        "--error-pages",
        "--expose-tracebacks",
        "--fin-is-disconnect",
        "--inactivity-timeout",
        "--first-byte-timeout",
        "--handshake-timeout",
        "--head-timeout",
        "--body-timeout",
        "--min-body-rate",
        "--responseless-timeout",
        "--stream-idle-timeout",
        "--write-timeout",
        "--min-write-rate",
        "--linger-timeout",
        "--discard-timeout",
        "--connection-age",
        "--drain-grace",
        "--drain-deadline",
        "--drain-deadline-per-channel",
        "--max-request-header-size",
        "--max-request-fields",
        "--max-request-target-size",
        "--max-request-body-size",
        "--max-trailer-size",
        "--max-trailer-fields",
        "--max-chunk-extension-line",
        "--max-chunk-extension-body",
        "--maximum-simultaneous-requests-per-channel",
        "--requests-per-connection",
        "--input-bound",
        "--output-high-water",
        "--inbuf-overflow",
        "--linger-bytes",
        "--discard-bytes",
        "--maximum-simultaneous-requests",
        "--max-connections",
        "--max-connections-per-peer",
        "--max-buffered-bytes",
    ] {
        let listed = help.split_whitespace().any(|word| word.split(['[', '=']).next() == Some(flag));
        assert!(listed, "{flag} is not in the help");
    }
    let words = help.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(words.contains("[default: 256KiB, hardened: 16KiB]"), "{words}");
    assert!(words.contains("[default: 5h, hardened: 1m 15s]"), "{words}");
    assert!(words.contains("HTTPFSM_HEAD_TIMEOUT") && words.contains("HTTPFSM_ROOT"), "{words}");
    assert!(words.contains("httpfsm serve [OPTIONS] [DIR]"), "{words}");
}

#[test]
fn help_has_one_word_for_a_response() {
    let help = text(&run(&["serve", "--help"]).stdout).to_lowercase();
    for word in ["answer", "octet", "our fin", "thrown away", "throws away"] {
        assert!(!help.contains(word), "{word}: {help}");
    }
    assert!(help.contains("running response"), "{help}");
}

#[test]
fn help_lists_the_transports() {
    let help = text(&run(&["serve", "--help"]).stdout);
    let listed = help.split("--transport <TRANSPORT>").nth(1).and_then(|rest| rest.split("[default:").next());
    let lines = listed.unwrap_or_default().lines().filter_map(|line| line.trim().strip_prefix("- "));
    let names: Vec<_> = lines.filter_map(|line| line.split(':').next()).collect();
    assert_eq!(names, TRANSPORTS, "{help}");
}

#[test]
fn without_a_command_the_help_comes() {
    let output = run(&[]);
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("serve"), "{output:?}");
}

#[test]
fn the_version_is_printed() {
    let output = run(&["--version"]);
    assert_eq!(text(&output.stdout), format!("httpfsm {}\n", env!("CARGO_PKG_VERSION")));
}

#[test]
fn a_bad_value_is_named_with_its_flag() {
    for (flag, value) in [
        ("--port", "http"),
        ("--head-timeout", "soon"),
        ("--max-request-header-size", "-1"),
        ("--max-connections", "9999999999"),
        ("--origins", "10.0.0.1/8"),
        ("--bodies", "half"),
        ("--threads", "0"),
        ("--app", "nothing"),
        ("--transport", "pigeon"),
    ] {
        let output = run(&["serve", &format!("{flag}={value}")]);
        let errors = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{flag} {value}: {errors}");
        assert!(errors.contains(flag) && errors.contains(value), "{flag} {value}: {errors}");
        assert!(output.stdout.is_empty());
    }
}

#[test]
fn a_flag_without_its_command_is_told_where_it_belongs() {
    let output = run(&["--port", "8080"]);
    let errors = text(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{errors}");
    assert!(errors.contains("tip: '--port' is a flag of 'httpfsm serve'"), "{errors}");
    let errors = run(&["--pigeon"]).stderr;
    assert!(!text(&errors).contains("tip"), "{errors:?}");
}

/// The error names the flag, the given value and the expected values.
#[test]
fn a_bad_value_is_reported_with_what_is_expected() {
    let time = "expected a whole number of seconds, a time with its units as in 500ms, 2s or 1h 30m, or none";
    let count = "expected a whole number from 0 to 4294967295, or none for no limit";
    let size = |most: u64| {
        format!("expected a number of bytes up to {most}, as in 4096, 64KiB or 1MiB, or none for no limit")
    };
    let switch = "expected true, yes, on or 1, or false, no, off or 0";
    for (flag, values, expected) in [
        ("head-timeout <TIME>", &["abc", "", "-1", "1.5", "3parsecs", "99999999999999999999"][..], time),
        ("drain-grace <TIME>", &["at once"], time),
        ("tcp-keepalive <TIME>", &["often"], time),
        ("tcp-keepalive <TIME>", &["1", "3s", "3999ms"], "expected 4s or more, or none"),
        ("hardened[=<BOOL>]", &["maybe"], switch),
        ("expose-tracebacks[=<BOOL>]", &["2"], switch),
        ("max-connections <N>", &["-1", "many", "4294967296", "1KiB"], count),
        ("max-request-header-size <SIZE>", &["much", "5GiB", "-1"], &size(u32::MAX.into())),
        ("max-request-body-size <SIZE>", &["much"], &size(u64::MAX)),
        ("port <PORT>", &["99999", "http", "-1"], "expected a whole number from 0 to 65535"),
        ("threads <N>", &["0", "few"], "expected a number from 1 to 1024"),
        ("identity <TEXT>", &["a\tb"], "expected a text without control characters"),
        ("hsts <TIME>", &["500ms"], "expected whole seconds"),
        (
            "tls-listen <[HOST:]PORT>",
            &["::1", "localhost", "https://a:443"],
            "expected a port, or a host and a port, as in 443, example.org:443, [::1]:443, or :443 for all interfaces",
        ),
        (
            "field <GLOB: NAME: VALUE>",
            &["Cache-Control", "*.js: no-cache"],
            "expected a pattern and a field, as in '*.js: Cache-Control: max-age=3600'",
        ),
        (
            "field <GLOB: NAME: VALUE>",
            &["*: Content-Length: 7"],
            "Content-Length is written by the server, which knows what it sends.",
        ),
        ("field <GLOB: NAME: VALUE>", &["*: X Y: 7"], "The field name \"X Y\" is not a token."),
        (
            "record-sample <N>",
            &["-1", "half"],
            "expected a whole number, as in 10 for one connection in ten; 0 records none until SIGUSR1",
        ),
    ] {
        let name = flag.split([' ', '[']).next().expect("a name");
        for value in values {
            let output = run(&["serve", &format!("--{name}={value}")]);
            let message = format!("error: invalid value '{value}' for '--{flag}': {expected}\n");
            assert!(text(&output.stderr).starts_with(&message), "{message}{}", text(&output.stderr));
            if value.is_empty() {
                continue;
            }
            let variable = format!("HTTPFSM_{}", name.to_uppercase().replace('-', "_"));
            let output = program().arg("serve").env(&variable, value).output().expect("the program starts");
            let message = format!(
                "error: invalid value '{value}' for '--{flag}' of the variable {variable}: {expected}\n"
            );
            assert!(text(&output.stderr).starts_with(&message), "{message}{}", text(&output.stderr));
        }
    }
}

#[test]
fn a_bad_variable_is_named_like_its_flag() {
    let output =
        program().arg("serve").env("HTTPFSM_BODY_TIMEOUT", "later").output().expect("the program starts");
    let errors = text(&output.stderr);
    assert_eq!(output.status.code(), Some(2));
    assert!(errors.contains("--body-timeout") && errors.contains("later"), "{errors}");
}

#[test]
fn a_bad_timeout_of_the_rig_is_named() {
    let mut command = program();
    let output =
        command.args(["serve", "--app", "echo"]).env("RIG_TIMEOUT_MS", "x").output().expect("it starts");
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("RIG_TIMEOUT_MS"), "{output:?}");
}

#[test]
fn a_flag_that_nobody_knows_is_refused() {
    let output = run(&["serve", "--fast"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("--fast"));
}

#[test]
fn what_is_for_files_is_refused_without_them() {
    for (given, named) in [
        (&["/srv"][..], "the folder /srv"),
        (&["--hidden"], "--hidden"),
        (&["--types", "/x"], "--types /x"),
        (&["--no-listing"], "--no-listing"),
        (&["--precompressed"], "--precompressed"),
        (&["--files-may-block"], "--files-may-block"),
        (&["--field", "*: X: y"], "--field"),
        (&["--spa", "x.html"], "--spa x.html"),
        (&["--not-found", "x.html"], "--not-found x.html"),
    ] {
        let output = run(&[&["serve", "--app", "echo"], given].concat());
        assert_eq!(output.status.code(), Some(2));
        let errors = text(&output.stderr);
        assert!(errors.contains(&format!("{named} is for --app files")), "{errors}");
        assert!(errors.contains("Usage: httpfsm serve [OPTIONS] [DIR]"), "{errors}");
    }
}

#[test]
fn what_needs_another_flag_says_which() {
    for (given, message) in [
        ("--unix-mode=660", "error: --unix-mode needs --unix\n"),
        ("--record-sample=2", "error: --record-sample needs --record\n"),
        ("--record-mask-bodies", "error: --record-mask-bodies needs --record\n"),
    ] {
        let output = run(&["serve", given]);
        let errors = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{errors}");
        assert!(errors.starts_with(message) && errors.contains("Usage: httpfsm serve [OPTIONS]"), "{errors}");
    }
}
