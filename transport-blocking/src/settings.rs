//! How many threads the transport has, and what for.

/// Threads for upgraded connections, where nothing else is said.
pub(crate) const TUNNELS: usize = 4;

/// Stand-ins, where nothing else is said.
pub(crate) const STAND_INS: usize = 64;

/// The transport: few threads that wait for all sockets together, and run the handlers.
#[derive(Clone, Copy, Debug)]
pub struct Blocking {
    pub(crate) workers: usize,
    pub(crate) tunnels: usize,
    pub(crate) waiting: Option<usize>,
    pub(crate) stand_ins: usize,
}

impl Default for Blocking {
    fn default() -> Self {
        Self { workers: 8, tunnels: TUNNELS, waiting: None, stand_ins: STAND_INS }
    }
}

impl Blocking {
    /// Functions that run at once, 1 at least, without those that have [given their places up](Self::stand_ins); work with
    /// files is among them. There is one worker more, which serves connections meanwhile, a thread that keeps the time,
    /// up to four that wake connections whose deadlines come, and threads for [tunnels](Self::tunnels). A function for which
    /// an async handler waits with [`block_on`](crate::block_on) runs within that, beyond these. Default 8.
    ///
    /// ```
    /// use httpfsm::config::ServerConfig;
    /// use httpfsm::handler::Request;
    /// use httpfsm_blocking::{Blocking, Server, block_on, sync};
    ///
    /// # fn main() -> std::io::Result<()> {
    /// let server = Server::on(Blocking::default().workers(2).tunnels(0), ServerConfig::default())
    ///     .listen_tcp("127.0.0.1:0".parse().expect("this is an address"))
    ///     .serve(sync(|_: Request| "Hello, world!"))?;
    /// block_on(server.begin_drain(None).gone());
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn workers(mut self, workers: usize) -> Self {
        self.workers = workers;
        self
    }

    /// Functions that may wait for their peers at once, each on a worker: for the rest of a body that is longer than
    /// [`inbuf_overflow`](httpfsm::ChannelConfig::inbuf_overflow), or for one behind a `100 Continue`. Slow peers can
    /// hold so many workers, so it is always one less than [`workers`](Self::workers) at most. Functions that write their
    /// responses ([`written_sync`](crate::written_sync)) take the same places while a peer reads more slowly than they
    /// write. Default: half of the workers, rounded down. With 0, or while all are taken, long bodies go through a file,
    /// and so does what is written ahead of a peer, as far as [`stand_ins`](Self::stand_ins) says.
    #[must_use]
    pub fn waiting(mut self, functions: usize) -> Self {
        self.waiting = Some(functions);
        self
    }

    /// Functions beyond the [`workers`](Self::workers) that may run, each on a thread of its own, as they wait for slow
    /// readers of what they write ([`written_sync`](crate::written_sync)): a function that has no place to
    /// [wait](Self::waiting) goes on into a file, and where that is long, 8 MiB as a rule, or the disk is full, another
    /// worker takes its place, and the function's thread ends with it. Such threads are started when they are needed.
    ///
    /// While there are as many, it writes on into the file, and one that waits is cut off to make a place: that whose
    /// reader has taken nothing for longest, if for two seconds. With 0 that is one of those that hold a place to
    /// [wait](Self::waiting), if there are any. Where the files of all responses are as long as they may be, half of
    /// [`max_spooled_bytes`](httpfsm::ServerConfig::max_spooled_bytes), functions wait until readers have made room, and
    /// where one takes less than 4 MiB a second, or none has taken anything for two seconds, the response is cut off whose
    /// reader is furthest behind in its files. The more of them, the more a server needs of that: 8 MiB for each, and as
    /// much again for those that find no place.
    ///
    /// A function that holds something that there is little of, as a connection to a database, holds it while it waits:
    /// it lets it go before, or 0 is set, and [`waiting`](Self::waiting), too; slow readers of long responses take the disk
    /// then, and the workers as long as that takes. Default 64.
    ///
    /// ```
    /// use httpfsm_blocking::Blocking;
    ///
    /// // There are four connections to the database, and no slow reader is to hold one.
    /// let transport = Blocking::default().workers(4).waiting(0).stand_ins(0);
    /// # let _ = transport;
    /// ```
    #[must_use]
    pub fn stand_ins(mut self, functions: usize) -> Self {
        self.stand_ins = functions;
        self
    }

    /// Threads that may serve upgraded connections with code that blocks ([`tunnel`](crate::tunnel)); they are started
    /// when they are needed. Default 4.
    #[must_use]
    pub fn tunnels(mut self, tunnels: usize) -> Self {
        self.tunnels = tunnels;
        self
    }
}
