/** A small problem and a small model, which every test of the loop trains. */
import { blobs } from "@dormouse/data";
import { crossEntropy } from "@dormouse/losses";
import { accuracy } from "@dormouse/metrics";
import { Dropout, Linear, Sequential } from "@dormouse/nn";
import { adam } from "@dormouse/optim";
import { foldIn, key, relu } from "@dormouse/tensor";
import type { EpochReport, FitOptions } from "@dormouse/train";

/** Two inputs, seven hidden units, three classes; dropout, so that random numbers matter. */
export const smallModel = (seed = 3) =>
  new Sequential(
    new Linear(2, 7, { key: foldIn(key(seed), 0) }),
    relu,
    new Dropout(0.1),
    new Linear(7, 3, { key: foldIn(key(seed), 1) }),
  );

export type SmallModel = ReturnType<typeof smallModel>;

const points = blobs({ count: 131, seed: 5 });

/** 97 examples to train on, so that the last batch is not full, and 34 to validate. */
export const small = (changes: Partial<FitOptions<SmallModel>> = {}): FitOptions<SmallModel> => ({
  data: { train: points.slice(0, 97), validation: points.slice(97) },
  loss: crossEntropy,
  metrics: { accuracy },
  optimizer: adam({ learningRate: 0.02 }),
  epochs: 4,
  batch: 16,
  seed: 1,
  ...changes,
});

/** A history without the times, which differ from run to run. */
export const scoresOf = (history: readonly EpochReport[]) => history.map(({ epoch, train, validation }) => ({ epoch, train, validation }));
