/**
 * Who a person is, as far as an e-mail address can tell. Ways to write one mailbox many times (letter case, a
 * tag after `+`, dots at Gmail, the two spellings of an international domain) do not make several persons.
 */
import { createHmac } from 'node:crypto';
import { domainToASCII } from 'node:url';

const GMAIL = new Set(['gmail.com', 'googlemail.com']);
const KEY_CHARS = 32;

/** An account id, which has no @, stays as it is. */
export function personOf(text: string): string {
  const plain = text.trim().normalize('NFKC');
  const at = plain.lastIndexOf('@');
  if (at < 1) return plain;
  const written = plain.slice(at + 1).replace(/\.$/, '');
  const domain = (domainToASCII(written) || written).toLowerCase();
  const whole = plain.slice(0, at).toLowerCase();
  const tag = whole.indexOf('+');
  const untagged = tag > 0 ? whole.slice(0, tag) : whole;
  if (!GMAIL.has(domain)) return `${untagged}@${domain}`;
  return `${untagged.replaceAll('.', '') || untagged}@gmail.com`;
}

/** Stands for a person, an address, a card or a device where names may not be kept: in keys of Redis. */
export function pseudonym(secret: string, kind: string, name: string): string {
  return createHmac('sha256', secret).update(`${kind}:${name}`).digest('hex').slice(0, KEY_CHARS);
}
