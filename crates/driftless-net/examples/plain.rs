//! How fast this crate moves bytes, against plain quinn with the same settings.
//!
//! In two terminals, or two network namespaces (a directory that both can see):
//!
//! ```text
//! plain serve DIR 10.0.0.1:9000                # waits, and serves both kinds
//! plain fetch DIR 10.0.0.1:9000 2048           # plain quinn, MiB: one stream
//! plain fetch DIR 10.0.0.1:9000 2048 requests  # this crate: three requests of 4 MiB at a time
//! ```
//!
//! Nothing is read from a disk, hashed or kept. The crate's own port is the next
//! one, and `fetch` prints the seconds from the first request to the last byte.

use std::error::Error;
use std::fs;
use std::net::{SocketAddr, UdpSocket};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use driftless_net::{AllowedDevice, Connection, Identity, Net, NetConfig, NetEvent};
use quinn::crypto::rustls::{QuicClientConfig, QuicServerConfig};
use quinn::{ClientConfig, Endpoint, EndpointConfig, ServerConfig, TransportConfig, VarInt};
use rustls::CipherSuite::TLS13_AES_128_GCM_SHA256;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer};
use rustls::version::TLS13;
use socket2::{Domain, Socket, Type};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

const MIB: u32 = 1 << 20;
const PIECE_BYTES: usize = 256 << 10;
const REQUEST_BYTES: u64 = 4 << 20;
const REQUESTS_AT_ONCE: usize = 3;

#[tokio::main]
async fn main() -> Outcome<()> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words[..] {
        ["serve", dir, address] => serve(Path::new(dir), address.parse()?).await,
        ["fetch", dir, address, mib] => {
            let (address, bytes) = (address.parse()?, mib.parse::<u64>()? << 20);
            report("plain quinn", bytes, fetch_plain(Path::new(dir), address, bytes).await?)
        }
        ["fetch", dir, address, mib, "requests"] => {
            let (address, bytes) = (address.parse()?, mib.parse::<u64>()? << 20);
            report("requests", bytes, fetch_requests(Path::new(dir), address, bytes).await?)
        }
        _ => Err("plain serve DIR ADDRESS | plain fetch DIR ADDRESS MIB [requests]".into()),
    }
}

fn report(what: &str, bytes: u64, took: Duration) -> Outcome<()> {
    #[expect(clippy::cast_precision_loss, reason = "a figure for people")]
    let rate = bytes as f64 / took.as_secs_f64() / 1e6;
    println!("{what}: {:.3} s, {rate:.1} MB/s", took.as_secs_f64());
    Ok(())
}

async fn serve(dir: &Path, address: SocketAddr) -> Outcome<()> {
    let (plain, requests) =
        (tokio::spawn(serve_plain(plain_endpoint(dir, address)?)), serve_requests(dir, address));
    requests.await?;
    plain.await?
}

/// Writes `bytes` zeros in pieces, each the same memory.
fn pieces(bytes: u64) -> impl Iterator<Item = Bytes> {
    let piece = Bytes::from(vec![0; PIECE_BYTES]);
    let count = bytes.div_ceil(PIECE_BYTES as u64);
    (0..count).map(move |index| {
        let rest = bytes - index * PIECE_BYTES as u64;
        piece.slice(..usize::try_from(rest).map_or(PIECE_BYTES, |rest| rest.min(PIECE_BYTES)))
    })
}

/// The address of this crate's own listener.
fn next_port(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip(), address.port() + 1)
}

// Plain quinn.

fn transport() -> Arc<TransportConfig> {
    let mut transport = TransportConfig::default();
    transport
        .stream_receive_window(VarInt::from_u32(16 * MIB))
        .receive_window(VarInt::from_u32(32 * MIB))
        .send_window(u64::from(32 * MIB));
    Arc::new(transport)
}

fn socket(address: SocketAddr) -> Outcome<UdpSocket> {
    let socket = Socket::new(Domain::for_address(address), Type::DGRAM, None)?;
    let _ = socket.set_recv_buffer_size(4 * MIB as usize);
    let _ = socket.set_send_buffer_size(4 * MIB as usize);
    socket.bind(&address.into())?;
    socket.set_nonblocking(true)?;
    Ok(socket.into())
}

fn endpoint(address: SocketAddr, server: Option<ServerConfig>) -> Outcome<Endpoint> {
    let runtime = Arc::new(quinn::TokioRuntime);
    Ok(Endpoint::new(EndpointConfig::default(), server, socket(address)?, runtime)?)
}

fn provider() -> Arc<CryptoProvider> {
    let mut provider = rustls::crypto::ring::default_provider();
    provider.cipher_suites.sort_by_key(|suite| suite.suite() != TLS13_AES_128_GCM_SHA256);
    Arc::new(provider)
}

fn plain_endpoint(dir: &Path, address: SocketAddr) -> Outcome<Endpoint> {
    let made = rcgen::generate_simple_self_signed(vec!["plain".into()])?;
    fs::write(dir.join("plain.der"), made.cert.der())?;
    let key = PrivatePkcs8KeyDer::from(made.signing_key.serialize_der());
    let tls = rustls::ServerConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&TLS13])?
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key.into())?;
    let mut server = ServerConfig::with_crypto(Arc::new(QuicServerConfig::try_from(tls)?));
    server.transport_config(transport());
    endpoint(address, Some(server))
}

