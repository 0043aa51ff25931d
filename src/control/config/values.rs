//! From TOML values to ours.

use toml::de::DeValue;

/// A text.
pub(super) fn text(value: &DeValue<'_>) -> Option<String> {
    value.as_str().map(str::to_owned)
}

/// A whole number within `range`.
pub(super) fn number(value: &DeValue<'_>, range: std::ops::RangeInclusive<u64>) -> Option<u64> {
    let integer = value.as_integer()?;
    u64::from_str_radix(integer.as_str(), integer.radix()).ok().filter(|number| range.contains(number))
}

/// `true` or `false`.
pub(super) fn boolean(value: &DeValue<'_>) -> Option<bool> {
    value.as_bool()
}

/// A power of two within `range`.
pub(super) fn power_of_two(value: &DeValue<'_>, range: std::ops::RangeInclusive<u64>) -> Option<u64> {
    number(value, range).filter(|number| number.is_power_of_two())
}

/// `word`, or what `other` reads.
pub(super) fn word_or<T>(
    value: &DeValue<'_>,
    word: &str,
    other: impl Fn(&DeValue<'_>) -> Option<T>,
) -> Option<Option<T>> {
    if value.as_str() == Some(word) { Some(None) } else { other(value).map(Some) }
}

/// One of the words, to what it stands for.
pub(super) fn one_of<T: Copy>(value: &DeValue<'_>, words: &[(&str, T)]) -> Option<T> {
    let text = value.as_str()?;
    words.iter().find(|(word, _)| *word == text).map(|(_, meaning)| *meaning)
}

/// A name that Linux takes for an interface.
pub(super) fn interface(value: &DeValue<'_>) -> Option<String> {
    let fits = |name: &str| {
        (1..=15).contains(&name.len())
            && name != "."
            && name != ".."
            && name.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'/' && byte != b':')
    };
    text(value).filter(|name| fits(name))
}

/// An ISP's name.
pub(super) fn isp_name(value: &DeValue<'_>) -> Option<String> {
    let fits = |name: &str| {
        (1..=32).contains(&name.len())
            && name
                .bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-' || byte == b'_')
    };
    text(value).filter(|name| fits(name))
}
