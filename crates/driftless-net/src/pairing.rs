//! Pairing: two devices that do not know each other agree over a one-time code.
//!
//! Decides who may try, how often (once per code, L7), and in which order the
//! messages go; the proofs are made in `exchange`. Whether a paired device is
//! then allowed to connect is the program's decision.
//!
//! On one stream, in frames of at most 4 KiB: the dialler's SPAKE2 message, the
//! shower's, the dialler's proof, the shower's, the dialler's name, the
//! shower's, and the end of the dialler's half.

use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use driftless_core::DeviceId;
use quinn::{ConnectionError, RecvStream, SendStream};
use tokio::time::timeout;

use crate::connection::CloseReason;
use crate::dial::Race;
use crate::exchange::{Exchange, Role, Session};
use crate::frame::{self, Patience};
use crate::greeting::HANDSHAKE_DEADLINE;
use crate::net::{NetEvent, Shared};
use crate::recognition;
use crate::tls::{self, Callee, Protocol};
use crate::transport::{DEFAULT_PORT, canonical};

const EXCHANGE_DEADLINE: Duration = Duration::from_secs(10);
/// How long to look for a nearby device before saying that there is none.
const SEARCH_DEADLINE: Duration = Duration::from_secs(3);
const MAX_MESSAGE_BYTES: usize = 4096;
const MAX_NAME_BYTES: usize = 64;
const CODE_DIGITS: usize = 6;
const CODES: u32 = 1_000_000;
const EXPORTER_LABEL: &[u8] = b"EXPORTER-driftless-pair/1";

/// A device that proved to share the code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PairedDevice {
    /// Which device.
    pub device: DeviceId,
    /// What it calls itself: at most 64 bytes, no control characters, not empty.
    pub name: String,
    /// Where it was.
    pub address: SocketAddr,
}

/// Why the code that was shown here came to nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PairingFailure {
    /// Someone entered another code, or sat in between.
    #[error("a wrong code was entered")]
    WrongCode,
    /// Someone began and did not go on.
    #[error("the other device took too long")]
    TimedOut,
    /// The connection broke in the middle.
    #[error("the connection broke during pairing")]
    Lost,
    /// Nobody came in time.
    #[error("nobody entered the code in time")]
    Expired,
}

/// Why pairing with a code failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PairError {
    /// The text is no code.
    #[error("a code has six digits")]
    Malformed,
    /// No device nearby is open for pairing.
    #[error("no nearby device is open for pairing")]
    NoneNearby,
    /// Several are; an address must say which one is meant.
    #[error("several nearby devices are open for pairing: {}", names.join(", "))]
    SeveralNearby {
        /// What they call themselves.
        names: Vec<String>,
    },
    /// No device answered.
    #[error("the device cannot be reached")]
    Unreachable,
    /// The device shows no code now.
    #[error("the other device is not open for pairing")]
    NotOpen,
    /// The address leads back to this device.
    #[error("that is this device itself")]
    Own,
    /// The codes differ, or someone sat in between.
    #[error("the code was wrong and is now spent; show a new one")]
    WrongCode,
    /// The other device did not go on.
    #[error("the other device took too long")]
    TimedOut,
    /// The connection broke in the middle.
    #[error("the connection broke during pairing")]
    Lost,
    /// The system has no randomness.
    #[error("the system gives no random bytes")]
    Randomness,
}

/// Holds the code that is shown, if one is.
#[derive(Debug, Default)]
pub(crate) struct PairingDesk(Mutex<Option<Window>>);

#[derive(Debug)]
struct Window {
    code: String,
    expires: Instant,
}

