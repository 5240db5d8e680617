import { defineConfig } from "vitest/config";

export default defineConfig({
  resolve: { conditions: ["@dormouse/source"] },
  ssr: { resolve: { conditions: ["@dormouse/source"] } },
  test: {
    include: ["{packages,apps,tooling}/*/test/**/*.test.ts"],
    testTimeout: 60_000,
  },
});
