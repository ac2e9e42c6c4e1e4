//! `pair`: two devices come to trust each other by a code that a person carries across.

use std::time::Duration;

use driftless_control::api::{PairCode, PairEnter, PairOpen, PairWait, Paired};
use driftless_control::{CallError, Client};
use tokio::time::{Instant, interval};

use crate::failure::{Exit, Failure};
use crate::format::{duration, safe};
use crate::output::Meaning;
use crate::progress::Bars;
use crate::session::Session;

const DIGITS: usize = 6;

pub(super) async fn run(
    session: &Session,
    code: &[String],
    address: Option<String>,
) -> Result<(), Failure> {
    let paired = if code.is_empty() {
        show(session).await?
    } else {
        session.call(PairEnter { code: read_code(code)?, address }).await?
    };
    session.output.print(&paired, |Paired { id, name }| {
        format!("{} and this device now trust each other.\n{}", safe(name), safe(id))
    })
}

/// Reads a code however it was spaced.
fn read_code(words: &[String]) -> Result<String, Failure> {
    let typed = words.join(" ");
    let code: String = typed.chars().filter(|c| !matches!(c, ' ' | '-')).collect();
    if code.len() == DIGITS && code.bytes().all(|byte| byte.is_ascii_digit()) {
        return Ok(code);
    }
    let message = format!(
        "{typed:?} is no pairing code; enter the {DIGITS} digits that the other device shows"
    );
    Err(Failure::new(Exit::Usage, message))
}

/// Shows a code and waits until it was used. Ending the command makes the code useless.
async fn show(session: &Session) -> Result<Paired, Failure> {
    let client = session.connect().await?;
    let opened = client.call(PairOpen {}).await?;
    session.output.print(&opened, |PairCode { code, expires_in_s }| {
        let (first, second) = code.split_at_checked(DIGITS / 2).unwrap_or((code, ""));
        let large = session.output.paint(Meaning::Heading, &format!("{first} {second}"));
        let command = format!("driftless pair {code}");
        format!(
            "On the other device, enter this code within {}:\n\n        {large}\n\nThere, that is: {command}",
            duration(*expires_in_s)
        )
    })?;
    let waited = if session.output.is_live() {
        count_down(&client, Duration::from_secs(opened.expires_in_s)).await
    } else {
        client.call(PairWait {}).await
    };
    Ok(waited?)
}

async fn count_down(client: &Client, valid: Duration) -> Result<Paired, CallError> {
    let end = Instant::now() + valid;
    let bars = Bars::new();
    let mut ticks = interval(Duration::from_secs(1));
    let paired = client.call(PairWait {});
    tokio::pin!(paired);
    let outcome = loop {
        tokio::select! {
            outcome = &mut paired => break outcome,
            _ = ticks.tick() => {
                let left_s = end.saturating_duration_since(Instant::now()).as_secs();
                bars.say(format!("Waiting for the other device, {} left", duration(left_s)));
            }
        }
    };
    bars.clear();
    outcome
}

#[cfg(test)]
mod tests {
    use super::read_code;

    #[test]
    fn a_code_is_six_digits_however_they_are_spaced() {
        let read = |words: &[&str]| {
            read_code(&words.iter().map(|&word| word.to_owned()).collect::<Vec<_>>())
        };
        for words in [["123456"].as_slice(), &["123", "456"], &["123-456"], &["12 34 56"]] {
            assert_eq!(read(words).unwrap(), "123456");
        }
        for words in [["12345"].as_slice(), &["1234567"], &["12345a"], &["١٢٣٤٥٦"], &[""]] {
            assert!(read(words).is_err(), "{words:?}");
        }
    }
}
