/** Sale phases over HTTP, for operators. Codes go in and never come out. */
import { z } from 'zod';
import type { Clock } from '../actors/ports.js';
import { MATCH_NUMBER_MAX, type Match } from '../catalog/match.js';
import { COUNTRY } from '../geo/country.js';
import { defineRoute, type Route } from '../http/api.js';
import { bounded } from '../http/bounded.js';
import { Problem, notFound, validationFailed } from '../http/problem.js';
import { actorOf, audited, forOperators, iso, type OperatorRoutesOptions } from '../operations/operators.js';
import type { TicketId } from '../rules/index.js';
import type { PhaseBook } from './book.js';
import { CODES_MAX, codeSchema, type CodeSets } from './codes.js';
import { COUNTRIES_MAX, NAME_CHARS_MAX, PHASES_MAX, TICKETS_MAX, mistakeIn, type Phase } from './phase.js';

export interface PhaseRoutesOptions extends OperatorRoutesOptions {
  readonly book: Pick<PhaseBook, 'records' | 'changed'>;
  readonly codes: Pick<CodeSets, 'make' | 'remove'>;
  readonly match: (matchNumber: number) => Promise<Match | null>;
  readonly clock: Clock;
  readonly waitMs: number;
}

export function phaseRoutes(options: PhaseRoutesOptions): Route[] {
  return [listRoute(options), readRoute(options), replaceRoute(options)];
}

const PATH = '/api/v1/operations/sale-phases';
const TICKET_PATH = `${PATH}/{matchNumber}/{category}`;

const timeSchema = z.iso.datetime({ offset: true });
const ticketsSchema = z.number().int().min(1).max(TICKETS_MAX);
const limitsShape = {
  ticketsPerPersonMax: ticketsSchema.optional().meta({
    description: 'Of the match, with what the person has already. The smaller of this and the setting holds.',
  }),
  ticketsPerReservationMax: ticketsSchema.optional(),
  ticketsPerCodeMax: ticketsSchema.optional().meta({
    description:
      'Of this ticket with one code, whoever uses it; for a phase by code. Given back when a hold ends.',
  }),
};
const countrySchema = z.string().regex(COUNTRY, 'two capital letters');

const viewSchema = z
  .object({
    name: z.string(),
    opensAt: z.iso.datetime(),
    closesAt: z.iso.datetime().optional(),
    access: z.discriminatedUnion('kind', [
      z.object({ kind: z.literal('open') }),
      z.object({ kind: z.literal('code'), codeCount: z.number().int() }),
      z.object({ kind: z.literal('country'), countries: z.array(z.string()) }),
    ]),
    ...limitsShape,
  })
  .meta({ id: 'SalePhase' });

function phaseJson({ opensAt, closesAt, access, ...rest }: Phase): z.output<typeof viewSchema> {
  return {
    ...rest,
    opensAt: iso(opensAt),
    ...(closesAt !== undefined && { closesAt: iso(closesAt) }),
    access: access.kind === 'code' ? { kind: 'code', codeCount: access.codeCount } : access,
  };
}

const matchNumberParam = z
  .string()
  .regex(/^[1-9]\d{0,3}$/)
  .meta({ description: `1 to ${MATCH_NUMBER_MAX}` });
const ticketParams = z.object({
  matchNumber: matchNumberParam,
  category: z.string().regex(/^[1-3]$/),
});

const ticketOf = (params: z.output<typeof ticketParams>): TicketId => ({
  matchNumber: Number(params.matchNumber),
  category: Number(params.category),
});

