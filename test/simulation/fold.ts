/**
 * What a ticket must be, counted from its events alone and without the product's rules; every event that breaks a
 * promise is a violation. Of the product it knows only what an event looks like.
 */
import type { CommittedEvent } from '../../src/archive/port.js';
import type { LogPosition, Reservation, TicketState } from '../../src/rules/index.js';
import { Violation } from './kernel.js';

/** A place in the waiting list. */
interface Waiting {
  readonly person: string;
  readonly place: number;
  readonly quantity: number;
  /** The log is asked for its tickets. */
  isAsked: boolean;
}

interface Live {
  readonly status: 'PENDING' | 'PAYING' | 'RESERVED';
  readonly quantity: number;
  readonly paymentId: string | undefined;
  readonly person: string;
  readonly card: string | undefined;
}

export class TicketFold {
  readonly #where: string;
  readonly #isOrdered: boolean;
  isOpen = false;
  /** Redis lost outcomes: a command that comes again is a new one. */
  hasForgotten = false;
  capacity = 0;
  heldHere = 0;
  soldHere = 0;
  heldElsewhere = 0;
  soldElsewhere = 0;
  readonly live = new Map<string, Live>();
  /** Holds that were asked for and are neither granted nor void yet. */
  readonly asked = new Set<string>();
  /** Places in the waiting list that are live, and the ids of all that ever were. */
  readonly line = new Map<string, Waiting>();
  readonly everWaited = new Set<string>();
  /** Everything that was ever held, as its last event left it. */
  readonly known = new Map<string, Reservation>();
  readonly #messages = new Set<string>();

  /** `where`: for what is said of a violation. `isOrdered`: the log grants holds, see contest.ts. */
  constructor(where: string, isOrdered: boolean) {
    this.#where = where;
    this.#isOrdered = isOrdered;
  }

  get pending(): number {
    return this.capacity - this.soldHere - this.soldElsewhere - this.heldHere - this.heldElsewhere;
  }

  /** Throws a violation when the event may not have happened. */
  apply(committed: CommittedEvent): void {
    const { event } = committed;
    switch (event.type) {
      case 'held': {
        const { id, quantity } = event.reservation;
        if (this.live.has(id)) this.#break('held once', committed, `${id} is live already`);
        // Tickets that had gone back are taken again by a payment only.
        if (!this.hasForgotten && this.known.has(id) && event.reservation.paymentId === undefined) {
          this.#break('a command once', committed, `${id} was held before`);
        }
        if (event.logged) this.#recordOnce(committed, event.logged.position);
        if (this.#isOrdered && !this.asked.delete(id))
          this.#break('asked once', committed, `${id} was not asked for`);
        if (!this.#isOrdered && this.pending < quantity) {
          this.#break('no hold below 0', committed, `${quantity} held of ${this.pending}`);
        }
        if (event.reservation.offer && event.reservation.paymentId === undefined) {
          const { entryId } = event.reservation.offer;
          if (!this.#isOrdered) this.#inTurn(committed, entryId, quantity);
          if (!this.line.delete(entryId))
            this.#break('offered who waits', committed, `${entryId} does not wait`);
        } else if (!this.#isOrdered && this.someoneFits(this.pending)) {
          this.#break('nobody comes in between', committed, `${this.pending} were for those who wait`);
        }
        this.#keep(event.reservation, 'PENDING');
        break;
      }
      case 'asked': {
        const { id, offer, paymentId, quantity } = event.asked.reservation;
        if (offer && paymentId === undefined) this.#inTurn(committed, offer.entryId, quantity);
        this.#noteAsked(event.asked.reservation, true);
        if (this.live.has(id) || this.asked.has(id))
          this.#break('asked once', committed, `${id} is asked for already`);
        this.asked.add(id);
        break;
      }
      case 'voided':
        this.#recordOnce(committed, event.logged.position);
        if (!this.asked.delete(event.asked.reservation.id)) {
          this.#break('asked once', committed, `${event.asked.reservation.id} was not asked for`);
        }
        this.#noteAsked(event.asked.reservation, false);
        break;
      case 'logged':
        this.#recordOnce(committed, event.position);
        break;
      case 'paymentStarted':
        this.#expect(committed, event.reservation, ['PENDING']);
        this.#keep(event.reservation, 'PAYING');
        break;
      case 'paymentDeclined':
        this.#expect(committed, event.reservation, ['PAYING']);
        this.#keep(event.reservation, 'PAYING');
        break;
      case 'sold': {
        const before = this.#expect(committed, event.reservation, ['PAYING']);
        if (before.paymentId !== event.reservation.paymentId) {
          this.#break('sold for its payment', committed, `${before.paymentId} was paying`);
        }
        this.#keep(event.reservation, 'RESERVED');
        break;
      }
      case 'released':
        this.#expect(committed, event.reservation, ['PENDING', 'PAYING']);
        this.#end(event.reservation);
        break;
      case 'refunded': {
        const before = this.#expect(committed, event.reservation, ['RESERVED']);
        if (event.quantity > before.quantity || event.quantity < 1) {
          this.#break('given back once', committed, `${event.quantity} of ${before.quantity}`);
        }
        if (event.quantity === before.quantity) this.#end(event.reservation);
        else this.#keep(event.reservation, 'RESERVED');
        break;
      }
      case 'remote': {
        if (event.position) this.#recordOnce(committed, event.position);
        this.#once(committed, `command ${committed.commandId.replace(/\/late$/, '')}`);
        this.heldElsewhere += event.heldDelta;
        this.soldElsewhere += event.soldDelta;
        break;
      }
      case 'loaded':
        this.isOpen = true;
        this.capacity = event.capacity;
        break;
      case 'orphanDecided':
        this.soldElsewhere -= event.givenBack;
        break;
      case 'remoteReleased':
        this.heldElsewhere -= event.quantity;
        break;
      case 'closed':
      case 'reopened':
      case 'paused':
        break;
      case 'waitingJoined': {
        const { id, person, place, quantity } = event.entry;
        const isThere = this.line.has(id) || [...this.line.values()].some((other) => other.person === person);
        if (isThere) this.#break('one place', committed, `${person} waits already`);
        this.line.set(id, { person, place, quantity, isAsked: false });
        this.everWaited.add(id);
        break;
      }
      case 'waitingLeft':
        if (!this.line.delete(event.entry.id)) {
          this.#break('legal transitions', committed, `${event.entry.id} does not wait`);
        }
        break;
    }
  }

  /** Whether so many are enough for somebody who waits. */
  someoneFits(free: number): boolean {
    return [...this.line.values()].some(({ quantity, isAsked }) => !isAsked && quantity <= free);
  }

  /** What is taken again after a decline has no place any more. */
  #noteAsked({ offer }: Reservation, isAsked: boolean): void {
    const entry = this.line.get(offer?.entryId ?? '');
    if (entry) entry.isAsked = isAsked;
  }

  /** Nobody who came before, and whom so many are enough for, waits on. */
  #inTurn(committed: CommittedEvent, entryId: string, quantity: number): void {
    const place = this.line.get(entryId)?.place ?? 0;
    for (const [id, other] of this.line) {
      if (other.place < place && !other.isAsked && other.quantity <= quantity) {
        this.#break('offered in turn', committed, `${entryId} before ${id}`);
      }
    }
  }

