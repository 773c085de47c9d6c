/**
 * A marketplace of separate processes on a Redis Cluster: while buyers are at many matches the slot of one is moved to
 * another node, and a master is killed and replaced by its replica. What was told stays true, and sales go on.
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { EmbeddedArchive } from '../../src/archive/embedded.js';
import { seeded } from '../../src/peer/random.js';
import { RedisKeys, parseTicketName } from '../../src/redis/keys.js';
import type { TicketId } from '../../src/rules/index.js';
import { Crowd, tryOnce } from '../chaos/buyers.js';
import type { Answer, Purchase } from '../chaos/check.js';
import { listEntry } from '../exchange/topics.js';
import { TestCluster } from '../helpers/cluster.js';
import { until } from '../helpers/engine.js';
import { request, run, scratchDir, type Running } from '../helpers/processes.js';

const PREFIX = 'ticktak';
const MATCHES = 24;
/** Few: they are sold out and fought for. Many: there is always one. */
const capacityOf = (matchNumber: number): number => (matchNumber % 4 === 0 ? 12 : 10_000);
/** Buyers have their answers long before, also when a master is being replaced meanwhile. */
const HOLD_MS = 30_000;
const CALM_MS = 3_000;
const SLOT_PAUSE_MS = 150;
const START_MS_MAX = 120_000;
const RUN_MS_MAX = 240_000;
const SETTLE_MS_MAX = 90_000;
const SEED = 20_221_120;
/** There is none left, or others hold what is left. */
const GONE: ReadonlySet<string> = new Set(['sold_out', 'temporarily_unavailable']);

