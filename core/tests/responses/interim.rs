//! Interim responses: 102 to 199 before the final response.

use httpfsm::channel::Input;
use httpfsm::{Fields, Status};

use crate::rig::{GET, Rig, statuses};
use crate::support::{GET_10, ORIGIN, fields, refuses};

#[test]
fn an_interim_head_goes_before_the_response_and_has_no_framing() {
    let hints = fields(&[("Link", "</a.css>; rel=preload")]);
    let mut rig = Rig::new();
    rig.rx(GET).input(Input::Informational(Status::EARLY_HINTS, &hints)).ok("");
    assert_eq!(
        rig.wire(),
        format!(
            "HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\n\r\nHTTP/1.1 200 OK\r\n{ORIGIN}Content-Length: 0\r\n\r\n"
        )
    );
}

#[test]
fn http_1_0_gets_no_interim_head() {
    let mut rig = Rig::new();
    rig.rx(GET_10).input(Input::Informational(Status::EARLY_HINTS, &Fields::new())).ok("");
    assert_eq!(statuses(&rig.wire()), ["200"]);
}

#[test]
fn only_102_and_what_follows_is_informational() {
    let mut rig = Rig::new();
    rig.rx(GET);
    for (code, accepted) in [(100, false), (101, false), (102, true), (103, true), (199, true), (200, false)]
    {
        let none = Fields::new();
        let result = rig.try_input(Input::Informational(Status::new(code).unwrap(), &none));
        assert_eq!(result.is_ok(), accepted, "{code}");
    }
    assert_eq!(statuses(&rig.wire()), ["102", "103", "199"]);
}

#[test]
fn no_interim_head_goes_inside_a_response() {
    let none = Fields::new();
    let mut rig = Rig::new();
    rig.rx(GET).stream(None);
    refuses(&mut rig, Input::Informational(Status::EARLY_HINTS, &none));
}
