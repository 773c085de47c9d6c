/**
 * From the previous version to this one and back, process by process, under load: no answer is lost, what the old
 * wrote the new reads, and an old worker that meets what only the new knows leaves it alone.
 */
import { execFile } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { promisify } from 'node:util';
import { afterAll, describe, expect, it } from '@jest/globals';
import { Queue } from 'bullmq';
import { Redis } from 'ioredis';
import type { TicketCounters } from '../../src/actors/ports.js';
import { EmbeddedArchive } from '../../src/archive/embedded.js';
import { deleteKeys } from '../helpers/faults.js';
import { testRedisUrl, until } from '../helpers/engine.js';
import { previousHere, previousVersion, type PreviousVersion } from '../helpers/previous-version.js';
import { request, run, scratchDir, type Answer, type Running } from '../helpers/processes.js';
import { ranAgainst, skipBecause } from '../helpers/skips.js';

const MAIN = new URL('../../dist/src/run.js', import.meta.url).pathname;
const TEST_MS_MAX = 300_000;
const WIDTH = 6;
/** Buyers that are served between two steps of the deploy. */
const SERVED_PER_STEP = 2 * WIDTH;
const SERVED_MS_MAX = 60_000;
const ANSWER_MS_MAX = 60_000;
const CARD = '4242424242424242';
const WEB = ['shop', 'reservations', 'consumer', 'payments'];
/** All of the bundled list but those of the second test, so that none is sold out however quick the machine is. */
const MATCHES = Array.from({ length: 64 }, (_, i) => i + 1).filter((match) => match !== 9 && match !== 10);
const THINKING_MS_MAX = 100;

interface Told {
  readonly id: string;
  readonly token: string;
  readonly ticket: string;
  readonly quantity: number;
  readonly status: string;
}

