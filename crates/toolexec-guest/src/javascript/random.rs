//! Random numbers of programs: seeded anew for each engine that runs, also when the engine itself
//! comes from an image in memory.

use std::fmt::Write;

/// A generator (xoshiro256++). Not for secrets.
#[derive(Debug, Default)]
pub(super) struct Random {
    state: Option<[u64; 4]>,
}

impl Random {
    /// A number from 0 up to 1.
    pub(super) fn unit(&mut self) -> f64 {
        // 53 bits are what a float holds.
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// A random UUID (version 4).
    pub(super) fn uuid(&mut self) -> String {
        let high = self.next() & 0xffff_ffff_ffff_0fff | 0x4000;
        let low = self.next() & 0x3fff_ffff_ffff_ffff | 0x8000_0000_0000_0000;
        let mut text = String::with_capacity(36);
        let _ = write!(
            text,
            "{:08x}-{:04x}-{:04x}-{:04x}-{:012x}",
            high >> 32,
            high >> 16 & 0xffff,
            high & 0xffff,
            low >> 48,
            low & 0xffff_ffff_ffff
        );
        text
    }

    /// Forgets the seed; the next number takes a new one.
    pub(super) fn reseed(&mut self) {
        self.state = None;
    }

    fn next(&mut self) -> u64 {
        let state = self.state.get_or_insert_with(seed);
        let [a, b, c, d] = *state;
        let result = a.wrapping_add(d).rotate_left(23).wrapping_add(a);
        let (mut c, mut d) = (c ^ a, d ^ b);
        let (b, a) = (b ^ c, a ^ d);
        c ^= state[1] << 17;
        d = d.rotate_left(45);
        *state = [a, b, c, d];
        result
    }
}

fn seed() -> [u64; 4] {
    let mut bytes = [0; 32];
    // Without randomness a fixed seed still makes numbers.
    if getrandom::fill(&mut bytes).is_err() {
        return [1, 2, 3, 4];
    }
    let mut state = [0; 4];
    for (word, chunk) in state.iter_mut().zip(bytes.as_chunks().0) {
        *word = u64::from_le_bytes(*chunk);
    }
    state
}
