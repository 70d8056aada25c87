//! The head of a request, and what it says about the body.

use std::str;

use bytes::{Bytes, BytesMut};

/// Maximum number of header lines.
const MAX_HEADERS: usize = 64;
/// Maximum number of bytes of a body.
pub(super) const MAX_BODY: usize = 1 << 20;

/// One request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Request {
    /// The method, such as `GET`.
    pub(crate) method: String,
    /// The path, without a query.
    pub(crate) path: String,
    /// The protocol that the connection is to become.
    pub(crate) upgrade: Option<String>,
    /// The body.
    pub(crate) body: Bytes,
    /// What came after the request.
    pub(crate) rest: BytesMut,
}

/// The head of a request.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) method: String,
    pub(super) path: String,
    pub(super) upgrade: Option<String>,
    /// Number of bytes of the body.
    pub(super) body_length: usize,
    /// Whether the client waits for a word before it sends the body.
    pub(super) expects_continue: bool,
    /// Number of bytes of the head.
    pub(super) length: usize,
}

/// Parses a head; none if it is not complete yet.
///
/// # Errors
/// What is wrong, as a sentence.
pub(super) fn parse(bytes: &[u8]) -> Result<Option<Head>, String> {
    let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
    let mut parsed = httparse::Request::new(&mut headers);
    let length = match parsed.parse(bytes) {
        Ok(httparse::Status::Complete(length)) => length,
        Ok(httparse::Status::Partial) => return Ok(None),
        Err(error) => return Err(format!("this is no HTTP/1.1 request: {error}")),
    };
    let mut head = Head {
        method: parsed.method.unwrap_or_default().to_owned(),
        path: path(parsed.path.unwrap_or_default()).to_owned(),
        upgrade: None,
        body_length: 0,
        expects_continue: false,
        length,
    };
    let mut length_known = None;
    for header in parsed.headers.iter() {
        let value = str::from_utf8(header.value).unwrap_or_default().trim();
        match header.name.to_ascii_lowercase().as_str() {
            "upgrade" => head.upgrade = Some(value.to_owned()),
            "expect" => head.expects_continue = value.eq_ignore_ascii_case("100-continue"),
            "transfer-encoding" => return Err("the body needs a `Content-Length`".to_owned()),
            "content-length" => {
                let length: usize = value.parse().map_err(|_| "the `Content-Length` is no number".to_owned())?;
                if length_known.is_some_and(|known| known != length) {
                    return Err("there are two values of `Content-Length`".to_owned());
                }
                if length > MAX_BODY {
                    return Err(format!("the body has {length} bytes; at most {MAX_BODY} are allowed"));
                }
                length_known = Some(length);
            }
            _ => {}
        }
    }
    head.body_length = length_known.unwrap_or_default();
    Ok(Some(head))
}

/// Returns the path of a request's target, without the query. The target may be a whole URL.
fn path(target: &str) -> &str {
    let target = target.split('?').next().unwrap_or_default();
    match target.strip_prefix("http://") {
        Some(rest) => rest.find('/').map_or("/", |at| &rest[at..]),
        None => target,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_is_parsed_once_it_is_complete() {
        let text =
            b"POST /mer/v1/stop?x=1 HTTP/1.1\r\nHost: mer\r\ncontent-length: 7\r\nExpect: 100-continue\r\n\r\n{}";
        for length in 0..text.len() - 2 {
            assert_eq!(parse(&text[..length]), Ok(None), "{length}");
        }
        let head = parse(text).expect("a head").expect("complete");
        assert_eq!((head.method.as_str(), head.path.as_str(), head.body_length), ("POST", "/mer/v1/stop", 7));
        assert!(head.expects_continue && head.upgrade.is_none());
        assert_eq!(head.length, text.len() - 2);
    }

    #[test]
    fn the_target_may_be_a_path_or_a_url() {
        for (target, path) in [
            ("/mer/v1/ps", "/mer/v1/ps"),
            ("/mer/v1/ps?a=/b", "/mer/v1/ps"),
            ("http://mer/mer/v1/ps?a", "/mer/v1/ps"),
            ("http://mer", "/"),
            ("http://mer?a", "/"),
            ("*", "*"),
        ] {
            let text = format!("GET {target} HTTP/1.1\r\n\r\n");
            assert_eq!(parse(text.as_bytes()).expect(target).expect(target).path, path);
        }
    }

    #[test]
    fn what_is_no_request_is_refused() {
        for bad in [
            "\0\0\0\0",
            "GET / HTTP/9\r\n\r\n",
            "POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
            "POST / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
            "POST / HTTP/1.1\r\nContent-Length: 99999999\r\n\r\n",
            "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n",
        ] {
            assert!(parse(bad.as_bytes()).is_err(), "{bad}");
        }
        let many = format!("GET / HTTP/1.1\r\n{}\r\n", "a: b\r\n".repeat(MAX_HEADERS + 1));
        assert!(parse(many.as_bytes()).is_err());
    }
}
