import { describe, expect, it } from '@jest/globals';
import { ApiProblem } from '../src/api/problem';
import { memoryStorage, type KeyValues } from '../src/api/storage';
import { RoomKeeper } from '../src/waiting-room/kept';
import {
  isReached,
  isWorthSaying,
  minutesOf,
  pollMs,
  positionNow,
  retryMs,
  roomMs,
  waitSecondsNow,
} from '../src/waiting-room/schedule';
import type { NewRoomPlace, Room, RoomPlace } from '../src/waiting-room/types';
import { WaitingRoom, type Asked, type WaitingOptions } from '../src/waiting-room/waiting';

const OPEN: Room = { state: 'open', admitted: 100, perMinute: 60, waiting: 500 };
const WAITING: RoomPlace = {
  status: 'waiting',
  position: 50,
  estimatedWaitSeconds: 100,
  pollAfterSeconds: 20,
};
const NOON = Date.parse('2022-11-01T12:00:00Z');
const ADMITTED: RoomPlace = {
  status: 'admitted',
  position: null,
  estimatedWaitSeconds: null,
  pollAfterSeconds: 20,
  pass: 'pass-1',
  passExpiresAt: new Date(NOON + 600_000).toISOString(),
};

describe('when the server is asked', () => {
  it('is never before it said, and not by all at the same moment', () => {
    expect(pollMs({ pollAfterSeconds: 20 }, 0)).toBe(20_000);
    expect(pollMs({ pollAfterSeconds: 20 }, 1)).toBe(25_000);
    // What would be a storm, or for good, is not believed.
    expect(pollMs({ pollAfterSeconds: 0 }, 0)).toBe(1_000);
    expect(pollMs({ pollAfterSeconds: 1e9 }, 0)).toBe(300_000);
    expect(pollMs({ pollAfterSeconds: NaN }, 0)).toBe(300_000);
  });

  it('is later after each failure, and as late as it asked', () => {
    const waits = [1, 2, 3, 10].map((failures) => retryMs(failures, 0, 1));
    expect(waits).toEqual([2_000, 4_000, 8_000, 60_000]);
    expect(retryMs(1, 0, 0)).toBe(1_000);
    expect(retryMs(1, 30_000, 0)).toBe(30_000);
  });

  it('of what is the same for everybody depends on whether there is something to see', () => {
    expect([roomMs(OPEN, 0), roomMs({ ...OPEN, state: 'before' }, 0), roomMs(null, 0)]).toEqual([
      5_000, 15_000, 15_000,
    ]);
  });
});

describe('where somebody stands', () => {
  const told = { position: 50, admitted: 100 };

  it('moves on with those who were let in, and never says by itself that one is in', () => {
    expect(positionNow(told, null)).toBe(50);
    expect(positionNow(told, { ...OPEN, admitted: 130 })).toBe(20);
    expect(positionNow(told, { ...OPEN, admitted: 500 })).toBe(1);
    // An older answer of a cache does not send anybody back.
    expect(positionNow(told, { ...OPEN, admitted: 90 })).toBe(50);
    expect([149, 150].map((admitted) => isReached(told, { ...OPEN, admitted }))).toEqual([false, true]);
  });

  it('has a wait in step with it', () => {
    expect(waitSecondsNow(25, told, 100)).toBe(50);
    expect(waitSecondsNow(25, told, null)).toBeNull();
    expect([30, 61, 600, 601, 3_600, 3_601].map(minutesOf)).toEqual([1, 2, 10, 15, 60, 75]);
  });

  it('is read out at first, once a minute, more often near the end, and never twice', () => {
    const said = { position: 50, at: 0 };
    expect(isWorthSaying(null, 50, 0)).toBe(true);
    expect(isWorthSaying(said, 49, 59_999)).toBe(false);
    expect(isWorthSaying(said, 49, 60_000)).toBe(true);
    expect(isWorthSaying(said, 50, 600_000)).toBe(false);
    expect([14_999, 15_000].map((at) => isWorthSaying(said, 10, at))).toEqual([false, true]);
  });
});

