/** The beginning of the story: a neuron that only fires, one that learns, a network of them, and one with a slope. */
import { valueAndGrad } from "@dormouse/autograd";
import { cpu } from "@dormouse/backend-cpu";
import { mcCullochPitts, perceptron, sigmoidNeuron, towers, truthTable, truthTableNetwork } from "@dormouse/nn";
import { sgd } from "@dormouse/optim";
import { mul, setDevice, square, sub, sum, tensor } from "@dormouse/tensor";

const or = mcCullochPitts({ inputs: 2, threshold: 1 });
console.log(or.fire([0, 1])); // 1
console.log(truthTable(or).map(({ output }) => output)); // [ 0, 1, 1, 1 ]

const points = [[1, 1], [0, -1], [-2, 1], [2, -2]];
const labels = [1, 0, 0, 0];
const p = perceptron({ inputs: 2 }).fit(points, labels);
console.log(p.errors); // [ 3, 1, 0 ]
console.log(p.message, p.weights, p.bias); // separated in 3 epochs [ 1, 3 ] -2

// No line separates the two classes of xor: one perceptron does not learn it, and says so. A network of them has it.
const corners = [[0, 0], [0, 1], [1, 0], [1, 1]];
const xor = [0, 1, 1, 0];
console.log(perceptron({ inputs: 2 }).fit(corners, xor, { epochs: 50 }).message); // not separable within 50 epochs: …
setDevice(await cpu());
console.log(await truthTableNetwork(xor).forward(tensor(corners)).array()); // [ [ 0 ], [ 1 ], [ 1 ], [ 0 ] ]

// A smooth threshold has a gradient: one step of gradient descent on ½(ŷ - y)².
const neuron = sigmoidNeuron({ inputs: 1, weights: [2], bias: 1 });
const loss = (n: typeof neuron) => mul(sum(square(sub(n.forward(tensor([0])), 1))), 0.5);
const [before, gradient] = valueAndGrad(loss)(neuron);
const optimizer = sgd({ learningRate: 10 });
const [next] = optimizer.update(gradient, optimizer.init(neuron), neuron);
console.log((await before.item()).toFixed(4), (await loss(next).item()).toFixed(4)); // 0.0362 0.0159

// Enough steep sigmoids make any function, here to a mean error of 2 %.
const { count, error } = towers(Math.sin, { range: [0, 6], error: 0.02 });
console.log(count, error < 0.02); // 64 true
