/** The operators' pages in a real browser: who gets in, and what an operator sees and does there. */
import { readFileSync } from 'node:fs';
import { AxeBuilder } from '@axe-core/playwright';
import { describe, expect, it, jest } from '@jest/globals';
import type { Page } from 'playwright-core';
import { request } from '../helpers/processes.js';
import { skipBecause } from '../helpers/skips.js';
import { visitsOf } from './visits.js';
import { browserFound, launch, newEmail, openShop, visit } from './browser.js';
import type { Shop, Size, Visitor } from './browser.js';
import { buy, PASSWORD, register } from './buyer.js';
import { newOperator } from './gate.js';

const TEST_MS_MAX = 480_000;
jest.setTimeout(TEST_MS_MAX);

/** What operators alone may read, besides what each part tests of its own. */
const READS = [
  '/operations/sales',
  '/operations/demand',
  '/operations/tickets',
  '/operations/system',
  '/blocks',
  '/audit',
  '/users',
];

if (browserFound.kind === 'none') {
  describe('operators in a browser', () => skipBecause('operators in a browser', browserFound.reason));
} else {
  describe('operators in a browser', suite);
  describe('a log-in without the second factor that is required', factorSuite);
}

function suite(): void {
  const here = visitsOf(TEST_MS_MAX);
  const come = (size: Size = 'desktop'): Promise<Visitor> => here.come(size);
  const comeAsOperator = async (size?: Size): Promise<Page> => {
    const { page } = await come(size);
    await page.goto(`${here.shop.url}/operator`);
    await logIn(page, here.shop.operator);
    await sees(page, 'Sales');
    return page;
  };

  it('serves a document with nothing of anybody in it, that search engines leave alone', async () => {
    for (const path of ['/operator', '/operator/live', '/ar/operator/nothing']) {
      const answer = await fetch(here.shop.url + path);
      const html = await answer.text();
      expect([path, answer.status]).toEqual([path, 200]);
      expect(html).toContain('<meta name="robots" content="noindex"/>');
      // The matches, which other pages are made of.
      expect(html).not.toContain('homeTeam');
    }
    const robots = await (await fetch(`${here.shop.url}/robots.txt`)).text();
    expect(robots).toContain('Disallow: /operator');
  });

  it('sends a guest to the log-in, and an operator on to where they wanted to go', async () => {
    const { page } = await come();
    await page.goto(`${here.shop.url}/operator/audit?actor=system`);
    await page.waitForURL(/\/login\?next=%2Foperator%2Faudit%3Factor%3Dsystem$/);
    await logIn(page, here.shop.operator);
    await page.waitForURL(/\/operator\/audit\?actor=system$/);
    await sees(page, 'Audit');
    await page.getByRole('cell', { name: 'user.first_operator' }).waitFor();
    // From the shop they get there by a link that nobody else has.
    await page.getByRole('link', { name: 'Matches' }).first().click();
    await page.getByRole('link', { name: 'Operations' }).click();
    await sees(page, 'Sales');
  });

  it('tells a buyer that these pages are not theirs, loads nothing of them, and answers nothing', async () => {
    const { page } = await come();
    const loaded: string[] = [];
    page.on('request', (sent) => loaded.push(new URL(sent.url()).pathname));
    const email = newEmail('buyer');
    await register(page, here.shop, email);
    expect(await page.getByRole('link', { name: 'Operations' }).count()).toBe(0);
    loaded.splice(0);
    for (const path of ['/operator', '/operator/staff']) {
      await page.goto(here.shop.url + path, { waitUntil: 'networkidle' });
      await sees(page, 'This page is for operators');
    }
    expect(loaded.filter((path) => operatorsFiles().includes(path))).toEqual([]);
    expect(loaded.filter((path) => READS.some((read) => path === `/api/v1${read}`))).toEqual([]);
    // The files are there: it is not a name that changed.
    expect(operatorsFiles().length).toBeGreaterThan(5);

    const credentials = { email, password: PASSWORD };
    const { body } = await request('POST', `${here.shop.url}/api/v1/sessions`, { body: credentials });
    const { accessToken: token } = body as unknown as { accessToken: string };
    for (const path of READS) {
      const buyers = await request('GET', `${here.shop.url}/api/v1${path}`, { token });
      const guests = await request('GET', `${here.shop.url}/api/v1${path}`);
      expect([path, buyers.status, guests.status]).toEqual([path, 403, 401]);
    }
    const board = await fetch(`${here.shop.url}/admin/queues`, {
      headers: { Authorization: `Bearer ${token}` },
    });
    expect(board.status).toBe(403);
  });

  it('asks for what an operator sees first once, and before its page is there', async () => {
    const page = await comeAsOperator();
    const sent: string[] = [];
    page.on('request', (request) => {
      const { pathname } = new URL(request.url());
      if (pathname.endsWith('/operations/sales')) sent.push(pathname);
    });
    // The page's own file comes when the question was asked, or never.
    let asked = (): void => undefined;
    const question = page.waitForRequest(/\/operations\/sales\?/).then(() => asked());
    const wait = new Promise<void>((resolve) => (asked = resolve));
    await page.route(
      (at) => at.pathname === salesFile(),
      async (route) => {
        await wait;
        await route.continue();
      },
    );
    await page.reload();
    await question;
    await page.locator('.operator .tile-value').first().waitFor();
    expect(sent).toHaveLength(1);
  });

  it('shows what was sold, as a sentence, a picture, tables and files', async () => {
    const buyer = await come();
    await register(buyer.page, here.shop, newEmail('fan'));
    await buy(buyer.page, here.shop, { matchNumber: 20, quantity: 2 });
    const page = await comeAsOperator();
    await page.getByLabel('Split by').selectOption('match');
    await page.waitForURL(/by=match/);
    const row = page.getByRole('row', { name: /^20 · / });
    await refreshUntil(page, 'Totals', row);
    expect(await row.getByRole('cell').first().textContent()).toBe('2');
    await page.getByRole('img', { name: 'Tickets sold over time' }).waitFor();
    const finding = await page.getByText(/tickets? in all; most on/).textContent();
    expect(finding).toMatch(/^\d+ tickets in all; most on .*, with \d+ tickets?\./);

    const shown = await downloaded(page, 'Download CSV: By match');
    expect(shown.name).toBe('sales-by-match.csv');
    expect(shown.text).toMatch(/^\ufeffMatch,Sold,Refunded,Revenue,/);
    expect(shown.text).toMatch(/\r\n20 · [^,\r]*,2,0,/);
    const whole = await downloaded(page, 'CSV of all numbers');
    expect(whole.text.split('\n').some((line) => /(^|,)20,.*,2,0,/.test(line))).toBe(true);

    await page.getByRole('link', { name: 'Live', exact: true }).click();
    await sees(page, 'Live counters');
    await page.getByLabel('Match').selectOption('20');
    const ticket = page.getByRole('row', { name: /^20 · .* 1 / }).first();
    await ticket.getByRole('img', { name: /^Ours 2, elsewhere 0, free \d+, of \d+$/ }).waitFor();
    await page.getByText('3 of 192 tickets').waitFor();

    await page.getByRole('link', { name: 'System', exact: true }).click();
    await sees(page, 'System');
    await page.getByRole('heading', { name: 'Dead letters' }).waitFor();
    await page.getByText(/^\d+ workers? with \d+ tickets?\.$/).waitFor();
  });

  it('blocks an address and ends the block, and both are in the audit', async () => {
    const page = await comeAsOperator();
    await page.getByRole('link', { name: 'Block list' }).click();
    await sees(page, 'Block list');
    await page.getByLabel('Address or range').fill('no address');
    await page.getByRole('button', { name: 'Block', exact: true }).click();
    await page.getByText('That is no address and no range.').waitFor();
    await page.getByLabel('Address or range').fill('198.51.100.0/24');
    await page.getByLabel('Reason').fill('=scans for passwords');
    await page.getByRole('button', { name: 'Block', exact: true }).click();
    const row = page.getByRole('row', { name: /198\.51\.100\.0\/24/ });
    await row.waitFor();
    const file = await downloaded(page, 'Download CSV: Blocked now');
    expect(file.text).toContain("'=scans for passwords");

    await row.getByRole('button', { name: 'End the block of 198.51.100.0/24' }).click();
    const dialog = page.getByRole('alertdialog', { name: 'End this block?' });
    await dialog.getByRole('button', { name: 'Cancel' }).click();
    expect(await row.count()).toBe(1);
    await row.getByRole('button', { name: /^End the block/ }).click();
    await dialog.getByRole('button', { name: 'End block' }).click();
    await row.waitFor({ state: 'detached' });

    await page.getByRole('link', { name: 'Audit' }).click();
    await page.getByRole('cell', { name: 'block.added' }).first().waitFor();
    await page.getByRole('cell', { name: 'block.removed' }).first().waitFor();
  });

  it('disables an account only when its address is typed, and that ends its log-ins', async () => {
    const email = newEmail('disabled');
    const fan = await come();
    await register(fan.page, here.shop, email);
    const page = await comeAsOperator('phone');
    await page.getByRole('button', { name: 'Pages of operations' }).click();
    await page.getByRole('link', { name: 'Accounts' }).click();
    await sees(page, 'Accounts');
    await page.getByLabel(`Change ${email}`).selectOption('disable');
    const dialog = page.getByRole('alertdialog', { name: 'Disable the account' });
    await dialog.getByLabel(/^Type .* to confirm$/).fill('somebody else');
    await dialog.getByRole('button', { name: 'Disable the account' }).click();
    await dialog.getByText('That is not what is asked for.').waitFor();
    await dialog.getByLabel(/^Type .* to confirm$/).fill(email);
    await dialog.getByRole('button', { name: 'Disable the account' }).click();
    await dialog.waitFor({ state: 'detached' });
    await page.getByRole('row', { name: new RegExp(`${email}.* disabled`) }).waitFor();
    const again = await request('POST', `${here.shop.url}/api/v1/sessions`, {
      body: { email, password: PASSWORD },
    });
    expect(again.status).toBeGreaterThanOrEqual(400);
    await fan.page.reload();
    await fan.page.getByRole('link', { name: 'Log in' }).waitFor();
  });

  it('says when tickets sell out, and why it does not say', async () => {
    const page = await comeAsOperator();
    // A market this young has no forecast.
    await page.goto(`${here.shop.url}/operator/demand?match=20`);
    await sees(page, 'Demand');
    await page
      .getByRole('row', { name: /^20 · .* Too few sales to tell/ })
      .first()
      .waitFor();
    await page.getByText('3 of 3 tickets').waitFor();
    await page.getByText('Nothing is oversubscribed.').waitFor();

    await page.route(/operations\/demand/, async (route) => {
      const answer = await route.fetch();
      const body = (await answer.json()) as { at: string; tickets: object[] };
      await route.fulfill({ response: answer, json: withForecasts(body) });
    });
    await page.reload();
    const words = /^Sells out about .+, between .+ and .+$/;
    await page.getByRole('img', { name: words }).waitFor();
    await page.getByRole('cell', { name: words }).first().waitFor();
    await page.getByRole('cell', { name: /not sell out before kick-off .*3 too many/ }).waitFor();
    await page.getByRole('row', { name: /20 · .* 3 .*a-peer 1 held, 4 sold/ }).waitFor();
    // The box is as it was clicked at once, not only when the address has followed.
    const box = page.getByLabel(/Only oversubscribed ones/);
    const isTicked = await box.evaluate((element: unknown) => {
      const input = element as { readonly checked: boolean; click(): void };
      input.click();
      return input.checked;
    });
    expect(isTicked).toBe(true);
    await page.waitForURL(/oversubscribed=1/);
    await page.getByText('1 of 3 tickets').waitFor();
    await page.unroute(/operations\/demand/);
    const file = await downloaded(page, 'CSV of all numbers');
    expect(file.text.split('\n')).toHaveLength(5);
  });

  it('forgets everything when the operator logs out in another tab', async () => {
    const page = await comeAsOperator();
    const other = await page.context().newPage();
    await other.goto(`${here.shop.url}/account`);
    await other.getByRole('button', { name: 'Log out', exact: true }).click();
    await page.waitForURL(/\/login\?next=%2Foperator$/);
  });

  it('has the board of queues behind the same port, with a log-in of its own', async () => {
    const page = await comeAsOperator();
    await page.getByRole('link', { name: 'Queues (Bull Board)' }).click();
    await page.waitForURL(/\/admin\/login$/);
    await page.getByLabel('E-mail address').fill(here.shop.operator.email);
    await page.getByLabel('Password').fill(here.shop.operator.password);
    await page.getByRole('button', { name: 'Log in' }).click();
    await page.waitForURL(/\/admin\/queues/);
    await page.getByText('dead-letters').first().waitFor();
  });

  it.each([
    ['', 'light', 'desktop'],
    ['', 'dark', 'phone'],
    ['/ar', 'light', 'phone'],
    ['/ar', 'dark', 'desktop'],
  ] as const)(
    'has nothing serious against it on any page, under %s/ in the %s theme on a %s',
    async (prefix, colorScheme, size: Size) => {
      const { page, context } = await visit(here.browser, size, { colorScheme });
      await page.goto(`${here.shop.url}/operator`);
      await logIn(page, await newOperator(here.shop));
      await sees(page, 'Sales');
      const links = await page.locator('.operator-nav a[href^="/operator"]').all();
      const paths = await Promise.all(links.map((link) => link.getAttribute('href')));
      expect(paths.length).toBeGreaterThanOrEqual(12);
      // Rows are alike: axe needs a quarter of a minute for all of them.
      paths.splice(paths.indexOf('/operator/live'), 1, '/operator/live?match=20');
      paths.splice(paths.indexOf('/operator/demand'), 1, '/operator/demand?match=20');
      const found: string[] = [];
      for (const path of [...paths, '/operator?by=match&show=revenue', '/operator/nothing']) {
        await page.goto(`${here.shop.url}${prefix}${path}`);
        await settled(page);
        const { violations } = await new AxeBuilder({ page }).withTags(TAGS).analyze();
        const wide = await page.evaluate<number>(WIDER);
        if (wide > 0) found.push(`${path}: ${wide} px wider than the screen`);
        found.push(
          ...violations
            .filter(({ impact }) => impact === 'serious' || impact === 'critical')
            .map(({ id, nodes }) => `${path}: ${id} ${nodes.map(({ target }) => String(target)).join(' ')}`),
        );
      }
      await context.close();
      expect(found).toEqual([]);
    },
  );
}

