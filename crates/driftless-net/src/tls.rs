//! Who may speak to this device, decided inside the TLS handshake.
//!
//! Both ends show exactly one certificate with an Ed25519 key and prove that
//! they hold it (TLS 1.3 only, no 0-RTT, no resumption). For synchronisation
//! only allowed devices pass, and a dialled device must be the expected one;
//! for pairing any key passes while this device is open for pairing. A caller's
//! certificate says its name, which the `lobby` may remember; otherwise names and
//! dates in certificates mean nothing. What pairing proves beyond that is
//! decided in `exchange`.
//!
//! A stranger is refused once it has proved its key, in the same words whether it
//! is remembered, was turned away before, or nobody may ask. Who has not the key
//! that it shows is refused before it is looked up, and so learns nothing of
//! whether that key is welcome.

use std::fmt;
use std::net::SocketAddr;
use std::sync::{Arc, OnceLock, PoisonError, RwLock};
use std::time::Instant;

use driftless_core::DeviceId;
use rustls::client::Resumption;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, WebPkiSupportedAlgorithms, ring, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::server::{ClientHello, NoServerSessionStorage, ParsedCertificate, ResolvesServerCert};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::version::TLS13;
use rustls::{
    CertificateError, CipherSuite, DigitallySignedStruct, DistinguishedName, Error, SignatureScheme,
};

use crate::certificate;
use crate::identity::{Identity, IdentityError};
use crate::lobby::Lobby;
use crate::pairing::PairingDesk;
use crate::recognition;
use crate::registry::Registry;

/// DER of a SubjectPublicKeyInfo for Ed25519 up to the key itself (RFC 8410).
const ED25519_SPKI_PREFIX: [u8; 12] =
    [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];

/// What a connection is for; the ALPN name says it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Protocol {
    Sync,
    Pair,
}

impl Protocol {
    pub(crate) const ALL: [Self; 2] = [Self::Sync, Self::Pair];

    pub(crate) const fn alpn(self) -> &'static [u8] {
        match self {
            Self::Sync => b"driftless/1",
            Self::Pair => b"driftless-pair/1",
        }
    }

    fn from_alpn(name: &[u8]) -> Option<Self> {
        Self::ALL.into_iter().find(|protocol| protocol.alpn() == name)
    }
}

/// Whom a dial expects to find.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Callee {
    /// Exactly this device, for synchronisation.
    Device(DeviceId),
    /// Any device that is open for pairing.
    Pairing,
}

/// Makes TLS configurations from this device's key and what it trusts now.
#[derive(Clone)]
pub(crate) struct Tls {
    own: DeviceId,
    identity: Identity,
    /// What callers see, and devices that this one wants to pair with.
    unnamed: Arc<CertifiedKey>,
    /// What a dialled device sees, once it has proved that it is the one meant.
    named: Arc<RwLock<Arc<CertifiedKey>>>,
    provider: Arc<CryptoProvider>,
    registry: Arc<Registry>,
    desk: Arc<PairingDesk>,
    lobby: Arc<Lobby>,
}

