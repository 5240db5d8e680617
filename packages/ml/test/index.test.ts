/** What the umbrella exports: all of every package, and one meaning for each name. */
import { readFileSync } from "node:fs";
import { cpu } from "@dormouse/backend-cpu";
import * as ml from "@dormouse/ml";
import { afterEach, describe, expect, test } from "vitest";

const packages = ["tensor", "autograd", "nn", "losses", "optim", "data", "metrics", "formats", "train"];

describe("exports", () => {
  test.each(packages)("everything of %s is here", async (name) => {
    const part = (await import(`../../${name}/src/index.ts`)) as Record<string, unknown>;
    const umbrella = ml as Record<string, unknown>;
    const missing = Object.keys(part).filter((key) => umbrella[key] !== part[key]);
    // The one name that clashes goes to the training loop; the other meaning has a name of its own.
    expect(missing).toEqual(name === "autograd" ? ["checkpoint"] : []);
    if (name === "autograd") expect(ml.rematerialize).toBe(part["checkpoint"]);
  });

  test("a name that two packages export without a decision is found", async () => {
    // ES modules drop such names silently; the compiler reports them, and so does this list.
    const owners = new Map<string, string[]>();
    for (const name of packages) {
      for (const key of Object.keys((await import(`../../${name}/src/index.ts`)) as object)) {
        owners.set(key, [...(owners.get(key) ?? []), name]);
      }
    }
    expect([...owners].filter(([, names]) => names.length > 1)).toEqual([["checkpoint", ["autograd", "train"]]]);
  });

  test("its package.json names every package that it re-exports", () => {
    const { dependencies } = JSON.parse(readFileSync(new URL("../package.json", import.meta.url), "utf8")) as {
      dependencies: Record<string, string>;
    };
    const named = [...packages, "backend-cpu", "backend-webgpu"].map((name) => `@dormouse/${name}`);
    expect(Object.keys(dependencies).sort()).toEqual(named.sort());
  });
});

describe("the device", () => {
  const first = ml.device();
  afterEach(() => void ml.setDevice(first));

  test("is set by the import, with a reason", async () => {
    expect(ml.picked.name).toBe(first.name);
    expect(ml.picked.reason).toMatch(/^the processor computes, on (one thread|\d+ threads): the host offers no GPU \(no navigator\.gpu\)/);
    expect(await ml.tensor([1, 2, 3]).mul(2).add(1).array()).toEqual([3, 5, 7]);
  });

  test("pickDevice sets a new one", async () => {
    ml.setDevice(null);
    const { name } = await ml.pickDevice();
    expect(ml.device()).not.toBe(first);
    expect(ml.device().name).toBe(name);
  });

  test("a device that the program set earlier stays", async () => {
    const { choose } = await import("../src/device.ts");
    await using own = await cpu({ threads: 1 });
    ml.setDevice(own);
    expect(await choose()).toEqual({ name: own.name, reason: "the program had set it before @dormouse/ml was imported" });
    expect(ml.device()).toBe(own);
  });
});
