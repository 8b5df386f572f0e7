//! The few variables of this process that a child usually needs.

/// The variables that [`base_env`] passes on: where programs and the user's files are, the
/// language, the time zone, where temporary files go, and the certificate bundle. None of them
/// holds a secret by custom.
pub const BASE_ENV: &[&str] = &[
    "PATH",
    "HOME",
    "USER",
    "LOGNAME",
    "SHELL",
    "LANG",
    "LC_ALL",
    "LC_CTYPE",
    "TZ",
    "TMPDIR",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
];

/// Reads the variables named in [`BASE_ENV`] from the environment of this process; those that
/// are absent or not UTF-8 are left out.
pub fn base_env() -> Vec<(String, String)> {
    BASE_ENV
        .iter()
        .filter_map(|name| Some(((*name).to_owned(), std::env::var(name).ok()?)))
        .collect()
}
