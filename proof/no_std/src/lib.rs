//! A program without the standard library that really uses the machine.
//!
//! It brings its own panic handler. The standard library brings one too, and one program cannot have two: should
//! the core, or anything below it, pull `std` in, this does not build (`duplicate lang item: panic_impl`).
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

use alloc::vec::Vec;
use core::panic::PanicInfo;

use httpfsm::config::ServerConfig;
use httpfsm::time::{Date, Moment, Now};

/// 64 KiB of heap: enough for one channel with its buffers.
#[global_allocator]
static HEAP: emballoc::Allocator<65_536> = emballoc::Allocator::new();

#[panic_handler]
fn panic(_: &PanicInfo<'_>) -> ! {
    loop {
        core::hint::spin_loop();
    }
}

/// Keeps the program in the library: what nothing refers to is not even compiled to code.
#[used]
static PROGRAM: fn() -> usize = serve_one;

/// What a device would do with the machine; returns the octets it would send.
fn serve_one() -> usize {
    let config = ServerConfig::hardened();
    let date = Date::new(*b"Sun, 06 Nov 1994 08:49:37 GMT").unwrap_or(Date::EPOCH);
    let now = Now::new(Moment::START.saturating_add_millis(17), &date);
    let mut sent = Vec::new();
    sent.extend_from_slice(now.date.as_bytes());
    sent.extend_from_slice(config.channel.identity.as_bytes());
    sent.len()
}
