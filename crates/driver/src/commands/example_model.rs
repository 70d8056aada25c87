//! `mer example-model`.

use crate::{cli::ExampleModelArgs, example_models};

/// Is the model, on the standard pipes of this process. Gives its exit code.
pub(crate) fn example_model(args: &ExampleModelArgs) -> u8 {
    example_models::run(&args.name, &args.args)
}
