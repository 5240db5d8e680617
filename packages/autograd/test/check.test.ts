/** `checkGrads`: what it accepts, what it finds, and what it says. */
import { beforeAll, describe, expect, it } from "vitest";
import { reference } from "@dormouse/backend-cpu/reference";
import { type Tensor, cast, cos, exp, matmul, mul, setDevice, square, sum, tanh, tensor } from "@dormouse/tensor";
import { type CallRule, primitive } from "@dormouse/tensor/graph";
import { checkGrads, customVjp } from "../src/index.ts";

beforeAll(async () => {
  setDevice(await reference());
});

class Layer {
  readonly weight = tensor([[0.3, -0.2, 0.9], [1.1, 0.4, -0.7]]);
  readonly bias = tensor([0.1, -0.1]);
  readonly steps = tensor([3], { dtype: "int32" });
  forward(x: Tensor): Tensor {
    return tanh(matmul(this.weight, x));
  }
}

describe("checkGrads", () => {
  it("passes a right derivative and reports the worst element", async () => {
    const report = await checkGrads((layer: Layer, x: Tensor) => layer.forward(x), [new Layer(), tensor([1, 2, 3])]);
    expect(report.checked).toBe(6 + 2 + 3);
    expect(report.worst!.excess).toBeLessThan(1);
    expect(report.worst!.path).toMatch(/^argument [01](\.weight|\.bias)?\[\d(, \d)?\]$/);
  });

  it("names the worst element of a wrong derivative", async () => {
    const wrong = customVjp((x: Tensor) => square(x), (_, x) => (ct) => mul(ct, mul(x, x)));
    const check = checkGrads((p: { inner: Tensor }) => sum(wrong(p.inner)), [{ inner: tensor([[2, 0], [2, 5]]) }]);
    await expect(check).rejects.toThrow(
      /^checkGrads: the derivative by argument 0\.inner\[1, 1\] is 25 and .* give (10|9\.99)\S* \(1 of 4 elements/,
    );
    await expect(check).rejects.toMatchObject({ name: "TransformError", received: 25 });
  });

  it("finds modes that disagree", async () => {
    const hole = primitive.placeholder([], "float64");
    const body = { inputs: [hole], output: primitive.sin(hole) };
    const rule: CallRule = ([x]) => {
      const transpose = (ct: Tensor): Tensor => mul(ct, cos(x!));
      return [{ transpose, apply: (t) => mul(transpose(t), 2) }];
    };
    const bent = (x: Tensor): Tensor => primitive.call([x], { name: "bent", body, rule });
    await expect(checkGrads(bent, [tensor(0.5)])).rejects.toThrow(
      /^checkGrads: forward mode gives 1\.47\d+ along a direction and reverse mode 0\.73\d+/,
    );
  });

  it("wants float64 to stay float64", async () => {
    await expect(checkGrads((x: Tensor) => cast(exp(x), "float32"), [tensor([1])])).rejects.toThrow(
      /^checkGrads: the function returned float32 for float64 arguments/,
    );
    await expect(checkGrads(() => tensor([1], { dtype: "int32" }), [])).rejects.toThrow(
      /^checkGrads: the function returned integers/,
    );
  });

  it("checks nothing where there is nothing", async () => {
    const report = await checkGrads((x: Tensor) => sum(x), [tensor(new Float32Array(0))]);
    expect(report).toEqual({ checked: 0, worst: null });
  });
});
