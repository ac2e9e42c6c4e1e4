//! What was measured: as a table for people, and as JSON.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use anyhow::Context as _;
use serde_json::{Value, json};

use super::growth::Series;

/// The figures of one measurement, by name; the end of a name is its unit.
pub(super) type Figures = BTreeMap<&'static str, f64>;

/// One measurement.
pub(super) struct Row {
    /// Of which workload.
    pub(super) work: &'static str,
    /// What was done.
    pub(super) what: String,
    /// By which program.
    pub(super) program: &'static str,
    /// `wall_s`, `cpu_s`, `wire_bytes`, `files`, `bytes` and whatever else there is to say.
    pub(super) figures: Figures,
}

impl Row {
    /// A figure that is there, or one that follows from others.
    fn figure(&self, name: &str) -> Option<f64> {
        let known = |name: &str| self.figures.get(name).copied();
        let per = |figure: &str, of: &str, unit: f64| {
            let of = known(of).filter(|of| *of > 0.0)?;
            Some(known(figure)? / of * unit)
        };
        match name {
            "cpu_s_per_gb" => per("cpu_s", "bytes", 1e9),
            "cpu_us_per_file" => per("cpu_s", "files", 1e6),
            "wire_bytes_per_byte" => per("wire_bytes", "bytes", 1.0),
            "wire_bytes_per_file" => per("wire_bytes", "files", 1.0),
            name => known(name),
        }
    }
}

/// All that one run has found.
#[derive(Default)]
pub(super) struct Report {
    /// Where and how it was measured: name and value.
    pub(super) conditions: Vec<(&'static str, String)>,
    pub(super) rows: Vec<Row>,
    pub(super) series: Vec<Series>,
}

/// Figures that follow from others and are worth writing down.
const DERIVED: [&str; 4] =
    ["cpu_s_per_gb", "cpu_us_per_file", "wire_bytes_per_byte", "wire_bytes_per_file"];

/// The columns of the table: figure, title, factor, digits behind the point.
const COLUMNS: [(&str, &str, f64, usize); 6] = [
    ("wall_s", "wall s", 1.0, 3),
    ("cpu_s", "CPU s", 1.0, 2),
    ("cpu_s_per_gb", "CPU s/GB", 1.0, 2),
    ("cpu_us_per_file", "CPU µs/file", 1.0, 0),
    ("wire_bytes", "wire MB", 1e-6, 3),
    ("wire_bytes_per_byte", "wire/content", 1.0, 3),
];

/// Figures that have no column, and are written as they are in the last one.
fn is_in_column(name: &str) -> bool {
    COLUMNS.iter().any(|column| column.0 == name) || ["files", "bytes"].contains(&name)
}

impl Report {
    /// Takes a row in and says it at once.
    pub(super) fn add(&mut self, row: Row) {
        println!("  {}", cells(&row).join("  "));
        self.rows.push(row);
    }

    pub(super) fn markdown(&self) -> String {
        let mut text = String::from("# driftless, measured\n\n");
        for (name, value) in &self.conditions {
            let _ = writeln!(text, "- {name}: {value}");
        }
        if !self.rows.is_empty() {
            let titles: Vec<&str> = COLUMNS.iter().map(|column| column.1).collect();
            let _ = writeln!(text, "\n| work | what | program | {} | more |", titles.join(" | "));
            let _ = writeln!(text, "| --- | --- | --- |{} --- |", " ---: |".repeat(COLUMNS.len()));
            for row in &self.rows {
                let _ = writeln!(text, "| {} |", cells(row).join(" | "));
            }
        }
        for series in &self.series {
            let _ = writeln!(text, "\n{}", series.markdown());
        }
        text
    }

    fn json(&self) -> Value {
        let rows = self.rows.iter().map(|row| {
            let mut figures: BTreeMap<&str, f64> = row.figures.clone();
            figures.extend(DERIVED.iter().filter_map(|name| Some((*name, row.figure(name)?))));
            json!({
                "work": row.work, "what": row.what, "program": row.program, "figures": figures,
            })
        });
        json!({
            "conditions": self.conditions.iter().cloned().collect::<BTreeMap<_, _>>(),
            "rows": rows.collect::<Vec<_>>(),
            "series": self.series.iter().map(Series::json).collect::<Vec<_>>(),
        })
    }

    /// Writes `results.json`, `results.md` and a plot for each series.
    ///
    /// # Errors
    /// When one of them cannot be written.
    pub(super) fn write(&self, directory: &Path) -> anyhow::Result<()> {
        let write = |name: &str, text: &str| {
            let file = directory.join(name);
            std::fs::write(&file, text).with_context(|| format!("cannot write {}", file.display()))
        };
        std::fs::create_dir_all(directory)?;
        write("results.json", &format!("{:#}\n", self.json()))?;
        write("results.md", &self.markdown())?;
        for series in &self.series {
            write(&format!("{}.svg", series.work), &super::plot::render(series))?;
        }
        Ok(())
    }
}

fn cells(row: &Row) -> Vec<String> {
    let mut cells = vec![row.work.to_owned(), row.what.clone(), row.program.to_owned()];
    for (name, _, factor, digits) in COLUMNS {
        let figure = row.figure(name);
        cells.push(figure.map_or("-".to_owned(), |it| format!("{:.digits$}", it * factor)));
    }
    let more = row.figures.iter().filter(|(name, _)| !is_in_column(name));
    let more = more.map(|(name, figure)| format!("{name} {}", plain(*figure)));
    cells.push(more.collect::<Vec<_>>().join(", "));
    cells
}

/// A figure as short as it can be said.
pub(super) fn plain(figure: f64) -> String {
    if figure.abs() >= 100.0 { format!("{figure:.0}") } else { format!("{figure:.3}") }
}

#[cfg(test)]
mod tests {
    use super::{Report, Row};

    #[test]
    fn costs_per_file_and_gigabyte_follow_from_what_was_counted() {
        let figures = [("wall_s", 2.0), ("cpu_s", 3.0), ("bytes", 5e8), ("files", 1000.0)];
        let figures = figures.into_iter().collect();
        let row = Row { work: "w2", what: "first sync".to_owned(), program: "driftless", figures };
        assert_eq!(row.figure("cpu_s_per_gb"), Some(6.0));
        assert_eq!(row.figure("cpu_us_per_file"), Some(3000.0));
        assert_eq!(row.figure("wire_bytes_per_file"), None);
        let report = Report { rows: vec![row], ..Report::default() };
        let line = "| w2 | first sync | driftless | 2.000 | 3.00 | 6.00 | 3000 | - | - |  |";
        assert!(report.markdown().contains(line), "{}", report.markdown());
    }
}