/** The answer of the server, of another market: one that is some weeks old and has a peer that takes too much. */
function withForecasts(body: { readonly at: string; readonly tickets: readonly object[] }): object {
  const days = (count: number): string => new Date(Date.parse(body.at) + count * 86_400_000).toISOString();
  const kickOff = { outlook: 'forecast', perDay: 2, isPastKickoff: false, endsAt: days(40) };
  const told = [
    { ...kickOff, chance: 0.97, earliest: days(5), median: days(9), latest: days(20) },
    { ...kickOff, chance: 0.6, earliest: days(12), median: days(33), latest: null },
    {
      ...kickOff,
      chance: 0.04,
      earliest: null,
      median: null,
      latest: null,
      oversubscribed: 3,
      holders: [{ clientId: 'a-peer', held: 1, sold: 4 }],
    },
  ];
  const oversubscribers = [{ clientId: 'a-peer', hours: 2, ticketsMost: 3, tickets: 1 }];
  return {
    ...body,
    oversubscribers,
    tickets: body.tickets.map((ticket, i) => ({ ...ticket, ...told[i % 3] })),
  };
}

/** How much wider the page is than the screen, pixels. */
const WIDER = 'document.documentElement.scrollWidth - document.documentElement.clientWidth';
const TAGS = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa'];

