//! `mer example-model`.

use crate::{cli::ExampleModelArgs, example_models};

/// Is the model, on the standard pipes of this process. Gives its exit code.
pub(crate) fn example_model(args: &ExampleModelArgs) -> u8 {
    let words: Vec<String> = args.args.iter().map(|word| word.to_string_lossy().into_owned()).collect();
    example_models::run(&args.name, &words)
}
