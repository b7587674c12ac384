//! `docs/fsm.md` and the pictures beside it are made from the tables that the machines run on. These tests compare;
//! `HTTPFSM_BLESS=1 cargo test -p httpfsm --test drawings` writes them anew.

use std::fs;
use std::path::{Path, PathBuf};

use httpfsm::fsm::{Act, Cause, Description, Label, Machine, Row};

const COMMAND: &str = "HTTPFSM_BLESS=1 cargo test -p httpfsm --test drawings";

fn machines() -> [(&'static str, Description); 3] {
    [
        ("channel", httpfsm::channel::MACHINE.describe()),
        ("server", httpfsm::server::MACHINE.describe()),
        ("prologue", httpfsm::prologue::MACHINE.describe()),
    ]
}

fn docs() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs")
}

/// Compares a file with what it has to be, or writes it.
fn check(path: &Path, expected: &str) {
    if std::env::var_os("HTTPFSM_BLESS").is_some() {
        fs::create_dir_all(path.parent().expect("a file in a folder")).expect("the folder can be made");
        fs::write(path, expected).expect("the file can be written");
        return;
    }
    let found = fs::read_to_string(path).unwrap_or_default();
    assert!(
        found == expected,
        "{} is not what the tables say; to make it anew:\n\n    {COMMAND}\n",
        path.display()
    );
}

#[test]
fn the_page_shows_the_tables() {
    if !docs().exists() {
        // The published package has no docs beside it.
        return;
    }
    let mut page = format!(
        "# The machines\n\n\
         Generated from the tables in `core/src/channel/table.rs`, `core/src/server/table.rs` and \
         `core/src/prologue/table.rs`; not to be edited. After a change of a table: `{COMMAND}`.\n\n\
         Read a transition as: in this state, on this event, do these actions, and be in that state. The next state is \
         set before the actions run. Where the way depends on data, the last action raises an *internal* event, \
         which has a row of its own. What `docs/design.md` calls a refusal is an empty cell of the matrix.\n\n"
    );
    for (name, machine) in machines() {
        page.push_str(&format!("![The states of the {name}](fsm/{name}.svg)\n\n"));
        page.push_str(machine.to_markdown().trim_end());
        page.push_str("\n\n");
    }
    page.truncate(page.trim_end().len());
    page.push('\n');
    check(&docs().join("fsm.md"), &page);
}

#[test]
fn the_pictures_show_the_tables() {
    if !docs().exists() {
        return;
    }
    for (name, machine) in machines() {
        check(&docs().join("fsm").join(format!("{name}.svg")), &machine.to_svg());
    }
}

/// A picture is drawn for each state, and each state stands in a place of its own.
#[test]
fn no_two_states_stand_in_one_place() {
    for (name, machine) in machines() {
        let mut places: Vec<_> = machine.states.iter().map(|state| (state.column, state.row)).collect();
        places.sort_unstable();
        places.dedup();
        assert_eq!(places.len(), machine.states.len(), "{name}");
    }
}

/// So a change of the table changes the page, and the page is compared: nothing in a table goes unnoticed.
#[test]
fn any_change_of_a_row_shows_in_the_page() {
    every_change_shows(&httpfsm::channel::MACHINE);
    every_change_shows(&httpfsm::server::MACHINE);
    every_change_shows(&httpfsm::prologue::MACHINE);
}

#[track_caller]
fn every_change_shows<S: Label, E: Label, I: Label, A: Act>(machine: &Machine<S, E, I, A>) {
    let page = machine.describe().to_markdown();
    let shows = |rows: Vec<Row<S, E, I, A>>| {
        Machine { rows: rows.leak(), ..*machine }.describe().to_markdown() != page
    };
    for (at, row) in machine.rows.iter().enumerate() {
        let changed = |next, actions| {
            let mut rows = machine.rows.to_vec();
            rows[at] = Row { next, actions, ..rows[at] };
            rows
        };
        let shown = format!("row {at}");
        // One other state and one other action do for all: a cell shows the name of either.
        let stood = row.next.unwrap_or(row.states[0]);
        let next = S::ALL[(stood.index() + 1) % S::ALL.len()];
        assert!(shows(changed(Some(next), row.actions)), "{shown} goes to {}", next.label());
        let others = machine.rows.iter().cycle().skip(at).map(|row| row.actions);
        let actions = others.into_iter().find(|other| *other != row.actions);
        let actions = actions.expect("a table has more than one action");
        assert!(shows(changed(row.next, actions)), "{shown} does {actions:?}");
        let mut rows = machine.rows.to_vec();
        rows.remove(at);
        assert!(shows(rows), "{shown} is refused");
    }
    for refusal in machine.refusals {
        for &event in refusal.events {
            let mut rows = machine.rows.to_vec();
            let (states, causes) = (vec![refusal.state].leak(), vec![Cause::Input(event)].leak());
            rows.push(Row { states, causes, ..rows[0] });
            assert!(shows(rows), "({}, {}) is taken", refusal.state.label(), event.label());
        }
    }
}