  /** Throws a violation unless the product says the same. */
  compare(state: TicketState, when: string): void {
    const mine = [this.capacity, this.heldHere, this.soldHere, this.heldElsewhere, this.soldElsewhere];
    const theirs = [state.capacity, state.heldHere, state.soldHere, state.heldElsewhere, state.soldElsewhere];
    if (mine.join() !== theirs.join()) {
      throw new Violation('counters', `${this.#where}, ${when}: ${theirs.join()} for ${mine.join()}`);
    }
    if (state.waiting.entries.size !== this.line.size) {
      const [theirLine, mineIs] = [state.waiting.entries.size, this.line.size];
      throw new Violation('counters', `${this.#where}, ${when}: ${theirLine} wait for ${mineIs}`);
    }
    if (state.reservations.size !== this.live.size) {
      throw new Violation(
        'counters',
        `${this.#where}, ${when}: ${state.reservations.size} live reservations for ${this.live.size}`,
      );
    }
  }

  /** Tickets of a person, or of a card. */
  owned(key: string): number {
    let owned = 0;
    for (const { person, card, quantity } of this.live.values()) {
      if (person === key || `card:${card}` === key) owned += quantity;
    }
    return owned;
  }

  #recordOnce(committed: CommittedEvent, { source, offset, index }: LogPosition): void {
    this.#once(committed, `${source}/${offset}/${index}`);
  }

  #once(committed: CommittedEvent, id: string): void {
    if (this.#messages.has(id)) this.#break('a message once', committed, `${id} took effect before`);
    this.#messages.add(id);
  }

  #expect(committed: CommittedEvent, { id }: Reservation, statuses: readonly Live['status'][]): Live {
    const before = this.live.get(id);
    if (!before || !statuses.includes(before.status)) {
      this.#break('legal transitions', committed, `${id} is ${before?.status ?? 'not live'}`);
    }
    return before;
  }

  #keep(reservation: Reservation, status: Live['status']): void {
    this.#end(reservation);
    const { id, quantity, paymentId, person, card } = reservation;
    this.live.set(id, { status, quantity, paymentId, person, card });
    if (status === 'RESERVED') this.soldHere += quantity;
    else this.heldHere += quantity;
  }

  #end(reservation: Reservation): void {
    const before = this.live.get(reservation.id);
    this.known.set(reservation.id, reservation);
    if (!before) return;
    this.live.delete(reservation.id);
    if (before.status === 'RESERVED') this.soldHere -= before.quantity;
    else this.heldHere -= before.quantity;
  }

  #break(promise: string, { incarnation, sequence, commandId, event }: CommittedEvent, why: string): never {
    throw new Violation(
      promise,
      `${this.#where}: event ${incarnation}-${sequence} (${event.type}, by ${commandId}): ${why}`,
    );
  }
}