describe('a marketplace on a Redis Cluster', () => {
  const scratch = scratchDir();
  const keys = new RedisKeys(PREFIX);
  const tickets = Array.from({ length: MATCHES }, (_, i) => `${i + 1}:1`);
  const parts: Running[] = [];
  let cluster: TestCluster;
  let web: Running;
  let isOver = false;

  beforeAll(async () => {
    cluster = await TestCluster.start();
    const list = join(scratch.dir, 'matches.json');
    const entries = Array.from({ length: MATCHES }, (_, i) => listEntry(i + 1, capacityOf(i + 1)));
    writeFileSync(list, JSON.stringify(entries));
    const env = {
      DATA_DIR: scratch.dir,
      REDIS_URL: cluster.url,
      REDIS_PREFIX: PREFIX,
      MASTERLIST_FILE: list,
      HOLD_MS: String(HOLD_MS),
      PAYMENT_CHECK_MS: '2000',
      RECONCILE_MS: '1000',
      LOG_LEVEL: 'warn',
    };
    parts.push(await run(['worker'], env), await run(['worker'], env));
    web = await run(['shop', 'reservations', 'payments', 'consumer'], env);
    parts.push(web);
  }, START_MS_MAX);
  afterAll(async () => {
    isOver = true;
    await Promise.all(parts.map((part) => part.end('SIGKILL')));
    await cluster.stop();
    scratch.remove();
  }, START_MS_MAX);

  const idOf = (ticket: string): TicketId => parseTicketName(ticket) ?? { matchNumber: 0, category: 0 };
  const metaOf = (ticket: string): string => keys.ticket(idOf(ticket)).meta;
  const incarnationOf = async (ticket: string): Promise<number> => {
    const position = await (await cluster.at(metaOf(ticket))).hget(metaOf(ticket), 'position');
    return Number(position?.split('-')[0]);
  };
  const read = async (id: string, token: string): Promise<string> => {
    const url = `${web.url('reservations')}/api/v1/reservations/${id}`;
    const { status, code, body } = await tryOnce(url, { method: 'GET', token });
    return status === 200 ? String(body.status) : `${status} ${code}`;
  };

  it(
    'keeps what it told while a slot moves and a master is replaced, and goes on selling',
    async () => {
      const crowd = new Crowd({
        tickets,
        width: 1,
        urls: () => [web.url('reservations')],
        random: seeded(SEED),
        isOver: () => isOver,
        isHopeless: () => isOver && Date.now() > overAt + SETTLE_MS_MAX,
      });
      let overAt = Number.POSITIVE_INFINITY;
      const shopping = crowd.run();
      const sold = (ticket: string): readonly Purchase[] =>
        crowd.purchases.filter((one) => one.ticket === ticket && toldOf(one.answers) === 'RESERVED');
      const isShown = (purchases: readonly Purchase[]) =>
        until(async () => {
          const { id, answers } = purchases[0] ?? { id: '', answers: [] };
          const now = await read(id, crowd.tokens.get(id) ?? '');
          // Its buyer may have given it back meanwhile.
          return now === 'RESERVED' || (now === 'REFUNDED' && answers.some(({ op }) => op === 'refund'));
        }, SETTLE_MS_MAX);

      // A slot is moved while its match is being sold.
      const moved = '1:1';
      await until(() => sold(moved).length > 0, SETTLE_MS_MAX);
      const before = { moved: await incarnationOf(moved), sales: sold(moved) };
      expect(await cluster.moveSlot(metaOf(moved), { pauseMs: SLOT_PAUSE_MS })).toBeGreaterThan(0);
      await until(async () => (await incarnationOf(moved)) > before.moved, SETTLE_MS_MAX);
      await isShown(before.sales);
      await sleep(CALM_MS);

      // A master is killed while its matches are being sold.
      const killed = tickets.find((ticket) => ticket !== moved && sold(ticket).length > 0) ?? '';
      const atKill = { incarnation: await incarnationOf(killed), sales: sold(killed) };
      await cluster.killMasterOf(metaOf(killed));
      await until(async () => (await incarnationOf(killed)) > atKill.incarnation, SETTLE_MS_MAX);
      await isShown(atKill.sales);
      await sleep(CALM_MS);

      // Of every ticket somebody gets one after that, or is told that none is left.
      const faultsOverAt = Date.now();
      const goesOn = (ticket: string): boolean =>
        crowd.purchases.some(
          (one) =>
            one.ticket === ticket &&
            one.answers.some(
              ({ op, status, code, askedAt }) =>
                askedAt > faultsOverAt &&
                ((op === 'pay' && status === 200) || (op === 'hold' && GONE.has(code ?? ''))),
            ),
        );
      await until(() => tickets.every(goesOn), SETTLE_MS_MAX);
      isOver = true;
      overAt = Date.now();
      await shopping;

      // What is held by nobody ends, and then all is told of.
      await until(async () => (await counters()).every(({ heldHere }) => heldHere === 0), SETTLE_MS_MAX);
      expect(crowd.purchases.flatMap(({ answers }) => answers).filter(({ status }) => status === 0)).toEqual(
        [],
      );
      const wrong: string[] = [];
      for (const { id, answers } of crowd.purchases) {
        const told = toldOf(answers);
        if (told === 'NOTHING') continue;
        const now = await read(id, crowd.tokens.get(id) ?? '');
        const isTrue = told === 'NOT SOLD' ? now !== 'RESERVED' : now === told;
        if (!isTrue) wrong.push(`${id}: told ${told}, is ${now}`);
      }
      expect(wrong).toEqual([]);
      const expected = tickets.map((ticket) => ({
        ticket,
        sold: sold(ticket).reduce((sum, { quantity }) => sum + quantity, 0),
      }));
      const actual = await counters();
      expect(
        actual.map(({ matchNumber, soldHere: count }) => ({ ticket: `${matchNumber}:1`, sold: count })),
      ).toEqual(expected);
      expect(actual.filter(({ soldHere: count, capacity }) => count > capacity)).toEqual([]);
      await compareListing();
      await checkLedgers();
    },
    RUN_MS_MAX,
  );

  async function counters() {
    const found = await Promise.all(
      tickets.map(async (ticket) => (await cluster.at(metaOf(ticket))).hget(metaOf(ticket), 'counters')),
    );
    return found.map(
      (json) =>
        JSON.parse(json ?? '{}') as {
          matchNumber: number;
          capacity: number;
          available: number;
          soldHere: number;
          heldHere: number;
        },
    );
  }

  /** What the shop shows is what Redis has. */
  async function compareListing(): Promise<void> {
    const { body } = await request('GET', `${web.url('shop')}/api/v1/matches`);
    const shown = body.matches.map(({ availability }) => availability['category1']?.available);
    expect(shown).toEqual((await counters()).map(({ available }) => available));
  }

  /** At no event of any history was more given away than there was; and it ends where Redis is. */
  async function checkLedgers(): Promise<void> {
    await Promise.all(parts.map((part) => part.end()));
    const archive = new EmbeddedArchive({ dir: join(scratch.dir, 'archive'), isReadOnly: true });
    await archive.start();
    try {
      const inRedis = await counters();
      for (const [i, ticket] of tickets.entries()) {
        const weights = new Map<string, { taken: number; sold: number }>();
        let worst = 0;
        for await (const { event } of archive.events(idOf(ticket), null)) {
          if (!('reservation' in event)) continue;
          const { id, status, quantity, refundedQuantity } = event.reservation;
          const left = quantity - refundedQuantity;
          const sold = status === 'RESERVED' ? left : 0;
          weights.set(id, { sold, taken: status === 'PENDING' || status === 'PAYING' ? left : sold });
          worst = Math.max(worst, sumOf(weights, 'taken'));
        }
        expect({ ticket, isOversold: worst > capacityOf(idOf(ticket).matchNumber) }).toEqual({
          ticket,
          isOversold: false,
        });
        expect({ ticket, sold: sumOf(weights, 'sold') }).toEqual({ ticket, sold: inRedis[i]?.soldHere });
      }
    } finally {
      await archive.stop();
    }
  }
});

const sumOf = (
  weights: ReadonlyMap<string, { readonly taken: number; readonly sold: number }>,
  what: 'taken' | 'sold',
): number => [...weights.values()].reduce((sum, weight) => sum + weight[what], 0);

/** What a buyer was told last that is final. */
function toldOf(answers: readonly Answer[]): 'RESERVED' | 'REFUNDED' | 'NOT SOLD' | 'NOTHING' {
  let told: 'RESERVED' | 'REFUNDED' | 'NOT SOLD' | 'NOTHING' = 'NOTHING';
  for (const { op, status, state, code } of answers) {
    if (op === 'pay' && status === 200) told = 'RESERVED';
    if (op === 'refund' && status === 200 && state === 'REFUNDED') told = 'REFUNDED';
    if (op === 'cancel' && status === 200) told = 'NOT SOLD';
    if (op === 'pay' && (code === 'payment_declined' || code === 'hold_expired')) told = 'NOT SOLD';
  }
  return told;
}
