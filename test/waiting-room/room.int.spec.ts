/**
 * The waiting room on a real Redis and a real store of documents: one place for each person, in a fair order, whatever
 * is asked at the same time and whatever is lost.
 */
import { randomUUID } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import type { Redis } from 'ioredis';
import type { TicketCounters } from '../../src/actors/ports.js';
import { EmbeddedArchive } from '../../src/archive/embedded.js';
import type { Documents } from '../../src/archive/documents.js';
import { ArchiveUnavailableError } from '../../src/archive/port.js';
import { systemClock } from '../../src/process/clock.js';
import { connectRedis } from '../../src/redis/connection.js';
import { RedisKeys } from '../../src/redis/keys.js';
import { WaitingRoomStore } from '../../src/redis/waiting-room-store.js';
import { Sealer } from '../../src/users/sealing.js';
import { RoomKeeper, type Seen } from '../../src/waiting-room/keeper.js';
import type { MeterReport } from '../../src/waiting-room/meter.js';
import { RoomRecords, type RoomSettings } from '../../src/waiting-room/records.js';
import { WaitingRoom, type JoinOutcome } from '../../src/waiting-room/room.js';
import type { RoomPolicy } from '../../src/waiting-room/state.js';
import { RoomTokens } from '../../src/waiting-room/tokens.js';
import { silentLogger, testRedisUrl, until } from '../helpers/engine.js';
import { patched } from '../helpers/faults.js';

const POLICY: RoomPolicy = {
  passMs: 60_000,
  graceMs: 60_000,
  insideMax: 1_000_000,
  latencyMsTarget: 500,
  perMinuteStart: 600,
  perMinuteMax: 1_000_000,
  placesMax: 100_000,
};
const CALM: MeterReport = { answered: 0, overloaded: 0, p95Ms: 0, waitingShare: 0, shedShare: 0 };
const ON: RoomSettings = { mode: 'on', opensAt: null, perMinuteMax: null };
const OFF: RoomSettings = { mode: 'off', opensAt: null, perMinuteMax: null };
const STOPPED: RoomSettings = { ...ON, perMinuteMax: 0 };

const counters = (available: number): TicketCounters =>
  ({ matchNumber: 1, category: 1, closed: false, available }) as TicketCounters;

interface Process {
  readonly room: WaitingRoom;
  readonly keeper: RoomKeeper;
  report: MeterReport;
}

