/**
 * Tests run from source: `@dormouse/source` resolves every package of the workspace to its `src`, so that no build is
 * needed. The one exception are tests that start a command as a process; `npm test` builds those.
 */
import { defineConfig } from "vitest/config";

export default defineConfig({
  resolve: { conditions: ["@dormouse/source"] },
  ssr: { resolve: { conditions: ["@dormouse/source"] } },
  test: {
    include: ["{packages,apps,tooling}/*/test/**/*.test.{ts,mjs}"],
    testTimeout: 60_000,
  },
});