const found = previousHere();
if ('missing' in found) skipBecause('a rolling upgrade from the previous version, and back', found.missing);
else {
  ranAgainst('Previous version', `${found.commit.slice(0, 10)}, by its ${found.by}`);
  describe('a rolling deploy', () => {
    const scratch = scratchDir();
    const prefix = `upgrade-${randomUUID().slice(0, 8)}`;
    const env = {
      DATA_DIR: scratch.dir,
      REDIS_URL: testRedisUrl(),
      REDIS_PREFIX: prefix,
      SNAPSHOT_MS: '500',
      HOLD_MS: '3600000',
    };
    const redis = new Redis(testRedisUrl(), { maxRetriesPerRequest: null });
    const processes: Running[] = [];
    const told: Told[] = [];
    const surprises: string[] = [];
    let old: PreviousVersion;
    let web: Running;
    /** The worker of the old version that is left when both are back. */
    let backWorker: Running;

    const start = async (roles: readonly string[], main?: string): Promise<Running> => {
      const running = await run(roles, env, main);
      processes.push(running);
      return running;
    };
    afterAll(async () => {
      await Promise.all(processes.map((one) => one.end('SIGKILL')));
      await deleteKeys(redis, prefix);
      redis.disconnect();
      scratch.remove();
      old.remove();
    });

    /** Asks with one key until the answer is final, whoever gives it; that it never is, is a surprise. */
    async function ask(path: string, options: { body: unknown; token?: string }): Promise<Answer> {
      const key = randomUUID();
      const giveUpAt = Date.now() + ANSWER_MS_MAX;
      for (;;) {
        // One that was stopped says nothing; its successor knows.
        const url = `${web.url('reservations')}/api/v1/reservations${path}`;
        const answer = await request('POST', url, { ...options, key }).catch(() => null);
        if (answer && answer.status !== 503 && answer.status !== 429) return answer;
        if (Date.now() > giveUpAt)
          throw new Error(`no final answer to ${path}: ${answer ? JSON.stringify(answer) : 'no connection'}`);
        await new Promise((resolve) => setTimeout(resolve, 100 + Math.random() * 200));
      }
    }

    async function buyer(matchNumber: number): Promise<void> {
      const [category, quantity] = [1 + Math.floor(Math.random() * 3), 1 + Math.floor(Math.random() * 2)];
      const held = await ask('', {
        body: { matchNumber, category, quantity, email: `${randomUUID()}@example.org` },
      });
      if (held.status !== 201) {
        if (!['sold_out', 'temporarily_unavailable'].includes(held.body.code))
          surprises.push(`${held.status} ${held.body.code}`);
        return;
      }
      const { id, token } = held.body;
      let { status } = held.body;
      if (Math.random() > 0.2) {
        const paid = await ask(`/${id}/payment`, { body: { paymentMethod: CARD }, token });
        if (paid.status !== 200) surprises.push(`${paid.status} ${paid.body.code}`);
        status = paid.body.status;
      }
      told.push({ id, token, ticket: `${matchNumber}:${category}`, quantity, status });
    }

    function someServed(): Promise<void> {
      const enough = told.length + SERVED_PER_STEP;
      return until(() => told.length >= enough, SERVED_MS_MAX);
    }

    async function underLoad(steps: () => Promise<void>): Promise<void> {
      let over = false;
      const lines = Array.from({ length: WIDTH }, async () => {
        while (!over) {
          await buyer(MATCHES[Math.floor(Math.random() * MATCHES.length)]!);
          await new Promise((resolve) => setTimeout(resolve, Math.random() * THINKING_MS_MAX));
        }
      });
      const work = async (): Promise<void> => {
        await someServed();
        await steps();
      };
      await Promise.all([work().finally(() => (over = true)), ...lines]);
    }

    const sumOf = (ticket: string, status: string): number =>
      told
        .filter((one) => one.ticket === ticket && one.status === status)
        .reduce((sum, one) => sum + one.quantity, 0);

    async function expectAllThere(): Promise<void> {
      expect(surprises).toEqual([]);
      const url = `${web.url('reservations')}/api/v1/reservations`;
      const answers = await Promise.all(
        told.map(({ id, token }) => request('GET', `${url}/${id}`, { token })),
      );
      expect(answers.map(({ body }) => [body.id, body.status])).toEqual(
        told.map(({ id, status }) => [id, status]),
      );
      for (const ticket of MATCHES.flatMap((match) => [1, 2, 3].map((category) => `${match}:${category}`))) {
        const [match, category] = ticket.split(':');
        const json = await redis.hget(`${prefix}:{m${match}}:c${category}:meta`, 'counters');
        const { soldHere, heldHere } = JSON.parse(json ?? '') as TicketCounters;
        expect([ticket, soldHere, heldHere]).toEqual([
          ticket,
          sumOf(ticket, 'RESERVED'),
          sumOf(ticket, 'PENDING'),
        ]);
      }
      const own = { PATH: process.env['PATH'], ...env };
      const { stdout } = await promisify(execFile)(process.execPath, [MAIN, 'recover', '--check'], {
        env: own,
      });
      expect(stdout).toContain('tickets in Redis equal the fold of their ledgers');
    }

    it(
      'goes to the new version and back with no answer lost',
      async () => {
        old = previousVersion();
        const [oldWorker, oldWeb] = await Promise.all([start(['worker'], old.main), start(WEB, old.main)]);
        web = oldWeb;
        let newWorker: Running | null = null;
        await underLoad(async () => {
          await someServed();
          newWorker = await start(['worker']);
          await someServed();
          expect(await oldWorker.end()).toBe(0);
          await someServed();
          web = await start(WEB);
          expect(await oldWeb.end()).toBe(0);
          await someServed();
        });
        const before = told.length;
        expect(before).toBeGreaterThan(20);
        await expectAllThere();
        // Back: nothing was stored that the old does not know.
        await underLoad(async () => {
          const newWeb = web;
          [backWorker, web] = await Promise.all([start(['worker'], old.main), start(WEB, old.main)]);
          expect(await newWeb.end()).toBe(0);
          expect(await newWorker!.end()).toBe(0);
          await someServed();
          expect(backWorker.output()).not.toContain('NewerSchemaError');
        });
        expect(told.length).toBeGreaterThan(before);
        await expectAllThere();
        // Snapshots of the old lie in the archive, and were read.
        const archive = new EmbeddedArchive({ dir: `${scratch.dir}/archive` });
        await archive.start();
        const [matchNumber = 0, category = 0] = told[0]!.ticket.split(':').map(Number);
        expect(await archive.snapshot({ matchNumber, category })).toMatchObject({ schema: 3 });
        await archive.stop();
      },
      TEST_MS_MAX,
    );

    it(
      'an old worker leaves a job alone that it does not know, and the new one does it',
      async () => {
        const ticket = { matchNumber: 9, category: 1 };
        const name = 'match-09.category-1';
        const queue = new Queue(name, { connection: redis, prefix: `${prefix}:{m9}`, skipMetasUpdate: true });
        const command = {
          id: randomUUID(),
          body: { type: 'reopen' },
          deadline: Date.now() + 120_000,
          keepMs: 60_000,
        };
        await queue.add('commands', { schema: 4, commands: [command] }, { removeOnComplete: true });
        await redis.publish(`${prefix}:wake`, '9:1');
        await until(() => backWorker.output().includes('start the newer version'), 30_000);
        // It goes on with the others.
        await buyer(10);
        expect(await queue.getFailedCount()).toBe(0);
        const waiting = await queue.getJobs(['waiting', 'active']);
        expect(waiting.map(({ data }) => (data as { schema: number }).schema)).toEqual([4]);
        await start(['worker']);
        await backWorker.end();
        await until(async () => (await queue.getJobs(['waiting', 'active'])).length === 0, 30_000);
        expect(await queue.getFailedCount()).toBe(0);
        await buyer(ticket.matchNumber);
        expect(surprises).toEqual([]);
        await queue.close();
      },
      TEST_MS_MAX,
    );
  });
}
