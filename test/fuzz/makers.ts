/**
 * What operations need to do what they are for and no description tells: accounts with a second factor, mailed links,
 * offered tickets, conflicts at a gate, letters, and other things that work once. Made over HTTP as people make them, anew
 * from time to time, and kept under names that inputs use: `{{reset.last}}`.
 */
import { createHmac, randomUUID } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Queue } from 'bullmq';
import { Redis } from 'ioredis';
import { Secret, TOTP } from 'otpauth';
import { signatureOf } from '../../src/payments/sandbox/courier.js';
import { RedisKeys } from '../../src/redis/keys.js';
import { ask, CARD, PASSWORD } from '../operations/market.js';

export interface Site {
  readonly dataDir: string;
  readonly prefix: string;
  url(role: string): string;
  /** What a name stands for now; null when nothing was kept under it. */
  name(name: string): string | null;
  keep(kind: string, value: string): void;
}

interface Account {
  readonly id: string;
  readonly email: string;
  readonly token: string;
  readonly refreshToken: string;
}
interface Sale {
  readonly id: string;
  readonly token: string;
}

/** Of sales that are made here: no input cancels them. */
const MATCH = 42;
/** Where a job is put that cannot be read. */
const LETTER_TICKET = { matchNumber: 59, category: 3 } as const;
const MAIL_MS_MAX = 30_000;
const LETTER_MS_MAX = 10_000;
const LOOK_MS = 100;

export async function made<T>(
  status: number,
  method: string,
  url: string,
  options: Parameters<typeof ask>[2] = {},
): Promise<T> {
  const answer = await ask<T>(method, url, options);
  if (answer.status !== status)
    throw new Error(`${method} ${new URL(url).pathname}: ${answer.status} ${answer.text.slice(0, 300)}`);
  return answer.body;
}

export class Makers {
  readonly #site: Site;
  /** Takes tickets that are offered; its address is confirmed. */
  #receiver: { readonly email: string; readonly token: string } | null = null;

  constructor(site: Site) {
    this.#site = site;
  }

  /** All of it. Rejects, at the end, with what could not be made. */
  async make(): Promise<void> {
    const all = [
      this.#disposables(),
      this.#factors(),
      this.#mailed(),
      this.#sales(),
      this.#offers(),
      this.#conflicts(),
      this.#letter(),
      this.#stopped(),
      this.#place(),
    ];
    const failures = (await Promise.allSettled(all)).filter((one) => one.status === 'rejected');
    if (failures.length > 0) throw new Error(failures.map(({ reason }) => String(reason)).join('; '));
  }

