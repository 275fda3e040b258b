//! Columns that line up.

/// `rows` as lines, each column as wide as its widest cell and two spaces from the next.
pub(crate) fn table<const N: usize>(rows: &[[String; N]]) -> Vec<String> {
    let widths: [usize; N] = std::array::from_fn(|column| {
        rows.iter()
            .filter_map(|row| row.get(column))
            .map(|cell| cell.chars().count())
            .max()
            .unwrap_or_default()
    });
    rows.iter()
        .map(|row| {
            let cells: Vec<String> = row
                .iter()
                .zip(widths)
                .map(|(cell, width)| format!("{cell:<width$}"))
                .collect();
            cells.join("  ").trim_end().to_owned()
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up_by_characters() {
        let row = |cells: [&str; 3]| cells.map(str::to_owned);
        assert_eq!(
            table(&[row(["a", "é–", ""]), row(["bcd", "x", "last"])]),
            ["a    é–", "bcd  x   last"]
        );
        assert!(table::<2>(&[]).is_empty());
    }
}
