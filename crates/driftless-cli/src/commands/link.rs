//! `id`: how other devices are told of this one.

use driftless_control::api::{OwnLink, PairLink};
use driftless_daemon::config::Config;
use serde_json::json;

use super::setup::own_id;
use crate::failure::{Exit, Failure};
use crate::offline;
use crate::session::Session;

/// Modules around a code that stay light, without which cameras do not find it.
const QUIET: usize = 2;

/// Prints the device ID of an installation that exists, its link, or the link as a picture.
pub(super) async fn id(session: &Session, link: bool, qr: bool) -> Result<(), Failure> {
    if !link && !qr {
        // An ID made in passing would be of a home that somebody misspelt.
        Config::load(&session.home)?;
        let id = own_id(session)?;
        return session.output.print(&json!({"id": id}), |_| id.clone());
    }
    let own = match session.connect_if_running().await? {
        Some(client) => client.call(PairLink {}).await?,
        None => offline::own_link(&session.home)?,
    };
    if qr && own.qr.is_empty() {
        return Err(Failure::new(Exit::Failed, "the link is too long for a QR code; use --link"));
    }
    session.output.print(&own, |OwnLink { link, qr: rows }| match qr {
        true => format!("{}{link}", drawn(rows)),
        false => link.clone(),
    })
}

/// A code in half blocks, two rows of modules a line. Light modules are the ones
/// that are drawn, so that it reads on dark terminals; most readers take both.
fn drawn(rows: &[String]) -> String {
    let is_light = |x: usize, y: usize| {
        let inside = y.checked_sub(QUIET).and_then(|y| rows.get(y)).zip(x.checked_sub(QUIET));
        inside.and_then(|(row, x)| row.as_bytes().get(x)) != Some(&b'1')
    };
    let side = rows.len() + 2 * QUIET;
    let mut text = String::new();
    for y in (0..side).step_by(2) {
        for x in 0..side {
            text.push(match (is_light(x, y), y + 1 < side && is_light(x, y + 1)) {
                (true, true) => '█',
                (true, false) => '▀',
                (false, true) => '▄',
                (false, false) => ' ',
            });
        }
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::drawn;

    #[test]
    fn a_code_is_drawn_two_rows_a_line_with_light_around_it() {
        let rows = ["101", "010", "110"].map(str::to_owned);
        assert_eq!(drawn(&rows), "███████\n██▄▀▄██\n██▄▄███\n▀▀▀▀▀▀▀\n");
    }
}
