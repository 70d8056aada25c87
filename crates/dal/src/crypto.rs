//! The cryptography of TLS.

/// Two providers are compiled in: ring, which sqlx and this crate use, and the one that the crate `surrealdb` asks for.
/// Whoever asks rustls for the default finds none then, and panics; sqlx does. So one is named, for the whole process;
/// where somebody has named another before, that one stays.
pub(crate) fn settle() {
    let _ = rustls::crypto::ring::default_provider().install_default();
}
