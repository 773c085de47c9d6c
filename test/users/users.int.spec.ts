/** Accounts: registration, log-in, guessing, mailed tokens, second factor, operators. */
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { hash } from '@node-rs/argon2';
import type { Principal } from '../../src/users/principal.js';
import { Accounts, accountsErased, CLAIM_MS } from '../../src/users/accounts.js';
import { addressesOf, addressId, usersOf } from '../../src/users/records.js';
import { LOCKED_MS } from '../../src/users/second-factor.js';
import type { LogIn } from '../../src/users/users.js';
import { codeOf, logIn, PASSWORD, someone, someOperator, startUsers, type Bench } from './bench.js';

const MINUTE_MS = 60_000;
const EMAIL = 'fan@example.org';
const NEW_PASSWORD = 'quite another four words';
const FAN = { email: EMAIL, password: PASSWORD, name: 'A Fan' };

let bench: Bench;
beforeEach(async () => {
  bench = await startUsers();
});
afterEach(() => bench.stop());

const principalOf = async (of: LogIn): Promise<Principal> =>
  (await bench.access.tokens.verify(of.accessToken))!;
const tryLogIn = async (email: string, password: string, more: object = {}, by = bench): Promise<string> =>
  (await by.users.logIn({ email, password, ...more }, {})).kind;
/** What whoever asks sees, without what differs by its nature. */
async function fail(email: string, times: number): Promise<unknown[]> {
  const answers: unknown[] = [];
  for (let i = 0; i < times; i += 1)
    answers.push(await bench.users.logIn({ email, password: 'wrong wrong wrong' }, {}));
  return answers;
}

describe('registering', () => {
  it('of one address at once, in two processes, makes exactly one account', async () => {
    const other = await bench.another();
    const results = await Promise.all(
      [bench, other, bench, other, bench, other].map((by, i) =>
        by.users.register({ ...FAN, name: `Fan ${i}` }),
      ),
    );
    const made = results.filter(({ kind }) => kind === 'registered');
    expect(made).toHaveLength(1);
    expect(results.filter(({ kind }) => kind === 'address_taken')).toHaveLength(5);
    const { items } = await bench.users.accounts.list({ limit: 10 });
    expect(items).toHaveLength(1);
    const account = await bench.users.accounts.byEmail(EMAIL);
    expect(made).toMatchObject([{ account: { id: account!.id } }]);
  });

  it('after a process died in between frees the address after two minutes, and the dead one cannot come back', async () => {
    const addresses = addressesOf(bench.archive);
    await addresses.insert(addressId(EMAIL), {
      userId: 'u-dead',
      claimedAt: bench.clock.now(),
      mails: [],
      resets: [],
    });
    expect((await bench.users.register(FAN)).kind).toBe('address_taken');
    bench.clock.advance(CLAIM_MS);
    expect((await bench.users.register(FAN)).kind).toBe('registered');
    expect(await tryLogIn(EMAIL, PASSWORD)).toBe('logged_in');
  });

  it('that slept until its claim was taken over is undone', async () => {
    const insert = bench.archive.insertDocument.bind(bench.archive);
    const other = await bench.another();
    bench.archive.insertDocument = async (collection, document) => {
      if (collection === 'users') {
        bench.archive.insertDocument = insert;
        bench.clock.advance(CLAIM_MS);
        expect((await other.users.register(FAN)).kind).toBe('registered');
      }
      return insert(collection, document);
    };
    expect((await bench.users.register(FAN)).kind).toBe('address_taken');
    expect((await bench.users.accounts.list({ limit: 10 })).items).toHaveLength(1);
  });

  it('stores neither password nor, in what names the address, the address', async () => {
    await someone(bench, EMAIL);
    const { items } = await bench.users.accounts.list({ limit: 10 });
    expect(JSON.stringify(items)).not.toContain(PASSWORD);
    expect(addressId(EMAIL)).toMatch(/^[0-9a-f]{64}$/);
  });

  it('refuses weak passwords before anything is stored', async () => {
    expect((await bench.users.register({ ...FAN, password: 'password1234' })).kind).toBe('password_refused');
    expect(await bench.users.accounts.isTaken(EMAIL)).toBe(false);
  });
});