  async account(email: string): Promise<Account> {
    const body = { email, password: PASSWORD, name: 'Somebody' };
    const { id } = await made<{ id: string }>(201, 'POST', this.#at('user', '/users'), { body });
    return { id, email, ...(await this.#logIn(email)) };
  }

  async #logIn(email: string): Promise<{ readonly token: string; readonly refreshToken: string }> {
    const body = { email, password: PASSWORD };
    const { accessToken: token, refreshToken } = await made<{ accessToken: string; refreshToken: string }>(
      201,
      'POST',
      this.#at('user', '/sessions'),
      { body },
    );
    return { token, refreshToken };
  }

  /** Of a guest, or of an account by its token. */
  async buy(quantity: number, token?: string): Promise<Sale> {
    const at = this.#at('reservations', '/reservations');
    const hold = { matchNumber: MATCH, category: 1, quantity };
    const held = await made<{ id: string; token?: string }>(201, 'POST', at, {
      body: token === undefined ? { ...hold, email: fresh('guest') } : hold,
      ...(token !== undefined && { token }),
    });
    const owner = held.token ?? token ?? '';
    const body = { paymentMethod: CARD };
    await made(200, 'POST', `${at}/${held.id}/payment`, { token: owner, body });
    return { id: held.id, token: owner };
  }

  // ---- accounts ---------------------------------------------------------------------------------------

  /** Accounts that may be logged out, changed and deleted. */
  async #disposables(): Promise<void> {
    for (const kind of ['disposable', 'disposable', 'disposable', 'deletable']) {
      const { id, token, refreshToken } = await this.account(fresh(kind));
      this.#site.keep(kind, token);
      this.#site.keep('account', id);
      this.#site.keep('refresh', refreshToken);
    }
  }

  /** One account that has begun to set up a second factor, one that has it. */
  async #factors(): Promise<void> {
    const begun = await this.account(fresh('begun'));
    const secret = await this.#enrol(begun);
    const account = await this.account(fresh('factored'));
    const body = { totp: codeOf(await this.#enrol(account)) };
    const { accessToken, recoveryCodes } = await made<{ accessToken: string; recoveryCodes: string[] }>(
      200,
      'POST',
      this.#at('user', '/users/me/second-factor/confirm'),
      { token: account.token, body },
    );
    this.#site.keep('enrolling', begun.token);
    this.#site.keep('factorsecret', secret);
    this.#site.keep('factored', accessToken);
    this.#site.keep('recovery', recoveryCodes[0] ?? '');
  }

  async #enrol({ token }: Account): Promise<string> {
    const body = { password: PASSWORD };
    const at = this.#at('user', '/users/me/second-factor');
    return (await made<{ secret: string }>(200, 'POST', at, { token, body })).secret;
  }

  /** An account with a link that confirms its address, and one that sets a new password. */
  async #mailed(): Promise<void> {
    const { email, token } = await this.account(fresh('mailed'));
    await made(202, 'POST', this.#at('user', '/password-resets'), { body: { email } });
    const confirm = await this.#linkOf(email, 'confirm-email');
    const reset = await this.#linkOf(email, 'reset-password');
    this.#site.keep('mailed', token);
    this.#site.keep('confirm', confirm);
    this.#site.keep('reset', reset);
  }

  /** The token of the link in the mail of a kind to an address. */
  async #linkOf(email: string, kind: string): Promise<string> {
    const folder = join(this.#site.dataDir, 'mail');
    const read = new Set<string>();
    for (const until = performance.now() + MAIL_MS_MAX; performance.now() < until;) {
      const names = readdirSync(folder).filter((name) => name.endsWith('.eml') && name.includes(`-${kind}-`));
      // The newest last; most of what is there was read for others.
      for (const name of names.toSorted().slice(-LOOKED_AT)) {
        if (read.has(name)) continue;
        read.add(name);
        const text = readFileSync(join(folder, name), 'utf8')
          .replace(/=\r?\n/g, '')
          .replaceAll('=3D', '=');
        const token = text.includes(email) ? /#token=([\w-]+)/.exec(text)?.[1] : undefined;
        if (token !== undefined) return token;
      }
      await sleep(LOOK_MS);
    }
    throw new Error(`no mail of ${kind} came to ${email}`);
  }

  // ---- sales and tickets ------------------------------------------------------------------------------

  /** One to be looked at and one to be given back, with their payments. */
  async #sales(): Promise<void> {
    for (const [kind, quantity] of [
      ['sold', 1],
      ['spare', 2],
    ] as const) {
      const { id, token } = await this.buy(quantity);
      const at = this.#at('reservations', `/reservations/${id}`);
      const { payment, tickets } = {
        payment: await made<{ id: string }>(200, 'GET', `${at}/payment`, { token }),
        tickets: await made<{ tickets: { code: string }[] }>(200, 'GET', `${at}/tickets`, { token }),
      };
      this.#site.keep(kind, id);
      this.#site.keep(`${kind}token`, token);
      this.#site.keep(`${kind}payment`, payment.id);
      this.#site.keep('code', tickets.tickets[0]?.code ?? '');
    }
  }

  /** Tickets of an account: one to be offered, one that is offered to somebody, one whose offer may be taken back. */
  async #offers(): Promise<void> {
    const receiver = (this.#receiver ??= await this.#confirmed());
    const at = (id: string): string => this.#at('reservations', `/tickets/${id}/transfer`);
    const mine = this.#at('reservations', '/tickets');
    const { token } = receiver;
    const { offers } = await made<{ offers: { id: string }[] }>(200, 'GET', mine, { token });
    // So many may wait.
    for (const { id } of offers) await ask('DELETE', at(id), { token });
    const owner = await this.account(fresh('owner'));
    const [first, second] = [await this.buy(1, owner.token), await this.buy(2, owner.token)];
    const body = { email: receiver.email };
    for (const number of [1, 2])
      await made(200, 'POST', at(`${second.id}.${number}`), { token: owner.token, body });
    this.#site.keep('owner', owner.token);
    this.#site.keep('receiver', token);
    this.#site.keep('owned', first.id);
    this.#site.keep('offered', second.id);
  }

