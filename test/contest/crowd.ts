/**
 * The buyers of a round: all of them at once, spread evenly over the marketplaces, each of which goes on until it is told
 * RESERVED or sold out. Guarantees: what is not known (no answer, 503) is asked again with its own key; nobody walks away
 * from a request that may have bought something; what a buyer does is given by the seed, when it happens is not.
 */
import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { Pool } from 'undici';
import { seeded, type Random } from '../../src/peer/random.js';

/** Longer than a marketplace takes to say that it does not know. */
const TRY_MS_MAX = 15_000;
/** Everybody comes within so long. */
const ARRIVAL_MS = 1_000;
/** Before the second try. */
const PAUSE_MS_MIN = 1_000;
const PAUSE_MS_MAX = 3_000;
/** With each refusal people wait twice as long, this many times over: nobody comes near the limit of holds in a minute. */
const PAUSE_DOUBLINGS_MAX = 3;
/** What was not answered is asked again sooner: it may have bought something. */
const UNKNOWN_DOUBLINGS_MAX = 1;
/** How long one who left a hold behind stays away beyond its end. */
const AWAY_MS = 1_000;
const GOOD_CARD = '4242424242424242';
const BAD_CARD = '4000000000000002';
/** Of holds: what becomes of them instead of a sale. */
const ABANDONED = 0.04;
const CANCELLED = 0.08;
const DECLINED = 0.14;

/** Where buyers ask. */
export interface Door {
  readonly clientId: string;
  readonly url: string;
}

/** What a buyer was told last. */
export interface BuyerEnd {
  readonly clientId: string;
  readonly outcome: 'RESERVED' | 'sold_out' | 'none';
  /** Of what it bought; of one without an outcome what it may have bought, if that is known. */
  readonly id: string;
  readonly token: string;
  readonly quantity: number;
  /** Since the round began. */
  readonly atMs: number;
}

export interface CrowdOptions {
  readonly seed: number;
  /** Numbered from 1, up to 255: buyers of another round are other people. */
  readonly round: number;
  readonly buyers: number;
  /** `matchNumber:category`. */
  readonly ticket: string;
  readonly holdMs: number;
  /** After so long nobody asks any more. */
  readonly msMax: number;
}

export interface CrowdEnd {
  readonly buyers: readonly BuyerEnd[];
  readonly requests: number;
  /** Of every try, by what was asked and what was answered. */
  readonly answers: Readonly<Record<string, number>>;
  /** Answers that are none of those that a buyer has to expect. */
  readonly surprises: readonly string[];
}

/** Connections of a whole contest, kept from round to round. */
export class Doors {
  readonly #pools: readonly { readonly clientId: string; readonly pool: Pool }[];

  /** `buyers`: at once, at all of them together. */
  constructor(doors: readonly Door[], buyers: number) {
    const connections = Math.ceil(buyers / doors.length);
    this.#pools = doors.map(({ clientId, url }) => ({
      clientId,
      pool: new Pool(url, {
        ...{ connections, pipelining: 1, headersTimeout: TRY_MS_MAX, bodyTimeout: TRY_MS_MAX },
        connect: { timeout: TRY_MS_MAX },
      }),
    }));
  }

  /** Of the buyer with this number. */
  of(buyer: number): { readonly clientId: string; readonly pool: Pool } {
    const door = this.#pools[buyer % this.#pools.length];
    if (!door) throw new Error('there is no marketplace to buy at');
    return door;
  }

  async close(): Promise<void> {
    await Promise.all(this.#pools.map(({ pool }) => pool.destroy()));
  }
}

/** Resolves when everybody has a final answer, or at the end of `msMax`. */
export async function crowd(doors: Doors, options: CrowdOptions): Promise<CrowdEnd> {
  const told = new Told();
  const startedAt = Date.now();
  const buyers = await Promise.all(
    Array.from({ length: options.buyers }, (_, number) =>
      new Buyer(doors, number, options, told, startedAt).run(),
    ),
  );
  const answers = Object.fromEntries([...told.answers].sort(([, a], [, b]) => b - a));
  return { buyers, requests: told.requests, answers, surprises: told.surprises };
}