/// Why TLS cannot be set up at all.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TlsSetupError {
    #[error("TLS refuses its configuration")]
    Rustls(#[from] Error),
    #[error("the certificate cannot be made")]
    Certificate(#[from] IdentityError),
    #[error("the cipher suite for QUIC's first packets is missing")]
    Initial(#[from] quinn::crypto::rustls::NoInitialCipherSuite),
}

impl Tls {
    pub(crate) fn new(
        identity: &Identity,
        name: &str,
        registry: Arc<Registry>,
        desk: Arc<PairingDesk>,
        lobby: Arc<Lobby>,
    ) -> Result<Self, TlsSetupError> {
        Ok(Self {
            own: identity.device_id(),
            identity: identity.clone(),
            unnamed: identity.certificate(None)?,
            named: Arc::new(RwLock::new(identity.certificate(Some(name))?)),
            provider: Arc::new(provider()),
            registry,
            desk,
            lobby,
        })
    }

    /// Says another name from the next dial on.
    pub(crate) fn set_name(&self, name: &str) -> Result<(), TlsSetupError> {
        let certificate = self.identity.certificate(Some(name))?;
        *self.named.write().unwrap_or_else(PoisonError::into_inner) = certificate;
        Ok(())
    }

    /// Makes the configuration for one incoming connection, from `caller`.
    ///
    /// One each, because the gate remembers which protocol the caller asked for.
    pub(crate) fn server(
        &self,
        caller: SocketAddr,
    ) -> Result<Arc<quinn::crypto::rustls::QuicServerConfig>, TlsSetupError> {
        let gate = Arc::new(Gate { tls: self.clone(), caller, protocol: OnceLock::new() });
        let mut config = rustls::ServerConfig::builder_with_provider(Arc::clone(&self.provider))
            .with_protocol_versions(&[&TLS13])?
            .with_client_cert_verifier(Arc::clone(&gate) as Arc<dyn ClientCertVerifier>)
            .with_cert_resolver(gate);
        config.alpn_protocols =
            Protocol::ALL.iter().map(|protocol| protocol.alpn().to_vec()).collect();
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.send_tls13_tickets = 0;
        config.max_early_data_size = 0;
        Ok(Arc::new(config.try_into()?))
    }

    /// Makes the configuration for one dial.
    pub(crate) fn client(
        &self,
        callee: Callee,
    ) -> Result<Arc<quinn::crypto::rustls::QuicClientConfig>, TlsSetupError> {
        let verifier = CalleeVerifier { callee, algorithms: self.algorithms() };
        let (protocol, shown) = match callee {
            Callee::Device(_) => {
                let named = self.named.read().unwrap_or_else(PoisonError::into_inner);
                (Protocol::Sync, Arc::clone(&named))
            }
            Callee::Pairing => (Protocol::Pair, Arc::clone(&self.unnamed)),
        };
        let mut config = rustls::ClientConfig::builder_with_provider(Arc::clone(&self.provider))
            .with_protocol_versions(&[&TLS13])?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(verifier))
            .with_client_cert_resolver(Arc::new(SingleCertAndKey::from(shown)));
        config.alpn_protocols = vec![protocol.alpn().to_vec()];
        config.resumption = Resumption::disabled();
        config.enable_early_data = false;
        Ok(Arc::new(config.try_into()?))
    }

    fn algorithms(&self) -> WebPkiSupportedAlgorithms {
        self.provider.signature_verification_algorithms
    }
}

/// Which device is at the other end, and what for, once TLS has finished.
///
/// Returns nothing for a connection that did not pass the verifiers here.
pub(crate) fn authenticated(link: &quinn::Connection) -> Option<(DeviceId, Protocol)> {
    let chain = link.peer_identity()?.downcast::<Vec<CertificateDer<'static>>>().ok()?;
    let [certificate] = chain.as_slice() else { return None };
    let data = link.handshake_data()?.downcast::<quinn::crypto::rustls::HandshakeData>().ok()?;
    Some((device_of(certificate).ok()?, Protocol::from_alpn(&data.protocol?)?))
}

/// Puts AES-128-GCM first where the processor has AES, ChaCha20 first elsewhere.
fn provider() -> CryptoProvider {
    let mut provider = ring::default_provider();
    let rank = |suite: CipherSuite| match suite {
        CipherSuite::TLS13_AES_128_GCM_SHA256 => 1,
        CipherSuite::TLS13_CHACHA20_POLY1305_SHA256 if !processor_has_aes() => 0,
        _ => 2,
    };
    provider.cipher_suites.retain(|suite| suite.tls13().is_some());
    provider.cipher_suites.sort_by_key(|suite| rank(suite.suite()));
    provider
}

fn processor_has_aes() -> bool {
    #[cfg(any(target_arch = "x86_64", target_arch = "x86"))]
    return std::arch::is_x86_feature_detected!("aes");
    #[cfg(target_arch = "aarch64")]
    return std::arch::is_aarch64_feature_detected!("aes");
    #[cfg(not(any(target_arch = "x86_64", target_arch = "x86", target_arch = "aarch64")))]
    return false;
}

/// Reads the device that a certificate stands for.
fn device_of(certificate: &CertificateDer<'_>) -> Result<DeviceId, Error> {
    let parsed = ParsedCertificate::try_from(certificate)?;
    let spki = parsed.subject_public_key_info();
    let key =
        spki.strip_prefix(&ED25519_SPKI_PREFIX).and_then(|key| <&[u8; 32]>::try_from(key).ok());
    let key = key.ok_or(Error::InvalidCertificate(CertificateError::BadEncoding))?;
    Ok(DeviceId::from_public_key(key))
}

fn sole_device(
    certificate: &CertificateDer<'_>,
    intermediates: &[CertificateDer<'_>],
) -> Result<DeviceId, Error> {
    if !intermediates.is_empty() {
        return Err(Error::InvalidCertificate(CertificateError::BadEncoding));
    }
    device_of(certificate)
}

fn refused() -> Error {
    Error::InvalidCertificate(CertificateError::ApplicationVerificationFailure)
}

fn verify_possession(
    algorithms: &WebPkiSupportedAlgorithms,
    message: &[u8],
    certificate: &CertificateDer<'_>,
    signature: &DigitallySignedStruct,
) -> Result<HandshakeSignatureValid, Error> {
    if signature.scheme != SignatureScheme::ED25519 {
        return Err(Error::InvalidCertificate(CertificateError::BadSignature));
    }
    verify_tls13_signature(message, certificate, signature, algorithms)
}

fn no_tls12() -> Error {
    Error::General("TLS 1.2 is not spoken here".into())
}

/// Guards one incoming connection.
struct Gate {
    tls: Tls,
    caller: SocketAddr,
    protocol: OnceLock<Protocol>,
}

impl fmt::Debug for Gate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gate").field("protocol", &self.protocol).finish_non_exhaustive()
    }
}

