//! Parameters of a connection: from the URL, and for what it leaves open from the settings, PostgreSQL's own variables,
//! the password file, and the defaults of PostgreSQL's own programs.

use std::{path::PathBuf, time::Duration};

use super::{passfile, url::PostgresUrl};
use crate::{DalError, Secret, ServerSettings};

const PORT: u16 = 5432;

/// Folders in which PostgreSQL's own programs look for the socket of a server.
const SOCKET_FOLDERS: [&str; 3] = ["/run/postgresql", "/var/run/postgresql", "/tmp"];

/// Default: as long as the caller waits.
const CONNECT_TIMEOUT: Duration = Duration::MAX;

/// How far a connection must be encrypted and the server's certificate verified.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum SslMode {
    Disable,
    Allow,
    Prefer,
    Require,
    VerifyCa,
    VerifyFull,
}

/// Parameters of a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ConnectionParams {
    /// A name, an address, or the folder of a socket.
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) user: String,
    pub(super) password: Option<Secret>,
    pub(super) database: String,
    pub(super) ssl_mode: SslMode,
    /// File of root certificates; the public ones if there is none.
    pub(super) ssl_root: Option<PathBuf>,
    pub(super) ssl_cert: Option<PathBuf>,
    pub(super) ssl_key: Option<PathBuf>,
    pub(super) application: String,
    pub(super) connect_timeout: Duration,
    /// Settings of the server for these connections.
    pub(super) options: Vec<(String, String)>,
    pub(super) statement_cache: bool,
}

impl ConnectionParams {
    /// Completes the URL. Reads the password file if no password is given.
    pub(super) fn of(url: &PostgresUrl, settings: &ServerSettings) -> Result<Self, DalError> {
        Self::resolve(url, settings).map_err(|reason| DalError::Url { url: url.to_string(), reason })
    }

    fn resolve(url: &PostgresUrl, settings: &ServerSettings) -> Result<Self, String> {
        let variable = |name: &str| settings.variables.get(name).filter(|value| !value.is_empty()).cloned();
        let set = |parameter: &str, name: &str| url.get(parameter).map(str::to_owned).or_else(|| variable(name));
        let file = |parameter, name| {
            set(parameter, name).filter(|path| !path.is_empty()).map(|path| under_home(&path, settings))
        };
        let host = url.host.clone().or_else(|| variable("PGHOSTADDR")).or_else(|| variable("PGHOST"));
        let port = match (url.port, variable("PGPORT")) {
            (Some(port), _) => port,
            (None, Some(text)) => text.parse().map_err(|_| format!("`{text}` in PGPORT is not a port"))?,
            (None, None) => PORT,
        };
        let user = url
            .user
            .clone()
            .or_else(|| settings.username.clone())
            .or_else(|| variable("PGUSER"))
            .or_else(|| settings.os_user.clone())
            .ok_or("no user is given, and the user of this process has no name: write `postgres://USER@…`")?;
        let database = url.database.clone().or_else(|| variable("PGDATABASE")).unwrap_or_else(|| user.clone());
        let mut target = Self {
            host: host.unwrap_or_else(|| default_host(port)),
            port,
            password: url.password.clone().or_else(|| {
                let theirs = url.user.is_some() && settings.username.is_some() && url.user != settings.username;
                settings.password.clone().filter(|_| !theirs).or_else(|| variable("PGPASSWORD").map(Secret::from))
            }),
            user,
            database,
            ssl_mode: ssl_mode(set("sslmode", "PGSSLMODE").as_deref().unwrap_or("prefer"))?,
            ssl_root: file("sslrootcert", "PGSSLROOTCERT").filter(|path| *path != *"system"),
            ssl_cert: file("sslcert", "PGSSLCERT"),
            ssl_key: file("sslkey", "PGSSLKEY"),
            application: set("application_name", "PGAPPNAME")
                .or_else(|| settings.application.clone())
                .unwrap_or_else(|| "mer".to_owned()),
            connect_timeout: match set("connect_timeout", "PGCONNECT_TIMEOUT") {
                None => CONNECT_TIMEOUT,
                Some(text) => match text.parse() {
                    Ok(0) => CONNECT_TIMEOUT,
                    Ok(seconds) => Duration::from_secs(seconds),
                    Err(_) => return Err(format!("`connect_timeout` must be a whole number of seconds, not `{text}`")),
                },
            },
            options: options(&set("options", "PGOPTIONS").unwrap_or_default())?,
            statement_cache: match url.get("statementCache") {
                None => settings.statement_cache,
                Some("on") => true,
                Some("off") => false,
                Some(other) => return Err(format!("`statementCache` is `on` or `off`, not `{other}`")),
            },
        };
        // As in libpq: naming a root certificate asks for verification.
        if target.ssl_mode == SslMode::Require && target.ssl_root.is_some() {
            target.ssl_mode = SslMode::VerifyCa;
        }
        for path in [&target.ssl_root, &target.ssl_cert, &target.ssl_key].into_iter().flatten() {
            mer_files::external()
                .read()
                .open(path)
                .map_err(|error| format!("its file `{}` cannot be read: {error}", path.display()))?;
        }
        if target.password.is_none() {
            let path = file("passfile", "PGPASSFILE").or_else(|| Some(settings.home.as_ref()?.join(".pgpass")));
            let path = path.filter(|path| path.is_file());
            // The file calls the server on a socket of this machine `localhost`.
            let host = if target.is_socket() { "localhost" } else { &target.host };
            let port = target.port.to_string();
            let connection = [host, &port, &target.database, &target.user];
            target.password = path.and_then(|path| passfile::password_for(&path, connection));
        }
        Ok(target)
    }

