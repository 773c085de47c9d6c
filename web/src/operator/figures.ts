/** Numbers, money and times of the operators' tables, as the language writes them. */
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

const units = new Map<string, number>();

/** What one whole unit has of the smallest: 100 cents. Every cell of a table asks, and finding out takes time. */
export function minorPerUnit(currency: string): number {
  const code = currency.toUpperCase();
  const known = units.get(code);
  if (known !== undefined) return known;
  const { maximumFractionDigits = 2 } = new Intl.NumberFormat('en', {
    style: 'currency',
    currency: code,
  }).resolvedOptions();
  const made = 10 ** maximumFractionDigits;
  units.set(code, made);
  return made;
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

const known = new WeakMap<Formatters, Figures>();

/** The same for all components of a language: each cell of a table has some. */
export function useFigures(): Figures {
  const { format, code } = useLocale();
  const figures = known.get(format) ?? figuresOf(format, code);
  known.set(format, figures);
  return figures;
}
