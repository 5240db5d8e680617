/** What the model sees of each column of a table, and how much it relies on it. */
import { type Feature, importances } from "../importance.ts";
import type { ConclusionInput } from "../results.ts";
import { type Section, folded, list, show, table } from "./page.ts";

/** A row for each column that is used; null for images. */
export async function columnsSection({ model, problem: { schema, parts }, settings: { seed } }: ConclusionInput): Promise<Section | null> {
  const { task, input } = schema;
  if (input.kind !== "table") return null;
  const { features, setAside } = input.features;
  const found = await importances(model, task, input.features, parts.test, seed);
  const most = Math.max(...found, Number.MIN_VALUE);
  const order = Array.from(found.keys()).sort((a, b) => found[b]! - found[a]!);
  const rows = order.map((i) => [features[i]!.name, { share: found[i]! / most, text: found[i]!.toFixed(4).replace("-", "−") }, kindOf(features[i]!), valuesOf(features[i]!)]);
  const words = `<p>How much the model relies on each column: by how much its loss on test examples grows when the values of the column are shuffled among them. Columns that say the same stand in for each other, and each alone then seems to matter less.</p>\n`;
  const unused = setAside.length === 0 ? "" : folded(`${setAside.length} columns are not used`, list(setAside));
  return {
    word: "Columns", heading: `What decides ${task.name}`,
    content: words + table("Columns of the data", ["column", "loss grows by", "kind", "values in the training part"], rows, { words: [2, 3] }) + unused,
  };
}

const kindOf = ({ kind, ...feature }: Feature): string =>
  ({ number: "number", category: "category", binary: "two values" })[kind] + ("indicator" in feature && feature.indicator ? ", some missing" : "");

function valuesOf(feature: Feature): string {
  if (feature.kind === "number") return `center ${show(feature.center)}, scale ${show(feature.scale)}`;
  const { levels } = feature;
  const first = levels.slice(0, 5).join(", ");
  return levels.length > 5 ? `${levels.length} levels: ${first}, …` : first;
}
