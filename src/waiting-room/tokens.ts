/**
 * What people carry of the waiting room: the token of a place, and the pass of one that was let in.
 *
 * Guarantees: neither can be made or altered without the installation's secret, nor one be used as the other; both
 * stand for one person, and say nothing of who that is; every character of them counts. Nothing is looked up to read
 * them.
 */
import { timingSafeEqual } from 'node:crypto';
import type { Sealer } from '../users/sealing.js';

export interface Place {
  readonly round: number;
  readonly number: number;
  /** Stands for the person. */
  readonly person: string;
}

export interface Pass extends Place {
  /** Epoch milliseconds. */
  readonly endsAt: number;
}

const VERSION = 1;
const WORD_BYTES = 4;
const PERSON_BYTES = 12;
const TIME_BYTES = 6;
/** 120 bits. With the rest a multiple of three bytes, so that no bit of the last character is spare. */
const MAC_BYTES = 15;
const PLACE_BYTES = 1 + 2 * WORD_BYTES + PERSON_BYTES;
const PASS_BYTES = PLACE_BYTES + TIME_BYTES;

const charsOf = (bytes: number): number => ((bytes + MAC_BYTES) * 4) / 3;
export const PLACE_CHARS = charsOf(PLACE_BYTES);
export const PASS_CHARS = charsOf(PASS_BYTES);
/** Longer ones are not looked at. */
export const TOKEN_CHARS_MAX = 100;

type Mac = (text: string) => Buffer;

export class RoomTokens {
  readonly #ofPlace: Mac;
  readonly #ofPass: Mac;
  readonly #ofPerson: Mac;

  /** `sealer`: over the secret that all processes share. */
  constructor(sealer: Pick<Sealer, 'keyed'>) {
    this.#ofPlace = sealer.keyed('waiting room: place');
    this.#ofPass = sealer.keyed('waiting room: pass');
    this.#ofPerson = sealer.keyed('waiting room: person');
  }

  /** What stands for a person here; nobody without the secret finds out whom it stands for. */
  personOf(name: string): string {
    return this.#ofPerson(name).subarray(0, PERSON_BYTES).toString('base64url');
  }

  place(place: Place): string {
    return signed(placeBytes(place), this.#ofPlace);
  }

  /** Null for anything that is no token of ours. */
  readPlace(token: string): Place | null {
    const bytes = opened(token, PLACE_BYTES, this.#ofPlace);
    return bytes && placeOf(bytes);
  }

  pass({ endsAt, ...place }: Pass): string {
    const bytes = Buffer.alloc(PASS_BYTES);
    placeBytes(place).copy(bytes);
    bytes.writeUIntBE(endsAt, PLACE_BYTES, TIME_BYTES);
    return signed(bytes, this.#ofPass);
  }

  /** Null for anything that is no pass of ours; whether its time is over is for who asks. */
  readPass(pass: string): Pass | null {
    const bytes = opened(pass, PASS_BYTES, this.#ofPass);
    return bytes && { ...placeOf(bytes), endsAt: bytes.readUIntBE(PLACE_BYTES, TIME_BYTES) };
  }
}

function placeBytes({ round, number, person }: Place): Buffer {
  const bytes = Buffer.alloc(PLACE_BYTES);
  bytes.writeUInt8(VERSION, 0);
  bytes.writeUInt32BE(round, 1);
  bytes.writeUInt32BE(number, 1 + WORD_BYTES);
  Buffer.from(person, 'base64url').copy(bytes, 1 + 2 * WORD_BYTES, 0, PERSON_BYTES);
  return bytes;
}

function placeOf(bytes: Buffer): Place {
  const person = bytes.subarray(1 + 2 * WORD_BYTES, PLACE_BYTES).toString('base64url');
  return { round: bytes.readUInt32BE(1), number: bytes.readUInt32BE(1 + WORD_BYTES), person };
}

const macOf = (bytes: Buffer, mac: Mac): Buffer => mac(bytes.toString('base64url')).subarray(0, MAC_BYTES);

const signed = (bytes: Buffer, mac: Mac): string =>
  Buffer.concat([bytes, macOf(bytes, mac)]).toString('base64url');

const TOKEN = /^[\w-]+$/;

/** Compares in a time that does not tell how much of it is right. */
function opened(token: string, bytes: number, mac: Mac): Buffer | null {
  if (token.length !== charsOf(bytes) || !TOKEN.test(token)) return null;
  const all = Buffer.from(token, 'base64url');
  if (all.length !== bytes + MAC_BYTES) return null;
  const content = all.subarray(0, bytes);
  if (!timingSafeEqual(macOf(content, mac), all.subarray(bytes))) return null;
  return content[0] === VERSION ? content : null;
}