describe('guessing a password', () => {
  it('is stopped after five, for the right one too, and nobody else is', async () => {
    await someone(bench, EMAIL);
    await someone(bench, 'other@example.org');
    const answers = await fail(EMAIL, 6);
    expect(answers.slice(0, 5)).toEqual(Array(5).fill({ kind: 'wrong_credentials' }));
    expect(answers[5]).toEqual({ kind: 'wait', retryAfterMs: MINUTE_MS });
    expect(await tryLogIn(EMAIL, PASSWORD)).toBe('wait');
    expect(await tryLogIn('other@example.org', PASSWORD)).toBe('logged_in');
    expect(bench.audited).toMatchObject([{ action: 'user.login_delayed', details: { failures: 5 } }]);
    bench.clock.advance(MINUTE_MS);
    expect(await tryLogIn(EMAIL, PASSWORD)).toBe('logged_in');
    // The count starts over.
    expect(await fail(EMAIL, 4)).toEqual(Array(4).fill({ kind: 'wrong_credentials' }));
    expect(await tryLogIn(EMAIL, PASSWORD)).toBe('logged_in');
  });

  it('waits longer each time, an hour at most, never for good', async () => {
    await someone(bench, EMAIL);
    await fail(EMAIL, 5);
    for (const minutes of [1, 2, 4, 8, 16, 32, 60, 60]) {
      expect(await fail(EMAIL, 1)).toEqual([{ kind: 'wait', retryAfterMs: minutes * MINUTE_MS }]);
      bench.clock.advance(minutes * MINUTE_MS);
      expect(await fail(EMAIL, 1)).toEqual([{ kind: 'wrong_credentials' }]);
    }
    bench.clock.advance(60 * MINUTE_MS);
    expect(await tryLogIn(EMAIL, PASSWORD)).toBe('logged_in');
  });

  it('many at once, over two processes, gets no more than five tries', async () => {
    await someone(bench, EMAIL);
    const other = await bench.another();
    const compared: string[] = [];
    await Promise.all(
      Array.from({ length: 40 }, async (_, i) => {
        compared.push(await tryLogIn(EMAIL, `wrong wrong wrong ${i}`, {}, i % 2 === 0 ? bench : other));
      }),
    );
    expect(compared.filter((kind) => kind === 'wrong_credentials').length).toBeLessThanOrEqual(5);
    expect(compared.filter((kind) => kind === 'wait').length).toBeGreaterThanOrEqual(35);
  });

  it('goes for an address without account exactly as for one with', async () => {
    await someone(bench, EMAIL);
    expect(await fail('nobody@example.org', 7)).toEqual(await fail(EMAIL, 7));
    bench.clock.advance(MINUTE_MS);
    expect(await fail('nobody@example.org', 2)).toEqual(await fail(EMAIL, 2));
  });

  it('does the same reads, writes and hashing for an address without account', async () => {
    await someone(bench, EMAIL);
    const calls: string[] = [];
    const spied = [
      'document',
      'insertDocument',
      'replaceDocument',
      'removeDocument',
      'listDocuments',
    ] as const;
    for (const name of spied) {
      const original = bench.archive[name].bind(bench.archive) as (...args: unknown[]) => never;
      Object.assign(bench.archive, {
        [name]: (collection: string, ...args: unknown[]) => {
          calls.push(`${name} ${collection}`);
          return original(collection, ...args);
        },
      });
    }
    const callsOf = async (work: () => Promise<unknown>): Promise<string[]> => {
      calls.length = 0;
      await work();
      return [...calls];
    };
    const { users } = bench;
    const unknown = await callsOf(() => fail('nobody@example.org', 6));
    expect(unknown).toEqual(await callsOf(() => fail(EMAIL, 6)));
    expect(unknown).toContain('document users');
    // An address that was mailed before has its count replaced, not inserted: the registration mailed it.
    await users.requestPasswordReset('nobody3@example.org');
    expect(await callsOf(() => users.requestPasswordReset('nobody3@example.org'))).toEqual(
      await callsOf(() => users.requestPasswordReset(EMAIL)),
    );
  });

  it('does not make it easier that hashing is overloaded, nor costs the owner a try', async () => {
    const small = await bench.another({ users: { passwordLimits: { runningMax: 1, waitingMax: 0 } } });
    await someone(bench, EMAIL);
    // Of different accounts: attempts at one account are counted, and wait, before they are hashed.
    const emails = Array.from({ length: 8 }, (_, i) => `someone${i}@example.org`);
    const kinds = await Promise.all(emails.map((email) => tryLogIn(email, 'wrong wrong wrong', {}, small)));
    expect(kinds).toContain('overloaded');
    const given = emails[kinds.indexOf('overloaded')]!;
    for (let i = 0; i < 5; i += 1)
      expect(await tryLogIn(given, 'wrong wrong wrong')).toBe('wrong_credentials');
    expect(await tryLogIn(given, 'wrong wrong wrong')).toBe('wait');
  });
});

