/**
 * The marketplace that is fuzzed: a process of its own with everything embedded, as a person would start it, and those
 * who ask it. Names such as `{{hold.3}}` in an input stand for what they have there, so that the same input means the
 * same in every run.
 */
import { createHmac, randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { connect } from 'node:net';
import { join } from 'node:path';
import { ask, CARD, firstPassword, logIn, OPERATOR, writeList } from '../operations/market.js';
import { run, scratchDir, type Running } from '../helpers/processes.js';
import { codeOf, made, Makers, signed } from './makers.js';
import { memoryAt, probed, type Memory } from './memory.js';
import { operationsOf, type Document, type Operation } from './openapi.js';

export const ROLES = [
  'shop',
  'reservations',
  'user',
  'payments',
  'security',
  'consumer',
  'analytics',
] as const;
export const MATCHES = 64;
/** More than any run sells. */
const AVAILABLE = 100_000;
const SERVICE_TOKEN = 'the-service-token-of-the-fuzzer';
const TOKEN_SECRET = 'the-token-secret-of-the-fuzzer-and-of-nobody';
const PREFIX = 'fuzzed';
/** The first sales are made a day before: what is paid out each midnight is. */
const FIRST_SALES_BEFORE_MS = 86_400_000;
/** Things of one kind that are kept to be asked about; of accounts only those that were not used up long ago. */
const KEPT = 20;
const KEPT_FRESH: Readonly<Record<string, number>> = { disposable: 3 };

interface Held {
  readonly id: string;
  readonly token: string;
}

export interface WorldOptions {
  /** Whether requests pass the security check. */
  readonly isChecked: boolean;
  readonly env?: Readonly<Record<string, string>>;
}

export class World {
  readonly running: Running;
  readonly operations: readonly Operation[];
  readonly dataDir: string;
  readonly prefix = PREFIX;
  readonly #remove: () => void;
  readonly #probe: string;
  readonly #makers = new Makers(this);
  readonly #operatorPassword: string;
  readonly #names = new Map<string, string>();
  readonly #kept = new Map<string, string[]>();

  private constructor(running: Running, operations: readonly Operation[], dir: string, remove: () => void) {
    this.running = running;
    this.dataDir = dataOf(dir);
    this.operations = operations;
    this.#probe = probeOf(dir);
    this.#remove = remove;
    this.#operatorPassword = firstPassword(running);
  }

  static async start({ isChecked, env = {} }: WorldOptions): Promise<World> {
    const scratch = scratchDir();
    try {
      const running = await run([], {
        DATA_DIR: dataOf(scratch.dir),
        MASTERLIST_FILE: writeList(scratch.dir, MATCHES, AVAILABLE),
        SECURITY_CHECK: String(isChecked),
        SERVICE_TOKEN,
        TOKEN_SECRET,
        REDIS_PREFIX: PREFIX,
        // Holds end while it runs, so that as many go as come.
        HOLD_MS: '30000',
        ACCESS_TOKEN_MS: '3600000',
        PAYING_MS: '20000',
        TICKETS_PER_PERSON_MAX: '1000',
        IDEMPOTENCY_MS: '60000',
        UNKEYED_OUTCOME_MS: '60000',
        // A lost answer shows as one that comes late, not as one that is not known.
        REPLY_WAIT_MS: '20000',
        LOG_LEVEL: 'warn',
        ...probed(probeOf(scratch.dir)),
        FUZZ_CLOCK_BACK_MS: String(FIRST_SALES_BEFORE_MS),
        ...env,
      });
      const operations: Operation[] = [];
      for (const role of ROLES) {
        const { body } = await ask<Document & Record<string, unknown>>(
          'GET',
          `${running.url(role)}/api/v1/openapi.json`,
        );
        operations.push(...operationsOf(role, body));
      }
      const world = new World(running, operations, scratch.dir, scratch.remove);
      await world.#populate();
      return world;
    } catch (error) {
      scratch.remove();
      throw error;
    }
  }

  get isUp(): boolean {
    return this.running.child.exitCode === null && this.running.child.signalCode === null;
  }

  port(role: string): number {
    return Number(new URL(this.running.url(role)).port);
  }

  url(role: string): string {
    return this.running.url(role);
  }

  /** What a name stands for now; null for one that is not known. `kind.3`, or `kind.last` for the newest. */
  name(name: string): string | null {
    const fixed = this.#names.get(name);
    if (fixed !== undefined) return fixed;
    if (name === 'now') return new Date().toISOString();
    if (name === 'tomorrow') return new Date(Date.now() + 86_400_000).toISOString();
    const [kind = '', place = '0'] = name.split('.');
    if (kind === 'factorcode') {
      const secret = this.name(`factorsecret.${place}`);
      return secret === null ? null : codeOf(secret);
    }
    const kept = this.#kept.get(kind);
    return (place === 'last' ? kept?.at(-1) : kept?.[Number(place) % kept.length]) ?? null;
  }

  /** What the payment provider would sign a body with. */
  signature(body: Buffer): string {
    return signed(body, TOKEN_SECRET);
  }

  /** Keeps what an answer tells of, so that later inputs can ask about it. */
  learn({ method, path }: Pick<Operation, 'method' | 'path'>, status: number, body: unknown): void {
    if (status !== 201 || method !== 'POST' || typeof body !== 'object' || body === null) return;
    const { id, token } = body as { readonly id?: unknown; readonly token?: unknown };
    if (typeof id !== 'string') return;
    if (path === '/api/v1/blocks') this.keep('block', id);
    if (path === '/api/v1/users') this.keep('account', id);
    if (path === '/api/v1/reservations') this.keep('hold', id);
    if (path === '/api/v1/reservations' && typeof token === 'string') {
      this.keep('guesthold', id);
      this.keep('guesttoken', token);
    }
  }

  /** Makes anew what inputs have used up or ended: log-ins, holds, and sales that were stopped. */
  async renew(): Promise<void> {
    const operator = await logIn(this.running.url('user'), OPERATOR, this.#operatorPassword);
    this.#names.set('operator', operator);
    const { body } = await ask<{ pauses: readonly { readonly id: string }[] }>(
      'GET',
      `${this.running.url('payments')}/api/v1/operations/pauses`,
      { token: operator },
    );
    for (const { id } of body.pauses) {
      await ask('DELETE', `${this.running.url('payments')}/api/v1/operations/pauses/${id}`, {
        token: operator,
      });
    }
    await this.#renewHolds();
    await this.#makers.make();
  }

  /** Holds, pays, and reads what was sold; throws unless all of it works. */
  async checkSale(): Promise<void> {
    const held = await this.#hold(41, `last-${randomUUID().slice(0, 8)}@example.org`);
    await this.#pay(held);
  }

  /** What is wrong with the counters of any ticket; empty when their sums hold. */
  async counterFaults(): Promise<string[]> {
    await this.renew();
    const { body, status } = await ask<{ tickets: readonly Readonly<Record<string, number>>[] }>(
      'GET',
      `${this.running.url('payments')}/api/v1/operations/tickets`,
      { token: this.#names.get('operator') ?? '' },
    );
    if (status !== 200) return [`the counters cannot be read: ${status}`];
    const n = (value: number | undefined): number => value ?? NaN;
    const faults = body.tickets.flatMap((one) => {
      const available = n(one['capacity']) - n(one['soldHere']) - n(one['soldElsewhere']);
      const pending = available - n(one['heldHere']) - n(one['heldElsewhere']);
      const isRight = one['available'] === available && one['pending'] === pending;
      return isRight ? [] : [`counters do not add up: ${JSON.stringify(one)}`];
    });
    if (body.tickets.length < MATCHES * 3) faults.push(`only ${body.tickets.length} tickets are there`);
    return faults;
  }

  memory(): Promise<Memory> {
    return memoryAt(this.#probe);
  }

  /** Its exit code: null when a signal ended it. */
  async end(): Promise<number | null> {
    const code = await this.running.end();
    this.#remove();
    return code;
  }

  async #populate(): Promise<void> {
    const user = this.url('user');
    this.#names.set('service', SERVICE_TOKEN);
    const early = await this.#makers.buy(1);
    this.keep('sold', early.id);
    this.keep('soldtoken', early.token);
    await this.#reachToday();
    const operator = await logIn(user, OPERATOR, this.#operatorPassword);
    this.#names.set('operator', operator);
    const buyer = await this.#makers.account('buyer@example.org');
    this.#names.set('buyer', buyer.token);
    const steward = await this.#makers.account('steward@example.org');
    await ask('PATCH', `${user}/api/v1/users/${steward.id}`, { token: operator, body: { steward: true } });
    this.#names.set('steward', await logIn(user, 'steward@example.org'));
    for (const [name, token] of Object.entries(forgeries(buyer.token, operator)))
      this.#names.set(name, token);
    const { payouts } = await made<{ payouts: readonly { readonly id: string }[] }>(
      200,
      'GET',
      `${this.url('payments')}/api/v1/payments/payouts`,
      { token: operator },
    );
    for (const { id } of payouts) this.keep('payout', id);
    await this.#renewHolds();
    await this.#makers.make();
    const block = await ask<{ id: string }>('POST', `${this.url('security')}/api/v1/blocks`, {
      token: operator,
      body: { cidr: '192.0.2.128/25', reason: 'to be asked about' },
    });
    this.keep('block', block.body.id);
  }

  /** Ends the past that the marketplace was started in. */
  async #reachToday(): Promise<void> {
    await once(connect(`${this.#probe}.clock`).resume(), 'close');
  }

  async #renewHolds(): Promise<void> {
    for (let i = 0; i < 3; i += 1) {
      const held = await this.#hold(45 + i, `guest${randomUUID().slice(0, 8)}@example.org`);
      this.keep('hold', held.id);
      this.keep('guesthold', held.id);
      this.keep('guesttoken', held.token);
    }
  }

  async #hold(matchNumber: number, email: string): Promise<Held> {
    const { status, body, text } = await ask<{ id: string; token: string }>(
      'POST',
      `${this.running.url('reservations')}/api/v1/reservations`,
      { body: { matchNumber, category: 1, quantity: 1, email } },
    );
    if (status !== 201) throw new Error(`not held: ${status} ${text}`);
    return body;
  }

  async #pay({ id, token }: Held): Promise<void> {
    const { status, text } = await ask(
      'POST',
      `${this.running.url('reservations')}/api/v1/reservations/${id}/payment`,
      { body: { paymentMethod: CARD }, token },
    );
    if (status !== 200 || !text.includes('RESERVED')) throw new Error(`not paid: ${status} ${text}`);
  }

  keep(kind: string, value: string): void {
    const kept = this.#kept.get(kind) ?? [];
    kept.push(value);
    if (kept.length > (KEPT_FRESH[kind] ?? KEPT)) kept.shift();
    this.#kept.set(kind, kept);
  }
}

const dataOf = (dir: string): string => join(dir, 'data');
const probeOf = (dir: string): string => join(dir, 'probe');

/** Names of tokens that nobody signed. */
export const FORGERIES = [
  'forged.role',
  'forged.none',
  'forged.hs256',
  'forged.cut',
  'forged.claims',
] as const;

function forgeries(buyer: string, operator: string): Readonly<Record<(typeof FORGERIES)[number], string>> {
  const [header = '', own = '', signature = ''] = buyer.split('.');
  const [, claims = ''] = operator.split('.');
  const coded = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url');
  const hs256 = `${coded({ alg: 'HS256', typ: 'JWT' })}.${claims}`;
  return {
    'forged.role': `${header}.${claims}.${signature}`,
    'forged.none': `${coded({ alg: 'none' })}.${claims}.`,
    'forged.hs256': `${hs256}.${createHmac('sha256', 'secret').update(hs256).digest('base64url')}`,
    'forged.cut': `${header}.${own}.${signature.slice(0, 20)}`,
    'forged.claims': `${header}.${coded({ sub: {}, exp: '1e400', roles: 'operator' })}.${signature}`,
  };
}
