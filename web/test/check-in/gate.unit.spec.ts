/** A gate with a network, without one, and between the two: who is let in, what is kept, and what the server hears. */
import 'fake-indexeddb/auto';
import { IDBFactory } from 'fake-indexeddb';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { ApiProblem } from '../../src/api/problem';
import type { Answer } from '../../src/check-in/desk';
import { SCAN_MS_MAX, SYNC_SCANS_MAX } from '../../src/check-in/remote';
import { findVerify } from '../../src/check-in/signature';
import { Station } from '../../src/check-in/station';
import { GateStore } from '../../src/check-in/store';
import { MATCH, settled, Signer, START, subtle, ticketIdOf, until, World } from './world';

const HOUR_MS = 60 * 60_000;
/** Longer than any wait between two tries. */
const LONG_MS = 120_000;

let world: World;
let browser: IDBFactory;
const opened: Station[] = [];

beforeEach(() => {
  world = new World();
  browser = new IDBFactory();
});
afterEach(() => {
  for (const station of opened.splice(0)) station.stop();
});

interface At {
  readonly factory?: IDBFactory;
  readonly gate?: string;
  readonly device?: string;
  readonly isBrowserOnline?: boolean;
}

/** A page that was opened in a browser; `choose` false: as it comes up by itself. */
async function open(at: At = {}, choose = true): Promise<Station> {
  const { factory = browser, gate = 'North', device = 'Phone 1', isBrowserOnline = true } = at;
  const station = new Station({
    openStore: async (onEnded) => {
      globalThis.indexedDB = factory;
      return GateStore.open(onEnded);
    },
    remote: world,
    findVerify: () => findVerify(subtle),
    now: () => world.now,
    newId: world.newId,
    random: () => 0.5,
    schedule: world.schedule,
    exclusively: (run) => run(),
    who: () => 'Sam Steward',
    isBrowserOnline: () => isBrowserOnline,
  });
  opened.push(station);
  await station.start();
  if (choose) await station.choose({ matchNumber: MATCH, gate }, device);
  await settled();
  return station;
}

const kindOf = (answer: Answer): string => {
  if (answer.kind === 'refused') return `refused: ${answer.reason}`;
  return answer.kind === 'doubt' ? `doubt: ${answer.doubt}` : answer.kind;
};
const scan = async (station: Station, code: string): Promise<string> => kindOf(await station.scan(code));

describe('with a network', () => {
  it('the server decides, and is told where and when', async () => {
    const ticketId = world.sell(1);
    const station = await open();
    expect(await station.scan(world.codeOf(ticketId))).toMatchObject({
      kind: 'admitted',
      by: 'server',
      ticket: { ticketId, category: 1, number: 1, matchNumber: MATCH },
    });
    expect(world.sold.get(ticketId)?.first).toMatchObject({
      gate: 'North',
      device: expect.stringMatching(/^Phone 1 \([0-9a-f]{6}\)$/),
      at: new Date(START).toISOString(),
    });
    expect(station.snapshot).toMatchObject({
      admittedHere: 1,
      queue: { waiting: 0 },
      counts: { value: { sold: 1, admitted: 1 } },
    });
    world.now += 60_000;
    expect(await station.scan(world.codeOf(ticketId))).toMatchObject({
      kind: 'repeated',
      first: { at: START, gate: 'North' },
    });
  });

  it.each([
    ['refunded', 'refused: void', () => (world.sold.get(ticketIdOf(1))!.state = 'void')],
    ['passed on', 'refused: replaced', () => (world.sold.get(ticketIdOf(1))!.generation = 1)],
  ])('a ticket that was %s since is refused', async (_name, said, change) => {
    const code = world.codeOf(world.sell(1));
    const station = await open();
    change();
    expect(await scan(station, code)).toBe(said);
  });

  it('what is no code of ours is refused without asking', async () => {
    const station = await open();
    const forged = world.codeOf(world.sell(1)).replace('.1.0.', '.2.0.');
    expect(await scan(station, 'hello')).toBe('refused: forged');
    expect(await scan(station, forged)).toBe('refused: forged');
    expect(world.calls).not.toContain('checkIn');
  });

  it('a reason that is not known to this page is a refusal all the same', async () => {
    const code = world.codeOf(world.sell(1));
    const station = await open();
    world.checkIn = () => Promise.resolve({ result: 'refused', reason: 'something new' });
    expect(await scan(station, code)).toBe('refused: other');
  });
});

