//! This crate's private decoders, for fuzz targets; no part of its interface.

use crate::frame::{ClientFrame, ServerFrame};
use crate::method::Request;

/// Reads what a client sent: the request that it asks, if it can be understood.
pub fn read_call(frame: &[u8]) -> Option<Request> {
    match serde_json::from_slice(frame).ok()? {
        ClientFrame::Call { method, params, .. } => Request::parse(&method, params).ok(),
        ClientFrame::Cancel { .. } => None,
    }
}

/// Writes a request as a client does.
pub fn write_call(request: &Request) -> Option<Vec<u8>> {
    let (method, params) = (request.name().to_owned(), request.params().ok()?);
    serde_json::to_vec(&ClientFrame::Call { id: 1, method, params }).ok()
}

/// Reads what a daemon sent, and writes it again.
pub fn read_and_write_answer(frame: &[u8]) -> Option<Vec<u8>> {
    serde_json::to_vec(&serde_json::from_slice::<ServerFrame>(frame).ok()?).ok()
}