  async #confirmed(): Promise<{ readonly email: string; readonly token: string }> {
    const { email, token } = await this.account(fresh('receiver'));
    const body = { token: await this.#linkOf(email, 'confirm-email') };
    await made(200, 'POST', this.#at('user', '/email-confirmations/confirm'), { token, body });
    return { email, token: (await this.#logIn(email)).token };
  }

  /** Two devices without a network that let somebody in with the same ticket. */
  async #conflicts(): Promise<void> {
    const token = this.#site.name('steward') ?? '';
    const sale = await this.buy(2);
    const at = this.#at('reservations', `/reservations/${sale.id}/tickets`);
    const { tickets } = await made<{ tickets: { code: string }[] }>(200, 'GET', at, { token: sale.token });
    const [code = '', other = ''] = tickets.map((one) => one.code);
    for (const device of ['one', 'two']) {
      const scans = [{ scanId: randomUUID(), code, matchNumber: MATCH, scannedAt: new Date().toISOString() }];
      const body = { gate: 'north', device, scans };
      await made(200, 'POST', this.#at('reservations', '/check-ins/sync'), { token, body });
    }
    const { conflicts } = await made<{ conflicts: { id: string }[] }>(
      200,
      'GET',
      this.#at('reservations', '/check-ins/conflicts?limit=1'),
      { token },
    );
    this.#site.keep('conflict', conflicts[0]?.id ?? '');
    this.#site.keep('gatecode', other);
  }

  // ---- operators --------------------------------------------------------------------------------------

  /** A job that cannot be read lies in the dead letters. */
  async #letter(): Promise<void> {
    const token = this.#site.name('operator') ?? '';
    const at = this.#at('payments', '/operations/dead-letters?limit=1');
    const newest = async (): Promise<string | undefined> =>
      (await made<{ letters: { id: string }[] }>(200, 'GET', at, { token })).letters[0]?.id;
    const before = await newest();
    await spoil(this.#site);
    for (const until = performance.now() + LETTER_MS_MAX; performance.now() < until;) {
      const id = await newest();
      if (id !== undefined && id !== before) {
        this.#site.keep('letter', id);
        return;
      }
      await sleep(LOOK_MS);
    }
    throw new Error('a job that cannot be read did not become a dead letter');
  }

  /** A stop of sales that may be lifted, and a cancellation of a peer that is to be decided on. */
  async #stopped(): Promise<void> {
    const token = this.#site.name('operator') ?? '';
    const body = { matchNumber: SWEPT_MATCH, message: { en: 'We look into it.', ar: 'ننظر في الأمر.' } };
    await made(200, 'POST', this.#at('payments', '/operations/pauses'), { token, body });
    const message = {
      meta: { action: 'TICKET_CANCELLED' },
      body: { matchNumber: MATCH, tickets: { category: 2, quantity: 1, price: 125 } },
    };
    const peer = { messageId: randomUUID(), clientId: `peer-${randomUUID().slice(0, 8)}`, message };
    const service = this.#site.name('service') ?? '';
    await made(200, 'POST', this.#at('shop', '/sales-messages'), { token: service, body: peer });
    const { orphans } = await made<{ orphans: { id: string; clientId: string }[] }>(
      200,
      'GET',
      this.#at('payments', '/operations/orphans'),
      { token },
    );
    const orphan = orphans.find(({ clientId }) => clientId === peer.clientId);
    if (orphan) this.#site.keep('orphan', orphan.id);
  }

  /** One in a waiting room that is off: it lets its holder in. */
  async #place(): Promise<void> {
    const at = this.#at('reservations', '/waiting-room/places');
    const body = { email: fresh('waiting') };
    this.#site.keep('place', (await made<{ token: string }>(200, 'POST', at, { body })).token);
  }

  #at(role: string, path: string): string {
    return `${this.#site.url(role)}/api/v1${path}`;
  }
}

/** The match whose sales are stopped: one that inputs sweep. */
export const SWEPT_MATCH = 60;
/** Where the orphan is that is to be decided on. */
export const ORPHAN_TICKET = { matchNumber: MATCH, category: 2 } as const;
/** Of what is bought here. */
export const SOLD_MATCH = MATCH;
/** Mails of a kind that are looked through for one. */
const LOOKED_AT = 200;

const fresh = (what: string): string => `${what}-${randomUUID().slice(0, 8)}@example.org`;

/** The code that an authenticator app shows now. */
export const codeOf = (secret: string): string =>
  new TOTP({ issuer: 'ticktak', label: '', secret: Secret.fromBase32(secret) }).generate();

/** Puts a job into a queue that is none, past the marketplace: into its local Redis. */
async function spoil({ dataDir, prefix }: Site): Promise<void> {
  const read = (name: string): string => readFileSync(join(dataDir, 'redis', name), 'utf8').trim();
  const { port } = JSON.parse(read('server.json')) as { readonly port: number };
  const redis = new Redis({
    port,
    host: '127.0.0.1',
    password: read('password'),
    maxRetriesPerRequest: null,
  });
  const { queueName, queuePrefix } = new RedisKeys(prefix).ticket(LETTER_TICKET);
  const queue = new Queue(queueName, { connection: redis, prefix: queuePrefix });
  try {
    await queue.add('commands', { schema: 1 });
  } finally {
    await queue.close();
    redis.disconnect();
  }
}

/** As the sandbox signs what it tells. */
export function signed(body: Buffer, tokenSecret: string): string {
  const secret = `whsec_${createHmac('sha256', tokenSecret).update('sandbox webhook').digest('base64url')}`;
  return signatureOf(body.toString('utf8'), secret, Date.now());
}
