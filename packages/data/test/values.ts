/** What tests of several files look at. */
import type { Tensor } from "@dormouse/tensor";
import type { HostStorage } from "@dormouse/tensor/graph";

/** Values of a tensor that has not been on a device. */
export const valuesOf = (tensor: Tensor): number[] => [...(tensor.storage as HostStorage).data];
