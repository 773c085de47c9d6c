/**
 * A process is killed at every single step of a payment, just before and just after the step took effect.
 * Whatever it left must end, by the looks of others alone, as sold and charged, or free and not charged.
 */
import { describe, expect, it } from '@jest/globals';
import { pino } from 'pino';
import type { Documents } from '../../src/archive/documents.js';
import type { CommandGateway, ReservationReader } from '../../src/http/ports.js';
import { PaymentFlow } from '../../src/payments/flow.js';
import type { PaymentProvider } from '../../src/payments/port.js';
import { PaymentRecords } from '../../src/payments/records.js';
import { Reconciler } from '../../src/payments/reconciler.js';
import { MemoryDocuments } from '../helpers/memory-documents.js';
import { CARDS, FakeProvider, ManualClock, Market, POLICY, SETTLEMENT, someMatch } from './fakes.js';

const ticket = { matchNumber: 1, category: 1 };
const ID = `m1c1-${'a'.repeat(26)}`;
const REF = { ticket, reservationId: ID };
const PAYMENT_ID = `pi_${ID}`;
const STEPS_MAX = 60;

/** Counts the steps of a process; at the fatal one the process is gone: nothing of it happens any more. */
class Fuse {
  steps = 0;
  burnt = false;
  readonly #fatal: number;
  readonly #effect: boolean;

  constructor(fatal: number, effect: boolean) {
    this.#fatal = fatal;
    this.#effect = effect;
  }

  /** The same object, whose every call is a step. */
  wrap<T extends object>(target: T): T {
    return new Proxy(target, {
      get: (object, name) => {
        const member: unknown = Reflect.get(object, name);
        if (typeof member !== 'function' || name === 'list') return member;
        return async (...args: unknown[]) => {
          if (this.burnt) return gone();
          this.steps += 1;
          const isFatal = this.steps === this.#fatal;
          if (isFatal) this.burnt = true;
          if (isFatal && !this.#effect) return gone();
          const answer: unknown = await Reflect.apply(member, object, args);
          return isFatal || this.burnt ? gone() : answer;
        };
      },
    });
  }
}

const gone = (): Promise<never> => new Promise(() => undefined);

class World {
  readonly clock = new ManualClock();
  readonly market = new Market(this.clock);
  readonly provider = new FakeProvider('sandbox', () => this.clock.now());
  readonly documents = new MemoryDocuments(() => this.clock.now());
  #ids = 0;

  constructor() {
    this.market.open(someMatch(1), 2);
    this.hold(ID, 'a@b.co');
  }

  hold(reservationId: string, email: string): unknown {
    return this.market.do(ticket, { type: 'hold', reservationId, quantity: 2, email, person: email });
  }

  process(fuse: Fuse): PaymentFlow {
    const { clock, market } = this;
    const provider: PaymentProvider = fuse.wrap(this.provider);
    const documents: Documents = fuse.wrap(this.documents);
    const gateway: CommandGateway = fuse.wrap(market);
    const reader: ReservationReader = gateway as unknown as ReservationReader;
    return new PaymentFlow({
      gateway,
      reader,
      provider,
      records: new PaymentRecords(documents),
      clock,
      logger: pino({ level: 'silent' }),
      policy: SETTLEMENT,
      providerWaitMs: 20_000,
      unkeyedOutcomeMs: 10,
      newId: () => `fresh-${(this.#ids += 1)}`,
      returnUrl: () => 'http://127.0.0.1',
      taxPercent: 0,
    });
  }

  /** The other processes go on for longer than any hold or payment lasts. */
  async reconcile(): Promise<void> {
    const flow = this.process(new Fuse(0, false));
    const records = new PaymentRecords(this.documents);
    const { clock, provider } = this;
    const logger = pino({ level: 'silent' });
    const untilMs = clock.now() + POLICY.holdMs + POLICY.payingMs + 120_000;
    const reconciler = new Reconciler({ flow, provider, records, clock, logger, everyMs: 5_000 });
    while (clock.now() < untilMs) {
      await reconciler.look();
      clock.advance(45_000);
      this.#expire();
    }
  }

  #expire(): void {
    for (const { id, status, expiresAt } of this.market.states.get('1:1')!.reservations.values()) {
      if (status !== 'PENDING' || expiresAt > this.clock.now()) continue;
      this.market.do(ticket, { type: 'expire', reservationId: id });
    }
  }

  async verdict(): Promise<{ told: string; takenMinor: number; isDue: boolean }> {
    const told = (await this.market.find(ID))!.status;
    const due = await new PaymentRecords(this.documents).due(Number.MAX_SAFE_INTEGER / 10, 10);
    return { told, takenMinor: this.provider.takenMinor, isDue: due.length > 0 };
  }
}

