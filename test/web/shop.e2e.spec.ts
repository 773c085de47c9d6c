/**
 * Buying in a real browser, on a phone and on a desktop: what the screen says is what the shop has, whatever the card,
 * the clock, the network or somebody else does meanwhile.
 */
import { afterAll, afterEach, beforeAll, describe, expect, it, jest } from '@jest/globals';
import type { Browser, Locator, Route } from 'playwright-core';
import { request } from '../helpers/processes.js';
import { skipBecause } from '../helpers/skips.js';
import {
  browserFound,
  launch,
  newEmail,
  openShop,
  SIZES,
  visit,
  type Shop,
  type Size,
  type Visitor,
} from './browser.js';
import { buy, CARDS, choose, countersOf, hold, pay, sees, TITLES } from './buyer.js';

const TEST_MS_MAX = 240_000;
jest.setTimeout(TEST_MS_MAX);
const HOLD_MS = 25_000;

if (browserFound.kind === 'none') {
  describe('the shop in a browser', () => skipBecause('the shop in a browser', browserFound.reason));
} else {
  describe.each(Object.keys(SIZES) as Size[])('the shop on a %s', suite);
}

function suite(size: Size): void {
  let shop: Shop;
  let browser: Browser;
  const visitors: Visitor[] = [];
  beforeAll(async () => {
    [shop, browser] = await Promise.all([openShop({ HOLD_MS: String(HOLD_MS) }), launch()]);
  }, TEST_MS_MAX);
  afterAll(async () => {
    await browser?.close();
    await shop?.stop();
  }, TEST_MS_MAX);
  afterEach(async () => {
    const left = visitors.splice(0);
    const errors = left.flatMap((visitor) => visitor.errors);
    await Promise.all(left.map(({ context }) => context.close()));
    expect(errors).toEqual([]);
  });
  const come = async (options: Parameters<typeof visit>[2] = {}): Promise<Visitor> => {
    const visitor = await visit(browser, size, options);
    visitors.push(visitor);
    return visitor;
  };

  it('finds a match in spite of a typing mistake, and keeps the search in the address', async () => {
    const { page } = await come();
    // Below the list are matches that are recommended.
    const listed = (team: RegExp): Locator => page.locator('.days').getByRole('link', { name: team });
    await page.goto(`${shop.url}/`);
    await listed(/Senegal/)
      .first()
      .waitFor();
    await page.getByRole('searchbox', { name: 'Search' }).fill('Argentna');
    await listed(/Senegal/)
      .first()
      .waitFor({ state: 'detached' });
    await listed(/Argentina/)
      .first()
      .waitFor();
    await page.waitForURL(/q=Argentna/);
    await page.reload();
    await listed(/Argentina/)
      .first()
      .waitFor();
    expect(await listed(/Senegal/).count()).toBe(0);
  });

  it('heeds what was done before its scripts had come', async () => {
    const { page } = await come();
    const gate = { opened: Promise.resolve(), open: (): void => undefined };
    await page.route(/\.js$/, async (route) => {
      await gate.opened;
      await route.continue();
    });
    const before = async (path: string, act: () => Promise<void>): Promise<void> => {
      gate.opened = new Promise((resolve) => (gate.open = resolve));
      await page.goto(`${shop.url}${path}`, { waitUntil: 'commit' });
      await act();
      gate.open();
    };
    await before('/', () => page.getByRole('searchbox', { name: 'Search' }).fill('Ghana'));
    await page.waitForURL(/q=Ghana/);
    await before('/', async () => {
      // Folded away on a telephone.
      await page.locator('select[name=group]').selectOption('C', { force: true });
    });
    await page.waitForURL(/group=C/);
    await before('/matches/1', () =>
      page.getByRole('radio', { name: /Category 2\b/ }).check({ force: true }),
    );
    await page.locator('.hold-total').waitFor();
  });

  it('sells a ticket: held, paid, and nothing claimed before', async () => {
    const { page } = await come();
    const before = await countersOf(shop, 1);
    await hold(page, shop, { matchNumber: 1, email: newEmail('buyer') });
    expect(await countersOf(shop, 1)).toEqual({ available: before.available, pending: before.pending - 1 });
    await page.getByRole('timer').or(page.getByText('Time left')).first().waitFor();
    await pay(page);
    await sees(page, TITLES.reserved);
    expect(await countersOf(shop, 1)).toEqual({
      available: before.available - 1,
      pending: before.pending - 1,
    });
    await page.reload();
    await sees(page, TITLES.reserved);
  });

  it('says that a card was declined, and takes another', async () => {
    const { page } = await come();
    await hold(page, shop, { matchNumber: 2, email: newEmail('declined') });
    await pay(page, CARDS.declined);
    await sees(page, TITLES.retry);
    expect(await countersOf(shop, 2)).toMatchObject({ available: 20, pending: 20 });
    await pay(page);
    await sees(page, TITLES.reserved);
    expect(await countersOf(shop, 2)).toMatchObject({ available: 19, pending: 19 });
  });

  it('goes to the bank for 3-D Secure and comes back', async () => {
    const { page } = await come();
    await hold(page, shop, { matchNumber: 3, email: newEmail('bank') });
    await pay(page, CARDS.bank);
    const complete = page.getByRole('button', { name: 'Complete authentication' });
    await complete
      .or(page.getByRole('button', { name: 'Go to my bank' }))
      .first()
      .waitFor();
    if (!(await complete.isVisible())) await page.getByRole('button', { name: 'Go to my bank' }).click();
    await complete.click();
    await sees(page, TITLES.reserved);
    expect(page.url()).not.toContain('payment_intent');
  });

  it('says that the hold has ended, and that nothing was charged', async () => {
    const { page } = await come();
    await hold(page, shop, { matchNumber: 4, email: newEmail('late') });
    await sees(page, TITLES.expired, HOLD_MS + 20_000);
    expect(await countersOf(shop, 4)).toEqual({ available: 20, pending: 20 });
  });

  it('gives tickets back', async () => {
    const { page } = await come();
    await hold(page, shop, { matchNumber: 5, email: newEmail('back') });
    await page.getByRole('button', { name: 'Give the tickets back' }).click();
    await page
      .getByRole('dialog')
      .or(page.getByRole('alertdialog'))
      .getByRole('button', { name: /give .*back/i })
      .click();
    await sees(page, TITLES.cancelled);
    expect(await countersOf(shop, 5)).toEqual({ available: 20, pending: 20 });
  });

  it('claims nothing while the answer is lost, and finds the truth once the network is back', async () => {
    const { page, context } = await come();
    await hold(page, shop, { matchNumber: 6, email: newEmail('lost') });
    let sent = 0;
    // The request arrives, its answer does not.
    await page.route('**/payment', async (route) => {
      if (route.request().method() !== 'POST') return route.continue();
      sent += 1;
      await route.fetch();
      await context.setOffline(true);
      return route.abort('connectionreset');
    });
    await pay(page);
    await page.getByText('You are offline').waitFor();
    expect(await page.getByRole('heading', { name: TITLES.reserved }).count()).toBe(0);
    expect(sent).toBeGreaterThan(0);
    await page.unroute('**/payment');
    await context.setOffline(false);
    await sees(page, TITLES.reserved, 30_000);
    expect(await countersOf(shop, 6)).toEqual({ available: 19, pending: 19 });
  });

  it('pays once in two tabs', async () => {
    const { page, context } = await come();
    await hold(page, shop, { matchNumber: 7, email: newEmail('tabs') });
    const second = await context.newPage();
    await second.goto(page.url());
    await sees(second, TITLES.held);
    // Either may learn of the other before its button is pressed, and has none any more then.
    const pressed = await Promise.allSettled([pay(page), pay(second)]);
    expect(pressed.map((press) => press.status)).toContain('fulfilled');
    await Promise.all([sees(page, TITLES.reserved, 30_000), sees(second, TITLES.reserved, 30_000)]);
    expect(await countersOf(shop, 7)).toEqual({ available: 19, pending: 19 });
  });

  it('sells the last tickets to one of two, and tells the other the truth', async () => {
    // One ticket is left; two browsers show it as to be had.
    await takeAllBut(1, 8, 2);
    const two = await Promise.all([come(), come()]);
    const meet = meeting(two.length);
    for (const [index, { page }] of two.entries()) {
      await choose(page, shop, { matchNumber: 8, category: 2, email: newEmail(`race-${index}`) });
      // Neither page learns of the other's hold before its own was asked for.
      await page.route('**/api/v1/reservations', meet);
    }
    await Promise.all(two.map(({ page }) => page.getByRole('button', { name: 'Hold tickets' }).click()));
    const won = await Promise.any(
      two.map(async (visitor) => {
        await sees(visitor.page, TITLES.held);
        return visitor;
      }),
    );
    const lost = two.find((visitor) => visitor !== won);
    await lost?.page.getByRole('alert').getByText('ticket is temporarily unavailable').first().waitFor();
    expect(lost?.page.url()).toBe(`${shop.url}/matches/8`);
    await pay(won.page);
    await sees(won.page, TITLES.reserved);
    expect(await countersOf(shop, 8, 2)).toEqual({ available: 0, pending: 0 });
  });

  it('shows a sale elsewhere in an open page', async () => {
    const { page } = await come();
    await page.goto(`${shop.url}/matches/9`);
    await page.getByText('Live availability', { exact: true }).waitFor();
    await page.getByText('20 tickets left').first().waitFor();
    const other = await come();
    await buy(other.page, shop, { matchNumber: 9, email: newEmail('elsewhere') });
    await page.getByText('19 tickets left').first().waitFor();
  });

  it('says that the connection is lost, and comes back by itself', async () => {
    const { page } = await come();
    await page.goto(`${shop.url}/`);
    await page.getByText('Live availability', { exact: true }).waitFor();
    await shop.close();
    await page.getByText(/Connection lost. Last updated/).waitFor();
    await shop.reopen();
    await page.getByText('Live availability', { exact: true }).waitFor({ timeout: 40_000 });
  });

  it('can be read without JavaScript', async () => {
    const { page } = await come({ javaScriptEnabled: false });
    await page.goto(`${shop.url}/?team=Ghana`);
    expect(await page.getByRole('link', { name: /Ghana/ }).count()).toBe(3);
    expect(await page.getByRole('link', { name: /Qatar/ }).count()).toBe(0);
    await page.goto(`${shop.url}/matches/10`);
    expect(await page.getByText('$75').count()).toBeGreaterThan(0);
    // The browser under test does not paint what stands in noscript.
    expect(await page.content()).toContain('please switch JavaScript on');
  });

  it('a browser that says it is automatic has to prove its work, and can buy then', async () => {
    const { page } = await come({ userAgent: HEADLESS });
    let challenges = 0;
    page.on('response', (response) => {
      if (response.status() === 403) challenges += 1;
    });
    await hold(page, shop, { matchNumber: 11, email: newEmail('robot') });
    expect(challenges).toBeGreaterThan(0);
  });

  /** Other people buy the rest, for holds would end: with one address each, as the limit wants it. */
  async function takeAllBut(left: number, matchNumber: number, category: number): Promise<void> {
    const { pending } = await countersOf(shop, matchNumber, category);
    for (let rest = pending - left; rest > 0; rest -= 2) {
      const body = { matchNumber, category, quantity: Math.min(2, rest), email: newEmail('crowd') };
      const held = await request('POST', `${shop.url}/api/v1/reservations`, { body });
      expect(held.status).toBe(201);
      const { id, token } = held.body;
      const paid = await request('POST', `${shop.url}/api/v1/reservations/${id}/payment`, {
        body: { paymentMethod: '4242424242424242' },
        token,
      });
      expect(paid.status).toBe(200);
    }
    expect(await countersOf(shop, matchNumber, category)).toEqual({ available: left, pending: left });
  }
}

/** Lets requests go on once so many have come. */
function meeting(count: number): (route: Route) => Promise<void> {
  let open = (): void => undefined;
  const opened = new Promise<void>((resolve) => (open = resolve));
  let come = 0;
  return async (route) => {
    come += 1;
    if (come >= count) open();
    await opened;
    await route.continue();
  };
}

const HEADLESS =
  'Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) HeadlessChrome/156.0.0.0 Safari/537.36';
