// The rules for scripts. Also compiled into the build script, so that a script that breaks them fails the build.
//
// A file is named `XX-NameOfTheScript.sql`: a unique number of two or more digits, from 01, and a name in CamelCase. It
// contains more than comments. Files whose name begins with a dot belong to editors, and are ignored.
//
// A first line `-- mer: no-transaction` opts a script out of its transaction. Such a script cannot be rolled back if it
// fails half-way, so it must be one statement that can be run again.

/// Parses number and name of a script from its file name.
pub(crate) fn parse_name(file: &str) -> Result<(u32, &str), String> {
    let wrong = || format!("`{file}` is misnamed: a script is called `XX-NameOfTheScript.sql`");
    let stem = file.strip_suffix(".sql").ok_or_else(wrong)?;
    let (number, name) = stem.split_once('-').ok_or_else(wrong)?;
    if number.len() < 2 || !number.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(wrong());
    }
    let camel = name.starts_with(|c: char| c.is_ascii_uppercase()) && name.chars().all(|c| c.is_ascii_alphanumeric());
    match number.parse() {
        Ok(number) if number > 0 && camel => Ok((number, name)),
        _ => Err(wrong()),
    }
}

/// Returns whether a file is hidden, and therefore not a script.
pub(crate) fn is_hidden(file: &str) -> bool {
    file.starts_with('.')
}

/// Returns whether a script has no statement.
pub(crate) fn is_empty(text: &str) -> bool {
    let text = text.trim_start_matches('\u{feff}');
    text.lines().map(str::trim).all(|line| line.is_empty() || line == ";" || line.starts_with("--"))
}

/// Beginning of a line that is meant for MER and not for the database.
const HEADER: &str = "-- mer:";

/// The only known header.
const NO_TRANSACTION: &str = "-- mer: no-transaction";

/// Words that allow a statement to be run again, wherever they stand in it.
const REPEATABLE: [&str; 5] = ["IF NOT EXISTS", "IF EXISTS", "OR REPLACE", "OVERWRITE", "ON CONFLICT DO NOTHING"];

/// Words that allow a statement to be run again if it begins with them.
const REPEATABLE_VERBS: [&str; 5] = ["REINDEX", "REBUILD", "REFRESH", "VACUUM", "ANALYZE"];

/// Returns what is wrong with the headers of a script, or with what a header asks for.
pub(crate) fn header_problem(file: &str, text: &str) -> Option<String> {
    let text = text.trim_start_matches('\u{feff}');
    let is_header = |line: &str| line.trim_start().to_ascii_lowercase().starts_with(HEADER);
    let opts_out = text.lines().next().is_some_and(|line| line.trim_end() == NO_TRANSACTION);
    let strange = text.lines().enumerate().skip(usize::from(opts_out)).find(|(_, line)| is_header(line));
    if let Some((at, line)) = strange {
        let (line, number) = (line.trim(), at + 1);
        return Some(format!(
            "`{file}`, line {number}: only the first line is a header, and only `{NO_TRANSACTION}`: `{line}`"
        ));
    }
    if !opts_out {
        return None;
    }
    let body: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.starts_with("--")).collect();
    let body = body.join(" ").to_ascii_uppercase();
    let words: Vec<&str> = body.split_whitespace().collect();
    let statement = words.join(" ");
    let statement = statement.trim_end_matches([';', ' ']);
    // A semicolon in a string is refused too, so that the check needs no SQL parser.
    if statement.contains(';') {
        return Some(format!("`{file}`: a script without a transaction is one statement, and here are several"));
    }
    let may_be_repeated = REPEATABLE.iter().any(|words| statement.contains(words))
        || REPEATABLE_VERBS.iter().any(|verb| statement.starts_with(verb));
    if may_be_repeated {
        return None;
    }
    Some(format!(
        "`{file}`: a script without a transaction may be run again after it was cut off, so its statement says one of {}, \
         or begins with {}",
        REPEATABLE.join(", "),
        REPEATABLE_VERBS.join(", ")
    ))
}

/// Returns what is wrong with the scripts of a folder, given as file names and texts.
pub(crate) fn problems<'a>(scripts: impl IntoIterator<Item = (&'a str, &'a str)>) -> Vec<String> {
    let mut problems = Vec::new();
    let mut numbers = std::collections::BTreeMap::new();
    for (file, text) in scripts {
        if is_hidden(file) {
            continue;
        }
        match parse_name(file) {
            Err(problem) => problems.push(problem),
            Ok((number, _)) => {
                if let Some(other) = numbers.insert(number, file) {
                    problems.push(format!("`{other}` and `{file}` have the same number"));
                }
            }
        }
        if is_empty(text) {
            problems.push(format!("`{file}` has no statement in it"));
        } else {
            problems.extend(header_problem(file, text));
        }
    }
    problems
}

/// Returns the file names that only one of the two dialects has.
pub(crate) fn twins(surreal: &[String], postgres: &[String]) -> Vec<String> {
    let mut problems = Vec::new();
    for (mine, theirs, folder) in [(surreal, postgres, "postgres"), (postgres, surreal, "surreal")] {
        let lonely = mine.iter().filter(|name| !theirs.contains(name));
        problems.extend(lonely.map(|name| format!("`{name}` has no twin in `sql/{folder}`")));
    }
    problems
}
