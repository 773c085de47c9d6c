/** Numbers, money and times as the language writes them. */

export interface Formatters {
  readonly number: (value: number) => string;
  /** `amount` in whole units; cents are shown only where there are any. `currency`: ISO 4217, any case. */
  readonly money: (amount: number, currency: string) => string;
  /** `2022-11-20` in words. */
  readonly day: (at: number | string, timeZone?: string) => string;
  readonly dayShort: (at: number | string, timeZone?: string) => string;
  readonly month: (at: number | string, timeZone?: string) => string;
  readonly time: (at: number | string, timeZone?: string) => string;
  /** Day and time, short. */
  readonly moment: (at: number | string, timeZone?: string) => string;
  /** With seconds, of this machine. */
  readonly clock: (at: number) => string;
  readonly weekday: (at: number | string, timeZone?: string) => string;
  /** One letter, for narrow screens. */
  readonly weekdayNarrow: (at: number | string, timeZone?: string) => string;
}

const cache = new Map<string, Formatters>();

export function formattersOf(locale: string): Formatters {
  const known = cache.get(locale);
  if (known) return known;
  const made = make(locale);
  cache.set(locale, made);
  return made;
}

function make(locale: string): Formatters {
  const numbers = new Intl.NumberFormat(locale);
  const dates =
    (options: Intl.DateTimeFormatOptions) =>
    (at: number | string, timeZone?: string): string =>
      dateFormat(locale, { ...options, ...(timeZone !== undefined && { timeZone }) }).format(new Date(at));
  return {
    number: (value) => numbers.format(value),
    money: (amount, currency) =>
      moneyFormat(locale, currency.toUpperCase(), Number.isInteger(amount))
        .format(amount)
        // Marks of direction, which have no effect where the text is isolated, and a wrong one elsewhere.
        .replace(/[\u200e\u200f\u061c]/g, ''),
    day: dates({ weekday: 'long', day: 'numeric', month: 'long', year: 'numeric' }),
    dayShort: dates({ weekday: 'short', day: 'numeric', month: 'short' }),
    month: dates({ month: 'long', year: 'numeric' }),
    time: dates({ hour: '2-digit', minute: '2-digit', hourCycle: 'h23' }),
    moment: dates({
      weekday: 'short',
      day: 'numeric',
      month: 'short',
      hour: '2-digit',
      minute: '2-digit',
      hourCycle: 'h23',
    }),
    clock: dates({ hour: '2-digit', minute: '2-digit', second: '2-digit', hourCycle: 'h23' }),
    weekday: dates({ weekday: 'short' }),
    weekdayNarrow: dates({ weekday: 'narrow' }),
  };
}

const formats = new Map<string, Intl.DateTimeFormat | Intl.NumberFormat>();

function dateFormat(locale: string, options: Intl.DateTimeFormatOptions): Intl.DateTimeFormat {
  return remembered(`${locale} ${JSON.stringify(options)}`, () => new Intl.DateTimeFormat(locale, options));
}

function moneyFormat(locale: string, currency: string, isWhole: boolean): Intl.NumberFormat {
  return remembered(
    `${locale} ${currency} ${isWhole}`,
    () =>
      new Intl.NumberFormat(locale, {
        style: 'currency',
        currency,
        currencyDisplay: 'narrowSymbol',
        ...(isWhole && { maximumFractionDigits: 0 }),
      }),
  );
}

function remembered<T extends Intl.DateTimeFormat | Intl.NumberFormat>(key: string, make: () => T): T {
  const known = formats.get(key);
  // A key names one kind of format only.
  if (known) return known as T;
  const made = make();
  formats.set(key, made);
  return made;
}

/** The calendar day (`YYYY-MM-DD`) of a moment somewhere. */
export function dayOf(at: number | string, timeZone: string): string {
  const parts = dateFormat('en-CA', {
    timeZone,
    year: 'numeric',
    month: '2-digit',
    day: '2-digit',
  }).formatToParts(new Date(at));
  const part = (type: string): string => parts.find((one) => one.type === type)?.value ?? '';
  return `${part('year')}-${part('month')}-${part('day')}`;
}

/** How far a zone is from UTC at a moment, minutes: two zones with the same are one to a reader. */
export function zoneOffsetMinutes(at: number | string, timeZone?: string): number {
  const moment = new Date(at);
  if (timeZone === undefined) return -moment.getTimezoneOffset();
  const parts = dateFormat('en-CA', {
    timeZone,
    year: 'numeric',
    month: 'numeric',
    day: 'numeric',
    hour: 'numeric',
    minute: 'numeric',
    hourCycle: 'h23',
  }).formatToParts(moment);
  const part = (type: string): number => Number(parts.find((one) => one.type === type)?.value ?? 0);
  const wall = Date.UTC(part('year'), part('month') - 1, part('day'), part('hour'), part('minute'));
  return Math.round((wall - Math.floor(moment.getTime() / 60_000) * 60_000) / 60_000);
}
