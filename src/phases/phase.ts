/**
 * Sale phases: when a ticket is sold, to whom, and how many to each.
 *
 * This folder guarantees: a ticket without phases is sold as ever; one with phases is held only while one of them is
 * on that lets the buyer in, by our clock and not by the buyer's; what a phase allows a person is decided by the
 * actor, in one commit with everything else of the person, so it cannot be raced; a store that has forgotten the
 * phases opens nothing; codes are kept as keyed hashes and shown to nobody again.
 *
 * This file is pure: which phase holds at a moment, and what buyers are told of it. Times are epoch milliseconds. A
 * phase is on from the very millisecond of `opensAt` until the one before `closesAt`.
 */
import { z } from 'zod';
import { COUNTRY } from '../geo/country.js';

export const PHASES_MAX = 20;
export const NAME_CHARS_MAX = 60;
export const COUNTRIES_MAX = 250;
export const TICKETS_MAX = 1_000;

const accessSchema = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('open') }),
  z.object({
    kind: z.literal('code'),
    /** Names the set of codes (codes.ts); a set never changes. */
    codesId: z.string(),
    codeCount: z.number().int(),
  }),
  z.object({ kind: z.literal('country'), countries: z.array(z.string().regex(COUNTRY)) }),
]);

export const phaseSchema = z.object({
  name: z.string(),
  opensAt: z.number(),
  /** Absent: it does not close by itself. */
  closesAt: z.number().exactOptional(),
  access: accessSchema,
  /** Of the whole match, as the marketplace's own limit counts them. The smaller of the two holds. */
  ticketsPerPersonMax: z.number().int().exactOptional(),
  ticketsPerReservationMax: z.number().int().exactOptional(),
  /** Of this ticket, with one code, whoever uses it. Of a phase by code only. */
  ticketsPerCodeMax: z.number().int().exactOptional(),
});
export type Phase = z.output<typeof phaseSchema>;

/** Those that are on, in the order of the list. */
export function phasesOn(phases: readonly Phase[], at: number): readonly Phase[] {
  return phases.filter(({ opensAt, closesAt = Infinity }) => opensAt <= at && at < closesAt);
}

/** Those still to come, by the time they open. */
export function phasesToCome(phases: readonly Phase[], at: number): readonly Phase[] {
  return phases.filter(({ opensAt }) => opensAt > at).sort((a, b) => a.opensAt - b.opensAt);
}

/** When the next one opens or closes after `at`; null when none does. */
export function nextChange(phases: readonly Phase[], at: number): number | null {
  const times = phases
    .flatMap(({ opensAt, closesAt = Infinity }) => [opensAt, closesAt])
    .filter((time) => time > at && Number.isFinite(time));
  return times.length === 0 ? null : Math.min(...times);
}

/** What a buyer brings that a phase may ask for. */
export interface Presented {
  /** Sets of codes that the presented code is in, each with its digest there. */
  readonly digests: ReadonlyMap<string, string>;
  /** ISO 3166-1 alpha-2; null when it is not known. */
  readonly country: string | null;
}

/**
 * The phase that lets a buyer in: of those that are on the one with the buyer's code, else the one for the buyer's
 * country, else the one for all; the first in the list among equals.
 */
export function phaseFor(on: readonly Phase[], { digests, country }: Presented): Phase | null {
  const byCode = on.find(({ access }) => access.kind === 'code' && digests.has(access.codesId));
  const byCountry = on.find(
    ({ access }) => access.kind === 'country' && country !== null && access.countries.includes(country),
  );
  return byCode ?? byCountry ?? on.find(({ access }) => access.kind === 'open') ?? null;
}

/** Why a list of phases cannot be; null when it can. The field is named as the operator wrote it. */
export function mistakeIn(
  phases: readonly Phase[],
): { readonly path: string; readonly message: string } | null {
  for (const [index, { name, opensAt, closesAt, access, ticketsPerCodeMax }] of phases.entries()) {
    const earlier = phases.slice(0, index);
    if (closesAt !== undefined && closesAt <= opensAt) {
      return { path: `phases.${index}.closesAt`, message: 'must be after opensAt' };
    }
    if (earlier.some((other) => other.name === name)) {
      return { path: `phases.${index}.name`, message: 'names must differ: codes are kept by them' };
    }
    if (ticketsPerCodeMax !== undefined && access.kind !== 'code') {
      return { path: `phases.${index}.ticketsPerCodeMax`, message: 'is for a phase by code' };
    }
    const clash = earlier.find(
      (other) =>
        access.kind === 'open' && other.access.kind === 'open' && overlap(other, { opensAt, closesAt }),
    );
    if (clash) {
      const message = `is open to all at the same time as "${clash.name}": one must close before the other opens`;
      return { path: `phases.${index}.opensAt`, message };
    }
  }
  return null;
}

interface Span {
  readonly opensAt: number;
  readonly closesAt?: number | undefined;
}

const overlap = (a: Span, b: Span): boolean =>
  a.opensAt < (b.closesAt ?? Infinity) && b.opensAt < (a.closesAt ?? Infinity);

/** What buyers are told of one phase. */
const shownSchema = z.object({
  name: z.string().optional(),
  opensAt: z.iso.datetime().optional(),
  closesAt: z.iso.datetime().optional(),
  access: z.enum(['code', 'country']).optional().meta({ description: 'Absent: it is for all.' }),
  countries: z.array(z.string()).optional(),
  ticketsPerPersonMax: z.number().int().optional(),
  ticketsPerReservationMax: z.number().int().optional(),
  ticketsPerCodeMax: z.number().int().optional(),
});

export const saleSchema = shownSchema
  .extend({
    state: z.enum(['not_yet', 'presale', 'open', 'closed']).meta({
      description:
        'By the clock of the server (the `Date` header). With `not_yet` the other fields are those of the phase that opens next.',
    }),
    next: shownSchema.optional().meta({ description: 'The phase that opens after the one told here.' }),
    also: z.array(shownSchema).optional().meta({
      description: 'Other phases that are on at the same time, as a presale by code and one by country.',
    }),
  })
  .meta({ id: 'Sale', description: 'Present where the sale of the category has phases.' });

type ShownPhase = z.output<typeof shownSchema>;
export type SaleView = z.output<typeof saleSchema>;

/** What buyers are told at a moment. Null where there are no phases. */
export function saleView(phases: readonly Phase[], at: number): SaleView | null {
  if (phases.length === 0) return null;
  const on = phasesOn(phases, at);
  const coming = phasesToCome(phases, at);
  const main = on.find(({ access }) => access.kind === 'open') ?? on[0];
  if (!main) {
    const [first, second] = coming;
    if (!first) return { state: 'closed' };
    return { state: 'not_yet', ...shown(first), ...(second && { next: shown(second) }) };
  }
  const [next] = coming;
  const others = on.filter((phase) => phase !== main);
  return {
    state: main.access.kind === 'open' ? 'open' : 'presale',
    ...shown(main),
    ...(next && { next: shown(next) }),
    ...(others.length > 0 && { also: others.map(shown) }),
  };
}

function shown({ name, opensAt, closesAt, access, ...limits }: Phase): ShownPhase {
  return {
    name,
    opensAt: new Date(opensAt).toISOString(),
    ...(closesAt !== undefined && { closesAt: new Date(closesAt).toISOString() }),
    ...(access.kind !== 'open' && { access: access.kind }),
    ...(access.kind === 'country' && { countries: access.countries }),
    ...limits,
  };
}
