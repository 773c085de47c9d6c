/**
 * Histories of the real engine: several processes with a gateway and a worker each on one Redis ask for one scarce
 * ticket at once, and owners die in the middle of it. Whatever was answered, some order explains it.
 */
import { afterEach, describe, expect, it } from '@jest/globals';
import { randomUUID } from 'node:crypto';
import type { CommandBody } from '../../src/actors/ports.js';
import { countersOf, loadBody, startEngine, until, type Engine, type Peer } from '../helpers/engine.js';
import { Deferred } from '../helpers/faults.js';
import { check } from './linearizable.js';
import type { Call, Result } from './model.js';
import { Recorder } from './recorder.js';

const TEST_MS_MAX = 120_000;
const CAPACITY = 3;
const KILLS_MAX = 3;
const OPERATIONS_BETWEEN = 30;
const ticket = { matchNumber: 7, category: 2 };
const options = {
  core: { jobLockMs: 500, replyWaitMs: 3_000 },
  worker: { leaseMs: 600 },
  matches: [7],
  workers: 0,
} as const;

const RESULTS: Readonly<Record<string, Result>> = {
  held: { kind: 'held' },
  sold_out: { kind: 'sold_out' },
  temporarily_unavailable: { kind: 'unavailable' },
  /** Half of a confirm. */
  paying: { kind: 'done' },
  reserved: { kind: 'sold' },
  released: { kind: 'released' },
  not_live: { kind: 'gone' },
};

/** A process that dies answers nobody: whoever asked it does not know what became of it. */
interface Mortal {
  readonly peer: Peer;
  readonly death: Deferred;
}

/** One client at one gateway; unanswered is unknown. */
async function ask({ peer, death }: Mortal, body: CommandBody, id: string): Promise<Result | null> {
  const asked = peer.core.gateway.submit({ ticket, id, body, keepMs: 600_000 });
  const answer = await Promise.race([asked, death.promise]);
  if (answer?.kind !== 'answered') return null;
  const { kind } = answer.result;
  if (kind === 'deadline_passed' || kind === 'outbox_full' || kind === 'failed') return null;
  const result = RESULTS[kind];
  if (!result) throw new Error(`a command was answered ${kind}`);
  return result;
}

describe('histories of the engine', () => {
  let engine: Engine;
  afterEach(() => engine.stop());

  const add = async (): Promise<Mortal> => ({ peer: await engine.addPeer(), death: new Deferred() });
  const ownerOf = (all: readonly Mortal[]): Mortal | undefined =>
    all.find(({ peer }) => peer.worker.host.owned.some(({ ticket: of }) => of.category === ticket.category));

  /** Holds, then confirms or releases, some twice at once and from another gateway. */
  async function buy(recorder: Recorder, peers: readonly Mortal[], turn: number): Promise<void> {
    const [at, other] = [peers[turn % peers.length]!, peers[(turn + 1) % peers.length]!];
    const id = `r-${randomUUID().slice(0, 8)}`;
    const quantity = turn % 4 === 0 ? 2 : 1;
    const hold: Call = { op: 'hold', id, quantity };
    const person = `${id}@example.org`;
    const body = { type: 'hold', reservationId: id, quantity, email: person, person } as const;
    const command = randomUUID();
    const held = await recorder.record(hold, () => ask(at, body, command));
    // The same command again, elsewhere: it tells what became of it.
    const known = held ?? (await recorder.record(hold, () => ask(other, body, command)));
    if (known?.kind !== 'held') return;
    if (turn % 7 === 3) {
      const payment = { reservationId: id, paymentId: `pay-${id}` };
      await recorder.record({ op: 'confirm', id }, async () => {
        const begun = await ask(at, { type: 'startPayment', ...payment }, randomUUID());
        return begun === null ? null : ask(at, { type: 'confirm', ...payment }, randomUUID());
      });
      return;
    }
    const release = { type: 'release', reservationId: id } as const;
    await Promise.all(
      [at, ...(turn % 2 === 0 ? [other] : [])].map((where) =>
        recorder.record({ op: 'release', id }, () => ask(where, release, randomUUID())),
      ),
    );
  }

  async function sale(recorder: Recorder, peers: readonly Mortal[], buyers: number): Promise<void> {
    let turn = 0;
    const line = async (): Promise<void> => {
      while (turn < buyers) await buy(recorder, peers, (turn += 1));
    };
    const read = async (): Promise<void> => {
      while (turn < buyers) {
        await recorder.record({ op: 'read' }, async () => {
          const { pending, available } = await countersOf(engine, ticket);
          return { kind: 'counters', pending, available };
        });
      }
    };
    await Promise.all([line(), line(), line(), line(), read()]);
  }

  it(
    'of three processes at once are linearizable',
    async () => {
      engine = await startEngine(options);
      const peers = [await add(), await add(), await add()];
      await engine.tell(ticket, loadBody(CAPACITY));
      const recorder = new Recorder();
      await sale(recorder, peers, 60);
      const kinds = new Set(recorder.operations.map(({ result }) => result?.kind));
      expect(kinds).toContain('held');
      expect(kinds).toContain('sold');
      expect(kinds).toContain('released');
      expect(check({ capacity: CAPACITY, operations: recorder.operations })).toBe('linearizable');
    },
    TEST_MS_MAX,
  );

  it(
    'stay linearizable while owners die in the middle of their work',
    async () => {
      engine = await startEngine(options);
      const clients: Mortal[] = [await add(), await add()];
      await engine.tell(ticket, loadBody(CAPACITY));
      const recorder = new Recorder();
      let kills = 0;
      let isOver = false;
      const killer = (async () => {
        while (kills < KILLS_MAX && !isOver) {
          const goal = recorder.operations.length + OPERATIONS_BETWEEN;
          await until(() => isOver || recorder.operations.length >= goal, TEST_MS_MAX);
          const victim = ownerOf(clients);
          if (!victim || isOver) continue;
          // Clients go elsewhere.
          clients.splice(clients.indexOf(victim), 1, await add());
          victim.peer.kill();
          victim.death.resolve();
          kills += 1;
        }
      })();
      await sale(recorder, clients, 120);
      isOver = true;
      await killer;
      expect(kills).toBeGreaterThan(0);
      expect(check({ capacity: CAPACITY, operations: recorder.operations })).toBe('linearizable');
      // The counters in the end are those of an order that explains the answers: one more read has to fit.
      const { pending, available } = await countersOf(engine, ticket);
      await recorder.record({ op: 'read' }, async () => ({ kind: 'counters', pending, available }));
      expect(check({ capacity: CAPACITY, operations: recorder.operations })).toBe('linearizable');
      // ... and one that is wrong must not.
      await recorder.record({ op: 'read' }, async () => ({
        ...{ kind: 'counters', pending: pending + CAPACITY + 1, available: available + CAPACITY + 1 },
      }));
      expect(check({ capacity: CAPACITY, operations: recorder.operations })).toBe('not_linearizable');
    },
    TEST_MS_MAX,
  );
});