describe('the waiting room', () => {
  const dir = mkdtempSync(join(tmpdir(), 'ticktak-room-'));
  let archive: EmbeddedArchive;
  let redis: Redis;
  let prefix: string;
  let keys: RedisKeys;
  let tickets: readonly TicketCounters[];
  let running: RoomKeeper[];

  beforeAll(async () => {
    redis = connectRedis({ url: testRedisUrl(), name: 'room', logger: silentLogger }) as Redis;
  });
  afterAll(() => {
    redis.disconnect();
    rmSync(dir, { recursive: true, force: true });
  });
  beforeEach(async () => {
    archive = new EmbeddedArchive({ dir: join(dir, randomUUID()) });
    await archive.start();
    prefix = `room-${randomUUID().slice(0, 8)}`;
    keys = new RedisKeys(prefix);
    tickets = [counters(10)];
    running = [];
  });
  afterEach(async () => {
    await Promise.all(running.map((keeper) => keeper.stop()));
    await loseRedis();
    await archive.stop();
  });

  const loseRedis = async (): Promise<void> => {
    const all = await redis.keys(`${prefix}:*`);
    if (all.length > 0) await redis.del(all);
  };

  /** As a process has it; it looks when it is told to. */
  function start(
    policy: Partial<RoomPolicy> = {},
    {
      documents = archive,
      store = new WaitingRoomStore(redis, keys),
    }: { documents?: Documents; store?: WaitingRoomStore } = {},
  ): Process {
    const parts = {
      store,
      records: new RoomRecords(documents),
      policy: { ...POLICY, ...policy },
      clock: systemClock,
      logger: silentLogger,
    };
    const tokens = new RoomTokens(new Sealer('the secret of the tests of the room'));
    const room = new WaitingRoom({ ...parts, tokens, waitMs: 5_000 });
    const process: Process = {
      room,
      report: CALM,
      keeper: new RoomKeeper({
        ...parts,
        id: randomUUID(),
        meter: { report: () => process.report },
        counters: async () => tickets,
        onView: room.onView,
      }),
    };
    running.push(process.keeper);
    return process;
  }

  /** Operators decide, and every process has seen it. */
  async function settle(settings: RoomSettings, ...processes: readonly Process[]): Promise<Seen> {
    const [first] = processes;
    const seen = await first!.keeper.settle(settings);
    for (const { keeper } of processes) await keeper.look();
    return seen;
  }

  const person = ({ room }: Process, name: string): string => room.personOf(`${name}@example.org`);

  async function join_({ room }: Process, who: string, token?: string) {
    const joined = await room.join(who, token);
    if (joined === 'full') throw new Error('the room is full');
    return { ...joined, place: room.placeOf(joined.token)! };
  }

  /** So many people, many at once. */
  async function crowd(process: Process, count: number, from = 0): Promise<string[]> {
    const tokens: string[] = [];
    for (let at = 0; at < count; at += 500) {
      const some = Array.from({ length: Math.min(500, count - at) }, (_, i) => from + at + i);
      const joined = await Promise.all(some.map((n) => join_(process, person(process, `p${n}`))));
      tokens.push(...joined.map(({ token }) => token));
    }
    return tokens;
  }

  const numbersOf = ({ room }: Process, tokens: readonly string[]): number[] =>
    tokens.map((token) => room.placeOf(token)!.number);
  const positionOf = async ({ room }: Process, token: string): Promise<number | null> =>
    (await room.standingOf(room.placeOf(token)!)).position;
  const statusOf = async ({ room }: Process, token: string): Promise<string> =>
    (await room.standingOf(room.placeOf(token)!)).status;

  describe('that is off', () => {
    it('lets everybody in, and gives no place that would be worth something later', async () => {
      const one = start();
      await one.keeper.look();
      expect(one.room.lets(undefined, '')).toBe(true);
      const early = await join_(one, person(one, 'early'));
      expect(early).toMatchObject({ isNew: false, standing: { status: 'admitted' } });
      await settle(STOPPED, one);
      expect(one.room.lets(undefined, '')).toBe(false);
      expect(await statusOf(one, early.token)).toBe('ended');
      expect((await join_(one, person(one, 'early'))).isNew).toBe(true);
    });
  });

  describe('one place for each person', () => {
    it('however often and from wherever it is asked at the same time', async () => {
      const [one, other] = [start(), start()];
      await settle(STOPPED, one, other);
      const asked = Array.from({ length: 200 }, (_, i) =>
        join_(i % 2 === 0 ? one : other, person(one, `p${i % 10}`)),
      );
      const joined = await Promise.all(asked);
      expect(joined.filter(({ isNew }) => isNew)).toHaveLength(10);
      expect(new Set(joined.map(({ token }) => token)).size).toBe(10);
      joined.forEach(({ token }, i) => expect(token).toBe(joined[i % 10]!.token));
    });

    it('and no number twice, over blocks that are put on record', async () => {
      const [one, other] = [start(), start()];
      await settle(STOPPED, one, other);
      const tokens = (await Promise.all([crowd(one, 2_500), crowd(other, 2_500, 2_500)])).flat();
      const numbers = numbersOf(one, tokens).sort((a, b) => a - b);
      expect(numbers).toEqual(Array.from({ length: 5_000 }, (_, i) => i));
    });

    it('as many as there may be', async () => {
      const one = start({ placesMax: 3 });
      await settle(STOPPED, one);
      const outcomes: JoinOutcome[] = [];
      for (let i = 0; i < 5; i += 1) outcomes.push(await one.room.join(person(one, `p${i}`), undefined));
      expect(outcomes.filter((outcome) => outcome === 'full')).toHaveLength(2);
      expect((await one.room.join(person(one, 'p0'), undefined)) === 'full').toBe(false);
    });

    it('takes no token of somebody else for its own', async () => {
      const one = start();
      await settle(STOPPED, one);
      const [first, second] = [await join_(one, person(one, 'a')), await join_(one, person(one, 'b'))];
      const copied = await join_(one, person(one, 'c'), first.token);
      expect(copied.place.number).toBe(2);
      expect((await join_(one, person(one, 'b'), first.token)).token).toBe(second.token);
    });
  });

  describe('the order', () => {
    it('of those who come after the opening is the one in which they came', async () => {
      const one = start();
      await settle(STOPPED, one);
      const tokens: string[] = [];
      for (let i = 0; i < 20; i += 1) tokens.push((await join_(one, person(one, `p${i}`))).token);
      await one.keeper.look();
      const positions = await Promise.all(tokens.map((token) => positionOf(one, token)));
      expect(positions).toEqual(Array.from({ length: 20 }, (_, i) => i + 1));
    });

    it('of those who came before is drawn at the opening, the same in every process, before all others', async () => {
      const [one, other] = [start(), start()];
      const opensAt = Date.now() + 1_500;
      await settle({ ...STOPPED, opensAt }, one, other);
      expect(one.room.standing).toBe('before');
      const early = await crowd(one, 400);
      expect(await statusOf(one, early[0]!)).toBe('before');
      expect(await positionOf(one, early[0]!)).toBeNull();
      expect((await new RoomRecords(archive).read()).round).toMatchObject({ seed: '', openedAt: null });
      await until(async () => {
        await Promise.all([one.keeper.look(), other.keeper.look()]);
        return one.room.standing === 'open' && other.room.standing === 'open';
      });
      const late = await crowd(one, 100, 400);
      await Promise.all([one.keeper.look(), other.keeper.look()]);
      const all = [...early, ...late];
      const positions = await Promise.all(all.map((token) => positionOf(one, token)));
      expect(await Promise.all(all.map((token) => positionOf(other, token)))).toEqual(positions);
      const ofEarly = positions.slice(0, 400) as number[];
      expect(ofEarly.toSorted((a, b) => a - b)).toEqual(Array.from({ length: 400 }, (_, i) => i + 1));
      expect(ofEarly).not.toEqual(ofEarly.toSorted((a, b) => a - b));
      // Late ones by their numbers, which were given at the same time here.
      const numbers = numbersOf(one, late);
      positions.slice(400).forEach((position, i) => expect(position).toBe(numbers[i]! + 1));
    });

    it('of admission follows the positions', async () => {
      const one = start({ perMinuteStart: 1_200 });
      await settle(STOPPED, one);
      const tokens = await crowd(one, 200);
      await settle({ ...ON, perMinuteMax: 1_200 }, one);
      const admittedAt = new Map<number, number>();
      for (let look = 0; admittedAt.size < 200; look += 1) {
        await one.keeper.look();
        for (const token of tokens) {
          const place = one.room.placeOf(token)!;
          if (admittedAt.has(place.number)) continue;
          if ((await one.room.standingOf(place)).status === 'admitted') admittedAt.set(place.number, look);
        }
        await new Promise((resolve) => setTimeout(resolve, 300));
      }
      const looks = [...admittedAt].sort(([a], [b]) => a - b).map(([, look]) => look);
      expect(looks).toEqual(looks.toSorted((a, b) => a - b));
      // At that pace they are not let in all at once.
      expect(new Set(looks).size).toBeGreaterThan(1);
    });
  });

  describe('a pass', () => {
    const admit = async (process: Process, token: string): Promise<string> => {
      const { room, keeper } = process;
      let pass: string | undefined;
      await until(async () => {
        await keeper.look();
        pass = (await room.standingOf(room.placeOf(token)!)).pass;
        return pass !== undefined;
      });
      return pass!;
    };

    it('lets its own person hold, nobody else, and is the same however often it is fetched', async () => {
      const one = start();
      await settle(ON, one);
      const [me, you] = [person(one, 'me'), person(one, 'you')];
      const { token } = await join_(one, me);
      const pass = await admit(one, token);
      expect(one.room.lets(pass, me)).toBe(true);
      expect(one.room.lets(pass, you)).toBe(false);
      expect(one.room.lets(undefined, me)).toBe(false);
      expect(one.room.lets(`${pass.slice(0, -1)}_`, me)).toBe(pass.endsWith('_'));
      expect(one.room.lets(token, me)).toBe(false);
      expect(await admit(one, token)).toBe(pass);
      expect((await join_(one, me)).token).toBe(token);
    });

    it('counts as inside until its holder has held something', async () => {
      const one = start();
      await settle(ON, one);
      const { token } = await join_(one, person(one, 'me'));
      const pass = await admit(one, token);
      expect((await one.keeper.look()).inside).toBe(1);
      one.room.used(pass);
      await until(async () => (await one.keeper.look()).inside === 0);
      expect(one.room.lets(pass, person(one, 'me'))).toBe(true);
    });

    it('ends; the place is lost then, and one who asks again is behind all others', async () => {
      const one = start({ passMs: 1_000, graceMs: 1_000 });
      await settle(ON, one);
      const me = person(one, 'me');
      const { token, place } = await join_(one, me);
      const pass = await admit(one, token);
      await until(async () => {
        await one.keeper.look();
        return (await statusOf(one, token)) === 'ended';
      }, 20_000);
      expect(one.room.lets(pass, me)).toBe(false);
      await join_(one, person(one, 'other'));
      await until(async () => {
        await one.keeper.look();
        return one.room.seen.state.lapsed > place.number;
      }, 20_000);
      const again = await join_(one, me);
      expect(again).toMatchObject({ isNew: true, place: { number: 2 } });
      expect((await join_(one, me)).token).toBe(again.token);
    });

    it('of an earlier round lets nobody in, neither before the opening of a new one nor after it', async () => {
      const one = start();
      await settle(ON, one);
      const me = person(one, 'me');
      const old = await admit(one, (await join_(one, me)).token);
      expect(one.room.lets(old, me)).toBe(true);
      await settle({ ...ON, opensAt: Date.now() + 1_500 }, one);
      expect(one.room.standing).toBe('before');
      expect(one.room.lets(old, me)).toBe(false);
      const again = await join_(one, me);
      expect(again).toMatchObject({ isNew: true, standing: { status: 'before' } });
      await until(async () => {
        await one.keeper.look();
        return one.room.standing === 'open';
      });
      expect(one.room.lets(old, me)).toBe(false);
      const pass = await admit(one, again.token);
      expect(one.room.lets(pass, me)).toBe(true);
      expect(one.room.lets(old, me)).toBe(false);
    });

    it('of an earlier round is needed by nobody while the room is off, and worth nothing once it is on again', async () => {
      const one = start();
      await settle(ON, one);
      const me = person(one, 'me');
      const old = await admit(one, (await join_(one, me)).token);
      await settle(OFF, one);
      expect(one.room.lets(old, me)).toBe(true);
      await settle(ON, one);
      expect(one.room.lets(old, me)).toBe(false);
    });

    it('that was never fetched is lost after the time for it', async () => {
      const one = start({ graceMs: 1_000 });
      await settle(ON, one);
      const { token } = await join_(one, person(one, 'absent'));
      await until(async () => {
        await one.keeper.look();
        return one.room.seen.state.lapsed > 0;
      }, 20_000);
      expect(await statusOf(one, token)).toBe('ended');
    });
  });

  it('tells those who wait when all is sold, and lets them wait on when something comes back', async () => {
    const one = start();
    await settle(STOPPED, one);
    const { token } = await join_(one, person(one, 'me'));
    tickets = [counters(0)];
    const look = (status: string): Promise<void> =>
      until(async () => {
        await one.keeper.look();
        return (await statusOf(one, token)) === status;
      }, 20_000);
    await look('ended');
    tickets = [counters(0), counters(1)];
    await look('waiting');
    expect((await join_(one, person(one, 'me'))).token).toBe(token);
  });

  describe('by itself', () => {
    it('turns on when holds are not taken, and begins with what is served', async () => {
      const one = start();
      await settle({ ...OFF, mode: 'auto' }, one);
      expect(one.room.standing).toBe('off');
      one.report = { answered: 500, overloaded: 500, p95Ms: 100, waitingShare: 0, shedShare: 0 };
      await until(async () => {
        await one.keeper.look();
        return one.room.standing === 'open';
      }, 20_000);
      expect(one.room.seen.state.pace.perMinute).toBeLessThanOrEqual(4_800);
      expect(one.room.seen.state.mode).toBe('auto');
    });
  });

  describe('what is lost', () => {
    it('with a process is nothing: another has the same places, in the same order', async () => {
      const one = start();
      await settle(STOPPED, one);
      const tokens = await crowd(one, 50);
      const other = start();
      await other.keeper.look();
      for (const token of tokens) expect(await positionOf(other, token)).not.toBeNull();
      expect((await join_(other, person(other, 'p7'))).token).toBe(tokens[7]);
    });

    it('with all of Redis costs nobody the place, and none is given twice', async () => {
      const one = start();
      const opensAt = Date.now() + 1_000;
      await settle({ ...STOPPED, opensAt }, one);
      const early = await crowd(one, 100);
      await until(async () => {
        await one.keeper.look();
        return one.room.standing === 'open';
      });
      const late = await crowd(one, 50, 100);
      const all = [...early, ...late];
      await one.keeper.look();
      const before = await Promise.all(all.map((token) => positionOf(one, token)));
      await loseRedis();
      await expect(join_(one, person(one, 'hasty'))).rejects.toThrow('put in order');
      await one.keeper.look();
      expect(await Promise.all(all.map((token) => positionOf(one, token)))).toEqual(before);
      // Who shows the token keeps the place; whoever comes now is behind all that were given.
      expect((await join_(one, person(one, 'p3'), all[3])).token).toBe(all[3]);
      expect((await join_(one, person(one, 'p3'))).token).toBe(all[3]);
      const next = await join_(one, person(one, 'new'));
      expect(next.isNew).toBe(true);
      const given = numbersOf(one, all);
      expect(next.place.number).toBeGreaterThan(Math.max(...given));
    });

    it('with all of Redis throws nobody out: passes stay good', async () => {
      const one = start();
      await settle(ON, one);
      const me = person(one, 'me');
      const { token, place } = await join_(one, me);
      let pass = '';
      await until(async () => {
        await one.keeper.look();
        pass = (await one.room.standingOf(place)).pass ?? '';
        return pass !== '';
      });
      // Saved a little later than it is told.
      await until(async () => {
        await one.keeper.look();
        return (await new RoomRecords(archive).read()).round?.admitted === 1;
      });
      await loseRedis();
      await one.keeper.look();
      expect(one.room.lets(pass, me)).toBe(true);
      expect(await statusOf(one, token)).toBe('admitted');
    });

    it('with a restart that lost the newest writes is no number given twice', async () => {
      const one = start();
      await settle(STOPPED, one);
      const tokens = await crowd(one, 20);
      // As if the server had come back with what it had ten places ago.
      await redis.hset(keys.room.state(), { next: 10, run: 'the run before' });
      await expect(join_(one, person(one, 'hasty'))).rejects.toThrow('put in order');
      await one.keeper.look();
      const next = await join_(one, person(one, 'hasty'));
      expect(numbersOf(one, tokens)).not.toContain(next.place.number);
    });
  });

  describe('while the archive is away', () => {
    let isAway: 'no' | 'for writes' | 'altogether';
    let documents: Documents;
    beforeEach(() => {
      isAway = 'no';
      const reach = async <T>(during: readonly string[], call: () => Promise<T>): Promise<T> => {
        if (during.includes(isAway)) throw new ArchiveUnavailableError('away');
        return call();
      };
      const writes = ['for writes', 'altogether'];
      documents = patched<Documents>(archive, {
        document: (...args) => reach(['altogether'], () => archive.document(...args)),
        insertDocument: (...args) => reach(writes, () => archive.insertDocument(...args)),
        replaceDocument: (...args) => reach(writes, () => archive.replaceDocument(...args)),
      });
    });

    const kept = async () => (await new RoomRecords(archive).read()).round!;
    const lookUntil = (process: Process, isSo: () => boolean): Promise<void> =>
      until(async () => {
        await process.keeper.look();
        return isSo();
      }, 30_000);

    it.each(['for writes', 'altogether'] as const)(
      '(%s) those who wait are let in in their order, and it is put on record later',
      async (away) => {
        const one = start({ perMinuteStart: 300 }, { documents });
        await settle(STOPPED, one);
        const tokens = await crowd(one, 40);
        await settle({ ...ON, perMinuteMax: 300 }, one);
        isAway = away;
        const before = (await kept()).admitted;
        expect(before).toBeLessThan(40);
        for (let admitted = one.room.seen.state.admitted; admitted < 40;) {
          await lookUntil(one, () => one.room.seen.state.admitted > admitted);
          admitted = one.room.seen.state.admitted;
          const places = tokens.map((token) => one.room.placeOf(token)!);
          const statuses = await Promise.all(places.map((place) => one.room.standingOf(place)));
          statuses.forEach(({ status }, i) =>
            expect(status).toBe(places[i]!.number < admitted ? 'admitted' : 'waiting'),
          );
        }
        const last = one.room.placeOf(tokens[39]!)!;
        const { pass } = await one.room.standingOf(last);
        expect(one.room.lets(pass, last.person)).toBe(true);
        expect((await kept()).admitted).toBe(before);
        isAway = 'no';
        await until(async () => {
          await one.keeper.look();
          return (await kept()).admitted === 40;
        }, 20_000);
      },
    );

    it('no more are let in than the pace allows, however many processes look', async () => {
      const many = Array.from({ length: 4 }, () => start({ perMinuteStart: 600 }, { documents }));
      await settle(STOPPED, ...many);
      await crowd(many[0]!, 300);
      await settle({ ...ON, perMinuteMax: 600 }, ...many);
      isAway = 'altogether';
      const from = many[0]!.room.seen.state;
      await until(async () => {
        await Promise.all(many.map(({ keeper }) => keeper.look()));
        return many[0]!.room.seen.state.steppedAt > from.steppedAt + 6_000;
      }, 30_000);
      const { admitted, steppedAt } = many[0]!.room.seen.state;
      expect(admitted - from.admitted).toBeGreaterThan(0);
      expect(admitted - from.admitted).toBeLessThanOrEqual(10 * ((steppedAt - from.steppedAt) / 1_000 + 3));
    });

    it('a process that reaches it goes first: one that does not steps only when nobody else has for long', async () => {
      let age = 0;
      const real = new WaitingRoomStore(redis, keys);
      const store = patched(real, {
        look: async (mine) => {
          const look = await real.look(mine);
          const { steppedAt } = JSON.parse(look.room?.state ?? '{}') as { steppedAt?: number };
          return { ...look, now: steppedAt === undefined ? look.now : steppedAt + age };
        },
      });
      const [without, other] = [start({}, { documents, store }), start({}, { store })];
      await settle(STOPPED, without, other);
      isAway = 'altogether';
      const version = async (): Promise<string | null> => redis.hget(keys.room.state(), 'version');
      const before = await version();
      age = 1_500;
      await without.keeper.look();
      expect(await version()).toBe(before);
      await other.keeper.look();
      const after = await version();
      expect(after).not.toBe(before);
      age = 5_000;
      await without.keeper.look();
      expect(await version()).not.toBe(after);
      expect(without.room.seen.state.why).toContain('The archive is away');
    });

    it('an opening waits for it: the order is on record before anybody is told', async () => {
      const one = start({}, { documents });
      await settle({ ...ON, opensAt: Date.now() + 1_000 }, one);
      const { token } = await join_(one, person(one, 'me'));
      isAway = 'altogether';
      const { opensAt } = one.room.seen.state;
      await lookUntil(one, () => one.room.seen.state.steppedAt > opensAt!);
      expect(one.room.standing).toBe('before');
      expect(await statusOf(one, token)).toBe('before');
      expect((await join_(one, person(one, 'you'))).isNew).toBe(true);
      isAway = 'no';
      await lookUntil(one, () => one.room.standing === 'open');
      expect(one.room.seen.state.early).toBe(2);
    });

    it('operators are told that nothing was decided', async () => {
      const one = start({}, { documents });
      await settle(STOPPED, one);
      isAway = 'altogether';
      await expect(one.keeper.settle(OFF)).rejects.toThrow(ArchiveUnavailableError);
      expect(one.room.standing).toBe('open');
    });

    it('a round that could not be ended loses nobody', async () => {
      const one = start({}, { documents });
      await settle(STOPPED, one);
      const { token } = await join_(one, person(one, 'me'));
      await new RoomRecords(archive).settle({ ...STOPPED, opensAt: Date.now() + 60_000 });
      isAway = 'for writes';
      const { steppedAt } = one.room.seen.state;
      await lookUntil(one, () => one.room.seen.state.steppedAt > steppedAt);
      await one.keeper.stop();
      expect(one.room.standing).toBe('open');
      expect(await join_(one, person(one, 'me'))).toMatchObject({ isNew: false, token });
      isAway = 'no';
      await lookUntil(one, () => one.room.standing === 'before');
    });

    it('and Redis has lost the room, nobody is let in by guess: what is known stays until both are there', async () => {
      const one = start({}, { documents });
      await settle(ON, one);
      const me = person(one, 'me');
      const { place } = await join_(one, me);
      await lookUntil(one, () => one.room.seen.state.admitted === 1);
      const { pass } = await one.room.standingOf(place);
      isAway = 'altogether';
      await loseRedis();
      await expect(one.keeper.look()).rejects.toThrow(ArchiveUnavailableError);
      expect(one.room.lets(pass, me)).toBe(true);
      expect(one.room.lets(undefined, person(one, 'you'))).toBe(false);
      await expect(join_(one, person(one, 'you'))).rejects.toThrow('put in order');
      isAway = 'no';
      await one.keeper.look();
      expect(one.room.lets(pass, me)).toBe(true);
      expect((await join_(one, person(one, 'you'))).isNew).toBe(true);
    });
  });

  it('of an earlier round is worth nothing: a new opening draws anew', async () => {
    const one = start();
    await settle(STOPPED, one);
    const { token } = await join_(one, person(one, 'me'));
    const first = one.room.seen.round;
    await settle({ ...STOPPED, opensAt: Date.now() + 60_000 }, one);
    expect(one.room.standing).toBe('before');
    expect(one.room.seen.round).not.toBe(first);
    expect(await statusOf(one, token)).toBe('ended');
    expect((await join_(one, person(one, 'me'), token)).isNew).toBe(true);
    // People of the first round are forgotten.
    await one.keeper.stop();
    expect(await redis.keys(`${prefix}:{room}:people:${first}:*`)).toEqual([]);
  });

  it('is moved on by one process at a time, however many look', async () => {
    const many = Array.from({ length: 4 }, () => start({ perMinuteStart: 600 }));
    await settle(STOPPED, ...many);
    await crowd(many[0]!, 300);
    await settle({ ...ON, perMinuteMax: 600 }, ...many);
    const from = many[0]!.room.seen.state.admitted;
    const startedAt = Date.now();
    while (Date.now() - startedAt < 4_000) {
      await Promise.all(many.map(({ keeper }) => keeper.look()));
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    const { admitted, steppedAt } = many[0]!.room.seen.state;
    const seconds = (steppedAt - startedAt) / 1_000;
    // At ten a second; four processes that each did it would let in four times as many.
    expect(admitted - from).toBeLessThanOrEqual(10 * (seconds + 3));
    expect(admitted - from).toBeGreaterThan(0);
  });
});
