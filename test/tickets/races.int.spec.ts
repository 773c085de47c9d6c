/** Transfers, their ends and refunds that meet: real actors, a real Redis and archive, two processes' worth of desks. */
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { FlowIds } from '../../src/payments/flow.js';
import { PaymentFlow } from '../../src/payments/flow.js';
import { PaymentRecords } from '../../src/payments/records.js';
import { systemClock } from '../../src/process/clock.js';
import type { Core } from '../../src/process/core.js';
import type { Reservation } from '../../src/rules/index.js';
import { CheckInDesk, type Scan } from '../../src/tickets/check-in.js';
import { ConflictRecords } from '../../src/tickets/check-in-records.js';
import { TicketCodes } from '../../src/tickets/codes.js';
import { TicketDesk, type ChangeResult } from '../../src/tickets/desk.js';
import { QueuedTicketMail } from '../../src/mail/ticket-mail.js';
import { AdmissionRecords, Shares } from '../../src/tickets/records.js';
import { BuyerRefunds, type BuyerRefundResult } from '../../src/tickets/refunds.js';
import type { Principal } from '../../src/users/principal.js';
import { holdBody, loadBody, silentLogger, startEngine, until, type Engine } from '../helpers/engine.js';
import { CARDS, FakeProvider, SETTLEMENT } from '../http/fakes.js';

const TICKET = { matchNumber: 9, category: 1 };
const ROUNDS = 30;
/** The first of them in the order of the acts and in the opposite one: on any machine each comes first once. */
const ORDERED_ROUNDS = 2;
/** About as long as the slowest of them takes, so that each comes first in some rounds. */
const PAUSE_MS_MAX = 12;
/** About as long as the read before the write. */
const GATES_APART_MS_MAX = 4;
const origin = { address: '192.0.2.1', requestId: 'test' };
const account = (accountId: string): Principal => ({
  accountId,
  email: `${accountId}@example.org`,
  emailConfirmed: true,
  roles: ['buyer'],
  sessionId: 's',
  secondFactor: false,
});