describe('without a network', () => {
  it('the list decides', async () => {
    const [valid, refunded, used, passedOn] = [1, 2, 3, 4].map((n) => world.sell(n));
    const before = world.codeOf(passedOn!);
    world.sold.get(refunded!)!.state = 'void';
    world.sold.get(passedOn!)!.generation = 1;
    const elsewhere = await open({ factory: new IDBFactory(), gate: 'South', device: 'Phone 2' });
    await elsewhere.scan(world.codeOf(used!));
    const other = world.codeOf(world.sell(9, MATCH + 1));
    const station = await open();
    world.offline();
    const codes = [valid, refunded, used, passedOn].map((ticketId) => world.codeOf(ticketId!));
    const said = [];
    for (const code of [...codes, before, other, codes[0]!]) said.push(await scan(station, code));
    expect(said).toEqual([
      'admitted',
      'refused: void',
      'repeated',
      'admitted',
      'refused: replaced',
      'refused: other_match',
      'repeated',
    ]);
    expect(station.snapshot).toMatchObject({
      link: { kind: 'offline', since: START },
      queue: { waiting: 2 },
      admittedHere: 2,
    });
  });

  it('only the first one waits for an answer', async () => {
    const codes = [1, 2].map((n) => world.codeOf(world.sell(n)));
    const station = await open();
    world.trouble.set('checkIn', 'silence');
    world.trouble.set('keys', 'silence');
    world.trouble.set('sync', 'silence');
    const first = station.scan(codes[0]!);
    await until(() => world.calls.includes('checkIn'));
    await world.advance(SCAN_MS_MAX - 1);
    expect(await Promise.race([first, Promise.resolve('waits')])).toBe('waits');
    await world.advance(1);
    expect(await first).toMatchObject({ kind: 'admitted', by: 'list' });
    expect(await station.scan(codes[1]!)).toMatchObject({ kind: 'admitted', by: 'list' });
    expect(world.calls.filter((call) => call === 'checkIn')).toHaveLength(1);
  });

  it('what was sold or passed on after the list was made is for the steward to decide', async () => {
    const passedOn = world.sell(1);
    const station = await open();
    const sold = world.sell(2);
    const refused = world.sell(3);
    world.sold.get(passedOn)!.generation = 1;
    world.offline();
    const doubt = await station.scan(world.codeOf(sold));
    expect(kindOf(doubt)).toBe('doubt: unlisted');
    expect(await scan(station, world.codeOf(passedOn))).toBe('doubt: newer');
    expect(station.snapshot.queue.waiting).toBe(0);
    expect(await station.decide(doubt, true)).toMatchObject({ kind: 'admitted', isDecided: true });
    expect(await scan(station, world.codeOf(sold))).toBe('repeated');
    const away = await station.scan(world.codeOf(refused));
    expect(kindOf(await station.decide(away, false))).toBe('sent_away');
    expect(station.snapshot.queue.waiting).toBe(1);
    world.online();
    await world.advance(LONG_MS);
    expect(world.sold.get(sold)?.state).toBe('used');
    expect(world.sold.get(refused)?.state).toBe('valid');
  });

  it('a code of a key that is not here cannot be decided by anybody here', async () => {
    const station = await open();
    world.offline();
    const answer = await station.scan(new Signer().code(ticketIdOf(1)));
    expect(kindOf(answer)).toBe('doubt: unknown_key');
    expect(await station.decide(answer, true)).toBe(answer);
    expect(station.snapshot.queue.waiting).toBe(0);
  });

  it('nobody is let in whom the device cannot remember', async () => {
    const code = world.codeOf(world.sell(1));
    const station = await open();
    world.offline();
    const { letIn } = GateStore.prototype;
    GateStore.prototype.letIn = () => Promise.reject(new DOMException('full', 'QuotaExceededError'));
    try {
      expect(await scan(station, code)).toBe('doubt: not_kept');
    } finally {
      GateStore.prototype.letIn = letIn;
    }
    expect(await scan(station, code)).toBe('admitted');
  });

  it('the page comes up again where it was, knows whom it let in, and says who downloaded the list', async () => {
    const codes = [1, 2].map((n) => world.codeOf(world.sell(n)));
    const before = await open();
    world.offline();
    expect(await scan(before, codes[0]!)).toBe('admitted');
    before.stop();
    world.now += HOUR_MS;
    const station = await open({ isBrowserOnline: false }, false);
    expect(station.snapshot).toMatchObject({
      phase: 'open',
      post: { matchNumber: MATCH, gate: 'North' },
      list: { by: 'Sam Steward', downloadedAt: START, size: 2, isOld: false },
      link: { kind: 'offline', since: START + HOUR_MS },
      queue: { waiting: 1 },
      admittedHere: 1,
    });
    expect(await scan(station, codes[0]!)).toBe('repeated');
    expect(await scan(station, codes[1]!)).toBe('admitted');
    world.now += 24 * HOUR_MS;
    await station.scan('anything');
    station.heardOnline(false);
    await world.advance(LONG_MS);
    expect(station.snapshot.list?.isOld).toBe(true);
  });

  it('a list that somebody changed on the device is not believed', async () => {
    const code = world.codeOf(world.sell(1));
    const before = await open();
    const store = await GateStore.open();
    const kept = await store.list(MATCH);
    const [header, , signature] = kept!.jws.split('.');
    const payload = Buffer.from(JSON.stringify(world.payload())).toString('base64url');
    world.now += 1_000;
    const later = Buffer.from(JSON.stringify(world.payload())).toString('base64url');
    expect(later).not.toBe(payload);
    await store.keepList({ ...kept!, jws: `${header}.${later}.${signature}` });
    before.stop();
    world.offline();
    const station = await open({ isBrowserOnline: false }, false);
    expect(station.snapshot).toMatchObject({ list: null, listFault: 'forged' });
    expect(await scan(station, code)).toBe('doubt: no_list');
  });

  it('two tabs of one device let nobody in twice', async () => {
    const code = world.codeOf(world.sell(1));
    const [one, two] = [await open(), await open()];
    world.offline();
    const said = await Promise.all([scan(one, code), scan(two, code)]);
    expect(said.sort()).toEqual(['admitted', 'repeated']);
  });
});

