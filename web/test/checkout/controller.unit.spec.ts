import { beforeEach, describe, expect, it } from '@jest/globals';
import type { ApiRequest } from '../../src/api/client';
import { ApiProblem } from '../../src/api/problem';
import { memoryStorage } from '../../src/api/storage';
import type { Reservation, ReservationStatus } from '../../src/api/types';
import { CheckoutController } from '../../src/checkout/controller';
import { PayIntents } from '../../src/checkout/pay-intents';

const START = Date.parse('2030-01-01T12:00:00Z');
const CARD = { number: '4242424242424242', expirationMonth: '12', expirationYear: '2033', cvc: '123' };

/** A server that answers what the test says, and timers that run when the test says. */
class World {
  now = START;
  status: ReservationStatus = 'PENDING';
  /** Answers of payments, in turn; the last one repeats. */
  payments: (() => unknown)[] = [];
  readonly requests: ApiRequest[] = [];
  readonly left: string[] = [];
  told = 0;
  timers: { at: number; run: () => void }[] = [];
  storage = memoryStorage();
  #keys = 0;

  reservation(): Reservation {
    return {
      id: 'm1c1-a',
      status: this.status,
      matchNumber: 1,
      category: 1,
      quantity: 1,
      unitPrice: 75,
      currency: 'usd',
      email: 'fan@example.com',
      createdAt: new Date(START).toISOString(),
      expiresAt: new Date(START + 600_000).toISOString(),
    };
  }

  controller(): CheckoutController {
    return new CheckoutController({
      id: 'm1c1-a',
      // The test knows what it answers.
      send: async <T>(request: ApiRequest) => this.#answer(request) as T,
      token: () => 'token',
      now: () => this.now,
      intents: new PayIntents({
        storage: this.storage,
        newKey: () => {
          this.#keys += 1;
          return `key-${this.#keys}`;
        },
        now: () => this.now,
      }),
      cancelKey: () => 'cancel-key',
      cancelEnded: () => undefined,
      schedule: (ms, run) => {
        const timer = { at: this.now + ms, run };
        this.timers.push(timer);
        return () => {
          this.timers = this.timers.filter((one) => one !== timer);
        };
      },
      tell: () => {
        this.told += 1;
      },
      leave: (url) => this.left.push(url),
      authenticate: () => Promise.resolve(),
    });
  }

  /** Lets what is under way come to rest. */
  async settle(): Promise<void> {
    for (let turn = 0; turn < 50; turn += 1) await Promise.resolve();
  }

  async pass(ms: number): Promise<void> {
    this.now += ms;
    const due = this.timers.filter(({ at }) => at <= this.now);
    this.timers = this.timers.filter(({ at }) => at > this.now);
    for (const { run } of due) run();
    await this.settle();
  }

  get paid(): readonly ApiRequest[] {
    return this.requests.filter(({ method }) => method === 'POST');
  }

  #answer(request: ApiRequest): unknown {
    this.requests.push(request);
    if (request.method === 'POST') {
      const next = this.payments.length > 1 ? this.payments.shift() : this.payments[0];
      return next?.();
    }
    if (request.path.endsWith('/payment')) throw new ApiProblem('not_found', { status: 404 });
    return this.reservation();
  }
}

const lost = (): never => {
  throw new ApiProblem('connection_lost');
};