/** What those who bought read of it, by reservation. Who cannot read it within `msMax` is missing. */
export async function readSales(
  doors: Doors,
  buyers: readonly BuyerEnd[],
  msMax: number,
): Promise<ReadonlyMap<string, string>> {
  const giveUpAt = Date.now() + msMax;
  const found = new Map<string, string>();
  const waiting = buyers.flatMap((end, number) => (end.outcome === 'RESERVED' ? [{ end, number }] : []));
  const line = async (): Promise<void> => {
    for (let next = waiting.pop(); next; next = waiting.pop()) {
      const { end, number } = next;
      for (;;) {
        const { id, token } = end;
        const path = `${PATH}/${id}`;
        const answer = await tryOnce(doors.of(number).pool, 'GET', path, {
          Authorization: `Bearer ${token}`,
        });
        const isKnown = answer.status !== 0 && answer.status !== 503;
        if (isKnown) found.set(id, answer.status === 200 ? String(answer.body.status) : answer.code);
        if (isKnown || Date.now() > giveUpAt) break;
        await sleep(PAUSE_MS_MIN);
      }
    }
  };
  await Promise.all(Array.from({ length: READS_AT_ONCE }, line));
  return found;
}

const READS_AT_ONCE = 8;
const PATH = '/api/v1/reservations';

/** What all buyers of a round were told. */
class Told {
  requests = 0;
  readonly answers = new Map<string, number>();
  readonly surprises: string[] = [];

  note(op: Op, { status, code }: Answer): void {
    this.requests += 1;
    const name = `${op}: ${status === 0 ? code : `${status} ${code}`.trim()}`;
    this.answers.set(name, (this.answers.get(name) ?? 0) + 1);
  }
}

type Op = 'hold' | 'pay' | 'cancel';

/** Refusals that a buyer has to expect, and that do not say that all is sold. */
const REFUSALS: Readonly<Record<Op, ReadonlySet<string>>> = {
  // The limit of a person: a hold of its own that ended is not counted as ended yet.
  hold: new Set(['temporarily_unavailable', 'rate_limited', 'purchase_limit']),
  pay: new Set(['hold_expired', 'temporarily_unavailable', 'sold_out', 'rate_limited']),
  cancel: new Set(['hold_expired', 'rate_limited']),
};

class Buyer {
  readonly #random: Random;
  readonly #headers: Readonly<Record<string, string>>;
  readonly #email: string;
  readonly #door: ReturnType<Doors['of']>;
  #quantity: number;

