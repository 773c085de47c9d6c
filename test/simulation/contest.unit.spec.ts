/** What the log says of holds, from the words of the contract, and that whoever decides otherwise is found. */
import { describe, expect, it } from '@jest/globals';
import type { CommittedEvent } from '../../src/archive/port.js';
import type { Logged, Reservation } from '../../src/rules/index.js';
import { Contest, contestedOf } from './contest.js';
import { MASTERLIST_TOPIC, SALES_TOPIC, type LogRecord } from './log.js';
import type { HoldOp, ListOp, Mode } from './plan.js';

const TICKET = { matchNumber: 1, category: 1 };

/** A log of one ticket, and what marketplaces make of it. */
class Story {
  readonly contest: Contest;
  #offset = -1;

  constructor(mode: Mode, capacity: number) {
    this.contest = new Contest({ mode, clientIds: ['a', 'b'] });
    this.list(capacity);
  }

  list(available: number): void {
    this.#write(MASTERLIST_TOPIC, {}, [{ matchNumber: 1, availability: { category1: { available } } }]);
  }

  /** Answers its offset. */
  say(action: string, by: string, reservationId: string, quantity: number, takesPart = true): number {
    const headers = {
      clientId: by,
      ...(reservationId !== '' && { reservationId }),
      ...(takesPart && action === 'PENDING' && { admission: 'ordered' }),
    };
    const tickets = { category: 1, quantity, price: 75 };
    this.#offset += 1;
    this.#write(SALES_TOPIC, headers, {
      meta: { action: `TICKET_${action}` },
      body: { matchNumber: 1, tickets },
    });
    return this.#offset;
  }

  #write(topic: string, headers: Readonly<Record<string, string>>, value: unknown): void {
    const record: LogRecord = {
      topic,
      source: topic,
      offset: String(this.#offset),
      timestamp: 1_000,
      value: Buffer.from(JSON.stringify(value)),
      headers,
      key: '1:1',
      publisherId: 'p',
    };
    this.contest.recordWritten(record);
  }

  /** A marketplace reads its own record, and holds or voids what it had asked for. */
  decide(
    by: string,
    type: 'held' | 'voided',
    id: string,
    quantity: number,
    offset: number,
    isVoid = type === 'voided',
  ): void {
    const reservation = { id, quantity, status: 'PENDING' } as Reservation;
    const logged: Logged = {
      action: 'pending',
      reservationId: id,
      quantity,
      recordedAt: 1,
      position: { source: SALES_TOPIC, offset: String(offset), index: 0 },
      takenDelta: isVoid ? 0 : quantity,
      tally: { held: 0, sold: 0, early: [], cancelledEarly: 0, heldSince: 1 },
      ...(isVoid && { isVoid: true as const }),
    };
    if (type === 'held') this.#append(by, { type, at: 1, reservation, logged });
    else this.#append(by, { type, at: 1, asked: { reservation, commandId: 'c' }, logged });
  }

  sell(by: string, id: string, quantity: number): void {
    const reservation = { id, quantity, status: 'RESERVED' } as Reservation;
    this.#append(by, { type: 'sold', at: 1, reservation });
  }

  #append(by: string, event: CommittedEvent['event']): void {
    this.contest.appended(by, { ticket: TICKET, incarnation: 1, sequence: 1, commandId: 'c', event });
  }
}

