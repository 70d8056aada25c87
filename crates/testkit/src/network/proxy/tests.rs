use super::*;
use crate::processes::{poll, until};

const BOUND: Duration = Duration::from_secs(10);

/// A server that echoes, on any number of connections.
fn echo() -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("bind");
    let address = listener.local_addr().expect("address");
    // Ends with the test's process.
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            thread::spawn(move || io::copy(&mut &stream, &mut &stream));
        }
    });
    address
}

fn client(proxy: &Proxy) -> TcpStream {
    let stream = TcpStream::connect(proxy.address()).expect("connect");
    stream.set_read_timeout(Some(BOUND)).expect("timeout");
    stream
}

fn read(mut stream: &TcpStream, bytes: usize) -> io::Result<Vec<u8>> {
    let mut buffer = vec![0; bytes];
    stream.set_read_timeout(Some(BOUND))?;
    stream.read_exact(&mut buffer)?;
    Ok(buffer)
}

fn silent(mut stream: &TcpStream) -> bool {
    stream.set_read_timeout(Some(Duration::from_millis(200))).expect("timeout");
    stream.read(&mut [0]).is_err_and(|error| is_tick(&error))
}

#[test]
fn bytes_go_through_and_are_counted() {
    let proxy = Proxy::to(echo());
    let mut stream = client(&proxy);
    stream.write_all(b"hello").expect("write");
    assert_eq!(read(&stream, 5).expect("read"), b"hello");
    stream.shutdown(Shutdown::Write).expect("shutdown");
    assert_eq!(stream.read(&mut [0]).expect("the end"), 0);
    assert_eq!((proxy.forwarded(Direction::ToServer), proxy.forwarded(Direction::ToClient)), (5, 5));
    assert_eq!(proxy.connections(), 1);
}

#[test]
fn a_black_hole_loses_nothing_when_it_ends() {
    let proxy = Proxy::to(echo());
    let mut stream = client(&proxy);
    stream.write_all(b"a").expect("write");
    read(&stream, 1).expect("read");
    proxy.hold();
    stream.write_all(b"bcd").expect("write");
    assert!(silent(&stream));
    assert!(silent(&client(&proxy)));
    proxy.release();
    assert_eq!(read(&stream, 3).expect("read"), b"bcd");
}

#[test]
fn a_cut_resets_what_is_open_and_lets_new_ones_in() {
    let proxy = Proxy::to(echo());
    let mut stream = client(&proxy);
    stream.write_all(b"a").expect("write");
    read(&stream, 1).expect("read");
    proxy.cut();
    let error = read(&stream, 1).expect_err("it is cut");
    assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
    let mut stream = client(&proxy);
    stream.write_all(b"b").expect("write");
    assert_eq!(read(&stream, 1).expect("read"), b"b");
}

#[test]
fn limits_are_exact() {
    for direction in [Direction::ToServer, Direction::ToClient] {
        let proxy = Proxy::to(echo());
        proxy.hold_after(direction, 1000);
        let mut stream = client(&proxy);
        stream.write_all(&[7; 5000]).expect("write");
        until("all that may pass", BOUND, || proxy.forwarded(direction) == 1000);
        let more = || (proxy.forwarded(direction) != 1000).then_some(());
        assert!(poll(Duration::from_millis(200), more).is_none());
        proxy.release();
        assert_eq!(read(&stream, 5000).expect("read").len(), 5000);

        let proxy = Proxy::to(echo());
        proxy.cut_after(direction, 1000);
        let mut stream = client(&proxy);
        let _ = stream.write_all(&[7; 5000]);
        let error = stream.read_to_end(&mut Vec::new()).expect_err("it is cut");
        assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
        assert_eq!(proxy.forwarded(direction), 1000);
    }
}

#[test]
fn an_end_that_goes_away_takes_the_other_with_it() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("bind");
    let proxy = Proxy::to(listener.local_addr().expect("address"));
    let stream = client(&proxy);
    let (mut theirs, _) = listener.accept().expect("accept");
    set_socket_linger(&stream, Some(Duration::ZERO)).expect("linger");
    drop(stream);
    theirs.set_read_timeout(Some(BOUND)).expect("timeout");
    assert!(!matches!(theirs.read(&mut [0]), Err(error) if is_tick(&error)), "it never heard of it");
}

#[test]
fn a_dropped_proxy_ends_its_connections_and_listens_no_more() {
    let proxy = Proxy::to(echo());
    let (stream, address) = (client(&proxy), proxy.address());
    proxy.hold();
    drop(proxy);
    assert!(read(&stream, 1).is_err());
    assert!(TcpStream::connect(address).is_err());
}
