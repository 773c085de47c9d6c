/**
 * Ranks with an artefact, and says why.
 *
 * Guarantees: asks nobody and keeps nothing of a visitor; an item the artefact does not know ranks last; a reason is
 * told only if it is true of the visitor and raised the item's score.
 */
import type { Artefact, ExplainingRanker, Reason } from './artefact.js';
import { REASONS_MAX } from './artefact.js';
import type { Item, Visitor } from './dataset.js';
import { Entries, Features, dayOf, shapeOf, type Scene, type Shape, type Statistics } from './features.js';

export const MODEL_NAME = 'conditional-logit';

/** What adds less to a score is no reason. */
const REASON_MIN = 0.1;
/** The most chosen part of the items is called popular. */
const POPULAR_SHARE = 0.2;
/** Further apart nobody speaks of one trip. */
const TRIP_DAYS_MAX = 4;
/** Score of what is not known. */
const UNKNOWN = -1e9;

/**
 * `facts`: what is known of items by now, where that is more than when the model was trained, as when the teams of a
 * final stand. Teams the model has never heard of are taken for what their country tells.
 */
export function rankerOf(artefact: Artefact, facts: readonly Item[] = []): ExplainingRanker {
  return new LogitRanker(artefact, facts);
}

class LogitRanker implements ExplainingRanker {
  readonly name = MODEL_NAME;
  readonly #artefact: Artefact;
  readonly #features: Features;
  readonly #weights: Float64Array;
  readonly #statistics: Statistics;
  readonly #popularFrom: number;
  readonly #entries = new Entries();

