/** The gateway over queues and records that the test drives by hand. */
import { beforeEach, describe, expect, it } from '@jest/globals';
import type { CommandJob, Reply } from '../../src/actors/ports.js';
import type { SubmissionResult } from '../../src/http/ports.js';
import { Gateway, type GatewayOptions } from '../../src/queues/gateway.js';
import type { TicketId, Told } from '../../src/rules/index.js';
import { holdBody, silentLogger } from '../helpers/engine.js';
import { ManualClock, settled } from '../helpers/faults.js';
import { SCHEMA_VERSION } from '../../src/actors/state-codec.js';

const ticket: TicketId = { matchNumber: 1, category: 1 };
const other: TicketId = { matchNumber: 2, category: 1 };
const third: TicketId = { matchNumber: 3, category: 1 };
const fourth: TicketId = { matchNumber: 4, category: 1 };
const outcome: Told = { kind: 'sold_out' };

/** Queues whose adds end when the test says so. */
class SlowQueues {
  readonly jobs: { readonly ticket: TicketId; readonly job: CommandJob }[] = [];
  readonly #ends: { resolve: () => void; reject: (error: Error) => void }[] = [];
  slow = false;

  add(of: TicketId, job: CommandJob): Promise<void> {
    this.jobs.push({ ticket: of, job });
    if (!this.slow) return Promise.resolve();
    return new Promise((resolve, reject) => this.#ends.push({ resolve, reject }));
  }

  async end(error?: Error): Promise<void> {
    const end = this.#ends.shift();
    if (error) end?.reject(error);
    else end?.resolve();
    await settled();
  }

  get sizes(): number[] {
    return this.jobs.map(({ job }) => job.commands.length);
  }

  get ids(): string[] {
    return this.jobs.flatMap(({ job }) => job.commands.map(({ id }) => id));
  }
}

describe('the gateway', () => {
  let clock: ManualClock;
  let queues: SlowQueues;
  let recorded: Map<string, Told>;
  let recall: GatewayOptions['store']['recall'];
  let up: boolean;
  let gateway: Gateway;
  let answers: Map<string, SubmissionResult[]>;

  const make = (options: Partial<GatewayOptions> = {}): Gateway => {
    gateway = new Gateway({
      gatewayId: 'g',
      queues,
      store: { recall: (...asked) => recall(...asked) },
      clock,
      logger: silentLogger,
      isUp: () => up,
      replyWaitMs: 10_000,
      commandsWaitingMax: 10,
      batchCommandsMax: 4,
      ...options,
    });
    gateway.start();
    return gateway;
  };

  beforeEach(() => {
    clock = new ManualClock();
    queues = new SlowQueues();
    recorded = new Map();
    recall = (_, ids) => Promise.resolve(new Map([...recorded].filter(([id]) => ids.includes(id))));
    up = true;
    answers = new Map();
  });

  const submit = (id: string, to = ticket): void => {
    void gateway.submit({ ticket: to, id, body: holdBody(id), keepMs: 1_000 }).then((answer) => {
      answers.set(id, [...(answers.get(id) ?? []), answer]);
    });
  };
  const reply = async (id: string, result: Reply['result'], more: Partial<Reply> = {}): Promise<void> => {
    gateway.onReplies([{ id, result, ...more }]);
    await settled();
  };

  it('sends a command at once, with its deadline and where its reply goes', async () => {
    make();
    void gateway.submit({ ticket, id: 'a', body: holdBody('r'), keepMs: 5, requestId: 'req' });
    await settled();
    expect(queues.jobs).toMatchObject([
      {
        ticket,
        job: {
          schema: 3,
          commands: [{ id: 'a', deadline: clock.now() + 10_000, keepMs: 5, replyTo: 'g', requestId: 'req' }],
        },
      },
    ]);
  });

  it('says the version that a job needs to be understood, not the newest there is', async () => {
    make();
    queues.slow = true;
    for (const id of ['a', 'b']) void gateway.submit({ ticket, id, body: holdBody(id), keepMs: 5 });
    void gateway.submit({ ticket, id: 'c', body: { type: 'reopen' }, keepMs: 5 });
    const said = { action: 'pending', quantity: 1, reservationId: 'r', recordedAt: 1 } as const;
    const position = { source: 's', offset: '1', index: 0 };
    const peer = { ...said, type: 'remote', clientId: 'peer', position } as const;
    void gateway.submit({ ticket: other, id: 'd', body: peer, keepMs: 5 });
    void gateway.submit({ ticket: third, id: 'e', body: { ...peer, ordered: true }, keepMs: 5 });
    void gateway.submit({ ticket: fourth, id: 'f', body: { ...said, type: 'own', position }, keepMs: 5 });
    await settled();
    await queues.end();
    expect(SCHEMA_VERSION).toBe(5);
    expect(queues.jobs.map(({ job: { schema, commands } }) => [schema, commands.length])).toEqual([
      [3, 1],
      [3, 1],
      [5, 1],
      [5, 1],
      [4, 2],
    ]);
  });

  it('gathers while an add is in flight: one job each time, in order, no larger than the limit', async () => {
    make({ commandsWaitingMax: 100 });
    queues.slow = true;
    for (let i = 0; i < 8; i += 1) submit(`c${i}`);
    submit('elsewhere', other);
    await settled();
    // Nothing was in flight for the first; the other ticket does not wait for it.
    expect(queues.jobs.map(({ job }) => job.commands.map(({ id }) => id))).toEqual([['c0'], ['elsewhere']]);
    await queues.end();
    expect(queues.sizes).toEqual([1, 1, 4]);
    submit('c8');
    await reply('c0', outcome);
    await queues.end();
    await queues.end();
    expect(queues.sizes).toEqual([1, 1, 4, 4]);
    expect(queues.ids).toEqual(['c0', 'elsewhere', 'c1', 'c2', 'c3', 'c4', 'c5', 'c6', 'c7', 'c8']);
  });

  describe('ahead of its answers', () => {
    const ticketOf = (matchNumber: number): TicketId => ({ matchNumber, category: 1 });

    it('has two jobs of a ticket; what comes meanwhile goes together once one of them is answered', async () => {
      make({ commandsWaitingMax: 100 });
      for (const id of ['a', 'b', 'c', 'd', 'e']) {
        submit(id);
        await settled();
      }
      expect(queues.sizes).toEqual([1, 1]);
      await reply('b', outcome);
      expect(queues.sizes).toEqual([1, 1, 3]);
      submit('f');
      await settled();
      expect(queues.sizes).toEqual([1, 1, 3]);
      // All of a job: the third one's are under way still.
      await reply('c', outcome);
      await reply('d', outcome);
      expect(queues.sizes).toEqual([1, 1, 3]);
      await reply('e', outcome);
      expect(queues.ids).toEqual(['a', 'b', 'c', 'd', 'e', 'f']);
    });

    it('has 64 jobs of all tickets; the others gather, and go in the order in which they came', async () => {
      make({ commandsWaitingMax: 100 });
      for (let match = 1; match <= 64; match += 1) submit(`m${match}`, ticketOf(match));
      await settled();
      submit('late', ticketOf(1_000));
      submit('later', ticketOf(1_001));
      submit('late too', ticketOf(1_000));
      await settled();
      expect(queues.jobs).toHaveLength(64);
      await reply('m7', outcome);
      expect(queues.ids.slice(64)).toEqual(['late', 'late too']);
      await reply('m8', outcome);
      expect(queues.ids.slice(66)).toEqual(['later']);
    });

    it('does not count what was taken and is decided by the log: that decision comes by another job', async () => {
      make({ commandsWaitingMax: 100 });
      for (const id of ['a', 'b', 'c', 'd']) {
        submit(id);
        await settled();
      }
      expect(queues.sizes).toEqual([1, 1]);
      await reply('a', { kind: 'asked' });
      expect(queues.sizes).toEqual([1, 1, 2]);
      expect(answers.get('a')).toBeUndefined();
      await reply('a', outcome);
      expect(answers.get('a')).toEqual([{ kind: 'answered', result: outcome }]);
      // Once is enough: what was taken leaves its job a single time.
      submit('e');
      await settled();
      expect(queues.sizes).toEqual([1, 1, 2]);
    });

    it('waits for no job longer than a quarter of a second: its ticket may have no owner', async () => {
      make({ commandsWaitingMax: 100 });
      for (let match = 1; match <= 64; match += 1) submit(`m${match}`, ticketOf(match));
      for (const id of ['a', 'b', 'c']) submit(id, ticketOf(1_000));
      await settled();
      await clock.advance(249);
      expect(queues.jobs).toHaveLength(64);
      await clock.advance(1);
      expect(queues.sizes.slice(64)).toEqual([3]);
      for (const id of ['d', 'e']) {
        submit(id, ticketOf(1_000));
        await settled();
      }
      expect(queues.sizes.slice(64)).toEqual([3, 1]);
      await clock.advance(250);
      expect(queues.sizes.slice(64)).toEqual([3, 1, 1]);
    });

    it('counts what was refused or failed as answered', async () => {
      make({ commandsWaitingMax: 100 });
      queues.slow = true;
      submit('a');
      submit('b');
      await queues.end(new Error('OOM command not allowed'));
      submit('c');
      await queues.end(new Error('OOM command not allowed'));
      expect(queues.ids).toEqual(['a', 'b', 'c']);
    });

    it('leaves no timer behind when it stops', async () => {
      make({ commandsWaitingMax: 100 });
      for (const id of ['a', 'b', 'c']) {
        submit(id);
        await settled();
      }
      const stopping = gateway.stop();
      for (const id of ['a', 'b', 'c']) await reply(id, outcome);
      await clock.advance(1_000);
      await stopping;
      expect(queues.ids).toEqual(['a', 'b', 'c']);
      expect(clock.timers).toBe(0);
    });
  });

  describe('commands submitted in order', () => {
    let results: (readonly SubmissionResult[] | string)[];
    beforeEach(() => {
      results = [];
    });
    const together = async (...ids: readonly string[]): Promise<void> => {
      const submissions = ids.map((id) => ({ ticket, id, body: holdBody(id), keepMs: 1_000 }));
      gateway.submitInOrder(submissions).then(
        (all) => results.push(all),
        (error: unknown) => results.push(String(error)),
      );
      await settled();
    };

    it('go in one job with the same deadline, whatever else waits, and are answered in their order', async () => {
      make();
      queues.slow = true;
      for (const id of ['a', 'b', 'c']) submit(id);
      await together('d', 'e');
      submit('f');
      await queues.end();
      await reply('a', outcome);
      await queues.end();
      await queues.end();
      expect(queues.jobs.map(({ job }) => job.commands.map(({ id }) => id))).toEqual([
        ['a'],
        ['b', 'c', 'd', 'e'],
        ['f'],
      ]);
      await together('g', 'h', 'i', 'j');
      submit('k');
      expect(queues.sizes.slice(3)).toEqual([]);
      await reply('b', outcome);
      await reply('c', outcome);
      await reply('f', outcome);
      expect(queues.sizes.slice(3)).toEqual([4]);
      const deadlines = queues.jobs.flatMap(({ job }) => job.commands.map(({ deadline }) => deadline));
      expect(new Set(deadlines).size).toBe(1);
      await reply('e', outcome);
      expect(results).toEqual([]);
      await reply('d', { kind: 'closed' });
      expect(results).toEqual([
        [
          { kind: 'answered', result: { kind: 'closed' } },
          { kind: 'answered', result: outcome },
        ],
      ]);
    });

    it('do not go apart where a job has no more room for all of them', async () => {
      make();
      queues.slow = true;
      submit('a');
      for (const id of ['b', 'c']) submit(id);
      await together('d', 'e', 'f');
      await queues.end();
      await reply('a', outcome);
      await queues.end();
      expect(queues.sizes).toEqual([1, 2, 3]);
    });

    it('are all refused when there is no room for all of them, also while a queue takes nothing', async () => {
      make({ commandsWaitingMax: 5 });
      queues.slow = true;
      await together('a', 'b', 'c');
      await together('d', 'e', 'f');
      const refused = { kind: 'overloaded', retryAfterMs: 1_000 };
      expect(results).toEqual([[refused, refused, refused]]);
      await together('g', 'h');
      expect(queues.ids).toEqual(['a', 'b', 'c']);
      await clock.advance(11_000);
      await settled();
      await together('i', 'j', 'k', 'l');
      expect(results.at(-1)).toEqual([refused, refused, refused, refused]);
    });

    it('are not sent while one of them is under way: it may come to nothing, and the others would overtake it', async () => {
      make();
      submit('b');
      await together('a', 'b', 'c');
      expect(results).toEqual([[{ kind: 'unknown' }, { kind: 'unknown' }, { kind: 'unknown' }]]);
      expect(queues.ids).toEqual(['b']);
    });

    it('are not taken when they could not go in one job, or are one command twice; none are done at once', async () => {
      make();
      await together('a', 'b', 'c', 'd', 'e');
      await together('a', 'a');
      await together();
      expect(results).toEqual([
        'Error: at most 4 commands go together',
        'Error: the same command twice in one group',
        [],
      ]);
      expect(queues.ids).toEqual([]);
    });
  });

  it('answers with the reply, to everyone who sent the same command', async () => {
    make();
    submit('a');
    submit('a');
    await settled();
    expect(queues.ids).toEqual(['a']);
    await reply('a', outcome);
    expect(answers.get('a')).toEqual([
      { kind: 'answered', result: outcome },
      { kind: 'answered', result: outcome },
    ]);
    expect(gateway.waiting).toBe(0);
    await reply('a', outcome);
    await reply('nobody', outcome);
  });

  it('refuses what is past the limit, per ticket, and accepts again once something is answered', async () => {
    make({ commandsWaitingMax: 2 });
    submit('a');
    submit('b');
    submit('c');
    await settled();
    submit('d', other);
    await settled();
    expect(answers.get('c')).toEqual([{ kind: 'overloaded', retryAfterMs: 1_000 }]);
    expect(queues.ids).toEqual(['a', 'b', 'd']);
    // One that waits already is not one more.
    submit('a');
    await reply('a', outcome);
    submit('e');
    await settled();
    expect(queues.ids).toEqual(['a', 'b', 'd', 'e']);
  });

  it('what the log says comes in while as many as the limit wait for it, and no more', async () => {
    make({ commandsWaitingMax: 3 });
    const says = (...ids: string[]): Promise<readonly SubmissionResult[]> =>
      gateway.submitInOrder(ids.map((id) => ({ ticket, id, body: holdBody(id), keepMs: 1_000 })));
    for (const id of ['a', 'b', 'c']) submit(id);
    await settled();
    const refused = { kind: 'overloaded', retryAfterMs: 1_000 };
    expect(await says('early')).toEqual([refused]);
    // Said twice it is still one that waits.
    for (const id of ['a', 'b', 'a']) await reply(id, { kind: 'asked' });
    submit('d');
    void says('1', '2');
    await settled();
    expect(answers.get('d')).toEqual([refused]);
    expect(await says('3')).toEqual([refused]);
    await clock.advance(250);
    expect(queues.ids).toEqual(['a', 'b', 'c', '1', '2']);
    for (const id of ['a', 'b', '1', '2']) await reply(id, outcome);
    // What has left is not taken off a second time.
    void says('4', '5');
    await settled();
    expect(await says('6')).toEqual([refused]);
  });

  it('keeps no more than the limit while a queue does not take anything', async () => {
    make({ commandsWaitingMax: 3, replyWaitMs: 1_000 });
    queues.slow = true;
    for (let round = 0; round < 5; round += 1) {
      for (let i = 0; i < 5; i += 1) submit(`${round}-${i}`);
      await clock.advance(2_000);
    }
    expect(answers.get('0-0')).toEqual([{ kind: 'unknown' }]);
    expect(answers.get('4-4')).toEqual([{ kind: 'overloaded', retryAfterMs: 1_000 }]);
    for (let i = 0; i < 20; i += 1) await queues.end();
    // One was in flight, and at most the limit gathered behind it.
    expect(queues.ids.length).toBeLessThanOrEqual(1 + 3);
  });

  it('refuses while Redis is away, before it was started, and after it was stopped', async () => {
    make();
    up = false;
    submit('down');
    await settled();
    up = true;
    await gateway.stop();
    submit('stopped');
    await settled();
    for (const id of ['down', 'stopped']) {
      expect(answers.get(id)).toEqual([{ kind: 'overloaded', retryAfterMs: 1_000 }]);
    }
    expect(queues.jobs).toEqual([]);
  });

  it('looks a late outcome up on record, and goes on when that fails', async () => {
    make();
    submit('a');
    let failures = 0;
    const works = recall;
    recall = () => {
      failures += 1;
      return Promise.reject(new Error('away'));
    };
    await clock.advance(2_000);
    expect(failures).toBeGreaterThan(0);
    expect(answers.size).toBe(0);
    recall = works;
    recorded.set('a', outcome);
    await clock.advance(1_000);
    expect(answers.get('a')).toEqual([{ kind: 'answered', result: outcome }]);
  });

  it('does not look anything up that is not late, nor while Redis is away', async () => {
    make();
    let looks = 0;
    recall = () => {
      looks += 1;
      return Promise.resolve(new Map());
    };
    submit('a');
    await clock.advance(900);
    up = false;
    await clock.advance(5_000);
    expect(looks).toBe(0);
  });

  it('answers unknown when neither is known in time; the same id asked again is a new attempt', async () => {
    make();
    submit('a');
    await clock.advance(9_000);
    expect(answers.size).toBe(0);
    await clock.advance(2_000);
    expect(answers.get('a')).toEqual([{ kind: 'unknown' }]);
    submit('a');
    await settled();
    expect(queues.ids).toEqual(['a', 'a']);
    await reply('a', outcome);
    expect(answers.get('a')?.[1]).toEqual({ kind: 'answered', result: outcome });
  });

  it('takes no refusal of an earlier attempt for the answer to a later one', async () => {
    make();
    submit('a');
    await clock.advance(11_000);
    submit('a');
    await settled();
    const [first, second] = queues.jobs.map(({ job }) => job.commands[0]!.deadline);
    await reply('a', { kind: 'deadline_passed' }, { deadline: first! });
    await reply('a', { kind: 'outbox_full' }, { deadline: first! });
    expect(answers.get('a')).toEqual([{ kind: 'unknown' }]);
    await reply('a', { kind: 'outbox_full' }, { deadline: second! });
    expect(answers.get('a')?.[1]).toEqual({ kind: 'answered', result: { kind: 'outbox_full' } });
  });

  it('takes a refusal for being late as not known: an earlier run of the same job may have taken effect', async () => {
    make();
    submit('a');
    await settled();
    await reply('a', { kind: 'deadline_passed' }, { deadline: clock.now() + 10_000 });
    expect(answers.get('a')).toEqual([{ kind: 'unknown' }]);
  });

  it('refuses what a full Redis did not take', async () => {
    make();
    queues.slow = true;
    submit('a');
    await queues.end(new Error('OOM command not allowed when used memory > maxmemory'));
    expect(answers.get('a')).toEqual([{ kind: 'overloaded', retryAfterMs: 1_000 }]);
  });

  it('goes on after an add that failed: its senders are told unknown, or the outcome if it was added', async () => {
    make();
    queues.slow = true;
    submit('a');
    submit('b');
    await queues.end(new Error('lost'));
    await queues.end();
    expect(queues.ids).toEqual(['a', 'b']);
    await reply('b', outcome);
    recorded.set('a', outcome);
    await clock.advance(2_000);
    expect(answers.get('a')).toEqual([{ kind: 'answered', result: outcome }]);
  });

  it('stops when everything it accepted is answered, and not before', async () => {
    make();
    submit('a');
    submit('b');
    let stopped = false;
    const stopping = gateway.stop().then(() => (stopped = true));
    await clock.advance(500);
    await reply('a', outcome);
    await clock.advance(1_000);
    expect(stopped).toBe(false);
    recorded.set('b', outcome);
    await clock.advance(1_000);
    await stopping;
    expect([...answers.keys()].sort()).toEqual(['a', 'b']);
    expect(clock.timers).toBe(0);
  });

  it('stops although nobody ever answers: what is not known in time is told so', async () => {
    make();
    submit('a');
    const stopping = gateway.stop();
    await clock.advance(12_000);
    await stopping;
    expect(answers.get('a')).toEqual([{ kind: 'unknown' }]);
  });
});
