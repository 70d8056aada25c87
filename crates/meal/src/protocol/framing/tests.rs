//! Replies that arrive in pieces, cut at every byte.

use bytes::BytesMut;
use mer_core::{Protocol, Tokens};

use super::{Framing, Piece, check_input};
use crate::InputError;

fn token() -> Framing {
    let mut tokens = Tokens::defaults(Protocol::Token);
    (tokens.start, tokens.stop) = ("START".into(), "STOP".into());
    Framing::new(Protocol::Token, &tokens)
}

/// Reads a stream that arrives in two pieces. Returns the reply, whether it is complete, and the rest.
fn read(framing: &Framing, stream: &[u8], cut: usize) -> (Vec<u8>, bool, Vec<u8>) {
    let (mut stage, mut unread, mut reply) = (framing.begin(false), BytesMut::new(), Vec::new());
    for part in [&stream[..cut], &stream[cut..]] {
        unread.extend_from_slice(part);
        loop {
            match framing.next(&mut stage, &mut unread) {
                Piece::Payload(bytes) => reply.extend_from_slice(&bytes),
                Piece::Over => break,
                Piece::More => break,
            }
        }
    }
    let over = framing.next(&mut stage, &mut unread) == Piece::Over;
    (reply, over, unread.to_vec())
}

#[test]
fn a_token_reply_is_what_stands_between_the_tokens() {
    let stream = b"noise\nSTART it\nSTART\nSTO\n\xff\0STOP\nSTOP it\nlast\r\nSTOP\nafter";
    for cut in 0..=stream.len() {
        let (reply, over, left) = read(&token(), stream, cut);
        assert_eq!(reply, b"STO\n\xff\0STOP\nSTOP it\nlast\r\n", "cut at {cut}");
        assert!(over);
        assert_eq!(left, b"after");
    }
    assert_eq!(read(&token(), b"START\r\nSTOP\r\n", 3), (Vec::new(), true, Vec::new()));
    assert!(!read(&token(), b"START\nSTOP", 3).1);
}

#[test]
fn a_lines_reply_is_one_line() {
    let lines = Framing::new(Protocol::Lines, &Tokens::defaults(Protocol::Lines));
    for cut in 0..=7 {
        assert_eq!(read(&lines, b"abc\r\nd\n", cut), (b"abc\r\n".to_vec(), true, b"d\n".to_vec()));
    }
    assert_eq!(read(&lines, b"abc", 1), (b"abc".to_vec(), false, Vec::new()));
}

#[test]
fn a_long_line_is_passed_on_as_it_comes() {
    let framing = token();
    let (mut stage, mut unread) = (framing.begin(false), BytesMut::from(&b"START\nhello, I am"[..]));
    assert_eq!(framing.next(&mut stage, &mut unread), Piece::Payload("hello, I am".into()));
    assert!(unread.is_empty());
    unread.extend_from_slice(b" not done\nST");
    assert_eq!(framing.next(&mut stage, &mut unread), Piece::Payload(" not done\n".into()));
    assert_eq!(framing.next(&mut stage, &mut unread), Piece::More);
    assert_eq!(&unread[..], b"ST");
}

#[test]
fn requests() {
    let lines = Framing::new(Protocol::Lines, &Tokens::defaults(Protocol::Lines));
    assert_eq!(&lines.request(b"a")[..], b"a\n");
    assert_eq!(&lines.request(b"a\n")[..], b"a\n");
    assert_eq!(&lines.request(b"")[..], b"\n");
    assert_eq!(&token().request(b"a\nb")[..], b"START\na\nb\nSTOP\n");
    assert_eq!(&token().request(b"a\n")[..], b"START\na\nSTOP\n");
    assert_eq!(&token().request(b"")[..], b"START\nSTOP\n");
}

#[test]
fn what_comes_unasked() {
    let lines = Framing::new(Protocol::Lines, &Tokens::defaults(Protocol::Lines));
    let mut mid_line = false;
    assert!(lines.unasked(&mut BytesMut::from("late\n"), &mut mid_line).is_err());
    assert!(lines.unasked(&mut BytesMut::new(), &mut mid_line).is_ok());
    let framing = token();
    assert!(framing.unasked(&mut BytesMut::from("x\nSTART\n"), &mut mid_line).is_err());
    mid_line = false;
    // The end of this line must not be taken for a start token.
    let mut unread = BytesMut::from("thinking ");
    assert!(framing.unasked(&mut unread, &mut mid_line).is_ok());
    assert!(mid_line && unread.is_empty());
    unread.extend_from_slice(b"START\nSTART\nyes\nSTOP\n");
    let mut stage = framing.begin(mid_line);
    assert_eq!(framing.next(&mut stage, &mut unread), Piece::Payload("yes\n".into()));
}

#[test]
fn inputs_that_a_protocol_cannot_carry() {
    let lines = |payload| check_input(Protocol::Lines, &Tokens::defaults(Protocol::Lines), payload);
    assert_eq!(lines(b"one"), Ok(()));
    assert_eq!(lines(b"one\n"), Ok(()));
    assert_eq!(lines(b"one\n\n"), Err(InputError::Newline { at: 3 }));
    assert_eq!(lines(b"\nb"), Err(InputError::Newline { at: 0 }));
    let mut tokens = Tokens::defaults(Protocol::Token);
    tokens.stop = "STOP".into();
    let token = |payload| check_input(Protocol::Token, &tokens, payload);
    assert_eq!(token(b"a\nxSTOP\nSTOP x\n"), Ok(()));
    for payload in [&b"a\nSTOP"[..], b"a\nSTOP\n", b"a\nSTOP\r\nb"] {
        assert_eq!(token(payload), Err(InputError::StopToken { line: 2, token: "STOP".into() }));
    }
    assert_eq!(check_input(Protocol::Oneshot, &tokens, b"a\nSTOP\n\0"), Ok(()));
}
