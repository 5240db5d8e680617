/**
 * Jacobi's methods (Golub and Van Loan, 8.5 and 8.6.3): eigenvalues of symmetric matrices and singular values. In each
 * round all pairs of a tournament are turned at once, so that a sweep takes as many rounds as there are columns.
 */
import { type Phase, once } from "./phases.ts";
import { MATRIX_LANES, type Shader } from "./shader.ts";

/** Sweeps end by themselves after 5 to 9; the bound is there to end rounding that goes in circles. */
const MOST_SWEEPS = 30;
const EPSILON = "1.1920929e-7f";
/** The square of a scaled length that counts as 0: below, squares lose digits to underflow. */
const NOTHING = "1e-34f";

/** Rotated matrix, eigenvectors as rows, cosine and sine of every pair, then the scale. */
export const eighScratch = (n: number): number => 2 * n * n + 2 * Math.ceil(n / 2) + 1;
/** Rotated columns, right vectors, the squares of the lengths, then the scale. */
export const svdScratch = (m: number, n: number): number => m * n + n * n + n + 1;

/** Players of the tournament: an odd one out rests. */
const playersOf = (n: number): number => n + (n % 2);

/** Rounds of a sweep. */
const roundsOf = (n: number): number => Math.max(1, playersOf(n) - 1);

function declareTournament(shader: Shader, n: number): void {
  const players = playersOf(n);
  shader.declare("var<workgroup> turned: atomic<u32>;\nvar<workgroup> goes_on: u32;");
  // The circle method: the last player stays, the others move on by one place each round.
  shader.declare(`/** The columns that meet in a round, smaller first; the second may be ${n}, who is nobody. */
fn pair_of(round: i32, t: i32) -> vec2i {
  if (t == 0) { return vec2i(round, ${players - 1}); }
  let p = (round + t) % ${players - 1};
  let q = (round + ${players - 1} - t) % ${players - 1};
  return vec2i(min(p, q), max(p, q));
}`);
  shader.declare(`/** Cosine and sine of the rotation that makes the element c of [[x, c], [c, y]] vanish. */
fn rotation(x: f32, c: f32, y: f32) -> vec2f {
  let theta = (y - x) / (2.0f * c);
  // From 1e9 on the square of theta is all there is of the root, and it may overflow.
  let root = select(sqrt(theta * theta + 1.0f), abs(theta), abs(theta) > 1e9f);
  let tangent = select(1.0f, -1.0f, theta < 0.0f) / (abs(theta) + root);
  let cosine = 1.0f / sqrt(tangent * tangent + 1.0f);
  return vec2f(cosine, tangent * cosine);
}`);
}

/** Lines that end the sweeps when one turned nothing. */
const endOfSweep = (n: number): string => `if (round == ${roundsOf(n) - 1}) {
  storageBarrier();
  workgroupBarrier();
  if (me == 0) { goes_on = atomicExchange(&turned, 0u); }
  if (workgroupUniformLoad(&goes_on) == 0u) {
    finished = true;
    break;
  }
}`;