    /// Returns whether the host is the folder of a socket.
    pub(super) fn is_socket(&self) -> bool {
        self.host.starts_with('/')
    }
}

fn default_host(port: u16) -> String {
    let folder =
        SOCKET_FOLDERS.iter().find(|folder| std::path::Path::new(folder).join(format!(".s.PGSQL.{port}")).exists());
    folder.map_or_else(|| "localhost".to_owned(), |folder| (*folder).to_owned())
}

fn under_home(path: &str, settings: &ServerSettings) -> PathBuf {
    match (path.strip_prefix("~/"), &settings.home) {
        (Some(rest), Some(home)) => home.join(rest),
        _ => PathBuf::from(path),
    }
}

fn ssl_mode(text: &str) -> Result<SslMode, String> {
    Ok(match text {
        "disable" => SslMode::Disable,
        "allow" => SslMode::Allow,
        "prefer" => SslMode::Prefer,
        "require" => SslMode::Require,
        "verify-ca" => SslMode::VerifyCa,
        "verify-full" => SslMode::VerifyFull,
        _ => {
            return Err(format!(
                "`{text}` is not an sslmode; the modes are `disable`, `allow`, `prefer`, `require`, `verify-ca` and `verify-full`"
            ));
        }
    })
}

/// Parses `-c NAME=VALUE`, `-cNAME=VALUE` and `--NAME=VALUE`, in which a backslash escapes a space.
fn options(text: &str) -> Result<Vec<(String, String)>, String> {
    let mut words = vec![String::new()];
    let mut letters = text.chars();
    while let Some(letter) = letters.next() {
        match letter {
            ' ' => words.push(String::new()),
            '\\' => words.extend_last(letters.next()),
            _ => words.extend_last(Some(letter)),
        }
    }
    let mut words = words.into_iter().filter(|word| !word.is_empty());
    let mut found = Vec::new();
    while let Some(word) = words.next() {
        let pair = match word.as_str() {
            "-c" => words.next().unwrap_or_default(),
            _ => word.strip_prefix("--").or_else(|| word.strip_prefix("-c")).unwrap_or_default().to_owned(),
        };
        let (name, value) = pair
            .split_once('=')
            .filter(|(name, _)| !name.is_empty())
            .ok_or_else(|| format!("`options` is a list of `-c NAME=VALUE`, not `{word}`"))?;
        found.push((name.to_owned(), value.to_owned()));
    }
    Ok(found)
}

trait ExtendLast {
    fn extend_last(&mut self, letters: Option<char>);
}

