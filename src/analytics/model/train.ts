/**
 * From a data set to an artefact. Why this model: docs/decisions/0031.
 *
 * Guarantees: the same data set and seed give the same bytes; no person is in it, and nothing of a country with fewer
 * than `COUNTRY_PERSONS_MIN` persons.
 */
import { ARTEFACT_SCHEMA, rankerOf, type Artefact } from './artefact.js';
import type { Dataset, Trainer } from './dataset.js';
import { Features, shapeOf } from './features.js';
import { fit } from './fit.js';
import { packed, previousRows, type Packed } from './packed.js';
import { statisticsOf } from './statistics.js';

/** Fewer, and a country's weights would tell of them. */
export const COUNTRY_PERSONS_MIN = 5;
/** More of a country's favourites are not told apart. */
const FAVOURITES_MAX = 10;
/** From this share of choices of what was chosen before on, people are taken to choose again. */
const REPEATS_SHARE_MIN = 0.005;
/** Weights nearer to 0 change no order that matters. */
const WEIGHT_MIN = 0.005;
/** Of more the weights nearest to 0 are left out: an artefact for thousands of items stays a few megabytes. */
const WEIGHTS_MAX = 60_000;

export interface TrainOptions {
  readonly seed: number;
  readonly onEpoch?: (epoch: number, of: number) => void;
}

export function train(data: Packed, { seed, onEpoch }: TrainOptions): Artefact {
  const allowsRepeats = hasRepeats(data);
  const countries = tellableCountries(data);
  const shape = shapeOf(data.items, countries);
  const features = new Features(shape);
  const weights = fit(data, features, { seed, allowsRepeats, ...(onEpoch && { onEpoch }) });
  const rows = data.at.length;
  const { popularity, trend, neighbours } = statisticsOf(data, rows);
  return {
    schema: ARTEFACT_SCHEMA,
    method: 'conditional-logit',
    seed,
    trainedOn: {
      choices: rows,
      persons: personsOf(data),
      items: data.items.length,
      from: data.at[0] ?? 0,
      until: data.at[rows - 1] ?? 0,
    },
    allowsRepeats,
    items: data.items.map(({ teams, ...item }) => ({ ...item, ...(teams && { teams: [...teams] }) })),
    teams: [...shape.teams],
    stages: [...shape.stages],
    cities: [...shape.cities],
    countries,
    regions: [...shape.regions],
    popularity: [...popularity],
    trend: [...trend],
    neighbours: neighbours.items.map((items, item) => ({
      items: [...items],
      weights: [...(neighbours.weights[item] ?? [])],
    })),
    popularIn: favourites(data, countries),
    weights: sparse(features, weights),
  };
}

/** A trainer for whoever judges models. */
export const trainLogit: Trainer = (dataset: Dataset, seed: number) =>
  rankerOf(train(packed(dataset), { seed }));

export function hasRepeats(data: Packed): boolean {
  const seen = new Set<number>();
  let repeats = 0;
  const { length } = data.at;
  for (let row = 0; row < length; row += 1) {
    const pair = (data.person[row] ?? 0) * data.items.length + (data.item[row] ?? 0);
    if (seen.has(pair)) repeats += 1;
    seen.add(pair);
  }
  return length > 0 && repeats / length >= REPEATS_SHARE_MIN;
}

/** Of a part of the rows, too. */
export const personsOf = (data: Packed): number =>
  previousRows(data).reduce((persons, previous) => persons + (previous < 0 ? 1 : 0), 0);

function tellableCountries(data: Packed): string[] {
  const persons = data.countries.map(() => new Set<number>());
  data.country.forEach((country, row) => persons[country]?.add(data.person[row] ?? 0));
  return data.countries.filter((_, country) => (persons[country]?.size ?? 0) >= COUNTRY_PERSONS_MIN);
}

/** What at least `COUNTRY_PERSONS_MIN` persons of a country chose, the most chosen first. */
function favourites(data: Packed, countries: readonly string[]): Record<string, number[]> {
  const told = new Set(countries);
  const persons = new Map<string, Set<number>[]>();
  for (let row = 0; row < data.at.length; row += 1) {
    const code = data.countries[data.country[row] ?? -1];
    if (code === undefined || !told.has(code)) continue;
    const items = persons.get(code) ?? data.items.map(() => new Set<number>());
    persons.set(code, items);
    items[data.item[row] ?? 0]?.add(data.person[row] ?? 0);
  }
  return Object.fromEntries(
    countries.flatMap((code) => {
      const sizes = (persons.get(code) ?? []).map(({ size }, item) => ({ item, size }));
      const most = sizes.filter(({ size }) => size >= COUNTRY_PERSONS_MIN);
      most.sort((a, b) => b.size - a.size || a.item - b.item);
      return most.length === 0 ? [] : [[code, most.slice(0, FAVOURITES_MAX).map(({ item }) => item)]];
    }),
  );
}

/** The weights that matter, in groups. Those that were not moved from where they start are told as well. */
function sparse(features: Features, weights: Float64Array): Artefact['weights'] {
  const kept = [...weights.keys()].filter((f) => Math.abs(weights[f] ?? 0) >= WEIGHT_MIN);
  if (kept.length > WEIGHTS_MAX) {
    kept.sort((a, b) => Math.abs(weights[b] ?? 0) - Math.abs(weights[a] ?? 0) || a - b);
    kept.length = WEIGHTS_MAX;
    kept.sort((a, b) => a - b);
  }
  return Object.fromEntries(
    features.groups.map(({ name, offset, size }) => {
      const index = kept.filter((f) => f >= offset && f < offset + size);
      return [
        name,
        { index: index.map((f) => f - offset), value: index.map((f) => rounded(weights[f] ?? 0)) },
      ];
    }),
  );
}

const rounded = (weight: number): number => Math.round(weight * 1e3) / 1e3;
