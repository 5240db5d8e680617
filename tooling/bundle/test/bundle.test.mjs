import { expect, test } from "vitest";
import { bundle, checkFixture, fixtures } from "../bundle.mjs";

test.each(fixtures())("$name stays under its ceiling", async (fixture) => {
  expect(await checkFixture(fixture)).toEqual([]);
});

test("a bundle above its ceiling, or with a word it should not have, is refused", async () => {
  const code = "console.log('sleeping dormouse');";
  const { kibibytes } = await bundle(code);
  expect(kibibytes).toBeGreaterThan(0);
  expect(await checkFixture({ name: "small", code, ceiling: 1, absent: ["badger"] })).toEqual([]);
  expect(await checkFixture({ name: "small", code, ceiling: 0.01, absent: ["dormouse"] })).toEqual([
    "small: the bundle contains dormouse",
    expect.stringMatching(/^small: 0\.0\d KiB gzipped, above the ceiling of 0\.01$/),
  ]);
});
