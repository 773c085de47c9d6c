/** Access tokens: what is refused, and the keys behind them. */
import { createPublicKey, generateKeyPairSync } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import jwt from 'jsonwebtoken';
import { ArchiveUnavailableError } from '../../src/archive/port.js';
import { guestToken, reservationId } from '../../src/http/identity.js';
import type { Principal } from '../../src/users/principal.js';
import { PUBLISH_MS } from '../../src/users/signing-keys.js';
import { startUsers, someone, type Bench } from './bench.js';

const DAY_MS = 86_400_000;
let bench: Bench;
let token: string;
let principal: Principal;
beforeEach(async () => {
  bench = await startUsers();
  token = (await someone(bench, 'fan@example.org')).accessToken;
  principal = (await bench.access.tokens.verify(token))!;
});
afterEach(() => bench.stop());

const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url');
const decoded = (): { header: jwt.JwtHeader; payload: jwt.JwtPayload } =>
  jwt.decode(token, { complete: true }) as { header: jwt.JwtHeader; payload: jwt.JwtPayload };

async function publicPem(): Promise<string> {
  const [key] = (await bench.access.keys.jwks()).keys;
  return createPublicKey({ key: { ...key! }, format: 'jwk' })
    .export({ format: 'pem', type: 'spki' })
    .toString();
}

/** Signed by the true key, with other contents. */
async function signed(claims: object, header: object = {}): Promise<string> {
  const { kid, privateKey } = await bench.access.keys.signer();
  const all = { ...decoded().payload, ...claims };
  return jwt.sign(JSON.parse(JSON.stringify(all)) as object, privateKey, {
    algorithm: 'ES256',
    header: { alg: 'ES256', typ: 'at+jwt', kid, ...header },
  });
}

describe('a token of ours', () => {
  it('names who it was made for, again and again, in every process', async () => {
    expect(principal).toMatchObject({ email: 'fan@example.org', roles: ['buyer'], secondFactor: false });
    expect(await bench.access.tokens.verify(token)).toEqual(principal);
    const other = await bench.another();
    expect(await other.access.tokens.verify(token)).toEqual(principal);
  });

  it('the same contents signed anew are a token too: what the forgeries below lack is one thing each', async () => {
    expect(await bench.access.tokens.verify(await signed({}))).toEqual(principal);
  });

  it('ends after its life, remembered or not', async () => {
    const other = await bench.another();
    bench.clock.advance(599_000);
    expect(await bench.access.tokens.verify(token)).not.toBeNull();
    bench.clock.advance(1_000);
    expect(await bench.access.tokens.verify(token)).toBeNull();
    expect(await other.access.tokens.verify(token)).toBeNull();
  });
});

describe('forged tokens', () => {
  const refused = async (forged: string): Promise<void> => {
    expect(await bench.access.tokens.verify(forged)).toBeNull();
  };

  it('without a signature (alg none)', async () => {
    const { header, payload } = decoded();
    await refused(`${part({ ...header, alg: 'none' })}.${part(payload)}.`);
    await refused(`${part({ ...header, alg: 'none' })}.${part(payload)}.${token.split('.')[2]}`);
  });

  it('signed by HS256 with the public key as secret', async () => {
    const { header, payload } = decoded();
    const pem = await publicPem();
    const { createHmac } = await import('node:crypto');
    for (const alg of ['HS256', 'ES256']) {
      const content = `${part({ ...header, alg })}.${part(payload)}`;
      await refused(`${content}.${createHmac('sha256', pem).update(content).digest('base64url')}`);
    }
  });

  it('signed by another key under our kid, or a kid of their own', async () => {
    const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    const { header, payload } = decoded();
    for (const kid of [header.kid!, '2.AAAAAAAAAAAAAAAA', '../../etc/passwd', '']) {
      await refused(
        jwt.sign(payload, privateKey, { algorithm: 'ES256', header: { ...header, alg: 'ES256', kid } }),
      );
    }
  });

  it('with a key that brings itself (jwk, jku, x5u, crit)', async () => {
    const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    const jwk = publicKey.export({ format: 'jwk' });
    for (const extra of [{ jwk }, { jku: 'https://evil.example/jwks' }, { crit: ['exp'] }]) {
      await refused(await signed({}, extra));
      const header = { ...decoded().header, alg: 'ES256', ...extra };
      await refused(jwt.sign(decoded().payload, privateKey, { algorithm: 'ES256', header }));
    }
  });

  it.each([
    ['for another audience', { aud: 'someone-else' }],
    ['for no audience', { aud: undefined }],
    ['of another issuer', { iss: 'someone-else' }],
    ['that never ends', { exp: undefined }],
    ['that lives too long', { exp: Math.floor(Date.UTC(2022, 9, 2) / 1_000) }],
    ['that has ended', { iat: 1, exp: 2 }],
    ['of a role there is not', { roles: ['root'] }],
    ['without a log-in', { sid: undefined }],
  ])('%s', async (_what, claims) => refused(await signed(claims)));

  it.each([
    ['another kind of JWT', { typ: 'JWT' }],
    ['no kind', { typ: undefined }],
  ])('%s', async (_what, header) => refused(await signed({}, header)));

  it('altered anywhere', async () => {
    const [header = '', payload = '', signature = ''] = token.split('.');
    const claims = decoded().payload;
    await refused(`${header}.${part({ ...claims, roles: ['operator'], second_factor: true })}.${signature}`);
    const other = signature.startsWith('A') ? 'B' : 'A';
    await refused(`${header}.${payload}.${other}${signature.slice(1)}`);
    await refused(`${header}.${payload}.${signature.slice(0, 10)}`);
  });

  it.each([
    '',
    '.',
    '..',
    '...',
    'a.b.c',
    'x'.repeat(100_000),
    `${'x'.repeat(3_000)}.a.b`,
    'eyJ.eyJ.',
    '\0.\0.\0',
  ])('garbage %#', (garbage) => refused(garbage));

  it("a guest's reservation token is somebody else's business and costs no read", async () => {
    const id = reservationId({ matchNumber: 1, category: 1 }, 'x');
    await bench.archive.stop();
    const fresh = await bench.another();
    await fresh.archive.stop();
    expect(await fresh.access.tokens.verify(guestToken('secret', id))).toBeNull();
  });
});

