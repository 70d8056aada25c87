//! A TLS certificate for a test server, and the authority that signed it.

use std::{fs, path::Path, process::Command};

use crate::require;

/// Creates `server.pem` and `server.key` for 127.0.0.1, signed by `ca.pem`. Returns false, after reporting it, if
/// there is no `openssl`.
#[track_caller]
pub(crate) fn make(folder: &Path) -> bool {
    let Some(openssl) = require::program("openssl", &[]) else {
        require::missing("openssl", "no `openssl` on the PATH");
        return false;
    };
    let run = |words: &str| {
        let done = Command::new(&openssl).args(words.split(' ')).current_dir(folder).output().expect("it starts");
        assert!(done.status.success(), "openssl {words}: {}", String::from_utf8_lossy(&done.stderr));
    };
    let key = "-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes";
    run(&format!("req -x509 {key} -keyout ca.key -out ca.pem -subj /CN=authority -days 2"));
    run(&format!("req {key} -keyout server.key -out server.csr -subj /CN=server"));
    fs::write(folder.join("san"), "subjectAltName=IP:127.0.0.1\n").expect("a file of ours");
    run("x509 -req -in server.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -extfile san -out server.pem");
    true
}
