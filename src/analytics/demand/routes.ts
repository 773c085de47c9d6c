/** Demand for operators: as JSON for the page, as CSV for spreadsheets. */
import { z } from 'zod';
import type { Clock } from '../../actors/ports.js';
import { MATCH_NUMBER_MAX, type Match } from '../../catalog/match.js';
import { defineRoute, type Answer, type Route } from '../../http/api.js';
import { bounded } from '../../http/bounded.js';
import { CSV_TYPE, csvOf, type Cell } from '../../operations/csv.js';
import { forOperators, iso, type OperatorRoutesOptions } from '../../operations/operators.js';
import {
  HELD_TICKETS_MAX,
  HOLDERS_MAX,
  KEPT_MS,
  OUTLOOKS,
  OVERSUBSCRIPTION_DAYS,
  PAST_KICKOFF_DAYS,
  type Demand,
  type DemandView,
  type Outlook,
  type TicketDemand,
} from './demand.js';
import { TAIL } from './forecast.js';
import { LOOKBACK_DAYS } from './history.js';

export interface DemandRoutesOptions extends Pick<OperatorRoutesOptions, 'requireOperator'> {
  readonly view: Pick<DemandView, 'read'>;
  readonly clock: Clock;
  readonly waitMs: number;
}

/** Tickets in one answer. */
export const LISTED_MAX = 1_000;
/** Marketplaces that took more than was left, of a ticket and of all. */
export const OVERSUBSCRIBERS_MAX = 20;

const count = z.number().int();
const time = z.iso.datetime();

const oversubscriber = {
  clientId: z.string(),
  hours: count.meta({ description: 'In which more was sold than was left, and it sold.' }),
  ticketsMost: count.meta({ description: 'Tickets it can have sold too much, at most.' }),
};

const ticketSchema = z
  .object({
    matchNumber: count,
    category: count,
    label: z.string(),
    kickOff: time,
    endsAt: time.meta({
      description: `The end of what is forecast: kick-off; where that has passed, ${PAST_KICKOFF_DAYS} days from now.`,
    }),
    isPastKickoff: z.boolean(),
    capacity: count,
    available: count.meta({ description: 'True, and below 0 where too much was sold.' }),
    pending: count.meta({ description: 'True, and below 0 where too much is held or sold.' }),
    held: count,
    oversubscribed: count.meta({ description: 'By how much pending is below 0.' }),
    outlook: z.enum(OUTLOOKS).meta({ description: 'Whether there is a forecast, or why there is none.' }),
    chance: z.number().optional().meta({ description: 'That it sells out before `endsAt`, 0 to 1.' }),
    earliest: time
      .nullish()
      .meta({ description: `With a chance of ${TAIL} it is sold out by then. Null: not before \`endsAt\`.` }),
    median: time.nullish().meta({ description: 'It is as likely before as after.' }),
    latest: time.nullish().meta({ description: `With a chance of ${1 - TAIL} it is sold out by then.` }),
    perDay: z.number().optional().meta({ description: 'Net sales that are expected in a day, at first.' }),
    soldLastDay: count.meta({
      description: 'Net, here and elsewhere, in the last 24 hours, of which the newest has only begun.',
    }),
    soldLastWeek: count,
    holders: z
      .array(
        z.object({
          clientId: z.string(),
          isOwn: z.literal(true).optional().meta({ description: 'This marketplace.' }),
          held: count,
          sold: count,
        }),
      )
      .meta({
        description: `Of an oversubscribed ticket: who has what now, the most first, at most ${HOLDERS_MAX}. Empty past the ${HELD_TICKETS_MAX} largest deficits.`,
      }),
    oversubscribers: z.array(z.object(oversubscriber)).meta({
      description: `Who sold when too little was left, in the last ${OVERSUBSCRIPTION_DAYS} days, at most ${OVERSUBSCRIBERS_MAX}.`,
    }),
  })
  .meta({ id: 'Ticket demand' });

const demandSchema = z
  .object({
    at: time,
    asOf: time
      .nullable()
      .meta({ description: 'Sales until then are counted; null while that is not known.' }),
    isComplete: z.boolean().meta({ description: 'False while there is more than that to be counted.' }),
    tickets: z.array(ticketSchema),
    more: z.boolean().meta({ description: `There are more than these ${LISTED_MAX}.` }),
    oversubscribers: z
      .array(
        z.object({ ...oversubscriber, tickets: count.meta({ description: 'How many it did that with.' }) }),
      )
      .meta({ description: 'Of all tickets together, whatever match is asked for.' }),
  })
  .meta({ id: 'Demand' });

const query = z.object({
  match: z.coerce
    .number()
    .int()
    .min(1)
    .max(MATCH_NUMBER_MAX)
    .optional()
    .meta({ description: 'Only its tickets.' }),
  format: z.enum(['json', 'csv']).default('json'),
});

