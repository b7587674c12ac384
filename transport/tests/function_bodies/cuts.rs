//! Whatever the cuts of a body, and whichever way it takes, the function reads the body.

use std::hash::{BuildHasher, RandomState};

use httpfsm::config::{Bodies, ServerConfig};

use crate::support::{content, head, stand};

const OVERFLOW: u64 = 700;

/// Numbers that a failure tells how to make again.
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: usize) -> usize {
        // xorshift64*
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) as usize % bound
    }
}

/// A request whose body has its length, or comes in chunks, with a trailer field or without; and what it is responded with.
fn request(dice: &mut Dice) -> (Vec<u8>, String) {
    let length = [0, 1, 699, 700, 701, 5000, 150_000][dice.below(7)] + dice.below(3);
    let expects = ["", "Expect: 100-continue\r\n"][dice.below(2)];
    let content = content(length);
    if dice.below(2) == 0 {
        return ([head(length, expects).as_bytes(), &content].concat(), format!("{length} bytes"));
    }
    let head = format!("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n{expects}\r\n");
    let mut bytes = head.into_bytes();
    for chunk in content.chunks(1 + dice.below(1 + length)) {
        bytes.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
        bytes.extend_from_slice(chunk);
        bytes.extend_from_slice(b"\r\n");
    }
    let trailer = ["", ", a sum"][dice.below(2)];
    bytes.extend_from_slice(b"0\r\n");
    if !trailer.is_empty() {
        bytes.extend_from_slice(format!("X-Sum: {trailer}\r\n").as_bytes());
    }
    bytes.extend_from_slice(b"\r\n");
    (bytes, format!("{length} bytes{trailer}"))
}

fn play(seed: u64) {
    let dice = &mut Dice(seed | 1);
    let mut config = ServerConfig::default();
    config.channel.inbuf_overflow = [OVERFLOW, OVERFLOW, 0][dice.below(3)];
    config.channel.bodies = [None, None, Some(Bodies::Streamed), Some(Bodies::Whole)][dice.below(4)];
    if config.channel.inbuf_overflow != 0 {
        config.max_buffered_bytes = [512 << 20, 1 << 20, 64 << 10][dice.below(3)];
    }
    let mut stand = stand(config, 1 + dice.below(2), dice.below(2));
    for _ in 0..2 {
        let requests: Vec<_> = (0..1 + dice.below(4)).map(|_| (request(dice), stand.connect())).collect();
        // In turn, so that they have to share what there is.
        let mut unsent: Vec<_> = requests.iter().map(|((bytes, _), client)| (&bytes[..], client)).collect();
        let most = [60, 500, 3000, 1 << 20][dice.below(4)];
        while !unsent.is_empty() {
            let at = dice.below(unsent.len());
            let (bytes, client) = &mut unsent[at];
            let (piece, rest) = bytes.split_at((1 + dice.below(most)).min(bytes.len()));
            *bytes = rest;
            client.send(piece);
            if rest.is_empty() {
                unsent.remove(at);
            }
            if dice.below(3) > 0 {
                stand.server.run();
            }
        }
        for ((_, expected), client) in &requests {
            let response = stand.response(client);
            assert!(response.ends_with(&format!("\r\n\r\n{expected}")), "{expected}: {response}");
        }
    }
    stand.ends();
}

/// A thread that panics says its seed.
struct Seed(u64);

impl Drop for Seed {
    fn drop(&mut self) {
        if std::thread::panicking() {
            std::io::Write::write_all(
                &mut std::io::stderr(),
                format!("The seed is {}.\n", self.0).as_bytes(),
            )
            .ok();
        }
    }
}

#[test]
fn a_function_reads_its_body_whatever_its_cuts_and_its_way() {
    let first = RandomState::new().hash_one(0);
    for n in 0..100 {
        let seed = Seed(first.wrapping_add(n));
        play(seed.0);
    }
}
