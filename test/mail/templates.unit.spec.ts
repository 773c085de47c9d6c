/** Every kind of mail in every language. */
import { describe, expect, it } from '@jest/globals';
import { LOCALES } from '../../src/mail/locale.js';
import { renderMail } from '../../src/mail/templates/index.js';
import { contextIn, KINDS, MATCH, SAMPLES, SCRIPT } from './samples.js';

const cases = LOCALES.flatMap((locale) => KINDS.map((kind) => [kind, locale] as const));
const ISOLATES = /[\u2068\u2069]/g;

describe.each(cases)('%s in %s', (kind, locale) => {
  const { subject, text, html } = renderMail(kind, locale, SAMPLES[kind], contextIn(locale));

  it('says something in all its parts, and nothing that is missing', () => {
    for (const part of [subject, text, html]) {
      expect(part.trim()).not.toBe('');
      expect(part).not.toMatch(/undefined|\bnull\b|NaN|\[object|Invalid Date/);
    }
    expect(subject).not.toMatch(/[\r\n]/);
    expect(text.length).toBeLessThan(10_000);
  });

  it('has one heading, a language, a direction, and loads nothing', () => {
    expect(html.match(/<h1[ >]/g)).toHaveLength(1);
    expect(html).toContain(`<html lang="${locale}" dir="${locale === 'ar' ? 'rtl' : 'ltr'}">`);
    expect(html).not.toMatch(/<(img|link|script|iframe|object|form)\b|url\(|@import|\ssrc=/i);
    expect(html).toContain('prefers-color-scheme: dark');
  });

  it('shows the address of every button as text too, in both parts', () => {
    for (const [, href = ''] of html.matchAll(/class="button" href="([^"]+)"/g)) {
      expect(html).toContain(`>${href}</a>`);
      expect(text).toContain(`\n${href.replaceAll('&amp;', '&')}\n`);
    }
  });

  it('has its links to pages in its language', () => {
    const pages = [...html.matchAll(/href="https:\/\/ticktak\.example(\/[^"]*)"/g)].map(
      ([, path = '']) => path,
    );
    expect(pages.length).toBeGreaterThan(0);
    if (kind === 'confirm-email' || kind === 'reset-password') return;
    for (const path of pages) expect(path.startsWith('/ar/')).toBe(locale === 'ar');
  });
});

it.each(cases)('%s in %s: what others wrote is text', (kind, locale) => {
  const match = { ...MATCH, homeTeam: SCRIPT, location: SCRIPT };
  const tax = { name: SCRIPT, percent: 15, amountMinor: 1 };
  const { html, text } = renderMail(kind, locale, SAMPLES[kind], contextIn(locale, { match, tax }));
  expect(html).not.toMatch(/<script/i);
  if (text.includes('<script>')) expect(html).toContain('&lt;script&gt;alert(&quot;x&quot;)');
});

it.each(LOCALES)('without the match and without tax there is still a mail (%s)', (locale) => {
  for (const kind of KINDS) {
    const { text } = renderMail(kind, locale, SAMPLES[kind], contextIn(locale, { match: null, tax: null }));
    expect(text).not.toMatch(/undefined|null/);
  }
});

describe('a purchase', () => {
  const text = (more = {}): string =>
    renderMail('purchase', 'en', SAMPLES.purchase, contextIn('en', more)).text;

  it('names the match, when and where, the tickets, the price, the total, the tax, and where the reservation is', () => {
    for (const part of [
      'Match: Qatar – Ecuador (match 1)',
      'Stadium: Al Bayt Stadium',
      'Category: 1',
      'Tickets: 2',
      'Price per ticket: US$75.00',
      'Total paid: US$150.00',
      'Of which VAT (15 %): US$19.57',
      'Reservation: m1c1-abcdefghijklmnopqrstuvwxyz',
      'https://ticktak.example/reservations/m1c1-abcdefghijklmnopqrstuvwxyz#token=m1c1-abcdefghijklmnopqrstuvwxyz.proof',
    ]) {
      expect(text()).toContain(part);
    }
    // Punctuation differs between versions of the language data.
    expect(text()).toMatch(/Kick-off: Sunday,? 20 November 2022(,| at) 19:00 GMT\+3/);
  });

  it('says where the tickets are', () => {
    expect(text({ hasTickets: true })).toContain('are attached to this mail');
    expect(text()).toContain('with the reservation below');
  });

  it('of an account carries no token: whoever made it logs in', () => {
    const data = { ...SAMPLES.purchase, account: 'u1' };
    expect(renderMail('purchase', 'en', data, contextIn('en')).text).not.toContain('token=');
  });

  it('in Arabic keeps digits, and what is written from left to right, in order', () => {
    const { text: arabic } = renderMail('purchase', 'ar', SAMPLES.purchase, contextIn('ar'));
    expect(arabic).toContain('\u2068Qatar\u2069 – \u2068Ecuador\u2069');
    expect(arabic.replace(ISOLATES, '')).toMatch(/150\.00/);
    expect(arabic).toContain('https://ticktak.example/ar/reservations/');
  });
});

it('a refund says how much, when it arrives and what is left; of a disputed payment it claims none', () => {
  const refunded = renderMail('refund', 'en', SAMPLES.refund, contextIn('en', { amountMinor: 7_500 })).text;
  expect(refunded).toContain('US$75.00 goes back to the card');
  expect(refunded).toContain('5 to 10 working days');
  expect(refunded).toContain('You keep 1 ticket');
  const disputed = renderMail('refund', 'en', SAMPLES.refund, contextIn('en', { isDisputed: true })).text;
  expect(disputed).toContain('has taken it back');
  expect(disputed).not.toContain('goes back to the card');
});

it('the end of a hold says that nothing was charged, and what if a payment had been begun', () => {
  const text = (hadPayment: boolean): string =>
    renderMail('expired', 'en', SAMPLES.expired, contextIn('en', { hadPayment })).text;
  expect(text(false)).toContain('Nothing was charged.');
  expect(text(false)).not.toContain('your bank');
  expect(text(true)).toContain('given back in full');
});

it.each([
  ['en', 'sales are paused', 'taken meanwhile'],
  ['ar', 'أُوقف البيع مؤقتًا', 'وكانت التذاكر قد حُجزت لغيرك'],
] as const)(
  'a late payment that goes back does not say that others have the tickets (%s)',
  (locale, told, claim) => {
    const data = SAMPLES['late-payment-refunded'];
    const { text } = renderMail('late-payment-refunded', locale, data, contextIn(locale, {}));
    const line = text.replaceAll(/\s+/g, ' ');
    expect(line).toContain(told);
    expect(line).not.toContain(claim);
  },
);

it.each([
  ['JPY', 1_500, /1,500/],
  ['KWD', 1_500, /1\.500/],
  ['EUR', 1_500, /15\.00/],
])('writes %s with its own minor units', (currency, amountMinor, expected) => {
  const data = { ...SAMPLES['late-payment-refunded'], currency };
  expect(renderMail('late-payment-refunded', 'en', data, contextIn('en', { amountMinor })).text).toMatch(
    expected,
  );
});
