/**
 * A marketplace with real keys, codes and lists, as far as a gate sees it: it admits each ticket once, knows a scan by
 * its id, and answers when and as the test says. Time stands still until a test moves it.
 */
import { createHash, generateKeyPairSync, sign, webcrypto, type KeyObject } from 'node:crypto';
import { ApiProblem } from '../../src/api/problem';
import type {
  CheckInAnswer,
  Conflict,
  Counts,
  GateMatch,
  LetIn,
  ListedState,
  Remote,
  SyncResult,
  SyncScan,
} from '../../src/check-in/remote';
import type { TicketKey } from '../../src/check-in/signature';

export const START = Date.parse('2022-11-22T14:00:00Z');
export const MATCH = 12;

const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567';

export function base32(bytes: Uint8Array): string {
  let bits = '';
  for (const byte of bytes) bits += byte.toString(2).padStart(8, '0');
  return (bits.match(/.{1,5}/g) ?? [])
    .map((five) => ALPHABET.charAt(parseInt(five.padEnd(5, '0'), 2)))
    .join('');
}

export class Signer {
  readonly #privateKey: KeyObject;
  readonly key: TicketKey;

  constructor() {
    const { privateKey, publicKey } = generateKeyPairSync('ed25519');
    this.#privateKey = privateKey;
    const { x = '' } = publicKey.export({ format: 'jwk' });
    const kid = base32(createHash('sha256').update(x).digest()).slice(0, 8);
    this.key = { kid, x };
  }

  /** `ticketId`: `<reservation>.<number>`. */
  code(ticketId: string, generation = 0): string {
    const [reservation = '', number = ''] = ticketId.split('.');
    const content = `T1.${reservation.toUpperCase()}.${number}.${generation}.${this.key.kid}`;
    return `${content}.${base32(this.bytes(`ticktak ticket ${content}`))}`;
  }

  bytes(text: string): Buffer {
    return sign(null, Buffer.from(text), this.#privateKey);
  }

  jws(payload: unknown, header: Readonly<Record<string, unknown>> = {}): string {
    const part = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url');
    const content = `${part({ alg: 'EdDSA', kid: this.key.kid, typ: 'ticktak-check-in-list', ...header })}.${part(payload)}`;
    return `${content}.${this.bytes(content).toString('base64url')}`;
  }
}

/** The n-th ticket of a match. */
export const ticketIdOf = (n: number, matchNumber = MATCH, category = 1): string =>
  `m${matchNumber}c${category}-${base32(createHash('sha256').update(String(n)).digest())
    .slice(0, 26)
    .toLowerCase()}.1`;

interface Sold {
  generation: number;
  state: ListedState;
  first?: LetIn & { readonly scanId: string };
}

type Call = 'matches' | 'keys' | 'list' | 'checkIn' | 'sync' | 'conflicts' | 'resolve' | 'counts';

export class World implements Remote {
  now = START;
  readonly signer = new Signer();
  readonly sold = new Map<string, Sold>();
  readonly conflictsKept: Conflict[] = [];
  /** What each call does instead of answering: throws, or never ends. */
  readonly trouble = new Map<Call, 'no network' | 'silence' | ApiProblem>();
  /** The server does it, and its answer does not arrive. */
  losesAnswers = false;
  readonly calls: Call[] = [];
  readonly batches: (readonly SyncScan[])[] = [];
  #timers: { at: number; run: () => void }[] = [];
  #ids = 0;

  sell(n: number, matchNumber = MATCH): string {
    const ticketId = ticketIdOf(n, matchNumber);
    this.sold.set(ticketId, { generation: 0, state: 'valid' });
    return ticketId;
  }

  codeOf(ticketId: string): string {
    return this.signer.code(ticketId, this.sold.get(ticketId)?.generation ?? 0);
  }

  offline(): void {
    for (const call of CALLS) this.trouble.set(call, 'no network');
  }

  online(): void {
    this.trouble.clear();
  }

  readonly newId = (): string => {
    this.#ids += 1;
    return `00000000-0000-4000-8000-${String(this.#ids).padStart(12, '0')}`;
  };

  readonly schedule = (ms: number, run: () => void): (() => void) => {
    const timer = { at: this.now + ms, run };
    this.#timers.push(timer);
    return () => {
      this.#timers = this.#timers.filter((one) => one !== timer);
    };
  };

  /** Time passes, and what was due happens. */
  async advance(ms: number): Promise<void> {
    this.now += ms;
    const due = this.#timers.filter(({ at }) => at <= this.now);
    this.#timers = this.#timers.filter(({ at }) => at > this.now);
    for (const { run } of due) run();
    await settled();
  }

  async matches(): Promise<readonly GateMatch[]> {
    await this.#ask('matches');
    return [MATCH, MATCH + 1].map(matchOf);
  }

  async keys(): Promise<readonly TicketKey[]> {
    await this.#ask('keys');
    return [this.signer.key];
  }

  async list(matchNumber: number): Promise<string> {
    await this.#ask('list');
    return this.signer.jws(this.payload(matchNumber));
  }

