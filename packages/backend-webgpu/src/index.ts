/**
 * `@dormouse/backend-webgpu`: runs Dormouse on the GPU, with WGSL generated for the kernels at hand.
 */
export {};
