//! No text makes the parser panic, and whatever it refuses it refuses with a place.

use proptest::prelude::*;
use sixways::control::config::parse;

use super::config_judge::judge;

const GOOD: [&str; 5] = [
    include_str!("../../configs/minimal.toml"),
    include_str!("../../configs/dual-isp.toml"),
    include_str!("../../configs/lab.toml"),
    include_str!("../../configs/identity.toml"),
    include_str!("../../configs/rules.toml"),
];

/// What a file may come to hold by a slip, and what somebody may try.
const PIECES: [&str; 40] = [
    "",
    "\"",
    "]",
    "[",
    "[[isp]]",
    "[lan]",
    "=",
    "# ",
    "\n",
    "{}",
    "[]",
    "-1",
    "0",
    "1.5",
    "true",
    "\"auto\"",
    "\"::/0\"",
    "\"fd12:3456:789a::/48\"",
    "\"2001:db8:1::/64\"",
    "99999999999999999999",
    "nan",
    "1979-05-27",
    "tier = 1",
    "\u{1b}[2J",
    "ß\u{300}",
    "\t",
    "\r\n",
    "0x10",
    "name = \"fiber\"",
    "[isp.x]",
    "[[rule]]",
    "[policy.x]",
    "[policy]",
    "match = { proto = 6 }",
    "isps = [\"fiber\"]",
    "drop = true",
    "[\"1-2\", 3]",
    "\"2h4m\"",
    "{ dst = \"fd12:3456:789a::1\" }",
    "\"99999999999999999999h\"",
];

proptest! {
    #[test]
    fn arbitrary_text_is_no_trouble(text in "(?s).{0,200}") {
        if let Err(errors) = parse(&text) {
            judge(&errors, &text);
        }
    }

    #[test]
    fn a_good_file_with_slips_is_taken_or_refused_with_a_place(
        which in 0..GOOD.len(),
        slips in prop::collection::vec((any::<prop::sample::Index>(), 0..12usize, 0..PIECES.len()), 1..4),
    ) {
        let mut text: Vec<char> = GOOD[which].chars().collect();
        for (at, removed, piece) in slips {
            let at = at.index(text.len() + 1);
            let end = (at + removed).min(text.len());
            text.splice(at..end, PIECES[piece].chars());
        }
        let text: String = text.into_iter().collect();
        if let Err(errors) = parse(&text) {
            judge(&errors, &text);
        }
    }

    /// Slips that leave the file TOML: one value becomes another.
    #[test]
    fn a_good_file_with_another_value_is_taken_or_refused_with_a_place(
        which in 0..GOOD.len(),
        line in any::<prop::sample::Index>(),
        piece in 0..PIECES.len(),
    ) {
        let mut lines: Vec<String> = GOOD[which].lines().map(str::to_owned).collect();
        let keys: Vec<usize> = (0..lines.len()).filter(|at| lines[*at].contains(" = ")).collect();
        let at = keys[line.index(keys.len())];
        let key = lines[at].split(" = ").next().unwrap().to_owned();
        lines[at] = format!("{key} = {}", PIECES[piece]);
        let text = lines.join("\n");
        if let Err(errors) = parse(&text) {
            judge(&errors, &text);
        }
    }

    /// A line less: what is required is missed, and nothing else happens.
    #[test]
    fn a_good_file_without_a_line_is_taken_or_refused_with_a_place(
        which in 0..GOOD.len(),
        line in any::<prop::sample::Index>(),
    ) {
        let mut lines: Vec<&str> = GOOD[which].lines().collect();
        lines.remove(line.index(lines.len()));
        let text = lines.join("\n");
        if let Err(errors) = parse(&text) {
            judge(&errors, &text);
        }
    }
}
