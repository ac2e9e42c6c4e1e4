//! How numbers and names read, wherever a front end writes them: on a terminal, in the panel, in a notification.

use std::borrow::Cow;

/// Escapes what could move the cursor, recolour or reorder text, so that a name is only ever shown.
///
/// Control characters, line and paragraph separators, and the characters that override text direction are
/// written as `\u{…}`. Joiners and variation selectors stay, because scripts and emoji need them.
pub fn safe(text: &str) -> Cow<'_, str> {
    if !text.contains(is_unsafe) {
        return Cow::Borrowed(text);
    }
    let mut escaped = String::with_capacity(text.len() + 16);
    for character in text.chars() {
        match character {
            '\n' => escaped.push_str("\\n"),
            '\t' => escaped.push_str("\\t"),
            _ if is_unsafe(character) => escaped.extend(character.escape_unicode()),
            _ => escaped.push(character),
        }
    }
    Cow::Owned(escaped)
}

/// Whether a character could act on a terminal, or hide or reorder the text around it.
pub fn is_unsafe(character: char) -> bool {
    character.is_control()
        || matches!(character, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
        || matches!(character, '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e001f}')
}

/// A number with its thousands set apart: `1,234,567`.
pub fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut grouped = String::with_capacity(digits.len() + digits.len() / 3);
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

/// A number of things: `1 file`, `1,204 files`.
pub fn plural(number: u64, one: &str) -> String {
    format!("{} {one}{}", count(number), if number == 1 { "" } else { "s" })
}

/// How long something will take, as calm as it is certain: `a few seconds`, `about 2 min`.
pub fn estimate(seconds: u64) -> String {
    match seconds {
        0..10 => "a few seconds".to_owned(),
        10..60 => format!("about {} s", seconds.div_ceil(10) * 10),
        60..3600 => format!("about {} min", seconds.div_ceil(60)),
        3600..86_400 => format!("about {} h", (seconds + 1800) / 3600),
        _ => format!("about {}", plural(seconds.saturating_add(43_200) / 86_400, "day")),
    }
}
