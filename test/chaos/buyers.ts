/**
 * Buyers who ask with one key until they have a final answer, and note every answer with its times. A request that
 * takes long is given up and asked again elsewhere, as people and their browsers do.
 */
import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Random } from '../../src/peer/random.js';
import type { Answer, Purchase } from './check.js';

export const TRY_MS_MAX = 4_000;
const PAUSE_MS_MIN = 100;
const PAUSE_MS_MAX = 400;
const GOOD_CARD = '4242424242424242';
const BAD_CARD = '4000000000000002';

/** One try that was answered, or was not: `status` 0. */
export interface Try {
  readonly status: number;
  readonly code: string;
}

export interface CrowdOptions {
  readonly tickets: readonly string[];
  /** Buyers at once for each ticket. */
  readonly width: number;
  /** Base URLs of those that are there; asked before each try. */
  readonly urls: () => readonly string[];
  readonly random: Random;
  /** After this no new buyer comes. */
  readonly isOver: () => boolean;
  /** After this nobody asks any more. */
  readonly isHopeless: () => boolean;
}

export class Crowd {
  readonly purchases: Purchase[] = [];
  /** Requests sent, and what became of each, by status and code. */
  readonly answers = new Map<string, number>();
  /** Of reservations: what reads them. */
  readonly tokens = new Map<string, string>();
  requests = 0;
  readonly #options: CrowdOptions;
  #turn = 0;

  constructor(options: CrowdOptions) {
    this.#options = options;
  }

  /** Resolves when all buyers have their answers. */
  async run(): Promise<void> {
    const { tickets, width, isOver } = this.#options;
    const lines = tickets.flatMap((ticket) => Array.from({ length: width }, () => ticket));
    await Promise.all(
      lines.map(async (ticket) => {
        while (!isOver()) {
          await this.#buy(ticket);
          await this.#pause();
        }
      }),
    );
  }

  async #buy(ticket: string): Promise<void> {
    const { random } = this.#options;
    const [matchNumber, category] = ticket.split(':').map(Number);
    const quantity = random() < 0.5 ? 1 : 2;
    const answers: Answer[] = [];
    const purchase = { ticket, quantity, id: '', answers };
    this.purchases.push(purchase);
    const email = `${randomUUID()}@example.org`;
    const held = await this.#ask(answers, 'hold', 'POST', '', { matchNumber, category, quantity, email });
    if (!held) return;
    purchase.id = held.id;
    const { token } = held;
    this.tokens.set(held.id, token);
    const path = `/${held.id}`;
    const fate = random();
    if (fate < 0.1) return;
    if (fate < 0.2) {
      await this.#ask(answers, 'cancel', 'DELETE', path, undefined, token);
      return;
    }
    const paymentMethod = fate < 0.28 ? BAD_CARD : GOOD_CARD;
    const paid = await this.#ask(answers, 'pay', 'POST', `${path}/payment`, { paymentMethod }, token);
    if (!paid) return;
    await this.#ask(answers, 'read', 'GET', path, undefined, token);
    if (random() < 0.6) await this.#ask(answers, 'refund', 'POST', `${path}/refund`, {}, token);
  }

  /** The body of a success; null for a refusal. */
  async #ask(
    answers: Answer[],
    op: Answer['op'],
    method: string,
    path: string,
    body: unknown,
    token?: string,
  ): Promise<{ readonly id: string; readonly token: string } | null> {
    const key = randomUUID();
    const askedAt = Date.now();
    for (let tries = 1; ; tries += 1) {
      const answer = await this.#try(method, path, body, key, token);
      const isFinal = answer.status !== 0 && answer.status !== 503;
      if (isFinal || this.#options.isHopeless()) {
        const { status, code } = answer;
        const state = answer.body.reservation?.status ?? answer.body.status;
        answers.push({
          ...{ op, askedAt, answeredAt: Date.now(), tries },
          status: isFinal ? status : 0,
          ...(isFinal && status >= 300 && { code }),
          ...(isFinal && status < 300 && { state: String(state) }),
        });
        if (!isFinal || status >= 300) return null;
        return { id: answer.body.id ?? '', token: answer.body.token ?? '' };
      }
      await this.#pause();
    }
  }

  async #try(
    method: string,
    path: string,
    body: unknown,
    key: string,
    token: string | undefined,
  ): Promise<Try & { readonly body: Body }> {
    const urls = this.#options.urls();
    const url = urls[(this.#turn += 1) % Math.max(1, urls.length)];
    this.requests += 1;
    const answer =
      url === undefined
        ? GONE
        : await tryOnce(`${url}/api/v1/reservations${path}`, { method, body, key, token });
    const name = answer.status === 0 ? answer.code : `${answer.status} ${answer.code}`.trim();
    this.answers.set(name, (this.answers.get(name) ?? 0) + 1);
    return answer;
  }

  async #pause(): Promise<void> {
    await sleep(PAUSE_MS_MIN + this.#options.random() * (PAUSE_MS_MAX - PAUSE_MS_MIN));
  }
}

/** What we read of answers. */
interface Body {
  readonly id?: string;
  readonly token?: string;
  readonly status?: string | number;
  readonly code?: string;
  readonly reservation?: { readonly status?: string };
}

const GONE = { status: 0, code: 'nobody there', body: {} };

/** Never rejects: what fails on the way has status 0. */
export async function tryOnce(
  url: string,
  {
    method,
    body,
    key,
    token,
  }: {
    readonly method: string;
    readonly body?: unknown;
    readonly key?: string;
    readonly token?: string | undefined;
  },
): Promise<Try & { readonly body: Body }> {
  try {
    const response = await fetch(url, {
      method,
      signal: AbortSignal.timeout(TRY_MS_MAX),
      headers: {
        ...(body !== undefined && { 'Content-Type': 'application/json' }),
        ...(key !== undefined && { 'Idempotency-Key': key }),
        ...(token !== undefined && { Authorization: `Bearer ${token}` }),
      },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    });
    const text = await response.text();
    const json = JSON.parse(text === '' ? '{}' : text) as Body;
    return { status: response.status, code: json.code ?? '', body: json };
  } catch (error) {
    const isLate = error instanceof Error && error.name === 'TimeoutError';
    return { status: 0, code: isLate ? 'given up' : 'connection failed', body: {} };
  }
}
