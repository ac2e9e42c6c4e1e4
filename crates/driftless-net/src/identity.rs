//! This device's key: made once, kept in a private file, turned into a certificate.
//!
//! Decides how the key is stored and who may read it. Does not decide whom to
//! trust; see `tls`. The certificate is only a wrapper for the public key that
//! TLS demands, so it is made when it is needed and never stored.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use data_encoding::BASE64;
use driftless_core::DeviceId;
use rcgen::{
    CertificateParams, DistinguishedName, DnType, DnValue, KeyPair, PKCS_ED25519,
    PublicKeyData as _,
};
use rustls::crypto::ring::sign::any_eddsa_type;
use rustls::pki_types::PrivatePkcs8KeyDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::sign::CertifiedKey;

use crate::certificate;

/// Longest key file that is read, in bytes; a real one has about 200.
const MAX_KEY_FILE_BYTES: u64 = 16 * 1024;
const PEM_LINE_CHARS: usize = 64;

/// The Ed25519 key of this device, ready for TLS.
///
/// Cheap to clone. Whoever holds the file that it was loaded from *is* this device.
#[derive(Clone)]
pub struct Identity {
    device: DeviceId,
    pair: Arc<KeyPair>,
}

/// Why the key of this device cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    /// The file cannot be read.
    #[error("cannot read the device key {path}")]
    Read {
        /// The key file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The file cannot be written.
    #[error("cannot write the device key {path}")]
    Write {
        /// The key file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Others than the owner may read or write the file.
    #[error(
        "the device key {path} is open to other users (mode {mode:03o}); run: chmod 600 {path}"
    )]
    Exposed {
        /// The key file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// The file holds no Ed25519 key in PKCS#8 PEM form.
    #[error("{path} holds no Ed25519 key")]
    Malformed {
        /// The key file.
        path: PathBuf,
    },
    /// The system has no randomness, or refuses to sign.
    #[error("cannot make a device key: {reason}")]
    Crypto {
        /// What the cryptography library said.
        reason: String,
    },
}

