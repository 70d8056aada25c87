// The rules for scripts. Compiled into the build script too, so that a script that breaks them fails the build.
//
// A file is named `XX-NameOfTheScript.sql`: a number of two or more digits, from 01, unique; a name in CamelCase. It
// holds more than comments. Files whose name begins with a dot are the editors', and are not looked at.

/// Number and name of a script, by its file name.
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

/// Whether a file of the folder is a script at all.
pub(crate) fn is_hidden(file: &str) -> bool {
    file.starts_with('.')
}

/// Whether a script says nothing.
pub(crate) fn is_empty(text: &str) -> bool {
    let text = text.trim_start_matches('\u{feff}');
    text.lines().map(str::trim).all(|line| line.is_empty() || line == ";" || line.starts_with("--"))
}

/// What is wrong with the scripts of a folder, given as file names and texts.
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
        }
    }
    problems
}

/// What one of two dialects has and the other has not, by file name.
pub(crate) fn twins(surreal: &[String], postgres: &[String]) -> Vec<String> {
    let mut problems = Vec::new();
    for (mine, theirs, folder) in [(surreal, postgres, "postgres"), (postgres, surreal, "surreal")] {
        let lonely = mine.iter().filter(|name| !theirs.contains(name));
        problems.extend(lonely.map(|name| format!("`{name}` has no twin in `sql/{folder}`")));
    }
    problems
}
