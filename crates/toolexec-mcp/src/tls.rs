//! The TLS provider of the process.

/// Sets the process's TLS provider, unless the program has chosen one.
pub(crate) fn install() {
    // An error means that one is installed already.
    let _ = rustls::crypto::ring::default_provider().install_default();
}
