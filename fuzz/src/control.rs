//! What front ends and the daemon say to each other.

use driftless_control::frame::{FrameReader, write_frame};
use driftless_control::fuzzing::{read_and_write_answer, read_call, write_call};
use tokio::runtime::{Builder, Runtime};

use super::within;

/// A limit that small inputs reach.
const LIMIT: usize = 1 << 10;

thread_local! {
    static RUNTIME: Runtime =
        Builder::new_current_thread().enable_time().build().expect("a runtime starts");
}

/// H3: any bytes as a stream of frames, as a request and as an answer.
pub(crate) fn control(bytes: &[u8]) {
    // 40 bytes a value of JSON, of which each takes at least two bytes of text.
    let allowed = 64 * bytes.len() + (64 << 10);
    let (call, answer) = within(allowed, || (read_call(bytes), read_and_write_answer(bytes)));
    if let Some(call) = call {
        let written = write_call(&call).expect("a request can be written");
        assert_eq!(read_call(&written), Some(call));
    }
    if let Some(answer) = answer {
        assert!(read_and_write_answer(&answer).is_some(), "an answer reads back");
    }
    RUNTIME.with(|runtime| runtime.block_on(stream(bytes)));
}

async fn stream(bytes: &[u8]) {
    let mut reader = FrameReader::new(bytes, LIMIT);
    let mut written = Vec::new();
    loop {
        match reader.next().await {
            Ok(Some(frame)) => {
                assert!((1..=LIMIT).contains(&frame.len()));
                write_frame(&mut written, &frame, LIMIT).await.expect("it is within the limit");
            }
            Ok(None) => break assert_eq!(written, bytes),
            Err(_) => break assert!(bytes.starts_with(&written)),
        }
    }
}
