/** Log-ins: refresh tokens that work once, theft that is found, ends that hold. */
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { LIVE_MS_MAX, REPEAT_MS } from '../../src/users/sessions.js';
import type { LogIn } from '../../src/users/users.js';
import { logIn, someone, someOperator, startUsers, type Bench } from './bench.js';

const DAY_MS = 86_400_000;
let bench: Bench;
let first: LogIn;
beforeEach(async () => {
  bench = await startUsers();
  first = await someone(bench, 'fan@example.org');
});
afterEach(() => bench.stop());

async function refreshed(token: string, by: Bench = bench): Promise<LogIn> {
  const result = await by.users.refresh(token, {});
  if (result.kind !== 'logged_in') throw new Error(`the refresh answered ${result.kind}`);
  return result;
}
const kindOf = async (token: string, by: Bench = bench): Promise<string> =>
  (await by.users.refresh(token, {})).kind;
const isIn = async (logIn: LogIn, by: Bench = bench): Promise<boolean> =>
  (await by.access.tokens.verify(logIn.accessToken)) !== null;

describe('refreshing', () => {
  it('answers a new pair; the store never holds a token', async () => {
    const second = await refreshed(first.refreshToken);
    expect(second.refreshToken).not.toBe(first.refreshToken);
    expect(await isIn(second)).toBe(true);
    const { items } = await bench.archive.listDocuments('sessions', 'user', { limit: 10 });
    const stored = JSON.stringify(items);
    for (const token of [first, second]) {
      expect(stored).not.toContain(token.refreshToken);
      expect(stored).not.toContain(token.refreshToken.split('.')[2]);
    }
  });

  it('repeated within 10 seconds, at once, or by another process answers the same token', async () => {
    const other = await bench.another();
    const all = await Promise.all(
      [bench, other, bench, other, bench].map((by) => refreshed(first.refreshToken, by)),
    );
    expect(new Set(all.map(({ refreshToken }) => refreshToken)).size).toBe(1);
    bench.clock.advance(REPEAT_MS);
    expect((await refreshed(first.refreshToken)).refreshToken).toBe(all[0]!.refreshToken);
    expect(await kindOf(all[0]!.refreshToken)).toBe('logged_in');
    expect(bench.audited).toEqual([]);
  });

  it('with the previous token after that time ends the session, for the newest token too', async () => {
    const second = await refreshed(first.refreshToken);
    bench.clock.advance(REPEAT_MS + 1);
    expect(await kindOf(first.refreshToken)).toBe('not_logged_in');
    expect(await kindOf(second.refreshToken)).toBe('not_logged_in');
    expect(await isIn(second)).toBe(false);
    expect(bench.audited).toMatchObject([
      { actor: 'anonymous', action: 'user.refresh_reused', subject: `account:${first.account.id}` },
    ]);
  });

  it('with any older token ends the session at once', async () => {
    const second = await refreshed(first.refreshToken);
    let newest = second;
    for (let i = 0; i < 30; i += 1) newest = await refreshed(newest.refreshToken);
    expect(await kindOf(first.refreshToken)).toBe('not_logged_in');
    expect(bench.audited).toHaveLength(1);
    expect(await kindOf(newest.refreshToken)).toBe('not_logged_in');
    // Once it is ended there is nothing more to tell.
    expect(bench.audited).toHaveLength(1);
  });

  it('leaves the other log-ins of the account alone when one was stolen', async () => {
    const elsewhere = await logIn(bench, 'fan@example.org');
    await refreshed(first.refreshToken);
    bench.clock.advance(REPEAT_MS + 1);
    expect(await kindOf(first.refreshToken)).toBe('not_logged_in');
    expect(await kindOf(elsewhere.refreshToken)).toBe('logged_in');
  });

  it('with made-up tokens of a session ends nothing', async () => {
    const second = await refreshed(first.refreshToken);
    const [session, , secret, mark] = first.refreshToken.split('.');
    const [, , , newMark] = second.refreshToken.split('.');
    for (const forged of [
      `${session}.1.${'A'.repeat(43)}.${mark}`,
      `${session}.1.${secret}.${newMark}`,
      `${session}.2.${secret}.${mark}`,
      `${session}.0.${secret}.${mark}`,
      `${session}.99.${secret}.${mark}`,
      `${first.refreshToken}x`,
      first.refreshToken.slice(0, -1),
      '',
      'x'.repeat(1_000),
    ]) {
      expect(await kindOf(forged)).toBe('not_logged_in');
    }
    expect(await kindOf(second.refreshToken)).toBe('logged_in');
  });

  it('takes an access token for nothing, and the other way round', async () => {
    expect(await kindOf(first.accessToken)).toBe('not_logged_in');
    expect(await bench.access.tokens.verify(first.refreshToken)).toBeNull();
  });
});