export function demandRoutes(options: DemandRoutesOptions): Route[] {
  const { view, clock, waitMs } = options;
  return [
    defineRoute({
      method: 'get',
      path: '/api/v1/operations/demand',
      summary: 'When tickets sell out, and what others oversubscribe',
      description:
        `What is oversubscribed first, then what sells out soonest; at most ${LISTED_MAX} tickets. Forecasts go by the ` +
        `sales of the last ${LOOKBACK_DAYS} days, and are told with the interval that holds four fifths of the chance. ` +
        `An answer is up to ${KEPT_MS / 1_000} s old. As CSV: one line per ticket.`,
      ...forOperators(options),
      query,
      responses: {
        200: { description: 'What needs attention first', schema: demandSchema, alsoAs: ['text/csv'] },
      },
      handle: async ({ query: { match, format } }) => {
        const demand = await bounded(clock, waitMs, 'the archive or Redis', view.read());
        const wanted = demand.tickets.filter(
          ({ matchNumber }) => match === undefined || matchNumber === match,
        );
        return format === 'csv' ? csvAnswer(demand, wanted) : jsonAnswer(demand, wanted);
      },
    }),
  ];
}

function jsonAnswer(demand: Demand, wanted: readonly TicketDemand[]): Answer {
  const { at, standing, oversubscribers } = demand;
  const body: z.output<typeof demandSchema> = {
    at: iso(at),
    asOf: standing.asOf === null ? null : iso(standing.asOf),
    isComplete: standing.isComplete,
    tickets: wanted.slice(0, LISTED_MAX).map(ticketOf),
    more: wanted.length > LISTED_MAX,
    oversubscribers: oversubscribers.slice(0, OVERSUBSCRIBERS_MAX),
  };
  return { status: 200, body };
}

function ticketOf(ticket: TicketDemand): z.output<typeof ticketSchema> {
  const { matchNumber, category, match, counters, outlook } = ticket;
  return {
    matchNumber,
    category,
    label: labelOf(match),
    kickOff: iso(Date.parse(match.dateUtc)),
    endsAt: iso(ticket.endsAt),
    isPastKickoff: ticket.isPastKickoff,
    capacity: counters.capacity,
    available: counters.available,
    pending: counters.pending,
    held: ticket.held,
    oversubscribed: ticket.oversubscribed,
    outlook: outlook.kind,
    ...forecastOf(outlook),
    soldLastDay: ticket.soldLastDay,
    soldLastWeek: ticket.soldLastWeek,
    holders: [...ticket.holders],
    oversubscribers: ticket.oversubscribers.slice(0, OVERSUBSCRIBERS_MAX),
  };
}

function forecastOf(outlook: Outlook) {
  if (outlook.kind !== 'forecast') return {};
  const { chance, earliest, median, latest, perDay } = outlook;
  return {
    chance: rounded(chance),
    earliest: isoOrNull(earliest),
    median: isoOrNull(median),
    latest: isoOrNull(latest),
    perDay: rounded(perDay),
  };
}

const labelOf = ({ homeTeam, awayTeam }: Match): string => `${homeTeam} – ${awayTeam}`;
/** More digits would say more than is known. */
const rounded = (value: number): number => Math.round(value * 1_000) / 1_000;
const isoOrNull = (at: number | null): string | null => (at === null ? null : iso(at));

const HEADER = [
  'match',
  'label',
  'category',
  'kick_off',
  'capacity',
  'available',
  'pending',
  'held',
  'oversubscribed',
  'outlook',
  'chance',
  'earliest',
  'median',
  'latest',
  'per_day',
  'sold_last_day',
  'sold_last_week',
  'held_or_sold_by',
  'oversubscribed_by',
];

function csvAnswer({ at }: Demand, wanted: readonly TicketDemand[]): Answer {
  const lines = wanted.slice(0, LISTED_MAX).map(ticketOf).map(lineOf);
  return {
    status: 200,
    text: { type: CSV_TYPE, content: csvOf(HEADER, lines) },
    headers: { 'Content-Disposition': `attachment; filename="ticktak-demand-${iso(at).slice(0, 10)}.csv"` },
  };
}

function lineOf(ticket: z.output<typeof ticketSchema>): readonly Cell[] {
  return [
    ticket.matchNumber,
    ticket.label,
    ticket.category,
    ticket.kickOff,
    ticket.capacity,
    ticket.available,
    ticket.pending,
    ticket.held,
    ticket.oversubscribed,
    ticket.outlook,
    ticket.chance,
    ticket.earliest ?? undefined,
    ticket.median ?? undefined,
    ticket.latest ?? undefined,
    ticket.perDay,
    ticket.soldLastDay,
    ticket.soldLastWeek,
    ticket.holders.map(({ clientId, held, sold }) => `${clientId} ${held + sold}`).join('; '),
    ticket.oversubscribers.map(({ clientId, hours }) => `${clientId} ${hours}`).join('; '),
  ];
}