function listRoute(options: PhaseRoutesOptions): Route {
  const { book, clock, waitMs } = options;
  return defineRoute({
    method: 'get',
    path: PATH,
    summary: 'Sale phases of all tickets that have some, or of one match',
    ...forOperators(options),
    query: z.object({ matchNumber: z.coerce.number().int().min(1).max(MATCH_NUMBER_MAX).optional() }),
    responses: {
      200: {
        description: 'By ticket, in the order of the operator',
        schema: z.object({
          phases: z.array(viewSchema.extend({ matchNumber: z.number().int(), category: z.number().int() })),
        }),
      },
    },
    handle: async ({ query }) => {
      const all = await bounded(clock, waitMs, 'sale phases', book.records.all());
      const asked = all.filter(
        ({ matchNumber }) => query.matchNumber === undefined || matchNumber === query.matchNumber,
      );
      const phases = asked.flatMap(({ matchNumber, category, phases: own }) =>
        own.map((phase) => ({ matchNumber, category, ...phaseJson(phase) })),
      );
      return { status: 200, body: { phases } };
    },
  });
}

const ticketPhasesSchema = z.object({ phases: z.array(viewSchema) });

function readRoute(options: PhaseRoutesOptions): Route {
  const { book, match, clock, waitMs } = options;
  return defineRoute({
    method: 'get',
    path: TICKET_PATH,
    summary: 'Sale phases of one ticket',
    ...forOperators(options, 'not_found'),
    params: ticketParams,
    responses: { 200: { description: 'In the order of the operator', schema: ticketPhasesSchema } },
    handle: async ({ params }) => {
      const ticket = ticketOf(params);
      if (!(await match(ticket.matchNumber))) return notFound(`Match ${ticket.matchNumber}`);
      const phases = await bounded(clock, waitMs, 'sale phases', book.records.of(ticket));
      return { status: 200, body: { phases: phases.map(phaseJson) } };
    },
  });
}

const newPhaseSchema = z
  .object({
    name: z.string().trim().min(1).max(NAME_CHARS_MAX).meta({ description: 'Shown to buyers.' }),
    opensAt: timeSchema,
    closesAt: timeSchema.optional().meta({ description: 'Absent: it does not close by itself.' }),
    access: z.discriminatedUnion('kind', [
      z.object({ kind: z.literal('open') }),
      z.object({
        kind: z.literal('code'),
        codes: z.array(codeSchema).min(1).max(CODES_MAX).optional().meta({
          description:
            'Capital and small letters are the same. Absent: those that the phase of this name has already.',
        }),
        codeCount: z.number().int().optional().meta({ description: 'As it was read; not looked at.' }),
      }),
      z.object({ kind: z.literal('country'), countries: z.array(countrySchema).min(1).max(COUNTRIES_MAX) }),
    ]),
    ...limitsShape,
  })
  .meta({ id: 'New sale phase' });
type NewPhase = z.output<typeof newPhaseSchema>;

function replaceRoute(options: PhaseRoutesOptions): Route {
  const { book, match } = options;
  return defineRoute({
    method: 'put',
    path: TICKET_PATH,
    summary: 'Replace the sale phases of one ticket',
    description:
      'From the answer on they hold, in other processes within two seconds. An empty list ends them: the ticket is sold as ever. What is held can be paid for, whatever the phases are then.',
    ...forOperators(options, 'not_found', 'conflict'),
    params: ticketParams,
    body: z
      .object({ phases: z.array(newPhaseSchema).max(PHASES_MAX) })
      .meta({ id: 'New sale phases', description: 'At most 512 KB.' }),
    isLargeBody: true,
    responses: { 200: { description: 'They hold', schema: ticketPhasesSchema } },
    handle: async ({ params, body, ...asked }) => {
      const ticket = ticketOf(params);
      const { matchNumber, category } = ticket;
      if (!(await match(matchNumber))) return notFound(`Match ${matchNumber}`);
      const without = withoutCodes(body.phases, await book.records.of(ticket));
      if (without) return without;
      const planned = body.phases.map(planOf);
      const mistake = mistakeIn(planned);
      if (mistake) return validationFailed([mistake]);
      await audited(options, asked, {
        action: 'sale.phases_replaced',
        subject: `match:${matchNumber}`,
        details: { category, phases: planned.length, ...summaryOf(body.phases) },
      });
      const after = await replaced(options, ticket, body.phases, actorOf(asked));
      if (!after) return new Problem('conflict');
      return { status: 200, body: { phases: after.map(phaseJson) } };
    },
  });
}

