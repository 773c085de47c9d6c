/**
 * The engine without HTTP, its senders in the same process: holds through the gateway, BullMQ, actor, commit, archive
 * and reply. Measures by itself: so many holds are under way at any time.
 */
import { loadSettings } from '../../config/settings.js';
import { reservationId } from '../../src/http/identity.js';
import { holdBody, loadBody, startEngine, type Engine } from '../../test/helpers/engine.js';
import type { Times } from '../contender.js';
import { Tally } from '../tally.js';
import { optionsOf } from './program.js';
import { ticketNumber } from './ticket.js';

export interface EngineOptions {
  readonly redisUrl: string;
  readonly prefix: string;
  readonly tickets: number;
  readonly capacity: number;
  readonly underWay: number;
}

/** With the settings that the product has by default. */
export function engineOn({ redisUrl, prefix }: Pick<EngineOptions, 'redisUrl' | 'prefix'>): Promise<Engine> {
  const { jobLockMs, commandsWaitingMax, batchCommandsMax, ...settings } = loadSettings({}, []);
  const { leaseMs, sweepMs, snapshotMs, idleReleaseMs, outboxEntriesMax } = settings;
  return startEngine({
    redisUrl,
    prefix,
    core: { jobLockMs, commandsWaitingMax, batchCommandsMax },
    worker: { leaseMs, sweepMs, snapshotMs, idleReleaseMs, outboxEntriesMax },
  });
}

async function measure(options: EngineOptions & Times): Promise<void> {
  const { tickets, capacity, underWay, warmUpSeconds, seconds } = options;
  const engine = await engineOn(options);
  const all = Array.from({ length: tickets }, (_, ticket) => ticketNumber(ticket));
  await Promise.all(all.map((ticket) => engine.tell(ticket, loadBody(capacity))));
  const tally = new Tally();
  const run = Math.random().toString(36).slice(2, 10);
  let isOver = false;
  let made = 0;
  const sender = async (): Promise<void> => {
    while (!isOver) {
      made += 1;
      const id = `${run}-${made.toString(36).padStart(8, '0')}`;
      const ticket = ticketNumber(made % tickets);
      const person = `${run}.${made}@example.org`;
      const sentAt = performance.now();
      const answer = await engine.ask(ticket, holdBody(reservationId(ticket, id), 1, person), id);
      const outcome = answer.kind === 'answered' ? answer.result.kind : answer.kind;
      if (outcome === 'held') tally.answered(performance.now() - sentAt);
      else tally.failed(outcome);
    }
  };
  const senders = Array.from({ length: underWay }, sender);
  setTimeout(() => tally.begin(), warmUpSeconds * 1_000);
  setTimeout(
    () => {
      tally.end();
      isOver = true;
    },
    (warmUpSeconds + seconds) * 1_000,
  );
  await Promise.all(senders);
  await engine.stop();
  tally.tell();
}

const options = optionsOf<EngineOptions & Partial<Times>>();
if (options.seconds !== undefined) await measure(options as EngineOptions & Times);
