/**
 * What the command `npm run conformance` does: reads options, sets a device, runs the suite and prints. One line for
 * each failure, one for each group with skipped ops, and the counts last. It touches neither `process` nor its exit
 * status; `cli.ts` does.
 */
import { writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { cpu } from "@dormouse/backend-cpu";
import { reference } from "@dormouse/backend-cpu/reference";
import { webgpu } from "@dormouse/backend-webgpu";
import { setDevice } from "@dormouse/tensor";
import type { Device } from "@dormouse/tensor/graph";
import { readCases } from "./case.ts";
import type { FloatType } from "./checks.ts";
import { readInterop } from "./interop.ts";
import { runSuite } from "./suite.ts";

const USAGE = `npm run -s conformance -- [options]

  --backend NAME   reference, cpu or webgpu (default cpu)
  --cases DIR      folder of cases (default: the ones that come with the repository)
  --group NAME     only this group
  --dtype NAME     only float64 or float32
  --data DIR       folder of data sets; without it, cases that need one are skipped
  --json FILE      also write the results to a file
`;

const backends: Readonly<Record<string, () => Promise<Device>>> = { reference, cpu, webgpu };

/** Something the user can put right: printed without a stack. */
export class UsageError extends Error {}

function deviceNamed(name: string): Promise<Device> {
  const make = backends[name];
  if (make) return make();
  throw new UsageError(`there is no backend '${name}'; use one of ${Object.keys(backends).join(", ")}`);
}

/** Runs the command; resolves to its exit status: 0, or 1 where a case failed. Throws where it cannot run. */
export async function runCommand(parameters: readonly string[], print: (text: string) => void): Promise<number> {
  const { values } = parseArgs({
    args: [...parameters],
    options: {
      backend: { type: "string", default: "cpu" },
      cases: { type: "string", default: fileURLToPath(new URL("../cases", import.meta.url)) },
      group: { type: "string" },
      dtype: { type: "string" },
      data: { type: "string" },
      json: { type: "string" },
      help: { type: "boolean", short: "h", default: false },
    },
  });
  if (values.help) {
    print(USAGE);
    return 0;
  }
  if (values.dtype && values.dtype !== "float64" && values.dtype !== "float32") {
    throw new UsageError(`--dtype is '${values.dtype}'; use float64 or float32`);
  }
  const files = [...readCases(values.cases), ...readInterop(values.cases)];
  const groups = files.map(({ group }) => group);
  if (values.group && !groups.includes(values.group)) {
    throw new UsageError(`there is no group '${values.group}' in ${values.cases}; use one of ${groups.join(", ")}`);
  }
  await using device = await deviceNamed(values.backend);
  setDevice(device);
  const report = await runSuite(files, {
    group: values.group,
    dtype: values.dtype as FloatType | undefined,
    supported: device.backend.capabilities.dtypes,
    data: values.data,
    onFailure: ({ case: id, dtype, message }) => print(`${id}: ${dtype} ${message}\n`),
  });
  for (const [group, ops] of Object.entries(report.unknown)) {
    print(`skipped in ${group}: ${ops.join(", ")}\n`);
  }
  const { passed, failed, skipped } = report;
  if (values.json) {
    const { groups: byGroup, failures } = report;
    writeFileSync(values.json, `${JSON.stringify({ passed, failed, skipped, groups: byGroup, failures }, null, 2)}\n`);
  }
  print(`${passed} passed, ${failed} failed, ${skipped} skipped\n`);
  return failed > 0 ? 1 : 0;
}
