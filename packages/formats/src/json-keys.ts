/**
 * Finds a key that one JSON object holds twice. `JSON.parse` keeps the last of such a pair without a word, and two
 * readers that keep different ones would load different weights from one file.
 */

const token = /"(?:[^"\\]|\\.)*"|[{}[\]:,]|[^\s"{}[\]:,]+/g;

/** The first repeated key of any object in `json` (which must be valid), or null. */
export function repeatedKey(json: string): string | null {
  const open: (Set<string> | null)[] = [];
  let pending: string | null = null;
  for (const [text] of json.matchAll(token)) {
    if (text === "{") open.push(new Set());
    else if (text === "[") open.push(null);
    else if (text === "}" || text === "]") open.pop();
    else if (text === ":" && pending !== null) {
      const key = JSON.parse(pending) as string;
      const keys = open.at(-1)!;
      if (keys.has(key)) return key;
      keys.add(key);
    }
    pending = text.startsWith('"') ? text : null;
  }
  return null;
}
