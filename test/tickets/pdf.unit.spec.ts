import { inflateSync } from 'node:zlib';
import { createRequire } from 'node:module';
import { readFileSync } from 'node:fs';
import { describe, expect, it } from '@jest/globals';
import * as fontkit from 'fontkit';
import { bundledMasterList } from '../../src/catalog/bundled.js';
import { arabicName } from '../../src/tickets/names-ar.js';
import { runsOf } from '../../src/tickets/pdf-text.js';
import { PAGES_MAX, PdfDesk, type TicketPage } from '../../src/tickets/pdf-desk.js';
import { masked, ticketsPdf } from '../../src/tickets/pdf.js';
import { sfntOf } from '../../src/tickets/woff.js';

const page = (number: number, more: Partial<TicketPage> = {}): TicketPage => ({
  id: `m1c1-abcdefghijklmnopqrstuvwxyz.${number}`,
  code: `T1.M1C1-ABCDEFGHIJKLMNOPQRSTUVWXYZ.${number}.0.AAAAAAAA.${'A'.repeat(103)}`,
  match: {
    matchNumber: 1,
    roundNumber: 1,
    dateUtc: '2022-11-20T16:00:00Z',
    location: 'Al Bayt Stadium',
    homeTeam: 'Qatar',
    awayTeam: 'Ecuador',
    group: 'A',
  },
  category: 1,
  number,
  of: 2,
  unitPrice: 75,
  currency: 'usd',
  holder: 'fan@example.com',
  ...more,
});

/** Left to right, as a reader's eye meets it. */
const drawn = (text: string, direction: 'ltr' | 'rtl') =>
  runsOf(text, direction, 400).map((run) => [run.font.split('-')[0], run.text]);

describe('a line', () => {
  it('of one direction is one run', () => {
    expect(drawn('Qatar v Ecuador', 'ltr')).toEqual([['latin', 'Qatar v Ecuador']]);
  });

  it('of Arabic stands from right to left, word by word', () => {
    expect(drawn('استاد أحمد بن علي', 'rtl')).toEqual([
      ['arabic', 'علي'],
      ['latin', ' '],
      ['arabic', 'بن'],
      ['latin', ' '],
      ['arabic', 'أحمد'],
      ['latin', ' '],
      ['arabic', 'استاد'],
    ]);
  });

  it('keeps numbers and names in Latin letters readable among Arabic', () => {
    expect(drawn('استاد 974', 'rtl').map(([, text]) => text)).toEqual(['974', ' ', 'استاد']);
    expect(drawn('قطر ضد Côte d’Ivoire', 'rtl').map(([, text]) => text)).toEqual([
      'Côte d’Ivoire',
      ' ',
      'ضد',
      ' ',
      'قطر',
    ]);
  });

  it('turns brackets round with their text', () => {
    expect(
      drawn('قطر (A)', 'rtl')
        .map(([, text]) => text)
        .join(''),
    ).toBe('(A) قطر');
  });

  it('has another sign for what no font has, and none that is hidden', () => {
    expect(
      drawn('Tōkyō 東京 🐴', 'ltr')
        .map(([, text]) => text)
        .join(''),
    ).toBe('Tōkyō ?? ?');
  });
});

describe('the fonts', () => {
  const { resolve } = createRequire(import.meta.url);
  const woff = readFileSync(
    resolve('@fontsource/noto-sans-arabic/files/noto-sans-arabic-arabic-400-normal.woff'),
  );

  it('are the same unpacked', () => {
    const [packed, plain] = [fontkit.create(woff), fontkit.create(sfntOf(woff))];
    if (!('layout' in packed) || !('layout' in plain)) throw new Error('no fonts');
    expect(plain.numGlyphs).toBe(packed.numGlyphs);
    const glyphs = (font: typeof plain) => font.layout('المباراة').glyphs.map(({ id }) => id);
    expect(glyphs(plain)).toEqual(glyphs(packed));
    // Joined: no letter has the form it has alone.
    const alone = Array.from('المباراة').map((letter) => plain.glyphForCodePoint(letter.codePointAt(0)!).id);
    expect(glyphs(plain)).not.toEqual(alone.reverse());
  });

  it.each([
    ['nothing', Buffer.alloc(0)],
    ['something else', Buffer.from('not a font, but long enough for a header of forty-four bytes')],
    ['half of one', woff.subarray(0, 200)],
  ])('are not %s', (_what, bytes) => {
    expect(() => sfntOf(bytes)).toThrow();
  });
});

