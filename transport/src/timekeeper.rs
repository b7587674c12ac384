//! The thread that wakes connections whose deadlines come.

use std::io;
use std::sync::Arc;
use std::task::Context;
use std::thread;
use std::time::Duration;

use crate::alarms::NEVER;
use crate::handle::ServerHandle;
use crate::parking::Parking;
use crate::shared_state::SharedState;
use crate::waking::Waking;

/// How late a deadline may be noticed, so that many of them cost one wake-up of the thread.
const COARSE: Duration = Duration::from_millis(10);

/// How long somebody who is due waits for threads that are held up, before there is one more.
const PATIENCE: Duration = Duration::from_secs(1);

/// Starts the thread that has a server's connections woken when their deadlines come. It ends with the server, and also
/// when the server's shared state is dropped.
///
/// It is a thread and no task of a runtime, because it sleeps nearly always: a timer that is armed in tokio's wheel
/// costs every wake-up of a worker some 200 instructions. And so a server needs no timer of its runtime at all.
///
/// It runs no code of the application. Those who are due are woken by threads beside it, which begin with the first
/// deadline that comes and end after ten idle seconds, as wakers and subscribers are foreign code: one that panics there
/// ends nothing, and one that does not return holds up no other deadline, up to four of them at once. A server that is
/// never idle for as long as a deadline has none of these threads.
///
/// ```
/// use std::sync::Arc;
/// use std::time::Duration;
///
/// use httpfsm::{Peer, Request, ServerConfig};
/// use httpfsm_transport::memory::pair;
/// use httpfsm_transport::{Clock, Inline, Service, block_on, keep_time};
///
/// # fn main() -> std::io::Result<()> {
/// let mut config = ServerConfig::default();
/// config.channel.first_byte_timeout = Some(Duration::from_millis(1));
/// let handler = |_: Request| async { "Hello, world!" };
/// let service = Service::new(config, Clock::system(), Arc::new(Inline), None, handler);
/// keep_time(&service.handle(Vec::new()))?;
/// let (_client, wire) = pair(1024);
/// let driver = service.connect(wire, Peer::Unix(None), Peer::Unix(None)).expect("there is room");
/// // It waits for a byte that does not come, until it is woken.
/// block_on(driver);
/// # Ok(())
/// # }
/// ```
///
/// # Errors
///
/// The system has no more threads.
pub fn keep_time(server: &ServerHandle) -> io::Result<()> {
    let shared = Arc::downgrade(server.shared());
    let keep = move || {
        let waking = Closing(Arc::default());
        let parking = Parking::new();
        let waker = parking.waker();
        let (cx, mut key) = (Context::from_waker(&waker), None);
        while let Some(shared) = shared.upgrade() {
            if shared.poll(&mut key, SharedState::is_gone, &cx).is_ready() {
                return shared.remove_waiter(&mut key);
            }
            let (due, next) = shared.due(&cx);
            waking.0.wake(due);
            let mut pause = Duration::from_millis(next.saturating_sub(shared.clock.now())).max(COARSE);
            drop(shared);
            if waking.0.is_behind() {
                pause = pause.min(PATIENCE);
            } else if next == NEVER {
                parking.park();
                continue;
            }
            parking.park_timeout(pause);
            waking.0.see_to_it();
        }
    };
    thread::Builder::new().name("httpfsm-time".to_owned()).spawn(keep)?;
    Ok(())
}

/// Ends the threads that wake with the one that keeps the time.
struct Closing(Arc<Waking>);

impl Drop for Closing {
    fn drop(&mut self) {
        self.0.close();
    }
}

#[cfg(test)]
mod tests {
    use httpfsm::config::ServerConfig;
    use httpfsm::handler::Request;
    use httpfsm::peer::Peer;

    use super::*;
    use crate::{Clock, Inline, Service, memory};

    #[test]
    fn a_deadline_on_the_system_clock_wakes_its_connection() -> io::Result<()> {
        let mut config = ServerConfig::default();
        config.channel.first_byte_timeout = Some(Duration::from_millis(30));
        let handler = |_: Request| async { "fine" };
        let service = Service::new(config, Clock::system(), Arc::new(Inline), None, handler);
        keep_time(&service.handle(Vec::new()))?;
        let (_client, wire) = memory::pair(100);
        let driver = service.connect(wire, Peer::Unix(None), Peer::Unix(None));
        // Ends, or the test does not.
        if let Ok(driver) = driver {
            crate::block_on(driver);
        }
        Ok(())
    }
}
