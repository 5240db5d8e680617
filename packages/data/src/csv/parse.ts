/**
 * Delimited text to rows of cells (RFC 4180): quotes with doubled quotes inside, line feeds inside quotes, any line
 * end, and columns separated by runs of blanks. Also finds out which delimiter a text uses. Knows nothing of types.
 */
import { ValueError } from "@dormouse/tensor";

/** What separates the cells of a row; `blanks` is any run of spaces and tabs. */
export type Delimiter = "," | ";" | "\t" | "|" | "blanks";

/** A row and where it came from. */
export interface Row {
  readonly cells: string[];
  /** Number of the line it begins on, from 1. */
  readonly line: number;
}

const candidates: readonly Delimiter[] = [",", ";", "\t", "|", "blanks"];

/** Rows of `text`. Empty lines, and lines that begin with `comment`, are left out. Blanks around cells are too. */
export const parseRows = (text: string, delimiter: Delimiter, comment?: string, limit = Infinity): Row[] =>
  parsePart(text, delimiter, comment, { limit }).rows;

/** What `parsePart` read of a text. */
export interface ParsedPart {
  readonly rows: Row[];
  /** Characters that belong to `rows`; in a text that goes on, those after them are to be given again with the rest. */
  readonly consumed: number;
  /** Number of the line after them. */
  readonly line: number;
}

/** As `parseRows`, from line `line` on; a text that `goesOn` ends where its last whole row does. */
export function parsePart(
  text: string,
  delimiter: Delimiter,
  comment: string | undefined,
  options: { readonly limit?: number; readonly line?: number; readonly goesOn?: boolean },
): ParsedPart {
  const { limit = Infinity, line: firstLine = 1, goesOn = false } = options;
  const rows: Row[] = [];
  const blanks = delimiter === "blanks";
  const length = text.length;
  const isGap = (at: number): boolean => text[at] === " " || (text[at] === "\t" && delimiter !== "\t");
  const isEnd = (at: number): boolean => at >= length || text[at] === "\n" || text[at] === "\r";
  const isBreak = (at: number): boolean => isEnd(at) || (blanks ? isGap(at) : text[at] === delimiter);
  let at = 0;
  let line = firstLine;
  const skipGaps = (): void => {
    while (at < length && isGap(at)) at++;
  };
  const skipLineEnd = (): void => {
    if (text[at] === "\r" && text[at + 1] === "\n") at++;
    at++;
    line++;
  };
  /** Whether more text could still change what ends here: a line feed after a carriage return belongs to it. */
  const mayGoOn = (): boolean => goesOn && (at >= length || (text[at] === "\r" && at + 1 === length));
  while (at < length && rows.length < limit) {
    const start = { at, line };
    const incomplete = (): ParsedPart => ({ rows, consumed: start.at, line: start.line });
    if (comment && text.startsWith(comment, at)) {
      while (!isEnd(at)) at++;
      if (mayGoOn()) return incomplete();
      skipLineEnd();
      continue;
    }
    const row: Row = { cells: [], line };
    for (;;) {
      skipGaps();
      if (blanks && isEnd(at)) break;
      if (text[at] === '"') {
        const cell = quoted();
        if (cell === null) return incomplete();
        row.cells.push(cell);
        skipGaps();
        if (!isBreak(at) && !(blanks && isGap(at - 1))) {
          throw new ValueError("readCsv", `line ${line}: ${JSON.stringify(text[at])} follows a closing quote`, {
            hint: 'write a quote inside a cell twice: ""',
          });
        }
      } else {
        const start = at;
        while (!isBreak(at)) at++;
        row.cells.push(text.slice(start, at).trimEnd());
      }
      if (isEnd(at)) break;
      if (!blanks) at++;
    }
    if (mayGoOn()) return incomplete();
    if (row.cells.length > 1 || (row.cells.length === 1 && row.cells[0] !== "")) rows.push(row);
    skipLineEnd();
  }
  return { rows, consumed: Math.min(at, length), line };

  /** The cell between quotes from `at` on; null where it may be closed in text that is still to come. */
  function quoted(): string | null {
    const opened = line;
    let cell = "";
    at++;
    for (;;) {
      const close = text.indexOf('"', at);
      if (close < 0) {
        if (goesOn) return null;
        throw new ValueError("readCsv", `line ${opened}: a quote is opened and never closed`, {
          hint: 'close it, or write it twice: ""',
        });
      }
      const piece = text.slice(at, close);
      for (let i = 0; i < piece.length; i++)
        if (piece[i] === "\n" || (piece[i] === "\r" && piece[i + 1] !== "\n")) line++;
      cell += piece;
      at = close + 1;
      if (text[at] !== '"') return cell;
      cell += '"';
      at++;
    }
  }
}

/**
 * The delimiter that cuts the first rows into the same number of cells, the largest such number if several do. Null for
 * text of one column.
 */
export function detectDelimiter(text: string, comment?: string): Delimiter | null {
  let best: Delimiter | null = null;
  let most = 0;
  for (const delimiter of candidates) {
    let rows: Row[];
    try {
      rows = parseRows(text, delimiter, comment, 50);
    } catch {
      // Quotes that make no sense with this delimiter speak against it.
      continue;
    }
    const counts = new Map<number, number>();
    for (const { cells } of rows) counts.set(cells.length, (counts.get(cells.length) ?? 0) + 1);
    const [columns, agreeing] = [...counts].sort((a, b) => b[1] - a[1])[0] ?? [1, 0];
    if (columns < 2) continue;
    // Agreement first. Blanks also occur inside cells, so they count only where nothing else does as well; a tab that
    // stands among columns aligned with blanks is one of them.
    const aligned =
      delimiter === "\t" &&
      rows.filter(({ cells }) => cells.some((cell) => /\S {2,}\S/.test(cell))).length > rows.length / 2;
    const score =
      agreeing / rows.length + (delimiter === "blanks" || aligned ? 0 : 0.5) + Math.min(columns, 999) / 10_000;
    if (score > most && agreeing > rows.length / 2) {
      most = score;
      best = delimiter;
    }
  }
  return best;
}