/** Null, and nothing changed, where somebody else took the codes away that were to be kept. */
async function replaced(
  { book, codes }: PhaseRoutesOptions,
  ticket: TicketId,
  phases: readonly NewPhase[],
  by: string,
): Promise<readonly Phase[] | null> {
  const made = await Promise.all(
    phases.map(async ({ access }) =>
      access.kind === 'code' && access.codes ? codes.make(access.codes) : null,
    ),
  );
  let isKept = true;
  const { before, after } = await book.records.change(ticket, by, (stored) => {
    const next = phases.map((phase, index) => withCodes(planOf(phase), made[index] ?? null, stored));
    isKept = next.every((phase) => phase !== null);
    return isKept ? next.filter((phase) => phase !== null) : stored;
  });
  if (isKept) await book.changed();
  const inUse = new Set(codesIdsOf(after));
  const sets = [...codesIdsOf(before), ...made.flatMap((set) => set?.codesId ?? [])];
  await Promise.all(sets.filter((id) => !inUse.has(id)).map((id) => codes.remove(id)));
  return isKept ? after : null;
}

/** What the audit says of them: never a code. */
function summaryOf(phases: readonly NewPhase[]): Record<string, string> {
  return Object.fromEntries(
    phases.map(({ name, opensAt, closesAt, access, ticketsPerPersonMax: perPerson }, index) => {
      const to =
        access.kind === 'country'
          ? access.countries.join(' ')
          : access.kind === 'code'
            ? `${access.codes?.length ?? 'the same'} codes`
            : 'all';
      const limit = perPerson === undefined ? '' : `, ${perPerson} a person`;
      return [`phase${index + 1}`, `${name}: ${opensAt} to ${closesAt ?? 'open end'}, ${to}${limit}`];
    }),
  );
}

/** Its codes come later. */
function planOf(phase: NewPhase): Phase {
  const { name, opensAt, closesAt, access } = phase;
  const { ticketsPerPersonMax, ticketsPerReservationMax, ticketsPerCodeMax } = phase;
  return {
    name,
    opensAt: Date.parse(opensAt),
    ...(closesAt !== undefined && { closesAt: Date.parse(closesAt) }),
    access: access.kind === 'code' ? { kind: 'code', codesId: '', codeCount: 0 } : access,
    ...(ticketsPerPersonMax !== undefined && { ticketsPerPersonMax }),
    ...(ticketsPerReservationMax !== undefined && { ticketsPerReservationMax }),
    ...(ticketsPerCodeMax !== undefined && { ticketsPerCodeMax }),
  };
}

/** The set of codes that a phase of this name has. */
function codesOf(stored: readonly Phase[], name: string) {
  const access = stored.find((phase) => phase.name === name)?.access;
  return access?.kind === 'code' ? access : null;
}

function withoutCodes(phases: readonly NewPhase[], stored: readonly Phase[]): Problem | null {
  const index = phases.findIndex(
    ({ name, access }) => access.kind === 'code' && !access.codes && !codesOf(stored, name),
  );
  if (index < 0) return null;
  const path = `phases.${index}.access.codes`;
  return validationFailed([
    { path, message: 'give the codes: there is no phase of this name that has some' },
  ]);
}

/** Null where its codes were to be kept and are gone. */
function withCodes(
  phase: Phase,
  made: { readonly codesId: string; readonly codeCount: number } | null,
  stored: readonly Phase[],
): Phase | null {
  if (phase.access.kind !== 'code') return phase;
  const kept = made ? { kind: 'code' as const, ...made } : codesOf(stored, phase.name);
  return kept && { ...phase, access: kept };
}

const codesIdsOf = (phases: readonly Phase[]): string[] =>
  phases.flatMap(({ access }) => (access.kind === 'code' ? [access.codesId] : []));
