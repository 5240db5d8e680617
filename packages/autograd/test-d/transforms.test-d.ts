/** Transforms keep the types of the functions they are given. */
import { type Key, type Tensor, exp, mean, minimum, mul, sin, square, sum } from "@dormouse/tensor";
import { customVjp, grad, hessian, hvp, jacrev, jvp, linearize, valueAndGrad, vjp, vmap } from "@dormouse/autograd";
import { expectType } from "../../../tooling/types/expect.ts";

class Mlp {
  declare readonly weight: Tensor<[10, 784]>;
  #secret = 1;
  forward<N extends number>(x: Tensor<[N, 784]>): Tensor<[N, 784]> {
    return mul(x, this.#secret);
  }
}

declare const model: Mlp;
declare const images: Tensor<[32, 784]>;
declare const x: Tensor;
declare const key: Key;
interface Pair {
  a: Tensor<[2]>;
  b: Tensor<[3]>;
}
declare const pair: Pair;

const loss = (m: Mlp, batch: Tensor<[32, 784]>) => mean(square(m.forward(batch)));
const f = (z: Tensor): Tensor => sum(mul(z, sin(z)));

expectType<[value: Tensor<[]>, gradient: Mlp]>()(valueAndGrad((m: Mlp) => loss(m, images))(model));
expectType<Mlp>()(grad(loss)(model, images));
expectType<Tensor<[32, 784]>>()(grad(loss, { argument: 1 })(model, images));
expectType<[Mlp, Tensor<[32, 784]>]>()(grad(loss, { argument: [0, 1] })(model, images));
expectType<[value: Tensor<[]>, gradient: Mlp, aux: { readonly images: Tensor<[32, 784]> }]>()(
  valueAndGrad((m: Mlp) => [loss(m, images), { images }] as const, { hasAux: true })(model),
);
expectType<Tensor>()(grad(f)(x));
export const assigned: (z: Tensor) => Tensor = grad(f);
// @ts-expect-error -- a gradient needs one tensor, not a tree
grad((z: Tensor) => ({ z }));
// @ts-expect-error -- the arguments stay checked
grad(loss)(images, model);

expectType<[output: Tensor, tangent: Tensor]>()(jvp(f, [x], [x]));
// @ts-expect-error -- one tangent for each primal
jvp(f, [x], []);
expectType<[output: Tensor<[]>, pullback: (cotangent: Tensor<[]>) => [m: Mlp, batch: Tensor<[32, 784]>]]>()(
  vjp(loss, model, images),
);
expectType<[output: Tensor, derivative: (z: Tensor) => Tensor]>()(linearize(f, x));
expectType<Tensor>()(jacrev(f)(x));
expectType<{ a: { a: Tensor; b: Tensor }; b: { a: Tensor; b: Tensor } }>()(
  hessian((p: Pair) => sum(mul(sum(p.a), sum(p.b))))(pair),
);
expectType<[z: Tensor]>()(hvp(f, [x], [x]));

// A batch has another shape than an example.
expectType<Tensor>()(vmap((z: Tensor<[3]>) => exp(z))(x));
expectType<{ loss: Tensor; name: string }>()(vmap((z: Tensor<[3]>) => ({ loss: sum(z), name: "n" }))(x));
expectType<Tensor>()(vmap(grad(f), { in: [0] })(x));
vmap((k: Key, z: Tensor) => mul(z, k.rank), { in: [null, 0] })(key, x);

expectType<Tensor>()(customVjp((z: Tensor) => exp(z), (y) => (ct) => mul(ct, minimum(y, 10)))(x));
customVjp((a: Tensor, b: Tensor) => mul(a, b), (_, a, b) => (ct) => [mul(ct, b), mul(ct, a)]);
// @ts-expect-error -- one cotangent for each argument
customVjp((a: Tensor, b: Tensor) => mul(a, b), (_, a, b) => (ct) => [mul(ct, mul(a, b))]);
