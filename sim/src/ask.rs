//! A request of a model client, and what it expects.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;

/// A request, and what is known of its response. How it is framed, cut and disturbed is the simulator's affair.
///
/// Traffic for a handler that echoes, and what it owes to each request:
///
/// ```
/// use httpfsm::ServerConfig;
/// use httpfsm::handler::{Request, Response};
/// use httpfsm_sim::{Ask, Dice, Simulation, World};
///
/// fn traffic(dice: &mut Dice) -> Ask {
///     let content = vec![b'a'; dice.length(2000) as usize];
///     let expected = content.clone();
///     Ask::post("/echo", content).field("Content-Type", "text/plain").reads_body().check(move |response| {
///         match response.body == expected || response.status != 200 {
///             true => Ok(()),
///             false => Err(format!("{} bytes came back", response.body.len())),
///         }
///     })
/// }
///
/// async fn echo(mut request: Request) -> Response {
///     match request.body().collect(2000).await {
///         Ok(content) => Response::bytes(content),
///         Err(error) => Response::text(error.to_string()).with_status(httpfsm::Status::BAD_REQUEST),
///     }
/// }
///
/// Simulation::new(ServerConfig::default(), |_: &World| echo).traffic(traffic).connections(40).run()?;
/// # Ok::<(), Box<httpfsm_sim::BrokenContract>>(())
/// ```
#[derive(Clone)]
pub struct Ask {
    pub(crate) method: String,
    pub(crate) target: String,
    pub(crate) fields: Vec<(String, String)>,
    pub(crate) trailers: Vec<(String, String)>,
    pub(crate) body: Bytes,
    pub(crate) expected: Expected,
    pub(crate) reads_body: bool,
}

type Check = Arc<dyn Fn(&ReceivedResponse) -> Result<(), String> + Send + Sync>;

#[derive(Clone)]
pub(crate) enum Expected {
    /// Whatever the handler says.
    Anything,
    /// 200 with these bytes.
    Exactly(Bytes),
    /// A response whose end does not come.
    Cut,
    /// 101, or 2xx to CONNECT, and then what is sent and what comes back.
    Tunnel {
        sends: Bytes,
        returns: Bytes,
    },
    /// 403 to CONNECT, and the end; these bytes follow, and are nobody's.
    Declined(Bytes),
    /// The machine's own response, and the end.
    Refused(&'static [u16]),
    Checked(Check),
}

impl Ask {
    /// A request without a body.
    #[must_use]
    pub fn get(target: impl Into<String>) -> Self {
        Self::new("GET", target, Bytes::new())
    }

    /// A request with a body, which arrives with a length or in chunks.
    #[must_use]
    pub fn post(target: impl Into<String>, body: impl Into<Bytes>) -> Self {
        Self::new("POST", target, body.into())
    }

    /// A CONNECT to `host:port`. Nothing else is sent on its connection, whatever the response is; see
    /// [`hands_over`](Self::hands_over).
    #[must_use]
    pub fn connect(authority: impl Into<String>) -> Self {
        Self::new("CONNECT", authority, Bytes::new())
    }

    /// A request of any method.
    #[must_use]
    pub fn new(method: impl Into<String>, target: impl Into<String>, body: impl Into<Bytes>) -> Self {
        Self {
            method: method.into(),
            target: target.into(),
            fields: Vec::new(),
            trailers: Vec::new(),
            body: body.into(),
            expected: Expected::Anything,
            reads_body: false,
        }
    }

    /// Adds a field. Host, Connection, Expect and what frames the body are the simulator's.
    #[must_use]
    pub fn field(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.fields.push((name.into(), value.into()));
        self
    }

    /// Adds a trailer field. It is sent in those of the messages that have trailers, which only come in chunks.
    ///
    /// ```
    /// use httpfsm_sim::Ask;
    ///
    /// let digest = "sha-256=:UhhskzmT2kCCs83HxAu0v3NbOR/1Si73jAN92mw4poA=:";
    /// let ask = Ask::post("/upload", "1,2\n").trailer("Content-Digest", digest);
    /// # drop(ask);
    /// ```
    #[must_use]
    pub fn trailer(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.trailers.push((name.into(), value.into()));
        self
    }

    /// What the response of the handler must be, if it comes whole. An error is the text of the failure.
    #[must_use]
    pub fn check(
        mut self,
        check: impl Fn(&ReceivedResponse) -> Result<(), String> + Send + Sync + 'static,
    ) -> Self {
        self.expected = Expected::Checked(Arc::new(check));
        self
    }