impl ExtendLast for Vec<String> {
    fn extend_last(&mut self, letters: Option<char>) {
        if let Some(last) = self.last_mut() {
            last.extend(letters);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(variables: &[(&str, &str)]) -> ServerSettings {
        let variables = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        ServerSettings { variables, os_user: Some("ada".into()), ..ServerSettings::default() }
    }

    fn target(url: &str, settings: &ServerSettings) -> ConnectionParams {
        ConnectionParams::of(&PostgresUrl::parse(url).unwrap(), settings).unwrap()
    }

    #[test]
    fn the_url_wins_over_the_settings_and_those_over_the_variables() {
        let variables = [
            ("PGHOST", "pg"),
            ("PGPORT", "6000"),
            ("PGUSER", "pguser"),
            ("PGPASSWORD", "pgpw"),
            ("PGDATABASE", "pgdb"),
        ];
        let found = target("", &settings(&variables));
        assert_eq!((found.host.as_str(), found.port, found.user.as_str()), ("pg", 6000, "pguser"));
        assert_eq!((found.database.as_str(), found.password.as_ref().map(Secret::reveal)), ("pgdb", Some("pgpw")));
        let mine = ServerSettings {
            username: Some("driver".into()),
            password: Some("pw".to_owned().into()),
            ..settings(&variables)
        };
        let found = target("h/d", &mine);
        assert_eq!((found.user.as_str(), found.password.as_ref().map(Secret::reveal)), ("driver", Some("pw")));
        assert_eq!((found.host.as_str(), found.database.as_str()), ("h", "d"));
        let found = target("url:urlpw@h", &mine);
        assert_eq!((found.user.as_str(), found.password.as_ref().map(Secret::reveal)), ("url", Some("urlpw")));
        // The password of one user is not sent for another.
        assert_eq!(target("url@h", &ServerSettings { variables: [].into(), ..mine }).password, None);
    }

    #[test]
    fn defaults_are_those_of_psql() {
        let found = target("h", &settings(&[]));
        assert_eq!((found.user.as_str(), found.database.as_str(), found.port), ("ada", "ada", 5432));
        assert_eq!((found.ssl_mode, found.application.as_str()), (SslMode::Prefer, "mer"));
        let without_user = ServerSettings { os_user: None, ..settings(&[]) };
        assert!(ConnectionParams::of(&PostgresUrl::parse("h").unwrap(), &without_user).is_err());
    }

    #[test]
    fn options_of_the_server_are_read() {
        let found = target("h?options=-c%20search_path%3Da%5C%20b%20--work_mem%3D1MB%20-cjit%3Doff", &settings(&[]));
        let expected = [("search_path", "a b"), ("work_mem", "1MB"), ("jit", "off")];
        assert_eq!(found.options, expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
        assert!(options("search_path=a").is_err());
    }

    #[test]
    fn a_root_certificate_is_looked_at_and_must_be_there() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let url = format!("h?sslmode=require&sslrootcert={}", file.path().display());
        assert_eq!(target(&url, &settings(&[])).ssl_mode, SslMode::VerifyCa);
        let missing = PostgresUrl::parse("h?sslrootcert=/nowhere/ca.pem").unwrap();
        let error = ConnectionParams::of(&missing, &settings(&[])).unwrap_err().to_string();
        assert!(error.contains("/nowhere/ca.pem"), "{error}");
    }

    #[test]
    fn the_password_file_is_read_if_no_other_password_is_given() {
        let home = tempfile::tempdir().unwrap();
        std::fs::write(home.path().join(".pgpass"), "h:5432:*:ada:from\\:file\n").unwrap();
        let mode = |mode| {
            let permissions = std::os::unix::fs::PermissionsExt::from_mode(mode);
            std::fs::set_permissions(home.path().join(".pgpass"), permissions).unwrap();
        };
        let settings = ServerSettings { home: Some(home.path().into()), ..settings(&[]) };
        mode(0o600);
        assert_eq!(target("h/x", &settings).password.as_ref().map(Secret::reveal), Some("from:file"));
        assert_eq!(target("other/x", &settings).password, None);
        mode(0o640);
        assert_eq!(target("h/x", &settings).password, None);
    }
}