function factorSuite(): void {
  it(
    'is told where to set it up',
    async () => {
      const [shop, browser] = await Promise.all([openShop({ OPERATOR_SECOND_FACTOR: 'required' }), launch()]);
      try {
        const { page } = await visit(browser, 'desktop');
        await page.goto(`${shop.url}/operator/blocks`);
        await logIn(page, shop.operator);
        await sees(page, 'Operators need a second factor');
        await page.getByRole('link', { name: 'To my account' }).click();
        await page.getByRole('button', { name: /^Set up/ }).waitFor();
      } finally {
        await browser.close();
        await shop.stop();
      }
    },
    TEST_MS_MAX,
  );
}

/** On the page of the log-in. */
async function logIn(page: Page, { email, password }: Shop['operator']): Promise<void> {
  await page.getByRole('textbox', { name: /E-mail address/ }).fill(email);
  await page.getByLabel('Password', { exact: true }).fill(password);
  await page.getByRole('button', { name: 'Log in', exact: true }).click();
}

async function sees(page: Page, title: string): Promise<void> {
  await page.getByRole('heading', { level: 1, name: title }).waitFor();
}

async function settled(page: Page): Promise<void> {
  await page.getByRole('heading', { level: 1 }).first().waitFor();
  await page.locator('.spinner, [aria-busy="true"]').first().waitFor({ state: 'detached' });
}