describe('keys', () => {
  it('of processes that start at once make one, and all verify what any signs', async () => {
    const clean = await startUsers();
    const processes = [clean, await clean.another(), await clean.another()];
    const tokens = await Promise.all(processes.map(({ access }) => access.tokens.sign(principal)));
    for (const { access } of processes) {
      for (const made of tokens) expect(await access.tokens.verify(made.token)).toEqual(principal);
      expect((await access.keys.jwks()).keys).toHaveLength(1);
    }
    await clean.stop();
  });

  it('change: published before they sign, old tokens verify until they end, at the same time in two processes', async () => {
    const other = await bench.another();
    const both = [bench, other];
    const sign = (): Promise<string[]> =>
      Promise.all(both.map(async ({ access }) => (await access.tokens.sign(principal)).token));
    const kid = (made: string): string => jwt.decode(made, { complete: true })!.header.kid!;
    const [first] = await sign();
    bench.clock.advance(30 * DAY_MS);
    const old = await sign();
    expect(old.map(kid)).toEqual([kid(first!), kid(first!)]);
    // Both found the key old at once; one new key is published and does not sign yet.
    expect((await other.access.keys.jwks()).keys).toHaveLength(2);
    bench.clock.advance(PUBLISH_MS - 1);
    const last = await sign();
    expect(last.map(kid)).toEqual([kid(first!), kid(first!)]);
    bench.clock.advance(1);
    const next = await sign();
    expect(kid(next[0]!)).not.toBe(kid(first!));
    expect(kid(next[1]!)).toBe(kid(next[0]!));
    const verifies = async (made: string): Promise<boolean[]> =>
      Promise.all(both.map(async ({ access }) => (await access.tokens.verify(made)) !== null));
    expect(await verifies(last[0]!)).toEqual([true, true]);
    expect(await verifies(next[1]!)).toEqual([true, true]);
    // Past the last token's end the old key is gone from what is published.
    bench.clock.advance(DAY_MS);
    expect((await bench.access.keys.jwks()).keys.map((key) => key.kid)).toEqual([kid(next[0]!)]);
  });

  it('put into the store by somebody without the secret are not used', async () => {
    const thief = await bench.another({ access: { tokenSecret: 'another secret' } });
    const forged = await thief.access.tokens.sign({ ...principal, roles: ['operator'] });
    expect(await bench.access.tokens.verify(forged.token)).toBeNull();
    const fresh = await bench.another();
    expect(await fresh.access.tokens.verify(forged.token)).toBeNull();
    expect((await fresh.access.keys.jwks()).keys).toHaveLength(1);
  });

  it('that are unknown are not read for without end', async () => {
    const other = await bench.another();
    await other.access.keys.jwks();
    const list = other.archive.listDocuments.bind(other.archive);
    let reads = 0;
    other.archive.listDocuments = (...args) => {
      reads += 1;
      return list(...args);
    };
    for (let i = 1; i <= 100; i += 1) {
      const header = part({ alg: 'ES256', typ: 'at+jwt', kid: `${i}.AAAAAAAAAAAAAAAA` });
      expect(await other.access.tokens.verify(`${header}.${token.split('.').slice(1).join('.')}`)).toBeNull();
    }
    expect(reads).toBeGreaterThan(0);
    expect(reads).toBeLessThanOrEqual(10);
  });

  it('that cannot be read at all are told, not taken for a bad token; what is known goes on', async () => {
    const fresh = await bench.another();
    await fresh.archive.stop();
    await expect(fresh.access.tokens.verify(token)).rejects.toThrow(ArchiveUnavailableError);
    await bench.archive.stop();
    expect(await bench.access.tokens.verify(await signed({}))).toEqual(principal);
  });

  it('stand sealed in the store', async () => {
    const { items } = await bench.archive.listDocuments('signingKeys', 'all', { limit: 10 });
    expect(items).toHaveLength(1);
    expect(JSON.stringify(items)).not.toMatch(/PRIVATE|"d":/);
  });
});
