//! How a cost grows with the work: the exponent of a power law through what was measured.

use serde_json::{Value, json};

use super::report::plain;

/// Growth above this is worse than in proportion, even with some noise.
pub(super) const WORST_EXPONENT: f64 = 1.1;

/// Measurements of one kind of work at several sizes.
pub(super) struct Series {
    pub(super) work: &'static str,
    /// What the sizes count.
    pub(super) of: &'static str,
    /// The costs.
    pub(super) curves: Vec<Curve>,
}

/// One cost at several sizes.
pub(super) struct Curve {
    /// With its unit.
    pub(super) name: &'static str,
    /// Size and cost.
    pub(super) points: Vec<(f64, f64)>,
}

impl Curve {
    /// The `b` of the cost `a * size^b` by least squares of the logarithms; `None`
    /// with fewer than two sizes. What cost nothing is left out.
    pub(super) fn exponent(&self) -> Option<f64> {
        let points: Vec<(f64, f64)> = self
            .points
            .iter()
            .filter(|(size, cost)| *size > 0.0 && *cost > 0.0)
            .map(|(size, cost)| (size.ln(), cost.ln()))
            .collect();
        let count = points.len() as f64;
        let mean_x = points.iter().map(|point| point.0).sum::<f64>() / count;
        let mean_y = points.iter().map(|point| point.1).sum::<f64>() / count;
        let spread = points.iter().map(|(x, _)| (x - mean_x).powi(2)).sum::<f64>();
        let common = points.iter().map(|(x, y)| (x - mean_x) * (y - mean_y)).sum::<f64>();
        (spread > 0.0).then_some(common / spread)
    }

    /// The exponent in words.
    pub(super) fn verdict(&self) -> String {
        match self.exponent() {
            Some(exponent) if exponent > WORST_EXPONENT => {
                format!("{exponent:.2}, worse than in proportion")
            }
            Some(exponent) => format!("{exponent:.2}"),
            None => "-".to_owned(),
        }
    }
}

impl Series {
    pub(super) fn new(work: &'static str, of: &'static str) -> Self {
        Self { work, of, curves: Vec::new() }
    }

    /// Takes in what something cost at a size.
    pub(super) fn add(&mut self, size: f64, costs: &[(&'static str, f64)]) {
        for (name, cost) in costs {
            let at = self.curves.iter().position(|curve| curve.name == *name);
            let at = at.unwrap_or_else(|| {
                self.curves.push(Curve { name, points: Vec::new() });
                self.curves.len() - 1
            });
            self.curves[at].points.push((size, *cost));
        }
        let costs = costs.iter().map(|(name, cost)| format!("{name} {}", plain(*cost)));
        let (work, costs) = (self.work, costs.collect::<Vec<_>>().join(", "));
        println!("  {work}  {size} {}: {costs}", self.of);
    }

    /// A table with a line for each cost.
    pub(super) fn markdown(&self) -> String {
        let mut sizes: Vec<f64> =
            self.curves.iter().flat_map(|it| it.points.iter().map(|point| point.0)).collect();
        sizes.sort_by(f64::total_cmp);
        sizes.dedup();
        let titles: Vec<String> = sizes.iter().map(|size| format!("{size}")).collect();
        let mut text =
            format!("| {}: {} | {} | exponent |\n", self.work, self.of, titles.join(" | "));
        text.push_str(&format!("| --- |{} --- |\n", " ---: |".repeat(sizes.len())));
        for curve in &self.curves {
            let cell = |size: &f64| {
                let point = curve.points.iter().find(|point| point.0 == *size);
                point.map_or("-".to_owned(), |point| plain(point.1))
            };
            let cells: Vec<String> = sizes.iter().map(cell).collect();
            let line =
                format!("| {} | {} | {} |\n", curve.name, cells.join(" | "), curve.verdict());
            text.push_str(&line);
        }
        text
    }

    pub(super) fn json(&self) -> Value {
        let curves = self.curves.iter().map(|curve| {
            json!({ "name": curve.name, "points": curve.points, "exponent": curve.exponent() })
        });
        json!({ "work": self.work, "of": self.of, "curves": curves.collect::<Vec<_>>() })
    }
}

#[cfg(test)]
mod tests {
    use super::{Curve, Series};

    fn curve(cost: impl Fn(f64) -> f64) -> Curve {
        let sizes = [1e3, 3e3, 1e4, 1e5];
        Curve { name: "s", points: sizes.into_iter().map(|size| (size, cost(size))).collect() }
    }

    #[test]
    fn the_exponent_of_a_power_is_found() {
        let exponent = |cost: fn(f64) -> f64| curve(cost).exponent().unwrap_or(f64::NAN);
        assert!((exponent(|size| 7.0 * size) - 1.0).abs() < 1e-9);
        assert!((exponent(|size| size * size) - 2.0).abs() < 1e-9);
        assert!(exponent(|_| 4.0).abs() < 1e-9);
        assert!(curve(|size| size.powf(1.3)).verdict().contains("worse"));
        assert_eq!(Curve { name: "s", points: vec![(1.0, 2.0)] }.exponent(), None);
    }

    #[test]
    fn a_series_has_a_line_for_each_cost() {
        let mut series = Series::new("files", "files");
        series.add(10.0, &[("start s", 1.0), ("memory MB", 5.0)]);
        series.add(100.0, &[("start s", 10.0)]);
        let text = series.markdown();
        assert!(text.contains("| start s | 1.000 | 10.000 | 1.00 |"), "{text}");
        assert!(text.contains("| memory MB | 5.000 | - | - |"), "{text}");
    }
}
