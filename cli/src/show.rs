//! What people read: tables.

use serde_json::Value;

/// A value in one cell.
fn cell(value: &Value) -> String {
    match value {
        Value::Null => "-".to_owned(),
        // What others chose must not steer the terminal.
        Value::String(text) => text.chars().map(|letter| if letter.is_control() { ' ' } else { letter }).collect(),
        Value::Array(all) if all.iter().all(Value::is_string) => all.iter().map(cell).collect::<Vec<_>>().join(" "),
        other => other.to_string(),
    }
}

/// Rows under a heading, each column as wide as it must be.
fn aligned(rows: &[Vec<String>]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or_default();
    let width = |column: usize| rows.iter().filter_map(|row| row.get(column)).map(|text| text.chars().count()).max();
    let widths: Vec<usize> = (0..columns).map(|column| width(column).unwrap_or_default()).collect();
    let line = |row: &Vec<String>| {
        let cells = row.iter().zip(&widths).map(|(text, width)| format!("{text:width$}"));
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned() + "\n"
    };
    rows.iter().map(line).collect()
}

/// A list by these members, or one thing by all of its members.
pub fn table(value: &Value, columns: &[&str]) -> String {
    match value {
        Value::Array(items) => {
            let mut rows = vec![columns.iter().map(|name| name.to_uppercase()).collect::<Vec<_>>()];
            rows.extend(
                items.iter().map(|item| columns.iter().map(|name| cell(item.get(name).unwrap_or(&Value::Null))).collect()),
            );
            aligned(&rows)
        }
        Value::Object(members) => {
            aligned(&members.iter().map(|(name, value)| vec![name.clone(), cell(value)]).collect::<Vec<_>>())
        }
        Value::Null => String::new(),
        other => cell(other) + "\n",
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::table;

    #[test]
    fn columns_line_up_and_control_characters_are_gone() {
        let items = json!([{ "id": "a", "name": "x\u{1b}[2J" }, { "id": "long", "roles": ["b"] }]);
        assert_eq!(table(&items, &["id", "name"]), "ID    NAME\na     x [2J\nlong  -\n");
        assert_eq!(table(&json!({ "a": 1, "list": ["b", "c"] }), &[]), "a     1\nlist  b c\n");
    }
}
