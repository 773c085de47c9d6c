/** Numbers, money and times of the operators' tables, as the language writes them. */
import { useMemo } from 'react';
import type { Formatters } from '../i18n/format';
import { LANGUAGES, type LanguageCode } from '../i18n/languages';
import { useLocale } from '../i18n/locale';

export interface Figures extends Formatters {
  /** In the smallest unit of the currency: cents. All of a column with as many digits. */
  readonly minor: (amountMinor: number, currency: string) => string;
  /** 0 to 1. */
  readonly percent: (part: number) => string;
  /** Day with year, and time, of this machine. */
  readonly stamp: (at: number | string) => string;
  /** Day and month, short. */
  readonly dayMonth: (at: number, timeZone?: string) => string;
  /** `90` is "2 minutes", roughly. */
  readonly span: (seconds: number) => string;
  /** Short: `12.4K`. */
  readonly compact: (value: number) => string;
}

/** What one whole unit has of the smallest: 100 cents. */
export function minorPerUnit(currency: string): number {
  const { maximumFractionDigits = 2 } = new Intl.NumberFormat('en', {
    style: 'currency',
    currency: currency.toUpperCase(),
  }).resolvedOptions();
  return 10 ** maximumFractionDigits;
}

const SPANS = [
  ['day', 86_400],
  ['hour', 3_600],
  ['minute', 60],
] as const;

const MARKS = /[\u200e\u200f\u061c]/g;

export function figuresOf(format: Formatters, code: LanguageCode): Figures {
  const { locale } = LANGUAGES[code];
  const percents = new Intl.NumberFormat(locale, { style: 'percent', maximumFractionDigits: 1 });
  const stamps = new Intl.DateTimeFormat(locale, {
    day: 'numeric',
    month: 'short',
    year: 'numeric',
    hour: '2-digit',
    minute: '2-digit',
    hourCycle: 'h23',
  });
  const compacts = new Intl.NumberFormat(locale, { notation: 'compact', maximumFractionDigits: 1 });
  const money = new Map<string, Intl.NumberFormat>();
  const unit = (name: string, value: number): string =>
    new Intl.NumberFormat(locale, { style: 'unit', unit: name, unitDisplay: 'long' }).format(value);
  return {
    ...format,
    minor: (amountMinor, currency) => {
      const upper = currency.toUpperCase();
      const made =
        money.get(upper) ??
        new Intl.NumberFormat(locale, {
          style: 'currency',
          currency: upper,
          currencyDisplay: 'narrowSymbol',
        });
      money.set(upper, made);
      return made.format(amountMinor / minorPerUnit(upper)).replace(MARKS, '');
    },
    percent: (part) => percents.format(part),
    stamp: (at) => stamps.format(new Date(at)),
    dayMonth: (at, timeZone) =>
      new Intl.DateTimeFormat(locale, {
        day: 'numeric',
        month: 'short',
        ...(timeZone !== undefined && { timeZone }),
      }).format(at),
    span: (seconds) => {
      const [name, size] = SPANS.find(([, long]) => seconds >= long) ?? ['second', 1];
      return unit(name, Math.round(seconds / size));
    },
    compact: (value) => compacts.format(value),
  };
}

export function useFigures(): Figures {
  const { format, code } = useLocale();
  return useMemo(() => figuresOf(format, code), [format, code]);
}
