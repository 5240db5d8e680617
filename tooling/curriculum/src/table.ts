/** The curriculum: every idea that the library makes runnable, with its public names. Data only. */
import type { Row, Section } from "./row.ts";

const row = (id: string, idea: string, names: Row["names"], tests?: Row["tests"]): Row =>
  tests ? { id, idea, names, tests } : { id, idea, names };

const mathematics: readonly Row[] = [
  row("1.1", "Arrays of one type: shape, views, broadcasting, indexing, printing", {
    tensor: "Tensor tensor reshape transpose slice select take broadcastTo format print",
  }),
  row("1.2", "Dot product, norm, cosine: template matching", { tensor: "dot norm cosineSimilarity normalize" }),
  row("1.3", "Products of matrices, batched and elementwise; masking", { tensor: "matmul mul maskedFill where" }),
  row("1.4", "Solving in closed form", {
    tensor: "linalg.solve linalg.cholesky linalg.qr linalg.svd linalg.eigh linalg.pinv linalg.lstsq linalg.cond linalg.inv linalg.det",
  }),
  row("1.5", "Stable functions; softmax and its temperature", {
    tensor: "logsumexp softmax logSoftmax softplus log1p expm1 sigmoid",
  }),
  row("1.6", "One-hot vectors, arg max, rounding", { tensor: "oneHot argmax round" }),
  row("1.7", "Seeded randomness", {
    tensor: "key split uniform normal truncatedNormal bernoulli categorical permutation",
  }),
];

const differentiation: readonly Row[] = [
  row("2.1", "Gradient and directional derivative", { autograd: "grad valueAndGrad jvp" }),
  row("2.2", "Jacobian, Hessian, divergence; the chain rule", { autograd: "jacrev jacfwd hessian hvp divergence" }),
  row("2.3", "Linearization and the quadratic model", { autograd: "linearize quadraticModel" }),
  row("2.4", "Numerical differentiation", { autograd: "checkGrads" }),
  row("2.5", "Symbolic differentiation with shared subexpressions", { autograd: "explain" }),
  row("2.6", "Forward mode", { autograd: "jvp jacfwd" }),
  row("2.7", "Reverse mode and adjoints", { autograd: "vjp grad evaluationTrace" }),
  row("2.8", "Gradient checkpointing", { autograd: "checkpoint" }),
  row("2.9", "Subgradients: the slope at each kink", { tensor: "relu abs max maximum" }),
  row("2.10", "Custom rules and stopped gradients", { autograd: "customVjp customJvp stopGradient" }),
  row("2.11", "Higher order and batching", { autograd: "grad vmap" }),
  row("2.12", "Vanishing and exploding gradients", { nn: "layerStatistics gradientNorms" }, [
    { file: "packages/autograd/test/curriculum-2.test.ts", id: "2.12" },
    { file: "packages/nn/test/curriculum-3.test.ts", id: "2.12" },
  ]),
  row("2.13", "Convexity and stationary points", { autograd: "classifyStationaryPoint isConvexOnSegment" }),
];

const neurons: readonly Row[] = [
  row("3.1", "The McCulloch–Pitts neuron", { nn: "mcCullochPitts logicGates truthTable" }),
  row("3.2", "The perceptron", { nn: "perceptron" }),
  row("3.3", "Networks of perceptrons for any truth table", { nn: "truthTableNetwork" }),
  row("3.4", "The sigmoid neuron and its slope", { nn: "sigmoidNeuron" }),
  row("3.5", "Universal approximation by towers", { nn: "towers" }),
  row("3.6", "Stacked linear layers collapse into one", { nn: "foldLinear" }),
  row("3.7", "Layers", {
    nn: "Linear Bilinear Embedding Conv1d Conv2d MaxPool2d AvgPool2d Dropout BatchNorm LayerNorm GroupNorm RMSNorm Flatten Sequential Residual Maxout PRelu MultiHeadAttention",
  }),
  row("3.8", "Activations", {
    nn: "identity step logistic relu6 leakyRelu prelu elu selu gelu silu swish mish hardtanh softsign power maxout",
    tensor: "sigmoid tanh relu softplus softmax",
  }),
  row("3.9", "Initializers", {
    nn: "initializers.zeros initializers.constant initializers.uniform initializers.normal initializers.xavierUniform initializers.xavierNormal initializers.kaimingUniform initializers.heNormal initializers.lecunNormal initializers.orthogonal initializers.truncatedNormal",
  }, [
    { file: "packages/nn/test/curriculum-3.test.ts", id: "3.9" },
    { file: "packages/nn/test/initializers.test.ts", id: "scales" },
  ]),
  row("3.10", "Dropout and Monte Carlo prediction", { nn: "dropout Dropout monteCarlo" }),
  row("3.11", "Fine-tuning: freezing and low-rank adapters", { nn: "freeze unfreeze lora mergeLora" }),
];

