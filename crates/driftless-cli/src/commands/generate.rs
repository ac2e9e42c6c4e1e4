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