describe('a hash with parameters of the past', () => {
  it('is made anew at the next log-in', async () => {
    const { account } = await someone(bench, EMAIL);
    const passwordHash = await hash(PASSWORD, { memoryCost: 8_192, timeCost: 1, parallelism: 1 });
    await usersOf(bench.archive).update(account.id, (user) => ({ ...user, passwordHash }));
    expect(await tryLogIn(EMAIL, PASSWORD)).toBe('logged_in');
    expect((await bench.users.accounts.get(account.id))!.passwordHash).toMatch(/m=19456,t=2,p=1/);
    expect(await tryLogIn(EMAIL, PASSWORD)).toBe('logged_in');
  });
});

describe('changing the password', () => {
  it('needs the old one, ends every log-in, and answers a new one', async () => {
    const first = await someone(bench, EMAIL);
    const principal = await principalOf(first);
    const change = (password: string): Promise<{ kind: string }> =>
      bench.users.changePassword(principal, { password, newPassword: NEW_PASSWORD }, {});
    expect((await change('wrong wrong wrong')).kind).toBe('wrong_credentials');
    const elsewhere = await logIn(bench, EMAIL);
    const changed = await bench.users.changePassword(
      principal,
      { password: PASSWORD, newPassword: NEW_PASSWORD },
      {},
    );
    if (changed.kind !== 'logged_in') throw new Error(changed.kind);
    for (const ended of [first, elsewhere])
      expect((await bench.users.refresh(ended.refreshToken, {})).kind).toBe('not_logged_in');
    expect(await principalOf(changed)).toMatchObject({ email: EMAIL });
    expect(await tryLogIn(EMAIL, PASSWORD)).toBe('wrong_credentials');
    expect(await tryLogIn(EMAIL, NEW_PASSWORD)).toBe('logged_in');
    expect((await bench.mailsTo(EMAIL)).map(({ kind }) => kind)).toEqual(['confirm-email', 'notice']);
  });

  it('cannot be used to guess it', async () => {
    const principal = await principalOf(await someone(bench, EMAIL));
    const kinds: string[] = [];
    for (let i = 0; i < 6; i += 1) {
      const change = { password: `wrong wrong wrong ${i}`, newPassword: NEW_PASSWORD };
      kinds.push((await bench.users.changePassword(principal, change, {})).kind);
    }
    expect(kinds.at(-1)).toBe('wait');
  });
});

