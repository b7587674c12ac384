//! A second machine, written by hand from `docs/design.md`, that knows nothing of the table.
//!
//! It is simple on purpose: its peer sends one `Part` at a time, its application a few bytes, and of the deadlines it has
//! those that states own.

use std::collections::VecDeque;

use httpfsm::{Channel, Output, State};

/// What a peer sends at once.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Part {
    Get,
    /// Of HTTP/1.0: the connection ends with its response.
    OldGet,
    /// It asks for the end of the connection.
    LastGet,
    /// No content follows its response's head.
    Head,
    /// A tunnel, if it is granted.
    Connect,
    /// With a body of two bytes, which are sent next.
    Post,
    /// The same, held back until a 100 comes.
    Expect,
    Upgrade,
    /// The first line of a GET; its rest is sent next.
    Half,
    Bad,
    /// What must follow, not chosen.
    Rest,
    Byte,
}

impl Part {
    pub(crate) fn bytes(self) -> &'static str {
        match self {
            Self::Get => "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
            Self::OldGet => "GET / HTTP/1.0\r\n\r\n",
            Self::LastGet => "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
            Self::Head => "HEAD / HTTP/1.1\r\nHost: a\r\n\r\n",
            Self::Connect => "CONNECT a:80 HTTP/1.1\r\nHost: a\r\n\r\n",
            Self::Expect => "POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n",
            Self::Post => "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n",
            Self::Upgrade => "GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: b\r\n\r\n",
            Self::Half => "GET / HTTP/1.1\r\n",
            Self::Bad => "\0",
            Self::Rest => "Host: a\r\n\r\n",
            Self::Byte => "x",
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Step {
    Sends(Part),
    Ends,
    ReadsOne,
    ReadsAll,
    Lost,
    Busy,
    Evict,
    Judge,
    TransmitReady,
    Tick,
    Deadline,
    Respond,
    Switch,
    Stream,
    /// A response of two pieces.
    StreamTwo,
    Piece,
    Flush,
    Finish,
    Continue,
    Hint,
    Demand,
    Abort,
    GoOut,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Owed {
    Nothing,
    Pieces(u8),
    Chunks,
    ToTheEnd,
}

/// The second machine.
#[derive(Debug)]
pub(crate) struct Reference {
    pub(crate) state: State,
    /// What came and was not looked at yet.
    buffer: VecDeque<Part>,
    /// Bytes that the request's body still lacks.
    lacks: u8,
    body_failed: bool,
    demanded: bool,
    pub(crate) unsent: bool,
    owed: Owed,
    old: bool,
    head: bool,
    connects: bool,
    upgrades: bool,
    /// The peer waits for a 100.
    expects: bool,
    close: bool,
    ended: bool,
    draining: bool,
    evicted: bool,
    pub(crate) counts: Counts,
}

impl Reference {
    pub(crate) fn new() -> Self {
        Self {
            state: State::Fresh,
            buffer: VecDeque::new(),
            lacks: 0,
            body_failed: false,
            demanded: false,
            unsent: false,
            owed: Owed::Nothing,
            old: false,
            head: false,
            connects: false,
            upgrades: false,
            expects: false,
            close: false,
            ended: false,
            draining: false,
            evicted: false,
            counts: Counts::default(),
        }
    }

    /// Whether a deadline runs that a state owns, or a grace.
    pub(crate) fn has_deadline(&self) -> bool {
        match self.state {
            State::Fresh | State::Head | State::Idle | State::Discard | State::Lingering => true,
            State::WaitResponse | State::Responding => !self.awaits_body(),
            State::Flushing | State::Closing | State::Handover | State::Upgraded | State::Closed => false,
        }
    }

    fn awaits_body(&self) -> bool {
        self.demanded && self.lacks > 0 && !self.body_failed
    }

    /// Whether it is taken; not taken, it changes nothing.
    pub(crate) fn take(&mut self, what: Step) -> bool {
        use State as S;
        use Step as H;
        match (self.state, what) {
            (_, H::Tick) => {}
            (S::Closed, _) => return false,
            (S::Upgraded, H::Lost) => self.closed(),
            (S::Upgraded, H::GoOut) => {}
            (S::Upgraded, _) => return false,
            (_, H::Judge | H::TransmitReady) => {}
            (_, H::Lost) => self.closed(),

            (S::Idle | S::Lingering, H::Evict) => self.closed(),
            (S::Closing | S::Handover, H::Evict) => {}
            (_, H::Evict) => {
                self.evicted = true;
                self.look_on();
            }
            (S::Discard, H::GoOut) => self.closing(),
            (_, H::GoOut) => {
                self.draining = true;
                self.look_on();
            }

            (_, H::Sends(_) | H::Ends) if self.ended => return false,
            (S::Closing, H::Sends(_)) => return false,
            (S::Lingering, H::Sends(_)) => {}
            (_, H::Sends(part)) => {
                self.buffer.push_back(part);
                match self.state {
                    S::Fresh | S::Idle | S::Head => self.parse(),
                    S::Handover => {}
                    _ => {
                        self.take_body();
                        self.look_on();
                    }
                }
            }
            (S::Fresh | S::Idle | S::Lingering, H::Ends) => self.closed(),
            (S::Head, H::Ends) => {
                self.ended = true;
                self.refuse();
            }
            (_, H::Ends) => {
                self.ended = true;
                match self.state {
                    S::Discard => self.closing(),
                    S::WaitResponse | S::Responding => {
                        self.counts.peer_ended += 1;
                        self.take_body();
                    }
                    _ => self.look_on(),
                }
            }

            (_, H::ReadsOne | H::ReadsAll) if !self.unsent => return false,
            (_, H::ReadsOne) => {}
            (_, H::ReadsAll) => self.sent(),

            (S::Head, H::Busy) => self.refuse(),
            (S::WaitResponse, H::Switch) if self.upgrades => self.hand_over(),
            (S::WaitResponse, H::Respond | H::Stream | H::StreamTwo) if self.connects => self.hand_over(),
            (S::WaitResponse, H::Stream | H::StreamTwo) if self.head => {
                self.decide(Owed::Nothing);
                self.conclude();
            }
            (S::WaitResponse, H::Busy | H::Respond) => {
                self.decide(Owed::Nothing);
                self.conclude();
            }
            (S::WaitResponse, H::Stream) => self.begin(if self.old { Owed::ToTheEnd } else { Owed::Chunks }),
            (S::WaitResponse, H::StreamTwo) => self.begin(Owed::Pieces(2)),
            (S::WaitResponse, H::Continue) => self.send_continue(),
            (S::WaitResponse, H::Hint) => self.unsent |= !self.old,
            (S::WaitResponse | S::Responding | S::Handover, H::Flush) => {}
            (S::WaitResponse | S::Responding, H::Demand) => {
                let first = !std::mem::replace(&mut self.demanded, true);
                if self.lacks == 0 || self.body_failed {
                    self.counts.ends += usize::from(first && self.lacks == 0);
                    return true;
                }
                self.send_continue();
                if self.expects && self.buffer.is_empty() && !self.ended {
                    // After a final head no 100 can be sent.
                    self.fail_body();
                    self.close = true;
                } else {
                    self.take_body();
                }
            }
            (S::WaitResponse, H::Abort) => self.refuse(),
            (S::Responding, H::Abort) => self.cut(),
            (S::Responding, H::Piece) => match &mut self.owed {
                Owed::Pieces(0) => {}
                Owed::Pieces(left) => {
                    *left -= 1;
                    self.unsent = true;
                }
                _ => self.unsent = true,
            },
            (S::Responding, H::Finish) => match self.owed {
                Owed::Pieces(1..) => self.cut(),
                owed => {
                    self.unsent |= owed == Owed::Chunks;
                    self.conclude();
                }
            },

            (_, H::Deadline) => match self.state {
                S::Fresh | S::Idle | S::Lingering => self.closed(),
                S::Head | S::WaitResponse => self.refuse(),
                S::Responding => self.cut(),
                S::Discard => self.closing(),
                _ => return false,
            },
            _ => return false,
        }
        true
    }

    fn hand_over(&mut self) {
        self.unsent = true;
        self.state = State::Handover;
    }

    /// Once, while no final head was accepted and nothing of the body has come.
    fn send_continue(&mut self) {
        self.expects &= self.buffer.is_empty();
        if self.expects && self.state == State::WaitResponse && !self.ended {
            self.expects = false;
            self.unsent = true;
            self.counts.continues += 1;
        }
    }

    /// A body that is not whole, and of which the application was counts, is reported once.
    fn fail_body(&mut self) {
        if self.lacks > 0
            && !self.body_failed
            && matches!(self.state, State::WaitResponse | State::Responding)
        {
            self.body_failed = true;
            self.counts.failures += 1;
        }
    }

    fn closed(&mut self) {
        self.fail_body();
        self.counts.closes += 1;
        self.state = State::Closed;
        self.unsent = false;
        self.buffer.clear();
    }

    /// The last bytes leave; what comes in is not looked at.
    fn closing(&mut self) {
        self.fail_body();
        self.state = State::Closing;
        self.buffer.clear();
        if !self.unsent {
            self.sent();
        }
    }

    fn refuse(&mut self) {
        self.owed = Owed::Nothing;
        self.unsent = true;
        self.closing();
    }

    fn cut(&mut self) {
        self.closing();
    }

    fn sent(&mut self) {
        self.unsent = false;
        match self.state {
            // After a cut answer that ends with the connection, a FIN would look like its end.
            State::Closing if self.ended || self.owed == Owed::ToTheEnd => self.closed(),
            State::Closing => self.state = State::Lingering,
            State::Handover => {
                self.state = State::Upgraded;
                self.counts.hand_overs += 1;
            }
            _ => self.look_on(),
        }
    }

    fn parse(&mut self) {
        self.state = State::Head;
        let head = match self.buffer.make_contiguous() {
            [Part::Half] if self.ended => return self.refuse(),
            [Part::Half] => return,
            [Part::Half, Part::Rest, ..] => {
                self.buffer.pop_front();
                self.buffer.pop_front();
                Part::Get
            }
            [Part::Half, ..] => return self.refuse(),
            _ => self.buffer.pop_front().expect("something came"),
        };
        (self.old, self.upgrades) = (head == Part::OldGet, head == Part::Upgrade);
        (self.head, self.connects) = (head == Part::Head, head == Part::Connect);
        self.expects = head == Part::Expect;
        self.close |= head == Part::LastGet;
        match head {
            Part::Get | Part::OldGet | Part::LastGet | Part::Head | Part::Connect | Part::Upgrade => {
                self.lacks = 0;
            }
            Part::Post | Part::Expect => self.lacks = 2,
            Part::Bad | Part::Half | Part::Rest | Part::Byte => return self.refuse(),
        }
        (self.demanded, self.body_failed) = (false, false);
        self.state = State::WaitResponse;
        self.counts.requests += 1;
        // Whoever gets a request behind the end of input hears of that end, too.
        self.counts.peer_ended += usize::from(self.ended);
    }

    /// While the request is with the application, its body is passed on demand; in a discard it is thrown away.
    fn take_body(&mut self) {
        let discards = self.state == State::Discard;
        let is_read = self.demanded
            && !self.body_failed
            && matches!(self.state, State::WaitResponse | State::Responding);
        if !discards && !is_read {
            return;
        }
        while self.lacks > 0 && self.buffer.front() == Some(&Part::Byte) {
            self.buffer.pop_front();
            self.lacks -= 1;
            self.counts.bytes += usize::from(is_read);
            self.counts.ends += usize::from(is_read && self.lacks == 0);
        }
        if discards && self.lacks == 0 {
            self.state = State::Flushing;
        } else if !discards && self.lacks > 0 && self.ended && !self.body_failed {
            self.fail_body();
            self.close = true;
            if self.state == State::WaitResponse {
                self.refuse();
            }
        }
    }

    /// Whether the response is the last one is decided with its head.
    fn decide(&mut self, owed: Owed) {
        self.unsent = true;
        self.close |= self.old || self.connects || owed == Owed::ToTheEnd || self.draining || self.evicted;
        // Whether a peer that waits for its 100 sends the body all the same, nobody knows.
        self.close |= self.expects && self.lacks > 0;
    }

    fn begin(&mut self, owed: Owed) {
        self.decide(owed);
        self.owed = owed;
        self.state = State::Responding;
    }

    /// The response is complete.
    fn conclude(&mut self) {
        self.owed = Owed::Nothing;
        // The application hears no more of the body.
        self.state = State::Flushing;
        if self.close || self.body_failed || (self.lacks > 0 && self.draining) {
            return self.closing();
        }
        if self.lacks > 0 {
            self.state = State::Discard;
            self.take_body();
            if self.state == State::Discard {
                if self.ended {
                    self.closing();
                }
                return;
            }
        }
        self.state = State::Flushing;
        self.look_on();
    }

    /// Nothing is owed: the next request, rest, or the end.
    fn look_on(&mut self) {
        if self.state != State::Flushing {
        } else if !self.buffer.is_empty() {
            self.parse();
        } else if self.ended || self.draining || self.evicted {
            self.closing();
        } else if !self.unsent {
            self.state = State::Idle;
        }
    }
}

/// What has come of it so far, for the application and on the wire.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Counts {
    requests: usize,
    bytes: usize,
    ends: usize,
    failures: usize,
    peer_ended: usize,
    pub(crate) continues: usize,
    hand_overs: usize,
    closes: usize,
}

impl Counts {
    /// Takes what a channel tells.
    pub(crate) fn count(&mut self, channel: &mut Channel) {
        while let Some(output) = channel.next_output() {
            match output {
                Output::HttpRequest => self.requests += 1,
                Output::BodyData(bytes) => self.bytes += bytes.len(),
                Output::BodyEnd(_) => self.ends += 1,
                Output::BodyFailed(_) => self.failures += 1,
                Output::PeerEnded => self.peer_ended += 1,
                Output::Upgraded(_) => self.hand_overs += 1,
                Output::HttpChannelClosed(_) => self.closes += 1,
                _ => {}
            }
        }
    }
}