type Scenario = (flow: PaymentFlow, world: World) => Promise<unknown>;
const ids = (id: string) => ({ id, keepMs: 60_000 });

const endHold = (world: World): void => {
  world.market.do(ticket, {
    type: 'failPayment',
    reservationId: ID,
    paymentId: PAYMENT_ID,
    reason: 'expired',
  });
};

const SCENARIOS: Record<string, Scenario> = {
  'a card that pays': (flow) => flow.pay(REF, CARDS.good, ids('1')),
  'a decline, then a card that pays': async (flow) => {
    await flow.pay(REF, CARDS.declined, ids('1'));
    await flow.pay(REF, CARDS.good, ids('2'));
  },
  'three declines': async (flow) => {
    for (const id of ['1', '2', '3']) await flow.pay(REF, CARDS.declined, ids(id));
  },
  'an authentication that succeeds': async (flow, { provider }) => {
    await flow.pay(REF, CARDS.secure, ids('1'));
    provider.authenticate(PAYMENT_ID);
    await flow.pay(REF, CARDS.secure, ids('1'));
  },
  'an authentication that nobody finishes': (flow) => flow.pay(REF, CARDS.secure, ids('1')),
  'a payment that comes late, and there is room': async (flow, world) => {
    world.provider.beforeAnswer = () => endHold(world);
    await flow.pay(REF, CARDS.good, ids('1'));
  },
  'a payment that comes late, and there is none': async (flow, world) => {
    world.provider.beforeAnswer = () => {
      endHold(world);
      world.hold(`m1c1-${'b'.repeat(26)}`, 'b@b.co');
    };
    await flow.pay(REF, CARDS.good, ids('1'));
  },
  'a payment that is cancelled while it is made': async (flow) => {
    await Promise.all([flow.pay(REF, CARDS.good, ids('1')), flow.cancel(REF, ids('c'))]);
  },
  'a decline that is cancelled while it is noted': async (flow) => {
    await Promise.all([flow.pay(REF, CARDS.declined, ids('1')), flow.cancel(REF, ids('c'))]);
  },
  'a sale that is refunded': async (flow) => {
    await flow.pay(REF, CARDS.good, ids('1'));
    await flow.refund({ ref: REF, paymentId: PAYMENT_ID, quantity: undefined }, ids('r'));
  },
  'a sale of which half is refunded': async (flow) => {
    await flow.pay(REF, CARDS.good, ids('1'));
    await flow.refund({ ref: REF, paymentId: PAYMENT_ID, quantity: 1 }, ids('r'));
  },
};

/** What the buyer has, and what it cost, must agree. */
function agreed(told: string, quantity: number): number {
  return told === 'RESERVED' ? quantity * 7_500 : 0;
}

describe.each(Object.entries(SCENARIOS))('%s', (_name, scenario) => {
  it.each([
    ['before', false],
    ['after', true],
  ])('ends well when the process is killed %s any of its steps', async (_when, effect) => {
    let finished = false;
    let steps = 0;
    for (let fatal = 1; !finished && fatal < STEPS_MAX; fatal += 1) {
      const world = new World();
      const fuse = new Fuse(fatal, effect);
      const run = scenario(world.process(fuse), world).then(() => 'finished' as const);
      finished = (await quiet(fuse, run)) === 'finished' && !fuse.burnt;
      steps = fuse.steps;
      await world.reconcile();
      const { told, takenMinor, isDue } = await world.verdict();
      const { quantity } = (await world.market.find(ID))!;
      const at = `${effect ? 'after' : 'before'} step ${fatal}: ${told}`;
      expect([at, takenMinor]).toEqual([at, agreed(told, quantity)]);
      expect([at, isDue]).toEqual([at, false]);
      expect([at, ['RESERVED', 'CANCELLED', 'EXPIRED', 'REFUNDED'].includes(told)]).toEqual([at, true]);
    }
    // The last round killed nobody: every step before was tried.
    expect(finished).toBe(true);
    expect(steps).toBeGreaterThan(4);
  });
});

/** Resolves when the process has finished, or is gone and what was under way has come to a standstill. */
async function quiet(fuse: Fuse, run: Promise<'finished'>): Promise<'finished' | 'killed'> {
  let finished = false;
  void run.then(() => (finished = true));
  while (!fuse.burnt && !finished) await new Promise(setImmediate);
  if (!fuse.burnt) return run;
  for (let turn = 0; turn < 20; turn += 1) await new Promise(setImmediate);
  return 'killed';
}
