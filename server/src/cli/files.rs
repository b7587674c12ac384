//! The flags about files.

use std::path::PathBuf;

use clap::{ArgAction, ArgMatches};
use httpfsm_files::FieldRule;

use super::from;
use crate::parameters::switch;

#[derive(clap::Args)]
#[command(next_help_heading = "Files, with --app files")]
pub(crate) struct FileFlags {
    /// Serve names that begin with a dot as well; else only .well-known is, at the root
    #[arg(
        long,
        env = "HTTPFSM_HIDDEN",
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
    pub(crate) hidden: bool,

    /// Content types by extension, before those that the program knows: lines of a type and its extensions, as in
    /// /etc/mime.types
    #[arg(long, env = "HTTPFSM_TYPES", hide_env = true, value_name = "FILE")]
    pub(crate) types: Option<PathBuf>,

    /// Make no list of a folder without index.html: it is 404
    #[arg(
        long,
        env = "HTTPFSM_NO_LISTING",
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
    pub(crate) no_listing: bool,

    /// Send FILE.br, FILE.zst or FILE.gz in place of FILE to who accepts it; whether they hold the same, nobody looks
    #[arg(
        long,
        env = "HTTPFSM_PRECOMPRESSED",
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
    pub(crate) precompressed: bool,

    /// Let threads that serve connections wait for a disk, as nginx does: for files that are nearly always in memory, and
    /// for file systems that cannot say what they have there (overlayfs, tmpfs)
    #[arg(
        long,
        env = "HTTPFSM_FILES_MAY_BLOCK",
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
    pub(crate) files_may_block: bool,

    /// A field of the responses with the files and lists that GLOB matches, in place of one of the same name. *.js is a name
    /// in any folder, /assets/** all below one. Of several for one name the last counts that matches. May be repeated
    #[arg(
        long,
        env = "HTTPFSM_FIELD",
        hide_env = true,
        value_name = "GLOB: NAME: VALUE",
        value_parser = field_rule
    )]
    pub(crate) field: Vec<FieldRule>,

    /// For an application of a single page: FILE, below DIR, with 200 in place of the 404 of a page. Scripts and images
    /// that are missing are 404
    #[arg(long, env = "HTTPFSM_SPA", hide_env = true, value_name = "FILE")]
    pub(crate) spa: Option<PathBuf>,

    /// The content of each 404: FILE, below DIR [default: a sentence]
    #[arg(long, env = "HTTPFSM_NOT_FOUND", hide_env = true, value_name = "FILE")]
    pub(crate) not_found: Option<PathBuf>,
}

/// `*.js: Cache-Control: max-age=60`
fn field_rule(text: &str) -> Result<FieldRule, String> {
    let rule = text.split_once(':').and_then(|(pattern, field)| Some((pattern, field.split_once(':')?)));
    let Some((pattern, (name, value))) = rule else {
        return Err("expected a pattern and a field, as in '*.js: Cache-Control: max-age=3600'".to_owned());
    };
    FieldRule::new(pattern.trim(), name.trim(), value.trim()).map_err(|error| error.to_string())
}

/// Of these arguments the first that is given and not switched off, with its value, and where it comes from.
pub(super) fn given(serve: &ArgMatches) -> Option<String> {
    let path = |name| serve.get_one::<PathBuf>(name).map(|path| path.display().to_string());
    let is_on = |name| serve.get_one(name) == Some(&true);
    let folder = || Some(("dir", format!("the folder {}", path("dir")?)));
    let switch = |name: &'static str| is_on(name).then(|| (name, format!("--{}", name.replace('_', "-"))));
    let field = || serve.get_many::<FieldRule>("field").map(|_| ("field", "--field".to_owned()));
    let file = |name: &'static str| Some((name, format!("--{} {}", name.replace('_', "-"), path(name)?)));
    let given = folder()
        .or_else(|| ["hidden", "no_listing", "precompressed", "files_may_block"].into_iter().find_map(switch))
        .or_else(field)
        .or_else(|| ["types", "spa", "not_found"].into_iter().find_map(file));
    given.map(|(name, given)| from(serve, name, given))
}
