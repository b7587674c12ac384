//! Panics of the application: caught per request, told only where the configuration allows it.

use std::any::Any;
use std::backtrace::Backtrace;
use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, PanicHookInfo, catch_unwind};

thread_local! {
    static NOTED: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// Notes where a panic happened and how it came there, for the 500 page of `expose_tracebacks`.
///
/// Only a panic hook sees the place and the stack of a panic, and a library has no business to install one. A program
/// that wants them calls this from its own; without it the page carries the panic's message alone.
///
/// ```
/// std::panic::set_hook(Box::new(httpfsm_transport::note_panic));
/// ```
pub fn note_panic(info: &PanicHookInfo<'_>) {
    let text = format!("{info}\n{}", Backtrace::force_capture());
    let _ = NOTED.try_with(|noted| noted.try_borrow_mut().map(|mut noted| *noted = Some(text)));
}

/// Runs a piece of the application; a panic becomes its text.
#[inline]
pub(crate) fn catch<T>(run: impl FnOnce() -> T) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(run)).map_err(|payload| describe(&*payload))
}

#[cold]
fn describe(payload: &(dyn Any + Send)) -> String {
    let noted = NOTED.try_with(|noted| noted.try_borrow_mut().ok().and_then(|mut noted| noted.take()));
    if let Ok(Some(text)) = noted {
        return text;
    }
    let message = payload.downcast_ref::<&str>().copied();
    let message = message.or_else(|| payload.downcast_ref::<String>().map(String::as_str));
    format!("The handler panicked: {}", message.unwrap_or("(no message)"))
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
}
