//! An input, taken from the front. What is missing at its end reads as zero.

/// What is left of an input.
pub struct Octets<'a>(pub &'a [u8]);

impl<'a> Octets<'a> {
    /// Whether nothing is left.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// As many octets as there are left, at most `count`.
    pub fn take(&mut self, count: usize) -> &'a [u8] {
        let (taken, rest) = self.0.split_at(count.min(self.0.len()));
        self.0 = rest;
        taken
    }

    /// A number of `N` octets, in network order.
    fn number<const N: usize>(&mut self) -> [u8; N] {
        let mut number = [0; N];
        let taken = self.take(N);
        number[..taken.len()].copy_from_slice(taken);
        number
    }

    /// The next octet.
    pub fn u8(&mut self) -> u8 {
        u8::from_be_bytes(self.number())
    }

    /// The next two.
    pub fn u16(&mut self) -> u16 {
        u16::from_be_bytes(self.number())
    }

    /// The next four.
    pub fn u32(&mut self) -> u32 {
        u32::from_be_bytes(self.number())
    }

    /// The next sixteen: an address.
    pub fn u128(&mut self) -> u128 {
        u128::from_be_bytes(self.number())
    }
}