describe('a reset by mail', () => {
  it('works once, ends every log-in, and ends the delay of wrong passwords', async () => {
    const first = await someone(bench, EMAIL);
    await fail(EMAIL, 6);
    await bench.users.requestPasswordReset(EMAIL);
    const token = await bench.mailedToken(EMAIL, 'reset-password');
    expect((await bench.users.resetPassword(token, 'password1234', {})).kind).toBe('password_refused');
    expect((await bench.users.resetPassword(token, NEW_PASSWORD, {})).kind).toBe('done');
    expect((await bench.users.resetPassword(token, `${NEW_PASSWORD}!`, {})).kind).toBe('token_invalid');
    expect((await bench.users.refresh(first.refreshToken, {})).kind).toBe('not_logged_in');
    expect(await bench.access.tokens.verify(first.accessToken)).toBeNull();
    expect(await tryLogIn(EMAIL, NEW_PASSWORD)).toBe('logged_in');
    expect(await tryLogIn(EMAIL, PASSWORD)).toBe('wrong_credentials');
    // Whoever reads the mail has proved the address.
    expect((await bench.users.accountOf((await bench.users.accounts.byEmail(EMAIL))!)).emailConfirmed).toBe(
      true,
    );
  });

  it('used several times at once succeeds once', async () => {
    await someone(bench, EMAIL);
    await bench.users.requestPasswordReset(EMAIL);
    const token = await bench.mailedToken(EMAIL, 'reset-password');
    const other = await bench.another();
    const passwords = Array.from({ length: 6 }, (_, i) => `${NEW_PASSWORD} ${i}`);
    const kinds = await Promise.all(
      passwords.map(
        async (password, i) => (await (i % 2 ? other : bench).users.resetPassword(token, password, {})).kind,
      ),
    );
    expect(kinds.filter((kind) => kind === 'done')).toHaveLength(1);
    expect(await tryLogIn(EMAIL, passwords[kinds.indexOf('done')]!)).toBe('logged_in');
  });

  it('ends after an hour, and with every other change of the password', async () => {
    const first = await someone(bench, EMAIL);
    await bench.users.requestPasswordReset(EMAIL);
    const early = await bench.mailedToken(EMAIL, 'reset-password');
    bench.clock.advance(60 * MINUTE_MS);
    expect((await bench.users.resetPassword(early, NEW_PASSWORD, {})).kind).toBe('token_invalid');
    await bench.users.requestPasswordReset(EMAIL);
    const late = await bench.mailedToken(EMAIL, 'reset-password');
    const principal = { ...(await principalOf(await logIn(bench, EMAIL))), sessionId: first.account.id };
    await bench.users.changePassword(principal, { password: PASSWORD, newPassword: NEW_PASSWORD }, {});
    expect((await bench.users.resetPassword(late, PASSWORD, {})).kind).toBe('token_invalid');
  });

  it('mails nothing to an address without account, and its token is for nothing else', async () => {
    await bench.users.requestPasswordReset('nobody@example.org');
    expect(await bench.mailsTo('nobody@example.org')).toEqual([]);
    await someone(bench, EMAIL);
    const confirm = await bench.mailedToken(EMAIL, 'confirm-email');
    expect((await bench.users.resetPassword(confirm, NEW_PASSWORD, {})).kind).toBe('token_invalid');
  });

  it('by the owner of an address takes what a stranger left on the account they made with it', async () => {
    const stranger = await someone(bench, EMAIL);
    const principal = await principalOf(stranger);
    const enrolled = await bench.users.enrolSecondFactor(principal, PASSWORD, {});
    if (enrolled.kind !== 'enrolled') throw new Error(enrolled.kind);
    const kept = await bench.users.confirmSecondFactor(principal, codeOf(bench, enrolled.secret), {});
    if (kept.kind !== 'logged_in') throw new Error(kept.kind);
    await bench.users.requestPasswordReset(EMAIL);
    const token = await bench.mailedToken(EMAIL, 'reset-password');
    expect((await bench.users.resetPassword(token, NEW_PASSWORD, {})).kind).toBe('done');
    expect(await tryLogIn(EMAIL, NEW_PASSWORD)).toBe('logged_in');
    expect((await bench.users.refresh(kept.refreshToken, {})).kind).toBe('not_logged_in');
  });

  it('keeps the second factor of an operator, confirmed or not: the mailbox alone is not enough', async () => {
    const { account } = (await someOperator(bench)).logIn;
    expect(account.emailConfirmed).toBe(false);
    await bench.users.requestPasswordReset(account.email);
    const token = await bench.mailedToken(account.email, 'reset-password');
    expect((await bench.users.resetPassword(token, NEW_PASSWORD, {})).kind).toBe('done');
    expect(await tryLogIn(account.email, NEW_PASSWORD)).toBe('code_required');
  });

  it('keeps the second factor of an account whose address was confirmed', async () => {
    const first = await someone(bench, EMAIL);
    const principal = await principalOf(first);
    await bench.users.confirmEmail(await bench.mailedToken(EMAIL, 'confirm-email'), principal);
    const enrolled = await bench.users.enrolSecondFactor(principal, PASSWORD, {});
    if (enrolled.kind !== 'enrolled') throw new Error(enrolled.kind);
    await bench.users.confirmSecondFactor(principal, codeOf(bench, enrolled.secret), {});
    await bench.users.requestPasswordReset(EMAIL);
    await bench.users.resetPassword(await bench.mailedToken(EMAIL, 'reset-password'), NEW_PASSWORD, {});
    expect(await tryLogIn(EMAIL, NEW_PASSWORD)).toBe('code_required');
  });
});

