/** Trees of tensors: taken apart, compared, mapped, split and joined. */
export {
  type FlatTree,
  type Mismatch,
  type TreeNode,
  type TreeStructure,
  findMismatch,
  fitsStructure,
  flattenTree,
  matchesStructure,
  unflattenTree,
} from "./structure.ts";
export {
  combine,
  mapTree,
  mapTreeWithPath,
  namedLeaves,
  partition,
  sameStructure,
  treeLeaves,
} from "./map.ts";
