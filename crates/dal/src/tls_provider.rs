//! The cryptography of TLS.

/// Two providers are compiled in: aws-lc-rs, which sqlx and this crate use, and ring, which the engine's cloud storage asks
/// for. A library that asks rustls for the default finds none then, and panics; sqlx does. So one is named, for the whole
/// process; one that was named before stays.
pub(crate) fn install() {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
}
