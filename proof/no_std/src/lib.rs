//! A program without the standard library that really uses the machine.
//!
//! It brings its own panic handler. The standard library brings one too, and one program cannot have two: should
//! the core, or anything below it, pull `std` in, this does not build (`duplicate lang item: panic_impl`).
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

use alloc::sync::Arc;
use core::panic::PanicInfo;

use httpfsm::channel::{CompiledConfig, Facts, Input, NotAccepted, Output};
use httpfsm::config::ServerConfig;
use httpfsm::response::ResponseRef;
use httpfsm::time::{Date, Moment, Now};
use httpfsm::{Channel, Fields, Status};

/// What a device would have for a channel and its buffers.
#[global_allocator]
static HEAP: emballoc::Allocator<131_072> = emballoc::Allocator::new();

#[panic_handler]
fn panic(_: &PanicInfo<'_>) -> ! {
    loop {
        core::hint::spin_loop();
    }
}

/// Keeps the program in the library: what nothing refers to is not even compiled to code.
#[used]
static PROGRAM: Program = serve;

/// Bytes in, bytes out.
type Program = fn(&[u8], &mut dyn FnMut(&[u8])) -> Result<(), NotAccepted>;

/// What a device does with the bytes of one connection: gives them to the machine, responds, and sends.
fn serve(received: &[u8], send: &mut dyn FnMut(&[u8])) -> Result<(), NotAccepted> {
    let compiled = CompiledConfig::new(&ServerConfig::hardened().channel);
    let mut channel = Channel::new(Arc::new(compiled), Facts::default());
    let now = Now::new(Moment::from_millis(17), &Date::EPOCH);
    let fields = Fields::new().with("Content-Type", "text/plain").unwrap_or_default();
    channel.handle(&now, Input::RxData(received))?;
    while let Some(output) = channel.next_output() {
        if let Output::HttpRequest = output {
            channel
                .handle(&now, Input::HttpResponse(ResponseRef::new(Status::OK, &fields, b"Hello, World!")))?;
        }
    }
    let unsent = channel.unsent();
    send(unsent);
    let sent = unsent.len();
    channel.handle(&now, Input::Sent(sent))
}
