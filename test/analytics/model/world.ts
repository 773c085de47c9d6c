/** Small worlds to learn from, with rules that a test can know. Seeded: the same seed is the same world. */
import type { Choice, Dataset, Item } from '../../../src/analytics/model/dataset.js';
import { seeded, wholeFrom, type Random } from '../../../src/peer/random.js';

const DAY_MS = 86_400_000;
/** A day of 2026. */
export const day = (number: number, hour = 16): number => Date.UTC(2026, 5, 1 + number, hour);

export const TEAMS = ['Argentina', 'Brazil', 'Mexico', 'Uruguay', 'England', 'France', 'Japan', 'Morocco'];
const CITIES = ['Lusail', 'Doha', 'Al Khor'];

/** Every team against every other, one match a day and three cities in turn, and a final without teams. */
export function tournament(): Item[] {
  const pairs = TEAMS.flatMap((home, i) => TEAMS.slice(i + 1).map((away) => [home, away]));
  const items = pairs.map((teams, index): Item => {
    const place = (index * 11) % pairs.length;
    return {
      id: index + 1,
      at: day(40 + place),
      teams,
      city: CITIES[place % CITIES.length]!,
      stage: 'group',
      priceMinor: 7_500,
    };
  });
  return [
    ...items,
    { id: 100, at: day(90), teams: [], city: 'Lusail', stage: 'final', priceMinor: 60_000 },
  ];
}

export interface Crowd {
  readonly country: string | null;
  readonly persons: number;
  /** Team by how strongly it draws them. */
  readonly likes: Readonly<Record<string, number>>;
}

/** Persons who each choose some matches by their crowd's likes, spread over 30 days before the first match. */
export function dataset(items: readonly Item[], crowds: readonly Crowd[], seed = 1, each = 3): Dataset {
  const random = seeded(seed);
  const choices = crowds.flatMap(({ country, persons, likes }, crowd) =>
    Array.from({ length: persons }, (_, number) => {
      const favourite = drawn(random, Object.keys(likes), (team) => likes[team] ?? 0);
      const taken = new Set<number>();
      return Array.from({ length: each }, (_, nth): Choice => {
        const item = drawn(random, items, ({ id, teams = [] }) => {
          if (taken.has(id)) return 0;
          return teams.includes(favourite) ? 10 : 1;
        });
        taken.add(item.id);
        const at = day(0) + (nth * 10 + random() * 10) * DAY_MS;
        return { person: `p${crowd}-${number}`, country, item: item.id, at: Math.floor(at) };
      });
    }).flat(),
  );
  return { items, choices: inOrder(choices) };
}

export const inOrder = (choices: readonly Choice[]): Choice[] =>
  [...choices].sort((a, b) => a.at - b.at || (a.person < b.person ? -1 : 1) || a.item - b.item);

function drawn<T>(random: Random, from: readonly T[], weight: (one: T) => number): T {
  let left = random() * from.reduce((sum, one) => sum + weight(one), 0);
  for (const one of from) {
    left -= weight(one);
    if (left < 0) return one;
  }
  return from.at(-1)!;
}

/** Without any facts: items of `kinds` kinds, persons who like one kind. */
export function factless(items: number, persons: number, kinds: number, seed = 1, each = 6): Dataset {
  const random = seeded(seed);
  const choices = Array.from({ length: persons }, (_, person) => {
    const kind = wholeFrom(random, 0, kinds - 1);
    const taken = new Set<number>();
    return Array.from({ length: each }, (_, nth): Choice => {
      const fits = (item: number): boolean => !taken.has(item) && (random() < 0.15 || item % kinds === kind);
      let item = wholeFrom(random, 0, items - 1);
      while (!fits(item)) item = wholeFrom(random, 0, items - 1);
      taken.add(item);
      return { person: `p${person}`, country: null, item, at: day(nth) + Math.floor(random() * DAY_MS) };
    });
  }).flat();
  return { items: Array.from({ length: items }, (_, id) => ({ id })), choices: inOrder(choices) };
}
