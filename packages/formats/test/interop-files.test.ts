/**
 * Files that other programs wrote with the reference implementation of safetensors, and files of NumPy and MNIST: read
 * where the environment variable DORMOUSE_DATA names the folder that holds them. Contents were looked at with that
 * implementation and with NumPy.
 */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { cpu } from "@dormouse/backend-cpu";
import { add, conv2d, div, linear, logSoftmax, mul, relu, reshape, setDevice, sqrt, sub, tensor } from "@dormouse/tensor";
import { describe, expect, test } from "vitest";
import { gunzip, readIdx, readNpz, readSafetensors, writeSafetensors } from "../src/index.ts";

const folder = process.env["DORMOUSE_DATA"] ?? "";
const here = (path: string): boolean => folder !== "" && existsSync(join(folder, path));
const load = (path: string): Uint8Array => readFileSync(join(folder, path));

/** Sums of the values of each tensor in float64, by NumPy. */
const files: Record<string, Record<string, { readonly shape: number[]; readonly sum: number }>> = {
  "burn-multi-layer.safetensors": {
    "norm1.num_batches_tracked": { shape: [], sum: 1 },
    "conv1.bias": { shape: [4], sum: 0.3774467371404171 },
    "conv1.weight": { shape: [4, 3, 3, 3], sum: 0.452049087791238 },
    "fc1.bias": { shape: [16], sum: -0.11218494921922684 },
    "fc1.weight": { shape: [16, 256], sum: -3.8182605504989624 },
    "norm1.bias": { shape: [4], sum: 0 },
    "norm1.running_mean": { shape: [4], sum: 0.0753373148618266 },
    "norm1.running_var": { shape: [4], sum: 3.6108431220054626 },
    "norm1.weight": { shape: [4], sum: 4 },
  },
  "candle-jfk-codes.safetensors": { codes: { shape: [1, 2, 828], sum: 960640 } },
  "burn-mnist-cnn.safetensors": {
    "conv1.weight": { shape: [8, 1, 3, 3], sum: -0.2869261570740491 },
    "conv3.weight": { shape: [24, 16, 3, 3], sum: -61.46941277656151 },
    "fc1.weight": { shape: [32, 11616], sum: -335.3114262489783 },
    "norm2.running_var": { shape: [10], sum: 475.1035976409912 },
    "norm2.num_batches_tracked": { shape: [], sum: 7504 },
  },
};

describe("safetensors of other programs (DORMOUSE_DATA)", () => {
  for (const [file, tensors] of Object.entries(files)) {
    const path = join("interop-safetensors", file);
    test.skipIf(!here(path))(file, () => {
      const read = readSafetensors(load(path));
      const again = readSafetensors(writeSafetensors(read.tensors, { metadata: read.metadata }));
      for (const [name, { shape, sum }] of Object.entries(tensors)) {
        for (const got of [read.tensors.get(name)!, again.tensors.get(name)!]) {
          expect(got.shape).toEqual(shape);
          const total = Array.from(got.data as ArrayLike<number | bigint>, Number).reduce((a, b) => a + b, 0);
          expect(Math.abs(total - sum)).toBeLessThanOrEqual(1e-9 * Math.max(1, Math.abs(sum)));
        }
      }
    });
  }
});

describe("NumPy archives and MNIST (DORMOUSE_DATA)", () => {
  const npz = join("calibration", "cifar10-lenet5.npz");
  test.skipIf(!here(npz))("probabilities of a network: rows add up to 1", async () => {
    const arrays = await readNpz(load(npz));
    const { data, shape } = arrays.get("predictions")!;
    expect(shape).toEqual([10000, 10]);
    for (const row of [0, 4999, 9999]) {
      const sum = (data as Float32Array).subarray(10 * row, 10 * row + 10).reduce((a, b) => a + b, 0);
      expect(Math.abs(sum - 1)).toBeLessThan(1e-5);
    }
    expect(arrays.get("ground_truth")!.data).toBeInstanceOf(BigInt64Array);
  });
  const images = join("mnist", "t10k-images-idx3-ubyte.gz");
  test.skipIf(!here(images))("10 000 images through gzip", async () => {
    const { data, shape } = readIdx(await gunzip(load(images)));
    expect(shape).toEqual([10000, 28, 28]);
    expect(data.length).toBe(7840000);
  });
  const network = join("interop-safetensors", "burn-mnist-cnn.safetensors");
  const labels = join("mnist", "t10k-labels-idx1-ubyte.gz");
  test.skipIf(![images, labels, network].every(here))("a network trained elsewhere reads them as it did there", async () => {
    setDevice(await cpu());
    const { tensors } = readSafetensors(load(network));
    const weight = (name: string) => {
      const { data, shape } = tensors.get(name)!;
      return reshape(tensor(data as Float32Array), shape);
    };
    const count = 500;
    const pixels = readIdx(await gunzip(load(images))).data.subarray(0, count * 784) as Uint8Array;
    const classes = readIdx(await gunzip(load(labels))).data.subarray(0, count) as Uint8Array;
    const normalize = (x: ReturnType<typeof weight>, name: string, shape: number[]) => {
      const [mean, variance, scale, shift] = ["running_mean", "running_var", "weight", "bias"].map((part) =>
        reshape(weight(`${name}.${part}`), shape),
      ) as [typeof x, typeof x, typeof x, typeof x];
      return add(mul(div(sub(x, mean), sqrt(add(variance, 1e-5))), scale), shift);
    };
    let x = reshape(tensor(Float32Array.from(pixels, (byte) => (byte / 255 - 0.1307) / 0.3081)), [count, 1, 28, 28]);
    for (const name of ["conv1", "conv2", "conv3"]) {
      x = relu(conv2d(x, weight(`${name}.weight`), { bias: weight(`${name}.bias`) })) as typeof x;
    }
    const flat = reshape(normalize(x, "norm1", [1, 24, 1, 1]), [count, 24 * 22 * 22]);
    const hidden = relu(linear(flat, weight("fc1.weight"), weight("fc1.bias")));
    const outputs = linear(hidden, weight("fc2.weight"), weight("fc2.bias"));
    const logProbabilities = await logSoftmax(normalize(outputs, "norm2", [1, 10])).data();
    // By torch: the first image is a 7, and 99.17 % of all 10 000 are right.
    expect(logProbabilities[7]).toBeCloseTo(-3.7031e-4, 7);
    let right = 0;
    classes.forEach((label, row) => {
      const scores = logProbabilities.subarray(10 * row, 10 * row + 10);
      if (scores.indexOf(Math.max(...scores)) === label) right++;
    });
    expect(right / count).toBeGreaterThan(0.98);
  });
});
