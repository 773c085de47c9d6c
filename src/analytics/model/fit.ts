/**
 * The weights of a conditional logit: each choice was one out of what could be had at the time, and the odds between
 * two items depend on what is seen of them and of who chooses (McFadden, "Conditional logit analysis of qualitative
 * choice behavior", 1974). The likeliest weights under a normal prior, found by AdaGrad (Duchi, Hazan, Singer, 2011).
 *
 * Guarantees: what is counted of a choice's items (popularity, neighbours) was counted before the choice was made, so
 * no weight leans on the answer; the same data and seed give the same weights, whatever the machine's speed.
 */
import { seeded, wholeFrom } from '../../peer/random.js';
import { Entries, HISTORY_MAX, type Features, type Statistics } from './features.js';
import { absencesOf, historyOf, previousRows, type Absences, type Packed } from './packed.js';
import { statisticsOf } from './statistics.js';

export const EPOCHS = 6;
/** Of more choices a part is drawn. */
export const CHOICES_FITTED_MAX = 100_000;
/** Items looked at in an epoch, over all choices: with many items fewer choices are drawn. */
const SCORES_PER_EPOCH_MAX = 10_000_000;
const BATCH = 64;
const STEP = 0.1;
/** The first part of the data only says what is popular and chosen together. */
const COUNTED_ONLY_SHARE = 0.02;
/** How often that is counted anew on the way to the end: it takes long for many items. */
const COUNTS = 20;
const COUNTS_OF_MANY = 3;
const MANY_ITEMS = 300;

export interface FitOptions {
  readonly seed: number;
  readonly allowsRepeats: boolean;
  /** Called between parts of the work, which wait for it. */
  readonly onEpoch?: (epoch: number, of: number) => void;
}

/** One choice to be explained. */
interface Case {
  readonly row: number;
  readonly statistics: Statistics;
}

export function fit(data: Packed, features: Features, options: FitOptions): Float64Array {
  const weights = new Float64Array(features.size);
  const starts = new Float64Array(features.size);
  const precision = new Float64Array(features.size);
  for (const { offset, size, start, spread } of features.groups) {
    weights.fill(start, offset, offset + size);
    starts.fill(start, offset, offset + size);
    precision.fill(1 / spread ** 2, offset, offset + size);
  }
  const cases = casesOf(data, options.seed);
  const descent = new Descent(data, features, weights, options.allowsRepeats);
  const random = seeded(options.seed, 1);
  const squares = new Float64Array(features.size).fill(1e-6);
  for (let epoch = 1; epoch <= EPOCHS; epoch += 1) {
    options.onEpoch?.(epoch, EPOCHS);
    shuffle(cases, random);
    for (let from = 0; from < cases.length; from += BATCH) {
      const batch = cases.slice(from, from + BATCH);
      const gradient = descent.gradientOf(batch);
      const share = batch.length / cases.length;
      for (let f = 0; f < weights.length; f += 1) {
        const weight = weights[f] ?? 0;
        const slope = (gradient[f] ?? 0) + share * (precision[f] ?? 0) * (weight - (starts[f] ?? 0));
        if (slope === 0) continue;
        const sum = (squares[f] ?? 0) + slope * slope;
        squares[f] = sum;
        weights[f] = weight - (STEP * slope) / Math.sqrt(sum);
      }
    }
  }
  return weights;
}

/** Choices with what was counted before them. */
function casesOf(data: Packed, seed: number): Case[] {
  const rows = data.at.length;
  const first = Math.floor(rows * COUNTED_ONLY_SHARE);
  const counts = data.items.length > MANY_ITEMS ? COUNTS_OF_MANY : COUNTS;
  const most = Math.min(
    CHOICES_FITTED_MAX,
    Math.floor(SCORES_PER_EPOCH_MAX / Math.max(1, data.items.length)),
  );
  const drawn = Array.from({ length: rows - first }, (_, offset) => first + offset);
  if (drawn.length > most) {
    shuffle(drawn, seeded(seed, 2));
    drawn.length = most;
    drawn.sort((a, b) => a - b);
  }
  const cases: Case[] = [];
  let [counted, statistics]: [number, Statistics | null] = [-1, null];
  for (const row of drawn) {
    const part = Math.floor(((row - first) * counts) / Math.max(1, rows - first));
    if (part !== counted || !statistics) {
      counted = part;
      statistics = statisticsOf(data, first + Math.floor((part * (rows - first)) / counts));
    }
    cases.push({ row, statistics });
  }
  return cases;
}

/** What the likelihood of choices says about the weights as they are. */
class Descent {
  readonly #data: Packed;
  readonly #features: Features;
  readonly #weights: Float64Array;
  readonly #allowsRepeats: boolean;
  readonly #previous: Int32Array;
  readonly #absences: readonly Absences[];
  readonly #begins: number[] = [];
  readonly #entries = new Entries();
  readonly #gradient: Float64Array;

  constructor(data: Packed, features: Features, weights: Float64Array, allowsRepeats: boolean) {
    this.#data = data;
    this.#features = features;
    this.#weights = weights;
    this.#allowsRepeats = allowsRepeats;
    this.#previous = previousRows(data);
    this.#absences = absencesOf(data);
    this.#gradient = new Float64Array(features.size);
  }

  gradientOf(cases: readonly Case[]): Float64Array {
    this.#gradient.fill(0);
    for (const one of cases) this.#add(one);
    return this.#gradient;
  }

  #add({ row, statistics }: Case): void {
    const [data, features, entries, begins] = [this.#data, this.#features, this.#entries, this.#begins];
    const { items } = data;
    const [chosen = -1, now = 0, country = -1] = [data.item[row], data.at[row], data.country[row]];
    const history = historyOf(data, this.#previous, row, HISTORY_MAX);
    const scene = features.scene(data.countries[country] ?? null, history, [], now, statistics);
    entries.length = 0;
    begins.length = 0;
    const scores: number[] = [];
    let place = -1;
    for (let item = 0; item < items.length; item += 1) {
      if ((items[item]?.at ?? Infinity) <= now) continue;
      if (this.#absences[item]?.some(([from, to]) => row >= from && row < to)) continue;
      if (!this.#allowsRepeats && item !== chosen && scene.timesChosen.has(item)) continue;
      if (item === chosen) place = scores.length;
      begins.push(entries.length);
      const begin = entries.length;
      features.emit(scene, item, statistics, entries);
      let score = 0;
      for (let e = begin; e < entries.length; e += 1) {
        score += (this.#weights[entries.index[e] ?? 0] ?? 0) * (entries.value[e] ?? 0);
      }
      scores.push(score);
    }
    // Chosen after it began, or while it could not be had.
    if (place < 0) return;
    const highest = scores.reduce((most, score) => Math.max(most, score), -Infinity);
    const odds = scores.map((score) => Math.exp(score - highest));
    const total = odds.reduce((sum, odd) => sum + odd, 0);
    begins.push(entries.length);
    for (let candidate = 0; candidate < odds.length; candidate += 1) {
      const pull = (odds[candidate] ?? 0) / total - (candidate === place ? 1 : 0);
      const end = begins[candidate + 1] ?? 0;
      for (let e = begins[candidate] ?? 0; e < end; e += 1) {
        const f = entries.index[e] ?? 0;
        this.#gradient[f] = (this.#gradient[f] ?? 0) + pull * (entries.value[e] ?? 0);
      }
    }
  }
}

function shuffle(list: unknown[], random: () => number): void {
  for (let last = list.length - 1; last > 0; last -= 1) {
    const other = wholeFrom(random, 0, last);
    [list[last], list[other]] = [list[other], list[last]];
  }
}
