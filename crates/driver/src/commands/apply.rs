//! `mer apply` and `mer export`.

use std::{fs, io::Read as _, path::Path};

use crate::{
    app::{App, Origin, OutputFile, Sink},
    cli::{ApplyArgs, ExportArgs},
    error::CliError,
    registry_file,
    ui::Ui,
};

/// Adds and replaces what a registry file names, in one transaction.
pub(crate) async fn apply(app: &App, args: &ApplyArgs, ui: Ui, origin: Origin) -> Result<(), CliError> {
    let shown = args.file.display().to_string();
    app.check_changes_allowed(&format!(
        "apply {}",
        shlex::try_quote(&shown).unwrap_or_else(|_| shown.as_str().into())
    ))?;
    let (name, text) = read(&args.file, origin)?;
    let registry = registry_file::read(Path::new(&name), &text)?;
    let session = app.session().await?;
    let servers = session.servers().await?;
    let checked = registry.check(servers.iter().map(|server| server.name.as_str()));
    let applied = match checked {
        Ok(()) => session.apply(&registry).await.map_err(CliError::from),
        Err(error) => Err(CliError::config(format!("`{name}` cannot be applied")).caused_by(error)),
    };
    session.close().await?;
    applied?;
    ui.note(&format!(
        "applied {} and {}",
        count(registry.servers.len(), "server"),
        count(registry.models.len(), "model")
    ));
    Ok(())
}

/// Writes the registry as a file that `mer apply` reads.
pub(crate) async fn export(app: &App, args: &ExportArgs, ui: Ui) -> Result<(), CliError> {
    let session = app.session().await?;
    let registry = session.registry().await?;
    session.close().await?;
    let text = registry_file::write(&registry)?;
    let Some(file) = &args.output else { return ui.data(text.as_bytes()) };
    let mut sink = Sink::File(OutputFile::create(file)?);
    sink.put(text.into()).await?;
    sink.finish(true).await.map(|_| ())
}

/// The name to be shown, and the text.
fn read(file: &Path, origin: Origin) -> Result<(String, String), CliError> {
    if file == Path::new("-") {
        if origin == Origin::Line {
            return Err(
                CliError::usage("`-` is standard input, and here that is where commands come from").hint("name a file")
            );
        }
        let mut text = String::new();
        let read = std::io::stdin().read_to_string(&mut text);
        return read
            .map(|_| ("<stdin>".to_owned(), text))
            .map_err(|error| CliError::io("cannot read standard input", error));
    }
    let name = file.display().to_string();
    let text = fs::read_to_string(file).map_err(|error| CliError::io(format!("cannot read `{name}`"), error))?;
    Ok((name, text))
}

fn count(number: usize, what: &str) -> String {
    format!("{number} {what}{}", if number == 1 { "" } else { "s" })
}
