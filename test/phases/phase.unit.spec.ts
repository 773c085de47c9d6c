/** Which phase holds at a moment, and what buyers are told of it. */
import { describe, expect, it } from '@jest/globals';
import {
  mistakeIn,
  nextChange,
  phaseFor,
  phasesOn,
  phasesToCome,
  saleView,
  type Phase,
} from '../../src/phases/phase.js';

const HOUR = 3_600_000;
const T0 = Date.UTC(2022, 9, 1, 12);
const iso = (at: number): string => new Date(at).toISOString();

const byCode = (over: Partial<Phase> = {}): Phase => ({
  name: 'Members',
  opensAt: T0,
  closesAt: T0 + HOUR,
  access: { kind: 'code', codesId: 'set-a', codeCount: 3 },
  ...over,
});
const byCountry = (over: Partial<Phase> = {}): Phase => ({
  name: 'Residents',
  opensAt: T0,
  closesAt: T0 + HOUR,
  access: { kind: 'country', countries: ['QA', 'EC'] },
  ...over,
});
const forAll = (over: Partial<Phase> = {}): Phase => ({
  name: 'General sale',
  opensAt: T0 + 2 * HOUR,
  access: { kind: 'open' },
  ...over,
});
const names = (phases: readonly Phase[]): string[] => phases.map(({ name }) => name);

describe('the phases that are on', () => {
  const phases = [byCode(), forAll()];
  it.each<[string, number, string[]]>([
    ['before the first', T0 - 1, []],
    ['at the millisecond at which it opens', T0, ['Members']],
    ['in its last millisecond', T0 + HOUR - 1, ['Members']],
    ['at the millisecond at which it closes', T0 + HOUR, []],
    ['in between', T0 + 2 * HOUR - 1, []],
    ['once the next is open', T0 + 2 * HOUR, ['General sale']],
    ['in ten years, without an end', T0 + 10 * 365 * 24 * HOUR, ['General sale']],
  ])('%s', (_when, at, expected) => {
    expect(names(phasesOn(phases, at))).toEqual(expected);
  });

  it('follow each other without a gap where one closes as the next opens', () => {
    const next = forAll({ opensAt: T0 + HOUR });
    for (const at of [T0 + HOUR - 1, T0 + HOUR]) expect(phasesOn([byCode(), next], at)).toHaveLength(1);
  });

  it('come in the order of their times, whatever order they were written in', () => {
    expect(names(phasesToCome([forAll(), byCode()], T0 - 1))).toEqual(['Members', 'General sale']);
    expect(names(phasesToCome([forAll(), byCode()], T0))).toEqual(['General sale']);
  });

  it('change next where one opens or closes', () => {
    expect(nextChange(phases, T0 - 1)).toBe(T0);
    expect(nextChange(phases, T0)).toBe(T0 + HOUR);
    expect(nextChange(phases, T0 + HOUR)).toBe(T0 + 2 * HOUR);
    expect(nextChange(phases, T0 + 2 * HOUR)).toBeNull();
    expect(nextChange([], T0)).toBeNull();
  });
});

describe('the phase that lets a buyer in', () => {
  const on = [forAll({ opensAt: T0 }), byCountry(), byCode()];
  const nothing = { digests: new Map<string, string>(), country: null };
  it.each<[string, Parameters<typeof phaseFor>[1], string | undefined]>([
    ['with the code', { digests: new Map([['set-a', 'x']]), country: 'QA' }, 'Members'],
    ['with another code, in the country', { digests: new Map([['set-b', 'x']]), country: 'QA' }, 'Residents'],
    ['in another country', { ...nothing, country: 'DE' }, 'General sale'],
    ['who brings nothing', nothing, 'General sale'],
  ])('is that for one %s', (_who, presented, name) => {
    expect(phaseFor(on, presented)?.name).toBe(name);
  });

  it('is none where nothing fits: an unknown country is no country', () => {
    expect(phaseFor([byCountry(), byCode()], nothing)).toBeNull();
    expect(phaseFor([byCountry(), byCode()], { ...nothing, country: 'DE' })).toBeNull();
    expect(phaseFor([], { digests: new Map([['set-a', 'x']]), country: 'QA' })).toBeNull();
  });

  it('is the first of the list among equals', () => {
    const wide = byCountry({ name: 'Neighbours', access: { kind: 'country', countries: ['QA', 'SA'] } });
    expect(phaseFor([wide, byCountry()], { ...nothing, country: 'QA' })?.name).toBe('Neighbours');
  });
});

