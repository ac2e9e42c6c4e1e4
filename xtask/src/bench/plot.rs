//! A series as a picture: both axes logarithmic, a line for each cost, legible on light and on dark.

use std::fmt::Write as _;

use super::growth::{Curve, Series};

const WIDTH: f64 = 760.0;
const HEIGHT: f64 = 440.0;
/// Where the axes are: left, right, top, bottom.
const LEFT: f64 = 70.0;
const RIGHT: f64 = 500.0;
const TOP: f64 = 40.0;
const BOTTOM: f64 = 380.0;

/// Colours that are told apart on light and on dark, and by most who see few colours.
const COLOURS: [&str; 8] =
    ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#b8860b", "#56b4e9", "#8a63d2", "#808080"];

const STYLE: &str = "<style>
  text { font: 13px system-ui, sans-serif; fill: #222 }
  .grid { stroke: #8884; stroke-width: 1 }
  .back { fill: #fff }
  polyline { fill: none; stroke-width: 2 }
  @media (prefers-color-scheme: dark) { text { fill: #ddd } .back { fill: #1b1b1b } }
</style>";

/// One axis: which logarithms it shows, and where.
struct Axis {
    from: f64,
    upto: f64,
    begin: f64,
    end: f64,
}

impl Axis {
    /// From the power of ten below the least to that above the greatest.
    fn over(values: impl Iterator<Item = f64>, begin: f64, end: f64) -> Self {
        let logs = values.filter(|value| *value > 0.0).map(f64::log10);
        let (least, most) =
            logs.fold((f64::MAX, f64::MIN), |(least, most), it| (least.min(it), most.max(it)));
        let (from, upto) = if least > most { (0.0, 1.0) } else { (least.floor(), most.ceil()) };
        Self { from, upto: if upto > from { upto } else { from + 1.0 }, begin, end }
    }

    fn at(&self, value: f64) -> f64 {
        let share = (value.log10() - self.from) / (self.upto - self.from);
        self.begin + share * (self.end - self.begin)
    }

    /// The powers of ten.
    fn marks(&self) -> impl Iterator<Item = f64> {
        (self.from as i32..=self.upto as i32).map(|power| 10_f64.powi(power))
    }
}

/// The series as an SVG document.
pub(super) fn render(series: &Series) -> String {
    let points = || series.curves.iter().flat_map(|curve| curve.points.iter());
    let across = Axis::over(points().map(|point| point.0), LEFT, RIGHT);
    let up = Axis::over(points().map(|point| point.1), BOTTOM, TOP);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" \
         role=\"img\" aria-label=\"{} by {}\">\n{STYLE}\n\
         <rect class=\"back\" width=\"{WIDTH}\" height=\"{HEIGHT}\"/>\n",
        series.work, series.of
    );
    for value in across.marks() {
        let x = across.at(value);
        let _ = writeln!(
            svg,
            "<path class=\"grid\" d=\"M{x:.1} {TOP}V{BOTTOM}\"/>\
             <text x=\"{x:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{}</text>",
            BOTTOM + 18.0,
            short(value)
        );
    }
    for value in up.marks() {
        let y = up.at(value);
        let _ = writeln!(
            svg,
            "<path class=\"grid\" d=\"M{LEFT} {y:.1}H{RIGHT}\"/>\
             <text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>",
            LEFT - 8.0,
            y + 4.0,
            short(value)
        );
    }
    let middle = (LEFT + RIGHT) / 2.0;
    let _ = writeln!(
        svg,
        "<text x=\"{middle}\" y=\"{:.1}\" text-anchor=\"middle\">{}</text>\n\
         <text x=\"{LEFT}\" y=\"22\">{}: cost by {}</text>",
        BOTTOM + 42.0,
        series.of,
        series.work,
        series.of
    );
    for (number, curve) in series.curves.iter().enumerate() {
        svg.push_str(&line(curve, number, (&across, &up)));
    }
    svg.push_str("</svg>\n");
    svg
}

fn line(curve: &Curve, number: usize, (across, up): (&Axis, &Axis)) -> String {
    let colour = COLOURS[number % COLOURS.len()];
    let shown = curve.points.iter().filter(|(size, cost)| *size > 0.0 && *cost > 0.0);
    let shown: Vec<(f64, f64)> =
        shown.map(|(size, cost)| (across.at(*size), up.at(*cost))).collect();
    let path: Vec<String> = shown.iter().map(|(x, y)| format!("{x:.1},{y:.1}")).collect();
    let mut svg = format!("<polyline stroke=\"{colour}\" points=\"{}\"/>\n", path.join(" "));
    for (x, y) in &shown {
        let _ = writeln!(svg, "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"3\" fill=\"{colour}\"/>");
    }
    let y = TOP + 12.0 + 22.0 * number as f64;
    let exponent = curve.exponent().map_or(String::new(), |it| format!(", exponent {it:.2}"));
    let _ = writeln!(
        svg,
        "<circle cx=\"{:.1}\" cy=\"{:.1}\" r=\"5\" fill=\"{colour}\"/>\
         <text x=\"{:.1}\" y=\"{y:.1}\">{}{exponent}</text>",
        RIGHT + 24.0,
        y - 4.0,
        RIGHT + 36.0,
        curve.name
    );
    svg
}

/// A power of ten as people write it.
fn short(value: f64) -> String {
    match value {
        value if value >= 1e9 => format!("{} G", value / 1e9),
        value if value >= 1e6 => format!("{} M", value / 1e6),
        value if value >= 1e3 => format!("{} k", value / 1e3),
        value => format!("{value}"),
    }
}

#[cfg(test)]
mod tests {
    use super::render;
    use crate::bench::growth::Series;

    #[test]
    fn a_plot_has_a_line_for_each_cost_and_stays_within_its_axes() {
        let mut series = Series::new("files", "files");
        for size in [1e3, 1e4, 1e5] {
            series.add(size, &[("start s", size / 1e5), ("memory MB", 60.0)]);
        }
        let svg = render(&series);
        assert_eq!(svg.matches("<polyline").count(), 2);
        assert!(svg.contains("points=\"70.0,380.0 285.0,"), "{svg}");
        assert!(svg.contains("memory MB, exponent 0.00") || svg.contains("exponent -0.00"));
    }
}