  constructor(
    doors: Doors,
    number: number,
    readonly options: CrowdOptions,
    readonly told: Told,
    readonly startedAt: number,
  ) {
    const { seed, round } = options;
    this.#door = doors.of(number);
    this.#random = seeded(seed, round * BUYERS_MAX + number);
    this.#quantity = this.#random() < 0.5 ? 1 : 2;
    this.#email = `buyer-${number}@round-${round}.example.org`;
    this.#headers = {
      'Content-Type': 'application/json',
      'User-Agent': 'ticktak-contest',
      'X-Forwarded-For': `81.${round % 256}.${(number >> 8) & 255}.${number & 255}`,
    };
  }

  async run(): Promise<BuyerEnd> {
    await sleep(this.#random() * ARRIVAL_MS);
    for (let refusals = 0; !this.#isHopeless(); refusals += 1) {
      const end = await this.#buy();
      if (end) return end;
      await this.#pause(Math.min(refusals, PAUSE_DOUBLINGS_MAX));
    }
    return this.#end('none');
  }

  /** From one hold to what becomes of it. Null: it was in vain, and is to be tried again. */
  async #buy(): Promise<BuyerEnd | null> {
    const [matchNumber, category] = this.options.ticket.split(':').map(Number);
    const quantity = this.#quantity;
    const email = this.#email;
    const held = await this.#ask('hold', 'POST', PATH, { matchNumber, category, quantity, email });
    if (!held) return null;
    if (held.status !== 201) {
      if (held.code === 'sold_out') return this.#end('sold_out');
      // Better one than none.
      const { remaining = 0 } = held.body;
      if (remaining > 0) this.#quantity = Math.min(this.#quantity, remaining);
      return this.#refused('hold', held);
    }
    const { id = '', token = '' } = held.body;
    const path = `${PATH}/${id}`;
    const fate = this.#random();
    if (fate < ABANDONED) {
      await sleep(this.options.holdMs + AWAY_MS);
      return null;
    }
    if (fate < CANCELLED) {
      const cancelled = await this.#ask('cancel', 'DELETE', path, undefined, token);
      return cancelled === null || cancelled.status === 200 ? null : this.#refused('cancel', cancelled);
    }
    const isBad = fate < DECLINED;
    const body = { paymentMethod: isBad ? BAD_CARD : GOOD_CARD };
    const paid = await this.#ask('pay', 'POST', `${path}/payment`, body, token);
    if (!paid) return this.#end('none', id);
    if (paid.status === 200 && paid.body.status === 'RESERVED')
      return this.#end('RESERVED', id, token, quantity);
    return isBad && paid.code === 'payment_declined' ? null : this.#refused('pay', paid);
  }

  #refused(op: Op, { status, code }: Answer): null {
    if (!REFUSALS[op].has(code)) this.told.surprises.push(`${op}: ${status} ${code}`);
    return null;
  }

  /** The answer that is final; null when there was none before the end. */
  async #ask(op: Op, method: Method, path: string, body: unknown, token?: string): Promise<Answer | null> {
    const headers = {
      ...this.#headers,
      'Idempotency-Key': randomUUID(),
      ...(token !== undefined && { Authorization: `Bearer ${token}` }),
    };
    for (let tries = 0; !this.#isHopeless(); tries += 1) {
      const answer = await tryOnce(this.#door.pool, method, path, headers, body);
      this.told.note(op, answer);
      if (answer.status !== 0 && answer.status !== 503) return answer;
      await this.#pause(Math.min(tries, UNKNOWN_DOUBLINGS_MAX));
    }
    return null;
  }

  #isHopeless(): boolean {
    return Date.now() - this.startedAt > this.options.msMax;
  }

  #end(outcome: BuyerEnd['outcome'], id = '', token = '', quantity = 0): BuyerEnd {
    const { clientId } = this.#door;
    return { clientId, outcome, id, token, quantity, atMs: Date.now() - this.startedAt };
  }

  #pause(doublings: number): Promise<void> {
    return sleep((PAUSE_MS_MIN + this.#random() * (PAUSE_MS_MAX - PAUSE_MS_MIN)) * 2 ** doublings);
  }
}

/** As many as have an address of their own in a round. */
export const BUYERS_MAX = 65_536;
export const ROUNDS_MAX = 255;

type Method = 'GET' | 'POST' | 'DELETE';

interface Answer {
  /** 0: there was none. */
  readonly status: number;
  /** Of a problem, or why there was no answer; empty for a success. */
  readonly code: string;
  readonly body: {
    readonly id?: string;
    readonly token?: string;
    readonly status?: string | number;
    readonly code?: string;
    readonly remaining?: number;
  };
}

/** Never rejects. */
async function tryOnce(
  pool: Pool,
  method: Method,
  path: string,
  headers: Readonly<Record<string, string>>,
  body?: unknown,
): Promise<Answer> {
  try {
    const sent = body === undefined ? {} : { body: JSON.stringify(body) };
    const answer = await pool.request({ method, path, headers: { ...headers }, ...sent });
    const text = await answer.body.text();
    const json = JSON.parse(text === '' ? '{}' : text) as Answer['body'];
    return { status: answer.statusCode, code: json.code ?? '', body: json };
  } catch (error) {
    const isLate = error instanceof Error && error.name.includes('Timeout');
    return { status: 0, code: isLate ? 'given up' : 'connection failed', body: {} };
  }
}
