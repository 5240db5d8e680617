/** Tables as text: columns of words to the left, columns of numbers to the right. */

/** A head, rows and perhaps a last line, in columns as wide as need be, of which the first `left` are of words. */
export function tableText(
  head: readonly string[],
  rows: readonly (readonly string[])[],
  foot: readonly string[] | null = null,
  left = 2,
): string {
  const all = [head, ...rows, ...(foot ? [foot] : [])];
  const widths = head.map((_, column) => Math.max(...all.map((row) => row[column]!.length)));
  const line = (row: readonly string[]): string =>
    row.map((cell, column) => (column < left ? cell.padEnd(widths[column]!) : cell.padStart(widths[column]!))).join("  ");
  const rule = widths.map((width) => "-".repeat(width)).join("  ");
  return [line(head), rule, ...rows.map(line), ...(foot ? [rule, line(foot)] : [])].join("\n");
}