describe('confirming an address', () => {
  it('of an account: once, for a day', async () => {
    const first = await someone(bench, EMAIL);
    expect(first.account.emailConfirmed).toBe(false);
    const token = await bench.mailedToken(EMAIL, 'confirm-email');
    bench.clock.advance(24 * 60 * MINUTE_MS - 1);
    const principal = await principalOf(await logIn(bench, EMAIL));
    expect(await bench.users.confirmEmail(token, principal)).toEqual({ kind: 'confirmed', email: EMAIL });
    expect((await bench.users.confirmEmail(token, principal)).kind).toBe('token_invalid');
    expect((await logIn(bench, EMAIL)).account.emailConfirmed).toBe(true);
    expect(await bench.users.isEmailConfirmed(EMAIL)).toBe(true);
    await bench.users.requestEmailProof('late@example.org');
    const late = await bench.mailedToken('late@example.org', 'confirm-email');
    bench.clock.advance(24 * 60 * MINUTE_MS);
    expect((await bench.users.confirmEmail(late)).kind).toBe('token_invalid');
  });

  it('of an account takes its log-in too: a click of whoever owns the mailbox is not enough', async () => {
    // Registered by somebody with the address of another.
    await someone(bench, EMAIL);
    const token = await bench.mailedToken(EMAIL, 'confirm-email');
    const other = await principalOf(await someone(bench, 'other@example.org'));
    for (const who of [null, other]) {
      expect((await bench.users.confirmEmail(token, who)).kind).toBe('not_logged_in');
    }
    expect(await bench.users.isEmailConfirmed(EMAIL)).toBe(false);
    expect((await logIn(bench, EMAIL)).account.emailConfirmed).toBe(false);
  });

  it('of a guest, for good; an account made with it later is not confirmed by that', async () => {
    await bench.users.requestEmailProof(EMAIL);
    expect(await bench.users.isEmailConfirmed(EMAIL)).toBe(false);
    await bench.users.confirmEmail(await bench.mailedToken(EMAIL, 'confirm-email'));
    bench.clock.advance(400 * 24 * 60 * MINUTE_MS);
    expect(await bench.users.isEmailConfirmed(EMAIL)).toBe(true);
    const stranger = await someone(bench, EMAIL);
    expect(stranger.account.emailConfirmed).toBe(false);
    // Nor by what a guest asks for once there is the account.
    await bench.users.requestEmailProof(EMAIL);
    await bench.users.confirmEmail(await bench.mailedToken(EMAIL, 'confirm-email'));
    expect((await logIn(bench, EMAIL)).account.emailConfirmed).toBe(false);
    await bench.users.requestEmailProof(EMAIL, await principalOf(stranger));
    await bench.users.confirmEmail(
      await bench.mailedToken(EMAIL, 'confirm-email'),
      await principalOf(stranger),
    );
    expect((await logIn(bench, EMAIL)).account.emailConfirmed).toBe(true);
  });

  it('nobody is flooded: five mails an hour, whoever asks for what', async () => {
    const other = await bench.another();
    await Promise.all(
      Array.from({ length: 12 }, (_, i) => (i % 2 ? other : bench).users.requestEmailProof(EMAIL)),
    );
    await bench.users.requestPasswordReset(EMAIL);
    const count = async (): Promise<number> =>
      (await bench.mailsTo(EMAIL)).length + (await other.mailsTo(EMAIL)).length;
    expect(await count()).toBe(5);
    bench.clock.advance(60 * MINUTE_MS);
    await bench.users.requestEmailProof(EMAIL);
    expect(await count()).toBe(6);
  });

  it('is asked for without waiting for the mail server, and a stop waits for the mails', async () => {
    let open = (): void => undefined;
    bench.mailer.gate = new Promise((resolve) => (open = resolve));
    await bench.users.requestEmailProof(EMAIL);
    expect(bench.mailer.mails).toEqual([]);
    const stopped = bench.users.stop();
    open();
    await stopped;
    expect(bench.mailer.mails).toHaveLength(1);
  });
});

