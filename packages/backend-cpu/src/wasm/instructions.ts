/**
 * The instructions this backend can write, as data: name → [opcode, signature, immediates]. Names are those of the
 * WebAssembly specification (core 2.0, SIMD, relaxed SIMD and threads). An opcode above 0xff is a prefix byte followed
 * by a number: `0xfd_105` is 0xfd 0x105. A signature lists operands, then the result after `>`, one letter each:
 * i = i32, l = i64, f = f32, d = f64, v = v128. Owns no behavior: `encoder.ts` turns rows into functions.
 */

/** What follows the opcode. `memory` and `memoryLane` come with log2 of the natural alignment. */
export type Immediate = "memory" | "lane" | "memoryLane" | "shuffle" | "zero" | "zeros";

export type Row =
  | readonly [opcode: number, signature: string]
  | readonly [opcode: number, signature: string, immediate: Immediate]
  | readonly [opcode: number, signature: string, immediate: Immediate, alignment: number];

export const instructions = {
  // Scalar memory.
  "i32.load": [0x28, "i>i", "memory", 2], "i64.load": [0x29, "i>l", "memory", 3],
  "f32.load": [0x2a, "i>f", "memory", 2], "f64.load": [0x2b, "i>d", "memory", 3],
  "i32.load8_s": [0x2c, "i>i", "memory", 0], "i32.load8_u": [0x2d, "i>i", "memory", 0],
  "i32.load16_s": [0x2e, "i>i", "memory", 1], "i32.load16_u": [0x2f, "i>i", "memory", 1],
  "i32.store": [0x36, "ii>", "memory", 2], "i64.store": [0x37, "il>", "memory", 3],
  "f32.store": [0x38, "if>", "memory", 2], "f64.store": [0x39, "id>", "memory", 3],
  "i32.store8": [0x3a, "ii>", "memory", 0], "i32.store16": [0x3b, "ii>", "memory", 1],
  "i64.load32_s": [0x34, "i>l", "memory", 2], "i64.load32_u": [0x35, "i>l", "memory", 2],
  "memory.size": [0x3f, ">i", "zero"], "memory.grow": [0x40, "i>i", "zero"],
  "memory.copy": [0xfc_00a, "iii>", "zeros"], "memory.fill": [0xfc_00b, "iii>", "zero"],

  // i32.
  "i32.eqz": [0x45, "i>i"], "i32.eq": [0x46, "ii>i"], "i32.ne": [0x47, "ii>i"], "i32.lt_s": [0x48, "ii>i"],
  "i32.lt_u": [0x49, "ii>i"], "i32.gt_s": [0x4a, "ii>i"], "i32.gt_u": [0x4b, "ii>i"], "i32.le_s": [0x4c, "ii>i"],
  "i32.le_u": [0x4d, "ii>i"], "i32.ge_s": [0x4e, "ii>i"], "i32.ge_u": [0x4f, "ii>i"], "i32.clz": [0x67, "i>i"],
  "i32.ctz": [0x68, "i>i"], "i32.popcnt": [0x69, "i>i"], "i32.add": [0x6a, "ii>i"], "i32.sub": [0x6b, "ii>i"],
  "i32.mul": [0x6c, "ii>i"], "i32.div_s": [0x6d, "ii>i"], "i32.div_u": [0x6e, "ii>i"], "i32.rem_s": [0x6f, "ii>i"],
  "i32.rem_u": [0x70, "ii>i"], "i32.and": [0x71, "ii>i"], "i32.or": [0x72, "ii>i"], "i32.xor": [0x73, "ii>i"],
  "i32.shl": [0x74, "ii>i"], "i32.shr_s": [0x75, "ii>i"], "i32.shr_u": [0x76, "ii>i"], "i32.rotl": [0x77, "ii>i"],
  "i32.rotr": [0x78, "ii>i"], "i32.wrap_i64": [0xa7, "l>i"], "i32.reinterpret_f32": [0xbc, "f>i"],
  "i32.extend8_s": [0xc0, "i>i"], "i32.extend16_s": [0xc1, "i>i"], "i32.trunc_sat_f32_s": [0xfc_000, "f>i"],
  "i32.trunc_sat_f32_u": [0xfc_001, "f>i"], "i32.trunc_sat_f64_s": [0xfc_002, "d>i"],
  "i32.trunc_sat_f64_u": [0xfc_003, "d>i"],

  // i64.
  "i64.eqz": [0x50, "l>i"], "i64.eq": [0x51, "ll>i"], "i64.ne": [0x52, "ll>i"], "i64.lt_s": [0x53, "ll>i"],
  "i64.lt_u": [0x54, "ll>i"], "i64.gt_s": [0x55, "ll>i"], "i64.gt_u": [0x56, "ll>i"], "i64.le_s": [0x57, "ll>i"],
  "i64.le_u": [0x58, "ll>i"], "i64.ge_s": [0x59, "ll>i"], "i64.ge_u": [0x5a, "ll>i"], "i64.clz": [0x79, "l>l"],
  "i64.ctz": [0x7a, "l>l"], "i64.popcnt": [0x7b, "l>l"], "i64.add": [0x7c, "ll>l"], "i64.sub": [0x7d, "ll>l"],
  "i64.mul": [0x7e, "ll>l"], "i64.div_s": [0x7f, "ll>l"], "i64.div_u": [0x80, "ll>l"], "i64.rem_s": [0x81, "ll>l"],
  "i64.rem_u": [0x82, "ll>l"], "i64.and": [0x83, "ll>l"], "i64.or": [0x84, "ll>l"], "i64.xor": [0x85, "ll>l"],
  "i64.shl": [0x86, "ll>l"], "i64.shr_s": [0x87, "ll>l"], "i64.shr_u": [0x88, "ll>l"], "i64.rotl": [0x89, "ll>l"],
  "i64.rotr": [0x8a, "ll>l"], "i64.extend_i32_s": [0xac, "i>l"], "i64.extend_i32_u": [0xad, "i>l"],
  "i64.reinterpret_f64": [0xbd, "d>l"], "i64.trunc_sat_f32_s": [0xfc_004, "f>l"],
  "i64.trunc_sat_f32_u": [0xfc_005, "f>l"], "i64.trunc_sat_f64_s": [0xfc_006, "d>l"],
  "i64.trunc_sat_f64_u": [0xfc_007, "d>l"],

  // f32.
  "f32.eq": [0x5b, "ff>i"], "f32.ne": [0x5c, "ff>i"], "f32.lt": [0x5d, "ff>i"], "f32.gt": [0x5e, "ff>i"],
  "f32.le": [0x5f, "ff>i"], "f32.ge": [0x60, "ff>i"], "f32.abs": [0x8b, "f>f"], "f32.neg": [0x8c, "f>f"],
  "f32.ceil": [0x8d, "f>f"], "f32.floor": [0x8e, "f>f"], "f32.trunc": [0x8f, "f>f"], "f32.nearest": [0x90, "f>f"],
  "f32.sqrt": [0x91, "f>f"], "f32.add": [0x92, "ff>f"], "f32.sub": [0x93, "ff>f"], "f32.mul": [0x94, "ff>f"],
  "f32.div": [0x95, "ff>f"], "f32.min": [0x96, "ff>f"], "f32.max": [0x97, "ff>f"], "f32.copysign": [0x98, "ff>f"],
  "f32.convert_i32_s": [0xb2, "i>f"], "f32.convert_i32_u": [0xb3, "i>f"], "f32.convert_i64_s": [0xb4, "l>f"],
  "f32.convert_i64_u": [0xb5, "l>f"], "f32.demote_f64": [0xb6, "d>f"], "f32.reinterpret_i32": [0xbe, "i>f"],

  // f64.
  "f64.eq": [0x61, "dd>i"], "f64.ne": [0x62, "dd>i"], "f64.lt": [0x63, "dd>i"], "f64.gt": [0x64, "dd>i"],
  "f64.le": [0x65, "dd>i"], "f64.ge": [0x66, "dd>i"], "f64.abs": [0x99, "d>d"], "f64.neg": [0x9a, "d>d"],
  "f64.ceil": [0x9b, "d>d"], "f64.floor": [0x9c, "d>d"], "f64.trunc": [0x9d, "d>d"], "f64.nearest": [0x9e, "d>d"],
  "f64.sqrt": [0x9f, "d>d"], "f64.add": [0xa0, "dd>d"], "f64.sub": [0xa1, "dd>d"], "f64.mul": [0xa2, "dd>d"],
  "f64.div": [0xa3, "dd>d"], "f64.min": [0xa4, "dd>d"], "f64.max": [0xa5, "dd>d"], "f64.copysign": [0xa6, "dd>d"],
  "f64.convert_i32_s": [0xb7, "i>d"], "f64.convert_i32_u": [0xb8, "i>d"], "f64.convert_i64_s": [0xb9, "l>d"],
  "f64.convert_i64_u": [0xba, "l>d"], "f64.promote_f32": [0xbb, "f>d"], "f64.reinterpret_i64": [0xbf, "l>d"],

  // Vector memory.
  "v128.load": [0xfd_000, "i>v", "memory", 4], "v128.load8x8_s": [0xfd_001, "i>v", "memory", 3],
  "v128.load8x8_u": [0xfd_002, "i>v", "memory", 3], "v128.load16x4_s": [0xfd_003, "i>v", "memory", 3],
  "v128.load16x4_u": [0xfd_004, "i>v", "memory", 3], "v128.load32x2_s": [0xfd_005, "i>v", "memory", 3],
  "v128.load32x2_u": [0xfd_006, "i>v", "memory", 3], "v128.load8_splat": [0xfd_007, "i>v", "memory", 0],
  "v128.load16_splat": [0xfd_008, "i>v", "memory", 1], "v128.load32_splat": [0xfd_009, "i>v", "memory", 2],
  "v128.load64_splat": [0xfd_00a, "i>v", "memory", 3], "v128.load32_zero": [0xfd_05c, "i>v", "memory", 2],
  "v128.load64_zero": [0xfd_05d, "i>v", "memory", 3], "v128.store": [0xfd_00b, "iv>", "memory", 4],
  "v128.load8_lane": [0xfd_054, "iv>v", "memoryLane", 0], "v128.load16_lane": [0xfd_055, "iv>v", "memoryLane", 1],
  "v128.load32_lane": [0xfd_056, "iv>v", "memoryLane", 2], "v128.load64_lane": [0xfd_057, "iv>v", "memoryLane", 3],
  "v128.store8_lane": [0xfd_058, "iv>", "memoryLane", 0], "v128.store16_lane": [0xfd_059, "iv>", "memoryLane", 1],
  "v128.store32_lane": [0xfd_05a, "iv>", "memoryLane", 2], "v128.store64_lane": [0xfd_05b, "iv>", "memoryLane", 3],

  // v128: bits.
  "v128.not": [0xfd_04d, "v>v"], "v128.and": [0xfd_04e, "vv>v"], "v128.andnot": [0xfd_04f, "vv>v"],
  "v128.or": [0xfd_050, "vv>v"], "v128.xor": [0xfd_051, "vv>v"], "v128.bitselect": [0xfd_052, "vvv>v"],
  "v128.any_true": [0xfd_053, "v>i"],

  // i8x16.
  "i8x16.shuffle": [0xfd_00d, "vv>v", "shuffle"], "i8x16.swizzle": [0xfd_00e, "vv>v"],
  "i8x16.splat": [0xfd_00f, "i>v"], "i8x16.extract_lane_s": [0xfd_015, "v>i", "lane"],
  "i8x16.extract_lane_u": [0xfd_016, "v>i", "lane"], "i8x16.replace_lane": [0xfd_017, "vi>v", "lane"],
  "i8x16.eq": [0xfd_023, "vv>v"], "i8x16.ne": [0xfd_024, "vv>v"], "i8x16.lt_s": [0xfd_025, "vv>v"],
  "i8x16.lt_u": [0xfd_026, "vv>v"], "i8x16.gt_s": [0xfd_027, "vv>v"], "i8x16.gt_u": [0xfd_028, "vv>v"],
  "i8x16.le_s": [0xfd_029, "vv>v"], "i8x16.le_u": [0xfd_02a, "vv>v"], "i8x16.ge_s": [0xfd_02b, "vv>v"],
  "i8x16.ge_u": [0xfd_02c, "vv>v"], "i8x16.abs": [0xfd_060, "v>v"], "i8x16.neg": [0xfd_061, "v>v"],
  "i8x16.popcnt": [0xfd_062, "v>v"], "i8x16.all_true": [0xfd_063, "v>i"], "i8x16.bitmask": [0xfd_064, "v>i"],
  "i8x16.narrow_i16x8_s": [0xfd_065, "vv>v"], "i8x16.narrow_i16x8_u": [0xfd_066, "vv>v"],
  "i8x16.shl": [0xfd_06b, "vi>v"], "i8x16.shr_s": [0xfd_06c, "vi>v"], "i8x16.shr_u": [0xfd_06d, "vi>v"],
  "i8x16.add": [0xfd_06e, "vv>v"], "i8x16.add_sat_s": [0xfd_06f, "vv>v"], "i8x16.add_sat_u": [0xfd_070, "vv>v"],
  "i8x16.sub": [0xfd_071, "vv>v"], "i8x16.sub_sat_s": [0xfd_072, "vv>v"], "i8x16.sub_sat_u": [0xfd_073, "vv>v"],
  "i8x16.min_s": [0xfd_076, "vv>v"], "i8x16.min_u": [0xfd_077, "vv>v"], "i8x16.max_s": [0xfd_078, "vv>v"],
  "i8x16.max_u": [0xfd_079, "vv>v"], "i8x16.avgr_u": [0xfd_07b, "vv>v"],

  // i16x8.
  "i16x8.splat": [0xfd_010, "i>v"], "i16x8.extract_lane_s": [0xfd_018, "v>i", "lane"],
  "i16x8.extract_lane_u": [0xfd_019, "v>i", "lane"], "i16x8.replace_lane": [0xfd_01a, "vi>v", "lane"],
  "i16x8.eq": [0xfd_02d, "vv>v"], "i16x8.ne": [0xfd_02e, "vv>v"], "i16x8.lt_s": [0xfd_02f, "vv>v"],
  "i16x8.lt_u": [0xfd_030, "vv>v"], "i16x8.gt_s": [0xfd_031, "vv>v"], "i16x8.gt_u": [0xfd_032, "vv>v"],
  "i16x8.le_s": [0xfd_033, "vv>v"], "i16x8.le_u": [0xfd_034, "vv>v"], "i16x8.ge_s": [0xfd_035, "vv>v"],
  "i16x8.ge_u": [0xfd_036, "vv>v"], "i16x8.extadd_pairwise_i8x16_s": [0xfd_07c, "v>v"],
  "i16x8.extadd_pairwise_i8x16_u": [0xfd_07d, "v>v"], "i16x8.abs": [0xfd_080, "v>v"],
  "i16x8.neg": [0xfd_081, "v>v"], "i16x8.all_true": [0xfd_083, "v>i"], "i16x8.bitmask": [0xfd_084, "v>i"],
  "i16x8.narrow_i32x4_s": [0xfd_085, "vv>v"], "i16x8.narrow_i32x4_u": [0xfd_086, "vv>v"],
  "i16x8.extend_low_i8x16_s": [0xfd_087, "v>v"], "i16x8.extend_high_i8x16_s": [0xfd_088, "v>v"],
  "i16x8.extend_low_i8x16_u": [0xfd_089, "v>v"], "i16x8.extend_high_i8x16_u": [0xfd_08a, "v>v"],
  "i16x8.shl": [0xfd_08b, "vi>v"], "i16x8.shr_s": [0xfd_08c, "vi>v"], "i16x8.shr_u": [0xfd_08d, "vi>v"],
  "i16x8.add": [0xfd_08e, "vv>v"], "i16x8.sub": [0xfd_091, "vv>v"], "i16x8.mul": [0xfd_095, "vv>v"],
  "i16x8.min_s": [0xfd_096, "vv>v"], "i16x8.min_u": [0xfd_097, "vv>v"], "i16x8.max_s": [0xfd_098, "vv>v"],
  "i16x8.max_u": [0xfd_099, "vv>v"],

  // i32x4.
  "i32x4.splat": [0xfd_011, "i>v"], "i32x4.extract_lane": [0xfd_01b, "v>i", "lane"],
  "i32x4.replace_lane": [0xfd_01c, "vi>v", "lane"], "i32x4.eq": [0xfd_037, "vv>v"], "i32x4.ne": [0xfd_038, "vv>v"],
  "i32x4.lt_s": [0xfd_039, "vv>v"], "i32x4.lt_u": [0xfd_03a, "vv>v"], "i32x4.gt_s": [0xfd_03b, "vv>v"],
  "i32x4.gt_u": [0xfd_03c, "vv>v"], "i32x4.le_s": [0xfd_03d, "vv>v"], "i32x4.le_u": [0xfd_03e, "vv>v"],
  "i32x4.ge_s": [0xfd_03f, "vv>v"], "i32x4.ge_u": [0xfd_040, "vv>v"],
  "i32x4.extadd_pairwise_i16x8_s": [0xfd_07e, "v>v"], "i32x4.extadd_pairwise_i16x8_u": [0xfd_07f, "v>v"],
  "i32x4.abs": [0xfd_0a0, "v>v"], "i32x4.neg": [0xfd_0a1, "v>v"], "i32x4.all_true": [0xfd_0a3, "v>i"],
  "i32x4.bitmask": [0xfd_0a4, "v>i"], "i32x4.extend_low_i16x8_s": [0xfd_0a7, "v>v"],
  "i32x4.extend_high_i16x8_s": [0xfd_0a8, "v>v"], "i32x4.extend_low_i16x8_u": [0xfd_0a9, "v>v"],
  "i32x4.extend_high_i16x8_u": [0xfd_0aa, "v>v"], "i32x4.shl": [0xfd_0ab, "vi>v"],
  "i32x4.shr_s": [0xfd_0ac, "vi>v"], "i32x4.shr_u": [0xfd_0ad, "vi>v"], "i32x4.add": [0xfd_0ae, "vv>v"],
  "i32x4.sub": [0xfd_0b1, "vv>v"], "i32x4.mul": [0xfd_0b5, "vv>v"], "i32x4.min_s": [0xfd_0b6, "vv>v"],
  "i32x4.min_u": [0xfd_0b7, "vv>v"], "i32x4.max_s": [0xfd_0b8, "vv>v"], "i32x4.max_u": [0xfd_0b9, "vv>v"],
  "i32x4.dot_i16x8_s": [0xfd_0ba, "vv>v"], "i32x4.trunc_sat_f32x4_s": [0xfd_0f8, "v>v"],
  "i32x4.trunc_sat_f32x4_u": [0xfd_0f9, "v>v"], "i32x4.trunc_sat_f64x2_s_zero": [0xfd_0fc, "v>v"],
  "i32x4.trunc_sat_f64x2_u_zero": [0xfd_0fd, "v>v"],

  // i64x2.
  "i64x2.splat": [0xfd_012, "l>v"], "i64x2.extract_lane": [0xfd_01d, "v>l", "lane"],
  "i64x2.replace_lane": [0xfd_01e, "vl>v", "lane"], "i64x2.abs": [0xfd_0c0, "v>v"], "i64x2.neg": [0xfd_0c1, "v>v"],
  "i64x2.all_true": [0xfd_0c3, "v>i"], "i64x2.bitmask": [0xfd_0c4, "v>i"],
  "i64x2.extend_low_i32x4_s": [0xfd_0c7, "v>v"], "i64x2.extend_high_i32x4_s": [0xfd_0c8, "v>v"],
  "i64x2.extend_low_i32x4_u": [0xfd_0c9, "v>v"], "i64x2.extend_high_i32x4_u": [0xfd_0ca, "v>v"],
  "i64x2.shl": [0xfd_0cb, "vi>v"], "i64x2.shr_s": [0xfd_0cc, "vi>v"], "i64x2.shr_u": [0xfd_0cd, "vi>v"],
  "i64x2.add": [0xfd_0ce, "vv>v"], "i64x2.sub": [0xfd_0d1, "vv>v"], "i64x2.mul": [0xfd_0d5, "vv>v"],
  "i64x2.eq": [0xfd_0d6, "vv>v"], "i64x2.ne": [0xfd_0d7, "vv>v"], "i64x2.lt_s": [0xfd_0d8, "vv>v"],
  "i64x2.gt_s": [0xfd_0d9, "vv>v"], "i64x2.le_s": [0xfd_0da, "vv>v"], "i64x2.ge_s": [0xfd_0db, "vv>v"],
  "i64x2.extmul_low_i32x4_s": [0xfd_0dc, "vv>v"], "i64x2.extmul_high_i32x4_s": [0xfd_0dd, "vv>v"],
  "i64x2.extmul_low_i32x4_u": [0xfd_0de, "vv>v"], "i64x2.extmul_high_i32x4_u": [0xfd_0df, "vv>v"],

  // f32x4.
  "f32x4.splat": [0xfd_013, "f>v"], "f32x4.extract_lane": [0xfd_01f, "v>f", "lane"],
  "f32x4.replace_lane": [0xfd_020, "vf>v", "lane"], "f32x4.eq": [0xfd_041, "vv>v"], "f32x4.ne": [0xfd_042, "vv>v"],
  "f32x4.lt": [0xfd_043, "vv>v"], "f32x4.gt": [0xfd_044, "vv>v"], "f32x4.le": [0xfd_045, "vv>v"],
  "f32x4.ge": [0xfd_046, "vv>v"], "f32x4.ceil": [0xfd_067, "v>v"], "f32x4.floor": [0xfd_068, "v>v"],
  "f32x4.trunc": [0xfd_069, "v>v"], "f32x4.nearest": [0xfd_06a, "v>v"], "f32x4.abs": [0xfd_0e0, "v>v"],
  "f32x4.neg": [0xfd_0e1, "v>v"], "f32x4.sqrt": [0xfd_0e3, "v>v"], "f32x4.add": [0xfd_0e4, "vv>v"],
  "f32x4.sub": [0xfd_0e5, "vv>v"], "f32x4.mul": [0xfd_0e6, "vv>v"], "f32x4.div": [0xfd_0e7, "vv>v"],
  "f32x4.min": [0xfd_0e8, "vv>v"], "f32x4.max": [0xfd_0e9, "vv>v"], "f32x4.pmin": [0xfd_0ea, "vv>v"],
  "f32x4.pmax": [0xfd_0eb, "vv>v"], "f32x4.convert_i32x4_s": [0xfd_0fa, "v>v"],
  "f32x4.convert_i32x4_u": [0xfd_0fb, "v>v"], "f32x4.demote_f64x2_zero": [0xfd_05e, "v>v"],
  "f32x4.relaxed_madd": [0xfd_105, "vvv>v"], "f32x4.relaxed_nmadd": [0xfd_106, "vvv>v"],

  // f64x2.
  "f64x2.splat": [0xfd_014, "d>v"], "f64x2.extract_lane": [0xfd_021, "v>d", "lane"],
  "f64x2.replace_lane": [0xfd_022, "vd>v", "lane"], "f64x2.eq": [0xfd_047, "vv>v"], "f64x2.ne": [0xfd_048, "vv>v"],
  "f64x2.lt": [0xfd_049, "vv>v"], "f64x2.gt": [0xfd_04a, "vv>v"], "f64x2.le": [0xfd_04b, "vv>v"],
  "f64x2.ge": [0xfd_04c, "vv>v"], "f64x2.ceil": [0xfd_074, "v>v"], "f64x2.floor": [0xfd_075, "v>v"],
  "f64x2.trunc": [0xfd_07a, "v>v"], "f64x2.nearest": [0xfd_094, "v>v"], "f64x2.abs": [0xfd_0ec, "v>v"],
  "f64x2.neg": [0xfd_0ed, "v>v"], "f64x2.sqrt": [0xfd_0ef, "v>v"], "f64x2.add": [0xfd_0f0, "vv>v"],
  "f64x2.sub": [0xfd_0f1, "vv>v"], "f64x2.mul": [0xfd_0f2, "vv>v"], "f64x2.div": [0xfd_0f3, "vv>v"],
  "f64x2.min": [0xfd_0f4, "vv>v"], "f64x2.max": [0xfd_0f5, "vv>v"], "f64x2.pmin": [0xfd_0f6, "vv>v"],
  "f64x2.pmax": [0xfd_0f7, "vv>v"], "f64x2.convert_low_i32x4_s": [0xfd_0fe, "v>v"],
  "f64x2.convert_low_i32x4_u": [0xfd_0ff, "v>v"], "f64x2.promote_low_f32x4": [0xfd_05f, "v>v"],
  "f64x2.relaxed_madd": [0xfd_107, "vvv>v"], "f64x2.relaxed_nmadd": [0xfd_108, "vvv>v"],

  // Atomics on i32: the specification calls these i32.atomic.load, i32.atomic.rmw.add, memory.atomic.wait32 …
  "atomic.notify": [0xfe_000, "ii>i", "memory", 2], "atomic.wait32": [0xfe_001, "iil>i", "memory", 2],
  "atomic.load": [0xfe_010, "i>i", "memory", 2], "atomic.store": [0xfe_017, "ii>", "memory", 2],
  "atomic.add": [0xfe_01e, "ii>i", "memory", 2], "atomic.sub": [0xfe_025, "ii>i", "memory", 2],
  "atomic.and": [0xfe_02c, "ii>i", "memory", 2], "atomic.or": [0xfe_033, "ii>i", "memory", 2],
  "atomic.exchange": [0xfe_041, "ii>i", "memory", 2], "atomic.compare_exchange": [0xfe_048, "iii>i", "memory", 2],
  "atomic.fence": [0xfe_003, ">", "zero"],
} as const satisfies Record<string, Row>;

export type InstructionName = keyof typeof instructions;
