//! Values that describe models and servers on a command line.

use std::str::FromStr;

use thiserror::Error;

/// Program and arguments in one argument, split as a POSIX shell does, without expanding anything.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Words(pub(crate) Vec<String>);

/// Why a text is not a value of its type.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub(crate) enum ValueError {
    /// There is no program.
    #[error("a command was expected, such as `srun -n1`")]
    NoWords,
    /// A quote is open, or a backslash ends the text.
    #[error("a quote is not closed, or a backslash ends it")]
    Quote,
    /// Not `NAME=VALUE`.
    #[error("`NAME=VALUE` was expected")]
    Variable,
    /// There is no host.
    #[error("a host was expected: `host`, `user@host`, `host:22`, `[::1]:22` or `ssh://user@host:22`")]
    Host,
    /// Not a port.
    #[error("`{0}` is not a port: that is a number from 1 to 65535")]
    Port(String),
}

impl FromStr for Words {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        match shlex::split(text) {
            None => Err(ValueError::Quote),
            Some(words) if words.first().is_none_or(String::is_empty) => Err(ValueError::NoWords),
            Some(words) => Ok(Self(words)),
        }
    }
}

/// An environment variable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Variable {
    pub(crate) name: String,
    pub(crate) value: String,
}

impl FromStr for Variable {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        match text.split_once('=') {
            Some((name, value)) if !name.is_empty() => Ok(Self { name: name.to_owned(), value: value.to_owned() }),
            _ => Err(ValueError::Variable),
        }
    }
}

/// `[USER@]HOST[:PORT]`, or the same behind `ssh://`. An IPv6 address needs brackets if a port follows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Destination {
    pub(crate) user: Option<String>,
    pub(crate) host: String,
    pub(crate) port: Option<u16>,
}

impl FromStr for Destination {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        let text = match text.split_once("://") {
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case("ssh") => rest.strip_suffix('/').unwrap_or(rest),
            _ => text,
        };
        // User names of directory services contain an `@`.
        let (user, address) = match text.rsplit_once('@') {
            Some(("", _)) => return Err(ValueError::Host),
            Some((user, address)) => (Some(user.to_owned()), address),
            None => (None, text),
        };
        if address.contains('/') {
            return Err(ValueError::Host);
        }
        let (host, port) = match address.strip_prefix('[') {
            Some(rest) => match rest.split_once(']') {
                Some((host, "")) => (host, None),
                Some((host, rest)) => (host, Some(rest.strip_prefix(':').ok_or(ValueError::Host)?)),
                None => return Err(ValueError::Host),
            },
            // Without brackets, several colons make an IPv6 address.
            None => match address.split_once(':') {
                Some((host, port)) if !port.contains(':') => (host, Some(port)),
                _ => (address, None),
            },
        };
        let wrong = |c: char| c.is_whitespace() || c.is_control() || matches!(c, '[' | ']' | '@');
        if host.is_empty() || host.starts_with('-') || host.contains(wrong) {
            return Err(ValueError::Host);
        }
        let port = match port.map(|port| (port, port.parse())) {
            None => None,
            Some((_, Ok(port))) if port > 0 => Some(port),
            Some((port, _)) => return Err(ValueError::Port(port.to_owned())),
        };
        Ok(Self { user, host: host.to_owned(), port })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<(Option<String>, String, Option<u16>), ValueError> {
        text.parse().map(|Destination { user, host, port }| (user, host, port))
    }

    #[test]
    fn a_destination_is_user_host_and_port() {
        for (text, user, host, port) in [
            ("h", None, "h", None),
            ("u@h", Some("u"), "h", None),
            ("u@h.example:2222", Some("u"), "h.example", Some(2222)),
            ("ada@corp@h", Some("ada@corp"), "h", None),
            ("::1", None, "::1", None),
            ("[::1]", None, "::1", None),
            ("u@[fe80::1%eth0]:22", Some("u"), "fe80::1%eth0", Some(22)),
            ("10.0.0.7:22", None, "10.0.0.7", Some(22)),
            ("ssh://h", None, "h", None),
            ("SSH://u@[::1]:22/", Some("u"), "::1", Some(22)),
        ] {
            assert_eq!(read(text), Ok((user.map(str::to_owned), host.to_owned(), port)), "{text}");
        }
        for text in [
            "",
            "@h",
            "u@",
            ":22",
            "[::1",
            "[::1]22",
            "[]:22",
            "a b",
            "-oProxyCommand=x",
            "u@-x",
            "ssh://",
            "http://h",
            "ssh://h/x",
            "h\n",
        ] {
            assert_eq!(read(text), Err(ValueError::Host), "{text:?}");
        }
        for text in ["h:", "h:0", "h:65536", "h:ssh", "[::1]:x"] {
            assert!(matches!(read(text), Err(ValueError::Port(_))), "{text}");
        }
    }

    #[test]
    fn words_and_variables() {
        assert_eq!("srun -n1 'a b'".parse(), Ok(Words(["srun", "-n1", "a b"].map(str::to_owned).into())));
        for (text, error) in [("", ValueError::NoWords), ("''", ValueError::NoWords), ("a 'b", ValueError::Quote)] {
            assert_eq!(text.parse::<Words>(), Err(error), "{text}");
        }
        assert_eq!("A=b=c".parse(), Ok(Variable { name: "A".into(), value: "b=c".into() }));
        assert_eq!("A=".parse(), Ok(Variable { name: "A".into(), value: String::new() }));
        assert!("A".parse::<Variable>().is_err() && "=b".parse::<Variable>().is_err());
    }
}