describe('the checkout', () => {
  let world: World;
  let checkout: CheckoutController;
  beforeEach(async () => {
    world = new World();
    checkout = world.controller();
    checkout.start();
    await world.settle();
  });

  const reserve = (): Reservation => {
    world.status = 'RESERVED';
    return world.reservation();
  };
  const question = (): unknown => {
    world.status = 'PAYING';
    return {
      status: 'requires_action',
      clientSecret: 'secret',
      nextAction: { type: 'redirect_to_url', url: 'https://bank.example/' },
      reservation: world.reservation(),
    };
  };

  it('sends one payment for two presses', async () => {
    world.payments = [reserve];
    checkout.pay(CARD);
    checkout.pay(CARD);
    await world.settle();
    expect(world.paid).toHaveLength(1);
    expect(checkout.state.kind).toBe('reserved');
    expect(world.told).toBeGreaterThan(0);
  });

  it('asks again under the same key until the outcome is known, more and more slowly', async () => {
    world.payments = [lost, lost, lost, reserve];
    checkout.pay(CARD);
    await world.settle();
    expect(checkout.state.kind).toBe('unknown');
    await world.pass(1_000);
    expect(world.paid).toHaveLength(1);
    for (const ms of [1_500, 2_000, 3_000]) await world.pass(ms);
    expect(checkout.state.kind).toBe('reserved');
    expect(new Set(world.paid.map(({ key }) => key))).toEqual(new Set(['key-1']));
    expect(new Set(world.paid.map(({ body }) => JSON.stringify(body))).size).toBe(1);
  });

  it('goes to the bank when it was pressed, and finishes after a reload under the same key', async () => {
    world.payments = [question];
    checkout.pay(CARD);
    await world.settle();
    expect(world.left).toEqual(['https://bank.example/']);
    checkout.stop();

    world.payments = [question];
    const back = world.controller();
    back.start();
    await world.settle();
    // Came back without an answer: it is not sent away again by itself.
    expect(back.state.kind).toBe('authenticating');
    expect(world.left).toHaveLength(1);

    world.payments = [reserve];
    back.finish();
    await world.settle();
    expect(back.state.kind).toBe('reserved');
    expect(new Set(world.paid.map(({ key }) => key)).size).toBe(1);
  });

  it('takes another key after a decline, also for the same card', async () => {
    const decline = (): never => {
      throw new ApiProblem('payment_declined', { status: 402, members: { held: true } });
    };
    world.payments = [decline];
    checkout.pay(CARD);
    await world.settle();
    checkout.pay(CARD);
    await world.settle();
    expect(world.paid.map(({ key }) => key)).toEqual(['key-1', 'key-2']);
  });

  it('keeps the key of what was only put off', async () => {
    const busy = (): never => {
      throw new ApiProblem('overloaded', {
        status: 503,
        members: { outcome: 'refused' },
        retryAfterMs: 4_000,
      });
    };
    world.payments = [busy, reserve];
    checkout.pay(CARD);
    await world.settle();
    expect(checkout.state).toMatchObject({ kind: 'held', refused: { notBefore: world.now + 4_000 } });
    expect(checkout.putOff).toEqual(CARD);
    checkout.pay(CARD);
    await world.settle();
    expect(world.paid.map(({ key }) => key)).toEqual(['key-1', 'key-1']);
  });

  it('asks the server when the time is up, and tells what it says', async () => {
    await world.pass(600_500);
    expect(checkout.state.kind).toBe('ending');
    world.status = 'EXPIRED';
    await world.pass(2_000);
    expect(checkout.state.kind).toBe('expired');
  });

  it('hears of another tab, but not while it waits for an answer of its own', async () => {
    world.status = 'CANCELLED';
    checkout.hear();
    await world.settle();
    expect(checkout.state.kind).toBe('cancelled');
    const requests = world.requests.length;
    const other = world.controller();
    world.status = 'PENDING';
    world.payments = [lost];
    other.start();
    await world.settle();
    other.pay(CARD);
    await world.settle();
    const before = world.requests.length;
    other.hear();
    await world.settle();
    expect(world.requests).toHaveLength(before);
    expect(before).toBeGreaterThan(requests);
  });

  it('asks nothing any more after it was stopped', async () => {
    checkout.stop();
    const before = world.requests.length;
    await world.pass(10_000_000);
    checkout.look();
    checkout.pay(CARD);
    await world.settle();
    expect(world.requests).toHaveLength(before);
  });
});

describe('payment intents', () => {
  const make = (storage = memoryStorage()): PayIntents => {
    let keys = 0;
    return new PayIntents({ storage, newKey: () => `key-${(keys += 1)}`, now: () => START });
  };

  it('write test cards and payment methods down, and no other card', () => {
    const storage = memoryStorage();
    make(storage).begin('a', CARD);
    make(storage).begin('b', 'pm_1');
    make(storage).begin('c', { ...CARD, number: '5100000000000000' });
    const reloaded = make(storage);
    expect(reloaded.open('a')?.method).toEqual(CARD);
    expect(reloaded.open('b')?.method).toBe('pm_1');
    expect(reloaded.open('c')).toBeNull();
  });

  it('have one key per way of paying until they end', () => {
    const intents = make();
    expect(intents.begin('a', CARD).key).toBe('key-1');
    expect(intents.begin('a', CARD).key).toBe('key-1');
    expect(intents.begin('a', 'pm_1').key).toBe('key-2');
    intents.end('a');
    expect(intents.open('a')).toBeNull();
    expect(intents.begin('a', 'pm_1').key).toBe('key-3');
  });

  it('are forgotten when the server has forgotten their keys, and when what is stored makes no sense', () => {
    const storage = memoryStorage();
    storage.set(
      'ticktak.payment.a',
      JSON.stringify({ key: 'old', method: 'pm_1', at: START - 13 * 3_600_000 }),
    );
    storage.set('ticktak.payment.b', '{');
    expect(make(storage).open('a')).toBeNull();
    expect(make(storage).open('b')).toBeNull();
  });
});
