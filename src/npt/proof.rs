//! The proof that a mapping is a bijection and checksum-neutral.