    /// The handler reads the body to its end before it responds, so that the connection is kept: then it has to be.
    #[must_use]
    pub fn reads_body(mut self) -> Self {
        self.reads_body = true;
        self
    }

    /// The handler takes the connection over, with 101, or with 2xx to CONNECT. Then `sends` is sent, also before the
    /// response has come, and exactly `returns` has to come back; when it has, the client ends its output. An upgrade
    /// of another method needs its Upgrade field; `Connection: upgrade` is added.
    ///
    /// ```
    /// use httpfsm::ServerConfig;
    /// use httpfsm::handler::{Request, Response};
    /// use httpfsm_sim::{Ask, Simulation, World};
    ///
    /// /// Takes the connection over, and sends back what comes.
    /// async fn echo(world: World, mut request: Request) -> Response {
    ///     let upgrade = request.upgrade();
    ///     world.spawn(async move {
    ///         let Ok(mut connection) = upgrade.await else { return };
    ///         let mut buffer = [0; 100];
    ///         while let Ok(read @ 1..) = connection.read(&mut buffer).await {
    ///             if connection.write_all(&buffer[..read]).await.is_err() {
    ///                 return;
    ///             }
    ///         }
    ///     });
    ///     Response::switching_protocols("echo")
    /// }
    ///
    /// let make = |world: &World| {
    ///     let world = world.clone();
    ///     move |request: Request| echo(world.clone(), request)
    /// };
    /// Simulation::new(ServerConfig::default(), make)
    ///     .traffic(|_| Ask::get("/").field("Upgrade", "echo").hands_over("Hello!", "Hello!"))
    ///     .connections(40)
    ///     .run()?;
    /// # Ok::<(), Box<httpfsm_sim::BrokenContract>>(())
    /// ```
    #[must_use]
    pub fn hands_over(mut self, sends: impl Into<Bytes>, returns: impl Into<Bytes>) -> Self {
        self.expected = Expected::Tunnel { sends: sends.into(), returns: returns.into() };
        self
    }

    pub(crate) fn is_connect(&self) -> bool {
        self.method == "CONNECT"
    }

    pub(crate) fn expecting(mut self, expected: Expected) -> Self {
        self.expected = expected;
        self
    }
}

impl fmt::Debug for Ask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { method, target, body, expected, .. } = self;
        write!(f, "{method} {target}, body of {} bytes, expects {expected:?}", body.len())
    }
}

impl fmt::Debug for Expected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Anything => f.write_str("Anything"),
            Self::Exactly(bytes) => write!(f, "Exactly({} bytes)", bytes.len()),
            Self::Cut => f.write_str("Cut"),
            Self::Tunnel { sends, returns } => {
                write!(f, "Tunnel({} bytes for {})", returns.len(), sends.len())
            }
            Self::Declined(bytes) => write!(f, "Declined(before {} bytes)", bytes.len()),
            Self::Refused(statuses) => write!(f, "Refused({statuses:?})"),
            Self::Checked(_) => f.write_str("Checked(..)"),
        }
    }
}

/// A whole response, as a client received it.
///
/// A check is a function, which can be tested by itself:
///
/// ```
/// use httpfsm_sim::{Ask, ReceivedResponse};
///
/// fn is_json(response: &ReceivedResponse) -> Result<(), String> {
///     match response.field("content-type") {
///         Some("application/json") => Ok(()),
///         other => Err(format!("the status is {}, and the content is {other:?}", response.status)),
///     }
/// }
///
/// let fields = vec![("Content-Type".to_owned(), "application/json".to_owned())];
/// assert_eq!(is_json(&ReceivedResponse { status: 200, fields, ..ReceivedResponse::default() }), Ok(()));
/// assert!(is_json(&ReceivedResponse { status: 404, ..ReceivedResponse::default() }).is_err());
/// let ask = Ask::get("/status").check(is_json);
/// # drop(ask);
/// ```
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct ReceivedResponse {
    /// The status code.
    pub status: u16,
    /// The fields, as they came.
    pub fields: Vec<(String, String)>,
    /// The content, decoded.
    pub body: Vec<u8>,
    /// How many interim responses came before it.
    pub interim: u32,
}

impl ReceivedResponse {
    /// The value of the first field of this name, whatever its case.
    #[must_use]
    pub fn field(&self, name: &str) -> Option<&str> {
        let found = self.fields.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }

    pub(crate) fn says_close(&self) -> bool {
        self.field("Connection").is_some_and(|value| value.to_ascii_lowercase().contains("close"))
    }
}
