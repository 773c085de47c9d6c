/** What is learned of small worlds whose rules are known, and what is said of it. */
import { describe, expect, test } from '@jest/globals';
import {
  NewerArtefactError,
  artefactSchema,
  rankerOf,
  readArtefact,
  type ExplainingRanker,
  type Reason,
} from '../../../src/analytics/model/artefact.js';
import type { Item, Visitor } from '../../../src/analytics/model/dataset.js';
import { judge } from '../../../src/analytics/model/judge.js';
import { absencesOf, packed } from '../../../src/analytics/model/packed.js';
import { train } from '../../../src/analytics/model/train.js';
import { dataset, day, factless, tournament } from './world.js';

const ITEMS = tournament();
const IDS = ITEMS.map(({ id }) => id);
const NOW = day(31);
const WORLD = dataset(ITEMS, [
  { country: 'AR', persons: 150, likes: { Argentina: 6, Brazil: 1, Uruguay: 2 } },
  { country: 'CO', persons: 150, likes: { Argentina: 3, Brazil: 3, Uruguay: 2, Mexico: 2 } },
  { country: 'GB', persons: 150, likes: { England: 8, France: 1 } },
  { country: 'JP', persons: 100, likes: { Japan: 8, Brazil: 1 } },
  { country: 'IS', persons: 2, likes: { Morocco: 1 } },
]);
const ARTEFACT = train(packed(WORLD), { seed: 1 });
const RANKER = rankerOf(ARTEFACT);

const visitor = (country: string | null, more: Partial<Visitor> = {}): Visitor => ({
  country,
  history: [],
  ...more,
});
const held = (...items: number[]): Visitor['history'] => items.map((item) => ({ item, at: day(5) }));
const teamsOf = (id: number): readonly string[] => ITEMS.find((item) => item.id === id)?.teams ?? [];
const matchOf = (one: string, other: string): number =>
  ITEMS.find(({ teams = [] }) => teams.includes(one) && teams.includes(other))!.id;

function top(ranker: ExplainingRanker, who: Visitor, count: number): number[] {
  const scores = ranker.scores(who, IDS, NOW);
  return [...IDS.keys()]
    .sort((a, b) => scores[b]! - scores[a]!)
    .slice(0, count)
    .map((place) => IDS[place]!);
}

describe('ranking', () => {
  test('a visitor is shown the team of their country', () => {
    for (const id of top(RANKER, visitor('GB'), 5)) expect(teamsOf(id)).toContain('England');
    for (const id of top(RANKER, visitor('JP'), 5)) expect(teamsOf(id)).toContain('Japan');
  });

  test('a country without a single choice is taken for its region', () => {
    const latin = ['Argentina', 'Brazil', 'Mexico', 'Uruguay'];
    expect(WORLD.choices.some(({ country }) => country === 'PE')).toBe(false);
    for (const id of top(RANKER, visitor('PE'), 5)) {
      expect(teamsOf(id).some((team) => latin.includes(team))).toBe(true);
    }
    expect(top(RANKER, visitor('PE'), 5)).not.toEqual(top(RANKER, visitor(null), 5));
  });

  test('who chose a team before, or follows it, is shown it', () => {
    const [one, other] = [matchOf('Morocco', 'France'), matchOf('Morocco', 'Japan')];
    for (const who of [
      visitor(null, { history: held(one, other) }),
      visitor(null, { follows: ['Morocco'] }),
    ]) {
      const shown = top(RANKER, who, 6).filter((id) => ![one, other].includes(id));
      expect(shown.filter((id) => teamsOf(id).includes('Morocco')).length).toBeGreaterThanOrEqual(3);
    }
  });

  test('a match nobody chose yet is ranked by its teams', () => {
    const unseen = matchOf('England', 'Morocco');
    const choices = WORLD.choices.filter(({ item }) => item !== unseen);
    const ranker = rankerOf(train(packed({ items: ITEMS, choices }), { seed: 1 }));
    expect(top(ranker, visitor('GB'), 7)).toContain(unseen);
    expect(top(ranker, visitor('JP'), 7)).not.toContain(unseen);
  });

  test('a team nobody heard of in training is taken for what its country tells', () => {
    const final: Item = { ...ITEMS.find(({ id }) => id === 100)!, teams: ['Peru', 'Chile'] };
    const [before, after] = [rankerOf(ARTEFACT), rankerOf(ARTEFACT, [final])];
    const gain = (country: string): number =>
      after.scores(visitor(country), [100], NOW)[0]! - before.scores(visitor(country), [100], NOW)[0]!;
    expect(gain('JP')).toBeGreaterThanOrEqual(0);
    expect(gain('PE')).toBeGreaterThan(gain('CO'));
    expect(gain('CO')).toBeGreaterThan(gain('JP'));
    expect(after.explain(visitor('PE'), 100, NOW)).toContainEqual({ kind: 'your_team', team: 'Peru' });
    // Nothing else moved.
    expect(after.scores(visitor('AR'), [1, 2, 3], NOW)).toEqual(before.scores(visitor('AR'), [1, 2, 3], NOW));
  });

  test('what is not known ranks last', () => {
    const scores = RANKER.scores(visitor('AR', { history: held(9_999) }), [1, 9_999, 28], NOW);
    expect(Math.min(...scores)).toBe(scores[1]);
    expect(scores.every(Number.isFinite)).toBe(true);
    expect(RANKER.explain(visitor('AR'), 9_999, NOW)).toEqual([]);
  });

  test('without any facts, what others chose besides decides', () => {
    const data = factless(60, 800, 4);
    const heldOut = judge(packed(data), { seed: 1 })!;
    expect(heldOut.choices).toBeGreaterThan(300);
    expect(heldOut.model.ndcg10).toBeGreaterThan(1.5 * heldOut.popularity.ndcg10);
    const ranker = rankerOf(train(packed(data), { seed: 1 }));
    const who = visitor(null, { history: held(1, 5, 9) });
    const scores = ranker.scores(
      who,
      data.items.map(({ id }) => id),
      day(9),
    );
    const best = [...scores.keys()].filter((id) => ![1, 5, 9].includes(id));
    best.sort((a, b) => scores[b]! - scores[a]!);
    expect(best.slice(0, 8).filter((id) => id % 4 === 1).length).toBeGreaterThanOrEqual(7);
    const reasons = best.slice(0, 3).flatMap((id) => ranker.explain(who, id, day(9)));
    expect(reasons).toContainEqual({ kind: 'bought_together', item: expect.any(Number) });
    for (const reason of reasons)
      if (reason.kind === 'bought_together') expect([1, 5, 9]).toContain(reason.item);
  });
});

