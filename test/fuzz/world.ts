/**
 * The marketplace that is fuzzed: a process of its own with everything embedded, as a person would start it, and those
 * who ask it. Names such as `{{hold.3}}` in an input stand for what they have there, so that the same input means the
 * same in every run.
 */
import { createHmac, randomUUID } from 'node:crypto';
import { connect } from 'node:net';
import { join } from 'node:path';
import { ask, CARD, firstPassword, logIn, OPERATOR, PASSWORD, writeList } from '../operations/market.js';
import { run, scratchDir, type Running } from '../helpers/processes.js';
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
/** Things of one kind that are kept to be asked about. */
const KEPT = 20;

const PROBE = new URL('./probe.mjs', import.meta.url).href;

export interface Memory {
  readonly rss: number;
  readonly heapUsed: number;
}

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
  readonly #remove: () => void;
  readonly #probe: string;
  readonly #operatorPassword: string;
  readonly #names = new Map<string, string>();
  readonly #kept = new Map<string, string[]>();

  private constructor(running: Running, operations: readonly Operation[], probe: string, remove: () => void) {
    this.running = running;
    this.operations = operations;
    this.#probe = probe;
    this.#remove = remove;
    this.#operatorPassword = firstPassword(running);
  }

  static async start({ isChecked, env = {} }: WorldOptions): Promise<World> {
    const scratch = scratchDir();
    const probe = join(scratch.dir, 'probe');
    try {
      const running = await run([], {
        DATA_DIR: join(scratch.dir, 'data'),
        MASTERLIST_FILE: writeList(scratch.dir, MATCHES, AVAILABLE),
        SECURITY_CHECK: String(isChecked),
        SERVICE_TOKEN,
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
        NODE_OPTIONS: `--import ${PROBE}`,
        FUZZ_PROBE: probe,
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
      const world = new World(running, operations, probe, scratch.remove);
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

  /** What a name stands for now; null for one that is not known. */
  name(name: string): string | null {
    const fixed = this.#names.get(name);
    if (fixed !== undefined) return fixed;
    const [kind = '', place = '0'] = name.split('.');
    const kept = this.#kept.get(kind);
    return kept?.[Number(place) % kept.length] ?? null;
  }

  /** Keeps what an answer tells of, so that later inputs can ask about it. */
  learn({ method, path }: Pick<Operation, 'method' | 'path'>, status: number, body: unknown): void {
    if (status !== 201 || method !== 'POST' || typeof body !== 'object' || body === null) return;
    const { id, token } = body as { readonly id?: unknown; readonly token?: unknown };
    if (typeof id !== 'string') return;
    if (path === '/api/v1/blocks') this.#keep('block', id);
    if (path === '/api/v1/users') this.#keep('account', id);
    if (path === '/api/v1/reservations') this.#keep('hold', id);
    if (path === '/api/v1/reservations' && typeof token === 'string') {
      this.#keep('guesthold', id);
      this.#keep('guesttoken', token);
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
    await this.#disposable();
    await this.#renewHolds();
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
    return new Promise((resolve, reject) => {
      const socket = connect(this.#probe);
      let text = '';
      socket.on('data', (chunk) => (text += String(chunk)));
      socket.on('error', reject);
      socket.on('close', () => {
        try {
          resolve(JSON.parse(text) as Memory);
        } catch (error) {
          reject(new Error('the marketplace does not tell its memory', { cause: error }));
        }
      });
    });
  }

  /** Its exit code: null when a signal ended it. */
  async end(): Promise<number | null> {
    const code = await this.running.end();
    this.#remove();
    return code;
  }

  async #populate(): Promise<void> {
    const user = this.running.url('user');
    this.#names.set('service', SERVICE_TOKEN);
    const operator = await logIn(user, OPERATOR, this.#operatorPassword);
    this.#names.set('operator', operator);
    const buyer = await this.#account('buyer@example.org');
    this.#names.set('buyer', buyer.token);
    const steward = await this.#account('steward@example.org');
    await ask('PATCH', `${user}/api/v1/users/${steward.id}`, { token: operator, body: { steward: true } });
    this.#names.set('steward', await logIn(user, 'steward@example.org'));
    for (const [name, token] of Object.entries(forgeries(buyer.token, operator)))
      this.#names.set(name, token);
    await this.#disposable();
    await this.#renewHolds();
    for (let i = 0; i < 3; i += 1) {
      const sold = await this.#hold(42 + i, `sold${i}@example.org`);
      await this.#pay(sold);
      this.#keep('sold', sold.id);
      this.#keep('soldtoken', sold.token);
      const { body } = await ask<{ tickets: readonly { readonly code: string }[] }>(
        'GET',
        `${this.running.url('reservations')}/api/v1/reservations/${sold.id}/tickets`,
        { token: sold.token },
      );
      for (const { code } of body.tickets) this.#keep('code', code);
    }
    const { body } = await ask<{ payments: readonly { readonly id: string }[] }>(
      'GET',
      `${this.running.url('payments')}/api/v1/payments`,
      { token: operator },
    );
    for (const { id } of body.payments) this.#keep('payment', id);
    const block = await ask<{ id: string }>('POST', `${this.running.url('security')}/api/v1/blocks`, {
      token: operator,
      body: { cidr: '192.0.2.128/25', reason: 'to be asked about' },
    });
    this.#keep('block', block.body.id);
  }

  /** An account that may be logged out, changed and deleted. */
  async #disposable(): Promise<void> {
    const account = await this.#account(`disposable-${randomUUID().slice(0, 8)}@example.org`);
    this.#names.set('disposable', account.token);
    this.#keep('account', account.id);
  }

  async #renewHolds(): Promise<void> {
    for (let i = 0; i < 3; i += 1) {
      const held = await this.#hold(45 + i, `guest${randomUUID().slice(0, 8)}@example.org`);
      this.#keep('hold', held.id);
      this.#keep('guesthold', held.id);
      this.#keep('guesttoken', held.token);
    }
  }

  async #account(email: string): Promise<{ readonly id: string; readonly token: string }> {
    const user = this.running.url('user');
    const { status, body } = await ask<{ id: string }>('POST', `${user}/api/v1/users`, {
      body: { email, password: PASSWORD, name: 'Somebody' },
    });
    if (status !== 201) throw new Error(`${email} could not register: ${status}`);
    return { id: body.id, token: await logIn(user, email) };
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

  #keep(kind: string, value: string): void {
    const kept = this.#kept.get(kind) ?? [];
    kept.push(value);
    if (kept.length > KEPT) kept.shift();
    this.#kept.set(kind, kept);
  }
}

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
