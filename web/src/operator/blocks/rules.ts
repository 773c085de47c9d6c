/** What can be said of a block before it is sent; the server decides. */

export const ADDRESS_CHARS_MAX = 100;
export const REASON_CHARS_MAX = 500;

export const LASTING = ['hour', 'day', 'week', 'month', 'always'] as const;
export type Lasting = (typeof LASTING)[number];

/** Null: until somebody ends it. */
export const LASTING_SECONDS: Readonly<Record<Lasting, number | null>> = {
  hour: 3_600,
  day: 86_400,
  week: 7 * 86_400,
  month: 30 * 86_400,
  always: null,
};

/** Roughly an IPv4 or IPv6 address, or a range of them. */
export function isAddress(text: string): boolean {
  const [address = '', bits, ...more] = text.trim().split('/');
  if (more.length > 0 || (bits !== undefined && !/^\d{1,3}$/.test(bits))) return false;
  return /^(\d{1,3}\.){3}\d{1,3}$/.test(address) || (address.includes(':') && /^[\da-f:.]+$/i.test(address));
}