/** Storage of a browser, whose tabs hear of each other. */
function browser(storage: KeyValues = memoryStorage()): { tab: () => RoomKeeper; storage: KeyValues } {
  const tabs: { changed: () => void }[] = [];
  return {
    storage,
    tab: () => {
      const own = { changed: (): void => undefined };
      const others = (): void => tabs.filter((one) => one !== own).forEach(({ changed }) => changed());
      tabs.push(own);
      return new RoomKeeper({
        storage: {
          get: storage.get,
          set: (key, value) => {
            storage.set(key, value);
            others();
          },
          remove: (key) => {
            storage.remove(key);
            others();
          },
        },
        onElsewhere: (_key, changed) => void (own.changed = changed),
      });
    },
  };
}

describe('what a browser keeps', () => {
  it('is one place for all its tabs, over reloads', () => {
    const { tab } = browser();
    const [one, two] = [tab(), tab()];
    let heard = 0;
    two.subscribe(() => (heard += 1));
    one.begin({ token: 't', email: 'fan@example.org' }, { place: WAITING, at: 5 });
    expect(heard).toBe(1);
    expect([two.place, two.seen]).toEqual([
      { token: 't', email: 'fan@example.org' },
      { place: WAITING, at: 5 },
    ]);
    expect(tab().place?.token).toBe('t');
    one.forget();
    expect([two.place, two.seen, heard]).toEqual([null, null, 2]);
  });

  it('has a pass until it ends, or the place does', () => {
    const keeper = browser().tab();
    keeper.begin({ token: 't' }, { place: WAITING, at: 0 });
    expect(keeper.passAt(NOON)).toBeNull();
    keeper.heard('t', { place: ADMITTED, at: 1 });
    expect(keeper.passAt(NOON)).toEqual({ pass: 'pass-1', endsAt: NOON + 600_000 });
    expect(keeper.passAt(NOON + 600_000)).toBeNull();
    // An answer that does not repeat it takes nothing away; one that ends the place does.
    const { pass: _, passExpiresAt: _ends, ...without } = ADMITTED;
    keeper.heard('t', { place: without, at: 2 });
    expect(keeper.passAt(NOON)?.pass).toBe('pass-1');
    keeper.heard('t', { place: { ...without, status: 'ended' }, at: 3 });
    expect(keeper.passAt(NOON)).toBeNull();
  });

  it('takes no answer about another place, and nothing that is not its own', () => {
    const { tab, storage } = browser();
    const keeper = tab();
    keeper.begin({ token: 'new' }, { place: WAITING, at: 0 });
    keeper.heard('old', { place: ADMITTED, at: 1 });
    expect([keeper.passAt(NOON), keeper.seen?.at]).toEqual([null, 0]);
    for (const text of ['{broken', '[]', '{"place":{"token":7},"seen":3,"pass":{"pass":"x"}}']) {
      storage.set('ticktak.room', text);
      expect([keeper.place, keeper.seen, keeper.passAt(NOON)]).toEqual([null, null, null]);
    }
  });
});

/** A tab with a clock of its own, timers that run when told, and a server that answers what is set. */
class Tab {
  ms = NOON;
  room: () => Promise<Room> = async () => OPEN;
  place: () => Promise<RoomPlace> = async () => WAITING;
  readonly asked: Asked[] = [];
  roomReads = 0;
  placeReads = 0;
  readonly waiting: WaitingRoom;
  readonly #timers = new Set<{ at: number; run: () => void }>();

  constructor(
    readonly keeper: RoomKeeper,
    options: Partial<WaitingOptions> = {},
  ) {
    this.waiting = new WaitingRoom({
      readRoom: () => {
        this.roomReads += 1;
        return this.room();
      },
      readPlace: () => {
        this.placeReads += 1;
        return this.place();
      },
      ask: async (asked) => {
        this.asked.push(asked);
        return { ...WAITING, token: 'token-1' } satisfies NewRoomPlace;
      },
      keeper,
      now: () => this.ms,
      serverNow: () => this.ms,
      random: () => 0,
      schedule: (ms, run) => {
        const timer = { at: this.ms + ms, run };
        this.#timers.add(timer);
        return () => this.#timers.delete(timer);
      },
      ...options,
    });
  }

