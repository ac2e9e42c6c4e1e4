//! Sizes as people write them: `10 GiB`, `500 kB`, `1048576`.

const UNITS: [(&str, u64); 9] = [
    ("B", 1),
    ("kB", 1_000),
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
    ("TB", 1_000_000_000_000),
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
    ("TiB", 1 << 40),
];

/// Reads a whole or decimal number with a unit; the case of the unit does not matter.
///
/// Gives `None` for what is no size, is zero, or passes 2^63 bytes.
pub fn parse_size(text: &str) -> Option<u64> {
    let text = text.trim();
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    let unit = unit.trim();
    let factor = match unit {
        "" => 1,
        _ => UNITS.iter().find(|(name, _)| name.eq_ignore_ascii_case(unit))?.1,
    };
    let bytes = match number.split_once('.') {
        None => u128::from(number.parse::<u64>().ok()?) * u128::from(factor),
        Some((whole, fraction)) if (1..=6).contains(&fraction.len()) => {
            let scale = 10_u128.pow(u32::try_from(fraction.len()).ok()?);
            let digits = format!("{whole}{fraction}").parse::<u64>().ok()?;
            u128::from(digits) * u128::from(factor) / scale
        }
        Some(_) => return None,
    };
    u64::try_from(bytes).ok().filter(|bytes| (1..=1 << 63).contains(bytes))
}

#[cfg(test)]
mod tests {
    use super::parse_size;

    #[test]
    fn sizes_read_as_people_write_them() {
        for (text, bytes) in [
            ("1", Some(1)),
            ("10 GiB", Some(10 << 30)),
            ("1.5MiB", Some(3 << 19)),
            ("500 kB", Some(500_000)),
            ("500KB", Some(500_000)),
            ("0", None),
            ("", None),
            ("ten GiB", None),
            ("1.", None),
            ("-1 GiB", None),
            ("10 XB", None),
            ("99999999 TiB", None),
        ] {
            assert_eq!(parse_size(text), bytes, "{text}");
        }
    }
}
