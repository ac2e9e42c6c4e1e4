//! Scenarios as one line of text.

use super::{Failure, World, WorldIndex};

/// Plays a script and returns what every device shows in the end.
///
/// Statements are separated by semicolons and begin with who acts: `base`
/// (the first device, and then everyone gets it), `here`, `there` and `third`
/// (each on its own, unconnected, until the end). What they do: `a=text`
/// writes, `rm a` removes with all below, `mv a b` renames, `swap a b`,
/// `mkdir d`, `ln a target`, `chmod 600 a`, `touch a`. Everyone scans before
/// they connect again.
///
/// The outcome is as [`World::shows`] says.
///
/// # Errors
///
/// The world does not settle, or a guarantee is broken.
pub fn settle(script: &str) -> Result<String, Failure> {
    let statements: Vec<(&str, &str)> = script
        .split(';')
        .map(|statement| statement.trim().split_once(' ').unwrap_or((statement.trim(), "")))
        .filter(|(who, _)| !who.is_empty())
        .collect();
    let devices = if statements.iter().any(|(who, _)| *who == "third") { 3 } else { 2 };
    let mut world = World::new(1, devices);
    let (base, apart): (Vec<_>, Vec<_>) =
        statements.into_iter().partition(|(who, _)| *who == "base");
    for (_, action) in base {
        world.act(0, action);
    }
    world.settle()?;
    world.part();
    for (who, action) in apart {
        let device = ["here", "there", "third"].iter().position(|name| *name == who);
        match device {
            Some(device) => world.act(device, action),
            None => world.fail(format!("the script names {who:?}")),
        }
    }
    for device in 0..devices {
        world.scan(device);
    }
    world.work_off();
    world.settle()?;
    Ok(world.shows(0))
}

impl<I: WorldIndex> World<I> {
    /// Lets a person do what `action` says, in the words of [`settle`].
    pub fn act(&mut self, device: usize, action: &str) {
        if let Some((name, text)) = action.split_once('=') {
            return self.write(device, name, text);
        }
        let words: Vec<_> = action.split_whitespace().collect();
        match words.as_slice() {
            ["rm", name] => self.remove(device, name),
            ["mv", from, to] => self.rename(device, from, to),
            ["swap", one, other] => self.swap(device, one, other),
            ["mkdir", name] => self.make_directory(device, name),
            ["ln", name, target] => self.make_symlink(device, name, target),
            ["touch", name] => self.touch(device, name),
            ["chmod", mode, name] => match u16::from_str_radix(mode, 8) {
                Ok(mode) => self.set_mode(device, name, mode),
                Err(_) => self.fail(format!("{mode} is no mode")),
            },
            _ => self.fail(format!("nobody knows how to {action:?}")),
        }
    }
}