  /** Lets time pass, and everything that is due then happen. */
  async pass(ms: number): Promise<void> {
    const end = this.ms + ms;
    await settled();
    for (;;) {
      const [next] = [...this.#timers].filter(({ at }) => at <= end).sort((a, b) => a.at - b.at);
      if (!next) break;
      this.#timers.delete(next);
      this.ms = Math.max(this.ms, next.at);
      next.run();
      await settled();
    }
    this.ms = end;
    await settled();
  }

  get kind(): string {
    return this.waiting.state.standing.kind;
  }
}

async function settled(): Promise<void> {
  for (let turn = 0; turn < 10; turn += 1) await Promise.resolve();
}

const away =
  (code: 'connection_lost' | 'unauthorized' = 'connection_lost') =>
  (): Promise<never> =>
    Promise.reject(new ApiProblem(code));

async function waitingTab(): Promise<Tab> {
  const tab = new Tab(browser().tab());
  tab.waiting.start();
  await tab.pass(0);
  await tab.waiting.ask('fan@example.org');
  await tab.pass(0);
  return tab;
}

describe('waiting', () => {
  it('begins with nothing, and says whether there is anything to wait for', async () => {
    const tab = new Tab(browser().tab());
    expect(tab.kind).toBe('loading');
    tab.waiting.start();
    await tab.pass(0);
    expect(tab.kind).toBe('none');
    tab.room = async () => ({ ...OPEN, state: 'off' });
    await tab.pass(5_000);
    expect(tab.kind).toBe('off');
    expect(tab.placeReads).toBe(0);
  });

  it('asks for the place as often as the server says, and moves on between', async () => {
    const tab = await waitingTab();
    expect(tab.waiting.state.standing).toEqual({ kind: 'waiting', position: 50, waitSeconds: 100 });
    expect(tab.asked).toEqual([{ email: 'fan@example.org' }]);
    tab.room = async () => ({ ...OPEN, admitted: 125 });
    await tab.pass(19_999);
    expect(tab.placeReads).toBe(0);
    expect(tab.waiting.state.standing).toEqual({ kind: 'waiting', position: 25, waitSeconds: 50 });
    await tab.pass(1);
    expect(tab.placeReads).toBe(1);
  });

  it('asks soon, once, when everybody before it seems to be in', async () => {
    const tab = await waitingTab();
    tab.room = async () => ({ ...OPEN, admitted: 150 });
    await tab.pass(10_000);
    expect(tab.placeReads).toBe(1);
    // It was not in yet: the room is told to have let in no more than before its answer.
    await tab.pass(9_000);
    expect(tab.placeReads).toBe(1);
  });

  it('has the pass when it is admitted, and asks again when the pass has ended', async () => {
    const tab = await waitingTab();
    tab.place = async () => ADMITTED;
    await tab.pass(20_000);
    expect(tab.waiting.state.standing).toEqual({ kind: 'admitted', endsAt: NOON + 600_000 });
    expect(tab.placeReads).toBe(1);
    tab.place = async () => ({ ...WAITING, status: 'ended', position: null });
    await tab.pass(570_000);
    expect(tab.placeReads).toBe(1);
    await tab.pass(15_000);
    expect([tab.placeReads, tab.kind]).toEqual([2, 'ended']);
    expect(tab.keeper.passAt(tab.ms)).toBeNull();
    // What is sold out may come back: then the place is what it was.
    tab.place = async () => WAITING;
    await tab.pass(20_000);
    expect([tab.placeReads, tab.kind]).toEqual([3, 'waiting']);
  });

  it('fetches the pass at once when it is admitted while it asks, and not again and again', async () => {
    const { pass: _, passExpiresAt: _ends, ...bare } = ADMITTED;
    const keeper = browser().tab();
    const tab = new Tab(keeper, { ask: async () => ({ ...bare, token: 'token-1' }) });
    tab.place = async () => bare;
    tab.waiting.start();
    await tab.pass(0);
    await tab.waiting.ask(undefined);
    await tab.pass(0);
    expect([tab.placeReads, tab.waiting.state.standing]).toEqual([1, { kind: 'admitted', endsAt: null }]);
    await tab.pass(19_999);
    expect(tab.placeReads).toBe(1);
    tab.place = async () => ADMITTED;
    await tab.pass(1);
    expect(tab.waiting.state.standing).toEqual({ kind: 'admitted', endsAt: NOON + 600_000 });
  });

  it('shows what was known last while no answer comes, says so, and asks more slowly', async () => {
    const tab = await waitingTab();
    tab.place = away();
    tab.room = away();
    await tab.pass(20_000);
    expect(tab.waiting.state).toMatchObject({
      isStale: true,
      heardAt: NOON,
      standing: { kind: 'waiting', position: 50 },
    });
    const before = tab.placeReads;
    await tab.pass(60_000);
    expect(tab.placeReads - before).toBeLessThan(8);
    tab.place = async () => ({ ...WAITING, position: 7 });
    tab.room = async () => OPEN;
    tab.waiting.wake();
    await tab.pass(0);
    expect(tab.waiting.state).toMatchObject({
      isStale: false,
      heardAt: tab.ms,
      standing: { kind: 'waiting', position: 7 },
    });
  });

  it('says at once that the browser has no network', async () => {
    const tab = await waitingTab();
    tab.waiting.offline();
    expect(tab.waiting.state).toMatchObject({ isStale: true, standing: { kind: 'waiting' } });
  });

  it('forgets a place that the server does not know', async () => {
    const tab = await waitingTab();
    tab.place = away('unauthorized');
    await tab.pass(20_000);
    expect([tab.kind, tab.keeper.place]).toEqual(['ended', null]);
    await tab.waiting.ask('fan@example.org');
    await tab.pass(0);
    expect(tab.kind).toBe('waiting');
  });

  it('goes on after a reload, and in another tab, without asking anew', async () => {
    const { tab: newKeeper } = browser();
    const first = new Tab(newKeeper());
    first.waiting.start();
    await first.pass(0);
    await first.waiting.ask('fan@example.org');
    await first.pass(5_000);
    const second = new Tab(newKeeper());
    second.ms = first.ms;
    second.waiting.start();
    await second.pass(14_999);
    expect([second.kind, second.placeReads]).toEqual(['waiting', 0]);
    // It asks when it is due; the first one hears of the answer and asks no more.
    second.place = async () => ({ ...WAITING, position: 30 });
    await second.pass(1);
    expect(second.placeReads).toBe(1);
    await first.pass(15_000);
    expect([first.placeReads, first.waiting.state.standing]).toEqual([
      0,
      { kind: 'waiting', position: 30, waitSeconds: 100 },
    ]);
    second.keeper.forget();
    await first.pass(0);
    expect(first.kind).toBe('none');
  });

  it('reads nothing for everybody while nobody looks, but asks for its place', async () => {
    const tab = await waitingTab();
    tab.waiting.visible(false);
    const { roomReads } = tab;
    await tab.pass(20_000);
    expect([tab.roomReads, tab.placeReads]).toEqual([roomReads, 1]);
    tab.waiting.visible(true);
    await tab.pass(0);
    expect(tab.roomReads).toBe(roomReads + 1);
  });

  it('reads out what is news, and not each step', async () => {
    const tab = await waitingTab();
    expect(tab.waiting.state.spoken).toMatchObject({ kind: 'waiting', position: 50 });
    tab.room = async () => ({ ...OPEN, admitted: 110 });
    await tab.pass(10_000);
    expect(tab.waiting.state).toMatchObject({ standing: { position: 40 }, spoken: { position: 50 } });
    tab.place = async () => ADMITTED;
    await tab.pass(10_000);
    expect(tab.waiting.state.spoken.kind).toBe('admitted');
  });

  it('ends with the page', async () => {
    const tab = await waitingTab();
    tab.waiting.stop();
    const reads = [tab.roomReads, tab.placeReads];
    await tab.pass(600_000);
    expect([tab.roomReads, tab.placeReads]).toEqual(reads);
  });
});
