"""The process of PyTorch or NumPy: obeys the commands of src/worker.ts, a line of JSON each, and answers with one.

Arguments: system (pytorch, pytorch-channels-last, numpy), threads, and perhaps `cold`. Debian has both libraries:
python3-torch and python3-numpy. They are native code, with vectors as wide as the processor's.
"""

import json
import os
import resource
import sys
import time

system, threads = sys.argv[1], int(sys.argv[2])
for name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[name] = str(threads)

import numpy as np  # noqa: E402 (its threads are chosen when it is imported)

CHECKED_STEPS = 3
RUNS_PER_SETTLING = 10
SAMPLES = 509
EPSILON = 1e-5
RATE, BETA1, BETA2, TINY = 1e-3, 0.9, 0.999, 1e-8
A, B = 1.5, -0.25


def uniform(length, seed, low=0.0, high=1.0):
    """The same numbers as works/data.ts: powers of the multiplier give every state of the generator at once."""
    powers = np.cumprod(np.full(length, 1664525, np.uint32), dtype=np.uint32)
    sums = np.cumsum(np.concatenate([np.ones(1, np.uint32), powers[:-1]])[:length], dtype=np.uint32)
    states = powers * np.uint32(seed) + sums * np.uint32(1013904223)
    return (low + (high - low) * (states >> np.uint32(8)).astype(np.float64) / 2**24).astype(np.float32)


def weight(shape, fan_in, seed):
    bound = 1 / np.sqrt(fan_in)
    return uniform(int(np.prod(shape)), seed, -bound, bound).reshape(shape)


def batches(count, features, classes):
    size = count * int(np.prod(features))
    for i in range(4):
        labels = np.floor(uniform(count, 2000 + i).astype(np.float64) * classes).astype(np.int64)
        yield uniform(size, 1000 + i).reshape([count, *features]), labels


def mlp_layers(task):
    dims = task["dims"]
    return [
        (weight([dims[i], dims[i + 1]], dims[i], 100 + i), np.zeros(dims[i + 1], np.float32))
        for i in range(len(dims) - 1)
    ]


def matrices(task):
    m, n, k = task["m"], task["n"], task["k"]
    a = uniform(m * k, 1, -1, 1).reshape([k, m] if task["transA"] else [m, k])
    b = uniform(k * n, 2, -1, 1).reshape([n, k] if task["transB"] else [k, n])
    return a, b


class Prepared:
    """`run` goes one run further; `check` gives results to compare, once, before anything is timed."""

    def __init__(self, run, check, settle=lambda: None):
        self.run, self.check, self.settle = run, check, settle


def of_function(f):
    return Prepared(f, lambda: [np.asarray(part) for part in f()])


def of_steps(step):
    """`step` takes the number of the step and returns its loss as something with `item`."""
    state = {"steps": 0, "loss": None}

    def run():
        state["loss"] = step(state["steps"])
        state["steps"] += 1

    def check():
        losses = []
        for _ in range(CHECKED_STEPS):
            run()
            losses.append(state["loss"].item())
        return [np.asarray(losses)]

    return Prepared(run, check, lambda: state["loss"] is not None and state["loss"].item())