impl Identity {
    /// Loads the key at `path`, or makes one there when the file is absent.
    ///
    /// The file is written with mode 0600 beside its final name, flushed to the
    /// disk and renamed, so that it is never seen in part.
    ///
    /// # Errors
    ///
    /// Those of [`Identity::load`], and a file that cannot be written.
    pub fn load_or_create(path: &Path) -> Result<Self, IdentityError> {
        match Self::load(path) {
            Err(IdentityError::Read { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
            }
            other => return other,
        }
        let pair = KeyPair::generate_for(&PKCS_ED25519).map_err(crypto)?;
        write_private(path, pem(&pair.serialize_der()).as_bytes())
            .map_err(|source| IdentityError::Write { path: path.to_owned(), source })?;
        Self::load(path)
    }

    /// Loads the key at `path`.
    ///
    /// # Errors
    ///
    /// The file is absent, unreadable, open to other users, or no Ed25519 key.
    pub fn load(path: &Path) -> Result<Self, IdentityError> {
        let read = |source| IdentityError::Read { path: path.to_owned(), source };
        let file = File::open(path).map_err(read)?;
        let metadata = file.metadata().map_err(read)?;
        refuse_exposed(path, &metadata)?;
        let malformed = || IdentityError::Malformed { path: path.to_owned() };
        if metadata.len() > MAX_KEY_FILE_BYTES {
            return Err(malformed());
        }
        let mut text = Vec::new();
        io::Read::read_to_end(&mut io::Read::take(file, MAX_KEY_FILE_BYTES), &mut text)
            .map_err(read)?;
        let der = PrivatePkcs8KeyDer::from_pem_slice(&text).map_err(|_| malformed())?;
        let pair =
            KeyPair::from_pkcs8_der_and_sign_algo(&der, &PKCS_ED25519).map_err(|_| malformed())?;
        Self::from_pair(pair)
    }

    /// The name under which others know this device.
    pub fn device_id(&self) -> DeviceId {
        self.device
    }

    /// Wraps the key in a certificate that says this device's name, or nothing at all.
    ///
    /// # Errors
    ///
    /// The system refuses to sign.
    pub(crate) fn certificate(
        &self,
        name: Option<&str>,
    ) -> Result<Arc<CertifiedKey>, IdentityError> {
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        if let Some(name) = name {
            let value = DnValue::Utf8String(certificate::padded(name));
            params.distinguished_name.push(DnType::CommonName, value);
        }
        let certificate = params.self_signed(&*self.pair).map_err(crypto)?;
        let signing =
            any_eddsa_type(&PrivatePkcs8KeyDer::from(self.pair.serialize_der())).map_err(crypto)?;
        Ok(Arc::new(CertifiedKey::new(vec![certificate.der().clone()], signing)))
    }

    fn from_pair(pair: KeyPair) -> Result<Self, IdentityError> {
        let public = <[u8; 32]>::try_from(pair.der_bytes()).map_err(|_| IdentityError::Crypto {
            reason: "the public key has not 32 bytes".into(),
        })?;
        Ok(Self { device: DeviceId::from_public_key(&public), pair: Arc::new(pair) })
    }
}

fn crypto(error: impl ToString) -> IdentityError {
    IdentityError::Crypto { reason: error.to_string() }
}

fn pem(der: &[u8]) -> String {
    let encoded = BASE64.encode(der);
    let mut text = String::from("-----BEGIN PRIVATE KEY-----\n");
    let mut rest = encoded.as_str();
    while !rest.is_empty() {
        let (line, tail) = rest.split_at(rest.len().min(PEM_LINE_CHARS));
        text.push_str(line);
        text.push('\n');
        rest = tail;
    }
    text.push_str("-----END PRIVATE KEY-----\n");
    text
}

#[cfg(unix)]
fn refuse_exposed(path: &Path, metadata: &fs::Metadata) -> Result<(), IdentityError> {
    use std::os::unix::fs::MetadataExt as _;
    let mode = metadata.mode() & 0o777;
    if mode & 0o077 == 0 {
        return Ok(());
    }
    Err(IdentityError::Exposed { path: path.to_owned(), mode })
}

/// Elsewhere the directory's access list protects the key.
#[cfg(not(unix))]
fn refuse_exposed(_path: &Path, _metadata: &fs::Metadata) -> Result<(), IdentityError> {
    Ok(())
}

fn write_private(path: &Path, content: &[u8]) -> io::Result<()> {
    let mut name = path.file_name().ok_or(io::ErrorKind::InvalidInput)?.to_owned();
    name.push(format!(".{}.new", std::process::id()));
    let fresh = path.with_file_name(name);
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    if fresh.exists() {
        fs::remove_file(&fresh)?;
    }
    let mut file = options.open(&fresh)?;
    let written = file.write_all(content).and_then(|()| file.sync_all());
    drop(file);
    if let Err(error) = written.and_then(|()| fs::rename(&fresh, path)) {
        let _ = fs::remove_file(&fresh);
        return Err(error);
    }
    sync_directory(path)
}

#[cfg(unix)]
fn sync_directory(path: &Path) -> io::Result<()> {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => File::open(parent)?.sync_all(),
        _ => File::open(".")?.sync_all(),
    }
}

#[cfg(not(unix))]
fn sync_directory(_path: &Path) -> io::Result<()> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_created_identity_is_the_same_after_loading() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("key.pem");
        let made = Identity::load_or_create(&path).unwrap();
        assert_eq!(Identity::load(&path).unwrap().device_id(), made.device_id());
        assert_eq!(Identity::load_or_create(&path).unwrap().device_id(), made.device_id());
        assert_eq!(fs::read_dir(home.path()).unwrap().count(), 1, "no temporary file stays");
    }

    #[cfg(unix)]
    #[test]
    fn a_key_that_others_can_read_is_refused() {
        use std::os::unix::fs::PermissionsExt as _;
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("key.pem");
        Identity::load_or_create(&path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        let error = Identity::load_or_create(&path).err().unwrap();
        assert!(matches!(error, IdentityError::Exposed { mode: 0o640, .. }), "{error}");
    }

    #[test]
    fn a_damaged_key_is_reported_and_not_replaced() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("key.pem");
        write_private(&path, b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n")
            .unwrap();
        assert!(matches!(Identity::load_or_create(&path), Err(IdentityError::Malformed { .. })));
    }
}