describe('a document', () => {
  it.each(['en', 'ar'] as const)(
    'has a page for each ticket (%s), and embeds its fonts',
    async (language) => {
      const pdf = await ticketsPdf([page(1), page(2)], language);
      const text = pdf.toString('latin1');
      expect(text.startsWith('%PDF-1.')).toBe(true);
      expect(text.match(/\/Type \/Page\b/g)).toHaveLength(2);
      expect(text).toContain(`/Lang (${language})`);
      expect(text.includes('NotoSansArabic')).toBe(language === 'ar');
      expect(text.match(/\/FontFile2/g)?.length).toBeGreaterThan(1);
      expect(pdf.length).toBeLessThan(100_000);
      // The QR code: bars, filled.
      const streams = [...text.matchAll(/stream\r?\n([\s\S]*?)endstream/g)].map(([, body = '']) => {
        try {
          return inflateSync(Buffer.from(body, 'latin1')).toString('latin1');
        } catch {
          return '';
        }
      });
      expect(Math.max(...streams.map((one) => one.match(/ re\b/g)?.length ?? 0))).toBeGreaterThan(300);
    },
  );

  it('is the same for the same tickets', async () => {
    const [one, other] = [await ticketsPdf([page(1)], 'ar'), await ticketsPdf([page(1)], 'ar')];
    const plain = (pdf: Buffer) => pdf.toString('latin1').replace(/\/ID \[[^\]]*\]/, '');
    expect(plain(one)).toBe(plain(other));
  });

  it('takes the longest names there may be, and any', async () => {
    const match = {
      ...page(1).match,
      homeTeam: 'W'.repeat(100),
      awayTeam: '🐴\u202e'.repeat(50),
      location: 'ملعب '.repeat(40),
      group: null,
    };
    for (const language of ['en', 'ar'] as const) {
      const pdf = await ticketsPdf([page(1, { match, holder: '', currency: 'jpy' })], language);
      expect(pdf.toString('latin1').match(/\/Type \/Page\b/g)).toHaveLength(1);
    }
  });

  it('has so many pages at most', async () => {
    const many = Array.from({ length: PAGES_MAX + 1 }, (_, index) => page(index + 1));
    await expect(ticketsPdf(many, 'en')).rejects.toThrow('1 to 50');
    await expect(ticketsPdf([], 'en')).rejects.toThrow('1 to 50');
  });

  it('has an Arabic name for every team and stadium of the bundled list', () => {
    for (const { homeTeam, awayTeam, location } of bundledMasterList()) {
      for (const name of [homeTeam, awayTeam, location]) {
        expect([name, arabicName(name)]).toEqual([name, expect.stringMatching(/\p{Script=Arabic}/u)]);
      }
    }
    expect(arabicName('constructor')).toBe('constructor');
  });
});

describe('the holder’s address', () => {
  it.each([
    ['someone@example.com', 's…e@example.com'],
    ['abc@example.com', 'a…@example.com'],
    ['a@example.com', 'a…@example.com'],
    ['@example.com', '…'],
    ['nothing', '…'],
  ])('%s is printed as %s', (email, shown) => {
    expect(masked(email)).toBe(shown);
  });
});

describe('the desk of documents', () => {
  interface Made {
    readonly pages: readonly TicketPage[];
    readonly finish: (content: Buffer) => void;
    readonly fail: (error: Error) => void;
  }
  function deskOf(limits: ConstructorParameters<typeof PdfDesk>[0] = {}) {
    const making: Made[] = [];
    const desk = new PdfDesk({
      ...limits,
      make: (pages) =>
        new Promise<Buffer>((finish, fail) => {
          making.push({ pages, finish, fail });
        }),
    });
    return { desk, making };
  }
  const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

  it('makes the same once, and two at once', async () => {
    const { desk, making } = deskOf();
    const asked = [1, 1, 2, 3].map((number) => desk.document([page(number)], 'en'));
    expect(making.map(({ pages }) => pages[0]?.number)).toEqual([1, 2]);
    making[0]!.finish(Buffer.from('one'));
    expect((await asked[0])?.toString()).toBe('one');
    expect(await asked[1]).toBe(await asked[0]);
    await settle();
    expect(making.map(({ pages }) => pages[0]?.number)).toEqual([1, 2, 3]);
  });

  it('refuses when too many wait', async () => {
    const { desk, making } = deskOf({
      limits: { waitingMax: 5 },
    });
    const asked = Array.from({ length: 10 }, (_, number) => desk.document([page(number + 1)], 'en'));
    expect(asked.filter((one) => one === null)).toHaveLength(3);
    for (let index = 0; index < 7; index += 1) {
      making[index]!.finish(Buffer.alloc(1));
      await settle();
    }
    expect(making).toHaveLength(7);
  });

  it('forgets what failed, and the longest unused when it is too much', async () => {
    const { desk, making } = deskOf();
    const failed = desk.document([page(1)], 'en');
    making[0]!.fail(new Error('no'));
    await expect(failed).rejects.toThrow('no');
    await settle();
    void desk.document([page(1)], 'en');
    expect(making).toHaveLength(2);
    making[1]!.finish(Buffer.alloc(20 * 1024 * 1024));
    await settle();
    void desk.document([page(2)], 'en');
    making[2]!.finish(Buffer.alloc(20 * 1024 * 1024));
    await settle();
    void desk.document([page(2)], 'en');
    expect(making).toHaveLength(3);
    void desk.document([page(1)], 'en');
    expect(making).toHaveLength(4);
  });
});