def numpy_system():
    def gelu(z):
        return 0.5 * z * (1 + np.tanh(np.float32(np.sqrt(2 / np.pi)) * (z + np.float32(0.044715) * z * z * z)))

    activations = {
        "gelu": lambda x: gelu(np.float32(A) * x + np.float32(B)),
        "tanh": np.tanh,
        "exp": np.exp,
        "sigmoid": lambda x: 1 / (1 + np.exp(-x)),
    }

    def softmax(x):
        e = np.exp(x - x.max(1, keepdims=True))
        return e / e.sum(1, keepdims=True)

    def logsumexp(x):
        top = x.max(1, keepdims=True)
        return np.log(np.exp(x - top).sum(1)) + top[:, 0]

    def layer_norm(x):
        centered = x - x.mean(1, keepdims=True)
        return centered / np.sqrt((centered * centered).mean(1, keepdims=True) + np.float32(EPSILON))

    rows = {
        "sum axis 0": lambda x: x.sum(0), "sum axis 1": lambda x: x.sum(1), "argmax": lambda x: x.argmax(1),
        "variance": lambda x: x.var(1), "softmax": softmax, "logsumexp": logsumexp, "layer norm": layer_norm,
    }

    def mlp(task):
        parameters = [part.copy() for layer in mlp_layers(task) for part in layer]
        first, second = [np.zeros_like(p) for p in parameters], [np.zeros_like(p) for p in parameters]
        data = list(batches(task["batch"], [task["dims"][0]], task["dims"][-1]))

        def step(number):
            x, labels = data[number % len(data)]
            inputs, h = [], x
            for i in range(0, len(parameters), 2):
                inputs.append(h)
                h = h @ parameters[i] + parameters[i + 1]
                if i + 2 < len(parameters):
                    h = np.maximum(h, 0)
            shifted = h - h.max(1, keepdims=True)
            e = np.exp(shifted)
            total = e.sum(1, keepdims=True)
            chosen = np.arange(len(labels))
            loss = (np.log(total[:, 0]) - shifted[chosen, labels]).mean()
            slope = e / total
            slope[chosen, labels] -= 1
            slope /= np.float32(len(labels))
            gradients = [None] * len(parameters)
            for i in range(len(parameters) - 2, -1, -2):
                h = inputs[i // 2]
                gradients[i], gradients[i + 1] = h.T @ slope, slope.sum(0)
                if i > 0:
                    slope = (slope @ parameters[i].T) * (h > 0)
            unbias1, unbias2 = 1 - BETA1 ** (number + 1), 1 - BETA2 ** (number + 1)
            for p, g, m, v in zip(parameters, gradients, first, second):
                m *= np.float32(BETA1)
                m += np.float32(1 - BETA1) * g
                v *= np.float32(BETA2)
                v += np.float32(1 - BETA2) * g * g
                p -= np.float32(RATE / unbias1) * m / (np.sqrt(v / np.float32(unbias2)) + np.float32(TINY))
            return loss

        return of_steps(step)

    def prepare(task):
        kind = task["kind"]
        if kind == "gemm":
            a, b = matrices(task)
            left, right = a.T if task["transA"] else a, b.T if task["transB"] else b
            return of_function(lambda: [left @ right])
        if kind == "elementwise":
            x, f = uniform(task["length"], 1, -3, 3), activations[task["activation"]]
            return of_function(lambda: [f(x)])
        if kind == "rows":
            x = uniform(task["rows"] * task["columns"], 1, -3, 3).reshape(task["rows"], task["columns"])
            f = rows[task["name"]]
            return of_function(lambda: [f(x)])
        if kind == "mlp":
            return mlp(task)
        raise ValueError("has no derivatives and no convolutions" if kind in ("cnn", "attention") else "cannot")

    return prepare, np.__version__


def torch_system(channels_last):
    import torch
    import torch.nn.functional as F

    torch.set_num_threads(threads)
    tensor = torch.from_numpy

    activations = {
        "gelu": lambda x: F.gelu(A * x + B, approximate="tanh"),
        "tanh": torch.tanh, "exp": torch.exp, "sigmoid": torch.sigmoid,
    }
    rows = {
        "sum axis 0": lambda x: x.sum(0), "sum axis 1": lambda x: x.sum(1), "argmax": lambda x: x.argmax(1),
        "variance": lambda x: x.var(1, unbiased=False), "softmax": lambda x: torch.softmax(x, 1),
        "logsumexp": lambda x: torch.logsumexp(x, 1),
        "layer norm": lambda x: F.layer_norm(x, [x.shape[1]], eps=EPSILON),
    }

    def training(parameters, forward, data):
        optimizer = torch.optim.Adam(parameters, lr=RATE, betas=(BETA1, BETA2), eps=TINY)

        def step(number):
            x, labels = data[number % len(data)]
            optimizer.zero_grad(set_to_none=True)
            loss = F.cross_entropy(forward(x), labels)
            loss.backward()
            optimizer.step()
            return loss

        return of_steps(step)

    def parameter(array):
        return tensor(np.ascontiguousarray(array)).clone().requires_grad_()

    def mlp(task):
        parameters = [parameter(part.T) for layer in mlp_layers(task) for part in layer]

        def forward(h):
            for i in range(0, len(parameters), 2):
                h = F.linear(h, parameters[i], parameters[i + 1])
                if i + 2 < len(parameters):
                    h = F.relu(h)
            return h

        data = [(tensor(x), tensor(y)) for x, y in batches(task["batch"], [task["dims"][0]], task["dims"][-1])]
        return training(parameters, forward, data)

    def cnn(task):
        first, second = task["channels"]
        features = second * (task["side"] // 4) ** 2
        order = torch.channels_last if channels_last else torch.contiguous_format

        def image(array):
            return tensor(array).clone().contiguous(memory_format=order)

        filter1 = image(weight([first, 1, 3, 3], 9, 100)).requires_grad_()
        filter2 = image(weight([second, first, 3, 3], 9 * first, 101)).requires_grad_()
        bias1, bias2 = torch.zeros(first, requires_grad=True), torch.zeros(second, requires_grad=True)
        last = parameter(weight([features, task["classes"]], features, 102).T)
        bias = torch.zeros(task["classes"], requires_grad=True)

        def forward(x):
            h = F.max_pool2d(F.relu(F.conv2d(x, filter1, bias1, padding=1)), 2)
            h = F.max_pool2d(F.relu(F.conv2d(h, filter2, bias2, padding=1)), 2)
            return F.linear(h.flatten(1), last, bias)

        shape = [1, task["side"], task["side"]]
        data = [(image(x), tensor(y)) for x, y in batches(task["batch"], shape, task["classes"])]
        if task["mode"] == "training":
            return training([filter1, bias1, filter2, bias2, last, bias], forward, data)

        def infer():
            with torch.no_grad():
                return [forward(data[0][0])]

        return of_function(infer)

    def attention(task):
        batch, sequence, width, heads = (task[name] for name in ("batch", "sequence", "width", "heads"))
        x = tensor(uniform(batch * sequence * width, 1000, -1, 1).reshape(batch, sequence, width)).requires_grad_()
        ones, zeros = np.ones(width, np.float32), np.zeros(width, np.float32)
        square = [parameter(weight([width, width], width, 110 + i).T) for i in range(4)]
        gain1, shift1, gain2, shift2 = (parameter(values) for values in (ones, zeros, ones, zeros))
        widen = parameter(weight([width, 4 * width], width, 114).T)
        widen_bias = parameter(np.zeros(4 * width, np.float32))
        narrow = parameter(weight([4 * width, width], 4 * width, 115).T)
        narrow_bias = parameter(zeros)
        query, key, value, output = square
        # In the order in which the other systems answer.
        wanted = [x, gain1, shift1, query, key, value, output, gain2, shift2, widen, widen_bias, narrow, narrow_bias]

        def split(h):
            return h.reshape(batch, sequence, heads, width // heads).permute(0, 2, 1, 3)

        def derive():
            rested = F.layer_norm(x, [width], gain1, shift1, EPSILON)
            q, k, v = (split(F.linear(rested, matrix)) for matrix in (query, key, value))
            scores = q @ k.transpose(-1, -2) / (width / heads) ** 0.5
            mixed = (torch.softmax(scores, -1) @ v).permute(0, 2, 1, 3).reshape(batch, sequence, width)
            attended = x + F.linear(mixed, output)
            rested = F.layer_norm(attended, [width], gain2, shift2, EPSILON)
            hidden = F.gelu(F.linear(rested, widen, widen_bias), approximate="tanh")
            loss = ((attended + F.linear(hidden, narrow, narrow_bias)) ** 2).mean()
            return loss, torch.autograd.grad(loss, wanted)

        def check():
            loss, gradients = derive()
            # Gradients of products are [out, in] here and [in, out] elsewhere.
            return [loss.detach().numpy().reshape(1), *(g.T.numpy() if g.dim() == 2 else g.numpy() for g in gradients)]

        return Prepared(derive, check)

    def prepare(task):
        kind = task["kind"]
        if kind == "gemm":
            a, b = map(tensor, matrices(task))
            left, right = a.T if task["transA"] else a, b.T if task["transB"] else b
            return of_function(lambda: [left @ right])
        if kind == "elementwise":
            x, f = tensor(uniform(task["length"], 1, -3, 3)), activations[task["activation"]]
            return of_function(lambda: [f(x)])
        if kind == "rows":
            x = tensor(uniform(task["rows"] * task["columns"], 1, -3, 3).reshape(task["rows"], task["columns"]))
            f = rows[task["name"]]
            return of_function(lambda: [f(x)])
        if kind in ("mlp", "cnn", "attention"):
            return {"mlp": mlp, "cnn": cnn, "attention": attention}[kind](task)
        raise ValueError("cannot")

    return prepare, torch.__version__


def fingerprint(values):
    flat = np.ascontiguousarray(values).reshape(-1).astype(np.float64)
    count = min(len(flat), SAMPLES)
    chosen = flat[np.arange(count) * len(flat) // max(count, 1)]
    return {"length": len(flat), "samples": chosen.tolist(), "meanSquare": float((flat * flat).mean()) if count else 0}


def measure(prepared, repetitions):
    start = time.perf_counter()
    for i in range(1, repetitions + 1):
        prepared.run()
        if i % RUNS_PER_SETTLING == 0 or i == repetitions:
            prepared.settle()
    return (time.perf_counter() - start) * 1000 / repetitions


def warm(prepared, milliseconds):
    end = time.perf_counter() + milliseconds / 1000
    measure(prepared, 1)
    while True:
        last = measure(prepared, 1)
        if time.perf_counter() >= end:
            return last


def answer(value):
    sys.stdout.write(json.dumps(value) + "\n")
    sys.stdout.flush()


def serve(prepare, version):
    engine = "Python %d.%d" % sys.version_info[:2]
    answer({"value": {"version": version, "threads": threads, "engine": engine}})
    prepared = None
    for line in sys.stdin:
        command = json.loads(line)
        try:
            if command["name"] == "prepare":
                prepared = prepare(command["work"]["task"])
                value = [fingerprint(part) for part in prepared.check()]
            elif command["name"] == "warm":
                value = warm(prepared, command["milliseconds"])
            elif command["name"] == "measure":
                value = measure(prepared, command["repetitions"])
            else:
                prepared = value = None
            answer({"value": value})
        except Exception as error:  # whatever it is, the parent names it and goes on
            answer({"error": str(error)})


def start_cold(prepare):
    task, steps = json.loads(sys.argv[4]), int(sys.argv[5])
    prepared = prepare(task)
    measure(prepared, 1)
    first = time.time() * 1000
    measure(prepared, steps - 1)
    answer({"value": {"firstStepAt": first, "peakMebibytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}})


prepare, version = numpy_system() if system == "numpy" else torch_system(system == "pytorch-channels-last")
if sys.argv[3:4] == ["cold"]:
    start_cold(prepare)
else:
    serve(prepare, version)
