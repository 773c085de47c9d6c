/**
 * Languages of the web app.
 *
 * Guarantees: every text a person reads is in the file of each language (the tests compare keys, placeholders and
 * plural forms); everything locale-specific (digits, money, dates, direction) comes from here. To add a language,
 * add its file and its line.
 *
 * Arabic is shown with the digits 0 to 9 (`nu-latn`): they are what stands on cards, tickets and in the fields
 * people type into, so that a number never has two looks on one screen.
 */
import type messages from './en.json';

export type Messages = typeof messages;

export interface Language {
  /** In itself. */
  readonly name: string;
  readonly dir: 'ltr' | 'rtl';
  /** For Intl. */
  readonly locale: string;
  /** First day of a week in a calendar: 0 is Sunday. */
  readonly weekStart: number;
  readonly load: () => Promise<{ readonly default: Messages }>;
  /** Names of teams, stadiums and cities, where they differ from the master list's. */
  readonly loadNames: () => Promise<{ readonly default: Readonly<Record<string, string>> }>;
}

const noNames = (): ReturnType<Language['loadNames']> => Promise.resolve({ default: {} });

export const LANGUAGES = {
  en: {
    name: 'English',
    dir: 'ltr',
    locale: 'en-GB',
    weekStart: 1,
    load: () => import('./en.json'),
    loadNames: noNames,
  },
  ar: {
    name: 'العربية',
    dir: 'rtl',
    locale: 'ar-u-nu-latn',
    // As in Qatar (CLDR).
    weekStart: 6,
    load: () => import('./ar.json'),
    loadNames: () => import('./ar.names.json'),
  },
} as const satisfies Record<string, Language>;

export type LanguageCode = keyof typeof LANGUAGES;
export const LANGUAGE_CODES = Object.keys(LANGUAGES) as LanguageCode[];
export const DEFAULT_LANGUAGE: LanguageCode = 'en';

const isCode = (code: string): code is LanguageCode => Object.hasOwn(LANGUAGES, code);

/** The language of a path, and the path without it: `/ar/matches/1` is `/matches/1` in Arabic. */
export function languageOf(pathname: string): { code: LanguageCode; path: string } {
  const [, first = ''] = pathname.split('/', 2);
  if (first === DEFAULT_LANGUAGE || !isCode(first)) return { code: DEFAULT_LANGUAGE, path: pathname };
  const path = pathname.slice(first.length + 1);
  return { code: first, path: path === '' ? '/' : path };
}

/** What stands before a path in this language. */
export const prefixOf = (code: LanguageCode): string => (code === DEFAULT_LANGUAGE ? '' : `/${code}`);

/** A path of the app in a language; `path` begins with a slash. */
export const localized = (code: LanguageCode, path: string): string =>
  path === '/' ? prefixOf(code) || '/' : prefixOf(code) + path;