describe('reasons', () => {
  const VISITORS: readonly Visitor[] = [
    visitor(null),
    visitor('AR'),
    visitor('PE'),
    visitor('GB', { history: held(matchOf('England', 'Japan')) }),
    visitor('JP', { follows: ['Uruguay'] }),
    visitor(null, { history: held(1, 9, 20), follows: ['France'] }),
    visitor('IS'),
  ];

  test('each is true of the visitor, and there are at most three', () => {
    const kinds = new Set<Reason['kind']>();
    for (const who of VISITORS) {
      for (const id of IDS) {
        const reasons = RANKER.explain(who, id, NOW);
        expect(reasons.length).toBeLessThanOrEqual(3);
        for (const reason of reasons) {
          kinds.add(reason.kind);
          expect({ who, id, reason, isTrue: isTrue(who, id, reason) }).toMatchObject({ isTrue: true });
        }
      }
    }
    for (const kind of ['your_team', 'neighbour_team', 'popular_in_country'] as const) {
      expect(kinds).toContain(kind);
    }
  });

  test('what most people choose is called popular, and nothing else', () => {
    const items = Array.from({ length: 20 }, (_, id) => ({ id }));
    // The first is chosen twenty times as often as the last.
    const turns = items.flatMap(({ id }) => Array<number>(20 - id).fill(id));
    const choices = Array.from({ length: 2_000 }, (_, row) => ({
      person: `p${row}`,
      country: null,
      item: turns[(row * 37) % turns.length]!,
      at: row,
    }));
    const ranker = rankerOf(train(packed({ items, choices }), { seed: 1 }));
    const popular = items.filter(({ id }) => ranker.explain(visitor('XX'), id, 2_000).length > 0);
    expect(ranker.explain(visitor(null), 0, 2_000)).toEqual([{ kind: 'popular' }]);
    expect(popular.map(({ id }) => id)).toEqual([0, 1, 2, 3]);
  });

  test('days are counted from what they hold, and only where people do so', () => {
    const trips = ITEMS.slice(0, 28).map((item) => item);
    const byTime = [...trips].sort((a, b) => a.at! - b.at!);
    // Everybody goes to a second match in the same city three days later.
    const choices = Array.from({ length: 600 }, (_, person) => {
      const first = byTime[person % 20]!;
      const second = byTime[(person % 20) + 3]!;
      return [
        { person: `p${person}`, country: null, item: first.id, at: day(0) + person * 60_000 },
        { person: `p${person}`, country: null, item: second.id, at: day(2) + person * 60_000 },
      ];
    }).flat();
    choices.sort((a, b) => a.at - b.at);
    const ranker = rankerOf(train(packed({ items: trips, choices }), { seed: 1 }));
    const who = visitor(null, { history: [{ item: byTime[5]!.id, at: day(3) }] });
    const city = byTime[5]!.city!;
    expect(ranker.explain(who, byTime[8]!.id, NOW)).toContainEqual({ kind: 'same_city', city, days: 3 });
    expect(ranker.explain(who, byTime[6]!.id, NOW).map(({ kind }) => kind)).not.toContain('same_city');
  });

  function isTrue({ country, follows = [], history }: Visitor, id: number, reason: Reason): boolean {
    const before = history.flatMap(({ item }) => teamsOf(item));
    const own = { AR: 'Argentina', GB: 'England', JP: 'Japan' }[country ?? ''];
    switch (reason.kind) {
      case 'your_team':
        return teamsOf(id).includes(reason.team) && [...follows, ...before, own].includes(reason.team);
      case 'neighbour_team':
        return country !== null && teamsOf(id).includes(reason.team) && reason.team !== own;
      case 'popular_in_country': {
        const there = WORLD.choices.filter((choice) => choice.country === country && choice.item === id);
        return reason.country === country && new Set(there.map(({ person }) => person)).size >= 5;
      }
      case 'popular': {
        const times = (item: number) => WORLD.choices.filter((choice) => choice.item === item).length;
        return IDS.filter((other) => times(other) > times(id)).length < IDS.length / 4;
      }
      case 'same_city': {
        const [match, ...rest] = [ITEMS.find((item) => item.id === id)!];
        expect(rest).toEqual([]);
        return history.some(({ item }) => {
          const other = ITEMS.find((one) => one.id === item)!;
          return (
            other.city === match.city && Math.round((match.at! - other.at!) / 86_400_000) === reason.days
          );
        });
      }
      case 'bought_together':
        return history.some(({ item }) => item === reason.item);
    }
  }
});