impl ResolvesServerCert for Gate {
    /// Shows the certificate only to a caller that knows this device, or, while
    /// pairing is open, to one that wants to pair.
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let mut offered = hello.alpn()?;
        let protocol = Protocol::from_alpn(offered.next()?)?;
        if offered.next().is_some() {
            return None;
        }
        let welcome = match protocol {
            Protocol::Sync => {
                hello.server_name().is_some_and(|name| recognition::is_called(self.tls.own, name))
            }
            Protocol::Pair => self.tls.desk.is_open(),
        };
        // Also compared when the hello comes a second time, after a retry request.
        (welcome && *self.protocol.get_or_init(|| protocol) == protocol)
            .then(|| Arc::clone(&self.tls.unnamed))
    }
}

impl Gate {
    /// Decides about a caller that holds the key of its certificate.
    fn admit(&self, certificate: &CertificateDer<'_>) -> Result<(), Error> {
        if self.protocol.get() != Some(&Protocol::Sync) {
            return Ok(());
        }
        let device = device_of(certificate)?;
        let registry = &self.tls.registry;
        if registry.is_allowed(device) {
            return Ok(());
        }
        if !registry.is_known(device) {
            let name = || certificate::name_in(certificate);
            self.tls.lobby.ask(device, self.caller, Instant::now(), name);
        }
        Err(refused())
    }
}

impl ClientCertVerifier for Gate {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        sole_device(end_entity, intermediates)?;
        let welcome = match self.protocol.get() {
            // Decided once it has proved its key.
            Some(Protocol::Sync) => true,
            Some(Protocol::Pair) => self.tls.desk.is_open(),
            None => false,
        };
        if welcome { Ok(ClientCertVerified::assertion()) } else { Err(refused()) }
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(no_tls12())
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let proof = verify_possession(&self.tls.algorithms(), message, cert, dss)?;
        self.admit(cert)?;
        Ok(proof)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![SignatureScheme::ED25519]
    }
}

/// Checks the device at the far end of a dial.
#[derive(Debug)]
struct CalleeVerifier {
    callee: Callee,
    algorithms: WebPkiSupportedAlgorithms,
}

impl ServerCertVerifier for CalleeVerifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let device = sole_device(end_entity, intermediates)?;
        match self.callee {
            Callee::Device(expected) if expected != device => Err(refused()),
            Callee::Device(_) | Callee::Pairing => Ok(ServerCertVerified::assertion()),
        }
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(no_tls12())
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_possession(&self.algorithms, message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![SignatureScheme::ED25519]
    }
}