impl PairingDesk {
    fn lock(&self) -> MutexGuard<'_, Option<Window>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn open(&self, ttl: Duration) -> Result<String, PairError> {
        let code = draw_code()?;
        *self.lock() = Some(Window { code: code.clone(), expires: Instant::now() + ttl });
        Ok(code)
    }

    pub(crate) fn is_open(&self) -> bool {
        self.lock().as_ref().is_some_and(|window| Instant::now() < window.expires)
    }

    pub(crate) fn close(&self) {
        self.lock().take();
    }

    /// Spends the code: whoever gets it has the only attempt.
    fn take(&self) -> Option<String> {
        self.lock()
            .take()
            .filter(|window| Instant::now() < window.expires)
            .map(|window| window.code)
    }

    /// Voids a code whose time is up; tells whether there was one.
    pub(crate) fn expire(&self) -> bool {
        self.lock().take_if(|window| Instant::now() >= window.expires).is_some()
    }
}

/// Draws uniformly, by rejecting what would favour low codes.
fn draw_code() -> Result<String, PairError> {
    loop {
        let number = u32::from_be_bytes(recognition::random().map_err(|_| PairError::Randomness)?);
        if number < u32::MAX / CODES * CODES {
            return Ok(format!("{:06}", number % CODES));
        }
    }
}