describe('a log-in ends', () => {
  it('after 30 days without use', async () => {
    bench.clock.advance(30 * DAY_MS - 1);
    const second = await refreshed(first.refreshToken);
    bench.clock.advance(30 * DAY_MS);
    expect(await kindOf(second.refreshToken)).toBe('not_logged_in');
  });

  it('after 90 days, however much it is used', async () => {
    let newest = first;
    for (let day = 0; day < 89; day += 29) {
      newest = await refreshed(newest.refreshToken);
      bench.clock.advance(Math.min(29, 89 - day) * DAY_MS);
    }
    newest = await refreshed(newest.refreshToken);
    bench.clock.advance(DAY_MS);
    expect(await kindOf(newest.refreshToken)).toBe('not_logged_in');
  });

  it('of an operator after 12 hours', async () => {
    const { logIn: operator } = await someOperator(bench);
    bench.clock.advance(DAY_MS / 2 - 1);
    const second = await refreshed(operator.refreshToken);
    bench.clock.advance(1);
    expect(await kindOf(second.refreshToken)).toBe('not_logged_in');
  });

  it('at log-out: the refresh token at once, the access token here at once', async () => {
    const principal = (await bench.access.tokens.verify(first.accessToken))!;
    await bench.users.logOut(principal.sessionId);
    expect(await isIn(first)).toBe(false);
    expect(await kindOf(first.refreshToken)).toBe('not_logged_in');
  });

  it('everywhere: all of the account, none of another', async () => {
    const second = await logIn(bench, 'fan@example.org');
    const other = await someone(bench, 'other@example.org');
    await bench.users.logOutAll(first.account.id);
    for (const ended of [first, second]) {
      expect(await isIn(ended)).toBe(false);
      expect(await kindOf(ended.refreshToken)).toBe('not_logged_in');
    }
    expect(await isIn(other)).toBe(true);
    expect(await kindOf(other.refreshToken)).toBe('logged_in');
  });

  it('of an operator, in other processes too within seconds; of a buyer there with its access token', async () => {
    const other = await bench.another();
    const { logIn: operator } = await someOperator(bench);
    expect(await isIn(operator, other)).toBe(true);
    expect(await isIn(first, other)).toBe(true);
    await bench.users.logOutAll(operator.account.id);
    await bench.users.logOutAll(first.account.id);
    bench.clock.advance(LIVE_MS_MAX);
    expect(await isIn(operator, other)).toBe(false);
    bench.clock.advance(600_000);
    expect(await isIn(first, other)).toBe(false);
  });

  it('when there are more than 20: the oldest', async () => {
    const logIns = [first];
    for (let i = 0; i < 20; i += 1) {
      bench.clock.advance(1_000);
      logIns.push(await logIn(bench, 'fan@example.org'));
    }
    expect(await kindOf(logIns[0]!.refreshToken)).toBe('not_logged_in');
    expect(await kindOf(logIns[1]!.refreshToken)).toBe('logged_in');
    expect(await kindOf(logIns[20]!.refreshToken)).toBe('logged_in');
  });

  it('once it is void, although its process died before it tidied up', async () => {
    const { id } = first.account;
    await bench.users.accounts.update(id, (user) => ({ ...user, authVersion: user.authVersion + 1 }));
    expect(await kindOf(first.refreshToken)).toBe('not_logged_in');
  });

  it('although a refresh of it is on its way', async () => {
    const attempts = [bench.users.refresh(first.refreshToken, {}), bench.users.logOutAll(first.account.id)];
    const [answer] = await Promise.all(attempts);
    const newest = answer && 'refreshToken' in answer ? answer.refreshToken : first.refreshToken;
    expect(await kindOf(newest)).toBe('not_logged_in');
  });
});
