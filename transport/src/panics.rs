//! Panics of the application: caught per request, told only where the configuration allows it.

use std::any::Any;
use std::backtrace::Backtrace;
use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, PanicHookInfo, catch_unwind, resume_unwind};
use std::task::Waker;

thread_local! {
    static NOTED: RefCell<Option<Noted>> = const { RefCell::new(None) };
}

/// A panic as the hook saw it.
struct Noted {
    message: String,
    text: String,
}

/// The payload of a panic that was caught on another thread, with the text that was noted there.
struct Elsewhere(String);

/// Notes where a panic happened and how it came there, for the 500 page of `expose_tracebacks`.
///
/// Only a panic hook sees the place and the stack of a panic, and a library has no business to install one. A program
/// that wants them calls this from its own; without it the page carries the panic's message alone. The crate of each
/// transport has this function, too, as `httpfsm_tokio::note_panic`.
///
/// ```
/// std::panic::set_hook(Box::new(httpfsm_transport::note_panic));
/// ```
pub fn note_panic(info: &PanicHookInfo<'_>) {
    let text = format!("{info}\n{}", Backtrace::force_capture());
    let noted = Noted { message: message(info.payload()).to_owned(), text };
    let _ = NOTED.try_with(|place| place.try_borrow_mut().map(|mut place| *place = Some(noted)));
}

/// Runs a piece of the application; a panic becomes its text, which is known only on the thread where it happened.
///
/// For a transport that runs handlers on other threads than their drivers: what the driver polls there ends with
/// [`resume_panic`](resume).
///
/// ```
/// use httpfsm_transport::catch_panic;
///
/// assert_eq!(catch_panic(|| 5), Ok(5));
/// assert_eq!(catch_panic(|| panic!("out of cheese")), Err::<(), _>("The handler panicked: out of cheese".into()));
/// ```
///
/// # Errors
///
/// It panicked: the text for the page of a 500.
#[inline]
pub fn catch<T>(run: impl FnOnce() -> T) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(run)).map_err(into_text)
}

/// The same for what is no handler: of a panic its message alone.
pub(crate) fn attempt<T>(run: impl FnOnce() -> T) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(run)).map_err(|payload| {
        let text = message(&*payload).to_owned();
        drop_payload(payload);
        text
    })
}

/// Wakes somebody's task, whose waker may be the application's: what fails in there must not keep others from being
/// woken, nor end the thread that wakes them.
#[inline]
pub(crate) fn wake(waker: Waker) {
    let _ = catch(|| waker.wake());
}

/// Drops what may be the application's, or may be the last that holds something of it: what fails in there is nobody
/// else's failure.
#[inline]
pub(crate) fn discard<T>(thing: T) {
    let _ = catch(|| drop(thing));
}

/// The text of a panic. Its payload is the application's, too.
#[cold]
fn into_text(payload: Box<dyn Any + Send>) -> String {
    let text = describe(&*payload);
    drop_payload(payload);
    text
}

/// Drops the payload of a panic, which may itself panic.
fn drop_payload(payload: Box<dyn Any + Send>) {
    if let Err(again) = catch_unwind(AssertUnwindSafe(|| drop(payload))) {
        std::mem::forget(again);
    }
}

/// Goes on with a panic that was [caught](catch) on another thread, so that the driver has its text. Nothing is
/// printed again.
///
/// ```
/// use std::thread;
///
/// use httpfsm_transport::{catch_panic, resume_panic};
///
/// let elsewhere = thread::spawn(|| catch_panic(|| -> u64 { panic!("out of cheese") }));
/// let Err(text) = elsewhere.join().expect("it was caught") else { unreachable!("it panics") };
/// // On the thread of the driver, which catches what its handlers do.
/// let caught = catch_panic(|| resume_panic(text));
/// assert_eq!(caught, Err::<(), _>("The handler panicked: out of cheese".into()));
/// ```
#[cold]
pub fn resume(text: String) -> ! {
    resume_unwind(Box::new(Elsewhere(text)))
}

fn describe(payload: &(dyn Any + Send)) -> String {
    if let Some(Elsewhere(text)) = payload.downcast_ref() {
        return text.clone();
    }
    let noted = NOTED.try_with(|place| place.try_borrow_mut().ok().and_then(|mut place| place.take()));
    let message = message(payload);
    match noted.ok().flatten() {
        // What stands there may be about an earlier panic, which the application has caught by itself.
        Some(noted) if noted.message == message => noted.text,
        _ => format!("The handler panicked: {message}"),
    }
}

fn message(payload: &(dyn Any + Send)) -> &str {
    let message = payload.downcast_ref::<&str>().copied();
    message.or_else(|| payload.downcast_ref::<String>().map(String::as_str)).unwrap_or("(no message)")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_becomes_its_message() {
        assert_eq!(catch(|| 5), Ok(5));
        let caught: Result<(), _> = catch(|| std::panic::panic_any(String::from("out of cheese")));
        assert_eq!(caught, Err("The handler panicked: out of cheese".to_owned()));
    }

    #[test]
    fn a_payload_that_panics_when_it_is_dropped_does_so_for_nobody() {
        struct PanicsOnDrop;
        impl Drop for PanicsOnDrop {
            fn drop(&mut self) {
                std::panic::resume_unwind(Box::new(PanicsOnDrop));
            }
        }
        let caught: Result<(), _> = catch(|| std::panic::resume_unwind(Box::new(PanicsOnDrop)));
        assert_eq!(caught, Err("The handler panicked: (no message)".to_owned()));
    }

    #[test]
    fn a_note_is_told_of_its_own_panic_only_and_found_from_another_thread() {
        let note = |message: &str| {
            let noted = Noted { message: message.to_owned(), text: format!("{message} at line 7") };
            NOTED.with(|place| *place.borrow_mut() = Some(noted));
        };
        note("earlier");
        let caught: Result<(), _> = catch(|| std::panic::resume_unwind(Box::new("later")));
        assert_eq!(caught, Err("The handler panicked: later".to_owned()));
        let work = move || -> u8 {
            note("inside");
            std::panic::resume_unwind(Box::new("inside"))
        };
        let job = crate::job::tests::spawn(&crate::Inline, work);
        let caught = catch(|| crate::block_on(job));
        assert_eq!(caught, Err("inside at line 7".to_owned()));
    }
}