describe('an answer that does not come', () => {
  it('makes no second admission: the server hears of the same scan again', async () => {
    const ticketId = world.sell(1);
    const station = await open();
    world.losesAnswers = true;
    const scanning = station.scan(world.codeOf(ticketId));
    await until(() => world.calls.includes('checkIn'));
    await world.advance(SCAN_MS_MAX);
    expect(await scanning).toMatchObject({ kind: 'admitted', by: 'list' });
    // The server has it, and still gets it again, until it has answered.
    expect(world.sold.get(ticketId)?.state).toBe('used');
    expect(station.snapshot.queue.waiting).toBe(1);
    world.losesAnswers = false;
    await world.advance(LONG_MS);
    expect(station.snapshot).toMatchObject({
      queue: { waiting: 0 },
      conflicts: [],
      link: { kind: 'online' },
    });
  });

  it('is not taken for somebody else when the steward scans once more', async () => {
    const station = await open();
    const ticketId = world.sell(1);
    world.losesAnswers = true;
    const scanning = station.scan(world.codeOf(ticketId));
    await until(() => world.calls.includes('checkIn'));
    await world.advance(SCAN_MS_MAX);
    expect(kindOf(await scanning)).toBe('doubt: unlisted');
    world.losesAnswers = false;
    await world.advance(LONG_MS);
    expect(station.snapshot.link.kind).toBe('online');
    expect(await station.scan(world.codeOf(ticketId))).toMatchObject({ kind: 'admitted', by: 'server' });
  });
});

