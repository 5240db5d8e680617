import { defineConfig } from "tsup";

export default defineConfig({
  entry: ["src/index.ts", "src/reference.ts"],
  format: "esm",
  target: "es2023",
  dts: false,
  clean: false,
  sourcemap: true,
  treeshake: true,
});
