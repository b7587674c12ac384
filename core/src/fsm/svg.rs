//! A machine as a picture, in the manner of the original's `fsmdraw`: inputs at the left, outputs at the right, the
//! states between them.

use alloc::string::{String, ToString};
use alloc::vec::Vec;
use alloc::{format, vec};
use core::fmt::{self, Write};

use super::description::Edge;
use super::layout::{Rect, Route, routes};
use super::{Description, Direction};

/// Width of a box.
const BOX: i32 = 190;
/// Between columns, where the arrows and their texts go.
const GAP_X: i32 = 170;
/// Between rows.
const GAP_Y: i32 = 100;
/// Around the states.
const MARGIN: i32 = 70;
/// Width of the lists of events at the sides.
const SIDE: i32 = 190;
/// Height of a line of small text.
const LINE: i32 = 13;
/// Height of the name of a state, its deadline included.
const HEAD: i32 = 40;
/// Average width of a small letter, in tenths.
const LETTER: i32 = 60;
/// Letters in a line of a box.
const BOX_LETTERS: usize = 33;
/// Letters in a line beside an arrow.
const ARROW_LETTERS: usize = 26;

/// One for each state in turn, all readable on white; arrows have the colour of the state that they leave.
const COLOURS: [&str; 12] = [
    "#1b6ca8", "#a3341f", "#2d7d46", "#7a3fa0", "#8a5a00", "#0b7a75", "#b02a6b", "#4a5a8c", "#5d6d1e",
    "#8c3b3b", "#3d5a5a", "#555555",
];

impl Description {
    /// The picture, as a file of its own. States stand at their [`Position`](super::Position); events that stay in a state
    /// are listed in its box, and so are those that lead to a state that most others lead to (`→ Closed: ...`), for
    /// which no arrow is drawn. Each arrow carries its events, internal ones in italics.
    ///
    /// A page that shows a machine at work finds each state and each transition by its `id`: `state-Idle` is the group
    /// of the box of `Idle`, and `edge-Idle-Head` the group of all that is drawn for the rows from `Idle` to `Head`, an
    /// arrow with its text or lines in the box. Letters, digits and `_` of a name are kept in an id; another character
    /// is its code point between two dots (`-` is `.2d.`).
    ///
    /// ```
    #[doc = include_str!("../examples/door.txt")]
    /// let picture = MACHINE.describe().to_svg();
    /// // For a file, or in a page of HTML. A script finds the box of a state by its name.
    /// assert!(picture.starts_with("<svg ") && picture.contains("id=\"state-Shut\""));
    /// ```
    #[must_use]
    pub fn to_svg(&self) -> String {
        let mut out = String::new();
        // Writing to a string does not fail.
        let _ = Picture::new(self).write(&mut out);
        out
    }
}

/// The picture, laid out.
struct Picture<'a> {
    machine: &'a Description,
    boxes: Vec<Rect>,
    notes: Vec<Vec<Note>>,
    edges: Vec<Edge>,
    /// What is written at each edge, in lines of events.
    texts: Vec<Vec<Vec<usize>>>,
    routes: Vec<Route>,
    width: i32,
    height: i32,
}

impl<'a> Picture<'a> {
    fn new(machine: &'a Description) -> Self {
        let hubs: Vec<bool> = (0..machine.states.len()).map(|state| is_hub(machine, state)).collect();
        let (listed, edges): (Vec<Edge>, Vec<Edge>) =
            machine.edges().into_iter().partition(|edge| edge.from == edge.to || hubs[edge.to]);
        let notes: Vec<Vec<Note>> =
            (0..machine.states.len()).map(|state| box_notes(machine, &listed, state)).collect();

        let boxes = boxes(machine, &notes);
        let inner_right = boxes.iter().map(|block| block.x + block.w).max().unwrap_or(0);
        let inner_bottom = boxes.iter().map(|block| block.y + block.h).max().unwrap_or(0);
        let width = inner_right + MARGIN + SIDE;
        let legend = LEGEND_TOP + list_height(machine, &INPUTS).max(list_height(machine, &OUTPUTS));
        let height = (inner_bottom + MARGIN).max(legend + LINE);

        let texts: Vec<_> = edges.iter().map(|edge| wrapped(machine, &edge.events)).collect();
        let sizes: Vec<(i32, i32)> = texts.iter().map(|lines| text_size(machine, lines)).collect();
        let within = Rect { x: SIDE + 8, y: 40, w: width - 2 * SIDE - 16, h: height - 48 };
        let routes = routes(&edges, &boxes, &sizes, &within);
        Self { machine, boxes, notes, edges, texts, routes, width, height }
    }

