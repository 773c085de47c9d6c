/**
 * What operators do to sales, in a real browser: pausing while a buyer looks on, moving and cancelling a match, refunds
 * whose answer is lost, what other marketplaces left undecided, and messages that took no effect.
 */
import { AxeBuilder } from '@axe-core/playwright';
import { afterAll, afterEach, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { join } from 'node:path';
import type { Browser, Locator, Page } from 'playwright-core';
import { EmbeddedArchive } from '../../src/archive/embedded.js';
import type { DeadLetter } from '../../src/archive/port.js';
import { buy, times } from '../operations/market.js';
import { request, scratchDir } from '../helpers/processes.js';
import { skipBecause } from '../helpers/skips.js';
import { browserFound, launch, newEmail, openShop, visit } from './browser.js';
import type { Shop, Size, Visitor } from './browser.js';
import { countersOf } from './buyer.js';
import { newOperator } from './gate.js';

const TEST_MS_MAX = 240_000;
jest.setTimeout(TEST_MS_MAX);
const SERVICE_TOKEN = 'the-service-token-of-this-test';
const SALES = 12;
/** How much wider the page is than the screen, pixels. */
const WIDER = 'document.documentElement.scrollWidth - document.documentElement.clientWidth';
const TAGS = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa'];

if (browserFound.kind === 'none') {
  describe('operators at work', () => skipBecause('operators at work in a browser', browserFound.reason));
} else {
  describe('operators at work', suite);
}

function suite(): void {
  const scratch = scratchDir();
  let shop: Shop;
  let browser: Browser;
  const visitors: Visitor[] = [];
  beforeAll(async () => {
    await writeLetters(scratch.dir);
    const env = { DATA_DIR: scratch.dir, SERVICE_TOKEN, GUESTS: 'open', REMOTE_HOLD_FLAG_MS: '60000' };
    [shop, browser] = await Promise.all([openShop(env), launch()]);
  }, TEST_MS_MAX);
  afterAll(async () => {
    await browser?.close();
    await shop?.stop();
    scratch.remove();
  }, TEST_MS_MAX);
  afterEach(async () => {
    const left = visitors.splice(0);
    await Promise.all(left.map(({ context }) => context.close()));
    expect(left.flatMap(({ errors }) => errors)).toEqual([]);
  });
  const come = async (size: Size = 'desktop', options: Parameters<typeof visit>[2] = {}): Promise<Page> => {
    const visitor = await visit(browser, size, options);
    visitors.push(visitor);
    return visitor.page;
  };
  const comeAsOperator = async (path: string): Promise<Page> => {
    const page = await come();
    await logIn(page, shop, path);
    return page;
  };
  const buyOf = (matchNumber: number, category: number, quantity: number, email = newEmail('fan')) =>
    buy(shop.url, { matchNumber, category, quantity }, email);

  it('pauses a category: a buyer who looks on is told why, cannot hold, and can again', async () => {
    const buyer = await come('phone');
    await buyer.goto(`${shop.url}/matches/21`);
    await buyer.getByText('Live availability', { exact: true }).waitFor();
    await buyer.getByRole('radio', { name: /Category 2\b/ }).check({ force: true });
    const hold = buyer.getByRole('button', { name: 'Hold tickets' });
    await hold.and(buyer.locator(':enabled')).waitFor();

    const page = await comeAsOperator('/operator/matches/21');
    await page.getByRole('button', { name: 'Pause category 2…' }).click();
    const dialog = page.getByRole('alertdialog', { name: /^Pause sales of match 21 / });
    await dialog.getByRole('button', { name: 'Pause now' }).click();
    await dialog.getByText('Please write it in English at least').waitFor();
    await dialog.getByLabel('English').fill('Prices are being checked.');
    await dialog.getByLabel('Arabic (optional)').fill('نراجع الأسعار.');
    const preview = dialog.getByRole('region', { name: 'What buyers see' });
    await preview.getByText('Sales of category 2 are paused').waitFor();
    await preview.getByText('بيع الفئة 2 متوقف مؤقتًا').waitFor();
    await dialog.getByRole('button', { name: 'Pause now' }).click();
    await dialog.waitFor({ state: 'detached' });
    await page.getByText(/^Paused: match 21 .*, category 2$/).waitFor();

    await buyer.getByText('Sales are paused. You can hold tickets here as soon as they go on.').waitFor();
    await buyer.getByText('Prices are being checked.').waitFor();
    expect(await hold.isDisabled()).toBe(true);
    // Rendered by the server, too, and in the language of the page.
    const arabic = await (await fetch(`${shop.url}/ar/matches/21`)).text();
    expect(arabic).toContain('نراجع الأسعار.');

    await page.getByRole('button', { name: /^Resume sales of match 21 .*, category 2$/ }).click();
    await page.getByRole('alertdialog').getByRole('button', { name: 'Resume' }).click();
    await buyer.getByText('Prices are being checked.').waitFor({ state: 'detached' });
    await hold.and(buyer.locator(':enabled')).waitFor();
  });

  it('refuses a hold that was on its way when everything was paused, in the words of the operators', async () => {
    const buyer = await come();
    await buyer.goto(`${shop.url}/matches/22`);
    await buyer.getByText('Live availability', { exact: true }).waitFor();
    await buyer.getByRole('radio', { name: /Category 1\b/ }).check({ force: true });
    await buyer.getByRole('textbox', { name: /E-mail address/ }).fill(newEmail('late'));
    const page = await comeAsOperator('/operator/matches');
    let isPaused: () => void = () => undefined;
    const paused = new Promise<void>((resolve) => (isPaused = resolve));
    await buyer.route('**/api/v1/reservations', async (route) => {
      await paused;
      await route.continue();
    });
    await buyer.getByRole('button', { name: 'Hold tickets' }).click();

    await page.getByRole('button', { name: 'Pause all sales…' }).click();
    const dialog = page.getByRole('alertdialog', { name: 'Pause sales of all matches' });
    await dialog.getByLabel('English').fill('A short break for everybody.');
    await dialog.getByRole('button', { name: 'Pause now' }).click();
    await page.getByText('Paused: all matches').waitFor();
    await page.getByText('All 192 categories of matches have stopped selling.').waitFor();
    isPaused();
    const refused = buyer.getByRole('alert').filter({ hasText: 'Sales are paused' });
    await refused.getByText('A short break for everybody.').waitFor();

    await page.getByRole('button', { name: 'Resume sales of all matches' }).click();
    await page.getByRole('alertdialog').getByRole('button', { name: 'Resume' }).click();
    await page.getByText('Nothing is paused.').waitFor();
  });

  it('moves a match when the phrase is typed, and tells buyers, search engines and the list', async () => {
    const email = newEmail('moved');
    await buyOf(23, 1, 2, email);
    // Both are open before, and must learn of it without being loaded again.
    const [watcher, list] = [await come('phone'), await come('phone')];
    await watcher.goto(`${shop.url}/matches/23`);
    await list.goto(`${shop.url}/?q=Denmark`);
    for (const open of [watcher, list]) {
      await open.getByText('Live availability', { exact: true }).waitFor();
      await open.evaluate("window['loadedAt'] = 'before'");
      expect(await open.getByText('rescheduled').count()).toBe(0);
    }
    const page = await comeAsOperator('/operator/matches/23');
    await page.getByRole('button', { name: 'Reschedule…' }).click();
    const send = page.getByRole('button', { name: 'Reschedule the match', exact: true });
    expect(await send.isDisabled()).toBe(true);
    await page.getByLabel(/^Type RESCHEDULE 23/).fill('RESCHEDULE 23');
    await send.click();
    await page.getByText('That is when and where it is played already.').waitFor();
    await page.getByLabel('Kick-off').fill('2022-12-02T21:30');
    await page.getByText('That is Fri 2 Dec, 18:30 UTC.').waitFor();
    await page.getByLabel('Stadium').fill('Lusail Stadium');
    const inAWeek = new Date(Date.now() + 7 * 86_400_000).toISOString().slice(0, 16);
    await page.getByLabel('Tickets can be given back until').fill(inAWeek);
    await page.getByLabel('English (optional)').fill('The pitch must be relaid.');
    await send.click();
    await page.getByText('Rescheduled: 1 buyer was told').waitFor();
    // The page of the operator knows it without a reload.
    await page.getByText('rescheduled', { exact: true }).waitFor();

    await watcher.getByText('This match was rescheduled').waitFor();
    await watcher.getByText('The pitch must be relaid.').waitFor();
    await watcher.locator('time[datetime="2022-12-02T18:30:00.000Z"]').first().waitFor();
    await list.getByText('rescheduled', { exact: true }).waitFor();
    await list.locator('time[datetime="2022-12-02T18:30:00.000Z"]').first().waitFor();
    for (const open of [watcher, list]) expect(await open.evaluate("window['loadedAt']")).toBe('before');

    const buyer = await come('phone');
    await buyer.goto(`${shop.url}/matches/23`);
    await buyer.getByText('This match was rescheduled').waitFor();
    await buyer.getByText('The pitch must be relaid.').waitFor();
    await buyer.getByText(/^Whoever cannot come may give tickets back/).waitFor();
    const html = await (await fetch(`${shop.url}/matches/23`)).text();
    expect(html).toMatch(/"eventStatus":"https:\/\/schema\.org\/EventRescheduled","previousStartDate":"/);
    await buyer.goto(`${shop.url}/?date=2022-12-02`);
    await buyer.getByText('rescheduled', { exact: true }).waitFor();
  });

  it('cancels a match: what it touches, the phrase, and progress that a reload does not lose', async () => {
    await times(SALES, 4, (i) => buyOf(24, 1 + (i % 3), 1));
    const page = await comeAsOperator('/operator/matches/24');
    await page.getByText('Purchases to refund').waitFor();
    const touched = page.getByRole('definition').filter({ hasText: '12 tickets' });
    expect(await touched.textContent()).toMatch(/^12/);
    await page.getByRole('button', { name: 'Prepare the cancellation…' }).click();
    await page.getByLabel('English').fill('The stadium is flooded.');
    const send = page.getByRole('button', { name: 'Cancel the match', exact: true });
    await page.getByLabel(/^Type CANCEL 24/).fill('CANCEL 42');
    expect(await send.isDisabled()).toBe(true);
    await page.getByLabel(/^Type CANCEL 24/).fill('CANCEL 24');
    await send.click();
    await page.getByText(/^(Closing sales|Refunding buyers|The match is cancelled, and)/).waitFor();
    await page.reload();
    await page
      .getByText('The match is cancelled, and everybody has been refunded')
      .waitFor({ timeout: 60_000 });
    await page.getByText('12 of 12 purchases').waitFor();
    await page.getByText('12 of 12 buyers').waitFor();

    const buyer = await come('phone');
    await buyer.goto(`${shop.url}/matches/24`);
    await buyer.getByText('This match is cancelled', { exact: true }).waitFor();
    await buyer.getByText('Nothing can be bought').waitFor();
    expect(await buyer.getByRole('button', { name: 'Hold tickets' }).count()).toBe(0);
    const html = await (await fetch(`${shop.url}/matches/24`)).text();
    expect(html).toContain('https://schema.org/EventCancelled');
    expect(html).not.toContain('https://schema.org/InStock');
  });

  it('refunds one of two tickets once, though its answer is lost and the page is loaded anew', async () => {
    const email = newEmail('one-of-two');
    const { id } = await buyOf(25, 1, 2, email);
    const before = await countersOf(shop, 25);
    const page = await comeAsOperator(`/operator/reservations#${id}`);
    const card = page.getByRole('article', { name: id });
    await card.getByRole('button', { name: 'Refund…' }).click();
    const dialog = page.getByRole('alertdialog', { name: 'Refund this purchase' });
    await dialog.getByLabel('How many tickets').selectOption('1');
    await dialog.getByLabel('Note').fill('One of them is ill');
    const keys: (string | undefined)[] = [];
    // Every request arrives, and no answer does.
    await page.route('**/refunds', async (route) => {
      keys.push(route.request().headers()['idempotency-key']);
      await route.fetch();
      await route.abort('connectionreset');
    });
    await dialog.getByRole('button', { name: /^Refund / }).click();
    await card.getByText('Nobody knows yet whether this refund was made').waitFor({ timeout: 30_000 });
    await page.unroute('**/refunds');
    await page.route('**/refunds', async (route) => {
      keys.push(route.request().headers()['idempotency-key']);
      await route.continue();
    });
    await page.reload();
    await card.getByText('a refund of 1 ticket, with the note “One of them is ill”').waitFor();
    expect(await card.getByRole('button', { name: 'Refund…' }).count()).toBe(0);
    await card.getByRole('button', { name: 'Ask again' }).click();
    await card.getByText('The reservation still covers 1 ticket.').waitFor();
    expect(keys.length).toBeGreaterThan(1);
    expect(new Set(keys).size).toBe(1);
    await card.getByText('1 of 2; 1 given back').waitFor();
    expect((await countersOf(shop, 25)).available).toBe(before.available + 1);

    await card.getByRole('button', { name: 'Mail the tickets again' }).click();
    await card.getByText('Queued: the mail is on its way.').waitFor();
  });

  it('finds reservations by address, and the address is in no URL of the page', async () => {
    const email = newEmail('looked-for');
    const { id } = await buyOf(26, 3, 1, email);
    const page = await comeAsOperator('/operator/reservations');
    const urls: string[] = [];
    page.on('framenavigated', (frame) => urls.push(frame.url()));
    await page.getByRole('searchbox').fill('no address');
    await page.getByRole('button', { name: 'Search' }).click();
    await page.getByText('This is neither an address nor the id').waitFor();
    const card = page.getByRole('article', { name: id });
    await searchUntil(page, email, card);
    await page.reload();
    await card.waitFor();
    expect(await page.getByRole('searchbox').inputValue()).toBe(email);
    expect([...urls, page.url()].filter((url) => url.includes('looked-for'))).toEqual([]);
    // A link to a payment can be kept and opened.
    const payment = await card.getByText(/^pi_/).textContent();
    await page.goto(`${shop.url}/operator/reservations#${payment ?? ''}`);
    await page.reload();
    await card.waitFor();
  });

  it('decides what other marketplaces left open, and says what becomes of the counters', async () => {
    const tell = async (
      action: string,
      clientId: string,
      quantity: number,
      category: number,
    ): Promise<void> => {
      const { status } = await request('POST', `${shop.role('shop')}/api/v1/sales-messages`, {
        token: SERVICE_TOKEN,
        body: {
          messageId: `${action}-${clientId}-${category}`,
          clientId,
          message: {
            meta: { action },
            body: { matchNumber: 27, tickets: { category, quantity, price: category === 1 ? 75 : 125 } },
          },
        },
      });
      expect(status).toBe(200);
    };
    await tell('TICKET_PENDING', 'north', 2, 1);
    await tell('TICKET_RESERVED', 'north', 2, 1);
    await tell('TICKET_CANCELLED', 'north', 1, 1);
    await tell('TICKET_PENDING', 'south', 2, 2);
    const page = await comeAsOperator('/operator/market');
    const row = page.getByRole('row', { name: /Match 27 · Category 1/ });
    await row.getByText('suspected refund').waitFor();
    await row.getByRole('button', { name: /^Give back/ }).click();
    const dialog = page.getByRole('alertdialog', { name: 'Give these tickets back?' });
    await dialog.getByText('1 ticket counts as sold by north no longer').waitFor();
    await dialog.getByRole('button', { name: 'Give back' }).click();
    await dialog.getByText('Please say why.').waitFor();
    await dialog.getByLabel('Note').fill('They said so on the phone');
    await dialog.getByRole('button', { name: 'Give back' }).click();
    await page.getByText('1 ticket of north given back.').waitFor();
    await row.waitFor({ state: 'detached' });
    expect(await countersOf(shop, 27)).toMatchObject({ available: 19 });

    const held = page.getByRole('row', { name: /Match 27 · Category 2/ });
    await held.getByRole('button', { name: /^Release/ }).click();
    await page.getByRole('alertdialog').getByLabel('Note').fill('They are gone');
    await page.getByRole('alertdialog').getByRole('button', { name: 'Release' }).click();
    await page.getByText('2 tickets held by south released.').waitFor();
    await held.waitFor({ state: 'detached' });
    expect(await countersOf(shop, 27, 2)).toEqual({ available: 20, pending: 20 });
  });

  it('shows a message that took no effect byte by byte, and tells what its re-drive came to', async () => {
    const page = await comeAsOperator('/operator/dead-letters');
    await page.getByRole('link', { name: 'malformed: no JSON' }).click();
    await sees(page, 'Dead letter');
    await page.getByText('It is no UTF-8').waitFor();
    await page.getByText('00000000  ff fe 7b').waitFor();
    await page.getByRole('button', { name: 'Base64' }).click();
    await page.getByText('//57', { exact: true }).waitFor();
    await redrive(page);
    await page.getByText('It was refused again').waitFor();
    await page.getByRole('link', { name: 'All dead letters' }).click();

    const before = await countersOf(shop, 28);
    await page.getByRole('link', { name: 'the match was unknown' }).click();
    await page.getByText('"matchNumber":28').waitFor();
    await page.getByRole('cell', { name: 'north', exact: true }).waitFor();
    await redrive(page);
    await page.getByText('It took effect').waitFor();
    expect((await countersOf(shop, 28)).available).toBe(before.available - 1);
    await redrive(page);
    await page.getByText('It had taken effect before').waitFor();
    expect((await countersOf(shop, 28)).available).toBe(before.available - 1);
  });

  it.each([
    ['', 'light', 'desktop'],
    ['', 'dark', 'phone'],
    ['/ar', 'light', 'phone'],
    ['/ar', 'dark', 'desktop'],
  ] as const)(
    'has nothing serious against its forms and details, under %s/ in the %s theme on a %s',
    async (prefix, colorScheme, size: Size) => {
      const { id } = await buyOf(30, 1, 1);
      const page = await come(size, {
        colorScheme,
        viewport: { width: size === 'phone' ? 320 : 1280, height: 800 },
      });
      await logIn(page, { ...shop, operator: await newOperator(shop) }, '/operator/matches');
      const found: string[] = [];
      const look = async (name: string): Promise<void> => {
        const { violations } = await new AxeBuilder({ page }).withTags(TAGS).analyze();
        const wide = await page.evaluate<number>(WIDER);
        if (wide > 0) found.push(`${name}: ${wide} px wider than the screen`);
        const serious = violations.filter(({ impact }) => impact === 'serious' || impact === 'critical');
        found.push(
          ...serious.map(
            (one) => `${name}: ${one.id} ${one.nodes.map((node) => String(node.target)).join(' ')}`,
          ),
        );
      };
      const open = async (path: string): Promise<void> => {
        await page.goto(`${shop.url}${prefix}${path}`);
        await page.getByRole('heading', { level: 1 }).first().waitFor();
        await page.locator('.spinner, [aria-busy="true"]').first().waitFor({ state: 'detached' });
      };
      await open('/operator/matches/30');
      await page.locator('.pause-parts button').first().click();
      await page.locator('[role="alertdialog"] textarea').first().fill('Words');
      await page.locator('[role="alertdialog"] .notice').nth(1).waitFor();
      await look('pause');
      await page.keyboard.press('Escape');
      // Each gives way to its form.
      const prepare = page.locator('.operator-section > div > .button');
      // Behind the phases: to move the match, and to cancel it.
      await prepare.last().click();
      await prepare.last().click();
      await page.locator('.match-deed').nth(1).waitFor();
      await look('reschedule and cancel');
      await open('/operator/matches/24');
      await look('cancelled');
      await open(`/operator/reservations#${id}`);
      await page.locator('.reservation-card').waitFor();
      await look('reservation');
      await page.locator('.button-danger').click();
      await look('refund');
      await open('/operator/dead-letters');
      await page.locator('.data-table tbody a').first().click();
      await page.locator('.raw').waitFor();
      await look('letter');
      await open('/operator/payouts/pending');
      await look('balance');
      for (const path of ['/matches/23', '/matches/24']) {
        await open(path);
        await look(path);
      }
      expect(found).toEqual([]);
    },
  );
}

/** Goes to a page by way of the log-in. */
async function logIn(page: Page, { url, operator }: Shop, path: string): Promise<void> {
  // The form can be seen before its scripts have come, and used after.
  await page.goto(`${url}/login?next=${encodeURIComponent(path)}`, { waitUntil: 'networkidle' });
  await page.getByRole('textbox', { name: /E-mail address/ }).fill(operator.email);
  await page.getByLabel('Password', { exact: true }).fill(operator.password);
  await page.getByRole('button', { name: 'Log in', exact: true }).click();
  await page.locator('.operator h1').waitFor();
}

async function sees(page: Page, title: string): Promise<void> {
  await page.getByRole('heading', { level: 1, name: title }).waitFor();
}

async function redrive(page: Page): Promise<void> {
  await page.getByRole('button', { name: 'Re-drive' }).click();
  await page.getByRole('alertdialog').getByRole('button', { name: 'Re-drive' }).click();
  await page.getByRole('alertdialog').waitFor({ state: 'detached' });
}

const SEARCHES_MAX = 20;
const SEARCH_MS = 500;

/** Reservations are in the archive a moment after they are made. */
async function searchUntil(page: Page, email: string, wanted: Locator): Promise<void> {
  await page.getByRole('searchbox').fill(email);
  for (let tries = 0; tries < SEARCHES_MAX && (await wanted.count()) === 0; tries += 1) {
    await page.getByRole('button', { name: 'Search' }).click();
    await wanted.waitFor({ timeout: SEARCH_MS }).catch(() => undefined);
  }
  await wanted.waitFor();
}

/** As the consumer keeps them: bytes that are no message, and one that is, of a match that was not known then. */
async function writeLetters(dir: string): Promise<void> {
  const archive = new EmbeddedArchive({ dir: join(dir, 'archive') });
  const sale = {
    meta: { action: 'TICKET_RESERVED' },
    body: { matchNumber: 28, tickets: { category: 1, quantity: 1, price: 75 } },
  };
  const letter = (offset: string, reason: string, raw: Buffer): DeadLetter => ({
    id: `cluster/sales/0/${offset}`,
    source: 'cluster/sales/0',
    reason,
    raw: raw.toString('base64'),
    headers: {
      clientId: 'north',
      'x-original-topic': 'fifa-world-cup-2022-ticket-sales-dev',
      'x-original-offset': offset,
      'x-original-timestamp': '1669000000000',
    },
    receivedAt: 1_669_000_000_000 + Number(offset),
  });
  await archive.start();
  await archive.saveDeadLetter(letter('1', 'malformed: no JSON', Buffer.from([0xff, 0xfe, 0x7b])));
  await archive.saveDeadLetter(letter('2', 'the match was unknown', Buffer.from(JSON.stringify(sale))));
  await archive.stop();
}
