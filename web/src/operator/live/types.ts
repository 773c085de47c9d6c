/** `GET /api/v1/operations/tickets`. */
export interface LiveTicketState {
  readonly matchNumber: number;
  readonly category: number;
  readonly capacity: number;
  /** The true numbers: below zero when marketplaces took more than there is. */
  readonly available: number;
  readonly pending: number;
  readonly price: number;
  readonly currency: string;
  readonly closed: boolean;
  readonly paused: boolean;
  readonly cancelled: boolean;
  readonly soldHere: number;
  readonly soldElsewhere: number;
  readonly heldHere: number;
  readonly heldElsewhere: number;
  readonly oversubscribed: number;
  /** The worker that has it; null while none has. */
  readonly owner: string | null;
  /** Jobs of its queue. */
  readonly waiting: number;
  readonly active: number;
  /** Events that wait to be told to others. */
  readonly outbox: number;
}

export interface LiveTickets {
  readonly at: string;
  readonly tickets: readonly LiveTicketState[];
}
