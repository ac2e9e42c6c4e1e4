//! The guard: the hot paths' instructions, counted and compared with figures in the repository.
//!
//! Seconds depend on the machine and on what else it does; instructions hardly do. The cases are the bench `guard` of
//! driftless-testkit, one process each under callgrind, which counts what happens in its function `measured`. What may
//! still move a count: the compiler, the C library's own versions of `memcpy`, and which vector instructions of the
//! processor valgrind knows, of which BLAKE3 takes the widest. So no case hashes more than a few bytes, and the margin
//! is wide enough for the rest. A better compiler is a reason to write the figures anew.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use anyhow::{Context as _, bail, ensure};
use toml_edit::{DocumentMut, value};

use crate::{cargo, setup};

/// The figures, relative to the workspace.
const FIGURES: &str = "tests/bench/instructions.toml";

const HEADER: &str =
    "# Instructions of the guard's cases. Written by `cargo xtask bench guard --bless`.\n\n";

/// How far a count may be from its figure, in percent.
const MARGIN_PERCENT: u64 = 10;

/// What was counted of one case.
struct Count {
    name: String,
    paths: u64,
    instructions: u64,
}

/// Counts all cases and compares; with `bless`, writes the figures instead.
///
/// # Errors
/// When valgrind is missing or the cases do not build or run. A regression is no error but a failing exit code.
pub(super) fn run(root: &Path, bless: bool) -> anyhow::Result<ExitCode> {
    setup::ensure(setup::FOR_GUARD)?;
    let program = build(root)?;
    let counts = count_all(&program)?;
    let file = root.join(FIGURES);
    if bless {
        std::fs::write(&file, render(&counts))
            .with_context(|| format!("cannot write {}", file.display()))?;
        println!("bench guard: wrote {FIGURES}");
        return Ok(ExitCode::SUCCESS);
    }
    let text = std::fs::read_to_string(&file)
        .with_context(|| format!("cannot read {}", file.display()))?;
    let figures = parse(&text)?;
    let mut holds = true;
    for (count, verdict) in judge(&counts, &figures) {
        let each = count.instructions / count.paths.max(1);
        println!("{:14} {:>12} {each:>9} a path  {verdict}", count.name, count.instructions);
        holds &= verdict.holds();
    }
    for name in figures.keys().filter(|name| counts.iter().all(|count| count.name != **name)) {
        println!("{name:14} is in {FIGURES} and nowhere else");
        holds = false;
    }
    if holds {
        return Ok(ExitCode::SUCCESS);
    }
    eprintln!("bench guard: what is meant to cost more, or costs less, is written anew by");
    eprintln!("  cargo xtask bench guard --bless");
    Ok(ExitCode::FAILURE)
}

/// Builds the cases as they are shipped, and returns where they are.
fn build(root: &Path) -> anyhow::Result<PathBuf> {
    println!("Building the guard …");
    let output = Command::new(cargo())
        .current_dir(root)
        .args(["bench", "--locked", "-p", "driftless-testkit", "--bench", "guard", "--no-run"])
        .args(["--message-format", "json-render-diagnostics"])
        .stderr(std::process::Stdio::inherit())
        .output()
        .context("cannot run cargo")?;
    ensure!(output.status.success(), "the guard does not build; see above");
    let program = String::from_utf8_lossy(&output.stdout).lines().find_map(|line| {
        let message: serde_json::Value = serde_json::from_str(line).ok()?;
        let is_guard = message["target"]["name"] == "guard";
        message["executable"].as_str().filter(|_| is_guard).map(PathBuf::from)
    });
    program.context("cargo built no program called guard")
}

fn count_all(program: &Path) -> anyhow::Result<Vec<Count>> {
    let output = Command::new(program).output().context("cannot run the guard")?;
    let list = String::from_utf8(output.stdout).context("the guard prints no text")?;
    let cases = list.lines().map(|line| {
        let (name, paths) = line.split_once(' ').context("the guard lists no case")?;
        let instructions = count(program, name).with_context(|| format!("cannot count {name}"))?;
        Ok(Count { name: name.to_owned(), paths: paths.parse()?, instructions })
    });
    cases.collect()
}