  payload(matchNumber = MATCH): Readonly<Record<string, unknown>> {
    const issuedAt = this.now / 1_000;
    const admissions = [...this.sold]
      .filter(([ticketId]) => ticketId.startsWith(`m${matchNumber}c`))
      .map(([ticketId, { generation, state, first }]) => [
        ticketId,
        1,
        generation,
        state,
        first ? Date.parse(first.at) / 1_000 : null,
      ]);
    return { v: 1, matchNumber, issuedAt, expiresAt: issuedAt + 7 * 24 * 60 * 60, admissions };
  }

  async checkIn(scan: Parameters<Remote['checkIn']>[0]): Promise<CheckInAnswer> {
    await this.#ask('checkIn');
    const { scanId, code, gate, device, scannedAt } = scan;
    const { result, ...rest } = this.#admit({ scanId, code, at: scannedAt, gate, device });
    if (this.losesAnswers) return never();
    return { result: result === 'conflict' ? 'repeated' : result, ...rest };
  }

  async sync(batch: Parameters<Remote['sync']>[0]): Promise<readonly SyncResult[]> {
    this.batches.push(batch.scans);
    await this.#ask('sync');
    const { device, gate } = batch;
    if (batch.scans.some(({ code }) => code.includes('REFUSED BY THE SCHEMA'))) {
      throw new ApiProblem('validation_failed', { status: 422, detail: 'scans.0.code: no' });
    }
    const results = batch.scans.map(({ scanId, code, scannedAt }) => ({
      scanId,
      ...this.#admit({ scanId, code, at: scannedAt, gate, device }),
    }));
    if (this.losesAnswers) throw new ApiProblem('timed_out');
    return results;
  }

  async conflicts(): Promise<readonly Conflict[]> {
    await this.#ask('conflicts');
    return this.conflictsKept;
  }

  async resolve(id: string, note: string): Promise<Conflict> {
    await this.#ask('resolve');
    const index = this.conflictsKept.findIndex((one) => one.id === id);
    const found = this.conflictsKept[index]!;
    const at = new Date(this.now).toISOString();
    return (this.conflictsKept[index] = { ...found, resolved: { at, by: 'sam', note } });
  }

  async counts(matchNumber: number): Promise<Counts> {
    await this.#ask('counts');
    const admitted = [...this.sold.values()].filter(({ first }) => first).length;
    return { matchNumber, sold: this.sold.size, admitted, byCategory: [], conflicts: 0 };
  }

  #admit(scan: LetIn & { readonly scanId: string; readonly code: string }): Omit<SyncResult, 'scanId'> {
    const [, reservation = '', number = '', generation] = scan.code.split('.');
    const sold = this.sold.get(`${reservation.toLowerCase()}.${number}`);
    if (!sold) return { result: 'refused', reason: 'forged' };
    if (sold.state === 'void') return { result: 'refused', reason: 'void' };
    if (Number(generation) !== sold.generation) return { result: 'refused', reason: 'replaced' };
    const { scanId, at, gate, device } = scan;
    if (sold.first && sold.first.scanId !== scanId) {
      const first = { at: sold.first.at, gate: sold.first.gate, device: sold.first.device };
      return { result: first.device === device ? 'repeated' : 'conflict', first };
    }
    sold.first = { scanId, at, gate, device };
    sold.state = 'used';
    return { result: 'admitted' };
  }

  async #ask(call: Call): Promise<void> {
    this.calls.push(call);
    const trouble = this.trouble.get(call);
    if (trouble === 'no network') throw new ApiProblem('connection_lost');
    if (trouble === 'silence') await never();
    if (trouble instanceof ApiProblem) throw trouble;
  }
}

const CALLS: readonly Call[] = [
  'matches',
  'keys',
  'list',
  'checkIn',
  'sync',
  'conflicts',
  'resolve',
  'counts',
];

const never = <T>(): Promise<T> => new Promise<T>(() => undefined);

const matchOf = (matchNumber: number): GateMatch => ({
  matchNumber,
  homeTeam: 'Argentina',
  awayTeam: 'Saudi Arabia',
  dateUtc: '2022-11-22T10:00:00Z',
  location: 'Lusail Stadium',
});

let signaturesAtWork = 0;

/** The browser's cryptography. It works on threads of its own, for as long as those of a busy machine take. */
export const subtle = new Proxy(webcrypto.subtle, {
  get(target, name) {
    const member: unknown = Reflect.get(target, name, target);
    if (typeof member !== 'function') return member;
    return async (...args: unknown[]): Promise<unknown> => {
      signaturesAtWork += 1;
      try {
        return (await Reflect.apply(member, target, args)) as unknown;
      } finally {
        signaturesAtWork -= 1;
      }
    };
  },
}) as SubtleCrypto;

const QUIET_TURNS = 60;

/** Storage answers in turns of its own, and cryptography when it has done its work. */
export async function settled(): Promise<void> {
  for (let turn = 0; turn < QUIET_TURNS; turn += 1) {
    await new Promise((resolve) => setImmediate(resolve));
    if (signaturesAtWork > 0) turn = 0;
  }
}

const UNTIL_MS_MAX = 8_000;

/** Waits until it is so. */
export async function until(isSo: () => boolean): Promise<void> {
  const endsAt = performance.now() + UNTIL_MS_MAX;
  while (!isSo()) {
    if (performance.now() > endsAt) throw new Error(`not in time: ${isSo.toString()}`);
    await settled();
  }
}
