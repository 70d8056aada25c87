use std::{
    fs,
    io::{self, Read as _},
    os::unix::{fs::symlink, net::UnixListener},
    path::Path,
    time::{Duration, Instant},
};

use rustix::fs::{CWD, FileType, Mode, mknodat};

use super::*;

/// Creates a folder with one file of each kind, named after its kind.
fn one_of_each_kind() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    let path = |name: &str| folder.path().join(name);
    fs::write(path("regular"), "text").expect("a file");
    fs::create_dir(path("folder")).expect("a folder");
    mknodat(CWD, path("pipe"), FileType::Fifo, Mode::from_raw_mode(0o600), 0).expect("a pipe");
    drop(UnixListener::bind(path("socket")).expect("a socket"));
    symlink("regular", path("link")).expect("a link");
    symlink("pipe", path("link-to-pipe")).expect("a link");
    symlink("none", path("link-to-none")).expect("a link");
    folder
}

fn error_text<T>(opened: io::Result<T>) -> Option<String> {
    opened.err().map(|error| error.to_string())
}

#[test]
fn what_is_no_regular_file_is_refused_at_once_with_a_word_on_what_it_is() {
    let folder = one_of_each_kind();
    let begun = Instant::now();
    type Way = (&'static str, fn() -> Options);
    let every: [Way; 6] = [
        ("read", || internal().read()),
        ("write", || internal().write()),
        ("append", || internal().append().create(0o600)),
        ("both", || internal().read().write().create(0o600)),
        ("given", || external().read()),
        ("given append", || external().read().append().create(0o600)),
    ];
    for (how, options) in every {
        let open = |name: &str| options().open(folder.path().join(name));
        assert_eq!(error_text(open("regular")), None, "{how}");
        for (name, kind) in [("folder", "a folder"), ("pipe", "a named pipe"), ("socket", "a socket")] {
            let told = format!("it is {kind}, and must be a regular file");
            assert_eq!(error_text(open(name)), Some(told), "{how}: {name}");
        }
        let is_own = !how.starts_with("given");
        let link = is_own.then(|| "it is a symbolic link, and must be a regular file".to_owned());
        assert_eq!(error_text(open("link")), link, "{how}");
        let through = if is_own { "a symbolic link" } else { "a named pipe" };
        let told = format!("it is {through}, and must be a regular file");
        assert_eq!(error_text(open("link-to-pipe")), Some(told), "{how}");
    }
    for device in ["/dev/zero", "/dev/full", "/dev/tty"] {
        assert!(external().read().open(device).is_err(), "{device}");
        assert!(internal().read().open(device).is_err(), "{device}");
    }
    assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", begun.elapsed());
}

#[test]
fn errors_of_the_system_stay_what_they_are() {
    let folder = one_of_each_kind();
    for name in ["none", "link-to-none"] {
        let error = read_external(folder.path().join(name)).expect_err("nothing is there");
        assert_eq!(error.kind(), io::ErrorKind::NotFound, "{name}");
    }
    let error = internal().write().create_new(0o600).open(folder.path().join("regular")).expect_err("it is there");
    assert_eq!(error.kind(), io::ErrorKind::AlreadyExists);
    let error = read_internal(folder.path().join("regular/none")).expect_err("no folder");
    assert_eq!(error.kind(), io::ErrorKind::NotADirectory);
    assert_eq!(NotRegular::within(&error), None);
}

#[test]
fn whole_files_are_read_and_none_that_is_far_too_long() {
    let folder = one_of_each_kind();
    let path = |name: &str| folder.path().join(name);
    assert_eq!(read_internal(path("regular")).expect("read"), b"text");
    assert_eq!(read_external_to_string(path("link")).expect("read"), "text");
    assert_eq!(read_external("/dev/null").expect("an empty file"), b"");
    assert_eq!(NotRegular::within(&read_internal("/dev/null").expect_err("a device")), Some(FileKind::Device));
    fs::write(path("bytes"), b"\xff").expect("a file");
    assert_eq!(error_text(read_external_to_string(path("bytes"))), Some("it is not valid UTF-8".to_owned()));
    assert_eq!(read_external_lossy(path("bytes")).expect("read"), "\u{fffd}");
    fs::File::create(path("long")).expect("a file").set_len(MAX_EXTERNAL_BYTES + 1).expect("its length");
    assert_eq!(error_text(read_external(path("long"))), Some("it is longer than 64 MiB".to_owned()));
    assert!(open_folder(path("folder")).is_ok());
    assert!(open_folder(path("pipe")).is_err());
}

#[test]
fn an_input_may_be_a_pipe_whose_writer_comes_late() {
    let folder = one_of_each_kind();
    let path = folder.path().join("pipe");
    let open = |path: &Path| open_input(path).expect("opened without a writer");
    assert!(open(&path).wait(|| false).expect("a wait").is_none(), "it is not wanted any more");
    let input = open(&path);
    let writer = std::thread::spawn({
        let path = path.clone();
        move || fs::write(path, "late").expect("written")
    });
    let mut text = String::new();
    let fd = input.wait(|| true).expect("a wait").expect("a writer");
    fs::File::from(fd).read_to_string(&mut text).expect("read");
    writer.join().expect("the writer");
    assert_eq!(text, "late");
    assert_eq!(error_text(open_input(&folder.path().join("folder"))), Some("it is a folder".to_owned()));
    assert_eq!(error_text(open_output(&folder.path().join("folder"))), Some("it is a folder".to_owned()));
    let told = error_text(read_pipe_within(&path, Duration::from_millis(10))).expect("nobody writes");
    assert!(told.contains("named pipe"), "{told}");
}

#[test]
fn a_pipe_that_is_too_long_is_refused_and_not_cut() {
    let folder = one_of_each_kind();
    let path = folder.path().join("pipe");
    for (bytes, error) in [(MAX_EXTERNAL_BYTES, None), (MAX_EXTERNAL_BYTES + 1, Some("it is longer than 64 MiB"))] {
        let writer = std::thread::spawn({
            let path = path.clone();
            // The reader leaves at the bound.
            move || drop(fs::write(path, vec![b'x'; usize::try_from(bytes).expect("a length")]))
        });
        let read = read_pipe_within(&path, Duration::from_secs(60));
        writer.join().expect("the writer");
        assert_eq!(read.as_ref().ok().map(Vec::len), error.is_none().then_some(64 << 20));
        assert_eq!(error_text(read), error.map(str::to_owned));
    }
}
