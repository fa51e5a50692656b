//! Bars over time as an SVG, and the same as a table for who cannot see them.

/// Width and height of the drawing, in its own units.
const WIDTH: i64 = 720;
const HEIGHT: i64 = 160;

/// Series that have a look of their own.
const MOST_SERIES: usize = 5;

/// A chart: bars of several series, one on the other, over equal steps of time.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Chart {
    /// What it shows.
    pub title: String,
    /// The bars.
    pub bars: Vec<Bar>,
    /// The most that a step has in all.
    pub most: i64,
    /// First and last step, in words.
    pub ends: (String, String),
    /// Series: class, name, and how many in all.
    pub series: Vec<(String, String, i64)>,
    /// Steps that have any: when, and how many of each series.
    pub rows: Vec<(String, Vec<i64>)>,
}

/// A bar.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bar {
    /// Class of its series.
    pub class: String,
    /// Left.
    pub x: i64,
    /// Top.
    pub y: i64,
    /// Width.
    pub width: i64,
    /// Height.
    pub height: i64,
    /// In words.
    pub words: String,
}

impl Chart {
    /// Of series (name, and a count for each step) over steps named by `names`.
    pub fn new(title: &str, names: &[String], mut series: Vec<(String, Vec<i64>)>) -> Self {
        let total = |counts: &[i64]| counts.iter().sum::<i64>();
        series.sort_by_key(|(name, counts)| (std::cmp::Reverse(total(counts)), name.clone()));
        // What has no look of its own is shown together.
        if let Some(others) = (series.len() > MOST_SERIES).then(|| series.split_off(MOST_SERIES - 1)) {
            let sum = (0..names.len()).map(|step| others.iter().filter_map(|(_, counts)| counts.get(step)).sum()).collect();
            series.push(("others".to_owned(), sum));
        }
        let of = |step: usize| series.iter().map(move |(_, counts)| counts.get(step).copied().unwrap_or_default());
        let most = (0..names.len()).map(|step| of(step).sum()).max().unwrap_or_default();
        let steps = i64::try_from(names.len()).unwrap_or(1).max(1);
        let (mut bars, mut rows) = (Vec::new(), Vec::new());
        for (step, name) in names.iter().enumerate() {
            let place = i64::try_from(step).unwrap_or_default();
            let (left, right) = (place * WIDTH / steps, (place + 1) * WIDTH / steps);
            let mut below = 0;
            for (number, count) in of(step).enumerate().filter(|(_, count)| *count > 0) {
                let (bottom, top) = (height(below, most), height(below + count, most));
                below += count;
                let series = series.get(number).map(|(name, _)| name.as_str()).unwrap_or_default();
                bars.push(Bar {
                    class: format!("bar-{}", number + 1),
                    x: left,
                    y: HEIGHT - top,
                    width: (right - left - 1).max(1),
                    height: (top - bottom).max(1),
                    words: format!("{name}: {count} {series}"),
                });
            }
            if of(step).any(|count| count > 0) {
                rows.push((name.clone(), of(step).collect()));
            }
        }
        let end = |name: Option<&String>| name.cloned().unwrap_or_default();
        let told = series.iter().enumerate();
        let told = told.map(|(number, (name, counts))| (format!("bar-{}", number + 1), name.clone(), total(counts)));
        Self { title: title.to_owned(), bars, most, ends: (end(names.first()), end(names.last())), series: told.collect(), rows }
    }
}

/// How high so many of the most are.
fn height(count: i64, most: i64) -> i64 {
    count.saturating_mul(HEIGHT) / most.max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(n: usize) -> Vec<String> {
        (0..n).map(|step| format!("step {step}")).collect()
    }

    #[test]
    fn bars_stand_on_each_other_and_fill_the_height() {
        let chart = Chart::new("x", &names(3), vec![("a".to_owned(), vec![1, 0, 0]), ("b".to_owned(), vec![3, 2, 0])]);
        assert_eq!((chart.most, chart.bars.len(), chart.rows.len()), (4, 3, 2));
        let first: Vec<&Bar> = chart.bars.iter().filter(|bar| bar.x == 0).collect();
        assert_eq!(first.iter().map(|bar| bar.height).sum::<i64>(), HEIGHT);
        assert_eq!(first.iter().map(|bar| bar.y).min(), Some(0));
        assert_eq!(chart.series, [("bar-1".to_owned(), "b".to_owned(), 5), ("bar-2".to_owned(), "a".to_owned(), 1)]);
        assert!(chart.bars.iter().all(|bar| bar.x + bar.width <= WIDTH && bar.y >= 0 && bar.y + bar.height <= HEIGHT));
    }

    #[test]
    fn nothing_and_much_are_charts_too() {
        let empty = Chart::new("x", &names(24), Vec::new());
        assert!(empty.bars.is_empty() && empty.most == 0 && empty.ends.1 == "step 23");
        let many = (0..9).map(|number| (format!("s{number}"), vec![i64::from(number) + 1; 168])).collect();
        let chart = Chart::new("x", &names(168), many);
        assert_eq!(chart.series.last().unwrap(), &("bar-5".to_owned(), "others".to_owned(), 15 * 168));
        assert_eq!(Chart::new("x", &[], Vec::new()).bars, []);
    }
}