const losses: readonly Row[] = [
  row("4.zero-one", "0/1 loss and accuracy, which cannot be descended", { losses: "zeroOneLoss", metrics: "accuracy" }),
  row("4.margin", "Margin, hinge, squared hinge", { losses: "margin hinge squaredHinge softMargin multiMargin" }),
  row("4.regression", "Squared, absolute and robust errors", { losses: "mse mae huber smoothL1 logCosh" }),
  row("4.cross-entropy", "Cross-entropy from logits; negative log-likelihood", { losses: "crossEntropy nll" }),
  row("4.binary", "Binary cross-entropy", { losses: "binaryCrossEntropy binaryCrossEntropyWithLogits" }),
  row("4.kl", "Kullback–Leibler divergence", { losses: "klDivergence" }),
  row("4.gaussian", "Gaussian likelihood with a learned variance", { losses: "gaussianNll" }, [
    { file: "packages/losses/test/curriculum-4.test.ts", id: "4.1" },
  ]),
  row("4.focal", "Focal loss", { losses: "focal" }),
  row("4.embedding", "Losses of embeddings", { losses: "cosineEmbedding tripletMargin contrastive" }),
  row("4.penalty", "L1, L2 and elastic net by parameter path", { losses: "l1Penalty l2Penalty elasticNet" }),
  row("4.noise", "Noise on inputs and labels", { losses: "inputNoise labelNoise" }),
  row("4.1", "Likelihood of one class", { losses: "bernoulliLikelihood multinomialLikelihood nll" }),
  row("4.2", "Gradients in closed form: ŷ − y", { losses: "crossEntropy binaryCrossEntropyWithLogits mse" }),
  row("4.3", "Decisions of least expected cost", { metrics: "decide" }),
  row("4.4", "MAP: likelihood and prior", { losses: "gaussianNll l2Penalty l1Penalty" }),
];

const optimization: readonly Row[] = [
  row("5.gradient-descent", "Gradient descent: batch, stochastic, mini-batch", { optim: "sgd" }),
  row("5.momentum", "Momentum and Nesterov's look-ahead", { optim: "sgd accumulateMomentum lookAheadPoint" }),
  row("5.adaptive", "AdaGrad, RMSProp, AdaDelta", { optim: "adagrad rmsprop adadelta" }),
  row("5.adam", "Adam and its relatives", { optim: "adam adamW adamax nadam radam maxprop" }),
  row("5.lion", "Lion", { optim: "lion" }),
  row("5.decay", "Decoupled weight decay", { optim: "sgdW adamW" }),
  row("5.second-order", "L-BFGS", { optim: "minimize" }),
  row("5.line-search", "Line searches: Armijo, strong Wolfe, a grid of rates", { optim: "backtracking strongWolfe logSearch" }),
  row("5.clipping", "Gradient clipping", { optim: "clipByGlobalNorm clipByValue" }),
  row("5.accumulation", "Gradient accumulation", { optim: "accumulate" }),
  row("5.groups", "Parameter groups by path", { optim: "byPath frozen" }),
  row("5.averages", "Averages of weights", { optim: "ema swa weightEma" }),
  row("5.schedules", "Schedules", {
    optim: "constant stepDecay multiStep exponentialDecay inverseTimeDecay polynomialDecay cosineDecay warmRestarts cyclical oneCycle linearWarmup reduceOnPlateau",
  }),
  row("5.range-finder", "Finding a rate by a range test", { train: "findLearningRate" }, [
    { file: "packages/train/test/rate-finder.test.ts", id: "5.list" },
  ]),
  row("5.closed-form", "Least squares, ridge, logistic regression", { optim: "leastSquares ridge logisticRegression newton" }),
  row("5.stopping", "Stopping", { optim: "stopWhen" }),
  row("5.1", "Momentum expands to Σ β^(t−i) gᵢ", { optim: "accumulateMomentum sgd" }),
  row("5.2", "Nesterov's look-ahead on a sigmoid neuron", { optim: "lookAheadPoint sgd" }),
  row("5.3", "Adam and AdaMax after a gradient of zero", { optim: "adam adamax maxprop" }),
  row("5.4", "L2 shrinkage and early stopping", { optim: "shrinkage ridge" }),
  row("5.5", "Batch descent converges where SGD oscillates", { optim: "sgd" }),
];