describe('the second factor', () => {
  let principal: Principal;
  let secret: string;
  let recoveryCodes: readonly string[];
  let logIns: { before: LogIn; after: LogIn };
  beforeEach(async () => {
    const before = await someone(bench, EMAIL);
    principal = await principalOf(before);
    const enrolled = await bench.users.enrolSecondFactor(principal, PASSWORD, {});
    if (enrolled.kind !== 'enrolled') throw new Error(enrolled.kind);
    secret = enrolled.secret;
    const set = await bench.users.confirmSecondFactor(principal, codeOf(bench, secret), {});
    if (set.kind !== 'logged_in') throw new Error(set.kind);
    recoveryCodes = set.recoveryCodes;
    logIns = { before, after: set };
    bench.clock.advance(30_000);
  });

  it('is needed from then on; log-ins without it have ended', async () => {
    expect((await bench.users.refresh(logIns.before.refreshToken, {})).kind).toBe('not_logged_in');
    expect((await principalOf(logIns.after)).secondFactor).toBe(true);
    expect(await tryLogIn(EMAIL, PASSWORD)).toBe('code_required');
    expect(await tryLogIn(EMAIL, 'wrong wrong wrong', { totp: codeOf(bench, secret) })).toBe(
      'wrong_credentials',
    );
    expect(await tryLogIn(EMAIL, PASSWORD, { totp: codeOf(bench, secret) })).toBe('logged_in');
  });

  it('a code works once, also at once in two processes', async () => {
    const other = await bench.another();
    const totp = codeOf(bench, secret);
    const kinds = await Promise.all(
      [bench, other, bench, other].map((by) => tryLogIn(EMAIL, PASSWORD, { totp }, by)),
    );
    expect(kinds.filter((kind) => kind === 'logged_in')).toHaveLength(1);
    expect(await tryLogIn(EMAIL, PASSWORD, { totp })).toBe('code_wrong');
  });

  it('a recovery code works once', async () => {
    const recoveryCode = recoveryCodes[3];
    expect(await tryLogIn(EMAIL, PASSWORD, { recoveryCode })).toBe('logged_in');
    expect(await tryLogIn(EMAIL, PASSWORD, { recoveryCode })).toBe('code_wrong');
    expect(bench.audited.at(-1)).toMatchObject({ action: 'user.recovery_code_used', details: { left: 9 } });
  });

  it('is locked after five wrong codes, and only for a while', async () => {
    const right = codeOf(bench, secret);
    const totp = right === '000000' ? '000001' : '000000';
    for (let i = 0; i < 5; i += 1) expect(await tryLogIn(EMAIL, PASSWORD, { totp })).toBe('code_wrong');
    expect(await tryLogIn(EMAIL, PASSWORD, { totp: right })).toBe('wait');
    expect(bench.audited.at(-1)).toMatchObject({ action: 'user.second_factor_locked' });
    bench.clock.advance(LOCKED_MS);
    expect(await tryLogIn(EMAIL, PASSWORD, { totp: codeOf(bench, secret) })).toBe('logged_in');
  });

  it('cannot be replaced or removed with the password alone', async () => {
    const without = { ...principal, secondFactor: false };
    expect((await bench.users.enrolSecondFactor(without, PASSWORD, {})).kind).toBe('code_required');
    expect((await bench.users.removeSecondFactor(principal, { password: PASSWORD }, {})).kind).toBe(
      'code_required',
    );
    const proof = { password: PASSWORD, totp: codeOf(bench, secret) };
    expect((await bench.users.removeSecondFactor(principal, proof, {})).kind).toBe('logged_in');
    expect(await tryLogIn(EMAIL, PASSWORD)).toBe('logged_in');
  });

  it('is not in the store in the clear', async () => {
    const { items } = await bench.archive.listDocuments('users', 'all', { limit: 10 });
    const text = JSON.stringify(items);
    for (const hidden of [secret, ...recoveryCodes]) expect(text).not.toContain(hidden);
  });
});