/** w [n], v [n, n]: (a + aᵀ)/2 = v·diag(w)·vᵀ, ascending. */
export function eighPhases(shader: Shader, n: number): Phase[] {
  declareTournament(shader, n);
  const players = playersOf(n);
  const [vectors, turns, scale] = [n * n, 2 * n * n, eighScratch(n) - 1];
  const start = `let scale = scale_of(lane, a);
if (me == 0) { scratch[own + ${scale}] = scale; }
for (var e = me; e < n * n; e += ${MATRIX_LANES}) {
  let i = e / n;
  let j = e % n;
  scratch[own + e] = 0.5f * (given(a + e) / scale) + 0.5f * (given(a + j * n + i) / scale);
  scratch[own + ${vectors} + e] = select(0.0f, 1.0f, i == j);
}`;
  const text = `let round = step % ${roundsOf(n)};
for (var t = me; t < ${players / 2}; t += ${MATRIX_LANES}) {
  let pair = pair_of(round, t);
  var turn = vec2f(1.0f, 0.0f);
  if (pair.y < n) {
    let x = scratch[own + pair.x * n + pair.x];
    let c = scratch[own + pair.x * n + pair.y];
    let y = scratch[own + pair.y * n + pair.y];
    if (abs(c) > ${EPSILON} * sqrt(max(abs(x * y), ${EPSILON} * ${EPSILON}))) {
      turn = rotation(x, c, y);
      atomicStore(&turned, 1u);
    }
  }
  scratch[own + ${turns} + 2 * t] = turn.x;
  scratch[own + ${turns} + 2 * t + 1] = turn.y;
}
storageBarrier();
for (var e = me; e < ${(players / 2) * n}; e += ${MATRIX_LANES}) {
  let pair = pair_of(round, e / n);
  let j = e % n;
  let cosine = scratch[own + ${turns} + 2 * (e / n)];
  let sine = scratch[own + ${turns} + 2 * (e / n) + 1];
  if (sine != 0.0f) {
    let p = own + pair.x * n + j;
    let q = own + pair.y * n + j;
    let x = scratch[p];
    let y = scratch[q];
    scratch[p] = cosine * x - sine * y;
    scratch[q] = sine * x + cosine * y;
    let u = scratch[${vectors} + p];
    let v = scratch[${vectors} + q];
    scratch[${vectors} + p] = cosine * u - sine * v;
    scratch[${vectors} + q] = sine * u + cosine * v;
  }
}
storageBarrier();
for (var e = me; e < ${(players / 2) * n}; e += ${MATRIX_LANES}) {
  let pair = pair_of(round, e / n);
  let i = e % n;
  let cosine = scratch[own + ${turns} + 2 * (e / n)];
  let sine = scratch[own + ${turns} + 2 * (e / n) + 1];
  if (sine != 0.0f) {
    let p = own + i * n + pair.x;
    let q = own + i * n + pair.y;
    let x = scratch[p];
    let y = scratch[q];
    scratch[p] = select(cosine * x - sine * y, 0.0f, i == pair.y);
    scratch[q] = select(sine * x + cosine * y, 0.0f, i == pair.x);
  }
}
storageBarrier();
${endOfSweep(n)}`;
  const finish = `let scale = scratch[own + ${scale}];
for (var e = me; e < n; e += ${MATRIX_LANES}) {
  let mine = scratch[own + e * n + e];
  var rank = 0;
  for (var other = 0; other < n; other++) {
    let value = scratch[own + other * n + other];
    if (value < mine || (value == mine && other < e)) { rank++; }
  }
  make(out + rank, mine * scale);
  for (var i = 0; i < n; i++) { make(out + n + i * n + rank, scratch[own + ${vectors} + e * n + i]); }
}
${notANumberUnlessFinite(shader, n + n * n)}`;
  return [once(n * n, start), { steps: MOST_SWEEPS * roundsOf(n), work: 3 * n * n, text, carries: "turned" }, once(n * n, finish)];
}

