/**
 * The incomplete beta function: the chance that a share with a beta distribution is at most `x`. Own code, since the
 * packages that have it bring two hundred others along, or no types. Pure.
 */

const STEPS_MAX = 500;
const PRECISION = 1e-10;
const TINY = 1e-300;

/** I_x(a, b), from 0 to 1; `a` and `b` above 0. By its continued fraction (DLMF 8.17.22), as Lentz evaluates one. */
export function incompleteBeta(x: number, a: number, b: number): number {
  if (x <= 0) return 0;
  if (x >= 1) return 1;
  // On the other side the fraction converges slowly.
  if (x > (a + 1) / (a + b + 2)) return 1 - incompleteBeta(1 - x, b, a);
  const front = Math.exp(
    a * Math.log(x) + b * Math.log1p(-x) + logGamma(a + b) - logGamma(a) - logGamma(b) - Math.log(a),
  );
  return Math.min(1, front / fraction(x, a, b));
}

function fraction(x: number, a: number, b: number): number {
  let value = 1;
  let numerator = 1;
  let denominator = 0;
  for (let step = 1; step <= STEPS_MAX; step += 1) {
    const term = termOf(step, x, a, b);
    denominator = 1 / awayFromZero(1 + term * denominator);
    numerator = awayFromZero(1 + term / numerator);
    const change = numerator * denominator;
    value *= change;
    if (Math.abs(change - 1) < PRECISION) break;
  }
  return value;
}

function termOf(step: number, x: number, a: number, b: number): number {
  const m = Math.floor(step / 2);
  const end = a + step;
  return step % 2 === 0
    ? (m * (b - m) * x) / ((end - 1) * end)
    : (-(a + m) * (a + b + m) * x) / ((end - 1) * end);
}

const awayFromZero = (value: number): number => (Math.abs(value) < TINY ? TINY : value);

/** From here on the series of Stirling is exact to ten digits. */
const STIRLING_MIN = 10;

/** Of a number above 0. Stirling's series (DLMF 5.11.1), for small numbers by the recurrence. */
export function logGamma(value: number): number {
  let at = value;
  let product = 1;
  while (at < STIRLING_MIN) {
    product *= at;
    at += 1;
  }
  const inverse = 1 / at;
  const square = inverse * inverse;
  const series = inverse * (1 / 12 - square * (1 / 360 - square * (1 / 1_260 - square / 1_680)));
  return (at - 0.5) * Math.log(at) - at + 0.5 * Math.log(2 * Math.PI) + series - Math.log(product);
}
