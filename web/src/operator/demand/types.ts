/** `GET /api/v1/operations/demand`. */
export const OUTLOOKS = [
  'forecast',
  'temporarily_unavailable',
  'too_little_history',
  'paused',
  'sold_out',
  'closed',
  'cancelled',
] as const;
export type Outlook = (typeof OUTLOOKS)[number];

export interface Oversubscriber {
  readonly clientId: string;
  /** In which more was sold than was left, and it sold. */
  readonly hours: number;
  /** That it can have sold too much, at most. */
  readonly ticketsMost: number;
}

export interface TicketDemand {
  readonly matchNumber: number;
  readonly category: number;
  readonly kickOff: string;
  /** The end of what is forecast. */
  readonly endsAt: string;
  /** It is on sale although its match has begun. */
  readonly isPastKickoff: boolean;
  readonly capacity: number;
  readonly available: number;
  readonly pending: number;
  readonly held: number;
  readonly oversubscribed: number;
  readonly outlook: Outlook;
  /** Of a forecast. 0 to 1. */
  readonly chance?: number;
  /** Null: not before `endsAt`. */
  readonly earliest?: string | null;
  readonly median?: string | null;
  readonly latest?: string | null;
  readonly perDay?: number;
  readonly soldLastDay: number;
  readonly soldLastWeek: number;
  /** Of a ticket that is oversubscribed. */
  readonly holders: readonly {
    readonly clientId: string;
    readonly isOwn?: true;
    readonly held: number;
    readonly sold: number;
  }[];
  readonly oversubscribers: readonly Oversubscriber[];
}

export interface Demand {
  readonly at: string;
  readonly asOf: string | null;
  readonly isComplete: boolean;
  readonly tickets: readonly TicketDemand[];
  readonly more: boolean;
  readonly oversubscribers: readonly (Oversubscriber & { readonly tickets: number })[];
}
