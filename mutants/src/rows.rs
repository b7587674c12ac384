//! Changes of the tables, a cell at a time. They change what the machines run on, not what is drawn.

use std::collections::{BTreeSet, HashMap};
use std::fs;
use std::path::Path;

use syn::visit::{self, Visit};

/// A changed cell.
pub struct Change {
    /// What is changed, for reading.
    pub name: String,
    /// The number under which tests that look the cell up are recorded.
    pub place: u32,
    /// What switches it on.
    pub setting: String,
}

/// Every change of a table: rows removed, sent to the states beside theirs, given the next row's action or none; refusals
/// taken as the same event is taken elsewhere, unless the event is internal: nobody can send it, and no action raises it
/// there (`coverage.rs` beside the tables shows that), so such a cell is never looked up.
pub fn changes(root: &Path, file: &str, directions: &str, idle: &str) -> Result<Vec<Change>, String> {
    let mut table = Table::default();
    for path in BTreeSet::from([file, directions]) {
        let source = fs::read_to_string(root.join(path)).map_err(|error| format!("{path}: {error}"))?;
        table.visit_file(&syn::parse_file(&source).map_err(|error| format!("{path}: {error}"))?);
    }
    let states = table.enums.get("State").ok_or("no states")?;
    let events = table.enums.get("Event").ok_or("no events")?;
    let position =
        |names: &[String], name: &str| names.iter().position(|other| other == name).unwrap_or(usize::MAX);
    let mut changes = Vec::new();
    let mut change = |state: &str, event: &str, kind: usize, x: usize, y: usize, what: String| {
        let (s, e) = (position(states, state), position(events, event));
        let place = 100_000 + (states.len() * 64 + s) * 64 + e;
        changes.push(Change {
            name: format!("{file}: ({state}, {event}) {what}"),
            place: u32::try_from(place).unwrap_or(u32::MAX),
            setting: format!("{} {} {s} {e} {kind} {x} {y}", states.len(), events.len()),
        });
    };
    let cell = |row: &[String]| (position(states, &row[0]), position(events, &row[1]));
    let ignoring = table.rows.iter().find(|row| row[2] == idle).ok_or("no row that does nothing")?;
    for (index, row) in table.rows.iter().enumerate() {
        let [state, event, action, next] = row.as_slice() else {
            return Err(format!("{file}: a row of {row:?}"));
        };
        change(state, event, 0, 0, 0, "is refused".to_owned());
        let at = position(states, next);
        for number in BTreeSet::from([(at + 1) % states.len(), (at + states.len() - 1) % states.len()]) {
            let other = &states[number];
            change(state, event, 1, number, 0, format!("goes to {other} instead of {next}"));
        }
        if action != idle {
            let (x, y) = cell(ignoring);
            change(state, event, 2, x, y, format!("does nothing instead of {action}"));
        }
        let following =
            table.rows.iter().cycle().skip(index + 1).find(|other| other[2] != *action && other[2] != idle);
        if let Some(following) = following {
            let (x, y) = cell(following);
            change(state, event, 2, x, y, format!("does {} instead of {action}", following[2]));
        }
    }
    for refusal in table.refusals.iter().filter(|refusal| !table.internal.contains(&refusal[1])) {
        let donor = table.rows.iter().find(|row| row[1] == refusal[1]).unwrap_or(ignoring);
        let (x, y) = cell(donor);
        change(&refusal[0], &refusal[1], 3, x, y, format!("is taken as in {}", donor[0]));
    }
    Ok(changes)
}

#[derive(Default)]
struct Table {
    enums: HashMap<String, Vec<String>>,
    rows: Vec<Vec<String>>,
    refusals: Vec<Vec<String>>,
    internal: Vec<String>,
}

impl<'ast> Visit<'ast> for Table {
    fn visit_item_macro(&mut self, item: &'ast syn::ItemMacro) {
        if let Ok(declared) = syn::parse2::<syn::ItemEnum>(item.mac.tokens.clone()) {
            let values = declared.variants.iter().map(|variant| variant.ident.to_string()).collect();
            self.enums.insert(declared.ident.to_string(), values);
        }
    }

    fn visit_expr_call(&mut self, call: &'ast syn::ExprCall) {
        let words: Vec<String> = call.args.iter().filter_map(last_word).collect();
        match last_word(&call.func).as_deref() {
            Some("row") => self.rows.push(words),
            Some("refuse") => self.refusals.push(words),
            Some("internal") => self.internal.extend(words),
            _ => visit::visit_expr_call(self, call),
        }
    }
}

fn last_word(expr: &syn::Expr) -> Option<String> {
    let syn::Expr::Path(path) = expr else { return None };
    Some(path.path.segments.last()?.ident.to_string())
}
