/**
 * A gate in a real browser: who may use the page, what it answers with a network and without one, that it opens
 * without one, and that the marketplace hears of everything in the end.
 */
import { join } from 'node:path';
import { AxeBuilder } from '@axe-core/playwright';
import { afterAll, afterEach, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { chromium, type Browser, type Page } from 'playwright-core';
import { request, scratchDir } from '../helpers/processes.js';
import { skipBecause } from '../helpers/skips.js';
import { browserFound, launch, newEmail, openShop, SIZES, visit } from './browser.js';
import type { Shop, Size, Visitor } from './browser.js';
import { PASSWORD, register } from './buyer.js';
import {
  accessTokenOf,
  bought,
  chooseGate,
  counts,
  enter,
  filmOf,
  logIn,
  newSteward,
  refund,
  standAt,
  told,
  type Credentials,
} from './gate.js';

const TEST_MS_MAX = 240_000;
jest.setTimeout(TEST_MS_MAX);

if (browserFound.kind === 'none') {
  describe('a gate in a browser', () => skipBecause('a gate in a browser', browserFound.reason));
} else {
  describe('a gate in a browser', suite);
}

function suite(): void {
  let shop: Shop;
  let browser: Browser;
  /** Only asks; who stands at a gate has an account of their own. */
  let steward: Credentials;
  const visitors: Visitor[] = [];
  beforeAll(async () => {
    [shop, browser] = await Promise.all([openShop({ GUESTS: 'open' }), launch()]);
    steward = await newSteward(shop);
  }, TEST_MS_MAX);
  afterAll(async () => {
    await browser?.close();
    await shop?.stop();
  }, TEST_MS_MAX);
  afterEach(async () => {
    const left = visitors.splice(0);
    await Promise.all(left.map(({ context }) => context.close()));
    expect(left.flatMap(({ errors }) => errors)).toEqual([]);
  });
  const come = async (size: Size = 'phone', options: Parameters<typeof visit>[2] = {}): Promise<Visitor> => {
    const visitor = await visit(browser, size, options);
    visitors.push(visitor);
    return visitor;
  };

  it('lets the camera be used on this page alone, and keeps its worker out of the shop', async () => {
    const headersOf = async (path: string): Promise<Headers> => (await fetch(shop.url + path)).headers;
    for (const path of ['/check-in', '/ar/check-in', '/check-in?x=1']) {
      const headers = await headersOf(path);
      expect(headers.get('Permissions-Policy')).toContain('camera=(self)');
      expect(headers.get('Content-Security-Policy')).toContain("script-src 'self' 'wasm-unsafe-eval';");
    }
    for (const path of ['/', '/login', '/operator', '/matches/1', '/check-in/x', '/xx/check-in/x']) {
      const headers = await headersOf(path);
      expect([path, headers.get('Permissions-Policy')]).toEqual([path, expect.stringContaining('camera=()')]);
      expect([path, headers.get('Content-Security-Policy')]).toEqual([
        path,
        expect.not.stringContaining('wasm'),
      ]);
    }
    const worker = await headersOf('/check-in-worker.js');
    expect(worker.get('Cache-Control')).toBe('no-cache');
    expect(worker.get('Content-Security-Policy')).toBe("default-src 'none'; connect-src 'self'");
    expect(worker.get('Content-Type')).toMatch(/^(text|application)\/javascript/);
    const html = await (await fetch(`${shop.url}/check-in`)).text();
    expect(html).toContain('<meta name="robots" content="noindex"/>');
    expect(html).not.toContain('homeTeam');
  });

  it('is for nobody else: a guest is asked to log in, a buyer is told so and gets nothing of it', async () => {
    const { page, context } = await come();
    const loaded: string[] = [];
    page.on('request', (sent) => loaded.push(new URL(sent.url()).pathname));
    await page.goto(`${shop.url}/check-in`, { waitUntil: 'networkidle' });
    await page.getByRole('heading', { level: 1, name: 'Check-in is for stewards' }).waitFor();
    const email = newEmail('buyer');
    await register(page, shop, email);
    await page.goto(`${shop.url}/check-in`, { waitUntil: 'networkidle' });
    await page.getByRole('heading', { level: 1, name: 'This page is not for you' }).waitFor();
    expect(await page.getByRole('link', { name: 'Check-in' }).count()).toBe(0);
    expect(loaded.filter((path) => /check-ins|check-in\.(en|ar)|zxing|check-in-worker/.test(path))).toEqual(
      [],
    );
    expect(context.serviceWorkers()).toEqual([]);
    const token = await accessTokenOf(shop, { email, password: PASSWORD });
    for (const path of ['matches', 'lists/1', 'conflicts', 'counts/1']) {
      const [buyers, guests] = await Promise.all(
        [{ token }, {}].map((as) => request('GET', `${shop.url}/api/v1/check-ins/${path}`, as)),
      );
      expect([path, buyers?.status, guests?.status]).toEqual([path, 403, 401]);
    }
  });

  it.each(Object.keys(SIZES) as Size[])('answers codes that are typed, on a %s', async (size) => {
    const matchNumber = size === 'phone' ? 21 : 22;
    const [valid, other, given] = await Promise.all([
      bought(shop, matchNumber),
      bought(shop, 23),
      bought(shop, matchNumber, 2),
    ]);
    const { page } = await come(size);
    await standAt(page, shop, await newSteward(shop), { matchNumber });
    await enter(page, valid[0]!.code);
    await told(page, 'Let in', 'Category 1, ticket 1');
    await enter(page, valid[0]!.code.toLowerCase());
    // A second is a hand-held scanner that sends twice.
    await page.waitForTimeout(1_100);
    await enter(page, valid[0]!.code);
    await told(page, 'Already in', /^At \d\d:\d\d, gate North$/);
    await refund(shop, given[0]!);
    await enter(page, given[1]!.code);
    await told(page, 'Refunded');
    await enter(page, other[0]!.code);
    await told(page, 'Other match', 'The ticket is for match 23.');
    await enter(page, 'https://example.org/ticket');
    await told(page, 'Not a ticket of ours');
    await counts(shop, matchNumber, steward, { admitted: 1 });
  });

  it('hears a hand-held scanner wherever the focus is', async () => {
    const [ticket] = await bought(shop, 24);
    const { page } = await come('desktop');
    await standAt(page, shop, await newSteward(shop), { matchNumber: 24 });
    await page.getByRole('button', { name: 'Download again' }).focus();
    await page.keyboard.type(ticket!.code);
    await page.keyboard.press('Enter');
    await told(page, 'Let in');
  });

  it('two gates without a network let the same ticket in, and hear of it when they are back', async () => {
    const tickets = [...(await bought(shop, 25)), ...(await bought(shop, 25))];
    const gates = await Promise.all([come('phone'), come('desktop')]);
    for (const [index, { page }] of gates.entries()) {
      const post = { matchNumber: 25, gate: `Gate ${index + 1}`, device: `Phone ${index + 1}` };
      await standAt(page, shop, await newSteward(shop), post);
    }
    for (const { page, context } of gates) {
      await context.setOffline(true);
      await page.getByText(/^Works without a network since \d\d:\d\d$/).waitFor();
      await enter(page, tickets[0]!.code);
      await told(page, 'Let in', 'Checked with the list; sent later.');
      await page.getByText('1 scan waits to be sent').waitFor();
      await page.waitForTimeout(1_100);
      await enter(page, tickets[0]!.code);
      await told(page, 'Already in');
    }
    const [first, second] = gates.map(({ page }) => page);
    await enter(first!, tickets[1]!.code);
    await told(first!, 'Let in');
    await first!.getByText('2 scans wait to be sent').waitFor();
    for (const { page, context } of gates) {
      await context.setOffline(false);
      await page.getByText('Connected', { exact: true }).waitFor();
      await page.getByText('Everything is sent').waitFor();
    }
    const conflict = second!
      .getByRole('region')
      .or(second!.locator('section'))
      .filter({
        has: second!.getByRole('heading', { name: 'Let in, and should not have been' }),
      });
    await conflict.getByText('Somebody else was let in with the same ticket').waitFor();
    await conflict.getByText(/^On record: \d\d:\d\d, gate Gate 1, Phone 1 \([0-9a-f]{6}\)$/).waitFor();
    await conflict.getByText(/^Told later: \d\d:\d\d, gate Gate 2, Phone 2 \([0-9a-f]{6}\)$/).waitFor();
    expect(await first!.getByText('Let in, and should not have been').count()).toBe(0);
    await counts(shop, 25, steward, { sold: 2, admitted: 2, conflicts: 1 });
    // It stays over a reload, until it is dismissed.
    await second!.reload();
    await conflict.getByRole('button', { name: `Dismiss the conflict of ticket ${tickets[0]!.id}` }).click();
    await conflict.waitFor({ state: 'detached' });
    await second!.getByText('1 conflict of all devices').waitFor();
    await second!.reload();
    await second!.getByText('1 conflict of all devices').waitFor();
    expect(await second!.getByText('Let in, and should not have been').count()).toBe(0);
    // Whoever looks into it says so for all.
    await second!.getByText('1 conflict of all devices (1 not looked into)').click();
    const resolve = second!.getByRole('button', { name: `Mark as looked into: ticket ${tickets[0]!.id}` });
    await resolve.click();
    await second!.getByText('Say what was found.').waitFor();
    await second!.getByLabel('What was found').fill('A screenshot; the second one left.');
    await resolve.click();
    await second!.getByText('1 conflict of all devices (all looked into)').waitFor();
    await second!.getByText(/^Looked into: \d\d:\d\d, account \w+/).waitFor();
    await first!.reload();
    await first!.getByText('1 conflict of all devices (all looked into)').click();
    await first!.getByText('A screenshot; the second one left.').waitFor();
  });

  it('opens while the marketplace is away, goes on with what it kept, and sends it when it is back', async () => {
    const tickets = [...(await bought(shop, 26)), ...(await bought(shop, 26))];
    const { page, context } = await come();
    await standAt(page, shop, await newSteward(shop), { matchNumber: 26 });
    await page.getByText('This page opens without a network.').waitFor();
    await shop.close();
    try {
      await enter(page, tickets[0]!.code);
      await told(page, 'Let in', 'Checked with the list; sent later.');
      await page.reload();
      await page.getByText(/^Works without a network since/).waitFor();
      await page.getByText('1 scan waits to be sent').waitFor();
      await page.getByText(/Downloaded \d\d:\d\d by Sam Steward\./).waitFor();
      await enter(page, tickets[0]!.code);
      await told(page, 'Already in', /^At \d\d:\d\d, gate North$/);
      await enter(page, tickets[1]!.code);
      await told(page, 'Let in');
      // In the other language too, which was never looked at.
      await page.goto(`${shop.url}/ar/check-in`);
      await page.getByText(/^يعمل من دون شبكة منذ/).waitFor();
      expect(await page.evaluate<string>('document.documentElement.dir')).toBe('rtl');
      // The shop is as if there was no worker.
      const other = await context.newPage();
      await expect(other.goto(`${shop.url}/`)).rejects.toThrow('ERR_CONNECTION_REFUSED');
      await other.close();
      await page.goto(`${shop.url}/check-in`);
      await page.getByText('2 scans wait to be sent').waitFor();
    } finally {
      await shop.reopen();
    }
    await page.getByText('Everything is sent').waitFor({ timeout: 60_000 });
    await counts(shop, 26, steward, { sold: 2, admitted: 2, conflicts: 0 });
  });

  it('an answer that is lost on its way is no second admission', async () => {
    const [ticket] = await bought(shop, 27);
    const { page } = await come();
    await standAt(page, shop, await newSteward(shop), { matchNumber: 27 });
    await page.route('**/api/v1/check-ins', async (route) => {
      await route.fetch();
      // And nothing comes back.
    });
    await page.route('**/api/v1/tickets/keys', (route) => route.abort());
    await page.route('**/api/v1/check-ins/sync', (route) => route.abort());
    await enter(page, ticket!.code);
    await page.getByText('Let in', { exact: true }).first().waitFor();
    await told(page, 'Let in', 'Checked with the list; sent later.');
    await counts(shop, 27, steward, { admitted: 1 });
    await page.unrouteAll({ behavior: 'ignoreErrors' });
    await page.getByText('Everything is sent').waitFor({ timeout: 60_000 });
    expect(await page.getByText('Let in, and should not have been').count()).toBe(0);
    await counts(shop, 27, steward, { admitted: 1, conflicts: 0 });
  });

  it('a ticket that is not on the list is decided by the steward', async () => {
    await bought(shop, 28);
    const { page, context } = await come();
    await standAt(page, shop, await newSteward(shop), { matchNumber: 28 });
    const [later, away] = [...(await bought(shop, 28)), ...(await bought(shop, 28))];
    await context.setOffline(true);
    await enter(page, away!.code);
    await told(page, 'Genuine, but not on the list');
    await page.getByRole('button', { name: 'Do not let in' }).click();
    await told(page, 'Not let in');
    await enter(page, later!.code);
    await told(page, 'Genuine, but not on the list');
    await page.getByRole('button', { name: 'Let in', exact: true }).click();
    await told(page, 'Let in', 'Let in by your decision; sent later.');
    await context.setOffline(false);
    await page.getByText('Everything is sent').waitFor();
    await counts(shop, 28, steward, { admitted: 1, conflicts: 0 });
  });

  it('one that is refunded while the gate has no network is told when it is back', async () => {
    const [ticket] = await bought(shop, 29);
    const { page, context } = await come();
    await standAt(page, shop, await newSteward(shop), { matchNumber: 29 });
    await context.setOffline(true);
    await enter(page, ticket!.code);
    await told(page, 'Let in');
    await refund(shop, ticket!);
    await context.setOffline(false);
    await page.getByText('The ticket admits nobody: refunded').waitFor();
    const downloaded = page.waitForResponse(/\/check-ins\/lists\/29$/);
    await page.getByRole('button', { name: 'Download again' }).click();
    expect((await downloaded).status()).toBe(200);
  });

  it('says that the camera is not allowed, and goes on with typing', async () => {
    const [ticket] = await bought(shop, 30);
    const { page } = await come();
    await standAt(page, shop, await newSteward(shop), { matchNumber: 30 });
    await page.getByRole('button', { name: 'Start the camera' }).click();
    await page
      .getByText('The camera is not allowed')
      .or(page.getByText('There is no camera'))
      .first()
      .waitFor();
    await page.getByText('Codes can be typed meanwhile.').waitFor();
    await enter(page, ticket!.code);
    await told(page, 'Let in');
  });

  it('reads a code with the camera, once while it is in view', async () => {
    const [ticket] = await bought(shop, 31);
    const scratch = scratchDir();
    const film = join(scratch.dir, 'code.y4m');
    filmOf(ticket!.code, film);
    const filming = await chromium.launch({
      executablePath: browserFound.path ?? '',
      args: [
        '--use-fake-ui-for-media-stream',
        '--use-fake-device-for-media-stream',
        `--use-file-for-fake-video-capture=${film}`,
        '--disable-gpu',
        ...(process.getuid?.() === 0 ? ['--no-sandbox'] : []),
      ],
    });
    try {
      const { page, errors } = await visit(filming, 'phone', { permissions: ['camera'] });
      let sent = 0;
      page.on('request', (one) => {
        if (one.method() === 'POST' && one.url().endsWith('/check-ins')) sent += 1;
      });
      await standAt(page, shop, await newSteward(shop), { matchNumber: 31 });
      await page.getByRole('button', { name: 'Start the camera' }).click();
      await told(page, 'Let in', 'Category 1, ticket 1');
      await page.waitForTimeout(4_000);
      await told(page, 'Let in');
      expect(sent).toBe(1);
      await page.getByRole('button', { name: 'Stop the camera' }).click();
      await page.getByRole('button', { name: 'Start the camera' }).click();
      await told(page, 'Already in', /^At \d\d:\d\d, gate North$/);
      expect(errors).toEqual([]);
    } finally {
      await filming.close();
      scratch.remove();
    }
  });

  it.each([
    ['light', 'desktop'],
    ['dark', 'phone'],
  ] as const)('axe finds nothing serious in the %s theme on a %s', async (colorScheme, size) => {
    const matchNumber = size === 'phone' ? 32 : 33;
    const [ticket] = await bought(shop, matchNumber);
    const { page, context } = await come(size, { colorScheme });
    await page.goto(`${shop.url}/check-in`);
    await page.getByRole('link', { name: 'Log in', exact: true }).click();
    await logIn(page, await newSteward(shop));
    await page.getByRole('heading', { level: 1, name: 'Where do you check?' }).waitFor();
    await page.getByRole('button', { name: 'Download the list and begin' }).click();
    await page.getByText('Enter the gate.').waitFor();
    const found = [...(await seriousOf(page, 'choose'))];
    await chooseGate(page, { matchNumber });
    found.push(...(await seriousOf(page, 'ready')));
    const steps: readonly (readonly [string, string])[] = [
      [ticket!.code, 'Let in'],
      [ticket!.code, 'Already in'],
      ['nothing', 'Not a ticket of ours'],
    ];
    for (const [code, title] of steps) {
      await page.waitForTimeout(1_100);
      await enter(page, code);
      await told(page, title);
      found.push(...(await seriousOf(page, title)));
    }
    const [unlisted] = await bought(shop, matchNumber);
    await context.setOffline(true);
    await enter(page, unlisted!.code);
    await told(page, 'Genuine, but not on the list');
    found.push(...(await seriousOf(page, 'doubt')));
    await context.setOffline(false);
    await page.goto(`${shop.url}/ar/check-in`);
    await page.getByText('جاهز', { exact: true }).waitFor();
    found.push(...(await seriousOf(page, 'Arabic')));
    expect(found).toEqual([]);
    await page.setViewportSize({ width: 320, height: 640 });
    expect(await page.evaluate<number>('document.documentElement.scrollWidth')).toBeLessThanOrEqual(320);
  });
}

const TAGS = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa'];

async function seriousOf(page: Page, where: string): Promise<readonly string[]> {
  const { violations } = await new AxeBuilder({ page }).withTags(TAGS).analyze();
  return violations
    .filter(({ impact }) => impact === 'serious' || impact === 'critical')
    .map(({ id, nodes }) => `${where}: ${id} ${nodes.map(({ target }) => String(target)).join(' ')}`);
}
