//! `status`: what is going on, once or for as long as somebody looks.

use std::time::Duration;

use driftless_control::Client;
use driftless_control::api::{Status, StatusQuery};
use tokio::time::{MissedTickBehavior, interval};

use super::folder::user_home;
use crate::failure::Failure;
use crate::format::now_ms;
use crate::progress::Bars;
use crate::session::{Session, folder_word};
use crate::status_text::{describe, headline};

/// How often a status that is being followed is asked for.
pub(super) const LOOK_AGAIN: Duration = Duration::from_millis(500);

pub(super) async fn run(
    session: &Session,
    folder: Option<String>,
    follow: bool,
) -> Result<(), Failure> {
    let query = StatusQuery { folder: folder.as_deref().map(folder_word).transpose()? };
    let client = session.connect().await?;
    if follow {
        return run_follow(session, &client, query).await;
    }
    let status = client.call(query).await?;
    let text = |status: &Status| describe(status, session.output, now_ms(), user_home().as_deref());
    session.output.print(&status, text)
}

/// Draws bars on a terminal; elsewhere prints a line whenever there is something new to say.
async fn run_follow(session: &Session, client: &Client, query: StatusQuery) -> Result<(), Failure> {
    let output = session.output;
    let mut bars = output.is_live().then(Bars::new);
    let mut ticks = interval(LOOK_AGAIN);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut last: Option<Status> = None;
    loop {
        ticks.tick().await;
        let status = client.call(query.clone()).await?;
        let sentence = headline(&status).1;
        if let Some(bars) = &mut bars {
            bars.show(&status);
        } else if output.is_json() && last.as_ref() != Some(&status) {
            output.print_json(&status)?;
        } else if !output.is_json()
            && last.as_ref().map(|last| headline(last).1).as_ref() != Some(&sentence)
        {
            output.print_text(&sentence)?;
        }
        last = Some(status);
    }
}
