/** A run that is over, read back: its settings, what its model takes and gives, and the model with its best weights. */
import { readFileSync } from "node:fs";
import type { Source } from "@dormouse/data";
import type { Tensor } from "@dormouse/tensor";
import { load } from "@dormouse/train";
import { type Calibrated, type Calibration, calibrated, readCalibration } from "./calibration.ts";
import { Failure } from "./failure.ts";
import { readSettings } from "./layers.ts";
import { type Network, buildModel, combined } from "./models.ts";
import { predictAll } from "./predictions.ts";
import { type RunFolder, openTrainedFolder } from "./runFolder.ts";
import { type Schema, readSchema } from "./schema.ts";
import { type PartialSettings, type Settings, resolveSettings } from "./settings.ts";
import { readingKeys } from "./sources/reading.ts";

export interface TrainedRun {
  readonly folder: RunFolder;
  readonly settings: Settings;
  readonly schema: Schema;
}

/** Opens a run folder; `given` may name another device, and say how files of rows are read. */
export async function openRun(path: string, given: PartialSettings): Promise<TrainedRun> {
  const folder = openTrainedFolder(path);
  const before = readSettings(folder.at("config.resolved.yaml"));
  const settings = resolveSettings(before.data.source, before, {
    ...(given.device !== undefined && { device: given.device }),
    ...(given.threads !== undefined && { threads: given.threads }),
  });
  return { folder, settings, schema: readAs(await readSchema(folder.at("schema.json")), given) };
}

/** The schema of a model for files that are not written as the one it was trained on. */
function readAs(schema: Schema, { data = {} }: PartialSettings): Schema {
  if (schema.input.kind !== "table") return schema;
  const given = Object.fromEntries(readingKeys.flatMap((key) => (data[key] === undefined ? [] : [[key, data[key]]])));
  return { ...schema, input: { ...schema.input, reading: { ...schema.input.reading, ...given } } };
}

/** The model of a run; needs a device. */
export async function loadModel({ folder, settings, schema }: TrainedRun): Promise<Network> {
  const model = folder.has("members.json") ? ensembleModel(folder, settings, schema) : buildModel(settings, schema);
  try {
    return (await load(folder.best, { model })).model;
  } catch (error) {
    throw new Failure("usage", `${folder.best} cannot be read: ${(error as Error).message}`);
  }
}

/** The model of an ensemble of runs, which need not be alike: the file lists the settings of their models. */
function ensembleModel(folder: RunFolder, { seed }: Settings, schema: Schema): Network {
  const members = JSON.parse(readFileSync(folder.at("members.json"), "utf8")) as readonly Pick<Settings, "model">[];
  return combined(members.map(({ model }) => buildModel({ model, seed }, schema)));
}

/** The calibration of a run; null for one that ended before it had any. */
export const calibrationOf = async ({ folder }: TrainedRun): Promise<Calibration | null> =>
  folder.has("calibration.json") ? readCalibration(folder.at("calibration.json")) : null;

/** What a run says about examples: its model with its calibration. Needs a device. */
export async function predictor(run: TrainedRun): Promise<(source: Source<{ readonly x: Tensor }>) => Promise<Calibrated>> {
  const { task } = run.schema;
  const [model, calibration] = [await loadModel(run), await calibrationOf(run)];
  return async (source) => calibrated(task, await predictAll(model, task, source), calibration);
}
