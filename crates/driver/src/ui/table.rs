//! Tables for people.

use std::fmt::Write as _;

use comfy_table::{ContentArrangement, presets::NOTHING};
use mer_core::escaped;

use super::{
    cell_format::CellFormat,
    text::{BOLD, PLAIN, RED},
    views::TableRow,
};

/// Where a table is shown.
#[derive(Debug, Clone, Default)]
pub(super) struct Screen {
    /// Columns of the terminal; none where the table is written whole.
    pub(super) columns: Option<usize>,
    /// Whether it may have colour.
    pub(super) colour: bool,
    /// How values are written.
    pub(super) cells: CellFormat,
}

/// A table that is written piece by piece: left-aligned columns two blanks apart, without lines. It is never truncated, so
/// that `awk` reads it too, unless it is on a terminal: there columns are left out until a row fits, and where none can be left
/// out any more, each row is a list of labels and values.
#[derive(Debug)]
pub(super) struct Table {
    screen: Screen,
    /// Width of each column's widest cell so far; empty until the head is written.
    widths: Vec<u16>,
    /// Positions of the columns that are shown; none before the first rows.
    kept: Option<Vec<usize>>,
    /// Number of rows so far.
    rows: usize,
    is_expanded: bool,
}

/// A row of cells, and whether it is about a failure.
type Row = (Vec<String>, bool);

impl Table {
    pub(super) const fn new(screen: Screen) -> Self {
        Self { screen, widths: Vec::new(), kept: None, rows: 0, is_expanded: false }
    }

    /// Returns the next rows, the first time below the head.
    pub(super) fn rows<T: TableRow>(&mut self, items: &[T]) -> String {
        self.screen.cells.fit_uids(items.iter().filter_map(TableRow::uid));
        let cells = &self.screen.cells;
        let rows: Vec<Row> = items.iter().map(|item| (item.cells(cells), item.is_failure())).collect();
        self.add(T::COLUMNS, T::EXPENDABLE, &rows)
    }