async fn serve_plain(endpoint: Endpoint) -> Outcome<()> {
    while let Some(incoming) = endpoint.accept().await {
        tokio::spawn(async move {
            let (mut send, mut ask) = incoming.await?.accept_bi().await?;
            let mut wanted = [0; 8];
            ask.read_exact(&mut wanted).await?;
            for piece in pieces(u64::from_be_bytes(wanted)) {
                send.write_chunk(piece).await?;
            }
            send.finish()?;
            send.stopped().await?;
            Outcome::Ok(())
        });
    }
    Ok(())
}

async fn fetch_plain(dir: &Path, address: SocketAddr, bytes: u64) -> Outcome<Duration> {
    let mut roots = rustls::RootCertStore::empty();
    roots.add(CertificateDer::from(fs::read(dir.join("plain.der"))?))?;
    let tls = rustls::ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&TLS13])?
        .with_root_certificates(roots)
        .with_no_client_auth();
    let mut config = ClientConfig::new(Arc::new(QuicClientConfig::try_from(tls)?));
    config.transport_config(transport());
    let any = SocketAddr::new(std::net::Ipv4Addr::UNSPECIFIED.into(), 0);
    let endpoint = endpoint(any, None)?;
    let link = endpoint.connect_with(config, address, "plain")?.await?;
    let began = Instant::now();
    let (mut ask, mut answer) = link.open_bi().await?;
    ask.write_all(&bytes.to_be_bytes()).await?;
    let mut arrived = 0;
    while let Some(piece) = answer.read_chunk(usize::MAX, true).await? {
        arrived += piece.bytes.len() as u64;
    }
    let took = began.elapsed();
    link.close(VarInt::from_u32(0), &[]);
    endpoint.wait_idle().await;
    if arrived == bytes { Ok(took) } else { Err("too few bytes".into()) }
}

// This crate.

/// Starts the crate as `own`, and lets `other` in.
async fn start(
    dir: &Path,
    (own, other): (&str, &str),
    listen: SocketAddr,
    at: Vec<SocketAddr>,
) -> Outcome<(Net, mpsc::Receiver<NetEvent>)> {
    let key = |name: &str| Identity::load_or_create(&dir.join(format!("{name}.pem")));
    let (identity, device) = (key(own)?, key(other)?.device_id());
    let config = NetConfig { listen: vec![listen], discovery: false, device_name: own.into() };
    let (net, events) = Net::start(&identity, config).await?;
    net.set_devices(vec![AllowedDevice {
        device,
        static_addresses: Vec::new(),
        last_known: at,
        paused: false,
    }]);
    Ok((net, events))
}

async fn serve_requests(dir: &Path, address: SocketAddr) -> Outcome<()> {
    let names = ("serve", "fetch");
    let (_net, mut events) = start(dir, names, next_port(address), Vec::new()).await?;
    while let Some(event) = events.recv().await {
        if let NetEvent::Connected(connection) = event {
            tokio::spawn(answer_all(connection));
        }
    }
    Ok(())
}

async fn answer_all(connection: Connection) {
    while let Some(mut request) = connection.accept_request().await {
        tokio::spawn(async move {
            let wanted = request.header().as_ref().try_into().map_or(0, u64::from_be_bytes);
            for piece in pieces(wanted) {
                if request.write(piece).await.is_err() {
                    return;
                }
            }
            request.finish();
        });
    }
}

async fn fetch_requests(dir: &Path, address: SocketAddr, bytes: u64) -> Outcome<Duration> {
    let any = SocketAddr::new(std::net::Ipv4Addr::UNSPECIFIED.into(), 0);
    let at = vec![next_port(address)];
    let (net, mut events) = start(dir, ("fetch", "serve"), any, at).await?;
    let connection = loop {
        let event = events.recv().await.ok_or("the network part ended")?;
        if let NetEvent::Connected(connection) = event {
            break connection;
        }
    };
    let (began, asked) = (Instant::now(), Arc::new(AtomicU64::new(0)));
    let mut workers = JoinSet::new();
    for _ in 0..REQUESTS_AT_ONCE {
        let (connection, asked) = (connection.clone(), Arc::clone(&asked));
        workers.spawn(async move {
            loop {
                let from = asked.fetch_add(REQUEST_BYTES, Ordering::Relaxed);
                let wanted = bytes.saturating_sub(from).min(REQUEST_BYTES);
                if wanted == 0 {
                    return Outcome::Ok(());
                }
                let header = Bytes::copy_from_slice(&wanted.to_be_bytes());
                let mut answer = connection.request(header).await?;
                let mut arrived = 0;
                while let Some(piece) = answer.read_chunk(usize::MAX).await? {
                    arrived += piece.len() as u64;
                }
                if arrived != wanted {
                    return Err("too few bytes".into());
                }
            }
        });
    }
    while let Some(done) = workers.join_next().await {
        done??;
    }
    let took = began.elapsed();
    net.shutdown().await;
    Ok(took)
}
