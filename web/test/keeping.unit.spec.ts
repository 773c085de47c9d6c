import { describe, expect, it } from '@jest/globals';
import { ServerClock } from '../src/api/clock';
import { Intents } from '../src/api/intents';
import { ApiProblem } from '../src/api/problem';
import { ReservationTokens, TOKENS_MAX } from '../src/api/reservation-tokens';
import { Session, type SessionOptions } from '../src/api/session';
import { memoryStorage, safeStorage } from '../src/api/storage';
import type { Account, LogIn } from '../src/api/types';

describe('the key of an intent', () => {
  const make = (storage = memoryStorage(), now = () => 0): Intents => {
    let made = 0;
    return new Intents({ storage, now, newKey: () => `key-${(made += 1)}` });
  };

  it('stays over retries and reloads until the intent ends', () => {
    const storage = memoryStorage();
    const intents = make(storage);
    const key = intents.keyOf('hold', { quantity: 1 });
    expect(intents.keyOf('hold', { quantity: 1 })).toBe(key);
    expect(make(storage).keyOf('hold', { quantity: 1 })).toBe(key);
    expect(intents.isOpen('hold')).toBe(true);
    intents.end('hold');
    expect(intents.isOpen('hold')).toBe(false);
    expect(intents.keyOf('hold', { quantity: 1 })).not.toBe(key);
  });

  it('is another for another body, another intent, and after the server forgot', () => {
    let now = 0;
    const intents = make(memoryStorage(), () => now);
    const key = intents.keyOf('hold', { quantity: 1 });
    expect(intents.keyOf('pay', { quantity: 1 })).not.toBe(key);
    const other = intents.keyOf('hold', { quantity: 2 });
    expect(other).not.toBe(key);
    now = 24 * 60 * 60_000;
    expect(intents.keyOf('hold', { quantity: 2 })).not.toBe(other);
  });

  it('is made anew when what is stored is no intent', () => {
    const storage = memoryStorage();
    storage.set('ticktak.intent.hold', '{broken');
    expect(make(storage).keyOf('hold', {})).toBe('key-1');
  });
});

describe('tokens of reservations', () => {
  it('are kept, the newest as many as one request may present', () => {
    const tokens = new ReservationTokens(memoryStorage());
    for (let n = 1; n <= TOKENS_MAX + 2; n += 1) tokens.set(`r${n}`, `t${n}`);
    expect(tokens.all()).toHaveLength(TOKENS_MAX);
    const newest = `r${TOKENS_MAX + 2}`;
    expect([tokens.get(newest), tokens.get('r1')]).toEqual([`t${TOKENS_MAX + 2}`, undefined]);
    tokens.remove(newest);
    expect(tokens.get(newest)).toBeUndefined();
  });
});

describe('storage that is forbidden', () => {
  it('lasts as long as the page', () => {
    const storage = safeStorage(() => {
      throw new Error('forbidden');
    });
    storage.set('a', '1');
    expect(storage.get('a')).toBe('1');
    storage.remove('a');
    expect(storage.get('a')).toBeNull();
  });
});

describe("the server's clock", () => {
  it('narrows with every answer', () => {
    const clock = new ServerClock(() => 0);
    expect(clock.offsetMs).toBe(0);
    // The server is 2,300 ms ahead; the header cuts to whole seconds.
    for (const at of [1_000_000, 1_000_350, 1_000_690]) {
      const server = at + 20 + 2_300;
      clock.observe(new Date(server).toUTCString(), at, at + 40);
    }
    expect(Math.abs(clock.offsetMs - 2_300)).toBeLessThanOrEqual(clock.uncertaintyMs);
    expect(clock.uncertaintyMs).toBeLessThan(400);
  });

  it('believes the newest answer when one contradicts it, and no nonsense', () => {
    const clock = new ServerClock(() => 0);
    clock.observe(new Date(5_000).toUTCString(), 0, 10);
    clock.observe(new Date(90_000).toUTCString(), 0, 10);
    const before = clock.offsetMs;
    expect(before).toBeGreaterThan(89_000);
    clock.observe('yesterday', 0, 10);
    clock.observe(null, 0, 10);
    expect(clock.offsetMs).toBe(before);
  });
});

describe('a session', () => {
  const logIn = (accessToken: string, endsAt: number): LogIn => ({
    accessToken,
    expiresAt: new Date(endsAt).toISOString(),
    account: {
      id: 'a',
      email: 'fan@example.com',
      name: 'Fan',
      roles: [],
      emailConfirmed: true,
      secondFactor: false,
      createdAt: '',
    },
  });
  const make = (refresh: SessionOptions['refresh'], more: Partial<SessionOptions> = {}): Session =>
    new Session({
      clock: new ServerClock(() => 0),
      storage: memoryStorage(),
      refresh,
      exclusively: (run) => run(),
      channel: null,
      ...more,
    });

  it('asks nothing for those who never logged in', async () => {
    const session = make(() => Promise.reject(new Error('asked')));
    expect(await session.accessToken()).toBeNull();
    expect(session.state.kind).toBe('guest');
  });

  it('asks once for many who need a token', async () => {
    let asked = 0;
    const storage = memoryStorage();
    storage.set('ticktak.session', '1');
    const refresh = async (): Promise<LogIn> => {
      asked += 1;
      return logIn('fresh', 600_000);
    };
    const session = make(refresh, { storage });
    expect(await Promise.all([session.accessToken(), session.accessToken()])).toEqual(['fresh', 'fresh']);
    expect(asked).toBe(1);
  });

  it('takes the token another tab got while it waited', async () => {
    let hear: (message: unknown) => void = () => undefined;
    const session = make(() => Promise.reject(new Error('asked')), {
      channel: { post: () => undefined, listen: (listener) => void (hear = listener) },
      exclusively: (run) => {
        hear({ kind: 'logged_in', logIn: logIn('theirs', 600_000) });
        return run();
      },
    });
    session.logged(logIn('old', 1_000));
    expect(await session.accessToken()).toBe('theirs');
  });

  it('ends everywhere when the server no longer knows it', async () => {
    const posted: unknown[] = [];
    const session = make(() => Promise.reject(new ApiProblem('unauthorized')), {
      channel: { post: (message) => void posted.push(message), listen: () => undefined },
    });
    session.logged(logIn('old', 1_000));
    expect(await session.accessToken()).toBeNull();
    expect([session.state.kind, posted.at(-1)]).toEqual(['guest', { kind: 'logged_out' }]);
  });

  it('remembers over reloads that it was an operator who was here last', () => {
    const storage = memoryStorage();
    const refresh = (): Promise<LogIn> => Promise.reject(new Error('asked'));
    const as = (...roles: Account['roles']): boolean => {
      const given = logIn('token', 600_000);
      make(refresh, { storage }).logged({ ...given, account: { ...given.account, roles } });
      return make(refresh, { storage }).wasOperator;
    };
    expect(make(refresh, { storage }).wasOperator).toBe(false);
    expect([as('operator'), as(), as('steward', 'operator'), as('steward')]).toEqual([
      true,
      false,
      true,
      false,
    ]);
    const session = make(refresh, { storage });
    as('operator');
    session.loggedOut();
    expect(session.wasOperator).toBe(false);
  });

  it('stays when the server cannot be asked', async () => {
    const session = make(() => Promise.reject(new ApiProblem('connection_lost')));
    session.logged(logIn('old', 1_000));
    expect(await session.accessToken()).toBe('old');
    expect(session.state.kind).toBe('account');
  });
});
