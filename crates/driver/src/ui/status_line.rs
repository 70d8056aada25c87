//! The one status line of this process: a line on standard error that is overwritten, and erased before anything else
//! is written to the terminal.

use std::{
    fmt::Write as _,
    io::{self, Write as _},
    sync::{
        LazyLock, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle, TermLike};

/// Erases the row of the cursor and moves to its start.
const ERASE_ROW: &str = "\r\x1b[K";

/// Whether a line is on the screen. Read before every write to a standard stream, so it takes no lock.
static VISIBLE: AtomicBool = AtomicBool::new(false);

/// Whether another program has the terminal.
static SUSPENDED: AtomicBool = AtomicBool::new(false);

/// Whether another program had the terminal since the last [`take_was_suspended`].
static WAS_SUSPENDED: AtomicBool = AtomicBool::new(false);

static LINE: LazyLock<ProgressBar> = LazyLock::new(|| bar(Terminal::new(columns, write)));

/// Shows the line in place of the one before.
pub(super) fn show(line: String) {
    if SUSPENDED.load(Ordering::Relaxed) {
        return;
    }
    // Not visible while it is drawn: a panic in here must not wait for the lock that it holds.
    if !VISIBLE.swap(false, Ordering::Relaxed) {
        // The terminal may have echoed a `^C` into this row.
        write(ERASE_ROW);
    }
    draw(&LINE, line);
    VISIBLE.store(true, Ordering::Relaxed);
}

/// Shows no line while another program has the terminal.
pub(super) fn suspend(is_suspended: bool) {
    SUSPENDED.store(is_suspended, Ordering::Relaxed);
    WAS_SUSPENDED.store(true, Ordering::Relaxed);
}

/// Whether another program has the terminal, and its keys.
pub(crate) fn is_suspended() -> bool {
    SUSPENDED.load(Ordering::Relaxed)
}

/// Whether another program had the terminal since the previous call.
pub(crate) fn take_was_suspended() -> bool {
    WAS_SUSPENDED.swap(false, Ordering::Relaxed)
}

/// Erases the line, because something else is written in its place.
pub(crate) fn hide() {
    if VISIBLE.swap(false, Ordering::Relaxed) {
        LINE.finish_and_clear();
    }
}

fn bar(terminal: Terminal) -> ProgressBar {
    let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::term_like(Box::new(terminal)));
    if let Ok(style) = ProgressStyle::with_template("{msg}") {
        bar.set_style(style);
    }
    bar
}

fn draw(bar: &ProgressBar, line: String) {
    bar.set_message(line);
    if bar.is_finished() {
        bar.reset();
    }
}

/// Columns of the terminal. One that does not tell is taken for a wide one: a line is a single row then.
fn columns() -> u16 {
    let columns = rustix::termios::tcgetwinsize(rustix::stdio::stderr()).map_or(0, |size| size.ws_col);
    if columns == 0 { u16::MAX } else { columns }
}

/// Writes to standard error. A failure is dropped: it could only be reported on standard error.
fn write(text: &str) {
    let mut stderr = io::stderr().lock();
    let _ = stderr.write_all(text.as_bytes()).and_then(|()| stderr.flush());
}

/// A terminal to draw on. Each update is a single write.
#[derive(Debug)]
struct Terminal {
    columns: fn() -> u16,
    write: fn(&str),
    pending: Mutex<String>,
}

impl Terminal {
    const fn new(columns: fn() -> u16, write: fn(&str)) -> Self {
        Self { columns, write, pending: Mutex::new(String::new()) }
    }

    fn pending(&self) -> MutexGuard<'_, String> {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Moves the cursor by a number of cells; `direction` is the final character of the escape sequence.
    fn move_cursor(&self, cells: usize, direction: char) -> io::Result<()> {
        if cells > 0 {
            // Writing to a string does not fail.
            let _ = write!(self.pending(), "\x1b[{cells}{direction}");
        }
        Ok(())
    }
}

impl TermLike for Terminal {
    fn width(&self) -> u16 {
        (self.columns)()
    }

    fn move_cursor_up(&self, n: usize) -> io::Result<()> {
        self.move_cursor(n, 'A')
    }

    fn move_cursor_down(&self, n: usize) -> io::Result<()> {
        self.move_cursor(n, 'B')
    }

    fn move_cursor_right(&self, n: usize) -> io::Result<()> {
        self.move_cursor(n, 'C')
    }

    fn move_cursor_left(&self, n: usize) -> io::Result<()> {
        self.move_cursor(n, 'D')
    }

    fn write_line(&self, s: &str) -> io::Result<()> {
        self.write_str(s)?;
        self.write_str("\n")
    }

    /// Leaves out the blanks that fill up a row: behind them a `^C` that the terminal echoes would go to the next row,
    /// and only that row would be erased.
    fn write_str(&self, s: &str) -> io::Result<()> {
        if !s.bytes().all(|byte| byte == b' ') {
            self.pending().push_str(s);
        }
        Ok(())
    }

    fn clear_line(&self) -> io::Result<()> {
        self.pending().push_str(ERASE_ROW);
        Ok(())
    }

    fn flush(&self) -> io::Result<()> {
        let text = std::mem::take(&mut *self.pending());
        if !text.is_empty() {
            (self.write)(&text);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::cell::{Cell, RefCell};

    use super::*;

    thread_local! {
        static COLUMNS: Cell<u16> = const { Cell::new(0) };
        static WRITTEN: RefCell<String> = const { RefCell::new(String::new()) };
    }

    fn on_screen(columns: u16) -> ProgressBar {
        COLUMNS.set(columns);
        bar(Terminal::new(|| COLUMNS.get(), |text| WRITTEN.with_borrow_mut(|written| written.push_str(text))))
    }

    fn written() -> String {
        WRITTEN.take()
    }

    #[test]
    fn a_line_is_erased_from_all_its_rows() {
        for (length, columns, rows) in
            [(1, 40, 1), (39, 40, 1), (40, 40, 1), (41, 40, 2), (80, 40, 2), (81, 40, 3), (500, u16::MAX, 1)]
        {
            let bar = on_screen(columns);
            draw(&bar, "x".repeat(length));
            assert_eq!(written(), "x".repeat(length), "{length} in {columns}");
            bar.finish_and_clear();
            let (up, down) = match rows {
                1 => (String::new(), String::new()),
                rows => (format!("\x1b[{}A", rows - 1), "\x1b[1B\r\x1b[K".repeat(rows - 1)),
            };
            assert_eq!(written(), format!("{up}\r\x1b[K{down}{up}"), "{length} in {columns}");
        }
    }

    #[test]
    fn a_character_of_two_columns_takes_two() {
        let bar = on_screen(4);
        draw(&bar, "日本語".to_owned());
        written();
        bar.finish_and_clear();
        assert_eq!(written(), "\x1b[1A\r\x1b[K\x1b[1B\r\x1b[K\x1b[1A");
    }

    #[test]
    fn the_next_line_overwrites_the_last_one_and_comes_back_after_an_erasure() {
        let bar = on_screen(40);
        draw(&bar, "one".to_owned());
        draw(&bar, "two".to_owned());
        assert_eq!(written(), "one\r\x1b[Ktwo");
        bar.finish_and_clear();
        draw(&bar, "three".to_owned());
        assert_eq!(written(), "\r\x1b[Kthree");
    }
}
