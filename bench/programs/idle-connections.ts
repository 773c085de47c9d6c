/**
 * Opens connections to a web process that ask once and are then silent, and says what each of them costs the process.
 * Measures by itself.
 *
 * Guarantee: every one of them is still open at the end and is answered once more over it, or it is a failure.
 */
import { once } from 'node:events';
import { Agent, request, type IncomingMessage } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Times } from '../contender.js';
import { spreadOf } from '../statistics.js';
import { Tally } from '../tally.js';
import { memoryOf, watchUsage } from '../usage.js';
import { optionsOf } from './program.js';

export interface IdleOptions {
  readonly url: string;
  /** Of the web process. */
  readonly pid: number;
  readonly path: string;
  readonly connections: number;
}

/** So many ask at a time. */
const ASKED_AT_ONCE = 50;
/** Before anything is looked at, so that what the process needs for any request is there already. */
const ASKED_BEFORE = 500;
/** Until what was asked last has left the memory that it leaves by itself. */
const SETTLE_MS = 2_000;
const LOOKS = 5;
const LOOK_MS = 200;
const BYTES_PER_MB = 1_000_000;
const KIB = 1_024;

const { url, pid, path, connections, warmUpSeconds, seconds } = optionsOf<IdleOptions & Times>();
const tally = new Tally();

/** One connection of its own. */
const connection = (): Agent => new Agent({ keepAlive: true, maxSockets: 1 });

/** Answers whether the connection had been used before. */
async function ask(agent: Agent, index: number): Promise<boolean> {
  const headers = {
    Accept: 'application/json',
    'User-Agent': 'ticktak-bench',
    'X-Forwarded-For': `83.0.${(index >> 8) & 255}.${index & 255}`,
  };
  const sent = request(`${url}${path}`, { agent, headers });
  sent.end();
  const [response] = (await once(sent, 'response')) as [IncomingMessage];
  response.resume();
  await once(response, 'end');
  if (response.statusCode !== 200) tally.failed(`status ${response.statusCode}`);
  return sent.reusedSocket;
}

async function askAll(agents: readonly Agent[], heard: (wasUsed: boolean) => void): Promise<void> {
  for (let first = 0; first < agents.length; first += ASKED_AT_ONCE) {
    const some = agents.slice(first, first + ASKED_AT_ONCE);
    const asked = some.map(async (agent, index) => {
      try {
        heard(await ask(agent, first + index));
      } catch (error) {
        tally.failed(error instanceof Error ? error.message : 'error');
      }
    });
    await Promise.all(asked);
  }
}

/** Its memory, and how much of a processor it keeps busy. */
async function lookAt(forSeconds: number): Promise<{ readonly mb: number; readonly percent: number }> {
  await sleep(SETTLE_MS);
  const usage = watchUsage([{ name: 'web', pid }]);
  await sleep(forSeconds * 1_000);
  const percent = 100 * (usage()[0]?.cores ?? Number.NaN);
  const looks: number[] = [];
  for (let look = 0; look < LOOKS; look += 1) {
    looks.push(memoryOf(pid).all);
    await sleep(LOOK_MS);
  }
  return { mb: spreadOf(looks).median, percent };
}

const few = Array.from({ length: ASKED_AT_ONCE }, connection);
for (let asked = 0; asked < ASKED_BEFORE; asked += ASKED_AT_ONCE) await askAll(few, () => undefined);
for (const agent of few) agent.destroy();
const before = await lookAt(Math.max(1, warmUpSeconds));
const agents = Array.from({ length: connections }, connection);
await askAll(agents, () => undefined);
tally.begin();
const after = await lookAt(seconds);
tally.end();
await askAll(agents, (wasUsed) => {
  if (wasUsed) tally.counted();
  else tally.failed('was closed');
});
tally.found('each, KiB', ((after.mb - before.mb) * BYTES_PER_MB) / KIB / connections);
tally.found('without, MB', before.mb);
tally.found('with, MB', after.mb);
tally.found('without, % CPU', before.percent);
tally.found('with, % CPU', after.percent);
tally.tell();
