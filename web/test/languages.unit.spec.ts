import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from '@jest/globals';
import { IntlMessageFormat } from 'intl-messageformat';
import { assetsOf } from '../src/app/assets';
import { embeddedJson } from '../src/app/initial';
import { dayOf, formattersOf, zoneOffsetMinutes } from '../src/i18n/format';
import { LANGUAGES, LANGUAGE_CODES, languageOf, localized, type LanguageCode } from '../src/i18n/languages';
import { leftUntil } from '../src/ui/countdown';

const folder = new URL('../src/i18n/', import.meta.url);

/** The shop's, and those that are loaded with what few people see, or see later: `operator.en.json`. */
const PARTS = ['', 'operator.', 'check-in.', 'visit.', 'waiting.'] as const;
type Part = (typeof PARTS)[number];

function texts(code: string, part: Part): Map<string, string> {
  const found = new Map<string, string>();
  const visit = (value: unknown, path: string): void => {
    if (typeof value === 'string') found.set(path, value);
    else
      for (const [key, inner] of Object.entries(value as object))
        visit(inner, path === '' ? key : `${path}.${key}`);
  };
  visit(JSON.parse(readFileSync(new URL(`${part}${code}.json`, folder), 'utf8')), '');
  return found;
}

type Node = ReturnType<IntlMessageFormat['getAst']>[number];
/** Plain text, and the number sign within a plural. */
const NO_PLACEHOLDER: readonly number[] = [0, 7];

/** Of `{x, select, ...}`, whose options are the program's words and not the grammar's. */
const SELECT: readonly number[] = [5];

interface Parts {
  readonly names: readonly string[];
  readonly plurals: readonly (readonly [name: string, options: readonly string[]])[];
  readonly selects: readonly string[];
}

/** Placeholders of a text, the forms each of its plurals has, and the options of its selections. */
function partsOf(text: string, locale: string): Parts {
  const names = new Set<string>();
  const plurals: [string, string[]][] = [];
  const selects = new Set<string>();
  const visit = (nodes: readonly Node[]): void => {
    for (const node of nodes) {
      if (NO_PLACEHOLDER.includes(node.type) || !('value' in node)) continue;
      names.add(node.value);
      if ('options' in node) {
        const options = Object.keys(node.options);
        if (SELECT.includes(node.type)) selects.add(`${node.value}: ${options.sort().join()}`);
        else plurals.push([node.value, options]);
        for (const option of Object.values(node.options)) visit(option.value);
      }
      if ('children' in node) visit(node.children);
    }
  };
  visit(new IntlMessageFormat(text, locale).getAst());
  return { names: [...names].sort(), plurals, selects: [...selects].sort() };
}

const each = PARTS.flatMap((part) => LANGUAGE_CODES.map((code) => [`${part}${code}`, part, code] as const));

describe.each(each)('%s', (_name, part: Part, code: LanguageCode) => {
  const own = texts(code, part);
  const english = texts('en', part);
  const { locale } = LANGUAGES[code];

  it('has every text and no other', () => {
    expect([...own.keys()].sort()).toEqual([...english.keys()].sort());
    expect([...own].filter(([, text]) => text.trim() === '')).toEqual([]);
  });

  it('has the placeholders and selections of the English text', () => {
    for (const [key, text] of own) {
      const [{ names, selects }, same] = [partsOf(text, locale), partsOf(english.get(key) ?? '', 'en')];
      expect([key, names, selects]).toEqual([key, same.names, same.selects]);
    }
  });

  it('has every plural form its grammar knows', () => {
    const forms = new Intl.PluralRules(locale).resolvedOptions().pluralCategories;
    for (const [key, text] of own) {
      for (const [name, options] of partsOf(text, locale).plurals) {
        expect([key, name, forms.filter((form) => !options.includes(form))]).toEqual([key, name, []]);
      }
    }
  });
});

describe.each(LANGUAGE_CODES)('%s', (code: LanguageCode) => {
  const { locale } = LANGUAGES[code];

  it('writes numbers with the digits 0 to 9', () => {
    const format = formattersOf(locale);
    expect(format.number(1234)).toMatch(/1.?234/);
    expect([format.money(75, 'usd'), format.money(75.5, 'usd')]).toEqual([
      expect.stringMatching(/75(?!.00)/),
      expect.stringMatching(/75.50/),
    ]);
    expect(format.time('2022-11-20T16:00:00Z', 'Asia/Qatar')).toBe('19:00');
    expect(format.day('2022-11-20', 'UTC')).toMatch(/20.*2022/);
  });
});

describe('languages', () => {
  it('each have a file, and each file its language', () => {
    const files = readdirSync(folder).filter((name) => /\.json$/.test(name) && !/\.names\.json$/.test(name));
    expect(files.sort()).toEqual(each.map(([name]) => `${name}.json`).sort());
  });

  it('are told by the path', () => {
    expect(languageOf('/ar/matches/1')).toEqual({ code: 'ar', path: '/matches/1' });
    expect(languageOf('/ar')).toEqual({ code: 'ar', path: '/' });
    expect(languageOf('/argentina')).toEqual({ code: 'en', path: '/argentina' });
    expect(languageOf('/constructor/x').code).toBe('en');
    expect([localized('ar', '/'), localized('en', '/'), localized('ar', '/help')]).toEqual([
      '/ar',
      '/',
      '/ar/help',
    ]);
  });
});

describe('time', () => {
  it('of a day is that of the place', () => {
    expect(dayOf('2022-11-20T22:30:00Z', 'Asia/Qatar')).toBe('2022-11-21');
    expect(dayOf('2022-11-20T22:30:00Z', 'UTC')).toBe('2022-11-20');
    expect(zoneOffsetMinutes('2022-11-20T22:30:00Z', 'Asia/Qatar')).toBe(180);
    expect(zoneOffsetMinutes('2022-11-20T22:30:00Z', 'America/St_Johns')).toBe(-210);
  });

  it('that is left shows 0:00 only when it is over', () => {
    expect(leftUntil(600_000, 0)).toMatchObject({ minutes: 10, seconds: 0, isOver: false, nextMs: 1_000 });
    expect(leftUntil(61_500, 0)).toMatchObject({ minutes: 1, seconds: 2, nextMs: 500 });
    expect(leftUntil(1, 0)).toMatchObject({ minutes: 0, seconds: 1, isOver: false });
    expect(leftUntil(0, 5)).toMatchObject({ minutes: 0, seconds: 0, isOver: true });
  });
});

describe('the document', () => {
  it('embeds data that cannot end its element', () => {
    const json = embeddedJson({ a: '</script><!--&\u2028' });
    expect(json).not.toMatch(/[<>&\u2028]/);
    expect(JSON.parse(json)).toEqual({ a: '</script><!--&\u2028' });
  });

  it('names what the page needs, once', () => {
    const manifest = {
      'index.html': { file: 'assets/index.js', css: ['assets/index.css'], imports: ['_shared.js'] },
      '_shared.js': { file: 'assets/shared.js' },
      'page.tsx': { file: 'assets/page.js', css: ['assets/page.css'], imports: ['index.html', '_shared.js'] },
    };
    expect(assetsOf(manifest, ['page.tsx', 'absent.tsx'])).toEqual({
      script: '/assets/index.js',
      styles: ['/assets/index.css', '/assets/page.css'],
      modules: ['/assets/shared.js', '/assets/page.js'],
    });
    expect(() => assetsOf({}, [])).toThrow(/no entry/);
  });
});
