/** The script of a page, without a bundler: on a page the import reads `https://esm.sh/@dormouse/ml`. */
import { device, tensor } from "@dormouse/ml";

console.log(await tensor([1, 2, 3]).mul(2).add(1).array(), device().name); // [ 3, 5, 7 ] cpu-simd128…