describe('a deleted account', () => {
  it('is listed for the data lake first: when that fails nothing is erased', async () => {
    const listed: { readonly id: string; readonly email: string | null }[] = [];
    let isAway = true;
    const onErase = async ({ id, email }: { readonly id: string; readonly email: string | null }) => {
      if (isAway) throw new Error('away');
      listed.push({ id, email });
    };
    const accounts = new Accounts({ documents: bench.archive, clock: bench.clock, onErase });
    const made = await accounts.create({
      email: 'gone@example.org',
      name: '',
      passwordHash: 'none',
      roles: [],
    });
    await expect(accounts.seal(made!.id)).rejects.toThrow('away');
    expect((await accounts.get(made!.id))?.email).toBe('gone@example.org');
    isAway = false;
    await accounts.seal(made!.id);
    expect(listed).toEqual([{ id: made!.id, email: 'gone@example.org' }]);
    const erased: string[] = [];
    for await (const { id } of accountsErased(bench.archive)) erased.push(id);
    expect(erased).toEqual([made!.id]);
  });

  it('is erased but for its id; its log-ins end and its address is free', async () => {
    const first = await someone(bench, EMAIL);
    const principal = await principalOf(first);
    await bench.users.confirmEmail(await bench.mailedToken(EMAIL, 'confirm-email'), principal);
    expect((await bench.users.deleteAccount(principal, 'wrong wrong wrong', {})).kind).toBe(
      'wrong_credentials',
    );
    expect((await bench.users.deleteAccount(principal, PASSWORD, {})).kind).toBe('done');
    expect(await bench.users.accounts.get(first.account.id)).toEqual({
      id: first.account.id,
      email: null,
      name: '',
      passwordHash: null,
      roles: [],
      createdAt: expect.any(Number),
      authVersion: expect.any(Number),
      deletedAt: expect.any(Number),
    });
    expect((await bench.users.refresh(first.refreshToken, {})).kind).toBe('not_logged_in');
    expect(await tryLogIn(EMAIL, PASSWORD)).toBe('wrong_credentials');
    expect(await bench.users.isEmailConfirmed(EMAIL)).toBe(false);
    expect((await bench.users.register(FAN)).kind).toBe('registered');
  });
});

