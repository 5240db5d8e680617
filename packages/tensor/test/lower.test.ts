/** Random graphs: lowered programs on the reference backend against a naive interpreter of the graph itself. */
import { createReferenceBackend } from "@dormouse/backend-cpu/reference";
import { interpret, randomGraph } from "@dormouse/testing";
import { expect, test } from "vitest";
import type { Tensor } from "../src/core/tensor.ts";
import { viewOf } from "../src/core/dtype.ts";
import { lower } from "../src/lower/lower.ts";
import { HostStorage } from "../src/run/storage.ts";

const GRAPHS = Number(process.env.DORMOUSE_GRAPHS ?? 400);

export async function runLowered(inputs: readonly Tensor[], outputs: readonly Tensor[], fuse: boolean): Promise<ArrayLike<number>[]> {
  const backend = createReferenceBackend();
  const { program, results } = lower({ inputs, outputs }, { key: "test", fuse });
  const given = inputs.map((tensor) => {
    const { data } = tensor.storage as HostStorage;
    const buffer = backend.alloc(data.byteLength);
    backend.write(buffer, data);
    return buffer;
  });
  const made = program.outputs.map((spec) => backend.alloc(spec.length * 8));
  backend.run(await backend.compile(program), [...given, ...made]);
  return Promise.all(
    outputs.map(async (tensor, i) => {
      const place = results[i]!;
      const buffer = (place.space === "input" ? given : made)[place.index]!;
      const bytes = tensor.size * (tensor.dtype === "float64" ? 8 : tensor.dtype === "bool" ? 1 : 4);
      return viewOf(tensor.dtype, await backend.read(buffer, 0, bytes));
    }),
  );
}

for (const fuse of [true, false]) {
  test(`${GRAPHS} random graphs, ${fuse ? "fused" : "one kernel per operation"}`, async () => {
    for (let seed = 1; seed <= GRAPHS; seed++) {
      const { inputs, outputs } = randomGraph(seed, 4 + (seed % 14), "float64");
      const want = interpret(outputs);
      let got: ArrayLike<number>[];
      try {
        got = await runLowered(inputs, outputs, fuse);
      } catch (failure) {
        throw new Error(`seed ${seed}: ${(failure as Error).stack}`);
      }
      outputs.forEach((output, i) => {
        for (let n = 0; n < want[i]!.length; n++) {
          const [a, b] = [got[i]![n]!, want[i]![n]!];
          const close = Object.is(a, b) || a === b || Math.abs(a - b) <= 1e-9 * (1 + Math.abs(b));
          if (!close) expect.fail(`seed ${seed}: output ${i} (${output.op} [${output.shape.join(", ")}]) element ${n}: ${a} instead of ${b}`);
        }
      });
    }
  });
}
