/** The data that needs no file: digits drawn by `@dormouse/data`, 12 000 of them to learn from. */
import { digits } from "@dormouse/data";
import { classification } from "../schema.ts";
import type { Settings } from "../settings.ts";
import type { Problem } from "./source.ts";

/** Examples to learn from, and in each of the other three parts. */
const trainCount = 12_000;
const otherCount = 2_000;

/** Draws the digits; `limit` shrinks all parts alike. */
export function digitParts({ seed, data: { limit } }: Pick<Settings, "seed" | "data">): Problem {
  const total = trainCount + 3 * otherCount;
  const count = Math.min(limit ?? total, total);
  const others = Math.max(1, Math.floor((count * otherCount) / total));
  const all = digits({ count: Math.max(count, 4), seed });
  const start = all.length - 3 * others;
  return {
    schema: {
      format: "dormouse-schema/1",
      task: classification("digit", Array.from("0123456789")),
      input: { kind: "image", height: 28, width: 28 },
    },
    // Images are drawn independently of each other, so consecutive ones are as good as shuffled ones.
    parts: {
      train: all.slice(0, start),
      validation: all.slice(start, start + others),
      calibration: all.slice(start + others, start + 2 * others),
      test: all.slice(start + 2 * others),
    },
    notes: [],
  };
}