describe('operators', () => {
  it('the first is made once, by one of several processes, with a password that works', async () => {
    const processes = [bench, await bench.another(), await bench.another()];
    const email = 'operator@ticktak.example';
    const made = (
      await Promise.all(processes.map(({ operators }) => operators.ensureFirst({ email })))
    ).filter((answer) => answer !== null);
    expect(made).toHaveLength(1);
    expect(made[0]!.password).toMatch(/^[A-Za-z2-9]{24}$/);
    const first = await logIn(bench, email, made[0]!.password);
    expect(await principalOf(first)).toMatchObject({ roles: ['buyer', 'operator'], secondFactor: false });
    expect(await bench.operators.ensureFirst({ email })).toBeNull();
    expect(bench.logs.join()).not.toContain(made[0]!.password);
  });

  it('the first is not made out of an account of somebody', async () => {
    await someone(bench, EMAIL);
    await expect(bench.operators.ensureFirst({ email: EMAIL })).rejects.toThrow(/another address/);
    expect(await bench.users.accounts.byEmail(EMAIL)).toMatchObject({ roles: ['buyer'] });
  });

  it('grant, revoke and disable; each ends the log-ins, and is in the audit with who did it', async () => {
    const { logIn: operator } = await someOperator(bench);
    const acting = await principalOf(operator);
    const fan = await someone(bench, EMAIL);
    const change = (what: object): Promise<{ kind: string }> =>
      bench.operators.change(acting, fan.account.id, what, { address: '127.0.0.1' });
    expect(await change({ operator: true })).toMatchObject({
      kind: 'changed',
      account: { roles: ['buyer', 'operator'] },
    });
    expect((await bench.users.refresh(fan.refreshToken, {})).kind).toBe('not_logged_in');
    expect(bench.audited.at(-1)).toEqual({
      actor: `account:${acting.accountId}`,
      action: 'user.changed',
      subject: `account:${fan.account.id}`,
      address: '127.0.0.1',
      details: { operator: true },
    });
    expect(await change({ operator: false })).toMatchObject({ account: { roles: ['buyer'] } });
    const again = await logIn(bench, EMAIL);
    await change({ disabled: true });
    expect((await bench.users.refresh(again.refreshToken, {})).kind).toBe('not_logged_in');
    expect(await tryLogIn(EMAIL, PASSWORD)).toBe('wrong_credentials');
    await bench.users.requestPasswordReset(EMAIL);
    expect((await bench.mailsTo(EMAIL)).filter(({ kind }) => kind === 'reset-password')).toEqual([]);
    await change({ disabled: false });
    expect(await tryLogIn(EMAIL, PASSWORD)).toBe('logged_in');
  });

  it('the last cannot go, not even two at once', async () => {
    const { logIn: one } = await someOperator(bench);
    const acting = await principalOf(one);
    const fan = await someone(bench, EMAIL);
    const give = (by: Bench, id: string, what: object): Promise<{ kind: string }> =>
      by.operators.change(acting, id, what, {});
    expect((await give(bench, acting.accountId, { operator: false })).kind).toBe('last_operator');
    expect((await give(bench, acting.accountId, { disabled: true })).kind).toBe('last_operator');
    await give(bench, fan.account.id, { operator: true });
    const other = await bench.another();
    const kinds = await Promise.all([
      give(bench, acting.accountId, { operator: false }),
      give(other, fan.account.id, { disabled: true }),
    ]);
    expect(kinds.map(({ kind }) => kind).sort()).toEqual(['changed', 'last_operator']);
    expect(
      (await bench.users.accounts.operators({ limit: 10 })).items.filter((user) => !user.disabledAt),
    ).toHaveLength(1);
  });

  it('cannot delete themselves, nor drop their second factor where it is required', async () => {
    const { logIn: operator, password, secret } = await someOperator(bench);
    const acting = await principalOf(operator);
    expect((await bench.users.deleteAccount(acting, password, {})).kind).toBe('is_operator');
    bench.clock.advance(30_000);
    const proof = { password, totp: codeOf(bench, secret) };
    expect((await bench.users.removeSecondFactor(acting, proof, {})).kind).toBe('second_factor_kept');
  });
});
