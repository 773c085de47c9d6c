/** Codes and lists as the marketplace signs them, and everything that only looks like one. */
import { webcrypto } from 'node:crypto';
import { describe, expect, it } from '@jest/globals';
import { checkCode, parseCode, type TicketCode } from '../../src/check-in/code';
import { isOld, ListFault, readList } from '../../src/check-in/list';
import { base64UrlBytes, findVerify, TicketKeys } from '../../src/check-in/signature';
import { MATCH, Signer, START, ticketIdOf, World } from './world';

/** Made by the service (src/tickets/codes.ts). */
const KEY = { kid: 'ATPAVU52', x: '161E1M-RBk0-kbo0evjnoWw4ESwaEdGQ3Ai85ZKSU6A' };
const CODE =
  'T1.M12C3-4J3ZIHHBRVWACCDUVQY2M6PSTA.2.1.ATPAVU52.BN2RBPNTV4V2QSI57MTTUNRAGPM66JCU2CJGPG77HGZBDLQWRXPAW2V5GASZ53FARJDHACSS5TIOXAPX5RXTTI224DXBIVHDONSAYAY';

/** WebCrypto of a browser that has no Ed25519. */
const withoutEd25519 = {
  importKey: () => Promise.reject(new DOMException('no such algorithm', 'NotSupportedError')),
} as unknown as SubtleCrypto;

const WAYS = {
  'the browser': () => findVerify(webcrypto.subtle as SubtleCrypto),
  'the package': () => findVerify(withoutEd25519),
};

const parsed = (text: string): TicketCode => {
  const code = parseCode(text);
  if (!code) throw new Error('no code');
  return code;
};

describe.each(Object.entries(WAYS))('checked by %s', (_name, find) => {
  it('a code of the service is genuine, and says what it is', async () => {
    const keys = new TicketKeys([KEY], await find());
    expect(parseCode(CODE)).toMatchObject({
      ticketId: 'm12c3-4j3zihhbrvwaccduvqy2m6psta.2',
      matchNumber: 12,
      category: 3,
      number: 2,
      generation: 1,
    });
    expect(await checkCode(parsed(CODE), keys)).toBe('genuine');
  });

  it('no other text is: each part, one character changed', async () => {
    const keys = new TicketKeys([KEY], await find());
    const others = [
      CODE.replace('M12C3', 'M13C3'),
      CODE.replace('M12C3', 'M12C2'),
      CODE.replace('-4J3Z', '-5J3Z'),
      CODE.replace('.2.1.', '.1.1.'),
      CODE.replace('.2.1.', '.2.0.'),
      CODE.replace('.BN2R', '.CN2R'),
    ];
    for (const other of others)
      expect([other, await checkCode(parsed(other), keys)]).toEqual([other, 'forged']);
  });

  it('a code of another key is not told to be forged, unless the key is there', async () => {
    const signer = new Signer();
    const code = parsed(signer.code(ticketIdOf(1)));
    const verify = await find();
    expect(await checkCode(code, new TicketKeys([KEY], verify))).toBe('unknown_key');
    expect(await checkCode(code, new TicketKeys([KEY, signer.key], verify))).toBe('genuine');
    const wrong = { ...signer.key, x: KEY.x };
    expect(await checkCode(code, new TicketKeys([wrong], verify))).toBe('forged');
  });

  it('a list is read, and not when a character of it is another', async () => {
    const world = new World();
    const ticketId = world.sell(1);
    const keys = new TicketKeys([world.signer.key], await find());
    const jws = await world.list(MATCH);
    const list = await readList(jws, keys, MATCH);
    expect([...list.admissions]).toEqual([
      [ticketId, { category: 1, generation: 0, state: 'valid', usedAt: null }],
    ]);
    const [header = '', payload = '', signature = ''] = jws.split('.');
    const forged = Buffer.from(JSON.stringify({ ...world.payload(), admissions: [] })).toString('base64url');
    await expect(readList(`${header}.${forged}.${signature}`, keys, MATCH)).rejects.toMatchObject({
      kind: 'forged',
    });
    await expect(readList(`${header}.${payload}.AAAA`, keys, MATCH)).rejects.toMatchObject({
      kind: 'forged',
    });
  });
});

describe('a text', () => {
  it.each([
    ['with blanks and line breaks', ` ${CODE.slice(0, 40)}\n${CODE.slice(40)} `],
    ['in small letters', CODE.toLowerCase()],
  ])('%s is the same code', (_name, text) => expect(parseCode(text)?.text).toBe(CODE));

  it.each([
    ['empty', ''],
    ['an address', 'https://tickets.example/x'],
    ['of another version', CODE.replace('T1.', 'T2.')],
    ['with a leading zero', CODE.replace('.2.1.', '.02.1.')],
    ['number 0', CODE.replace('.2.1.', '.0.1.')],
    ['a category that is none', CODE.replace('M12C3', 'M12C4')],
    ['too short', CODE.slice(0, -1)],
    ['too long', `${CODE}A`],
    ['endless', 'A'.repeat(1_000_000)],
    // The last of 103 characters has three bits that stand for nothing.
    ['with bits to spare', `${CODE.slice(0, -1)}Z`],
  ])('%s is none', (_name, text) => expect(parseCode(text)).toBeNull());
});

describe('a list', () => {
  const world = new World();
  const refused = async (jws: string): Promise<unknown> => {
    const keys = new TicketKeys([world.signer.key], await findVerify(webcrypto.subtle as SubtleCrypto));
    return readList(jws, keys, MATCH).catch((error: unknown) =>
      error instanceof ListFault ? error.kind : error,
    );
  };

  it.each([
    ['of another match', world.signer.jws(world.payload(MATCH + 1)), 'other_match'],
    ['of a key that is not there', new Signer().jws(world.payload()), 'unknown_key'],
    ['without a signature', world.signer.jws(world.payload(), { alg: 'none' }), 'malformed'],
    ['of a symmetric key', world.signer.jws(world.payload(), { alg: 'HS256' }), 'malformed'],
    ['of another kind', world.signer.jws(world.payload(), { typ: 'JWT' }), 'malformed'],
    ['with extensions', world.signer.jws(world.payload(), { crit: ['b64'], b64: false }), 'malformed'],
    ['of another version', world.signer.jws({ ...world.payload(), v: 2 }), 'malformed'],
    [
      'with a row of too little',
      world.signer.jws({ ...world.payload(), admissions: [['a', 1]] }),
      'malformed',
    ],
    ['that is no JWS', 'abc', 'malformed'],
    ['with a fourth part', `${world.signer.jws(world.payload())}.e30`, 'malformed'],
  ])('%s is refused', async (_name, jws, kind) => expect(await refused(jws)).toBe(kind));

  it('is old after a day, and after its own end', () => {
    const list = { matchNumber: MATCH, issuedAt: START, expiresAt: START + 3_600_000, admissions: new Map() };
    const day = 24 * 60 * 60_000;
    expect(isOld(list, START + 3_600_000)).toBe(false);
    expect(isOld(list, START + 3_600_001)).toBe(true);
    const longer = { ...list, expiresAt: START + 7 * day };
    expect([isOld(longer, START + day), isOld(longer, START + day + 1)]).toEqual([false, true]);
  });
});

describe('base64url', () => {
  it('is read strictly', () => {
    expect(base64UrlBytes('AQID')).toEqual(new Uint8Array([1, 2, 3]));
    expect(base64UrlBytes('-_8')).toEqual(new Uint8Array([251, 255]));
    for (const text of ['AQ==', 'A', 'A+/A', 'a b']) expect(base64UrlBytes(text)).toBeNull();
  });
});
