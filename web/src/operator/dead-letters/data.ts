/** Dead letters: reading them, sending one through again, and how a raw message is shown. */
import { api } from '../../api';
import type { Question } from '../data';

export interface DeadLetter {
  readonly id: string;
  readonly source: string;
  readonly reason: string;
  readonly receivedAt: string;
  readonly redrivenAt?: string;
  readonly headers: Readonly<Record<string, string>>;
  /** Of the whole message. */
  readonly rawBytes: number;
  /** The first 16 KiB; absent when they are no UTF-8. */
  readonly text?: string;
  /** The first 16 KiB. */
  readonly rawBase64: string;
}

export interface DeadLetterPage {
  readonly letters: readonly DeadLetter[];
  readonly next?: string;
}

/** What became of a letter that was sent through again. */
export interface Redrive {
  readonly result: 'redriven' | 'repeated' | 'refused';
  readonly reason?: string;
}

const LETTERS_PER_PAGE = 25;
export const LETTERS_EVERY_MS = 30_000;

export const LETTERS = '/operations/dead-letters';
export const letters: Question = { path: LETTERS, query: { limit: LETTERS_PER_PAGE } };

/** Each re-drive takes effect once, so that one whose answer was lost may be asked for again. */
export const redrive = (id: string): Promise<Redrive> =>
  api.send({ method: 'POST', path: `${LETTERS}/${encodeURIComponent(id)}/redrives`, body: {} });

export const VIEWS = ['text', 'hex', 'base64'] as const;
export type RawView = (typeof VIEWS)[number];

/** The views there are: a message that is no text has none as text. */
export const viewsOf = ({ text }: DeadLetter): readonly RawView[] =>
  text === undefined ? VIEWS.filter((view) => view !== 'text') : VIEWS;

/** What stands on the screen, and what is copied. */
export function shownAs(letter: DeadLetter, view: RawView): string {
  switch (view) {
    case 'text':
      return visible(letter.text ?? '');
    case 'hex':
      return hexDump(bytesOf(letter.rawBase64));
    case 'base64':
      return letter.rawBase64;
  }
}

/** How many bytes there are besides those that were sent. */
export const bytesLeftOut = ({ rawBytes, rawBase64 }: DeadLetter): number =>
  Math.max(0, rawBytes - bytesOf(rawBase64).length);

export function bytesOf(base64: string): Uint8Array {
  try {
    return Uint8Array.from(atob(base64), (char) => char.charCodeAt(0));
  } catch {
    return new Uint8Array();
  }
}

/** Line breaks and tabs do what they say; nothing else that is invisible may play tricks on who reads. */
const INVISIBLE = /(?![\n\r\t])[\p{Cc}\p{Cf}]/gu;

function visible(text: string): string {
  return text.replace(INVISIBLE, (char) => `\\u{${(char.codePointAt(0) ?? 0).toString(16)}}`);
}

const BYTES_PER_LINE = 16;

/** As `hexdump -C` writes it: where, what, and the same as ASCII. */
export function hexDump(bytes: Uint8Array): string {
  const lines: string[] = [];
  for (let at = 0; at < bytes.length; at += BYTES_PER_LINE) {
    const line = Array.from(bytes.subarray(at, at + BYTES_PER_LINE));
    const hex = line.map((byte) => byte.toString(16).padStart(2, '0')).join(' ');
    const ascii = line
      .map((byte) => (byte >= 0x20 && byte < 0x7f ? String.fromCharCode(byte) : '.'))
      .join('');
    lines.push(`${at.toString(16).padStart(8, '0')}  ${hex.padEnd(BYTES_PER_LINE * 3 - 1)}  ${ascii}`);
  }
  return lines.join('\n');
}
