/**
 * How much a model relies on each column of a table: how much its loss grows when the values of the column are dealt
 * out anew among the examples. Breiman, 2001; Fisher, Rudin and Dominici, 2019. Columns that say the same stand in for
 * each other, so that each alone can seem unimportant.
 */
import { type FeaturesJson, Random, dataset, featuresFromJSON } from "@dormouse/data";
import { tensor } from "@dormouse/tensor";
import type { Network } from "./models.ts";
import { predictAll } from "./predictions.ts";
import type { Task } from "./schema.ts";
import type { Parts } from "./sources/source.ts";
import { objectiveOf } from "./tasks.ts";

/** More examples would make the estimate hardly better. */
const mostExamples = 2000;

/** A column of the data, as the model sees it. */
export type Feature = FeaturesJson["features"][number];

/** By how much the loss grows for each feature, in their order; negative by chance for columns that say nothing. */
export async function importances(model: Network, task: Task, json: FeaturesJson, examples: Parts["test"], seed: number): Promise<number[]> {
  const some = examples.take(Math.min(examples.length, mostExamples));
  const { data, shape } = some.field("x");
  const { loss } = objectiveOf(task);
  const targets = some.field("y").data;
  const y = task.kind === "regression" ? tensor(Float64Array.from(targets), { shape: [some.length, 1], dtype: "float64" }) : tensor(Int32Array.from(targets), { dtype: "int32" });
  const lossOf = async (x: Float32Array): Promise<number> => {
    const { outputs } = await predictAll(model, task, dataset({ x: { data: x, shape: [...shape] } }));
    return loss(outputs, y).item();
  };
  const width = shape[1]!;
  const before = await lossOf(data as Float32Array);
  const found: number[] = [];
  let first = 0;
  for (const [place, feature] of json.features.entries()) {
    const columns = featuresFromJSON({ ...json, features: [feature] }).names.length;
    const order = new Random(seed, place).permutation(some.length);
    const changed = Float32Array.from(data as Float32Array);
    for (let row = 0; row < some.length; row++) {
      const from = order[row]! * width + first;
      changed.set((data as Float32Array).subarray(from, from + columns), row * width + first);
    }
    found.push((await lossOf(changed)) - before);
    first += columns;
  }
  return found;
}
