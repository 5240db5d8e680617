/**
 * Compiled shaders, one for each text: programs share kernels, and a kernel compiles once for a device. Compilation is
 * asynchronous and never blocks the thread. Owns pipelines and the layouts of their bindings; refuses buffers.
 */
import { DeviceError } from "@dormouse/tensor";

/** How far compilation is, counted since the device was made. */
export interface CompileProgress {
  readonly done: number;
  readonly total: number;
}

/** A pipeline and the layout that its bind groups have. */
export interface Pipeline {
  readonly gpu: GPUComputePipeline;
  readonly layout: GPUBindGroupLayout;
}

const COMPUTE_STAGE = 4;

export class PipelineCache {
  readonly #device: GPUDevice;
  readonly #onCompile: ((progress: CompileProgress) => void) | undefined;
  readonly #pipelines = new Map<string, Pipeline | Promise<Pipeline>>();
  readonly #layouts = new Map<string, { readonly group: GPUBindGroupLayout; readonly pipeline: GPUPipelineLayout }>();
  #done = 0;
  #total = 0;

  constructor(device: GPUDevice, onCompile: ((progress: CompileProgress) => void) | undefined) {
    this.#device = device;
    this.#onCompile = onCompile;
  }

  /** Pipelines compiled so far. */
  get compiled(): number {
    return this.#done;
  }

  /** Whether shaders were asked for, and all of them are there. */
  get isSettled(): boolean {
    return this.#total > 0 && this.#done === this.#total;
  }

  /** The pipeline of a shader, at once if it is known. `what` names the kernel in an error. */
  get(wgsl: string, writable: readonly boolean[], what: string): Pipeline | Promise<Pipeline> {
    const known = this.#pipelines.get(wgsl);
    if (known) return known;
    const made = this.#compile(wgsl, writable, what);
    this.#pipelines.set(wgsl, made);
    made.then(
      (pipeline) => this.#pipelines.set(wgsl, pipeline),
      () => this.#pipelines.delete(wgsl),
    );
    return made;
  }

  async #compile(wgsl: string, writable: readonly boolean[], what: string): Promise<Pipeline> {
    this.#total++;
    const layout = this.#layout(writable);
    // The pipeline reports an error of its module; the scope keeps it from being reported twice.
    this.#device.pushErrorScope("validation");
    const module = this.#device.createShaderModule({ code: wgsl, label: what });
    void this.#device.popErrorScope();
    try {
      const gpu = await this.#device.createComputePipelineAsync({
        label: what,
        layout: layout.pipeline,
        compute: { module, entryPoint: "main" },
      });
      return { gpu, layout: layout.group };
    } catch (cause) {
      const { messages } = await module.getCompilationInfo();
      const lines = messages.filter(({ type }) => type === "error").map(({ lineNum, message }) => `line ${lineNum}: ${message}`);
      throw new DeviceError("webgpu", `the shader of ${what} does not compile (${lines.join("; ") || String(cause)})`, {
        received: wgsl,
        hint: "this is a bug in Dormouse or in the driver, please report it",
      });
    } finally {
      this.#done++;
      this.#onCompile?.({ done: this.#done, total: this.#total });
    }
  }

  #layout(writable: readonly boolean[]): { readonly group: GPUBindGroupLayout; readonly pipeline: GPUPipelineLayout } {
    const key = writable.map(Number).join("");
    let layout = this.#layouts.get(key);
    if (!layout) {
      const entries = writable.map((mayWrite, binding): GPUBindGroupLayoutEntry => ({
        binding,
        visibility: COMPUTE_STAGE,
        buffer: { type: mayWrite ? "storage" : "read-only-storage" },
      }));
      const group = this.#device.createBindGroupLayout({ entries });
      layout = { group, pipeline: this.#device.createPipelineLayout({ bindGroupLayouts: [group] }) };
      this.#layouts.set(key, layout);
    }
    return layout;
  }
}