describe('back in the network', () => {
  it('everything goes out by itself, a hundred at once, and is then known', async () => {
    const codes = Array.from({ length: SYNC_SCANS_MAX + 20 }, (_, n) => world.codeOf(world.sell(n)));
    const station = await open();
    world.offline();
    for (const code of codes) expect(await scan(station, code)).toBe('admitted');
    await world.advance(LONG_MS);
    expect(station.snapshot.queue.waiting).toBe(codes.length);
    const tried = world.batches.length;
    world.online();
    station.heardOnline(true);
    await until(() => station.snapshot.queue.waiting === 0 && !station.snapshot.queue.isSending);
    expect(world.batches.slice(tried).map((batch) => batch.length)).toEqual([SYNC_SCANS_MAX, 20]);
    expect(station.snapshot).toMatchObject({ queue: { waiting: 0, isSending: false }, conflicts: [] });
    expect([...world.sold.values()].every(({ state }) => state === 'used')).toBe(true);
  });

  it('two devices that let the same admission in: the second to tell hears of it, until it is dismissed', async () => {
    const ticketId = world.sell(1);
    const code = world.codeOf(ticketId);
    const one = await open();
    const theirs = new IDBFactory();
    const two = await open({ factory: theirs, gate: 'South', device: 'Phone 2' });
    world.offline();
    expect(await scan(one, code)).toBe('admitted');
    world.now += 120_000;
    expect(await scan(two, code)).toBe('admitted');
    world.online();
    one.heardOnline(true);
    await until(() => one.snapshot.queue.waiting === 0);
    two.heardOnline(true);
    await until(() => two.snapshot.conflicts.length > 0);
    expect(one.snapshot.conflicts).toEqual([]);
    expect(two.snapshot.conflicts).toEqual([
      {
        scanId: expect.any(String),
        ticketId,
        matchNumber: MATCH,
        kind: 'twice',
        first: expect.objectContaining({ gate: 'North', at: new Date(START).toISOString() }),
        second: expect.objectContaining({ gate: 'South', at: new Date(START + 120_000).toISOString() }),
        noticedAt: expect.any(Number),
      },
    ]);
    two.stop();
    const again = await open({ factory: theirs }, false);
    const [conflict] = again.snapshot.conflicts;
    await again.dismiss(conflict!.scanId);
    expect(again.snapshot.conflicts).toEqual([]);
  });

  it('a conflict of any device that was looked into is shown so at once, and stays open when that fails', async () => {
    const second = { at: new Date(START).toISOString(), gate: 'South', device: 'Phone 2' };
    const conflict = { id: 'c1', ticketId: 't', matchNumber: MATCH, kind: 'twice' as const, second };
    const noticedAt = second.at;
    world.conflictsKept.push({ ...conflict, noticedAt }, { ...conflict, id: 'c2', noticedAt });
    const station = await open();
    await until(() => station.snapshot.allConflicts !== null);
    await station.resolve('c1', 'A screenshot.');
    const resolved = { at: new Date(world.now).toISOString(), by: 'sam', note: 'A screenshot.' };
    expect(station.snapshot.allConflicts).toMatchObject([{ id: 'c1', resolved }, { id: 'c2' }]);
    world.offline();
    await expect(station.resolve('c2', 'Nobody knows.')).rejects.toThrow();
    expect(station.snapshot.allConflicts?.[1]).not.toHaveProperty('resolved');
  });

  it('one that was let in and is refused now is told too', async () => {
    const ticketId = world.sell(1);
    const station = await open();
    world.offline();
    await station.scan(world.codeOf(ticketId));
    world.sold.get(ticketId)!.state = 'void';
    world.online();
    await world.advance(LONG_MS);
    await until(() => station.snapshot.queue.waiting === 0);
    expect(station.snapshot.conflicts).toMatchObject([{ kind: 'let_in_refused', reason: 'void', ticketId }]);
  });

  it('a scan that the server does not take stops no other, and stays', async () => {
    const codes = Array.from({ length: 7 }, (_, n) => world.codeOf(world.sell(n)));
    const station = await open();
    world.offline();
    for (const code of codes) await station.scan(code);
    const store = await GateStore.open();
    const [, , third] = await store.batch(100);
    await store.letIn(
      { ...third!, category: 1, number: 1, ticketId: ticketIdOf(99), scanId: 'x' },
      'REFUSED BY THE SCHEMA',
    );
    world.online();
    station.heardOnline(true);
    await until(() => station.snapshot.queue.stuck.length > 0 && !station.snapshot.queue.isSending);
    expect(station.snapshot.queue).toMatchObject({
      waiting: 0,
      stuck: [{ scanId: 'x', stuck: 'scans.0.code: no' }],
    });
    expect([...world.sold.values()].every(({ state }) => state === 'used')).toBe(true);
  });

  it('nothing is sent twice at once, and nothing is lost when the answer is', async () => {
    const ticketId = world.sell(1);
    const station = await open();
    world.offline();
    await station.scan(world.codeOf(ticketId));
    world.online();
    world.losesAnswers = true;
    station.heardOnline(true);
    station.wake();
    await settled();
    expect(world.batches).toHaveLength(1);
    expect(station.snapshot.queue.waiting).toBe(1);
    world.losesAnswers = false;
    await world.advance(LONG_MS);
    expect(station.snapshot).toMatchObject({ queue: { waiting: 0 }, conflicts: [] });
  });
});

