//! Properties of a PostgreSQL script that the driver must know: whether it controls its transaction, copies rows
//! through the client, or builds an index concurrently.

use crate::{Dialect, script_statements::Statement};

/// Returns the first statement that would begin or end the script's transaction.
pub(super) fn transaction_control<'a, 'b>(statements: &'a [Statement<'b>]) -> Option<&'a Statement<'b>> {
    let mut in_body = false;
    statements.iter().find(|statement| {
        let words = words(statement.text);
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        // The body of a SQL function contains semicolons, and an END of its own.
        if in_body {
            in_body = words != ["END"];
            return false;
        }
        in_body = words.windows(2).any(|pair| pair == ["BEGIN", "ATOMIC"]);
        match words[..] {
            ["BEGIN" | "COMMIT" | "END" | "ABORT", ..] | ["START" | "PREPARE", "TRANSACTION", ..] => true,
            ["ROLLBACK", ref rest @ ..] => !rest.contains(&"TO"),
            _ => false,
        }
    })
}

/// Returns the first statement that copies rows from or to the client. In a dump the rows follow in the text, and only
/// `psql` can handle that.
pub(super) fn copy_through_client<'a, 'b>(statements: &'a [Statement<'b>]) -> Option<&'a Statement<'b>> {
    statements.iter().find(|statement| {
        let words = words(statement.text);
        words.first().is_some_and(|word| word == "COPY")
            && words.windows(2).any(|pair| pair == ["FROM", "STDIN"] || pair == ["TO", "STDOUT"])
    })
}

/// Returns the words of a statement in capitals, without comments, strings and punctuation.
fn words(statement: &str) -> Vec<String> {
    let (mut words, mut word, mut at) = (Vec::new(), String::new(), 0);
    while let Some(c) = statement[at..].chars().next() {
        let rest = &statement[at..];
        if c.is_alphanumeric() || c == '_' || (c == '$' && !word.is_empty()) {
            word.push(c.to_ascii_uppercase());
            at += c.len_utf8();
            continue;
        }
        words.extend((!word.is_empty()).then(|| std::mem::take(&mut word)));
        at += Dialect::Postgres.comment(rest).or_else(|| Dialect::Postgres.quoted(rest)).unwrap_or(c.len_utf8());
    }
    words.extend((!word.is_empty()).then_some(word));
    words
}

/// Returns the name in `CREATE INDEX CONCURRENTLY IF NOT EXISTS name`, as it is written.
pub(super) fn concurrent_index(statement: &str) -> Option<&str> {
    let mut rest = statement;
    for (word, is_needed) in [
        ("CREATE", true),
        ("UNIQUE", false),
        ("INDEX", true),
        ("CONCURRENTLY", true),
        ("IF", true),
        ("NOT", true),
        ("EXISTS", true),
    ] {
        let (first, after) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
        match first.eq_ignore_ascii_case(word) {
            true => rest = after.trim_start(),
            false if is_needed => return None,
            false => {}
        }
    }
    let mut end = 0;
    // Quotes inside a name are doubled.
    while rest[end..].starts_with('"') {
        end += Dialect::Postgres.quoted(&rest[end..])?;
    }
    let end = if end > 0 { end } else { rest.find(char::is_whitespace)? };
    Some(&rest[..end])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_would_begin_or_end_the_transaction_is_found() {
        let found = |script: &str| {
            let statements = Dialect::Postgres.statements(script);
            transaction_control(&statements).map(|statement| statement.line)
        };
        for script in [
            "commit",
            "BEGIN WORK;",
            "End ;",
            "ROLLBACK AND CHAIN;",
            "abort",
            "START TRANSACTION READ ONLY",
            "COMMIT/* now */;",
            "COMMIT--now\n;",
            "start/**/transaction;",
            "prepare transaction'a'",
        ] {
            assert_eq!(found(&format!("SELECT 1;\n-- then\n{script}")), Some(3), "{script}");
        }
        for script in [
            "DO $$ BEGIN COMMIT; END $$;",
            "SAVEPOINT a; ROLLBACK TO a; ROLLBACK WORK TO SAVEPOINT a; RELEASE a;",
            "CREATE FUNCTION f() RETURNS int LANGUAGE sql\nBEGIN ATOMIC\n SELECT 1;\n SELECT 2;\nEND;\nSELECT 3;",
            "PREPARE a AS SELECT 1; SELECT 'x; COMMIT;'; INSERT INTO a (\"end\") VALUES (1);",
        ] {
            assert_eq!(found(script), None, "{script}");
        }
        assert_eq!(found("CREATE FUNCTION f() BEGIN ATOMIC SELECT 1;\nEND;\nEND;"), Some(3));
    }

    #[test]
    fn rows_that_would_pass_through_the_client_are_found() {
        let found = |script| copy_through_client(&Dialect::Postgres.statements(script)).map(|statement| statement.line);
        assert_eq!(found("SELECT 1;\nCOPY public.a (b, c) FROM stdin;\n1\t2\n\\.\n"), Some(2));
        assert_eq!(found("copy (SELECT 1) to/* */stdout WITH CSV"), Some(1));
        assert_eq!(found("COPY a FROM '/stdin'; COMMENT ON TABLE a IS 'COPY a FROM STDIN'; SELECT 1 FROM stdin"), None);
    }

    #[test]
    fn an_index_that_is_made_concurrently_is_found() {
        let name = |statement| concurrent_index(statement);
        assert_eq!(name("CREATE INDEX CONCURRENTLY IF NOT EXISTS a ON b (c)"), Some("a"));
        assert_eq!(
            name("create  unique\nindex concurrently if not exists \"a b\"\"c\" ON b (c)"),
            Some("\"a b\"\"c\"")
        );
        assert_eq!(name("CREATE INDEX IF NOT EXISTS a ON b (c)"), None);
        assert_eq!(name("CREATE INDEX CONCURRENTLY ON b (c)"), None);
        assert_eq!(name(""), None);
    }
}
