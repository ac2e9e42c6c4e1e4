//! This crate's private decoders, for fuzz targets; no part of its interface.

use crate::config::{Config, ConfigError};
use crate::frame;
use crate::home::Home;

/// Takes the outermost coat off a frame of another device.
pub fn unpack(frame: &[u8]) -> Option<Vec<u8>> {
    frame::unpack(frame).ok()
}

/// Puts it on.
pub fn pack(frame: Vec<u8>) -> Vec<u8> {
    frame::pack(frame)
}

/// Reads a configuration.
///
/// # Errors
///
/// [`ConfigError::Invalid`] if it breaks a rule.
pub fn read_config(home: &Home, text: &str) -> Result<Config, ConfigError> {
    Config::from_text(home, text.to_owned())
}

/// The text of a configuration.
pub fn write_config(config: &Config) -> String {
    config.text()
}
