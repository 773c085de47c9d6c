/**
 * The code on a ticket, as a gate reads it without asking anybody:
 *
 *     T1.<RESERVATION>.<NUMBER>.<GENERATION>.<KEY>.<SIGNATURE>
 *
 * The signature (base32 without padding) is over `ticktak ticket ` and everything before the last dot. Of the texts
 * that could mean the same code one is valid.
 */
import { utf8, type Bytes, type TicketKeys } from './signature';

export interface TicketCode {
  /** As it is signed: without blanks, in capitals. */
  readonly text: string;
  /** `<reservation>.<number>`: what lists call the admission. */
  readonly ticketId: string;
  readonly matchNumber: number;
  readonly category: number;
  readonly number: number;
  readonly generation: number;
  readonly kid: string;
  readonly signature: Bytes;
}

/** Longer texts are not looked at. */
export const CODE_CHARS_MAX = 250;
const CONTEXT = 'ticktak ticket ';
const CODE =
  /^T1\.(M([1-9]\d{0,3})C([1-3])-[A-Z2-7]{26})\.([1-9]\d{0,3})\.(0|[1-9]\d{0,8})\.([A-Z2-7]{8})\.([A-Z2-7]{103})$/;

/** Null for what is no code of any marketplace like ours. Blanks and small letters come from typing and pasting. */
export function parseCode(entered: string): TicketCode | null {
  if (entered.length > 2 * CODE_CHARS_MAX) return null;
  const text = entered.replace(/\s+/g, '').toUpperCase();
  if (text.length > CODE_CHARS_MAX) return null;
  const [, reservation, matchNumber, category, number, generation, kid, encoded] = CODE.exec(text) ?? [];
  if (reservation === undefined || kid === undefined || encoded === undefined) return null;
  const signature = base32Bytes(encoded);
  if (!signature) return null;
  return {
    text,
    ticketId: `${reservation.toLowerCase()}.${number}`,
    matchNumber: Number(matchNumber),
    category: Number(category),
    number: Number(number),
    generation: Number(generation),
    kid,
    signature,
  };
}

/** `unknown_key`: signed with a key that is not among these; only who has newer ones can tell. */
export async function checkCode(
  code: TicketCode,
  keys: TicketKeys,
): Promise<'genuine' | 'forged' | 'unknown_key'> {
  if (!keys.has(code.kid)) return 'unknown_key';
  const content = code.text.slice(0, code.text.lastIndexOf('.'));
  return (await keys.verifies(code.kid, code.signature, utf8(CONTEXT + content))) ? 'genuine' : 'forged';
}

/** RFC 4648 section 6. */
const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567';

/** Null when bits to spare are not zero, which would make a second text of the same bytes. */
function base32Bytes(text: string): Bytes | null {
  const bytes = new Uint8Array(Math.floor((text.length * 5) / 8));
  let at = 0;
  let bits = 0;
  let value = 0;
  for (const character of text) {
    value = ((value << 5) | ALPHABET.indexOf(character)) & 0xfff;
    bits += 5;
    if (bits >= 8) {
      bits -= 8;
      bytes[at] = (value >> bits) & 255;
      at += 1;
    }
  }
  return (value & ((1 << bits) - 1)) === 0 ? bytes : null;
}