const data: readonly Row[] = [
  row("6.datasets", "Datasets, streams, seeded loaders, workers", { data: "dataset loader stream inWorkers" }),
  row("6.splits", "Splits: stratified, by group, folds", { data: "splitIndices kFold" }),
  row("6.sampling", "Weighted sampling", { data: "weightedSample" }),
  row("6.readers", "Readers", {
    data: "readCsv fitFeatures readJsonLines streamCsv readParquet",
    formats: "readIdx gunzip readNpy readNpz readSafetensors readImage",
  }),
  row("6.generators", "Generators", {
    data: "gate moons circles spirals blobs linearSamples sineSamples polynomialSamples digits",
  }),
  row("6.augmentation", "Augmentation and mixing", { data: "imageAugmentation mixup" }),
  row("6.masking", "Masking for self-supervised reconstruction", { data: "maskRandom maskPatches" }),
  row("6.pseudo-labels", "Pseudo-labels", { data: "pseudoLabels" }),
  row("6.neighbors", "k-means and nearest neighbors", { data: "kMeans nearestNeighbors" }),
  row("6.1", "The arithmetic of an epoch", { data: "loader" }),
  row("6.2", "Bootstrap", { data: "bootstrap" }),
];

const calibration: readonly Row[] = [
  row("7.classification", "Accuracy, top-k, confusion, precision, recall, F1", {
    metrics: "accuracy topKAccuracy confusionMatrix precision recall f1",
  }),
  row("7.ranking", "ROC and precision–recall curves", { metrics: "rocCurve prCurve rocAuc averagePrecision" }),
  row("7.probability", "Log loss and Brier score with its decomposition", { metrics: "logLoss brierScore brierDecomposition" }),
  row("7.regression", "Errors of regression", {
    metrics: "meanAbsoluteError meanSquaredError rootMeanSquaredError r2 explainedVariance",
  }),
  row("7.streaming", "Streams: update, merge, compute", {
    metrics: "RunningMean RunningAccuracy RunningConfusion RunningRegression RunningReliability RunningRocAuc",
  }),
  row("7.reliability", "Confidence histograms and reliability diagrams", { metrics: "confidenceHistogram reliability" }),
  row("7.errors", "Calibration errors", {
    metrics: "expectedCalibrationError maximumCalibrationError adaptiveCalibrationError classwiseCalibrationError",
  }),
  row("7.recalibration", "Recalibration", {
    metrics: "temperatureScaling vectorScaling matrixScaling plattScaling isotonicRegression betaCalibration histogramBinning",
  }),
  row("7.conformal", "Conformal sets and intervals", {
    metrics: "thresholdSets splitConformal classConditionalConformal conformalRegression conformalQuantiles",
  }),
  row("7.decisions", "Decisions from a cost matrix", { metrics: "decide expectedCosts meanCost" }),
  row("7.uncertainty", "Ensembles and Monte Carlo dropout", {
    metrics: "ensembleAverage ensembleVote posteriorWeights predictiveUncertainty", nn: "monteCarlo",
  }, [
    { file: "packages/metrics/test/curriculum-7.test.ts", id: "7.list" },
    { file: "packages/nn/test/curriculum-3.test.ts", id: "3.10" },
  ]),
  row("7.1", "ECE by hand", { metrics: "expectedCalibrationError" }),
  row("7.2", "Coverage of split conformal prediction", { metrics: "splitConformal" }),
  row("7.3", "The error of an ensemble", { metrics: "expectedEnsembleError ensembleError" }),
  row("7.4", "Bias and variance", { metrics: "biasVariance" }),
  row("7.5", "The generalization gap and effective degrees of freedom", {
    metrics: "generalizationGap effectiveDegreesOfFreedom expectedOptimism", autograd: "divergence",
  }, [
    { file: "packages/metrics/test/curriculum-7.test.ts", id: "7.5" },
    { file: "packages/autograd/test/curriculum-2.test.ts", id: "2.2" },
  ]),
];

const section = (
  number: number, title: string, slug: string, from: string, count: number, rows: readonly Row[],
): Section => ({
  number, title, count, rows,
  page: `docs/curriculum/${number}-${slug}.md`,
  test: `packages/${from}/test/curriculum-${number}.test.ts`,
});

/** All sections in their order. */
export const curriculum: readonly Section[] = [
  section(1, "Mathematics", "mathematics", "tensor", 7, mathematics),
  section(2, "Differentiation", "differentiation", "autograd", 13, differentiation),
  section(3, "Neurons and layers", "neurons", "nn", 11, neurons),
  section(4, "Losses", "losses", "losses", 4, losses),
  section(5, "Optimization", "optimization", "optim", 5, optimization),
  section(6, "Data", "data", "data", 2, data),
  section(7, "Metrics and calibration", "calibration", "metrics", 5, calibration),
];