/// Makes a name fit to be shown: no control or direction characters, 1 to 64 bytes.
pub(crate) fn clean_name(name: &str) -> String {
    let unfit = |c: &char| {
        c.is_control()
            || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    let mut clean: String = name.chars().filter(|c| !unfit(c)).collect();
    clean.truncate(clean.floor_char_boundary(MAX_NAME_BYTES));
    match clean.trim() {
        "" => "unnamed device".into(),
        fit => fit.into(),
    }
}

/// How a conversation failed, before it is told to either audience.
enum Failure {
    WrongCode,
    Broken,
}

/// One side of the stream, with its bounds.
struct Talk {
    send: SendStream,
    receive: RecvStream,
    patience: Patience,
}

impl Talk {
    fn new((send, receive): (SendStream, RecvStream)) -> Self {
        Self { send, receive, patience: Patience::new(Arc::new(AtomicUsize::new(0))) }
    }

    async fn say(&mut self, message: &[u8]) -> Result<(), Failure> {
        let written = frame::write(&mut self.send, Bytes::copy_from_slice(message)).await;
        written.map_err(|_| Failure::Broken)
    }

    async fn hear(&mut self) -> Result<Bytes, Failure> {
        match frame::read(&mut self.receive, MAX_MESSAGE_BYTES, &self.patience).await {
            Ok(Some(message)) => Ok(message),
            Ok(None) | Err(_) => Err(Failure::Broken),
        }
    }

    async fn hear_name(&mut self) -> Result<String, Failure> {
        Ok(clean_name(&String::from_utf8_lossy(&self.hear().await?)))
    }
}

fn export(link: &quinn::Connection) -> Option<[u8; 32]> {
    let mut exporter = [0; 32];
    link.export_keying_material(&mut exporter, EXPORTER_LABEL, b"").ok()?;
    Some(exporter)
}

/// Serves one incoming pairing link on the device that shows the code.
pub(crate) async fn answer(shared: &Shared, link: quinn::Connection, device: DeviceId) {
    let began = timeout(HANDSHAKE_DEADLINE, async {
        let mut talk = Talk::new(link.accept_bi().await.ok()?);
        let message = talk.hear().await.ok()?;
        Some((talk, message, export(&link)?))
    });
    let Ok(Some((mut talk, message, exporter))) = began.await else {
        return link.close(CloseReason::Violation.code(), &[]);
    };
    // From here on this is the one attempt.
    let Some(code) = shared.desk.take() else {
        return link.close(CloseReason::NotPairing.code(), &[]);
    };
    shared.neighbourhood.refresh();
    let session = Session { dialler: device, shower: shared.own, exporter };
    let own_name = shared.device_name();
    let rest = show(&mut talk, &code, &message, &session, &own_name);
    let event = match timeout(EXCHANGE_DEADLINE, rest).await {
        Ok(Ok(name)) => {
            link.close(CloseReason::Done.code(), &[]);
            let address = canonical(link.remote_address());
            NetEvent::Paired(PairedDevice { device, name, address })
        }
        Ok(Err(failure)) => {
            let reason = match (failure, link.close_reason()) {
                (Failure::WrongCode, _) => PairingFailure::WrongCode,
                (Failure::Broken, Some(error))
                    if CloseReason::from_error(&error) == CloseReason::WrongCode =>
                {
                    PairingFailure::WrongCode
                }
                (Failure::Broken, _) => PairingFailure::Lost,
            };
            let wrong = reason == PairingFailure::WrongCode;
            let code = if wrong { CloseReason::WrongCode } else { CloseReason::Violation };
            link.close(code.code(), &[]);
            NetEvent::PairingFailed { reason }
        }
        Err(_) => {
            link.close(CloseReason::Unresponsive.code(), &[]);
            NetEvent::PairingFailed { reason: PairingFailure::TimedOut }
        }
    };
    shared.tell(event).await;
}

/// The shower's part after the first message; returns the dialler's name.
async fn show(
    talk: &mut Talk,
    code: &str,
    message: &[u8],
    session: &Session,
    own_name: &str,
) -> Result<String, Failure> {
    let exchange = Exchange::start(Role::Shower, code, session);
    talk.say(exchange.message()).await?;
    let proofs = exchange.finish(message, session).ok_or(Failure::Broken)?;
    if !proofs.accepts(Role::Dialler, &talk.hear().await?) {
        return Err(Failure::WrongCode);
    }
    talk.say(proofs.of(Role::Shower)).await?;
    let name = talk.hear_name().await?;
    talk.say(own_name.as_bytes()).await?;
    // The end says that the dialler has the name, and so is done as well.
    match frame::read(&mut talk.receive, MAX_MESSAGE_BYTES, &talk.patience).await {
        Ok(None) => Ok(name),
        Ok(Some(_)) | Err(_) => Err(Failure::Broken),
    }
}

/// See [`crate::Net::pair_with_code`].
pub(crate) async fn pair_with_code(
    shared: &Arc<Shared>,
    code: &str,
    address: Option<String>,
) -> Result<PairedDevice, PairError> {
    let code: String = code.chars().filter(|c| !c.is_whitespace() && *c != '-').collect();
    if code.len() != CODE_DIGITS || !code.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(PairError::Malformed);
    }
    let mut race = Race::new(Arc::clone(shared), Callee::Pairing);
    match address {
        Some(text) => {
            let (addresses, names) = parse_address(&text);
            race.offer(addresses, names);
        }
        None => race.offer(find_nearby(shared).await?, Vec::new()),
    }
    let link = race.next().await;
    let refused = race.was_refused();
    drop(race);
    let link = link.ok_or(if refused { PairError::NotOpen } else { PairError::Unreachable })?;
    let Some((device, Protocol::Pair)) = tls::authenticated(&link) else {
        return Err(PairError::Lost);
    };
    if device == shared.own {
        return Err(PairError::Own);
    }
    let result = match timeout(EXCHANGE_DEADLINE, enter(&link, &code, shared, device)).await {
        Ok(Ok(name)) => {
            Ok(PairedDevice { device, name, address: canonical(link.remote_address()) })
        }
        Ok(Err(Failure::WrongCode)) => Err(PairError::WrongCode),
        Ok(Err(Failure::Broken)) => Err(explain(&link)),
        Err(_) => Err(PairError::TimedOut),
    };
    let reason = match &result {
        Ok(_) => CloseReason::Done,
        Err(PairError::WrongCode) => CloseReason::WrongCode,
        Err(_) => CloseReason::Lost,
    };
    link.close(reason.code(), &[]);
    result
}