fn count(program: &Path, case: &str) -> anyhow::Result<u64> {
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null", "--toggle-collect=*measured*"])
        .arg(program)
        .arg(case)
        // Nothing of what this process was started with reaches the case.
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .output()
        .context("cannot run valgrind")?;
    let said = String::from_utf8_lossy(&output.stderr);
    if !output.status.success() {
        bail!("{}", said.trim());
    }
    let collected = said.lines().find_map(|line| line.split_once("Collected : "));
    let (_, collected) = collected.context("callgrind says no count")?;
    let instructions = collected.trim().parse().context("callgrind's count is no number")?;
    ensure!(instructions > 0, "callgrind did not see the function 'measured'");
    Ok(instructions)
}

/// What a count means.
#[derive(PartialEq, Debug)]
enum Verdict {
    /// As it was, but for so many percent.
    Same(f64),
    More(f64),
    Less(f64),
    /// There is no figure.
    New,
}

impl Verdict {
    fn of(instructions: u64, figure: Option<u64>) -> Self {
        let Some(figure) = figure else { return Self::New };
        let change = (instructions as f64 / figure.max(1) as f64 - 1.0) * 100.0;
        if instructions * 100 > figure * (100 + MARGIN_PERCENT) {
            Self::More(change)
        } else if instructions * 100 < figure * (100 - MARGIN_PERCENT) {
            Self::Less(change)
        } else {
            Self::Same(change)
        }
    }

    /// Whether a change with this may go in. What costs less may, and is better said.
    fn holds(&self) -> bool {
        matches!(self, Self::Same(_) | Self::Less(_))
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Same(change) => write!(f, "{change:+.2} %"),
            Self::More(change) => write!(f, "{change:+.2} %: a regression"),
            Self::Less(change) => write!(f, "{change:+.2} %: write the figures anew"),
            Self::New => write!(f, "has no figure yet"),
        }
    }
}

fn judge<'a>(
    counts: &'a [Count],
    figures: &BTreeMap<String, u64>,
) -> impl Iterator<Item = (&'a Count, Verdict)> {
    let verdict =
        |count: &Count| Verdict::of(count.instructions, figures.get(&count.name).copied());
    counts.iter().map(move |count| (count, verdict(count))).collect::<Vec<_>>().into_iter()
}

fn parse(text: &str) -> anyhow::Result<BTreeMap<String, u64>> {
    let document: DocumentMut = text.parse().with_context(|| format!("{FIGURES} is no TOML"))?;
    let figures = document.iter().map(|(name, figure)| {
        let figure = figure.as_integer().and_then(|figure| u64::try_from(figure).ok());
        let figure = figure.with_context(|| format!("{FIGURES}: {name} is no number"))?;
        Ok((name.to_owned(), figure))
    });
    figures.collect()
}

fn render(counts: &[Count]) -> String {
    let mut document = DocumentMut::new();
    for count in counts {
        document[&count.name] = value(i64::try_from(count.instructions).unwrap_or(i64::MAX));
    }
    format!("{HEADER}{document}")
}

#[cfg(test)]
mod tests {
    use super::{Count, Verdict, judge, parse, render};

    fn count(name: &str, instructions: u64) -> Count {
        Count { name: name.to_owned(), paths: 1, instructions }
    }

    #[test]
    fn a_count_holds_until_it_is_a_tenth_above_its_figure() {
        let holds = |instructions| Verdict::of(instructions, Some(1000)).holds();
        assert!(holds(1000) && holds(1100) && holds(10));
        assert!(!holds(1101));
        assert!(!Verdict::of(1, None).holds(), "what has no figure is not guarded");
    }

    #[test]
    fn what_is_written_is_what_is_compared_with() -> anyhow::Result<()> {
        let counts = [count("plan", 500), count("index-commit", 7)];
        let figures = parse(&render(&counts))?;
        let verdicts: Vec<Verdict> = judge(&counts, &figures).map(|(_, verdict)| verdict).collect();
        assert_eq!(verdicts, [Verdict::Same(0.0), Verdict::Same(0.0)]);
        assert!(parse("plan = \"many\"").is_err());
        Ok(())
    }
}
