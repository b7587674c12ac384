//! What the system tells of sockets, and of wake-ups.

pub(crate) use crate::readiness::{ENDED, READABLE, WRITABLE};

/// The token of wake-ups. No token has more bits than an address, as there is no room for them where workers wait by turns.
pub(crate) const WAKE_UP: u64 = usize::MAX as u64;

/// Events taken from the system at once. What comes at the same time is for other workers.
pub(crate) const EVENTS: usize = 8;

/// What events say, where an end of any kind is told with each direction.
pub(crate) fn news(readable: bool, writable: bool, ended: bool) -> u32 {
    let flag = |is_so: bool, flag: u32| if is_so { flag } else { 0 };
    flag(readable || ended, READABLE) | flag(writable || ended, WRITABLE) | flag(ended, ENDED)
}

#[cfg(any(not(any(target_os = "linux", target_os = "android")), httpfsm_portable))]
pub(crate) use by_turns::{Events, Poller, accept};
#[cfg(all(any(target_os = "linux", target_os = "android"), not(httpfsm_portable)))]
pub(crate) use shared::{Events, Poller, accept};

#[cfg(any(not(any(target_os = "linux", target_os = "android")), httpfsm_portable))]
mod by_turns;
#[cfg(all(any(target_os = "linux", target_os = "android"), not(httpfsm_portable)))]
mod shared;

#[cfg(test)]
mod tests {
    use std::io;
    use std::net::{TcpListener, TcpStream};

    use super::*;

    #[test]
    fn a_listener_that_stays_open_elsewhere_is_told_of_no_more_once_it_is_removed() -> io::Result<()> {
        const TOKEN: u64 = 1;
        let (poller, mut events) = (Poller::new()?, Events::new());
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let own = listener.try_clone()?;
        poller.add(&own, TOKEN)?;
        let _client = TcpStream::connect(listener.local_addr()?)?;
        poller.wait(&mut events, false)?;
        assert!(events.iter().any(|(token, news)| token == TOKEN && news & READABLE != 0));

        poller.remove(&own);
        drop(own);
        let _other = TcpStream::connect(listener.local_addr()?)?;
        poller.wait(&mut events, false)?;
        assert_eq!(events.iter().count(), 0);
        Ok(())
    }
}