  constructor(artefact: Artefact, facts: readonly Item[]) {
    this.#artefact = artefact;
    const newer = new Map(facts.map((item) => [item.id, item]));
    const items = artefact.items.map((item) => newer.get(item.id) ?? (item as Item));
    this.#features = new Features(withNames({ ...artefact, items }, shapeOf(items, artefact.countries)));
    this.#weights = dense(this.#features, new Features({ ...artefact, items: [...items] }), artefact.weights);
    this.#statistics = {
      popularity: Float64Array.from(artefact.popularity),
      trend: Float64Array.from(artefact.trend),
      neighbours: {
        items: artefact.neighbours.map(({ items: to }) => Int32Array.from(to)),
        weights: artefact.neighbours.map(({ weights }) => Float64Array.from(weights)),
      },
    };
    const ranked = [...artefact.popularity].sort((a, b) => b - a);
    this.#popularFrom = ranked[Math.ceil(ranked.length * POPULAR_SHARE) - 1] ?? Infinity;
  }

  scores(visitor: Visitor, candidates: readonly number[], now: number): Float64Array {
    const scene = this.#scene(visitor, now);
    return Float64Array.from(candidates, (id) => {
      const item = this.#features.placeOf(id);
      return item < 0 ? UNKNOWN : this.#score(scene, item);
    });
  }

  explain(visitor: Visitor, id: number, now: number): readonly Reason[] {
    const item = this.#features.placeOf(id);
    if (item < 0) return [];
    const scene = this.#scene(visitor, now);
    this.#score(scene, item);
    const parts = this.#parts();
    const found = [
      ...this.#teamReasons(visitor, scene, item),
      ...this.#popularReasons(visitor, item, parts),
      ...this.#cityReason(scene, item, parts),
      ...this.#togetherReason(scene, item, parts),
    ];
    return found
      .filter(({ weight }) => weight >= REASON_MIN)
      .sort((a, b) => b.weight - a.weight)
      .slice(0, REASONS_MAX)
      .map(({ reason }) => reason);
  }

  #scene({ country, history, follows = [] }: Visitor, now: number): Scene {
    const known = history.flatMap(({ item, at }) => {
      const place = this.#features.placeOf(item);
      return place < 0 ? [] : [{ item: place, at }];
    });
    return this.#features.scene(country, known, follows, now, this.#statistics);
  }

  /** Leaves what was seen of the item in the entries. */
  #score(scene: Scene, item: number): number {
    const entries = this.#entries;
    entries.length = 0;
    this.#features.emit(scene, item, this.#statistics, entries);
    return this.#worth(entries);
  }

  #worth(entries: Entries): number {
    let worth = 0;
    for (let e = 0; e < entries.length; e += 1) {
      worth += (this.#weights[entries.index[e] ?? 0] ?? 0) * (entries.value[e] ?? 0);
    }
    return worth;
  }

  /** What the features of the item that was scored last added, by group. */
  #parts(): Parts {
    const added = new Map<string, number>();
    for (let e = 0; e < this.#entries.length; e += 1) {
      const index = this.#entries.index[e] ?? 0;
      const name = this.#features.groupAt(index)?.name ?? '';
      const worth = (this.#weights[index] ?? 0) * (this.#entries.value[e] ?? 0);
      added.set(name, (added.get(name) ?? 0) + worth);
    }
    return (...groups) => groups.reduce((sum, name) => sum + (added.get(name) ?? 0), 0);
  }

  #teamReasons({ country, follows = [] }: Visitor, scene: Scene, item: number): Weighed[] {
    const { teams } = this.#features.shape;
    return this.#features.teamPlaces(item).map((team) => {
      const name = teams[team] ?? '';
      const isOwn = country !== null && this.#features.teamCountry(team) === country;
      const origin = this.#sum((entries) => this.#features.emitOrigin(country, item, team, entries));
      if (!isOwn && !follows.includes(name) && (scene.teamTimes[team] ?? 0) === 0) {
        return { weight: origin, reason: { kind: 'neighbour_team', team: name } };
      }
      const loyalty = this.#sum((entries) => this.#features.emitLoyalty(scene, team, entries));
      return { weight: loyalty + (isOwn ? origin : 0), reason: { kind: 'your_team', team: name } };
    });
  }

  /** What some features alone add to a score. */
  #sum(emit: (entries: Entries) => void): number {
    const entries = new Entries();
    emit(entries);
    return this.#worth(entries);
  }

  #popularReasons({ country }: Visitor, item: number, parts: Parts): Weighed[] {
    const general = parts('popularity', 'trend', 'item');
    const popularity = this.#statistics.popularity[item] ?? -Infinity;
    const isFavourite = country !== null && (this.#artefact.popularIn[country]?.includes(item) ?? false);
    if (country !== null && isFavourite) {
      const weight = general + parts('country-item', 'region-item', 'country-stage', 'country-team');
      return [{ weight, reason: { kind: 'popular_in_country', country } }];
    }
    return popularity >= this.#popularFrom && popularity > 0
      ? [{ weight: general, reason: { kind: 'popular' } }]
      : [];
  }

  #cityReason({ held }: Scene, item: number, parts: Parts): Weighed[] {
    const [at, city] = [this.#features.shape.items[item]?.at, this.#features.cityPlace(item)];
    if (at === undefined || city < 0) return [];
    const apart = held
      .filter((one) => one.city === city && one.item !== item)
      .map(({ day }) => dayOf(at) - day)
      .filter((days) => days !== 0 && Math.abs(days) <= TRIP_DAYS_MAX)
      .sort((a, b) => Math.abs(a) - Math.abs(b));
    const [days] = apart;
    if (days === undefined) return [];
    const weight = parts('gap', 'plans', 'city-again');
    return [{ weight, reason: { kind: 'same_city', city: this.#artefact.cities[city] ?? '', days } }];
  }

  #togetherReason({ timesChosen }: Scene, item: number, parts: Parts): Weighed[] {
    const { items: to, weights } = this.#statistics.neighbours;
    let [best, most] = [-1, 0];
    for (const from of timesChosen.keys()) {
      const place = to[from]?.indexOf(item) ?? -1;
      const pull = place < 0 ? 0 : (weights[from]?.[place] ?? 0);
      if (pull > most) [best, most] = [from, pull];
    }
    const other = this.#artefact.items[best];
    if (!other) return [];
    return [{ weight: parts('neighbours'), reason: { kind: 'bought_together', item: other.id } }];
  }
}

interface Weighed {
  readonly weight: number;
  readonly reason: Reason;
}

/** What groups of features added to a score. */
type Parts = (...groups: readonly string[]) => number;

/** A shape with names that were not there before, each behind those that were. */
function withNames(shape: Shape, now: Shape): Shape {
  const both = (before: readonly string[], names: readonly string[]): string[] => [
    ...new Set([...before, ...names]),
  ];
  return {
    ...shape,
    teams: both(shape.teams, now.teams),
    stages: both(shape.stages, now.stages),
    cities: both(shape.cities, now.cities),
  };
}

/** Weights in the places that features have now; 0 for those that the artefact does not know. */
function dense(features: Features, before: Features, kept: Artefact['weights']): Float64Array {
  const weights = new Float64Array(features.size);
  for (const { name, offset, columns } of features.groups) {
    const { index = [], value = [] } = kept[name] ?? {};
    const { columns: columnsBefore = 1 } = before.groups.find((group) => group.name === name) ?? {};
    index.forEach((place, k) => {
      const [row, column] = [Math.floor(place / columnsBefore), place % columnsBefore];
      weights[offset + row * columns + column] = value[k] ?? 0;
    });
  }
  return weights;
}