    /// Returns the next rows of these columns, the first time below the head.
    pub(super) fn add(&mut self, columns: &[&'static str], expendable: &[&str], rows: &[Row]) -> String {
        let kept = match self.kept.take() {
            Some(kept) => kept,
            None => self.fit(columns, expendable, rows),
        };
        let headings = self.headings(columns);
        let text = if self.is_expanded { self.expanded(&headings, rows) } else { self.lines(&headings, &kept, rows) };
        self.rows += rows.len();
        self.kept = Some(kept);
        text
    }

    fn headings(&self, columns: &[&'static str]) -> Vec<&'static str> {
        columns.iter().map(|name| self.screen.cells.heading(name)).collect()
    }

    /// Chooses the columns that fit, and whether rows are expanded.
    fn fit(&mut self, columns: &[&'static str], expendable: &[&str], rows: &[Row]) -> Vec<usize> {
        let mut kept: Vec<usize> = (0..columns.len()).collect();
        let Some(most) = self.screen.columns else { return kept };
        let widths = laid_out(Some(&self.headings(columns)), &kept, rows).column_max_content_widths();
        let width = |kept: &[usize]| {
            let cells: usize = kept.iter().map(|at| usize::from(widths[*at])).sum();
            cells + 2 * kept.len().saturating_sub(1)
        };
        for name in expendable {
            if width(&kept) <= most {
                break;
            }
            kept.retain(|at| columns[*at] != *name);
        }
        self.is_expanded = width(&kept) > most && !rows.is_empty();
        kept
    }

    fn lines(&mut self, columns: &[&str], kept: &[usize], rows: &[Row]) -> String {
        let is_first = self.widths.is_empty();
        let mut table = laid_out(is_first.then_some(columns), kept, rows);
        if !is_first {
            // Skipped below: it keeps the columns as wide as they were.
            table.set_header(self.widths.iter().map(|width| "x".repeat(usize::from(*width))));
        }
        self.widths = table.column_max_content_widths();
        for column in table.column_iter_mut() {
            column.set_padding((0, 2));
        }
        let mut text = String::new();
        for (number, line) in table.lines().enumerate().skip(usize::from(!is_first)) {
            let line = line.trim_end();
            let is_failure =
                number.checked_sub(1).and_then(|at| rows.get(at)).is_some_and(|(_, is_failure)| *is_failure);
            let _ = match (self.screen.colour, number) {
                (true, 0) => writeln!(text, "{BOLD}{line}{PLAIN}"),
                (true, _) if is_failure => writeln!(text, "{RED}{line}{PLAIN}"),
                _ => writeln!(text, "{line}"),
            };
        }
        text
    }

    /// Each row as labels and values, below a line with its number.
    fn expanded(&self, columns: &[&str], rows: &[Row]) -> String {
        let width = columns.iter().map(|column| column.len()).max().unwrap_or(0);
        let mut text = String::new();
        for (number, (cells, is_failure)) in (self.rows + 1..).zip(rows) {
            let (on, off) = match (self.screen.colour, is_failure) {
                (true, true) => (RED, PLAIN),
                (true, false) => (BOLD, PLAIN),
                _ => ("", ""),
            };
            let _ = writeln!(text, "{on}-- {number}{off}");
            for (column, cell) in columns.iter().zip(cells).filter(|(_, cell)| !cell.is_empty()) {
                let _ = writeln!(text, "{column:width$}  {}", escaped(cell));
            }
        }
        text
    }
}

/// A table of these columns, with a head if it has one.
fn laid_out(columns: Option<&[&str]>, kept: &[usize], rows: &[Row]) -> comfy_table::Table {
    let mut table = comfy_table::Table::new();
    table.load_style(NOTHING).set_content_arrangement(ContentArrangement::Disabled);
    if let Some(columns) = columns {
        table.set_header(kept.iter().map(|at| columns[*at].to_uppercase()));
    }
    for (cells, _) in rows {
        let shown = kept.iter().filter_map(|at| cells.get(*at));
        table.add_row(shown.map(|cell| if cell.is_empty() { "-".into() } else { escaped(cell) }));
    }
    table
}

#[cfg(test)]
mod tests {
    use serde::Serialize;

    use super::*;

    #[derive(Serialize)]
    struct Pair(&'static str, &'static str);

    impl TableRow for Pair {
        const COLUMNS: &'static [&'static str] = &["name", "note"];
        const EXPENDABLE: &'static [&'static str] = &["note"];
        fn cells(&self, _: &CellFormat) -> Vec<String> {
            vec![self.0.to_owned(), self.1.to_owned()]
        }
        fn is_failure(&self) -> bool {
            self.1 == "x"
        }
    }

    fn whole(colour: bool) -> Table {
        Table::new(Screen { colour, ..Screen::default() })
    }

    fn on(columns: usize) -> Table {
        Table::new(Screen { columns: Some(columns), ..Screen::default() })
    }

    #[test]
    fn a_table_is_plain_columns_without_trailing_blanks() {
        let rows = [Pair("a", "x"), Pair("longer", ""), Pair("ü\x1b[2J", "two words")];
        assert_eq!(whole(false).rows(&rows), "NAME      NOTE\na         x\nlonger    -\nü\\x1b[2J  two words\n");
        assert_eq!(whole(false).rows::<Pair>(&[]), "NAME  NOTE\n");
        let coloured = whole(true).rows(&rows);
        assert!(coloured.starts_with("\x1b[1mNAME") && coloured.contains("\n\x1b[1;31ma "), "{coloured}");
    }

    #[test]
    fn a_table_that_comes_in_pieces_has_one_head_and_keeps_its_columns() {
        let mut columns = whole(false);
        assert_eq!(columns.rows(&[Pair("longer", "x")]), "NAME    NOTE\nlonger  x\n");
        assert_eq!(columns.rows(&[Pair("a", "y")]), "a       y\n");
        assert_eq!(columns.rows(&[Pair("the longest", "z"), Pair("b", "")]), "the longest  z\nb            -\n");
        assert_eq!(columns.rows::<Pair>(&[]), "");
    }

    #[test]
    fn on_a_terminal_columns_are_left_out_and_then_rows_are_expanded() {
        let rows = [Pair("abc", "four"), Pair("日本語", "12345")];
        assert_eq!(on(13).rows(&rows), "NAME    NOTE\nabc     four\n日本語  12345\n");
        assert_eq!(on(12).rows(&rows), "NAME\nabc\n日本語\n");
        let mut narrow = on(5);
        assert_eq!(narrow.rows(&rows), "-- 1\nname  abc\nnote  four\n-- 2\nname  日本語\nnote  12345\n");
        assert_eq!(narrow.rows(&rows[..1]), "-- 3\nname  abc\nnote  four\n");
        assert_eq!(on(1).rows::<Pair>(&[]), "NAME\n");
    }
}
