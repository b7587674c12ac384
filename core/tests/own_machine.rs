//! A machine of somebody else's, put together while the program runs, and its drawings.

use httpfsm::fsm::{
    Cause, Direction, Folding, Machine, NoEvents, Position, Refusal, Row, Transition, bottom, position,
    to_bottom, to_top, top,
};

httpfsm::labelled! {
    /// Where the lamp stands.
    enum State {
        /// Dark.
        Off,
        /// Bright.
        On,
    }
}
httpfsm::labelled! {
    /// What happens to the lamp.
    enum Event {
        /// A hand.
        Tap,
        /// A foot.
        Kick,
        /// A word.
        Say,
    }
}
httpfsm::labelled! {
    /// What the lamp finds.
    enum Internal {
        /// A dream.
        Nap,
    }
}
httpfsm::actions! {
    /// What the lamp does.
    enum Action {
        /// It clicks.
        Click,
    }
}
use {Action::Click, Event::*, State::*};

const EVENTS: [Event; 3] = [Tap, Kick, Say];
const CAUSES: &[Cause<Event, Internal>] =
    &[Cause::Input(Tap), Cause::Input(Kick), Cause::Input(Say), Cause::Internal(Internal::Nap)];

fn lamp(places: [Position<State>; 2]) -> Machine<State, Event, Internal, Action> {
    Machine {
        name: "Lamp",
        initial: Off,
        rows: &[Row { states: &[Off], causes: CAUSES, actions: &[Click], next: Some(On) }],
        refusals: &[Refusal { state: On, events: &EVENTS }],
        positions: Vec::leak(places.into()),
        inputs: Vec::leak(vec![top(Tap), bottom(Kick)]),
        outputs: Vec::leak(vec![to_top("Lit", "It is bright."), to_bottom("Hum", "It needs current.")]),
    }
}

#[test]
fn a_table_made_while_running_is_the_one_that_is_drawn() {
    let machine = lamp([position(Off, 0, 0, ""), position(On, 1, 0, "bulb_life")]).describe();
    let directions: Vec<_> = machine.events.iter().map(|event| event.direction).collect();
    use Direction::{BottomInput, BottomOutput, Internal, TopInput, TopOutput};
    // Nobody is known to say a word, so it comes from inside.
    assert_eq!(directions, [TopInput, BottomInput, Internal, Internal]);
    assert_eq!(
        machine.outputs.iter().map(|out| out.direction).collect::<Vec<_>>(),
        [TopOutput, BottomOutput]
    );
    assert_eq!((machine.states[1].column, machine.states[1].deadline), (1, "bulb_life"));
    assert!(machine.is_final(1) && !machine.is_final(0));
    assert!(machine.row(1, 0).is_none() && machine.row(0, 3).is_some_and(|row| row.next == 1));

    let page = machine.to_markdown();
    for text in ["Lamp", "bulb_life", "It needs current.", "A dream."] {
        assert!(page.contains(text), "{text} is missing in\n{page}");
    }
}

/// Short names would all fit beside each other; three are read at a glance.
#[test]
fn an_arrow_shows_at_most_three_events_a_line() {
    let picture = lamp([position(Off, 0, 0, ""), position(On, 1, 0, "")]).describe().to_svg();
    assert!(picture.contains(r#">Tap, Kick, <tspan class="i">Say</tspan>,</text>"#), "{picture}");
}

#[test]
fn a_list_that_would_be_empty_has_no_heading() {
    let mut machine = lamp([position(Off, 0, 0, ""), position(On, 1, 0, "")]);
    assert!(machine.describe().to_svg().contains(">Top output<"));
    machine.outputs = &[];
    let picture = machine.describe().to_svg();
    assert!(!picture.contains("Top output") && picture.contains(">Top input<"), "{picture}");
}

/// A picture of no use, and none to fail at.
#[test]
fn states_that_stand_in_one_place_are_drawn() {
    let picture = lamp([position(Off, 0, 0, ""), position(On, 0, 0, "")]).describe().to_svg();
    assert!(picture.contains(">Off<") && picture.contains(">On<") && picture.contains("marker-end="));
}

const CLICK: Transition<State, Action> = Transition { actions: &[Click], next: On };

#[test]
fn a_matrix_folded_while_running_answers_like_one_that_was_compiled() {
    let mut folding = Folding::<State, Action, 2, 3, 0>::new(&["Off", "On"], &["Tap", "Kick", "Say"], &[]);
    for event in 0..3 {
        folding.input(0, event, CLICK);
        folding.refuse(1, event);
    }
    let matrix = folding.finish::<Event, NoEvents>();
    for event in EVENTS {
        assert_eq!(matrix.on(Off, event), Some(CLICK));
        assert_eq!(matrix.on(On, event), None);
    }
}

#[test]
#[should_panic(expected = "(Off, Tap) is listed twice")]
fn a_row_that_is_listed_twice_is_named() {
    let mut folding = Folding::<State, Action, 2, 1, 0>::new(&["Off", "On"], &["Tap"], &[]);
    folding.input(0, 0, CLICK);
    folding.input(0, 0, CLICK);
}

/// A message has an end, which may fall inside a letter.
#[test]
#[should_panic(expected = "a pair of the table is listed twice or not at all")]
fn a_name_too_long_for_the_message_still_stops_the_folding() {
    const LONG: &str = "ääääääääääääääääääääääääääääääääääääääääääääääääääääääääääääääääääääää";
    let mut folding = Folding::<State, Action, 2, 1, 0>::new(&[LONG, "On"], &["Tap"], &[]);
    folding.refuse(0, 0);
    folding.input(0, 0, CLICK);
}
