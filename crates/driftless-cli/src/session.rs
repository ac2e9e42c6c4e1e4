//! What one run of a command needs: the home, the daemon that serves it, and the form of its output.

use std::path::{Component, Path, PathBuf};

use driftless_control::{Client, ConnectError, Method};
use driftless_daemon::home::Home;

use crate::failure::{Exit, Failure};
use crate::output::Output;

/// One run of a command.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) home: Home,
    pub(crate) output: Output,
    /// What to add to a command line so that it means the same home.
    home_option: String,
}

impl Session {
    pub(crate) fn new(home: Option<PathBuf>, output: Output) -> Result<Self, Failure> {
        let home_option =
            home.as_ref().map(|home| format!(" --home {}", shell_word(home))).unwrap_or_default();
        let home = Home::resolve(home).map_err(|error| Failure::because(&error))?;
        Ok(Self { home, output, home_option })
    }

    /// Connects to the daemon.
    pub(crate) async fn connect(&self) -> Result<Client, Failure> {
        self.connect_if_running().await?.ok_or_else(|| {
            let (home, option) = (self.home.path().display(), &self.home_option);
            let message =
                format!("no daemon runs for {home}; start it with `driftless{option} daemon`");
            Failure::new(Exit::NoDaemon, message)
        })
    }

    /// Connects to the daemon; gives nothing where none runs.
    pub(crate) async fn connect_if_running(&self) -> Result<Option<Client>, Failure> {
        match Client::connect(&self.home.control_socket()).await {
            Ok(client) => Ok(Some(client)),
            Err(ConnectError::NoDaemon { .. }) => Ok(None),
            Err(error @ (ConnectError::OtherUser { .. } | ConnectError::Denied { .. })) => {
                let message = format!(
                    "{error}; run the command as that user, or choose your own home with --home"
                );
                Err(Failure::new(Exit::Failed, message))
            }
            Err(error) => Err(Failure::because(&error)),
        }
    }

    /// Connects, asks one thing and gives the reply.
    pub(crate) async fn call<M: Method>(&self, params: M) -> Result<M::Reply, Failure> {
        Ok(self.connect().await?.call(params).await?)
    }
}

fn shell_word(path: &Path) -> String {
    let text = path.display().to_string();
    let plain = |c: char| {
        c.is_ascii_alphanumeric() || matches!(c, '/' | '.' | '_' | '-' | '+' | ',' | ':' | '@')
    };
    if !text.is_empty() && text.chars().all(plain) {
        text
    } else {
        format!("'{}'", text.replace('\'', r"'\''"))
    }
}

/// Makes a path absolute and free of `.` and `..`, following links only where `..` demands it.
///
/// The daemon runs in another directory, so a relative path would mean something else there.
pub(crate) fn absolute(path: &Path) -> Result<String, Failure> {
    let failed = |error: std::io::Error| {
        Failure::new(Exit::Failed, format!("cannot use {}: {error}", path.display()))
    };
    let mut resolved = PathBuf::new();
    for component in std::path::absolute(path).map_err(failed)?.components() {
        if component == Component::ParentDir {
            // What `..` leads to depends on links in what is before it.
            resolved = std::fs::canonicalize(&resolved).map_err(failed)?;
            resolved.pop();
        } else {
            resolved.push(component);
        }
    }
    resolved.into_os_string().into_string().map_err(|path| {
        Failure::new(
            Exit::Usage,
            format!("the path {} is not UTF-8; choose another one", path.display()),
        )
    })
}

/// What the daemon is told for F: a path is made absolute, an ID or a label is left as it is.
pub(crate) fn folder_word(folder: &str) -> Result<String, Failure> {
    let path = Path::new(folder);
    let spelt_as_path = folder.contains('/') || matches!(folder, "." | "..");
    if spelt_as_path && path.exists() { absolute(path) } else { Ok(folder.to_owned()) }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::{absolute, folder_word, shell_word};

    #[test]
    fn paths_are_made_absolute_and_dots_are_resolved_through_links() {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path().canonicalize().unwrap();
        std::fs::create_dir_all(root.join("real/inner")).unwrap();
        std::os::unix::fs::symlink(root.join("real/inner"), root.join("link")).unwrap();
        for (path, expected) in [
            ("link/new", "link/new"),
            ("./link/./x", "link/x"),
            ("link/../y", "real/y"),
            ("real/../z/", "z"),
        ] {
            assert_eq!(
                Path::new(&absolute(&root.join(path)).unwrap()),
                root.join(expected),
                "{path}"
            );
        }
        assert!(absolute(&root.join("absent/../x")).is_err());
        assert!(absolute(Path::new("here")).unwrap().starts_with('/'));
    }

    #[test]
    fn a_folder_is_a_path_only_when_it_is_spelt_and_exists_as_one() {
        assert_eq!(folder_word("Documents").unwrap(), "Documents");
        assert_eq!(folder_word("work/notes").unwrap(), "work/notes");
        assert_eq!(folder_word(".").unwrap(), std::env::current_dir().unwrap().to_str().unwrap());
        assert_eq!(folder_word("/absent/folder").unwrap(), "/absent/folder");
    }

    #[test]
    fn suggested_commands_can_be_pasted_into_a_shell() {
        assert_eq!(shell_word(Path::new("/a/b-1")), "/a/b-1");
        assert_eq!(shell_word(Path::new("/a b/it's")), r"'/a b/it'\''s'");
    }
}
