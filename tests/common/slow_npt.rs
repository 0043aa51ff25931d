//! RFC 6296 written down word by word from its text, with plain integers and no thought of speed.
//!
//! Nothing is shared with the library: an address is eight numbers, a sum is carried round by
//! subtraction, a prefix is compared bit by bit.

/// Eight 16-bit words.
pub type Words = [u32; 8];

/// A prefix: its words and its length.
pub type Prefix = (Words, usize);

/// The image of `address`, or the reason why it has none, as `sixways map` words it.
///
/// `from` is the prefix that the address has, `to` the one that its image has.
pub fn translate(from: Prefix, to: Prefix, address: Words) -> Result<Words, &'static str> {
    let image = literally(from, to, address)?;
    // Not in the RFC: what the text below would not bring back has no image here.
    if literally(to, from, image) == Ok(address) { Ok(image) } else { Err("no-return") }
}

/// RFC 6296 to the letter.
fn literally(from: Prefix, to: Prefix, address: Words) -> Result<Words, &'static str> {
    // §3.1: "the shorter of the two prefixes is zero-extended to the length of the longer one".
    let length = from.1.max(to.1);
    for at in 0..length {
        if bit(address, at) != bit(from.0, at) {
            return Err(if at < from.1 { "not-in-prefix" } else { "unmapped-subnet" });
        }
    }
    if from == to {
        return Ok(address);
    }
    let word = word_to_adjust(address, length)?;
    let mut image = address;
    for at in 0..length {
        set_bit(&mut image, at, bit(to.0, at));
    }
    // §3.1 to §3.3: what leaves the sum with the one prefix is added to the word, what comes with the
    // other is taken away. Neither overwritten bits nor adjusted word overlap.
    let sum = ones_complement_sum(&[image[word], prefix_sum(from), 0xffff - prefix_sum(to)]);
    // §3.2, §3.3: "if the result is 0xFFFF, it is overwritten as zero".
    image[word] = if sum == 0xffff { 0 } else { sum };
    Ok(image)
}

fn word_to_adjust(address: Words, length: usize) -> Result<usize, &'static str> {
    if length <= 48 {
        // §3.4, and §3.2 for 0xFFFF.
        return if address[3] == 0xffff { Err("subnet-ffff") } else { Ok(3) };
    }
    // §3.7, then §3.5.
    if address[4..] == [0; 4] {
        return Err("iid-all-zero");
    }
    (4..8).find(|word| address[*word] != 0xffff).ok_or("iid-all-ones")
}

/// §3.1: the sum of the first four words of the prefix.
fn prefix_sum(prefix: Prefix) -> u32 {
    ones_complement_sum(&prefix.0[..4])
}

/// RFC 1071: what is carried out of 16 bits comes in again at the other end.
pub fn ones_complement_sum(words: &[u32]) -> u32 {
    let mut sum = 0;
    for word in words {
        sum += word;
        if sum > 0xffff {
            sum -= 0xffff;
        }
    }
    sum
}

fn bit(words: Words, at: usize) -> bool {
    words[at / 16] & 0x8000 >> (at % 16) != 0
}

fn set_bit(words: &mut Words, at: usize, to: bool) {
    let mask = 0x8000 >> (at % 16);
    words[at / 16] = if to { words[at / 16] | mask } else { words[at / 16] & !mask };
}
