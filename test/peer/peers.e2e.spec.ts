/** Other marketplaces as a person meets them: inside `npm start`, and as programs on Kafka. */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { until } from '../helpers/engine.js';
import { sharedKafka, sharedKafkaFound } from '../helpers/kafka.js';
import { request, run, scratchDir, type Running } from '../helpers/processes.js';
import { uniqueName } from '../helpers/services.js';
import { skipBecause } from '../helpers/skips.js';

const TEST_MS_MAX = 90_000;
/** Starts of several programs on a busy machine. */
const SALE_MS_MAX = 30_000;

jest.setTimeout(TEST_MS_MAX);

interface Totals {
  readonly available: number;
  readonly pending: number;
}

async function totals(running: Running): Promise<Totals> {
  const { body } = await request('GET', `${running.url('shop')}/api/v1/matches`);
  const all = (body.matches ?? []).flatMap(({ availability }) => Object.values(availability));
  const sum = (key: keyof Totals): number => all.reduce((total, one) => total + one[key], 0);
  return { available: sum('available'), pending: sum('pending') };
}

describe('npm start -- --peers 2', () => {
  const scratch = scratchDir();
  let running: Running | undefined;
  afterAll(async () => {
    await running?.end();
    scratch.remove();
  }, TEST_MS_MAX);

  it('shows sales that arrive from elsewhere, and holds none of them after it was stopped', async () => {
    const first = (running = await run([], { DATA_DIR: scratch.dir, PEERS: '2', PEER_RATE: '10' }));
    expect(first.output()).toContain('peer-1 (with ids), peer-2 (without ids)');
    const before = await totals(first);
    // Nobody buys here: whatever is held or sold is held or sold elsewhere.
    await until(async () => (await totals(first)).available < before.available, SALE_MS_MAX);
    await until(async () => {
      const { available, pending } = await totals(first);
      return pending < available;
    }, SALE_MS_MAX);
    expect(await first.end()).toBe(0);

    const second = (running = await run([], { DATA_DIR: scratch.dir }));
    const after = await totals(second);
    expect(after.available).toBeLessThan(before.available);
    expect(after.pending).toBe(after.available);
    expect(second.output()).not.toContain('peer-1');
  });
});

describe('npm run masterlist and npm run peer', () => {
  const criterion = 'a peer and a master list as programs on Kafka, heard by the marketplace';
  if (sharedKafkaFound.kind !== 'real') {
    skipBecause(criterion, sharedKafkaFound.reason);
    return;
  }
  const scratch = scratchDir();
  const topics = uniqueName('peers');
  const children: Program[] = [];
  let env: Readonly<Record<string, string>> = {};
  let marketplace: Running;
  const start = (file: string, args: readonly string[] = []): Program => {
    const program = startProgram(file, args, env);
    children.push(program);
    return program;
  };
  beforeAll(async () => {
    const { brokers } = await sharedKafka();
    env = {
      KAFKA_BROKERS: brokers.join(),
      MASTERLIST_TOPIC_PREFIX: `${topics}-list`,
      SALES_TOPIC_PREFIX: `${topics}-sales`,
    };
    marketplace = await run([], { ...env, DATA_DIR: scratch.dir, CLIENT_ID: topics });
  }, TEST_MS_MAX);
  afterAll(async () => {
    for (const { child } of children) child.kill('SIGKILL');
    await marketplace.end();
    scratch.remove();
  }, TEST_MS_MAX);

  it(criterion, async () => {
    const published = start('masterlist', ['--one-by-one']);
    expect(await published.ended).toBe(0);
    expect(published.output()).toContain(`Published 64 matches with 3825 tickets to ${topics}-list-dev`);
    await until(async () => (await totals(marketplace)).available === 3_825, SALE_MS_MAX);

    const peers = ['full', 'none'].map((ids) =>
      start('main', [
        '--ids',
        ids,
        '--rate',
        '20',
        '--patience-ms',
        '1000',
        '--quantity',
        '1',
        '--garbage',
        '0.1',
      ]),
    );
    await until(async () => (await totals(marketplace)).available < 3_800, SALE_MS_MAX);
    for (const { child } of peers) child.kill('SIGINT');
    expect(await Promise.all(peers.map(({ ended }) => ended))).toEqual([0, 0]);
    const last = peers.map(({ output }) => output().trim().split('\n').at(-1) ?? '');
    for (const line of last) expect(line).toMatch(/ 0 open/);
    // Of one ticket each.
    const sold = last.map((line) => Number(/(\d+) reserved/.exec(line)?.[1]));
    const left = 3_825 - sold.reduce((sum, one) => sum + one, 0);
    await until(async () => (await totals(marketplace)).pending === left, SALE_MS_MAX);
    expect((await totals(marketplace)).available).toBe(left);
  });

  it('says what else there is when there are no brokers', async () => {
    env = {};
    for (const file of ['main', 'masterlist']) {
      const program = start(file);
      expect(await program.ended).toBe(1);
      expect(program.output()).toContain('npm start -- --peers 2');
    }
  });
});

interface Program {
  readonly child: ChildProcess;
  readonly ended: Promise<number | null>;
  readonly output: () => string;
}

/** As scripts/peer.mjs and scripts/masterlist.mjs do, without building. */
function startProgram(file: string, args: readonly string[], env: Readonly<Record<string, string>>): Program {
  const url = new URL(`../../dist/src/peer/${file}.js`, import.meta.url).href;
  const script =
    `const { main } = await import(${JSON.stringify(url)});` +
    'process.exitCode = await main(process.argv.slice(1), process.env);' +
    'setTimeout(() => process.exit(), 1_000).unref();';
  const child = spawn(process.execPath, ['--input-type=module', '-e', script, '--', ...args], {
    env: { PATH: process.env['PATH'], ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let text = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (chunk: Buffer) => {
      text += chunk.toString();
    });
  }
  const ended = once(child, 'close').then(() => child.exitCode);
  return { child, ended, output: () => text };
}
