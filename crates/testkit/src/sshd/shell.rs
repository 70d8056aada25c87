//! Login shells that do not touch the machine's accounts: a ForceCommand that passes each command to another shell.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use crate::require;

/// The shell that runs the client's command line, as `SHELL -c 'command line'`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shell {
    /// `sh`.
    Sh,
    /// `bash`.
    Bash,
    /// `fish`.
    Fish,
    /// `csh`, or `tcsh` if that is installed.
    Csh,
}

impl Shell {
    /// Its path, if it is installed. Otherwise a test calls [`require::missing`].
    pub fn path(self) -> Option<PathBuf> {
        let names: &[&str] = match self {
            Self::Sh => &["sh"],
            Self::Bash => &["bash"],
            Self::Fish => &["fish"],
            Self::Csh => &["csh", "tcsh"],
        };
        names.iter().find_map(|name| require::program(name, &[]))
    }

    /// Its name, for messages.
    pub fn name(self) -> &'static str {
        match self {
            Self::Sh => "sh",
            Self::Bash => "bash",
            Self::Fish => "fish",
            Self::Csh => "csh",
        }
    }

    /// Writes the wrapper into `folder`, and returns its path. The shell runs `rc` before the command.
    pub(super) fn wrapper(self, path: &Path, rc: &str, folder: &Path) -> PathBuf {
        let home = folder.join("shell");
        fs::create_dir(&home).expect("no folder for the login shell");
        let rc_file = home.join(if self == Self::Csh { ".cshrc" } else { "rc" });
        // Each shell is pointed to the rc file in its own way for non-interactive commands. The rc file undoes that
        // first, so that the command sees the environment of a login.
        let (undo, run) = match self {
            Self::Sh => (String::new(), format!(". '{}'\nexec SHELL -c", rc_file.display())),
            // Some builds of bash read ~/.bashrc instead of BASH_ENV when they run below sshd.
            Self::Bash => (
                "unset BASH_ENV\n".to_owned(),
                format!("unset SSH_CLIENT SSH2_CLIENT\nBASH_ENV='{}' exec SHELL -c", rc_file.display()),
            ),
            Self::Fish => (String::new(), format!("exec SHELL --init-command \"source '{}'\" -c", rc_file.display())),
            Self::Csh => {
                let undo = "setenv HOME \"$MER_TEST_HOME\"\nunsetenv MER_TEST_HOME\n";
                (undo.to_owned(), format!("MER_TEST_HOME=\"$HOME\" HOME='{}' exec SHELL -c", home.display()))
            }
        };
        fs::write(&rc_file, format!("{undo}{rc}\n")).expect("the rc file cannot be written");
        let run = run.replace("SHELL", &format!("'{}'", path.display()));
        let script = format!(
            "#!/bin/sh\n\
             if [ -z \"${{SSH_ORIGINAL_COMMAND+set}}\" ]; then exec '{}'; fi\n\
             command=$SSH_ORIGINAL_COMMAND\n\
             unset SSH_ORIGINAL_COMMAND\n\
             export SHELL='{}'\n\
             {run} \"$command\"\n",
            path.display(),
            path.display()
        );
        let file = folder.join("login-shell");
        fs::write(&file, script).expect("the login shell cannot be written");
        fs::set_permissions(&file, fs::Permissions::from_mode(0o755))
            .expect("the login shell cannot be made executable");
        file
    }
}