/// The dialler's part; returns the shower's name.
async fn enter(
    link: &quinn::Connection,
    code: &str,
    shared: &Shared,
    device: DeviceId,
) -> Result<String, Failure> {
    let exporter = export(link).ok_or(Failure::Broken)?;
    let session = Session { dialler: shared.own, shower: device, exporter };
    let exchange = Exchange::start(Role::Dialler, code, &session);
    let mut talk = Talk::new(link.open_bi().await.map_err(|_| Failure::Broken)?);
    talk.say(exchange.message()).await?;
    let message = talk.hear().await?;
    let proofs = exchange.finish(&message, &session).ok_or(Failure::Broken)?;
    talk.say(proofs.of(Role::Dialler)).await?;
    if !proofs.accepts(Role::Shower, &talk.hear().await?) {
        return Err(Failure::WrongCode);
    }
    talk.say(shared.device_name().as_bytes()).await?;
    let name = talk.hear_name().await?;
    talk.send.finish().map_err(|_| Failure::Broken)?;
    // The shower closes once it has seen the end.
    match CloseReason::from_error(&link.closed().await) {
        CloseReason::Done => Ok(name),
        _ => Err(Failure::Broken),
    }
}

/// Why the link broke, as the other device put it.
fn explain(link: &quinn::Connection) -> PairError {
    match link.close_reason() {
        // A TLS alert: its window closed while this device was dialling.
        Some(ConnectionError::ConnectionClosed(_)) => PairError::NotOpen,
        Some(error) => match CloseReason::from_error(&error) {
            CloseReason::WrongCode => PairError::WrongCode,
            CloseReason::NotPairing => PairError::NotOpen,
            CloseReason::Unresponsive => PairError::TimedOut,
            _ => PairError::Lost,
        },
        None => PairError::Lost,
    }
}

/// Splits what a person typed into an address or a name to resolve.
pub(crate) fn parse_address(text: &str) -> (Vec<SocketAddr>, Vec<String>) {
    let text = text.trim();
    if let Ok(address) = text.parse::<SocketAddr>() {
        return (vec![address], Vec::new());
    }
    if let Ok(ip) = text.trim_matches(['[', ']']).parse::<IpAddr>() {
        return (vec![SocketAddr::new(ip, DEFAULT_PORT)], Vec::new());
    }
    let named = if text.contains(':') { text.to_owned() } else { format!("{text}:{DEFAULT_PORT}") };
    (Vec::new(), vec![named])
}

async fn find_nearby(shared: &Shared) -> Result<Vec<SocketAddr>, PairError> {
    let found = async {
        loop {
            let changed = shared.neighbourhood.changed();
            let mut open = shared.neighbourhood.list(&shared.registry);
            open.retain(|nearby| nearby.pairing);
            match open.as_slice() {
                [] => changed.await,
                [only] => return Ok(only.addresses.clone()),
                _ => {
                    let names = open.into_iter().filter_map(|nearby| nearby.name).collect();
                    return Err(PairError::SeveralNearby { names });
                }
            }
        }
    };
    timeout(SEARCH_DEADLINE, found).await.unwrap_or(Err(PairError::NoneNearby))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn l7_a_code_can_be_taken_once_and_not_after_its_time() {
        let desk = PairingDesk::default();
        let code = desk.open(Duration::from_secs(60)).unwrap();
        assert!(
            code.len() == CODE_DIGITS && code.bytes().all(|byte| byte.is_ascii_digit()),
            "{code}"
        );
        assert_eq!(desk.take(), Some(code));
        assert!(!desk.is_open());
        assert_eq!(desk.take(), None);
        desk.open(Duration::ZERO).unwrap();
        assert!(!desk.is_open());
        assert!(desk.expire());
        assert!(!desk.expire());
        desk.open(Duration::ZERO).unwrap();
        assert_eq!(desk.take(), None);
    }

    #[test]
    fn names_of_other_devices_are_made_fit_to_show() {
        assert_eq!(clean_name("  Anna's\u{1b}[31m \u{202e}laptop\n"), "Anna's[31m laptop");
        assert_eq!(clean_name("\u{7}"), "unnamed device");
        assert!(clean_name(&"ü".repeat(99)).len() <= MAX_NAME_BYTES);
    }
}
