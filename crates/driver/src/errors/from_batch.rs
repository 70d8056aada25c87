//! Errors of a batch, as errors of a command.

use mer_batch::BatchError;

use super::cli_error::CliError;

impl From<BatchError> for CliError {
    fn from(error: BatchError) -> Self {
        let mut hints: Vec<String> = hint(&error).into_iter().collect();
        if matches!(error, BatchError::Unreachable { .. }) {
            hints.push("how long a batch goes on trying is the `queueTimeout` of its model".to_owned());
        }
        hints.into_iter().fold(Self::classified(error), Self::hint)
    }
}

/// What to do about an error of a batch.
fn hint(error: &BatchError) -> Option<String> {
    use BatchError as E;
    if let Some(hint) = error.hint() {
        return Some(hint.to_owned());
    }
    let hint = match error {
        E::InputChanged { .. } => {
            "`--resume` with the file as it is now keeps the results of items that did not change"
        }
        E::JsonOverLines => "`jq -c . FILE` writes each value on one line",
        E::NoIdField => "`--jsonl` and `--csv` have fields; other items are identified by their content",
        E::MissingId { .. } => "give every item an id, or leave `--id` out: an item is identified by its content then",
        E::DuplicateId { .. } => {
            "`--duplicates share` gives equal items one result, `--duplicates run` runs each of them"
        }
        E::ShareNeedsFile => "name a file with `-o`, and leave `--unordered` out",
        E::NotResumable => "name a file with `-o`, or a folder with `--outdir`",
        E::OutputExists { has_ledger: true, .. } => {
            "`--resume` goes on with it; `--force` begins anew and overwrites it"
        }
        E::OutputExists { has_ledger: false, .. } => "`--force` overwrites it; or name another file",
        E::Locked { .. } => "wait until that batch has ended, or end it",
        E::OtherSubject { .. } => {
            "name another file for the results; `--resume --force` keeps the results that are there all the same"
        }
        E::DamagedLedger { intact, .. } => {
            return Some(format!(
                "`--resume --force` keeps the results before the damage ({intact}), and runs the others"
            ));
        }
        E::NewerLedger { .. } => "go on with the newer version of MER, or name another file for the results",
        E::EditedOutput { .. } => {
            "undo the change, or name another file; `--resume --force` runs the items of changed results again"
        }
        _ => return None,
    };
    Some(hint.to_owned())
}