/** mulberry32: the same rounds in every run. */
function seeded(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

interface Process {
  readonly desk: TicketDesk;
  readonly refunds: BuyerRefunds;
  readonly flow: PaymentFlow;
  readonly gate: CheckInDesk;
  readonly find: (id: string) => Promise<Reservation | null>;
}

let engine: Engine;
let provider: FakeProvider;
let here: Process;
let there: Process;
let ids = 0;
const idsOf = (): FlowIds & { keyed: boolean } => ({ id: randomUUID(), keepMs: 600_000, keyed: true });
const unaudited = (): Promise<void> => Promise.resolve();

function processOn(core: Core): Process {
  const { gateway, reader } = core;
  const { archive } = engine;
  const records = new PaymentRecords(archive);
  const find = (id: string) => reader.find(id);
  const flow = new PaymentFlow({
    gateway,
    provider,
    reader,
    records,
    clock: systemClock,
    logger: silentLogger,
    policy: SETTLEMENT,
    providerWaitMs: 5_000,
    unkeyedOutcomeMs: 60_000,
    newId: randomUUID,
    returnUrl: (id) => `http://shop.example/${id}`,
    taxPercent: 0,
  });
  const admissions = new AdmissionRecords(archive);
  const desk = new TicketDesk({
    records: admissions,
    shares: new Shares({ documents: archive, clock: systemClock }),
    codes: new TicketCodes({ secret: 'the secret of this test' }),
    mail: new QueuedTicketMail({ mails: { add: async () => true }, logger: silentLogger }),
    audit: { record: unaudited },
    clock: systemClock,
    findReservation: find,
    emailOf: async (id) => `${id}@example.org`,
  });
  const refunds = new BuyerRefunds({
    desk,
    flow,
    payments: records,
    clock: systemClock,
    findReservation: find,
    isAllowed: true,
    until: async () => null,
  });
  const gate = new CheckInDesk({
    desk,
    records: admissions,
    conflicts: new ConflictRecords(archive),
    clock: systemClock,
    counters: (tickets) => core.store.counters(tickets),
    isCancelled: async () => false,
  });
  return { desk, refunds, flow, gate, find };
}

beforeAll(async () => {
  engine = await startEngine({ matches: [9] });
  await engine.tell(TICKET, loadBody(10_000));
  provider = new FakeProvider();
  here = processOn(engine.core);
  there = processOn((await engine.addPeer()).core);
});
afterAll(() => engine.stop());

/** Two tickets, sold to a buyer nobody else is; with how many of them offered to the receiver. */
async function sold(buyer: Principal, receiver: Principal, offered: readonly number[]): Promise<string> {
  const id = `m9c1-${String((ids += 1))
    .padStart(26, 'a')
    .replace(/[0189]/g, (digit) => 'bcde'['0189'.indexOf(digit)]!)}`;
  const held = await engine.tell(TICKET, holdBody(id, 2, buyer.email));
  expect(held.kind).toBe('held');
  const paid = await here.flow.pay({ ticket: TICKET, reservationId: id }, CARDS.good, idsOf());
  expect(paid.kind).toBe('reserved');
  await until(async () => (await there.find(id))?.status === 'RESERVED');
  for (const number of offered) {
    const found = (await here.desk.find(id, number))!;
    const wanted = { id: randomUUID(), to: receiver.email, principal: buyer, origin };
    expect((await here.desk.offer(found, wanted)).kind).toBe('done');
  }
  return id;
}

type Act = 'scan' | 'accept' | 'withdraw' | 'decline' | 'refund one' | 'refund all' | 'operator refunds one';
const isMoved = (result: ChangeResult): boolean => result.kind === 'done' && result.isChanged;

async function act(
  what: Act,
  on: Process,
  { id, number, buyer, receiver }: { id: string; number: number; buyer: Principal; receiver: Principal },
): Promise<boolean> {
  switch (what) {
    case 'accept':
    case 'withdraw':
    case 'decline': {
      const found = (await on.desk.find(id, number))!;
      if (what === 'accept') return isMoved(await on.desk.accept(found, receiver, origin));
      const isHolder = what === 'withdraw';
      return isMoved(
        await on.desk.endOffer(found, { isHolder, principal: isHolder ? buyer : receiver, origin }),
      );
    }
    case 'scan': {
      const code = on.desk.codes.sign({ reservationId: id, number, generation: 0 });
      return (await on.gate.scan(scanOf(code), { gate: 'A', device: 'd' }, 'sam')).kind === 'admitted';
    }
    case 'refund one':
    case 'refund all': {
      const reservation = (await on.find(id))!;
      const quantity = what === 'refund one' ? 1 : undefined;
      const result: BuyerRefundResult = await on.refunds.refund(reservation, quantity, idsOf(), unaudited);
      return result.kind === 'refunded';
    }
    case 'operator refunds one': {
      const { paymentId = '' } = (await on.find(id))!;
      const ref = { ticket: TICKET, reservationId: id };
      return (await on.flow.refund({ ref, paymentId, quantity: 1 }, idsOf())).kind === 'refunded';
    }
  }
}

const scanOf = (code: string): Scan => ({
  scanId: randomUUID(),
  code,
  matchNumber: TICKET.matchNumber,
  scannedAt: Date.now(),
});

interface End {
  readonly held: number;
  readonly refunded: number;
  /** Let in, and not given back by an operator. */
  readonly used: number;
}

/** What must hold however it went. */
async function settled(id: string, receiver: Principal): Promise<End> {
  const reservation = (await here.find(id))!;
  const standings = await here.desk.standings(reservation);
  expect(standings).toHaveLength(2);
  const left = reservation.status === 'REFUNDED' ? 0 : reservation.quantity;
  expect(standings.filter(({ state }) => state !== 'void')).toHaveLength(left);
  expect(standings.filter(({ state }) => state === 'refunding')).toEqual([]);
  const { tickets } = await here.desk.received(receiver, { limit: 100 });
  const received = tickets.filter((one) => one.reservationId === id);
  for (const one of received) {
    if (one.status === 'void') continue;
    expect((await there.desk.check(one.code ?? '')).kind).toBe(one.status === 'used' ? 'used' : 'valid');
    const number = one.number;
    const before = here.desk.codes.sign({ reservationId: id, number, generation: 0 });
    expect((await there.desk.check(before)).kind).toBe('replaced');
  }
  // The money follows the places.
  const payment = [...provider.payments.values()].find((one) => one.reservationId === id);
  expect(payment?.refundedMinor).toBe(reservation.refundedQuantity * 12_500);
  const held = received.filter(({ status }) => status !== 'void').length;
  const used = standings.filter(({ state }) => state === 'used').length;
  return { held, refunded: reservation.refundedQuantity, used };
}

async function race(
  name: string,
  acts: readonly { readonly what: Act; readonly number: number }[],
  judge: (did: readonly boolean[], end: End) => void,
): Promise<void> {
  const random = seeded(42);
  const ends: Record<string, number> = {};
  for (let round = 0; round < ROUNDS; round += 1) {
    const buyer = account(`buyer-${name}-${round}`);
    const receiver = account(`receiver-${name}-${round}`);
    const id = await sold(buyer, receiver, [1, 2]);
    const run = async ({ what, number }: (typeof acts)[number]): Promise<boolean> => {
      const pauseMs = Math.floor(random() * PAUSE_MS_MAX);
      const on = random() < 0.5 ? here : there;
      if (round >= ORDERED_ROUNDS) await new Promise((resolve) => setTimeout(resolve, pauseMs));
      return act(what, on, { id, number, buyer, receiver });
    };
    const did =
      round < ORDERED_ROUNDS ? await inOrder(acts, run, round > 0) : await Promise.all(acts.map(run));
    const end = await settled(id, receiver);
    judge(did, end);
    const key = JSON.stringify(end);
    ends[key] = (ends[key] ?? 0) + 1;
  }
  // Neither always wins, or nothing was raced.
  expect(Object.keys(ends).length).toBeGreaterThan(1);
}

/** One after the other, from the last to the first when `isReversed`; answers in the order of `acts`. */
async function inOrder<T>(
  acts: readonly T[],
  run: (one: T) => Promise<boolean>,
  isReversed: boolean,
): Promise<readonly boolean[]> {
  const did: boolean[] = [];
  const order = acts.map((_, i) => (isReversed ? acts.length - 1 - i : i));
  for (const i of order) did[i] = await run(acts[i]!);
  return did;
}

describe('what excludes each other', () => {
  it('accepting twice and taking back is decided once', async () => {
    const acts = [
      { what: 'accept', number: 1 },
      { what: 'accept', number: 1 },
      { what: 'withdraw', number: 1 },
      { what: 'decline', number: 1 },
    ] as const;
    await race('twice', acts, (did, { held }) => {
      // One moves it; of those that meet the change, none does.
      expect(did.filter(Boolean)).toHaveLength(1);
      expect(held).toBe(did[0] || did[1] ? 1 : 0);
    });
  });

  it('accepting, and the buyer’s refund of all', async () => {
    const acts = [
      { what: 'accept', number: 1 },
      { what: 'refund all', number: 0 },
    ] as const;
    await race('all', acts, (did, { held, refunded }) => {
      const [isAccepted, isRefunded] = did;
      expect(isAccepted && isRefunded).toBe(false);
      expect(held).toBe(isAccepted ? 1 : 0);
      expect(refunded).toBe(isRefunded ? 2 : 0);
    });
  });

  it('accepting both, and refunds of one each', async () => {
    const acts = [
      { what: 'accept', number: 1 },
      { what: 'accept', number: 2 },
      { what: 'refund one', number: 0 },
      { what: 'refund one', number: 0 },
    ] as const;
    await race('each', acts, (did, { held, refunded }) => {
      expect(held).toBe(did.slice(0, 2).filter(Boolean).length);
      expect(held + refunded).toBeLessThanOrEqual(2);
      expect(refunded).toBeGreaterThanOrEqual(did.slice(2).filter(Boolean).length);
    });
  });

  it('accepting and an operator’s refund: a place is left for whoever is told to hold one', async () => {
    const acts = [
      { what: 'accept', number: 2 },
      { what: 'operator refunds one', number: 0 },
    ] as const;
    await race('operator', acts, ([isAccepted, isRefunded], { held, refunded }) => {
      expect(isRefunded).toBe(true);
      expect(refunded).toBe(1);
      if (isAccepted) expect(held).toBe(1);
    });
  });

  it('a scan and an acceptance: the code that was shown was the holder’s, or is nobody’s any more', async () => {
    const acts = [
      { what: 'scan', number: 1 },
      { what: 'accept', number: 1 },
    ] as const;
    await race('scan-accept', acts, ([isIn, isAccepted], { held, used }) => {
      expect(isIn).toBe(!isAccepted);
      expect(held).toBe(isAccepted ? 1 : 0);
      expect(used).toBe(isIn ? 1 : 0);
    });
  });

  it('a scan and the buyer’s refund: nobody is in with what was given back', async () => {
    const acts = [
      { what: 'scan', number: 2 },
      { what: 'refund all', number: 0 },
    ] as const;
    await race('scan-refund', acts, ([isIn, isRefunded], { used, refunded }) => {
      expect(isIn && isRefunded).toBe(false);
      expect(used).toBe(isIn ? 1 : 0);
      expect(refunded).toBe(isRefunded ? 2 : 0);
    });
  });

  it('scans of both and an operator’s refund: as many are in as places are left', async () => {
    const acts = [
      { what: 'scan', number: 1 },
      { what: 'operator refunds one', number: 0 },
      { what: 'scan', number: 2 },
    ] as const;
    const random = seeded(7);
    const ends = new Set<string>();
    for (let round = 0; round < ROUNDS; round += 1) {
      const buyer = account(`buyer-both-${round}`);
      const receiver = account(`receiver-both-${round}`);
      const id = await sold(buyer, receiver, []);
      const run = async ({ what, number }: (typeof acts)[number]): Promise<boolean> => {
        const on = random() < 0.5 ? here : there;
        const pauseMs = random() * PAUSE_MS_MAX;
        if (round >= ORDERED_ROUNDS) await new Promise((resolve) => setTimeout(resolve, pauseMs));
        return act(what, on, { id, number, buyer, receiver });
      };
      const did =
        round < ORDERED_ROUNDS ? await inOrder(acts, run, round > 0) : await Promise.all(acts.map(run));
      const { used, refunded } = await settled(id, receiver);
      expect([did[1], refunded]).toEqual([true, 1]);
      // Whoever was in already is in, as with any refund after the gate.
      expect(used).toBe(Math.min(1, [did[0], did[2]].filter(Boolean).length));
      ends.add(JSON.stringify(did));
    }
    expect(ends.size).toBeGreaterThan(1);
  });
});

describe('one ticket at four gates of two processes at once, fifty times', () => {
  it('lets one person in, and tells the others of that one', async () => {
    const winners = new Set<string>();
    const random = seeded(11);
    for (let round = 0; round < 50; round += 1) {
      const id = await sold(account(`buyer-gate-${round}`), account(`receiver-gate-${round}`), []);
      const code = here.desk.codes.sign({ reservationId: id, number: 1, generation: 0 });
      const gates = ['North', 'South', 'East', 'West'];
      const answers = await Promise.all(
        gates.map(async (gate, i) => {
          await new Promise((resolve) => setTimeout(resolve, random() * GATES_APART_MS_MAX));
          return [here, there][i % 2]!.gate.scan(scanOf(code), { gate, device: gate }, 'sam');
        }),
      );
      const admitted = gates.filter((_, i) => answers[i]!.kind === 'admitted');
      expect(admitted).toHaveLength(1);
      const told = answers.flatMap((one) => (one.kind === 'repeated' ? [one.first.gate] : []));
      expect(told).toEqual(Array(3).fill(admitted[0]));
      winners.add(admitted[0]!);
    }
    // Else nothing was raced.
    expect(winners.size).toBeGreaterThan(1);
  });
});
