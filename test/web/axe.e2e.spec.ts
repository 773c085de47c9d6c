/** Every page, in every language and both themes, by axe: no serious violation of WCAG 2.2 A and AA. */
import { AxeBuilder } from '@axe-core/playwright';
import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import type { Browser, Page } from 'playwright-core';
import { skipBecause } from '../helpers/skips.js';
import { browserFound, launch, newEmail, openShop, visit, type Shop, type Size } from './browser.js';
import { buy, hold, register } from './buyer.js';

const TEST_MS_MAX = 480_000;
jest.setTimeout(TEST_MS_MAX);
const TAGS = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa'];
const PAGES = [
  '/',
  '/?view=calendar',
  '/?q=nothing+like+it',
  '/matches/1',
  '/matches/999',
  '/login',
  '/register',
  '/reset-password',
  '/confirm-email',
  '/lookup',
  '/help',
  '/tickets',
  '/account',
  '/check-in',
  '/nowhere',
];

if (browserFound.kind === 'none') {
  describe('axe', () => skipBecause('axe finds no serious violation on any page', browserFound.reason));
} else {
  describe('axe', suite);
}

function suite(): void {
  let shop: Shop;
  let browser: Browser;
  beforeAll(async () => {
    [shop, browser] = await Promise.all([openShop(), launch()]);
  }, TEST_MS_MAX);
  afterAll(async () => {
    await browser?.close();
    await shop?.stop();
  }, TEST_MS_MAX);

  it.each([
    ['', 'light', 'desktop'],
    ['', 'dark', 'phone'],
    ['/ar', 'light', 'phone'],
    ['/ar', 'dark', 'desktop'],
  ] as const)(
    'finds nothing serious under %s/ in the %s theme on a %s',
    async (prefix, colorScheme, size: Size) => {
      const { page, context } = await visit(browser, size, { colorScheme });
      // What only somebody with tickets sees: they are bought in English.
      await register(page, shop, newEmail('axe'));
      const bought = await buy(page, shop, { matchNumber: 15 });
      const held = await hold(page, shop, { matchNumber: 16 });
      const found: string[] = [];
      const check = async (path: string): Promise<void> => {
        const { violations } = await new AxeBuilder({ page }).withTags(TAGS).analyze();
        found.push(
          ...violations
            .filter(({ impact }) => impact === 'serious' || impact === 'critical')
            .map(({ id, nodes }) => `${path}: ${id} ${nodes.map(({ target }) => String(target)).join(' ')}`),
        );
      };
      for (const path of [...PAGES, `/reservations/${bought}`, `/reservations/${held}`]) {
        await page.goto(`${shop.url}${prefix}${path}`);
        await settled(page);
        await check(path);
      }
      // What is loaded when it is scrolled to, opened, with a team that is followed.
      await page.goto(`${shop.url}${prefix}/`);
      await page.locator('.recommended').scrollIntoViewIfNeeded();
      await page.locator('.tune-summary').click();
      await page.locator('select[name=follow]').selectOption('Japan');
      await page.locator('.tune-team').waitFor();
      await page.locator('.ask').waitFor();
      await check('recommendations and the question about recording');
      await context.close();
      expect(found).toEqual([]);
    },
  );
}

/** Nothing is being loaded any more. The stream of availability never ends, so the network is never idle. */
async function settled(page: Page): Promise<void> {
  await page.getByRole('heading', { level: 1 }).first().waitFor();
  await page.locator('[aria-busy="true"]').first().waitFor({ state: 'detached' });
}
