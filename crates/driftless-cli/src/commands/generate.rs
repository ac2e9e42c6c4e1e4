//! `completions` and `man`: what a package ships beside the binary, made from the arguments themselves.

use std::fs;
use std::io::Write;
use std::path::Path;

use clap::CommandFactory;
use clap_complete::Shell;
use clap_mangen::Man;

use crate::args::Cli;
use crate::failure::{Exit, Failure};

/// Prints a shell's completion script.
pub(super) fn completions(shell: Shell) -> Result<(), Failure> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "driftless", &mut script);
    Ok(std::io::stdout().write_all(&script)?)
}

/// Prints the main manual page, or writes the pages of all commands into a directory.
pub(super) fn man(directory: Option<&Path>) -> Result<(), Failure> {
    let Some(directory) = directory else {
        let mut page = Vec::new();
        Man::new(Cli::command()).render(&mut page)?;
        return Ok(std::io::stdout().write_all(&page)?);
    };
    let written = fs::create_dir_all(directory)
        .and_then(|()| clap_mangen::generate_to(Cli::command(), directory));
    written.map_err(|error| {
        let place = directory.display();
        Failure::new(
            Exit::Failed,
            format!("cannot write manual pages to {place}: {error}; choose another directory"),
        )
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::Path;

    use super::man;

    #[test]
    fn packages_have_a_manual_page_for_every_command() {
        let place = tempfile::tempdir().unwrap();
        man(Some(place.path())).unwrap();
        let entries = std::fs::read_dir(place.path()).unwrap();
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let written: BTreeSet<String> =
            names.map(|name| format!("usr/share/man/man1/{name}.gz")).collect();
        let list = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../packaging/files.txt");
        let list = std::fs::read_to_string(list).unwrap();
        // The app's page is not ours.
        let pages = list.lines().filter(|path| path.contains("/man1/"));
        let pages = pages.filter(|path| !path.ends_with("driftless-desktop.1.gz"));
        assert_eq!(pages.map(str::to_owned).collect::<BTreeSet<_>>(), written);
    }
}