describe('artefacts', () => {
  test('the same data and seed give the same bytes', () => {
    const choices = WORLD.choices.slice(0, 600);
    const bytes = (items: readonly Item[], seed: number): string =>
      JSON.stringify(train(packed({ items, choices }), { seed }));
    const one = bytes(ITEMS, 1);
    expect(bytes([...ITEMS].reverse(), 1)).toBe(one);
    expect(bytes(ITEMS, 2)).not.toBe(one);
  });

  test('survive being written and read', () => {
    const text = JSON.stringify(ARTEFACT);
    expect(text.length).toBeLessThan(1_000_000);
    const read = readArtefact(JSON.parse(text));
    expect(rankerOf(read).scores(visitor('AR'), IDS, NOW)).toEqual(RANKER.scores(visitor('AR'), IDS, NOW));
  });

  test('name no person, and nothing of a country of few', () => {
    const text = JSON.stringify(ARTEFACT);
    for (const { person } of WORLD.choices) expect(text).not.toContain(`"${person}"`);
    expect(ARTEFACT.countries).toEqual(['AR', 'CO', 'GB', 'JP']);
    expect(Object.keys(ARTEFACT.popularIn)).not.toContain('IS');
  });

  test('of a newer program are refused by name, and broken ones at all', () => {
    expect(() => readArtefact({ ...ARTEFACT, schema: 2 })).toThrow(NewerArtefactError);
    expect(() => readArtefact({ ...ARTEFACT, weights: 1 })).toThrow();
    expect(artefactSchema.safeParse({ ...ARTEFACT, schema: 2 }).success).toBe(false);
  });
});

test('an item that was chosen again and again and then no more could not be had', () => {
  // Two items by turns, then only the second; the first comes back at the end.
  const items = [{ id: 1 }, { id: 2 }];
  const rows = [...Array.from({ length: 40 }, (_, row) => (row % 2) + 1), ...Array<number>(60).fill(2)];
  const all = [...rows, ...Array.from({ length: 40 }, (_, row) => (row % 2) + 1)];
  const choices = all.map((item, row) => ({ person: `p${row}`, country: null, item, at: row }));
  const [first, second] = absencesOf(packed({ items, choices }));
  expect(first).toEqual([[39, 100]]);
  expect(second).toEqual([]);
});
