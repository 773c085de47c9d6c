import { describe, expect, it } from '@jest/globals';
import { drawBuyer } from '../../../src/analytics/season/buyers.js';
import { canSeeBoth } from '../../../src/analytics/season/wishes.js';
import {
  datasetOf,
  makeSeason,
  NOISE_SHARE,
  type SeasonOptions,
} from '../../../src/analytics/season/season.js';
import { hashOf } from '../../../src/analytics/season/write.js';
import { bundledMasterList } from '../../../src/catalog/bundled.js';

const seasonWith = (options: Partial<SeasonOptions> = {}) =>
  makeSeason({
    entries: bundledMasterList(),
    seed: 1,
    buyers: 400,
    loyalty: 1,
    noise: NOISE_SHARE,
    capacityScale: null,
    ...options,
  });

describe('a season', () => {
  const season = seasonWith();
  const fixtures = new Map(season.fixtures.map((fixture) => [fixture.number, fixture]));

  it('is frozen: models were judged on exactly this one', () => {
    expect(hashOf(season)).toBe('1612f4bc834e5a25982509e6e7db3915df428ca908d0755a03b9ae8645675f47');
  });

  it('is another one with another seed', () => {
    expect(hashOf(seasonWith({ seed: 2 }))).not.toBe(hashOf(season));
  });

  it('never holds and sells more than there is', () => {
    const taken = new Map<string, number>();
    for (const { matchNumber, category, heldDelta, soldDelta } of season.bookings) {
      const ticket = `${matchNumber}:${category}`;
      const now = (taken.get(ticket) ?? 0) + heldDelta + soldDelta;
      taken.set(ticket, now);
      expect(now).toBeGreaterThanOrEqual(0);
      expect(now).toBeLessThanOrEqual(fixtures.get(matchNumber)!.capacities[category - 1]!);
    }
  });

  it('leaves no hold open, and numbers the rows of a ticket without gaps and in the order of time', () => {
    const held = new Map<string, number>();
    const next = new Map<string, number>();
    let before = 0;
    for (const { id, at, matchNumber, category, heldDelta } of season.bookings) {
      const ticket = `${matchNumber}:${category}`;
      held.set(ticket, (held.get(ticket) ?? 0) + heldDelta);
      next.set(ticket, (next.get(ticket) ?? 0) + 1);
      expect(id).toBe(`${ticket}:1:${next.get(ticket)}`);
      expect(at).toBeGreaterThanOrEqual(before);
      before = at;
    }
    expect(new Set(held.values())).toEqual(new Set([0]));
  });

  it('sells nothing after kick-off, and to nobody two matches that overlap, unless one was given back', () => {
    const ofPerson = new Map<string, Set<number>>();
    for (const { kind, person, matchNumber, at } of season.bookings) {
      const fixture = fixtures.get(matchNumber)!;
      expect(at).toBeLessThan(fixture.at);
      if (person === null) continue;
      const mine = ofPerson.get(person) ?? new Set();
      ofPerson.set(person, mine);
      if (kind === 'refunded') mine.delete(matchNumber);
      if (kind !== 'sold') continue;
      for (const other of mine) {
        if (other !== matchNumber) expect(canSeeBoth(fixture, fixtures.get(other)!)).toBe(true);
      }
      mine.add(matchNumber);
    }
    expect(ofPerson.size).toBeGreaterThan(100);
  });

  it('names nobody who bought elsewhere', () => {
    for (const { isOwn, person, country } of season.bookings) {
      if (!isOwn) expect([person, country]).toEqual([null, null]);
      else expect(person).toMatch(/^[0-9a-f]{16}$/);
    }
  });

  it('tells a model no team of a knock-out match, and each match of a person once', () => {
    const { items, choices } = datasetOf(season);
    for (const { id, teams } of items) expect(teams).toHaveLength(id <= 48 ? 2 : 0);
    expect(new Set(choices.map(({ person, item }) => `${person}/${item}`)).size).toBe(choices.length);
    const times = choices.map(({ at }) => at);
    expect(times).toEqual([...times].sort((a, b) => a - b));
  });

  it('says rightly when nothing of a match was left', () => {
    const left = new Map(
      season.fixtures.map(({ number, capacities }) => [number, capacities.reduce((a, b) => a + b)]),
    );
    const spells = new Map<number, { from: number; to: number }[]>();
    for (const { matchNumber, at, heldDelta, soldDelta } of season.bookings) {
      const was = left.get(matchNumber)!;
      const now = was - heldDelta - soldDelta;
      left.set(matchNumber, now);
      const mine = spells.get(matchNumber) ?? [];
      if (was > 0 && now === 0) spells.set(matchNumber, [...mine, { from: at, to: Infinity }]);
      if (was === 0 && now > 0) mine.at(-1)!.to = at;
    }
    expect(season.soldOut).toEqual(spells);
    expect(spells.size).toBeGreaterThan(0);
  });

  it('halves the loyal, and changes nothing else about anybody', () => {
    const DAY = 24 * 3_600_000;
    const calendar = { saleAt: 0, firstKickOffAt: 180 * DAY, lastKickOffAt: 208 * DAY };
    const drawn = (share: number) =>
      Array.from({ length: 4_000 }, (_, index) => drawBuyer(index, 1, share, calendar));
    const loyal = (share: number): number => drawn(share).filter(({ loyalty }) => loyalty !== 'none').length;
    const all = loyal(1);
    expect(loyal(0)).toBe(0);
    expect(loyal(0.5) / all).toBeCloseTo(0.5, 1);
    expect(drawn(0.5).map(({ country }) => country)).toEqual(drawn(1).map(({ country }) => country));
  });
});
