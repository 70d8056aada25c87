//! Provider of cryptography for TLS.

/// Two providers are compiled in: aws-lc-rs, which sqlx and this crate use, and ring, which the engine's cloud storage
/// asks for. A library that asks rustls for the default provider, as sqlx does, finds none then and panics. So this
/// names one for the whole process; a provider that was named before stays.
pub(crate) fn install() {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
}