describe('the fold of a contest', () => {
  it('grants what the places before it leave, and no more', () => {
    const story = new Story('ordered', 3);
    const [first, second, third] = [
      story.say('PENDING', 'a', 'r1', 2),
      story.say('PENDING', 'b', 'r2', 2),
      story.say('PENDING', 'a', 'r3', 1),
    ];
    story.decide('a', 'held', 'r1', 2, first);
    story.decide('b', 'voided', 'r2', 2, second);
    story.decide('a', 'held', 'r3', 1, third);
    expect(() => story.decide('b', 'held', 'r2', 2, second)).toThrow('decided by the place in the log');
    expect(() => story.decide('a', 'voided', 'r1', 2, first)).toThrow('decided by the place in the log');
    expect(() => story.decide('a', 'held', 'r1', 2, first)).toThrow('decided once');
    expect(() => story.decide('b', 'held', 'r1', 2, first)).toThrow('r1 has no record there');
    expect(() => story.decide('a', 'held', 'r9', 1, 9)).toThrow('r9 has no record there');
  });

  it('lets what is granted be given back when a later list has lowered what there is', () => {
    const story = new Story('ordered', 2);
    const offset = story.say('PENDING', 'a', 'r1', 2);
    const giveBack = (): void => story.decide('a', 'voided', 'r1', 2, offset, false);
    expect(giveBack).toThrow('r1 is granted');
    story.list(1);
    expect(giveBack).not.toThrow();
  });

  it('takes nothing back with the CANCELLED of a hold that came too late', () => {
    const story = new Story('ordered', 2);
    story.say('PENDING', 'a', 'r1', 2);
    story.say('PENDING', 'b', 'r2', 2);
    story.say('CANCELLED', 'b', 'r2', 2);
    const late = story.say('PENDING', 'b', 'r3', 1);
    story.decide('b', 'voided', 'r3', 1, late);
    story.say('CANCELLED', 'a', 'r1', 2);
    const inTime = story.say('PENDING', 'b', 'r2', 2);
    story.decide('b', 'held', 'r2', 2, inTime);
  });

  it('counts peers that take no part as granted, and the first list alone', () => {
    const story = new Story('ordered', 2);
    story.list(9);
    story.say('PENDING', 'p', '', 1, false);
    story.say('RESERVED', 'p', '', 1, false);
    story.say('RESERVED', 'q', 'x', 1, false);
    const late = story.say('PENDING', 'a', 'r1', 1);
    story.decide('a', 'voided', 'r1', 1, late);
  });

  it('finds a sale of what was not granted', () => {
    const story = new Story('ordered', 1);
    story.say('PENDING', 'a', 'r1', 1);
    story.say('PENDING', 'b', 'r2', 1);
    expect(() => story.say('RESERVED', 'b', 'r2', 1)).toThrow('sold when granted');
    expect(() => story.say('RESERVED', 'a', 'r1', 1)).not.toThrow();
  });

  it('finds tickets sold twice, or counts them where each marketplace grants its own', () => {
    const ordered = new Story('ordered', 1);
    ordered.sell('a', 'r1', 1);
    expect(() => ordered.sell('b', 'r2', 1)).toThrow('no oversell');
    const optimistic = new Story('optimistic', 2);
    optimistic.sell('a', 'r1', 2);
    optimistic.sell('b', 'r2', 2);
    optimistic.sell('b', 'r3', 1);
    expect(optimistic.contest.oversold).toBe(3);
  });

  it('finds a hold that nobody decided', () => {
    const story = new Story('ordered', 1);
    const offset = story.say('PENDING', 'a', 'r1', 1);
    expect(() => story.contest.atEnd([])).toThrow('decided in the end');
    story.decide('a', 'held', 'r1', 1, offset);
    expect(() => story.contest.atEnd([])).not.toThrow();
  });
});

describe('a contested ticket', () => {
  it('is one of those that buyers of two marketplaces want more of than there are', () => {
    const list: ListOp = {
      kind: 'list',
      id: 0,
      atMs: 0,
      market: 0,
      available: [
        [1, 1, 3],
        [1, 2, 3],
        [1, 3, 9],
      ],
    };
    const hold = (market: number, category: number): HoldOp => ({
      kind: 'hold',
      id: 1,
      atMs: 1,
      market,
      ticket: { matchNumber: 1, category },
      quantity: 2,
      person: 'p',
    });
    const ops = [list, hold(0, 1), hold(1, 1), hold(0, 2), hold(0, 2), hold(0, 3), hold(1, 3)];
    expect(contestedOf(ops)).toBe(3);
  });
});