const REFRESHES_MAX = 20;
const REFRESH_MS = 500;

/** Sales are counted a moment after they are made. */
async function refreshUntil(
  page: Page,
  section: string,
  wanted: ReturnType<Page['getByRole']>,
): Promise<void> {
  for (let tries = 0; tries < REFRESHES_MAX && (await wanted.count()) === 0; tries += 1) {
    await page.getByRole('button', { name: `Refresh: ${section}` }).click();
    await wanted.waitFor({ timeout: REFRESH_MS }).catch(() => undefined);
  }
  await wanted.waitFor();
}

async function downloaded(page: Page, button: string): Promise<{ name: string; text: string }> {
  const [file] = await Promise.all([
    page.waitForEvent('download'),
    page.getByRole('button', { name: button }).click(),
  ]);
  return { name: file.suggestedFilename(), text: readFileSync(await file.path(), 'utf8') };
}

/** Scripts and texts of the operators' pages, as browsers ask for them. */
function clientManifest(): Readonly<Record<string, { readonly file: string }>> {
  const text = readFileSync(new URL('../../dist/web/client/.vite/manifest.json', import.meta.url), 'utf8');
  return JSON.parse(text) as Record<string, { readonly file: string }>;
}

const salesFile = (): string => `/${clientManifest()['src/operator/sales/page.tsx']?.file ?? ''}`;

function operatorsFiles(): readonly string[] {
  return Object.entries(clientManifest())
    .filter(([name]) => /^src\/(operator\/|i18n\/operator\.)/.test(name))
    .map(([, { file }]) => `/${file}`);
}