    fn write(&self, out: &mut String) -> fmt::Result {
        let (width, height) = (self.width, self.height);
        writeln!(
            out,
            r#"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" role="img">"#
        )?;
        writeln!(out, "<title>The machine {}</title>", escaped(self.machine.name))?;
        writeln!(out, "<style>{STYLE}</style>")?;
        self.write_arrowheads(out)?;
        writeln!(out, r##"<rect width="{width}" height="{height}" fill="#ffffff"/>"##)?;
        writeln!(
            out,
            r#"<text class="title" x="{}" y="28">{}</text>"#,
            width / 2,
            escaped(self.machine.name)
        )?;
        writeln!(
            out,
            r#"<text class="small" x="{}" y="{}" text-anchor="middle">{KEY}</text>"#,
            width / 2,
            height - 8
        )?;
        self.write_list(out, 12, "start", &INPUTS)?;
        self.write_list(out, width - 12, "end", &OUTPUTS)?;
        for state in 0..self.boxes.len() {
            self.write_box(out, state)?;
        }
        for ((edge, text), route) in self.edges.iter().zip(&self.texts).zip(&self.routes) {
            self.open_edge(out, edge.from, edge.to)?;
            write_curve(out, edge, route)?;
            self.write_label(out, edge, text, &route.label)?;
            writeln!(out, "</g>")?;
        }
        writeln!(out, "</svg>")
    }

    fn open_edge(&self, out: &mut String, from: usize, to: usize) -> fmt::Result {
        let (from, to) = (self.machine.states[from].label, self.machine.states[to].label);
        writeln!(out, r#"<g id="edge-{}-{}">"#, id(from), id(to))
    }

    /// One for each colour: not every viewer lets an arrowhead take the colour of its line.
    fn write_arrowheads(&self, out: &mut String) -> fmt::Result {
        writeln!(out, "<defs>")?;
        for (at, colour) in COLOURS.iter().enumerate().take(self.boxes.len()) {
            writeln!(
                out,
                r#"<marker id="to{at}" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="7" markerHeight="7" orient="auto"><path d="M0 0L10 5L0 10z" fill="{colour}"/></marker>"#
            )?;
        }
        writeln!(out, "</defs>")
    }

    /// Events by direction, one a line.
    fn write_list(&self, out: &mut String, x: i32, anchor: &str, directions: &[Direction]) -> fmt::Result {
        let mut y = LEGEND_TOP;
        for &direction in directions {
            let names = names(self.machine, direction);
            if names.is_empty() {
                continue;
            }
            writeln!(
                out,
                r#"<text class="head" x="{x}" y="{y}" text-anchor="{anchor}">{}</text>"#,
                direction.label()
            )?;
            let class = if direction == Direction::Internal { "small i" } else { "small" };
            for name in names {
                y += LINE + 1;
                let name = escaped(name);
                writeln!(
                    out,
                    r#"<text class="{class}" x="{x}" y="{y}" text-anchor="{anchor}">{name}</text>"#
                )?;
            }
            y += LIST_GAP;
        }
        Ok(())
    }

    fn write_box(&self, out: &mut String, state: usize) -> fmt::Result {
        let (Rect { x, y, w, h }, note) = (self.boxes[state], &self.machine.states[state]);
        let (colour, centre) = (colour(state), x + w / 2);
        let stroke = if state == self.machine.initial { 3 } else { 2 };
        writeln!(out, r#"<g id="state-{}">"#, id(note.label))?;
        writeln!(
            out,
            r##"<rect x="{x}" y="{y}" width="{w}" height="{h}" rx="8" fill="#fbfbf7" stroke="{colour}" stroke-width="{stroke}"/>"##
        )?;
        if self.machine.is_final(state) {
            let (x, y, w, h) = (x + 4, y + 4, w - 8, h - 8);
            writeln!(
                out,
                r#"<rect x="{x}" y="{y}" width="{w}" height="{h}" rx="5" fill="none" stroke="{colour}"/>"#
            )?;
        }
        let name_y = if note.deadline.is_empty() { y + 25 } else { y + 19 };
        let label = escaped(note.label);
        writeln!(out, r#"<text class="name" x="{centre}" y="{name_y}" fill="{colour}">{label}</text>"#)?;
        if !note.deadline.is_empty() {
            let deadline = escaped(note.deadline);
            writeln!(out, r#"<text class="small m" x="{centre}" y="{}">≤ {deadline}</text>"#, y + 33)?;
        }
        let mut y = y + HEAD - 3;
        for note in &self.notes[state] {
            if let Some(to) = note.to {
                self.open_edge(out, state, to)?;
            }
            for line in &note.lines {
                y += LINE;
                writeln!(out, r#"<text class="note" x="{}" y="{y}">{}</text>"#, x + 10, escaped(line))?;
            }
            if note.to.is_some() {
                writeln!(out, "</g>")?;
            }
        }
        writeln!(out, "</g>")
    }

    fn write_label(&self, out: &mut String, edge: &Edge, text: &[Vec<usize>], at: &Rect) -> fmt::Result {
        let Rect { x, y, w, h } = *at;
        let colour = colour(edge.from);
        writeln!(out, r#"<rect class="under" x="{x}" y="{y}" width="{w}" height="{h}" rx="3"/>"#)?;
        for (line, events) in (1..).zip(text) {
            let (centre, y) = (x + w / 2, y + LINE * count(line) - 1);
            write!(out, r#"<text class="small m" x="{centre}" y="{y}" fill="{colour}">"#)?;
            for (at, &event) in events.iter().enumerate() {
                let note = &self.machine.events[event];
                let comma = match at + 1 < events.len() {
                    true => ", ",
                    false if line < text.len() => ",",
                    false => "",
                };
                if note.direction == Direction::Internal {
                    write!(out, r#"<tspan class="i">{}</tspan>{comma}"#, escaped(note.label))?;
                } else {
                    write!(out, "{}{comma}", escaped(note.label))?;
                }
            }
            writeln!(out, "</text>")?;
        }
        Ok(())
    }
}

const STYLE: &str = "svg{font-family:'DejaVu Sans',Verdana,sans-serif;fill:#222}\
    .title{font-size:20px;font-weight:bold;text-anchor:middle}.head{font-size:12px;font-weight:bold}\
    .name{font-size:15px;font-weight:bold;text-anchor:middle}.small{font-size:10px}.m{text-anchor:middle}\
    .note{font-size:9px;fill:#555}.i{font-style:italic}.under{fill:#fff;fill-opacity:.88}";

const INPUTS: [Direction; 3] = [Direction::TopInput, Direction::BottomInput, Direction::Internal];
const OUTPUTS: [Direction; 2] = [Direction::TopOutput, Direction::BottomOutput];
/// What the signs in the boxes mean.
const KEY: &str = "≤ the deadline of a state · ↻ events that stay in it · → events that lead to a state without arrows · slanted: internal";

const LEGEND_TOP: i32 = 60;
const LIST_GAP: i32 = 30;

fn write_curve(out: &mut String, edge: &Edge, route: &Route) -> fmt::Result {
    let (start, control, end) = (route.curve.start, route.curve.control, route.curve.end);
    writeln!(
        out,
        r#"<path d="M{} {}Q{} {} {} {}" fill="none" stroke="{}" stroke-width="1.4" marker-end="url(#to{})"/>"#,
        start.x,
        start.y,
        control.x,
        control.y,
        end.x,
        end.y,
        colour(edge.from),
        edge.from % COLOURS.len()
    )
}

fn colour(state: usize) -> &'static str {
    COLOURS[state % COLOURS.len()]
}

/// Whether so many states lead to this one that their arrows would hide the others.
fn is_hub(machine: &Description, state: usize) -> bool {
    let sources = (0..machine.states.len()).filter(|&from| {
        from != state && machine.rows.iter().any(|row| row.state == from && row.next == state)
    });
    let sources = sources.count();
    sources > 4 && sources * 2 > machine.states.len()
}

/// A part of what a box says below its name.
struct Note {
    /// The state that the events of these lines lead to; `None`: the lines are no transition of this state.
    to: Option<usize>,
    lines: Vec<String>,
}

/// What a box says below its name: the events that stay, and those for which there is no arrow.
fn box_notes(machine: &Description, listed: &[Edge], state: usize) -> Vec<Note> {
    let mut notes = Vec::new();
    if listed.iter().any(|edge| edge.from != state && edge.to == state) {
        let line = format!("← states that say → {}", machine.states[state].label);
        notes.push(Note { to: None, lines: vec![line] });
    }
    for edge in listed.iter().filter(|edge| edge.from == state) {
        let mut lines = Vec::new();
        let head =
            if edge.to == state { "↻".into() } else { format!("→ {}:", machine.states[edge.to].label) };
        let mut line = head;
        for (at, &event) in edge.events.iter().enumerate() {
            let label = machine.events[event].label;
            if line.chars().count() + 1 + label.len() > BOX_LETTERS {
                lines.push(core::mem::replace(&mut line, "   ".into()));
            }
            line.push(' ');
            line.push_str(label);
            if at + 1 < edge.events.len() {
                line.push(',');
            }
        }
        lines.push(line);
        notes.push(Note { to: Some(edge.to), lines });
    }
    notes
}

/// The boxes at their places: a column is as wide as a box, a row as high as its highest box.
fn boxes(machine: &Description, notes: &[Vec<Note>]) -> Vec<Rect> {
    let rows = machine.states.iter().map(|state| usize::from(state.row) + 1).max().unwrap_or(0);
    let mut heights = vec![0; rows];
    // Even, so that the boxes of a row have one middle.
    let height = |notes: &[Note]| {
        let lines = notes.iter().map(|note| note.lines.len()).sum();
        (HEAD + LINE * count(lines) + 7) / 2 * 2
    };
    for (state, notes) in machine.states.iter().zip(notes) {
        let row = &mut heights[usize::from(state.row)];
        *row = height(notes).max(*row);
    }
    let place = |(state, notes): (&super::StateNote, &Vec<Note>)| {
        let row = usize::from(state.row);
        let above: i32 = heights[..row].iter().map(|height| height + GAP_Y).sum();
        let h = height(notes);
        Rect {
            x: SIDE + MARGIN + i32::from(state.column) * (BOX + GAP_X),
            y: MARGIN + 20 + above + (heights[row] - h) / 2,
            w: BOX,
            h,
        }
    };
    machine.states.iter().zip(notes).map(place).collect()
}

/// Events in lines of at most three, and not too long.
fn wrapped(machine: &Description, events: &[usize]) -> Vec<Vec<usize>> {
    let mut lines: Vec<Vec<usize>> = Vec::new();
    let mut letters = 0;
    for &event in events {
        let length = machine.events[event].label.len() + 2;
        match lines.last_mut() {
            Some(line) if line.len() < 3 && letters + length <= ARROW_LETTERS => {
                line.push(event);
                letters += length;
            }
            _ => {
                lines.push(vec![event]);
                letters = length;
            }
        }
    }
    lines
}

fn text_size(machine: &Description, lines: &[Vec<usize>]) -> (i32, i32) {
    let letters =
        |line: &Vec<usize>| line.iter().map(|&event| machine.events[event].label.len() + 2).sum::<usize>();
    let widest = lines.iter().map(letters).max().unwrap_or(0);
    (count(widest) * LETTER / 10, LINE * count(lines.len()) + 4)
}

fn names(machine: &Description, direction: Direction) -> Vec<&'static str> {
    let events = machine.events.iter().filter(|event| event.direction == direction).map(|event| event.label);
    let outputs =
        machine.outputs.iter().filter(|output| output.direction == direction).map(|output| output.name);
    events.chain(outputs).collect()
}

fn list_height(machine: &Description, directions: &[Direction]) -> i32 {
    directions
        .iter()
        .map(|&direction| names(machine, direction).len())
        .filter(|&lines| lines > 0)
        .map(|lines| count(lines) * (LINE + 1) + LIST_GAP)
        .sum()
}

fn count(len: usize) -> i32 {
    i32::try_from(len).unwrap_or(i32::MAX / 1000)
}

fn escaped(text: &str) -> String {
    if text.contains(['&', '<', '>']) {
        text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
    } else {
        text.to_string()
    }
}

/// A name as a part of an `id`, for which blanks and quotes are none. Two names give two parts, and none has a `-`.
fn id(name: &str) -> String {
    let mut out = String::new();
    for letter in name.chars() {
        if letter.is_ascii_alphanumeric() || letter == '_' {
            out.push(letter);
        } else {
            // Writing to a string does not fail.
            let _ = write!(out, ".{:x}.", u32::from(letter));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::string::String;
    use std::vec::Vec;

    use super::{escaped, id};
    use crate::server::MACHINE;

    #[test]
    fn the_picture_names_every_state_event_and_output() {
        let machine = MACHINE.describe();
        let picture = machine.to_svg();
        let labels = machine.states.iter().map(|state| state.label);
        let events = machine.events.iter().map(|event| event.label);
        for label in labels.chain(events).chain(machine.outputs.iter().map(|output| output.name)) {
            assert!(picture.contains(&std::format!(">{label}<")), "{label} is missing in\n{picture}");
        }
        assert!(picture.contains("≤ drain_deadline"));
    }

    #[test]
    fn the_picture_has_one_arrow_for_each_pair_of_states_that_rows_connect() {
        let machine = MACHINE.describe();
        let pairs = machine.rows.iter().filter(|row| row.state != row.next).map(|row| (row.state, row.next));
        let pairs: BTreeSet<_> = pairs.collect();
        assert_eq!(machine.to_svg().matches("marker-end=").count(), pairs.len());
    }

    fn ids(picture: &str) -> Vec<&str> {
        picture.split(" id=\"").skip(1).map(|rest| rest.split('"').next().unwrap()).collect()
    }

    #[test]
    fn each_state_and_each_transition_is_one_group() {
        for machine in [MACHINE.describe(), crate::channel::MACHINE.describe()] {
            let picture = machine.to_svg();
            let label = |state: usize| machine.states[state].label;
            let states = machine.states.iter().map(|state| std::format!("state-{}", state.label));
            let edges =
                machine.rows.iter().map(|row| std::format!("edge-{}-{}", label(row.state), label(row.next)));
            let expected: BTreeSet<String> = states.chain(edges).collect();
            let mut found: Vec<_> = ids(&picture).into_iter().filter(|id| !id.starts_with("to")).collect();
            found.sort_unstable();
            assert_eq!(found, expected.iter().collect::<Vec<_>>());
            for id in expected {
                assert!(picture.contains(&std::format!("<g id=\"{id}\">")), "{id} is no group");
            }
        }
    }

    /// A page looks an element up by its id, and finds one.
    #[test]
    fn names_of_any_kind_give_ids_that_differ() {
        let mut machine = crate::channel::MACHINE.describe();
        let names = ["a", "b", "a-b", "b-a", "a b", "\" onload=\"", "<a>&", "a.2d.b", "ä", "A", "_", "-", ""];
        assert_eq!(names.len(), machine.states.len());
        for (state, name) in machine.states.iter_mut().zip(names) {
            state.label = name;
        }
        let picture = machine.to_svg();
        let mut unique = ids(&picture);
        let count = unique.len();
        unique.sort_unstable();
        unique.dedup();
        assert_eq!(unique.len(), count, "{picture}");
        let is_plain =
            |id: &&str| id.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte));
        assert!(unique.iter().all(is_plain), "{unique:?}");
        assert_eq!((id("Wait_4"), id("a-b\"")), ("Wait_4".into(), "a.2d.b.22.".into()));
    }

    #[test]
    fn every_element_is_closed() {
        let picture = MACHINE.describe().to_svg();
        let mut open: std::vec::Vec<String> = std::vec![];
        for tag in picture.split('<').skip(1).map(|rest| rest.split('>').next().unwrap()) {
            if let Some(name) = tag.strip_prefix('/') {
                assert_eq!(open.pop().as_deref(), Some(name), "{picture}");
            } else if !tag.ends_with('/') {
                open.push(tag.split(' ').next().unwrap().into());
            }
        }
        assert_eq!(open.len(), 0, "{open:?}");
    }

    #[test]
    fn markup_in_texts_is_escaped() {
        assert_eq!(escaped("a < b & c > d"), "a &lt; b &amp; c &gt; d");
    }
}