describe('a list that cannot be', () => {
  it.each<[string, Phase[], string]>([
    ['closes before it opens', [byCode({ closesAt: T0 - 1 })], 'phases.0.closesAt'],
    ['closes as it opens', [byCode({ closesAt: T0 })], 'phases.0.closesAt'],
    ['has a name twice', [byCode(), forAll({ name: 'Members' })], 'phases.1.name'],
    [
      'limits codes where none is asked for',
      [forAll({ ticketsPerCodeMax: 1 })],
      'phases.0.ticketsPerCodeMax',
    ],
    [
      'is open to all twice at a time',
      [forAll({ opensAt: T0, closesAt: T0 + HOUR + 1 }), forAll({ name: 'Second', opensAt: T0 + HOUR })],
      'phases.1.opensAt',
    ],
    [
      'is open to all without an end before another',
      [forAll({ name: 'Second', opensAt: T0 + 9 * HOUR }), forAll({ opensAt: T0 })],
      'phases.1.opensAt',
    ],
  ])('%s', (_what, phases, path) => {
    expect(mistakeIn(phases)?.path).toBe(path);
  });

  it('is none of these', () => {
    expect(mistakeIn([])).toBeNull();
    expect(mistakeIn([byCode(), byCountry(), forAll({ opensAt: T0 })])).toBeNull();
    const first = forAll({ name: 'First', opensAt: T0, closesAt: T0 + HOUR });
    expect(mistakeIn([first, forAll({ opensAt: T0 + HOUR })])).toBeNull();
  });
});

describe('what buyers are told', () => {
  const phases = [byCode({ ticketsPerPersonMax: 1 }), byCountry(), forAll({ ticketsPerPersonMax: 2 })];
  const general = { name: 'General sale', opensAt: iso(T0 + 2 * HOUR), ticketsPerPersonMax: 2 };
  const members = {
    name: 'Members',
    opensAt: iso(T0),
    closesAt: iso(T0 + HOUR),
    access: 'code',
    ticketsPerPersonMax: 1,
  };
  const residents = {
    name: 'Residents',
    opensAt: iso(T0),
    closesAt: iso(T0 + HOUR),
    access: 'country',
    countries: ['QA', 'EC'],
  };

  it('is nothing without phases', () => {
    expect(saleView([], T0)).toBeNull();
  });

  it('is when it opens, and what comes then', () => {
    expect(saleView([byCode(), forAll()], T0 - 1)).toEqual({
      state: 'not_yet',
      ...members,
      ticketsPerPersonMax: undefined,
      next: { ...general, ticketsPerPersonMax: undefined },
    });
  });

  it('is every presale that is on, and the sale for all that follows', () => {
    expect(saleView(phases, T0)).toEqual({
      state: 'presale',
      ...members,
      next: general,
      also: [residents],
    });
  });

  it('is the next one in a gap', () => {
    expect(saleView(phases, T0 + HOUR)).toEqual({ state: 'not_yet', ...general });
  });

  it('is the sale for all where that is on', () => {
    expect(saleView(phases, T0 + 2 * HOUR)).toEqual({ state: 'open', ...general });
    const early = forAll({ opensAt: T0 });
    expect(saleView([byCode(), early], T0)).toMatchObject({ state: 'open', also: [{ name: 'Members' }] });
  });

  it('is that it is over', () => {
    expect(saleView([byCode()], T0 + HOUR)).toEqual({ state: 'closed' });
  });
});
