//! A bare QUIC speaker that can misbehave in ways the crate itself never does.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use driftless_core::DeviceId;
use quinn::crypto::rustls::{QuicClientConfig, QuicServerConfig};
use rcgen::{CertificateParams, KeyPair, PKCS_ED25519, PublicKeyData as _};
use rustls::DigitallySignedStruct;
use rustls::SignatureScheme;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::ring;
use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer, ServerName, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::version::TLS13;

pub(crate) const SYNC: &[u8] = b"driftless/1";
pub(crate) const PAIR: &[u8] = b"driftless-pair/1";

/// A key and the certificate that is shown with it.
#[derive(Clone)]
pub(crate) struct Credentials {
    pub(crate) device: DeviceId,
    pub(crate) shown: Arc<CertifiedKey>,
}

impl Credentials {
    pub(crate) fn fresh() -> Self {
        let pair = KeyPair::generate_for(&PKCS_ED25519).unwrap();
        let certificate = CertificateParams::default().self_signed(&pair).unwrap();
        let key =
            ring::sign::any_eddsa_type(&PrivatePkcs8KeyDer::from(pair.serialize_der())).unwrap();
        Self {
            device: DeviceId::from_public_key(pair.der_bytes().try_into().unwrap()),
            shown: Arc::new(CertifiedKey::new(vec![certificate.der().clone()], key)),
        }
    }

    /// Shows `victim`'s certificate without having its key.
    pub(crate) fn stolen_from(victim: &Self) -> Self {
        let own = Self::fresh();
        let shown = CertifiedKey::new(victim.shown.cert.clone(), Arc::clone(&own.shown.key));
        Self { device: victim.device, shown: Arc::new(shown) }
    }
}

/// Accepts any certificate and any signature, and notes whether it saw one.
#[derive(Debug, Default)]
pub(crate) struct Gullible {
    pub(crate) saw_certificate: AtomicBool,
}

impl ServerCertVerifier for Gullible {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        self.saw_certificate.store(true, Ordering::SeqCst);
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![SignatureScheme::ED25519]
    }
}

impl ClientCertVerifier for Gullible {
    fn root_hint_subjects(&self) -> &[rustls::DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![SignatureScheme::ED25519]
    }
}

/// What an outsider says when it dials.
pub(crate) struct Hello {
    pub(crate) credentials: Option<Credentials>,
    pub(crate) alpn: Vec<Vec<u8>>,
    pub(crate) server_name: String,
    pub(crate) verifier: Arc<Gullible>,
}

impl Hello {
    pub(crate) fn new(credentials: Option<Credentials>, alpn: &[u8], callee: DeviceId) -> Self {
        let alpn = vec![alpn.to_vec()];
        Self { credentials, alpn, server_name: server_name(callee), verifier: Arc::default() }
    }

    /// Dials; the outcome is only this side's view of the handshake.
    pub(crate) async fn dial(
        &self,
        to: SocketAddr,
    ) -> Result<quinn::Connection, quinn::ConnectionError> {
        let endpoint = quinn::Endpoint::client("127.0.0.1:0".parse().unwrap()).unwrap();
        endpoint.connect_with(self.config(), to, &self.server_name).unwrap().await
    }

    /// What it dials with: willing to send data before the handshake has ended.
    pub(crate) fn config(&self) -> quinn::ClientConfig {
        let builder =
            rustls::ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
                .with_protocol_versions(&[&TLS13])
                .unwrap()
                .dangerous()
                .with_custom_certificate_verifier(Arc::clone(&self.verifier) as _);
        let mut tls = match &self.credentials {
            Some(own) => {
                let resolver = SingleCertAndKey::from(Arc::clone(&own.shown));
                builder.with_client_cert_resolver(Arc::new(resolver))
            }
            None => builder.with_no_client_auth(),
        };
        tls.alpn_protocols.clone_from(&self.alpn);
        tls.enable_early_data = true;
        quinn::ClientConfig::new(Arc::new(QuicClientConfig::try_from(tls).unwrap()))
    }

    /// Dials and waits until the other side has turned it away.
    pub(crate) async fn is_turned_away(&self, from: SocketAddr) -> quinn::ConnectionError {
        match self.dial(from).await {
            Ok(link) => {
                assert!(link.accept_uni().await.is_err(), "nothing is said to an outsider");
                link.closed().await
            }
            Err(error) => error,
        }
    }
}

/// The server name that shows knowledge of `callee`: a nonce and its keyed hash.
fn server_name(callee: DeviceId) -> String {
    let nonce = [9; 16];
    let tag = blake3::keyed_hash(callee.as_bytes(), &nonce);
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    format!("{}{}.driftless", hex(&nonce), hex(&tag.as_bytes()[..8]))
}

/// Listens with `credentials` and lets every caller in.
pub(crate) fn listen(credentials: &Credentials, alpn: &[u8]) -> quinn::Endpoint {
    let resolver = SingleCertAndKey::from(Arc::clone(&credentials.shown));
    let mut tls = rustls::ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_protocol_versions(&[&TLS13])
        .unwrap()
        .with_client_cert_verifier(Arc::new(Gullible::default()))
        .with_cert_resolver(Arc::new(resolver));
    tls.alpn_protocols = vec![alpn.to_vec()];
    let config =
        quinn::ServerConfig::with_crypto(Arc::new(QuicServerConfig::try_from(tls).unwrap()));
    quinn::Endpoint::server(config, "127.0.0.1:0".parse().unwrap()).unwrap()
}

/// Greets like a proper device after [`Hello::dial`].
pub(crate) async fn greet(link: &quinn::Connection, own: DeviceId, other: DeviceId) {
    let (mut send, mut receive) = link.open_bi().await.unwrap();
    send.write_all(&[7; 8]).await.unwrap();
    receive.read_exact(&mut [0; 8]).await.unwrap();
    if own < other {
        send.write_all(&1_u64.to_be_bytes()).await.unwrap();
    } else {
        receive.read_exact(&mut [0; 8]).await.unwrap();
    }
}