describe('a log-in that ended', () => {
  it('is told, the list goes on deciding, and what was let in goes out after the next', async () => {
    const ticketId = world.sell(1);
    const station = await open();
    const ended = new ApiProblem('unauthorized', { status: 401 });
    world.trouble.set('checkIn', ended).set('sync', ended).set('counts', ended);
    expect(await station.scan(world.codeOf(ticketId))).toMatchObject({ kind: 'admitted', by: 'list' });
    await settled();
    expect(station.snapshot).toMatchObject({
      refused: 'log_in',
      link: { kind: 'online' },
      queue: { waiting: 1 },
    });
    world.online();
    station.wake();
    await settled();
    expect(station.snapshot).toMatchObject({ refused: null, queue: { waiting: 0 } });
    expect(world.sold.get(ticketId)?.state).toBe('used');
  });
});

describe('choosing a gate', () => {
  it('needs a list: what cannot be had or is not signed is said', async () => {
    const station = await open({}, false);
    expect(station.snapshot).toMatchObject({ phase: 'choosing', matches: [{ matchNumber: MATCH }, {}] });
    world.list = () => Promise.resolve(new Signer().jws(world.payload()));
    const post = { matchNumber: MATCH, gate: 'North' };
    await expect(station.choose(post, 'Phone 1')).rejects.toMatchObject({ kind: 'unknown_key' });
    expect(station.snapshot.phase).toBe('choosing');
    world.offline();
    world.list = () => Promise.reject(new ApiProblem('connection_lost'));
    await expect(station.choose(post, 'Phone 1')).rejects.toMatchObject({ code: 'connection_lost' });
  });

  it('works without a network for a match whose list is kept', async () => {
    world.sell(1);
    const before = await open();
    before.leave();
    world.offline();
    await before.choose({ matchNumber: MATCH, gate: 'West' }, 'Phone 1');
    expect(before.snapshot).toMatchObject({ phase: 'open', post: { gate: 'West' }, list: { size: 1 } });
  });

  it('is not possible where the browser keeps nothing', async () => {
    const station = await open(
      {
        factory: {
          open: () => {
            throw new DOMException('no', 'SecurityError');
          },
        } as unknown as IDBFactory,
      },
      false,
    );
    expect(station.snapshot.phase).toBe('broken');
  });
});