/** u [m, n], s [n], v [n, n]: a = u·diag(s)·vᵀ, descending. */
export function svdPhases(shader: Shader, m: number, n: number): Phase[] {
  declareTournament(shader, n);
  const players = playersOf(n);
  const [vectors, squares, scale] = [m * n, m * n + n * n, svdScratch(m, n) - 1];
  const [values, right] = [m * n, m * n + n];
  const start = `let scale = scale_of(lane, a);
if (me == 0) { scratch[own + ${scale}] = scale; }
for (var e = me; e < m * n; e += ${MATRIX_LANES}) { scratch[own + e] = given(a + e) / scale; }
for (var e = me; e < n * n; e += ${MATRIX_LANES}) { scratch[own + ${vectors} + e] = select(0.0f, 1.0f, e / n == e % n); }`;
  const text = `let round = step % ${roundsOf(n)};
for (var t = me; t < ${players / 2}; t += ${MATRIX_LANES}) {
  let pair = pair_of(round, t);
  if (pair.y < n) {
    var x = 0.0f;
    var y = 0.0f;
    var c = 0.0f;
    for (var i = 0; i < m; i++) {
      let p = scratch[own + i * n + pair.x];
      let q = scratch[own + i * n + pair.y];
      x += p * p;
      y += q * q;
      c += p * q;
    }
    if (x >= ${NOTHING} && y >= ${NOTHING} && abs(c) > ${EPSILON} * ${Math.max(2, Math.ceil(Math.sqrt(m)))}.0f * sqrt(x) * sqrt(y)) {
      let turn = rotation(x, c, y);
      atomicStore(&turned, 1u);
      for (var i = 0; i < m + n; i++) {
        // Rows of the vectors follow those of the columns.
        let p = own + i * n + pair.x;
        let q = own + i * n + pair.y;
        let u = scratch[p];
        let v = scratch[q];
        scratch[p] = turn.x * u - turn.y * v;
        scratch[q] = turn.y * u + turn.x * v;
      }
    }
  }
}
storageBarrier();
${endOfSweep(n)}`;
  const finish = `let scale = scratch[own + ${scale}];
for (var j = me; j < n; j += ${MATRIX_LANES}) {
  var square = 0.0f;
  for (var i = 0; i < m; i++) { square += scratch[own + i * n + j] * scratch[own + i * n + j]; }
  scratch[own + ${squares} + j] = select(square, 0.0f, square < ${NOTHING});
}
storageBarrier();
for (var e = me; e < n; e += ${MATRIX_LANES}) {
  let mine = scratch[own + ${squares} + e];
  var rank = 0;
  for (var other = 0; other < n; other++) {
    let square = scratch[own + ${squares} + other];
    if (square > mine || (square == mine && other < e)) { rank++; }
  }
  let value = sqrt(mine);
  make(out + ${values} + rank, value * scale);
  for (var i = 0; i < m; i++) { make(out + i * n + rank, select(0.0f, scratch[own + i * n + e] / max(value, 1e-30f), value > 0.0f)); }
  for (var i = 0; i < n; i++) { make(out + ${right} + i * n + rank, scratch[own + ${vectors} + i * n + e]); }
}
storageBarrier();
// Where a singular value is 0, any unit vector at right angles to the others will do.
if (me == 0) {
  for (var j = 0; j < n; j++) {
    if (made(out + ${values} + j) == 0.0f) {
      // The coordinate axis that the vectors so far cover least.
      var axis = 0;
      var least = 2.0f;
      for (var i = 0; i < m; i++) {
        var covered = 0.0f;
        for (var k = 0; k < j; k++) { covered += made(out + i * n + k) * made(out + i * n + k); }
        if (covered < least) { axis = i; least = covered; }
      }
      for (var i = 0; i < m; i++) { make(out + i * n + j, select(0.0f, 1.0f, i == axis)); }
      // Twice is enough (Kahan and Parlett).
      for (var again = 0; again < 2; again++) {
        for (var k = 0; k < j; k++) {
          var share = 0.0f;
          for (var i = 0; i < m; i++) { share += made(out + i * n + k) * made(out + i * n + j); }
          for (var i = 0; i < m; i++) { make(out + i * n + j, made(out + i * n + j) - share * made(out + i * n + k)); }
        }
      }
      var square = 0.0f;
      for (var i = 0; i < m; i++) { square += made(out + i * n + j) * made(out + i * n + j); }
      let length = sqrt(square);
      for (var i = 0; i < m; i++) { make(out + i * n + j, made(out + i * n + j) / length); }
    }
  }
}
${notANumberUnlessFinite(shader, m * n + n + n * n)}`;
  return [once(m * n, start), { steps: MOST_SWEEPS * roundsOf(n), work: 2 * m * n, text, carries: "turned" }, once(m * n, finish)];
}

/** Lines that make every result NaN where an element of the matrix is not finite. */
function notANumberUnlessFinite(shader: Shader, length: number): string {
  return `storageBarrier();
var broken = false;
for (var e = 0; e < m * n; e++) { broken = broken || (bitcast<u32>(given(a + e)) & 0x7f800000u) == 0x7f800000u; }
if (broken) {
  for (var e = me; e < ${length}; e += ${MATRIX_LANES}) { make(out + e, ${shader.call("not_a_number")}); }
}`;
}
